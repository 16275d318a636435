"""What should stay together on a page, and how much room it needs.

TeX knows what is left of a page when it comes to something, but not what
comes after that: here it is told. All lengths are points.
"""

from docutils import nodes
from sphinx.builders.latex.nodes import footnotemark

from laidout_book.latex.code import height, together

TITLE, LISTING, CODE, OUTPUT = 70, 50, 12, 20
"""A title with a line of text, the line above a listing, and what surrounds
code and an output."""

LITTLE = 110
"""An output that is worth parting its code for."""

LETTERS, LINE = 85, 14.6
"""Letters of a line of text, and from one line to the next."""

PASSED = (nodes.paragraph, nodes.Sequential, nodes.math_block)


def code_of(node: nodes.Element) -> str:
    """Return what a listing shows."""
    return str(node.rawsource).strip("\n").expandtabs(8)


def first_lines(node: nodes.Element) -> float:
    """Return the room for a listing up to where a page may end."""
    return LISTING + together(code_of(node).split("\n"))


def title_and_listing(title: nodes.Element) -> float:
    """Return the room for a title and a listing that follows closely.

    It is 0 if more than a line of text comes first.
    """
    for node in title.parent.findall(include_self=False):
        if isinstance(node, nodes.literal_block):
            return TITLE + first_lines(node)
        if isinstance(node, nodes.paragraph) and len(node.astext()) > LETTERS:
            break
    return 0


def prints(node: nodes.Element) -> tuple[float, float]:
    """Return the room for code and for what it prints, if that is little."""
    if "cell_input" not in node.parent["classes"]:
        return 0, 0
    output = node.parent.next_node(descend=False, siblings=True)
    printed = output.next_node(nodes.literal_block) if output else None
    if printed is None:
        return 0, 0
    room = OUTPUT + together(code_of(printed).split("\n"), printed=True)
    return CODE + height(code_of(node).split("\n")), room * (room <= LITTLE)


def waits(node: nodes.Element) -> str:
    """Say how a figure waits if a page has no room for it.

    It is a star if it does not, or else how much text may stand before it.
    """
    if isinstance(node.parent, nodes.list_item):
        return "*"
    if _is_announced(node) or node.next_node(footnotemark):
        return "*"
    return f"[{_text_after(node):.0f}pt]"


def leads_on(node: nodes.Node) -> bool:
    """Say if a paragraph ends in a colon: what it means comes next."""
    if not isinstance(node, nodes.paragraph):
        return False
    return bool(node.astext().rstrip().endswith(":"))


def _is_announced(node: nodes.Element) -> bool:
    """Say if the text before a figure ends in a colon."""
    before = node.parent[: node.parent.index(node)]
    seen = [one for one in before if not isinstance(one, nodes.Invisible)]
    return bool(seen) and leads_on(seen[-1])


def _text_after(node: nodes.Element) -> float:
    """Estimate the text up to what a figure must not follow."""
    while isinstance(node.parent, nodes.container):
        node = node.parent
    high = 0.0
    for after in node.parent[node.parent.index(node) + 1 :]:
        if leads_on(after) or not isinstance(after, PASSED):
            break
        high += (len(after.astext()) // LETTERS + 1.5) * LINE
    return high
