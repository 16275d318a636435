"""A sheet to draw tensors on: chips, grids of cells, weights and arrows.

Colours are written as roles and become real when the drawing is asked for
its SVG, so one drawing serves the light page, the dark page and the print.
"""

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from xml.sax.saxutils import escape, quoteattr

from torch import Tensor

from figures.palette import MARKS, colour, unknown

SHEET = 360
COLUMN = 413
"""The column of the PDF in points: no drawing is printed wider."""
SMALLEST = 7
"""Points: on paper no letter is smaller."""
MARGIN = 8
CELL_W, CELL_H = 32, 26
SMALL, NUMBER, LABEL = 11, 12, 13
STROKE = 1.2

Point = tuple[float, float]
Values = Tensor | Sequence[float] | Sequence[Sequence[float]]

_FAMILY = {
    "web": "var(--lo-figure-font,'Source Sans 3','DejaVu Sans',sans-serif)",
    "print": "Source Sans 3, DejaVu Sans, sans-serif",
}
_NARROW, _WIDE = set("iljtfIr.,:;|!'()[] ·"), set("mwMW@—%")


class Box(NamedTuple):
    """The rectangle that something occupies on the sheet."""

    x: float
    y: float
    w: float
    h: float

    @property
    def right(self) -> float:
        """Where it ends on the right."""
        return self.x + self.w

    @property
    def bottom(self) -> float:
        """Where it ends below."""
        return self.y + self.h

    @property
    def cx(self) -> float:
        """The middle from left to right."""
        return self.x + self.w / 2

    @property
    def cy(self) -> float:
        """The middle from top to bottom."""
        return self.y + self.h / 2

    def cell(self, row: int, column: int) -> "Box":
        """Find one cell, if this is the box of a grid."""
        x, y = self.x + column * CELL_W, self.y + row * CELL_H
        return Box(x, y, CELL_W, CELL_H)

    def row(self, row: int) -> "Box":
        """Find one row, if this is the box of a grid."""
        return Box(self.x, self.y + row * CELL_H, self.w, CELL_H)

    def column(self, column: int) -> "Box":
        """Find one column, if this is the box of a grid."""
        return Box(self.x + column * CELL_W, self.y, CELL_W, self.h)


@dataclass(frozen=True)
class Drawing:
    """A finished drawing: its size and its elements, colours still open.

    One that was drawn for paper says how many `points` wide it is printed.
    """

    width: float
    height: float
    body: str
    points: float | None = None

    def svg(self, label: str, theme: str = "web") -> str:
        """Write it for the page (follows light and dark) or for print."""
        if not label.strip():
            raise ValueError(f"label must say what is seen, got {label!r}")
        if theme not in _FAMILY:
            raise unknown("theme", theme, _FAMILY)
        # Links inside an image are hidden from assistive technology.
        role = "group" if "<a " in self.body else "img"
        size = f"{number(self.width)} {number(self.height)}"
        wide, high = size.split()
        if self.points:
            wide = f"{number(self.points)}pt"
            high = f"{number(self.height * self.points / self.width)}pt"
        text = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" '
            f'width="{wide}" height="{high}" class="lo-figure" role="{role}" '
            f'aria-label={_said(label)} font-family="{_FAMILY[theme]}" '
            f'font-size="{NUMBER}" text-anchor="middle" '
            f'stroke-width="{STROKE}" fill="@ink@">'
            f"{self.body}</svg>"
        )
        return re.sub("@([a-z]+)(-soft)?@", _PAINT[theme], text)


def _for_web(found: re.Match[str]) -> str:
    """Turn a role into a custom property that falls back on light."""
    name = found[1] + (found[2] or "")
    return f"var(--lo-{name},{_for_print(found)})"


def _for_print(found: re.Match[str]) -> str:
    """Turn a role into its colour on white paper."""
    one = colour(found[1])
    return one.soft if found[2] else one.strong


_PAINT = {"web": _for_web, "print": _for_print}


def number(value: float) -> str:
    """Write a coordinate as briefly as one decimal allows."""
    return f"{round(value, 1) + 0.0:.1f}".removesuffix(".0")


def format_number(value: float | bool, digits: int = 2) -> str:
    """Write a number for readers: true minus sign, −∞ and NaN."""
    if isinstance(value, bool):
        return str(value)
    if math.isnan(value):
        return "NaN"
    text = f"{abs(value):.{digits}f}" if math.isfinite(value) else "∞"
    return f"−{text}" if value < 0 and text.strip("0.") else text


