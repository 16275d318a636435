"""Pages with the source files that the book draws, one anchor a line."""

from collections.abc import Iterator
from typing import Any

from sphinx.application import Sphinx

from laidout.workshop.source import module_path
from laidout_book.drawn import drawn, package_folder


def modules_drawn(app: Sphinx) -> set[str]:
    """Return the modules of which something is drawn."""
    found = set()
    for records in drawn(app.env).values():
        for record in records:
            parts = record.object.split(".")
            found.add(".".join(p for p in parts[:2]))
    return found


def _pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield one page for each drawn module."""
    for module in sorted(modules_drawn(app)):
        path = module_path(module, package_folder(app.env))
        name = module.replace(".", "/")
        code = app.builder.highlighter.highlight_block(  # type: ignore[attr-defined]
            path.read_text(encoding="utf-8"),
            "python",
            linenos="inline",
            lineanchors="line",
            anchorlinenos=False,
        )
        title = f"{name}.py"
        body = (
            f"<h1>{title}</h1>\n<p>The whole file, as it is tested and as "
            f"the book draws it.</p>\n<div class='source-file'>{code}</div>"
        )
        context = {
            "title": title,
            "body": body,
            "parents": [],
            "meta": {"html_theme.sidebar_secondary.remove": "true"},
        }
        yield f"source/{name}", context, "page.html"


def setup(app: Sphinx) -> None:
    """Register the pages."""
    app.connect("html-collect-pages", _pages)
