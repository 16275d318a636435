"""Tiny books as notebooks: built in this process, read again."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from book.tiny import FRONT, TinyBook

EXTENSIONS = [
    *("amsmath", "attrs_block", "colon_fence"),
    *("deflist", "dollarmath"),
]

UNEXECUTED = "[myst-nb.lexer]"
"""What MyST-NB complains of where no kernel has told the language."""


@dataclass(frozen=True)
class Notebook:
    """A notebook as it stands in its file."""

    path: Path

    @property
    def data(self) -> dict[str, Any]:
        """Return what the file holds."""
        found: dict[str, Any] = json.loads(self.path.read_text("utf-8"))
        nbformat.validate(nbformat.from_dict(found))
        return found

    def cells(self, kind: str = "") -> list[str]:
        """Return the cells, those of a kind."""
        return [
            "".join(cell["source"])
            for cell in self.data["cells"]
            if kind in ("", cell["cell_type"])
        ]

    def cell(self, says: str) -> dict[str, Any]:
        """Return the one cell that says something."""
        (found,) = (
            cell
            for cell in self.data["cells"]
            if says in "".join(cell["source"])
        )
        return dict(found)

    @property
    def text(self) -> str:
        """All that is written below the title, in cells of text."""
        _title, *cells, _colophon = self.cells("markdown")
        return "\n\n".join(cells)


def asleep(book: TinyBook) -> TinyBook:
    """Let a book have cells that nobody executes."""
    book.settings |= {
        "extensions": ["myst_nb", "laidout_book"],
        "nb_execution_mode": "off",
    }
    return book


def notebook(book: TinyBook, text: str, **settings: Any) -> Notebook:
    """Build the notebook of a page."""
    book.settings |= {"myst_enable_extensions": EXTENSIONS, **settings}
    book.write({"index.md": f"{FRONT}# Tiny\n\n## Part\n\n{text}\n"})
    built = book.build("notebooks")
    said = built.warnings.splitlines()
    said = [line for line in said if UNEXECUTED not in line]
    assert not said, "\n".join(said)
    return Notebook(built.folder / "index.ipynb")


def written(book: TinyBook, text: str, **settings: Any) -> str:
    """Return the Markdown that becomes of a page's text."""
    return notebook(book, text, **settings).text.removeprefix("## Part\n\n")
