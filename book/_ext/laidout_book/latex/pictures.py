"""Drawings as PDF: SVG goes through rsvg-convert, once for each picture."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from laidout_book.dependencies import digest
from laidout_book.errors import BookError

CONVERTER = "rsvg-convert"
FONTS = "TeX Gyre Heros, DejaVu Sans"
"""The sans serif of the PDF; DejaVu Sans has the signs that it lacks."""

TALL, TALLEST, READABLE = 420.0, 570.0, 0.8
"""Points: a drawing is as high as the first if it stays readable, never
higher than the second."""

POINTS = {"": 0.75, "px": 0.75, "pt": 1.0}
_LENGTHS = re.compile(r'\s(width|height)="([\d.]+)(px|pt|)"')
_DRAWN = re.compile(r'font-family="[^"]*"')
_PLOTTED = re.compile(r"'DejaVu Sans'(?:, *(?:'[^']*'|[\w -]+))*")


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


def in_print_fonts(svg: str) -> str:
    """Name the fonts of the PDF in a drawing or in a plot."""
    svg = _DRAWN.sub(f'font-family="{FONTS}"', svg)
    return _PLOTTED.sub(
        FONTS.replace("TeX Gyre Heros", "'TeX Gyre Heros'"), svg
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
        svg = in_print_fonts(svg)
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
