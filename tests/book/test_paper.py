"""`{paper}`: quotations of the paper, with their section."""

import pytest
from book.tiny import TinyBook
from docutils import nodes

from laidout_book.paper import SECTIONS


def test_a_quotation_says_which_section_it_is_from(book: TinyBook) -> None:
    page = book.page(":::{paper} 3.2.1\nWe *scale*.\n:::").build().soup()
    quote = page.select_one("blockquote.paper-quote")
    assert quote is not None
    words, attribution = quote.select("p")
    assert words.decode_contents() == "We <em>scale</em>."
    assert attribution["class"] == ["attribution"]
    assert attribution.get_text() == (
        "—Section 3.2.1, Scaled Dot-Product Attention"
    )


def test_the_abstract_has_no_number(book: TinyBook) -> None:
    built = book.page(":::{paper} abstract\nWe propose.\n:::").build("dummy")
    (attribution,) = built.doctree().findall(nodes.attribution)
    assert attribution.astext() == "Abstract"


def test_a_quotation_may_have_paragraphs_and_formulas(book: TinyBook) -> None:
    text = ":::{paper} 5.3\nOne $x$.\n\n$$y$$\n:::"
    built = book.page(text).build("dummy")
    (quote,) = built.doctree().findall(nodes.block_quote)
    kinds = [type(child) for child in quote.children]
    assert kinds == [nodes.paragraph, nodes.math_block, nodes.attribution]
    assert built.warnings == ""


def test_the_sections_are_those_of_the_paper(book: TinyBook) -> None:
    numbers = [number for number in SECTIONS if number != "abstract"]
    assert sorted(numbers) == numbers
    assert {n.rpartition(".")[0] for n in numbers} <= {"", *numbers}


@pytest.mark.parametrize(
    ("directive", "reason"),
    [
        (":::{paper}\nWords.\n:::", "expected the section of the paper"),
        (":::{paper} 3.2.1\n:::", "3.2.1: expected the words of the paper"),
        (
            ":::{paper} 3.2.4\nWords.\n:::",
            "3.2.4: the paper has no such section; the nearest name is '3.2",
        ),
        (
            ":::{paper} abstrct\nWords.\n:::",
            "abstrct: the paper has no such section; "
            "the nearest name is 'abstract'",
        ),
    ],
)
def test_a_quotation_without_section_or_words_stops_the_build(
    book: TinyBook, directive: str, reason: str
) -> None:
    message = book.page(f"Before.\n\n{directive}").error_at(5)
    assert message.startswith(f"{{paper}} {reason}")
