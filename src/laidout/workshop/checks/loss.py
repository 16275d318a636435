"""Probes of the exercises in `laidout.loss`."""

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from laidout.workshop.probes import Observed, probe, refusal
from laidout.workshop.tensors import gradients, make, shapes

# --- loss-shift-targets -----------------------------------------------------

SHIFT = "loss-shift-targets"
BOS, EOS = 1, 2

SENTENCES = [[BOS, 5, 7, 4, EOS], [BOS, 6, EOS, 0, 0], [BOS, 8, 3, EOS, 0]]
"""Three of them, padded with 0."""


@probe(SHIFT, "shape", "shift_targets(tgt), tgt (3, 5)")
def _a_pair(shift: Any) -> Observed:
    """Two tensors come back, both with one token less a row."""
    result = shift(torch.tensor(SENTENCES))
    pair = tuple(result) if isinstance(result, list) else result
    return {"the result": shapes(pair)}


@probe(SHIFT, "dtype", "shift_targets(tgt), tgt int64")
def _ids_stay_ids(shift: Any) -> Observed:
    """Ids stay ids: the dtype is that of the target."""
    decoder_input, labels = shift(torch.tensor(SENTENCES))
    return {
        "the dtype of decoder_input": str(decoder_input.dtype),
        "the dtype of labels": str(labels.dtype),
    }


@probe(SHIFT, "values", f"shift_targets(tgt), tgt = {SENTENCES[:1]}")
def _one_target(shift: Any) -> Observed:
    """The decoder reads all but the last, and says all but the first."""
    decoder_input, labels = shift(torch.tensor(SENTENCES[:1]))
    return {"decoder_input": decoder_input, "labels": labels}


@probe(SHIFT, "values", f"shift_targets(tgt), tgt = {SENTENCES}")
def _several_targets(shift: Any) -> Observed:
    """Each sentence is shifted for itself; padding is moved like a word."""
    decoder_input, labels = shift(torch.tensor(SENTENCES))
    return {"decoder_input": decoder_input, "labels": labels}


@probe(SHIFT, "values", "shift_targets(tgt), tgt = [[1, 2]]")
def _two_tokens(shift: Any) -> Observed:
    """Two tokens are enough: one to read, one to say."""
    decoder_input, labels = shift(torch.tensor([[BOS, EOS]]))
    return {"decoder_input": decoder_input, "labels": labels}


@probe(SHIFT, "values", "shift_targets(tgt), then look at tgt")
def _target_stays(shift: Any) -> Observed:
    """The caller's tensor is left as it was."""
    tgt = torch.tensor(SENTENCES)
    shift(tgt)
    return {"tgt": tgt}


@probe(SHIFT, "errors", "shift_targets(tgt), tgt (3, 1), then (3, 0)")
def _too_short(shift: Any) -> Observed:
    """Fewer than two tokens a row are a ValueError."""
    return {
        "a tgt (3, 1)": refusal(lambda: shift(_ones(3, 1))),
        "a tgt (3, 0)": refusal(lambda: shift(_ones(3, 0))),
    }


@probe(SHIFT, "errors", "shift_targets(tgt), tgt (5,), then (2, 3, 5)")
def _no_batch(shift: Any) -> Observed:
    """What has not two axes is a ValueError."""
    return {
        "a tgt (5,)": refusal(lambda: shift(_ones(5))),
        "a tgt (2, 3, 5)": refusal(lambda: shift(_ones(2, 3, 5))),
    }


def _ones(*shape: int) -> Tensor:
    return torch.ones(shape, dtype=torch.long)


# --- loss-label-smoothing ---------------------------------------------------

SMOOTH = "loss-label-smoothing"
V = 7
LOOSE = 1e-6
"""A distribution that is kept in float32 is exact enough."""

ONE = torch.tensor([3])
WORDS = torch.tensor([3, 1, 6, 3, 2])
"""Five targets; 0 is the padding, and there is none."""
PAD = 2
PADDED = torch.tensor([0, PAD, 3, 6, PAD, PAD, 1])
"""Four targets among padding; 0 is a word."""


