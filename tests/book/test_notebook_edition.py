"""The notebook edition of the real book, and how its files are written."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import pytest
from book.chapter import chapters
from book.notebooks import Notebook, asleep, notebook
from book.tiny import BOOK, FRONT, ROOT, TinyBook, cell
from markdown_it import MarkdownIt

from laidout.workshop.imports import names_in
from laidout_book.errors import BookError
from laidout_book.execution import cells as code_cells
from laidout_book.notebook import builder
from laidout_book.notebook.builder import ARCHIVE, LIMIT, pack
from laidout_book.notebook.cells import RECORDS
from laidout_book.notebook.imports import names_made

MARKUP = re.compile(
    r"^(?:`{3,}|:{3,}|~{3,})\{|\{(?:[a-z-]+:)?[a-z-]+\}`"
    r"|^\([\w-]+\)=$|^:[\w-]+: |^\{\.[\w .]+\}$|\]\(#|\]\(\.\./|\.md\)",
    re.M,
)
"""Directives, roles, labels, options and classes of MyST; dead links."""
DATA = re.compile(r"data:image/png;base64,[A-Za-z0-9+/=]+")
CODE = re.compile(r"^(`{3,})(?!\{).*?^\1$|(?<!`)`[^`\n]+`(?!`)", re.M | re.S)


@dataclass(frozen=True)
class Edition:
    """The notebooks of the real book."""

    folder: Path
    doctrees: Path

    def notebook(self, name: str) -> Notebook:
        return Notebook(self.folder / f"{name}.ipynb")

    def build(self, to: Path) -> None:
        """Build all; cells that were executed before are not again."""
        words = ["-q", "-W", "-n", "-a", "-b", "notebooks"]
        built = subprocess.run(
            [
                *(sys.executable, "-m", "sphinx", *words),
                *("-d", str(self.doctrees), "book", str(to)),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT / "src"),
                "LAIDOUT_FAST": "1",
            },
        )
        assert built.returncode == 0, built.stderr


@pytest.fixture(scope="session")
def edition(tmp_path_factory: pytest.TempPathFactory) -> Edition:
    """Build the notebooks of the real book once."""
    folder = tmp_path_factory.mktemp("notebooks")
    made = Edition(folder / "out", folder / "doctrees")
    made.build(made.folder)
    return made


NAMES = [chapter.path.stem for chapter in chapters()]


def prose(made: Notebook) -> str:
    """Return the text of a notebook without code and pictures."""
    text = "\n\n".join(made.cells("markdown"))
    return CODE.sub("code", DATA.sub("data", text))


def test_every_chapter_has_its_notebook_and_no_other_page(
    edition: Edition,
) -> None:
    names = {path.stem for path in edition.folder.glob("*.ipynb")}
    assert set(NAMES) <= names
    pages = {p for p in BOOK.glob("*/*.md") if p.stem in names}
    assert len(pages) == len(names)
    assert all("file_format: mystnb" in p.read_text("utf-8") for p in pages)
    assert not names & {"index", "questions", "references", "downloads"}


@pytest.mark.parametrize("name", NAMES)
def test_no_markup_of_ours_is_left(edition: Edition, name: str) -> None:
    found = MARKUP.findall(prose(edition.notebook(name)))
    assert not found


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_valid_small_and_without_outputs(
    edition: Edition, name: str
) -> None:
    made = edition.notebook(name)
    assert made.path.stat().st_size < LIMIT
    ids = [each["id"] for each in made.data["cells"]]
    assert len(set(ids)) == len(ids)
    for each in made.data["cells"]:
        if each["cell_type"] == "code":
            assert each["outputs"] == []
            assert each["execution_count"] is None
        assert "attachments" not in each


def kept_out(text: str) -> list[str]:
    """Return the cells that need what only the book has, or made of it."""
    missing: set[str] = set()
    found = []
    for written in code_cells(text):
        made = names_made(written)
        if RECORDS in written or names_in(written) & missing - made:
            found.append(written)
            missing |= made
        else:
            missing -= made
    return found


@pytest.mark.parametrize("name", NAMES)
def test_all_code_of_the_page_is_in_its_notebook(
    edition: Edition, name: str
) -> None:
    (page,) = BOOK.glob(f"*/{name}.md")
    code = "\n".join(edition.notebook(name).cells("code"))
    text = page.read_text("utf-8")
    removed = "remove-cell" in text
    out = kept_out(text)
    for written in code_cells(text):
        if written in out or (removed and "assert " in written):
            continue
        lines = [ln for ln in written.splitlines() if "import " not in ln]
        assert all(line in code for line in lines)


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_is_a_picture_with_words(
    edition: Edition, name: str
) -> None:
    (chapter,) = (c for c in chapters() if c.path.stem == name)
    count = 0
    for text in edition.notebook(name).cells("markdown"):
        for token in MarkdownIt("commonmark").parse(text):
            for child in token.children or []:
                if child.type == "image":
                    count += 1
                    assert child.attrs["src"].startswith("data:image/png")
                    assert len(child.content) > 20
    plots = [one for one in kept_out(chapter.text) if "plt.show" in one]
    assert count == len(chapter.blocks("drawing", "map")) + len(plots)


@pytest.mark.parametrize("name", NAMES)
def test_what_opens_is_closed(edition: Edition, name: str) -> None:
    text = prose(edition.notebook(name))
    assert text.count("<details>") == text.count("</details>") > 0
    assert text.count("$$") % 2 == 0
    assert len(re.findall(r"(?<!\\)\$", text)) % 2 == 0


def test_a_second_build_writes_the_very_same_bytes(
    edition: Edition, tmp_path: Path
) -> None:
    edition.build(tmp_path)
    first = {p.name: p.read_bytes() for p in edition.folder.iterdir()}
    again = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert first == again


# --- small books ------------------------------------------------------------


def test_a_cell_keeps_its_id_when_others_come(tmp_path: Path) -> None:
    text = "One.\n\n### A\n\nSame.\n\n### B\n\nTwo."
    first = notebook(TinyBook(tmp_path / "a"), text)
    more = notebook(TinyBook(tmp_path / "b"), "### New\n\nZero.\n\n" + text)
    for says in ("### A\n\n", "### B\n\n"):
        assert first.cell(says)["id"] == more.cell(says)["id"]


def test_a_chapter_that_is_gone_leaves_no_notebook(book: TinyBook) -> None:
    other = book.source / "other.md"
    book.write({"other.md": f"{FRONT}# Other\n"})
    made = notebook(book, "Text.")
    assert made.path.with_name("other.ipynb").exists()
    other.unlink()
    notebook(book, "Text.")
    assert not made.path.with_name("other.ipynb").exists()


def test_two_chapters_of_one_name_stop_the_build(book: TinyBook) -> None:
    book.write({f"{part}/a.md": f"{FRONT}# A\n" for part in ("one", "two")})
    with pytest.raises(BookError, match="two chapters are called a"):
        notebook(book, "Text.")


def test_a_notebook_that_is_too_large_stops_the_build(
    book: TinyBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder, "LIMIT", 100)
    with pytest.raises(BookError, match=r"index\.ipynb has .* bytes"):
        notebook(book, "Text.")


def test_the_first_cell_installs_from_the_site(book: TinyBook) -> None:
    site = "https://example.org/book/"
    made = notebook(
        asleep(book), cell("x = 1"), html_baseurl=site, release="0.7"
    )
    setup = made.cells()[0]
    wheel = f"{site}notebooks/laidout-0.7-py3-none-any.whl"
    assert f'wheels.append("{wheel}")' in setup
    assert f"[Tiny 0.7]({site})" in made.cells()[-1]


def test_without_a_site_the_first_cell_says_how_to_install(
    book: TinyBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = notebook(asleep(book), cell("x = 1"), release="0.7")
    setup = made.cells()[0]
    asked: list[str] = []
    code = re.sub(r"%pip install --quiet \{(.*)\}", r"asked.append(\1)", setup)
    code = code.replace("find_spec(", "(lambda name: None)(")
    with pytest.raises(ModuleNotFoundError, match=r"laidout-0\.7-py3-none"):
        exec(code, {"asked": asked})
    (tmp_path / "laidout-0.7-py3-none-any.whl").touch()
    exec(code, {"asked": asked})
    assert asked == ["laidout-0.7-py3-none-any.whl"]
    # Where it is installed, nothing happens.
    exec(setup.partition("\n    %pip")[0], {})


def test_the_archive_holds_the_notebooks_and_the_wheel(book: TinyBook) -> None:
    made = notebook(book, "Text.")
    wheel = made.path.with_name("laidout-1-py3-none-any.whl")
    wheel.write_bytes(b"wheel")
    notebook(book, "Text.")
    with ZipFile(made.path.with_name(ARCHIVE)) as packed:
        folder = ARCHIVE.removesuffix(".zip")
        assert packed.namelist() == [
            f"{folder}/index.ipynb",
            f"{folder}/{wheel.name}",
        ]
        assert packed.read(f"{folder}/{wheel.name}") == b"wheel"


def test_an_archive_depends_on_its_files_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.ipynb"
    file.write_text("{}")
    made = []
    for stamp in (1_000_000_000, 1_500_000_000):
        os.utime(file, (stamp, stamp))
        pack(tmp_path / "a.zip", [file])
        made.append((tmp_path / "a.zip").read_bytes())
    assert made[0] == made[1]
