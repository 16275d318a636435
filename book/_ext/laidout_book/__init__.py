"""The Sphinx extension of the book."""

from typing import Any

from sphinx.application import Sphinx

from laidout_book import (
    assets,
    audit,
    bibliography,
    card,
    drawing,
    drawn,
    editions,
    errors,
    execution,
    exercise,
    faq,
    folding,
    katex,
    latex,
    nodes,
    notebook,
    paper,
    quiz,
    reading,
    sources,
    steps,
)

PARTS = (
    errors,
    nodes,
    paper,
    drawn,
    exercise,
    faq,
    quiz,
    drawing,
    steps,
    katex,
    execution,
    folding,
    sources,
    audit,
    assets,
    bibliography,
    notebook,
    editions,
    card,
    reading,
    latex,
)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register every part of the extension."""
    for part in PARTS:
        part.setup(app)
    return {
        "version": "1",
        "env_version": 2,
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }
