"""Differences: every kind of them is found, and told in a sentence."""

import math
import re
from typing import Any

import pytest
import torch
from torch import Tensor, tensor

from laidout.workshop.comparing import (
    MOST_COLUMNS,
    MOST_ROWS,
    Difference,
    alike,
    describe,
    difference,
)
from laidout.workshop.observing import Raised, Tampered
from laidout.workshop.probes import Shape

NAN, INFINITY = math.nan, math.inf
TOLERANCE = 1e-9


def compare(
    got: Any, wanted: Any, tolerance: float = TOLERANCE
) -> Difference | None:
    """Compare two values under the name x, and see that `alike` agrees."""
    one, other = {"x": got}, {"x": wanted}
    found = difference(one, other, tolerance)
    assert alike(one, other, tolerance) == (found is None)
    return found


def found(got: Any, wanted: Any) -> Difference:
    """Return the difference of two values, for there must be one."""
    result = compare(got, wanted)
    assert result is not None
    assert result.name.startswith("x")
    return result


def sentence(got: Any, wanted: Any) -> str:
    return found(got, wanted).sentence


# --- what is the same -------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, 3, 0.5, NAN, INFINITY, -INFINITY, "text", b"bytes"),
        *((), [], {}, (1, [2.0, ("a", None)]), {"a": {"b": tensor([1.0])}}),
        *(tensor(3), tensor([]), tensor([True, False]), torch.ones(2, 0)),
        tensor([NAN, INFINITY, -INFINITY, 0.0]),
        torch.empty(3, 2, device="meta"),
        *({1, 2}, Shape(), Shape((2, 3)), [Shape((2,)), None]),
    ],
    ids=repr,
)
def test_a_value_is_like_itself(value: Any) -> None:
    assert compare(value, value) is None


def test_nothing_observed_is_like_nothing() -> None:
    assert difference({}, {}, TOLERANCE) is None


def test_the_order_of_names_does_not_matter() -> None:
    one, other = {"a": 1, "b": 2}, {"b": 2, "a": 1}
    assert difference(one, other, TOLERANCE) is None


@pytest.mark.parametrize(
    ("got", "wanted"), [(1, 1.0), (1.0, 1), (2, 2.0 + 1e-12), (0, 0.0)]
)
def test_a_whole_number_may_be_written_with_a_point(
    got: Any, wanted: Any
) -> None:
    assert compare(got, wanted) is None


# --- tolerance --------------------------------------------------------------


@pytest.mark.parametrize("make", [float, torch.tensor, lambda x: [x]])
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e6])
def test_numbers_may_differ_by_the_tolerance_and_no_more(
    make: Any, size: float
) -> None:
    # Absolute for small numbers, relative for large ones.
    room = 1e-3 * (1 + size)
    near, far = size + 0.9 * room, size + 1.1 * room
    assert compare(make(near), make(size), 1e-3) is None
    assert compare(make(far), make(size), 1e-3) is not None
    assert compare(make(far), make(size), 1e-2) is None


def test_whole_numbers_and_truth_values_must_be_equal() -> None:
    assert compare(1000001, 1000000, 0.1) is not None
    assert compare(tensor([1000001]), tensor([1000000]), 0.1) is not None
    assert compare(tensor([True]), tensor([False]), 2.0) is not None


@pytest.mark.parametrize("number", [0.0, INFINITY, -INFINITY])
def test_nan_is_like_nan_alone(number: float) -> None:
    assert sentence(NAN, number) == f"x: got nan, wanted {number:g}."
    assert compare(number, NAN) is not None
    assert compare(tensor([number]), tensor([NAN])) is not None
    assert sentence(tensor([1.0, NAN]), tensor([1.0, number])) == (
        f"x[1] is nan, not {number:g}; 1 of its 2 numbers differ."
    )


def test_infinity_has_a_sign() -> None:
    assert compare(INFINITY, -INFINITY) is not None
    assert compare(tensor([INFINITY]), tensor([-INFINITY])) is not None


# --- plain values -----------------------------------------------------------


