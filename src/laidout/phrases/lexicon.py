"""The words of the phrase grammar, read from phrases.toml and checked."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

__all__ = [
    "Adjective",
    "Lexicon",
    "Noun",
    "Piece",
    "Place",
    "Verb",
    "lexicon",
]

GENDER = {"der": "m", "die": "f", "das": "n"}
"""The article of a German noun tells its gender."""


class Piece(NamedTuple):
    """A word, or a part of one, and the number of the word it translates."""

    text: str
    link: int = 0
    glued: bool = False


@dataclass(frozen=True)
class Noun:
    """A noun in both languages; without plurals if it is not counted."""

    english: str
    plural: str
    german: str
    german_plural: str
    gender: str
    kind: str


@dataclass(frozen=True)
class Adjective:
    """An adjective: before endings it is the stem, before others its rank."""

    english: str
    german: str
    stem: str
    rank: int
    degree: bool


@dataclass(frozen=True)
class Verb:
    """A verb in both languages and what goes with it: see phrases.toml."""

    english: str
    third: str
    past: str
    german: str
    present: tuple[str, ...]
    auxiliary: str
    participle: str
    particle: str = ""
    up: str = ""
    objects: tuple[Noun, ...] = ()
    shapes: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    because: tuple[str, ...] = ()
    despite: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    weight: int = 1
    habit: bool = False
    seldom: bool = False
    few: bool = False
    gift: tuple[str, ...] = ()
    company: bool = False
    direction: bool = False
    hour: bool = False


@dataclass(frozen=True)
class Place:
    """A place and the prepositions for "where" and "where to"."""

    noun: Noun
    at: tuple[str, str]
    to: tuple[str, str]
    bare: bool = False
    owned: bool = False


@dataclass(frozen=True)
class Lexicon:
    """All words; adjectives are listed by the nouns that they fit."""

    nouns: dict[str, Noun]
    kinds: dict[str, tuple[Noun, ...]]
    adjectives: dict[str, tuple[Adjective, ...]]
    states: dict[str, str]
    verbs: dict[str, Verb]
    reports: dict[str, Verb]
    modals: dict[str, tuple[str, ...]]
    places: dict[str, Place]
    days: dict[str, str]
    parts: dict[str, str]
    past: dict[str, str]
    future: dict[str, str]
    names: dict[str, str]
    numbers: dict[str, str]
    many: frozenset[str]


def read_noun(english: str, kind: str, row: list[str]) -> Noun:
    """Read ["das Ei", "eggs", "Eier"].

    Raises:
        ValueError: if there is no article or only one of the plurals.
    """
    # 1. Article and noun, perhaps with the plurals.
    article, _, german = row[0].partition(" ")
    if article not in GENDER or len(row) not in {1, 3}:
        raise ValueError(
            f"noun {english!r} must be [article noun] or [article noun, "
            f"English plural, German plural], got {row}"
        )
    # 2. The article tells the gender.
    plural, german_plural = row[1:] or ("", "")
    return Noun(english, plural, german, german_plural, GENDER[article], kind)


def read_verb(
    english: str, row: Mapping[str, Any], kinds: Mapping[str, tuple[Noun, ...]]
) -> Verb:
    """Read a table of phrases.toml; what is left out is empty or false.

    Raises:
        ValueError: if one of the forms that every verb needs is missing, or
            if an object is neither a noun nor a kind of nouns.
    """
    # 1. Insist on the forms and on known objects.
    missing = {"english", "german", "present", "perfect"} - set(row)
    if missing:
        raise ValueError(f"verb {english!r} lacks {sorted(missing)}")
    unknown = set(row.get("objects", ())) - set(kinds)
    if unknown:
        raise ValueError(f"verb {english!r} has objects {sorted(unknown)}")
    # 2. The forms; the infinitive is the plural too.
    rest: dict[str, Any] = dict(row)
    third, past = rest.pop("english")
    german = rest.pop("german")
    auxiliary, participle = rest.pop("perfect").split()
    present = (*rest.pop("present"), german, german)
    # 3. The nouns of every kind of object, and the rest as it stands.
    objects = tuple(n for k in rest.pop("objects", ()) for n in kinds[k])
    more: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in rest.items()
    }
    return Verb(
        english,
        third,
        past,
        german,
        present,
        auxiliary,
        participle,
        objects=objects,
        **more,
    )


def read_adjectives(
    rows: Mapping[str, Any], kinds: Mapping[str, tuple[Noun, ...]]
) -> dict[str, tuple[Adjective, ...]]:
    """List for every noun the adjectives that fit it.

    Raises:
        ValueError: if an adjective is said of what is no noun or kind.
    """
    fitting: dict[str, list[Adjective]] = {}
    for english, row in rows.items():
        # 1. Insist on known nouns.
        unknown = set(row["of"]) - set(kinds)
        if unknown:
            raise ValueError(f"adjective {english!r} is of {sorted(unknown)}")
        # 2. Enter the adjective under every noun, once.
        adjective = Adjective(
            english,
            row["german"],
            row.get("stem", row["german"]),
            row["rank"],
            row.get("degree", False),
        )
        for noun in {n.english for k in row["of"] for n in kinds[k]}:
            fitting.setdefault(noun, []).append(adjective)
    return {noun: tuple(found) for noun, found in fitting.items()}


def read_lexicon(text: str) -> Lexicon:
    """Read the word lists, given as TOML."""
    table = tomllib.loads(text)
    # 1. Nouns kind by kind; every noun is a kind of its own as well.
    kinds = {
        kind: tuple(read_noun(n, kind, row) for n, row in rows.items())
        for kind, rows in table["nouns"].items()
    }
    nouns = {n.english: n for kind in kinds.values() for n in kind}
    kinds |= {english: (noun,) for english, noun in nouns.items()}
    # 2. What refers to nouns.
    adjectives = read_adjectives(table["adjectives"], kinds)
    verbs, reports = (
        {v: read_verb(v, row, kinds) for v, row in table[name].items()}
        for name in ("verbs", "reports")
    )
    places = {
        name: Place(
            nouns[name],
            tuple(row["at"]),
            tuple(row["to"]),
            row.get("bare", False),
            row.get("owned", False),
        )
        for name, row in table["places"].items()
    }
    # 3. Plain lists.
    modals = {english: tuple(row) for english, row in table["modals"].items()}
    plain = {name: table[name] for name in ("states", "names", "numbers")}
    return Lexicon(
        nouns,
        kinds,
        adjectives,
        verbs=verbs,
        reports=reports,
        places=places,
        modals=modals,
        many=frozenset(table["many"]),
        **table["times"],
        **plain,
    )


@cache
def lexicon() -> Lexicon:
    """Read the word lists of the package, once."""
    return read_lexicon(
        files("laidout.phrases").joinpath("phrases.toml").read_text("utf-8")
    )