def text_width(text: str, size: float = NUMBER) -> float:
    """Estimate a width on the safe side: DejaVu Sans is a wide face."""
    em = sum(
        0.4 if c in _NARROW else 0.95 if c in _WIDE else 0.64
        for c in re.sub(r"[_^](?=\w)", "", text)
    )
    return em * size


def chip_width(tokens: Sequence[str]) -> float:
    """Find the width at which all these tokens get chips alike."""
    return max(math.ceil(text_width(token)) + 14 for token in tokens)


def table(values: Values, what: str = "matrix") -> list[list[float]]:
    """Read a tensor or nested lists as rows of equal length."""
    given = values.tolist() if isinstance(values, Tensor) else list(values)
    rows: list[Any] = (
        given if given and isinstance(given[0], Sequence) else [given]
    )
    lengths = [len(row) for row in rows]
    if not lengths or len(set(lengths)) > 1 or not lengths[0]:
        raise ValueError(f"{what} must have rows alike, got lengths {lengths}")
    return rows


def _digits(rows: list[list[float]]) -> int:
    """Print whole numbers bare and all others with two decimals."""
    finite = [value for row in rows for value in row if math.isfinite(value)]
    return 0 if all(value == int(value) for value in finite) else 2


def _element(name: str, content: str = "", /, **attributes: object) -> str:
    """Write one element; an underscore in a name stands for a hyphen."""
    given = "".join(
        f" {key.replace('_', '-').strip('-')}={_quoted(value)}"
        for key, value in attributes.items()
    )
    end = f">{content}</{name}>" if content else "/>"
    return f"<{name}{given}{end}"


def _quoted(value: object) -> str:
    """Write an attribute's value, numbers rounded."""
    text = number(value) if isinstance(value, float | int) else str(value)
    return quoteattr(text)


def _rect(box: Box, **more: object) -> str:
    """Write a rectangle."""
    return _element(
        "rect", x=box.x, y=box.y, width=box.w, height=box.h, **more
    )


def _raised(text: str) -> str:
    """Set `d_k` and `K^T` with a small letter below or above the line."""

    def shift(found: re.Match[str]) -> str:
        down = 3 if found[1] == "_" else -4
        small = f'<tspan dy="{down}" font-size="{SMALL}">{found[2]}</tspan>'
        return f'{small}<tspan dy="{-down}">{found[3] or "&#8203;"}</tspan>'

    return re.sub(r"([_^])(\w)([^_^]*)", shift, _safe(text))


def _safe(text: str) -> str:
    """Escape a text; the sign that marks roles is written as a number."""
    return escape(text).replace("@", "&#64;")


def _said(text: str) -> str:
    """Quote a text for an attribute, safe from the sign of the roles."""
    return quoteattr(text).replace("@", "&#64;")


def _hatching(box: Box) -> str:
    """Trace slanted lines across a cell: masked, also in grey."""
    return "".join(
        f"M{number(box.x + min(c, box.w))} {number(box.y + max(0, c - box.w))}"
        f"L{number(box.x + max(0, c - box.h))} {number(box.y + min(c, box.h))}"
        for c in range(6, int(box.w + box.h), 7)
    )


