"""The labels of the list of references."""

import pytest
from pybtex.database import Entry, Person

from laidout_book.bibliography import AuthorYear


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
