"""Tests of the pictures of a run and of what a model looks at."""

import io
import math
import re
import warnings
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from oracle import make
from rich.console import Console

import laidout.plots
from laidout.inspection import AttentionMap
from laidout.plots import attention_table, draw_attention, draw_curve

SVG = "{http://www.w3.org/2000/svg}"

LOG = [
    {"step": 20, "epoch": 0, "loss": 5.5, "rate": 0.1},
    {"step": 40, "epoch": 1, "loss": 3.25, "rate": 0.2},
    {"step": 40, "valid_loss": 3.0},
    {"step": 60, "epoch": 2, "loss": 2.0, "rate": 0.3},
    {"step": 60, "valid_loss": 2.5},
]

WEIGHTS = [[0.9, 0.1, 0.0], [0.004, 0.496, 0.5]]
"""Two rows that sum to one."""

NASTY = ["\x00", "\n", "$x$", "<&>", "--", "é�"]
"""Tokens that break what is careless: XML, lines, formulas, comments."""


def attention(
    rows: list[str] | None = None,
    columns: list[str] | None = None,
    weights: list[list[float]] = WEIGHTS,
) -> AttentionMap:
    """Make a map with names of its own."""
    rows = rows or ["Ich", " mag"]
    columns = columns or ["I", " like", "<eos>"]
    return AttentionMap(1, "cross", 0, torch.tensor(weights), rows, columns)


def square(names: list[str]) -> AttentionMap:
    """Make a map with the same names at rows and columns."""
    size = len(names)
    weights = make("square", size, size).softmax(-1).tolist()
    return attention(names, names, weights)


def texts(path: Path) -> list[str]:
    """Read an SVG as XML and return all its texts."""
    root = ElementTree.parse(path).getroot()
    assert root.tag == f"{SVG}svg"
    return ["".join(node.itertext()) for node in root.iter(f"{SVG}text")]


def printed(found: AttentionMap, width: int = 200) -> list[str]:
    """Print a map's table without colours, line by line."""
    file = io.StringIO()
    Console(file=file, width=width).print(attention_table(found))
    return file.getvalue().splitlines()


# --- draw_curve -------------------------------------------------------------


def test_the_curve_names_its_axes_and_lines(tmp_path: Path) -> None:
    draw_curve(LOG, tmp_path / "curve.svg")
    found = texts(tmp_path / "curve.svg")
    assert {
        "step",
        "loss, nats per token",
        "training (smoothed targets)",
        "validation (true targets)",
    } <= set(found)


def points(path: Path, line: int) -> list[tuple[float, float]]:
    """Read the points of one of the lines in the plot."""
    root = ElementTree.parse(path).getroot()
    # The lines of the plot are those cut off at its frame.
    drawn = [
        node.get("d", "")
        for node in root.iter(f"{SVG}path")
        if node.get("clip-path") and "fill: none" in node.get("style", "")
    ]
    numbers = re.findall(r"[ML] (\S+) (\S+)", drawn[line])
    return [(float(x), float(y)) for x, y in numbers]


def test_the_curve_goes_through_the_losses(tmp_path: Path) -> None:
    draw_curve(LOG, tmp_path / "curve.svg")
    training = points(tmp_path / "curve.svg", 0)
    validation = points(tmp_path / "curve.svg", 1)
    assert [len(training), len(validation)] == [3, 2]
    # The same scale for both; in SVG, y grows downwards.
    (x_20, y_5), (x_40, y_3), (x_60, y_2) = training
    assert x_40 - x_20 == pytest.approx(x_60 - x_40)
    unit = (y_2 - y_5) / (5.5 - 2.0)
    assert unit > 0
    assert y_3 == pytest.approx(y_2 - 1.25 * unit)
    assert validation[0] == pytest.approx((x_40, y_2 - 1.0 * unit))
    assert validation[1] == pytest.approx((x_60, y_2 - 0.5 * unit))


def test_lines_differ_in_more_than_colour(tmp_path: Path) -> None:
    draw_curve(LOG, tmp_path / "curve.svg")
    assert (tmp_path / "curve.svg").read_text("utf-8").count("dasharray") > 0


