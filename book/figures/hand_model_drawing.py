"""The whole hand model on one sheet, with the numbers on the way.

On a phone the decoder stands below the encoder, on paper beside it.
"""

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
    Paper,
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
PAPER = 594
"""How wide the sheet for paper is."""
BESIDE = PAPER - MARGIN - D_MODEL * CELL_W
"""Where the decoder's vectors begin on it."""
START = BESIDE - 6 - chip_width(["<s>"])
"""Where their chips do."""
EDGE = 390
"""Where the encoder ends on it."""
MIDDLE, DOWN = (START + BESIDE - 6) / 2, 62
"""The middle of the chips, and how far down the next step is."""
LANE = (EDGE + START) / 2
"""Where the memory goes up to the decoder."""


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
    y = _to_x(sheet, _heading(sheet, 12, "encoder"))
    memory = _to_memory(sheet, _heads_below(sheet, y, ENCODER.attention))
    sheet.text(RIGHT, memory.cy, "memory", "memory", LABEL, "start")
    y = _heading(sheet, memory.bottom + 30, "decoder, its first word")
    _decoder(sheet, y - 18)
    return sheet.drawing()


def whole_on_paper() -> Drawing:
    """Show the same with the decoder at the right of the encoder."""
    sheet = Paper(PAPER)
    y = _to_x(sheet, _heading(sheet, 12, "encoder", end=EDGE))
    memory = _to_memory(sheet, _heads_beside(sheet, y, ENCODER.attention))
    says, end = "decoder, its first word", PAPER - MARGIN
    y = _heading(sheet, 12, says, START, end)
    looks = _decoder_beside(sheet, y + 10)
    middle = memory.cy
    sheet.text(RIGHT, middle - 12, "memory", "memory", LABEL, "start")
    way = [(memory.right + 4, middle), (LANE, middle)]
    ends = [[(LANE, one.cy), (one.x - 5, one.cy)] for one in looks]
    sheet.arrows([[*way, *end] for end in ends], "memory", 2)
    sheet.text(LANE - 10, middle - 50, "K\nV", "memory", LABEL)
    return sheet.drawing()


def _to_x(sheet: Canvas, y: float) -> float:
    """Draw what enters attention, and say where that begins."""
    placed = _Grid("position", POSITIONS[: len(SOURCE)])
    embedded = _Grid("embedding, doubled", ENCODER.embedded)
    y = _pair(sheet, y, embedded, placed, plus=True)
    x = _Grid("x: their sum", ENCODER.x)
    return _next(sheet, _grid(sheet, LEFT, y, x))


def _heads_below(sheet: Canvas, y: float, block: AttentionSteps) -> float:
    """Draw both heads, their shares below them, and say what is next."""
    y = _next(sheet, _roles(sheet, y, block))
    first, second = block.weights
    box = sheet.weights(LEFT, y, first, SOURCE, title="shares, head 1")
    sheet.highlight(box)
    sheet.weights(RIGHT, y, second, title="shares, head 2")
    return _next(sheet, box.bottom)


def _heads_beside(sheet: Canvas, y: float, block: AttentionSteps) -> float:
    """Draw a row for each head, its shares at the end of it."""
    made = {"query": block.query, "key": block.key, "value": block.value}
    for head in range(HEADS):
        x, boxes = LEFT, []
        for role, heads in made.items():
            rows = SOURCE if x == LEFT else ()
            boxes.append(sheet.matrix(x, y, heads[head], role, rows))
            x = boxes[-1].right + 12
        shares, says = block.weights[head], f"shares, head {head + 1}"
        boxes.append(sheet.weights(EDGE - 3 * CELL_W, y, shares, title=says))
        for box in boxes if head == 0 else ():
            sheet.highlight(box)
        y = boxes[-1].bottom + 28
    return _next(sheet, boxes[-1].bottom)


