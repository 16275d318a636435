"""German for the phrase grammar: endings, numbers, the order of a clause.

An ending depends on the case, on the gender and on the word in front; the
finite verb stands second in a statement, first in a question and last behind
a conjunction, and what belongs to it closes the clause.
"""

from collections.abc import Iterable
from typing import NamedTuple

from laidout.phrases.lexicon import Piece

__all__ = [
    "Fields",
    "adjective_form",
    "article_form",
    "join",
    "noun_form",
    "number_pieces",
    "question",
    "statement",
    "subordinate",
    "with_preposition",
]

GENDERS = "mfnp"
"""Masculine, feminine, neuter; the plural counts as a fourth gender."""

DEFINITE = {
    "nominative": ("der", "die", "das", "die"),
    "accusative": ("den", "die", "das", "die"),
    "dative": ("dem", "der", "dem", "den"),
}
"""The article "der", by case and gender."""

EIN = {
    "nominative": ("", "e", "", "e"),
    "accusative": ("en", "e", "", "e"),
    "dative": ("em", "er", "em", "en"),
}
"""Endings of ein, kein, mein, dein, sein, ihr, unser."""

WEAK = {
    "nominative": ("e", "e", "e", "en"),
    "accusative": ("en", "e", "e", "en"),
    "dative": ("en", "en", "en", "en"),
}
"""Endings of an adjective behind "der"."""

MIXED = {
    "nominative": ("er", "e", "es", "en"),
    "accusative": ("en", "e", "es", "en"),
    "dative": ("en", "en", "en", "en"),
}
"""Endings of an adjective behind ein, kein, mein, ..."""

STRONG = {
    "nominative": ("er", "e", "es", "e"),
    "accusative": ("en", "e", "es", "e"),
    "dative": ("em", "er", "em", "en"),
}
"""Endings of an adjective with no article in front."""

CONTRACTIONS = {
    ("an", "dem"): "am",
    ("in", "das"): "ins",
    ("in", "dem"): "im",
    ("zu", "dem"): "zum",
    ("zu", "der"): "zur",
}
"""Prepositions that swallow the article behind them."""


def article_form(article: str, gender: str, case: str) -> str:
    """Give "der", "ein", "kein", "mein", ... the form that a noun asks for.

    Raises:
        ValueError: if gender or case is none that German has here.
    """
    # 1. Insist on a known column and row of the tables.
    if gender not in GENDERS:
        raise ValueError(f"gender must be one of m, f, n, p, got {gender!r}")
    if case not in DEFINITE:
        raise ValueError(f"case must be one of {[*DEFINITE]}, got {case!r}")
    # 2. "der" has its own table, no article has no form, the rest endings.
    column = GENDERS.index(gender)
    if article == "der":
        return DEFINITE[case][column]
    return article and article + EIN[case][column]


def adjective_form(stem: str, article: str, gender: str, case: str) -> str:
    """Give an adjective the ending that the word in front leaves to it."""
    # 1. The less the article says, the more the adjective has to say.
    table = {"der": WEAK, "": STRONG}.get(article, MIXED)
    # 2. Row and column as for the article.
    return stem + table[case][GENDERS.index(gender)]


def noun_form(noun: str, gender: str, case: str) -> str:
    """Give a noun its ending: plurals take -n in the dative."""
    if gender == "p" and case == "dative" and noun[-1] not in "ns":
        return noun + "n"
    return noun


def number_pieces(tens: Piece | None, ones: Piece | None) -> tuple[Piece, ...]:
    """Turn a number round: twenty-five is five-and-twenty in German."""
    # 1. A number of one part stays as it is.
    parts = tuple(part for part in (tens, ones) if part)
    if tens is None or ones is None:
        return parts
    # 2. Ones, "und", tens, written as one word.
    return (ones, Piece("und", glued=True), tens._replace(glued=True))


def with_preposition(
    preposition: str, phrase: tuple[Piece, ...]
) -> tuple[Piece, ...]:
    """Put a preposition in front; with some articles it becomes one word."""
    # 1. im, ins, am, zum, zur swallow the article.
    one_word = CONTRACTIONS.get((preposition, phrase[0].text))
    if one_word:
        return (Piece(one_word), *phrase[1:])
    # 2. All others stand in front.
    return (Piece(preposition), *phrase)


class Fields(NamedTuple):
    """The fields of a German clause, in the order of the statement."""

    subject: tuple[Piece, ...]
    finite: Piece
    middle: tuple[Piece, ...]
    closing: tuple[Piece, ...]
    separable: bool = False


def statement(
    fields: Fields, front: tuple[Piece, ...] = ()
) -> tuple[Piece, ...]:
    """Put the finite verb second: "Am Montag hat sie ein Buch gekauft"."""
    subject, finite, middle, closing, _ = fields
    # 1. With nothing else in front, the subject stands there.
    if not front:
        return (*subject, finite, *middle, *closing)
    # 2. Otherwise the subject follows the verb.
    return (*front, finite, *subject, *middle, *closing)


def question(fields: Fields) -> tuple[Piece, ...]:
    """Put the finite verb first: "Hat sie ein Buch gekauft"."""
    subject, finite, middle, closing, _ = fields
    return (finite, *subject, *middle, *closing)


def subordinate(conjunction: str, fields: Fields) -> tuple[Piece, ...]:
    """Put the finite verb last: "weil sie ein Buch gekauft hat"."""
    subject, finite, middle, closing, separable = fields
    # 1. "steht ... auf" comes together again: "aufsteht".
    last = finite._replace(glued=separable)
    # 2. The conjunction opens the clause, the finite verb closes it.
    return (Piece(conjunction), *subject, *middle, *closing, last)


def join(parts: Iterable[tuple[Piece, ...]]) -> tuple[Piece, ...]:
    """Chain phrases."""
    return tuple([piece for part in parts for piece in part])
