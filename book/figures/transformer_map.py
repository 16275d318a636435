"""The map of the Transformer: the paper's figure 1, drawn for this book.

A chapter lights the part that it explains, and every part can be a link. On
paper, where there is more room across, attention has its name at its side.
"""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from figures.canvas import (
    CELL_W,
    NUMBER,
    SMALL,
    STROKE,
    Box,
    Canvas,
    Drawing,
    Paper,
    Point,
    text_width,
)
from figures.hand_model import PREDICTED, SOURCE, TARGET
from figures.palette import unknown
from figures.parts import PARTS

CARD = "scaled-dot-product-attention"
FRONT = Box(0, 0, 120, 26)
"""The foremost of the heads; the others show 3 and 6 behind it."""
POINTS = 306
"""How wide every map is printed."""


@dataclass(frozen=True)
class _Piece:
    """One box of the map: its part, its place and what stands in it.

    The text stands in the middle, or elsewhere if other boxes fill it.
    """

    part: str
    box: Box
    text: str = ""
    role: str = "paper"
    edge: str = "line"
    name: Point | None = None
    chips: tuple[str, ...] = ()
    marked: bool = True


@dataclass(frozen=True)
class _Side:
    """One half of the machine: where its boxes and its detours run."""

    name: str
    layout: "_Layout"
    x: float
    left: float
    lane: float
    layers: tuple[str, ...]

    @property
    def middle(self) -> float:
        """Where the current flows upwards."""
        return self.left + self.layout.wide / 2

    @property
    def top(self) -> float:
        """Where its stack ends."""
        own = self.layout
        each = own.norm + own.gap + own.fork
        high = sum(each + own.heights[one] for one in self.layers)
        return own.bottom - own.title - high

    def box(self, y: float, height: float) -> Box:
        """Place a box on the current."""
        return Box(self.left, y, self.layout.wide, height)


@dataclass(frozen=True)
class _Layout:
    """The measures of a map, and where its two halves stand.

    `wide` and `high` are those of a box, `step` leads from one to the next,
    `apart` the halves are. In a stack `gap` lies under a norm, and `fork`
    under what it normalises. `heads` is where they stand in attention, whose
    name stands above or `beside` them; their own letters are `small`.
    """

    wide: float
    high: float
    step: float
    apart: float
    title: float
    norm: float
    gap: float
    fork: float
    heights: Mapping[str, float]
    bottom: float
    heads: Point
    beside: bool
    small: float

    @property
    def frame(self) -> float:
        """Say how wide a half is, the way around its boxes included."""
        return self.wide + 26

    @property
    def encoder(self) -> _Side:
        """The left half, with its way around at the left."""
        layers = "feed-forward", "attention"
        return _Side("encoder", self, 4, 23, 13, layers)

    @property
    def decoder(self) -> _Side:
        """The right half, with its way around at the right."""
        x = 4 + self.frame + self.apart
        layers = "feed-forward", "cross", "masked"
        return _Side("decoder", self, x, x + 7, x + self.frame - 9, layers)

    @property
    def memory(self) -> Box:
        """The box above the encoder."""
        return self.encoder.box(self.encoder.top - 134, 112)


_PHONE = _Layout(
    wide=138,
    high=28,
    step=40,
    apart=20,
    title=26,
    norm=26,
    gap=9,
    fork=18,
    heights={"attention": 62, "cross": 62, "masked": 92, "feed-forward": 30},
    bottom=502,
    heads=(6, 32),
    beside=False,
    small=SMALL,
)
_PAPER = _Layout(
    wide=206,
    high=23,
    step=32,
    apart=30,
    title=22,
    norm=21,
    gap=8,
    fork=15,
    heights={"attention": 40, "cross": 40, "masked": 69, "feed-forward": 24},
    bottom=405,
    heads=(74, 10),
    beside=True,
    small=NUMBER,
)


def transformer_map(
    lit: Sequence[str] = (), links: Mapping[str, str] | None = None
) -> Drawing:
    """Draw the machine, some parts lit, those of linked chapters as links."""
    return _drawn(Canvas(), _PHONE, lit, links)


