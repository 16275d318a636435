"""Compare how an object is called with how it must be called."""

import inspect
from collections.abc import Callable, Iterator
from inspect import Parameter
from typing import Any

__all__ = ["signature_problem"]

OPEN = Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD


def signature_problem(mine: Any, wanted: Any) -> str | None:
    """Say what is wrong with an object's signatures, or None.

    Parameters of one's own are fine as long as they have defaults; so are
    *args and **kwargs, whose names nobody can know.
    """
    if inspect.isclass(mine) != inspect.isclass(wanted):
        what = "a class" if inspect.isclass(wanted) else "a function"
        return f"{wanted.__name__} must be {what}."
    if not callable(mine):
        return f"{wanted.__name__} is {type(mine).__name__}, not a function."
    for name, one, other in _calls(mine, wanted):
        if one is None:
            return f"{name} is missing."
        problem = _compare(name, one, other)
        if problem:
            return problem
    return None


def _calls(
    mine: Any, wanted: Any
) -> Iterator[tuple[str, Callable[..., Any] | None, Callable[..., Any]]]:
    """Yield what can be called, theirs and ours."""
    if not inspect.isclass(wanted):
        yield wanted.__name__, mine, wanted
        return
    for name in vars(wanted):
        if name == "__init__" or not name.startswith("_"):
            other = getattr(wanted, name)
            if inspect.isroutine(other):
                label = f"{wanted.__name__}.{name}"
                yield label, getattr(mine, name, None), other


def _compare(
    name: str, mine: Callable[..., Any], wanted: Callable[..., Any]
) -> str | None:
    """Say how one call differs from the other."""
    try:
        got = list(inspect.signature(mine).parameters.values())
    except (TypeError, ValueError):
        return None  # Written in C: nobody can tell.
    need = list(inspect.signature(wanted).parameters.values())
    if any(parameter.kind in OPEN for parameter in got):
        return None
    names = [parameter.name for parameter in got]
    first = names[: len(need)]
    extra = got[len(need) :]
    if first == [p.name for p in need] and all(_optional(p) for p in extra):
        return _compare_defaults(name, got, need)
    return f"{name} takes {_list(got)}; it must take {_list(need)}."


def _optional(parameter: Parameter) -> bool:
    return parameter.default is not Parameter.empty


def _compare_defaults(
    name: str, got: list[Parameter], need: list[Parameter]
) -> str | None:
    """Say which default differs from the one wanted."""
    for one, other in zip(got, need, strict=False):
        if _optional(other) and not _optional(one):
            return f"{name}: {one.name} needs the default {other.default!r}."
        if _optional(other) and not _same(one.default, other.default):
            return (
                f"{name}: the default of {one.name} is {one.default!r}, must "
                f"be {other.default!r}."
            )
    return None


def _same(one: Any, other: Any) -> bool:
    """Compare two defaults; what cannot be compared is not the same."""
    try:
        return bool(one == other)
    except (RuntimeError, ValueError):
        return False


def _list(parameters: list[Parameter]) -> str:
    """Write parameters as they stand in a definition."""
    inside = ", ".join(
        p.name if not _optional(p) else f"{p.name}={p.default!r}"
        for p in parameters
    )
    return f"({inside})"
