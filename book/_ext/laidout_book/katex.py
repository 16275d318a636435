"""Mathematics rendered while the book is built, by KaTeX in a small V8.

The reader's browser gets HTML and MathML; no script runs on the page.
"""

import json
import re
from functools import cache, lru_cache
from pathlib import Path

from docutils import nodes
from py_mini_racer import JSEvalException, MiniRacer
from sphinx.application import Sphinx
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

from laidout_book.errors import BookError, place_of

WORDS = re.compile(r"KaTeX.*")
NUMBERED = re.compile(r"\\(begin|end)\{(equation|align|alignat|gather)\}")
"""Environments that KaTeX would number itself; Sphinx does it already."""

KATEX = Path(__file__).parents[2] / "_static/vendor/katex/katex.min.js"


@lru_cache(maxsize=1)
def _engine() -> MiniRacer:
    """Start KaTeX once."""
    engine = MiniRacer()
    engine.eval(KATEX.read_text(encoding="utf-8"))
    return engine


@cache
def render(tex: str, display: bool) -> str:
    """Return the HTML of a formula.

    Raises:
        ValueError: with KaTeX's own words, if it cannot read the formula.
    """
    tex = NUMBERED.sub(r"\\\1{\2*}", tex)
    options = {"displayMode": display, "throwOnError": True, "strict": "error"}
    call = f"katex.renderToString({json.dumps(tex)}, {json.dumps(options)})"
    try:
        return str(_engine().eval(call))
    except JSEvalException as error:
        said = WORDS.search(str(error))
        raise ValueError(said[0] if said else str(error)) from None


def _render(node: nodes.Element, display: bool) -> str:
    try:
        return render(node.astext(), display)
    except ValueError as error:
        raise BookError(
            f"{place_of(node)}: {node.astext()!r}: {error}"
        ) from None


def visit_inline(self: HTML5Translator, node: nodes.math) -> None:
    """Write a formula that stands in a line."""
    self.body.append(_render(node, display=False))
    raise nodes.SkipNode


def visit_block(self: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula of its own, with its number if it has one."""
    self.body.append(
        self.starttag(node, "div", CLASS="math-display", tabindex="0")
    )
    self.body.append(_render(node, display=True))
    if node["number"]:
        number = get_node_equation_number(self, node)
        self.body.append(f'<span class="eqno">({number})</span>')
    self.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Register the renderer under the name `laidout`."""
    app.add_html_math_renderer(
        "laidout", (visit_inline, None), (visit_block, None)
    )
