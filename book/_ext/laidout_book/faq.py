"""`{faq} question`: a reader's question, and the page of all of them."""

from dataclasses import dataclass
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

from laidout_book.errors import stop
from laidout_book.nodes import make_toggle


class all_questions(nodes.General, nodes.Element):  # noqa: N801
    """Where the list of all questions goes."""


@dataclass(frozen=True)
class Question:
    """A reader's question: where its answer is, its words, as nodes too."""

    node_id: str
    text: str
    title: list[nodes.Node]


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
        return [all_questions()]


def _fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put the links to all questions where they go, in reading order."""
    for mark in list(doctree.findall(all_questions)):
        filled: list[nodes.Node] = []
        for page in reading_order(app.env):
            asked = questions(app.env).get(page, [])
            if asked:
                filled += _chapter(app, docname, page, asked)
        mark.replace_self(filled)


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
    """List one chapter's questions under its title."""
    uri = app.builder.get_relative_uri(here, page)
    title = [nodes.Text(app.env.titles[page].astext())]
    head = nodes.rubric("", "", _link(uri, title), **{"heading-level": 2})
    rows = nodes.bullet_list(classes=["questions"])
    for question in asked:
        link = _link(f"{uri}#{question.node_id}", _copies(question.title))
        row = addnodes.compact_paragraph("", "", link)
        rows += nodes.list_item("", row)
    return [head, rows]


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


def setup(app: Sphinx) -> None:
    """Register both directives and what collects the questions."""
    app.add_node(all_questions)
    app.add_directive("faq", Faq)
    app.add_directive("all-questions", AllQuestions)
    app.connect("doctree-resolved", _fill)
    app.connect("env-purge-doc", _purge)
    app.connect("env-merge-info", _merge)
