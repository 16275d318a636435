"""Pages with the whole source files, one anchor a line."""

import re

import pytest
from book.tiny import Built, TinyBook

MODULE = "import math\n\n\ndef half(n):\n    return n / 2  # not n // 2\n"
FILES = {
    "index.md": "# T\n\n```{literalinclude} laidout/size.py\n"
    ":pyobject: half\n```\n",
    "laidout/size.py": MODULE,
    "laidout/other.py": "A = 1\n",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return TinyBook(tmp_path_factory.mktemp("sources")).write(FILES).build()


def test_the_page_shows_the_whole_file_with_its_line_numbers(
    built: Built,
) -> None:
    page = built.soup("source/laidout/size")
    code = page.select_one(".source-file pre")
    assert code is not None
    numbers = [
        number.extract().get_text() for number in code.select(".linenos")
    ]
    assert [int(number) for number in numbers] == [1, 2, 3, 4, 5]
    assert code.get_text() == MODULE


def test_its_title_is_the_file(built: Built) -> None:
    page = built.soup("source/laidout/size")
    assert page.h1.get_text() == "laidout/size.py"
    assert "laidout/size.py" in page.title.get_text()


def test_every_line_has_an_anchor(built: Built) -> None:
    html = built.html("source/laidout/size")
    anchors = re.findall(r'id="(line-\d+)"', html)
    assert anchors == [f"line-{n}" for n in range(1, 6)]


def test_the_link_of_a_caption_leads_to_the_line(built: Built) -> None:
    link = built.soup().select_one("a.source")
    assert link is not None
    page, _, anchor = str(link["href"]).partition("#")
    target = built.soup(page.removesuffix(".html")).select_one(f"#{anchor}")
    assert target is not None
    following = [str(text) for text in target.find_all_next(string=True)]
    assert "".join(following).partition("\n")[0].endswith("def half(n):")


def test_a_module_that_is_not_drawn_has_no_page(built: Built) -> None:
    pages = [path.name for path in built.folder.glob("source/laidout/*")]
    assert pages == ["size.html"]
