"""Writes the book's nodes, and some of Sphinx's, as LaTeX."""

import re

from docutils import nodes
from sphinx.addnodes import number_reference
from sphinx.builders.latex import LaTeXBuilder
from sphinx.builders.latex.nodes import captioned_literal_block
from sphinx.builders.latex.theming import Theme
from sphinx.highlighting import PygmentsBridge
from sphinx.writers.latex import LaTeXTranslator

from laidout_book.drawing import chapters
from laidout_book.errors import BookError, place_of
from laidout_book.latex.code import PRINT_STYLE, listing
from laidout_book.latex.pictures import Picture, links_of
from laidout_book.latex.room import (
    code_of,
    first_lines,
    leads_on,
    prints,
    title_and_listing,
    waits,
)
from laidout_book.nodes import block

BOXES = ("exercise", "quiz", "steps")
UNUSUAL = re.compile(r"[\u0250-\u02af\u0370-\u1fff\u20d0-\U0010ffff]")
INSIDE_CODE = re.compile(r"(\\_|[.,/]|\((?=.{12}))(?=\w|\\_)")
SHORT = 1200
COLUMNS = 6
MATH_WORDS = {
    r"\sqrt": "√",
    r"\top": "ᵀ",
    r"\times": "×",
    r"\cdot": "·",
    r"\infty": "∞",
    r"\beta": "β",
    r"\alpha": "α",
    r"\epsilon": "ε",
    r"\le": "≤",
    r"\ge": "≥",
}


def plain_math(tex: str) -> str:
    """Say a short formula in letters, for the bookmarks."""
    for word, sign in MATH_WORDS.items():
        tex = re.sub(re.escape(word) + r"(?![a-zA-Z])\s*", sign, tex)
    tex = re.sub(r"\\[a-zA-Z]+\s*", "", tex)
    return re.sub(r"[\\{}$]", "", tex).strip()


