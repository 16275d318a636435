"""`{steps}`: drawings of a thing that happens in steps."""

import pytest
from book.tiny import BOOK, TinyBook


@pytest.fixture
def drawn(book: TinyBook) -> TinyBook:
    """Return a book that knows the figures of the real one."""
    book.settings["laidout_roots"] = [str(BOOK), str(BOOK.parent / "src")]
    return book


def step(name: str, *options: str, caption: str = "What *happens*.") -> str:
    """Write one drawing of the chapter on attention."""
    lines = "".join(f"{option}\n" for option in (":alt: Cells.", *options))
    path = f"scaled_dot_product_attention.{name}"
    return f"```{{drawing}} {path}\n{lines}{caption}\n```\n"


def steps(*content: str, title: str = "In two steps") -> str:
    """Write the directive."""
    return f"::::{{steps}} {title}\n{''.join(content)}::::"


ONE = step("scores", ":name: fig-one")
TWO = step("scaled", ":name: fig-two")


def test_the_figures_stand_under_the_title_in_their_order(
    drawn: TinyBook,
) -> None:
    built = drawn.page(steps(ONE, TWO, title="The $d_k$ **steps**")).build()
    assert built.warnings == ""
    box = built.soup().select_one("figure-steps")
    assert box is not None
    title, *figures = box.find_all(recursive=False)
    assert title["class"] == ["steps-title"]
    assert title.strong is not None
    assert title.select_one(".katex") is not None
    assert [figure["id"] for figure in figures] == ["fig-one", "fig-two"]
    assert all(figure.select_one("svg[aria-label]") for figure in figures)
    assert all(figure.figcaption.em for figure in figures)


def test_each_figure_has_its_number_and_all_have_an_anchor(
    drawn: TinyBook,
) -> None:
    links = "{numref}`fig-two`, [all](#fig-all), {ref}`all <fig-all>`."
    text = steps(":name: fig-all\n\n", ONE, TWO)
    page = drawn.page(f"See {links}\n\n{text}").build()
    assert page.warnings == ""
    soup = page.soup()
    assert soup.select_one("figure-steps#fig-all") is not None
    captions = [c.get_text().strip() for c in soup.select("figcaption")]
    assert [text[:6] for text in captions] == ["Fig. 1", "Fig. 2"]
    found = [(a["href"], a.get_text()) for a in soup.select("p > a.internal")]
    assert found == [
        ("#fig-two", "Fig. 2"),
        ("#fig-all", "all"),
        ("#fig-all", "all"),
    ]


def test_elsewhere_title_and_figures_follow_one_another(
    drawn: TinyBook,
) -> None:
    built = drawn.page(steps(ONE, TWO)).build("text")
    assert built.warnings == ""
    text = (built.folder / "index.txt").read_text(encoding="utf-8")
    assert [line.strip() for line in text.splitlines() if line][2:] == [
        "In two steps",
        "Cells.What *happens*.",
        "Cells.What *happens*.",
    ]


STILL = "expected only `{drawing}` figures that stand still; got"
TABLE = "| a | b |\n| - | - |\n| c | d |\n"
SLIDERS = step(
    "scores", ":interactive: softmax-explorer", ":data: explorer_data"
)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([], "expected two or more `{drawing}` figures; got 0"),
        ([ONE], "expected two or more `{drawing}` figures; got 1"),
        ([ONE, "Some\n*words*.\n\n", TWO], f"{STILL} 'Some words.'"),
        ([ONE, TABLE, TWO], f"{STILL} 'a b c d'"),
        ([ONE, SLIDERS], f"{STILL} 'What happens.'"),
        ([ONE, step("scaled", caption="")], "the step 'Cells.' has no capt"),
    ],
)
def test_steps_of_another_form_stop_the_build(
    drawn: TinyBook, content: list[str], reason: str
) -> None:
    message = drawn.page(steps(*content)).error_at(3)
    assert message.startswith(f"{{steps}} {reason}")


def test_a_step_that_cannot_be_drawn_stops_the_build(
    drawn: TinyBook,
) -> None:
    message = drawn.page(steps(ONE, step("scoress"))).error_at(9)
    assert message.endswith("the nearest name is 'scores'")
