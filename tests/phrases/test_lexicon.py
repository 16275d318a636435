"""The word lists: read as written, refused with a reason."""

from importlib.resources import files

import pytest

from laidout.phrases.lexicon import lexicon, read_lexicon

TEXT = files("laidout.phrases").joinpath("phrases.toml").read_text("utf-8")


def test_nouns_have_the_gender_of_their_article() -> None:
    nouns = lexicon().nouns
    found = [nouns[name].gender for name in ("apple", "pizza", "bread")]
    assert found == ["m", "f", "n"]
    assert (nouns["egg"].plural, nouns["egg"].german_plural) == (
        "eggs",
        "Eier",
    )
    assert nouns["milk"].plural == ""


def test_verbs_have_five_persons_and_their_objects() -> None:
    read = lexicon().verbs["read"]
    assert read.present == ("lese", "liest", "liest", "lesen", "lesen")
    assert (read.auxiliary, read.participle) == ("hat", "gelesen")
    assert {noun.english for noun in read.objects} == {
        "book",
        "letter",
        "newspaper",
    }


def test_adjectives_are_listed_by_nouns() -> None:
    names = {
        noun: {a.english for a in found}
        for noun, found in lexicon().adjectives.items()
    }
    assert "red" in names["apple"]
    assert "red" not in names["milk"]
    assert "hot" not in names["car"]


def test_every_word_that_the_lists_refer_to_exists() -> None:
    words = lexicon()
    for verb in words.verbs.values():
        assert set(verb.places) <= {*words.places, "home"}
        assert {*verb.because, *verb.despite} <= set(words.states)
        assert set(verb.shapes) <= {"bare", "a", "number", "the", "my"}
        assert bool(verb.objects) == bool(verb.shapes)
        assert set(verb.modes) <= {"past", "present", "like", *words.modals}
    assert words.many <= set(words.nouns)
    assert len(words.numbers) == 27


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('["das Brot"]', '["Brot"]', "noun 'bread'"),
        ('["das Ei", "eggs", "Eier"]', '["das Ei", "eggs"]', "noun 'egg'"),
        ('perfect = "hat gegessen"\n', "", r"verb 'eat' lacks \['perfect'\]"),
        ('objects = ["drink"]', 'objects = ["dring"]', r"\['dring'\]"),
        ('of = ["food", "milk"', 'of = ["fod", "milk"', "adjective 'good'"),
    ],
)
def test_a_mistake_in_the_lists_is_named(
    old: str, new: str, message: str
) -> None:
    assert old in TEXT
    with pytest.raises(ValueError, match=message):
        read_lexicon(TEXT.replace(old, new))
