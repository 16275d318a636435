"""What the published site has beside its chapters, when it has an address."""

import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from book.tiny import BOOK, ROOT, TinyBook
from bs4 import BeautifulSoup

ADDRESS = "https://example.org/laid-out/"
URLS = f'[project.urls]\nHomepage = "{ADDRESS}"\n'
PAGE = """\
---
myst:
  html_meta:
    description: A page to try it on.
---
# Tiny

Words about pizza.

```{toctree}
second
```
"""
CONF = """
laidout_audit = ""
redirects = {"old/place": "../index.html"}
"""


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build one page with the settings of the book and an address."""
    root = tmp_path_factory.mktemp("site")
    keep_out = shutil.ignore_patterns("*.md", "__pycache__", "results")
    shutil.copytree(BOOK, root / "book", ignore=keep_out)
    (root / "src").symlink_to(ROOT / "src", target_is_directory=True)
    shutil.copy(ROOT / "constraints.txt", root)
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    project = project.replace("[project.urls]\n", URLS)
    (root / "pyproject.toml").write_text(project, "utf-8")
    with (root / "book/conf.py").open("a", encoding="utf-8") as conf:
        conf.write(CONF)
    (root / "book/index.md").write_text(PAGE, "utf-8")
    (root / "book/second.md").write_text("# Second\n\nMore.\n", "utf-8")
    words = ["-q", "-W", "-n", "-b", "html", "-d", str(root / "doctrees")]
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", *words, "book", "html"],
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    return root / "html"


def head(site: Path, page: str) -> BeautifulSoup:
    text = (site / page).read_text("utf-8")
    found = BeautifulSoup(text, "html.parser").head
    assert found is not None
    return found


def content(head: BeautifulSoup, name: str) -> str:
    found = head.find("meta", attrs={"name": name}) or head.find(
        "meta", attrs={"property": name}
    )
    assert found is not None, name
    return str(found["content"])


def test_a_page_says_what_it_is_and_where_it_belongs(site: Path) -> None:
    page = head(site, "index.html")
    assert content(page, "description") == "A page to try it on."
    link = page.find("link", rel="canonical")
    assert link is not None
    assert str(link["href"]).startswith(ADDRESS)
    card = content(page, "og:image")
    assert card.startswith(ADDRESS)
    assert (site / card.removeprefix(ADDRESS)).is_file()


def test_the_sitemap_lists_the_pages_and_not_the_error(site: Path) -> None:
    tree = ElementTree.parse(site / "sitemap.xml")
    places = [str(one.text) for one in tree.iter() if "loc" in one.tag]
    assert f"{ADDRESS}index.html" in places
    assert all("404" not in place for place in places)


def test_an_address_that_is_wrong_leads_to_a_page_that_says_so(
    site: Path,
) -> None:
    text = (site / "404.html").read_text("utf-8")
    soup = BeautifulSoup(text, "html.parser")
    assert "Not a page of this book" in soup.get_text()
    # It is shown at any depth, so whatever it links has the full path.
    links = [str(a["href"]) for a in soup.select("a[href], link[href]")]
    inside = [one for one in links if not one.startswith(("#", "http"))]
    assert inside
    assert all(one.startswith("/laid-out/") for one in inside), inside
    text_links = [str(a["href"]) for a in soup.select("article p a")]
    names = ("index.html", "back/questions.html")
    assert text_links == [f"/laid-out/{name}" for name in names]


def test_a_page_that_moved_leads_to_its_new_place(site: Path) -> None:
    text = (site / "old/place.html").read_text("utf-8")
    assert "../index.html" in text


def test_reading_time_counts_what_is_open_and_is_said_above(
    book: TinyBook,
) -> None:
    book.settings["myst_enable_extensions"] += ["attrs_block"]
    text = "{.eyebrow}\nSection 3.\n\n" + "word " * 1000
    hidden = f"\n\n:::{{faq}} Why?\n{'word ' * 900}\n:::"
    built = book.page(text + hidden).build()
    eyebrow = built.soup().select_one(".eyebrow")
    assert eyebrow is not None
    assert eyebrow.get_text() == "Section 3. 10 minutes of reading."
