"""The figures of the chapter on training, sections 5.2 and 5.4.

What a figure computes it computes with the package or with PyTorch; what a
training run gives is plotted by the cells of the chapter.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from figures.canvas import (
    LABEL,
    MARGIN,
    SHEET,
    SMALL,
    Box,
    Canvas,
    Drawing,
    chip_width,
    format_number,
)
from figures.hand_model import PREDICTED, SOURCE, TARGET

CHIP = chip_width((*TARGET, *PREDICTED))
GAP = (SHEET - 2 * MARGIN - len(TARGET) * CHIP) / (len(TARGET) - 1)
"""What is free between the chips of a target, side by side on a sheet."""


# --- one step ---------------------------------------------------------------


def one_step() -> Drawing:
    """Show the six things that a step does, and the way back to the first."""
    sheet = Canvas()
    stations = (
        ("batch", "token", "pairs of sentences, as ids"),
        ("shift", "cell", "what is read, what is wanted"),
        ("forward", "output", "a guess for every position"),
        ("loss", "accent", "one number: how wrong?"),
        ("backward", "gradient", "which way, for each parameter"),
        ("update", "cell", "a small move that way"),
    )
    boxes = []
    for index, (name, role, says) in enumerate(stations):
        box = Box(34, 10 + index * 46, 96, 30)
        boxes.append(sheet.box(box, name, role, LABEL))
        sheet.text(box.right + 14, box.cy, says, anchor="start")
    for above, below in pairwise(boxes):
        sheet.arrow([(above.cx, above.bottom + 2), (below.cx, below.y - 2)])
    first, last = boxes[0], boxes[-1]
    back = [(last.x, last.cy), (16, last.cy), (16, first.cy)]
    sheet.arrow([*back, (first.x - 2, first.cy)])
    sheet.text(
        MARGIN,
        last.bottom + 16,
        "again, with the next batch",
        "muted",
        anchor="start",
    )
    return sheet.drawing()


def teacher_forcing() -> Drawing:
    """Show what the decoder reads against what it must say."""
    sheet = Canvas()
    y = _source(sheet, 26)
    sheet.text(MARGIN, y, "the decoder reads", "ink", anchor="start")
    read = _chips(sheet, y + 14, TARGET, "token")
    low = y + 104
    said = _chips(sheet, low, PREDICTED, "output")
    for one, other in zip(read, said, strict=True):
        sheet.arrow([(one.cx, one.bottom + 3), (other.cx, other.y - 3)])
    sheet.text(
        MARGIN,
        low + 42,
        "and must say: its labels, one step ahead",
        "output",
        anchor="start",
    )
    _decoder(sheet, y + 54, "the decoder, all four at once")
    return sheet.drawing()


def _source(sheet: Canvas, y: float) -> float:
    """Draw the source, read by the encoder; return where to go on."""
    sheet.text(MARGIN, y - 12, "the encoder reads", anchor="start")
    _chips(sheet, y, SOURCE, "token")
    return y + 58


def _chips(
    sheet: Canvas, y: float, tokens: Sequence[str], role: str
) -> list[Box]:
    """Set tokens side by side, all equally wide."""
    return [
        sheet.token(MARGIN + i * (CHIP + GAP), y, token, role, CHIP)
        for i, token in enumerate(tokens)
    ]


def _decoder(sheet: Canvas, y: float, says: str) -> Box:
    """Draw the decoder as a bar across the sheet."""
    bar = Box(MARGIN, y, SHEET - 2 * MARGIN, 28)
    return sheet.box(bar, says, "paper", edge="line")


WRONG = ("ich", "esse", "esse", "esse")
"""A bad beginner's answer, made up: one slip, and what follows from it."""