class BookTranslator(LaTeXTranslator):
    """Sphinx's translator, which knows our boxes and sets our listings."""

    def __init__(
        self, document: nodes.document, builder: LaTeXBuilder, theme: Theme
    ) -> None:
        super().__init__(document, builder, theme)
        self.highlighter = PygmentsBridge(
            "latex", PRINT_STYLE, latex_engine="xelatex"
        )
        self.in_literal = 0

    # Pages and labels

    def label(self, node: nodes.Element) -> str:
        """Return the LaTeX label of a node's `docname` and `label`."""
        return str(self.idescape(f"{node['docname']}:{node['label']}"))

    def visit_part_page(self, node: nodes.Element) -> None:
        """Open the page of a part."""
        title = self.encode(node["title"])
        self.body.append(f"\n\\begin{{bookpart}}{{{title}}}\n")

    def depart_part_page(self, node: nodes.Element) -> None:
        """Close it."""
        self.body.append("\\end{bookpart}\n")

    def visit_contents_line(self, node: nodes.Element) -> None:
        """Open a line of a list of pages."""
        self.body.append(f"\n\\bookline{{{self.label(node)}}}{{")

    def depart_contents_line(self, node: nodes.Element) -> None:
        """Close it."""
        self.body.append("}\n")

    def visit_page_of(self, node: nodes.Element) -> None:
        """Write a linked page number."""
        words = node.astext().replace(" ", "~")
        label = self.label(node)
        link = rf"\hyperref[{label}]{{{words}\pageref*{{{label}}}}}"
        self.body.append(link)
        raise nodes.SkipNode

    def visit_anchor(self, node: nodes.Element) -> None:
        """Write the places of ids."""
        self.body.append(f"{self.hypertarget_to(node, anchor=True)}%\n")
        raise nodes.SkipNode

    def visit_appendix_start(self, node: nodes.Element) -> None:
        """Count chapters with letters from here on."""
        self.body.append("\n\\bookappendix\n")
        raise nodes.SkipNode

    def visit_title(self, node: nodes.Element) -> None:
        """Leave the number of a chapter out where it has none.

        A title stays with a listing that comes right after it.
        """
        room = title_and_listing(node)
        if room:
            self.body.append(f"\n\\bookneed{{{room:.0f}pt}}\n")
        unnumbered = node.parent.get("unnumbered")
        super().visit_title(node)
        if unnumbered and self.body[-1] == r"\chapter{":
            self.body[-1] = r"\bookchapter{"

    # Boxes

    def visit_block(self, node: nodes.Element) -> None:
        """Open a box of the book."""
        kind = _kind(node)
        self.body.append("\n\n")
        self.no_latex_floats += 1
        if kind == "exercise":
            self._open_exercise(node)
        elif kind == "steps":
            labels = self.hypertarget_to(node, anchor=bool(node["ids"]))
            self.body.append(
                f"\\begin{{booksteps}}{waits(node)}{{{labels}}}%\n"
            )
        elif kind:
            options = self._box_options(node)
            if len(node.astext()) < SHORT:
                options += ", unbreakable"
            self.body.append(
                f"\\begin{{savenotes}}\\begin{{book{kind}}}[{options}]%\n"
            )

    def _box_options(self, node: nodes.Element) -> str:
        """Let the links to a box arrive at its upper edge."""
        labels = self.hypertarget_to(node, anchor=True)
        return f"phantom={{{labels if node['ids'] else ''}}}"

    def _open_exercise(self, node: nodes.Element) -> None:
        """Put title and minutes into the head of the box."""
        head = node[0]
        parts: dict[bool, list[nodes.Node]] = {True: [], False: []}
        for child in head:
            inline = isinstance(child, nodes.inline)
            if not (inline and "box-kind" in child["classes"]):
                parts[inline].append(child)
        title, note = (self._written(parts[key]) for key in (False, True))
        node.remove(head)
        self.body.append(
            "\\begin{savenotes}\\begin{bookexercise}"
            f"[{self._box_options(node)}]{{{title.strip()}}}{{{note}}}%\n"
        )

    def _written(self, children: list[nodes.Node]) -> str:
        """Return what nodes look like in LaTeX."""
        self.pushbody([])
        for child in children:
            child.walkabout(self)
        return "".join(self.popbody())

    def depart_block(self, node: nodes.Element) -> None:
        """Close it."""
        kind = _kind(node)
        self.no_latex_floats -= 1
        if kind == "steps":
            self.body.append("\n\\end{booksteps}\n\n")
        elif kind:
            self.body.append(f"\n\\end{{book{kind}}}\\end{{savenotes}}\n\n")
        if kind == "quiz":
            after = node.next_node(descend=False, siblings=True)
            if isinstance(after, nodes.paragraph):
                self.body.append("\\bookafterquiz\n")

    def visit_elsewhere(self, node: nodes.Element) -> None:
        """Open the line with the pages of the rest."""
        self.body.append("\n\\bookelsewhere{")

    def depart_elsewhere(self, node: nodes.Element) -> None:
        """Close it."""
        self.body.append("}\n")

    def visit_toggle(self, node: nodes.Element) -> None:
        """Nothing is closed on paper."""

    def depart_toggle(self, node: nodes.Element) -> None:
        """Nothing is closed on paper."""
        self.body.append("\n\n")

    def visit_summary(self, node: nodes.Element) -> None:
        """Set the summary as a small heading, for links to arrive at."""
        labels = self.hypertarget_to(node.parent[1], anchor=True)
        self.body.append(f"\n\n\\bookquestion{{{labels}}}{{")

    def depart_summary(self, node: nodes.Element) -> None:
        """Close it."""
        self.body.append("}\n")

    def visit_toggle_body(self, node: nodes.Element) -> None:
        """Let the content speak for itself."""

    def depart_toggle_body(self, node: nodes.Element) -> None:
        """Let the content speak for itself."""

    def visit_block_quote(self, node: nodes.Element) -> None:
        """Open a quotation of the paper, or another one."""
        if "paper-quote" in node["classes"]:
            self.body.append("\n\\begin{savenotes}\\begin{bookpaper}\n")
        else:
            super().visit_block_quote(node)

    def depart_block_quote(self, node: nodes.Element) -> None:
        """Close it."""
        if "paper-quote" in node["classes"]:
            self.body.append("\n\\end{bookpaper}\\end{savenotes}\n")
        else:
            super().depart_block_quote(node)

    def visit_attribution(self, node: nodes.Element) -> None:
        """Say at the right where a quotation comes from."""
        self.body.append("\n\\bookattribution{")

    def depart_attribution(self, node: nodes.Element) -> None:
        """Close it."""
        self.body.append("}\n")

    def visit_admonition(self, node: nodes.Element) -> None:
        """Open a box whose first child is its title."""
        self.body.append("\n\\begin{savenotes}\\begin{booknote}")
        self.no_latex_floats += 1

    def depart_admonition(self, node: nodes.Element) -> None:
        """Close it."""
        self.body.append("\\end{booknote}\\end{savenotes}\n")
        self.no_latex_floats -= 1

    def visit_paragraph(self, node: nodes.Element) -> None:
        """Set the first lines of a chapter apart.

        No figure comes between one that ends in a colon and what it means.
        """
        if leads_on(node):
            self.body.append("\n\\bookflush\n")
        super().visit_paragraph(node)
        for name in _styles(node):
            self.body.append(f"\\book{name}{{")

    def depart_paragraph(self, node: nodes.Element) -> None:
        """Close it."""
        self.body.append("}" * len(_styles(node)))
        super().depart_paragraph(node)

    def visit_container(self, node: nodes.Element) -> None:
        """Classes of cells and their outputs say nothing on paper."""

    def depart_container(self, node: nodes.Element) -> None:
        """Classes of cells and their outputs say nothing on paper."""

    def visit_transition(self, node: nodes.Element) -> None:
        """Leave out the line above the notes: they are not here."""
        if "footnotes" in node["classes"]:
            raise nodes.SkipNode
        super().visit_transition(node)

    # Links

    def visit_web_reference(self, node: nodes.Element) -> None:
        """Link a name of PyTorch."""
        uri = self.encode_uri(node["refuri"])
        self.body.append(f"\\sphinxhref{{{uri}}}{{")

    def depart_web_reference(self, node: nodes.Element) -> None:
        """Close it."""
        self.body.append("}")

    def visit_source_link(self, node: nodes.Element) -> None:
        """Link a line of the package on the published site."""
        page = f"source/{node['module'].replace('.', '/')}"
        base = self.config.html_baseurl
        uri = self.encode_uri(f"{base}{page}.html#line-{node['line']}")
        self.body.append(f"\\sphinxhref{{{uri}}}{{" if base else "{")

    def depart_source_link(self, node: nodes.Element) -> None:
        """Close it."""
        self.body.append("}")

    def visit_reference(self, node: nodes.Element) -> None:
        """Give the page of what stands in another chapter."""
        super().visit_reference(node)
        target = node.get("refuri", "")
        if not (target.startswith("%") and self.context[-1] == "}}}"):
            return
        docname, _, found = target[1:].partition("#")
        label = self.idescape(f"{docname}:{found or ':doc'}")
        if _in_questions(node):
            self.context[-1] = rf"}}}}}}\bookdots{{{label}}}"
        elif docname != self.curfilestack[-1] and not _spares_page(node):
            self.context[-1] = rf"}}}}}}\bookpage{{{label}}}"

    def visit_number_reference(self, node: nodes.Element) -> None:
        """Write the number that the web edition has."""
        words = self.encode(node.astext()).replace(" ", "~", 1)
        place = self.idescape(self._place(node))
        self.body.append(rf"\hyperref[{place}]{{{words}}}")
        raise nodes.SkipNode

    def _place(self, node: nodes.Element) -> str:
        """Return where the reference to a number leads."""
        if node.get("refid"):
            return f"{self.curfilestack[-1]}:{node['refid']}"
        return str(node.get("refuri", ""))[1:].replace("#", ":")

    # Tables and lists

    def depart_table(self, node: nodes.Element) -> None:
        """Set a table of many columns small."""
        wide = self.table is not None and self.table.colcount > COLUMNS
        self.body.append("\n\n{\\footnotesize" if wide else "")
        super().depart_table(node)
        self.body.append("}\n" if wide else "")

    def visit_bullet_list(self, node: nodes.Element) -> None:
        """Open a list; the one of all questions has no bullets."""
        if "questions" in node["classes"]:
            self.body.append("\\begin{bookquestions}\n")
        else:
            super().visit_bullet_list(node)

    def depart_bullet_list(self, node: nodes.Element) -> None:
        """Close it."""
        if "questions" in node["classes"]:
            self.body.append("\\end{bookquestions}\n")
        else:
            super().depart_bullet_list(node)

    def visit_thebibliography(self, node: nodes.Element) -> None:
        """Open the references; their page has its own title."""
        self.body.append("\n\\begin{bookreferences}\n")

    def depart_thebibliography(self, node: nodes.Element) -> None:
        """Close them."""
        self.body.append("\\end{bookreferences}\n")

    def visit_citation(self, node: nodes.Element) -> None:
        """Set a reference behind its label."""
        place = f"{node['docname']}:{node['ids'][0]}"
        label = self.encode(node[0].astext())
        self.body.append(
            f"\n\\bookreference{{\\label{{{self.idescape(place)}}}}}"
            f"{{{label}}}"
        )

    def visit_citation_reference(self, node: nodes.Element) -> None:
        """Link a reference."""
        place = self.idescape(f"{node['docname']}:{node['refname']}")
        words = self.encode(node.astext())
        self.body.append(rf"\hyperref[{place}]{{{words}}}")
        raise nodes.SkipNode

    # Figures

    def visit_figure(self, node: nodes.Element) -> None:
        """Open a figure, with the number that the web edition has."""
        if _in_steps(node):
            self.body.append("\\begin{bookstep}%\n")
            self.context.append("\\end{bookstep}%\n")
            self.in_minipage += 1
        elif self._is_fixed(node):
            super().visit_figure(node)
        else:
            self.body.append(f"\n\\begin{{bookfigure}}{waits(node)}\n")
            if any(isinstance(child, nodes.caption) for child in node):
                self.body.append("\\capstart\n")
            self.context.append("\\end{bookfigure}\n")
        number = self._number("figure", node)
        if number:
            self.body.append(f"\\renewcommand\\thefigure{{{number}}}%\n")

    def depart_figure(self, node: nodes.Element) -> None:
        """Close it."""
        super().depart_figure(node)
        if _in_steps(node):
            self.in_minipage -= 1

    def _is_fixed(self, node: nodes.Element) -> bool:
        """Say if a figure belongs to a box, a table, or beside the text."""
        beside = node.get("align") in ("left", "right")
        return bool(beside or self.table or self._in_box(node))

    def _number(self, kind: str, node: nodes.Element) -> str:
        """Return the number of a figure or a listing."""
        pages = self.builder.env.toc_fignumbers
        known = pages.get(self.curfilestack[-1], {}).get(kind, {})
        for name in node["ids"]:
            if name in known:
                return ".".join(map(str, known[name]))
        return ""

    def visit_drawing(self, node: nodes.Element) -> None:
        """Place a drawing; one for paper in its own size, with its links."""
        if not hasattr(self.builder, "pictures"):
            self.body.append(self.encode(node["alt"]))
            raise nodes.SkipNode
        svg = node.get("paper", node["print"])
        try:
            picture: Picture = self.builder.pictures.place(svg)
        except BookError as error:
            raise BookError(f"{place_of(node)}: {error}") from None
        if "paper" in node:
            pages = chapters(self.builder.env)
            links = [
                one.latex(self.idescape(f"{pages[one.chapter]}::doc"))
                for one in links_of(svg)
            ]
            self.body.append(picture.latex("".join(links)))
            raise nodes.SkipNode
        width, _ = picture.fitted()
        self.body.append(f"\\bookpicture{{{width:.2f}bp}}{{{picture.name}}}\n")
        raise nodes.SkipNode

    # Code and signs

    def visit_literal_block(self, node: nodes.Element) -> None:
        """Set code and output, line by line."""
        parsed = node.rawsource != node.astext()
        if parsed or self.in_footnote or self.table:
            super().visit_literal_block(node)
            return
        self.body.append(self._head_of(node))
        lang = node.get("language", "default")
        options = dict(node.get("highlight_args", {}))
        options.pop("hl_lines", None)
        options.pop("linenostart", None)
        text = code_of(node)
        marked = self.highlighter.highlight_block(
            text,
            lang,
            opts=self.config.highlight_options.get(lang, {}),
            force=node.get("force", False),
            location=node,
            nowrap=True,
        )
        printed = _is_output(node)
        kind = "output" if printed else "code"
        inside = "in" if self._in_box(node) else ""
        lines = node.get("index", "") + _with_signs(
            listing(text, marked, printed)
        )
        self.body.append(
            f"{self._prints(node)}\\begin{{book{kind}{inside}}}\n{lines}%\n"
            f"\\end{{book{kind}{inside}}}\n"
        )
        raise nodes.SkipNode

    def _prints(self, node: nodes.Element) -> str:
        """Write how high code is and the little that it prints."""
        high, room = prints(node)
        return (
            f"\\bookprints{{{high:.0f}pt}}{{{room:.0f}pt}}%\n" if room else ""
        )

    def _head_of(self, node: nodes.Element) -> str:
        """Write the labels and the caption that stand above a listing."""
        labels = self.hypertarget_to(node)
        wrapper = node.parent
        if not isinstance(wrapper, captioned_literal_block):
            return f"\n\n{labels and chr(92) + 'phantomsection' + labels}"
        labels += self.hypertarget_to(wrapper)
        captions = [c for c in wrapper if isinstance(c, nodes.caption)]
        words = self._written(list(captions[0].children)) if captions else ""
        name = self._listing_name(wrapper)
        return (
            f"\n\n\\booklisting{{{labels}}}{{{name}}}{{{words}}}"
            f"{{{first_lines(node):.0f}pt}}\n"
        )

    def _listing_name(self, wrapper: nodes.Element) -> str:
        """Return the number of a listing that the text refers to by it."""
        places = {f"{self.curfilestack[-1]}:{name}" for name in wrapper["ids"]}
        asked = self.document.findall(number_reference)
        number = self._number("code-block", wrapper)
        if not number or not any(self._place(one) in places for one in asked):
            return ""
        title = self.config.numfig_format.get("code-block", "Listing %s")
        return str(title % number)

    def visit_caption(self, node: nodes.Element) -> None:
        """Write a caption; that of a listing is written with its code."""
        if isinstance(node.parent, captioned_literal_block):
            raise nodes.SkipNode
        super().visit_caption(node)

    def _in_box(self, node: nodes.Element) -> bool:
        """Say if a listing stands in a box, which it has to break with."""
        at: nodes.Node | None = node.parent
        while at is not None:
            if isinstance(at, nodes.Admonition | nodes.block_quote):
                return True
            if isinstance(at, block) and _kind(at):
                return True
            at = at.parent
        return False

    def visit_literal(self, node: nodes.Element) -> None:
        """Set code in a line, which may break after a dot or a dash."""
        super().visit_literal(node)
        self.in_literal += 1

    def depart_literal(self, node: nodes.Element) -> None:
        """Close it."""
        self.in_literal -= 1
        super().depart_literal(node)

    def visit_math(self, node: nodes.Element) -> None:
        """Set a formula; a bookmark gets it in letters."""
        if not self.in_title:
            super().visit_math(node)
        tex = rf"\protect\({node.astext()}\protect\)"
        letters = self.escape(plain_math(node.astext()))
        self.body.append(rf"\texorpdfstring{{{tex}}}{{{letters}}}")
        raise nodes.SkipNode

    def visit_Text(self, node: nodes.Text) -> None:  # noqa: N802
        """Write text; a sign that the font may lack asks the font first."""
        text = self.encode(node.astext())
        if self.in_literal and not self.in_title:
            text = INSIDE_CODE.sub(r"\1\\bookbreak{}", text)
        self.body.append(_with_signs(text, title=bool(self.in_title)))


