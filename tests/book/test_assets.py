"""One style sheet and one script for every page, served with the book."""

import re
import shutil
from pathlib import Path

import pytest
from book.tiny import BOOK, WITH_THEME, Built, TinyBook
from bs4 import BeautifulSoup
from sphinx.errors import ExtensionError

from figures.palette import LIGHT, css
from laidout_book.assets import (
    UNUSED,
    rebased,
    script,
    style_sheet,
    without_icons,
)

FILES = {
    "index.md": """\
# Tiny

:::{note}
A note, a [link](https://example.org/), and $x$.
:::

:::{faq} Is it `so`?
It is.
:::

```{literalinclude} laidout/size.py
:pyobject: half
```

```{toctree}
part/second
```
""",
    "part/second.md": "# Second\n\n:::{warning}\nTake care.\n:::\n",
    "laidout/size.py": "def half(n):\n    return n / 2\n",
}
PAGES = ["index", "part/second", "search", "genindex", "source/laidout/size"]
ASSETS = {"link": "href", "script": "src", "img": "src", "iframe": "src"}


@pytest.fixture(scope="module")
def book_with_theme(tmp_path_factory: pytest.TempPathFactory) -> TinyBook:
    folder = tmp_path_factory.mktemp("assets")
    return TinyBook(folder, **WITH_THEME).write(FILES)


@pytest.fixture(scope="module")
def built(book_with_theme: TinyBook) -> Built:
    return book_with_theme.build()


@pytest.fixture(scope="module")
def styles(built: Built) -> str:
    return (built.folder / "_static/book.css").read_text(encoding="utf-8")


def addresses(page: BeautifulSoup) -> list[str]:
    """List what a page loads."""
    return [
        str(tag[attribute])
        for name, attribute in ASSETS.items()
        for tag in page.select(f"{name}[{attribute}]")
        if tag.get("rel") not in (["next"], ["prev"], ["index"], ["search"])
    ]


def file_of(built: Built, page: str, address: str) -> Path:
    """Find the file that an address on a page leads to."""
    here = (built.folder / page).parent
    return here / address.partition("?")[0].partition("#")[0]


# --- the pages --------------------------------------------------------------


def test_the_book_builds_without_a_warning(built: Built) -> None:
    assert built.warnings == ""


@pytest.mark.parametrize("name", PAGES)
def test_every_page_links_one_style_sheet(built: Built, name: str) -> None:
    (link,) = built.soup(name).select("link[rel=stylesheet]")
    address = str(link["href"])
    assert re.fullmatch(r"(\.\./)*_static/book\.css\?v=\w{8}", address)
    assert file_of(built, name, address).is_file()


@pytest.mark.parametrize("name", PAGES)
def test_every_page_links_one_script_of_its_own(
    built: Built, name: str
) -> None:
    scripts = [
        str(tag["src"]) for tag in built.soup(name).select("script[src]")
    ]
    ours = [address for address in scripts if "book.js" in address]
    assert len(ours) == 1
    assert re.fullmatch(r"(\.\./)*_static/book\.js\?v=\w{8}", ours[0])
    sphinx = {"searchtools.js", "language_data.js", "searchindex.js"}
    for_search = {*sphinx, "search.js"}
    others = {Path(a.partition("?")[0]).name for a in scripts if a != ours[0]}
    assert others <= (for_search if name == "search" else set())
    for address in scripts:
        assert file_of(built, name, address).is_file(), address


@pytest.mark.parametrize("name", PAGES)
def test_no_page_loads_anything_from_another_host(
    built: Built, name: str
) -> None:
    loaded = addresses(built.soup(name))
    assert loaded
    assert not [a for a in loaded if re.match(r"(?:[a-z]+:)?//", a)]


@pytest.mark.parametrize("name", PAGES)
def test_every_loaded_file_is_there(built: Built, name: str) -> None:
    for address in addresses(built.soup(name)):
        if not address.startswith(("data:", "#")):
            assert file_of(built, name, address).is_file(), address


