"""Probes of the exercises in `laidout.layers`."""

from typing import Any

import torch
from torch import Tensor, nn

from laidout.workshop.probes import Observed, probe
from laidout.workshop.tensors import (
    BATCH,
    D_MODEL,
    FIXED,
    HEADS,
    SOURCES,
    TARGETS,
    count,
    filled,
    gradients,
    make,
    make_mask,
    shapes,
    unused,
)

D_FF = 17
LAST = {"w_o", "w_2"}
"""The parts that end a sub-layer: attention and feed-forward network."""
GRADIENTS = "the gradient of x", "the gradient of memory"


# --- helpers ----------------------------------------------------------------


@torch.no_grad()
def silence(module: nn.Module, *names: str) -> None:
    """Let sub-layers return zeros: those whose last part has such a name."""
    for path, part in module.named_modules():
        if path.rpartition(".")[2] in names:
            for parameter in part.parameters():
                parameter.zero_()


@torch.no_grad()
def even_out(module: nn.Module, *names: str) -> None:
    """Let sub-layers return ones, as long as nothing in them is dropped.

    What they work with is the same at every place, 0.5; so whatever is
    dropped on the way changes the sum that the last part makes of it, and
    differently for each feature.
    """
    for path, part in module.named_modules():
        name = path.rpartition(".")[2]
        if name in {"w_v", "w_1"}:
            _be_constant(part, 0.5)
        elif name in names:
            weight: Any = part.weight
            bias: Any = part.bias
            bias.copy_(1.0 - 0.5 * weight.sum(-1))


@torch.no_grad()
def plain_norms(module: nn.Module) -> None:
    """Give the norms gain 1 and bias 0, whatever the parts are called."""
    for path, parameter in module.named_parameters():
        *owners, name = path.split(".")
        if parameter.dim() == 1 and not FIXED & set(owners[-1:]):
            parameter.fill_(0.0 if "bias" in name else 1.0)


def _be_constant(part: Any, value: float) -> None:
    """Let a linear layer return one number, whatever comes in."""
    part.weight.zero_()
    part.bias.fill_(value)


def in_plain_lists(module: nn.Module) -> bool:
    """Tell whether lists hold modules that PyTorch cannot see."""
    known = {id(part) for part in module.modules()}
    lists = (v for v in vars(module).values() if isinstance(v, list | tuple))
    return any(
        isinstance(part, nn.Module) and id(part) not in known
        for each in lists
        for part in each
    )


def _levels(output: Tensor) -> int:
    """Count the different numbers in the most varied row of an output."""
    rows = output.flatten(0, -2).tolist()
    return max(len({round(number, 6) for number in row}) for row in rows)


def _layer(kind: Any, dropout: float = 0.0) -> Any:
    """Build a layer of width 33, with 3 heads, 17 in the middle, filled."""
    return filled(kind(D_MODEL, HEADS, D_FF, dropout))


def _source() -> Tensor:
    """Make what an encoder layer gets, or the memory: (2, 7, 33)."""
    return make("source", BATCH, SOURCES, D_MODEL)


def _target() -> Tensor:
    """Make what a decoder layer gets: (2, 5, 33)."""
    return make("target", BATCH, TARGETS, D_MODEL)


def _all_but_the_last(length: int) -> Tensor:
    """Make a mask that hides a sentence's last word: (1, 1, 1, length)."""
    mask = torch.ones(1, 1, 1, length, dtype=torch.bool)
    mask[..., -1] = False
    return mask


def _moved(before: Tensor, after: Tensor) -> list[int]:
    """List the positions whose vectors have changed."""
    change = (after - before).abs().amax(-1).amax(0)
    return [place for place, far in enumerate(change) if far > 1e-9]


# --- layers-encoder ---------------------------------------------------------

ENC = "layers-encoder"
BUILT = "EncoderLayer(33, 3, 17, dropout={})"
LAYER = BUILT.format(0.0)
PLAIN = f"layer(x) with layer = {LAYER}"
MASKED = f"layer(x, mask) with layer = {LAYER}"


@probe(ENC, "shape", f"the parts of {LAYER}")
def _encoder_is_seen(kind: Any) -> Observed:
    """PyTorch can see all parts, so that they are trained."""
    return {"a plain list holds modules": in_plain_lists(_layer(kind))}


@probe(ENC, "shape", f"{PLAIN}, x of shape (2, 7, 33)")
def _encoder_shape(kind: Any) -> Observed:
    """What comes out has the shape of what goes in."""
    return {"the result": shapes(_layer(kind)(_source()))}


@probe(ENC, "dtype", f"{PLAIN}, everything float32")
def _encoder_dtype(kind: Any) -> Observed:
    """The result has the dtype of the input and of the weights."""
    output = kind(D_MODEL, HEADS, D_FF)(_source().float())
    return {"the dtype of the output": str(output.dtype)}


