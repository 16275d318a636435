"""Pictures that stand in a notebook itself.

JupyterLab, VS Code and Colab agree on one form only: a PNG in the address of
a Markdown picture. Colab shows no attachments and no SVG, VS Code no SVG in
an address, JupyterLab no SVG as an attachment.
"""

import importlib
import re
from base64 import b64encode
from functools import lru_cache
from mimetypes import guess_type
from pathlib import Path

import matplotlib
import resvg_py
from font_source_sans_pro import (  # type: ignore[import-untyped]
    font_files_ttf as source_sans,
)

SCALE = 1.5
"""Pixels for each unit of a drawing: 540 across, sharp at a cell's width."""
IN_POINTS = re.compile(r'\s(?:width|height)="[\d.]+pt"')
"""How Matplotlib gives its size, which the converter cannot read. It takes
that of the view box instead."""

PAGE_FONT, FONT = "Source Sans 3", "Source Sans Pro"
"""What drawings are measured for, and its name in the package of fonts."""
FACES = ("Sans", "Sans-Bold", "Sans-Oblique", "Sans-BoldOblique", "SansMono")


@lru_cache(maxsize=1)
def _fonts() -> list[str]:
    """Return fonts that pip installed: the same everywhere.

    Matplotlib's have the signs that ours lacks.
    """
    folder = Path(matplotlib.get_data_path(), "fonts", "ttf")
    signs = [str(folder / f"DejaVu{face}.ttf") for face in FACES]
    return [*sorted(source_sans.values()), *signs]


@lru_cache(maxsize=256)
def drawn(svg: str) -> bytes:
    """Turn an SVG into a PNG, on the paper of the light page."""
    palette = importlib.import_module("figures.palette")
    return resvg_py.svg_to_bytes(
        svg_string=IN_POINTS.sub("", svg).replace(PAGE_FONT, FONT),
        zoom=SCALE,
        background=palette.LIGHT["paper"].strong,
        font_files=_fonts(),
        skip_system_fonts=True,
        font_family=FONT,
        sans_serif_family=FONT,
        monospace_family="DejaVu Sans Mono",
    )


def address(svg: str) -> str:
    """Return the address that holds a drawing."""
    return _data("image/png", drawn(svg))


def file_address(path: Path) -> str:
    """Return the address that holds a picture from a file."""
    if path.suffix == ".svg":
        return address(path.read_text(encoding="utf-8"))
    kind = guess_type(path.name)[0] or "image/png"
    return _data(kind, path.read_bytes())


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{b64encode(content).decode()}"
