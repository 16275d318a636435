"""`{paper} 3.2.1`: a verbatim quotation of "Attention Is All You Need"."""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from laidout_book.errors import nearest, stop

SECTIONS = {
    "abstract": "Abstract",
    "1": "Introduction",
    "2": "Background",
    "3": "Model Architecture",
    "3.1": "Encoder and Decoder Stacks",
    "3.2": "Attention",
    "3.2.1": "Scaled Dot-Product Attention",
    "3.2.2": "Multi-Head Attention",
    "3.2.3": "Applications of Attention in our Model",
    "3.3": "Position-wise Feed-Forward Networks",
    "3.4": "Embeddings and Softmax",
    "3.5": "Positional Encoding",
    "4": "Why Self-Attention",
    "5": "Training",
    "5.1": "Training Data and Batching",
    "5.2": "Hardware and Schedule",
    "5.3": "Optimizer",
    "5.4": "Regularization",
    "6": "Results",
    "6.1": "Machine Translation",
    "6.2": "Model Variations",
    "6.3": "English Constituency Parsing",
    "7": "Conclusion",
}


class Paper(SphinxDirective):
    """Quote the paper word for word, with the section it comes from."""

    has_content = True
    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Build the quotation and its attribution."""
        section = self._section()
        if not self.content:
            raise stop(self, f"{section}: expected the words of the paper")
        quote = nodes.block_quote(classes=["paper-quote"])
        self.set_source_info(quote)
        quote += self.parse_content_to_nodes()
        place = "Abstract"
        if section != "abstract":
            place = f"Section {section}, {SECTIONS[section]}"
        quote += nodes.attribution("", place)
        return [quote]

    def _section(self) -> str:
        if not self.arguments:
            raise stop(
                self, "expected the section of the paper, such as 3.2.1"
            )
        section: str = self.arguments[0].strip()
        if section not in SECTIONS:
            raise stop(
                self,
                f"{section}: the paper has no such section"
                + nearest(section, list(SECTIONS)),
            )
        return section


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("paper", Paper)