@pytest.mark.parametrize(
    ("got", "wanted", "said"),
    [
        (3, 4, "x: got 3, wanted 4."),
        (0.1, 0.25, "x: got 0.1, wanted 0.25."),
        (1 / 3, 2, "x: got 0.333333, wanted 2."),
        ("ab", "abc", "x: got 'ab', wanted 'abc'."),
        (b"ab", b"", "x: got b'ab', wanted b''."),
        (True, False, "x: got True, wanted False."),
        ({1}, {2}, "x: got {1}, wanted {2}."),
    ],
)
def test_plain_values_that_differ_are_both_told(
    got: Any, wanted: Any, said: str
) -> None:
    assert sentence(got, wanted) == said
    assert found(got, wanted).got == describe(got)
    assert found(got, wanted).wanted == describe(wanted)


@pytest.mark.parametrize(
    ("got", "wanted", "one", "other"),
    [
        (1 / 3, 1 / 3 + 2e-8, "0.3333333333", "0.3333333533"),
        (0.5, 0.5 + 1e-8, "0.5", "0.50000001"),
        (1e6 + 0.25, 1e6, "1000000.25", "1000000"),
    ],
)
def test_numbers_have_digits_enough_to_see_that_they_differ(
    got: float, wanted: float, one: str, other: str
) -> None:
    assert sentence(got, wanted) == f"x: got {one}, wanted {other}."
    assert (found(got, wanted).got, found(got, wanted).wanted) == (one, other)
    result = found([got, 1 / 3], [wanted, 1 / 3])
    assert result.sentence == f"x, entry 0: got {one}, wanted {other}."
    assert result.got == f"[{one}, 0.3333333333]"
    assert result.wanted == f"[{other}, 0.3333333333]"


def test_numbers_that_differ_in_their_last_bit_are_told_apart() -> None:
    result = difference({"x": 1.0}, {"x": math.nextafter(1.0, 2.0)}, 0.0)
    assert result is not None
    assert result.sentence == "x: got 1, wanted 1.0000000000000002."


KINDS = {
    "None": None,
    "a truth value": True,
    "a number": 1,
    "a text": "1",
    "of type bytes": b"1",
    "a tuple": (1,),
    "a list": [1],
    "a mapping": {"a": 1},
    "a tensor": torch.ones(1),
    "of type set": {1},
}


@pytest.mark.parametrize("wanted", KINDS)
@pytest.mark.parametrize("got", KINDS)
def test_values_of_two_kinds_are_never_alike(got: str, wanted: str) -> None:
    if got == wanted:
        assert compare(KINDS[got], KINDS[wanted]) is None
    else:
        said = sentence(KINDS[got], KINDS[wanted])
        assert said == f"x is {got}, not {wanted}."


# --- shapes -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("got", "wanted", "said"),
    [
        ((2, 3), (3, 2), "x has shape (2, 3), not (3, 2)."),
        ((2,), (2, 1), "x has shape (2,), not (2, 1)."),
        ((), (1,), "x has shape (), not (1,)."),
    ],
)
def test_a_shape_that_is_wrong_is_told_like_that_of_a_tensor(
    got: tuple[int, ...], wanted: tuple[int, ...], said: str
) -> None:
    assert sentence(Shape(got), Shape(wanted)) == said
    result = found(torch.ones(got), torch.ones(wanted))
    assert found(Shape(got), Shape(wanted)) == result


@pytest.mark.parametrize(
    ("got", "wanted", "said"),
    [
        (3, Shape((2,)), "x is a number, not a tensor."),
        (None, Shape(()), "x is None, not a tensor."),
        ((2, 3), Shape((2, 3)), "x is a tuple, not a tensor."),
        ([2, 3], Shape((2, 3)), "x is a list, not a tensor."),
        (Shape((2, 3)), 6, "x is a tensor, not a number."),
        (Shape((2, 3)), (Shape((2, 3)),), "x is a tensor, not a tuple."),
        ([Shape((2,)), 1], [Shape((3,)), 1], "x, entry 0 has shape (2,), not"),
        ((Shape((2,)),), Shape((2,)), "x is a tuple, not a tensor."),
    ],
)
def test_a_shape_stands_for_its_tensor(
    got: Any, wanted: Any, said: str
) -> None:
    assert sentence(got, wanted).startswith(said)


