"""The figures of the chapter "Attention by hand", on head 1 of the hand model.

Every number is the hand model's, or computed from its tables.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from figures.canvas import (
    CELL_H,
    CELL_W,
    LABEL,
    MARGIN,
    SMALL,
    Box,
    Canvas,
    Drawing,
    Point,
    chip_width,
    format_number,
)
from figures.hand_model import (
    ENCODER,
    ENCODER_ATTENTION,
    MODEL,
    SOURCE,
    SOURCE_EMBEDDING,
    AttentionSteps,
    attention_steps,
    layers,
)

LIKE, PIZZA = SOURCE.index("like"), SOURCE.index("pizza")
CHIP = chip_width(SOURCE)
LEFT = MARGIN + CHIP + 6
"""Where the first matrix of a sheet begins: the chips stand before it."""
NARROW = 300
"""The width of a sheet with little on it: a page shows it larger."""

X, BLOCK = ENCODER.x, ENCODER.attention
QUERY, KEY, VALUE = BLOCK.query[0], BLOCK.key[0], BLOCK.value[0]
SCORES, SCALED, WEIGHTS = BLOCK.scores[0], BLOCK.scaled[0], BLOCK.weights[0]
OUTPUT = BLOCK.heads[0]
D_K = QUERY.size(-1)
TABLES = {
    role: torch.tensor(ENCODER_ATTENTION[name])[:, :D_K].float()
    for role, name in (("query", "w_q"), ("key", "w_k"), ("value", "w_v"))
}
"""What head 1 makes queries, keys and values with, (4, 2) each."""
NAMES = {"query": "W_Q", "key": "W_K", "value": "W_V"}
SHELF = {"person": "I", "doing": "like", "food": "pizza"}
"""An ordinary dictionary, as a programmer might write it."""
SHELF_X, SHELF_W = 118, 330
"""Where its entries begin on a sheet, and how wide that sheet is."""


def attend(x: Tensor) -> AttentionSteps:
    """Let the words of x look at each other with the same tables."""
    return attention_steps(layers(MODEL)[0].self_attention, x, x)


def doubled() -> tuple[Tensor, Tensor]:
    """Double all three vectors: return shares and output of “like”."""
    steps = attend(2 * X)
    return steps.weights[0, LIKE], steps.heads[0, LIKE]


def reach(query: Tensor, key: Tensor) -> float:
    """Measure how far a key reaches along a query."""
    return float(query @ key / query.norm())


# Why, and the soft dictionary.


def same_row() -> Drawing:
    """Show that a word has one row in the list, whatever its sentence."""
    sheet = Canvas(NARROW)
    sentences = (SOURCE, ("shaped", "like", "pizza"))
    rows = SOURCE_EMBEDDING[1:]
    x = (NARROW - 4 * CELL_W + CHIP) / 2
    grid = sheet.matrix(x, 88, rows, "cell", SOURCE)
    row = grid.row(LIKE)
    wide = CHIP + grid.w + 14
    sheet.highlight(Box(x - CHIP - 10, row.y - 1, wide, CELL_H + 2))
    for words, y, says in (
        (sentences[0], 12, "one sentence"),
        (sentences[1], grid.bottom + 50, "another"),
    ):
        chip = _sentence(sheet, words, y)
        sheet.text(MARGIN, y + 13, says, "muted", SMALL, "start")
        end = grid.y - 8 if y < grid.y else grid.bottom + 8
        start = chip.bottom + 4 if y < grid.y else chip.y - 4
        sheet.arrow([(chip.cx, start), (chip.cx, end)])
    says = "the\nlist"
    sheet.text(grid.right + 30, grid.cy, says, "muted", LABEL)
    return sheet.drawing()


def _sentence(sheet: Canvas, words: Sequence[str], y: float) -> Box:
    """Set a sentence as chips and return the chip of “like”."""
    wide = chip_width(words)
    x = NARROW - MARGIN - wide * 3 - 16
    chips = []
    for word in words:
        role = "accent" if word == "like" else "token"
        chips.append(sheet.token(x, y, word, role, wide))
        x += wide + 8
    return chips[words.index("like")]


def strict_dictionary() -> Drawing:
    """Show a dictionary: one key matches and gives its value, or none."""
    sheet = Canvas(SHELF_W)
    asked = (("food", list(SHELF).index("food")), ("dinner", None))
    for index, (word, found) in enumerate(asked):
        y = 14 + index * 120
        query = sheet.token(MARGIN, y + 30, word, "query", 72)
        keys, values = _shelf(sheet, y, found)
        low, high = keys[0].cy, keys[-1].cy
        if found is None:
            sheet.text(
                keys[0].x - 24, (low + high) / 2, "?", "query", 18, bold=True
            )
            sheet.text(295, query.cy, "KeyError", "gradient", LABEL)
            continue
        start = (query.right + 4, query.cy)
        sheet.arrow([start, (keys[found].x - 4, keys[found].cy)], "query", 2)
        right = values[found].right
        answer = (right + 4, values[found].cy)
        sheet.arrow([answer, (right + 36, values[found].cy)], "value", 2)
    return sheet.drawing()


def _shelf(
    sheet: Canvas, y: float, lit: int | None = None
) -> tuple[list[Box], list[Box]]:
    """Draw the entries of the dictionary: keys and their values."""
    keys, values = [], []
    for index, (key, value) in enumerate(SHELF.items()):
        stroke = 3.0 if index == lit else 1.2
        top = y + index * 30
        box = Box(SHELF_X, top, 76, 26)
        keys.append(sheet.box(box, key, "key", stroke=stroke))
        box = Box(SHELF_X + 80, top, 64, 26)
        values.append(sheet.box(box, value, "value", stroke=stroke))
    return keys, values


def soft_dictionary() -> Drawing:
    """Show the same entries asked softly: shares, and a blend of all."""
    sheet = Canvas(SHELF_W)
    query = sheet.token(MARGIN, 44, "dinner", "query", 72)
    keys, values = _shelf(sheet, 14)
    shares = WEIGHTS[LIKE].tolist()
    for key, value, share in zip(keys, values, shares, strict=True):
        ends = [(query.right + 4, query.cy), (key.x - 4, key.cy)]
        sheet.arrow(ends, "query", 1 + 5 * share)
        percent = f"{100 * share:.0f} %"
        x = value.right + 32
        sheet.text(x, value.cy, percent, "accent", LABEL, bold=True)
    x, whole = 15.0, SHELF_W - 30.0
    for word, share in zip(SHELF.values(), shares, strict=True):
        part = Box(x, 122, whole * share, 30)
        text = word if share > 0.1 else ""
        sheet.box(part, text, "value", radius=0, size=SMALL)
        x = part.right
    says = "what comes back: some of each"
    sheet.text(SHELF_W / 2, 168, says, size=LABEL)
    return sheet.drawing()


# Where the three come from.


def three_tables() -> Drawing:
    """Show one vector go through three tables into three roles."""
    sheet = Canvas(NARROW)
    wide, middle = D_K * CELL_W, NARROW / 2
    centres = (MARGIN + 46, middle, NARROW - MARGIN - 46)
    vector_x = middle - 2 * CELL_W
    sheet.token(vector_x - CHIP - 6, 10, "like", width=CHIP)
    vector = sheet.vector(vector_x, 10, X[LIKE], title="")
    made = {"query": QUERY, "key": KEY, "value": VALUE}
    says = {"query": "asks", "key": "is found by", "value": "hands over"}
    for centre, (role, table) in zip(centres, TABLES.items(), strict=True):
        x = centre - wide / 2
        start = (middle + (centre - middle) / 4, vector.bottom + 5)
        sheet.arrow([start, (centre, 80)])
        grid = sheet.matrix(x, 106, table, role, title=NAMES[role])
        sheet.arrow([(centre, grid.bottom + 5), (centre, grid.bottom + 29)])
        row = sheet.vector(x, grid.bottom + 34, made[role][LIKE], role, "", "")
        sheet.text(centre, row.bottom + 14, role, role, LABEL, bold=True)
        sheet.text(centre, row.bottom + 32, says[role], role)
    return sheet.drawing()


def make_query() -> Drawing:
    """Show the pencil's work: each number times its row, then the sum."""
    sheet = Canvas(NARROW)
    table = TABLES["query"]
    parts = X[LIKE][:, None] * table
    x = 44.0
    table_x = x + CELL_W + 24
    part_x = table_x + 2 * CELL_W + 24
    for at, says, role in (
        (x + CELL_W / 2, "“like”", "token"),
        (table_x + CELL_W, "W_Q", "query"),
        (part_x + CELL_W, "product", "ink"),
    ):
        sheet.text(at, 14, says, role, LABEL, bold=True)
    for index in range(len(table)):
        y = 28 + index * 32
        one = sheet.matrix(x, y, X[LIKE, index, None])
        sheet.vector(table_x, y, table[index], "query", title="")
        sheet.vector(part_x, y, parts[index], title="")
        sheet.text(table_x - 12, one.cy, "×", size=LABEL)
        sheet.text(part_x - 12, one.cy, "=", size=LABEL)
    low = 28 + 4 * 32
    sheet.line([(part_x - 8, low), (part_x + 2 * CELL_W + 8, low)])
    total = sheet.vector(part_x, low + 8, QUERY[LIKE], "query", title="")
    says = "the query of “like”"
    sheet.text(part_x - 12, total.cy, says, "query", LABEL, "end")
    return sheet.drawing()


