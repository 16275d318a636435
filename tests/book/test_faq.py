"""`{faq}`: questions with toggled answers, and the page of all of them."""

import json
from pathlib import Path
from typing import Any

import pytest
from book.tiny import Built, TinyBook
from docutils import nodes

PAGES = {
    "index.md": """\
# Tiny

:::{faq} What is it?
A book.
:::

```{toctree}
zebra
apple
questions
```
""",
    "zebra.md": """\
# Zebra

:::{faq} Why `stripes` and not $\\sqrt{d_k}$?
So be it, says {py:func}`laidout.size.twice`.
:::

:::{faq} Is {py:func}`laidout.size.twice` *drawn*?
Below.
:::

```{literalinclude} laidout/size.py
:pyobject: twice
```
""",
    "apple.md": "# Apple\n\n:::{faq} Is it red?\nYes.\n:::\n",
    "questions.md": "# All\n\n```{all-questions}\n```\n",
    "laidout/size.py": "def twice(n):\n    return 2 * n\n",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return TinyBook(tmp_path_factory.mktemp("faq")).write(PAGES).build()


def questions(built: Built) -> list[str]:
    page = built.soup("questions")
    return [row.get_text().strip() for row in page.select(".questions li")]


def searched(built: Built) -> dict[str, Any]:
    """Return what the search of a book looks through."""
    text = (built.folder / "searchindex.js").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text[text.index("{") : -1])
    return found


def places(built: Built, title: str) -> list[tuple[str, str]]:
    """Return the pages and ids to which the search leads for a title."""
    index = searched(built)
    found = index["alltitles"].get(title, [])
    return [(index["docnames"][page], node_id) for page, node_id in found]


def test_a_question_is_a_toggle_whose_id_stands_on_its_body(
    built: Built,
) -> None:
    toggle = built.soup("apple").select_one("details.faq")
    assert toggle is not None
    summary, body = toggle.find_all(recursive=False)
    assert (summary.name, summary.get_text()) == ("summary", "Is it red?")
    assert body["class"] == ["toggle-body"]
    assert body["id"] == "faq-is-it-red"
    assert body.get_text().strip() == "Yes."
    assert "id" not in toggle.attrs
    assert "open" not in toggle.attrs


def test_nothing_of_it_makes_sphinx_warn(built: Built) -> None:
    assert built.warnings == ""


def test_all_questions_stand_on_one_page_in_reading_order(
    built: Built,
) -> None:
    page = built.soup("questions")
    chapters = [head.get_text() for head in page.select("h2 a.reference")]
    assert chapters == ["Tiny", "Zebra", "Apple"]
    first, second, third, last = questions(built)
    assert first == "What is it?"
    assert second.startswith("Why stripes and not")
    assert third == "Is laidout.size.twice() drawn?"
    assert last == "Is it red?"


def test_every_link_of_the_page_of_questions_leads_to_an_answer(
    built: Built,
) -> None:
    rows = built.soup("questions").select(".questions a")
    links = [str(row["href"]) for row in rows]
    assert len(links) == 4
    for link in links:
        page, _, fragment = link.partition("#")
        soup = built.soup(Path(page).stem)
        answer = soup.select_one(f"details.faq > #{fragment}")
        assert answer is not None, link


def test_a_listed_question_keeps_its_code_and_its_formula(
    built: Built,
) -> None:
    row = built.soup("questions").select(".questions li")[1]
    code = row.select_one("a code")
    assert code is not None
    assert code.get_text() == "stripes"
    assert row.select_one("a .katex") is not None
    assert "$" not in row.get_text()


def test_a_listed_question_is_one_link_not_a_link_in_a_link(
    built: Built,
) -> None:
    row = built.soup("questions").select(".questions li")[2]
    (link,) = row.select("a")
    assert str(link["href"]).startswith("zebra.html#faq-is-")


def test_a_changed_question_changes_the_page_of_all_questions(
    book: TinyBook,
) -> None:
    book.write(PAGES).build()
    book.write({"apple.md": "# Apple\n\n:::{faq} Is it ripe?\nNo.\n:::\n"})
    built = book.build()
    assert "apple" in built.read
    assert "zebra" not in built.read
    assert questions(built)[-1] == "Is it ripe?"


def test_a_page_that_goes_takes_its_questions_along(book: TinyBook) -> None:
    book.write(PAGES).build()
    (book.source / "apple.md").unlink()
    text = PAGES["index.md"].replace("apple\n", "")
    built = book.write({"index.md": text}).build()
    assert len(questions(built)) == 3


