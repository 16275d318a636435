"""The map of the Transformer: the paper's figure 1, drawn for this book.

A chapter lights the part that it explains, and every part can be a link.
"""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from figures.canvas import (
    NUMBER,
    SMALL,
    STROKE,
    Box,
    Canvas,
    Drawing,
    Point,
    text_width,
)
from figures.hand_model import PREDICTED, SOURCE, TARGET
from figures.palette import unknown
from figures.parts import PARTS

CARD = "scaled-dot-product-attention"
WIDE, FRAME = 138, 164
TITLE, NORM, GAP, FORK = 26, 26, 9, 18
HEIGHTS = {"attention": 62, "cross": 62, "masked": 92, "feed-forward": 30}
BOTTOM = 502
"""Where the two stacks stand on their inputs."""


@dataclass(frozen=True)
class _Piece:
    """One box of the map: its part, its place and what stands in it.

    The text stands in the middle, or at the top if other boxes fill it.
    """

    part: str
    box: Box
    text: str = ""
    role: str = "paper"
    edge: str = "line"
    low: bool = False
    chips: tuple[str, ...] = ()
    marked: bool = True


@dataclass(frozen=True)
class _Side:
    """One half of the machine: where its boxes and its detours run."""

    name: str
    x: float
    left: float
    lane: float
    layers: tuple[str, ...]

    @property
    def middle(self) -> float:
        """Where the current flows upwards."""
        return self.left + WIDE / 2

    @property
    def top(self) -> float:
        """Where its stack ends."""
        each = sum(NORM + GAP + HEIGHTS[one] + FORK for one in self.layers)
        return BOTTOM - TITLE - each

    def box(self, y: float, height: float = 28) -> Box:
        """Place a box on the current."""
        return Box(self.left, y, WIDE, height)


_ENCODER = _Side("encoder", 4, 23, 13, ("feed-forward", "attention"))
_DECODER = _Side("decoder", 188, 195, 343, ("feed-forward", "cross", "masked"))
MEMORY = _ENCODER.box(_ENCODER.top - 134, 112)


def transformer_map(
    lit: Sequence[str] = (), links: Mapping[str, str] | None = None
) -> Drawing:
    """Draw the machine, some parts lit, those of linked chapters as links."""
    for name in lit:
        if name not in PARTS:
            raise unknown("part", name, PARTS)
    sheet, pieces = Canvas(), _pieces()
    for name in PARTS:
        if name == "tokens":
            _currents(sheet)
        _draw_part(
            sheet,
            name,
            [one for one in pieces if one.part == name],
            name in lit,
            (links or {}).get(PARTS[name].chapter),
        )
    if lit:
        _dot(sheet, 16, 20)
        sheet.text(28, 20, "you are here", "accent", anchor="start")
    return sheet.drawing()


def _draw_part(
    sheet: Canvas, name: str, pieces: list[_Piece], lit: bool, href: str | None
) -> None:
    """Draw all boxes of a part, inside one link if there is one."""
    part = PARTS[name]
    chapter = part.chapter.replace("-", " ")
    label = f"{part.title}: chapter {chapter}"
    with sheet.link(href, label) if href else nullcontext():
        for piece in pieces:
            _draw_piece(sheet, piece, lit)


def _draw_piece(sheet: Canvas, piece: _Piece, lit: bool) -> None:
    """Draw one box; a lit one is filled, outlined and marked with a dot."""
    box = piece.box
    role, edge = ("accent",) * 2 if lit else (piece.role, piece.edge)
    text, stroke = "" if piece.low else piece.text, 2.5 if lit else STROKE
    size = SMALL if piece.part == CARD else NUMBER
    sheet.box(box, text, role, size, stroke, edge=edge)
    if piece.low:
        sheet.text(box.cx, box.y + 14, piece.text)
    if piece.part == "mask":
        sheet.hatch([Box(box.x + 6, box.y + 4, 34, box.h - 8)])
        sheet.hatch([Box(box.right - 40, box.y + 4, 34, box.h - 8)])
    if piece.part == "memory":
        sheet.grid(box.x + 5, box.y + 28, (3, 4), "memory", title="")
    _chips(sheet, box, piece.chips)
    if lit and piece.marked:
        _dot(sheet, box.x + 1, box.y + 1)


def _chips(sheet: Canvas, box: Box, tokens: Sequence[str]) -> None:
    """Set a sentence as chips in the middle of a box."""
    widths = [max(24, text_width(token) + 10) for token in tokens]
    x = box.cx - (sum(widths) + 4 * (len(tokens) - 1)) / 2
    for token, wide in zip(tokens, widths, strict=True):
        sheet.token(x, box.y + 2, token, width=wide)
        x += wide + 4


def _dot(sheet: Canvas, x: float, y: float) -> None:
    """Put the dot that says: you are here."""
    sheet.box(Box(x - 2.5, y - 2.5, 5, 5), role="accent", radius=2.5, stroke=5)


