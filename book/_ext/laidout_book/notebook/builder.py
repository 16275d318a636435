"""The builder `notebooks`: one .ipynb for each chapter, and an archive."""

import hashlib
import json
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import nbformat
from docutils import nodes
from sphinx.builders import Builder

from laidout_book.drawing import check_alt
from laidout_book.errors import BookError
from laidout_book.notebook.cells import Cell, Cells
from laidout_book.notebook.markdown import Markdown

ARCHIVE = "transformers-laid-out-notebooks.zip"
WHEELS = "laidout-*.whl"
LIMIT = 2_000_000
"""Bytes of a notebook: what GitHub and Colab open without trouble."""
LONG_AGO = (1980, 1, 1, 0, 0, 0)
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}

SETUP = """\
# Run this first: it makes sure that the book's package is there.
from importlib.util import find_spec
from pathlib import Path

if find_spec("laidout") is None:
    wheels = [str(path) for path in Path().glob("laidout-*.whl")]
{otherwise}
    %pip install --quiet {{wheels[0]}}"""
FROM_SITE = '    wheels.append("{address}")'
NOWHERE = """\
    if not wheels:
        raise ModuleNotFoundError(
            "laidout is not installed. Put {wheel}, which "
            "comes with the notebooks, beside this one and run this cell "
            "again; or run `python -m pip install .` where the book's "
            "sources are."
        )"""


def chapters(env: Any) -> dict[str, str]:
    """Return the file of the notebook of each chapter, by page.

    A chapter is a page with cells, or with something to solve.
    """
    return {
        page: f"{page.rpartition('/')[2]}.ipynb"
        for page in sorted(env.found_docs)
        if env.metadata[page].get("file_format") == "mystnb"
    }


class NotebookBuilder(Builder):
    """Writes notebooks, and packs them with the wheel that lies beside."""

    name = format = "notebooks"
    epilog = "The notebooks are in %(outdir)s."
    allow_parallel = True
    supported_image_types = ["image/svg+xml", "image/png", "image/jpeg"]  # noqa: RUF012
    supported_data_uri_images = True

    def init(self) -> None:
        """Set what nothing is known of before pages are read."""
        self.fignumbers: dict[str, dict[str, tuple[int, ...]]] = {}

    @property
    def site(self) -> str:
        """The address of the published book, or nothing."""
        return str(self.config.html_baseurl)

    def get_outdated_docs(self) -> Iterator[str]:
        """Write every notebook each time: any may link to any other."""
        yield from chapters(self.env)

    def get_target_uri(self, docname: str, typ: str | None = None) -> str:
        """Return the address of a page; without a site, of its notebook."""
        if self.site:
            return f"{self.site}{docname}.html"
        return chapters(self.env).get(docname, "")

    def get_relative_uri(
        self, from_: str, to: str, typ: str | None = None
    ) -> str:
        """Return the address of a page as it is seen from anywhere."""
        return self.get_target_uri(to, typ)

    def prepare_writing(self, docnames: Set[str]) -> None:
        """Take away the notebooks of chapters that are gone."""
        files = list(chapters(self.env).values())
        twice = {name for name in files if files.count(name) > 1}
        if twice:
            raise BookError(f"two chapters are called {min(twice)[:-6]}")
        for path in Path(self.outdir).glob("*.ipynb"):
            if path.name not in files:
                path.unlink()

    def write_doc(self, docname: str, doctree: nodes.document) -> None:
        """Write one chapter."""
        file = chapters(self.env).get(docname)
        if file is None:
            return
        for image in doctree.findall(nodes.image):
            check_alt(image)
        self.fignumbers = self.env.toc_fignumbers.get(docname, {})
        made = Cells(Markdown(self, docname)).of(doctree)
        runs = any(cell.kind == "code" for cell in made)
        first = [self._setup()] if runs else []
        text = notebook_text(docname, [*first, *made, self._colophon()])
        if len(text.encode()) > LIMIT:
            raise BookError(
                f"{file} has {len(text.encode()):,} bytes, expected at most "
                f"{LIMIT:,}"
            )
        Path(self.outdir, file).write_text(text, encoding="utf-8")

    def _setup(self) -> Cell:
        wheel = f"laidout-{self.config.release}-py3-none-any.whl"
        otherwise = NOWHERE.format(wheel=wheel)
        if self.site:
            address = f"{self.site}notebooks/{wheel}"
            otherwise = FROM_SITE.format(address=address)
        return Cell("code", SETUP.format(otherwise=otherwise))

    def _colophon(self) -> Cell:
        about = f"{self.config.project} {self.config.release}"
        if self.site:
            about = f"[{about}]({self.site})"
        return Cell(
            "markdown",
            f"---\n\nA chapter of {about}, by {self.config.author}. "
            f"{self.config.laidout_licence}".rstrip(),
        )

    def finish(self) -> None:
        """Pack the notebooks, and the wheel that they need."""
        folder = Path(self.outdir)
        names = [*folder.glob("*.ipynb"), *folder.glob(WHEELS)]
        pack(folder / ARCHIVE, sorted(names))


def notebook_text(docname: str, cells: list[Cell]) -> str:
    """Return a notebook as it is written to its file."""
    seen: dict[str, int] = {}
    made = [_cell(docname, cell, seen) for cell in cells]
    notebook = {
        "cells": made,
        "metadata": {
            "kernelspec": KERNEL,
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    nbformat.validate(nbformat.from_dict(notebook))  # type: ignore[no-untyped-call]
    return json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"


def _cell(docname: str, cell: Cell, seen: dict[str, int]) -> dict[str, Any]:
    """Return a cell of the file; its id comes from what it says."""
    words = f"{docname}\0{cell.kind}\0{cell.source}"
    seen[words] = seen.get(words, -1) + 1
    mark = hashlib.sha256(f"{words}\0{seen[words]}".encode()).hexdigest()
    made: dict[str, Any] = {
        "cell_type": cell.kind,
        "id": mark[:12],
        "metadata": cell.metadata,
        "source": cell.source.splitlines(keepends=True),
    }
    if cell.kind == "code":
        made |= {"execution_count": None, "outputs": []}
    return made


def pack(archive: Path, files: list[Path]) -> None:
    """Write an archive that depends on nothing but what is in the files."""
    with ZipFile(archive, "w", ZIP_DEFLATED) as packed:
        for path in files:
            info = ZipInfo(f"{archive.stem}/{path.name}", LONG_AGO)
            info.compress_type = ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            packed.writestr(info, path.read_bytes())
