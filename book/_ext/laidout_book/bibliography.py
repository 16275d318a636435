"""The list of references: by author and year, as the text cites them."""

from collections.abc import Iterable, Iterator
from typing import Any

from docutils import nodes
from pybtex.database import Entry
from pybtex.plugin import register_plugin
from pybtex.style.formatting.plain import Style as PlainStyle
from pybtex.style.labels import BaseLabelStyle
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform


class AuthorYear(BaseLabelStyle):
    """Labels such as "Vaswani et al., 2017"."""

    def format_labels(self, sorted_entries: Iterable[Entry]) -> Iterator[str]:
        """Yield the label of each entry."""
        for entry in sorted_entries:
            people = [" ".join(p.last_names) for p in entry.persons["author"]]
            who = people[0] if len(people) == 1 else f"{people[0]} et al."
            if len(people) == 2:
                who = " and ".join(people)
            yield f"{who}, {entry.fields['year']}"


class Style(PlainStyle):
    """The plain style of BibTeX with those labels."""

    default_label_style = AuthorYear


class LinksWithoutFootnotes(SphinxPostTransform):
    """Print an entry's links as they are: "arXiv:1409.0473" is an address.

    Sphinx puts the address of every other link into a footnote.
    """

    default_priority = 399  # before Sphinx does
    formats = ("latex",)

    def run(self, **_: Any) -> None:
        """Write the links of the list in LaTeX."""
        for entry in self.document.findall(nodes.citation):
            for link in list(entry.findall(nodes.reference)):
                if "refuri" in link:
                    link.replace_self(_printed(link))


def _printed(link: nodes.reference) -> list[nodes.Node]:
    address = link["refuri"].replace("%", r"\%").replace("#", r"\#")
    start = nodes.raw("", rf"\href{{{address}}}{{", format="latex")
    return [start, *link.children, nodes.raw("", "}", format="latex")]


def setup(app: Sphinx) -> None:
    """Register the style under the name `laidout`, and how it is printed."""
    app.add_post_transform(LinksWithoutFootnotes)
    register_plugin("pybtex.style.formatting", "laidout", Style)
