"""The whole hand model on one sheet, with the numbers on the way."""

from typing import NamedTuple

from torch import Tensor

from figures.canvas import (
    CELL_H,
    CELL_W,
    LABEL,
    MARGIN,
    SHEET,
    SMALL,
    Box,
    Canvas,
    Drawing,
    chip_width,
)
from figures.hand_model import (
    D_MODEL,
    DECODER,
    ENCODER,
    HEADS,
    POSITIONS,
    SOURCE,
    TARGET_WORDS,
    AttentionSteps,
)
from figures.palette import MARKS

CHIP = chip_width(SOURCE)
LEFT = MARGIN + CHIP + 6
RIGHT = SHEET - MARGIN - D_MODEL * CELL_W


class _Grid(NamedTuple):
    """A matrix with its name; framed where its left half is head 1's."""

    title: str
    values: Tensor | list[list[float]]
    role: str = "cell"
    framed: bool = False


def whole() -> Drawing:
    """Show the encoder up to the memory, and the decoder up to “ich”.

    What belongs to head 1 is framed: it is the head of this book.
    """
    sheet = Canvas()
    bottom = _encoder(sheet, 12)
    _decoder(sheet, bottom + 30)
    return sheet.drawing()


def _encoder(sheet: Canvas, y: float) -> float:
    """Draw the encoder with both heads, and say where it ends."""
    steps, block = ENCODER, ENCODER.attention
    y = _heading(sheet, y, "encoder")
    placed = _Grid("position", POSITIONS[: len(SOURCE)])
    embedded = _Grid("embedding, doubled", steps.embedded)
    y = _pair(sheet, y, embedded, placed, plus=True)
    y = _next(sheet, _grid(sheet, LEFT, y, _Grid("x: their sum", steps.x)))
    y = _next(sheet, _roles(sheet, y, block))
    first, second = block.weights
    box = sheet.weights(LEFT, y, first, SOURCE, title="shares, head 1")
    sheet.highlight(box)
    sheet.weights(RIGHT, y, second, title="shares, head 2")
    both = _Grid("both heads", block.joined, framed=True)
    y = _next(sheet, box.bottom)
    y = _pair(sheet, y, both, _Grid("after W_O", block.output))
    reworked = _Grid("feed-forward", steps.feed_forward.output)
    y = _pair(sheet, y, _Grid("+ x, norm", steps.normed), reworked)
    memory = _Grid("+ feed-forward, norm: M", steps.memory, "memory")
    bottom = _grid(sheet, LEFT, y, memory)
    sheet.text(RIGHT, (y + bottom) / 2, "memory", "memory", LABEL, "start")
    return bottom


def _roles(sheet: Canvas, y: float, block: AttentionSteps) -> float:
    """Draw Q, K and V of each head in a row, and say where they end."""
    made = {"query": block.query, "key": block.key, "value": block.value}
    for head in range(HEADS):
        x = LEFT
        for role, heads in made.items():
            rows = SOURCE if x == LEFT else ()
            title = "" if head else MARKS[role]
            box = sheet.matrix(x, y, heads[head], role, rows, title=title)
            if head == 0:
                sheet.highlight(box)
            x = box.right + 16
        says = f"head {head + 1}"
        sheet.text(x - 4, box.cy, says, anchor="start", bold=True)
        y = box.bottom + 10
    return box.bottom


def _pair(
    sheet: Canvas, y: float, left: _Grid, right: _Grid, plus: bool = False
) -> float:
    """Draw two grids, a sum or one made of the other; say what is below."""
    bottom = _grid(sheet, LEFT, y, left)
    _grid(sheet, RIGHT, y, right)
    middle, start = (y + bottom) / 2, LEFT + D_MODEL * CELL_W
    if plus:
        sheet.text((start + RIGHT) / 2, middle, "+", size=LABEL)
    else:
        sheet.arrow([(start + 5, middle), (RIGHT - 5, middle)])
    return _next(sheet, bottom)


def _grid(sheet: Canvas, x: float, y: float, grid: _Grid) -> float:
    """Draw one grid with a row for each word, and say where it ends."""
    rows = SOURCE if x == LEFT else ()
    box = sheet.matrix(x, y, grid.values, grid.role, rows, title=grid.title)
    if grid.framed:
        sheet.highlight(Box(x, y, box.w / HEADS, box.h))
    return box.bottom


def _next(sheet: Canvas, bottom: float) -> float:
    """Point down from where a grid ends to where the next begins."""
    x = MARGIN + CHIP / 2
    sheet.arrow([(x, bottom + 5), (x, bottom + 29)])
    return bottom + 34


def _heading(sheet: Canvas, y: float, says: str) -> float:
    """Write a heading with a line under it."""
    sheet.text(MARGIN, y + 4, says, "ink", LABEL, "start", bold=True)
    sheet.line([(MARGIN, y + 16), (SHEET - MARGIN, y + 16)])
    return y + 44


def _decoder(sheet: Canvas, y: float) -> None:
    """Draw the first step of the decoder, from <s> to “ich”."""
    steps = DECODER
    y = _heading(sheet, y, "decoder, its first word") - 18
    y = _step(sheet, y, "embedding, doubled,\nplus position", steps.x)
    y = _step(sheet, y, "+ attention to itself,\nnorm", steps.own_normed) + 16
    for index, weights in enumerate(steps.cross.weights[:, 0]):
        names = SOURCE if index == 0 else ()
        box = sheet.weights(LEFT, y, weights, columns=names)
        says = f"what head {index + 1}\nlooks at in the source"
        sheet.text(RIGHT - 22, box.cy, says, anchor="start", size=SMALL)
        y = box.bottom + 10
    says = "+ what they found,\nnorm"
    y = _step(sheet, y, says, steps.cross_normed)
    y = _step(sheet, y, "+ feed-forward,\nnorm", steps.hidden)
    _prediction(sheet, y + 18)


def _step(sheet: Canvas, y: float, says: str, rows: Tensor) -> float:
    """Draw the vector of <s> with what made it at its right."""
    sheet.token(MARGIN, y, "<s>", width=CHIP)
    box = sheet.vector(LEFT, y, rows[0], title="")
    sheet.text(RIGHT - 22, box.cy, says, anchor="start", size=SMALL)
    return box.bottom + 10


def _prediction(sheet: Canvas, y: float) -> None:
    """Draw the probability of every word of the target."""
    chances, step = DECODER.probabilities[0], 54.0
    x = (SHEET - step * len(TARGET_WORDS)) / 2
    bars = sheet.bars(x, y, chances, 60, step, "output")
    for index, word in enumerate(TARGET_WORDS):
        middle, share = x + step * (index + 0.5), chances[index].item()
        top = bars.bottom - bars.h * share
        sheet.text(middle, top - 9, f"{share:.2f}", size=SMALL)
        sheet.text(middle, bars.bottom + 12, word, "token", SMALL)
    says = "the most probable next word: ich"
    sheet.text(SHEET / 2, bars.bottom + CELL_H + 10, says, size=LABEL)
