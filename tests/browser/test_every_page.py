"""What must hold for each page of the built book, whatever it is about."""

from collections.abc import Callable
from typing import Any

import pytest
from browser.checks import STICKING_OUT, violations

import bench
from figures.palette import THEMES

Visiting = Callable[..., Any]

WIDTHS = (360, 768, 1280)

ARTICLE_TEXT = """() => {
  const shown = document.querySelector("article");
  const apart = "softmax-explorer, figure-steps, script, style, noscript";
  shown.querySelectorAll("wbr").forEach((chance) => chance.remove());
  shown.normalize();
  const words = [];
  const walk = document.createTreeWalker(shown, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const parent = walk.currentNode.parentElement;
    const text = walk.currentNode.textContent.trim();
    if (!text || parent.closest(apart)) continue;
    if (parent.checkVisibility({ visibilityProperty: true })) words.push(text);
  }
  return words.join(" ").replace(/\\s+/g, " ");
}"""


def rgb(colour: str) -> str:
    """Write a colour as browsers report it."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgb({red}, {green}, {blue})"


def test_the_pages_that_a_reader_expects_are_there(book: Any) -> None:
    expected = {
        *("index.html", "search.html"),
        *("back/questions.html", "back/references.html"),
        "building/scaled-dot-product-attention.html",
        "source/laidout/attention.html",
    }
    assert expected <= set(book.pages)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_scrolls_sideways(
    book: Any, visiting: Visiting, subtests: Any, theme: str
) -> None:
    for name in book.pages:
        with visiting(name, theme=theme) as visit:
            visit.open_all()
            bench.settle(visit.page)
            for width in WIDTHS:
                with subtests.test(page=name, width=width):
                    visit.page.set_viewport_size(
                        {"width": width, "height": 800}
                    )
                    assert visit.page.evaluate(STICKING_OUT) == []


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(
    book: Any, visiting: Visiting, subtests: Any, theme: str, width: int
) -> None:
    for name in book.pages:
        with (
            subtests.test(page=name),
            visiting(name, width, theme) as visit,
        ):
            visit.open_all()
            bench.settle(visit.page)
            found = violations(visit.page)
            assert not found, "\n".join(found)


def test_pages_load_without_a_complaint_and_ask_no_other_host(
    book: Any, visiting: Visiting, subtests: Any
) -> None:
    for name in book.pages:
        with subtests.test(page=name), visiting(name) as visit:
            visit.open_all()
            bench.settle(visit.page)
            visit.page.mouse.wheel(0, 100_000)
            bench.settle(visit.page)
            assert visit.complaints == []
            assert visit.elsewhere == []
            assert len(visit.asked) <= 20, visit.asked


def test_nothing_is_lost_where_scripts_do_not_run(
    book: Any, visiting: Visiting, subtests: Any
) -> None:
    for name in book.pages:
        if name == "search.html":
            continue
        with (
            subtests.test(page=name),
            visiting(name) as rich,
            visiting(name, scripts=False) as plain,
        ):
            rich.open_all()
            for summary in plain.page.locator("summary").all():
                summary.click()
            still_closed = plain.page.locator("details:not([open])")
            assert still_closed.count() == 0
            expected = rich.page.evaluate(ARTICLE_TEXT)
            assert expected
            assert plain.page.evaluate(ARTICLE_TEXT) == expected
            assert plain.complaints == []
            assert plain.elsewhere == []


def test_search_says_that_it_needs_scripts(visiting: Visiting) -> None:
    with visiting("search.html", scripts=False) as visit:
        assert "JavaScript" in visit.page.locator("main").inner_text()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_stand_on_the_paper_of_their_theme(
    book: Any, visiting: Visiting, subtests: Any, theme: str
) -> None:
    paper = rgb(THEMES[theme]["paper"].strong)
    for name in book.pages:
        for scripts in (True, False):
            with (
                subtests.test(page=name, scripts=scripts),
                visiting(name, theme=theme, scripts=scripts) as visit,
            ):
                assert (
                    visit.page.evaluate(
                        "getComputedStyle(document.body).backgroundColor"
                    )
                    == paper
                )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_on_paper_all_is_open_and_nothing_is_cut_off(
    book: Any, visiting: Visiting, subtests: Any, theme: str
) -> None:
    paper = rgb(THEMES["light"]["paper"].strong)
    for name in book.pages:
        with (
            subtests.test(page=name),
            visiting(name, width=700, theme=theme) as visit,
        ):
            visit.page.emulate_media(media="print")
            bench.settle(visit.page)
            assert visit.page.evaluate(STICKING_OUT) == []
            assert visit.page.locator("h1:visible").count() == 1
            for part in (".bd-sidebar-primary", ".bd-header-article"):
                assert not visit.page.locator(part).first.is_visible()
            hidden = visit.page.evaluate(
                "[...document.querySelectorAll('.toggle-body *')].filter("
                "e => !e.closest('.katex-mathml, .headerlink, button, svg') &&"
                " !e.checkVisibility()).map(e => e.outerHTML.slice(0, 80))"
            )
            assert hidden == []
            ground = visit.page.evaluate(
                "getComputedStyle(document.body).backgroundColor"
            )
            assert ground in (paper, "rgb(255, 255, 255)")


def test_layout_does_not_shift_while_a_page_loads(
    book: Any, visiting: Visiting, subtests: Any
) -> None:
    for name in book.pages:
        for width in (360, 1280):
            with (
                subtests.test(page=name, width=width),
                visiting(name, width, script=bench.OBSERVE) as visit,
            ):
                bench.settle(visit.page, 300)
                painted = visit.page.evaluate("painted")
                assert painted["largest"] > 0
                assert painted["shift"] < 0.02


def test_pages_are_light(book: Any, browser: Any, subtests: Any) -> None:
    for name in book.pages:
        with subtests.test(page=name):
            weight = bench.weigh(browser, book.folder, book.base, name)
            assert weight["first_visit_requests"] <= 20
            assert weight["first_visit_bytes"] <= 400_000
            assert weight["html_gzip_bytes"] <= 60_000
            assert weight["further_page_bytes"] <= 60_000