@probe(ENC, "values", f"{PLAIN}, the attention returns zeros")
def _encoder_without_attention(kind: Any) -> Observed:
    """The second block is LayerNorm(y + f(y)), y what the first one made."""
    layer = _layer(kind)
    silence(layer, "w_o")
    return {"the output": layer(_source())}


@probe(ENC, "values", f"{PLAIN}, the feed-forward network returns zeros")
def _encoder_without_feed_forward(kind: Any) -> Observed:
    """The first block is LayerNorm(x + f(x)), f the self-attention."""
    layer = _layer(kind)
    silence(layer, "w_2")
    return {"the output": layer(_source())}


@probe(ENC, "values", f"{PLAIN}, x of shape (2, 7, 33)")
def _encoder_values(kind: Any) -> Observed:
    """The feed-forward network works on what the attention block made."""
    return {"the output": _layer(kind)(_source())}


@probe(ENC, "values", f"{PLAIN}, then x is looked at")
def _encoder_leaves_its_input(kind: Any) -> Observed:
    """The tensor of the caller is left as it was."""
    x = _source()
    _layer(kind)(x)
    return {"x": x}


@probe(ENC, "mask", f"{MASKED}, the mask (1, 1, 1, 7) hides the last word")
def _encoder_mask(kind: Any) -> Observed:
    """What the mask hides gets no weight in the attention."""
    layer = _layer(kind)
    return {"the output": layer(_source(), _all_but_the_last(SOURCES))}


@probe(ENC, "mask", f"{MASKED}, then again with another last word")
def _encoder_hides(kind: Any) -> Observed:
    """What the mask hides moves no other position."""
    layer, mask = _layer(kind), _all_but_the_last(SOURCES)
    before = layer(_source(), mask)
    x = _source()
    x[:, -1] += make("change", D_MODEL)
    return {"the positions that moved": _moved(before, layer(x, mask))}


@probe(ENC, "mask", f"{MASKED}, a mask of its own for each head (2, 3, 7, 7)")
def _encoder_mask_for_each_head(kind: Any) -> Observed:
    """The mask may differ by sentence, by head and by query."""
    mask = make_mask("heads", BATCH, HEADS, SOURCES, SOURCES)
    return {"the output": _layer(kind)(_source(), mask)}


@probe(ENC, "empty", f"{MASKED}, the mask hides everything")
def _encoder_empty(kind: Any) -> Observed:
    """A word that may look at nothing still comes out as numbers."""
    mask = torch.zeros(1, 1, 1, SOURCES, dtype=torch.bool)
    return {"the output": _layer(kind)(_source(), mask)}


@probe(ENC, "gradients", f"{PLAIN}, then backward")
def _encoder_gradients(kind: Any) -> Observed:
    """The gradient reaches x through both blocks."""
    x = _source().requires_grad_()
    return {"the gradient of x": gradients(_layer(kind)(x), x)[0]}


@probe(ENC, "parameters", LAYER)
def _encoder_size(kind: Any) -> Observed:
    """Every part is there, once, and PyTorch can see it."""
    return {"numbers to learn": count(_layer(kind))}


@probe(ENC, "parameters", f"{PLAIN}, then backward")
def _encoder_unused(kind: Any) -> Observed:
    """Every parameter takes part in the output."""
    layer = _layer(kind)
    idle = unused(layer, layer(_source()))
    return {"parameters without gradient": idle}


@probe(ENC, "modes", f"layer.eval()(x) with layer = {BUILT.format(1.0)}")
def _encoder_evaluates(kind: Any) -> Observed:
    """In evaluation mode nothing is dropped."""
    return {"the output": _layer(kind, 1.0)(_source())}


@probe(ENC, "modes", f"layer.train()(x) with layer = {LAYER}")
def _encoder_rate(kind: Any) -> Observed:
    """With a dropout of 0 training and evaluation do the same."""
    layer = _layer(kind)
    quiet = layer(_source())
    same = torch.allclose(layer.train()(_source()), quiet)
    return {"train mode does what eval mode does": same}


@probe(ENC, "modes", f"layer.train()(x) with layer = {BUILT.format(1.0)}")
def _encoder_drops(kind: Any) -> Observed:
    """Dropout falls on each sub-layer's output before the sum: with a rate of
    1 the norms of x are left.
    """
    return {"the output": _layer(kind, 1.0).train()(_source())}


@probe(ENC, "modes", f"layer.train()(x) with layer = {BUILT.format(0.5)}")
def _encoder_drops_no_weights(kind: Any) -> Observed:
    """Nothing is dropped inside the attention, only what it returns."""
    return {"weights are dropped": _most_levels(kind, "w_o", _zeros()) > 2}


