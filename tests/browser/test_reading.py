"""What a reader does: toggles, links, keys, search, themes, printing."""

import re
import subprocess
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urljoin

import pytest
from playwright.sync_api import Page

import bench

Visiting = Callable[..., Any]

CHAPTER = f"{bench.CHAPTER}.html"
CAN_BE_REACHED = (
    "a[href], summary, input, button, select, textarea, [tabindex='0']"
)
IN_VIEW = """(element) => {
  const box = element.getBoundingClientRect();
  const header = document.querySelector(".bd-header-article");
  const top = header ? header.getBoundingClientRect().bottom : 0;
  return box.height > 0 && box.top >= Math.max(0, top) - 1 &&
    box.top < innerHeight;
}"""
FOCUSED = """() => {
  const element = document.activeElement;
  if (!element || element === document.body) return null;
  const outlined = (e) => {
    const style = e && getComputedStyle(e);
    return style && style.outlineStyle !== "none" &&
      parseFloat(style.outlineWidth) > 0;
  };
  return {
    place: window.reachable.indexOf(element),
    what: element.outerHTML.slice(0, 90),
    shown: Boolean(outlined(element) || outlined(element.closest("form"))),
  };
}"""


def see(page: Page, name: str) -> Any:
    """Return the toggle whose answer has the name."""
    body = page.locator(f"details > .toggle-body[id='{name}']")
    return body.locator("xpath=..")


def in_view(page: Page, name: str) -> bool:
    """Say whether the toggle is open and its question can be seen."""
    toggle = see(page, name)
    page.wait_for_timeout(200)
    assert toggle.get_attribute("open") is not None, f"{name} is closed"
    seen: bool = toggle.locator("summary").evaluate(IN_VIEW)
    return seen


def questions(page: Page) -> list[tuple[str, str]]:
    """Return (page, id) of each link of the page of all questions."""
    hrefs = page.locator(".questions a").evaluate_all(
        "links => links.map(link => link.getAttribute('href'))"
    )
    here = "back/questions.html"
    found = [urljoin(here, href).partition("#") for href in hrefs]
    return [(name, unquote(mark)) for name, _, mark in found]


# Toggles


def test_tab_reaches_all_that_can_be_used_and_shows_where_it_is(
    book: Any, visiting: Visiting, subtests: Any
) -> None:
    for name in book.pages:
        with subtests.test(page=name), visiting(name) as visit:
            page = visit.page
            visit.open_all()
            count = page.evaluate(
                "selector => { window.reachable = [...document"
                ".querySelectorAll(selector)].filter(e => e.tabIndex >= 0"
                " && e.checkVisibility({visibilityProperty: true}));"
                " return reachable.length; }",
                CAN_BE_REACHED,
            )
            reached, unseen = set(), set()
            for _ in range(2 * count + 50):  # boxes that scroll count too
                page.keyboard.press("Tab")
                focused = page.evaluate(FOCUSED)
                if len(reached) == count:
                    break
                if focused is None:
                    continue
                # A box that scrolls takes the focus but is none of them.
                if focused["place"] >= 0:
                    reached.add(focused["place"])
                if not focused["shown"]:
                    unseen.add(focused["what"])
            missed = page.evaluate(
                "reached => reachable.filter((e, i) => !reached.includes(i))"
                ".map(e => e.outerHTML.slice(0, 90))",
                sorted(reached),
            )
            assert missed == []
            assert unseen == set()


