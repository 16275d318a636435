"""Document nodes as Markdown that JupyterLab, VS Code and Colab agree on.

A block is written as its lines, an inline node as a piece of a line. What
there is no way to write stops the build, so that nothing is lost in silence.
"""

import html
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.builders import Builder
from sphinx.locale import admonitionlabels
from sphinx.util.math import get_node_equation_number

from laidout_book.errors import BookError, place_of
from laidout_book.nodes import drawing, source_link, summary, toggle
from laidout_book.notebook.pictures import address, file_address

SPECIAL = re.compile(
    r"([\\`*$~])"
    r"|(?<!\w)(_)|(_)(?!\w)"  # inside a word it is no emphasis
    r"|(\])(?=[(\[:])"  # otherwise it is no link
)
MARKUP = re.compile(r"<(?=[A-Za-z/!?])|&(?=#?\w+;)")
AT_START = re.compile(r"^(?:([#>+-])(?=\s|$)|(\d+)([.)])(?=\s|$))")
ROWS = re.compile(r"\\(begin|end)\{(align|gather|alignat)\*?\}")
ALONE = re.compile(r"\\(?:begin|end)\{(?:equation|multline)\*?\}")
PLAIN = {"ipython3": "python", "myst-ansi": "", "none": "", "default": ""}
ALIVE = "On the book's page this figure has controls to play with."
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

UNSEEN = (
    nodes.comment,
    nodes.meta,
    nodes.substitution_definition,
    nodes.target,
    nodes.transition,
    addnodes.index,
)
"""What no edition shows."""


def escape(text: str) -> str:
    """Write plain text so that nothing in it is taken for Markdown."""
    text = MARKUP.sub(lambda m: html.escape(m[0]), text)
    return SPECIAL.sub(lambda m: "\\" + m[0], text)


def quoted(text: str) -> str:
    """Write a text as a quotation."""
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def details(title: str, text: str) -> str:
    """Write a text that opens and closes; HTML needs the blank lines."""
    head = f"<details>\n<summary>{html.escape(title)}</summary>"
    return f"{head}\n\n{text}\n\n</details>"


def fenced(code: str, language: str = "") -> str:
    """Write code, in a fence that is longer than any in it."""
    runs = re.findall(r"^\s*(`{3,})", code, flags=re.M)
    fence = "`" * max([3, *(len(run) + 1 for run in runs)])
    return f"{fence}{language}\n{code.rstrip()}\n{fence}"


