"""The figures of the chapter on scaled dot-product attention, section 3.2.1.

Every number is computed here from the tensors of the example.
"""

import math
from itertools import pairwise
from typing import TypedDict

import torch
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
    format_number,
)
from figures.example import TOKENS, key, query, value
from laidout.attention import scaled_dot_product_attention
from laidout.masks import causal_mask

LIKE, PIZZA = TOKENS.index("like"), TOKENS.index("pizza")
CHIP = chip_width(TOKENS)
LEFT = MARGIN + CHIP + 6
"""Where the first matrix of a sheet begins: the chips stand before it."""

SCORES = query @ key.T
D_K = query.size(-1)
SCALED = SCORES / math.sqrt(D_K)
OUTPUT, WEIGHTS = scaled_dot_product_attention(query, key, value)


def soft_lookup() -> Drawing:
    """Show the idea before any formula: asking all, and getting a blend."""
    sheet = Canvas()
    middle = [70.0, 180.0, 290.0]
    asker = sheet.token(180 - CHIP / 2, 8, TOKENS[LIKE], "query", CHIP)
    sheet.text(asker.x - 10, asker.cy, "asks all three", "query", LABEL, "end")
    for x, token, weight in zip(middle, TOKENS, WEIGHTS[LIKE], strict=True):
        thick = 1 + 9 * weight.item()
        start = (180 + (x - 180) / 6, asker.bottom + 6)
        sheet.arrow([start, (x, 118)], "accent", thick)
        sheet.token(x - CHIP / 2, 122, token, "key", CHIP)
        sheet.box(Box(x - 42, 154, 84, 26), f"“{token}” gives", "value")
        sheet.arrow([(x, 184), (x, 252)], "accent", thick)
        share = format_number(weight.item())
        sheet.text(x + 24, 218, share, "accent", LABEL, bold=True)
    _blend(sheet, 258)
    return sheet.drawing()


def _blend(sheet: Canvas, y: float) -> None:
    """Draw the answer as a bar in which each token has its share."""
    x, whole = 20.0, 320.0
    for token, weight in zip(TOKENS, WEIGHTS[LIKE].tolist(), strict=True):
        part = Box(x, y, whole * weight, 30)
        sheet.box(part, token, "value", radius=0, size=SMALL)
        x = part.right
    says = "what “like” gets back: a blend of all three"
    sheet.text(180, y + 46, says, size=LABEL)


def dot_product() -> Drawing:
    """Show one score: multiply component by component, then add up."""
    sheet = Canvas()
    products = query[LIKE] * key[PIZZA]
    rows = (
        (query[LIKE], "query", TOKENS[LIKE], "query: it asks"),
        (key[PIZZA], "key", TOKENS[PIZZA], "key: it answers"),
        (products, "cell", "", "the products"),
    )
    for index, (values, role, token, says) in enumerate(rows):
        y = 12 + index * 50
        wide = CHIP if token else 0
        if token:
            sheet.token(MARGIN, y, token, width=wide)
        box = sheet.vector(LEFT, y, values, role, title="")
        tint = "ink" if role == "cell" else role
        sheet.text(box.right + 12, box.cy, says, tint, LABEL, "start")
    for column in range(D_K):
        x = LEFT + CELL_W * (column + 0.5)
        sheet.text(x, 50, "×", size=LABEL)
        sheet.text(x, 100, "=", size=LABEL)
    _total(sheet, LEFT + CELL_W * D_K / 2, 138, products)
    return sheet.drawing()


def _total(sheet: Canvas, x: float, y: float, products: Tensor) -> None:
    """Gather the products into one cell, with the sum spelled out."""
    half = CELL_W * D_K / 2 - 1
    ends = [(x - half, y + 6), (x - half, y + 12), (x + half, y + 12)]
    sheet.line([*ends, (x + half, y + 6)])
    sheet.arrow([(x, y + 12), (x, y + 34)])
    total = sheet.matrix(x - CELL_W / 2, y + 37, products.sum()[None])
    sheet.highlight(total)
    terms = " + ".join(format_number(one, 0) for one in products.tolist())
    sheet.text(LEFT + 2 * half + 14, total.cy, terms, anchor="start")
    sheet.text(total.x - 12, total.cy, "the score", size=LABEL, anchor="end")


def three_roles() -> Drawing:
    """Show the three matrices: every token has a row in each."""
    sheet = Canvas()
    says = {
        "query": "queries: what each\ntoken looks for",
        "key": "keys: what each token\nis found by",
        "value": "values: what each\ntoken hands over",
    }
    for index, (role, matrix) in enumerate(
        {"query": query, "key": key, "value": value}.items()
    ):
        y = 30 + index * 122
        box = sheet.matrix(LEFT, y, matrix, role, rows=TOKENS)
        x = LEFT + CELL_W * D_K + 14
        sheet.text(x, box.cy - 10, says[role], role, anchor="start")
        sheet.text(x, box.cy + 20, _shape(matrix), "muted", anchor="start")
    return sheet.drawing()


