"""Probes of the exercises in `laidout.schedule`."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from laidout.workshop.probes import Observed, error_of, probe
from laidout.workshop.tensors import make

# --- schedule-transformer ---------------------------------------------------

SCHEDULE = "schedule-transformer"
LOOSE = 1e-6
"""A rate that was worked out in float32 is exact enough."""
RATES = 0.5, 0.25
"""The initial rates of the two groups."""


class _Descent(Optimizer):
    """Gradient descent with two groups of parameters, gradients included.

    It does without the set-up of `Optimizer`, for that loads the whole of
    PyTorch's compiler, which takes seconds.
    """

    def __init__(self) -> None:
        self.defaults = {"lr": 1.0}
        self.param_groups = []
        for size, rate in zip((2, 3), RATES, strict=True):
            parameter = nn.Parameter(make("parameter", size))
            parameter.grad = torch.ones_like(parameter)
            self.param_groups.append({"params": [parameter], "lr": rate})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Go down the gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.sub_(group["lr"] * parameter.grad)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None


def _returned(
    owner: Any, d_model: int, warmup_steps: int, steps: Iterable[int]
) -> Tensor:
    """Return what a schedule returns at some steps, one after another."""
    scheduler = owner(_Descent(), d_model, warmup_steps)
    rates = [float(scheduler.step(step)) for step in steps]
    return torch.tensor(rates, dtype=torch.float64)


def _rates(optimizer: Optimizer) -> list[float]:
    """Return the rates of all groups."""
    return [float(group["lr"]) for group in optimizer.param_groups]


@probe(SCHEDULE, "shape", "TransformerLRScheduler(optimizer, 1, 11).step(1)")
def _a_number(owner: Any) -> Observed:
    """What comes back is a number."""
    rate = owner(_Descent(), 1, 11).step(1)
    number = isinstance(rate, int | float) or (
        isinstance(rate, Tensor) and rate.numel() == 1
    )
    kind = "a number" if number else f"of type {type(rate).__name__}"
    return {"what comes back": kind}


@probe(
    SCHEDULE,
    "values",
    "TransformerLRScheduler(optimizer, 1, 11).step(1), step(2) ... step(4)",
    LOOSE,
)
def _warm_up(owner: Any) -> Observed:
    """During the warm-up the rate rises in a straight line."""
    return {"rates": _returned(owner, 1, 11, range(1, 5))}


@probe(
    SCHEDULE,
    "values",
    "TransformerLRScheduler(optimizer, 1, 1).step(1), step(2) ... step(6)",
    LOOSE,
)
def _after_the_warm_up(owner: Any) -> Observed:
    """After the warm-up the rate falls with the square root of the step."""
    return {"rates": _returned(owner, 1, 1, range(1, 7))}


@probe(
    SCHEDULE,
    "values",
    "TransformerLRScheduler(optimizer, 1, 4).step(1), step(2) ... step(7)",
    LOOSE,
)
def _from_rise_to_fall(owner: Any) -> Observed:
    """The two curves meet at warmup_steps, and the rate is largest there."""
    return {"rates": _returned(owner, 1, 4, range(1, 8))}


@probe(
    SCHEDULE,
    "values",
    "TransformerLRScheduler(optimizer, 13, 4).step(1), step(2) ... step(7)",
    LOOSE,
)
def _size_of_the_model(owner: Any) -> Observed:
    """A larger model has smaller rates: they go by d_model ** -0.5."""
    return {"rates": _returned(owner, 13, 4, range(1, 8))}


@probe(
    SCHEDULE,
    "values",
    "TransformerLRScheduler(optimizer, 13, 4).step(5), step(2), step(2)",
    LOOSE,
)
def _any_step(owner: Any) -> Observed:
    """The rate depends on the step's number alone, not on earlier calls."""
    return {"rates": _returned(owner, 13, 4, (5, 2, 2))}


@probe(
    SCHEDULE,
    "values",
    "TransformerLRScheduler(optimizer, 13, 4).step(1), then the groups' lr",
    LOOSE,
)
def _written(owner: Any) -> Observed:
    """The rate stands in every group of the optimizer."""
    optimizer = _Descent()
    owner(optimizer, 13, 4).step(1)
    return {"the list of lr, group by group": _rates(optimizer)}


@probe(
    SCHEDULE,
    "values",
    "TransformerLRScheduler(optimizer, 13, 4).step(1), step(2), groups' lr",
    LOOSE,
)
def _written_again(owner: Any) -> Observed:
    """A new rate replaces the old one."""
    optimizer = _Descent()
    scheduler = owner(optimizer, 13, 4)
    scheduler.step(1)
    scheduler.step(2)
    return {"the list of lr, group by group": _rates(optimizer)}


@probe(SCHEDULE, "values", "step(1), then the parameters")
def _no_update(owner: Any) -> Observed:
    """The schedule sets the rate; the update is left to the optimizer."""
    optimizer = _Descent()
    owner(optimizer, 13, 4).step(1)
    (first, *_) = optimizer.param_groups[0]["params"]
    return {"the first parameter": first, "its gradient": first.grad}


@probe(SCHEDULE, "errors", "TransformerLRScheduler(optimizer, 0, 4).step(1)")
def _no_size(owner: Any) -> Observed:
    """A d_model below 1 is a ValueError."""
    return {
        "the error for a d_model of 0": error_of(
            lambda: owner(_Descent(), 0, 4).step(1)
        )
    }


@probe(SCHEDULE, "errors", "TransformerLRScheduler(optimizer, 13, 0).step(1)")
def _no_warm_up(owner: Any) -> Observed:
    """A warmup_steps below 1 is a ValueError."""
    return {
        "the error for a warmup_steps of 0": error_of(
            lambda: owner(_Descent(), 13, 0).step(1)
        )
    }


@probe(SCHEDULE, "errors", "TransformerLRScheduler(optimizer, -3, -4).step(1)")
def _less_than_nothing(owner: Any) -> Observed:
    """Sizes below 0 are a ValueError too."""
    return {
        "the error for a d_model of -3": error_of(
            lambda: owner(_Descent(), -3, 4).step(1)
        ),
        "the error for a warmup_steps of -4": error_of(
            lambda: owner(_Descent(), 13, -4).step(1)
        ),
    }


@probe(SCHEDULE, "errors", "TransformerLRScheduler(optimizer, 13, 4).step(-3)")
def _long_before_the_first(owner: Any) -> Observed:
    """A step with a negative number is a ValueError."""
    scheduler = owner(_Descent(), 13, 4)
    return {"the error for step -3": error_of(lambda: scheduler.step(-3))}


@probe(SCHEDULE, "errors", "TransformerLRScheduler(optimizer, 13, 4).step(0)")
def _before_the_first(owner: Any) -> Observed:
    """Steps are counted from 1: step 0 is a ValueError."""
    scheduler = owner(_Descent(), 13, 4)
    return {"the error for step 0": error_of(lambda: scheduler.step(0))}
