"""The figure language: colours, the sheet, and the first drawings."""

import inspect
import itertools
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from figures import scaled_dot_product_attention as chapter
from figures.canvas import Box, Canvas, Drawing, Paper, format_number, table
from figures.example import TOKENS, key, query, value
from figures.palette import DARK, LIGHT, MARKS, THEMES, css
from figures.transformer_map import transformer_map
from laidout.attention import scaled_dot_product_attention
from laidout.masks import causal_mask

SVG = "{http://www.w3.org/2000/svg}"
SIX = ("query", "key", "value", "memory", "mask", "gradient")
# Machado, Oliveira and Fernandes 2009, severity 1, for linear RGB.
SIGHT = {
    "full": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
}
FIGURES = {
    name: figure
    for name, figure in inspect.getmembers(chapter, inspect.isfunction)
    if figure.__module__ == chapter.__name__
    and inspect.signature(figure).return_annotation is Drawing
}
DRAWN = {
    **FIGURES,
    "map": transformer_map,
    "lit map": lambda: transformer_map(["mask"], {"masks": "masks.html"}),
}
drawings = pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
themes = pytest.mark.parametrize("theme", ["web", "print"])

Rgb = tuple[float, ...]
Draw = Callable[[], Drawing]


def linear(colour: str) -> Rgb:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return tuple(
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in parts
    )


def luminance(rgb: Rgb) -> float:
    return 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(linear(one)), luminance(linear(other))))
    return (high + 0.05) / (low + 0.05)


def lab(rgb: Rgb) -> Rgb:
    def bend(t: float) -> float:
        return t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116

    red, green, blue = rgb
    x = bend((0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047)
    y = bend(luminance(rgb))
    z = bend((0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def seen(colour: str, sight: str) -> Rgb:
    rgb = linear(colour)
    mixed = (
        sum(a * b for a, b in zip(row, rgb, strict=True))
        for row in SIGHT[sight]
    )
    return lab(tuple(min(1.0, max(0.0, c)) for c in mixed))


def parse(drawing: Drawing, theme: str = "web") -> ET.Element:
    return ET.fromstring(drawing.svg("what is seen", theme))


def grids(root: ET.Element) -> list[int]:
    """Count the cells of every grid, in the order drawn."""
    groups = root.iterfind(f".//{SVG}g[@class='lo-cells']")
    return [len(group.findall(f"{SVG}rect")) for group in groups]


def texts(root: ET.Element) -> list[str]:
    return ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]


def printed(matrix: Tensor, digits: int) -> list[str]:
    return [format_number(one, digits) for one in matrix.flatten().tolist()]


def contains(whole: list[str], part: list[str]) -> bool:
    last = len(whole) - len(part) + 1
    return any(whole[i : i + len(part)] == part for i in range(last))


# ---------------------------------------------------------------- palette


@pytest.mark.parametrize("theme", THEMES)
def test_every_colour_is_a_hex_value_of_six_digits(theme: str) -> None:
    values = [one for colour in THEMES[theme].values() for one in colour]
    assert all(re.fullmatch("#[0-9a-f]{6}", one) for one in values)


def test_both_themes_colour_the_same_roles() -> None:
    assert list(LIGHT) == list(DARK)
    assert set(SIX) <= set(LIGHT)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("role", LIGHT)
def test_strong_colours_read_on_paper_and_ink_on_soft_ones(
    theme: str, role: str
) -> None:
    colours = THEMES[theme]
    assert contrast(colours["ink"].strong, colours[role].soft) >= 4.5
    if role != "paper":
        paper = colours["paper"].strong
        assert contrast(colours[role].strong, paper) >= 4.5


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("theme", THEMES)
def test_the_six_roles_differ_whatever_the_eye(theme: str, sight: str) -> None:
    for one, other in itertools.combinations(SIX, 2):
        for a, b in zip(THEMES[theme][one], THEMES[theme][other], strict=True):
            distance = math.dist(seen(a, sight), seen(b, sight))
            assert distance > 10, f"{one} and {other}: {a}, {b}"


@pytest.mark.parametrize("theme", THEMES)
def test_the_fills_of_the_six_roles_differ_in_grey(theme: str) -> None:
    greys = sorted(lab(linear(THEMES[theme][one].soft))[0] for one in SIX)
    assert min(b - a for a, b in itertools.pairwise(greys)) > 2


def test_the_style_sheet_defines_every_role_for_every_theme() -> None:
    sheet = css()
    for role, colour in DARK.items():
        assert sheet.count(f"--lo-{role}: ") == 4
        assert sheet.count(f"--lo-{role}-soft: {colour.soft};") >= 2
    assert sheet.index("prefers-color-scheme") < sheet.index("@media print")
    assert sheet.count("{") == sheet.count("}")


# ----------------------------------------------------------------- canvas


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 7)])
def test_a_matrix_has_as_many_cells_and_numbers_as_its_tensor(
    size: tuple[int, int],
) -> None:
    sheet = Canvas()
    sheet.matrix(10, 50, torch.arange(math.prod(size)).reshape(size))
    root = parse(sheet.drawing())
    assert grids(root) == [math.prod(size)]
    assert texts(root) == [str(i) for i in range(math.prod(size))]