def two_ways() -> Drawing:
    """Show a slip under teacher forcing, and left to itself."""
    sheet = Canvas()
    forced = ("ich", "esse", "pizza", "</s>")
    y = 12.0
    for title, read, said in (
        ("training: it reads the right words", TARGET, forced),
        (
            "translating: it reads its own words",
            (TARGET[0], *WRONG[:-1]),
            WRONG,
        ),
    ):
        sheet.text(MARGIN, y, title, "ink", LABEL, "start", bold=True)
        top = _chips(sheet, y + 16, read, "token")
        low = _chips(sheet, y + 76, said, "output")
        for one, other, right in zip(top, low, PREDICTED, strict=True):
            sheet.arrow([(one.cx, one.bottom + 3), (other.cx, other.y - 3)])
            if said[low.index(other)] != right:
                sheet.highlight(other)
        y += 138
    return sheet.drawing()


# --- the loss ---------------------------------------------------------------


def surprise(probability: float) -> float:
    """Return what one token costs, in nats."""
    return -math.log(probability)


def loss_scale(vocabulary: int = 1300) -> Drawing:
    """Show what a loss means: the probability that the right token got."""
    sheet = Canvas()
    rows = (
        (1 / vocabulary, f"1 in {vocabulary:,}"),
        (0.1, "1 in 10"),
        (math.exp(-2), f"1 in {math.exp(2):.1f}"),
        (0.5, "1 in 2"),
        (0.9, "9 in 10"),
        (1.0, "certain"),
    )
    widest, left, most = surprise(1 / vocabulary), 88.0, 200.0
    for index, (probability, says) in enumerate(rows):
        y = 34.0 + index * 30
        cost = surprise(probability)
        sheet.text(left - 8, y, says, anchor="end")
        wide = max(2.0, most * cost / widest)
        bar = sheet.box(Box(left, y - 10, wide, 20), "", "accent", radius=2)
        sheet.text(
            bar.right + 8, y, format_number(cost), anchor="start", bold=True
        )
    sheet.text(left - 8, 10, "it got", "muted", anchor="end")
    sheet.text(left, 10, "so it costs, in nats", "muted", anchor="start")
    return sheet.drawing()


def mean_over_tokens() -> Drawing:
    """Show two batches of unequal size, and both means of their losses."""
    sheet = Canvas()
    batches = ((100, 2.0), (10, 4.0))
    total = sum(tokens * loss for tokens, loss in batches)
    count = sum(tokens for tokens, _ in batches)
    x = 20.0
    for tokens, loss in batches:
        wide = max(26.0, 270 * tokens / count)
        box = sheet.box(Box(x, 34, wide, 40), f"{loss:.0f}", "accent", LABEL)
        sheet.text(box.cx, 20, f"{tokens} tokens", "muted")
        x = box.right + 24
    sheet.text(
        20, 92, "the number in a box is its loss", "muted", anchor="start"
    )
    parts = " + ".join(f"{n} × {loss:.0f}" for n, loss in batches)
    sheet.text(
        20,
        122,
        f"over tokens: ({parts}) / {count} = {total / count:.2f}",
        anchor="start",
        bold=True,
    )
    naive = sum(loss for _, loss in batches) / len(batches)
    sheet.text(
        20,
        144,
        f"over batches: (2 + 4) / 2 = {naive:.2f}",
        "muted",
        anchor="start",
    )
    return sheet.drawing()


# --- gradients and modes ----------------------------------------------------


def gradients_of_two_batches(clear: bool) -> list[float]:
    """Ask PyTorch for the gradient of one parameter after two batches."""
    weight = nn.Parameter(torch.tensor(1.0))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    found = []
    for slope in (0.5, 0.25):
        if clear:
            optimizer.zero_grad()
        torch.autograd.backward(slope * weight)
        assert weight.grad is not None
        found.append(weight.grad.item())
    return found