def _shape(matrix: Tensor) -> str:
    """Write a matrix's shape in words."""
    rows, columns = matrix.shape
    return f"{rows} rows, {columns} columns"


def scores() -> Drawing:
    """Show all nine scores: each row of Q meets each column of K^T."""
    sheet = Canvas()
    keys, queries, grid = _product_of_q_and_k(sheet, 44)
    sheet.highlight(queries.row(LIKE))
    sheet.highlight(keys.column(PIZZA))
    sheet.highlight(grid.cell(LIKE, PIZZA))
    says = f"{TOKENS[LIKE]} · {TOKENS[PIZZA]}"
    score = format_number(SCORES[LIKE, PIZZA].item(), 0)
    sheet.text(grid.cx, grid.bottom + 14, f"{says} = {score}", size=LABEL)
    return sheet.drawing()


def _product_of_q_and_k(sheet: Canvas, y: float) -> tuple[Box, Box, Box]:
    """Lay K^T over the scores and Q before them, so that lines meet."""
    right = LEFT + CELL_W * D_K + 22
    keys = sheet.matrix(
        right, y, key.T, "key", columns=TOKENS, title="K^T: keys, turned"
    )
    below = keys.bottom + 14
    queries = sheet.matrix(
        LEFT, below, query, "query", rows=TOKENS, title="Q: queries"
    )
    grid = sheet.matrix(right, below, SCORES)
    return keys, queries, grid


def scaled() -> Drawing:
    """Show the division: every score by the square root of d_k."""
    sheet = Canvas()
    before = sheet.matrix(
        LEFT, 46, SCORES, rows=TOKENS, columns=TOKENS, title="scores"
    )
    after = sheet.matrix(
        SHEET - MARGIN - before.w,
        46,
        SCALED,
        columns=TOKENS,
        title="scaled",
    )
    x = (before.right + after.x) / 2
    root = format_number(math.sqrt(D_K), 0)
    sheet.text(x, before.cy - 16, "÷ √d_k", size=LABEL)
    sheet.arrow([(before.right + 10, before.cy), (after.x - 10, before.cy)])
    sheet.text(x, before.cy + 16, f"√{D_K} = {root}", "muted")
    return sheet.drawing()


def softmax_steps() -> Drawing:
    """Show softmax on the row of “like”: raise, add up, divide."""
    sheet = Canvas()
    x, row = 140.0, SCALED[LIKE]
    raised = row.exp()
    steps = (
        "scaled scores\nof “like”",
        "e to the power\nof each",
        "divided by\nthe sum",
    )
    boxes = [
        sheet.matrix(x, 28, row, columns=TOKENS),
        sheet.matrix(x, 82, raised),
        sheet.weights(x, 136, raised / raised.sum()),
    ]
    for box, says in zip(boxes, steps, strict=True):
        sheet.text(x - 14, box.cy, says, anchor="end")
    for above, below in pairwise(boxes):
        middles = [above.column(one).cx for one in range(len(TOKENS))]
        low, high = above.bottom + 4, below.y - 4
        sheet.arrows([[(at, low), (at, high)] for at in middles])
    for box, values in zip(boxes[1:], (raised, WEIGHTS[LIKE]), strict=True):
        total = f"sum {format_number(values.sum().item())}"
        sheet.text(box.right + 12, box.cy, total, anchor="start")
    bars = sheet.bars(x, boxes[2].bottom + 12, WEIGHTS[LIKE], height=72)
    sheet.text(x - 14, bars.cy, "the weights,\ndrawn", anchor="end")
    return sheet.drawing()


def weighted_average() -> Drawing:
    """Show the output of “like”: weight times value, then the sum."""
    sheet = Canvas()
    parts = WEIGHTS[LIKE][:, None] * value
    weight_x, value_x, part_x = LEFT, LEFT + 60, LEFT + 60 + 64 + 30
    heads = (
        (weight_x + 16, "weight", "accent"),
        (value_x + 32, "value", "value"),
        (part_x + 32, "product", "ink"),
    )
    for x, says, role in heads:
        sheet.text(x, 16, says, role, LABEL, bold=True)
    for index, token in enumerate(TOKENS):
        y = 30 + index * 36
        sheet.token(MARGIN, y, token, width=CHIP)
        sheet.weights(weight_x, y, WEIGHTS[LIKE][index, None])
        sheet.vector(value_x, y, value[index], "value", title="")
        product = sheet.vector(part_x, y, parts[index], title="")
        sheet.text(value_x - 14, product.cy, "×", size=LABEL)
        sheet.text(part_x - 15, product.cy, "=", size=LABEL)
    ruler = [(part_x - 8, 140), (part_x + 72, 140)]
    sheet.line(ruler)
    output = sheet.vector(part_x, 150, OUTPUT[LIKE], "output")
    sheet.text(
        part_x - 15,
        output.cy,
        "output of “like”: the sum",
        "output",
        LABEL,
        "end",
    )
    return sheet.drawing()


