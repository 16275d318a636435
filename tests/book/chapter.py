"""A chapter as it is written: its text, its directives, its words."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from laidout_book.execution import cells

BOOK = Path(__file__).parents[2] / "book"
FENCE = re.compile(r"^(`{3,}|:{3,})\{([\w-]+)\}(.*)\n((?:.*\n)*?)\1$", re.M)
FIGURES = "drawing", "map"


@dataclass(frozen=True)
class Chapter:
    """The page of a chapter, `book/PART/NAME.md`."""

    path: Path

    @property
    def text(self) -> str:
        """The whole page."""
        return self.path.read_text(encoding="utf-8")

    @property
    def plain(self) -> str:
        """The whole page in one line, to look for what a sentence says."""
        return " ".join(self.text.split())

    @property
    def explanation(self) -> str:
        """The page up to its questions."""
        return self.text.partition("## Questions")[0]

    def blocks(self, *kinds: str) -> list[tuple[str, str]]:
        """Return argument and body of every directive of these kinds."""
        return [
            (match[3].strip(), match[4])
            for match in directives(self.text)
            if match[2] in kinds
        ]

    def cell(self, says: str) -> str:
        """Return the code of the one cell that says something."""
        (found,) = [code for code in cells(self.text) if says in code]
        return found

    def pictures(self) -> int:
        """Count the figures, those that cells plot included."""
        return len(self.blocks(*FIGURES)) + self.text.count("  image:")


def chapters() -> list[Chapter]:
    """Find every chapter: whatever holds a quiz."""
    pages = sorted(BOOK.glob("*/*.md"))
    return [Chapter(p) for p in pages if "{quiz}" in p.read_text("utf-8")]


def directives(text: str) -> Iterator[re.Match[str]]:
    """Yield every directive, those inside a figure in steps too."""
    for match in FENCE.finditer(text):
        yield match
        if match[2] == "steps":
            yield from directives(match[4])


def words(text: str) -> int:
    """Count words, code, options, tables and formulas left out."""
    text = re.sub(r"^---\n(?:.*\n)*?---\n", "", text)
    text = re.sub(r"^\$\$(?:.*\n)*?\$\$.*$", "", text, flags=re.M)
    text = FENCE.sub(
        lambda m: "" if m[2] in ("code-cell", "paper") else m[4], text
    )
    text = re.sub(r"^(?::[\w-]+:.*|\|.*|#.*|\{.*\})$", "", text, flags=re.M)
    return len(text.split())
