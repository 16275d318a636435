"""Probes of the exercises in `laidout.embedding`."""

from typing import Any

import torch
from torch import Tensor

from laidout.workshop.probes import Observed, probe
from laidout.workshop.tensors import D_MODEL, filled, gradients, shapes

# --- embedding-tokens -------------------------------------------------------

EMBED = "embedding-tokens"
MADE = "TokenEmbedding(29, 33)"
PADDED = "TokenEmbedding(29, 33, pad_id=2)"
VOCABULARY, PAD = 29, 2

# Some of them twice; 0 and 2, which is sometimes padding, among them.
TOKENS = [[5, 0, 7, 5, 2], [6, 2, 28, 0, 11]]
WITH = f"tokens = {TOKENS}"
PLAIN = f"{MADE}(tokens), {WITH}"


def _tokens() -> Tensor:
    """Make tokens (2, 5)."""
    return torch.tensor(TOKENS)


def _table(module: Any) -> Tensor:
    """Return the parameter that has the most numbers."""
    table: Tensor = max(module.parameters(), key=torch.numel)
    return table


def _zero_rows(module: Any) -> list[int]:
    """List the tokens whose row of the table is nothing but zeros."""
    zero = (_table(module) == 0).all(-1)
    return [token for token, is_zero in enumerate(zero.tolist()) if is_zero]


@probe(EMBED, "shape", PLAIN)
def _a_vector_for_each(owner: Any) -> Observed:
    """Each token gets a vector of d_model numbers."""
    return {"the result": shapes(owner(VOCABULARY, D_MODEL)(_tokens()))}


@probe(EMBED, "shape", f"{MADE}, its parameters")
def _number(owner: Any) -> Observed:
    """The table is all that there is to learn."""
    parameters = owner(VOCABULARY, D_MODEL).parameters()
    return {"numbers to learn": sum(p.numel() for p in parameters)}


@probe(EMBED, "dtype", f"{MADE}, and once more after .double()")
def _dtype(owner: Any) -> Observed:
    """The vectors have the dtype of the module."""
    module = owner(VOCABULARY, D_MODEL)
    return {
        "as it is made": str(module(_tokens()).dtype),
        "after .double()": str(module.double()(_tokens()).dtype),
    }


@probe(EMBED, "values", f"{PLAIN}, called twice")
def _twice(owner: Any) -> Observed:
    """The same tokens give the same vectors every time."""
    module = filled(owner(VOCABULARY, D_MODEL))
    first, second = (module(_tokens()) for _ in range(2))
    return {"the same both times": bool(torch.equal(first, second))}


@probe(EMBED, "values", f"TokenEmbedding(29, 1)(tokens), {WITH}")
def _single_numbers(owner: Any) -> Observed:
    """With d_model 1 there is nothing to scale: the rows come as they are."""
    return {"the output": filled(owner(VOCABULARY, 1))(_tokens())}


@probe(EMBED, "values", PLAIN)
def _values(owner: Any) -> Observed:
    """Each vector is its token's row times the square root of d_model."""
    return {"the output": filled(owner(VOCABULARY, D_MODEL))(_tokens())}


@probe(EMBED, "gradients", f"{PLAIN}, then requires_grad of the output")
def _it_can_learn(owner: Any) -> Observed:
    """The output is tied to the table, so that the table can learn."""
    output = owner(VOCABULARY, D_MODEL)(_tokens())
    return {"requires_grad": output.requires_grad}


@probe(EMBED, "gradients", f"{PLAIN}, then backward from the output")
def _gradients(owner: Any) -> Observed:
    """Without padding each row that was looked up gets its gradient."""
    return {"the gradient of the table": _gradient(owner(VOCABULARY, D_MODEL))}


@probe(EMBED, "gradients", f"{PADDED}(tokens), {WITH}, then backward")
def _gradient_of_padding(owner: Any) -> Observed:
    """The row of padding gets no gradient, and the others do."""
    module = owner(VOCABULARY, D_MODEL, PAD)
    return {"the gradient of the table": _gradient(module)}


@probe(
    EMBED,
    "gradients",
    f"TokenEmbedding(29, 33, pad_id=0)(tokens), {WITH}, then backward",
)
def _gradient_of_padding_zero(owner: Any) -> Observed:
    """Token 0 may be the padding, too."""
    module = owner(VOCABULARY, D_MODEL, 0)
    return {"the gradient of the table": _gradient(module)}


def _gradient(module: Any) -> Tensor | None:
    """Return the gradient of the table."""
    module = filled(module)
    (gradient,) = gradients(module(_tokens()), _table(module))
    return gradient.to_dense() if gradient is not None else None


@probe(EMBED, "parameters", f"{MADE}, its parameters")
def _it_learns(owner: Any) -> Observed:
    """The table is there to be trained."""
    return {"requires_grad": _table(owner(VOCABULARY, D_MODEL)).requires_grad}


@probe(EMBED, "parameters", "TokenEmbedding(300, 25), the new table")
def _start(owner: Any) -> Observed:
    """A new table has standard deviation d_model ** -0.5, here 0.2."""
    deviation = _table(owner(300, 25)).detach().double().std().item()
    # Sizes at which no known mistake comes near the edge of its first digit.
    return {"the standard deviation, one digit": float(f"{deviation:.1g}")}


@probe(EMBED, "parameters", f"{PADDED}, the rows of a new table")
def _padding_starts_at_zero(owner: Any) -> Observed:
    """The row of padding starts at zero, and no other does."""
    return {"the rows of zeros": _zero_rows(owner(VOCABULARY, D_MODEL, PAD))}


@probe(EMBED, "parameters", "TokenEmbedding(29, 33, pad_id=0), the new table")
def _padding_zero_starts_at_zero(owner: Any) -> Observed:
    """Token 0 may be the padding, too."""
    return {"the rows of zeros": _zero_rows(owner(VOCABULARY, D_MODEL, 0))}


@probe(EMBED, "parameters", f"{MADE}, the rows of a new table")
def _no_row_starts_at_zero(owner: Any) -> Observed:
    """Without padding no row is special."""
    return {"the rows of zeros": _zero_rows(owner(VOCABULARY, D_MODEL))}


@probe(EMBED, "modes", f"{MADE}.train()")
def _no_dropout(owner: Any) -> Observed:
    """Training and evaluation do not differ."""
    module = filled(owner(VOCABULARY, D_MODEL))
    wanted = module(_tokens())
    output = module.train()(_tokens())
    return {
        "the same in training and in evaluation": bool(
            torch.allclose(output, wanted)
        )
    }