@pytest.mark.parametrize("key", ["loss", "valid_loss"])
def test_one_kind_of_loss_is_enough(tmp_path: Path, key: str) -> None:
    draw_curve([{"step": 1, key: 2.0}], tmp_path / "curve.svg")
    legend = [text for text in texts(tmp_path / "curve.svg") if "(" in text]
    assert len(legend) == 1


def test_a_loss_that_is_no_number_leaves_a_gap(tmp_path: Path) -> None:
    log = [*LOG, {"step": 80, "loss": math.nan}]
    draw_curve(log, tmp_path / "curve.svg")
    assert len(points(tmp_path / "curve.svg", 0)) == 3


@pytest.mark.parametrize("log", [[], [{"step": 20, "rate": 0.1}]])
def test_a_log_without_losses_is_refused(
    tmp_path: Path, log: list[dict[str, float]]
) -> None:
    message = rf"^log \({len(log)} lines\) must have a loss$"
    with pytest.raises(ValueError, match=message):
        draw_curve(log, tmp_path / "curve.svg")
    assert list(tmp_path.iterdir()) == []


# --- draw_attention ---------------------------------------------------------


def test_the_grid_has_a_number_for_each_weight(tmp_path: Path) -> None:
    draw_attention(attention(), tmp_path / "map.svg")
    found = texts(tmp_path / "map.svg")
    numbers = [text for text in found if text.isdigit()]
    assert numbers == ["90", "10", "0", "0", "50", "50"]


def test_the_grid_has_a_name_for_each_row_and_column(tmp_path: Path) -> None:
    draw_attention(attention(), tmp_path / "map.svg")
    names = [t for t in texts(tmp_path / "map.svg") if not t.isdigit()]
    assert names == ["I", "_like", "<eos>", "Ich", "_mag"]


def test_a_token_twice_has_a_name_twice(tmp_path: Path) -> None:
    draw_attention(square(["a", "a", "b"]), tmp_path / "map.svg")
    found = texts(tmp_path / "map.svg")
    assert found.count("a") == 4
    assert sum(text.isdigit() for text in found) == 9


def test_rows_go_down_and_columns_to_the_right(tmp_path: Path) -> None:
    draw_attention(attention(), tmp_path / "map.svg")
    places = {}
    for node in ElementTree.parse(tmp_path / "map.svg").iter(f"{SVG}text"):
        place = f"{node.get('x')} {node.get('y')} {node.get('transform')}"
        numbers = [float(n) for n in re.findall(r"-?\d+\.\d+", place)]
        places["".join(node.itertext())] = numbers[:2]
    assert places["90"][0] < places["10"][0]
    assert places["90"][1] == places["10"][1] < places["50"][1]
    assert places["Ich"][1] < places["_mag"][1]


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.6, 0.71, 0.73, 0.8, 1.0])
def test_numbers_can_be_read_on_their_cells(
    tmp_path: Path, weight: float
) -> None:
    # Contrast as the web's guidelines define it; 4.5 is what they ask for.
    blue = laidout.plots.matplotlib.colormaps["Blues"](weight)
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in blue[:3]
    ]
    light = sum(
        share * c
        for share, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True)
    )
    draw_attention(attention(["a"], ["b"], [[weight]]), tmp_path / "m.svg")
    source = (tmp_path / "m.svg").read_text("utf-8")
    number = re.search(rf"<text[^>]*>{100 * weight:.0f}</text>", source)
    assert number is not None
    white = re.search(r"fill: ?#ffffff", number.group()) is not None
    contrast = 1.05 / (light + 0.05) if white else (light + 0.05) / 0.05
    assert contrast > 4.4


@pytest.mark.parametrize("name", NASTY)
def test_no_token_breaks_the_grid(tmp_path: Path, name: str) -> None:
    draw_attention(square([name, "a"]), tmp_path / "map.svg")
    found = texts(tmp_path / "map.svg")
    assert sum(text.isdigit() for text in found) == 4
    shown = {"\x00": r"\x00", "\n": r"\n"}.get(name, name)
    assert found.count(shown) == 2


