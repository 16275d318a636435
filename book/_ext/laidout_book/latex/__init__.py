"""The PDF edition: Sphinx's LaTeX, arranged and dressed as a book.

`builder` makes the PDF, `index` marks what the index lists, which `terms` and
`mentions` find, `arrange` moves things to where a printed book has them,
`writer` turns nodes into LaTeX, `code` sets listings, `room` says what stays
together on a page, `pictures` turns drawings into PDF, `edition` says what
stands on the title page, and the two .sty files say how everything looks.
"""

from sphinx.application import Sphinx

from laidout_book.latex import arrange, edition, index
from laidout_book.latex.builder import PdfBuilder, insist


def setup(app: Sphinx) -> None:
    """Register the builder, its settings and what it does to the tree."""
    edition.setup(app)
    index.setup(app)
    arrange.setup(app)
    app.add_builder(PdfBuilder)
    app.connect("env-before-read-docs", insist)
