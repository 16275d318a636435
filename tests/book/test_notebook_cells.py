"""The cells of a chapter's notebook, on small books made to be nasty."""

import base64
import re
from dataclasses import replace
from typing import Any

import pytest
from book.notebooks import Notebook, asleep, notebook, written
from book.tiny import BOOK, PACKAGE, TinyBook, cell, executed
from markdown_it import MarkdownIt

from laidout.workshop.catalogue import find_exercise
from laidout_book import exercise
from laidout_book.errors import BookError

EXERCISE = "attention-scaled-dot-product"
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwAD"
    "hgGAWjR9awAAAABJRU5ErkJggg=="
)
DATA = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=]+)")


@pytest.fixture
def real(book: TinyBook) -> TinyBook:
    """Return a book that draws our package and our figures."""
    (book.source / "laidout").symlink_to(PACKAGE)
    book.settings |= {
        "exclude_patterns": ["laidout"],
        "laidout_package": str(PACKAGE),
        "laidout_roots": [str(PACKAGE.parent), str(BOOK)],
    }
    return book


def pictures(text: str) -> list[bytes]:
    """Return the pictures that a text holds."""
    return [base64.b64decode(match) for match in DATA.findall(text)]


def images(text: str) -> list[str]:
    """Return what markdown-it, which VS Code uses, takes for pictures."""
    found: list[str] = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        for child in token.children or []:
            if child.type == "image":
                found.append("".join(c.content for c in child.children or []))
    return found


# --- what is executed -------------------------------------------------------


def test_cells_run_in_the_order_of_the_page(book: TinyBook) -> None:
    made = notebook(asleep(book), cell("x = 1") + "\nText.\n\n" + cell("x"))
    setup, first, second = made.cells("code")
    assert (first, second) == ("x = 1", "x")
    assert 'find_spec("laidout")' in setup
    kinds = [each["cell_type"][0] for each in made.data["cells"]]
    assert "".join(kinds) == "cmmcmcm"


def test_a_hidden_cell_is_closed_and_runs(book: TinyBook) -> None:
    made = notebook(asleep(book), cell(":tags: [hide-input]\n\nhidden = 1"))
    assert made.cell("hidden = 1")["metadata"] == {
        "tags": ["hide-input"],
        "jupyter": {"source_hidden": True},
    }


def test_a_cell_that_no_edition_shows_is_left_out(book: TinyBook) -> None:
    removed = cell(":tags: [remove-cell]\n\nassert 1")
    made = notebook(asleep(book), cell("x = 1") + "\n" + removed)
    assert made.cells("code")[1:] == ["x = 1"]


def test_where_nothing_runs_nothing_is_set_up(book: TinyBook) -> None:
    assert notebook(book, "Text.").cells("code") == []