def _to_memory(sheet: Canvas, y: float) -> Box:
    """Draw all that follows the heads, and return the memory's place."""
    block = ENCODER.attention
    both = _Grid("both heads", block.joined, framed=True)
    y = _pair(sheet, y, both, _Grid("after W_O", block.output))
    reworked = _Grid("feed-forward", ENCODER.feed_forward.output)
    y = _pair(sheet, y, _Grid("+ x, norm", ENCODER.normed), reworked)
    memory = _Grid("+ feed-forward, norm: M", ENCODER.memory, "memory")
    bottom = _grid(sheet, LEFT, y, memory)
    return Box(LEFT, y, D_MODEL * CELL_W, bottom - y)


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


def _next(
    sheet: Canvas, bottom: float, x: float = MARGIN + CHIP / 2, gap: float = 34
) -> float:
    """Point down from where a grid ends to where the next begins."""
    sheet.arrow([(x, bottom + 5), (x, bottom + gap - 5)])
    return bottom + gap


def _heading(
    sheet: Canvas,
    y: float,
    says: str,
    x: float = MARGIN,
    end: float = SHEET - MARGIN,
) -> float:
    """Write a heading with a line under it."""
    sheet.text(x, y + 4, says, "ink", LABEL, "start", bold=True)
    sheet.line([(x, y + 16), (end, y + 16)])
    return y + 44


def _decoder(sheet: Canvas, y: float) -> None:
    """Draw the first step of the decoder, from <s> to “ich”."""
    steps = DECODER
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
    step = 54.0
    x = (SHEET - step * len(TARGET_WORDS)) / 2
    _prediction(sheet, y + 18, x, step, "the most probable next word: ich")


def _decoder_beside(sheet: Canvas, y: float) -> list[Box]:
    """Draw the same in a column, and return where each head looks."""
    steps = DECODER
    y = _vector(sheet, y, "embedding, doubled,\nplus position", steps.x)
    says = "+ attention to itself,\nnorm"
    y = _vector(sheet, y, says, steps.own_normed)
    looks = []
    for index, weights in enumerate(steps.cross.weights[:, 0]):
        says = f"what head {index + 1}\nlooks at in the source"
        _above(sheet, y - 3, says)
        box = sheet.weights(BESIDE, y + 15, weights, columns=SOURCE)
        looks.append(box)
        y = box.bottom + DOWN
    y = _next(sheet, looks[-1].bottom, MIDDLE, DOWN)
    says = "+ what they found,\nnorm"
    y = _vector(sheet, y, says, steps.cross_normed)
    y = _vector(sheet, y, "+ feed-forward,\nnorm", steps.hidden)
    step = (PAPER - MARGIN - START) / len(TARGET_WORDS)
    _prediction(sheet, y, START, step, "the most probable\nnext word: ich")
    return looks


def _vector(sheet: Canvas, y: float, says: str, rows: Tensor) -> float:
    """Draw the vector of <s>, what made it above, and say what is next."""
    _above(sheet, y, says)
    box = sheet.vector(BESIDE, y, rows[0], label="<s>", title="")
    return _next(sheet, box.bottom, MIDDLE, DOWN)


def _above(sheet: Canvas, y: float, says: str) -> None:
    """Write two lines that end where a grid begins."""
    sheet.text(BESIDE, y - 19, says, anchor="start", size=SMALL)


def _step(sheet: Canvas, y: float, says: str, rows: Tensor) -> float:
    """Draw the vector of <s> with what made it at its right."""
    sheet.token(MARGIN, y, "<s>", width=CHIP)
    box = sheet.vector(LEFT, y, rows[0], title="")
    sheet.text(RIGHT - 22, box.cy, says, anchor="start", size=SMALL)
    return box.bottom + 10


def _prediction(
    sheet: Canvas, y: float, x: float, step: float, says: str
) -> None:
    """Draw the probability of every word of the target."""
    chances = DECODER.probabilities[0]
    bars = sheet.bars(x, y, chances, 60, step, "output")
    for index, word in enumerate(TARGET_WORDS):
        middle, share = x + step * (index + 0.5), chances[index].item()
        top = bars.bottom - bars.h * share
        sheet.text(middle, top - 9, f"{share:.2f}", size=SMALL)
        sheet.text(middle, bars.bottom + 12, word, "token", SMALL)
    y = bars.bottom + CELL_H + 10 + 8 * says.count("\n")
    sheet.text(bars.cx, y, says, size=LABEL)