# Six steps.


def _caption(sheet: Canvas, y: float, says: str) -> None:
    """Write what happens in a step under its numbers."""
    sheet.text(sheet.width / 2, y, says, "muted")


def step_vectors() -> Drawing:
    """Step 1: each word has a vector of four numbers."""
    sheet = Canvas(NARROW)
    x = (NARROW - 4 * CELL_W + CHIP) / 2
    grid = sheet.matrix(x, 76, X, "cell", SOURCE, title="")
    middle = NARROW / 2
    for index, word in enumerate(SOURCE):
        left = middle + (index - 1.5) * CHIP + (index - 1) * 8
        sheet.token(left, 10, word, width=CHIP)
    sheet.arrow([(middle, 42), (middle, grid.y - 6)])
    _caption(sheet, grid.bottom + 20, "a vector for each word")
    return sheet.drawing()


def step_roles() -> Drawing:
    """Step 2: one query for “like”; keys and values for all three."""
    sheet = Canvas(NARROW)
    x = (NARROW - 2 * D_K * CELL_W - 14 + CHIP + 6) / 2
    sheet.token(x - CHIP - 6, 26, "like", width=CHIP)
    query = sheet.vector(x, 26, QUERY[LIKE], "query", title="query")
    low = query.bottom + 34
    keys = sheet.matrix(x, low, KEY, "key", SOURCE, title="keys")
    values = sheet.matrix(keys.right + 14, low, VALUE, "value", title="values")
    _caption(sheet, values.bottom + 18, "one asks, all three answer")
    return sheet.drawing()


