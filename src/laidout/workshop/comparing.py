"""Compare what two objects did, and say where they first differ."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from laidout.workshop.observing import Observation, Raised, Tampered
from laidout.workshop.probes import Shape
from laidout.workshop.results import Grid

__all__ = ["Difference", "alike", "describe", "difference"]

MOST_ROWS, MOST_COLUMNS = 5, 6
"""How much of a tensor is shown."""


@dataclass(frozen=True)
class Difference:
    """Where two observations differ first.

    `name` is what was observed; `got` and `wanted` are short texts; the grids
    are the part of two tensors around the first difference, row by row, and
    `window` says which part.
    """

    name: str
    sentence: str
    got: str = ""
    wanted: str = ""
    got_grid: Grid | None = None
    wanted_grid: Grid | None = None
    window: str = ""


def alike(one: Observation, other: Observation, tolerance: float) -> bool:
    """Tell whether two observations are the same, errors included."""
    if isinstance(one, Raised) and isinstance(other, Raised):
        return one.kind == other.kind and _bare(one) == _bare(other)
    return difference(one, other, tolerance) is None


def _bare(error: Raised) -> str:
    """Return an error's message without its numbers."""
    return re.sub(r"\d+", "#", error.message)


def difference(
    got: Observation, wanted: Observation, tolerance: float
) -> Difference | None:
    """Find the first difference, or None."""
    if isinstance(got, Tampered):
        return None if got == wanted else Difference("", _tampered(got))
    if isinstance(got, Raised):
        sentence = f"It raised {got.kind}: {_first_line(got.message)}"
        return Difference("", sentence, got=got.kind)
    if not isinstance(wanted, dict):
        return Difference("", "It returned, where it must not.")
    return next(_compare_mappings("", got, wanted, tolerance), None)


def _first_line(message: str) -> str:
    return message.splitlines()[0][:300]


def _tampered(got: Tampered) -> str:
    return f"It changed {got.what}, which belongs to all of the program."


def _compare(
    name: str, got: Any, wanted: Any, tolerance: float
) -> Iterator[Difference]:
    """Yield the differences of two values, part by part."""
    if isinstance(wanted, Tensor) and isinstance(got, Tensor):
        yield from _compare_tensors(name, got, wanted, tolerance)
    elif isinstance(wanted, Shape) and isinstance(got, Shape):
        if got != wanted:
            one, other = str(got), str(wanted)
            sentence = f"{name} has shape {one}, not {other}."
            yield Difference(name, sentence, one, other)
    elif _kind(got) != _kind(wanted):
        yield Difference(
            name,
            f"{name} is {_kind(got)}, not {_kind(wanted)}.",
            describe(got),
            describe(wanted),
        )
    elif isinstance(wanted, Mapping):
        yield from _compare_mappings(f"{name} ", got, wanted, tolerance)
    elif isinstance(wanted, tuple | list):
        yield from _compare_sequences(name, got, wanted, tolerance)
    elif not _same(got, wanted, tolerance):
        one, other = _told_apart(got, wanted)
        sentence = f"{name}: got {one}, wanted {other}."
        yield Difference(name, sentence, one, other)


def _compare_mappings(
    prefix: str,
    got: Mapping[str, Any],
    wanted: Mapping[str, Any],
    tolerance: float,
) -> Iterator[Difference]:
    """Yield the differences of two mappings, name by name."""
    for key, value in wanted.items():
        name = f"{prefix}{key}"
        if key in got:
            yield from _compare(name, got[key], value, tolerance)
        else:
            missing = f"{name} is missing."
            yield Difference(name, missing, wanted=describe(value))
    for key, value in got.items():
        name = f"{prefix}{key}"
        if key not in wanted:
            extra = f"{name} should not be there."
            yield Difference(name, extra, got=describe(value))


def _compare_sequences(
    name: str, got: Any, wanted: Any, tolerance: float
) -> Iterator[Difference]:
    """Yield the differences of two tuples or lists."""
    if len(got) != len(wanted):
        entries = "entry" if len(got) == 1 else "entries"
        yield Difference(
            name,
            f"{name} has {len(got)} {entries}, not {len(wanted)}.",
            describe(got),
            describe(wanted),
        )
        return
    for place, (one, other) in enumerate(zip(got, wanted, strict=True)):
        for found in _compare(f"{name}, entry {place}", one, other, tolerance):
            # Short lists are easier to read as a whole.
            if found.got_grid is None:
                yield Difference(
                    name, found.sentence, *_told_apart(got, wanted)
                )
            else:
                yield found


def _compare_tensors(
    name: str, got: Tensor, wanted: Tensor, tolerance: float
) -> Iterator[Difference]:
    """Yield the difference of two tensors: shape, dtype, device, values."""
    for what in ("shape", "dtype", "device"):
        one, other = (_trait(tensor, what) for tensor in (got, wanted))
        if one != other:
            yield Difference(
                name, f"{name} has {what} {one}, not {other}.", one, other
            )
            return
    if wanted.is_meta:
        return
    wrong = ~_close(got, wanted, tolerance)
    if not wrong.any():
        return
    first = tuple(int(i) for i in wrong.nonzero()[0])
    place = f"[{', '.join(map(str, first))}]" if first else ""
    digits = _digits(got[first], wanted[first])
    got_text = _number(got[first], digits)
    wanted_text = _number(wanted[first], digits)
    right = torch.zeros_like(wrong)
    yield Difference(
        name,
        f"{name}{place} is {got_text}, not {wanted_text}; {int(wrong.sum())} "
        f"of its {wrong.numel()} numbers differ.",
        got_text,
        wanted_text,
        _grid(got, wrong, first, digits),
        _grid(wanted, right, first, digits),
        _window_of(wanted, first),
    )


