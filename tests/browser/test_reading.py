"""What a reader does: toggles, links, keys, themes, printing."""

import json
import re
import subprocess
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urljoin

import pytest
from browser.checks import IN_VIEW, STICKING_OUT
from browser.conftest import OPEN_ALL
from playwright.sync_api import Page

import bench

Visiting = Callable[..., Any]

CHAPTER = f"{bench.CHAPTER}.html"
CAN_BE_REACHED = (
    "a[href], summary, input, button, select, textarea, [tabindex='0']"
)
FOCUSED = """() => {
  const element = document.activeElement;
  if (!element || element === document.body) return null;
  const outlined = (e) => {
    const style = e && getComputedStyle(e);
    return style && style.outlineStyle !== "none" &&
      parseFloat(style.outlineWidth) > 0;
  };
  const ringed = (e) =>
    [...e.querySelectorAll(":scope > rect:has(+ text)")].some(
      (box) => parseFloat(getComputedStyle(box).strokeWidth) >= 3);
  return {
    place: window.reachable.indexOf(element),
    what: element.outerHTML.slice(0, 90),
    shown: Boolean(outlined(element) || outlined(element.closest("form")) ||
      ringed(element)),
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


# Themes, sidebars


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


@pytest.mark.parametrize("part", ["secondary", "primary"])
def test_on_a_phone_the_contents_go_when_they_have_led_somewhere(
    visiting: Visiting, part: str
) -> None:
    with visiting(CHAPTER, width=360) as visit:
        page = visit.page
        page.locator(f".{part}-toggle").locator("visible=true").first.click()
        link = page.locator("dialog[open] a[href^='#']").last
        target = link.get_attribute("href")
        link.click()
        page.locator("dialog[open]").wait_for(state="detached")
        if target != "#":
            assert page.locator(target).evaluate(IN_VIEW)


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


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("index.html", "Transformers Laid Out"),
        ("search.html", "Search — Transformers Laid Out"),
        ("404.html", "Not a page of this book — Transformers Laid Out"),
    ],
)
def test_a_page_has_the_title_of_the_book_once(
    visiting: Visiting, name: str, title: str
) -> None:
    with visiting(name) as visit:
        assert visit.page.title() == title


def test_a_wrong_address_leads_to_the_cover_and_to_all_questions(
    book: Any, visiting: Visiting
) -> None:
    with visiting("404.html", width=360) as visit:
        links = visit.page.locator("article a").evaluate_all(
            "links => links.map(link => link.href)"
        )
        names = ("index.html", "back/questions.html")
        assert links == [book.base + name for name in names]


def test_on_the_map_a_ring_is_round_each_box_and_not_round_all(
    visiting: Visiting,
) -> None:
    with visiting("index.html") as visit:
        link = visit.page.locator("a.lo-part").first
        for _ in range(60):
            if link.evaluate("e => e.matches(':focus-visible')"):
                break
            visit.page.keyboard.press("Tab")
        style = link.evaluate("e => getComputedStyle(e).outlineStyle")
        assert style == "none"
        widths = link.locator("rect").evaluate_all(
            "all => all.map(e => parseFloat(getComputedStyle(e).strokeWidth))"
        )
        labels = link.locator("text").count()
        assert sum(width >= 3 for width in widths) == labels
        assert sum(width < 2 for width in widths) == len(widths) - labels


# Narrow screens


def test_a_long_name_breaks_between_its_words(visiting: Visiting) -> None:
    with visiting(CHAPTER, width=360) as visit:
        broken = visit.page.locator("code.literal .pre:has(wbr)")
        assert broken.count() > 0
        parts = broken.evaluate_all(
            "all => all.flatMap(e => [...e.childNodes].slice(0, -1)"
            ".filter(node => node.data).map(node => node.data))"
        )
        assert all(part.endswith(("_", ".")) for part in parts)
        for word in broken.all():
            assert re.fullmatch(r"\S{20,}", word.text_content() or "")


def test_an_option_does_not_break_behind_its_dashes(
    book: Any, visiting: Visiting
) -> None:
    for name in book.chapters:
        with visiting(name, width=360) as visit:
            options = visit.page.locator("code.literal .pre")
            for option in options.filter(has_text=re.compile("^--")).all():
                lines = option.evaluate("e => e.getClientRects().length")
                assert lines <= 1


def test_writing_twice_as_large_fits_a_phone(
    book: Any, tmp_path: Any, browser: Any, subtests: Any
) -> None:
    sizes = {"default_font_size": 32, "default_fixed_font_size": 26}
    settings = tmp_path / "Default" / "Preferences"
    settings.parent.mkdir()
    settings.write_text(json.dumps({"webkit": {"webprefs": sizes}}))
    launch = browser.browser_type.launch_persistent_context
    context = launch(
        tmp_path,
        executable_path=bench.chromium(),
        args=list(bench.CHROMIUM_FLAGS),
        viewport={"width": 360, "height": 800},
    )
    page = context.new_page()
    for name in book.pages:
        with subtests.test(page=name):
            page.goto(book.base + name)
            page.evaluate(OPEN_ALL)
            bench.settle(page)
            size = page.evaluate("getComputedStyle(document.body).fontSize")
            assert float(size.removesuffix("px")) > 30
            assert page.evaluate(STICKING_OUT) == []
    context.close()


# Printing, and files without a server


def test_a_chapter_prints_on_several_pages(visiting: Visiting) -> None:
    with visiting(CHAPTER) as visit:
        paper = visit.page.pdf(format="A4")
        assert len(re.findall(rb"/Type\s*/Page\b", paper)) > 1


def test_what_is_for_a_screen_is_not_printed(visiting: Visiting) -> None:
    with visiting(CHAPTER) as visit:
        visit.open_all()
        visit.page.emulate_media(media="print")
        for part in ("details.hide > summary", "softmax-explorer input"):
            found = visit.page.locator(part)
            assert found.count() > 0
            assert found.locator("visible=true").count() == 0
        assert visit.page.locator("softmax-explorer output").first.is_visible()


def test_start_reading_is_printed_in_ink(visiting: Visiting) -> None:
    with visiting("index.html", theme="dark") as visit:
        visit.page.emulate_media(media="print")
        link = visit.page.locator("a.start")
        colour = link.evaluate("e => getComputedStyle(e).color")
        assert max(int(part) for part in re.findall(r"\d+", colour)) < 64


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
