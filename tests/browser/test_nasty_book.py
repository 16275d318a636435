"""The pages of a small book that has whatever breaks lines and boxes."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from book.nasty import build_nasty_book
from book.tiny import WITH_THEME
from browser.checks import STICKING_OUT, violations

import bench

Visiting = Callable[..., Any]

PAGES = ("one/boxes.html", "one/lines.html", "back/questions.html")


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Build and serve the nasty book in the theme of the real one."""
    settings = {**WITH_THEME, "nb_execution_mode": "cache"}
    built = build_nasty_book(
        tmp_path_factory.mktemp("nasty"), "html", **settings
    )
    assert built.warnings == ""
    with bench.serve(built.folder) as base:
        yield SimpleNamespace(folder=built.folder, base=base)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_nasty_makes_a_page_scroll_sideways(
    visiting: Visiting, subtests: Any, name: str, theme: str
) -> None:
    with visiting(name, theme=theme) as visit:
        visit.open_all()
        bench.settle(visit.page)
        for width in (360, 768, 1280):
            with subtests.test(width=width):
                visit.page.set_viewport_size({"width": width, "height": 800})
                assert visit.page.evaluate(STICKING_OUT) == []
        assert visit.complaints == []
        assert visit.elsewhere == []


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_nasty(
    visiting: Visiting, name: str, theme: str
) -> None:
    with visiting(name, 360, theme) as visit:
        visit.open_all()
        bench.settle(visit.page)
        found = violations(visit.page)
        assert not found, "\n".join(found)


def test_what_is_nasty_is_there_in_print_too(visiting: Visiting) -> None:
    with visiting("one/boxes.html", width=700) as visit:
        visit.page.emulate_media(media="print")
        bench.settle(visit.page)
        assert visit.page.evaluate(STICKING_OUT) == []
        text = visit.page.locator("article").inner_text()
        for words in (
            "The last words of the body.",
            "The last words of the first answer.",
            "The last words of the right reply.",
            "The footnote of the quotation",
        ):
            assert words in text