PRINTS = "for i in range(200):\n\tprint('line', i)"
RECORD = "where = '../results/a.json'\nprint(where)"
NEEDS = "print('what stands in', where)"
AGAIN = "where = 'here'\nprint(where)"
PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"
SHOWN = """\
---
mystnb:
  image:
    alt: A line_that_ rises.
  figure:
    name: fig-line
    caption: It *rises*.
---
"""
REMOVED = """\
---
tags: [remove-input]
mystnb:
  image:
    alt: A line.
---
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Notebook:
    """Build a notebook of cells that have written something, once."""
    book = executed(TinyBook(tmp_path_factory.mktemp("ran")))
    cells = (PRINTS, RECORD, NEEDS, SHOWN + PLOT, REMOVED + PLOT, AGAIN)
    text = "{numref}`fig-line`:\n\n" + "\n".join(map(cell, cells))
    return notebook(book, text)


def test_a_cell_that_prints_much_ships_nothing_of_it(ran: Notebook) -> None:
    shipped = ran.cell("range(200)")
    assert shipped["outputs"] == []
    assert shipped["execution_count"] is None
    assert "".join(shipped["source"]) == PRINTS  # its tab included
    assert "line 7" not in ran.path.read_text()


def test_what_only_the_book_can_run_is_shown_as_it_came_out(
    ran: Notebook,
) -> None:
    assert ran.cells("code")[1:] == [PRINTS, PLOT, AGAIN]
    assert "```\n../results/a.json\n```" in ran.text
    assert "what stands in ../results/a.json" in ran.text
    assert images(ran.text) == ["A line."]


def test_a_plot_is_described_and_has_its_caption(ran: Notebook) -> None:
    assert "Fig. 1:" in ran.text
    place = ran.cells().index(PLOT)
    assert ran.cells()[place + 1] == (
        "**Fig. 1.** It *rises*.\n\n<details>\n"
        "<summary>What the plot shows</summary>\n\n"
        "A line_that\\_ rises.\n\n</details>"
    )


# --- figures ----------------------------------------------------------------

DRAWING = """\
```{drawing} scaled_dot_product_attention.dot_product
:alt: The query [of] like, above the key.
:name: fig-dot
The *dot* product of $q_1$.
```
"""


def test_a_drawing_is_a_picture_that_every_program_shows(
    real: TinyBook,
) -> None:
    made = notebook(real, "See {numref}`fig-dot`.\n\n" + DRAWING)
    (text,) = (c for c in made.cells("markdown") if "data:" in c)
    assert text.endswith("\n\n**Fig. 1.** The *dot* product of $q_1$.")
    (png,) = pictures(text)
    assert png.startswith(b"\x89PNG")
    assert int.from_bytes(png[16:20], "big") == 540
    assert images(text) == ["The query [of] like, above the key."]
    assert "See Fig. 1." in made.text


def test_a_figure_that_moves_stands_still(real: TinyBook) -> None:
    moving = DRAWING.replace(
        "dot_product\n",
        "softmax_sharpness\n:interactive: x-y\n:data: explorer_data\n",
        1,
    )
    text = written(real, moving)
    assert len(pictures(text)) == 1
    assert "controls to play with" in text


def test_a_map_is_a_picture(real: TinyBook) -> None:
    text = written(real, "```{map} memory\n:alt: A map.\n```")
    assert images(text) == ["A map."]


def test_steps_stand_one_after_the_other(real: TinyBook) -> None:
    text = written(
        real,
        "::::{steps} From *scores* to weights\n"
        + DRAWING
        + DRAWING.replace("fig-dot", "fig-two").replace("dot_", "soft_", 0)
        + "::::",
    )
    assert text.startswith("**From *scores* to weights**")
    assert len(images(text)) == 2
    assert text.index("**Fig. 1.**") < text.index("**Fig. 2.**")


def test_a_picture_from_a_file_is_embedded(book: TinyBook) -> None:
    (book.source / "dot.png").write_bytes(base64.b64decode(PIXEL))
    svg = "<svg xmlns='http://www.w3.org/2000/svg' width='2' height='4'/>"
    book.write({"dot.svg": svg})
    text = written(book, "![A dot](dot.png)\n\n![A bar](dot.svg)")
    assert images(text) == ["A dot", "A bar"]
    assert pictures(text)[0] == base64.b64decode(PIXEL)


def test_a_picture_without_words_stops_the_build(book: TinyBook) -> None:
    (book.source / "dot.png").write_bytes(base64.b64decode(PIXEL))
    with pytest.raises(BookError, match="no alternative text"):
        written(book, "![](dot.png)")


# --- what is drawn from the package -----------------------------------------


def test_drawn_code_is_a_cell_that_defines_it(real: TinyBook) -> None:
    made = notebook(
        real,
        "```{literalinclude} laidout/masks.py\n:pyobject: causal_mask\n"
        "```\n\n```{literalinclude} laidout/masks.py\n"
        ":pyobject: target_mask\n```",
    )
    _setup, causal, target = made.cells("code")
    assert causal.startswith("# Listing 1: laidout/masks.py\nimport torch\n")
    names: dict[str, Any] = {}
    exec(causal, names)
    assert names["causal_mask"](2).tolist() == [[[[True, False], [True] * 2]]]
    # The reader's own is used, what is not defined here is the package's.
    assert "from laidout.masks import padding_mask\n" in target
    exec(target, names)
    assert "causal_mask" in names["target_mask"].__code__.co_names


def test_a_later_cell_does_not_import_over_a_readers_edit(
    real: TinyBook,
) -> None:
    code = (
        "from laidout import causal_mask, padding_mask\n"
        "from laidout.masks import causal_mask as mask\nmask(2)"
    )
    made = notebook(
        asleep(real),
        cell("from laidout.masks import causal_mask")
        + "\n```{literalinclude} laidout/masks.py\n"
        ":pyobject: causal_mask\n```\n\n" + cell(code),
    )
    _setup, before, _drawn, after = made.cells("code")
    assert before == "from laidout.masks import causal_mask"
    assert after == (
        "from laidout import padding_mask\nmask = causal_mask\nmask(2)"
    )


def test_a_method_alone_is_shown_and_not_run(real: TinyBook) -> None:
    made = notebook(
        real,
        "```{literalinclude} laidout/layers.py\n"
        ":pyobject: EncoderLayer.forward\n```",
    )
    assert made.cells("code") == []
    assert "```python\n    def forward(" in made.text


def test_long_code_stays_whole(real: TinyBook) -> None:
    made = notebook(
        real,
        "```{literalinclude} laidout/tokenizer.py\n"
        ":pyobject: BPETokenizer\n```",
    )
    code = made.cells("code")[1]
    assert code.count("\n") > 150
    compile(code, "cell", "exec")


# --- exercises --------------------------------------------------------------


def parts(made: Notebook) -> dict[str, str]:
    """Return the cells of exercises by kind and name."""
    return {
        f"{kind} {name}": "".join(each["source"])
        for each in made.data["cells"]
        for kind, name in each["metadata"].get("laidout", {}).items()
    }


def test_an_exercise_is_task_skeleton_check_and_help(real: TinyBook) -> None:
    text = f"```{{exercise}} {EXERCISE}\nIn your folder, run it.\n```\n"
    made = notebook(real, text, nitpicky=False)
    cells = made.cells()
    head = next(i for i, c in enumerate(cells) if "Exercise:" in c)
    task, skeleton, check, help_, lend = cells[head : head + 5]
    assert task.startswith(
        "### Exercise: Write scaled dot-product attention\n\n"
        "*About 20 minutes.*\n\nWrite the function below."
    )
    assert "In your folder" not in task
    assert skeleton.startswith("import math\n\nimport torch\nfrom torch")
    assert skeleton.endswith('not written yet")')
    assert check == (
        "from laidout.workshop import check, hint, solution, solved\n\n"
        "check(scaled_dot_product_attention)"
    )
    assert help_.count("<details>") == 5
    assert "<summary>Hint 4 of 4</summary>" in help_
    assert "```python\ndef scaled_dot_product_attention(" in help_
    assert lend.endswith(
        "scaled_dot_product_attention = solved(scaled_dot_product_attention)"
    )
    assert "class=" not in made.text


def test_two_exercises_in_a_row_stay_apart(real: TinyBook) -> None:
    names = ("transformer-encode-decode", "transformer-forward")
    made = notebook(
        real,
        "\n".join(f"```{{exercise}} {name}\n```\n" for name in names),
        nitpicky=False,
    )
    found = parts(made)
    kinds = ("skeleton", "check", "solved")
    assert list(found) == [f"{k} {n}" for n in names for k in kinds]
    encode, forward = (found[f"skeleton {name}"] for name in names)
    assert "def encode" in encode
    assert "def forward" not in encode
    assert "def forward" in forward
    assert found[f"check {names[1]}"].endswith(
        'check(Transformer, "transformer-forward")'
    )
    assert (
        'Transformer = solved(Transformer, "transformer-forward")'
        in found[f"solved {names[1]}"]
    )
    for code in found.values():
        compile(code, "cell", "exec")


def test_a_figure_in_a_hint_or_solution_is_a_picture_too(
    real: TinyBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = find_exercise(EXERCISE)
    hint = f"First look at this.\n\n{DRAWING}\nThen $x^2$ and:\n\n- `a`\n  - b"
    hinted = replace(known, hints=(hint,))
    monkeypatch.setattr(exercise, "find_exercise", lambda _name: hinted)
    text = f"```{{exercise}} {EXERCISE}\n```\n"
    made = notebook(real, text, nitpicky=False)
    (help_,) = (c for c in made.cells("markdown") if "<details>" in c)
    assert images(help_) == ["The query [of] like, above the key."]
    assert "**Fig. 1.** The *dot* product of $q_1$." in help_
    assert "Then $x^2$ and:\n\n- `a`\n\n  - b\n\n</details>" in help_


# --- boxes ------------------------------------------------------------------


def test_a_question_is_a_heading_whatever_stands_in_it(
    book: TinyBook,
) -> None:
    text = written(
        book,
        ":::{faq} Why is $a_1$ `b`, *really*?\nBecause.\n\n- one\n- two\n:::",
    )
    assert text == (
        "### Why is $a_1$ `b`, *really*?\n\nBecause.\n\n- one\n- two"
    )


def test_a_quiz_lists_its_choices_and_hides_its_replies(
    book: TinyBook,
) -> None:
    text = written(
        book,
        ":::{quiz} What is $1 + 1$?\n- [ ] $3$\n\n  Too much.\n"
        "- [x] `2`\n\n  It is.\n:::",
    )
    assert text == (
        "**What is $1 + 1$?**\n\n- **A.** $3$\n- **B.** `2`\n\n"
        "<details>\n<summary>Reply to A</summary>\n\n"
        "**Not quite.** Too much.\n\n</details>\n\n"
        "<details>\n<summary>Reply to B</summary>\n\n"
        "**Right.** It is.\n\n</details>"
    )


def test_the_paper_is_quoted_with_its_section(book: TinyBook) -> None:
    text = written(book, ":::{paper} 3.2.1\nDivide by $\\sqrt{d_k}$ [3].\n:::")
    assert text == (
        "> Divide by $\\sqrt{d_k}$ [3].\n>\n> *Attention Is All You Need*, "
        "Section 3.2.1, Scaled Dot-Product Attention"
    )


def test_a_footnote_in_a_quotation_finds_its_note(book: TinyBook) -> None:
    made = notebook(
        book, "> Quoted.[^why]\n\nMore.\n\n[^why]: Because of *this*."
    )
    assert "> Quoted.<sup>1</sup>" in made.text
    assert made.cells("markdown")[-2] == (
        "## Notes\n\n<sup>1</sup> Because of *this*."
    )


def test_a_formula_in_a_heading_stays_a_formula(book: TinyBook) -> None:
    text = written(book, "### The root of $d_k$\n\nHere.")
    assert text == "### The root of $d_k$\n\nHere."


def test_a_figure_in_a_list_in_a_box_is_not_lost(real: TinyBook) -> None:
    box = f":::::{{admonition}} Look\n- first\n\n{DRAWING}\n:::::"
    text = written(real, box)
    assert len(pictures(text)) == 1
    assert all(line.startswith(">") for line in text.splitlines())


# --- links ------------------------------------------------------------------


def two_pages(book: TinyBook, **settings: Any) -> str:
    book.write(
        {
            "part/other.md": "---\nfile_format: mystnb\n---\n# Other\n",
            "plain.md": "# Plain\n",
        }
    )
    return written(
        book,
        "[Other](part/other.md), [a plain page](plain.md), "
        "{ref}`itself <here>`.\n\n(here)=\n### Here\n",
        **settings,
    )


def test_without_a_site_a_link_leads_to_another_notebook(
    book: TinyBook,
) -> None:
    assert two_pages(book).startswith(
        "[Other](other.ipynb), a plain page, itself"
    )


def test_with_a_site_a_link_leads_there(book: TinyBook) -> None:
    site = "https://example.org/book/"
    text = two_pages(book, html_baseurl=site)
    assert text.startswith(
        f"[Other]({site}part/other.html), [a plain page]({site}plain.html)"
    )
