"""Probes: registered with their property, found stage by stage."""

import sys
from collections import defaultdict
from types import ModuleType
from typing import Any

import pytest

from laidout.workshop import probes
from laidout.workshop.probes import (
    STAGES,
    TOLERANCE,
    Observed,
    Probe,
    Shape,
    error_of,
    probe,
    probes_of,
)

MODULE = "laidout.workshop.checks.sums"


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin without probes, and with a module of checks that is empty."""
    monkeypatch.setattr(probes, "_KNOWN", defaultdict(list))
    monkeypatch.setitem(sys.modules, MODULE, ModuleType(MODULE))


def add(stage: str, says: str = "It holds.", exercise: str = "add") -> Probe:
    """Register a probe and return it."""

    def run(mine: Any) -> Observed:
        return {"result": mine}

    run.__doc__ = says
    probe(exercise, stage, "add(1, 2)")(run)
    return probes._KNOWN[exercise][-1]


# --- registering ------------------------------------------------------------


def test_a_probe_is_a_function_with_its_property_and_its_call() -> None:
    @probe("add", "values", "add(1, 2)", tolerance=0.5)
    def sums(mine: Any) -> Observed:
        """The sum is
        what it is.
        """
        return {"sum": mine}

    assert sums(3) == {"sum": 3}
    assert probes_of("add", "sums") == [
        Probe(
            "add", "values", "The sum is what it is.", "add(1, 2)", sums, 0.5
        )
    ]


def test_the_tolerance_is_tight_unless_it_is_given() -> None:
    assert add("values").tolerance == TOLERANCE <= 1e-9


@pytest.mark.parametrize("stage", ["value", "", "import", "Values"])
def test_a_stage_that_is_unknown_is_an_error(stage: str) -> None:
    with pytest.raises(ValueError, match=r"must be one of .*'values'") as e:
        probe("add", stage, "add(1, 2)")
    assert str(e.value).startswith(f"stage ({stage!r}) must be")


@pytest.mark.parametrize("says", [None, ""])
def test_a_probe_without_a_property_is_an_error(says: Any) -> None:
    with pytest.raises(ValueError, match=r"^run has no docstring$"):
        add("values", says)
    assert not probes._KNOWN["add"]


# --- finding ----------------------------------------------------------------


def test_probes_come_stage_by_stage_and_else_as_written() -> None:
    for stage in reversed(STAGES):
        for place in ("first", "second"):
            add(stage, f"{stage}, {place}.")
    found = probes_of("add", "sums")
    assert [each.says for each in found] == [
        f"{stage}, {place}."
        for stage in STAGES
        for place in ("first", "second")
    ]


def test_an_exercise_has_its_own_probes_alone() -> None:
    mine, other = add("values"), add("shape", exercise="subtract")
    assert probes_of("add", "sums") == [mine]
    assert probes_of("subtract", "sums") == [other]


def test_an_exercise_without_probes_is_an_error() -> None:
    add("values", exercise="subtract")
    with pytest.raises(ValueError, match="no probe of 'add'") as caught:
        probes_of("add", "sums")
    assert str(caught.value) == "checks/sums.py has no probe of 'add'"


def test_a_module_without_checks_is_an_error() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"checks\.differences"):
        probes_of("add", "differences")


# --- shapes -----------------------------------------------------------------


def test_a_shape_reads_like_a_tuple_and_is_told_from_one() -> None:
    shape = Shape((2, 3))
    assert shape == (2, 3)
    assert (str(shape), f"{shape}", repr(shape)) == ("(2, 3)",) * 3
    assert isinstance(shape, tuple)
    assert not isinstance((2, 3), Shape)


# --- errors -----------------------------------------------------------------


def raising(error: BaseException) -> Any:
    def function() -> None:
        raise error

    return function


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (ValueError("n"), "ValueError"),
        (UnicodeDecodeError("utf-8", b"", 0, 1, "n"), "UnicodeDecodeError"),
        (AssertionError(), "AssertionError"),
        (RecursionError(), "RecursionError"),
    ],
)
def test_an_error_is_known_by_its_type(error: Exception, name: str) -> None:
    assert error_of(raising(error)) == name


def test_no_error_is_nothing() -> None:
    assert error_of(lambda: ValueError) == "nothing"


@pytest.mark.parametrize("error", [NotImplementedError, KeyboardInterrupt])
def test_what_is_not_written_yet_or_interrupted_goes_on(
    error: type[BaseException],
) -> None:
    with pytest.raises(error):
        error_of(raising(error()))
