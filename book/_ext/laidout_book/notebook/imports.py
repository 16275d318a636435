"""Imports of a notebook's cells: those that a cell needs, none too many."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from laidout.workshop.imports import defined_in, import_blocks, names_in
from laidout_book.execution import MAGIC

LAIDOUT = "laidout"


def with_imports(
    path: Path, module: str, name: str, shown: str, solution: str
) -> str:
    """Put in front of an object's code the imports that it needs.

    `shown` is what the cell defines, `solution` the object as the package has
    it: what that needs is imported too, so that it can be written.
    """
    used, given = names_in(solution), names_in(shown)
    own = [
        known
        for known in defined_in(path)
        if known != name and known in (given if known[0] == "_" else used)
    ]
    blocks = import_blocks(path, module, used | given, own)
    head = "\n\n".join("\n".join(block) for block in blocks)
    return f"{head}\n\n\n{shown}" if head else shown


def without_imports(code: str, defined: Mapping[str, str]) -> str:
    """Take out the imports of what the notebook defines itself.

    `defined` gives the module of each name. What was imported under another
    name gets that name of the notebook's own.
    """
    for start, end, new in sorted(_changes(code, defined), reverse=True):
        code = code[:start] + new + code[end:]
    return code.strip("\n")


def names_made(code: str) -> set[str]:
    """Return what a cell assigns, defines or imports, for later cells."""
    made: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            made.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            made.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            made |= {(a.asname or a.name).split(".")[0] for a in node.names}
    return made


def _changes(
    code: str, defined: Mapping[str, str]
) -> Iterator[tuple[int, int, str]]:
    """Yield what is to be exchanged: from where, up to where, with what."""
    # A magic is no Python; blanks keep the places of all the rest.
    blank = MAGIC.sub(lambda magic: " " * len(magic[0]), code)
    tree = ast.parse(blank)
    lines = [0, *(match.end() for match in re.finditer("\n", code))]
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom):
            continue
        ours = [a for a in node.names if _is_ours(node, a, defined)]
        if not ours:
            continue
        first, last = lines[node.lineno - 1], lines[(node.end_lineno or 1) - 1]
        start = first + _letters(code[first:], node.col_offset)
        end = last + _letters(code[last:], node.end_col_offset or 0)
        new = _written(node, [a for a in node.names if a not in ours], ours)
        alone = not code[first:start].strip() and code[end : end + 1] in (
            "",
            "\n",
        )
        if not new and alone and start == first:
            end += 1
        yield start, end, new or ("" if alone and start == first else "pass")


def _letters(line: str, width: int) -> int:
    """Turn a place in bytes, as `ast` counts, into one in letters."""
    return len(line.encode()[:width].decode())


def _is_ours(
    node: ast.ImportFrom, alias: ast.alias, defined: Mapping[str, str]
) -> bool:
    return defined.get(alias.name) is not None and node.module in (
        defined[alias.name],
        LAIDOUT,
    )


def _written(
    node: ast.ImportFrom, others: list[ast.alias], ours: list[ast.alias]
) -> str:
    """Write what is left of an import."""
    parts = []
    if others:
        names = (
            f"{a.name} as {a.asname}" if a.asname else a.name for a in others
        )
        parts.append(f"from {node.module} import {', '.join(names)}")
    parts += [f"{a.asname} = {a.name}" for a in ours if a.asname]
    return "; ".join(parts)
