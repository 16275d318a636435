"""Clauses put in order, each built by hand from its parts."""

import pytest

from laidout.phrases.clause import (
    Clause,
    Part,
    Person,
    ahead,
    asked,
    behind,
    stated,
)
from laidout.phrases.english import Node, bracket, leaf, node, words
from laidout.phrases.lexicon import Piece, lexicon

ICH = Person(node("NP", leaf("PRP", "I")), (Piece("ich"),), 0)
ER = Person(node("NP", leaf("PRP", "he")), (Piece("er"),), 2)
SIE = Person(node("NP", leaf("PRP", "they")), (Piece("sie"),), 4)


def part(english: str, german: str, label: str = "NP") -> Part:
    parts = [leaf("NN", word) for word in english.split()]
    return Part(
        node(label, *parts), tuple(Piece(word) for word in german.split())
    )


BOOK = part("the book", "das Buch")
NO_BOOK = part("a book", "kein Buch")
MONDAY = part("on Monday", "am Montag", "PP")
PIZZA = part("pizza", "Pizza")
GARDEN = part("in the garden", "im Garten", "PP")
SCHOOL = part("to school", "zur Schule", "PP")
SEVEN = part("at seven", "um sieben", "PP")
TIRED = part("tired", "müde", "ADJP")


def clause(person: Person, verb: str, mode: str, **rest: object) -> Clause:
    found = {**lexicon().verbs, **lexicon().reports, "be": None}[verb]
    return Clause(person, found, mode)._replace(**rest)


def text(pieces: tuple[Piece, ...]) -> str:
    joined = "".join(
        piece.text if piece.glued else f" {piece.text}" for piece in pieces
    )
    return joined.strip()


def both(made: Part) -> tuple[str, str]:
    return text(tuple(words(made.english))), text(made.german)


STATEMENTS = [
    (
        clause(ICH, "like", "present", thing=PIZZA),
        "I like pizza",
        "ich mag Pizza",
    ),
    (
        clause(ER, "read", "past", thing=BOOK, time=MONDAY, shape="the"),
        "he read the book on Monday",
        "er hat am Montag das Buch gelesen",
    ),
    (
        clause(ER, "read", "past", thing=BOOK, time=MONDAY, front=True),
        "on Monday he read the book",
        "am Montag hat er das Buch gelesen",
    ),
    (
        clause(ER, "read", "past", thing=BOOK, shape="the", negated=True),
        "he did not read the book",
        "er hat das Buch nicht gelesen",
    ),
    (
        clause(ER, "read", "past", thing=NO_BOOK, shape="a", negated=True),
        "he did not read a book",
        "er hat kein Buch gelesen",
    ),
    (
        clause(ER, "go", "past", goal=SCHOOL, time=MONDAY, negated=True),
        "he did not go to school on Monday",
        "er ist am Montag nicht zur Schule gegangen",
    ),
    (
        clause(SIE, "play", "can", place=GARDEN, negated=True),
        "they cannot play in the garden",
        "sie können nicht im Garten spielen",
    ),
    (
        clause(ER, "play", "will", place=GARDEN, negated=True),
        "he will not play in the garden",
        "er wird nicht im Garten spielen",
    ),
    (
        clause(ER, "work", "have", negated=True),
        "he does not have to work",
        "er muss nicht arbeiten",
    ),
    (clause(ICH, "work", "must"), "I must work", "ich muss arbeiten"),
    (clause(ER, "work", "had"), "he had to work", "er musste arbeiten"),
    (
        clause(SIE, "sleep", "wanted"),
        "they wanted to sleep",
        "sie wollten schlafen",
    ),
    (
        clause(ER, "eat", "like", thing=PIZZA),
        "he likes to eat pizza",
        "er isst gern Pizza",
    ),
    (
        clause(ER, "eat", "like", thing=PIZZA, negated=True),
        "he does not like to eat pizza",
        "er isst nicht gern Pizza",
    ),
    (
        clause(ICH, "get", "present", hour=SEVEN),
        "I get up at seven",
        "ich stehe um sieben auf",
    ),
    (
        clause(ICH, "get", "past", hour=SEVEN),
        "I got up at seven",
        "ich bin um sieben aufgestanden",
    ),
    (
        clause(ER, "get", "want", hour=SEVEN),
        "he wants to get up at seven",
        "er will um sieben aufstehen",
    ),
    (clause(ICH, "be", "past", state=TIRED), "I was tired", "ich war müde"),
    (
        clause(SIE, "be", "present", place=GARDEN, negated=True),
        "they are not in the garden",
        "sie sind nicht im Garten",
    ),
]


