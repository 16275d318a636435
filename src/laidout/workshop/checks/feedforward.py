"""Probes of the exercises in `laidout.feedforward`."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from laidout.workshop.probes import Observed, probe
from laidout.workshop.tensors import (
    BATCH,
    D_MODEL,
    TARGETS,
    gradients,
    make,
    shapes,
)

# --- feedforward-position-wise ----------------------------------------------

FFN = "feedforward-position-wise"
MADE = "PositionwiseFeedForward(33, 47)"
PLAIN = f"{MADE}, then x of shape (2, 5, 33)"
D_FF = 47


def _input() -> Tensor:
    """Make x, (2, 5, 33)."""
    return make("x", BATCH, TARGETS, D_MODEL)


def _numbered(owner: Any, dropout: float = 0.0) -> Any:
    """Make the module, with numbers that go by the shapes alone.

    An axis of one entry does not count, so that two convolutions get what
    two linear layers get.
    """
    module = owner(D_MODEL, D_FF, dropout).double().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            shape = [size for size in parameter.shape if size > 1]
            scale = math.sqrt(shape[-1]) if len(shape) > 1 else 2.0
            numbers = make("parameter", *shape) / scale
            parameter.copy_(numbers.view_as(parameter))
    return module


@probe(FFN, "shape", PLAIN)
def _as_it_was(owner: Any) -> Observed:
    """What comes out has the shape of what went in."""
    output = owner(D_MODEL, D_FF)(_input().float())
    return {"the result": shapes(output)}


@probe(FFN, "shape", f"{PLAIN}, called twice")
def _twice(owner: Any) -> Observed:
    """The same input gives the same output every time."""
    module = owner(D_MODEL, D_FF).eval()
    first, second = (module(_input().float()) for _ in range(2))
    return {
        "the same both times": bool(torch.equal(first, second)),
        "parameters() finds weights": any(True for _ in module.parameters()),
    }


@probe(FFN, "shape", f"the parts of {MADE}")
def _parts(owner: Any) -> Observed:
    """The two layers are called w_1 and w_2; each has a weight and a bias,
    and there is nothing else to learn.
    """
    module = owner(D_MODEL, D_FF)
    return {
        "w_1": _part(getattr(module, "w_1", None)),
        "w_2": _part(getattr(module, "w_2", None)),
        "weights and biases": len(list(module.parameters())),
    }


def _part(part: Any) -> str:
    """Write down what an attribute is; any layer will do."""
    if part is None:
        return "missing"
    return "a layer" if isinstance(part, nn.Module) else type(part).__name__


@probe(FFN, "shape", f"{MADE}, the shapes of its weights")
def _width(owner: Any) -> Observed:
    """The features in between are d_ff many."""
    parameters = list(owner(D_MODEL, D_FF).parameters())
    sizes = {size for parameter in parameters for size in parameter.shape}
    return {
        "a weight has 47 rows or columns": (
            D_FF in sizes if sizes else "there are no weights"
        )
    }


@probe(FFN, "dtype", f"{MADE}, then x in float32")
def _dtype(owner: Any) -> Observed:
    """The result has the dtype of the input."""
    output = owner(D_MODEL, D_FF)(_input().float())
    return {"output": str(output.dtype)}


@probe(FFN, "values", PLAIN)
def _values(owner: Any) -> Observed:
    """The output is max(0, x W_1 + b_1) W_2 + b_2."""
    return {"output": _numbered(owner)(_input())}


@probe(FFN, "values", f"{PLAIN}, once more with position 3 changed")
def _alone(owner: Any) -> Observed:
    """Each position is worked out alone: change one, and no other moves."""
    module, changed = _numbered(owner), _input()
    changed[0, 3] += 1.0
    moved = (module(changed) - module(_input())).abs().amax(-1) > 1e-9
    places = moved.nonzero().tolist()
    return {"the positions that moved": [f"x[{s}, {p}]" for s, p in places]}


@probe(FFN, "values", f"{PLAIN}, then x is looked at")
def _input_stays(owner: Any) -> Observed:
    """The tensor of the caller is left as it was."""
    x = _input()
    _numbered(owner)(x)
    return {"x": x}


@probe(FFN, "gradients", f"{PLAIN}, then backward from the output")
def _gradients(owner: Any) -> Observed:
    """The gradient finds its way back to x."""
    x = _input().requires_grad_()
    (gradient,) = gradients(_numbered(owner)(x), x)
    return {"gradient of x": gradient}


@probe(FFN, "gradients", f"{PLAIN}, then backward from the output")
def _all_learn(owner: Any) -> Observed:
    """Each weight and each bias gets a gradient."""
    module = _numbered(owner)
    found = gradients(module(_input()), *module.parameters())
    return {"parameters without gradient": sum(g is None for g in found)}


@probe(FFN, "parameters", f"{MADE}, its parameters")
def _number(owner: Any) -> Observed:
    """There are two matrices and two biases to learn, and nothing else."""
    parameters = list(owner(D_MODEL, D_FF).parameters())
    return {"numbers to learn": sum(p.numel() for p in parameters)}


@probe(FFN, "modes", f"{MADE}, without dropout, training")
def _no_dropout_unless_asked(owner: Any) -> Observed:
    """With a rate of 0 nothing is dropped, in training either."""
    module = _numbered(owner)
    wanted = module(_input())
    return {
        "the same in training and in evaluation": bool(
            torch.allclose(module.train()(_input()), wanted)
        )
    }


@probe(FFN, "modes", "PositionwiseFeedForward(33, 47, 1.0).eval()")
def _no_dropout_in_evaluation(owner: Any) -> Observed:
    """In evaluation mode dropout does nothing."""
    return {"output": _numbered(owner, 1.0)(_input())}


@probe(FFN, "modes", "PositionwiseFeedForward(33, 47, 1.0).train(), b_2 zero")
def _all_dropped(owner: Any) -> Observed:
    """With all features in between dropped, only the last bias is left."""
    module = _numbered(owner, 1.0).train()
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.shape == (D_MODEL,):
                parameter.zero_()
    return {"output": module(_input())}


@probe(FFN, "modes", "PositionwiseFeedForward(33, 47, 0.5).train()")
def _dropped_in_between(owner: Any) -> Observed:
    """Dropout falls on the features in between, which W_2 then mixes."""
    module = _numbered(owner, 0.5)
    plain = module(_input())
    output = module.train()(_input())
    whole = (output == 0.0) | torch.isclose(output, 2.0 * plain)
    return {"each number is 0, or twice the undropped": bool(whole.all())}