def _pieces() -> list[_Piece]:
    """List every box of the map that belongs to a part."""
    top = _DECODER.top
    return [
        *_half(_ENCODER, SOURCE),
        *_half(_DECODER, TARGET),
        _Piece("memory", MEMORY, "memory", "memory", "memory", low=True),
        _Piece("linear-and-softmax", _DECODER.box(top - 42), "linear"),
        _Piece("linear-and-softmax", _DECODER.box(top - 82), "softmax"),
        _Piece(
            "tokens",
            Box(_DECODER.x, top - 126, FRAME, 30),
            edge="paper",
            chips=PREDICTED,
        ),
    ]


def _half(side: _Side, tokens: tuple[str, ...]) -> list[_Piece]:
    """List one half from its frame to its tokens."""
    frame = Box(side.x, side.top, FRAME, BOTTOM - side.top)
    pieces = [
        _Piece(side.name, frame, role="cell"),
        _Piece(
            "positional-encoding",
            side.box(BOTTOM + 12),
            "+ positional encoding",
        ),
        _Piece("embedding", side.box(BOTTOM + 52), "embedding"),
        _Piece(
            "tokens",
            Box(side.x, BOTTOM + 94, FRAME, 30),
            edge="paper",
            chips=tokens,
        ),
    ]
    for kind, norm, box in _layers(side):
        pieces.append(_Piece("add-and-norm", norm, "add & norm"))
        pieces += _sublayer(kind, box)
    return pieces


def _layers(side: _Side) -> list[tuple[str, Box, Box]]:
    """Place the sub-layers of a stack, from the top, each under its norm."""
    y, places = side.top + TITLE, []
    for kind in side.layers:
        box = side.box(y + NORM + GAP, HEIGHTS[kind])
        places.append((kind, side.box(y, NORM), box))
        y = box.bottom + FORK
    return places


def _sublayer(kind: str, box: Box) -> list[_Piece]:
    """List the boxes of one sub-layer: attention has boxes inside."""
    if kind == "feed-forward":
        return [_Piece("feed-forward", box, "feed-forward")]
    heads = [
        _Piece(
            CARD,
            Box(box.x + 6 + shift, box.y + 32 - shift, WIDE - 18, 26),
            marked=False,
        )
        for shift in (6, 3, 0)
    ]
    pieces = [
        _Piece("multi-head-attention", box, "multi-head attention", low=True),
        *heads[:-1],
        _Piece(CARD, heads[-1].box, "scaled dot-product"),
    ]
    if kind == "masked":
        strip = Box(box.x + 6, box.y + 62, WIDE - 12, 25)
        pieces.append(_Piece("mask", strip, "mask", "mask", "mask"))
    return pieces


def _currents(sheet: Canvas) -> None:
    """Draw what flows: upwards, around each sub-layer, and across."""
    top, foot = _DECODER.top, BOTTOM + 80
    ways = [_up(_DECODER, top + TITLE, top - 14)]
    ways += [
        _up(_DECODER, top - 42, top - 54),
        _up(_DECODER, top - 82, top - 96),
    ]
    ways += [_up(_ENCODER, _ENCODER.top + TITLE, MEMORY.bottom)]
    for side in (_ENCODER, _DECODER):
        ways += [_up(side, foot + 14, foot), _up(side, foot - 28, foot - 40)]
        ways += _inside(side)
        x, y = side.middle, side.top + 14
        sheet.text(x - 10, y, side.name, anchor="end")
        sheet.text(x + 10, y, "N times", anchor="start")
    sheet.arrows(ways)
    _across(sheet)


def _up(side: _Side, low: float, high: float) -> list[Point]:
    """Trace one step of the current."""
    return [(side.middle, low), (side.middle, high)]


def _inside(side: _Side) -> list[list[Point]]:
    """Trace the current through a stack, with the way around each box."""
    ways, floor = [], BOTTOM + 12.0
    for _, norm, box in reversed(_layers(side)):
        ways += [_up(side, floor, box.bottom), _up(side, box.y, norm.bottom)]
        fork = box.bottom + FORK / 2
        edge = box.x if side.lane < box.x else box.right
        around = [(side.lane, fork), (side.lane, norm.cy), (edge, norm.cy)]
        ways.append([(side.middle, fork), *around])
        floor = norm.y
    return ways


def _across(sheet: Canvas) -> None:
    """Draw how the memory reaches the decoder, as keys and values."""
    cross = next(box for kind, _, box in _layers(_DECODER) if kind == "cross")
    x, y = (_ENCODER.x + FRAME + _DECODER.x) / 2, MEMORY.cy
    down = [(MEMORY.right, y), (x, y), (x, cross.cy), (cross.x, cross.cy)]
    sheet.arrow(down, "memory", 2)
    sheet.text(x - 9, y + 26, "K\nV", "memory", SMALL)
