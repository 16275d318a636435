"""The card that other sites show when somebody links the book."""

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from figures.example import key, query
from figures.palette import LIGHT

WIDTH, HEIGHT, DPI = 12.0, 6.3, 100
"""Inches and dots: 1200 by 630 pixels, the size that sites ask for."""


def social_card(path: Path) -> None:
    """Draw the title beside the book's first weights, as a PNG."""
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI)
    figure.set_facecolor(LIGHT["paper"].strong)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(0, HEIGHT)
    axes.axis("off")
    for y, word, role in (
        (3.7, "Transformers", "ink"),
        (2.65, "Laid Out", "accent"),
    ):
        colour = LIGHT[role].strong
        axes.text(0.8, y, word, color=colour, size=62, weight="bold")
    says = "intuition, paper and code, side by side"
    axes.text(0.85, 1.75, says, color=LIGHT["muted"].strong, size=23)
    weights = (query @ key.T / 2).softmax(dim=-1)
    for row, line in enumerate(weights.tolist()):
        for column, weight in enumerate(line):
            cell = FancyBboxPatch(
                (8.5 + column * 0.98, 4.15 - row * 0.98),
                *(0.8, 0.8),
                boxstyle="round,pad=0,rounding_size=0.12",
                facecolor=LIGHT["query"].strong,
                alpha=0.12 + 0.88 * weight,
                linewidth=0,
            )
            axes.add_patch(cell)
    figure.savefig(path, metadata={"Software": None})
