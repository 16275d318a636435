"""The catalogue of exercises: data files, read and checked.

An exercise names the object of the package that solves it. Its skeleton and
its solution are that object; only the task, the hints and the links are
written down, in `exercises/<module>.toml`.
"""

import textwrap
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from laidout.workshop.skeleton import skeleton
from laidout.workshop.source import (
    SourceObject,
    find_in_file,
    find_object,
    helpers_of,
    nearest,
)

EXERCISES = Path(__file__).with_name("exercises")
MIN_HINTS = 3
MOST = 80
"""Letters of a list of names that is shown in full."""
ORDER = (
    *("attention", "masks", "feedforward", "embedding", "positional"),
    *("normalization", "layers", "transformer", "tokenizer", "data"),
    *("loss", "schedule", "training", "decoding"),
)
"""The modules in the order in which the book builds them."""


class CatalogueError(ValueError):
    """An exercise file says something that cannot be used."""


@dataclass(frozen=True)
class Link:
    """A page of PyTorch's documentation and what to look for on it."""

    object: str
    why: str


@dataclass(frozen=True)
class Exercise:
    """One exercise; task, hints and the links' reasons are Markdown.

    `blank` names the methods to write where the object is a class, and
    `elsewhere` those that other exercises on the same class ask for.
    """

    name: str
    title: str
    object: str
    chapter: str
    minutes: int
    task: str
    hints: tuple[str, ...]
    links: tuple[Link, ...]
    blank: tuple[str, ...] = ()
    builds_on: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()

    @property
    def module_name(self) -> str:
        """The module of the package that solves it, 'laidout.masks'."""
        return self.object.rpartition(".")[0]

    @property
    def module(self) -> str:
        """The same without the package, 'masks': the reader's file."""
        return self.module_name.rpartition(".")[2]

    @cached_property
    def source(self) -> SourceObject:
        """The object that solves the exercise, in its source file."""
        return find_object(self.object)

    @property
    def skeleton(self) -> str:
        """What the reader starts from."""
        return skeleton(self.source, self.blank, self.elsewhere)

    @property
    def solution(self) -> str:
        """The tested source itself."""
        return self.source.text

    @property
    def answer(self) -> str:
        """What the reader has to write, as the package has it.

        Of a class only the methods that are left out; private helpers of the
        module come along.
        """
        path, name = self.source.path, self.source.name
        parts = [
            find_in_file(path, f"{name}.{method}") for method in self.blank
        ] or [self.source]
        used = {h.name: h for part in parts for h in helpers_of(part)}
        texts = [textwrap.dedent(p.text) for p in (*parts, *used.values())]
        return "\n\n\n".join(texts) + "\n"


def load_catalogue(folder: Path = EXERCISES) -> dict[str, Exercise]:
    """Read every exercise file of a folder, in the reader's order.

    They are read again only when a file has changed.

    Raises:
        CatalogueError: naming the file, the exercise and the key, if a file
            is not TOML, a key is missing, unknown or of the wrong type, an
            object does not exist, hints are too few, or an exercise builds
            on an unknown one.
    """
    paths = sorted(folder.glob("*.toml"), key=_place)
    return dict(_load(tuple((path, path.read_bytes()) for path in paths)))


@lru_cache(maxsize=2)
def _load(files: tuple[tuple[Path, bytes], ...]) -> dict[str, Exercise]:
    """Make a catalogue of the contents of files."""
    found: dict[str, Exercise] = {}
    for path, content in files:
        for name, entry in _parse(path, content).items():
            if name in found:
                raise CatalogueError(f"{path.name}: {name!r} stands twice")
            found[name] = _exercise(path, name, entry)
    for exercise in found.values():
        for base in exercise.builds_on:
            if base not in found:
                raise CatalogueError(
                    f"{exercise.name}: builds_on names {base!r}"
                    + nearest(base, list(found))
                )
    return {name: _with_siblings(e, found) for name, e in found.items()}


def _with_siblings(
    exercise: Exercise, found: Mapping[str, Exercise]
) -> Exercise:
    """Tell an exercise which methods other exercises ask for."""
    elsewhere = {
        method
        for other in found.values()
        if other.object == exercise.object
        for method in other.blank
        if method not in exercise.blank
    }
    return replace(exercise, elsewhere=tuple(sorted(elsewhere)))


def _place(path: Path) -> tuple[int, str]:
    """Say where a file of exercises comes in the order."""
    known = path.stem in ORDER
    return ORDER.index(path.stem) if known else len(ORDER), path.stem


def find_exercise(name: str, folder: Path = EXERCISES) -> Exercise:
    """Return one exercise.

    Raises:
        CatalogueError: naming the nearest exercise, if there is none of
            that name.
    """
    catalogue = load_catalogue(folder)
    if name not in catalogue:
        raise CatalogueError(
            f"exercise {name!r} does not exist{nearest(name, list(catalogue))}"
        )
    return catalogue[name]