def test_the_box_of_a_grid_finds_its_rows_columns_and_cells() -> None:
    box = Canvas().matrix(10, 50, [[1, 2, 3], [4, 5, 6]])
    assert (box.right, box.bottom) == (box.cell(1, 2).right, box.row(1).bottom)
    assert box.column(1).cx == box.cx
    assert box.row(0).h + box.row(1).h == box.h


@pytest.mark.parametrize(
    ("number", "digits", "text"),
    [
        (-2.0, 1, "−2.0"),
        (-0.001, 2, "0.00"),
        (-math.inf, 2, "−∞"),
        (math.inf, 0, "∞"),
        (math.nan, 2, "NaN"),
        (0.665, 1, "0.7"),
        (4.0, 0, "4"),
        (False, 2, "False"),
    ],
)
def test_numbers_are_written_for_readers(
    number: float, digits: int, text: str
) -> None:
    assert format_number(number, digits) == text


@pytest.mark.parametrize("role", MARKS)
def test_a_role_shows_as_a_letter_too(role: str) -> None:
    sheet = Canvas()
    sheet.vector(40, 40, [1, 2], role)
    assert MARKS[role] in texts(parse(sheet.drawing()))


def test_masked_cells_are_hatched() -> None:
    sheet = Canvas()
    sheet.matrix(10, 50, causal_mask(3)[0, 0])
    sheet.matrix(10, 150, torch.tensor([[0.0, -math.inf]]))
    groups = parse(sheet.drawing()).iterfind(f".//{SVG}g[@class='lo-hatch']")
    assert [len(one.findall(f"{SVG}rect")) for one in groups] == [3, 1]


def test_a_weight_shows_as_the_fullness_of_its_cell() -> None:
    sheet = Canvas()
    sheet.weights(10, 50, [[0.25, 0.75]])
    root = parse(sheet.drawing())
    full = [one.get("fill-opacity") for one in root.iter(f"{SVG}rect")]
    assert full == texts(root) == ["0.25", "0.75"]


def test_bars_are_as_high_as_their_values() -> None:
    sheet = Canvas()
    sheet.bars(10, 10, [0.25, 0.5], height=40)
    heights = [
        r.get("height") for r in parse(sheet.drawing()).iter(f"{SVG}rect")
    ]
    assert heights == ["10", "20"]


def test_subscripts_are_set_small_and_signs_are_escaped() -> None:
    sheet = Canvas()
    sheet.text(180, 20, "a < b & @query@ √d_k K^T")
    root = parse(sheet.drawing())
    small = [
        one.text for one in root.iter(f"{SVG}tspan") if one.get("font-size")
    ]
    assert small == ["k", "T"]
    assert "a < b & @query@" in texts(root)[0]


def test_an_arrow_ends_where_it_points() -> None:
    sheet = Canvas()
    sheet.arrow([(10, 10), (10, 60), (90, 60)])
    _, head = parse(sheet.drawing()).iter(f"{SVG}path")
    assert (head.get("d") or "").startswith("M90 60L")


def test_a_dot_is_full_and_has_no_line() -> None:
    sheet = Canvas()
    assert sheet.dot(20, 30, 5, "accent") == Box(15, 25, 10, 10)
    (dot,) = parse(sheet.drawing(), "print").iter(f"{SVG}circle")
    assert dot.attrib == {
        "cx": "20",
        "cy": "30",
        "r": "5",
        "fill": LIGHT["accent"].strong,
    }


def test_a_sheet_for_paper_says_how_wide_it_is_printed() -> None:
    sheet = Paper(500, 300)
    sheet.token(10, 10, "pizza")
    root = parse(sheet.drawing(), "print")
    assert root.get("viewBox") == "0 0 500 43"
    assert (root.get("width"), root.get("height")) == ("300pt", "25.8pt")