def step_scores() -> Drawing:
    """Step 3: the query of “like” meets each key."""
    sheet = Canvas(NARROW)
    first, second = (format_number(one, 0) for one in QUERY[LIKE].tolist())
    score_x = LEFT + 2 * CELL_W + 108
    sheet.token(MARGIN, 10, "like", width=CHIP)
    sheet.vector(LEFT, 10, QUERY[LIKE], "query", title="")
    sheet.text(LEFT + 2 * CELL_W + 12, 23, "asks", "query", LABEL, "start")
    for index, word in enumerate(SOURCE):
        y = 54 + index * 36
        sheet.token(MARGIN, y, word, width=CHIP)
        key = sheet.vector(LEFT, y, KEY[index], "key", title="")
        one, other = (format_number(k, 0) for k in KEY[index].tolist())
        sum_ = f"{first} × {one} + {second} × {other}  ="
        sheet.text(score_x - 10, key.cy, sum_, anchor="end")
        sheet.matrix(score_x, y, SCORES[LIKE, index, None])
    _caption(sheet, 54 + 3 * 36 + 8, "three scores")
    return sheet.drawing()


def step_scaled() -> Drawing:
    """Step 4: every score is divided by the square root of d_k."""
    sheet = Canvas(NARROW)
    x = (NARROW - 3 * CELL_W) / 2
    before = sheet.matrix(x, 34, SCORES[LIKE], columns=SOURCE)
    after = sheet.matrix(x, before.bottom + 60, SCALED[LIKE])
    sheet.arrow([(x + 48, before.bottom + 6), (x + 48, after.y - 6)])
    root = format_number(math.sqrt(D_K))
    says = f"÷ {root} (√{D_K})"
    sheet.text(x + 62, before.bottom + 30, says, anchor="start")
    sheet.text(x - 14, before.cy, "scores", anchor="end")
    sheet.text(x - 14, after.cy, "scaled", anchor="end")
    _caption(sheet, after.bottom + 20, "the same, smaller")
    return sheet.drawing()


