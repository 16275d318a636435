"""German endings and clause order against tables written here."""

import pytest

from laidout.phrases.german import (
    Fields,
    adjective_form,
    article_form,
    noun_form,
    number_pieces,
    question,
    statement,
    subordinate,
    with_preposition,
)
from laidout.phrases.lexicon import Piece

# Written out whole, as a grammar book prints it: nouns with "gut".
PRINTED = """
nominative der gute Tee  | die gute Suppe  | das gute Brot   | die guten Eier
accusative den guten Tee | die gute Suppe  | das gute Brot   | die guten Eier
dative     dem guten Tee | der guten Suppe | dem guten Brot  | den guten Eiern
nominative mein guter Tee    | meine gute Suppe   | mein gutes Brot    | \
meine guten Eier
accusative meinen guten Tee  | meine gute Suppe   | mein gutes Brot    | \
meine guten Eier
dative     meinem guten Tee  | meiner guten Suppe | meinem guten Brot  | \
meinen guten Eiern
nominative guter Tee  | gute Suppe  | gutes Brot | gute Eier
accusative guten Tee  | gute Suppe  | gutes Brot | gute Eier
dative     gutem Tee  | guter Suppe | gutem Brot | guten Eiern
"""

ROWS = [
    (("der", "mein", "")[row // 3], line.split()[0], gender, cell.split())
    for row, line in enumerate(PRINTED.strip().splitlines())
    for gender, cell in zip(
        "mfnp", line.split(maxsplit=1)[1].split("|"), strict=True
    )
]


@pytest.mark.parametrize(("lead", "case", "gender", "printed"), ROWS)
def test_endings_are_those_of_the_grammar_book(
    lead: str, case: str, gender: str, printed: list[str]
) -> None:
    noun = {"m": "Tee", "f": "Suppe", "n": "Brot", "p": "Eier"}[gender]
    words = [
        article_form(lead, gender, case),
        adjective_form("gut", lead, gender, case),
        noun_form(noun, gender, case),
    ]
    assert [word for word in words if word] == printed


@pytest.mark.parametrize("lead", ["ein", "kein", "dein", "sein", "unser"])
def test_all_possessives_take_the_endings_of_mein(lead: str) -> None:
    for case in ("nominative", "accusative", "dative"):
        for gender in "mfnp":
            mein = article_form("mein", gender, case)
            assert article_form(lead, gender, case) == lead + mein[4:]


@pytest.mark.parametrize(
    ("noun", "dative"),
    [
        ("Brüder", "Brüdern"),
        ("Kinder", "Kindern"),
        ("Schwestern", "Schwestern"),
        ("Autos", "Autos"),
        ("Hunde", "Hunden"),
    ],
)
def test_plurals_take_n_in_the_dative(noun: str, dative: str) -> None:
    assert noun_form(noun, "p", "dative") == dative
    assert noun_form(noun, "p", "accusative") == noun


def test_a_gender_or_case_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="'x'"):
        article_form("der", "x", "dative")
    with pytest.raises(ValueError, match="'genitive'"):
        article_form("der", "m", "genitive")


def text(pieces: tuple[Piece, ...]) -> str:
    joined = "".join(
        piece.text if piece.glued else f" {piece.text}" for piece in pieces
    )
    return joined.strip()


@pytest.mark.parametrize(
    ("preposition", "article", "together"),
    [
        ("in", "dem", "im Park"),
        ("in", "das", "ins Park"),
        ("an", "dem", "am Park"),
        ("zu", "dem", "zum Park"),
        ("zu", "der", "zur Park"),
        ("in", "den", "in den Park"),
        ("in", "der", "in der Park"),
        ("auf", "dem", "auf dem Park"),
        ("mit", "dem", "mit dem Park"),
        ("in", "meinem", "in meinem Park"),
    ],
)
def test_prepositions_swallow_some_articles(
    preposition: str, article: str, together: str
) -> None:
    phrase = (Piece(article), Piece("Park", 3))
    made = with_preposition(preposition, phrase)
    assert text(made) == together
    assert made[-1] == Piece("Park", 3)


def test_numbers_are_turned_round() -> None:
    five, twenty = Piece("fünf", 2), Piece("zwanzig", 1)
    assert text(number_pieces(twenty, five)) == "fünfundzwanzig"
    assert number_pieces(None, five) == (five,)
    assert number_pieces(twenty, None) == (twenty,)


def fields(words: str, *, separable: bool = False) -> Fields:
    subject, finite, middle, closing = (
        tuple(Piece(word) for word in field.split())
        for field in words.split("|")
    )
    return Fields(subject, finite[0], middle, closing, separable)


def test_the_finite_verb_is_second_first_or_last() -> None:
    clause = fields("sie | hat | ein Buch | gekauft")
    assert text(statement(clause)) == "sie hat ein Buch gekauft"
    assert text(question(clause)) == "hat sie ein Buch gekauft"
    front = (Piece("gestern"),)
    inverted = "gestern hat sie ein Buch gekauft"
    assert text(statement(clause, front)) == inverted
    assert text(subordinate("weil", clause)) == "weil sie ein Buch gekauft hat"


def test_a_separable_verb_comes_together_at_the_end() -> None:
    clause = fields("er | steht | um acht | auf", separable=True)
    assert text(statement(clause)) == "er steht um acht auf"
    assert text(subordinate("dass", clause)) == "dass er um acht aufsteht"
