"""What the guide asks of every chapter."""

import re

import pytest
from book.chapter import FIGURES, Chapter, chapters, words

ALL = pytest.mark.parametrize(
    "chapter", chapters(), ids=lambda chapter: chapter.path.stem
)


@ALL
def test_every_figure_says_what_is_to_be_seen(chapter: Chapter) -> None:
    drawn = chapter.blocks(*FIGURES)
    assert drawn
    assert all(re.search(r"^:alt: .{40}", body, re.M) for _, body in drawn)


@ALL
def test_the_explanation_has_the_length_that_the_guide_allows(
    chapter: Chapter,
) -> None:
    assert 2000 <= words(chapter.explanation) <= 3500


@ALL
def test_there_is_a_figure_for_every_two_hundred_words_or_so(
    chapter: Chapter,
) -> None:
    assert words(chapter.explanation) / chapter.pictures() <= 200


@ALL
def test_every_answer_has_between_forty_and_a_hundred_and_fifty_words(
    chapter: Chapter,
) -> None:
    answers = {q: words(body) for q, body in chapter.blocks("faq")}
    assert len(answers) >= 6
    assert {q: n for q, n in answers.items() if not 40 <= n <= 150} == {}


@ALL
def test_a_chapter_ends_with_three_to_five_quiz_questions(
    chapter: Chapter,
) -> None:
    assert 3 <= len(chapter.blocks("quiz")) <= 5
    assert chapter.text.index("{quiz}") > chapter.text.rindex("{faq}")
