"""Keeps executed results as fresh as what they were computed from.

MyST-NB's cache knows a page's code cells and nothing else. So a digest of all
that the code reads (our modules, the recorded results, the pinned versions,
the kernel's settings) is written into the page's front matter, where the
cache takes it for a part of the key.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx

from laidout_book.dependencies import ModuleFinder, digest
from laidout_book.errors import BookError

CELL = re.compile(r"^(`{3,}|:{3,}|~{3,})\{code-cell\}.*\n((?:.*\n)*?)\1\s*$", re.M)
SKIP = re.compile(r"^(?:---\n(?:.*\n)*?---\n|(?::[\w-]+:.*\n)*)")
MAGIC = re.compile(r"^\s*[%!].*$", re.M)
KERNEL = "kernelspec:\n"


def cells(text: str) -> list[str]:
    """Return the code of a page's cells, options and magics left out."""
    found = [SKIP.sub("", match[2]) for match in CELL.finditer(text)]
    return [MAGIC.sub("", code) for code in found]


def files_read(app: Sphinx, docname: str, text: str) -> set[Path]:
    """Return every file that executing the page reads.

    Raises:
        BookError: if a cell is not Python.
    """
    book = Path(app.srcdir)
    roots = [(book / root).resolve() for root in app.config.laidout_roots]
    finder = ModuleFinder(roots)
    found: set[Path] = set()
    for code in cells(text):
        try:
            found |= finder.closure(code)
        except SyntaxError as error:
            raise BookError(
                f"{app.env.doc2path(docname)}: a code cell is not Python: "
                f"{error.msg}: {(error.text or '').strip()!r}"
            ) from None
    for pattern in app.config.laidout_execution_files:
        found |= {path for path in book.glob(pattern) if path.is_file()}
    return found


def _note_what_is_read(app: Sphinx, docname: str, content: list[str]) -> None:
    """Write the digest into the page and note what it depends on."""
    if KERNEL not in content[0]:
        return
    files = files_read(app, docname, content[0])
    for path in files:
        app.env.note_dependency(str(path), docname=docname)
    mark = f"{KERNEL}  source_digest: '{digest(files)}'\n"
    content[0] = content[0].replace(KERNEL, mark, 1)


def setup(app: Sphinx) -> None:
    """Register the settings and the reader of pages."""
    app.add_config_value("laidout_roots", ["../src", "."], "env")
    app.add_config_value("laidout_execution_files", [], "env")
    app.connect("source-read", _note_what_is_read)
