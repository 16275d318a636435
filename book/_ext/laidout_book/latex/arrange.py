"""Puts things where a printed book has them.

A page of the web has its hints and replies behind toggles, its parts in the
sidebar. On paper the parts have pages, what should not be seen at once
stands in an appendix, and page numbers lead there and back.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.builders.latex.nodes import (
    footnotemark,
    footnotetext,
    thebibliography,
)
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinxcontrib.bibtex.nodes import bibliography

from laidout_book.latex.nodes import (
    anchor,
    appendix_start,
    contents_line,
    elsewhere,
    here_bibliography,
    page_of,
    part_page,
    web_reference,
)
from laidout_book.nodes import block, make_toggle

RANKS = ("First", "Second", "Third", "Fourth", "Fifth", "Sixth")
WELCOME, EXERCISES = "Welcome", "Exercises"


@dataclass
class Part:
    """A caption of the table of contents and the files under it."""

    caption: str
    pages: list[str]
    files: list[addnodes.start_of_file] = field(default_factory=list)


@dataclass
class Appendix:
    """What was taken out of the chapters, in the order of the book."""

    exercises: list[nodes.Node] = field(default_factory=list)
    hints: dict[int, list[nodes.Node]] = field(
        default_factory=lambda: defaultdict(list)
    )
    solutions: list[nodes.Node] = field(default_factory=list)
    replies: list[nodes.Node] = field(default_factory=list)


def within(docname: str, *content: nodes.Node) -> addnodes.start_of_file:
    """Keep the names that nodes use for each other when they move."""
    return addnodes.start_of_file("", *content, docname=docname)


def section(
    title: str | list[nodes.Node], *content: nodes.Node, **more: Any
) -> nodes.section:
    """Build a section."""
    words = [nodes.Text(title)] if isinstance(title, str) else title
    copies = [node.deepcopy() for node in words]
    return nodes.section("", nodes.title("", "", *copies), *content, **more)


def home(node: nodes.Node, default: str) -> str:
    """Return the page that a node stands on."""
    at: nodes.Node | None = node
    while at is not None:
        if isinstance(at, addnodes.start_of_file):
            return str(at["docname"])
        at = at.parent
    return default


def has_class(node: nodes.Node, name: str) -> bool:
    """Say if a node has a class."""
    return isinstance(node, nodes.Element) and name in node.get("classes", [])


def page(docname: str, label: str, words: str = "page ") -> list[nodes.Node]:
    """Write `page 12`, as a link."""
    return [page_of("", words, docname=docname, label=label)]


class Arrange(SphinxPostTransform):
    """Lay the whole book out: front, parts, appendices, back."""

    default_priority = 2
    formats = ("latex",)

    def run(self, **_: Any) -> None:
        """Take the tree apart and put it together again."""
        self.root = self.config.root_doc
        book = next(iter(self.document.findall(nodes.section)), None)
        if book is None or home(book, self.root) != self.root:
            return
        files = list(self._take_files(book))
        parts = self._parts(files)
        appendix = Appendix()
        for file in files:
            self._empty_exercises(file, appendix)
            self._empty_quizzes(file, appendix)
        front = book[1:]
        del book[1:]
        book += self._front(front, appendix)
        for part in parts:
            at_back = part is parts[-1] and len(parts) > 1
            book += self._part(part, appendix if at_back else None)
        if len(parts) < 2:
            book += self._appendices(appendix)

    def _take_files(
        self, book: nodes.Element
    ) -> Iterator[addnodes.start_of_file]:
        """Take out the chapters, and the tables of contents around them.

        Pages that only the web needs are left out.

        Sphinx leaves the parents of their children as they were.
        """
        found = list(book.findall(addnodes.start_of_file))
        for file in found:
            for child in file.children:
                child.parent = file
        for file in found:
            if home(file.parent, "") == "":
                file.parent.remove(file)
                if file["docname"] not in self.config.laidout_web_only:
                    yield file
        for wrapper in list(book.findall(nodes.compound)):
            if has_class(wrapper, "toctree-wrapper"):
                wrapper.parent.remove(wrapper)

    def _parts(self, files: list[addnodes.start_of_file]) -> list[Part]:
        """Group the chapters by the captions of the table of contents."""
        parts = []
        for tree in self.env.get_doctree(self.root).findall(addnodes.toctree):
            pages = [str(name) for _, name in tree["entries"]]
            parts.append(Part(tree.get("caption") or "", pages))
        for part in parts:
            part.files = [f for f in files if f["docname"] in part.pages]
        return [part for part in parts if part.files]

    def _part(
        self, part: Part, appendix: Appendix | None
    ) -> Iterator[nodes.Node]:
        """Yield a part's page and chapters; the last has the appendices."""
        more = list(self._appendices(appendix)) if appendix else []
        if appendix:
            for file in part.files:
                for chapter in file.children:
                    chapter["unnumbered"] = True
        if part.caption:
            sheet = part_page("", title=part.caption)
            for chapter in more:
                for label in chapter["ids"]:
                    words = nodes.Text(chapter[0].astext())
                    sheet += _line(self.root, label, words)
            for file in part.files:
                name = file["docname"]
                title = self.env.titles[name].deepcopy()
                sheet += _line(name, ":doc", *title.children)
            yield sheet
        yield from [*more, *part.files]

    def _front(
        self, welcome: list[nodes.Node], appendix: Appendix
    ) -> Iterator[nodes.Node]:
        """Yield the first page of the site and the list of exercises."""
        if appendix.exercises:
            yield section(EXERCISES, *appendix.exercises, unnumbered=True)
        for node in welcome:
            for button in _found(node, nodes.Element, "start"):
                button.parent.remove(button)
        if welcome:
            yield section(WELCOME, *welcome, unnumbered=True)

    def _appendices(self, appendix: Appendix) -> Iterator[nodes.Node]:
        """Yield hints by rank, solutions, and replies of the quizzes."""
        if not (appendix.exercises or appendix.replies):
            return
        ranks = [
            section(f"{RANKS[rank]} hints", *appendix.hints[rank])
            for rank in sorted(appendix.hints)
        ]
        yield appendix_start(ids=[])
        for title, content in (
            ("Hints", ranks),
            ("Solutions", appendix.solutions),
            ("Replies to the quizzes", appendix.replies),
        ):
            if content:
                name = nodes.make_id(f"appendix-{title}")
                yield section(title, *content, ids=[name])

    def _empty_exercises(
        self, file: addnodes.start_of_file, appendix: Appendix
    ) -> None:
        """Move hints and solutions; leave their pages behind."""
        for box in _found(file, block, "exercise"):
            name, label = home(box, self.root), box["ids"][0]
            title = _title(box)
            appendix.exercises.append(_line(name, label, *title))
            hints = [t for t in box if has_class(t, "hint")]
            solutions = [t for t in box if has_class(t, "solution")]
            back = nodes.paragraph("", "The exercise is on ")
            back += page(name, label)
            back += nodes.Text(".")
            left = elsewhere("")
            start = "Hints: pages " if len(hints) > 1 else "Hint: page "
            for rank, hint in enumerate(hints):
                left += nodes.Text(", " if rank else start)
                left += page(name, _label(hint), "")
                appendix.hints[rank].append(_entry(name, title, back, hint))
            for solution in solutions:
                left += nodes.Text(". Solution: " if hints else "Solution: ")
                left += page(name, _label(solution))
                appendix.solutions.append(_entry(name, title, back, solution))
            for taken in (*hints, *solutions):
                box.remove(taken)
            if left.children:
                left += nodes.Text(".")
                box += left

    def _empty_quizzes(
        self, file: addnodes.start_of_file, appendix: Appendix
    ) -> None:
        """Turn choices into a lettered list; move their replies."""
        title = self.env.titles[file["docname"]].children
        chapter: list[nodes.Node] = []
        for number, box in enumerate(_found(file, block, "quiz"), start=1):
            name = home(box, self.root)
            asked, answered = f"quiz-{number}", f"quiz-{number}-replies"
            question = next(
                iter(_found(box, nodes.paragraph, "quiz-question"))
            )
            choices = [t for t in box if has_class(t, "choice")]
            box["ids"].append(asked)
            words = question.deepcopy().children
            words += [nodes.Text(" ("), *page(name, asked), nodes.Text(")")]
            reply = make_toggle(words, [_replies(choices)], [], [answered])
            chapter.append(within(name, reply))
            listed = _lettered()
            for choice in choices:
                listed += nodes.list_item(
                    "", nodes.paragraph("", "", *choice[0].children)
                )
                box.remove(choice)
            left = elsewhere("", "Replies: ")
            left += page(name, answered)
            left += nodes.Text(".")
            box += [listed, left]
        if chapter:
            appendix.replies.append(section(title, *chapter))


def _found(
    root: nodes.Node, kind: type[nodes.Element], name: str
) -> list[nodes.Element]:
    """Return the nodes of a kind that have a class."""
    return [node for node in root.findall(kind) if has_class(node, name)]


def _line(docname: str, label: str, *words: nodes.Node) -> contents_line:
    return contents_line("", "", *words, docname=docname, label=label)


def _title(box: nodes.Element) -> list[nodes.Node]:
    """Return the title of an exercise without what stands around it."""
    head = next(iter(_found(box, nodes.paragraph, "box-title")))
    return [
        nodes.Text(child.astext().strip())
        if isinstance(child, nodes.Text)
        else child.deepcopy()
        for child in head
        if not isinstance(child, nodes.inline)
    ]


def _label(closed: nodes.Element) -> str:
    """Return the id on the content of a toggle."""
    return str(closed[1]["ids"][0])


def _entry(
    docname: str,
    title: list[nodes.Node],
    back: nodes.Node,
    closed: nodes.Element,
) -> nodes.section:
    """Build the entry of the appendix for a hint or a solution."""
    body = closed[1]
    return section(
        title,
        within(
            docname,
            anchor(ids=list(body["ids"])),
            back.deepcopy(),
            *body.children,
        ),
    )


def _lettered() -> nodes.enumerated_list:
    return nodes.enumerated_list(enumtype="loweralpha", prefix="", suffix=")")


def _replies(choices: list[nodes.Element]) -> nodes.Element:
    """List the choices of a quiz with what each answers."""
    listed = _lettered()
    for choice in choices:
        offered, body = choice.children
        verdict, *reply = body.children
        words = [node.deepcopy() for node in offered.children]
        head = nodes.paragraph("", "", nodes.emphasis("", "", *words))
        ends = offered.astext().rstrip().endswith(tuple(".!?"))
        head += [nodes.Text(" " if ends else " – "), *verdict.children]
        listed += nodes.list_item("", head, *reply)
    return listed


class KeepBibliography(SphinxPostTransform):
    """Mark the place of the references before they become citations."""

    default_priority = 3
    formats = ("latex",)

    def run(self, **_: Any) -> None:
        """Put a mark after the first list of references."""
        for node in list(self.document.findall(bibliography))[:1]:
            place = node.parent.index(node) + 1
            node.parent.insert(place, here_bibliography())


class PlaceBibliography(SphinxPostTransform):
    """Bring the references back from the end, where Sphinx moves them."""

    default_priority = 760
    formats = ("latex",)

    def run(self, **_: Any) -> None:
        """Replace the mark."""
        for mark in list(self.document.findall(here_bibliography)):
            listed = list(self.document.findall(thebibliography))
            for node in listed:
                node.parent.remove(node)
            mark.replace_self(listed)


class WebReferences(SphinxPostTransform):
    """Spare the reader an address for each mention of `torch.nn.Linear`.

    The links of the references, such as "arXiv:1409.0473", say their own.
    """

    default_priority = 390
    formats = ("latex",)

    def run(self, **_: Any) -> None:
        """Take out of Sphinx's hands what needs no footnote."""
        cited = {
            id(link)
            for entry in self.document.findall(nodes.citation)
            for link in entry.findall(nodes.reference)
            if "refuri" in link
        }
        for node in list(self.document.findall(nodes.reference)):
            resolved = node.get("internal") is False and "reftitle" in node
            if resolved or id(node) in cited:
                link = web_reference(
                    "", "", *node.children, refuri=node["refuri"]
                )
                node.replace_self(link)


class NumberFootnotes(SphinxPostTransform):
    """Number the footnotes of each chapter from one."""

    default_priority = 800
    formats = ("latex",)

    def run(self, **_: Any) -> None:
        """Give mark and text of a footnote the same new number."""
        book = next(iter(self.document.findall(nodes.section)), None)
        for chapter in book.children if book is not None else []:
            self._number(chapter)

    def _number(self, chapter: nodes.Node) -> None:
        numbers: dict[tuple[str, str], str] = {}
        for node in list(chapter.findall(nodes.Element)):
            if not isinstance(
                node, nodes.footnote | footnotetext | footnotemark
            ):
                continue
            ref = node.get("refid") or node["ids"][0]
            key = (home(node, ""), str(ref))
            number = numbers.setdefault(key, str(len(numbers) + 1))
            if isinstance(node, footnotemark):
                node.children = []
                node += nodes.Text(number)
            else:
                node[0].replace_self(nodes.label("", number))


TRANSFORMS = (
    Arrange,
    KeepBibliography,
    WebReferences,
    PlaceBibliography,
    NumberFootnotes,
)


def setup(app: Sphinx) -> None:
    """Register what is done to the tree before it is written."""
    for transform in TRANSFORMS:
        app.add_post_transform(transform)
