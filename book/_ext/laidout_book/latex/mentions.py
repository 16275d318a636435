"""Reading chapters for the index: which part of them says how much of what.

Each part of a chapter that has a heading is read by itself: a section, or a
question with its answer. Terms are found in its running text, which quotations
of the paper are part of and code is not; objects by the links to them.
"""

import re
from collections import defaultdict
from dataclasses import dataclass

from docutils import nodes
from sphinx import addnodes
from sphinx.util.tags import Tags

from laidout.workshop.catalogue import find_exercise
from laidout_book.latex.terms import Term, Terms
from laidout_book.nodes import block, toggle

LIMIT = 8
"""Parts of chapters that are listed for one subject at most."""

LONGEST_TERM = 40
COMMAND = re.compile(r"^laidout ([a-z]+)\b", re.M)
CALLED = re.compile(r"(?:\w+\.)*(\w+)(?:\(|$)")
SHELL = ("bash", "console", "sh")
UNREAD = (nodes.figure, nodes.footnote, nodes.citation, nodes.title)
UNREAD_CLASSES = {"quiz", "hint", "solution", "box-title", "steps-title"}
ASIDE = block | toggle | nodes.Admonition | nodes.table | nodes.block_quote
GAP = "\0"


@dataclass(frozen=True)
class Object:
    """An object of Python, by its dotted name."""

    dotted: str

    @property
    def called(self) -> str:
        """Return its last name."""
        return self.dotted.rpartition(".")[2]


@dataclass(frozen=True)
class Command:
    """A command of the package, such as `laidout train`."""

    name: str


Subject = Term | Object | Command


@dataclass
class Mention:
    """How much a part of a chapter says about a subject, and where."""

    node: nodes.Node
    offset: int = 0
    count: int = 0
    main: bool = False
    slanted: bool = False
    titled: bool = False
    asked: bool = False

    @property
    def rank(self) -> tuple[bool, bool, int]:
        """Say how much it matters: explained, in the heading, how often."""
        return self.main, self.titled or self.asked, self.count


Said = dict[Subject, Mention]


def choose(mentions: list[Mention]) -> list[Mention]:
    """Keep where a subject is explained, and the parts that say most of it.

    A word that is bold nowhere is explained where it is first in italics, or
    else in the title of a section. A passing mention is kept until there are
    too many of them.
    """
    if not any(mention.main for mention in mentions):
        slanted = [mention for mention in mentions if mention.slanted]
        titled = [mention for mention in mentions if mention.titled]
        for mention in (slanted or titled)[:1]:
            mention.main = True
    ranked = sorted(mentions, key=lambda m: m.rank, reverse=True)
    if len(ranked) <= LIMIT:
        return ranked
    edge = ranked[LIMIT].rank
    return [m for m in ranked if m.rank > edge] or ranked[:LIMIT]


def is_term(word: nodes.Element) -> bool:
    """Say if a chapter introduces this word in its running text."""
    text, inside = word.astext(), word.parent
    if len(text) > LONGEST_TERM or text[-1] in ".:?!":
        return False
    if not isinstance(inside, nodes.paragraph) or _heads(word):
        return False
    while inside is not None and not isinstance(inside, nodes.section):
        if isinstance(inside, ASIDE):
            return False
        inside = inside.parent
    return True


def _heads(word: nodes.Element) -> bool:
    """Say if a word is the heading of its paragraph."""
    before, after = word.parent.astext().split(word.astext(), 1)
    return not before.strip() and after.startswith(":")


class RunningText:
    """The text of a paragraph or heading, and the nodes that hold it.

    Code, formulas and the words of references are gaps.
    """

    def __init__(self, root: nodes.Element) -> None:
        self.text = ""
        self.pieces: list[tuple[nodes.Text, int]] = []
        self._walk(root)

    def _walk(self, node: nodes.Element) -> None:
        for child in node.children:
            if isinstance(child, nodes.Text):
                self.pieces.append((child, len(self.text)))
                self.text += child.astext()
            elif isinstance(child, nodes.emphasis | nodes.strong):
                self._walk(child)
            else:
                self.text += GAP

    def at(self, place: int) -> tuple[nodes.Text, int]:
        """Return the node at a place of the text, and the place in it."""
        piece, begin = next(p for p in self.pieces[::-1] if p[1] <= place)
        return piece, place - begin


class Part:
    """A part of a chapter that has a heading, without the parts in it.

    One with a quiz asks and sums up: there is nothing to look up in it.
    """

    def __init__(self, root: nodes.Element, tags: Tags) -> None:
        self.tags = tags
        self.heading = root[0] if root.children else root
        self.blocks: list[nodes.Element] = []
        self.inner: list[nodes.Element] = []
        self.asks = False
        self._walk(root)
        if self.asks:
            self.blocks.clear()

    @property
    def paragraphs(self) -> list[nodes.Element]:
        """Return the blocks that are text."""
        return [b for b in self.blocks if isinstance(b, nodes.paragraph)]

    def _walk(self, node: nodes.Element) -> None:
        for child in node.children:
            classes = set(getattr(child, "attributes", {}).get("classes", []))
            self.asks |= "quiz" in classes
            if isinstance(child, nodes.section) or "faq" in classes:
                self.inner.append(child)
            elif self._reads(child, classes):
                if isinstance(child, nodes.paragraph | nodes.literal_block):
                    self.blocks.append(child)
                else:
                    self._walk(child)

    def _reads(self, node: nodes.Node, classes: set[str]) -> bool:
        if isinstance(node, addnodes.only):
            return bool(self.tags.eval_condition(node["expr"]))
        return (
            isinstance(node, nodes.Element)
            and not isinstance(node, UNREAD)
            and not classes & UNREAD_CLASSES
        )


