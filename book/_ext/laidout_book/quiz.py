"""`{quiz} question`: choices that answer back."""

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from laidout_book.errors import stop
from laidout_book.nodes import block, make_toggle

MARK = re.compile(r"^\[([ xX])\]\s+")
FORM = "`- [ ] choice` or `- [x] right choice`, then its reply, indented"


class Quiz(SphinxDirective):
    """A question with choices; each choice opens a reply of its own."""

    has_content = True
    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Build the question and its choices."""
        question, messages = self.parse_inline(
            " ".join(self.arguments[0].split())
        )
        box = block("", classes=["quiz"])
        self.set_source_info(box)
        box += nodes.paragraph("", "", *question, classes=["quiz-question"])
        right = [self._choice(item, box) for item in self._items()]
        if right.count(True) != 1 or len(right) < 2:
            raise stop(
                self,
                "expected two or more choices, one of them right; got "
                f"{len(right)} choices, {right.count(True)} right",
            )
        return [box, *messages]

    def _items(self) -> list[nodes.Element]:
        content = self.parse_content_to_nodes()
        if len(content) != 1 or not isinstance(content[0], nodes.bullet_list):
            raise stop(self, f"expected one list of choices: {FORM}")
        return [
            item for item in content[0] if isinstance(item, nodes.list_item)
        ]

    def _choice(self, item: nodes.Element, box: block) -> bool:
        """Add one choice with its reply to the box; say if it is right."""
        head = item.children[0] if item.children else None
        mark = MARK.match(head.astext()) if head is not None else None
        if not mark or not isinstance(head, nodes.paragraph):
            raise stop(self, f"expected {FORM}; got {item.astext()[:60]!r}")
        if len(item.children) < 2:
            raise stop(self, f"no reply to the choice {head.astext()!r}")
        first = head.children[0]
        head.replace(first, nodes.Text(MARK.sub("", first.astext())))
        right = mark[1] in "xX"
        verdict = nodes.strong("", "Right." if right else "Not quite.")
        reply = nodes.paragraph("", "", verdict, classes=["verdict"])
        box += make_toggle(
            head.children,
            [reply, *item.children[1:]],
            ["choice", "right" if right else "wrong"],
        )
        return right


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("quiz", Quiz)
