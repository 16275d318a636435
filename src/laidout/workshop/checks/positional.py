"""Probes of the exercises in `laidout.positional`.

The encoding is in float32, and there are several right ways to compute it,
so these probes are more tolerant than others, and most so far out.
"""

from typing import Any

import torch
from torch import Tensor

from laidout.workshop.probes import Observed, error_of, probe
from laidout.workshop.tensors import (
    BATCH,
    SOURCES,
    TARGETS,
    gradients,
    make,
    shapes,
)

NEAR, FAR = 1e-5, 5e-3
"""How far right encodings may differ, among the first words and far out."""

# --- positional-sinusoids ---------------------------------------------------

SINES = "positional-sinusoids"
TABLE = "sinusoidal_encoding(7, 10)"


@probe(SINES, "shape", TABLE)
def _a_row_for_each(encode: Any) -> Observed:
    """There is a row for each position and a column for each feature."""
    return {"the result": shapes(encode(7, 10))}


@probe(SINES, "dtype", TABLE)
def _dtype(encode: Any) -> Observed:
    """The table has the dtype of any new tensor, float32."""
    return {"the result": str(encode(7, 10).dtype)}


@probe(SINES, "values", f"{TABLE}, twice")
def _twice(encode: Any) -> Observed:
    """The table is the same every time."""
    first, second = encode(7, 10), encode(7, 10)
    return {"the same both times": bool(torch.equal(first, second))}


@probe(SINES, "values", f"{TABLE}[0]", NEAR)
def _position_0(encode: Any) -> Observed:
    """At position 0 all angles are 0: sines are 0 and cosines 1, in turn."""
    return {"the row": encode(7, 10)[0]}


@probe(SINES, "values", f"{TABLE}[:, :2]", NEAR)
def _first_pair(encode: Any) -> Observed:
    """The first two columns are sine and cosine of the position itself."""
    return {"the two columns": encode(7, 10)[:, :2]}


@probe(SINES, "values", f"{TABLE} and the same with 13 positions")
def _longer(encode: Any) -> Observed:
    """A longer table begins like a shorter one."""
    short, long = encode(7, 10), encode(13, 10)
    return {
        "the longer table begins like the shorter": bool(
            torch.allclose(long[:7], short, atol=NEAR)
        )
    }


@probe(SINES, "values", f"{TABLE}, squares of columns 0 and 1, 2 and 3, ...")
def _pairs(encode: Any) -> Observed:
    """Two columns share an angle: their squares sum to 1."""
    squares = encode(7, 10).square()
    sums = squares[:, 0::2] + squares[:, 1::2]
    return {
        "the sums are 1": bool(
            torch.allclose(sums, torch.ones_like(sums), atol=NEAR)
        )
    }


@probe(SINES, "values", f"{TABLE}[1]", NEAR)
def _position_1(encode: Any) -> Observed:
    """Each pair turns more slowly than the one on its left."""
    return {"the row": encode(7, 10)[1]}


@probe(SINES, "values", f"{TABLE}, all of it", NEAR)
def _values(encode: Any) -> Observed:
    """Column 2i is the sine of pos / 10000 ** (2i / d_model)."""
    return {"the result": encode(7, 10)}


@probe(SINES, "values", "sinusoidal_encoding(5, 26)", NEAR)
def _another_size(encode: Any) -> Observed:
    """The formula holds for any d_model."""
    return {"the result": encode(5, 26)}


@probe(SINES, "values", "sinusoidal_encoding(3, 2)", NEAR)
def _one_pair(encode: Any) -> Observed:
    """With d_model 2 there is a single pair."""
    return {"the result": encode(3, 2)}


@probe(
    SINES, "values", "sinusoidal_encoding(5000, 4)[[1000, 2500, 4999]]", FAR
)
def _far(encode: Any) -> Observed:
    """The formula holds for far positions."""
    rows = encode(5000, 4)[[1000, 2500, 4999]]
    return {"the three rows": rows}


@probe(SINES, "values", "sinusoidal_encoding(5, 7)", NEAR)
def _odd(encode: Any) -> Observed:
    """An odd d_model ends with a sine."""
    return {"the result": encode(5, 7)}