def test_in_place_of_a_shape_the_tensor_is_described() -> None:
    result = found(3, Shape((2,)))
    assert (result.got, result.wanted) == ("3", "tensor of shape (2,)")


# --- nested values ----------------------------------------------------------


@pytest.mark.parametrize(
    ("got", "wanted", "said"),
    [
        ((1, 2), (1,), "x has 2 entries, not 1."),
        ([], [1], "x has 0 entries, not 1."),
        ((1,), (1, 2), "x has 1 entry, not 2."),
        ((1, 2, 3), (1, 5, 7), "x, entry 1: got 2, wanted 5."),
        (
            [[1, 2], [3, 4]],
            [[1, 2], [3, 5]],
            "x, entry 1, entry 1: got 4, wanted 5.",
        ),
        (([1],), ((1,),), "x, entry 0 is a list, not a tuple."),
        ((None,), (1,), "x, entry 0 is None, not a number."),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "x a b: got 1, wanted 2."),
        ({"a": (1, 2)}, {"a": (1, 3)}, "x a, entry 1: got 2, wanted 3."),
        ({"a": 1}, {"b": 1}, "x b is missing."),
        ({"a": 1, "b": 2}, {"a": 1}, "x b should not be there."),
    ],
)
def test_the_place_in_a_nested_value_is_named(
    got: Any, wanted: Any, said: str
) -> None:
    assert sentence(got, wanted) == said


def test_of_a_short_list_the_whole_is_shown() -> None:
    result = found((2, 3, 5), (2, 4, 5))
    assert (result.got, result.wanted) == ("(2, 3, 5)", "(2, 4, 5)")


def test_of_a_tensor_in_a_list_the_grid_is_shown() -> None:
    result = found([torch.ones(2)], [torch.zeros(2)])
    assert result.sentence.startswith("x, entry 0[0] is 1, not 0; ")
    assert result.got_grid == [[("1", False), ("1", False)]]


@pytest.mark.parametrize(
    ("got", "wanted", "said"),
    [
        ({}, {"x": 1}, "x is missing."),
        ({"x": 1, "y": 2}, {"x": 1}, "y should not be there."),
        ({"x": 2, "z": 2}, {"x": 1, "y": 2}, "x: got 2, wanted 1."),
    ],
)
def test_what_was_observed_must_bear_the_same_names(
    got: Any, wanted: Any, said: str
) -> None:
    result = difference(got, wanted, TOLERANCE)
    assert result is not None
    assert result.sentence == said
    assert not alike(got, wanted, TOLERANCE)


def test_the_first_difference_counts() -> None:
    got, wanted = {"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 5, "c": 7}
    result = difference(got, wanted, TOLERANCE)
    assert result is not None
    assert result.name == "b"


# --- tensors ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("got", "wanted", "said"),
    [
        (
            torch.ones(2, 3),
            torch.ones(3, 2),
            "x has shape (2, 3), not (3, 2).",
        ),
        (tensor(1.0), torch.ones(1), "x has shape (), not (1,)."),
        (
            torch.ones(2),
            torch.ones(2, dtype=torch.float64),
            "x has dtype float32, not float64.",
        ),
        (
            torch.ones(2, dtype=torch.bool),
            torch.ones(2, dtype=torch.int64),
            "x has dtype bool, not int64.",
        ),
        (
            torch.ones(2, device="meta"),
            torch.ones(2),
            "x has device meta, not cpu.",
        ),
        # The shape comes first: it explains the most.
        (
            torch.ones(2, dtype=torch.bool),
            torch.ones(3, device="meta"),
            "x has shape (2,), not (3,).",
        ),
    ],
)
def test_tensors_of_two_kinds_differ_in_one_trait(
    got: Tensor, wanted: Tensor, said: str
) -> None:
    result = found(got, wanted)
    assert result.sentence == said
    assert result.got_grid is None
    assert f"{result.got}, not {result.wanted}" in said


