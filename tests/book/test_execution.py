"""Executed pages are as fresh as all that they were computed from."""

import sys
from pathlib import Path

import pytest
from book.tiny import FRONT, Built, TinyBook, cell, executed

from laidout_book.execution import cells, placed_cells

LOG = "executed.log"


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> TinyBook:
    """Return a book with a package of its own; each cell that runs says so.

    Three pages: one reads the package through a second module, one nothing,
    one a recorded result.
    """
    book = executed(TinyBook(tmp_path_factory.mktemp("computed")))
    book.settings |= {
        "laidout_roots": [".", "src"],
        "laidout_execution_files": [],
    }
    start = f"import sys\nsys.path.insert(0, {str(book.source / 'src')!r})"
    book.write(
        {
            "src/laidout/__init__.py": "",
            "src/laidout/size.py": "from laidout.constants import SIZE\n",
            "src/laidout/constants.py": "SIZE = 11\n",
            "index.md": page(
                f"{start}\nfrom laidout.size import SIZE\nprint('size', SIZE)",
                "index",
            ),
            "alone.md": page("print('alone', 6 * 7)", "alone"),
        }
    )
    return book


def page(code: str, name: str) -> str:
    log = f"open({LOG!r}, 'a').write({name + ' '!r})"
    return f"{FRONT}# Page {name}\n\n{cell(f'{code}{chr(10)}_ = {log}')}"


def runs(book: TinyBook) -> list[str]:
    """Name the pages that were executed since this was last asked."""
    path = book.source / LOG
    names = path.read_text("utf-8").split() if path.exists() else []
    path.unlink(missing_ok=True)
    return names


def output(built: Built, name: str = "index") -> str:
    found = built.soup(name).select_one(".cell_output")
    assert found is not None
    return found.get_text().strip()


def test_a_page_shows_what_its_constants_are_now(computed: TinyBook) -> None:
    first = computed.build()
    assert output(first) == "size 11"
    assert output(first, "alone") == "alone 42"
    assert sorted(runs(computed)) == ["alone", "index"]

    again = computed.build()
    assert again.read == []
    assert runs(computed) == []

    # The constant stands two imports away from the page.
    computed.write({"src/laidout/constants.py": "SIZE = 13\n"})
    changed = computed.build()
    assert output(changed) == "size 13"
    assert changed.read == ["index"]
    assert runs(computed) == ["index"]

    # Only prose: the page is read, but what was computed is kept.
    path = computed.source / "index.md"
    path.write_text(path.read_text("utf-8") + "\nMore.\n", encoding="utf-8")
    prose = computed.build()
    assert "More." in prose.html()
    assert output(prose) == "size 13"
    assert runs(computed) == []

    # From nothing but the cache: what was computed before is known still.
    computed.write({"src/laidout/constants.py": "SIZE = 11\n"})
    fresh = computed.build(freshenv=True)
    assert sorted(fresh.read) == ["alone", "index"]
    assert output(fresh) == "size 11"
    assert runs(computed) == []


def test_a_page_follows_the_files_that_every_cell_may_read(
    computed: TinyBook,
) -> None:
    computed.write({"results/speed.json": "1"})
    computed.settings["laidout_execution_files"] = ["results/*.json"]
    (computed.source / "index.md").unlink()
    code = "print('speed', open('results/speed.json').read())"
    computed.write(
        {
            "index.md": page(code, "index"),
            "alone.md": "# Alone\n\nNothing is executed here.\n",
        }
    )
    assert output(computed.build()) == "speed 1"
    runs(computed)
    computed.write({"results/speed.json": "2"})
    changed = computed.build()
    assert changed.read == ["index"]
    assert output(changed) == "speed 2"
    assert runs(computed) == ["index"]