def test_letters_that_the_font_lacks_are_no_reason_to_warn(
    tmp_path: Path,
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_attention(square(["我", "🍕"]), tmp_path / "map.svg")
    assert texts(tmp_path / "map.svg").count("我") == 2


# --- the files --------------------------------------------------------------


def test_the_same_data_make_the_same_file(tmp_path: Path) -> None:
    for name in ("one", "two"):
        draw_curve(LOG, tmp_path / f"{name} curve.svg")
        draw_attention(attention(), tmp_path / f"{name} map.svg")
    for kind in ("curve", "map"):
        one, two = (tmp_path / f"{n} {kind}.svg" for n in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


def test_other_data_make_another_file(tmp_path: Path) -> None:
    draw_curve(LOG, tmp_path / "one.svg")
    draw_curve(LOG[:-1], tmp_path / "two.svg")
    one, two = (tmp_path / f"{n}.svg" for n in ("one", "two"))
    assert one.read_bytes() != two.read_bytes()


def test_the_folder_is_made(tmp_path: Path) -> None:
    draw_attention(attention(), tmp_path / "new" / "deep" / "map.svg")
    assert texts(tmp_path / "new" / "deep" / "map.svg")


def test_a_picture_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    monkeypatch.setattr(
        laidout.plots,
        "write_atomically",
        lambda path, data: written.append((path, data[:5], data[-8:])),
    )
    draw_curve(LOG, tmp_path / "curve.svg")
    draw_attention(attention(), tmp_path / "map.svg")
    assert list(tmp_path.iterdir()) == []
    assert written == [
        (tmp_path / f"{name}.svg", b"<?xml", b"\n</svg>\n")
        for name in ("curve", "map")
    ]


# --- attention_table --------------------------------------------------------


def test_the_table_has_a_header_and_hundredths() -> None:
    lines = [line.split() for line in printed(attention())]
    assert lines == [
        ["I", "_like", "<eos>"],
        ["Ich", "90", "10", "·"],
        ["_mag", "·", "50", "50"],
    ]


def test_the_table_has_a_column_for_each_name() -> None:
    found = attention_table(attention())
    names = [str(column.header) for column in found.columns]
    assert names == ["", "I", "_like", "<eos>"]
    assert found.row_count == 2


@pytest.mark.parametrize(
    ("weight", "mark"),
    [
        (0.0, "·"),
        (0.004, "·"),
        (0.006, "1"),
        (0.0149, "1"),
        (0.5, "50"),
        (0.996, "100"),
        (1.0, "100"),
    ],
)
def test_a_weight_is_a_number_or_a_dot_if_it_is_none(
    weight: float, mark: str
) -> None:
    lines = printed(attention(["a"], ["b"], [[weight]]))
    assert lines[1].split() == ["a", mark]


def test_large_weights_stand_out_without_a_colour() -> None:
    file = io.StringIO()
    console = Console(
        file=file, width=80, force_terminal=True, color_system="truecolor"
    )
    console.print(attention_table(attention(["a"], None, [[0.6, 0.3, 0.05]])))
    # Bold, plain and faint can be seen on dark and on light screens.
    styles = re.findall(r"\x1b\[([\d;]+)m *(\d+)", file.getvalue())
    assert ("1", "60") in styles
    assert ("2", "5") in styles
    assert not re.search(r"\x1b\[(?:\d;)?[34]8;", file.getvalue())


@pytest.mark.parametrize(
    "name", [*NASTY, "[bold]", ":smile:", "\r", "\x1b[1m"]
)
def test_no_token_breaks_the_table(name: str) -> None:
    lines = printed(square([name, "a"]))
    assert len(lines) == 3
    shown = {"\x00": r"\x00", "\n": r"\n", "\r": r"\r"}.get(name, name)
    shown = shown.replace("\x1b", r"\x1b")
    assert lines[0].split() == [shown, "a"]
    assert lines[1].split()[0] == shown
