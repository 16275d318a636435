"""The catalogue of exercises: data files, read and checked.

An exercise names the object of the package that solves it. Its skeleton and
its solution are that object; only the task, the hints and the links are
written down, in `exercises/<module>.toml`.
"""

import tomllib
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from laidout.workshop.skeleton import skeleton
from laidout.workshop.source import SourceObject, find_object, nearest

EXERCISES = Path(__file__).with_name("exercises")
MIN_HINTS = 3


class CatalogueError(ValueError):
    """An exercise file says something that cannot be used."""


@dataclass(frozen=True)
class Link:
    """A page of PyTorch's documentation and what to look for on it."""

    object: str
    why: str


@dataclass(frozen=True)
class Exercise:
    """One exercise; task, hints and the links' reasons are Markdown."""

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

    @cached_property
    def source(self) -> SourceObject:
        """The object that solves the exercise, in its source file."""
        return find_object(self.object)

    @property
    def skeleton(self) -> str:
        """What the reader starts from."""
        return skeleton(self.source, self.blank)

    @property
    def solution(self) -> str:
        """The tested source itself."""
        return self.source.text


def load_catalogue(folder: Path = EXERCISES) -> dict[str, Exercise]:
    """Read every exercise file of a folder, by exercise name.

    Raises:
        CatalogueError: naming the file, the exercise and the key, if a file
            is not TOML, a key is missing, unknown or of the wrong type, an
            object does not exist, hints are too few, or an exercise builds
            on an unknown one.
    """
    found: dict[str, Exercise] = {}
    for path in sorted(folder.glob("*.toml")):
        for name, entry in _read(path).items():
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
    return found


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


_TEXTS = ("title", "object", "chapter", "task")
_LISTS = ("hints", "blank", "builds_on")
_REQUIRED = (*_TEXTS, "minutes", "hints", "links")


def _read(path: Path) -> dict[str, Any]:
    """Parse one exercise file."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
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
