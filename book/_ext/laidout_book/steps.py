"""`{steps} title`: drawings of a thing that happens in steps.

Where scripts run, `figure-steps.js` shows one at a time; all stand in the
page, numbered like other figures, for paper and for whoever has no scripts.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from laidout_book.errors import stop
from laidout_book.nodes import block, drawing


class Steps(SphinxDirective):
    """Two or more drawings that follow one another."""

    has_content = True
    required_arguments = 1
    final_argument_whitespace = True
    option_spec: ClassVar[dict[str, Callable[[str], Any]]] = {
        "name": directives.unchanged
    }

    def run(self) -> list[nodes.Node]:
        """Build the title and the figures."""
        title, messages = self.parse_inline(
            " ".join(self.arguments[0].split())
        )
        box = block("", classes=["steps"], tag="figure-steps")
        self.set_source_info(box)
        self.add_name(box)
        box += nodes.paragraph("", "", *title, classes=["steps-title"])
        box += self._figures()
        return [box, *messages]

    def _figures(self) -> list[nodes.Node]:
        figures = self.parse_content_to_nodes()
        for node in figures:
            if not _is_still(node):
                words = " ".join(node.astext().split())[:60]
                raise stop(
                    self,
                    "expected only `{drawing}` figures that stand still; "
                    f"got {words!r}",
                )
            if not any(isinstance(part, nodes.caption) for part in node):
                alt = node[0]["alt"]
                raise stop(self, f"the step {alt!r} has no caption")
        if len(figures) < 2:
            raise stop(
                self,
                f"expected two or more `{{drawing}}` figures; got "
                f"{len(figures)}",
            )
        return figures


def _is_still(node: nodes.Node) -> bool:
    """Say if this is a drawn figure that has no script of its own."""
    picture = node.children[0] if node.children else None
    return (
        isinstance(node, nodes.figure)
        and isinstance(picture, drawing)
        and not picture.get("element")
    )


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("steps", Steps)
