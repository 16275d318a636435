"""The terms of the index: read from `index_terms.toml`, found in a text."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from laidout_book.errors import BookError, nearest

FILE = "index_terms.toml"
TABLES = ["not_terms", "terms"]
NESTED = ", "
GAPS = {" ": r"[\s-]+", "-": r"[\s-]?", "'": "['\u2019]"}


@dataclass(frozen=True)
class Term:
    """How a term is printed, and by which words it is found."""

    printed: str
    words: tuple[str, ...] = ()
    also: str = ""
    see: tuple[str, ...] = ()
    see_also: tuple[str, ...] = ()

    @property
    def places(self) -> list[str]:
        """Return the places of the index at which it is printed."""
        return [place for place in (self.printed, self.also) if place]


def pattern(spelling: str) -> str:
    """Match a spelling, its plural, and it without or with its hyphens."""
    parts = re.split("([ '-])", spelling)
    found = "".join(GAPS.get(part, re.escape(part)) for part in parts)
    if re.search("[^aeiou]y$", found):
        found = f"{found[:-1]}(?:y|ies)"
    else:
        found += "(?:s|es)?"
    return found if spelling != spelling.lower() else f"(?i:{found})"


class Terms:
    """A list of terms; of several at one place the longest is found."""

    def __init__(
        self, terms: list[Term], not_terms: tuple[str, ...] = ()
    ) -> None:
        self.all = terms
        self.not_terms = not_terms
        spelled = [(word, term) for term in terms for word in term.words]
        spelled.sort(key=lambda pair: -len(pair[0]))
        self._owners = [term for _, term in spelled]
        words = "|".join(f"({pattern(word)})" for word, _ in spelled)
        self._any = re.compile(rf"(?<![\w-])(?:{words or '(?!)'})(?!-?\w)")

    def find(self, text: str) -> Iterator[tuple[int, int, Term]]:
        """Yield where a term begins and ends in a text, and which it is."""
        for match in self._any.finditer(text):
            yield match.start(), match.end(), self._owners[match.lastindex - 1]  # type: ignore[operator]


def read_terms(path: Path) -> Terms:
    """Read the list of terms; a book without one has no terms.

    Raises:
        BookError: if the list is not TOML, has anything unknown, files a
            word under two terms, or sends the reader to no term.
    """
    if not path.exists():
        return Terms([])
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BookError(f"{path}: not a TOML file: {error}") from None
    try:
        return _terms(data)
    except ValueError as error:
        raise BookError(f"{path}: {error}") from None


def _terms(data: dict[str, Any]) -> Terms:
    for key in data:
        if key not in TABLES:
            raise ValueError(f"unknown key {key!r}{nearest(key, TABLES)}")
    not_terms = _strings("not_terms", data.get("not_terms", []))
    table = data.get("terms", {})
    if not isinstance(table, dict):
        raise ValueError(f"terms must be a table, got {table!r}")
    terms = [_term(printed, entry) for printed, entry in table.items()]
    _insist_on_one_place(terms)
    _insist_on_one_owner(terms)
    _insist_on_somewhere(terms)
    return Terms(terms, not_terms)


def _term(printed: str, entry: Any) -> Term:
    """Check one entry and fill in what it leaves out."""
    kinds = {"words": list, "also": str, "see": list, "see_also": list}
    if not isinstance(entry, dict):
        raise ValueError(f"{printed!r}: expected a table, got {entry!r}")
    for key, value in entry.items():
        if key not in kinds:
            raise ValueError(
                f"{printed!r}: unknown key {key!r}{nearest(key, list(kinds))}"
            )
        if type(value) is not kinds[key] or not value:
            raise ValueError(
                f"{printed!r}: {key} must be a {kinds[key].__name__} that "
                f"says something, got {value!r}"
            )
    lists = {
        key: _strings(f"{printed!r}: {key}", entry[key])
        for key in ("words", "see", "see_also")
        if key in entry
    }
    if "see" in entry and len(entry) > 1:
        raise ValueError(f"{printed!r}: with see it has nothing else")
    if "see" not in entry and "words" not in entry:
        if NESTED in printed:
            raise ValueError(f"{printed!r}: expected the words to find it by")
        lists["words"] = (printed,)
    return Term(printed, **{**entry, **lists})


def _strings(name: str, values: Any) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise ValueError(f"{name} must be a list, got {values!r}")
    for value in values:
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f"{name}: expected words, got {value!r}")
    return tuple(values)


def _insist_on_one_place(terms: list[Term]) -> None:
    seen: set[str] = set()
    for term in terms:
        for place in term.places:
            if place.casefold() in seen:
                raise ValueError(f"{term.printed!r}: {place!r} is there twice")
            seen.add(place.casefold())


def _insist_on_one_owner(terms: list[Term]) -> None:
    spelled = [
        (word, re.compile(pattern(word)), term)
        for term in terms
        for word in term.words
    ]
    for (a, find_a, one), (b, find_b, other) in combinations(spelled, 2):
        if one is not other and (find_a.fullmatch(b) or find_b.fullmatch(a)):
            raise ValueError(
                f"{other.printed!r}: its word {b!r} is the word {a!r} of "
                f"{one.printed!r}"
            )


def _insist_on_somewhere(terms: list[Term]) -> None:
    places = [place for term in terms if not term.see for place in term.places]
    for term in terms:
        for target in (*term.see, *term.see_also):
            if target not in places:
                raise ValueError(
                    f"{term.printed!r}: see {target!r}, which is no term "
                    f"with pages{nearest(target, places)}"
                )