@pytest.mark.parametrize(
    ("shape", "place", "said"),
    [
        ((), (), "x is 7, not 0; 1 of its 1 numbers differ."),
        ((5,), (3,), "x[3] is 7, not 0; 1 of its 5 numbers differ."),
        ((2, 3), (1, 2), "x[1, 2] is 7, not 0; 1 of its 6 numbers differ."),
        (
            (2, 3, 5),
            (1, 0, 4),
            "x[1, 0, 4] is 7, not 0; 1 of its 30 numbers differ.",
        ),
    ],
)
def test_the_place_of_a_wrong_number_is_named(
    shape: tuple[int, ...], place: tuple[int, ...], said: str
) -> None:
    got = torch.zeros(shape, dtype=torch.float64)
    got[place] = 7
    assert sentence(got, torch.zeros_like(got)) == said


def test_of_several_wrong_numbers_the_first_is_named_and_all_counted() -> None:
    wanted = torch.arange(300.0).reshape(3, 100)
    got = wanted.clone()
    got[1, 40], got[1, 60], got[2, 3] = 0.5, -2.25, NAN
    assert sentence(got, wanted) == (
        "x[1, 40] is 0.5, not 140; 3 of its 300 numbers differ."
    )
    assert found(got, wanted).got == "0.5"
    assert found(got, wanted).wanted == "140"


@pytest.mark.parametrize(
    ("got", "wanted", "said"),
    [
        (tensor([True]), tensor([False]), "x[0] is True, not False; "),
        (tensor([123456789]), tensor([3]), "x[0] is 123456789, not 3; "),
        (tensor([1 / 3]), tensor([1e-9]), "x[0] is 0.333, not 1e-09; "),
        (tensor([1e5]), tensor([-INFINITY]), "x[0] is 1e+05, not -inf; "),
    ],
)
def test_numbers_are_written_short(
    got: Tensor, wanted: Tensor, said: str
) -> None:
    assert sentence(got, wanted).startswith(said)


@pytest.mark.parametrize(
    ("got", "wanted", "one", "other"),
    [
        (1.0, 1.25, "1", "1.25"),
        (1.0, 1.0001, "1", "1.0001"),
        (1 / 3, 1 / 3 + 1e-4, "0.333333", "0.333433"),
        (123456.0, 123457.0, "123456", "123457"),
        (1.0, 1 + 2e-8, "1", "1.00000002"),
        (1.0, 1 + 2**-50, "1", "1.0000000000000009"),
    ],
)
def test_a_number_of_a_tensor_has_digits_enough_to_see_the_difference(
    got: float, wanted: float, one: str, other: str
) -> None:
    tensors = [torch.full((2,), x, dtype=torch.float64) for x in (got, wanted)]
    result = difference({"x": tensors[0]}, {"x": tensors[1]}, 0.0)
    assert result is not None
    assert (result.got, result.wanted) == (one, other)
    assert result.sentence.startswith(
        f"x[0] is {result.got}, not {result.wanted}; 2 of its 2 "
    )
    # The grids show no fewer.
    assert numbers(result.got_grid) == [[result.got] * 2]
    assert numbers(result.wanted_grid) == [[result.wanted] * 2]


def test_the_other_numbers_of_a_grid_get_as_many_digits() -> None:
    result = found(tensor([1.0, 1 / 3]), tensor([1.0001, 1 / 3]))
    assert numbers(result.got_grid) == [["1", "0.333333"]]
    assert numbers(result.wanted_grid) == [["1.0001", "0.333333"]]
    result = found(tensor([1.0, 1 / 3]), tensor([2.0, 1 / 3]))
    assert numbers(result.got_grid) == [["1", "0.333"]]


# --- grids ------------------------------------------------------------------


def grids(shape: tuple[int, ...], *wrong: tuple[int, ...]) -> Difference:
    """Compare two tensors that differ in some places, in whole numbers."""
    wanted = torch.arange(math.prod(shape)).reshape(shape)
    got = wanted.clone()
    for place in wrong:
        got[place] = -1
    return found(got, wanted)


