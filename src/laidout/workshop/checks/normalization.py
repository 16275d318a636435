"""Probes of the exercises in `laidout.normalization`."""

from typing import Any

import torch
from torch import Tensor, nn

from laidout.workshop.probes import Observed, probe
from laidout.workshop.tensors import (
    BATCH,
    D_MODEL,
    HEADS,
    TARGETS,
    gradients,
    make,
    shapes,
)

# --- normalization-layer-norm -----------------------------------------------

NORM = "normalization-layer-norm"
MADE = "LayerNorm(33)"
PLAIN = f"{MADE}, then x of shape (2, 5, 33)"
SHIFT = 1e7
"""So far from zero that the squares are too large for a difference."""
NEAR = 1e-3
"""So far outputs may differ where an eps is asked for: no other one may pass
for it, and 1e-5 in place of 0 is told by the probes of eps alone."""


def _input(*leading: int) -> Tensor:
    """Make x, (2, 5, 33) unless told otherwise; its mean is not zero."""
    return 0.7 + make("x", *(leading or (BATCH, TARGETS)), D_MODEL)


def _plain(owner: Any, *eps: float) -> Any:
    """Make the module with all gains one and all biases zero, float64."""
    module = owner(D_MODEL, *eps).double().eval()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.fill_(0.0 if _is_bias(name) else 1.0)
    return module


def _learned(owner: Any, *eps: float) -> Any:
    """Make the module with numbers of our own as gain and bias."""
    module = _plain(owner, *eps)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            kind = "bias" if _is_bias(name) else "gain"
            parameter += 0.3 * make(kind, *parameter.shape)
    return module


def _is_bias(path: str) -> bool:
    """Tell by its name whether a parameter is a bias."""
    return path.rpartition(".")[2].startswith("b")


@probe(NORM, "shape", f"the parameters of {MADE}")
def _parts(owner: Any) -> Observed:
    """There are two parameters, gain and bias, with a number for each of the
    33 features.
    """
    module = owner(D_MODEL)
    learned = [tuple(p.shape) for p in module.parameters()]
    return {
        "gain": _part(getattr(module, "gain", None)),
        "bias": _part(getattr(module, "bias", None)),
        "the shapes in parameters()": sorted(learned),
    }


def _part(part: Any) -> str:
    """Write down what an attribute is, and its shape."""
    if part is None:
        return "missing"
    if not isinstance(part, Tensor):
        return type(part).__name__
    learned = isinstance(part, nn.Parameter)
    kind = "a parameter" if learned else "a tensor, but no parameter,"
    return f"{kind} of shape {tuple(part.shape)}"


@probe(NORM, "shape", PLAIN)
def _as_it_was(owner: Any) -> Observed:
    """What comes out has the shape of what went in."""
    return {"the result": shapes(_plain(owner)(_input()))}


@probe(NORM, "shape", f"{MADE}, then x of shape (5, 33), (2, 3, 5, 33)")
def _any_axes(owner: Any) -> Observed:
    """Any number of axes may stand in front of the features."""
    module = _plain(owner)
    inputs = _input(TARGETS), _input(BATCH, HEADS, TARGETS)
    return {"the results": [shapes(module(x)) for x in inputs]}


@probe(NORM, "dtype", f"{MADE}, then x in float32")
def _dtype_of_float32(owner: Any) -> Observed:
    """The result has the dtype of the input."""
    return {"output": str(owner(D_MODEL)(_input().float()).dtype)}


@probe(NORM, "dtype", f"{MADE}.bfloat16(), then x in bfloat16")
def _dtype_of_bfloat16(owner: Any) -> Observed:
    """Gain and bias go along when the module changes its dtype."""
    module = owner(D_MODEL).bfloat16()
    return {"output": str(module(_input().bfloat16()).dtype)}


@probe(NORM, "values", f"{PLAIN}, once more with x[1, 3, 0] changed")
def _alone(owner: Any) -> Observed:
    """Each vector is normalised alone: change one, and no other moves."""
    module, changed = _plain(owner), _input()
    changed[1, 3, 0] += 3.0
    moved = (module(changed) - module(_input())).abs() > 1e-9
    vectors = moved.any(-1).nonzero().tolist()
    return {
        "the vectors that moved": [f"x[{s}, {p}]" for s, p in vectors],
        "how many numbers moved": int(moved.sum()),
    }


@probe(
    NORM, "values", "LayerNorm(33, eps=0.0)(x), the mean of each vector", NEAR
)
def _mean(owner: Any) -> Observed:
    """A new norm gives each vector the mean 0."""
    mean = _plain(owner, 0.0)(_input()).mean(-1)
    return {"the mean": mean.round(decimals=6) + 0.0}


@probe(
    NORM,
    "values",
    "LayerNorm(33, eps=0.0)(x), the variance of each vector",
    NEAR,
)
def _variance(owner: Any) -> Observed:
    """A new norm gives each vector the variance 1."""
    output = _plain(owner, 0.0)(_input())
    return {"the variance": output.var(-1, unbiased=False)}