def test_a_fast_result_is_never_served_as_a_real_one(
    book: TinyBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    executed(book)
    asks = "import os\nprint('fast', os.environ.get('LAIDOUT_FAST'))"
    pages = {"index.md": page(asks, "index"), "alone.md": page("1", "alone")}
    book.write(pages)
    seen = []
    for fast in ("1", "0", None, "1"):
        # Anything but 1 is as good as nothing.
        monkeypatch.delenv("LAIDOUT_FAST", raising=False)
        if fast is not None:
            monkeypatch.setenv("LAIDOUT_FAST", fast)
        built = book.build()
        seen.append((output(built), sorted(runs(book))))
    # A page that does not ask is executed once and for all.
    assert seen == [
        ("fast 1", ["alone", "index"]),
        ("fast 0", ["index"]),
        ("fast 0", []),
        ("fast 1", []),
    ]


def test_errors_of_an_executed_page_name_the_right_line(
    book: TinyBook,
) -> None:
    executed(book).settings["nb_execution_mode"] = "off"
    text = f"{FRONT}# Tiny\n\n{cell('1')}\n:::{{faq}} No question\nA.\n:::\n"
    message = book.write({"index.md": text}).error_at(12)
    assert message.startswith("{faq} expected a question")


@pytest.mark.parametrize(
    ("code", "line", "reason"),
    [
        ("a = 1\nb = a / 0\nc = 2", 14, "ZeroDivisionError: division by zero"),
        (
            "---\ntags: [hide-input]\n---\n\nraise ValueError('one\\ntwo')",
            17,
            "ValueError: one",
        ),
    ],
)
def test_a_cell_that_raises_stops_the_build_with_its_line(
    book: TinyBook, code: str, line: int, reason: str
) -> None:
    text = f"{FRONT}# Tiny\n\n{cell('1')}\n{cell(code)}"
    executed(book).write({"index.md": text})
    assert book.error_at(line) == f"a code cell raises {reason}"


def test_a_cell_that_is_not_python_stops_the_build_with_its_line(
    book: TinyBook,
) -> None:
    text = (
        f"{FRONT}# Tiny\n\n{cell(':tags: [hide-input]' + 2 * chr(10) + '1')}"
    )
    text += cell("a = 1\n%time\nb = = 2")
    message = executed(book).write({"index.md": text}).error_at(16)
    assert message == "a code cell is not Python: invalid syntax: 'b = = 2'"


@pytest.mark.parametrize(
    "front",
    [
        "",
        "---\nfile_format: mystnb\n---\n",
        "---\nmyst:\n  html_meta:\n    description: A\n---\n",
        "---\nkernelspec: python3\n---\n",
    ],
)
def test_cells_without_a_kernel_stop_the_build(
    book: TinyBook, front: str
) -> None:
    # MyST-NB would execute some of them, and the cache would not know why.
    text = f"{front}# Tiny\n\n{cell('1')}"
    message = executed(book).write({"index.md": text}).error_at(1)
    assert message.startswith("a page with code cells needs front matter")


def test_front_matter_that_is_not_yaml_stops_the_build(
    book: TinyBook,
) -> None:
    text = f"---\nkernelspec:\n  name: [python3\n---\n# Tiny\n\n{cell('1')}"
    message = executed(book).write({"index.md": text}).error_at(4)
    assert message.startswith("the front matter is not YAML: expected ','")


def test_the_front_matter_keeps_its_words(book: TinyBook) -> None:
    executed(book).settings["nb_execution_mode"] = "off"
    meta = "myst:\n  html_meta:\n    description: 'Ä 🍕: \"so\"'\n---\n"
    front = FRONT.removesuffix("---\n") + "  language: python\n" + meta
    built = book.write({"index.md": f"{front}# Tiny\n\n{cell('1')}"}).build()
    description = built.soup().select_one("meta[name=description]")
    assert description is not None
    assert description["content"] == 'Ä 🍕: "so"'
    assert built.warnings == ""


def test_cells_are_found_with_their_lines() -> None:
    text = (
        "# Title\n\n```{code-cell} python3\nfirst = 1\n```\n"
        "```python\nnot_a_cell\n```\n"
        "````{code-cell}\n---\ntags: [a]\n---\n%matplotlib inline\n"
        "x = '''\n```\n'''\n````\n"
        "```{code-cell}\n:tags: [a]\n:other: b\n\nlast = 1\n```"
    )
    found = [
        (4, "first = 1\n"),
        (13, "\nx = '''\n```\n'''\n"),
        (22, "last = 1\n"),
    ]
    assert placed_cells(text) == found
    assert cells(text) == [code for _, code in found]


def test_the_tiny_package_is_not_the_real_one(computed: TinyBook) -> None:
    real = Path(sys.modules["laidout_book"].__file__ or "").resolve()
    assert computed.source not in real.parents