@probe(SINES, "values", "sinusoidal_encoding(5, 1)", NEAR)
def _one_column(encode: Any) -> Observed:
    """With d_model 1 there is a sine and no cosine."""
    return {"the result": encode(5, 1)}


@probe(SINES, "values", "sinusoidal_encoding(1, 1)", NEAR)
def _smallest(encode: Any) -> Observed:
    """The smallest table is a single sine."""
    return {"the result": encode(1, 1)}


@probe(SINES, "errors", "sinusoidal_encoding(0, 8), (5, 0), (-1, 8), (5, -1)")
def _errors(encode: Any) -> Observed:
    """Sizes that are not positive are refused with a ValueError."""
    return {
        "the error for max_len 0": error_of(lambda: encode(0, 8)),
        "the error for d_model 0": error_of(lambda: encode(5, 0)),
        "the error for both 0": error_of(lambda: encode(0, 0)),
        "the error for max_len -1": error_of(lambda: encode(-1, 8)),
        "the error for d_model -1": error_of(lambda: encode(5, -1)),
    }


@probe(SINES, "gradients", f"{TABLE}.requires_grad")
def _fixed(encode: Any) -> Observed:
    """The table is computed, not learned."""
    return {"requires_grad": encode(7, 10).requires_grad}


# --- positional-encoding ----------------------------------------------------

POSITIONS = "positional-encoding"
MADE = "PositionalEncoding(22, 0.0, 7)"
PLAIN = f"{MADE}, then x of shape (2, 5, 22)"
FEATURES, MAX_LEN = 22, SOURCES


def _made(owner: Any, dropout: float = 0.0) -> Any:
    """Make the module in float64, for evaluation."""
    return owner(FEATURES, dropout, MAX_LEN).double().eval()


def _input(sentences: int = BATCH, length: int = TARGETS) -> Tensor:
    """Make x, (2, 5, 22) unless told otherwise."""
    return make("x", sentences, length, FEATURES)


def _zeros(sentences: int = BATCH, length: int = TARGETS) -> Tensor:
    """Make an x of nothing but zeros."""
    return torch.zeros_like(_input(sentences, length))


@probe(POSITIONS, "shape", PLAIN)
def _as_it_was(owner: Any) -> Observed:
    """What comes out has the shape of what went in."""
    return {"the result": shapes(_made(owner)(_input()))}


@probe(POSITIONS, "shape", f"{MADE}, then one sentence, (1, 5, 22)")
def _one_sentence(owner: Any) -> Observed:
    """A single sentence keeps its shape, too."""
    return {"the result": shapes(_made(owner)(_input(1)))}


@probe(POSITIONS, "dtype", f"{MADE}, then x in float32")
def _dtype_of_float32(owner: Any) -> Observed:
    """The result has the dtype of the input."""
    module = owner(FEATURES, 0.0, MAX_LEN)
    return {"the dtype of the output": str(module(_input().float()).dtype)}


@probe(POSITIONS, "dtype", f"{MADE}.bfloat16(), then x in bfloat16")
def _dtype_of_bfloat16(owner: Any) -> Observed:
    """The table goes along when the module changes its dtype."""
    module = owner(FEATURES, 0.0, MAX_LEN).bfloat16()
    return {"the dtype of the output": str(module(_input().bfloat16()).dtype)}


@probe(POSITIONS, "values", f"{PLAIN}, twice")
def _made_twice(owner: Any) -> Observed:
    """Two modules add the same: nothing about the table is random."""
    module, other = _made(owner), _made(owner)
    same = torch.equal(module(_input()), other(_input()))
    return {
        "the same from both": bool(same),
        "parameters() finds weights": any(True for _ in module.parameters()),
    }


@probe(POSITIONS, "values", f"{MADE}, then one sentence of zeros", NEAR)
def _table(owner: Any) -> Observed:
    """Position p gets row p of the table, and begins with row 0."""
    return {"the output": _made(owner)(_zeros(1))}


@probe(POSITIONS, "values", f"{MADE}, then two sentences of zeros", NEAR)
def _same_for_all(owner: Any) -> Observed:
    """Every sentence gets the same rows."""
    return {"the output": _made(owner)(_zeros())}