def step_shares() -> Drawing:
    """Step 5: e to the power of each, divided by the sum."""
    sheet = Canvas(NARROW)
    x, raised = 122.0, SCALED[LIKE].exp()
    rows = (
        ("scaled", SCALED[LIKE], ""),
        ("e to the power", raised, f"sum {raised.sum():.2f}"),
    )
    y = 30.0
    for says, values, total in rows:
        box = sheet.matrix(x, y, values, columns=SOURCE if y == 30 else ())
        sheet.text(x - 12, box.cy, says, anchor="end")
        sheet.text(box.right + 10, box.cy, total, anchor="start")
        y = box.bottom + 12
    box = sheet.weights(x, y, WEIGHTS[LIKE])
    sheet.text(x - 12, box.cy, "÷ sum: shares", "accent", anchor="end")
    sheet.text(box.right + 10, box.cy, "sum 1", anchor="start")
    sheet.bars(x, box.bottom + 8, WEIGHTS[LIKE], height=50)
    return sheet.drawing()


def step_mix() -> Drawing:
    """Step 6: each value times its share, and all of it added up."""
    sheet = Canvas(NARROW)
    value_x = LEFT + CELL_W + 24
    part_x = value_x + 2 * CELL_W + 24
    for index, word in enumerate(SOURCE):
        y = 10 + index * 36
        share = WEIGHTS[LIKE, index]
        sheet.token(MARGIN, y, word, width=CHIP)
        sheet.weights(LEFT, y, share[None])
        value = sheet.vector(value_x, y, VALUE[index], "value", title="")
        sheet.vector(part_x, y, share * VALUE[index], title="")
        sheet.text(value_x - 12, value.cy, "×", size=LABEL)
        sheet.text(part_x - 12, value.cy, "=", size=LABEL)
    sheet.line([(part_x - 8, 118), (part_x + 72, 118)])
    total = sheet.vector(part_x, 126, OUTPUT[LIKE], "output")
    says = "output of “like”"
    sheet.text(part_x - 12, total.cy, says, "output", LABEL, "end")
    _caption(sheet, total.bottom + 20, "one mixture of three values")
    return sheet.drawing()


# Arrows in the plane.