@probe(ENC, "modes", f"layer.train()(x) with layer = {BUILT.format(0.5)}")
def _encoder_drops_nothing_in_the_middle(kind: Any) -> Observed:
    """Nothing is dropped inside the feed-forward network, only what it
    returns.
    """
    return {"features are dropped": _most_levels(kind, "w_2", _zeros()) > 2}


def _zeros() -> Tensor:
    """Make sentences of nothing, (2, 7, 33)."""
    return torch.zeros(BATCH, SOURCES, D_MODEL).double()


def _most_levels(kind: Any, name: str, *given: Tensor) -> int:
    """Count the different numbers in a row if only some sub-layers speak.

    Those that end in a part of that name return ones, as long as nothing in
    them is dropped. If each output is then dropped or not, a row holds two
    numbers after one such sub-layer, four after two.
    """
    layer = _layer(kind, 0.5).train()
    plain_norms(layer)
    silence(layer, *(LAST - {name}))
    even_out(layer, name)
    return _levels(layer(*given))


# --- layers-decoder ---------------------------------------------------------

DEC = "layers-decoder"
DEC_BUILT = "DecoderLayer(33, 3, 17, dropout={})"
DEC_LAYER = DEC_BUILT.format(0.0)
DEC_PLAIN = f"layer(x, memory) with layer = {DEC_LAYER}"
WITH = f"with layer = {DEC_LAYER}"


def _decoder_output(kind: Any, *silent: str) -> Tensor:
    """Run a decoder layer some of whose sub-layers return zeros."""
    layer = _layer(kind)
    silence(layer, *silent)
    output: Tensor = layer(_target(), _source())
    return output


@probe(DEC, "shape", f"the parts of {DEC_LAYER}")
def _decoder_is_seen(kind: Any) -> Observed:
    """PyTorch can see all parts, so that they are trained."""
    return {"a plain list holds modules": in_plain_lists(_layer(kind))}


@probe(DEC, "shape", f"{DEC_PLAIN}, shapes (2, 5, 33) and (2, 7, 33)")
def _decoder_shape(kind: Any) -> Observed:
    """What comes out has the shape of the target."""
    return {"the result": shapes(_decoder_output(kind))}


@probe(DEC, "dtype", f"{DEC_PLAIN}, everything float32")
def _decoder_dtype(kind: Any) -> Observed:
    """The result has the dtype of the inputs and of the weights."""
    layer = kind(D_MODEL, HEADS, D_FF)
    output = layer(_target().float(), _source().float())
    return {"the dtype of the output": str(output.dtype)}


@probe(DEC, "values", f"{DEC_PLAIN}, one word each, no feed-forward network")
def _decoder_of_one_word(kind: Any) -> Observed:
    """Of two single words, the target's is mixed with the source's."""
    layer = _layer(kind)
    silence(layer, "w_2")
    return {"the output": layer(_target()[:, :1], _source()[:, :1])}


@probe(DEC, "values", f"{DEC_PLAIN}, the feed-forward network returns zeros")
def _decoder_without_feed_forward(kind: Any) -> Observed:
    """First the target looks at itself, then at the memory."""
    return {"the output": _decoder_output(kind, "w_2")}


@probe(DEC, "values", f"{DEC_PLAIN}, both attentions return zeros")
def _decoder_without_attention(kind: Any) -> Observed:
    """The third block is LayerNorm(y + f(y)), y what the second one made."""
    return {"the output": _decoder_output(kind, "w_o")}


@probe(DEC, "values", f"{DEC_PLAIN}, shapes (2, 5, 33) and (2, 7, 33)")
def _decoder_values(kind: Any) -> Observed:
    """The feed-forward network works on what the second block made."""
    return {"the output": _decoder_output(kind)}


@probe(DEC, "values", f"{DEC_PLAIN}, then x and memory are looked at")
def _decoder_leaves_its_inputs(kind: Any) -> Observed:
    """The tensors of the caller are left as they were."""
    x, memory = _target(), _source()
    _layer(kind)(x, memory)
    return {"x": x, "memory": memory}


@probe(
    DEC, "mask", f"layer(x, memory, tgt_mask) {WITH}, the last word is hidden"
)
def _decoder_tgt_mask(kind: Any) -> Observed:
    """The target's mask hides words of the target from the target."""
    mask = _all_but_the_last(TARGETS)
    return {"the output": _layer(kind)(_target(), _source(), mask)}