def added_gradients() -> Drawing:
    """Show one parameter's gradient after two batches, cleared and not."""
    sheet = Canvas()
    sheet.text(138, 14, "after batch 1", "muted")
    sheet.text(282, 14, "after batch 2", "muted")
    for row, (clear, says) in enumerate(
        ((True, "cleared\nin between"), (False, "not\ncleared"))
    ):
        y = 34.0 + row * 74
        first, second = gradients_of_two_batches(clear)
        sheet.text(MARGIN, y + 16, says, anchor="start")
        one = sheet.box(Box(98, y, 80, 32), f"{first:.2f}", "gradient")
        two = sheet.box(Box(242, y, 80, 32), f"{second:.2f}", "gradient")
        sheet.arrow([(one.right + 3, one.cy), (two.x - 3, two.cy)])
        words = "0.25 alone" if clear else "0.50 + 0.25"
        sheet.text(two.cx, two.bottom + 13, words, "muted", SMALL)
    return sheet.drawing()


def modes() -> Drawing:
    """Show the mode of three parts before, during and after evaluating."""
    sheet = Canvas()
    names = ("model", "a part", "one kept\nin eval")
    before = ("train", "train", "eval")
    columns = (
        ("before", before),
        ("inside with", ("eval",) * 3),
        ("after", before),
    )
    for column, (title, states) in enumerate(columns):
        x = 112.0 + column * 84
        sheet.text(x + 33, 14, title, "muted")
        for row, state in enumerate(states):
            y = 32.0 + row * 38
            role = "accent" if state == "train" else "cell"
            sheet.box(Box(x, y, 66, 28), state, role)
    for row, name in enumerate(names):
        sheet.text(104, 46 + row * 38, name, anchor="end")
    return sheet.drawing()


# --- dropout ----------------------------------------------------------------

RATE, SEED = 0.1, 25


VECTOR = torch.tensor([9.0, -9, 18, 9, 27, -18, 9, 18, -9, 9])
"""Ten numbers that stay whole when they are divided by 0.9."""


def dropout() -> Drawing:
    """Show ten numbers in training, twice, and in evaluation."""
    sheet = Canvas()
    left = 34
    torch.manual_seed(SEED)
    first, second = (
        nn.functional.dropout(VECTOR, RATE).round() for _ in range(2)
    )
    rows = (
        ("what comes in", VECTOR),
        ("in training", first),
        ("in training, a step later", second),
        ("in evaluation", VECTOR),
    )
    for index, (says, values) in enumerate(rows):
        y = 24.0 + index * 58
        sheet.text(left, y - 12, says, anchor="start")
        box = sheet.vector(left - 14, y, values, "cell", title="")
        for column, value in enumerate(values.tolist()):
            if value == 0:
                sheet.hatch([box.cell(0, column)])
    return sheet.drawing()


def dropout_in_a_layer() -> Drawing:
    """Show the way of a sub-layer: only what it adds is dropped."""
    sheet = Canvas()
    start = sheet.box(Box(8, 66, 34, 34), "x")
    layer = sheet.box(Box(70, 60, 78, 46), "sub-layer", "output")
    drop = sheet.box(Box(174, 66, 66, 34), "dropout", "accent", stroke=2.5)
    plus = sheet.box(Box(262, 68, 30, 30), "+", radius=15)
    norm = sheet.box(Box(310, 66, 42, 34), "norm")
    for one, other in pairwise((start, layer, drop, plus, norm)):
        sheet.arrow([(one.right + 1, 83), (other.x - 1, 83)])
    around = [(55, 83), (55, 24), (plus.cx, 24), (plus.cx, plus.y - 1)]
    sheet.arrow(around)
    sheet.text(158, 12, "the way around: nothing is dropped here", "muted")
    sheet.text(
        158, 128, "the sub-layer's own words: some go missing", "accent"
    )
    return sheet.drawing()


# --- averaging --------------------------------------------------------------