class Markdown:
    """Writes the nodes of one page."""

    def __init__(self, builder: Builder, docname: str) -> None:
        self.builder = builder
        self.docname = docname
        self.env = builder.env
        self.depth = 0
        self._inside = 0
        self._in_table = False

    # Blocks

    def blocks(self, children: Iterable[nodes.Node]) -> str:
        """Write blocks one after the other."""
        written = (self.block(child) for child in children)
        return "\n\n".join(text for text in written if text)

    def block(self, node: nodes.Node) -> str:
        """Write one block."""
        if isinstance(node, UNSEEN):
            return ""
        write = self._way(node, "block")
        if write is None:
            if isinstance(node, nodes.Text | nodes.Inline):
                return self.line([node])
            raise self._unknown(node)
        return write(node)

    def _way(self, node: nodes.Node, kind: str) -> Callable[[Any], str] | None:
        """Find what writes a node, or one of its kind."""
        for one in type(node).__mro__:
            way = getattr(self, f"_{kind}_{one.__name__}", None)
            if way is not None:
                return way  # type: ignore[no-any-return]
        return None

    def _unknown(self, node: nodes.Node) -> BookError:
        name = type(node).__name__
        return BookError(
            f"{place_of(node)}: the notebook edition has no way to write "
            f"{name!r}"
        )

    @contextmanager
    def _nested(self) -> Iterator[None]:
        """Write what stands in a list or a quotation: formulas in a line."""
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    def _block_paragraph(self, node: nodes.paragraph) -> str:
        text = AT_START.sub(
            lambda m: f"\\{m[1]}" if m[1] else f"{m[2]}\\{m[3]}",
            self.line(node.children),
        )
        return f"*{text}*" if "eyebrow" in node["classes"] else text

    def _block_rubric(self, node: nodes.rubric) -> str:
        return f"**{self.line(node.children)}**"

    def _inner(self, node: nodes.Element) -> str:
        return self.blocks(node.children)

    _block_compound = _block_legend = _block_toggle_body = _inner
    _block_definition = _inner

    def _block_container(self, node: nodes.container) -> str:
        rest = [child for child in node.children if not _names(child)]
        if len(rest) == len(node.children):
            return self.blocks(rest)
        return f"{self.caption(node, 'code-block')}\n\n{self.blocks(rest)}"

    def _block_literal_block(self, node: nodes.literal_block) -> str:
        language = node.get("language", "")
        return fenced(node.astext(), PLAIN.get(language, language))

    _block_doctest_block = _block_literal_block

    def _block_math_block(self, node: nodes.math_block) -> str:
        tex = ALONE.sub("", ROWS.sub(r"\\\1{\2ed}", node.astext())).strip()
        tex = re.sub(r"\n\s*\n", "\n", tex)
        if node.get("number"):
            number = get_node_equation_number(self, node)  # type: ignore[arg-type]
            tex += rf" \tag{{{number}}}"
        if self._inside:
            return f"$${' '.join(tex.split())}$$"
        return f"$$\n{tex}\n$$"

    def _block_block_quote(self, node: nodes.block_quote) -> str:
        with self._nested():
            return quoted(self.blocks(node.children))

    def _block_attribution(self, node: nodes.attribution) -> str:
        text = self.line(node.children)
        paper = "paper-quote" in node.parent["classes"]
        return f"*Attention Is All You Need*, {text}" if paper else text

    def _block_bullet_list(self, node: nodes.bullet_list) -> str:
        return self._items(node, ["-"] * len(node))

    def _block_enumerated_list(self, node: nodes.enumerated_list) -> str:
        first = node.get("start", 1)
        return self._items(
            node, [f"{first + place}." for place in range(len(node))]
        )

    def _items(self, node: nodes.Element, marks: list[str]) -> str:
        with self._nested():
            texts = [self.blocks(item.children) for item in node.children]
        items = []
        for mark, text in zip(marks, texts, strict=True):
            pad = " " * (len(mark) + 1)
            lines = text.replace("\n", f"\n{pad}")
            items.append(re.sub(r"[ ]+$", "", f"{mark} {lines}", flags=re.M))
        apart = any("\n\n" in text for text in texts)
        return ("\n\n" if apart else "\n").join(items)

    def _block_definition_list(self, node: nodes.definition_list) -> str:
        return self.blocks(
            part for item in node.children for part in item.children
        )

    def _block_term(self, node: nodes.term) -> str:
        return f"**{self.line(node.children)}**"

    def _block_Admonition(self, node: nodes.Element) -> str:  # noqa: N802
        children = list(node.children)
        name = str(admonitionlabels.get(type(node).__name__, ""))
        if children and isinstance(children[0], nodes.title):
            name = self.line(children.pop(0).children)
        with self._nested():
            body = self.blocks(children)
        return quoted(f"**{name}**\n\n{body}" if name else body)

    _block_topic = _block_sidebar = _block_Admonition

    def _block_block(self, node: nodes.Element) -> str:
        if "quiz" in node["classes"]:
            return self._quiz(node)
        return self.blocks(node.children)

    def _quiz(self, node: nodes.Element) -> str:
        """Write the choices as a list, the replies behind it."""
        question, *choices = node.children
        parts = [f"**{self.line(question.children)}**", ""]
        replies = []
        for letter, choice in zip(LETTERS, choices, strict=False):
            title, body = choice.children
            parts.append(f"- **{letter}.** {self.line(title.children)}")
            verdict, *reply = body.children
            says = f"{self.block(verdict)} {self.blocks(reply)}"
            replies.append(details(f"Reply to {letter}", says))
        return "\n".join(parts) + "\n\n" + "\n\n".join(replies)

    def _block_toggle(self, node: toggle) -> str:
        title, body = node.children
        assert isinstance(title, summary)
        text = self.blocks(body.children)
        if "faq" in node["classes"]:
            # A summary is HTML, where formulas and code are not read.
            return f"{self.heading(title, 1)}\n\n{text}"
        return details(title.astext(), text)

    def heading(self, node: nodes.Element, deeper: int = 0) -> str:
        """Write a heading at the depth of the section it stands in."""
        level = min(max(self.depth + deeper, 1), 6)
        if self._inside:
            return f"**{self.line(node.children)}**"
        return f"{'#' * level} {self.line(node.children)}"

    def _block_footnote(self, node: nodes.footnote) -> str:
        label, *body = node.children
        return f"<sup>{label.astext()}</sup> {self.blocks(body)}"

    def _block_raw(self, node: nodes.raw) -> str:
        return self._inline_raw(node)

    # Figures and tables

    def caption(self, node: nodes.Element, kind: str = "figure") -> str:
        """Write the caption of a figure, table or listing, numbered."""
        found = next((c for c in node.children if _names(c)), None)
        text = self.line(found.children) if found is not None else ""
        number = self.number(node, kind)
        return " ".join(
            filter(None, [f"**{number}.**" if number else "", text])
        )

    def number(self, node: nodes.Element, kind: str = "figure") -> str:
        """Return the number of a figure, table or listing: "Figure 3"."""
        numbers = self.env.toc_fignumbers.get(self.docname, {}).get(kind, {})
        found = [numbers[i] for i in node["ids"] if i in numbers]
        if not found:
            return ""
        form = str(self.env.config.numfig_format[kind])
        return form % ".".join(map(str, found[0]))

    def _block_figure(self, node: nodes.figure) -> str:
        rest = [c for c in node.children if not _names(c)]
        parts = [self.blocks(rest[:1]), self.caption(node)]
        return "\n\n".join(filter(None, [*parts, self.blocks(rest[1:])]))

    def _block_drawing(self, node: drawing) -> str:
        picture = self._picture(node["alt"], address(node["print"]))
        return f"{picture}\n\n*{ALIVE}*" if node.get("element") else picture

    def _block_image(self, node: nodes.image) -> str:
        path = Path(self.env.srcdir, node["uri"])
        return self._picture(node.get("alt", ""), file_address(path))

    _inline_image = _block_image

    def _picture(self, alt: str, where: str) -> str:
        says = re.sub(r"[\[\]]", r"\\\g<0>", escape(" ".join(alt.split())))
        return f"![{says}]({where})"

    def _block_table(self, node: nodes.table) -> str:
        caption = self.caption(node, "table")
        rows = [list(row.children) for row in node.findall(nodes.row)]
        if not any(node.findall(nodes.thead)):
            rows.insert(0, [])
        wide = max(map(len, rows))
        self._in_table = True
        lines = [self._row(row, wide) for row in rows]
        self._in_table = False
        lines.insert(1, "| " + " | ".join(["---"] * wide) + " |")
        return "\n\n".join(filter(None, [caption, "\n".join(lines)]))

    def _row(self, entries: list[nodes.Node], wide: int) -> str:
        with self._nested():
            texts = [self.blocks(entry.children) for entry in entries]
        texts += [""] * (wide - len(texts))
        cells = (re.sub(r"\n+", "<br>", text) for text in texts)
        return "| " + " | ".join(cells) + " |"

    # Pieces of a line

    def line(self, children: Iterable[nodes.Node]) -> str:
        """Write inline nodes as one line."""
        text = "".join(self._inline(child) for child in children)
        return re.sub(r"\s*\n\s*", " ", text).strip()

    def _inline(self, node: nodes.Node) -> str:
        if isinstance(node, UNSEEN):
            return ""
        write = self._way(node, "inline")
        if write is None:
            raise self._unknown(node)
        return write(node)

    def _pieces(self, node: nodes.Element) -> str:
        return "".join(self._inline(child) for child in node.children)

    _inline_inline = _inline_title_reference = _inline_abbreviation = _pieces
    _inline_literal_emphasis = _inline_literal_strong = _pieces

    def _inline_Text(self, node: nodes.Text) -> str:  # noqa: N802
        text = escape(node.astext())
        return text.replace("|", r"\|") if self._in_table else text

    def _marked(self, node: nodes.Element, mark: str) -> str:
        """Put marks around a text, blanks outside of them."""
        text = self._pieces(node)
        bare = text.strip()
        return text.replace(bare, f"{mark}{bare}{mark}") if bare else text

    def _inline_emphasis(self, node: nodes.emphasis) -> str:
        return self._marked(node, "*")

    def _inline_strong(self, node: nodes.strong) -> str:
        return self._marked(node, "**")

    def _inline_subscript(self, node: nodes.subscript) -> str:
        return f"<sub>{self._pieces(node)}</sub>"

    def _inline_superscript(self, node: nodes.superscript) -> str:
        return f"<sup>{self._pieces(node)}</sup>"

    def _inline_literal(self, node: nodes.literal) -> str:
        text = " ".join(node.astext().split("\n"))
        if self._in_table:
            text = text.replace("|", r"\|")
        fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
        space = " " if text.startswith("`") or text.endswith("`") else ""
        return f"{fence}{space}{text}{space}{fence}"

    def _inline_math(self, node: nodes.math) -> str:
        tex = " ".join(node.astext().split())
        if self._in_table:
            tex = tex.replace(r"\|", r"\Vert ").replace("|", r"\vert ")
        return f"${tex.strip()}$"

    def _inline_footnote_reference(
        self, node: nodes.footnote_reference
    ) -> str:
        return f"<sup>{node.astext()}</sup>"

    def _inline_reference(self, node: nodes.reference) -> str:
        """Write a link; a place in this notebook is named by its words."""
        text, where = self._pieces(node), node.get("refuri", "")
        if ".ipynb" in where:
            where = where.partition("#")[0]
        if not where or where.startswith("#"):
            return text
        return f"[{text}]({where})"

    def _inline_source_link(self, node: source_link) -> str:
        page = f"source/{node['module'].replace('.', '/')}"
        where = self.builder.get_target_uri(page)
        text = self._pieces(node)
        return f"[{text}]({where}#line-{node['line']})" if where else text

    def _inline_raw(self, node: nodes.raw) -> str:
        return node.astext() if "html" in node["format"].split() else ""


def _names(node: nodes.Node) -> bool:
    """Say if a node is the caption of what holds it."""
    return isinstance(node, nodes.caption | nodes.title)
