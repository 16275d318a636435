"""`literalinclude`: objects of the package, drawn by name."""

import pytest
from book.tiny import Built, TinyBook
from docutils import nodes

from laidout_book.drawn import BY_NUMBER, Drawn, drawn

MODULE = """\
import math

HALF = 0.5


def twice(n):
    # A comment.
    return 2 * n


@staticmethod
def thrice(n):
    return 3 * n


class Size:
    def __init__(self, n):
        self.n = n

    def area(self):
        return self.n**2
"""
PAGE = """\
# Tiny

```{literalinclude} laidout/size.py
:pyobject: twice
```

```{literalinclude} laidout/size.py
:pyobject: thrice
```

```{literalinclude} laidout/size.py
:pyobject: Size
```

{py:func}`laidout.size.twice`, {py:class}`~laidout.size.Size` and
{py:meth}`laidout.size.Size.area`.
"""
FILES = {"laidout/size.py": MODULE, "index.md": PAGE}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return TinyBook(tmp_path_factory.mktemp("drawn")).write(FILES).build()


@pytest.fixture
def stops(book: TinyBook) -> TinyBook:
    return book.write(FILES)


def include(file: str, *options: str) -> str:
    lines = "".join(f"{option}\n" for option in options)
    return f"```{{literalinclude}} {file}\n{lines}```"


def test_an_object_is_drawn_as_it_stands_in_its_file(built: Built) -> None:
    blocks = built.soup().select(".drawn pre")
    texts = [block.get_text().strip() for block in blocks]
    parts = MODULE.split("\n\n\n")
    assert texts == [part.strip() for part in parts[1:]]
    assert built.warnings == ""


def test_the_caption_names_the_file_and_links_to_the_line(
    built: Built,
) -> None:
    links = built.soup().select(".code-block-caption a.source")
    texts = [link.get_text() for link in links]
    assert texts == [
        "laidout/size.py, line 6",
        "laidout/size.py, line 11",
        "laidout/size.py, line 16",
    ]
    for link, line in zip(links, (6, 11, 16), strict=True):
        assert link["href"] == f"source/laidout/size.html#line-{line}"
        code = link.select_one("code")
        assert code is not None
        assert code.get_text() == "laidout/size.py"


def test_listings_are_numbered(built: Built) -> None:
    numbers = built.soup().select(".caption-number")
    assert [n.get_text().strip() for n in numbers] == [
        "Listing 1",
        "Listing 2",
        "Listing 3",
    ]


def test_roles_lead_to_what_is_drawn(built: Built) -> None:
    page = built.soup()
    links = [str(a["href"]) for a in page.select("a.reference.internal")]
    links = [link for link in links if link.startswith("#laidout")]
    assert links == [
        "#laidout-size-twice",
        "#laidout-size-size",
        "#laidout-size-size",
    ]
    for link in links:
        box = page.select_one(link)
        assert box is not None
        assert "literal-block-wrapper" in box["class"]


def test_what_is_drawn_is_written_down_with_its_place(
    book: TinyBook,
) -> None:
    built = book.write(FILES).build("dummy")
    page = book.source / "index.md"
    assert drawn(built.env)["index"] == [
        Drawn("laidout.size.twice", "index", f"{page}:3"),
        Drawn("laidout.size.thrice", "index", f"{page}:7"),
        Drawn("laidout.size.Size", "index", f"{page}:11"),
    ]


def test_a_page_that_draws_nothing_more_is_forgotten(book: TinyBook) -> None:
    book.write(FILES).build("dummy")
    built = book.page("Nothing.").build("dummy")
    assert drawn(built.env).get("index", []) == []


def test_a_changed_object_changes_the_page(book: TinyBook) -> None:
    book.write(FILES).build()
    changed = MODULE.replace("2 * n", "n + n")
    built = book.write({"laidout/size.py": changed}).build()
    assert built.read == ["index"]
    assert "n + n" in built.soup().get_text()
    assert "n + n" in built.soup("source/laidout/size").get_text()


