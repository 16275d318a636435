"""The figures of the chapter on the learning rate, section 5.3.

Every rate is computed here by the schedule of the package, and every move of
Adam by PyTorch.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise, repeat

import torch
from torch import Tensor, nn

from figures.canvas import (
    LABEL,
    MARGIN,
    SMALL,
    Box,
    Canvas,
    Drawing,
    Point,
)
from laidout.schedule import TransformerLRScheduler

D_MODEL, WARMUP = 4, 4
"""The hand model, whose rates a reader can recompute on paper."""
BASE = 512, 4000
"""The paper's base model."""
PHRASES = 64, 600
"""The phrase model, as `laidout train` trains it."""
ZERO_WIDTH = "\N{ZERO WIDTH SPACE}"
"""Behind an underscore, so that the canvas lowers nothing."""
BASE_STEPS = 100_000
"""How long the base model was trained, section 5.2."""


def rate(step: int, d_model: int = D_MODEL, warmup: int = WARMUP) -> float:
    """Ask the package's schedule for the rate of one step."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))])
    return TransformerLRScheduler(optimizer, d_model, warmup).step(step)


@dataclass(frozen=True)
class Plane:
    """A place on a sheet with axes: it turns values into points."""

    sheet: Canvas
    box: Box
    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> Point:
        """Find the point of a pair of values."""
        right = self._share(x, *self.x) * self.box.w
        up = self._share(y, *self.y) * self.box.h
        return self.box.x + right, self.box.bottom - up

    def _share(self, value: float, low: float, high: float) -> float:
        """Tell how far along an axis a value lies, from 0 to 1."""
        return (value - low) / (high - low)

    def points(self, values: Iterable[Point]) -> list[Point]:
        """Find the points of a curve."""
        return [self.at(x, y) for x, y in values]

    def axes(self, under: str, over: str) -> None:
        """Draw the two axes, named below and above."""
        box = self.box
        ends = [(box.x, box.y), (box.x, box.bottom), (box.right, box.bottom)]
        self.sheet.line(ends)
        self.sheet.text(
            box.right, box.bottom + 26, under, "muted", anchor="end"
        )
        self.sheet.text(box.x, box.y - 12, over, "muted", anchor="start")

    def ticks(self, values: Sequence[float], written: Sequence[str]) -> None:
        """Mark values under the horizontal axis."""
        for value, says in zip(values, written, strict=True):
            x, _ = self.at(value, self.y[0])
            low = self.box.bottom
            self.sheet.line([(x, low), (x, low + 4)])
            self.sheet.text(x, low + 12, says, "muted", SMALL)

    def levels(self, values: Sequence[float], written: Sequence[str]) -> None:
        """Mark values at the left of the vertical axis."""
        for value, says in zip(values, written, strict=True):
            _, y = self.at(self.x[0], value)
            left = self.box.x
            self.sheet.line([(left - 4, y), (left, y)])
            self.sheet.text(left - 7, y, says, "muted", SMALL, "end")

    def dot(self, x: float, y: float, role: str = "accent") -> None:
        """Put a dot on a pair of values."""
        right, down = self.at(x, y)
        place = Box(right - 2.5, down - 2.5, 5, 5)
        self.sheet.box(place, role=role, radius=2.5, stroke=2)


def samples(low: float, high: float, count: int = 60) -> list[float]:
    """Return values that lie evenly between two."""
    return torch.linspace(low, high, count).tolist()


# --- the idea ---------------------------------------------------------------

START, VALLEY_STEPS = -1.2, 5


def descend(step_size: float) -> list[float]:
    """Walk down the valley of w * w / 2, whose gradient is w."""
    walk = accumulate(
        repeat(step_size, VALLEY_STEPS),
        lambda w, size: w - size * w,
        initial=START,
    )
    return list(walk)


def valley() -> Drawing:
    """Show one valley and three rates: too small, good, too large."""
    sheet = Canvas()
    cases = ((0.1, "too short"), (0.6, "good"), (2.1, "too long"))
    wide = 104
    for index, (size, says) in enumerate(cases):
        x = MARGIN + index * (wide + 16)
        box = Box(x, 44, wide, 120)
        plane = Plane(sheet, box, (-2.1, 2.1), (0, 2.2))
        sheet.text(box.cx, 14, says, "ink", LABEL, bold=True)
        sheet.text(box.cx, 31, f"rate {size}", "muted")
        floor = [(w, w * w / 2) for w in samples(-2.05, 2.05)]
        sheet.line(plane.points(floor))
        walk = descend(size)
        for before, after in pairwise(walk):
            ends = [(w, w * w / 2) for w in (before, after)]
            sheet.line(plane.points(ends), "gradient")
        for w in walk:
            plane.dot(w, w * w / 2, "gradient")
        far = f"{abs(walk[-1]):.2f} from\nthe bottom"
        sheet.text(box.cx, box.bottom + 24, far)
    return sheet.drawing()


def one_update() -> Drawing:
    """Show what meets in an update: old parameters, gradient and rate."""
    sheet = Canvas()
    gradient = sheet.box(Box(8, 10, 164, 58), role="gradient")
    given = sheet.box(Box(188, 10, 164, 58), role="accent")
    words = (
        (gradient, "gradient: which way", "from the loss,\nby backward"),
        (given, "rate: how far", "from the number\nof the step"),
    )
    for box, says, origin in words:
        sheet.text(box.cx, box.y + 13, says, bold=True)
        sheet.text(box.cx, box.y + 39, origin)
    old = sheet.box(Box(8, 118, 124, 36), "old parameters")
    middle = sheet.box(Box(184, 118, 148, 36), "optimizer")
    new = sheet.box(Box(184, 196, 148, 36), "new parameters", "output")
    high, low = gradient.bottom + 4, middle.y - 4
    sheet.arrow([(old.cx, old.y - 4), (old.cx, high)])
    sheet.arrow([(150, high), (middle.x + 26, low)])
    sheet.arrow([(given.cx, high), (given.cx, low)])
    sheet.arrow([(old.right + 4, old.cy), (middle.x - 4, middle.cy)])
    sheet.arrow([(middle.cx, middle.bottom + 4), (new.cx, new.y - 4)])
    back = [(new.x - 4, new.cy), (old.cx, new.cy), (old.cx, old.bottom + 4)]
    sheet.arrow(back)
    sheet.text(old.cx + 54, new.cy + 14, "the next step", "muted")
    return sheet.drawing()


def shape() -> Drawing:
    """Show the rate over the whole training of the base model, to scale."""
    sheet = Canvas()
    _, warmup = BASE
    peak = rate(warmup, *BASE)
    box = Box(62, 40, 270, 150)
    plane = Plane(sheet, box, (0, BASE_STEPS), (0, peak * 1.1))
    plane.axes("step", "rate")
    plane.ticks((warmup, 50_000, BASE_STEPS), ("4000", "50,000", "100,000"))
    last = rate(BASE_STEPS, *BASE)
    plane.levels((peak, last), (f"{peak:.2g}", f"{last:.2g}"))
    steps = [1, *range(warmup // 4, BASE_STEPS + 1, warmup // 4)]
    curve = [(float(n), rate(n, *BASE)) for n in steps]
    sheet.arrow(plane.points(curve), "accent", 2)
    x, y = plane.at(warmup, peak)
    says = "the peak, at the end of the warm-up"
    sheet.text(x + 12, y - 6, says, "accent", anchor="start")
    x, y = plane.at(52_000, rate(52_000, *BASE))
    sheet.text(x, y - 22, "then four times the steps,\nhalf the rate")
    return sheet.drawing()


# --- the numbers ------------------------------------------------------------


def candidates(step: int) -> tuple[float, float]:
    """Return what the formula compares: the falling and the rising one."""
    return step**-0.5, step * WARMUP**-1.5


def one_step() -> Drawing:
    """Show the rate of two steps: two candidates, the lower one, halved."""
    sheet = Canvas()
    cases = ((2, "2 × 1/8", "1/√2"), (9, "9 × 1/8", "1/√9"))
    for index, (step, line, curve) in enumerate(cases):
        falling, rising = candidates(step)
        x = 14 + index * 176
        sheet.text(x + 78, 14, f"step {step}", "ink", LABEL, bold=True)
        for side, says, value in ((0, line, rising), (82, curve, falling)):
            low = value == min(falling, rising)
            place = Box(x + side, 48, 74, 32)
            sheet.box(place, f"{value:.3f}")
            sheet.text(place.cx, 36, says, "muted")
            if low:
                chosen = sheet.highlight(place)
        lower = sheet.box(
            Box(x + 41, 126, 74, 32), f"{min(falling, rising):.3f}"
        )
        start, end = (chosen.cx, chosen.bottom + 4), (lower.cx, lower.y - 4)
        sheet.arrow([start, end])
        left = chosen.cx < lower.cx
        beside = (chosen.cx + lower.cx) / 2 + (-9 if left else 9)
        sheet.text(
            beside,
            103,
            "the lower",
            "muted",
            anchor="end" if left else "start",
        )
        last = sheet.box(
            Box(x + 41, 200, 74, 32), f"{rate(step):.3f}", "accent"
        )
        sheet.arrow([(lower.cx, lower.bottom + 4), (last.cx, last.y - 4)])
        sheet.text(x + 88, 179, "× 1/2", "muted", anchor="start")
        sheet.text(x + 78, last.bottom + 14, "the rate", "accent")
    return sheet.drawing()


def table() -> Drawing:
    """Show the first six steps: both candidates, the rate below."""
    sheet = Canvas()
    left, wide, high = 80, 45, 28
    for row, says in enumerate(("step", "step × 1/8", "1/√step", "rate")):
        y = 22.0 + row * (high + 6)
        tint = "accent" if says == "rate" else "ink"
        sheet.text(left - 8, y, says, tint, anchor="end")
    for column in range(6):
        step = column + 1
        falling, rising = candidates(step)
        x = left + column * wide
        sheet.text(x + wide / 2, 22, str(step), bold=True)
        cells = ((rising, 1, 3), (falling, 2, 3), (rate(step), 3, 4))
        for value, row, digits in cells:
            low = row < 3 and value == min(falling, rising)
            role = "accent" if row == 3 else "cell"
            y = 22.0 + row * (high + 6) - high / 2
            place = Box(x, y, wide, high)
            sheet.box(place, f"{value:.{digits}f}", role, radius=0)
            if low:
                sheet.highlight(place)
    says = "framed: the lower of the two"
    sheet.text(left, 154, says, "muted", anchor="start")
    return sheet.drawing()


def bars() -> Drawing:
    """Show the rates of sixteen steps as bars."""
    sheet = Canvas()
    rates = [rate(step) for step in range(1, 17)]
    peak = max(rates)
    left, step = 30, 20
    box = sheet.bars(
        left, 34, [one / peak for one in rates], height=120, step=step
    )
    for n in (4, 9, 16):
        x = left + step * (n - 0.5)
        top = box.bottom - box.h * rates[n - 1] / peak
        sheet.text(x, top - 9, f"{rates[n - 1]:.3f}", "accent", bold=True)
    for n in (1, 4, 9, 16):
        x = left + step * (n - 0.5)
        sheet.text(x, box.bottom + 11, str(n), "muted")
    sheet.text(box.right, box.bottom + 27, "step", "muted", anchor="end")
    return sheet.drawing()


# --- the formula ------------------------------------------------------------


def crossing() -> Drawing:
    """Show the rising line, the falling curve and the lower of the two."""
    sheet = Canvas()
    top, last = 0.5, 12
    box = Box(44, 34, 296, 190)
    plane = Plane(sheet, box, (0, last), (0, top))
    plane.axes("step", "rate")
    named = f"{WARMUP} = warmup_{ZERO_WIDTH}steps"
    plane.ticks((1, WARMUP, last), ("1", named, str(last)))
    peak = rate(WARMUP)
    plane.levels((peak, top), (f"{peak:.2f}", f"{top:.2f}"))
    scale = D_MODEL**-0.5
    rising = [(n, scale * n * WARMUP**-1.5) for n in (1.0, 8.0)]
    falling = [(n, scale * n**-0.5) for n in samples(1, last)]
    sheet.line(plane.points(rising), "ink")
    sheet.line(plane.points(falling), "ink")
    after = [(n, height) for n, height in falling if n > WARMUP]
    lower = [(1.0, rate(1)), (float(WARMUP), peak), *after]
    sheet.arrow(plane.points(lower), "accent", 3)
    for n in range(1, last):
        plane.dot(n, rate(n))
    x, y = plane.at(7.4, scale * 7.4 * WARMUP**-1.5)
    sheet.text(x + 12, y + 6, "the rising line", anchor="start")
    x, y = plane.at(1.6, scale * 1.6**-0.5)
    sheet.text(x + 8, y - 8, "the falling curve", anchor="start")
    x, y = plane.at(8, rate(8))
    sheet.text(x, y + 24, "the rate: the lower one", "accent", bold=True)
    sheet.line([plane.at(WARMUP, 0), plane.at(WARMUP, peak)], "muted")
    return sheet.drawing()


# --- the solution, and a property -------------------------------------------


def groups() -> Drawing:
    """Show where the rate goes: the key lr of every group."""
    sheet = Canvas()
    given = sheet.box(Box(14, 96, 84, 36), "rate", "accent")
    sheet.text(given.cx, given.bottom + 14, "of this step", "muted")
    outer = sheet.box(Box(148, 26, 204, 176), role="cell")
    sheet.text(
        outer.cx, 14, f"optimizer.param_{ZERO_WIDTH}groups", "ink", LABEL
    )
    for index, holds in enumerate(("matrices", "biases")):
        y = 38 + index * 82
        sheet.box(Box(158, y, 184, 70), role="paper", edge="line")
        lr = sheet.box(Box(166, y + 10, 72, 22), '"lr"', "accent")
        sheet.box(Box(166, y + 38, 72, 22), '"params"', "paper", edge="line")
        sheet.text(246, y + 21, "the rate", "accent", anchor="start")
        sheet.text(246, y + 49, holds, anchor="start")
        sheet.arrow([(given.right + 4, given.cy), (lr.x - 4, lr.cy)], "accent")
    return sheet.drawing()


def resumed() -> Drawing:
    """Show a run that goes on after a break: by number, and by counting."""
    sheet = Canvas()
    stop, last = 12, 24
    cases: tuple[tuple[str, Callable[[int], int]], ...] = (
        ("told the step: it goes on", lambda step: step),
        ("counts its calls: it begins anew", lambda step: step - stop),
    )
    for index, (says, number) in enumerate(cases):
        box = Box(30, 52 + index * 150, 310, 80)
        plane = Plane(sheet, box, (0, last), (0, rate(WARMUP)))
        sheet.text(box.x, box.y - 32, says, "ink", LABEL, "start", True)
        plane.axes("step", "rate")
        plane.ticks((1, stop, last), ("1", f"break after {stop}", str(last)))
        first = [(float(n), rate(n)) for n in range(1, stop + 1)]
        then = [(float(n), rate(number(n))) for n in range(stop + 1, last + 1)]
        for part in (first, then):
            sheet.arrow(plane.points(part), "accent", 2)
        x, _ = plane.at(stop + 0.5, 0)
        sheet.line([(x, box.y), (x, box.bottom)], "muted")
    return sheet.drawing()


# --- Adam -------------------------------------------------------------------

BETAS, EPS = (0.9, 0.98), 1e-9
GRADIENTS = 0.1, 2.0, -40.0
BURST, FLINCH = 100, 1600
"""The step of the one huge gradient, and the last that is drawn."""
LEDGER = 132
"""Where the numbers of Adam's accounts begin; names stand before them."""