def all_at_once() -> Drawing:
    """Show the whole chain: Q, K^T, scores, weights, V and the output."""
    sheet = Canvas()
    _, _, grid = _product_of_q_and_k(sheet, 44)
    sheet.text(grid.cx + 10, grid.bottom + 14, "scores", anchor="start")
    y = grid.bottom + 150
    weights = sheet.weights(LEFT, y, WEIGHTS, TOKENS, TOKENS, "weights")
    low = grid.bottom + 22
    turn = [(grid.cx, grid.bottom + 4), (grid.cx, low), (weights.cx, low)]
    sheet.arrow([*turn, (weights.cx, y - 42)])
    sheet.text(weights.cx - 10, y - 78, "÷ √d_k,\nsoftmax", anchor="end")
    right = weights.right + 58
    top = y - 14 - 3 * CELL_H
    handed = sheet.matrix(
        right + CHIP + 6, top, value, "value", rows=TOKENS, title="V: values"
    )
    output = sheet.matrix(handed.x, y, OUTPUT, "output")
    sheet.text(output.cx, output.bottom + 14, "output", "output", LABEL)
    return sheet.drawing()


def shapes() -> Drawing:
    """Show which axes must agree, with no numbers: T, S, d_k and d_v."""
    sheet = Canvas()
    q, k, v = torch.zeros(2, 4), torch.zeros(3, 4), torch.zeros(3, 5)
    output, weights = scaled_dot_product_attention(q, k, v)
    left, right = 36.0, 190.0
    keys = _axes(sheet, right, 40, k.T, "key", "K^T", ("d_k", "S"))
    y = keys.bottom + 40
    queries = _axes(sheet, left, y, q, "query", "Q", ("T", "d_k"))
    scores = sheet.grid(right, y, _size(weights))
    sheet.text(scores.cx, scores.bottom + 14, "scores: T by S", size=LABEL)
    low = queries.bottom + 74
    values = _axes(sheet, right, low, v, "value", "V", ("S", "d_v"))
    y = values.bottom + 40
    _axes(sheet, left, y, weights, "accent", "weights", ("T", "S"))
    given = sheet.grid(right, y, _size(output), "output")
    sheet.text(given.cx, given.bottom + 14, "output: T by d_v", size=LABEL)
    return sheet.drawing()


def _size(tensor: Tensor) -> tuple[int, int]:
    """Read off how many rows and columns a matrix has."""
    rows, columns = tensor.shape
    return rows, columns


def _axes(
    sheet: Canvas,
    x: float,
    y: float,
    tensor: Tensor,
    role: str,
    title: str,
    names: tuple[str, str],
) -> Box:
    """Draw an empty grid of a tensor's size with its two axes named."""
    box = sheet.grid(x, y, _size(tensor), role, title="")
    sheet.bracket(box, "left", names[0])
    sheet.bracket(box, "top", names[1])
    sheet.text(box.cx, box.bottom + 14, title, role, LABEL, bold=True)
    return box


def _stage(sheet: Canvas, box: Box, says: str, hint: str) -> None:
    """Say at the right of a grid what it is, and what to look at."""
    x = box.right + 44
    sheet.text(x, box.cy - 10, says, size=LABEL, anchor="start", bold=True)
    lines = hint.count("\n") + 1
    sheet.text(x, box.cy + 2 + 8 * lines, hint, "muted", anchor="start")


def causal() -> Drawing:
    """Show the causal mask at work: mask, masked scores, weights."""
    sheet = Canvas()
    mask = causal_mask(len(TOKENS))[0, 0]
    masked = SCALED.masked_fill(~mask, -math.inf)
    _, weights = scaled_dot_product_attention(query, key, value, mask)
    first = sheet.matrix(LEFT, 26, mask, "cell", TOKENS, TOKENS)
    _stage(sheet, first, "the mask", "a row asks,\na column answers")
    second = sheet.matrix(LEFT, 134, masked, rows=TOKENS)
    _stage(sheet, second, "masked scores", "−∞ where the\nmask says no")
    third = sheet.weights(LEFT, 242, weights, TOKENS, mask=mask)
    _stage(sheet, third, "weights", "nothing from\nthe future")
    for above in (first, second):
        x, y = above.cx, above.bottom
        sheet.arrow([(x, y + 5), (x, y + 25)])
    return sheet.drawing()


