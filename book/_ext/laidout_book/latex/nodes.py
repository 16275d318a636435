"""Nodes that only a printed book has."""

# ruff: noqa: N801  (docutils writes the names of nodes small)

from docutils import nodes


class part_page(nodes.General, nodes.Element):
    """A page with the title of a part, and its chapters as children."""


class contents_line(nodes.General, nodes.TextElement):
    """A line of a list: text, dots, the page of `docname` and `label`."""


class page_of(nodes.General, nodes.Inline, nodes.TextElement):
    """The number of the page of `docname` and `label`, as a link."""


class anchor(nodes.General, nodes.Inline, nodes.Element):
    """Where the links to its `ids` arrive."""


class elsewhere(nodes.General, nodes.TextElement):
    """A line in a box that says on which pages the rest of it stands."""


class here_bibliography(nodes.General, nodes.Element):
    """Where the list of references goes."""


class appendix_start(nodes.General, nodes.Element):
    """From here on, chapters are appendices."""


class web_reference(nodes.General, nodes.Inline, nodes.TextElement):
    """A link to a known name elsewhere: no footnote needs to spell it."""