class Reader:
    """Reads chapters and notes what each of their parts says about what."""

    def __init__(self, terms: Terms, tags: Tags) -> None:
        self.terms = terms
        self.tags = tags
        self.parts: list[Said] = []
        self.code: list[tuple[Said, str, nodes.Node]] = []
        self.unfiled: list[nodes.Element] = []

    def read(self, root: nodes.Element) -> None:
        """Read a chapter, part by part."""
        part, said = Part(root, self.tags), Said()
        self.parts.append(said)
        for one in part.blocks:
            if isinstance(one, nodes.literal_block):
                self._read_listing(one, said)
            else:
                self._read_code(one, said)
                self._read_words(one, said)
                self._complain(one)
        self._read_heading(part, said)
        for inner in part.inner:
            self.read(inner)

    def mentions(self) -> dict[Subject, list[Mention]]:
        """Return what was noted, by subject, in the order of the book.

        A name of code counts where it is no link too, if only one object
        that the book links has that name.
        """
        known: dict[str, set[Object]] = defaultdict(set)
        for subject in {subject for said in self.parts for subject in said}:
            if isinstance(subject, Object):
                known[subject.called].add(subject)
        for said, name, node in self.code:
            if len(known[name]) == 1:
                _note(said, next(iter(known[name])), node)
        found: dict[Subject, list[Mention]] = defaultdict(list)
        for said in self.parts:
            for subject, mention in said.items():
                found[subject].append(mention)
        return found

    def _read_listing(self, code: nodes.Element, said: Said) -> None:
        """Note commands, and what is to be written in an exercise."""
        if "skeleton" in code["classes"]:
            task = find_exercise(code.parent["name"])
            _note(said, Object(task.object), code)
        if code.get("language") in SHELL:
            for name in COMMAND.findall(code.astext()):
                _note(said, Command(name), code)

    def _read_code(self, one: nodes.Element, said: Said) -> None:
        """Note links to code, names that may be of objects, and commands."""
        for xref in one.findall(addnodes.pending_xref):
            if xref.get("refdomain") == "py":
                _note(said, Object(xref["reftarget"]), xref)
        for literal in one.findall(nodes.literal):
            if isinstance(literal.parent, addnodes.pending_xref):
                continue
            text = literal.astext()
            if command := COMMAND.match(text):
                _note(said, Command(command[1]), literal)
            elif called := CALLED.match(text):
                self.code.append((said, called[1], literal))

    def _read_words(self, one: nodes.Element, said: Said) -> None:
        """Note the terms; where one is explained, its mark will stand."""
        running = RunningText(one)
        for start, end, term in self.terms.find(running.text):
            node, offset = running.at(start)
            mention = _note(said, term, node, offset)
            if mention.main:
                continue
            mention.main = isinstance(node.parent, nodes.strong) and is_term(
                node.parent
            )
            slanted = (
                isinstance(node.parent, nodes.emphasis)
                and node.parent.astext() == running.text[start:end]
                and is_term(node.parent)
            )
            if mention.main or (slanted and not mention.slanted):
                mention.node, mention.offset = node, offset
            mention.slanted |= slanted

    def _complain(self, one: nodes.Element) -> None:
        """Note the bold words in which no term begins."""
        running = RunningText(one)
        found = self.terms.find(running.text)
        filed = [running.at(start)[0].parent for start, _, _ in found]
        self.unfiled += [
            word
            for word in one.findall(nodes.strong)
            if is_term(word)
            and word not in filed
            and word.astext() not in self.terms.not_terms
        ]

    def _read_heading(self, part: Part, said: Said) -> None:
        """Note a heading's words where the text below it begins."""
        texts = map(RunningText, part.paragraphs)
        first = [node for text in texts for node, _ in text.pieces]
        if not first or not isinstance(part.heading, nodes.TextElement):
            return
        for _, _, term in self.terms.find(RunningText(part.heading).text):
            mention = said.setdefault(term, Mention(first[0]))
            if isinstance(part.heading, nodes.title):
                mention.titled = True
            else:
                mention.asked = True
            if not (mention.main or mention.slanted):
                mention.node, mention.offset = first[0], 0


def _note(
    said: Said, subject: Subject, node: nodes.Node, offset: int = 0
) -> Mention:
    """Count a mention; the first one is where the mark will stand."""
    mention = said.setdefault(subject, Mention(node, offset))
    mention.count += 1
    return mention