def numbers(grid: Any) -> list[list[str]]:
    return [[text for text, _ in row] for row in grid]


def marked(grid: Any) -> list[tuple[int, int]]:
    """Return the rows and columns that are marked as wrong."""
    return [
        (i, j)
        for i, row in enumerate(grid)
        for j, (_, right) in enumerate(row)
        if not right
    ]


def test_a_small_matrix_is_shown_whole_with_its_wrong_numbers_marked() -> None:
    result = grids((2, 3), (0, 1), (1, 2))
    assert numbers(result.got_grid) == [["0", "-1", "2"], ["3", "4", "-1"]]
    assert marked(result.got_grid) == [(0, 1), (1, 2)]
    assert numbers(result.wanted_grid) == [["0", "1", "2"], ["3", "4", "5"]]
    assert marked(result.wanted_grid) == []


@pytest.mark.parametrize(
    ("shape", "wrong", "rows"),
    [
        ((), (), [["-1"]]),
        ((3,), (1,), [["0", "-1", "2"]]),
        ((2, 1), (1, 0), [["0"], ["-1"]]),
        ((2, 2, 2), (1, 0, 0), [["-1", "5"], ["6", "7"]]),
        ((2, 1, 1, 2), (1, 0, 0, 1), [["2", "-1"]]),
    ],
)
def test_a_grid_is_the_matrix_of_the_first_wrong_number(
    shape: tuple[int, ...], wrong: tuple[int, ...], rows: list[list[str]]
) -> None:
    result = grids(shape, wrong)
    assert numbers(result.got_grid) == rows
    assert len(marked(result.got_grid)) == 1


@pytest.mark.parametrize("row", [0, 1, 6, 11, 12])
@pytest.mark.parametrize("column", [0, 2, 8, 15, 16])
def test_of_a_large_matrix_the_part_around_the_first_is_shown(
    row: int, column: int
) -> None:
    result = grids((13, 17), (row, column))
    shown = numbers(result.wanted_grid)
    assert len(shown) == MOST_ROWS
    assert {len(line) for line in shown} == {MOST_COLUMNS}
    # They are neighbours, none of them from beyond the edge.
    first = int(shown[0][0])
    assert shown == [
        [str(first + 17 * i + j) for j in range(MOST_COLUMNS)]
        for i in range(MOST_ROWS)
    ]
    assert first % 17 + MOST_COLUMNS <= 17
    ((i, j),) = marked(result.got_grid)
    assert int(shown[i][j]) == 17 * row + column


@pytest.mark.parametrize("shape", [(), (6,), (5, 1), (1, 6), (5, 6), (1,)])
def test_of_a_matrix_that_is_shown_whole_no_part_is_named(
    shape: tuple[int, ...],
) -> None:
    assert grids(shape, (0,) * len(shape)).window == ""
    assert grids(shape, tuple(n - 1 for n in shape)).window == ""


@pytest.mark.parametrize(
    ("shape", "wrong", "window"),
    [
        ((7, 6), (0, 0), "rows 0 to 4 of 0 to 6"),
        ((7, 6), (3, 5), "rows 1 to 5 of 0 to 6"),
        ((7, 6), (6, 5), "rows 2 to 6 of 0 to 6"),
        ((5, 9), (4, 8), "columns 3 to 8 of 0 to 8"),
        ((17,), (9,), "columns 6 to 11 of 0 to 16"),
        ((6, 7), (0, 6), "rows 0 to 4 of 0 to 5, columns 1 to 6 of 0 to 6"),
        ((3, 5, 6), (2, 4, 5), "in [2]"),
        ((2, 3, 1, 1), (0, 1, 0, 0), "in [0, 1]"),
        ((2, 9, 2), (1, 8, 1), "in [1], rows 4 to 8 of 0 to 8"),
    ],
)
def test_the_part_that_is_shown_is_named(
    shape: tuple[int, ...], wrong: tuple[int, ...], window: str
) -> None:
    assert grids(shape, wrong).window == window


