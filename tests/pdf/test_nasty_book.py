"""A small book of what breaks pages: long code, wide tables, deep lists."""

import re
from pathlib import Path

import pytest
from book.nasty import (
    AT_THE_FOOT,
    LONG_LINE,
    LONG_WORDS,
    build_nasty_book,
)
from pdf.conftest import Pressed, letters

from laidout.workshop.catalogue import find_exercise


def test_a_cell_that_prints_200_lines_prints_them_all(
    nasty: Pressed,
) -> None:
    text = "".join(nasty.pages)
    found = re.findall(r"printed line (\d+)$", text, re.M)
    assert found == [str(n) for n in range(200)]


def test_long_lines_of_code_lose_nothing(nasty: Pressed) -> None:
    plain = letters("".join(nasty.pages))
    assert letters(LONG_LINE) in plain
    assert letters(LONG_WORDS) in plain
    assert "x" * 200 in plain


def test_code_keeps_its_indentation(nasty: Pressed) -> None:
    page = nasty.pages[nasty.page_with("def after_a_gap(x)") - 1]
    lines = page[page.index("def after_a_gap") :].splitlines()
    start = page.splitlines()
    first = next(line for line in start if "def after_a_gap" in line)
    edge = first.index("def")
    body = next(line for line in lines if "return x" in line)
    assert body.index("return") > edge


def test_a_note_of_a_quotation_stands_at_the_foot(nasty: Pressed) -> None:
    note = "The footnote of the quotation stands at the foot of the page"
    page = nasty.pages[nasty.page_with(note) - 1]
    assert "We suspect that for large values" in page
    below = page[page.index("The footnote of the quotation") :]
    assert len(below.strip().splitlines()) <= 2


def test_no_line_is_drawn_where_the_web_has_its_notes(
    nasty: Pressed,
) -> None:
    tex = nasty.pdf.parent / "tex" / "nasty.tex"
    assert r"\hrule\bigskip" not in tex.read_text("utf-8")


def test_a_formula_of_a_heading_is_letters_in_the_bookmarks(
    nasty: Pressed,
) -> None:
    titles = [title for _, title, _ in nasty.bookmarks]
    assert any(
        "Boxes with √d_k and" in title and "code_in_a_title" in title
        for title in titles
    )


def test_figures_stand_where_boxes_were_emptied(nasty: Pressed) -> None:
    replies = next(
        p for _, t, p in nasty.bookmarks if t == "Replies to the quizzes"
    )
    page = nasty.pages[replies - 1]
    assert "Where the tower of reply stands" in page
    assert "−∞" in page


def test_the_tallest_figure_fits_with_its_caption(nasty: Pressed) -> None:
    page = nasty.pages[nasty.page_with("Where the tower of tower") - 1]
    for floor in range(40):
        assert f"floor {floor}" in page


def test_a_figure_waits_while_text_fills_the_page(nasty: Pressed) -> None:
    figure = nasty.page_with("Where the tower of patience stands")
    assert nasty.page_with("After patience, words 0") == figure - 1
    assert nasty.page_with("Filling 3") == figure - 1
    assert nasty.page_with("After patience, words 11") > figure


def test_a_figure_comes_right_after_a_colon(nasty: Pressed) -> None:
    figure = nasty.page_with("Where the tower of haste stands")
    assert nasty.page_with("Here is what has been announced") == figure - 1
    page = letters(nasty.pages[figure - 1])
    assert page.index("floor39") < page.index("Whereth")
    assert nasty.page_with("After haste, words 0") >= figure


def test_no_figure_comes_between_a_colon_and_what_it_means(
    nasty: Pressed,
) -> None:
    assert letters("This announces some code: announced_code") in nasty.letters


def test_a_figure_with_a_note_does_not_part_from_it(nasty: Pressed) -> None:
    figure = nasty.page_with("Where the tower of notes stands")
    assert nasty.page_with("A note of a caption") == figure
    assert nasty.page_with("This comes after the figure") >= figure


def test_figures_of_lists_steps_and_ends_are_there_in_order(
    nasty: Pressed,
) -> None:
    tall = ("the tall step", "the second tall step", "the third tall step")
    steps = ("one step", "the other step", *tall)
    names = ("patience", "haste", "notes", "the item", *steps)
    places = [
        nasty.letters.index(letters(f"Where the tower of {name} stands"))
        for name in (*names, "the end")
    ]
    assert places == sorted(places)


def test_a_box_at_the_foot_has_a_few_lines_or_comes_later(
    nasty: Pressed,
) -> None:
    after = nasty.page_with("Before a note")
    note = nasty.page_with("A note at the foot", after=after - 1)
    words = nasty.pages[note - 1].partition("A note at the foot")[2]
    assert words.count("says more than fits") >= 4 * 3
    title = find_exercise(AT_THE_FOOT).title
    exercise = nasty.page_with(f"Exercise: {title}")
    assert exercise == nasty.page_with("Before an exercise") + 1


def test_what_is_above_a_listing_and_what_it_prints_stay_with_it(
    nasty: Pressed,
) -> None:
    listing = nasty.page_with("at_the_foot.py")
    assert listing == nasty.page_with("Before a listing") + 1
    assert "at_the_foot_7" in nasty.pages[listing - 1]
    prints = nasty.page_with("print('foot', n)")
    assert prints == nasty.page_with("Before code that prints") + 1
    assert re.search(r"foot 1\n.*foot 5", nasty.pages[prints - 1], re.S)


def test_a_question_at_the_foot_has_some_of_its_answer(
    nasty: Pressed,
) -> None:
    after = nasty.page_with("Before a question")
    asked = nasty.page_with("What stands at the foot?", after=after - 1)
    assert asked == after + 1


def test_only_a_listing_that_is_asked_for_has_a_number(nasty: Pressed) -> None:
    number = re.search(r"the text has only (Listing.\d+)\.", nasty.text)
    assert number is not None
    assert f"{number[1]} asked_for.py" in nasty.text
    assert len(re.findall(r"Listing.\d", nasty.text)) == 2
    assert "not_asked_for.py" in nasty.text


@pytest.mark.parametrize(
    "words",
    [
        "The last words of the first answer",
        "The last words of the right reply",
        "The last words of the body",
        "level 4 of a deep list",
        "code in a list in a list",
        "a wide column",
    ],
)
def test_the_last_words_of_boxes_and_lists_are_there(
    nasty: Pressed, words: str
) -> None:
    assert letters(words) in nasty.letters


def test_two_exercises_in_a_row_keep_their_own_hints(nasty: Pressed) -> None:
    for name in ("masks-padding", "masks-causal"):
        exercise = find_exercise(name)
        assert nasty.text.count(f"Exercise: {exercise.title}") == 1
        last = exercise.solution.strip().splitlines()[-1]
        assert letters(last) in nasty.letters


def test_addresses_are_footnotes_but_names_of_pytorch_are_not(
    nasty: Pressed,
) -> None:
    assert "https://example.org/?a=b&c=d_e#f" in nasty.text
    assert "docs.pytorch.org" not in nasty.text


def test_a_button_of_the_site_is_not_printed(nasty: Pressed) -> None:
    assert "a button" not in nasty.text


def test_the_same_sources_make_the_same_file(
    nasty: Pressed, tmp_path: Path
) -> None:
    again = build_nasty_book(tmp_path, "pdf")
    other = again.folder / "nasty.pdf"
    assert other.read_bytes() == nasty.pdf.read_bytes()
