"""Two books as PDF: the real one, and a small one made to be nasty."""

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from book.nasty import build_nasty_book
from book.tiny import ROOT

from laidout_book.latex.builder import APT, missing

TOOLS = ("pdfinfo", "pdffonts", "pdftotext", "pdftoppm", "pdftohtml")
TEXT_BEGINS, TEXT_ENDS = 27, 267
"""Millimetres from above."""

STREAM = re.compile(rb"stream\r?\n(.*?)\nendstream", re.S)
"""What is compressed may end in any sign, in a carriage return as well."""


def said(*command: str | Path) -> str:
    """Run a tool and return what it says."""
    done = subprocess.run(command, capture_output=True, check=True)
    return done.stdout.decode(errors="replace")


def words(text: str) -> str:
    """Join words that are parted by lines, pages and hyphens."""
    return " ".join(re.sub(r"[-\u00ad]\s*\n\s*", "", text).split())


def letters(text: str) -> str:
    """Leave nothing but letters and digits, which lines never change."""
    return re.sub(r"[\W_]", "", text)


@dataclass(frozen=True)
class Pressed:
    """A finished PDF and the folder of its LaTeX."""

    pdf: Path

    @cached_property
    def log(self) -> str:
        log = self.pdf.parent / "tex" / self.pdf.with_suffix(".log").name
        return log.read_text("utf-8", errors="replace")

    @cached_property
    def pages(self) -> list[str]:
        return said("pdftotext", "-layout", self.pdf, "-").split("\f")[:-1]

    @cached_property
    def text(self) -> str:
        return words(said("pdftotext", self.pdf, "-"))

    @cached_property
    def letters(self) -> str:
        return letters(self.text)

    @cached_property
    def info(self) -> dict[str, str]:
        lines = said("pdfinfo", self.pdf).splitlines()
        split = (line.partition(":") for line in lines)
        return {name: value.strip() for name, _, value in split}

    @cached_property
    def fonts(self) -> list[list[str]]:
        """Name and the columns emb, sub, uni, object, generation."""
        rows = said("pdffonts", self.pdf).splitlines()[2:]
        return [[row.split()[0], *row.split()[-5:]] for row in rows]

    @cached_property
    def destinations(self) -> dict[str, int]:
        found = re.findall(
            r"^\s*(\d+) \[.*\] \"(.*)\"$",
            said("pdfinfo", "-dests", self.pdf),
            re.M,
        )
        return {name: int(page) for page, name in found}

    @cached_property
    def links(self) -> list[str]:
        """The names of the places that links and bookmarks lead to."""
        objects = b"\n".join(
            _inflated(match[1])
            for match in STREAM.finditer(self.pdf.read_bytes())
        )
        found = re.findall(rb"/S\s*/GoTo\s*/D\s*\(((?:\\.|[^)])*)\)", objects)
        return [re.sub(rb"\\(.)", rb"\1", one).decode() for one in found]

    @cached_property
    def bookmarks(self) -> list[tuple[int, str, int]]:
        """Depth, title and page of every bookmark."""
        tree = ET.fromstring(
            said("pdftohtml", "-xml", "-i", "-stdout", "-q", self.pdf)
        )
        found: list[tuple[int, str, int]] = []

        def walk(outline: ET.Element, depth: int) -> None:
            for child in outline:
                if child.tag == "outline":
                    walk(child, depth + 1)
                else:
                    page = int(child.get("page", "0"))
                    found.append((depth, child.text or "", page))

        for outline in tree.findall("outline"):
            walk(outline, 0)
        return found

    def page_with(self, sentence: str, after: int = 0) -> int:
        """Return the number of the first page that has a sentence."""
        wanted = letters(sentence)
        for number, page in enumerate(self.pages, start=1):
            if number > after and wanted in letters(page):
                return number
        raise AssertionError(f"no page after {after} says {sentence!r}")

    def ink(self, folder: Path) -> list[tuple[int, int, int, int]]:
        """Return the box of each page that has ink, in millimetres."""
        return [_ink(*grey) for grey in self._greys(folder)]

    def feet(self, folder: Path) -> list[float]:
        """Return which part of each page is white below its text."""
        high = TEXT_ENDS - TEXT_BEGINS
        return [
            (TEXT_ENDS - max(_inked(rows[:TEXT_ENDS]), default=0)) / high
            for _, rows in self._greys(folder)
        ]

    def _greys(self, folder: Path) -> list[tuple[int, list[bytes]]]:
        """Return the width and the rows of each page, a pixel a millimetre."""
        said("pdftoppm", "-r", "25.4", "-gray", self.pdf, folder / "page")
        return [_grey(path) for path in sorted(folder.glob("page-*.pgm"))]


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompress(data)
    except zlib.error:
        return b""


def _grey(path: Path) -> tuple[int, list[bytes]]:
    """Read the width and the rows of a grey picture."""
    head, size, _, pixels = path.read_bytes().split(b"\n", 3)
    assert head == b"P5"
    wide, high = map(int, size.split())
    return wide, [pixels[y * wide : (y + 1) * wide] for y in range(high)]


def _inked(rows: list[bytes]) -> list[int]:
    """Return which rows are not all white."""
    return [y for y, row in enumerate(rows) if min(row) < 250]


def _ink(wide: int, rows: list[bytes]) -> tuple[int, int, int, int]:
    """Find what is not white in a picture."""
    inked = _inked(rows)
    columns = [x for x in range(wide) if any(row[x] < 250 for row in rows)]
    if not inked:
        return (wide // 2, len(rows) // 2, wide // 2, len(rows) // 2)
    return (columns[0], inked[0], columns[-1], inked[-1])


@pytest.fixture(scope="session")
def press() -> None:
    """Skip where there is no TeX, or fail where nothing may be skipped."""
    lacks = missing() + [tool for tool in TOOLS if not shutil.which(tool)]
    if lacks:
        reason = f"no {', '.join(lacks)}: {APT} poppler-utils"
        if os.environ.get("LAIDOUT_REQUIRE_ALL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def real(press: None, tmp_path_factory: Any) -> Pressed:
    """Press the real book; cells that were executed before are not again."""
    folder = tmp_path_factory.mktemp("real")
    options = ["-q", "-W", "-n", "-b", "pdf", "-d", str(folder / "doctrees")]
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, "book", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert built.returncode == 0, f"the book has no PDF:\n{built.stderr}"
    return Pressed(folder / "transformers-laid-out.pdf")


@pytest.fixture(scope="session")
def nasty(press: None, tmp_path_factory: Any) -> Pressed:
    """Press the nasty book."""
    built = build_nasty_book(tmp_path_factory.mktemp("nasty"), "pdf")
    assert built.warnings == ""
    return Pressed(built.folder / "nasty.pdf")


@pytest.fixture(scope="session", params=["real", "nasty"])
def pressed(request: pytest.FixtureRequest) -> Pressed:
    """Return one book after the other."""
    found: Pressed = request.getfixturevalue(request.param)
    return found
