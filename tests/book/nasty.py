"""A small book that has whatever breaks pages, boxes and lines."""

from pathlib import Path
from typing import Any

import pytest
from book.tiny import BOOK, FRONT, Built, TinyBook, cell

import figures

MASKS = ("masks-padding", "masks-causal")
AT_THE_FOOT = "loss-shift-targets"
TORCH = str(BOOK / "_inventories/torch.inv")
SETTINGS: dict[str, Any] = {
    "project": "Nasty",
    "author": "nobody & sons",
    "release": "0.0_1",
    "extensions": [
        "myst_nb",
        "sphinx.ext.intersphinx",
        "sphinxcontrib.bibtex",
        "laidout_book",
    ],
    "bibtex_bibfiles": ["some.bib"],
    "bibtex_reference_style": "author_year",
    "bibtex_default_style": "laidout",
    "intersphinx_mapping": {
        "torch": ("https://docs.pytorch.org/docs/stable/", (TORCH,))
    },
    "intersphinx_disabled_reftypes": ["std:*"],
    "laidout_package": str(BOOK.parent / "src" / "laidout"),
    "laidout_roots": [".", str(BOOK), str(BOOK.parent / "src")],
    "laidout_subtitle": "100 % of what breaks_things",
    "latex_documents": [
        ("index", "nasty.tex", "A Nasty & Small Book", "nobody", "manual")
    ],
    "latex_show_urls": "footnote",
    "myst_enable_extensions": [
        "amsmath",
        "attrs_block",
        "attrs_inline",
        "colon_fence",
        "deflist",
        "dollarmath",
        "smartquotes",
    ],
    "myst_heading_anchors": 3,
    "nb_execution_mode": "cache",
    "nb_execution_raise_on_error": True,
    "nb_merge_streams": True,
    "numfig_secnum_depth": 0,
    "numfig_format": {"code-block": "Listing %s", "figure": "Figure %s"},
}

INDEX = """\
# A Nasty & Small Book

Words of welcome, and [a button](one/boxes.md){.start}.

```{toctree}
:hidden:
:caption: First & foremost

one/boxes
one/lines
one/waits
one/feet
```

```{toctree}
:hidden:
:caption: At the back

back/questions
back/references
```
"""

PICTURE = """\
```{drawing} example_nasty.tower
:alt: A tower of forty boxes.
:name: fig-NAME
Where the tower of NAME stands, with $d_k$ in its caption and `code_in_it`.
```
"""

FIGURES = """\
from figures.canvas import Box, Canvas


def tower():
    sheet = Canvas()
    for floor in range(40):
        sheet.box(Box(10, 10 + 24 * floor, 90, 20), f"floor {floor}")
    return sheet.drawing()


def hut():
    sheet = Canvas()
    sheet.box(Box(10, 10, 90, 20), "−∞, √2 and ∇")
    return sheet.drawing()
"""

HUT = PICTURE.replace("tower\n", "hut\n")

LONG_WORDS = "a_name_that_never_ends_" * 9
LONG_LINE = "total = " + " + ".join(f"number_{n}" for n in range(40))
TABBED = "if tabs:\n\tprint('one')\n\tif more:\n\t\tprint('two')"

PAPER = """\
We suspect that for large values of $d_k$, the dot products grow large in
magnitude[^note].
"""

BOXES = f"""\
# Boxes with $\\sqrt{{d_k}}$ and `code_in_a_title`

{{.eyebrow}}
An eyebrow.

{{.lead}}
How nasty can a page be?

Two exercises, one after the other.

:::{{exercise}} {MASKS[0]}
:::

:::{{exercise}} {MASKS[1]}
Its body has a figure.

{HUT.replace("NAME", "exercise")}
The last words of the body.
:::

:::{{paper}} 3.2.1
{PAPER}:::

[^note]: The footnote of the quotation stands at the foot of the page.

{PICTURE.replace("NAME", "tower")}

:::{{faq}} Why is {{py:class}}`torch.nn.Linear` linked, and $x^2$ set?
{"Because the answer is long. " * 40}

```python
{LONG_LINE}
```

The last words of the first answer.
:::

:::{{faq}} What is at <https://example.org/a_path/with_underscores>?
Nothing at all.[^second] {HUT.replace("NAME", "answer").join((chr(10), ""))}
:::

[^second]: A note in an answer.

:::{{quiz}} Which box breaks over pages?
- [ ] None with `code`

  This reply has a figure.

  {HUT.replace("NAME", "reply").replace(chr(10), chr(10) + "  ")}
- [x] One that is long, with $e^{{-\\infty}}$

  The last words of the right reply.
:::

```{{admonition}} Paper, our code, today
The paper
: says nothing.

Our code
: {"says a lot. " * 30}
```
"""

FILLING = "\n\n".join(
    f"Filling {n}. {'Much is said before a figure comes. ' * 12}"
    for n in range(4)
)


def words_after(name: str) -> str:
    """Write more text than a page has."""
    return "\n\n".join(
        f"After {name}, words {n}. {'Much is said of a figure. ' * 12}"
        for n in range(12)
    )


