"""The imports that a piece of the package needs where it stands alone."""

import ast
from collections.abc import Collection
from pathlib import Path

from laidout.workshop.source import definitions

__all__ = ["defined_in", "import_blocks", "names_in"]

WIDE = 40
"""Letters of imported names that still go on one line."""


def import_blocks(
    path: Path, module_name: str, used: set[str], own: Collection[str]
) -> list[list[str]]:
    """Return the lines of the imports, block by block.

    They are those of the module at `path` whose names are used, and one of
    the module itself for the names in `own`.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    blocks = _blocks(tree, used)
    if own:
        if not (blocks and blocks[-1][-1].startswith("from laidout")):
            blocks.append([])
        blocks[-1].append(f"from {module_name} import {_listed(list(own))}")
        blocks[-1].sort()
    return blocks


def names_in(source: str) -> set[str]:
    """Return all names that a source uses."""
    return {
        node.id
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Name)
    }


def defined_in(path: Path) -> list[str]:
    """Return what a module defines: objects, constants, types."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [name for name, _ in definitions(tree) if "." not in name]
    for node in tree.body:
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        if isinstance(node, ast.Assign | ast.AnnAssign):
            names += [t.id for t in targets if isinstance(t, ast.Name)]
    return sorted(set(names) - {"__all__"})


def _blocks(tree: ast.Module, used: set[str]) -> list[list[str]]:
    """Return the imports of a module that are used, block by block."""
    blocks: list[list[str]] = []
    last = -1
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            if node.lineno > last + 1:
                blocks.append([])
            blocks[-1] += [text] if (text := _filtered(node, used)) else []
            last = node.end_lineno or node.lineno
    return [block for block in blocks if block]


def _filtered(node: ast.Import | ast.ImportFrom, used: set[str]) -> str:
    """Write an import again, with only the names that are used."""
    kept = [
        alias
        for alias in node.names
        if (alias.asname or alias.name.partition(".")[0]) in used
    ]
    if not kept:
        return ""
    names = [f"{a.name} as {a.asname}" if a.asname else a.name for a in kept]
    if isinstance(node, ast.Import):
        return "\n".join(f"import {name}" for name in names)
    return f"from {node.module} import {_listed(names)}"


def _listed(names: list[str]) -> str:
    """Write names after an import, in brackets where they are many."""
    line = ", ".join(names)
    if len(line) <= WIDE:
        return line
    return "(\n" + "".join(f"    {name},\n" for name in names) + ")"