def mask_before_after() -> Drawing:
    """Show why the mask comes first: the sums of the rows."""
    sheet = Canvas()
    mask = causal_mask(len(TOKENS))[0, 0]
    _, before = scaled_dot_product_attention(query, key, value, mask)
    after = WEIGHTS.masked_fill(~mask, 0.0)
    cases = (
        (before, "mask, then softmax", "every row\nsums to one"),
        (after, "softmax, then zeros", "what was taken\naway is missing"),
    )
    for index, (weights, title, says) in enumerate(cases):
        y = 46 + index * 146
        box = sheet.weights(LEFT, y, weights, TOKENS, TOKENS, mask=mask)
        sheet.text(MARGIN, y - 34, title, "ink", LABEL, "start", True)
        sheet.text(box.right + 34, y - 9, "sum", "muted", SMALL)
        for row, total in enumerate(weights.sum(dim=-1).tolist()):
            at = box.row(row)
            share = format_number(total)
            sheet.text(at.right + 34, at.cy, share, bold=True)
        sheet.text(box.right + 70, box.cy, says, "muted", anchor="start")
    return sheet.drawing()


def empty_row() -> Drawing:
    """Show a query that may attend to nothing: NaN, and our zeros."""
    sheet = Canvas()
    nothing = torch.zeros(1, len(TOKENS), dtype=torch.bool)
    masked = SCALED[LIKE, None].masked_fill(~nothing, -math.inf)
    output, weights = scaled_dot_product_attention(
        query[LIKE, None], key, value, nothing
    )
    row = (TOKENS[LIKE],)
    boxes = [
        sheet.matrix(LEFT, 26, masked, rows=row, columns=TOKENS),
        sheet.matrix(LEFT, 82, torch.softmax(masked, dim=-1)),
        sheet.weights(LEFT, 138, weights),
        sheet.matrix(LEFT, 194, output, "output"),
    ]
    says = (
        "scores: nothing allowed",
        "softmax: 0 divided by 0",
        "our weights: zeros",
        "output: zeros",
    )
    for box, line in zip(boxes, says, strict=True):
        x = LEFT + CELL_W * len(TOKENS) + 20
        sheet.text(x, box.cy, line, size=LABEL, anchor="start")
    for above, below in pairwise(boxes):
        x = LEFT + CELL_W
        sheet.arrow([(x, above.bottom + 5), (x, below.y - 5)])
    return sheet.drawing()


class ExplorerData(TypedDict):
    """What the softmax explorer plays with: a row of scores per d_k."""

    d_k: list[int]
    scores: list[list[float]]


def explorer_data() -> ExplorerData:
    """Score one random query against 8 random keys, for growing d_k.

    A longer vector extends the shorter one, so the scores wander on. The
    seed was picked among 800 as one whose largest weight never falls.
    """
    sizes = [2**power for power in range(2, 11)]
    generator = torch.Generator().manual_seed(791)
    asking = torch.randn(sizes[-1], generator=generator)
    keys = torch.randn(8, sizes[-1], generator=generator)
    grown = (keys * asking).cumsum(dim=-1)
    rows = [grown[:, size - 1].tolist() for size in sizes]
    rounded = [[round(score, 4) for score in row] for row in rows]
    return {"d_k": sizes, "scores": rounded}


def softmax_sharpness() -> Drawing:
    """Show what long vectors do to softmax, and how scaling undoes it."""
    sheet = Canvas()
    data = explorer_data()
    wide = 8 * 19
    columns = (MARGIN, SHEET - MARGIN - wide)
    heads = ("scores as they are", "divided by √d_k")
    for x, says in zip(columns, heads, strict=True):
        sheet.text(x + wide / 2, 18, says, "ink", LABEL, bold=True)
    for index, size in enumerate((4, 64, 1024)):
        row = torch.tensor(data["scores"][data["d_k"].index(size)])
        y = 44 + index * 104
        for x, divisor in zip(columns, (1.0, math.sqrt(size)), strict=True):
            weights = torch.softmax(row / divisor, dim=-1)
            sheet.bars(x, y + 12, weights, height=64, step=19)
            sheet.text(x, y, f"d_k = {size}", anchor="start")
            most = f"largest {format_number(weights.max().item())}"
            sheet.text(x + wide, y, most, "muted", SMALL, "end")
    return sheet.drawing()
