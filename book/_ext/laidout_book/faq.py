"""`{faq} question`: a reader's question, and the page of all of them.

In HTML the search finds questions by their words, and each chapter's last
question is followed by a link to the page of all of them.
"""

from dataclasses import dataclass
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

from laidout_book.errors import stop
from laidout_book.nodes import make_toggle, toggle


class all_questions(nodes.General, nodes.Element):  # noqa: N801
    """Where the list of all questions goes."""


@dataclass(frozen=True)
class Question:
    """A reader's question: where its answer is, its words, as nodes too."""

    node_id: str
    text: str
    title: list[nodes.Node]

    @property
    def plain(self) -> str:
        """The words as a reader sees them."""
        return "".join(node.astext() for node in self.title)


def questions(env: BuildEnvironment) -> dict[str, list[Question]]:
    """Return every question, by page."""
    if not hasattr(env, "laidout_questions"):
        env.laidout_questions = {}  # type: ignore[attr-defined]
    found: dict[str, list[Question]] = env.laidout_questions  # type: ignore[attr-defined]
    return found


class Faq(SphinxDirective):
    """A question with a toggled answer."""

    has_content = True
    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Build the toggle and remember the question."""
        question = " ".join(self.arguments[0].split())
        if not question.endswith("?"):
            raise stop(self, f"expected a question, got {question!r}")
        if not self.content:
            raise stop(self, f"expected an answer to {question!r}")
        node_id = nodes.make_id(f"faq-{question}")
        page = questions(self.env).setdefault(self.env.docname, [])
        if any(known.node_id == node_id for known in page):
            raise stop(self, f"{question!r} is asked twice on this page")
        title, messages = self.parse_inline(question)
        page.append(Question(node_id, question, _copies(title)))
        answer = self.parse_content_to_nodes()
        node = make_toggle(title, answer, ["faq"], [node_id])
        self.set_source_info(node)
        return [node, *messages]


class AllQuestions(SphinxDirective):
    """The list of all questions of the book, by chapter."""

    def run(self) -> list[nodes.Node]:
        """Leave a mark that is filled when every page has been read.

        The page is read in every build, for any page may have changed; so
        the audit, which follows a reading, runs in every build too.
        """
        self.env.note_reread()
        self.env.laidout_questions_page = self.env.docname  # type: ignore[attr-defined]
        return [all_questions()]


def _fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put the links to all questions where they go, in reading order."""
    for mark in list(doctree.findall(all_questions)):
        filled: list[nodes.Node] = []
        for page, asked in _by_chapter(app.env):
            filled += _chapter(app, docname, page, asked)
        mark.replace_self(filled)


def _by_chapter(env: BuildEnvironment) -> list[tuple[str, list[Question]]]:
    """Return the pages that answer questions, in reading order, with them."""
    asked = questions(env)
    return [
        (page, asked[page]) for page in reading_order(env) if page in asked
    ]


def reading_order(env: BuildEnvironment) -> list[str]:
    """Return all pages in the order of the table of contents."""
    order: list[str] = []
    stack = [env.config.root_doc]
    while stack:
        page = stack.pop()
        if page not in order:
            order.append(page)
            stack += reversed(env.toctree_includes.get(page, []))
    return order


def _chapter(
    app: Sphinx, here: str, page: str, asked: list[Question]
) -> list[nodes.Node]:
    """List one chapter's questions under its title.

    A web page has sections, which have addresses. The search knows the
    questions themselves, so it need not find this list of them.
    """
    uri = app.builder.get_relative_uri(here, page)
    title = _link(uri, [nodes.Text(app.env.titles[page].astext())])
    rows = nodes.bullet_list(classes=["questions"])
    for question in asked:
        link = _link(f"{uri}#{question.node_id}", _copies(question.title))
        row = addnodes.compact_paragraph("", "", link)
        rows += nodes.list_item("", row)
    if app.builder.format != "html":
        head = nodes.rubric("", "", title, **{"heading-level": 2})
        return [head, rows]
    head = nodes.title("", "", title)
    ids, classes = [nodes.make_id(page)], ["no-search"]
    return [nodes.section("", head, rows, ids=ids, classes=classes)]


def _list_sections(app: Sphinx, env: BuildEnvironment) -> None:
    """Add the chapters to the contents of the page of all questions.

    Sphinx lists a page's sections when it reads the page, before others.
    """
    page = _page_of_all(env)
    if page is None:
        return
    rows: list[nodes.Node] = []
    for chapter, _ in _by_chapter(env):
        link = _link(page, [nodes.Text(env.titles[chapter].astext())])
        link["anchorname"] = f"#{nodes.make_id(chapter)}"
        row = addnodes.compact_paragraph("", "", link)
        rows.append(nodes.list_item("", row))
    title = env.tocs[page].next_node(nodes.list_item)
    if title is not None:
        title[1:] = [nodes.bullet_list("", *rows)] if rows else []
        env.toc_num_entries[page] = 1 + len(rows)


def _lead_on(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Follow a web page's last question with a link to all of them."""
    page = _page_of_all(app.env)
    asked = [one for one in doctree.findall(toggle) if "faq" in one["classes"]]
    if app.builder.format != "html" or page is None or not asked:
        return
    uri = app.builder.get_relative_uri(docname, page)
    link = _link(uri, [nodes.Text("All questions of the book")])
    line = nodes.paragraph("", "", link, classes=["no-search"])
    asked[-1].parent.insert(asked[-1].parent.index(asked[-1]) + 1, line)


def _page_of_all(env: BuildEnvironment) -> str | None:
    page: str | None = getattr(env, "laidout_questions_page", None)
    return page if page in env.found_docs else None


def _index(app: Sphinx) -> list[Any]:
    """Let the search find each question, as if it were a section's title.

    They are in no index of the book, so they are given to the search alone,
    once all pages have been; it keeps those of pages that have not changed.
    """
    builder = app.builder
    if isinstance(builder, StandaloneHTMLBuilder) and builder.indexer:
        titles = builder.indexer._all_titles
        for page, asked in questions(app.env).items():
            new = [(one.plain, one.node_id) for one in asked]
            known = titles.setdefault(page, [])
            known += [title for title in new if title not in known]
    return []


def _link(uri: str, text: list[nodes.Node]) -> nodes.reference:
    return nodes.reference("", "", *text, internal=True, refuri=uri)


def _copies(title: list[nodes.Node]) -> list[nodes.Node]:
    """Copy a question's nodes, links left out: it becomes a link itself."""
    found: list[nodes.Node] = []
    for node in title:
        if isinstance(node, nodes.reference | addnodes.pending_xref):
            found += _copies(node.children)
        else:
            found.append(node.deepcopy())
    return found


def _purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    questions(env).pop(docname, None)


def _merge(
    app: Sphinx, env: BuildEnvironment, docnames: set[str], other: Any
) -> None:
    questions(env).update(
        {page: q for page, q in questions(other).items() if page in docnames}
    )
    page = getattr(other, "laidout_questions_page", None)
    if page in docnames:
        env.laidout_questions_page = page  # type: ignore[attr-defined]


def setup(app: Sphinx) -> None:
    """Register both directives and what collects the questions."""
    app.add_node(all_questions)
    app.add_directive("faq", Faq)
    app.add_directive("all-questions", AllQuestions)
    app.connect("doctree-resolved", _fill)
    app.connect("doctree-resolved", _lead_on, priority=600)  # after reading
    app.connect("env-updated", _list_sections)
    app.connect("html-collect-pages", _index)
    app.connect("env-purge-doc", _purge)
    app.connect("env-merge-info", _merge)