def moves(gradients: Tensor, beta_2: float = BETAS[1]) -> Tensor:
    """Return Adam's moves at rate 1, a row a step, for rows of gradients."""
    weights = nn.Parameter(torch.zeros_like(gradients[0]))
    optimizer = torch.optim.Adam(
        [weights], lr=1.0, betas=(BETAS[0], beta_2), eps=EPS
    )
    places = [weights.detach().clone()]
    for gradient in gradients:
        weights.grad = gradient.clone()
        optimizer.step()
        places.append(weights.detach().clone())
    return torch.stack(places).diff(dim=0)


def adam_first_step() -> Drawing:
    """Show Adam's first step for a small, a middling and a large gradient."""
    sheet = Canvas()
    given = torch.tensor(GRADIENTS, dtype=torch.float64)
    new_1, new_2 = (1 - beta for beta in BETAS)
    first, second = new_1 * given, new_2 * given**2
    says = ("m = 0.1 × g", "v = 0.02 × g²", "m ÷ 0.1", "√(v ÷ 0.02)")
    averages = (first, second, first / new_1, (second / new_2).sqrt())
    _ledger(sheet, 12, given, averages, says, moves(given[None])[0])
    return sheet.drawing()


def adam_three_steps() -> Drawing:
    """Show three steps of one number: the third gradient disagrees."""
    sheet = Canvas()
    given = torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64)
    first, second = (
        _averages(given**power, beta) for power, beta in enumerate(BETAS, 1)
    )
    steps = torch.arange(1, len(given) + 1)
    whole_1, whole_2 = (1 - beta**steps for beta in BETAS)
    for step in steps.tolist():
        x = LEDGER + 74 * (step - 1) + 34
        sheet.text(x, 14, f"step {step}", "ink", LABEL, bold=True)
    says = ("m", "v", "m, corrected", "√v, corrected")
    averages = (first, second, first / whole_1, (second / whole_2).sqrt())
    moved = moves(given[:, None]).flatten()
    _ledger(sheet, 30, given, averages, says, moved)
    return sheet.drawing()