class _Plane:
    """A piece of the plane with arrows on it, as wide as `unit` for 1."""

    def __init__(self, sheet: Canvas, origin: Point, unit: float) -> None:
        self.sheet, self.unit = sheet, unit
        self.x, self.y = origin

    def at(self, point: Sequence[float] | Tensor) -> Point:
        """Find a point's place on the sheet."""
        across, up = (float(one) for one in point)
        return self.x + across * self.unit, self.y - up * self.unit

    def axes(self, low: Point, high: Point) -> None:
        """Draw both axes with their whole numbers.

        Those of the upright axis stand where the plane has less on it.
        """
        self.sheet.line([self.at((low[0], 0)), self.at((high[0], 0))])
        self.sheet.line([self.at((0, low[1])), self.at((0, high[1]))])
        both_sides = low[0] <= -1
        for one in range(math.ceil(low[0]), math.floor(high[0]) + 1):
            x, y = self.at((one, 0))
            self.sheet.line([(x, y), (x, y + 4)])
            aside = -9 if one == 0 else 9 if both_sides and one > 0 else 0
            says = format_number(one, 0)
            self.sheet.text(x + aside, y + 13, says, "muted", SMALL)
        for one in range(1, math.floor(high[1]) + 1):
            x, y = self.at((0, one))
            place = (x + 11, y + 3) if both_sides else (x - 14, y)
            self.sheet.text(*place, str(one), "muted", SMALL)

    def arrow(self, end: Tensor, role: str, width: float) -> None:
        """Draw an arrow from the origin."""
        self.sheet.arrow([(self.x, self.y), self.at(end)], role, width)

    def dot(self, point: Tensor, role: str, radius: float = 4) -> Point:
        """Mark a point."""
        x, y = self.at(point)
        spot = Box(x - radius, y - radius, 2 * radius, 2 * radius)
        self.sheet.box(spot, role=role, radius=radius, stroke=radius / 2)
        return x, y

    def drop(self, query: Tensor, key: Tensor) -> None:
        """Drop from a key's tip to where it reaches along the query."""
        foot = query / query.norm() * reach(query, key)
        self.sheet.line([self.at(key), self.at(foot)], "muted")
        self.dot(foot, "accent")


def arrows_of_like() -> Drawing:
    """Show the query of “like” and three keys as arrows in the plane."""
    sheet = Canvas(NARROW)
    plane = _Plane(sheet, (104, 172), 58)
    _reaches(sheet, plane, LIKE, (-0.3, -0.3), (2.4, 2.6))
    return sheet.drawing()


def arrows_of_pizza() -> Drawing:
    """Show a query that one key reaches along backwards."""
    sheet = Canvas(NARROW)
    plane = _Plane(sheet, (112, 172), 58)
    _reaches(sheet, plane, PIZZA, (-1.3, -0.9), (2.4, 2.6))
    return sheet.drawing()


def _reaches(
    sheet: Canvas, plane: _Plane, word: int, low: Point, high: Point
) -> None:
    """Draw a query with all keys, and work out the three scores below."""
    query = QUERY[word]
    plane.axes(low, high)
    line = query / query.norm()
    back = min(reach(query, key) for key in KEY) - 0.2
    ends = [plane.at(line * back), plane.at(line * 2.6)]
    sheet.line(ends, "query")
    plane.arrow(query, "query", 7)
    for index, name in enumerate(SOURCE):
        plane.arrow(KEY[index], "key", 2)
        plane.drop(query, KEY[index])
        x, y = plane.at(KEY[index])
        says = f"“{name}”"
        sheet.text(x + 10, y - 10, says, "key", LABEL, "start", bold=True)
    x, y = plane.at(query * 0.55)
    says = f"query of\n“{SOURCE[word]}”"
    sheet.text(x - 24, y, says, "query", SMALL, "end")
    foot = plane.at((0, low[1]))[1] + 30
    for index, name in enumerate(SOURCE):
        y = foot + 20 * index
        along = format_number(reach(query, KEY[index]))
        score = format_number(SCORES[word, index].item(), 0)
        length = format_number(query.norm().item())
        sum_ = f"reaches {along}, times {length} is {score}"
        says = f"“{name}”"
        sheet.text(62, y, says, "key", anchor="end", bold=True)
        sheet.text(72, y, sum_, anchor="start")


def triangle() -> Drawing:
    """Show that what comes out lies between the values."""
    sheet = Canvas()
    plane = _Plane(sheet, (36, 146), 98)
    plane.axes((-0.1, -0.1), (3.2, 1.35))
    corners = [plane.at(one) for one in VALUE]
    sheet.line([*corners, corners[0]], "value")
    places = ((8, -18), (30, -14), (-10, -16))
    for index, name in enumerate(SOURCE):
        x, y = plane.dot(VALUE[index], "value")
        across, down = places[index]
        says = f"“{name}”"
        sheet.text(x + across, y + down, says, "value", LABEL, bold=True)
    x, y = plane.dot(OUTPUT[LIKE], "output", 3)
    first, second = (format_number(one) for one in OUTPUT[LIKE].tolist())
    says = f"“like” gets ({first}, {second})"
    sheet.text(x - 10, y, says, "output", LABEL, "end", bold=True)
    return sheet.drawing()


