"""The menu of a chapter's other editions, with keys and without scripts."""

from collections.abc import Callable
from typing import Any

import pytest

import bench

Visiting = Callable[..., Any]

CHAPTER = f"{bench.CHAPTER}.html"
MENU = "details.editions-menu"


@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize("width", [360, 1280])
def test_keys_open_the_menu_and_reach_its_lines(
    visiting: Visiting, width: int, scripts: bool
) -> None:
    with visiting(CHAPTER, width, scripts=scripts) as visit:
        menu = visit.page.locator(MENU)
        first = menu.locator("a").first
        assert not first.is_visible()
        menu.locator("summary").focus()
        visit.page.keyboard.press("Enter")
        assert first.is_visible()
        visit.page.keyboard.press("Tab")
        assert first.evaluate("e => e === document.activeElement")
        for link in menu.locator("a").all():
            box = link.bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
            assert box["height"] >= 24


def test_the_menu_is_not_printed(visiting: Visiting) -> None:
    with visiting(CHAPTER) as visit:
        visit.open_all()
        visit.page.emulate_media(media="print")
        assert not visit.page.locator(MENU).is_visible()


def test_what_the_menu_offers_is_there(book: Any, visiting: Visiting) -> None:
    with visiting(CHAPTER) as visit:
        for link in visit.page.locator(f"{MENU} a[download]").all():
            address = link.evaluate("e => e.href")
            assert address.startswith(book.base)
            assert visit.page.request.get(address).ok


def test_escape_closes_the_menu_and_goes_back_to_its_button(
    visiting: Visiting,
) -> None:
    with visiting(CHAPTER) as visit:
        menu = visit.page.locator(MENU)
        menu.locator("summary").press("Enter")
        visit.page.keyboard.press("Tab")
        visit.page.keyboard.press("Escape")
        assert not menu.locator("a").first.is_visible()
        summary = menu.locator("summary")
        assert summary.evaluate("e => e === document.activeElement")


@pytest.mark.parametrize("width", [360, 1280])
def test_a_click_elsewhere_closes_the_menu(
    visiting: Visiting, width: int
) -> None:
    with visiting(CHAPTER, width) as visit:
        menu = visit.page.locator(MENU)
        menu.locator("summary").click()
        assert menu.locator("a").first.is_visible()
        visit.page.mouse.click(width / 2, 700)
        assert not menu.locator("a").first.is_visible()
