"""The search: what it finds, where that leads, what it says."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from browser.checks import IN_VIEW, violations
from playwright.sync_api import Page

import bench

Visiting = Callable[..., Any]

CHAPTER = f"{bench.CHAPTER}.html"


FIRST_RESULT = """(words) => {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
  Search.output = document.createElement("ul");
  Search.query(words);
  return Search.output.querySelector("a").getAttribute("href");
}"""
"""What is found first, without loading the page again for each question."""


def search(page: Page, words: str) -> None:
    """Type words into the field of the page that is open, and wait."""
    page.locator("#search-field").fill(words)
    page.locator("#search-field").press("Enter")
    page.locator("#search-results .search-summary:not(:empty)").wait_for()


def links(page: Page) -> list[str]:
    """Return where the results lead, best first."""
    found: list[str] = page.locator("#search-results li > a").evaluate_all(
        "links => links.map(link => link.getAttribute('href'))"
    )
    return found


# What it finds


SOUGHT = [
    pytest.param("softmax", id="a term"),
    pytest.param("d_k", id="a symbol"),
    pytest.param("scaled_dot_product_attention", id="a function"),
    pytest.param("Why a dot product and not cosine", id="a question"),
]


@pytest.mark.parametrize("words", SOUGHT)
def test_search_from_any_page_finds_the_chapter(
    visiting: Visiting, words: str
) -> None:
    with visiting("index.html") as visit:
        visit.page.locator("#search-field").fill(words)
        visit.page.locator("#search-field").press("Enter")
        result = visit.page.locator(
            "#search-results a[href*='scaled-dot-product-attention']"
        ).first
        result.wait_for()
        assert visit.complaints == []
        result.click()
        visit.page.wait_for_url("**/building/**")


def test_search_quotes_what_it_found(visiting: Visiting) -> None:
    with visiting("search.html?q=softmax") as visit:
        result = f"#search-results li:has(> a[href='{CHAPTER}'])"
        quoted = visit.page.locator(f"{result} .context")
        assert "softmax" in quoted.inner_text()


def asked(book: Any) -> dict[str, str]:
    """Return the address of each question, as the search knows them."""
    text = (book.folder / "searchindex.js").read_text("utf-8")
    index = json.loads(text[text.index("{") : -1])
    return {
        title: f"{index['docnames'][page]}.html#{node_id}"
        for title, places in index["alltitles"].items()
        for page, node_id in places
        if str(node_id).startswith("faq-")
    }


def test_a_question_or_half_of_it_is_the_first_result(
    book: Any, visiting: Visiting
) -> None:
    questions = asked(book)
    assert len(questions) > 20
    with visiting("search.html?q=softmax") as visit:
        visit.page.locator("#search-results li > a").last.wait_for()
        for question, address in questions.items():
            half = question[: len(question) // 2 + 1]
            plain = question.replace("\u2019", "'")
            for words in (question, half, plain.upper()):
                assert visit.page.evaluate(FIRST_RESULT, words) == address


def test_some_words_of_a_question_find_it(visiting: Visiting) -> None:
    with visiting("index.html") as visit:
        search(visit.page, "mask NaN loss")
        first = links(visit.page)[0]
        assert first.startswith(f"{CHAPTER}#faq-my-loss-turns-into-nan")
        visit.page.locator("#search-results li > a").first.click()
        visit.page.wait_for_url("**/building/**")
        toggle = visit.page.locator("details.faq[open]")
        assert "My loss turns" in toggle.locator("summary").inner_text()
        visit.page.wait_for_timeout(200)
        assert toggle.locator("summary").evaluate(IN_VIEW)


def test_a_chapter_comes_before_the_questions_about_it(
    visiting: Visiting,
) -> None:
    with visiting("index.html") as visit:
        search(visit.page, "attention")
        found = links(visit.page)
        pages = [found.index(one) for one in found if one == CHAPTER]
        marks = [found.index(one) for one in found if "#faq-" in one]
        assert max(pages) < min(marks)


def test_the_list_of_all_questions_is_not_found_in_their_stead(
    visiting: Visiting,
) -> None:
    with visiting("index.html") as visit:
        search(visit.page, "softmax")
        assert "back/questions.html" not in links(visit.page)
        search(visit.page, "all questions")
        assert links(visit.page)[0] == "back/questions.html"


# What it says


FURNITURE = (
    *("Download", "System Settings", "On this page", "code cell source"),
    *("minutes of reading", "Hint 1", "¶", "Solution"),
)


@pytest.mark.parametrize(
    "words", ["softmax", "d_k", "sqrt", "optimizer", "mask", "TransformerLR"]
)
def test_what_it_quotes_is_text_and_no_furniture(
    visiting: Visiting, words: str
) -> None:
    with visiting("index.html") as visit:
        search(visit.page, words)
        visit.page.locator("#search-results .context").last.wait_for()
        visit.page.wait_for_load_state("networkidle")
        quotes = visit.page.locator("#search-results .context")
        for quote in quotes.all_inner_texts():
            assert len(quote) > 100
            assert not quote.startswith("...")
            assert not [part for part in FURNITURE if part in quote], quote


@pytest.mark.parametrize("words", ["sofmax", "w\u00e4rmup", "the"])
def test_where_nothing_is_found_it_says_what_can_be_done(
    visiting: Visiting, words: str
) -> None:
    with visiting("index.html") as visit:
        search(visit.page, words)
        assert links(visit.page) == []
        said = visit.page.locator("#search-results").inner_text()
        assert "No page has all of these words." in said
        assert "categories" not in said
        assert violations(visit.page) == []
        visit.page.locator("#search-results p a").click()
        visit.page.wait_for_url("**/back/questions.html")


def test_it_counts_places_and_not_pages(visiting: Visiting) -> None:
    with visiting("index.html") as visit:
        search(visit.page, "TransformerLRScheduler")
        count = len(links(visit.page))
        said = visit.page.locator(".search-summary").inner_text()
        assert said == f"Found {count} places."


# The page that was found


def open_result(page: Page, words: str, address: str) -> None:
    """Look for words and open the result that has this address."""
    search(page, words)
    page.locator(f"#search-results li > a[href='{address}']").click()
    page.locator("article .highlighted").first.wait_for(state="attached")
    page.wait_for_timeout(200)


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("words", ["einsum", "precision half"])
def test_a_page_opens_where_the_words_stand_together(
    visiting: Visiting, words: str, width: int
) -> None:
    with visiting("search.html", width) as visit:
        page = visit.page
        page.goto(page.url + f"?q={words}")
        page.locator("#search-results li > a").first.wait_for()
        page.locator(f"#search-results li > a[href='{CHAPTER}']").click()
        page.locator("article .highlighted").first.wait_for(state="attached")
        page.wait_for_timeout(200)
        assert page.evaluate("scrollY") > 1000
        seen = {
            mark.inner_text().lower()
            for mark in page.locator("article .highlighted").all()
            if mark.is_visible() and mark.evaluate(IN_VIEW)
        }
        assert seen == set(words.split())


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_marked_words_can_be_read_and_drawings_are_left_alone(
    visiting: Visiting, theme: str
) -> None:
    with visiting("search.html", theme=theme) as visit:
        open_result(visit.page, "mask", CHAPTER)
        visit.open_all()
        rects = visit.page.locator("svg rect.highlighted")
        assert rects.count() > 0
        assert rects.locator("visible=true").count() == 0
        assert violations(visit.page) == []


def test_marks_can_be_hidden_by_a_button_without_a_missing_sign(
    visiting: Visiting,
) -> None:
    with visiting("search.html") as visit:
        open_result(visit.page, "mask", CHAPTER)
        button = visit.page.get_by_text("Hide Search Matches")
        sign = button.evaluate("e => getComputedStyle(e, '::before').content")
        assert sign == "none"
        button.click()
        assert visit.page.locator(".highlighted:visible").count() == 0


def test_a_name_is_marked_as_a_whole(visiting: Visiting) -> None:
    with visiting("search.html") as visit:
        name = "scaled_dot_product_attention"
        open_result(visit.page, name, CHAPTER)
        marks = visit.page.locator("code.literal .highlighted")
        assert set(marks.all_inner_texts()) == {name}


# Without a server


def test_search_works_in_a_folder(book: Any, visiting: Visiting) -> None:
    base = book.folder.as_uri() + "/"
    with visiting("search.html", base=base) as visit:
        visit.page.locator("#search-field").fill("softmax")
        visit.page.locator("#search-field").press("Enter")
        result = visit.page.locator(
            "#search-results a", has_text="Scaled dot-product attention"
        ).first
        result.wait_for()
        assert visit.complaints == []
