"""The notebook edition: every chapter as one notebook that stands alone."""

from sphinx.application import Sphinx
from sphinx.config import Config

from laidout_book.notebook.builder import NotebookBuilder

OUTPUTS = ("image/svg+xml", "image/png", "text/html", "text/plain")
"""What is taken of an output that stands in the place of its code."""


def _choose_outputs(app: Sphinx, config: Config) -> None:
    """Let MyST-NB choose among the outputs of a cell."""
    if "nb_mime_priority_overrides" in config:
        config.nb_mime_priority_overrides = [
            *config.nb_mime_priority_overrides,
            *((NotebookBuilder.name, k, n) for n, k in enumerate(OUTPUTS)),
        ]


def setup(app: Sphinx) -> None:
    """Register the builder."""
    app.add_builder(NotebookBuilder)
    app.connect("config-inited", _choose_outputs)