@probe(
    DEC,
    "mask",
    f"layer(x, memory, memory_mask=mask) {WITH}, its last word is hidden",
)
def _decoder_memory_mask(kind: Any) -> Observed:
    """The memory's mask hides words of the source from the target."""
    mask = _all_but_the_last(SOURCES)
    output = _layer(kind)(_target(), _source(), memory_mask=mask)
    return {"the output": output}


@probe(DEC, "mask", f"layer(x, memory, tgt_mask) {WITH}, the future is hidden")
def _decoder_hides_the_future(kind: Any) -> Observed:
    """A word that comes later moves no earlier position."""
    layer = _layer(kind)
    mask = torch.ones(TARGETS, TARGETS, dtype=torch.bool).tril()
    before = layer(_target(), _source(), mask)
    x = _target()
    x[:, 3] += make("change", D_MODEL)
    moved = _moved(before, layer(x, _source(), mask))
    return {"the positions that moved when x[:, 3] was changed": moved}


@probe(
    DEC,
    "mask",
    f"layer(x, memory, tgt_mask, memory_mask) {WITH}, a mask for each head",
)
def _decoder_both_masks(kind: Any) -> Observed:
    """Both masks may differ by sentence, by head and by query."""
    masks = (
        make_mask("own", BATCH, HEADS, TARGETS, TARGETS),
        make_mask("across", BATCH, HEADS, TARGETS, SOURCES),
    )
    return {"the output": _layer(kind)(_target(), _source(), *masks)}


@probe(
    DEC,
    "empty",
    f"layer(x, memory, tgt_mask, memory_mask) {WITH}, all is hidden",
)
def _decoder_empty(kind: Any) -> Observed:
    """A word that may look at nothing still comes out as numbers."""
    tgt_mask = torch.zeros(TARGETS, TARGETS, dtype=torch.bool)
    memory_mask = torch.zeros(TARGETS, SOURCES, dtype=torch.bool)
    output = _layer(kind)(_target(), _source(), tgt_mask, memory_mask)
    return {"the output": output}


@probe(DEC, "gradients", f"{DEC_PLAIN}, then backward")
def _decoder_gradients(kind: Any) -> Observed:
    """The gradient reaches the target, and the memory: so the encoder learns
    from the decoder.
    """
    x, memory = _target().requires_grad_(), _source().requires_grad_()
    found = gradients(_layer(kind)(x, memory), x, memory)
    return dict(zip(GRADIENTS, found, strict=True))


@probe(DEC, "parameters", DEC_LAYER)
def _decoder_size(kind: Any) -> Observed:
    """Every part is there, once, and PyTorch can see it."""
    return {"numbers to learn": count(_layer(kind))}


@probe(DEC, "parameters", f"{DEC_PLAIN}, then backward")
def _decoder_unused(kind: Any) -> Observed:
    """Every parameter takes part in the output."""
    layer = _layer(kind)
    idle = unused(layer, layer(_target(), _source()))
    return {"parameters without gradient": idle}


@probe(
    DEC,
    "modes",
    f"layer.eval()(x, memory) with layer = {DEC_BUILT.format(1.0)}",
)
def _decoder_evaluates(kind: Any) -> Observed:
    """In evaluation mode nothing is dropped."""
    return {"the output": _layer(kind, 1.0)(_target(), _source())}


@probe(DEC, "modes", f"layer.train()(x, memory) {WITH}")
def _decoder_rate(kind: Any) -> Observed:
    """With a dropout of 0 training and evaluation do the same."""
    layer = _layer(kind)
    quiet = layer(_target(), _source())
    same = torch.allclose(layer.train()(_target(), _source()), quiet)
    return {"train mode does what eval mode does": same}


@probe(
    DEC,
    "modes",
    f"layer.train()(x, memory) with layer = {DEC_BUILT.format(1.0)}",
)
def _decoder_drops(kind: Any) -> Observed:
    """Dropout falls on each sub-layer's output before the sum: with a rate of
    1 the norms of x are left.
    """
    return {"the output": _layer(kind, 1.0).train()(_target(), _source())}


@probe(
    DEC,
    "modes",
    f"layer.train()(x, memory) with layer = {DEC_BUILT.format(0.5)}",
)
def _decoder_drops_no_weights(kind: Any) -> Observed:
    """Nothing is dropped inside the attentions, only what they return."""
    levels = _most_levels(kind, "w_o", _zeros(), _zeros())
    return {"weights are dropped": levels > 4}


@probe(
    DEC,
    "modes",
    f"layer.train()(x, memory) with layer = {DEC_BUILT.format(0.5)}",
)
def _decoder_drops_nothing_in_the_middle(kind: Any) -> Observed:
    """Nothing is dropped inside the feed-forward network, only what it
    returns.
    """
    levels = _most_levels(kind, "w_2", _zeros(), _zeros())
    return {"features are dropped": levels > 2}