@pytest.mark.parametrize(("made", "english", "german"), STATEMENTS)
def test_statements(made: Clause, english: str, german: str) -> None:
    assert both(stated(made)) == (english, german)


QUESTIONS = [
    (
        clause(ER, "read", "past", thing=BOOK),
        "did he read the book",
        "hat er das Buch gelesen",
    ),
    (
        clause(SIE, "like", "present", thing=PIZZA),
        "do they like pizza",
        "mögen sie Pizza",
    ),
    (
        clause(ER, "eat", "like", thing=PIZZA),
        "does he like to eat pizza",
        "isst er gern Pizza",
    ),
    (
        clause(ER, "work", "can", place=GARDEN),
        "can he work in the garden",
        "kann er im Garten arbeiten",
    ),
    (
        clause(ER, "get", "present", hour=SEVEN),
        "does he get up at seven",
        "steht er um sieben auf",
    ),
    (
        clause(SIE, "be", "past", place=GARDEN),
        "were they in the garden",
        "waren sie im Garten",
    ),
]


@pytest.mark.parametrize(("made", "english", "german"), QUESTIONS)
def test_questions(made: Clause, english: str, german: str) -> None:
    assert both(asked(made)) == (english, german)


BEHIND = [
    (
        clause(ER, "read", "past", thing=BOOK, time=MONDAY),
        "I know that he read the book on Monday",
        "ich weiß, dass er am Montag das Buch gelesen hat",
    ),
    (
        clause(ER, "get", "present", hour=SEVEN),
        "I know that he gets up at seven",
        "ich weiß, dass er um sieben aufsteht",
    ),
    (
        clause(ER, "go", "want", goal=SCHOOL, negated=True),
        "I know that he does not want to go to school",
        "ich weiß, dass er nicht zur Schule gehen will",
    ),
    (
        clause(ER, "be", "present", state=TIRED),
        "I know that he is tired",
        "ich weiß, dass er müde ist",
    ),
]


@pytest.mark.parametrize(("inner", "english", "german"), BEHIND)
def test_subordinate_clauses(inner: Clause, english: str, german: str) -> None:
    main = clause(ICH, "know", "present")
    assert both(behind(main, "that", inner)) == (english, german)


def test_a_clause_in_front_draws_the_verb_behind_its_comma() -> None:
    main = clause(ER, "sleep", "present")
    state = clause(ER, "be", "present", state=TIRED)
    assert both(ahead(main, "when", state)) == (
        "when he is tired, he sleeps",
        "wenn er müde ist, schläft er",
    )


def test_trees_are_built_along() -> None:
    main = clause(ER, "go", "want", goal=SCHOOL, negated=True)
    assert bracket(stated(main).english) == (
        "(S (NP (PRP he)) (VP (VBZ does) (RB not) (VP (VB want) "
        "(S (VP (TO to) (VP (VB go) (PP (NN to) (NN school))))))))"
    )
    up = clause(ICH, "get", "past", hour=SEVEN)
    assert bracket(asked(up).english) == (
        "(SQ (VBD did) (NP (PRP I)) (VP (VB get) (PRT (RP up)) "
        "(PP (NN at) (NN seven))))"
    )


def test_the_tense_of_a_mode() -> None:
    tenses = {mode: clause(ER, "eat", mode).tense for mode in ("had", "can")}
    assert tenses == {"had": "past", "can": "present"}
    assert isinstance(stated(clause(ER, "eat", "can")).english, Node)
