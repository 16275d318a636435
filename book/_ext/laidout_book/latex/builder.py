"""`sphinx -b pdf`: LaTeX, pressed by latexmk, and its log read.

What TeX only mentions in its log is a warning of Sphinx here: a box that is
too full, a reference to nowhere, a sign that no font has.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.builders.latex import LaTeXBuilder
from sphinx.highlighting import PygmentsBridge
from sphinx.util import logging
from sphinx.util.display import progress_message

from laidout_book.errors import BookError
from laidout_book.latex.code import PRINT_STYLE
from laidout_book.latex.edition import epoch
from laidout_book.latex.pictures import CONVERTER, Pictures
from laidout_book.latex.writer import BookTranslator

logger = logging.getLogger(__name__)

PACKAGES = (
    "texlive-xetex texlive-fonts-recommended latexmk fonts-freefont-otf "
    "fonts-texgyre fonts-texgyre-math fonts-dejavu librsvg2-bin"
)
APT = f"apt-get install --no-install-recommends {PACKAGES}"
COMMANDS = ("xelatex", "latexmk", "makeindex", "kpsewhich", CONVERTER)
FILES = (
    "tcolorbox.sty",
    "titlesec.sty",
    "unicode-math.sty",
    "polyglossia.sty",
    "texgyrepagella-regular.otf",
    "texgyrepagella-math.otf",
)
FAMILIES = ("TeX Gyre Heros", "DejaVu Sans", "DejaVu Sans Mono")
WIDEST = 3.0
"""Points by which a line or a page may be too full."""

OVERFULL = re.compile(r"Overfull \\[hv]box \((\d+(?:\.\d+)?)pt too")
SAID = re.compile(
    r"undefined references|(?:Reference|Citation) `.*undefined"
    r"|multiply defined|^Missing character: |Font shape .* undefined"
)


def missing() -> list[str]:
    """Name what the PDF edition needs and this machine lacks."""
    lacks = [name for name in COMMANDS if shutil.which(name) is None]
    if "kpsewhich" not in lacks:
        found = _said("kpsewhich", *FILES)
        lacks += [name for name in FILES if name not in found]
    if shutil.which("fc-list"):
        known = _said("fc-list", ":", "family")
        lacks += [name for name in FAMILIES if name not in known]
    return lacks


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True).stdout


def complaints(log: str) -> list[str]:
    """Return the lines of a TeX log that a reader would see in the book."""
    found: dict[str, None] = {}
    for line in log.splitlines():
        full = OVERFULL.search(line)
        if (full and float(full[1]) > WIDEST) or SAID.search(line):
            found[line.strip()] = None
    return list(found)


def insist(app: Sphinx, *_: Any) -> None:
    """Stop before anything is read if the PDF could not be made.

    Raises:
        BookError: with the line that installs what is missing.
    """
    lacks = missing() if isinstance(app.builder, PdfBuilder) else []
    if lacks:
        raise BookError(
            f"the PDF edition needs {', '.join(lacks)}; on Debian: {APT}"
        )


class PdfBuilder(LaTeXBuilder):
    """Builds one PDF, and what it is made of in a folder beside it."""

    name = "pdf"
    # Not by `app.set_translator`: then the theme leaves out its own for HTML.
    default_translator_class = BookTranslator
    epilog = "The PDF is in %(outdir)s/.."

    def init(self) -> None:
        """Write the LaTeX into a folder beside the PDF."""
        self.shelf = Path(self.outdir)
        self.outdir = self.outdir / "tex"
        self.outdir.mkdir(parents=True, exist_ok=True)
        kept = Path(self.env.doctreedir).parent / "drawings"
        self.pictures = Pictures(kept, Path(self.outdir))
        super().init()

    def get_contentsname(self, indexfile: str) -> str:
        """Name the contents; Sphinx would take the first part's caption."""
        return "Contents"

    def write_stylesheet(self) -> None:
        """Write the colours of code on paper."""
        bridge = PygmentsBridge("latex", PRINT_STYLE)
        sheet = Path(self.outdir, "sphinxhighlight.sty")
        sheet.write_text(
            "\\NeedsTeXFormat{LaTeX2e}\n\\ProvidesPackage{sphinxhighlight}\n"
            + bridge.get_stylesheet(),
            encoding="utf-8",
        )

    def finish(self) -> None:
        """Press every document."""
        super().finish()
        for _, name, *_ in self.document_data:
            with progress_message(f"pressing {name}"):
                self._press(Path(self.outdir, name))

    def _press(self, tex: Path) -> None:
        day = epoch(Path(self.srcdir)) or 1
        fixed = {
            "SOURCE_DATE_EPOCH": str(day),
            "FORCE_SOURCE_DATE": "1",
            "max_print_line": "1000",
            "LATEXOPTS": "-interaction=nonstopmode -file-line-error",
        }
        done = subprocess.run(
            ["latexmk", "-xelatex", "-silent", tex.name],
            cwd=tex.parent,
            env={**os.environ, **fixed},
            capture_output=True,
            text=True,
            errors="replace",
        )
        log_file = tex.with_suffix(".log")
        log = ""
        if log_file.exists():
            log = log_file.read_text("utf-8", errors="replace")
        if done.returncode:
            wrong = re.search(r"^.*?:\d+: .*$|^! .*$", log, re.M)
            words = wrong[0] if wrong else done.stderr.strip()[-400:]
            raise BookError(f"TeX stops: {words} ({log_file})")
        for line in complaints(log):
            logger.warning("%s: %s", log_file.name, line)
        pdf = tex.with_suffix(".pdf")
        shutil.copyfile(pdf, self.shelf / pdf.name)
