"""The index of the printed book: marks in its text, for makeindex.

Terms are those of `index_terms.toml`; code comes of itself. `mentions` says
which parts of the chapters say most about a subject, and each of them gets a
mark, so an entry keeps its length while the book grows.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging, texescape

from laidout_book.errors import place_of
from laidout_book.latex.mentions import (
    Command,
    Mention,
    Object,
    Reader,
    Subject,
    choose,
)
from laidout_book.latex.terms import (
    FILE,
    NESTED,
    Term,
    Terms,
    read_terms,
)

logger = logging.getLogger(__name__)

SMALL = re.compile(r"^(?:(?:a|an|as|at|for|in|of|the|with) )+")


@dataclass(frozen=True)
class Entry:
    """A line of the index: its name, and what makeindex is told."""

    name: str
    written: str

    def mark(self, main: bool = False) -> str:
        """Write the command that puts a page into the index."""
        command = "bookindexmain" if main else "bookindex"
        return rf"\{command}{{{self.name}}}{{{self.written}}}"

    def send(self, kind: str, targets: list[str]) -> str:
        """Write the command that sends the reader elsewhere."""
        words = _safe("; ".join(targets))
        return rf"\bookindexsee{{{self.written}|{kind}{{{words}}}}}"


def sort_key(text: str) -> str:
    """Write a name as people look for it: small, plain letters, words."""
    letters = "".join(
        unicodedata.name(sign).rpartition(" ")[2]
        if unicodedata.name(sign, "").startswith("GREEK")
        else sign
        for sign in unicodedata.normalize("NFKD", text)
    )
    plain = re.sub(r"[\u0300-\u036f]", "", letters.lower())
    return " ".join(re.findall(r"[a-z0-9]+", plain))


def word_entry(*levels: str) -> Entry:
    """Return the entry of a term, or of one below another."""
    keys = [sort_key(SMALL.sub("", level)) for level in levels]
    pairs = zip(keys, levels, strict=True)
    written = [f"{key}@{_safe(level)}" for key, level in pairs]
    return Entry("!".join(keys), "!".join(written))


def code_entry(subject: Object | Command) -> Entry:
    """Return the entry of a command, or of an object by its last name."""
    if isinstance(subject, Command):
        key = f"laidout {subject.name}"
        return Entry(key, f"{key}@{_code(key)}")
    owner, _, name = subject.dotted.rpartition(".")
    if owner.startswith("laidout."):
        _, _, *inside = owner.split(".", 2)
        owner = inside[0] if inside else "laidout"
    key = sort_key(f"{name} {owner}")
    place = f" ({_code(owner)})" if owner else ""
    return Entry(key, f"{key}@{_code(name)}{place}")


def _safe(text: str) -> str:
    """Write a text for TeX, its signs hidden from makeindex."""
    escaped = texescape.escape(text, "xelatex")
    return re.sub(r'(["!@|])', r'"\1', escaped)


def _code(name: str) -> str:
    safe = re.sub(r"(\\_|\.)(?=\w)", r"\1\\bookbreak{}", _safe(name))
    return rf"\indexcode{{{safe}}}"


class MarkIndex(SphinxPostTransform):
    """Mark what the index lists, while links to code are still names."""

    default_priority = 1
    formats = ("latex",)

    def run(self, **_: Any) -> None:
        """Read all chapters, choose, and put the marks in."""
        terms = read_terms(Path(self.env.srcdir, FILE))
        reader = Reader(terms, self.app.tags)
        # By the id of the node: equal texts are equal nodes.
        self.marks: dict[int, list[tuple[Mention, Entry]]] = defaultdict(list)
        for file in self._files():
            for chapter in file.children:
                if isinstance(chapter, nodes.section):
                    reader.read(chapter)
            self._mark_listings(file)
        self._complain(reader.unfiled)
        self._mark_mentions(terms, reader.mentions())
        for marks in self.marks.values():
            _put(sorted(marks, key=lambda mark: mark[0].offset))

    def _files(self) -> Iterator[addnodes.start_of_file]:
        for file in self.document.findall(addnodes.start_of_file):
            if file["docname"] not in self.config.laidout_web_only:
                yield file

    def _complain(self, unfiled: list[nodes.Element]) -> None:
        """Tell an author which words should be filed."""
        for word in unfiled:
            logger.warning(
                "%r is bold and not in %s: file it under terms, or under "
                "not_terms",
                word.astext(),
                FILE,
                location=place_of(word),
            )

    def _mark(self, mention: Mention, entry: Entry) -> None:
        self.marks[id(mention.node)].append((mention, entry))

    def _mark_listings(self, file: nodes.Element) -> None:
        """Mark the source objects that are drawn, wherever they stand."""
        for code in file.findall(nodes.literal_block):
            if "pyobject" in code:
                drawn = Object(f"{code['module']}.{code['pyobject']}")
                self._mark(Mention(code, main=True), code_entry(drawn))

    def _mark_mentions(
        self, terms: Terms, found: dict[Subject, list[Mention]]
    ) -> None:
        """Mark what is chosen, and send the reader from term to term."""
        entries = _entries(terms, set(found))
        for subject, mentions in found.items():
            listed = (
                [entries[place] for place in subject.places]
                if isinstance(subject, Term)
                else [code_entry(subject)]
            )
            for mention in choose(mentions):
                for entry in listed:
                    self._mark(mention, entry)
        for term in terms.all:
            targets = [t for t in term.see or term.see_also if t in entries]
            if targets and term.printed in entries:
                kind = "see" if term.see else "seealso"
                tex = entries[term.printed].send(kind, targets)
                self.document += nodes.raw("", tex, format="latex")


def _entries(terms: Terms, found: set[Subject]) -> dict[str, Entry]:
    """Return the entry of each place at which a term is printed.

    What would stand alone under a word without pages is on its line.
    """
    printed = [p for t in terms.all if t in found for p in t.places]
    printed += [t.printed for t in terms.all if set(t.see) & set(printed)]
    heads = Counter(place.partition(NESTED)[0] for place in printed)
    return {
        place: word_entry(place)
        if heads[place.partition(NESTED)[0]] == 1
        else word_entry(*place.split(NESTED))
        for place in printed
    }


def _put(marks: list[tuple[Mention, Entry]]) -> None:
    """Put the marks of a node into its text, before it, or in its lines."""
    node = marks[0][0].node
    written = [(m.offset, entry.mark(m.main)) for m, entry in marks]
    if isinstance(node, nodes.literal_block):
        node["index"] = "".join(tex for _, tex in written)
        return
    new: list[nodes.Node] = []
    done = 0
    for offset, tex in written:
        if offset > done:
            new.append(nodes.Text(node.astext()[done:offset]))
            done = offset
        new.append(nodes.raw("", tex, format="latex"))
    new.append(nodes.Text(node.astext()[done:]) if done else node)
    around = node.parent
    place = next(n for n, one in enumerate(around) if one is node)
    around[place : place + 1] = new


def setup(app: Sphinx) -> None:
    """Register what marks the pages."""
    app.add_post_transform(MarkIndex)
