"""Pages as Markdown that JupyterLab, VS Code and Colab agree on."""

from io import BytesIO

import matplotlib.pyplot as plt
import numpy as np
import pytest
from book.notebooks import written
from book.tiny import TinyBook

from laidout_book.errors import BookError
from laidout_book.notebook.markdown import details, escape, fenced, quoted
from laidout_book.notebook.pictures import drawn


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("2 * 3 * 4", r"2 \* 3 \* 4"),
        ("d_k and _this_", r"d_k and \_this\_"),
        ("$5 or `x`", r"\$5 or \`x\`"),
        ("<s> I < you </s>", "&lt;s> I < you &lt;/s>"),
        ("AT&T, &amp;", "AT&T, &amp;amp;"),
        ("[3] and [a](b)", r"[3] and [a\](b)"),
        (r"a\b ~ c", r"a\\b \~ c"),
    ],
)
def test_plain_text_is_never_taken_for_markdown(text: str, safe: str) -> None:
    assert escape(text) == safe


def test_a_quotation_marks_each_line() -> None:
    assert quoted("a\n\nb") == "> a\n>\n> b"


def test_a_fence_is_longer_than_those_in_the_code() -> None:
    assert fenced("x = 1\n", "python") == "```python\nx = 1\n```"
    assert fenced("a\n```\nb").startswith("````\n")


def test_details_leave_room_for_markdown() -> None:
    assert details("a < b", "*c*") == (
        "<details>\n<summary>a &lt; b</summary>\n\n*c*\n\n</details>"
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("One\ntwo\n*three*.", "One two *three*."),
        ("1\\. is no list, nor \\# this", "1\\. is no list, nor # this"),
        ("\\# this", "\\# this"),
        ("a **b** `c*d` ``e`f``", "a **b** `c*d` ``e`f``"),
        ("$a_1$ and $x < y$", "$a_1$ and $x < y$"),
        ("> A quotation\n> of *two* lines", "> A quotation of *two* lines"),
        ("> $$\n> a\n> = b\n> $$", "> $$a = b$$"),
        ("$$\na\n= b\n$$", "$$\na\n= b\n$$"),
        (
            "\\begin{align}\na &= b \\\\\nc &= d\n\\end{align}",
            "$$\n\\begin{aligned}\na &= b \\\\\nc &= d\n\\end{aligned}"
            " \\tag{1}\n$$",
        ),
        (
            "$$\na\n$$ (eq-a)\n\nSee {eq}`eq-a`.",
            "$$\na \\tag{1}\n$$\n\nSee (1).",
        ),
        ("- a\n- b\n", "- a\n- b"),
        ("- a\n\n  b\n- c\n", "- a\n\n  b\n\n- c"),
        (
            "1. a\n   - b\n     1. c\n\n        ```\n        d\n"
            "        ```\n2. e\n",
            "1. a\n\n   - b\n\n     1. c\n\n        ```\n        d\n"
            "        ```\n\n2. e",
        ),
        ("3. a\n4. b\n", "3. a\n4. b"),
        ("- $$\n  a\n  + b\n  $$\n", "- $$a + b$$"),
        ("word\n: what it means\n", "**word**\n\nwhat it means"),
        (
            "| a | b |\n| --- | --- |\n| $\\|x\\|$ or \\| | `c\\|d` |\n",
            "| a | b |\n| --- | --- |\n| $\\vert x\\vert$ or \\| | `c\\|d` |",
        ),
        (
            ":::{admonition} Take *care*\nOf this.\n:::",
            "> **Take *care***\n>\n> Of this.",
        ),
        (":::{note}\nThis.\n:::", "> **Note**\n>\n> This."),
        ("```{code-block} text\na\n\tb\n```", "```text\na\n\tb\n```"),
        ("a^b\n\n---\n\n% unseen\n\nc", "a^b\n\nc"),
        ("[a](https://a.b/c_d)", "[a](https://a.b/c_d)"),
        ("[a](#tiny)", "a"),
        ("<kbd>Esc</kbd> key", "<kbd>Esc</kbd> key"),
        ("{.eyebrow}\nSmall.", "*Small. 5 minutes of reading.*"),
    ],
)
def test_each_kind_of_block_has_its_markdown(
    book: TinyBook, text: str, wanted: str
) -> None:
    assert written(book, text) == wanted


def test_a_wide_table_keeps_all_its_cells(book: TinyBook) -> None:
    head = "| " + " | ".join(f"h{n}" for n in range(12)) + " |"
    rule = "| " + " | ".join(["---"] * 12) + " |"
    text = written(book, f"{head}\n{rule}\n{head}\n")
    assert text == f"{head}\n{rule}\n{head}"


def test_a_table_without_a_head_gets_an_empty_one(book: TinyBook) -> None:
    text = written(book, ":::{list-table}\n* - a\n  - b\n* - c\n  - d\n:::")
    assert text == "|  |  |\n| --- | --- |\n| a | b |\n| c | d |"


def test_what_cannot_be_written_stops_the_build(book: TinyBook) -> None:
    with pytest.raises(BookError, match=r"index\.md:\d+: .* 'glossary'"):
        written(book, ":::{glossary}\nword\n: what it means\n:::")


def test_a_plot_whose_size_is_in_points_becomes_a_picture() -> None:
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="30.5pt" '
        'height="20.25pt" viewBox="0 0 30.5 20.25">'
        '<rect width="10" height="10"/></svg>'
    )
    assert drawn(svg).startswith(b"\x89PNG")


def test_a_drawing_has_the_font_that_its_boxes_were_measured_for() -> None:
    def ink(family: str) -> int:
        svg = (
            '<svg xmlns="http://www.w3.org/2000/svg" width="200" height="20" '
            f'viewBox="0 0 200 20"><text y="15" font-family="{family}">'
            "mmmmmmmmmm</text></svg>"
        )
        picture = plt.imread(BytesIO(drawn(svg)))
        (used,) = np.nonzero((picture != picture[0, -1]).any(axis=(0, 2)))
        return int(used.max())

    asked = ink("Source Sans 3, 'DejaVu Sans', sans-serif")
    assert asked == ink("sans-serif") < 0.9 * ink("DejaVu Sans")
