"""A figure in steps: buttons, keys, links, paper, and without scripts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from book.tiny import BOOK, WITH_THEME, TinyBook
from browser.checks import STICKING_OUT, violations
from playwright.sync_api import Page

import bench

Visiting = Callable[..., Any]

WIDTHS = (360, 768, 1280)
PAGE = """\
# Tiny

See {numref}`fig-two`, {numref}`fig-three` or [all](#fig-all).

:::::{steps} The $d_k$ steps
:name: fig-all

```{drawing} scaled_dot_product_attention.scores
:name: fig-one
:alt: Scores.
From one to {numref}`fig-three`.
```

```{drawing} scaled_dot_product_attention.scaled
:name: fig-two
:alt: Scaled.
Divide by $\\sqrt{d_k}$.
```

```{drawing} scaled_dot_product_attention.causal
:name: fig-three
:alt: Masked.
The tallest of them, with words that need more than one line wherever they
stand, because there are so many of them. Back to {numref}`fig-one`.
```
:::::

Words after it.
"""
NAMES = ["fig-one", "fig-two", "fig-three"]
SHOWN = """() => [...document.querySelectorAll("figure-steps figure")]
  .filter(e => e.checkVisibility({ visibilityProperty: true }))
  .map(e => e.id)"""
PLACES = """() => [...document.querySelectorAll("figure-steps figure")]
  .map(e => e.getBoundingClientRect()).map(b => [b.x, b.y, b.width])"""
FOCUS = "document.activeElement.id || document.activeElement.innerText"


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Build and serve a page with three steps."""
    tiny = TinyBook(
        tmp_path_factory.mktemp("steps"),
        **WITH_THEME,
        numfig_format={"figure": "Figure %s"},
        laidout_roots=[str(BOOK), str(BOOK.parent / "src")],
    )
    built = tiny.write({"index.md": PAGE}).build()
    assert built.warnings == ""
    with bench.serve(built.folder) as base:
        yield SimpleNamespace(folder=built.folder, base=base)


@pytest.fixture
def opened(visiting: Visiting) -> Callable[..., Any]:
    """Give a context manager that opens the page of three steps."""

    @contextmanager
    def opened(mark: str = "", *args: Any, **options: Any) -> Iterator[Page]:
        with visiting(f"index.html{mark}", *args, **options) as visit:
            bench.settle(visit.page)
            yield visit.page
            assert visit.complaints == []

    return opened


def shown(page: Page) -> list[str]:
    """Return the names of the steps that can be seen."""
    found: list[str] = page.evaluate(SHOWN)
    return found


def button(page: Page, name: str) -> Any:
    return page.get_by_role("button", name=name)


def link(page: Page, number: int, inside: bool = False) -> Any:
    """Find a link to a figure, in a caption or in the text."""
    place = "figcaption" if inside else "section > p"
    return page.locator(f"{place} a", has_text=f"Figure {number}")


def count(page: Page) -> Any:
    return page.locator(".steps-bar p")


# Buttons and keys


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_buttons_turn_the_steps_and_keep_the_focus(
    book: Any, opened: Any, key: str
) -> None:
    with opened(base=book.folder.as_uri() + "/") as page:
        assert shown(page) == ["fig-one"]
        assert count(page).inner_text() == "Step 1 of 3"
        link(page, 3).focus()
        for name in ("all", "Previous", "Next"):
            page.keyboard.press("Tab")
            assert page.evaluate(FOCUS) == name
        for name in ("fig-two", "fig-three", "fig-three"):
            page.keyboard.press(key)
            assert shown(page) == [name]
            assert page.evaluate(FOCUS) == "Next"
        page.keyboard.press("Shift+Tab")
        for name in ("fig-two", "fig-one", "fig-one"):
            page.keyboard.press(key)
            assert shown(page) == [name]
            assert page.evaluate(FOCUS) == "Previous"


def test_a_button_that_leads_nowhere_says_so(opened: Any) -> None:
    with opened() as page:
        for ends in (("true", "false"), ("false", "false"), ("false", "true")):
            for name, end in zip(("Previous", "Next"), ends, strict=True):
                said = button(page, name).get_attribute("aria-disabled")
                assert said == end
            button(page, "Next").press("Enter")


def test_arrows_home_and_end_turn_the_steps_from_inside(opened: Any) -> None:
    with opened() as page:
        page.keyboard.press("ArrowRight")
        assert shown(page) == ["fig-one"]
        button(page, "Next").focus()
        for key, name in (
            ("ArrowRight", "fig-two"),
            ("End", "fig-three"),
            ("ArrowRight", "fig-three"),
            ("ArrowLeft", "fig-two"),
            ("Shift+ArrowLeft", "fig-two"),
            ("Control+Home", "fig-two"),
            ("Home", "fig-one"),
            ("ArrowLeft", "fig-one"),
        ):
            page.keyboard.press(key)
            assert shown(page) == [name], key
            assert page.evaluate(FOCUS) == "Next"


def test_focus_goes_along_when_its_step_is_left(opened: Any) -> None:
    with opened() as page:
        link(page, 3, inside=True).focus()
        for name in ("fig-two", "fig-three"):
            page.keyboard.press("ArrowRight")
            assert shown(page) == [name]
            assert page.evaluate(FOCUS) == name
        page.keyboard.press("Tab")
        assert page.evaluate(FOCUS) == "Figure 1"


def test_a_step_is_announced_with_its_caption(opened: Any) -> None:
    with opened() as page:
        group = page.get_by_role("group", name="The dk steps")
        assert group.locator("figure").count() == 3
        said = count(page)
        assert said.get_attribute("aria-live") == "polite"
        assert said.text_content() == "Step 1 of 3"
        button(page, "Next").press("Enter")
        assert said.text_content() == "Step 2 of 3. Divide by dk."
        button(page, "Next").press("Enter")
        assert said.text_content().startswith("Step 3 of 3. The tallest")
        assert said.text_content().endswith("Back to Figure 1.")


# Links


def test_an_address_with_a_step_shows_it(opened: Any) -> None:
    with opened("#fig-three") as page:
        assert shown(page) == ["fig-three"]
        assert page.locator("#fig-three svg").is_visible()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_link_to_a_step_shows_it_with_its_buttons(
    opened: Any, width: int
) -> None:
    with opened("", width) as page:
        page.set_viewport_size({"width": width, "height": 400})
        for _ in range(2):  # the second time, the address stays the same
            link(page, 3).click()
            page.wait_for_function(f"({SHOWN})()[0] === 'fig-three'")
            assert page.evaluate(FOCUS) == "fig-three"
            assert page.evaluate("scrollY") > 0
            top = page.locator(".bd-header-article").bounding_box()
            bar = page.locator(".steps-bar").bounding_box()
            assert top is not None
            assert bar is not None
            assert top["y"] + top["height"] <= bar["y"] < 300
            page.keyboard.press("ArrowLeft")
            assert shown(page) == ["fig-two"]


def test_links_from_step_to_step_and_back_again(opened: Any) -> None:
    with opened("#fig-two") as page:
        button(page, "Previous").press("Enter")
        link(page, 3, inside=True).press("Enter")
        page.wait_for_function(f"({SHOWN})()[0] === 'fig-three'")
        assert page.evaluate(FOCUS) == "fig-three"
        page.go_back()
        page.wait_for_function(f"({SHOWN})()[0] === 'fig-two'")


def test_a_link_to_all_steps_leaves_the_step(opened: Any) -> None:
    with opened("#fig-two") as page:
        page.get_by_role("link", name="all").click()
        page.wait_for_url("**#fig-all")
        assert shown(page) == ["fig-two"]


# Layout


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_step_fits_and_moves_nothing(
    opened: Any, width: int, theme: str
) -> None:
    after = "[...document.querySelectorAll('section > p')].at(-1).offsetTop"
    with opened("", width, theme) as page:
        places = set()
        for _ in NAMES:
            assert page.evaluate(STICKING_OUT) == []
            assert violations(page) == []
            places.add((page.evaluate(after), page.evaluate("scrollY")))
            button(page, "Next").press("Enter")
        assert len(places) == 1


@pytest.mark.parametrize("scripts", [True, False])
def test_on_paper_all_steps_stand_two_in_a_row(
    opened: Any, scripts: bool
) -> None:
    mark = "#fig-two" if scripts else ""
    with opened(mark, 700, scripts=scripts) as page:
        page.emulate_media(media="print")
        assert shown(page) == NAMES
        one, two, three = page.evaluate(PLACES)
        assert one[1] == two[1] < three[1]
        assert one[0] == three[0] < one[0] + one[2] <= two[0]
        assert page.evaluate(STICKING_OUT) == []
        assert page.locator("figcaption:visible").count() == 3
        assert not page.locator(".steps-bar:visible").count()
        for figure in page.locator("figure-steps > figure").all():
            assert figure.evaluate("e => getComputedStyle(e).breakInside") == (
                "avoid"
            )
        page.emulate_media(media="screen")
        assert shown(page) == (["fig-two"] if scripts else NAMES)


@pytest.mark.parametrize(("width", "rows"), [(360, 3), (1280, 2)])
def test_without_scripts_all_steps_can_be_read(
    opened: Any, width: int, rows: int
) -> None:
    with opened("", width, scripts=False) as page:
        assert shown(page) == NAMES
        assert len({y for _, y, _ in page.evaluate(PLACES)}) == rows
        assert page.locator("figure-steps button").count() == 0
        assert page.evaluate(STICKING_OUT) == []
