"""Plots of executed cells, drawn in the palette so that pages can theme."""

import re
from typing import Any

from figures.palette import LIGHT

FONT = 'var(--lo-figure-font, "Source Sans 3", "DejaVu Sans", sans-serif)'
CYCLE = ("query", "key", "value", "gradient", "memory", "output")
_FAMILY = re.compile(r"'DejaVu Sans'(?:, *(?:'[^']*'|[\w -]+))*")


def matplotlib_settings() -> dict[str, Any]:
    """Return Matplotlib's settings for a plot of the book."""
    ink, line = LIGHT["ink"].strong, LIGHT["line"].strong
    colours = [LIGHT[role].strong for role in CYCLE]
    cycle = ", ".join(f"'{colour}'" for colour in colours)
    return {
        "figure.figsize": (5.0, 3.0),
        "figure.facecolor": "none",
        "figure.constrained_layout.use": True,
        "savefig.facecolor": "none",
        "savefig.bbox": None,
        "axes.facecolor": "none",
        "axes.edgecolor": line,
        "axes.labelcolor": ink,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.prop_cycle": f"cycler('color', [{cycle}])",
        "grid.color": LIGHT["line"].soft,
        "font.size": 11,
        "legend.frameon": False,
        "lines.linewidth": 2,
        "text.color": ink,
        "xtick.color": line,
        "ytick.color": line,
        "xtick.labelcolor": ink,
        "ytick.labelcolor": ink,
        "svg.fonttype": "none",
        "svg.hashsalt": "laidout",
    }


def with_properties(svg: str) -> str:
    """Write the palette's colours as custom properties, fonts likewise."""
    for role, colour in LIGHT.items():
        for name, value in (
            (role, colour.strong),
            (f"{role}-soft", colour.soft),
        ):
            svg = svg.replace(value, f"var(--lo-{name})")
    return _FAMILY.sub(FONT.replace('"', "'"), svg)