def _kind(node: nodes.Element) -> str:
    """Return which box a block is, or nothing."""
    return next((name for name in BOXES if name in node["classes"]), "")


def _styles(node: nodes.Element) -> list[str]:
    """Return the styles that a paragraph asks for."""
    known = ("eyebrow", "lead", "quiz-question", "steps-title")
    return [c.replace("-", "") for c in node["classes"] if c in known]


def _in_steps(node: nodes.Element) -> bool:
    return isinstance(node.parent, block) and _kind(node.parent) == "steps"


def _in_questions(node: nodes.Element) -> bool:
    """Say if a link is a line of the page of all questions."""
    at: nodes.Node | None = node.parent
    for _ in range(3):
        if at is None or isinstance(at, nodes.bullet_list):
            break
        at = at.parent
    return isinstance(at, nodes.bullet_list) and "questions" in at["classes"]


def _spares_page(node: nodes.Element) -> bool:
    """Say if a link goes without a page: code, and references."""
    code = any(isinstance(child, nodes.literal) for child in node)
    at = node.parent
    return code or isinstance(at, nodes.rubric | nodes.title | nodes.inline)


def _is_output(node: nodes.Element) -> bool:
    at: nodes.Node | None = node.parent
    while isinstance(at, nodes.container):
        if "cell_output" in at["classes"]:
            return True
        at = at.parent
    return False


def _with_signs(text: str, title: bool = False) -> str:
    """Let TeX look for a font that has an unusual sign."""

    def sign(found: re.Match[str]) -> str:
        asked = f"\\booksign{{{ord(found[0]):X}}}"
        if title:
            return f"\\texorpdfstring{{{asked}}}{{{found[0]}}}"
        return asked

    return UNUSUAL.sub(sign, text)
