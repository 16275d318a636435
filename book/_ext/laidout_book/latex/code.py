"""Listings: one TeX command a line, so that pages break where they should.

A page ends between two paragraphs of code if it can, never after the first
or before the last two lines, and rather not after a line that opens
something. A line that is too long goes on in the next, after an arrow.
"""

import re
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

TOGETHER = 2
NEVER, RATHER_NOT, WELL, BEST = 10000, 2000, 250, -200
LONG_WORD = 24
_PIECE = re.compile(r"\\PYGZ\w+\{\}|\\[a-zA-Z]+\{\}|\\PYG\{[^}]*\}\{|.")
_OPENS = re.compile(r"[:(\[{,\\]\s*$|^\s*[@#]")


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


def listing(plain: str, marked: str) -> str:
    """Write the lines of a listing.

    Args:
        plain: the code as it is.
        marked: the same lines as Pygments writes them for LaTeX.
    """
    lines = plain.rstrip("\n").split("\n")
    tex = marked.rstrip("\n").split("\n")
    tex = tex[len(tex) - len(lines) :] if len(tex) > len(lines) else tex
    written = []
    for number, (line, content) in enumerate(zip(lines, tex, strict=True)):
        if not line.strip():
            written.append(f"\\codegap{{{_penalty(lines, number)}}}")
            continue
        indent = len(line) - len(line.lstrip(" "))
        after = _penalty(lines, number)
        words = _breakable(content, indent)
        written.append(f"\\codeline{{{indent}}}{{{after}}}{{{words}}}")
    return "%\n".join(written)


def _penalty(lines: list[str], number: int) -> int:
    """Say how bad it is to end a page after this line."""
    done, left = number + 1, len(lines) - number - 1
    if done < TOGETHER or left < TOGETHER:
        return NEVER
    if not lines[number].strip():
        return BEST
    if not lines[number + 1].strip():
        return WELL
    return RATHER_NOT if _OPENS.search(lines[number]) else WELL


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