@probe(POSITIONS, "values", f"{MADE}, then one word five times", NEAR)
def _words_differ(owner: Any) -> Observed:
    """One word becomes another vector at another position."""
    x = _input(1, 1).expand(1, TARGETS, FEATURES).clone()
    output = _made(owner)(x)[0]
    return {"words like the first": int((output == output[0]).all(-1).sum())}


@probe(POSITIONS, "values", PLAIN, NEAR)
def _sum(owner: Any) -> Observed:
    """The encoding is added to x, which is left as it is otherwise."""
    return {"the output": _made(owner)(_input())}


@probe(POSITIONS, "values", f"{MADE}, then x of shape (2, 7, 22)", NEAR)
def _longest(owner: Any) -> Observed:
    """A sentence may have as many tokens as the table has rows."""
    return {"the output": _made(owner)(_input(BATCH, MAX_LEN))}


@probe(POSITIONS, "values", f"{PLAIN}, then x is looked at")
def _input_stays(owner: Any) -> Observed:
    """The tensor of the caller is left as it was."""
    x = _input()
    _made(owner)(x)
    return {"x": x}


@probe(POSITIONS, "errors", f"{MADE}, then x of shape (2, 8, 22)")
def _too_long(owner: Any) -> Observed:
    """A sentence that is longer than the table is refused: ValueError."""
    module, x = _made(owner), _input(BATCH, MAX_LEN + 1)
    returned: list[Tensor] = []
    error = error_of(lambda: returned.append(module(x)))
    return {
        "the error for 8 tokens": error,
        "what comes back": [*map(shapes, returned)],
    }


@probe(POSITIONS, "gradients", f"{PLAIN}, then requires_grad of the output")
def _it_can_learn(owner: Any) -> Observed:
    """The output is tied to x, so that the embedding can learn."""
    output = _made(owner)(_input().requires_grad_())
    return {"requires_grad": output.requires_grad}


@probe(POSITIONS, "gradients", f"{PLAIN}, then backward from the output", NEAR)
def _gradients(owner: Any) -> Observed:
    """The gradient finds its way back to x."""
    x = _input().requires_grad_()
    (gradient,) = gradients(_made(owner)(x), x)
    return {"the gradient of x": gradient}


@probe(POSITIONS, "parameters", f"{MADE}, its parameters")
def _nothing_to_learn(owner: Any) -> Observed:
    """There is nothing to learn in it."""
    parameters = _made(owner).parameters()
    return {"numbers to learn": sum(p.numel() for p in parameters)}


@probe(POSITIONS, "parameters", f"{MADE}.state_dict()")
def _nothing_to_save(owner: Any) -> Observed:
    """There is nothing in it to be saved."""
    return {"tensors that are saved": len(_made(owner).state_dict())}


@probe(POSITIONS, "modes", f"{MADE}, training")
def _no_dropout_unless_asked(owner: Any) -> Observed:
    """With a rate of 0 nothing is dropped, in training either."""
    module = _made(owner)
    wanted = module(_input())
    return {
        "the same in training and in evaluation": bool(
            torch.allclose(module.train()(_input()), wanted)
        )
    }


@probe(POSITIONS, "modes", "PositionalEncoding(22, 1.0, 7).eval()", NEAR)
def _no_dropout_in_evaluation(owner: Any) -> Observed:
    """In evaluation mode dropout does nothing."""
    return {"the output": _made(owner, 1.0)(_input())}


@probe(POSITIONS, "modes", "PositionalEncoding(22, 1.0, 7).train()", NEAR)
def _all_dropped(owner: Any) -> Observed:
    """Dropout falls on the sum: with all of it dropped, nothing is left."""
    return {"the output": _made(owner, 1.0).train()(_input()) + 0.0}


@probe(POSITIONS, "modes", "PositionalEncoding(22, 0.5, 7).train()")
def _sums_dropped(owner: Any) -> Observed:
    """A sum is dropped or doubled as a whole, each for itself."""
    module = _made(owner, 0.5)
    plain = module(_input())
    output = module.train()(_input())
    dropped = output == 0.0
    whole = dropped | torch.isclose(output, 2.0 * plain)
    words = dropped.all(-1) | ~dropped.any(-1)
    return {
        "each number is 0, or twice the undropped": bool(whole.all()),
        "each word is dropped as a whole, or not at all": bool(words.all()),
    }