def _loss(
    owner: Any,
    logits: Tensor,
    target: Tensor,
    pad_id: int = 0,
    smoothing: float = 0.1,
) -> Tensor:
    """Make a loss and call it."""
    result: Tensor = owner(V, pad_id, smoothing)(logits, target.clone())
    return result


def _logits(rows: int) -> Tensor:
    return 2.0 * make("logits", rows, V)


@probe(
    SMOOTH, "shape", "LabelSmoothing(7, 0)(logits, target), (5, 7) and (5,)"
)
def _a_scalar(owner: Any) -> Observed:
    """The loss is a tensor without axes."""
    loss = _loss(owner, _logits(5), WORDS)
    return {"the loss": shapes(loss)}


@probe(SMOOTH, "dtype", "LabelSmoothing(7, 0)(logits, target), float32")
def _dtype_of_the_logits(owner: Any) -> Observed:
    """The loss has the dtype of the logits."""
    return {
        "the dtype of the loss": str(
            _loss(owner, _logits(5).float(), WORDS).dtype
        )
    }


@probe(
    SMOOTH,
    "values",
    "LabelSmoothing(7, 0, 0.1), target [3]: logit by logit raised by 1",
    LOOSE,
)
def _what_is_wanted(owner: Any) -> Observed:
    """The more a token is wanted, the more its logit lowers the loss.

    The true one most, padding not at all, and all others alike.
    """
    flat = torch.zeros(1, V, dtype=torch.float64)
    before = float(_loss(owner, flat, ONE))
    raised = torch.eye(V, dtype=torch.float64)
    after = [float(_loss(owner, row[None], ONE)) for row in raised]
    return {
        "the fall of the loss": before
        - torch.tensor(after, dtype=torch.float64)
    }


@probe(
    SMOOTH,
    "values",
    "LabelSmoothing(7, 0, 0.1), target [3], logits of a perfect model",
    LOOSE,
)
def _a_perfect_model(owner: Any) -> Observed:
    """A model that says exactly what is wanted has loss 0."""
    wanted = torch.full((1, V), 0.1 / (V - 2), dtype=torch.float64)
    wanted[0, 3] = 0.9
    wanted[0, 0] = 1e-30
    loss = float(_loss(owner, wanted.log(), ONE))
    return {"the loss": round(loss, 9) + 0.0}


@probe(SMOOTH, "values", "LabelSmoothing(7, 0, 0.1), target [3]", LOOSE)
def _one_position(owner: Any) -> Observed:
    """The loss of one target is its divergence, padding's column unused."""
    return {"the loss": float(_loss(owner, _logits(1), ONE))}


@probe(
    SMOOTH,
    "values",
    "LabelSmoothing(7, 0, 0.1), target [3, 1, 6, 3, 2]",
    LOOSE,
)
def _mean_of_positions(owner: Any) -> Observed:
    """The loss of several targets is the mean of their divergences."""
    return {"the loss": float(_loss(owner, _logits(5), WORDS))}


@probe(
    SMOOTH,
    "values",
    "LabelSmoothing(7, 0, 0.4), target [3, 1, 6, 3, 2]",
    LOOSE,
)
def _more_smoothing(owner: Any) -> Observed:
    """The argument smoothing says how much the others share."""
    return {"the loss": float(_loss(owner, _logits(5), WORDS, smoothing=0.4))}


@probe(
    SMOOTH,
    "values",
    "LabelSmoothing(7, 0, 0.0), target [3, 1, 6, 3, 2]",
    LOOSE,
)
def _no_smoothing(owner: Any) -> Observed:
    """Without smoothing it is the cross-entropy, and never NaN."""
    return {"the loss": float(_loss(owner, _logits(5), WORDS, smoothing=0.0))}


@probe(
    SMOOTH,
    "values",
    "LabelSmoothing(7, 0, 0.1), logits in the thousands",
    LOOSE,
)
def _large_logits(owner: Any) -> Observed:
    """Logits in the thousands give a large loss, not infinity or NaN."""
    return {"the loss": float(_loss(owner, 1000.0 * _logits(5), WORDS))}