class Canvas:
    """A sheet as wide as a phone that grows downwards as it is drawn on."""

    widest: float = SHEET
    _underlined = False

    def __init__(self, width: float = SHEET) -> None:
        if not 0 < width <= self.widest:
            raise ValueError(
                f"width must lie in 1..{self.widest:.0f}, got {width}"
            )
        self.width = width
        self._body: list[str] = []
        self._bottom = 0.0

    def drawing(self) -> Drawing:
        """Finish: the sheet ends a margin below the lowest element."""
        return Drawing(
            self.width, math.ceil(self._bottom + MARGIN), "".join(self._body)
        )

    def _claim(self, box: Box, what: str) -> Box:
        """Make sure that it lies on the sheet, and let the sheet grow."""
        if box.x < 0 or box.y < 0 or box.right > self.width:
            edges = f"x {box.x:.0f}..{box.right:.0f}, y from {box.y:.0f}"
            raise ValueError(
                f"{what} leaves the sheet ({self.width} wide): {edges}"
            )
        self._bottom = max(self._bottom, box.bottom)
        return box

    @contextmanager
    def link(self, href: str, label: str) -> Iterator[None]:
        """Make a link of everything that is drawn inside."""
        where, says = _said(href), _said(label)
        self._body.append(
            f'<a class="lo-part" href={where} aria-label={says}>'
        )
        yield
        self._body.append("</a>")

    def text(
        self,
        x: float,
        y: float,
        text: str,
        role: str = "ink",
        size: float = NUMBER,
        anchor: str = "middle",
        bold: bool = False,
    ) -> Box:
        """Write lines whose middle is y; `d_k` and `K^T` are set small."""
        colour(role)
        rows = text.split("\n")
        step = size + 4
        wide = max(text_width(row, size) for row in rows)
        left = x - wide * {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor]
        box = Box(left, y - step * len(rows) / 2, wide, step * len(rows))
        self._claim(box, f"text {text!r}")
        more: dict[str, object] = (
            {} if role == "ink" else {"fill": f"@{role}@"}
        )
        more |= {} if size == NUMBER else {"font_size": size}
        more |= {} if anchor == "middle" else {"text_anchor": anchor}
        more |= {"font_weight": 600} if bold else {}
        more |= {"text_decoration": "underline"} if self._underlined else {}
        for index, row in enumerate(rows):
            base = round(box.y + step * (index + 0.5) + size * 0.36)
            line = _element("text", _raised(row), x=x, y=base, **more)
            self._body.append(line)
        return box

    def box(
        self,
        box: Box,
        text: str = "",
        role: str = "cell",
        size: float = NUMBER,
        stroke: float = STROKE,
        radius: float = 6,
        edge: str = "",
    ) -> Box:
        """Draw a rounded box; its edge has its role's colour or another."""
        paint = {
            "fill": f"@{role}-soft@",
            "stroke": f"@{edge or role}@",
            "rx": radius,
        }
        colour(role)
        colour(edge or role)
        self._claim(box, f"box {text!r}")
        more = {} if stroke == STROKE else {"stroke_width": stroke}
        rect = _rect(box, **paint, **more)
        self._body.append(rect)
        if text:
            self.text(box.cx, box.cy, text, size=size)
        return box

    def dot(self, x: float, y: float, radius: float, role: str) -> Box:
        """Draw a full dot: a thick line around a small one has corners.

        Poppler bends a line before it makes it thick.
        """
        colour(role)
        side = 2 * radius
        box = self._claim(Box(x - radius, y - radius, side, side), "dot")
        self._body.append(
            _element("circle", cx=x, cy=y, r=radius, fill=f"@{role}@")
        )
        return box

    def token(
        self,
        x: float,
        y: float,
        text: str,
        role: str = "token",
        width: float | None = None,
    ) -> Box:
        """Draw a token as a rounded chip, as high as a cell."""
        wide = chip_width([text]) if width is None else width
        return self.box(Box(x, y + 1, wide, CELL_H - 2), text, role, radius=12)

    def vector(
        self,
        x: float,
        y: float,
        values: Values,
        role: str = "cell",
        label: str = "",
        title: str | None = None,
    ) -> Box:
        """Draw a vector as one row of cells."""
        if len(table(values, "vector")) > 1:
            raise ValueError(f"vector must be one row, got {values}")
        rows = [label] if label else []
        return self.matrix(x, y, values, role, rows=rows, title=title)

    def matrix(
        self,
        x: float,
        y: float,
        values: Values,
        role: str = "cell",
        rows: Sequence[str] = (),
        columns: Sequence[str] = (),
        title: str | None = None,
    ) -> Box:
        """Draw a grid with its numbers; x, y and the box are the cells'.

        Row labels are chips at the left, column labels stand above, and the
        title above those (by default the letter of the role). What a mask
        forbids is hatched: False and minus infinity.
        """
        cells = table(values)
        shape = len(cells), len(cells[0])
        box = self.grid(x, y, shape, role, rows, columns, title)
        shut = [[v is False or v == -math.inf for v in row] for row in cells]
        self.hatch(_chosen(box, shut))
        self._numbers(box, cells, _digits(cells))
        return box

    def weights(
        self,
        x: float,
        y: float,
        values: Values,
        rows: Sequence[str] = (),
        columns: Sequence[str] = (),
        title: str = "",
        mask: Tensor | None = None,
    ) -> Box:
        """Draw attention weights: the greater, the fuller the cell.

        Where `mask` is False the cell is hatched.
        """
        cells = _fractions(values, "weights")
        shape = len(cells), len(cells[0])
        box = self.grid(
            x, y, shape, "accent", rows, columns, title, fullness=cells
        )
        if mask is not None:
            self.hatch(_chosen(box, (~mask).tolist()))
        self._numbers(box, cells, 2)
        return box

    def grid(
        self,
        x: float,
        y: float,
        shape: tuple[int, int],
        role: str = "cell",
        rows: Sequence[str] = (),
        columns: Sequence[str] = (),
        title: str | None = None,
        fullness: list[list[float]] | None = None,
    ) -> Box:
        """Draw empty cells, as many as the shape says, with their labels."""
        colour(role)
        high, wide = shape
        box = Box(x, y, wide * CELL_W, high * CELL_H)
        self._claim(box, f"grid of {high} x {wide} cells")
        rects = "".join(
            _rect(
                box.cell(i, j),
                **(
                    {"fill_opacity": f"{fullness[i][j]:.2f}"}
                    if fullness
                    else {}
                ),
            )
            for i in range(high)
            for j in range(wide)
        )
        self._group("lo-cells", rects, role)
        self._labels(box, rows, columns)
        name = MARKS.get(role, "") if title is None else title
        self._title(box, name, role, bool(columns))
        return box

    def _labels(
        self, box: Box, rows: Sequence[str], columns: Sequence[str]
    ) -> None:
        """Put chips at the left of a grid and names above it."""
        for what, names, room in (
            ("rows", rows, box.h / CELL_H),
            ("columns", columns, box.w / CELL_W),
        ):
            if names and len(names) != room:
                raise ValueError(
                    f"{what} must name {room:.0f}, got {list(names)}"
                )
        wide = chip_width(rows) if rows else 0
        for i, name in enumerate(rows):
            self.token(box.x - wide - 6, box.row(i).y, name, width=wide)
        for j, name in enumerate(columns):
            self.text(box.column(j).cx, box.y - 9, name, "token", SMALL)

    def _title(self, box: Box, name: str, role: str, columns: bool) -> None:
        """Write a grid's name above it, in the colour of its role."""
        if name:
            y = box.y - (28 if columns else 12)
            tint = "ink" if role == "cell" else role
            self.text(box.cx, y, name, tint, LABEL, bold=True)

    def _numbers(
        self, box: Box, cells: list[list[float]], digits: int
    ) -> None:
        """Print every number into its cell, all small if one is long."""
        words = [[format_number(one, digits) for one in row] for row in cells]
        texts = "".join(
            _element("text", word, x=box.column(j).cx, y=box.row(i).cy + 4)
            for i, row in enumerate(words)
            for j, word in enumerate(row)
        )
        widest = max(text_width(word) for row in words for word in row)
        size = NUMBER if widest <= CELL_W else SMALL
        self._body.append(_element("g", texts, font_size=size))

    def hatch(self, boxes: Sequence[Box]) -> None:
        """Cover what nobody may look at with slanted lines."""
        if boxes:
            rects = "".join(_rect(box) for box in boxes)
            lines = "".join(_hatching(box) for box in boxes)
            path = _element("path", d=lines, stroke_opacity=0.4)
            self._group("lo-hatch", rects + path, "mask")

    def _group(self, name: str, content: str, role: str) -> None:
        """Paint several shapes alike: filled softly, lined strongly."""
        paint = {"fill": f"@{role}-soft@", "stroke": f"@{role}@"}
        self._body.append(_element("g", content, **{"class": name}, **paint))

    def highlight(self, box: Box) -> Box:
        """Frame a row, a column or a cell with a heavy line."""
        frame = {"fill": "none", "stroke": "@ink@", "stroke_width": 2.5}
        self._body.append(_rect(box, rx=3, **frame))
        return box

    def arrow(
        self, points: Sequence[Point], role: str = "line", width: float = 1.5
    ) -> Box:
        """Draw a line through the points with a head at the last."""
        return self.arrows([points], role, width)

    def arrows(
        self,
        paths: Sequence[Sequence[Point]],
        role: str = "line",
        width: float = 1.5,
    ) -> Box:
        """Draw many arrows alike, in two elements."""
        shafts, heads = [], ""
        for points in paths:
            if len(points) < 2:
                raise ValueError(f"points must be two or more, got {points}")
            start, end = points[-2:]
            short = _short_of(start, end, 4 + width)
            shafts.append([*points[:-1], short])
            heads += _trace(_head(start, end, width)) + "Z"
        box = self._lines(shafts, role, width, [p[-1] for p in paths])
        self._body.append(_element("path", d=heads, fill=f"@{role}@"))
        return box

    def line(self, points: Sequence[Point], role: str = "line") -> Box:
        """Draw a thin line through the points."""
        return self._lines([points], role, 1.2, points)

    def _lines(
        self,
        paths: Sequence[Sequence[Point]],
        role: str,
        width: float,
        ends: Sequence[Point],
    ) -> Box:
        """Draw open lines in one element."""
        colour(role)
        points = [point for path in paths for point in path] + list(ends)
        xs, ys = zip(*points, strict=True)
        box = Box(min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))
        self._claim(box, "arrow")
        more: dict[str, object] = {}
        if width != STROKE:
            more["stroke_width"] = width
        d = "".join(_trace(path) for path in paths)
        paint = {"fill": "none", "stroke": f"@{role}@"}
        self._body.append(_element("path", d=d, **paint, **more))
        return box

    def bracket(self, box: Box, side: str, label: str) -> Box:
        """Mark the length of a grid's axis, above it or at its left."""
        if side not in ("top", "left"):
            raise unknown("side", side, ("top", "left"))
        x, y, far, low = box.x + 1, box.y + 1, box.right - 1, box.bottom - 1
        if side == "top":
            y -= 11
            ends = [(x, y + 5), (x, y), (far, y), (far, y + 5)]
            place = box.cx, y - 10
        else:
            x -= 11
            ends = [(x + 5, y), (x, y), (x, low), (x + 5, low)]
            place = x - 14, box.cy
        self.line(ends, "muted")
        return self.text(*place, label, "muted", LABEL)

    def bars(
        self,
        x: float,
        y: float,
        values: Values,
        height: float = 48,
        step: float = CELL_W,
        role: str = "accent",
    ) -> Box:
        """Draw fractions as upright bars; the full height stands for 1."""
        (row,) = _fractions(values, "bars")
        colour(role)
        box = Box(x, y, len(row) * step, height)
        self._claim(box, f"{len(row)} bars")
        rects = ""
        for i, tall in enumerate(height * value for value in row):
            left = x + step * (i + 0.2)
            rects += _rect(Box(left, box.bottom - tall, step * 0.6, tall))
        self._group("lo-bars", rects, role)
        self.line([(x, box.bottom), (box.right, box.bottom)])
        return box