def test_a_role_that_names_an_object_that_is_gone_is_a_warning(
    book: TinyBook,
) -> None:
    gone = MODULE.replace("def area", "def size")
    built = book.write({**FILES, "laidout/size.py": gone}).build("dummy")
    (warning,) = built.warnings.strip().splitlines()
    assert f"{book.source / 'index.md'}:15: WARNING: " in warning
    assert "py:meth reference target not found" in warning
    assert "laidout.size.Size.area" in warning


@pytest.mark.parametrize("option", BY_NUMBER)
@pytest.mark.parametrize("file", ["laidout/size.py", "other.py"])
def test_options_that_count_lines_stop_the_build(
    stops: TinyBook, option: str, file: str
) -> None:
    stops.write({"other.py": "a = 1\n"})
    text = include(file, ":pyobject: twice", f":{option}: 1")
    message = stops.page(text).error_at(3)
    assert message == (
        f"{{literalinclude}} `:{option}:` counts lines, which move; "
        "expected `:pyobject:`"
    )


@pytest.mark.parametrize(
    ("directive", "reason"),
    [
        (
            include("laidout/size.py", ":pyobject: twoce"),
            "size.py defines no 'twoce'; the nearest name is 'twice'",
        ),
        (
            include("laidout/size.py", ":pyobject: Size.aera"),
            "size.py defines no 'Size.aera'; the nearest name is 'Size.area'",
        ),
        (
            include("laidout/size.py"),
            "laidout/size.py: expected `:pyobject:` with its name",
        ),
        (
            include("laidout/siez.py", ":pyobject: twice"),
            "laidout/siez.py: there is no such file; "
            "the nearest name is 'size.py'",
        ),
        (
            include("nowhere/at-all.py", ":pyobject: twice"),
            "nowhere/at-all.py: there is no such file; known: nothing",
        ),
    ],
)
def test_an_object_or_file_that_is_not_there_stops_the_build(
    stops: TinyBook, directive: str, reason: str
) -> None:
    message = stops.page(f"Before.\n\n{directive}").error_at(5)
    assert message == f"{{literalinclude}} {reason}"


@pytest.mark.parametrize("option", [":start-after: a", ":name: mine"])
def test_options_that_would_do_nothing_stop_the_build(
    stops: TinyBook, option: str
) -> None:
    text = include("laidout/size.py", ":pyobject: twice", option)
    message = stops.page(text).error_at(3)
    name = option.split(":")[1]
    assert message == (
        f"{{literalinclude}} `:{name}:` does nothing beside `:pyobject:`"
    )


def test_files_outside_the_package_are_included_as_sphinx_does(
    book: TinyBook,
) -> None:
    book.write({"settings.toml": "[table]\nkey = 1\n# end\n"})
    options = ":caption: Settings", ':end-before: "# end"', ":language: toml"
    built = book.page(include("settings.toml", *options)).build()
    page = built.soup()
    (listing,) = page.select("pre")
    assert listing.get_text() == "[table]\nkey = 1\n"
    assert "Settings" in page.select_one(".code-block-caption").get_text()
    assert drawn(built.env) == {}
    assert built.warnings == ""


def test_an_object_of_another_file_is_included_but_not_written_down(
    book: TinyBook,
) -> None:
    book.write({"tests/check.py": MODULE})
    text = include("tests/check.py", ":pyobject: twice")
    built = book.page(text).build("dummy")
    (listing,) = built.doctree().findall(nodes.literal_block)
    assert listing.astext().startswith("def twice")
    assert drawn(built.env) == {}


def test_the_package_may_be_reached_through_a_link(book: TinyBook) -> None:
    book.write({"../elsewhere/laidout/size.py": MODULE})
    link = book.source / "laidout"
    link.symlink_to(book.folder / "elsewhere/laidout")
    text = include("laidout/size.py", ":pyobject: twice")
    built = book.page(text).build("dummy")
    (record,) = drawn(built.env)["index"]
    assert record.object == "laidout.size.twice"