@probe(SMOOTH, "values", "LabelSmoothing(7, 2), then look at both arguments")
def _arguments_stay(owner: Any) -> Observed:
    """The logits and the target are left as they were."""
    logits, target = _logits(7), PADDED.clone()
    owner(V, PAD, 0.1)(logits, target)
    return {"logits": logits, "target": target}


@probe(SMOOTH, "mask", "LabelSmoothing(7, 2), other logits where target is 2")
def _padding_is_ignored(owner: Any) -> Observed:
    """What the model says at padding does not move the loss."""
    logits = _logits(7)
    before = float(_loss(owner, logits, PADDED, PAD))
    logits[PADDED == PAD] = -2.0 * logits[PADDED == PAD]
    after = float(_loss(owner, logits, PADDED, PAD))
    still = abs(after - before) < LOOSE
    return {"the loss": "stays the same" if still else "changes"}


@probe(SMOOTH, "mask", "LabelSmoothing(7, 2), target [0, 3, 6]", LOOSE)
def _zero_is_a_word(owner: Any) -> Observed:
    """The padding is pad_id: where that is 2, the token 0 is a word."""
    target = torch.tensor([0, 3, 6])
    return {"the loss": float(_loss(owner, _logits(3), target, PAD))}


@probe(
    SMOOTH, "mask", "LabelSmoothing(7, 2), target [0, 2, 3, 6, 2, 2, 1]", LOOSE
)
def _mean_of_real_targets(owner: Any) -> Observed:
    """The mean goes over the real targets: padding is not counted."""
    return {"the loss": float(_loss(owner, _logits(7), PADDED, PAD))}


@probe(SMOOTH, "empty", "LabelSmoothing(7, 2), target [2, 2, 2]")
def _nothing_but_padding(owner: Any) -> Observed:
    """A batch of nothing but padding has loss 0, not NaN."""
    target = torch.full((3,), PAD)
    return {"the loss": float(_loss(owner, _logits(3), target, PAD))}


@probe(SMOOTH, "errors", "LabelSmoothing(7, 0, -0.1)")
def _negative_smoothing(owner: Any) -> Observed:
    """A smoothing below 0 is a ValueError."""
    return {"a smoothing of -0.1": refusal(lambda: owner(V, 0, -0.1))}


@probe(
    SMOOTH, "errors", "LabelSmoothing(7, 0, 1.0), LabelSmoothing(7, 0, 1.5)"
)
def _too_much_smoothing(owner: Any) -> Observed:
    """A smoothing of 1 or more is a ValueError."""
    return {
        "a smoothing of 1.0": refusal(lambda: owner(V, 0, 1.0)),
        "a smoothing of 1.5": refusal(lambda: owner(V, 0, 1.5)),
    }


@probe(SMOOTH, "errors", "LabelSmoothing(7, 7), then LabelSmoothing(7, -1)")
def _bad_padding(owner: Any) -> Observed:
    """A pad_id that is no token is a ValueError."""
    return {
        "a pad_id of 7": refusal(lambda: owner(V, V)),
        "a pad_id of -1": refusal(lambda: owner(V, -1)),
    }


@probe(SMOOTH, "errors", "LabelSmoothing(2, 0)")
def _nobody_to_share_with(owner: Any) -> Observed:
    """Padding and one token leave nobody to share with: a ValueError."""
    return {"a vocab_size of 2": refusal(lambda: owner(2, 0))}


@probe(
    SMOOTH,
    "gradients",
    "LabelSmoothing(7, 2), target [0, 2, 3, 6, 2, 2, 1]",
    LOOSE,
)
def _gradients_of_logits(owner: Any) -> Observed:
    """The logits of real targets get a gradient, those of padding zero."""
    logits = _logits(7).requires_grad_()
    loss = _loss(owner, logits, PADDED, PAD)
    (found,) = gradients(loss[None], logits)
    return {"the gradient of the logits": found}


