"""Folded code says what it is, to a screen reader too."""

from docutils import nodes
from myst_nb.sphinx_ import (
    HideCodeCellNode,
    depart_HideCellInput,
    visit_HideCellInput,
)
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

NAMELESS = ' aria-label="Toggle hidden content"'
"""What MyST-NB calls every one of them, over the words that are seen."""


def _open(self: HTML5Translator, node: nodes.Element) -> None:
    """Open the toggle; its name is what stands on it."""
    start = len(self.body)
    visit_HideCellInput(self, node)
    opened = "".join(self.body[start:])
    self.body[start:] = [opened.replace(NAMELESS, "")]


def setup(app: Sphinx) -> None:
    """Write MyST-NB's node our way."""
    app.add_node(
        HideCodeCellNode, override=True, html=(_open, depart_HideCellInput)
    )
