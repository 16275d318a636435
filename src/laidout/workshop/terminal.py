"""How the workshop speaks in a terminal."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.markdown import Markdown
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from laidout.workshop.catalogue import Exercise
from laidout.workshop.results import Evidence, Grid, Result
from laidout.workshop.state import State

__all__ = [
    "PLAIN",
    "err",
    "head",
    "out",
    "progress_table",
    "report",
    "rows_of",
    "shortened",
    "summary",
    "visible",
]

# Names of files and sentences are text: "[b]" and ":cat:" stay what they are.
PLAIN: dict[str, Any] = {"markup": False, "emoji": False, "highlight": False}
out = Console(soft_wrap=True, **PLAIN)
err = Console(stderr=True, soft_wrap=True, **PLAIN)

LINES, LETTERS = 8, 200
"""How much of the reader's own output is shown: lines, and of each line."""
BEHIND = "Another mistake seems to wait behind this one; mend this one first."
INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters, but line ends and tabs, and half characters."""
STYLES = {
    "passed": "green",
    "failed": "bold red",
    "error": "bold red",
    "not started": "dim",
}


def report(result: Result, hint: str = "") -> RenderableType:
    """Say what a check has found: what, on which evidence, and what next.

    `hint` is what to type for a hint, where it is not the command.
    """
    if result.status in ("passed", "not started"):
        return head(result)
    lines = _details(result, hint or result.hint)
    details = Padding(Group(*lines), (0, 0, 1, 4))
    return Group(head(result), details)


def head(result: Result) -> Text:
    """Name an exercise with its status."""
    line = Text(f"{result.status:<12}", STYLES[result.status])
    return Text.assemble(line, result.name)


def _details(result: Result, hint: str) -> Iterator[RenderableType]:
    """Yield the parts of a report below its head."""
    yield Text(visible(result.message), "bold")
    yield from _evidence(result.evidence)
    if result.printed.strip():
        yield Text("\nYour code wrote:")
        yield Padding(Text(shortened(result.printed), "dim"), (0, 0, 0, 2))
    if result.second:
        yield Text(f"\n{BEHIND}")
    if result.nudge:
        yield Text(f"\n{result.nudge}", "italic")
    if result.status == "failed":
        yield Text(f"\nNext: {hint}")


def shortened(text: str) -> str:
    """Return the first lines of a text, and how many more there are."""
    lines = text.rstrip().splitlines()
    shown = [_cut(visible(line)) for line in lines[:LINES]]
    more = len(lines) - LINES
    if more > 0:
        shown.append(f"... and {more} more line{'s' * (more > 1)}")
    return "\n".join(shown)


def _cut(line: str) -> str:
    """Return a line, or its beginning if it is very long."""
    return line if len(line) <= LETTERS else f"{line[:LETTERS]} ..."


def visible(text: str) -> str:
    """Write what cannot be shown by its number.

    A control character could move the cursor, and half a character cannot
    be sent to a notebook.
    """
    return INVISIBLE.sub(lambda found: ascii(found[0])[1:-1], text)


def rows_of(evidence: Evidence) -> dict[str, str]:
    """Return what is shown of the evidence, by the label of its row."""
    rows = {
        "should hold": evidence.says,
        "called": evidence.call,
        "came out": evidence.difference,
    }
    # Where the sentence has room for both, they are in it already; and
    # where there is none, the message has said it all.
    said = not evidence.difference or evidence.got in evidence.difference
    if not evidence.got_grid and not said:
        rows |= {"got": evidence.got, "wanted": evidence.wanted}
    return {label: visible(text) for label, text in rows.items() if text}


def _evidence(evidence: Evidence) -> Iterator[RenderableType]:
    """Yield what a message rests on."""
    rows = rows_of(evidence)
    if evidence.lines:
        rows["at"] = visible("\n".join(evidence.lines[-3:]))
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in rows.items():
        table.add_row(label, Text(text))
    if table.row_count:
        yield Text()
        yield table
    if evidence.got_grid and evidence.wanted_grid:
        yield Text()
        yield _grids(evidence.got_grid, evidence.wanted_grid, evidence.window)


def _grids(got: Grid, wanted: Grid, window: str) -> Group:
    """Put what came out above what was wanted, the wrong numbers marked."""
    columns = zip(*got, *wanted, strict=True)
    widths = [max(len(text) for text, _ in column) for column in columns]
    place = f" ({window})" if window else ""
    return Group(
        Text(f"got, with * where it differs{place}", "dim"),
        Padding(_grid(got, widths), (0, 0, 0, 2)),
        Text("wanted", "dim"),
        Padding(_grid(wanted, widths), (0, 0, 0, 2)),
    )


def _grid(grid: Grid, widths: Sequence[int]) -> Text:
    """Draw some numbers of a tensor, the last digits below each other."""
    drawn = Text(no_wrap=True, overflow="ellipsis")
    for place, row in enumerate(grid):
        drawn.append("\n" * (place > 0))
        for (text, right), width in zip(row, widths, strict=True):
            number = f"{text:>{width}}"
            if right:
                drawn.append(f"{number}  ")
            else:
                drawn.append(f"{number}*", "bold red").append(" ")
    return drawn


def summary(results: Sequence[Result]) -> Text:
    """Count what has passed, and what nobody has begun."""
    passed = sum(result.passed for result in results)
    idle = sum(result.status == "not started" for result in results)
    text = f"{passed} of {len(results)} passed"
    if idle:
        text += f", {idle} not started"
    return Text(f"{text}.", "green" if passed == len(results) else "")


def markdown(text: str) -> Markdown:
    """Draw a task or a hint."""
    return Markdown(text)


def progress_table(exercises: Sequence[Exercise], state: State) -> Table:
    """Draw what is done, chapter by chapter."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("chapter", overflow="fold")
    table.add_column("exercise", overflow="fold")
    table.add_column("minutes", justify="right")
    table.add_column()
    chapter = ""
    for exercise in exercises:
        done, changed = state.is_done(exercise), state.has_changed(exercise)
        status = "changed" if changed else "to do"
        table.add_row(
            "" if exercise.chapter == chapter else exercise.chapter,
            exercise.name,
            str(exercise.minutes),
            Text("done", "green") if done else Text(status, "dim"),
        )
        chapter = exercise.chapter
    return table