def _averages(values: Tensor, beta: float) -> Tensor:
    """Return the moving average after each value; it begins at zero."""
    steps = accumulate(
        values.tolist(),
        lambda old, new: beta * old + (1 - beta) * new,
        initial=0.0,
    )
    return torch.tensor(list(steps)[1:], dtype=torch.float64)


def _ledger(
    sheet: Canvas,
    top: float,
    given: Tensor,
    averages: Sequence[Tensor],
    names: Sequence[str],
    moved: Tensor,
) -> None:
    """Write Adam's accounts: gradients, averages, corrected ones, moves."""
    rows = [
        ("gradient g", given, "gradient"),
        *((n, v, "cell") for n, v in zip(names, averages, strict=True)),
        ("move, in rates", moved, "output"),
    ]
    for index, (says, values, role) in enumerate(rows):
        y = top + index * 36 + 12 * ((index > 2) + (index > 4))
        tint = "ink" if role == "cell" else role
        sheet.text(LEDGER - 10, y + 14, says, tint, anchor="end")
        for column, value in enumerate(values.tolist()):
            place = Box(LEDGER + column * 74, y, 68, 28)
            sheet.box(place, _brief(value), role, radius=2)


def _brief(value: float) -> str:
    """Write a number of any size with the digits that matter."""
    return f"{value:.4g}".replace("-", "−")


