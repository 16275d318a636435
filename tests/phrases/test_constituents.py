"""Constituents: numbers against a rule of their own, people, places, times."""

from random import Random

import pytest

from laidout.phrases.clause import Part
from laidout.phrases.constituents import (
    ANY,
    GROWN,
    SMALL,
    Constituents,
    it,
    pronoun,
)
from laidout.phrases.english import bracket, words
from laidout.phrases.lexicon import Piece, lexicon

ENGLISH = """two three four five six seven eight nine ten eleven twelve
thirteen fourteen fifteen sixteen seventeen eighteen nineteen"""
GERMAN = """zwei drei vier fünf sechs sieben acht neun zehn elf zwölf
dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn"""
TENS = """twenty zwanzig thirty dreißig forty vierzig fifty fünfzig
sixty sechzig seventy siebzig eighty achtzig ninety neunzig"""


def oracle() -> dict[str, str]:
    names = dict(zip(ENGLISH.split(), GERMAN.split(), strict=True))
    ones = {"one": "ein", **dict([*names.items()][:8])}
    for tens, zig in zip(TENS.split()[::2], TENS.split()[1::2], strict=True):
        names[tens] = zig
        for one, ein in ones.items():
            names[f"{tens}-{one}"] = f"{ein}und{zig}"
    return names


def text(pieces: tuple[Piece, ...] | list[Piece]) -> str:
    joined = "".join(
        piece.text if piece.glued else f" {piece.text}" for piece in pieces
    )
    return joined.strip()


def both(part: Part) -> tuple[str, str]:
    return text(words(part.english)), text(part.german)


@pytest.fixture
def draw() -> Constituents:
    return Constituents(Random(1))


def test_all_numbers_from_2_to_99(draw: Constituents) -> None:
    drawn = {both(draw.number(ANY)) for _ in range(6000)}
    assert dict(drawn) == oracle()
    assert len(drawn) == 98


def test_small_and_grown_numbers(draw: Constituents) -> None:
    small = {both(draw.number(SMALL))[0] for _ in range(500)}
    assert small == set(ENGLISH.split()[:11])
    grown = {both(draw.number(GROWN))[0] for _ in range(500)}
    assert not grown & small


def test_both_parts_of_a_number_are_linked(draw: Constituents) -> None:
    part = draw.number(("parts",))
    left, _, right = words(part.english)
    assert [p.link for p in part.german] == [right.link, 0, left.link]


NOUN_PHRASES = [
    ("apple", "accusative", "the", False, ("the apple", "den Apfel")),
    ("apple", "accusative", "an", False, None),
    ("apple", "dative", "my", True, ("my apples", "meinen Äpfeln")),
    ("child", "dative", "the", True, ("the children", "den Kindern")),
    ("sister", "dative", "our", False, ("our sister", "unserer Schwester")),
    ("letter", "accusative", "a", False, ("a letter", "einen Brief")),
    ("egg", "nominative", "a", False, ("an egg", "ein Ei")),
    ("pizza", "accusative", "", False, ("pizza", "Pizza")),
]


@pytest.mark.parametrize(
    ("noun", "case", "lead", "plural", "pair"),
    [row for row in NOUN_PHRASES if row[-1]],
)
def test_noun_phrases(
    draw: Constituents,
    noun: str,
    case: str,
    lead: str,
    plural: bool,
    pair: tuple[str, str],
) -> None:
    found = lexicon().nouns[noun]
    part = draw.noun_phrase(found, case, lead, plural, share=0.0)
    assert both(part) == pair


def test_kein_stands_in_german_only(draw: Constituents) -> None:
    nouns = lexicon().nouns
    part = draw.noun_phrase(nouns["milk"], "accusative", share=0, no=True)
    assert both(part) == ("milk", "keine Milch")
    part = draw.noun_phrase(nouns["dog"], "accusative", "a", share=0, no=True)
    assert both(part) == ("a dog", "keinen Hund")


