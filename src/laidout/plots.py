"""Pictures of a run and of what a model looks at, for screen and file."""

import io
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from rich.table import Table
from rich.text import Text

from laidout.files import write_atomically
from laidout.inspection import AttentionMap

__all__ = ["attention_table", "draw_attention", "draw_curve"]

CELL = 0.45
"""Inches that a cell of an attention map takes."""

DARK = 0.72
"""Above this weight white can be read better than black on a cell's blue."""


def draw_curve(log: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw the losses of a run over its steps, as SVG.

    Raises:
        ValueError: if the log has no loss yet.
    """
    curves = {
        "loss": ("training (smoothed targets)", "-"),
        "valid_loss": ("validation (true targets)", "o--"),
    }
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for key, (label, style) in curves.items():
        points = [(line["step"], line[key]) for line in log if key in line]
        if points:
            axes.plot(*zip(*points, strict=True), style, label=label)
    if not axes.lines:
        raise ValueError(f"log ({len(log)} lines) must have a loss")
    axes.set(xlabel="step", ylabel="loss, nats per token", ylim=(0, None))
    axes.legend()
    _save(figure, path)


def draw_attention(attention: AttentionMap, path: Path) -> None:
    """Draw an attention map as a grid of numbers, as SVG.

    Shapes: weights (rows, columns), written as hundredths.
    """
    rows, columns = attention.weights.shape
    figure = Figure(
        figsize=(2 + CELL * columns, 1 + CELL * rows), layout="constrained"
    )
    axes = figure.add_subplot()
    axes.imshow(attention.weights.tolist(), cmap="Blues", vmin=0, vmax=1)
    axes.xaxis.tick_top()
    # A token may hold dollar signs: they begin no formula.
    how = {"parse_math": False}
    names = _visible(attention.columns)
    axes.set_xticks(range(columns), names, rotation=60, **how)
    axes.set_yticks(range(rows), _visible(attention.rows), **how)
    for row, weights in enumerate(attention.weights.tolist()):
        for column, weight in enumerate(weights):
            color = "white" if weight > DARK else "black"
            axes.text(
                *(column, row, f"{100 * weight:.0f}"),
                color=color,
                ha="center",
                va="center",
                fontsize="small",
            )
    _save(figure, path)


def attention_table(attention: AttentionMap) -> Table:
    """Return an attention map as a table for the terminal.

    Shapes: weights (rows, columns), written as hundredths.
    """
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("")
    for name in _visible(attention.columns):
        table.add_column(Text(name), justify="right", no_wrap=True)
    for name, weights in zip(
        _visible(attention.rows), attention.weights.tolist(), strict=True
    ):
        table.add_row(Text(name), *map(_cell, weights))
    return table


def _cell(weight: float) -> Text:
    """Write a weight as hundredths, the larger the stronger."""
    # Strong and faint can be seen on dark and on light screens.
    style = "bold" if weight >= 0.5 else "dim" if weight < 0.1 else ""
    number = f"{100 * weight:.0f}"
    return Text("·" if number == "0" else number, style)


def _visible(tokens: Sequence[str]) -> list[str]:
    """Show spaces as "_", and what cannot be printed by its number."""
    return [
        "".join(
            letter if letter.isprintable() else ascii(letter)[1:-1]
            for letter in token.replace(" ", "_")
        )
        for token in tokens
    ]


def _save(figure: Figure, path: Path) -> None:
    """Write a figure as SVG that is the same for the same data."""
    file = io.BytesIO()
    with (
        # Text stays text: it can be searched and read aloud.
        matplotlib.rc_context(
            {"svg.hashsalt": "laidout", "svg.fonttype": "none"}
        ),
        warnings.catch_warnings(),
    ):
        # A letter that our font lacks is in one of whoever looks at it.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(file, format="svg", metadata={"Date": None})
    write_atomically(path, file.getvalue())