@pytest.mark.parametrize("row", [0, 1, 6, 11, 12])
@pytest.mark.parametrize("column", [0, 2, 8, 15, 16])
def test_the_part_that_is_named_is_the_one_that_is_shown(
    row: int, column: int
) -> None:
    result = grids((13, 17), (row, column))
    named = re.fullmatch(
        r"rows (\d+) to (\d+) of 0 to 12, columns (\d+) to (\d+) of 0 to 16",
        result.window,
    )
    assert named is not None
    top, bottom, left, right = map(int, named.groups())
    assert numbers(result.wanted_grid) == [
        [str(17 * i + j) for j in range(left, right + 1)]
        for i in range(top, bottom + 1)
    ]


def test_what_has_no_grid_has_no_part() -> None:
    for got, wanted in ((1, 2), ([1], [2]), (torch.ones(9), torch.ones(8))):
        assert found(got, wanted).window == ""


def test_nan_is_seen_in_a_grid() -> None:
    result = found(tensor([[NAN, 1.0]]), tensor([[0.0, 1.0]]))
    assert result.got_grid == [[("nan", False), ("1", True)]]


# --- errors and tampering ---------------------------------------------------

FAILED = Raised("ValueError", "d_model (7) is odd\nand more", ("a.py:3: f",))


def test_an_error_in_place_of_a_result_is_told_by_its_first_line() -> None:
    result = difference(FAILED, {"x": 1}, TOLERANCE)
    assert result == Difference(
        "", "It raised ValueError: d_model (7) is odd", got="ValueError"
    )
    assert not alike(FAILED, {"x": 1}, TOLERANCE)


def test_a_result_in_place_of_an_error_is_told() -> None:
    result = difference({"x": 1}, FAILED, TOLERANCE)
    assert result is not None
    assert result.sentence == "It returned, where it must not."
    assert not alike({"x": 1}, FAILED, TOLERANCE)


@pytest.mark.parametrize(
    ("kind", "message", "same"),
    [
        ("ValueError", "d_model (7) is odd\nand more", True),
        ("ValueError", "d_model (512) is odd\nand more", True),
        ("ValueError", "d_model (7) is even\nand more", False),
        ("TypeError", "d_model (7) is odd\nand more", False),
    ],
)
def test_errors_are_alike_by_type_and_message_but_for_numbers(
    kind: str, message: str, *, same: bool
) -> None:
    other = Raised(kind, message, ("elsewhere.py:1: g",))
    assert alike(FAILED, other, TOLERANCE) == same
    assert alike(other, FAILED, TOLERANCE) == same


def test_tampering_is_told_whatever_else_happened() -> None:
    tampered = Tampered("torch's default dtype")
    for wanted in ({"x": 1}, FAILED, Tampered("torch's own tril")):
        result = difference(tampered, wanted, TOLERANCE)
        assert result is not None
        assert result.sentence == (
            "It changed torch's default dtype, which belongs to all of the "
            "program."
        )
        assert not alike(tampered, wanted, TOLERANCE)
        assert not alike(wanted, tampered, TOLERANCE)
    assert alike(tampered, Tampered("torch's default dtype"), TOLERANCE)


# --- a value in a few words -------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (3, "3"),
        (1 / 3, "0.333333"),
        ("a", "'a'"),
        ((2, 3), "(2, 3)"),
        ([2, [3, "a"]], "[2, [3, 'a']]"),
        ((), "()"),
        ((2,), "(2,)"),
        ([2], "[2]"),
        (Shape((2, 3)), "tensor of shape (2, 3)"),
        ((Shape((2,)), None), "(tensor of shape (2,), None)"),
        (torch.ones(2, 3), "tensor of shape (2, 3), float32"),
        ([torch.ones(2)], "[tensor of shape (2,), float32]"),
    ],
)
def test_a_value_is_described_in_a_few_words(value: Any, text: str) -> None:
    assert describe(value) == text


def test_what_is_long_is_cut() -> None:
    assert describe([*range(100)]).endswith(" 23, ...]")
    assert describe((*range(100),)).endswith(" 23, ...)")
    assert describe([*range(24)]).endswith(" 23]")
    assert len(describe("a" * 1000)) == 200
