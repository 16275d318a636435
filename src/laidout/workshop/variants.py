"""Mistakes as data: wrong variants of an exercise's solution.

A mistake is written down in `mistakes/<module>.toml`: a slug, one sentence
that names it, a nudge, and what makes it of the right source. Since it is an
edit of the tested source, two mistakes can be put into one variant.
"""

import ast
import textwrap
import tomllib
from collections.abc import ItemsView
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import import_module
from pathlib import Path
from types import CodeType
from typing import Any

from laidout.workshop.catalogue import CatalogueError, Exercise
from laidout.workshop.source import (
    SourceObject,
    definitions,
    helpers,
    nearest,
    with_methods,
)

__all__ = [
    "MISTAKES",
    "Mistake",
    "build",
    "combine",
    "load_mistakes",
    "mistakes_of",
    "wrong_source",
]

MISTAKES = Path(__file__).with_name("mistakes")

_TEXTS = ("says", "nudge")
_KNOWN = (*_TEXTS, "edits", "source")


@dataclass(frozen=True)
class Mistake:
    """One mistake; either `edits` of the right source or a `source`.

    `says` names it to whoever made it, `nudge` asks what leads on. An edit is
    what stands in the right source and what stands there instead. `source`
    is the whole object, or for a class some of its methods.
    """

    slug: str
    says: str
    nudge: str
    edits: tuple[tuple[str, str], ...] = ()
    source: str = ""


def load_mistakes(path: Path) -> dict[str, dict[str, Mistake]]:
    """Read a file of mistakes, by exercise and slug.

    It is read again only when it has changed.

    Raises:
        CatalogueError: naming the file, the mistake and what is wrong.
    """
    return _parse(path, path.read_bytes())


@lru_cache(maxsize=32)
def _parse(path: Path, content: bytes) -> dict[str, dict[str, Mistake]]:
    """Make mistakes of the content of a file."""
    try:
        data = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CatalogueError(
            f"{path.name}: not a TOML file: {error}"
        ) from None
    return {
        exercise: {
            slug: _mistake(f"{path.name}: {exercise}.{slug}", slug, entry)
            for slug, entry in _table(f"{path.name}: {exercise}", entries)
        }
        for exercise, entries in data.items()
    }


def mistakes_of(exercise: Exercise) -> dict[str, Mistake]:
    """Return the known mistakes of an exercise, by slug."""
    path = MISTAKES / f"{exercise.module}.toml"
    return load_mistakes(path).get(exercise.name, {})


def _table(where: str, entry: Any) -> ItemsView[str, Any]:
    """Return what a table holds; raise if it is none."""
    if not isinstance(entry, dict):
        raise CatalogueError(f"{where}: must be a table, got {entry!r}")
    return entry.items()


def _mistake(where: str, slug: str, entry: Any) -> Mistake:
    """Check one entry and make a mistake of it."""
    for key, _ in _table(where, entry):
        if key not in _KNOWN:
            raise CatalogueError(
                f"{where}: unknown key {key!r}{nearest(key, list(_KNOWN))}"
            )
    for key in _TEXTS:
        if not isinstance(entry.get(key), str) or not entry[key].strip():
            raise CatalogueError(f"{where}: {key} must be text")
    if ("edits" in entry) == ("source" in entry):
        raise CatalogueError(f"{where}: needs either edits or a source")
    edits, source = entry.get("edits", []), entry.get("source", "")
    if "edits" in entry and not _are_edits(edits):
        raise CatalogueError(f"{where}: edits must be pairs of texts")
    if "source" in entry and not (isinstance(source, str) and source.strip()):
        raise CatalogueError(f"{where}: source must be text")
    texts = {key: " ".join(entry[key].split()) for key in _TEXTS}
    return Mistake(
        slug=slug,
        edits=tuple((old, new) for old, new in edits),
        source=textwrap.dedent(source).strip("\n"),
        **texts,
    )


def _are_edits(edits: Any) -> bool:
    """Tell whether edits are a list of pairs of texts, at least one."""
    return (
        isinstance(edits, list) and edits != [] and all(map(_is_edit, edits))
    )


def _is_edit(edit: Any) -> bool:
    return (
        isinstance(edit, list)
        and len(edit) == 2
        and all(isinstance(text, str) for text in edit)
    )


def wrong_source(exercise: Exercise, mistake: Mistake) -> str:
    """Return the source of a mistake, with the helpers it uses.

    Raises:
        ValueError: if an edit's old text does not stand in the right source
            exactly once.
    """
    if mistake.source:
        return _beside_helpers(
            exercise, _whole(exercise.source, mistake.source)
        )
    return _edit(_right_source(exercise), mistake)


def _right_source(exercise: Exercise) -> str:
    """Return the solution with the private helpers of its module."""
    return _beside_helpers(exercise, exercise.source.text)


def _beside_helpers(exercise: Exercise, text: str) -> str:
    return "\n\n\n".join([*_helper_texts(exercise.source.path), text]) + "\n"


@cache
def _helper_texts(path: Path) -> tuple[str, ...]:
    """Return the private helpers of a module; pairs ask for them often."""
    return tuple(part.text for part in helpers(path))


def _whole(right: SourceObject, source: str) -> str:
    """Put methods that stand alone into their class."""
    names = [name for name, _ in definitions(ast.parse(source))]
    if not right.is_class or right.name in names:
        return source
    return with_methods(right, source)


def _edit(text: str, mistake: Mistake) -> str:
    """Put a mistake's edits into a source.

    Raises:
        ValueError: if one of them does not fit exactly once.
    """
    for old, new in mistake.edits:
        if text.count(old) != 1:
            raise ValueError(
                f"{mistake.slug}: {old!r} stands {text.count(old)} times in "
                "the source, must stand once"
            )
        text = text.replace(old, new)
    return text


def combine(exercise: Exercise, one: Mistake, other: Mistake) -> str | None:
    """Return a source with both mistakes; None if they cannot be combined.

    They cannot if they touch the same lines, or if one of them is a source
    of its own.
    """
    if one.source or other.source:
        return None
    try:
        both = _edit(_edit(_right_source(exercise), one), other)
        _compiled(exercise.name, both)
    except (ValueError, SyntaxError):
        return None
    return both


def build(exercise: Exercise, source: str) -> Any:
    """Run a source beside the package's own module; return its object."""
    module = import_module(exercise.module_name)
    namespace = dict(vars(module))
    exec(_compiled(exercise.name, source), namespace)
    return namespace[exercise.source.name]


@lru_cache(maxsize=1)
def _compiled(name: str, source: str) -> CodeType:
    """Compile a source; what was combined is built right afterwards."""
    return compile(source, f"<{name}>", "exec")
