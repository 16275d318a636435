"""Probes: small experiments that show one property of an exercise at a time.

A probe calls the object it is given and returns what it saw, by name. The
same probe is run on the package's own object, on the reader's and on every
known mistake; what differs tells them apart. The probes of an exercise stand
in `checks/<module>.py`.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

__all__ = [
    "STAGES",
    "Observed",
    "Probe",
    "Shape",
    "error_of",
    "probe",
    "probes_of",
    "refusal",
]

STAGES = (
    *("shape", "dtype", "values", "mask", "empty", "errors"),
    *("gradients", "parameters", "modes", "device"),
)
"""The order of the checks: what is tried first is also reported first."""

TOLERANCE = 1e-9
"""How far two ways to compute the same thing may differ in float64."""


class Shape(tuple[int, ...]):
    """The shape of a tensor, told from other numbers in brackets."""


Observed = Mapping[str, Any]
Run = Callable[[Any], Observed]


@dataclass(frozen=True)
class Probe:
    """One experiment.

    `says` is the property that holds if the object is right, `call` what is
    called, for the reader to try it again.
    """

    exercise: str
    stage: str
    says: str
    call: str
    run: Run
    tolerance: float


_KNOWN: dict[str, list[Probe]] = defaultdict(list)


def probe(
    exercise: str, stage: str, call: str, tolerance: float = TOLERANCE
) -> Callable[[Run], Run]:
    """Register a function as a probe; its docstring is the property.

    Raises:
        ValueError: if there is no such stage, or the docstring is missing.
    """
    if stage not in STAGES:
        raise ValueError(f"stage ({stage!r}) must be one of {STAGES}")

    def register(run: Run) -> Run:
        if not run.__doc__:
            raise ValueError(f"{run.__name__} has no docstring")
        says = " ".join(run.__doc__.split())
        _KNOWN[exercise].append(
            Probe(exercise, stage, says, call, run, tolerance)
        )
        return run

    return register


def probes_of(exercise: str, module: str) -> list[Probe]:
    """Return the probes of an exercise, stage by stage.

    Raises:
        ValueError: if it has none.
    """
    import_module(f"laidout.workshop.checks.{module}")
    if exercise not in _KNOWN:
        raise ValueError(f"checks/{module}.py has no probe of {exercise!r}")
    return sorted(_KNOWN[exercise], key=lambda p: STAGES.index(p.stage))


def error_of(function: Callable[[], Any]) -> str:
    """Call a function; return the type of the error that it raises.

    "nothing" if it raises none. A part that is not written yet, or a slip of
    the pen, is no error of the kind that is looked for, so that one goes on.
    """
    try:
        function()
    except (NotImplementedError, NameError, AttributeError):
        raise
    except Exception as error:
        return type(error).__name__
    return "nothing"


def refusal(function: Callable[[], Any]) -> str:
    """Say how a call is refused; an error by accident is no refusal."""
    error = error_of(function)
    known = "ValueError", "AssertionError"
    return error if error in known else "it is not refused"