@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_keys_open_and_close_a_toggle(
    book: Any, visiting: Visiting, key: str, scripts: bool
) -> None:
    for name in book.chapters:
        with visiting(name, scripts=scripts) as visit:
            kinds = ("hint", "solution", "faq", "choice")
            toggles = [visit.page.locator(f"details.{k}") for k in kinds]
            found = [one.first for one in toggles if one.count()]
            assert found
            for toggle in found:
                body = toggle.locator("> .toggle-body")
                assert not body.is_visible()
                toggle.locator("> summary").press(key)
                assert body.is_visible(), f"{toggle} stays closed"
                toggle.locator("> summary").press(key)
                assert not body.is_visible(), f"{toggle} stays open"


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scripts", [True, False])
def test_a_link_to_a_question_opens_its_answer(
    book: Any, visiting: Visiting, scripts: bool, width: int
) -> None:
    with visiting("back/questions.html", width, scripts=scripts) as visit:
        asked = questions(visit.page)
        assert len(asked) >= 8
        for place in (0, len(asked) // 2, len(asked) - 1):
            visit.page.goto(book.base + "back/questions.html")
            visit.page.locator(".questions a").nth(place).click()
            visit.page.wait_for_url("**#*")
            assert in_view(visit.page, asked[place][1])


@pytest.mark.parametrize("scripts", [True, False])
def test_an_address_with_a_question_opens_its_answer(
    book: Any, visiting: Visiting, subtests: Any, scripts: bool
) -> None:
    with visiting("back/questions.html") as visit:
        asked = questions(visit.page)
    for name, mark in asked[:: max(1, len(asked) // 4)]:
        with (
            subtests.test(question=mark),
            visiting(f"{name}#{mark}", scripts=scripts) as visit,
        ):
            assert in_view(visit.page, mark)


def test_a_link_on_the_page_itself_opens_an_answer(
    book: Any, visiting: Visiting
) -> None:
    with visiting(CHAPTER) as visit:
        mark = visit.page.locator("details.hint > .toggle-body").first
        name = mark.get_attribute("id")
        visit.page.evaluate("name => { location.hash = name }", name)
        assert in_view(visit.page, name)


def test_every_link_inside_the_book_leads_somewhere(
    book: Any, visiting: Visiting, subtests: Any
) -> None:
    ids: dict[str, set[str]] = {}
    for name in book.pages:
        text = (book.folder / name).read_text("utf-8")
        ids[name] = set(re.findall(r'\bid="([^"]+)"', text))
    for name in book.pages:
        with subtests.test(page=name):
            text = (book.folder / name).read_text("utf-8")
            text = re.sub(r"<(script|style)\b.*?</\1>", "", text, flags=re.S)
            for href in set(re.findall(r'<a\b[^>]*\bhref="([^"]*)"', text)):
                if re.match(r"[a-z]+:", href):
                    continue
                target, _, mark = urljoin(name, href).partition("#")
                # The page of wrong addresses is shown anywhere, so its
                # links have the whole path.
                target = target.partition("?")[0].removeprefix("/")
                there = (book.folder / unquote(target)).is_file()
                assert there, f"{href}: there is no such page"
                if mark:
                    assert unquote(mark) in ids[target], f"{href}: no such id"


# The explorer and the map


@pytest.mark.parametrize("width", [360, 1280])
def test_arrow_keys_move_the_sliders_of_the_explorer(
    visiting: Visiting, width: int
) -> None:
    with visiting(CHAPTER, width) as visit:
        explorer = visit.page.locator("softmax-explorer")
        sliders = explorer.locator("input[type=range]")
        assert sliders.count() == 2
        assert explorer.locator("svg").count() == 0
        for slider in sliders.all():
            before = explorer.inner_text()
            spoken = slider.get_attribute("aria-valuetext")
            weights = explorer.locator(".bars").evaluate_all(
                "all => all.map(bars => bars.getAttribute('aria-label'))"
            )
            slider.press("ArrowRight")
            assert explorer.inner_text() != before
            assert slider.get_attribute("aria-valuetext") != spoken
            after = explorer.locator(".bars").evaluate_all(
                "all => all.map(bars => bars.getAttribute('aria-label'))"
            )
            assert after != weights
            slider.press("ArrowLeft")
            assert explorer.inner_text() == before


def test_without_scripts_a_picture_stands_for_the_explorer(
    visiting: Visiting,
) -> None:
    with visiting(CHAPTER, scripts=False) as visit:
        explorer = visit.page.locator("softmax-explorer")
        assert explorer.locator("input").count() == 0
        assert explorer.locator("svg[role]").is_visible()


def test_the_parts_of_the_map_are_links_large_enough_to_touch(
    book: Any, visiting: Visiting
) -> None:
    with visiting("index.html", width=360) as visit:
        parts = visit.page.locator("a.lo-part")
        assert parts.count() > 0
        for part in parts.all():
            for shape in part.locator("rect").all():
                box = shape.bounding_box()
                assert box is not None
                assert min(box["width"], box["height"]) >= 23.99, box
            target = urljoin("index.html", part.get_attribute("href") or "")
            assert target in book.pages
        parts.first.locator("rect").first.click()
        visit.page.wait_for_url("**/building/**")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_map_lights_up_where_the_reader_is(
    visiting: Visiting, theme: str
) -> None:
    with visiting(CHAPTER, theme=theme) as visit:
        here = visit.page.locator("figure svg", has_text="you are here")
        assert here.is_visible()
        accent = visit.page.evaluate(
            "getComputedStyle(document.documentElement)"
            ".getPropertyValue('--lo-accent').trim()"
        )
        lit = here.locator("rect").evaluate_all(
            """(boxes, accent) => {
              const probe = document.createElement("i");
              probe.style.color = accent;
              document.body.append(probe);
              const wanted = getComputedStyle(probe).color;
              return boxes.filter(
                (box) => getComputedStyle(box).stroke === wanted).length;
            }""",
            accent,
        )
        assert lit >= 1


# Themes, sidebars, search


def test_the_button_switches_the_theme_and_the_book_remembers(
    book: Any, visiting: Visiting
) -> None:
    shown = "document.documentElement.dataset.theme"
    with visiting(CHAPTER, theme="light") as visit:
        page = visit.page
        for mode, theme in (
            ("dark", "dark"),
            ("light", "light"),
            ("auto", "light"),
            ("dark", "dark"),
        ):
            page.locator(".theme-switch-button").click()
            page.locator(f".theme-change-button[data-mode={mode}]").click()
            assert page.evaluate(shown) == theme
            for name in (CHAPTER, "index.html"):
                page.goto(book.base + name)
                assert page.evaluate(shown) == theme
                button = page.locator(".theme-switch-button")
                icon = button.locator(".theme-switch:visible")
                assert icon.get_attribute("data-mode") == mode


def test_on_a_phone_a_button_opens_the_contents_and_escape_closes_them(
    visiting: Visiting,
) -> None:
    with visiting(CHAPTER, width=360) as visit:
        page = visit.page
        link = page.locator(
            ".bd-sidebar-primary a, dialog a", has_text="All questions"
        ).first
        assert not link.is_visible()
        page.locator(".primary-toggle").locator("visible=true").first.click()
        assert link.is_visible()
        page.keyboard.press("Escape")
        link.wait_for(state="hidden")
        page.locator(".primary-toggle").locator("visible=true").first.click()
        link.click()
        page.wait_for_url("**/back/questions.html")


def history_is_whole() -> bool:
    """Tell whether git knows every commit of this copy."""
    asked = ["git", "rev-parse", "--is-shallow-repository"]
    done = subprocess.run(asked, capture_output=True, text=True)
    return done.returncode == 0 and done.stdout.strip() == "false"


def test_a_page_leads_on_and_back_and_says_how_old_it_is(
    visiting: Visiting,
) -> None:
    with visiting(CHAPTER) as visit:
        for way in ("left-prev", "right-next"):
            assert visit.page.locator(f"a.{way}").is_visible()
        text = visit.page.locator("body").inner_text()
        assert re.search(r"\d+ minutes of reading\.", text)
        # Of a copy without its whole history nobody knows how old it is.
        if history_is_whole():
            assert re.search(r"last changed on \d\d \w+ 20\d\d", text)


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
        quoted = visit.page.locator("#search-results .context").last
        assert "softmax" in quoted.inner_text()


# Printing, and files without a server


def test_a_chapter_prints_on_several_pages(visiting: Visiting) -> None:
    with visiting(CHAPTER) as visit:
        paper = visit.page.pdf(format="A4")
        assert len(re.findall(rb"/Type\s*/Page\b", paper)) > 1


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_book_can_be_read_from_a_folder(
    book: Any, visiting: Visiting, subtests: Any, theme: str
) -> None:
    base = book.folder.as_uri() + "/"
    for name in book.pages:
        if name == "404.html":  # only a server shows it
            continue
        with (
            subtests.test(page=name),
            visiting(name, base=base, theme=theme) as visit,
        ):
            bench.settle(visit.page)
            assert visit.complaints == []
            assert visit.elsewhere == []


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
