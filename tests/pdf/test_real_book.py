"""The real book as PDF; nothing here knows which chapters there are."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from book.tiny import BOOK, ROOT
from pdf.conftest import Pressed, letters, said

from laidout.workshop.catalogue import find_exercise
from laidout_book.latex.edition import epoch, written_date

CHAPTERS = sorted(
    path
    for path in BOOK.glob("*/*.md")
    if path.parent.name not in ("back", "results")
)
SOURCES = {path: path.read_text("utf-8") for path in CHAPTERS}
WHITE, WHITEST, PAGES = 0.3, 0.45, 25
"""A page ends so far above its foot at most once in so many pages, and none
farther than the second."""

CAPTION = re.compile(r"^:caption: (.*)$", re.M)
EXERCISE = re.compile(r"^[`:]{3,}\{exercise\} (\S+)", re.M)
FAQ = re.compile(r"^[`:]{3,}\{faq\} (.*)$", re.M)


def exercises() -> list[str]:
    return [
        name for text in SOURCES.values() for name in EXERCISE.findall(text)
    ]


def test_the_title_page_says_what_edition_this_is(real: Pressed) -> None:
    day = written_date(epoch(BOOK))
    for page in real.pages[:2]:
        assert "Transformers" in page
        assert re.search(r"Version \d+\.\d+\.\d+", page)
        assert day in page
        assert "CC BY 4.0" in page
        assert "MIT" in page


def test_the_file_says_what_it_is(real: Pressed) -> None:
    assert real.info["Title"] == "Transformers Laid Out"
    assert "authors" in real.info["Author"]
    assert "paper and code" in real.info["Subject"]
    made = epoch(BOOK)
    assert made is not None
    day = datetime.fromtimestamp(made, UTC)
    assert f"{day:%b}" in real.info["CreationDate"]
    assert str(day.year) in real.info["CreationDate"]


def test_parts_chapters_and_appendices_are_bookmarks(real: Pressed) -> None:
    titles = {(depth, letters(title)) for depth, title, _ in real.bookmarks}
    index = (BOOK / "index.md").read_text("utf-8")
    for caption in CAPTION.findall(index):
        assert (0, letters(caption)) in titles
    chapters = [re.search(r"^# (.*)$", t, re.M) for t in SOURCES.values()]
    appendices = ("Hints", "Solutions", "Replies to the quizzes")
    back = ("All questions", "References", "Index")
    found = [chapter[1] for chapter in chapters if chapter]
    for title in (*found, *appendices, *back):
        assert (1, letters(title)) in titles, title


def test_a_reference_is_a_link_without_a_footnote(real: Pressed) -> None:
    number = re.search(
        r"^@\w+\{vaswani2017,.*?^  eprint = \{(.*?)\}",
        (BOOK / "references.bib").read_text("utf-8"),
        re.M | re.S,
    )
    assert number
    assert f"arXiv:{number[1]}" in real.text
    assert f"arxiv.org/abs/{number[1]}" not in real.text
    addresses = said("pdfinfo", "-url", real.pdf)
    assert f"https://arxiv.org/abs/{number[1]}" in addresses


def test_the_last_words_of_every_solution_are_there(real: Pressed) -> None:
    assert exercises()
    for name in exercises():
        solution = find_exercise(name).answer.strip()
        last = solution.splitlines()[-1]
        assert letters(last) in real.letters, f"{name}: {last}"


def test_exercise_and_solution_name_each_others_page(real: Pressed) -> None:
    solutions = next(p for _, t, p in real.bookmarks if t == "Solutions")
    for name in exercises():
        title = find_exercise(name).title
        here = real.page_with(f"Exercise: {title}")
        there = real.page_with(title, after=solutions - 1)
        assert f"page {here}." in real.pages[there - 1]
        box = " ".join(real.pages[here - 1 : here + 3])
        assert f"Solution: page {there}." in box


def test_hints_stand_apart_by_rank_before_the_solutions(
    real: Pressed,
) -> None:
    for name in exercises():
        for hint in find_exercise(name).hints:
            opening = re.sub(r"[`*_$\\{}]", "", hint)[:30]
            assert letters(opening.rsplit(" ", 1)[0]) in real.letters
    titles = [title for _, title, _ in real.bookmarks]
    ranks = [title for title in titles if title.endswith(" hints")]
    assert ranks[:2] == ["First hints", "Second hints"]
    assert titles.index("Hints") < titles.index("Solutions")


def test_the_pages_of_hints_are_told_in_one_row(real: Pressed) -> None:
    rows = re.findall(r"Hints: pages (\d+(?:, \d+)+)\. Solution", real.text)
    told = [len(row.split(", ")) for row in rows]
    assert told == [len(find_exercise(name).hints) for name in exercises()]


def test_a_reply_is_set_off_from_the_choice(real: Pressed) -> None:
    found = re.findall(r"(\S+) (?:Not quite|Right)\.", real.text)
    assert len(found) > 40
    assert all(word == "–" or word[-1] in ".!?" for word in found)


def test_few_pages_inside_a_chapter_have_much_white_at_their_feet(
    real: Pressed, tmp_path: Path
) -> None:
    # What helps: a figure may wait while text fills the page, but neither
    # after a colon nor beyond a heading, code or a box.
    starts = {page for depth, _, page in real.bookmarks if depth < 2}
    hints = next(page for _, title, page in real.bookmarks if title == "Hints")
    feet = dict(enumerate(real.feet(tmp_path), start=1))
    inside = [n for n in range(1, hints) if n + 1 not in starts]
    white = {n: f"{feet[n]:.0%}" for n in inside if feet[n] > WHITE}
    assert len(white) * PAGES <= len(inside), f"over {WHITE:.0%}: {white}"
    whitest = max(inside, key=lambda n: feet[n])
    assert feet[whitest] <= WHITEST, f"page {whitest}: {feet[whitest]:.0%}"


def test_every_question_is_asked_and_listed(real: Pressed) -> None:
    listed = next(p for _, t, p in real.bookmarks if t == "All questions")
    text = letters("".join(real.pages[listed - 1 :]))
    asked = [q for source in SOURCES.values() for q in FAQ.findall(source)]
    assert asked
    for question in asked:
        if "$" in question or "{" in question:
            continue
        plain = letters(re.sub(r"[`*]", "", question).replace("'", ""))
        assert plain in letters("".join(real.pages[: listed - 1])), question
        assert plain in text, question


def test_references_and_contents_come_once(real: Pressed) -> None:
    titles = [title for _, title, _ in real.bookmarks]
    for once in ("References", "Index", "Exercises", "All questions"):
        assert titles.count(once) == 1
    assert "Bibliography" not in titles


def test_the_index_has_code_and_terms(real: Pressed) -> None:
    start = next(p for _, t, p in real.bookmarks if t == "Index")
    index = "".join(real.pages[start - 1 :])
    for name in exercises():
        owner = find_exercise(name).object.split(".")[2]
        assert letters(owner) in letters(index)


@pytest.mark.parametrize("name", ["pyproject.toml", "CITATION.cff"])
def test_the_version_is_that_of_the_project(real: Pressed, name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    version = re.search(r"^version[:=]? *=? *\"?([\d.]+)\"?$", text, re.M)
    assert version is not None
    assert f"Version {version[1]}" in real.pages[0]