def _close(got: Tensor, wanted: Tensor, tolerance: float) -> Tensor:
    """Tell for each number whether it is near enough, (...) booleans."""
    if not wanted.is_floating_point():
        return got == wanted
    return torch.isclose(
        got, wanted, rtol=tolerance, atol=tolerance, equal_nan=True
    )


def _trait(tensor: Tensor, what: str) -> str:
    """Say what shape, dtype or device a tensor has."""
    if what == "shape":
        return str(tuple(tensor.shape))
    return str(getattr(tensor, what)).removeprefix("torch.")


def _grid(
    tensor: Tensor, wrong: Tensor, first: tuple[int, ...], digits: int
) -> Grid:
    """Cut out the rows and columns around the first difference."""
    lead = first[:-2]
    part, marks = tensor[lead], wrong[lead]
    while part.dim() < 2:
        part, marks = part[None], marks[None]
    rows, columns = _part(part.shape, first)
    return [
        [(_number(part[i, j], digits), not bool(marks[i, j])) for j in columns]
        for i in rows
    ]


def _part(shape: Sequence[int], first: tuple[int, ...]) -> list[range]:
    """Return the rows and the columns of a tensor that are shown."""
    place = (0, 0, *first)[-2:]
    size = (1, 1, *shape)[-2:]
    most = MOST_ROWS, MOST_COLUMNS
    return [_window(*each) for each in zip(place, size, most, strict=True)]


def _window_of(tensor: Tensor, first: tuple[int, ...]) -> str:
    """Say which part of a tensor is shown, if it is not all of it."""
    sizes = (1, 1, *tensor.shape)[-2:]
    parts = zip(
        ("rows", "columns"), _part(tensor.shape, first), sizes, strict=True
    )
    found = [
        f"{what} {shown[0]} to {shown[-1]} of 0 to {size - 1}"
        for what, shown, size in parts
        if len(shown) < size
    ]
    if len(first) > 2:
        found.insert(0, f"in [{', '.join(map(str, first[:-2]))}]")
    return ", ".join(found)


def _window(place: int, size: int, most: int) -> range:
    """Return the indices around a place, so many of them if there are."""
    start = max(0, min(place - most // 2, size - most))
    return range(start, min(start + most, size))


def _digits(got: Tensor, wanted: Tensor) -> int:
    """Return how many digits it takes to see a difference."""
    for digits in (3, 6, 10):
        if _number(got, digits) != _number(wanted, digits):
            return digits
    return 17


def _number(value: Tensor, digits: int) -> str:
    """Write one number of a tensor."""
    number = value.item()
    if isinstance(number, bool | int):
        return str(number)
    return f"{number:.{digits}g}"


def _kind(value: Any) -> str:
    """Say what kind of thing a value is, with its article."""
    names = {
        type(None): "None",
        bool: "a truth value",
        str: "a text",
        tuple: "a tuple",
        list: "a list",
    }
    if isinstance(value, Tensor | Shape):
        return "a tensor"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "a number"
    if isinstance(value, Mapping):
        return "a mapping"
    return names.get(type(value), f"of type {type(value).__name__}")


def _same(got: Any, wanted: Any, tolerance: float) -> bool:
    """Compare two plain values; numbers may differ a little."""
    if isinstance(wanted, float) or isinstance(got, float):
        return bool(
            _close(
                torch.tensor(float(got), dtype=torch.float64),
                torch.tensor(float(wanted), dtype=torch.float64),
                tolerance,
            )
        )
    return bool(got == wanted)


def _told_apart(got: Any, wanted: Any) -> tuple[str, str]:
    """Write two values with digits enough to see that they differ."""
    for digits in (6, 10, 17):
        one, other = describe(got, digits), describe(wanted, digits)
        if one != other:
            break
    return one, other


def describe(value: Any, digits: int = 6) -> str:
    """Write a value in a few words."""
    if isinstance(value, Tensor):
        shape = tuple(value.shape)
        return f"tensor of shape {shape}, {_trait(value, 'dtype')}"
    if isinstance(value, Shape):
        return f"tensor of shape {value}"
    if isinstance(value, tuple | list):
        inside = ", ".join(describe(each, digits) for each in value[:24])
        if isinstance(value, list):
            more = ", ..." if len(value) > 24 else ""
            return f"[{inside}{more}]"
        # A tuple of one has a comma, as in Python.
        more = ", ..." if len(value) > 24 else "," * (len(value) == 1)
        return f"({inside}{more})"
    if isinstance(value, float):
        return f"{value:.{digits}g}"
    return repr(value)[:200]