def without_pizza() -> Drawing:
    """Show the shares and the output of “like” in a shorter sentence."""
    sheet = Canvas(NARROW)
    output_x = NARROW - MARGIN - D_K * CELL_W
    sheet.text(output_x + CELL_W, 20, "output", "output", LABEL, bold=True)
    for index, words in enumerate((SOURCE, SOURCE[:-1])):
        y, steps = 46 + index * 62, attend(X[: len(words)])
        shares, answer = steps.weights[0, LIKE], steps.heads[0, LIKE]
        box = sheet.weights(112, y, shares, columns=words)
        sheet.vector(output_x, y, answer, "output", title="")
        says = f"“{' '.join(words)}”"
        sheet.text(102, box.cy, says, anchor="end")
    return sheet.drawing()


# All at once.


def tables_at_once() -> Drawing:
    """Show the three products that make Q, K and V of all words."""
    sheet = Canvas()
    made = {"query": QUERY, "key": KEY, "value": VALUE}
    for index, (role, table) in enumerate(TABLES.items()):
        y = 42 + index * 142
        low = y + CELL_H / 2
        name = "X" if index == 0 else ""
        x = sheet.matrix(LEFT, low, X, "cell", SOURCE, title=name)
        grid = sheet.matrix(x.right + 16, y, table, role, title=NAMES[role])
        product = sheet.matrix(grid.right + 16, low, made[role], role)
        sheet.text(x.right + 8, x.cy, "×", size=LABEL)
        sheet.text(grid.right + 8, x.cy, "=", size=LABEL)
        if role == "query":
            sheet.highlight(x.row(LIKE))
            sheet.highlight(product.row(LIKE))
    return sheet.drawing()


def chain() -> Drawing:
    """Show scores, shares and outputs of all three words."""
    sheet = Canvas()
    y = 46.0
    queries = sheet.matrix(LEFT, y, QUERY, "query", SOURCE)
    turned = sheet.matrix(
        queries.right + 16, y, KEY.T, "key", title="K, turned"
    )
    scores = sheet.matrix(turned.right + 14, y, SCORES, title="scores")
    sheet.text(queries.right + 8, queries.cy, "×", size=LABEL)
    sheet.text(turned.right + 7, queries.cy, "=", size=LABEL)
    low = y + 3 * CELL_H + 86
    bend = y + 3 * CELL_H + 28
    weights = sheet.weights(LEFT, low, WEIGHTS, SOURCE, SOURCE, "shares")
    turn = [(scores.cx, scores.bottom + 5), (scores.cx, bend)]
    sheet.arrow([*turn, (weights.cx, bend), (weights.cx, low - 38)])
    root = f"÷ √{D_K}, then softmax, row by row"
    sheet.text(weights.cx + 14, bend + 16, root, anchor="start")
    values = sheet.matrix(weights.right + 24, low, VALUE, "value")
    outputs = sheet.matrix(
        values.right + 24, low, OUTPUT, "output", title="output"
    )
    sheet.text(weights.right + 12, weights.cy, "×", size=LABEL)
    sheet.text(values.right + 12, weights.cy, "=", size=LABEL)
    for box in (queries, scores, weights, outputs):
        sheet.highlight(box.row(LIKE))
    return sheet.drawing()


# What it is not, and what it cannot.