def test_the_page_of_all_questions_follows_a_changed_title(
    book: TinyBook,
) -> None:
    book.write(PAGES).build()
    changed = PAGES["apple.md"].replace("# Apple", "# Pear")
    page = book.write({"apple.md": changed}).build().soup("questions")
    heads = page.select("h2 a.reference")
    assert [head.get_text() for head in heads][-1] == "Pear"


def test_each_chapter_is_a_section_of_the_page_of_all_questions(
    built: Built,
) -> None:
    sections = built.soup("questions").select("section section")
    assert [one["id"] for one in sections] == ["index", "zebra", "apple"]
    contents = built.env.tocs["questions"]
    links = list(contents.findall(nodes.reference))
    assert [(one.astext(), one["anchorname"]) for one in links] == [
        ("All", ""),
        ("Tiny", "#index"),
        ("Zebra", "#zebra"),
        ("Apple", "#apple"),
    ]


def test_the_contents_of_that_page_do_not_grow_with_every_build(
    book: TinyBook,
) -> None:
    book.write(PAGES).build()
    built = book.build()
    links = built.env.tocs["questions"].findall(nodes.reference)
    assert len(list(links)) == 4


def test_the_last_question_of_a_page_leads_on_to_all_of_them(
    built: Built,
) -> None:
    for page in ("index", "zebra", "apple"):
        last = built.soup(page).select("details.faq")[-1]
        line = last.find_next_sibling()
        assert line is not None
        assert line.get_text() == "All questions of the book"
        assert line.a is not None
        assert line.a["href"] == "questions.html"
    assert "All questions of" not in built.html("questions")


def test_other_editions_have_neither_that_link_nor_sections(
    book: TinyBook,
) -> None:
    pages = {**PAGES, "zebra.md": "# Zebra\n\nNo question.\n"}
    built = book.write(pages).build("text")
    text = "".join(
        (built.folder / f"{page}.txt").read_text(encoding="utf-8")
        for page in ("index", "apple", "questions")
    )
    assert "Is it red?" in text
    assert "All questions of the book" not in text
    # A section would be underlined.
    assert "-[ Apple ]-" in text


def test_without_a_page_of_all_questions_no_link_leads_there(
    book: TinyBook,
) -> None:
    built = book.page(":::{faq} Is it red?\nYes.\n:::").build()
    assert built.warnings == ""
    assert "All questions" not in built.html()


def test_the_search_knows_each_question_and_where_its_answer_is(
    built: Built,
) -> None:
    assert places(built, "Is it red?") == [("apple", "faq-is-it-red")]
    (place,) = places(built, "Why stripes and not \\sqrt{d_k}?")
    assert place[0] == "zebra"
    assert place[1].startswith("faq-why-")


def test_the_search_finds_a_question_where_it_is_answered_alone(
    built: Built,
) -> None:
    index = searched(built)
    assert index["docnames"][index["terms"]["red"]] == "apple"
    assert "Apple" in index["alltitles"]
    assert len(index["alltitles"]["Apple"]) == 1


def test_the_search_keeps_the_questions_of_pages_that_have_not_changed(
    book: TinyBook,
) -> None:
    book.write(PAGES).build()
    text = PAGES["apple.md"].replace("red", "ripe")
    built = book.write({"apple.md": text}).build()
    assert "index" not in built.read
    assert places(built, "What is it?") == [("index", "faq-what-is-it")]
    assert places(built, "Is it ripe?") == [("apple", "faq-is-it-ripe")]
    assert places(built, "Is it red?") == []


def test_no_index_of_the_book_lists_a_question(built: Built) -> None:
    assert searched(built)["indexentries"] == {}
    assert "red" not in built.html("genindex")


@pytest.mark.parametrize(
    ("directive", "reason"),
    [
        (
            ":::{faq} It is red\nYes.\n:::",
            "{faq} expected a question, got 'It is red'",
        ),
        (
            ":::{faq} Is it red?\n:::",
            "{faq} expected an answer to 'Is it red?'",
        ),
    ],
)
def test_what_is_no_question_or_has_no_answer_stops_the_build(
    book: TinyBook, directive: str, reason: str
) -> None:
    assert book.page(directive).error_at(3) == reason


def test_one_question_twice_on_a_page_stops_the_build(book: TinyBook) -> None:
    one = ":::{faq} Is it   red?\nYes.\n:::\n"
    message = book.page(f"{one}\n{one}").error_at(7)
    assert message == "{faq} 'Is it red?' is asked twice on this page"


def test_one_question_on_two_pages_is_fine(book: TinyBook) -> None:
    pages = {**PAGES, "zebra.md": PAGES["apple.md"]}
    assert book.write(pages).build("dummy").warnings == ""
