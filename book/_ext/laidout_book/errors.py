"""One kind of error for everything that must stop the build."""

from sphinx.errors import SphinxError
from sphinx.util.docutils import SphinxDirective

from laidout.workshop.source import nearest

__all__ = ["BookError", "nearest", "stop"]


class BookError(SphinxError):
    """The book cannot be built; the message says where and why."""

    category = "Book error"


def stop(directive: SphinxDirective, message: str) -> BookError:
    """Return the error for a directive, with its file and line in front."""
    path, line = directive.get_source_info()
    return BookError(f"{path}:{line}: {{{directive.name}}} {message}")
