"""The list of references: its labels, its links."""

import re

import pytest
from book.tiny import BOOK, TinyBook
from pybtex.database import Entry, Person

from laidout_book.bibliography import AuthorYear

ENTRY = """\
@article{one,
  title = {One},
  author = {Press, Ofir},
  journal = {Letters},
  year = {2022},
  eprint = {1234.56789}
}
"""


@pytest.mark.parametrize(
    ("authors", "label"),
    [
        (["Phuong, Mary"], "Phuong, 2022"),
        (["Press, Ofir", "Wolf, Lior"], "Press and Wolf, 2022"),
        (["Dao, Tri", "Fu, Daniel", "Ré, Christopher"], "Dao et al., 2022"),
    ],
)
def test_a_reference_is_labelled_as_the_text_cites_it(
    authors: list[str], label: str
) -> None:
    people = {"author": [Person(name) for name in authors]}
    entry = Entry("article", {"year": "2022"}, people)
    assert list(AuthorYear().format_labels([entry])) == [label]


def test_an_arxiv_number_is_a_link(book: TinyBook) -> None:
    book.settings |= {
        "extensions": [*book.settings["extensions"], "sphinxcontrib.bibtex"],
        "bibtex_bibfiles": ["one.bib"],
        "bibtex_default_style": "laidout",
    }
    book.write({"one.bib": ENTRY})
    built = book.page("```{bibliography}\n:all:\n```").build()
    (link,) = built.soup().select(".citation a.external")
    assert link["href"] == "https://arxiv.org/abs/1234.56789"
    assert link.get_text() == "arXiv:1234.56789"


def test_every_reference_of_the_book_has_a_link() -> None:
    text = (BOOK / "references.bib").read_text(encoding="utf-8")
    entries = text.split("\n@")
    assert len(entries) > 5
    for entry in entries:
        assert re.search(r"^  (eprint|doi|url) = ", entry, re.M), entry
        assert "note = {arXiv" not in entry