WAITS = f"""\
# Figures that wait

{FILLING}

{PICTURE.replace("NAME", "patience")}
{words_after("patience")}

## No figure passes a heading

{FILLING.replace("Filling", "More filling")}

Here is what has been announced:

{PICTURE.replace("NAME", "haste")}
{words_after("haste")}

{FILLING.replace("Filling", "Even more filling")}

{PICTURE.replace("NAME", "notes").replace("_it`.", "_it`.[^third]")}

[^third]: A note of a caption.

This comes after the figure that has a note.

{FILLING.replace("Filling", "Still more filling")}

{PICTURE.replace("NAME", "courtesy")}
This announces some code:

```python
announced_code = 1
```

## Nor does a list lose one

1. This item has a figure of its own.

   {HUT.replace("NAME", "the item").replace(chr(10), chr(10) + "   ")}
2. This one has none.

::::{{steps}} Two steps
{HUT.replace("NAME", "one step")}
{HUT.replace("NAME", "the other step")}
::::

::::{{steps}} More steps than a page has room for
{PICTURE.replace("NAME", "the tall step")}
{PICTURE.replace("NAME", "the second tall step")}
{PICTURE.replace("NAME", "the third tall step")}
::::

```{{code-block}} python
:caption: asked_for.py
:name: asked-for
asked_for = 1
```

```{{code-block}} python
:caption: not_asked_for.py
:name: not-asked-for
not_asked_for = 2
```

Of these two, the text has only {{numref}}`asked-for`.

{PICTURE.replace("NAME", "the end")}
"""


def nearly_full(name: str, lines: int) -> str:
    """Write a page that has room for so many lines."""
    space = rf"\dimexpr\pagegoal-\pagetotal-{lines}\baselineskip\relax"
    begin, end = r"\newpage", rf"\par\vspace{{{space}}}"
    raw = "```{{raw}} latex\n{}\n```\n"
    return f"{raw.format(begin)}\nBefore {name}.\n\n{raw.format(end)}"


FEET = f"""\
{FRONT}# What begins at the foot of a page

{nearly_full("a note", 7)}
```{{admonition}} A note at the foot
The paper
: {"says more than fits. " * 60}
```

{nearly_full("an exercise", 8)}
:::{{exercise}} {AT_THE_FOOT}
:::

{nearly_full("a listing", 7)}
```{{code-block}} python
:caption: at_the_foot.py
{"".join(f"at_the_foot_{n} = {n}{chr(10)}" for n in range(8))}
```

{nearly_full("code that prints", 6)}
{cell("for n in range(1, 6):" + chr(10) + "    print('foot', n)")}

{nearly_full("a question", 3)}
:::{{faq}} What stands at the foot?
{"An answer that is longer than what is left of the page. " * 9}
:::
"""

WIDE = (
    "| "
    + " | ".join(f"a wide column, the {n}th" for n in range(9))
    + " |\n|"
    + " --- |" * 9
    + "\n| "
    + " | ".join(f"`scaled_dot_product_{n}`" for n in range(9))
    + " |\n"
)

DEEP = "".join(f"{'  ' * n}- level {n} of a deep list\n" for n in range(5))

LINES = f"""\
{FRONT}# Long lines

See [boxes](boxes.md), {{numref}}`fig-tower`, {{cite:t}}`somebody2001` and
[a site](https://example.org/?a=b&c=d_e#f). A **term** of the index; its
name is {{py:func}}`torch.nn.functional.scaled_dot_product_attention`, and
{{py:func}}`laidout.masks.causal_mask` is drawn. Signs: − ∞ √ × → ≤ ∇ ∈ ✓.

## On the same page

The term once more.

```python
{LONG_LINE}
{LONG_WORDS} = "{"x" * 200}"

def after_a_gap(x):
    '''Docstring
    with an indented line.
    '''
    return x  # %, \\, {{}}, ~, ^ and $ are no commands
```

```python
{TABBED}
```

{WIDE}
{DEEP}
1. One

   ```python
   {LONG_LINE}
   ```

   - deeper

     ```python
     print("code in a list in a list")
     ```

{cell("for n in range(200):" + chr(10) + "    print('printed line', n)")}

$$
a = b
$$ (eq-nasty)

Equation {{eq}}`eq-nasty` stands above.
"""

BIB = """\
@article{somebody2001,
  title = {On {N}astiness},
  author = {Somebody, Some},
  journal = {Journal of Pages},
  year = {2001}
}
"""

QUESTIONS = "# All questions\n\n```{all-questions}\n```\n"
TERMS = """\
[terms]
term = {}
'100 % & a_sign, | @ "!"' = { words = ["signs"] }
"""
REFERENCES = "# References\n\nA word.\n\n```{bibliography}\n:all:\n```\n"


def nasty_book(folder: Path) -> TinyBook:
    """Write the book."""
    book = TinyBook(folder, **SETTINGS)
    book.settings["nb_execution_cache_path"] = str(folder / "executed")
    book.settings["exclude_patterns"] = ["figures"]
    return book.write(
        {
            "index.md": INDEX,
            "one/boxes.md": BOXES,
            "one/lines.md": LINES,
            "one/waits.md": WAITS,
            "one/feet.md": FEET,
            "back/questions.md": QUESTIONS,
            "back/references.md": REFERENCES,
            "index_terms.toml": TERMS,
            "some.bib": BIB,
            "figures/example_nasty.py": FIGURES,
        }
    )


def build_nasty_book(folder: Path, builder: str, **settings: Any) -> Built:
    """Build an edition of it; its figures lie beside the real ones."""
    book = nasty_book(folder)
    # What an edition needs comes on top of what the book has.
    more = [
        name
        for name in settings.pop("extensions", [])
        if name not in book.settings["extensions"]
    ]
    book.settings["extensions"] = [*more, *book.settings["extensions"]]
    book.settings |= settings
    with pytest.MonkeyPatch.context() as patch:
        paths = [*figures.__path__, str(book.source / "figures")]
        patch.setattr(figures, "__path__", paths)
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        return book.build(builder)
