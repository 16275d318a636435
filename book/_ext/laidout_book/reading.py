"""How long a chapter takes to read, said above it."""

import math

from docutils import nodes
from sphinx.application import Sphinx

from laidout_book.nodes import toggle

WORDS_PER_MINUTE = 180
"""Slower than a novel: there are figures to look at."""

STEP = 5
"""Minutes are rounded up to this, for nobody reads to the minute."""


def minutes(document: nodes.document) -> int:
    """Estimate the minutes that a page takes, its closed toggles left out."""
    closed = {text for one in document.findall(toggle) for text in _texts(one)}
    open_text = [text for text in _texts(document) if text not in closed]
    count = sum(len(text.astext().split()) for text in open_text)
    return STEP * math.ceil(count / WORDS_PER_MINUTE / STEP)


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
    """Add the time to the line above the title's text, if there is one."""
    for line in document.findall(nodes.paragraph):
        if "eyebrow" in line["classes"]:
            line += nodes.Text(f" {minutes(document)} minutes of reading.")
            return


def setup(app: Sphinx) -> None:
    """Say it in every edition."""
    app.connect("doctree-resolved", _say)