def test_scripts_that_stand_in_a_page_name_no_other_host(
    built: Built,
) -> None:
    texts = [
        tag.get_text()
        for name in PAGES
        for tag in built.soup(name).select("script:not([src]), style")
    ]
    assert texts
    assert not [text for text in texts if re.search(r"https?:|[\"']//", text)]


def test_every_icon_of_the_pages_is_drawn_by_our_style_sheet(
    built: Built, styles: str
) -> None:
    rules = re.findall(r"([^{}]+)\{\s*--icon:", styles)
    drawn = set(re.findall(r"\.(fa-[\w-]+)", "".join(rules)))
    style = {"fa-solid", "fa-regular", "fa-brands", "fa-lg", "fa-fw"}
    used = {
        name
        for page in built.folder.rglob("*.html")
        for tag in BeautifulSoup(page.read_text("utf-8"), "html.parser")(True)
        for name in tag.get("class") or []
        if name.startswith("fa-")
    }
    assert "fa-magnifying-glass" in used
    assert used - style - drawn == set()


# --- the style sheet and the script -----------------------------------------


def test_the_style_sheet_asks_for_no_other(styles: str) -> None:
    assert "@import" not in styles
    assert "sourceMappingURL" not in styles


def test_every_file_that_the_style_sheet_names_is_there(
    built: Built, styles: str
) -> None:
    named = re.findall(r"url\(['\"]?(?!data:|['\"]?#)([^)'\"]+)", styles)
    files = {name.partition("?")[0].partition("#")[0] for name in named}
    assert any("KaTeX" in name for name in files)
    assert any("source-serif" in name for name in files)
    for name in files:
        assert (built.folder / "_static" / name).is_file(), name


def test_the_style_sheet_holds_all_parts_in_their_order(styles: str) -> None:
    marks = (
        f"--lo-query: {LIGHT['query'].strong}",
        "--pst-color",
        ".katex",
    )
    places = [styles.find(mark) for mark in marks]
    assert -1 not in places
    assert places[0] < places[1]
    ours = (BOOK / "_static/laidout.css").read_text(encoding="utf-8")
    assert styles.rstrip().endswith(ours.rstrip()[-40:])
    assert ".cell_output" in styles


def test_the_icon_font_is_gone(built: Built, styles: str) -> None:
    faces = re.findall(r"@font-face\s*\{[^{}]*\}", styles)
    assert faces
    assert not [face for face in faces if "Awesome" in face]
    assert not re.findall(r"\.fa-[\w-]+:before", styles)
    assert "content:var(--pst-icon" not in styles
    assert not list((built.folder / "_static").rglob("*fa-solid*"))


def test_what_no_page_uses_is_not_published(built: Built) -> None:
    static = built.folder / "_static"
    for pattern in UNUSED:
        assert list(static.glob(pattern)) == [], pattern


def test_the_script_holds_the_parts_of_the_theme_and_ours(
    built: Built,
) -> None:
    text = (built.folder / "_static/book.js").read_text(encoding="utf-8")
    ours = (BOOK / "_static/laidout.js").read_text(encoding="utf-8")
    assert ours.strip() in text
    assert "DOCUMENTATION_OPTIONS" in text
    assert "sourceMappingURL" not in text


def test_a_changed_style_sheet_reaches_every_page(tmp_path: Path) -> None:
    static = tmp_path / "static"
    shutil.copytree(BOOK / "_static", static)
    settings = {**WITH_THEME, "html_static_path": [str(static)]}
    book = TinyBook(tmp_path, **settings).write(FILES)
    before = book.build()
    first = before.html("part/second")
    ours = static / "laidout.css"
    ours.write_text(ours.read_text("utf-8") + ".mine { x: y }\n", "utf-8")
    built = book.build()
    bundle = (built.folder / "_static/book.css").read_text(encoding="utf-8")
    assert bundle.rstrip().endswith(".mine { x: y }")
    assert built.html("part/second") != first


