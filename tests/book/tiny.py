"""Tiny books: written into a folder, built in this process, looked at."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from docutils import nodes
from sphinx.environment import BuildEnvironment
from sphinx.testing.util import SphinxTestApp

from laidout_book.errors import BookError

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "book"
PACKAGE = ROOT / "src" / "laidout"

SETTINGS: dict[str, Any] = {
    "project": "Tiny",
    "extensions": ["myst_parser", "laidout_book"],
    "html_theme": "basic",
    "html_math_renderer": "laidout",
    "html_copy_source": False,
    "laidout_package": "laidout",
    "myst_enable_extensions": ["amsmath", "colon_fence", "dollarmath"],
    "nitpicky": True,
    "numfig": True,
    # Sphinx adds to its own default, which would outlive the first build.
    "source_suffix": {".rst": "restructuredtext"},
    "suppress_warnings": ["toc.not_included"],
}
WITH_THEME: dict[str, Any] = {
    "extensions": [
        "myst_nb",
        "sphinx_book_theme",
        "sphinx_copybutton",
        "laidout_book",
    ],
    "author": "A",
    "release": "1",
    "html_theme": "sphinx_book_theme",
    "html_static_path": [str(BOOK / "_static")],
    "html_show_sourcelink": False,
    "html_context": {"default_mode": "auto"},
    "html_sidebars": {
        "**": ["book-logo.html", "search-form.html", "sbt-sidebar-nav.html"]
    },
    "html_theme_options": {
        "article_header_end": ["header-buttons.html"],
        "disable_search": True,
        "footer_content_items": ["colophon.html"],
        "use_download_button": False,
        "use_fullscreen_button": False,
        "use_sidenotes": False,
    },
    "templates_path": [str(BOOK / "_templates")],
    "nb_execution_mode": "off",
}
"""What a tiny book needs to look like the real one."""

FRONT = """\
---
file_format: mystnb
kernelspec:
  name: python3
---
"""


@dataclass
class Built:
    """What a build left: its pages, its warnings, which pages it read."""

    folder: Path
    warnings: str
    env: BuildEnvironment
    read: list[str]

    def html(self, page: str = "index") -> str:
        return (self.folder / f"{page}.html").read_text(encoding="utf-8")

    def soup(self, page: str = "index") -> BeautifulSoup:
        return BeautifulSoup(self.html(page), "html.parser")

    def doctree(self, page: str = "index") -> nodes.document:
        return self.env.get_doctree(page)


class TinyBook:
    """A book of a few lines, which may be built again and again."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder.resolve()
        self.source = self.folder / "book"
        self.source.mkdir(parents=True, exist_ok=True)
        self.settings = {**SETTINGS, **settings}

    def write(self, files: Mapping[str, str]) -> "TinyBook":
        """Write files, named from the book's folder on."""
        for name, text in files.items():
            path = self.source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return self

    def page(self, text: str) -> "TinyBook":
        """Write the first page, under a heading: the text is on line 3."""
        return self.write({"index.md": f"# Tiny\n\n{text}\n"})

    def build(self, builder: str = "html", **options: Any) -> Built:
        """Build what is out of date; a BookError comes through."""
        lines = [f"{key} = {value!r}" for key, value in self.settings.items()]
        self.write({"conf.py": "\n".join(lines)})
        app = SphinxTestApp(
            builder,
            srcdir=self.source,
            builddir=self.folder / "build",
            **options,
        )
        read: list[str] = []
        app.connect("source-read", lambda _app, name, _text: read.append(name))
        try:
            app.build()
        finally:
            app.cleanup()
        return Built(Path(app.outdir), app.warning.getvalue(), app.env, read)

    def error(self, builder: str = "dummy") -> str:
        """Build, which must stop, and return the one line that says why."""
        with pytest.raises(BookError) as caught:
            self.build(builder)
        message = str(caught.value)
        assert "\n" not in message
        return message

    def error_at(self, line: int, builder: str = "dummy") -> str:
        """Return why the first page stops the build at one of its lines."""
        place = f"{self.source / 'index.md'}:{line}: "
        message = self.error(builder)
        assert message.startswith(place), message
        return message.removeprefix(place)


def executed(book: TinyBook) -> TinyBook:
    """Let a book execute its cells, with a cache of its own."""
    book.settings |= {
        "extensions": ["myst_nb", "laidout_book"],
        "nb_execution_mode": "cache",
        "nb_execution_cache_path": str(book.folder / "executed"),
        "nb_execution_raise_on_error": True,
        "nb_execution_timeout": 100,
        "nb_merge_streams": True,
    }
    return book


def cell(code: str) -> str:
    """Write a code cell."""
    return f"```{{code-cell}} python3\n{code}\n```\n"
