"""Keeps executed results as fresh as what they were computed from.

MyST-NB's cache knows a page's code cells and nothing else. So a digest of all
that the code reads (our modules, the recorded results, the pinned versions,
the kernel's settings) is written into the page's front matter, where the
cache takes it for a part of the key.

A page that takes long may ask for LAIDOUT_FAST, which tests set to 1 to have
less computed. That is a part of the key of such a page, and of no other's: a
fast result is never served as a real one.
"""

import json
import os
import re
from pathlib import Path

import yaml
from docutils import nodes
from myst_nb.core.execute import ExecutionError
from myst_nb.sphinx_ import Parser
from sphinx.application import Sphinx
from sphinx.config import Config

from laidout_book.dependencies import ModuleFinder, digest
from laidout_book.errors import BookError

FRONT = re.compile(r"\A---\n((?:.*\n)*?)---\n")
CELL = re.compile(
    r"^(`{3,}|:{3,}|~{3,})\{code-cell\}.*\n((?:.*\n)*?)\1\s*$", re.M
)
OPTIONS = re.compile(r"(?:---\n(?:.*\n)*?---\n|(?::[\w-]+:.*\n)*)\n*")
MAGIC = re.compile(r"^[ \t]*[%!].*$", re.M)
RAISED = re.compile(r"Cell In\[(\d+)\], line (\d+)")
FAST = "LAIDOUT_FAST"
ANSI = re.compile(r"\x1b\[[\d;]*m")


def cells(text: str) -> list[str]:
    """Return the code of a page's cells, options and magics left out."""
    return [code for _, code in placed_cells(text)]


def placed_cells(text: str) -> list[tuple[int, str]]:
    """Return the code of a page's cells, each with its first line."""
    found = []
    for match in CELL.finditer(text):
        options = OPTIONS.match(match[2])
        start = options.end() if options else 0
        line = text.count("\n", 0, match.start(2) + start) + 1
        found.append((line, MAGIC.sub("", match[2][start:])))
    return found


def files_read(app: Sphinx, docname: str, text: str) -> set[Path]:
    """Return every file that executing the page reads.

    Raises:
        BookError: if a cell is not Python.
    """
    book = Path(app.srcdir)
    roots = [(book / root).resolve() for root in app.config.laidout_roots]
    finder = ModuleFinder(roots)
    found: set[Path] = set()
    for line, code in placed_cells(text):
        try:
            found |= finder.closure(code)
        except SyntaxError as error:
            place = (
                f"{app.env.doc2path(docname)}:{line + (error.lineno or 1) - 1}"
            )
            raise BookError(
                f"{place}: a code cell is not Python: "
                f"{error.msg}: {(error.text or '').strip()!r}"
            ) from None
    for pattern in app.config.laidout_execution_files:
        found |= {path for path in book.glob(pattern) if path.is_file()}
    return found


def _note_what_is_read(app: Sphinx, docname: str, content: list[str]) -> None:
    """Write the digest into the page and note what it depends on."""
    if not cells(content[0]):
        return
    page = app.env.doc2path(docname)
    front = FRONT.match(content[0])
    try:
        data = yaml.safe_load(front[1]) if front else None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 2 if error.problem_mark else 1
        raise BookError(
            f"{page}:{line}: the front matter is not YAML: {error.problem}"
        ) from None
    kernel = data.get("kernelspec") if isinstance(data, dict) else None
    if not front or not data or not isinstance(kernel, dict):
        raise BookError(
            f"{page}:1: a page with code cells needs "
            "front matter, expected `file_format: mystnb` and `kernelspec:` "
            "with the `name:` of a kernel"
        )
    files = files_read(app, docname, content[0])
    for path in files:
        app.env.note_dependency(str(path), docname=docname)
    kernel["source_digest"] = digest(files, *_pace(app, content[0]))
    # JSON is YAML too. The page must keep its lines, for error messages.
    rest = "\n" * front[1].count("\n")
    marked = (
        f"---\n{json.dumps(data, default=str, ensure_ascii=False)}{rest}---\n"
    )
    content[0] = marked + content[0][front.end() :]


def _pace(app: Sphinx, text: str) -> list[str]:
    """Return a word for the key of a page that is executed fast."""
    asks = any(FAST in code for code in cells(text))
    return [FAST] if asks and app.config.laidout_fast else []


class PageParser(Parser):
    """MyST-NB's parser; it says in one line which cell raises, and what."""

    def parse(self, inputstring: str, document: nodes.document) -> None:
        """Parse a page and execute its cells."""
        try:
            super().parse(inputstring, document)
        except ExecutionError as error:
            place = f"{document['source']}:{_line(error, inputstring)}"
            cause = error.__cause__
            name = getattr(cause, "ename", type(cause).__name__)
            words = str(getattr(cause, "evalue", "")).partition("\n")[0]
            raise BookError(
                f"{place}: a code cell raises {name}: {words}"
            ) from None


def _line(error: ExecutionError, text: str) -> int:
    """Return the line of the page on which a cell raised."""
    trace = ANSI.sub("", str(error.__cause__))
    found = RAISED.search(trace)
    if not found:
        return 1
    all_cells = placed_cells(text)
    start, _ = all_cells[min(int(found[1]), len(all_cells)) - 1]
    return start + int(found[2]) - 1


def _set_parser(app: Sphinx, config: Config) -> None:
    """Put our parser in the place of MyST-NB's, if the book uses it."""
    if "myst-nb" in app.registry.source_parsers:
        app.add_source_parser(PageParser, override=True)


def setup(app: Sphinx) -> None:
    """Register the settings and the reader of pages."""
    app.add_config_value("laidout_roots", ["../src", "."], "env")
    app.add_config_value("laidout_execution_files", [], "env")
    # The cells read the environment; whoever changes it reads all pages anew.
    app.add_config_value("laidout_fast", os.environ.get(FAST) == "1", "env")
    app.connect("config-inited", _set_parser)
    app.connect("source-read", _note_what_is_read)
