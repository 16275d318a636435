"""How the workshop speaks in a notebook."""

import re
from collections.abc import Iterator
from html import escape as escaped

from laidout.workshop.results import Evidence, Grid, Result
from laidout.workshop.terminal import (
    BEHIND,
    rows_of,
    shortened,
    visible,
)

__all__ = ["report"]

SIGNS = {"passed": "✓", "failed": "✗", "error": "✗", "not started": "○"}
BOX = (
    "border:1px solid currentColor;border-left-width:5px;"
    "padding:0.5em 1em;margin:0.5em 0;max-width:44em;line-height:1.5"
)
CELL = "text-align:right;padding:0 0.5em;font-family:monospace"


def report(result: Result) -> str:
    """Say what a check has found, as HTML that fits light and dark."""
    head = (
        f"<strong>{SIGNS[result.status]} {result.status}</strong> "
        f"<code>{escape(result.name)}</code>"
    )
    return f'<div style="{BOX}">{head}{"".join(_details(result))}</div>'


def _details(result: Result) -> Iterator[str]:
    """Yield the parts of a report below its head."""
    if result.passed:
        return
    yield f"<p><strong>{_sentence(result.message)}</strong></p>"
    yield from _evidence(result.evidence)
    if result.printed.strip():
        yield f"<p>Your code wrote:</p>{_pre(shortened(result.printed))}"
    if result.second:
        yield f"<p>{BEHIND}</p>"
    if result.nudge:
        yield f"<p><em>{_sentence(result.nudge)}</em></p>"
    if result.status == "failed":
        yield f'<p>Next: <code>hint("{escape(result.name)}")</code></p>'


def _sentence(text: str) -> str:
    """Write a sentence, what stands between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def escape(text: str) -> str:
    """Write a text so that all of it is seen and nothing is obeyed."""
    return escaped(visible(text))


def _pre(text: str) -> str:
    return f"<pre>{escape(text)}</pre>"


def _evidence(evidence: Evidence) -> Iterator[str]:
    """Yield what a message rests on."""
    rows = "".join(
        f"<dt>{label}</dt><dd>{_sentence(text)}</dd>"
        for label, text in rows_of(evidence).items()
    )
    if rows:
        yield f"<dl>{rows}</dl>"
    if evidence.lines:
        yield _pre("\n".join(evidence.lines[-3:]))
    if evidence.got_grid and evidence.wanted_grid:
        place = f", {escape(evidence.window)}" if evidence.window else ""
        yield _grid(f"got (✗ where it differs{place})", evidence.got_grid)
        yield _grid("wanted", evidence.wanted_grid)


def _grid(caption: str, grid: Grid) -> str:
    """Draw some numbers of a tensor; the wrong ones are marked."""
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in grid)
    return f"<table><caption>{caption}</caption><tbody>{rows}</tbody></table>"


def _cell(cell: tuple[str, bool]) -> str:
    text, right = cell
    if right:
        return f'<td style="{CELL}">{escape(text)}</td>'
    return f'<td style="{CELL};font-weight:bold">✗ {escape(text)}</td>'
