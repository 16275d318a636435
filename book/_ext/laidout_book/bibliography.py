"""The list of references: by author and year, as the text cites them."""

from collections.abc import Iterable, Iterator

from pybtex.database import Entry
from pybtex.plugin import register_plugin
from pybtex.style.formatting.plain import Style as PlainStyle
from pybtex.style.labels import BaseLabelStyle
from sphinx.application import Sphinx


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


def setup(app: Sphinx) -> None:
    """Register the style under the name `laidout`."""
    register_plugin("pybtex.style.formatting", "laidout", Style)