def test_the_social_card_is_drawn_once_and_published(
    book_with_theme: TinyBook, built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = built.folder / "_static/social-card.png"
    before = card.read_bytes()
    assert before.startswith(b"\x89PNG")
    card.unlink()
    monkeypatch.delattr("figures.social_card.social_card")
    book_with_theme.build()
    assert card.read_bytes() == before


def test_other_themes_keep_their_files(book: TinyBook) -> None:
    built = book.page("Text.").build()
    sheets = built.soup().select("link[rel=stylesheet]")
    assert "book.css" not in str(sheets)
    assert not (built.folder / "_static/book.css").exists()


# --- the parts --------------------------------------------------------------


@pytest.mark.parametrize(
    ("css", "left"),
    [
        (".a{x:1}.fa-bell:before{content:'1'}.b{x:2}", ".a{x:1}.b{x:2}"),
        (".a{x:1}.fa{x:1}.b{x:2}", ".a{x:1}.b{x:2}"),
        (".a{x:1}.fas,.far{x:1}.b{x:2}", ".a{x:1}.b{x:2}"),
        (".a{x:1}.svg-inline--fa.fa-2x{x:1}.b{x:2}", ".a{x:1}.b{x:2}"),
        ("@font-face{font-family:Font Awesome;src:url(fa-1.woff2)}", ""),
        ("@font-face{font-family:Lato}", "@font-face{font-family:Lato}"),
        (".a{x:1}.fabric{x:2}", ".a{x:1}.fabric{x:2}"),
        (".a{x:1}.fact .b{x:2}", ".a{x:1}.fact .b{x:2}"),
        (".a:before{content:var(--pst-icon-bell)}", ".a:before{content:none}"),
    ],
)
def test_icons_are_taken_out_and_nothing_else(css: str, left: str) -> None:
    assert without_icons(css) == left


@pytest.mark.parametrize(
    ("css", "folder", "moved"),
    [
        ("url(a.woff2)", "styles", "url(styles/a.woff2)"),
        ("url('a b.woff2')", "x/y", "url(x/y/a b.woff2)"),
        ('url("../fonts/a.woff2")', "styles", "url(fonts/a.woff2)"),
        ("url(../../a.png)", "x/y", "url(a.png)"),
        ("url(a.png)", ".", "url(a.png)"),
        ("url(data:image/png;base64,AAA)", "x", None),
        ("url('data:image/svg+xml,%3Csvg/%3E')", "x", None),
        ("url(#mark)", "x", None),
    ],
)
def test_addresses_follow_the_style_sheet(
    css: str, folder: str, moved: str | None
) -> None:
    assert rebased(css, folder) == (moved or css)


def test_style_sheets_are_joined_without_imports_and_maps(
    tmp_path: Path,
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one/a.css").write_text(
        "@import url('https://example.org/b.css');\n.a{src:url(f.png)}\n"
        "/*# sourceMappingURL=a.css.map */"
    )
    (tmp_path / "b.css").write_text(".b{x:1}")
    text = style_sheet(tmp_path, ["one/a.css", "b.css"])
    assert text.startswith(":root {\n  --lo-")
    joined = text.removeprefix(css()).replace("\n", "")
    assert joined == ".a{src:url(one/f.png)}.b{x:1}"


def test_scripts_are_joined_so_that_none_runs_into_the_next(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.js").write_text("a = 1\n//# sourceMappingURL=a.js.map\n")
    (tmp_path / "b.js").write_text("(b)()")
    parts = script(tmp_path, ["a.js", "b.js"]).split("\n;\n")
    assert [part.strip() for part in parts] == ["a = 1", "(b)()"]


def test_a_style_sheet_that_is_missing_stops_the_build(
    tmp_path: Path,
) -> None:
    empty = tmp_path / "static"
    empty.mkdir()
    settings = {**WITH_THEME, "html_static_path": [str(empty)]}
    book = TinyBook(tmp_path, **settings).write(FILES)
    with pytest.raises(ExtensionError, match=r"katex\.min\.css"):
        book.build()