def find_exercises(names: list[str]) -> list[Exercise]:
    """Return the exercises of some names, in the reader's order; or all.

    A name is that of an exercise, of an object or method, or of a module or
    its file.

    Raises:
        CatalogueError: naming the nearest, if there is none of a name.
    """
    catalogue = load_catalogue()
    wanted: set[str] = set()
    for name in names or catalogue:
        bare = name.removesuffix(".py")
        found = _called(bare, catalogue)
        if not found:
            close = nearest(bare.lower(), list(catalogue))
            if len(close) > MOST:
                close = "; laidout progress lists all of them"
            raise CatalogueError(f"exercise {name!r} does not exist{close}")
        wanted |= found
    return [exercise for name, exercise in catalogue.items() if name in wanted]


def _called(name: str, catalogue: Mapping[str, Exercise]) -> set[str]:
    """Return the exercises of a name, else those in other letters."""
    names = {e.name: _names_of(e) for e in catalogue.values()}
    # Transformer is a class, transformer a module.
    exact = {e for e, known in names.items() if name in known}
    small = name.lower()
    return exact or {
        e for e, known in names.items() if small in map(str.lower, known)
    }


def _names_of(exercise: Exercise) -> set[str]:
    """Return all that an exercise may be called."""
    own = exercise.source.name
    methods = {f"{own}.{method}" for method in exercise.blank}
    return {exercise.name, own, exercise.module, exercise.object, *methods}


def find_one(name: str) -> Exercise:
    """Return the only exercise of a name, of an object or of a module.

    Raises:
        CatalogueError: if there are several, or none.
    """
    found = find_exercises([name])
    if len(found) > 1:
        names = ", ".join(exercise.name for exercise in found)
        raise CatalogueError(f"{name!r} is several exercises: {names}")
    return found[0]


_TEXTS = ("title", "object", "chapter", "task")
_LISTS = ("hints", "blank", "builds_on")
_REQUIRED = (*_TEXTS, "minutes", "hints", "links")


def _parse(path: Path, content: bytes) -> dict[str, Any]:
    """Parse one exercise file."""
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CatalogueError(
            f"{path.name}: not a TOML file: {error}"
        ) from None


def _exercise(path: Path, name: str, entry: Any) -> Exercise:
    """Check one entry and make an exercise of it."""
    where = f"{path.name}: {name}"
    _check_keys(where, entry)
    values: dict[str, Any] = {key: entry[key].strip() for key in _TEXTS}
    values |= {key: tuple(entry.get(key, ())) for key in _LISTS}
    links = tuple(Link(**link) for link in entry["links"])
    try:
        exercise = Exercise(
            name=name, minutes=entry["minutes"], links=links, **values
        )
        exercise.skeleton  # noqa: B018  (raises if it cannot be derived)
    except ValueError as error:
        raise CatalogueError(f"{where}: {error}") from None
    return exercise


def _check_keys(where: str, entry: Any) -> None:
    """Raise unless an entry has exactly the right keys, of the right type."""
    if not isinstance(entry, dict):
        raise CatalogueError(f"{where}: must be a table, got {entry!r}")
    known = [*_REQUIRED, "blank", "builds_on"]
    for key in entry:
        if key not in known:
            raise CatalogueError(
                f"{where}: unknown key {key!r}{nearest(key, known)}"
            )
    for key in _REQUIRED:
        if key not in entry:
            raise CatalogueError(f"{where}: {key} is missing")
    for key in _TEXTS:
        if not isinstance(entry[key], str) or not entry[key].strip():
            raise CatalogueError(f"{where}: {key} must be text")
    if type(entry["minutes"]) is not int or entry["minutes"] < 1:
        raise CatalogueError(f"{where}: minutes must be a whole number")
    for key in _LISTS:
        if not _is_list_of_texts(entry.get(key, [])):
            raise CatalogueError(f"{where}: {key} must be a list of texts")
    _check_links(where, entry["links"])
    if len(entry["hints"]) < MIN_HINTS:
        raise CatalogueError(
            f"{where}: needs {MIN_HINTS} hints, has {len(entry['hints'])}"
        )


def _is_list_of_texts(value: Any) -> bool:
    """Say whether a value is a list of texts, none of them empty."""
    return isinstance(value, list) and all(
        isinstance(text, str) and text.strip() for text in value
    )


def _check_links(where: str, links: Any) -> None:
    """Raise unless every link has its object and its reason, no more."""
    known = [part.name for part in fields(Link)]
    if not isinstance(links, list):
        raise CatalogueError(f"{where}: links must be a list of tables")
    for link in links:
        if not isinstance(link, dict):
            raise CatalogueError(f"{where}: links must be a list of tables")
        for key in link:
            if key not in known:
                raise CatalogueError(
                    f"{where}: links: unknown key {key!r}{nearest(key, known)}"
                )
        for key in known:
            if not isinstance(link.get(key), str) or not link[key].strip():
                raise CatalogueError(f"{where}: links: {key} must be text")