@probe(
    SMOOTH,
    "gradients",
    "LabelSmoothing(7, 2), target [2, 2, 2], then backward",
)
def _gradients_of_nothing(owner: Any) -> Observed:
    """A batch of nothing but padding can go backward, and teaches nothing."""
    logits = _logits(3).requires_grad_()
    loss = _loss(owner, logits, torch.full((3,), PAD), PAD)
    (found,) = gradients(loss[None], logits)
    return {"the gradient of the logits": found}


@probe(SMOOTH, "parameters", "LabelSmoothing(7, 2).pad_id")
def _padding_is_kept(owner: Any) -> Observed:
    """The padding's id is kept as pad_id, for whoever counts tokens."""
    return {"loss_fn.pad_id": getattr(owner(V, PAD), "pad_id", None)}


@probe(SMOOTH, "parameters", "LabelSmoothing(7, 2).parameters()")
def _nothing_to_learn(owner: Any) -> Observed:
    """A loss has nothing to learn."""
    return {"the number of parameters": len(list(owner(V, PAD).parameters()))}


@probe(SMOOTH, "modes", "LabelSmoothing(7, 2).eval()", LOOSE)
def _evaluation(owner: Any) -> Observed:
    """In evaluation mode it is the same loss."""
    loss_fn = owner(V, PAD, 0.1).eval()
    return {"the loss": float(loss_fn(_logits(7), PADDED.clone()))}


@probe(
    SMOOTH, "modes", "LabelSmoothing(7, 2), called with 7 rows, then 3", LOOSE
)
def _again(owner: Any) -> Observed:
    """A second call knows nothing of the first."""
    loss_fn = owner(V, PAD, 0.1)
    loss_fn(_logits(7), PADDED.clone())
    return {"the loss": float(loss_fn(_logits(3), torch.tensor([0, 3, 6])))}


@probe(SMOOTH, "device", "LabelSmoothing(7, 2), as if on a GPU")
def _where_the_logits_are(owner: Any) -> Observed:
    """Whatever meets the logits is made where they are.

    Made without a device, a tensor lies on the CPU, and on a GPU that fails.
    """
    with _Homeless() as found:
        loss_fn = owner(V, PAD, 0.1)
        found.move(loss_fn.buffers())
        loss_fn(_logits(7), PADDED.clone())
    return {"a tensor on the CPU meets the logits": found.met}


MAKERS = {
    *(torch.zeros, torch.ones, torch.full, torch.empty, torch.tensor),
    *(torch.arange, torch.eye, torch.linspace, torch.as_tensor),
}
"""They make a tensor on the CPU if nobody names a device."""
MOVERS = {Tensor.to, Tensor.type_as, Tensor.cuda, Tensor.cpu}
INDEXERS = {Tensor.__getitem__, Tensor.__setitem__}
"""Their indices may lie on the CPU, whatever they are an index of."""


class _Homeless(TorchFunctionMode):
    """Watch whether tensors that were made without a device meet others.

    There may be no GPU here, but there is a way to see what would fail on it.
    Tensors without axes may meet any other.
    """

    def __init__(self) -> None:
        super().__init__()
        self.met = False
        self.homeless: list[Tensor] = []

    def move(self, tensors: Any) -> None:
        """Take tensors for moved, as `Module.to` moves buffers."""
        moved = {id(tensor) for tensor in tensors}
        self.homeless = [t for t in self.homeless if id(t) not in moved]

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Call a function of torch, and look at what goes in and out."""
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if func in MOVERS:
            # What is on the CPU already comes back as it is.
            self.move([result])
            return result
        known = {id(tensor) for tensor in self.homeless}
        inputs = [t for t in _tensors([*args, *kwargs.values()]) if t.dim()]
        strays = [id(t) in known for t in inputs]
        if func in INDEXERS and not any(strays[:1]):
            return result
        self.met |= any(strays) and not all(strays)
        made = func in MAKERS and "device" not in kwargs
        if made or any(strays):
            self.homeless += [t for t in _tensors([result]) if t.dim()]
        return result


def _tensors(values: Any) -> list[Tensor]:
    """Find the tensors among values and in their lists and tuples."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found += _tensors(value)
    return found
