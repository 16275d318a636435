"""Mathematics rendered at build time."""

import pytest
from book.tiny import Built, TinyBook
from docutils import nodes
from docutils.utils import new_document

from laidout_book.errors import place_of
from laidout_book.katex import render

TEXT = """\
One $\\sqrt{d_k}$ in a line.

$$
\\frac{QK^\\top}{\\sqrt{d_k}}
$$ (eq-scores)

$$
a < b
$$

As {eq}`eq-scores` says.

```{math}
:label: eq-second
x
```

\\begin{equation}
c = d
\\end{equation}
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return TinyBook(tmp_path_factory.mktemp("katex")).page(TEXT).build()


def test_a_formula_in_a_line_is_html_and_mathml(built: Built) -> None:
    (line,) = [p for p in built.soup().select("p") if "in a line" in p.text]
    assert line.select_one(".katex > .katex-html") is not None
    assert line.select_one(".katex > .katex-mathml > math msqrt") is not None
    source = line.select_one("annotation")
    assert source is not None
    assert source.get_text() == "\\sqrt{d_k}"
    assert line.select_one(".katex-display") is None


def test_a_formula_of_its_own_can_be_scrolled_by_keyboard(
    built: Built,
) -> None:
    boxes = built.soup().select("div.math-display")
    assert len(boxes) == 4
    for box in boxes:
        assert box["tabindex"] == "0"
        assert box.select_one(".katex-display math") is not None


def test_labelled_formulas_and_environments_have_one_number(
    built: Built,
) -> None:
    boxes = built.soup().select("div.math-display")
    numbers = [[n.get_text() for n in box.select(".eqno")] for box in boxes]
    assert numbers == [["(1)"], [], ["(2)"], ["(3)"]]
    assert built.soup().select(".eqn-num") == []


def test_a_reference_leads_to_its_formula(built: Built) -> None:
    page = built.soup()
    (link,) = page.select("p a.internal")
    assert link.get_text() == "(1)"
    target = page.select_one(str(link["href"]))
    assert target is not None
    formula = target.find_next("annotation")
    assert formula is not None
    assert "QK" in formula.get_text()
    assert built.warnings == ""


def test_signs_of_html_are_written_as_text(built: Built) -> None:
    assert "a < b" in built.soup().get_text()
    assert "a &lt; b" in built.html()


def test_no_script_is_needed_for_formulas(built: Built) -> None:
    sources = [str(s.get("src")) for s in built.soup().select("script")]
    assert not [s for s in sources if "math" in s.lower() or "katex" in s]
    assert not [s for s in built.soup().select("script") if "katex" in s.text]


def test_a_formula_is_rendered_once() -> None:
    before = render.cache_info().misses
    assert render("once^2", display=True) is render("once^2", display=True)
    assert render.cache_info().misses == before + 1


@pytest.mark.parametrize(
    ("text", "line", "tex", "words"),
    [
        ("Two\nlines: $\\fraq{1}{2}$.", 3, "\\fraq{1}{2}", "\\fraq"),
        ("$$\n\\frac{1}{\n$$", 3, "\\frac{1}{", "expected '}'"),
        ("- item\n- $x_$", 4, "x_", "Expected group"),
        (":::{faq} Why?\nAs $\\fraq$.\n:::", 4, "\\fraq", "Undefined"),
        ("| a |\n|---|\n| $\\fraq$ |", 5, "\\fraq", "Undefined"),
        ("$ä\\text{€}$", 3, "ä", "unicodeTextInMathMode"),
    ],
)
def test_a_formula_that_katex_cannot_read_stops_the_build(
    book: TinyBook, text: str, line: int, tex: str, words: str
) -> None:
    message = book.page(text).error("html")
    place, _, rest = message.partition(": ")
    assert place.rpartition(":")[0] == str(book.source / "index.md")
    assert int(place.rpartition(":")[2]) == line
    assert repr(tex)[1:-1] in rest
    assert words in rest


def test_an_error_names_the_formula_in_katex_own_words() -> None:
    with pytest.raises(ValueError, match="KaTeX parse error: Undefined"):
        render("\\fraq{1}{2}", display=False)


def test_a_node_without_a_line_is_placed_by_its_document() -> None:
    document = new_document("page.md")
    formula = nodes.math("x", "x")
    assert place_of(formula) == "?"
    document += formula
    assert place_of(formula) == "page.md"