def adam_memory() -> Drawing:
    """Show how long one huge gradient shortens the moves that follow."""
    sheet = Canvas()
    box = Box(44, 34, 296, 150)
    plane = Plane(sheet, box, (0, FLINCH), (0, 1.3))
    plane.axes("step", "length of the move, in rates")
    marks = 1, BURST, 800, FLINCH
    plane.ticks(marks, [str(step) for step in marks])
    plane.levels((0, 1), ("0", "1"))
    for beta, role in ((0.98, "accent"), (0.999, "ink")):
        sizes = flinches(beta)
        some = [1, *range(2, 160, 2), *range(160, FLINCH + 1, 20)]
        curve = [(float(n), sizes[n]) for n in some]
        sheet.arrow(plane.points(curve), role, 2)
        x, y = plane.at(1050, sizes[1050])
        says = f"β_2 = {beta}"
        shift = -14 if role == "accent" else 16
        sheet.text(x, y + shift, says, role, LABEL, bold=True)
    x, y = plane.at(BURST, 0.98)
    sheet.text(
        x + 84,
        y + 40,
        "one gradient of 100,\nall others are 1",
        anchor="start",
    )
    return sheet.drawing()


def flinches(beta_2: float) -> dict[int, float]:
    """Tell, by step, how long Adam's moves are around one huge gradient."""
    given = torch.ones(FLINCH, 1, dtype=torch.float64)
    given[BURST - 1] = 100
    return dict(enumerate(moves(given, beta_2).abs().flatten().tolist(), 1))


def without_the_rise() -> Drawing:
    """Show what the trial takes away: the rising line, and nothing else."""
    sheet = Canvas()
    _, warmup = PHRASES
    last, peak = 3000, rate(PHRASES[1], *PHRASES)
    cases = (("with warm-up", 1), ("without warm-up", warmup))
    for index, (says, least) in enumerate(cases):
        box = Box(58, 52 + index * 150, 286, 80)
        plane = Plane(sheet, box, (0, last), (0, peak * 1.05))
        sheet.text(box.x, box.y - 32, says, "ink", LABEL, "start", True)
        plane.axes("step", "rate")
        plane.ticks((1, warmup, last), ("1", str(warmup), str(last)))
        plane.levels((peak,), (f"{peak:.4f}",))
        steps = [1, *range(50, last + 1, 50)]
        curve = [(float(n), rate(max(n, least), *PHRASES)) for n in steps]
        sheet.arrow(plane.points(curve), "accent", 2)
    return sheet.drawing()
