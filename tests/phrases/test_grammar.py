"""The grammar: what may be said together."""

from random import Random

import pytest

from laidout.phrases.clause import stated
from laidout.phrases.constituents import pronoun
from laidout.phrases.english import bracket, words
from laidout.phrases.grammar import LASTING, Grammar


@pytest.fixture
def grammar() -> Grammar:
    return Grammar(Random(3))


def test_clauses_are_drawn_as_asked(grammar: Grammar) -> None:
    verb = grammar.lexicon.verbs["buy"]
    for _ in range(200):
        clause = grammar.clause(
            pronoun("she"), verb, "past", negated=True, shape="the"
        )
        assert (clause.verb, clause.mode) == (verb, "past")
        assert clause.negated
        assert clause.definite
        # Where "nicht" would stand is then certain.
        assert clause.time is None or clause.front
        assert (clause.place, clause.company) == (None, None)


def test_verbs_take_only_their_objects_and_modes(grammar: Grammar) -> None:
    for _ in range(3000):
        clause = grammar.clause(grammar.person())
        verb = clause.verb
        assert verb is not None
        assert clause.noun in (*verb.objects, None)
        assert not (verb.modes == LASTING and clause.time)
        assert bool(clause.goal) == verb.direction
        if clause.mode in {"must", "like"}:
            assert not clause.hour or clause.mode == "must"


def test_read_is_never_both_present_and_past(grammar: Grammar) -> None:
    verb = grammar.lexicon.verbs["read"]
    modes = {
        grammar.clause(pronoun("I"), verb, negated=False).mode
        for _ in range(500)
    }
    assert "present" in modes
    assert "past" not in modes
    she = {
        grammar.clause(pronoun("she"), verb, negated=False).mode
        for _ in range(500)
    }
    assert {"present", "past"} <= she


def test_must_is_neither_denied_nor_asked(grammar: Grammar) -> None:
    verb = grammar.lexicon.verbs["work"]
    for negated, question in [(True, False), (False, True)]:
        drawn = {grammar.mode(verb, question, negated) for _ in range(500)}
        assert "must" not in drawn
        assert "have" in drawn


def test_nobody_visits_himself(grammar: Grammar) -> None:
    verb = grammar.lexicon.verbs["visit"]
    for _ in range(500):
        person = grammar.human()
        clause = grammar.clause(person, verb)
        assert clause.noun is not None
        assert clause.noun.english not in person.names


def test_things_have_no_quality_twice(grammar: Grammar) -> None:
    for _ in range(1000):
        said = [
            piece.text
            for piece in words(
                stated(grammar.quality("past", False, False)).english
            )
        ]
        assert len(said) == len(set(said))


def test_drafts_do_not_count_as_combinations(grammar: Grammar) -> None:
    for _ in range(500):
        part, end = grammar.sentence()
        assert end in {"", ".", "?"}
        assert end != "?" or part.english.label == "SQ"
        assert bracket(part.english).startswith(("(S ", "(SQ "))
        linked = {piece.link for piece in words(part.english)}
        assert linked <= set(range(grammar.links + 1))
