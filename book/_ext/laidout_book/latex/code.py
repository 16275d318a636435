"""Listings: one TeX command a line, so that pages break where they should.

A page ends between two definitions if it can, else at another blank line,
else after a statement, and rather none is cut than one of few lines. It never
ends inside brackets or a string, after a line that opens a block, or between
a comment and what it explains. A line that is too long goes on in the next,
after an arrow.
"""

import re
import tokenize
from collections.abc import Iterator
from io import StringIO
from itertools import pairwise
from typing import Any, ClassVar

from pygments.style import Style  # type: ignore[import-untyped]
from pygments.token import (  # type: ignore[import-untyped]
    Comment,
    Error,
    Keyword,
    Name,
    Operator,
    String,
    Token,
)

from figures.palette import LIGHT

PRINT_STYLE = "laidout_book.latex.code.PrintStyle"
"""What Pygments knows the style below by."""

NEVER, HERE = 10000, 0
SIDE, REACH, PAGE = 4, 12, 40
"""Lines on each side of a cut, lines that are not cut if no good cut is among
them, and lines that are cut anyhow."""

BETWEEN, METHOD, BLANK, OUTER, INNER, BLANK_INSIDE, ANYWHERE = range(7)
"""Where a page may end, the best first."""

LINE, GAP = 11.6, 5.8
"""Points, as in laidout.sty."""

LONG_WORD = 24
_PIECE = re.compile(r"\\PYGZ\w+\{\}|\\[a-zA-Z]+\{\}|\\PYG\{[^}]*\}\{|.")
_DEFINES = re.compile(r"\s*(@|class\b|def\b|async def\b)")
_GOES_ON = re.compile(r"\s*(elif|else|except|finally)\b")


class PrintStyle(Style):
    """Ink first: what a colour says, weight or slant says too."""

    styles: ClassVar[dict[Any, str]] = {
        Token: "",
        Comment: f"italic {LIGHT['muted'].strong}",
        Keyword: f"bold {LIGHT['memory'].strong}",
        Operator.Word: f"bold {LIGHT['memory'].strong}",
        Name.Function: f"bold {LIGHT['query'].strong}",
        Name.Class: f"bold {LIGHT['query'].strong}",
        Name.Decorator: LIGHT["output"].strong,
        String: LIGHT["value"].strong,
        Error: "",
    }


def listing(plain: str, marked: str, printed: bool = False) -> str:
    """Write the lines of a listing.

    Args:
        plain: the code as it is.
        marked: the same lines as Pygments writes them for LaTeX.
        printed: if this is no code but what some code printed.
    """
    lines = plain.rstrip("\n").split("\n")
    tex = marked.rstrip("\n").split("\n")
    tex = tex[len(tex) - len(lines) :] if len(tex) > len(lines) else tex
    may_end = cuts(lines, printed)
    written = []
    for row, (line, content) in enumerate(zip(lines, tex, strict=True)):
        after = HERE if row in may_end else NEVER
        if not line.strip():
            written.append(f"\\codegap{{{after}}}")
            continue
        indent = len(line) - len(line.lstrip(" "))
        words = _breakable(content, indent)
        written.append(f"\\codeline{{{indent}}}{{{after}}}{{{words}}}")
    return "%\n".join(written)


def cuts(lines: list[str], printed: bool = False) -> list[int]:
    """Return the rows after which a page may end."""
    ranks = dict(_of_output(lines) if printed else _of_code(lines))
    found = [-1, len(lines) - 1]
    for rank in range(ANYWHERE + 1):
        reach = REACH if rank < BLANK_INSIDE else PAGE
        for above, below in list(pairwise(found)):
            if below - above <= reach:
                continue
            found += [
                row
                for row in range(above + SIDE, below - SIDE + 1)
                if ranks.get(row, ANYWHERE) == rank
                and sum(map(bool, map(str.strip, lines[above + 1 : row + 1])))
                >= SIDE
            ]
        found.sort()
    return found[1:-1]


def together(lines: list[str], printed: bool = False) -> float:
    """Return the points that the lines before the first cut take."""
    end = next(iter(cuts(lines, printed)), len(lines) - 1) + 1
    return height(lines[:end])


def height(lines: list[str]) -> float:
    """Return the points that lines take if none is too long."""
    return sum(LINE if line.strip() else GAP for line in lines)


def _of_output(lines: list[str]) -> Iterator[tuple[int, int]]:
    """Rank the rows of what was printed: paragraphs, then their lines.

    The lines that are indented most may go on with the ones before.
    """
    deepest = max(map(_indent, lines))
    for row, line in enumerate(lines[:-1]):
        if not line.strip():
            yield row, BETWEEN
        elif lines[row + 1].strip():
            yield row, INNER if _indent(lines[row + 1]) == deepest else OUTER


def _of_code(lines: list[str]) -> Iterator[tuple[int, int]]:
    """Rank the rows of code after which no statement is open."""
    edge = min((_indent(line) for line in lines if line.strip()), default=0)
    complete = set(_complete(lines))
    for row, line in enumerate(lines[:-1]):
        blank, after = not line.strip(), lines[row + 1]
        outer = _indent(after) == edge
        if row not in complete:
            if blank:
                yield row, BLANK_INSIDE
        elif blank:
            method = METHOD if _DEFINES.match(after) else BLANK
            yield row, BETWEEN if outer else method
        elif after.strip() and not _GOES_ON.match(after):
            comes_apart = outer or after.lstrip().startswith("#")
            yield row, OUTER if comes_apart else INNER


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _complete(lines: list[str]) -> Iterator[int]:
    """Yield the rows of code that end a statement, and blank ones between.

    What Python can't read is left out from there on.
    """
    depth, statement, opens = 0, [""], False
    text = StringIO("\n".join(lines) + "\n")
    try:
        for token in tokenize.generate_tokens(text.readline):
            row = token.start[0] - 1
            if token.type == tokenize.NEWLINE:
                opens = statement[-1] == ":" or statement[0] == "@"
                if not opens:
                    yield row
                statement = [""]
            elif token.type == tokenize.NL:
                if not (depth or opens or lines[row].strip()):
                    yield row
            elif token.string.strip() and token.type != tokenize.COMMENT:
                depth += (token.string in "([{") - (token.string in ")]}")
                statement = [*filter(None, statement), token.string]
    except (SyntaxError, tokenize.TokenError):
        return


def _breakable(content: str, indent: int) -> str:
    """Let a line break at its spaces, and inside words that are long.

    The spaces that indent it are left out: they may stand inside markup.
    """
    pieces = _PIECE.findall(content)
    for _ in range(indent):
        pieces.remove(" ")
    out: list[str] = []
    word: list[str] = []
    for piece in [*pieces, " "]:
        if piece != " ":
            word.append(piece)
            continue
        out.append(_word(word))
        word = []
    return "\\codespace{}".join(out)


def _word(pieces: list[str]) -> str:
    """Write a word; a long one may break between any two letters."""
    letters = sum(not _is_markup(piece) for piece in pieces)
    if letters <= LONG_WORD:
        return "".join(pieces)
    return "".join(
        piece if _is_markup(piece) else f"{piece}\\codebreak{{}}"
        for piece in pieces
    )


def _is_markup(piece: str) -> bool:
    return piece == "}" or piece.startswith("\\PYG{")