def transformer_map_on_paper(
    lit: Sequence[str] = (), links: Mapping[str, str] | None = None
) -> Drawing:
    """Draw the same for the PDF: broader, and not so tall."""
    wide = 2 * (4 + _PAPER.frame) + _PAPER.apart
    return _drawn(Paper(wide, POINTS), _PAPER, lit, links)


def _drawn(
    sheet: Canvas,
    layout: _Layout,
    lit: Sequence[str],
    links: Mapping[str, str] | None,
) -> Drawing:
    """Draw the map on a sheet, what lies on top last."""
    for name in lit:
        if name not in PARTS:
            raise unknown("part", name, PARTS)
    pieces = _pieces(layout)
    for name in PARTS:
        if name == "tokens":
            _currents(sheet, layout)
        own = [one for one in pieces if one.part == name]
        href = (links or {}).get(PARTS[name].chapter)
        _draw_part(sheet, layout, name, own, name in lit, href)
    if lit:
        _dot(sheet, 16, 20)
        sheet.text(28, 20, "you are here", "accent", anchor="start")
    return sheet.drawing()


def _draw_part(
    sheet: Canvas,
    layout: _Layout,
    name: str,
    pieces: list[_Piece],
    lit: bool,
    href: str | None,
) -> None:
    """Draw all boxes of a part, inside one link if there is one."""
    part = PARTS[name]
    chapter = part.chapter.replace("-", " ")
    label = f"{part.title}: chapter {chapter}"
    with sheet.link(href, label) if href else nullcontext():
        for piece in pieces:
            _draw_piece(sheet, layout, piece, lit)


def _draw_piece(
    sheet: Canvas, layout: _Layout, piece: _Piece, lit: bool
) -> None:
    """Draw one box; a lit one is filled, outlined and marked with a dot."""
    box = piece.box
    role, edge = ("accent",) * 2 if lit else (piece.role, piece.edge)
    text, stroke = "" if piece.name else piece.text, 2.5 if lit else STROKE
    size = layout.small if piece.part == CARD else NUMBER
    sheet.box(box, text, role, size, stroke, edge=edge)
    if piece.name:
        sheet.text(*piece.name, piece.text)
    if piece.part == "mask":
        sheet.hatch([Box(box.x + 6, box.y + 4, 34, box.h - 8)])
        sheet.hatch([Box(box.right - 40, box.y + 4, 34, box.h - 8)])
    if piece.part == "memory":
        x = box.cx - 2 * CELL_W
        sheet.grid(x, box.y + 28, (3, 4), "memory", title="")
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
    sheet.dot(x, y, 5, "accent")


def _pieces(layout: _Layout) -> list[_Piece]:
    """List every box of the map that belongs to a part."""
    decoder, memory = layout.decoder, layout.memory
    linear = decoder.box(decoder.top - 14 - layout.high, layout.high)
    softmax = decoder.box(linear.y - layout.step, layout.high)
    above = memory.cx, memory.y + 14
    return [
        *_half(layout.encoder, SOURCE),
        *_half(decoder, TARGET),
        _Piece("memory", memory, "memory", "memory", "memory", above),
        _Piece("linear-and-softmax", linear, "linear"),
        _Piece("linear-and-softmax", softmax, "softmax"),
        _tokens(decoder, softmax.y - 44, PREDICTED),
    ]


def _tokens(side: _Side, y: float, tokens: tuple[str, ...]) -> _Piece:
    """Place a sentence at an end of the current."""
    box = Box(side.x, y, side.layout.frame, 30)
    return _Piece("tokens", box, edge="paper", chips=tokens)


def _half(side: _Side, tokens: tuple[str, ...]) -> list[_Piece]:
    """List one half from its frame to its tokens."""
    high, bottom = side.layout.high, side.layout.bottom
    frame = Box(side.x, side.top, side.layout.frame, bottom - side.top)
    place = side.box(bottom + 12, high)
    embedding = side.box(place.y + side.layout.step, high)
    pieces = [
        _Piece(side.name, frame, role="cell"),
        _Piece("positional-encoding", place, "+ positional encoding"),
        _Piece("embedding", embedding, "embedding"),
        _tokens(side, embedding.bottom + 14, tokens),
    ]
    for kind, norm, box in _layers(side):
        pieces.append(_Piece("add-and-norm", norm, "add & norm"))
        pieces += _sublayer(side.layout, kind, box)
    return pieces


