"""Probes of the exercises in `laidout.masks`."""

from typing import Any

import torch
from torch import Tensor

from laidout.workshop.probes import Observed, error_of, probe
from laidout.workshop.second_device import SecondDevice
from laidout.workshop.tensors import shapes


def _dtype(mask: Tensor) -> Observed:
    """See whether a mask holds booleans, or infinity among numbers."""
    holds = "booleans" if mask.dtype == torch.bool else "numbers"
    if mask.isinf().any():
        holds = "numbers, infinity among them"
    return {"what the mask holds": holds}


def _afterwards(tokens: Tensor, before: Tensor) -> Observed:
    """See whether tokens are what they were before a call."""
    same = torch.equal(tokens, before)
    return {"the tokens after the call": "as before" if same else "changed"}


def _refused(mask_of: Any, *arguments: Any) -> Observed:
    """See with which error a call is refused."""
    return {"the error": error_of(lambda: mask_of(*arguments))}


# --- masks-padding ----------------------------------------------------------

PADDING = "masks-padding"
FULL = torch.tensor([[3, 4, 5, 6, 7, 8, 9], [9, 8, 7, 6, 5, 4, 3]])
"""Two sentences of seven words."""
UNEQUAL = torch.tensor([[3, 4, 5, 0, 0, 0, 0], [9, 8, 7, 6, 5, 0, 0]])
"""The same with padding 0 at the end."""
IN_FRONT = torch.tensor([[0, 0, 0, 0, 3, 4, 5], [0, 8, 7, 0, 5, 4, 3]])
"""The same with padding 0 elsewhere."""
PAD_IS_2 = torch.tensor([[1, 5, 0, 2, 2, 2, 2], [0, 4, 1, 6, 1, 2, 2]])
"""Sentences whose padding is 2, while 0 and 1 are words."""


def _written(tokens: Tensor) -> str:
    """Write tokens down, for the reader to try the call."""
    return f"torch.tensor({tokens.tolist()})"


@probe(PADDING, "shape", "padding_mask(tokens, 0), tokens of shape (2, 7)")
def _one_axis_each(mask_of: Any) -> Observed:
    """The mask is (B, 1, 1, S): an axis for the heads, one for the queries."""
    return {"the mask": shapes(mask_of(FULL.clone(), 0))}


@probe(PADDING, "dtype", "padding_mask(tokens, 0).dtype")
def _padding_dtype(mask_of: Any) -> Observed:
    """The mask holds booleans."""
    return _dtype(mask_of(UNEQUAL.clone(), 0))


@probe(
    PADDING, "values", f"tokens = {_written(UNEQUAL)}; padding_mask(tokens, 0)"
)
def _tokens_stay(mask_of: Any) -> Observed:
    """The tokens of the caller are left as they were."""
    tokens = UNEQUAL.clone()
    mask_of(tokens, 0)
    return _afterwards(tokens, UNEQUAL)


@probe(PADDING, "values", f"padding_mask({_written(FULL)}, 0)")
def _all_words(mask_of: Any) -> Observed:
    """Words may be attended to, and where all are words, all of them."""
    return {"the mask": mask_of(FULL.clone(), 0)}


@probe(PADDING, "values", f"padding_mask({_written(UNEQUAL)}, 0)")
def _padding_at_the_end(mask_of: Any) -> Observed:
    """Padding may not be attended to, and each sentence has its own."""
    return {"the mask": mask_of(UNEQUAL.clone(), 0)}


@probe(PADDING, "values", f"padding_mask({_written(IN_FRONT)}, 0)")
def _padding_in_front(mask_of: Any) -> Observed:
    """Padding is hidden wherever it stands."""
    return {"the mask": mask_of(IN_FRONT.clone(), 0)}


@probe(PADDING, "values", f"padding_mask({_written(PAD_IS_2)}, 2)")
def _padding_is_another_number(mask_of: Any) -> Observed:
    """The token pad_id is padding, and no other, be it smaller or larger."""
    return {"the mask": mask_of(PAD_IS_2.clone(), 2)}


@probe(
    PADDING, "empty", "padding_mask(torch.zeros(2, 7, dtype=torch.long), 0)"
)
def _no_word(mask_of: Any) -> Observed:
    """A sentence without a word has a mask without True."""
    return {"the mask": mask_of(torch.zeros_like(FULL), 0)}


@probe(PADDING, "errors", "padding_mask(tokens, 0), tokens of (2, 3, 7)")
def _three_axes(mask_of: Any) -> Observed:
    """Tokens with three axes are a ValueError."""
    tokens = FULL[:, None].repeat(1, 3, 1)
    return _refused(mask_of, tokens, 0)


@probe(PADDING, "errors", "padding_mask(tokens, 0), tokens of shape (7,)")
def _a_single_sentence(mask_of: Any) -> Observed:
    """A sentence that is not in a batch is a ValueError."""
    return _refused(mask_of, FULL[0].clone(), 0)


@probe(PADDING, "device", "padding_mask(tokens, 0), tokens on 'meta'")
def _where_the_tokens_are(mask_of: Any) -> Observed:
    """The mask is on the device of the tokens."""
    tokens = UNEQUAL.clone()
    with SecondDevice(tokens):
        return {"the mask's device": str(mask_of(tokens, 0).device)}