class Paper(Canvas):
    """A sheet for the PDF edition, printed `points` wide.

    It is as wide as letters of the usual size allow. Links are underlined,
    as the style sheet does it on a page.
    """

    def __init__(self, width: float, points: float = COLUMN) -> None:
        if not 0 < points <= COLUMN:
            raise ValueError(f"points must lie in 1..{COLUMN}, got {points}")
        self.widest = points * NUMBER / SMALLEST
        self.points = points
        super().__init__(width)

    def drawing(self) -> Drawing:
        """Finish, and say how wide it is printed."""
        return replace(super().drawing(), points=self.points)

    @contextmanager
    def link(self, href: str, label: str) -> Iterator[None]:
        """Make a link of everything that is drawn inside."""
        self._underlined = True
        with super().link(href, label):
            yield
        self._underlined = False


def _chosen(box: Box, which: list[list[bool]]) -> list[Box]:
    """Pick the cells of a grid that are marked True."""
    return [
        box.cell(i, j)
        for i, row in enumerate(which)
        for j, one in enumerate(row)
        if one
    ]


def _fractions(values: Values, what: str) -> list[list[float]]:
    """Read numbers that must lie between 0 and 1."""
    cells = table(values, what)
    for row in cells:
        for value in row:
            if not 0 <= value <= 1.00001:
                raise ValueError(f"{what} must lie in 0..1, got {value}")
    return cells


def _short_of(start: Point, end: Point, gap: float) -> Point:
    """Stop a line before its end, where the arrow's head begins."""
    (x1, y1), (x2, y2) = start, end
    length = math.dist(start, end) or 1.0
    return x2 - (x2 - x1) / length * gap, y2 - (y2 - y1) / length * gap


def _trace(points: Sequence[Point]) -> str:
    """Write a path through the points."""
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points)


def _head(start: Point, end: Point, width: float) -> list[Point]:
    """Find the corners of the head of an arrow, broader for a broader line."""
    long, half = 6 + width, 2.5 + width
    bx, by = _short_of(start, end, long)
    angle = math.atan2(end[1] - start[1], end[0] - start[0])
    dx, dy = -math.sin(angle) * half, math.cos(angle) * half
    return [end, (bx + dx, by + dy), (bx - dx, by - dy)]
