"""English: trees, articles, verb forms."""

import pytest

from laidout.phrases.english import (
    article,
    bracket,
    capitalised,
    finite_be,
    finite_verb,
    leaf,
    node,
    words,
)

SOUP = node("NP", leaf("DT", "the"), leaf("NN", "soup", 4))


def test_a_tree_is_written_in_brackets() -> None:
    assert bracket(SOUP) == "(NP (DT the) (NN soup))"
    assert bracket(node("S", SOUP)) == "(S (NP (DT the) (NN soup)))"


def test_the_words_of_a_tree_keep_their_links() -> None:
    tree = node("S", SOUP, leaf("RB", "not"))
    assert [piece.text for piece in words(tree)] == ["the", "soup", "not"]
    assert [piece.link for piece in words(tree)] == [0, 4, 0]


def test_only_the_first_word_gets_a_capital() -> None:
    tree = capitalised(node("S", SOUP, leaf("RB", "not")))
    assert bracket(tree) == "(S (NP (DT The) (NN soup)) (RB not))"


@pytest.mark.parametrize(
    ("word", "following", "made"),
    [
        ("a", "dog", "(DT a)"),
        ("a", "apple", "(DT an)"),
        ("the", "apple", "(DT the)"),
        ("my", "apple", "(PRP$ my)"),
    ],
)
def test_a_is_an_in_front_of_a_vowel(
    word: str, following: str, made: str
) -> None:
    assert bracket(article(word, leaf("NN", following))) == made


def test_verbs_agree_with_their_subjects() -> None:
    forms = ("go", "goes", "went")
    made = [bracket(finite_verb(forms, "present", n)) for n in range(5)]
    assert made == ["(VBP go)"] * 2 + ["(VBZ goes)"] + ["(VBP go)"] * 2
    made = [bracket(finite_verb(forms, "past", n)) for n in range(5)]
    assert made == ["(VBD went)"] * 5


def test_be_agrees_with_its_subject() -> None:
    made = {
        tense: [next(iter(words(finite_be(tense, n)))).text for n in range(5)]
        for tense in ("present", "past")
    }
    assert made["present"] == ["am", "are", "is", "are", "are"]
    assert made["past"] == ["was", "were", "was", "were", "were"]