# --- masks-causal -----------------------------------------------------------

CAUSAL = "masks-causal"


@probe(CAUSAL, "shape", "causal_mask(5)")
def _a_square(mask_of: Any) -> Observed:
    """The mask is a square with two axes in front, (1, 1, size, size)."""
    return {"the mask": shapes(mask_of(5))}


@probe(CAUSAL, "dtype", "causal_mask(5).dtype")
def _causal_dtype(mask_of: Any) -> Observed:
    """The mask holds booleans."""
    return _dtype(mask_of(5))


@probe(CAUSAL, "values", "causal_mask(1)")
def _alone(mask_of: Any) -> Observed:
    """A position may look at itself."""
    return {"the mask": mask_of(1)}


@probe(CAUSAL, "values", "causal_mask(2)")
def _two(mask_of: Any) -> Observed:
    """The first of two may not look at the second; the second sees both."""
    return {"the mask": mask_of(2)}


@probe(CAUSAL, "values", "causal_mask(5)")
def _five(mask_of: Any) -> Observed:
    """Each position may look at itself and at all that came before."""
    return {"the mask": mask_of(5)}


@probe(CAUSAL, "empty", "causal_mask(0)")
def _nothing_to_mask(mask_of: Any) -> Observed:
    """A sentence of no words has an empty mask, (1, 1, 0, 0)."""
    return {"the mask": shapes(mask_of(0))}


@probe(CAUSAL, "errors", "causal_mask(-1)")
def _negative(mask_of: Any) -> Observed:
    """A negative size is a ValueError."""
    return _refused(mask_of, -1)


@probe(CAUSAL, "device", "causal_mask(5, device='meta')")
def _where_it_is_wanted(mask_of: Any) -> Observed:
    """The mask is made on the device that is asked for."""
    with SecondDevice():
        by_name = mask_of(5, device="meta")
        as_object = mask_of(5, torch.device("meta"))
        return {
            "device='meta'": str(by_name.device),
            "device=torch.device('meta')": str(as_object.device),
        }


# --- masks-target -----------------------------------------------------------

TARGET = "masks-target"


@probe(TARGET, "shape", "target_mask(tokens, 0), tokens of shape (1, 7)")
def _a_single_square(mask_of: Any) -> Observed:
    """A single sentence of 7 tokens has a mask (1, 1, 7, 7)."""
    return {"the mask": shapes(mask_of(FULL[:1].clone(), 0))}


@probe(TARGET, "shape", "target_mask(tokens, 0), tokens of shape (2, 7)")
def _a_square_each(mask_of: Any) -> Observed:
    """The mask has a square for each sentence, (B, 1, T, T)."""
    return {"the mask": shapes(mask_of(UNEQUAL.clone(), 0))}


@probe(TARGET, "dtype", "target_mask(tokens, 0).dtype")
def _target_dtype(mask_of: Any) -> Observed:
    """The mask holds booleans."""
    return _dtype(mask_of(UNEQUAL.clone(), 0))


@probe(
    TARGET,
    "values",
    f"tokens = {_written(UNEQUAL)}; target_mask(tokens, 0)",
)
def _target_stays(mask_of: Any) -> Observed:
    """The tokens of the caller are left as they were."""
    tokens = UNEQUAL.clone()
    mask_of(tokens, 0)
    return _afterwards(tokens, UNEQUAL)


@probe(TARGET, "values", f"target_mask({_written(FULL)}, 0)")
def _only_the_future(mask_of: Any) -> Observed:
    """Where all are words, only the future is hidden."""
    return {"the mask": mask_of(FULL.clone(), 0)}


@probe(TARGET, "values", f"target_mask({_written(UNEQUAL)}, 0)")
def _padding_and_future(mask_of: Any) -> Observed:
    """A key must be a word, and it must not lie in the future."""
    return {"the mask": mask_of(UNEQUAL.clone(), 0)}


@probe(TARGET, "values", f"target_mask({_written(IN_FRONT)}, 0)")
def _padding_in_the_past(mask_of: Any) -> Observed:
    """Padding is hidden in the past, too."""
    return {"the mask": mask_of(IN_FRONT.clone(), 0)}


@probe(TARGET, "values", f"target_mask({_written(PAD_IS_2)}, 2)")
def _another_padding(mask_of: Any) -> Observed:
    """The token pad_id is padding, and no other."""
    return {"the mask": mask_of(PAD_IS_2.clone(), 2)}


@probe(TARGET, "errors", "target_mask(tokens, 0), tokens of shape (2, 3, 7)")
def _no_batch_of_sentences(mask_of: Any) -> Observed:
    """Tokens that are not a batch of sentences are a ValueError."""
    tokens = FULL[:, None].repeat(1, 3, 1)
    return _refused(mask_of, tokens, 0)


@probe(TARGET, "device", "target_mask(tokens, 0), tokens on 'meta'")
def _where_the_target_is(mask_of: Any) -> Observed:
    """Both masks are made where the tokens are."""
    tokens = UNEQUAL.clone()
    with SecondDevice(tokens):
        return {"the mask's device": str(mask_of(tokens, 0).device)}