def _layers(side: _Side) -> list[tuple[str, Box, Box]]:
    """Place the sub-layers of a stack, from the top, each under its norm."""
    own = side.layout
    y, places = side.top + own.title, []
    for kind in side.layers:
        norm = side.box(y, own.norm)
        box = side.box(norm.bottom + own.gap, own.heights[kind])
        places.append((kind, norm, box))
        y = box.bottom + own.fork
    return places


def _sublayer(layout: _Layout, kind: str, box: Box) -> list[_Piece]:
    """List the boxes of one sub-layer: attention has boxes inside."""
    if kind == "feed-forward":
        return [_Piece("feed-forward", box, "feed-forward")]
    across, down = layout.heads
    front = FRONT._replace(x=box.x + across, y=box.y + down)
    heads = [
        _Piece(
            CARD,
            front._replace(x=front.x + shift, y=front.y - shift),
            marked=False,
        )
        for shift in (6, 3, 0)
    ]
    text, name = "multi-head attention", (box.cx, box.y + 14)
    if layout.beside:
        text, name = "multi-head\nattention", (box.x + across / 2, box.cy)
    pieces = [
        _Piece("multi-head-attention", box, text, name=name),
        *heads[:-1],
        _Piece(CARD, heads[-1].box, "scaled dot-product"),
    ]
    if kind == "masked":
        strip = Box(front.x, front.y + 30, front.w + 6, 25)
        pieces.append(_Piece("mask", strip, "mask", "mask", "mask"))
    return pieces


def _currents(sheet: Canvas, layout: _Layout) -> None:
    """Draw what flows: upwards, around each sub-layer, and across."""
    encoder, decoder = layout.encoder, layout.decoder
    high, step, top = layout.high, layout.step, decoder.top
    linear, foot = top - 14 - high, layout.bottom + 12 + step + high
    ways = [
        _up(decoder, top + layout.title, top - 14),
        _up(decoder, linear, linear - step + high),
        _up(decoder, linear - step, linear - step - 14),
        _up(encoder, encoder.top + layout.title, layout.memory.bottom),
    ]
    for side in (encoder, decoder):
        ways += [
            _up(side, foot + 14, foot),
            _up(side, foot - high, foot - step),
        ]
        ways += _inside(side)
        x, y = side.middle, side.top + 14
        sheet.text(x - 10, y, side.name, anchor="end")
        sheet.text(x + 10, y, "N times", anchor="start")
    sheet.arrows(ways)
    _across(sheet, layout)


def _up(side: _Side, low: float, high: float) -> list[Point]:
    """Trace one step of the current."""
    return [(side.middle, low), (side.middle, high)]


def _inside(side: _Side) -> list[list[Point]]:
    """Trace the current through a stack, with the way around each box."""
    ways, floor = [], side.layout.bottom + 12.0
    for _, norm, box in reversed(_layers(side)):
        ways += [_up(side, floor, box.bottom), _up(side, box.y, norm.bottom)]
        fork = box.bottom + side.layout.fork / 2
        edge = box.x if side.lane < box.x else box.right
        around = [(side.lane, fork), (side.lane, norm.cy), (edge, norm.cy)]
        ways.append([(side.middle, fork), *around])
        floor = norm.y
    return ways


def _across(sheet: Canvas, layout: _Layout) -> None:
    """Draw how the memory reaches the decoder, as keys and values."""
    decoder, memory = layout.decoder, layout.memory
    cross = next(box for kind, _, box in _layers(decoder) if kind == "cross")
    x, y = decoder.x - layout.apart / 2, memory.cy
    down = [(memory.right, y), (x, y), (x, cross.cy), (cross.x, cross.cy)]
    sheet.arrow(down, "memory", 2)
    sheet.text(x - 9, y + 26, "K\nV", "memory", layout.small)