@probe(
    NORM, "values", "LayerNorm(33, eps=0.0), then x of shape (2, 5, 33)", NEAR
)
def _values(owner: Any) -> Observed:
    """The output is x without its mean, over its standard deviation."""
    return {"output": _plain(owner, 0.0)(_input())}


@probe(NORM, "values", "LayerNorm(33, eps=0.0), then x, and x + 10,000,000")
def _far_from_zero(owner: Any) -> Observed:
    """A shift of all features by ten million changes next to nothing."""
    module, x = _plain(owner, 0.0), _input()
    shifted = module(x + SHIFT)
    return {
        "the output for x + 10,000,000 is that for x": bool(
            torch.allclose(shifted, module(x), rtol=0.0, atol=1e-5)
        )
    }


@probe(
    NORM,
    "values",
    "LayerNorm(33, eps=eps)(x), x with mean 0 and variance 1",
    NEAR,
)
def _eps_counts(owner: Any) -> Observed:
    """The variance that comes out is 1 / (1 + eps); eps makes it smaller."""
    x = _input()
    x = x - x.mean(-1, keepdim=True)
    x = x / x.square().mean(-1, keepdim=True).sqrt()
    return {
        f"the variance with eps={eps}": round(
            _plain(owner, eps)(x.clone()).square().mean().item(), 4
        )
        for eps in (0.5, 2.0)
    }


@probe(NORM, "values", "LayerNorm(33, eps=0.5), then x of shape (2, 5, 33)")
def _eps(owner: Any) -> Observed:
    """Eps is added to the variance, inside the root."""
    return {"output": _plain(owner, 0.5)(_input())}


@probe(NORM, "values", f"{MADE}, then a vector of fives")
def _equal_numbers(owner: Any) -> Observed:
    """A vector of equal numbers becomes zero before gain and bias."""
    x = torch.full((1, 1, D_MODEL), 5.0, dtype=torch.float64)
    return {"output": _plain(owner)(x)}


@probe(
    NORM, "values", f"{MADE} with other gains and biases, a vector of fives"
)
def _bias(owner: Any) -> Observed:
    """A vector of equal numbers becomes the bias."""
    x = torch.full((1, 1, D_MODEL), 5.0, dtype=torch.float64)
    return {"output": _learned(owner)(x)}


@probe(NORM, "values", f"{MADE} with other gains and biases, (2, 5, 33)")
def _gain_and_bias(owner: Any) -> Observed:
    """Each feature is multiplied by its gain, then its bias is added."""
    return {"output": _learned(owner)(_input())}


@probe(NORM, "values", f"{PLAIN}, then x is looked at")
def _input_stays(owner: Any) -> Observed:
    """The tensor of the caller is left as it was."""
    x = _input()
    _plain(owner)(x)
    return {"x": x}


@probe(NORM, "gradients", f"{PLAIN}, then backward from the output")
def _gradients(owner: Any) -> Observed:
    """The gradient finds its way back to x, through mean and variance."""
    x = _input().requires_grad_()
    (gradient,) = gradients(_plain(owner)(x), x)
    return {"gradient of x": gradient}


@probe(NORM, "gradients", f"{MADE}, then a vector of fives, then backward")
def _gradients_of_equal_numbers(owner: Any) -> Observed:
    """The gradient of a vector of equal numbers is finite."""
    x = torch.full((1, 1, D_MODEL), 5.0, dtype=torch.float64)
    x = x.requires_grad_()
    (gradient,) = gradients(_plain(owner)(x), x)
    return {"gradient of x": gradient}


@probe(NORM, "gradients", f"{PLAIN}, then backward from the output")
def _all_learn(owner: Any) -> Observed:
    """Gain and bias get a gradient."""
    module = _learned(owner)
    found = gradients(module(_input()), *module.parameters())
    return {"parameters without gradient": sum(g is None for g in found)}


@probe(NORM, "parameters", f"{MADE}, the numbers it starts with")
def _start(owner: Any) -> Observed:
    """The gain starts at one and the bias at zero."""
    module = owner(D_MODEL)
    return {name: _levels(getattr(module, name)) for name in ("gain", "bias")}


def _levels(numbers: Tensor) -> str:
    """Write down a vector: its number if all are alike."""
    different = {*numbers.flatten().tolist()}
    if len(different) == 1:
        return f"all numbers are {different.pop():g}"
    return f"{len(different)} different numbers"


@probe(NORM, "modes", f"{MADE}.train()")
def _same_in_training(owner: Any) -> Observed:
    """Training and evaluation do not differ."""
    module = _learned(owner)
    wanted = module(_input())
    output = module.train()(_input())
    return {
        "the same in training and in evaluation": bool(
            torch.allclose(output, wanted)
        )
    }