def test_a_label_may_hold_any_sign() -> None:
    sheet = Canvas()
    sheet.token(10, 10, "pizza")
    root = ET.fromstring(sheet.drawing().svg('"<s>" & @key@'))
    assert root.get("aria-label") == '"<s>" & @key@'


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda c: c.token(1, 1, "I", "qeury"), "'qeury'.*'query'"),
        (lambda c: c.text(9, 9, "a", "vlaue"), "'vlaue'.*'value'"),
        (lambda c: c.matrix(1, 40, [[1, 2], [3]]), r"matrix.*\[2, 1\]"),
        (lambda c: c.matrix(1, 40, []), "matrix must"),
        (lambda c: c.vector(1, 40, [[1], [2]]), "vector must be one row"),
        (lambda c: c.matrix(60, 40, [[1]], rows=["a", "b"]), "rows must"),
        (lambda c: c.matrix(1, 40, [[1]], columns=["a", "b"]), "columns must"),
        (lambda c: c.matrix(1, 40, torch.ones(2, 12)), "2 x 12 cells leaves"),
        (lambda c: c.weights(1, 40, [1.5]), "weights must.*1.5"),
        (lambda c: c.bars(1, 40, [math.nan]), "bars must.*nan"),
        (lambda c: c.text(350, 9, "too long"), "'too long' leaves"),
        (lambda c: c.arrow([(1, 1)]), "two or more"),
        (lambda c: c.bracket(Box(40, 40, 9, 9), "lfet", "T"), "'left'"),
        (lambda _: Canvas(361), "width must.*361"),
        (lambda _: Paper(515, 300), r"width must.*1\.\.514.*515"),
        (lambda _: Paper(500, 414), "points must.*413.*414"),
    ],
)
def test_bad_input_is_refused_by_name(
    act: Callable[[Canvas], object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        act(Canvas())


def test_a_drawing_insists_on_a_label_and_a_known_theme() -> None:
    drawing = Drawing(10, 10, "")
    with pytest.raises(ValueError, match="label must say"):
        drawing.svg("  ")
    with pytest.raises(ValueError, match=r"'prnit'.*'print'"):
        drawing.svg("seen", "prnit")


# --------------------------------------------------------------- drawings


@themes
@drawings
def test_a_drawing_is_a_labelled_sheet_no_wider_than_a_phone(
    draw: Draw, theme: str
) -> None:
    drawing = draw()
    root = parse(drawing, theme)
    assert root.get("aria-label") == "what is seen"
    assert root.get("class") == "lo-figure"
    assert float(root.get("width", "nan")) == drawing.width <= 360
    assert root.get("viewBox") == f"0 0 {drawing.width} {drawing.height}"


@drawings
def test_no_letter_is_smaller_than_eleven(draw: Draw) -> None:
    sizes = [float(one.get("font-size", "11")) for one in parse(draw()).iter()]
    assert min(sizes) >= 11


@drawings
def test_a_drawing_has_no_ids_and_asks_nobody_else(draw: Draw) -> None:
    svg = draw().svg("seen").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r'\sid="|url\(|//|xlink|<style|<script|<title', svg)


@drawings
def test_print_has_plain_colours_and_the_web_those_of_the_page(
    draw: Draw,
) -> None:
    web, paper = draw().svg("seen"), draw().svg("seen", "print")
    assert "var(" not in paper
    assert "@" not in web + paper
    assert set(re.findall("#[0-9a-f]{6}", paper)) <= {
        one for colour in LIGHT.values() for one in colour
    }
    assert re.sub(r"var\(--lo-[a-z-]+,(#\w+)\)", r"\1", web).count(
        "#"
    ) == paper.count("#")


@drawings
def test_a_drawing_is_the_same_each_time(draw: Draw) -> None:
    assert draw() == draw()


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("dot_product", [4, 4, 4, 1]),
        ("three_roles", [12, 12, 6]),
        ("scores", [12, 12, 9]),
        ("scaled", [9, 9]),
        ("softmax_steps", [3, 3, 3]),
        ("weighted_average", [1, 2, 2] * 3 + [2]),
        ("all_at_once", [12, 12, 9, 9, 6, 6]),
        ("shapes", [12, 8, 6, 15, 6, 10]),
        ("causal", [9, 9, 9]),
        ("mask_before_after", [9, 9]),
        ("empty_row", [3, 3, 3, 2]),
    ],
)
def test_a_figure_has_as_many_cells_as_its_tensors(
    name: str, cells: list[int]
) -> None:
    assert grids(parse(FIGURES[name]())) == cells


