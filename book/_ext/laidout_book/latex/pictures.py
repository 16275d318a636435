"""Drawings as PDF: SVG goes through rsvg-convert, once for each picture.

TeX takes no links out of a picture, so they are laid under it once more.
"""

import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from figures.palette import LIGHT
from laidout_book.dependencies import digest
from laidout_book.drawing import CHAPTER
from laidout_book.errors import BookError

CONVERTER = "rsvg-convert"
FONTS = "TeX Gyre Heros, DejaVu Sans"
"""The sans serif of the PDF; DejaVu Sans has the signs that it lacks."""

TALL, TALLEST, READABLE = 420.0, 570.0, 0.8
"""Points: a drawing is as high as the first if it stays readable, never
higher than the second."""

Edges = tuple[float, ...]

SVG = "{http://www.w3.org/2000/svg}"
POINTS = {"": 0.75, "px": 0.75, "pt": 1.0}
_LENGTHS = re.compile(r'\s(width|height)="([\d.]+)(px|pt|)"')
_DRAWN = re.compile(r'font-family="[^"]*"')
_PLOTTED = re.compile(r"'DejaVu Sans'(?:, *(?:'[^']*'|[\w -]+))*")


@dataclass(frozen=True)
class Link:
    """A place in a picture that leads to a chapter.

    It is measured in widths and heights of the picture, from below.
    """

    chapter: str
    left: float
    low: float
    right: float
    high: float

    def latex(self, label: str) -> str:
        """Write it as parts of a picture that lies in box 0.

        It is told to xdvipdfmx itself, which would draw the link around
        words only.
        """
        wide, high = self.right - self.left, self.high - self.low
        return (
            f"\\rlap{{\\kern{self.left:.4f}\\wd0"
            f"\\raise{self.low:.4f}\\ht0\\hbox{{\\special{{pdf:ann "
            f"width \\the\\dimexpr{wide:.4f}\\wd0\\relax\\space "
            f"height \\the\\dimexpr{high:.4f}\\ht0\\relax\\space depth 0pt "
            "<</Type/Annot/Subtype/Link/Border[0 0 0]/A<</S/GoTo"
            f"/D(\\getrefbykeydefault{{{label}}}{{anchor}}{{}})>>>>}}}}}}%\n"
        )


@dataclass(frozen=True)
class Picture:
    """A file for TeX and its size in big points."""

    name: str
    width: float
    height: float

    def fitted(self) -> tuple[float, float]:
        """Return the size that leaves room for a caption on the page."""
        scale = min(1.0, TALL / self.height)
        if scale < READABLE:
            scale = min(READABLE, TALLEST / self.height)
        return self.width * scale, self.height * scale

    def latex(self, links: str) -> str:
        """Write a picture in its own size, above its links."""
        return (
            f"\\setlength\\bookwide{{{self.width:.2f}bp}}"
            "\\ifdim\\bookwide>\\linewidth\\bookwide=\\linewidth\\fi%\n"
            "\\setbox0\\hbox{\\includegraphics[width=\\bookwide]"
            f"{{{self.name}}}}}%\n\\leavevmode\n{links}\\box0\n"
        )


def in_print_fonts(svg: str) -> str:
    """Name the fonts of the PDF in a drawing or in a plot."""
    svg = _DRAWN.sub(f'font-family="{FONTS}"', svg)
    return _PLOTTED.sub(
        FONTS.replace("TeX Gyre Heros", "'TeX Gyre Heros'"), svg
    )


def on_white(svg: str) -> str:
    """Take away what shows the colour of a page: paper is white."""
    return svg.replace(LIGHT["paper"].soft, "#ffffff")


def links_of(svg: str) -> list[Link]:
    """Return the links to chapters, one for boxes that lie on each other."""
    root = ET.fromstring(svg)
    _, _, wide, high = map(float, root.get("viewBox", "").split())
    return [
        Link(chapter, x / wide, 1 - low / high, right / wide, 1 - y / high)
        for link in root.iter(f"{SVG}a")
        if (chapter := link.get("href", "").removeprefix(CHAPTER))
        for x, y, right, low in _places(link)
    ]


def _places(link: ET.Element) -> list[Edges]:
    """Find the edges of the boxes in a link: left, top, right, bottom."""
    found: list[Edges] = []
    for rect in link.findall(f"{SVG}rect"):
        x, y, w, h = (
            float(rect.get(name, "0"))
            for name in ("x", "y", "width", "height")
        )
        edges: Edges = (x, y, x + w, y + h)
        if found and _meet(found[-1], edges):
            pairs = list(zip(found.pop(), edges, strict=True))
            edges = *map(min, pairs[:2]), *map(max, pairs[2:])
        found.append(edges)
    return found


def _meet(one: Edges, other: Edges) -> bool:
    return all(
        max(one[i], other[i]) < min(one[i + 2], other[i + 2]) for i in (0, 1)
    )


def size_of(svg: str) -> tuple[float, float]:
    """Return width and height of an SVG in points.

    Raises:
        BookError: if the SVG does not say.
    """
    head = re.search(r"<svg\b[^>]*>", svg)
    found = {
        name: float(length) * POINTS[unit]
        for name, length, unit in _LENGTHS.findall(head[0] if head else "")
    }
    if set(found) != {"width", "height"}:
        raise BookError(f"a drawing has no size: {svg[:80]!r}")
    return found["width"], found["height"]


class Pictures:
    """Converts drawings, or finds what was converted before."""

    def __init__(self, kept: Path, folder: Path) -> None:
        self.kept = kept
        self.folder = folder

    def place(self, svg: str) -> Picture:
        """Put a drawing's PDF into the folder that TeX reads."""
        svg = on_white(in_print_fonts(svg))
        name = f"drawing-{digest([], svg, _version())}.pdf"
        kept = self.kept / name
        if not kept.exists():
            self._convert(svg, kept)
        shutil.copyfile(kept, self.folder / name)
        return Picture(name, *size_of(svg))

    def _convert(self, svg: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}.part")
        done = subprocess.run(
            [CONVERTER, "--format=pdf", "--output", str(unfinished)],
            input=svg.encode(),
            capture_output=True,
        )
        if done.returncode:
            words = done.stderr.decode(errors="replace").strip()
            raise BookError(f"{CONVERTER} refuses a drawing: {words}")
        unfinished.replace(path)


def _version() -> str:
    """Say which converter this is: another one may draw otherwise."""
    return subprocess.run(
        [CONVERTER, "--version"], capture_output=True, text=True
    ).stdout
