"""Folded cells: their toggles are called what stands on them."""

from book.notebooks import asleep
from book.tiny import FRONT, TinyBook, cell


def test_a_folded_cell_is_called_what_stands_on_it(book: TinyBook) -> None:
    text = FRONT + "# Tiny\n\n" + cell(":tags: [hide-input]\n\nhidden = 1")
    built = asleep(book).write({"index.md": text}).build()
    (summary,) = built.soup().select("details.hide > summary")
    assert not summary.has_attr("aria-label")
    assert summary.get_text(" ", strip=True) == (
        "Show code cell source Hide code cell source"
    )