def wandering() -> Tensor:
    """Walk about in a valley with noisy gradients, (steps, 2)."""
    generator = torch.Generator().manual_seed(5)
    place, places = torch.tensor([1.5, 0.2]), []
    for _ in range(12):
        noise = torch.randn(2, generator=generator)
        place = place - 0.7 * (place + 1.1 * noise)
        places.append(place)
    return torch.stack(places)


def averaging() -> Drawing:
    """Show the last places of a run, and their average, around the best."""
    sheet = Canvas()
    places = wandering()

    def at(place: Tensor) -> tuple[float, float]:
        x, y = place.tolist()
        return 170 + 105 * x, 138 + 80 * y

    points = [at(place) for place in places]
    sheet.line(points, "gradient")
    for x, y in points:
        sheet.box(Box(x - 3, y - 3, 6, 6), role="gradient", radius=3)
    x, y = at(torch.zeros(2))
    sheet.line([(x - 7, y - 7), (x + 7, y + 7)], "ink")
    sheet.line([(x - 7, y + 7), (x + 7, y - 7)], "ink")
    x, y = at(places.mean(0))
    sheet.box(Box(x - 7, y - 7, 14, 14), role="accent", radius=7, stroke=2.5)
    _key_to_averaging(sheet)
    return sheet.drawing()


def _key_to_averaging(sheet: Canvas) -> None:
    """Say what the three marks are, in the corner."""
    x, y = MARGIN + 10.0, 16.0
    sheet.box(Box(x - 3, y - 3, 6, 6), role="gradient", radius=3)
    sheet.text(x + 16, y, "a step of the run", anchor="start")
    y += 22
    sheet.line([(x - 6, y - 6), (x + 6, y + 6)], "ink")
    sheet.line([(x - 6, y + 6), (x + 6, y - 6)], "ink")
    sheet.text(x + 16, y, "the best place", anchor="start")
    y += 22
    sheet.box(Box(x - 6, y - 6, 12, 12), role="accent", radius=6, stroke=2.5)
    sheet.text(x + 16, y, "the average", anchor="start")


# --- telling failures apart -------------------------------------------------


def symptoms() -> Drawing:
    """Show which question to ask first, and where each answer leads."""
    sheet = Canvas()
    questions = (
        (
            "does the loss of\none batch go to 0?",
            (
                ("does not move", "no step, or cut graph"),
                ("stops at the unigram\nentropy", "rate too high"),
                ("stops above 0, with\none answer for all", "source not seen"),
                ("falls, then climbs", "gradients pile up"),
            ),
        ),
        (
            "does it translate\nthat batch right?",
            (
                ("the start sign,\nagain and again", "shift forgotten"),
                ("stumbles after\na word or two", "mask forgotten"),
            ),
        ),
        (
            "do two\nmeasurements agree?",
            (("another loss each time", "dropout is on"),),
        ),
    )
    y = 10.0
    for question, cases in questions:
        head = sheet.box(Box(8, y, 148, 46), question)
        sheet.text(head.right + 11, head.cy - 11, "no", "muted", SMALL)
        y = _cases(sheet, head, cases)
        sheet.arrow([(head.cx, head.bottom + 2), (head.cx, y - 2)])
        sheet.text(head.cx + 18, head.bottom + 14, "yes", "muted", SMALL)
    sheet.box(Box(8, y, 148, 30), "on to the real run", "output")
    return sheet.drawing()


def _cases(
    sheet: Canvas, head: Box, cases: Sequence[tuple[str, str]]
) -> float:
    """Draw what may be seen to the right, and the causes; return the end."""
    y, turn, left = head.y, head.right + 22, head.right + 38
    for seen, cause in cases:
        end = (left - 2, y + 23)
        sheet.line([(head.right + 2, head.cy), (turn, head.cy)])
        sheet.line([(turn, head.cy), (turn, end[1]), end])
        sheet.box(Box(left, y, 158, 46), seen, "muted")
        sheet.box(Box(left, y + 46, 158, 24), cause, "accent")
        y += 84
    return y