def test_the_tensors_of_the_example_are_those_of_the_book() -> None:
    assert TOKENS == ("I", "like", "pizza")
    assert {one.dtype for one in (query, key, value)} == {torch.float32}
    assert (query @ key.T).tolist() == [[0, 4, 2], [2, 0, 4], [0, 0, 2]]
    assert (query.shape, value.shape) == ((3, 4), (3, 2))


def test_the_scores_are_drawn_before_and_after_scaling() -> None:
    drawn = texts(parse(chapter.scaled()))
    assert contains(drawn, printed(query @ key.T, 0))
    assert contains(drawn, printed(query @ key.T / 2, 0))


def test_the_drawn_weights_and_outputs_are_the_computed_ones() -> None:
    output, weights = scaled_dot_product_attention(query, key, value)
    drawn = texts(parse(chapter.all_at_once()))
    assert contains(drawn, printed(weights, 2))
    assert contains(drawn, printed(output, 2))
    assert contains(
        texts(parse(chapter.weighted_average())), printed(output[1], 2)
    )


def test_the_steps_of_softmax_lead_to_the_weights() -> None:
    drawn = texts(parse(chapter.softmax_steps()))
    row = (query @ key.T / 2)[1]
    for stage in (row.exp(), row.softmax(dim=-1)):
        assert contains(drawn, printed(stage, 2))
    assert f"sum {format_number(row.exp().sum().item())}" in drawn


def test_masking_first_keeps_the_sums_at_one_and_later_does_not() -> None:
    mask = causal_mask(3)[0, 0]
    late = (query @ key.T / 2).softmax(dim=-1).masked_fill(~mask, 0.0)
    root = parse(chapter.mask_before_after())
    bold = root.iterfind(f".//{SVG}text[@font-weight='600']")
    sums = [one.text for one in bold if (one.text or "")[0] in "01"]
    assert sums == ["1.00"] * 3 + printed(late.sum(dim=-1), 2)


def test_an_empty_row_goes_from_minus_infinity_over_nan_to_zeros() -> None:
    drawn = texts(parse(chapter.empty_row()))
    for stage in (["−∞"] * 3, ["NaN"] * 3, ["0.00"] * 3, ["0", "0"]):
        assert contains(drawn, stage)


def test_the_arrows_of_the_lookup_thicken_with_the_weights() -> None:
    root = parse(chapter.soft_lookup())
    wide = [
        float(one.get("stroke-width", "nan"))
        for one in root.iter(f"{SVG}path")
        if one.get("fill") == "none"
    ]
    weights = scaled_dot_product_attention(query, key, value)[1][1]
    order = weights.argsort().tolist()
    assert wide[0::2] == wide[1::2]
    assert sorted(range(3), key=lambda i: wide[2 * i]) == order


def test_the_explorer_has_a_row_of_eight_scores_for_every_d_k() -> None:
    data = chapter.explorer_data()
    assert data["d_k"] == [4, 8, 16, 32, 64, 128, 256, 512, 1024]
    assert [len(row) for row in data["scores"]] == [8] * 9
    assert data == chapter.explorer_data()
    assert all(round(one, 4) == one for row in data["scores"] for one in row)


def test_the_explorer_shows_that_only_unscaled_scores_grow() -> None:
    data = chapter.explorer_data()
    rows = [torch.tensor(row) for row in data["scores"]]
    assert rows[-1].std() > 5 * rows[0].std()
    largest = [round(r.softmax(dim=-1).max().item(), 3) for r in rows]
    assert largest == sorted(largest), "without detours"
    last = math.sqrt(data["d_k"][-1])
    assert rows[-1].softmax(dim=-1).max() > 0.99
    assert (rows[-1] / last).softmax(dim=-1).max() < 0.5


def test_the_static_explorer_draws_the_same_data() -> None:
    data = chapter.explorer_data()
    drawn = texts(parse(chapter.softmax_sharpness()))
    for size in (4, 64, 1024):
        row = torch.tensor(data["scores"][data["d_k"].index(size)])
        for scale in (1, math.sqrt(size)):
            most = (row / scale).softmax(dim=-1).max().item()
            assert f"largest {format_number(most)}" in drawn


def test_a_vector_is_read_as_one_row() -> None:
    assert table(torch.tensor([1.0, 2.0])) == table([1, 2]) == [[1, 2]]
