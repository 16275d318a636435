"""One kind of error for everything that must stop the build."""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import SphinxError
from sphinx.util.docutils import SphinxDirective

from laidout.workshop.source import nearest

__all__ = ["BookError", "nearest", "place_of", "stop"]


class BookError(SphinxError):
    """The book cannot be built; the message says where and why."""

    category = "Book error"


def stop(directive: SphinxDirective, message: str) -> BookError:
    """Return the error for a directive, with its file and line in front."""
    path, line = directive.get_source_info()
    return BookError(f"{path}:{line}: {{{directive.name}}} {message}")


def place_of(node: nodes.Node) -> str:
    """Say in which file and line a node stands, or what holds it."""
    at: nodes.Node | None = node
    while at is not None and not (at.source and at.line):
        at = at.parent
    if at is None:
        document = node.document
        return str(document["source"]) if document else "?"
    return f"{at.source}:{at.line}"


def setup(app: Sphinx) -> None:
    """Let the command end with what is wrong, and nothing after it.

    Sphinx would bury the message in a page about itself.
    """
    if type(app) is not Sphinx:
        return
    build = app.build

    def build_or_say(*arguments: Any, **options: Any) -> None:
        try:
            build(*arguments, **options)
        except BookError as error:
            raise SystemExit(f"{error.category}: {error}") from None

    app.build = build_or_say  # type: ignore[method-assign]
