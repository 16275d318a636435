"""Document nodes of the book and how they look in HTML.

Whatever opens and closes is a native <details>, so it works without script
and from the keyboard. The id of a toggle stands on its content: a browser
that is sent to it opens the toggle by itself.
"""

# ruff: noqa: N801  (docutils writes the names of nodes small)

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator


class block(nodes.General, nodes.Element):
    """A box of the book; `classes` says which."""

    tag = "div"


class toggle(nodes.General, nodes.Element):
    """Something that opens and closes; its first child is a `summary`."""


class summary(nodes.General, nodes.TextElement):
    """What a closed toggle shows."""


class toggle_body(nodes.General, nodes.Element):
    """What an open toggle shows; carries the toggle's ids."""


class drawing(nodes.General, nodes.Inline, nodes.Element):
    """A drawn figure: `web` and `print` hold the SVG, `alt` its text."""


class source_link(nodes.General, nodes.Inline, nodes.TextElement):
    """A link to a line of the package; `module` and `line` say which."""


def make_toggle(
    title: list[nodes.Node],
    content: list[nodes.Node],
    classes: list[str],
    ids: list[str] | None = None,
) -> toggle:
    """Build a toggle from its title and content."""
    body = toggle_body("", *content, ids=ids or [])
    return toggle("", summary("", "", *title), body, classes=classes)


def _visit_block(self: HTML5Translator, node: block) -> None:
    self.body.append(self.starttag(node, node.get("tag", "div")))


def _depart_block(self: HTML5Translator, node: block) -> None:
    self.body.append(f"</{node.get('tag', 'div')}>\n")


def _visit_toggle(self: HTML5Translator, node: toggle) -> None:
    self.body.append(self.starttag(node, "details"))


def _depart_toggle(self: HTML5Translator, node: toggle) -> None:
    self.body.append("</details>\n")


def _visit_summary(self: HTML5Translator, node: summary) -> None:
    # A link inside of what opens and closes could not be reached by itself.
    for link in list(node.findall(nodes.reference)):
        link.replace_self(link.children)
    self.body.append(self.starttag(node, "summary", suffix=""))


def _depart_summary(self: HTML5Translator, node: summary) -> None:
    self.body.append("</summary>\n")


def _visit_body(self: HTML5Translator, node: toggle_body) -> None:
    self.body.append(self.starttag(node, "div", CLASS="toggle-body"))


def _depart_body(self: HTML5Translator, node: toggle_body) -> None:
    self.body.append("</div>\n")


def _visit_source_link(self: HTML5Translator, node: source_link) -> None:
    page = f"source/{node['module'].replace('.', '/')}"
    uri = self.builder.get_relative_uri(self.builder.current_docname, page)
    self.body.append(
        self.starttag(
            node, "a", "", href=f"{uri}#line-{node['line']}", CLASS="source"
        )
    )


def _depart_source_link(self: HTML5Translator, node: source_link) -> None:
    self.body.append("</a>")


def _pass(self: nodes.NodeVisitor, node: nodes.Node) -> None:
    """Let the children speak for themselves."""


def setup(app: Sphinx) -> None:
    """Register the nodes; other formats print their children in order.

    How they look in LaTeX is said in `latex.writer`.
    """
    formats = ("text", "man", "texinfo")
    plain: dict[str, Any] = dict.fromkeys(formats, (_pass, _pass))
    app.add_node(block, html=(_visit_block, _depart_block), **plain)
    app.add_node(toggle, html=(_visit_toggle, _depart_toggle), **plain)
    app.add_node(summary, html=(_visit_summary, _depart_summary), **plain)
    app.add_node(toggle_body, html=(_visit_body, _depart_body), **plain)
    app.add_node(
        source_link, html=(_visit_source_link, _depart_source_link), **plain
    )