def test_adjectives_keep_their_order_and_are_noted(
    draw: Constituents,
) -> None:
    car = lexicon().nouns["car"]
    ranks = {a.english: a.rank for a in lexicon().adjectives["car"]}
    longest = 0
    for _ in range(300):
        draw.combinations = []
        part = draw.noun_phrase(car, "accusative", "a", share=1.0)
        *adjectives, _ = [p.text for p in words(part.english)][1:]
        order = [ranks[adjective] for adjective in adjectives]
        assert order == sorted(set(order))
        assert [pair for _, pair in draw.combinations] == [
            (adjective, "car") for adjective in adjectives
        ]
        longest = max(longest, len(adjectives))
    assert longest == 2


def test_it_has_the_gender_of_the_german_noun() -> None:
    nouns = lexicon().nouns
    made = [text(it(nouns[n], False).german) for n in ("coat", "lamp", "car")]
    assert made == ["er", "sie", "es"]
    assert text(it(nouns["coat"], True).german) == "sie"


def test_pronouns() -> None:
    made = {
        name: text(pronoun(name).german)
        for name in ("I", "you", "he", "she", "we", "they")
    }
    assert [*made.values()] == ["ich", "du", "er", "sie", "wir", "sie"]


def test_nobody_else_is_the_subject(draw: Constituents) -> None:
    for name, banned in [("I", {"me", "us"}), ("we", {"me", "us"})]:
        others = {
            both(draw.other(pronoun(name), "dative"))[0] for _ in range(400)
        }
        assert not others & banned
        assert others >= {"you", "him", "her", "them", "Anna", "Tom"}


def test_two_people_are_they_and_with_me_we(draw: Constituents) -> None:
    for _ in range(300):
        two = draw.couple()
        assert len({*two.names}) == 2
        english, german = text(words(two.english)), text(two.german)
        assert english.count(" and ") == german.count(" und ") == 1
        me = english.endswith(" and I")
        assert german.endswith(" und ich") == me
        expected = (3, "we") if me else (4, "they")
        assert (two.agreement, two.pronoun) == expected


PLACES = [
    (False, "at home", "zu Hause"),
    (True, "home", "nach Hause"),
    (False, "at school", "in der Schule"),
    (True, "to school", "zur Schule"),
    (False, "in the park", "im Park"),
    (True, "to the park", "in den Park"),
    (False, "in the big garden", "im großen Garten"),
    (True, "to my garden", "in meinen Garten"),
    (False, "in our small kitchen", "in unserer kleinen Küche"),
    (True, "to the kitchen", "in die Küche"),
    (False, "at the old station", "am alten Bahnhof"),
    (True, "to the new station", "zum neuen Bahnhof"),
    (False, "at the market", "auf dem Markt"),
    (True, "to the market", "zum Markt"),
    (False, "in the city", "in der Stadt"),
    (True, "to the city", "in die Stadt"),
]


def test_places(draw: Constituents) -> None:
    names = (*lexicon().places, "home")
    drawn = {
        (to, *both(draw.place(names, to)))
        for to in (False, True)
        for _ in range(4000)
    }
    assert set(PLACES) <= drawn


TIMES = [
    ("past", "yesterday", "gestern"),
    ("past", "last week", "letzte Woche"),
    ("past", "on Wednesday", "am Mittwoch"),
    ("past", "in the evening", "am Abend"),
    ("will", "tomorrow", "morgen"),
    ("will", "today", "heute"),
    ("will", "on Saturday", "am Samstag"),
    ("present", "every day", "jeden Tag"),
    ("present", "every morning", "jeden Morgen"),
    ("present", "every Sunday", "jeden Sonntag"),
]


def test_times_go_with_the_tense(draw: Constituents) -> None:
    drawn = {
        (mode, *both(draw.time(mode)))
        for mode in ("past", "will", "present")
        for _ in range(1500)
    }
    assert set(TIMES) <= drawn
    modes = {english: mode for mode, english, _ in drawn}
    for english, mode in modes.items():
        if english.startswith("every"):
            assert mode == "present"
    assert ("past", "tomorrow", "morgen") not in drawn


def test_hours_and_often(draw: Constituents) -> None:
    hours = {both(draw.hour()) for _ in range(300)}
    assert ("at twelve", "um zwölf") in hours
    assert len(hours) == 11
    assert both(draw.often()) == ("often", "oft")
    assert bracket(draw.often().english) == "(ADVP (RB often))"
