"""Derive an exercise's skeleton from the source object that solves it.

What stays: the signature, the docstring, whatever stands before step 1, and
the numbered step comments. What goes: the code between them. The result is
valid Python that raises NotImplementedError.
"""

import ast
import re
import textwrap
from collections.abc import Sequence

from laidout.workshop.source import (
    Definition,
    SourceObject,
    definitions,
    first_line,
)

STEP = re.compile(r"# (\d+)\. \S")
UNWRITTEN = "not written yet"
"""How the error of a skeleton ends."""


def skeleton(
    source: SourceObject,
    blank: Sequence[str] = (),
    elsewhere: Sequence[str] = (),
) -> str:
    """Return the object's source with the code of its steps left out.

    For a class, blank names the methods to write. Those in `elsewhere`, which
    other exercises ask for, are not shown at all; the rest is given.

    Raises:
        ValueError: if blank names no method of the class, if a function is
            given one, or if a body to leave out has no numbered steps.
    """
    lines = list(source.lines)
    offset = source.first_line
    changes: list[tuple[int, int, list[str]]] = []
    for function in _to_blank(source, blank):
        start = _body_start(function, source) - offset
        end = _end(function) - offset
        body = _blank_body(lines[start:end], function, source)
        changes.append((start, end, body))
    for name, node in definitions(source.node):
        if name in elsewhere:
            # The blank line in front goes too.
            start = first_line(node) - offset - 1
            changes.append((start, _end(node) - offset, []))
    for start, end, new in sorted(changes, reverse=True):
        lines[start:end] = new
    return textwrap.dedent("\n".join(lines)) + "\n"


def _end(node: Definition) -> int:
    """Return the number of the line after a definition."""
    return (node.end_lineno or node.lineno) + 1


def _to_blank(
    source: SourceObject, blank: Sequence[str]
) -> list[ast.FunctionDef]:
    """Return the functions whose code is left out, in source order."""
    if isinstance(source.node, ast.FunctionDef):
        if blank:
            raise ValueError(
                f"blank ({list(blank)}) must be empty: {source.name} is a "
                "function"
            )
        return [source.node]
    methods = {
        name: node
        for name, node in definitions(source.node)
        if isinstance(node, ast.FunctionDef)
    }
    wrong = [name for name in blank if name not in methods]
    if wrong or not blank:
        raise ValueError(
            f"blank ({list(blank)}) must name methods of {source.name}, "
            f"which has {sorted(methods)}"
        )
    return sorted((methods[name] for name in blank), key=first_line)


def _body_start(function: ast.FunctionDef, source: SourceObject) -> int:
    """Return the number of the first line after signature and docstring."""
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        return (first.end_lineno or first.lineno) + 1
    start = first.lineno
    while source.lines[start - 1 - source.first_line].strip()[:1] in {"#", ""}:
        start -= 1
    return start


def _blank_body(
    body: Sequence[str], function: Definition, source: SourceObject
) -> list[str]:
    """Keep what is given and the step comments; end in a polite error."""
    pad = " " * (function.col_offset + 4)
    given, steps, numbers = _split_steps(body)
    name = (
        source.name
        if function is source.node
        else (f"{source.name}.{function.name}")
    )
    if numbers != list(range(1, len(numbers) + 1)) or not numbers:
        raise ValueError(
            f"the steps of {name} must be numbered 1, 2, 3, ..., got {numbers}"
        )
    error = f'{pad}raise NotImplementedError("{name}: {UNWRITTEN}")'
    return [*given, *(pad + step for step in steps), error]


def _split_steps(
    body: Sequence[str],
) -> tuple[list[str], list[str], list[int]]:
    """Split a body into what is given, its step comments, their numbers."""
    given: list[str] = []
    steps: list[str] = []
    numbers: list[int] = []
    inside = False
    for line in body:
        text = line.strip()
        match = STEP.match(text)
        if match:
            numbers.append(int(match[1]))
            if len(numbers) > 1:
                steps.append("")
        inside = bool(match) or (inside and text.startswith("#"))
        if inside:
            steps.append(text)
        elif not numbers:
            given.append(line)
    return given, steps, numbers
