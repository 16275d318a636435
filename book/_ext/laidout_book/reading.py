"""How long a chapter takes to read, said above it."""

import math

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

from laidout_book.nodes import toggle

WORDS_PER_MINUTE = 200
FIGURES_PER_MINUTE = 4

STEP = 5
"""Minutes are rounded up to this, for nobody reads to the minute."""


def minutes(page: nodes.Element) -> int:
    """Estimate the minutes that a page takes, its closed toggles left out."""
    closed = {text for one in page.findall(toggle) for text in _texts(one)}
    open_text = [text for text in _texts(page) if text not in closed]
    words = sum(len(text.astext().split()) for text in open_text)
    figures = len(list(page.findall(nodes.figure)))
    taken = words / WORDS_PER_MINUTE + figures / FIGURES_PER_MINUTE
    return STEP * math.ceil(taken / STEP)


def _texts(node: nodes.Node) -> list[nodes.Text]:
    """Return the texts below a node that are read, not code or formulas."""
    skipped = (nodes.literal_block, nodes.math_block, nodes.math, nodes.table)
    found: list[nodes.Text] = []
    for child in node.children:
        if isinstance(child, nodes.Text):
            found.append(child)
        elif not isinstance(child, skipped):
            found += _texts(child)
    return found


def _say(app: Sphinx, document: nodes.document, docname: str) -> None:
    """Add the time to the line above the text of a page, if there is one.

    The PDF is one document, with each page in a node of its own, and has its
    toggles open. The time is that of the page as it was read.
    """
    pages = list(document.findall(addnodes.start_of_file))
    for page in pages or [document]:
        lines = page.findall(nodes.paragraph)
        first = next((p for p in lines if "eyebrow" in p["classes"]), None)
        if first is not None:
            source = app.env.get_doctree(page.get("docname", docname))
            first += nodes.Text(f" {minutes(source)} minutes of reading.")


def setup(app: Sphinx) -> None:
    """Say it in every edition."""
    app.connect("doctree-resolved", _say)