def not_linear() -> Drawing:
    """Show that three doubled words do not get a doubled answer."""
    sheet = Canvas(NARROW)
    shares, output = doubled()
    share_x = 112.0
    output_x = NARROW - MARGIN - D_K * CELL_W
    sheet.text(output_x + CELL_W, 14, "output", "output", LABEL, bold=True)
    rows = (
        ("as they are", WEIGHTS[LIKE], OUTPUT[LIKE]),
        ("all doubled", shares, output),
    )
    for index, (says, row, answer) in enumerate(rows):
        y = 40 + index * 46
        names = SOURCE if index == 0 else ()
        box = sheet.weights(share_x, y, row, columns=names)
        sheet.vector(output_x, y, answer, "output", title="")
        sheet.text(share_x - 12, box.cy, says, anchor="end")
    y = 40 + 2 * 46
    box = sheet.vector(output_x, y, 2 * OUTPUT[LIKE], title="")
    says = "twice the first would be"
    sheet.text(output_x - 12, box.cy, says, "muted", anchor="end")
    return sheet.drawing()


def nobody_fits() -> Drawing:
    """Show a query that every key turns its back on, answered all the same."""
    sheet = Canvas(NARROW)
    query = torch.tensor([-1.0, -1.0])
    scores = KEY @ query
    weights = torch.softmax(scores / math.sqrt(D_K), dim=0)
    sheet.text(LEFT - 10, 23, "query", "query", LABEL, "end")
    sheet.vector(LEFT, 10, query, "query", title="")
    heads = ((LEFT + 32, "key"), (LEFT + 106, "score"), (LEFT + 168, "share"))
    for x, says in heads:
        sheet.text(x, 56, says, "ink", LABEL, bold=True)
    x = LEFT + 2 * CELL_W + 26
    for index, word in enumerate(SOURCE):
        y = 70 + index * 32
        sheet.token(MARGIN, y, word, width=CHIP)
        sheet.vector(LEFT, y, KEY[index], "key", title="")
        sheet.matrix(x, y, scores[index, None])
        sheet.weights(x + 62, y, weights[index, None])
    output = sheet.vector(x + 62, 176, weights @ VALUE, "output", title="")
    sheet.text(x + 50, output.cy, "output", "output", LABEL, "end")
    return sheet.drawing()


def favourites() -> Drawing:
    """Show whom each word looks at most: frames in the table of shares."""
    sheet = Canvas()
    box = sheet.weights(LEFT, 34, WEIGHTS, SOURCE, SOURCE)
    for row, column in enumerate(WEIGHTS.argmax(dim=1).tolist()):
        sheet.highlight(box.cell(row, column))
        own = format_number(WEIGHTS[row, row].item())
        says = f"most at “{SOURCE[column]}”, itself {own}"
        if row == column:
            says = f"most at itself: {own}"
        sheet.text(box.right + 14, box.row(row).cy, says, anchor="start")
    return sheet.drawing()


def swapped() -> Drawing:
    """Show that vectors in another order get the same outputs in it."""
    sheet = Canvas(330)
    there = attend(X.flip(0)).heads[0]
    right = sheet.width - MARGIN - D_K * CELL_W
    left_rows = sheet.matrix(LEFT, 40, OUTPUT, "output", SOURCE, title="")
    names = SOURCE[::-1]
    right_rows = sheet.matrix(right, 40, there, "output", names, title="")
    for index, word in enumerate(SOURCE):
        start = (left_rows.right + 6, left_rows.row(index).cy)
        place = right_rows.row(names.index(word)).cy
        sheet.arrow([start, (right - CHIP - 12, place)])
    for box, says in ((left_rows, "outputs"), (right_rows, "outputs")):
        sheet.text(box.cx, 24, says, "output", LABEL, bold=True)
    _caption(sheet, right_rows.bottom + 18, "in order, and backwards")
    return sheet.drawing()


def two_heads() -> Drawing:
    """Show both heads' shares side by side, the row of “pizza” framed."""
    sheet = Canvas(NARROW)
    wide = len(SOURCE) * CELL_W
    for head, x in enumerate((LEFT, NARROW - MARGIN - wide)):
        names = SOURCE if head == 0 else ()
        shares, title = BLOCK.weights[head], f"head {head + 1}"
        box = sheet.weights(x, 46, shares, names, SOURCE, title)
        sheet.highlight(box.row(PIZZA))
    return sheet.drawing()
