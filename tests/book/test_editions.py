"""The other editions: copied along, offered on pages, listed on one."""

from pathlib import Path
from typing import Any

import pytest
from book.tiny import FRONT, WITH_THEME, Built, TinyBook
from bs4 import BeautifulSoup, Tag

from laidout_book.editions import ARCHIVE, PDF

LIST = "# Downloads\n" + "".join(
    f"\n```{{editions}} {kind}\n```\n"
    for kind in ("notebooks", "package", "pdf")
)
GITHUB = "https://github.com"
COLAB = "https://colab.research.google.com/github"
BINDER = "https://mybinder.org/v2/gh"
WHEEL = "laidout-0.1.0-py3-none-any.whl"


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """Return where the editions are looked for: nothing is there yet."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    return folder


def fill(shelf: Path, *names: str) -> None:
    for name in names:
        path = shelf / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)


def chapter_and_list(tmp_path: Path, shelf: Path, **more: Any) -> TinyBook:
    """Make a book of a chapter, a page that is none, and the list."""
    settings = {**WITH_THEME, "laidout_editions": str(shelf), **more}
    book = TinyBook(tmp_path, **settings)
    return book.write(
        {
            "index.md": "# Tiny\n\n```{toctree}\npart/a\nback/list\n```\n",
            "part/a.md": f"{FRONT}# First *chapter*\n\nText.\n",
            "back/list.md": LIST,
        }
    )


def build(book: TinyBook) -> Built:
    built = book.build()
    assert "[myst-nb.lexer]" in built.warnings or not built.warnings
    return built


def menu(built: Built, page: str = "part/a") -> dict[str, str]:
    """Return what a page offers: where each line leads."""
    (found,) = built.soup(page).select("details.editions-menu")
    return {link.text: str(link["href"]) for link in found.select("li a")}


def article(built: Built) -> Tag:
    (found,) = built.soup("back/list").select("article")
    return found


ALL = (
    *("notebooks/a.ipynb", f"notebooks/{ARCHIVE}", f"notebooks/{WHEEL}"),
    f"pdf/{PDF}",
)


def test_a_chapter_offers_what_there_is(tmp_path: Path, shelf: Path) -> None:
    fill(shelf, *ALL)
    built = build(chapter_and_list(tmp_path, shelf))
    offered = menu(built)
    assert offered == {
        "This chapter as a notebook": "../notebooks/a.ipynb",
        "The whole book as a PDF": f"../{PDF}",
        "The source of this page": "../_sources/part/a.md",
    }
    for place in offered.values():
        assert (built.folder / "part" / place).resolve().is_file()
    source = (built.folder / "_sources" / "part" / "a.md").read_text()
    assert source == f"{FRONT}# First *chapter*\n\nText.\n"
    assert (built.folder / "notebooks" / WHEEL).is_file()


def test_other_pages_have_no_menu(tmp_path: Path, shelf: Path) -> None:
    fill(shelf, *ALL)
    built = build(chapter_and_list(tmp_path, shelf))
    for page in ("index", "back/list", "search"):
        assert not built.soup(page).select(".editions-menu")


def test_the_menu_works_without_script_and_has_a_name(
    tmp_path: Path, shelf: Path
) -> None:
    fill(shelf, *ALL)
    soup: BeautifulSoup = build(chapter_and_list(tmp_path, shelf)).soup(
        "part/a"
    )
    (summary,) = soup.select("details.editions-menu > summary")
    assert summary.text == "Download this chapter"
    links = soup.select(".editions-menu a")
    assert all(link.has_attr("download") for link in links)
    style = soup.select_one("link[href*='book.css']")
    assert style is not None
    css = tmp_path / "build" / "html" / "_static" / "book.css"
    assert ".editions-menu" in css.read_text()


def test_one_page_lists_all(tmp_path: Path, shelf: Path) -> None:
    fill(shelf, *ALL)
    page = article(build(chapter_and_list(tmp_path, shelf)))
    links = {a.text: a["href"] for a in page.select("li a, p a")}
    assert links == {
        "First chapter": "../notebooks/a.ipynb",
        "All of them in one archive": f"../notebooks/{ARCHIVE}",
        WHEEL: f"../notebooks/{WHEEL}",
        "The whole book as a PDF": f"../{PDF}",
    }
    assert page.select("pre")[0].text == f"python3 -m pip install {WHEEL}\n"


def test_what_was_not_built_is_left_out_and_said(
    tmp_path: Path, shelf: Path
) -> None:
    built = build(chapter_and_list(tmp_path, shelf))
    assert list(menu(built)) == ["The source of this page"]
    text = article(built).text
    assert "The notebooks have not been built with these pages." in text
    assert "The package has not been built with these pages." in text
    assert "The PDF has not been built with these pages." in text
    assert not (built.folder / "notebooks").exists()


def test_pages_follow_when_editions_come_and_go(
    tmp_path: Path, shelf: Path
) -> None:
    book = chapter_and_list(tmp_path, shelf)
    assert len(menu(build(book))) == 1
    fill(shelf, *ALL)
    built = build(book)
    assert "part/a" not in built.read  # nothing is executed for it
    assert len(menu(built)) == 3
    assert "First chapter" in article(built).text
    (shelf / "pdf" / PDF).unlink()
    (shelf / "notebooks" / WHEEL).unlink()
    built = build(book)
    assert len(menu(built)) == 2
    assert not (built.folder / PDF).exists()
    assert not (built.folder / "notebooks" / WHEEL).exists()


def test_a_notebook_of_no_chapter_is_not_published(
    tmp_path: Path, shelf: Path
) -> None:
    fill(shelf, *ALL, "notebooks/old.ipynb")
    built = build(chapter_and_list(tmp_path, shelf))
    names = {path.name for path in (built.folder / "notebooks").iterdir()}
    assert names == {"a.ipynb", ARCHIVE, WHEEL}


@pytest.mark.parametrize("slash", ["", "/", ".git"])
def test_a_notebook_on_github_can_be_run_there(
    tmp_path: Path, shelf: Path, slash: str
) -> None:
    fill(shelf, *ALL)
    address = f"{GITHUB}/some.one/laid-out{slash}"
    built = build(
        chapter_and_list(tmp_path, shelf, laidout_repository=address)
    )
    offered = menu(built)
    assert offered["Run it in Colab"] == (
        f"{COLAB}/some.one/laid-out/blob/notebooks/a.ipynb"
    )
    assert offered["Run it in Binder"] == (
        f"{BINDER}/some.one/laid-out/notebooks?urlpath=lab/tree/a.ipynb"
    )


@pytest.mark.parametrize(
    "address", ["", "https://example.org/some/repo", f"{GITHUB}/one"]
)
def test_elsewhere_no_notebook_can_be_run(
    tmp_path: Path, shelf: Path, address: str
) -> None:
    fill(shelf, *ALL)
    built = build(
        chapter_and_list(tmp_path, shelf, laidout_repository=address)
    )
    assert not [says for says in menu(built) if says.startswith("Run")]


def test_a_book_without_a_shelf_offers_its_source(tmp_path: Path) -> None:
    book = chapter_and_list(tmp_path, Path(), laidout_editions="")
    assert list(menu(build(book))) == ["The source of this page"]


def test_in_other_editions_the_list_is_a_sentence(
    tmp_path: Path, shelf: Path
) -> None:
    book = chapter_and_list(tmp_path, shelf, extensions=["laidout_book"])
    book.settings["extensions"] = ["myst_parser", "laidout_book"]
    book.settings["html_theme"] = "basic"
    built = book.build("text")
    text = (built.folder / "back" / "list.txt").read_text()
    assert text.count("You find it on the pages of the book.") == 3


def test_an_edition_that_does_not_exist_stops_the_build(
    book: TinyBook,
) -> None:
    message = book.page("```{editions} notebook\n```").error_at(3)
    assert message == (
        "{editions} there is no edition notebook; the nearest name is "
        "'notebooks'"
    )
