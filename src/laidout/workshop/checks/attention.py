"""Probes of the exercises in `laidout.attention`."""

from collections.abc import Iterable
from pathlib import Path
from traceback import extract_tb
from typing import Any

import torch
from torch import Tensor, nn

from laidout.workshop.probes import Observed, error_of, probe
from laidout.workshop.second_device import SecondDevice
from laidout.workshop.tensors import (
    BATCH,
    D_K,
    D_MODEL,
    D_V,
    HEADS,
    SOURCES,
    TARGETS,
    filled,
    gradients,
    make,
    make_mask,
    shapes,
)

# --- attention-scaled-dot-product -------------------------------------------

SDPA = "attention-scaled-dot-product"
PLAIN = "scaled_dot_product_attention(query, key, value)"
MASKED = "scaled_dot_product_attention(query, key, value, mask)"
DROPPED = "scaled_dot_product_attention(query, key, value, None, dropout)"


def _inputs() -> tuple[Tensor, Tensor, Tensor]:
    """Make query (2, 3, 5, 11), key (2, 3, 7, 11), value (2, 3, 7, 13)."""
    return (
        make("query", BATCH, HEADS, TARGETS, D_K),
        make("key", BATCH, HEADS, SOURCES, D_K),
        make("value", BATCH, HEADS, SOURCES, D_V),
    )


@probe(SDPA, "shape", f"{PLAIN}, matrices of (5, 11), (7, 11), (7, 13)")
def _a_pair_of_matrices(attend: Any) -> Observed:
    """Matrices give a pair of matrices: first the output, then the weights."""
    query, key, value = (part[0, 0] for part in _inputs())
    return {"the result": shapes(attend(query, key, value))}


@probe(SDPA, "shape", f"{PLAIN}, shapes (2, 3, 5, 11), (2, 3, 7, 11), ...")
def _axes_in_front(attend: Any) -> Observed:
    """Whatever axes stand in front of the last two are kept."""
    return {"the result": shapes(attend(*_inputs()))}


@probe(SDPA, "dtype", f"{PLAIN}, all of them float32")
def _dtype(attend: Any) -> Observed:
    """The results have the dtype of the inputs."""
    output, weights = attend(*(part.float() for part in _inputs()))
    return {
        "the output's dtype": str(output.dtype),
        "the weights' dtype": str(weights.dtype),
    }


@probe(SDPA, "values", f"{PLAIN}, all queries zero")
def _no_preference(attend: Any) -> Observed:
    """A query that fits all keys alike gives each of them the same weight."""
    query, key, value = _inputs()
    output, weights = attend(torch.zeros_like(query), key, value)
    return {"the weights": weights, "the output": output}


@probe(SDPA, "values", f"{PLAIN}, one matrix each")
def _one_matrix(attend: Any) -> Observed:
    """The weights are the softmax, over the keys, of the scaled scores."""
    query, key, value = (part[0, 0] for part in _inputs())
    output, weights = attend(query, key, value)
    return {"the weights": weights, "the output": output}


@probe(SDPA, "values", f"{PLAIN}, batch and heads in front")
def _batches(attend: Any) -> Observed:
    """Each sentence and each head is worked out for itself."""
    output, weights = attend(*_inputs())
    return {"the weights": weights, "the output": output}


@probe(SDPA, "values", f"{PLAIN}, queries a thousand times as long")
def _large_scores(attend: Any) -> Observed:
    """Scores in the thousands are no reason for NaN."""
    query, key, value = _inputs()
    output, weights = attend(1000.0 * query, key, value)
    return {"the weights": weights, "the output": output}


@probe(SDPA, "values", f"{PLAIN}, then the same tensors are looked at")
def _inputs_stay(attend: Any) -> Observed:
    """The tensors of the caller are left as they were."""
    query, key, value = _inputs()
    attend(query, key, value, make_mask("mask", TARGETS, SOURCES))
    return {
        "the query": query,
        "the key": key,
        "the value": value,
    }


@probe(SDPA, "mask", f"{MASKED}, each query may see one key, another each")
def _one_key_allowed(attend: Any) -> Observed:
    """With a single key allowed its value comes out, whatever the scores."""
    mask = torch.eye(TARGETS, SOURCES, dtype=torch.bool)
    output, weights = attend(*_inputs(), mask)
    return {"the weights": weights, "the output": output}


@probe(SDPA, "mask", f"{MASKED}, a third of the keys hidden")
def _hidden_keys(attend: Any) -> Observed:
    """Hidden keys get weight 0, and the others share a total of one."""
    mask = make_mask("mask", BATCH, 1, TARGETS, SOURCES)
    output, weights = attend(*_inputs(), mask)
    return {
        "the weights": weights,
        "the sums of the weights": weights.sum(-1),
        "the output": output,
    }


@probe(SDPA, "mask", f"{MASKED}, once more with other hidden keys")
def _no_leak(attend: Any) -> Observed:
    """What is hidden moves nothing: change it, and the output stays."""
    query, key, value = _inputs()
    mask = torch.ones(TARGETS, SOURCES, dtype=torch.bool)
    mask[:, 4:] = False
    before, _ = attend(query, key, value, mask)
    key[..., 4:, :] += 30.0
    value[..., 4:, :] -= 30.0
    after, _ = attend(query, key, value, mask)
    return {"the change of the output": after - before}


@probe(SDPA, "empty", f"{MASKED}, the mask hides all keys from query 2")
def _nothing_allowed(attend: Any) -> Observed:
    """A query that may attend to nothing gets zeros, not NaN."""
    output, weights = attend(*_inputs(), _empty_row())
    return {
        "query 2's row of weights": weights[0, 0, 2],
        "query 2's output": output[0, 0, 2],
    }


@probe(SDPA, "empty", f"{MASKED}, the mask hides all keys from query 2")
def _nothing_allowed_elsewhere(attend: Any) -> Observed:
    """An empty query does not disturb the others."""
    output, weights = attend(*_inputs(), _empty_row())
    return {"the weights": weights, "the output": output}


def _empty_row() -> Tensor:
    """Make a mask (5, 7) in which one query may attend to nothing."""
    mask = make_mask("mask", TARGETS, SOURCES)
    mask[2] = False
    return mask


@probe(SDPA, "gradients", f"{PLAIN}, then backward from the output")
def _gradients(attend: Any) -> Observed:
    """Query, key and value all get their gradient through the output."""
    inputs = [part.requires_grad_() for part in _inputs()]
    output, _ = attend(*inputs)
    names = "query", "key", "value"
    found = gradients(output, *inputs)
    return _by_name("the gradient of the {}", names, found)


@probe(SDPA, "gradients", f"{MASKED}, one query empty, then backward")
def _gradients_of_an_empty_row(attend: Any) -> Observed:
    """A query that may attend to nothing has gradient zero, not NaN."""
    query, key, value = (part.requires_grad_() for part in _inputs())
    output, _ = attend(query, key, value, _empty_row())
    found = gradients(output.nan_to_num(), query, key)
    return _by_name("the gradient of the {}", ("query", "key"), found)


def _by_name(
    text: str, names: Iterable[str], found: Iterable[Any]
) -> Observed:
    """Give each thing that was found its name, written into a text."""
    pairs = zip(names, found, strict=True)
    return {text.format(name): thing for name, thing in pairs}


@probe(SDPA, "modes", f"{DROPPED}, dropout = nn.Dropout(1.0), training")
def _everything_dropped(attend: Any) -> Observed:
    """Dropout falls on the weights: with all of them gone, nothing is left."""
    output, _ = attend(*_inputs(), None, nn.Dropout(1.0))
    return {"the output": output}


@probe(SDPA, "modes", f"{DROPPED}, one key, dropout = nn.Dropout(0.5)")
def _whole_values_dropped(attend: Any) -> Observed:
    """Dropout takes out a weight, not single features of the output."""
    query, key, value = _inputs()
    value = torch.ones_like(value[..., :1, :])
    output, _ = attend(query, key[..., :1, :], value, None, nn.Dropout(0.5))
    rows = {tuple(row) for row in output.flatten(0, -2).tolist()}
    return {
        "rows of the output that are neither all 0 nor all 2": len(
            rows - {(0.0,) * D_V, (2.0,) * D_V}
        ),
        "different rows of the output": len(rows),
    }


@probe(SDPA, "modes", f"{DROPPED}, dropout = nn.Dropout(0.5).eval()")
def _no_dropout_in_evaluation(attend: Any) -> Observed:
    """In evaluation mode dropout does nothing."""
    dropout = nn.Dropout(0.5).eval()
    output, weights = attend(*_inputs(), None, dropout)
    return {"the output": output, "the weights": weights}


# --- attention-multi-head ----------------------------------------------------

MHA = "attention-multi-head"
BUILT = "MultiHeadAttention(33, 3)"
CALLED = f"{BUILT}(query, key, value)"
WITH_MASK = f"{BUILT}(query, key, value, mask)"
PARTS = "w_q", "w_k", "w_v", "w_o"


def _sentences() -> tuple[Tensor, Tensor, Tensor]:
    """Make query (2, 5, 33), key (2, 7, 33), value (2, 7, 33)."""
    return (
        make("query", BATCH, TARGETS, D_MODEL),
        make("key", BATCH, SOURCES, D_MODEL),
        make("value", BATCH, SOURCES, D_MODEL),
    )


def _as_long() -> tuple[Tensor, Tensor, Tensor]:
    """Make the same, but keys and values are as many as the queries."""
    query, key, value = _sentences()
    return query, key[:, :TARGETS].clone(), value[:, :TARGETS].clone()


def _module(cls: Any, dropout: float = 0.0) -> Any:
    """Build the module with 3 heads, in evaluation mode, and fill it."""
    return filled(cls(D_MODEL, HEADS, dropout))


def _moved(one: Tensor, other: Tensor, axis: int) -> str:
    """Write down at which places along an axis a change arrived."""
    far = (one - other).abs().transpose(0, axis).flatten(1).amax(1)
    return _in_words((far > 1e-6).nonzero().flatten().tolist())


def _in_words(places: list[int]) -> str:
    """Write numbers down, those in a row from the first to the last."""
    runs: list[list[int]] = []
    for place in places:
        if runs and runs[-1][-1] == place - 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    texts = [
        f"{run[0]} to {run[-1]}" if run[1:] else f"{run[0]}" for run in runs
    ]
    return ", ".join(texts) or "none"


def _padding() -> Tensor:
    """Make a mask (2, 1, 1, 7) that hides other keys in each sentence."""
    mask = torch.ones(BATCH, 1, 1, SOURCES, dtype=torch.bool)
    mask[0, ..., 4:] = False
    mask[1, ..., :2] = False
    return mask


@probe(MHA, "shape", BUILT)
def _three_heads_divide_33(cls: Any) -> Observed:
    """Three heads share 33 features: 11 each, and no error."""
    return {BUILT: "is refused" if _refuses(cls) else "is built"}


def _refuses(cls: Any) -> bool:
    """Tell whether the class itself refuses 3 heads for 33 features.

    Whatever else goes wrong while it is built goes on.
    """
    try:
        cls(D_MODEL, HEADS)
    except (AssertionError, ValueError) as error:
        if _comes_from_torch(error):
            raise
        return True
    return False


def _comes_from_torch(error: Exception) -> bool:
    """Tell whether it is torch that raised an error."""
    raised_in = Path(extract_tb(error.__traceback__)[-1].filename)
    return raised_in.is_relative_to(Path(torch.__file__).parent)


@probe(MHA, "shape", f"the parts of {BUILT}")
def _parts(cls: Any) -> Observed:
    """w_q, w_k, w_v and w_o are linear layers from 33 to 33, with a bias."""
    module = cls(D_MODEL, HEADS)
    seen = {name: _part(getattr(module, name, None)) for name in PARTS}
    matrices = [shapes(p) for p in module.parameters() if p.dim() == 2]
    return {**seen, "all matrices": sorted(matrices)}


def _part(layer: Any) -> str:
    """Write down the shapes of a layer's weight and bias, or what it is."""
    if layer is None:
        return "missing"
    if not hasattr(layer, "weight"):
        return type(layer).__name__
    bias = getattr(layer, "bias", None)
    return f"weight {shapes(layer.weight)}, bias {shapes(bias)}"


@probe(MHA, "shape", f"the parts of {BUILT}")
def _four_layers(cls: Any) -> Observed:
    """w_q, w_k, w_v and w_o are four layers; none of them is another's."""
    module = cls(D_MODEL, HEADS)
    matrices = {id(getattr(module, name).weight) for name in PARTS}
    return {"different weight matrices": len(matrices)}


@probe(MHA, "shape", f"{CALLED}, all of shape (2, 5, 33)")
def _output_shape(cls: Any) -> Observed:
    """The output has the shape of the query."""
    return {"the output": shapes(_module(cls)(*_as_long()))}


@probe(
    MHA, "shape", f"{CALLED}, all of shape (2, 5, 33), then attention_weights"
)
def _shape_of_the_weights(cls: Any) -> Observed:
    """attention_weights keeps the weights of each head: (B, H, T, S)."""
    module = _module(cls)
    module(*_as_long())
    return {"attention_weights": shapes(module.attention_weights)}


@probe(MHA, "dtype", f"{BUILT}.float(), called with float32")
def _dtype_of_a_module(cls: Any) -> Observed:
    """The module works in the dtype that it was given."""
    module = _module(cls).float()
    output = module(*(part.float() for part in _as_long()))
    weights = module.attention_weights
    return {
        "the output's dtype": str(output.dtype),
        "the weights' dtype": str(weights.dtype),
    }


@probe(MHA, "values", f"{CALLED}, one query, one key")
def _one_query_one_key(cls: Any) -> Observed:
    """With a single key the output is its value after w_v and then w_o."""
    output = _module(cls)(*(part[:, :1] for part in _sentences()))
    return {"the output": output}


@probe(MHA, "values", f"{CALLED}, 5 keys all alike, 5 values all alike")
def _all_keys_alike(cls: Any) -> Observed:
    """If all keys and values are alike, all queries get the same."""
    query, key, value = _as_long()
    key[:], value[:] = key[:, :1].clone(), value[:, :1].clone()
    return {"the output": _module(cls)(query, key, value)}


@probe(MHA, "values", f"{CALLED}, then with another second sentence")
def _each_sentence_alone(cls: Any) -> Observed:
    """The sentences of a batch know nothing of each other."""
    module, inputs = _module(cls), _as_long()
    before = module(*inputs)
    for part in inputs:
        part[1] = part[1].flip(0) + 1.0
    moved = _moved(module(*inputs), before, axis=0)
    return {"the sentences of the output that move": moved}


@probe(MHA, "values", f"{CALLED}, then with another query 3")
def _each_query_alone(cls: Any) -> Observed:
    """A query moves its own place in the output and no other."""
    module, (query, key, value) = _module(cls), _as_long()
    before = module(query, key, value)
    query[:, 3] -= 1.0
    moved = _moved(module(query, key, value), before, axis=1)
    return {"the places of the output that move": moved}


@probe(
    MHA,
    "values",
    f"{CALLED}, w_v and w_o the identity, features 0 to 10 of value changed",
)
def _head_by_head(cls: Any) -> Observed:
    """Head 0 makes features 0 to 10 of the output, head 1 the next ones."""
    module, (query, key, value) = _module(cls), _as_long()
    with torch.no_grad():
        for layer in (module.w_v, module.w_o):
            layer.weight.copy_(torch.eye(D_MODEL))
    before = module(query, key, value)
    value[..., :D_K] += 1.0
    moved = _moved(module(query, key, value), before, axis=2)
    return {"the features of the output that move": moved}


@probe(MHA, "values", f"{CALLED}, as many keys as queries")
def _weights_of_the_heads(cls: Any) -> Observed:
    """The weights come from w_q(query) and w_k(key), head by head."""
    module = _module(cls)
    module(*_as_long())
    return {"attention_weights": module.attention_weights}


@probe(MHA, "values", f"{BUILT}(x, x, x)")
def _self_attention(cls: Any) -> Observed:
    """A sentence may attend to itself."""
    x, _, _ = _sentences()
    return {"the output": _module(cls)(x, x, x)}


@probe(MHA, "values", f"{CALLED}, shapes (2, 5, 33), (2, 7, 33), (2, 7, 33)")
def _other_length(cls: Any) -> Observed:
    """There may be more keys than queries, as in cross-attention."""
    return {"the output": shapes(_module(cls)(*_sentences()))}


@probe(MHA, "values", f"{CALLED}, three different tensors, T = 5, S = 7")
def _cross_attention(cls: Any) -> Observed:
    """Query, key and value may be three different tensors."""
    module = _module(cls)
    output = module(*_sentences())
    return {
        "the output": output,
        "attention_weights": module.attention_weights,
    }


@probe(MHA, "values", f"{CALLED} twice, with other keys")
def _weights_of_the_last_call(cls: Any) -> Observed:
    """attention_weights belongs to the last call."""
    module, (query, key, value) = _module(cls), _sentences()
    module(query, key, value)
    module(query, key.flip(1), value)
    return {"attention_weights": module.attention_weights}


@probe(
    MHA,
    "mask",
    "MultiHeadAttention(33, 1)(query, key, value, mask), shapes (1, 1, 33), "
    "(1, 7, 33), (1, 7, 33), (1, 1, 1, 7)",
)
def _mask_fits(cls: Any) -> Observed:
    """A mask (B, 1, 1, S) fits the heads as it is."""
    module = filled(cls(D_MODEL, 1, 0.0))
    query, key, value = _sentences()
    # One query and one head: that way an axis too many is no error yet.
    output = module(query[:1, :1], key[:1], value[:1], _padding()[:1])
    return {
        "attention_weights": shapes(module.attention_weights),
        "the output": shapes(output),
    }


@probe(MHA, "mask", f"{WITH_MASK}, mask (2, 1, 1, 7), one key each")
def _mask_of_one_key(cls: Any) -> Observed:
    """Where a single key is allowed, every head gives it all the weight."""
    module = _module(cls)
    mask = torch.zeros(BATCH, 1, 1, SOURCES, dtype=torch.bool)
    mask[0, ..., 4] = mask[1, ..., 2] = True
    module(*_sentences(), mask)
    return {"attention_weights": module.attention_weights}


@probe(MHA, "mask", f"{WITH_MASK}, mask (2, 1, 1, 7)")
def _masked_by_sentence(cls: Any) -> Observed:
    """All heads of a sentence use its own mask."""
    module = _module(cls)
    output = module(*_sentences(), _padding())
    return {
        "attention_weights": module.attention_weights,
        "the output": output,
    }


@probe(MHA, "mask", f"{WITH_MASK}, mask (1, 1, 5, 7)")
def _masked_by_place(cls: Any) -> Observed:
    """A mask of queries by keys holds for all sentences and all heads."""
    module = _module(cls)
    mask = torch.ones(1, 1, TARGETS, SOURCES, dtype=torch.bool).tril()
    output = module(*_sentences(), mask)
    return {
        "attention_weights": module.attention_weights,
        "the output": output,
    }


@probe(MHA, "mask", f"{WITH_MASK}, mask (2, 3, 5, 7)")
def _masked_by_head(cls: Any) -> Observed:
    """Each head may have a mask of its own."""
    module = _module(cls)
    mask = make_mask("mask", BATCH, HEADS, TARGETS, SOURCES)
    output = module(*_sentences(), mask)
    return {
        "attention_weights": module.attention_weights,
        "the output": output,
    }


@probe(MHA, "mask", f"{WITH_MASK}, mask (5, 7)")
def _masked_by_a_matrix(cls: Any) -> Observed:
    """Any mask will do that broadcasts to (B, H, T, S)."""
    module = _module(cls)
    output = module(*_sentences(), make_mask("mask", TARGETS, SOURCES))
    return {
        "attention_weights": module.attention_weights,
        "the output": output,
    }


@probe(MHA, "mask", f"{WITH_MASK}, then the same tensors are looked at")
def _sentences_stay(cls: Any) -> Observed:
    """The tensors of the caller are left as they were."""
    inputs, mask = _sentences(), _padding()
    _module(cls)(*inputs, mask)
    names = "query", "key", "value", "mask"
    return _by_name("the {}", names, (*inputs, mask))


@probe(MHA, "empty", f"{WITH_MASK}, all keys of sentence 1 are hidden")
def _empty_sentence(cls: Any) -> Observed:
    """Where nothing may be attended to, the heads give zeros, not NaN."""
    module, mask = _module(cls), _padding()
    mask[1] = False
    output = module(*_sentences(), mask)
    return {
        "attention_weights": module.attention_weights,
        "the output": output,
    }


@probe(MHA, "errors", "MultiHeadAttention(33, 5)")
def _five_heads(cls: Any) -> Observed:
    """If num_heads does not divide d_model, that is a ValueError."""
    return {"the error": error_of(lambda: cls(D_MODEL, 5))}


@probe(MHA, "gradients", f"{CALLED}, then attention_weights.requires_grad")
def _weights_are_detached(cls: Any) -> Observed:
    """attention_weights is kept without its gradient."""
    module = _module(cls)
    module(*_sentences())
    kept = module.attention_weights
    return {"attention_weights.requires_grad": kept.requires_grad}


@probe(MHA, "gradients", f"{CALLED}, then backward from the output")
def _parameters_learn(cls: Any) -> Observed:
    """Every parameter gets a gradient, so all of them learn."""
    module = _module(cls)
    output = module(*_sentences())
    found = gradients(output, *module.parameters())
    return {"parameters without a gradient": found.count(None)}


@probe(MHA, "gradients", f"{CALLED}, then backward from the output")
def _gradients_of_the_inputs(cls: Any) -> Observed:
    """Query, key and value all get their gradient through the output."""
    inputs = [part.requires_grad_() for part in _sentences()]
    found = gradients(_module(cls)(*inputs), *inputs)
    names = "query", "key", "value"
    return _by_name("the gradient of the {}", names, found)


@probe(MHA, "gradients", f"{WITH_MASK}, sentence 1 empty, then backward")
def _gradients_of_an_empty_sentence(cls: Any) -> Observed:
    """Where nothing may be attended to, gradients are zero, not NaN."""
    inputs, mask = [p.requires_grad_() for p in _sentences()], _padding()
    mask[1] = False
    output = _module(cls)(*inputs, mask).nan_to_num()
    found = gradients(output, *inputs)
    names = "query", "key", "value"
    return _by_name("the gradient of the {}", names, found)


@probe(MHA, "parameters", f"the parameters of {BUILT}")
def _number_of_parameters(cls: Any) -> Observed:
    """There are four matrices of 33 by 33 and four biases of 33."""
    found = cls(D_MODEL, HEADS).parameters()
    return {"numbers to learn": sum(p.numel() for p in found)}


@probe(MHA, "parameters", f"{BUILT}.attention_weights")
def _weights_before_the_first_call(cls: Any) -> Observed:
    """attention_weights is None until the module is called."""
    module = cls(D_MODEL, HEADS)
    kept = getattr(module, "attention_weights", "(it does not exist)")
    return {"attention_weights before a call": str(kept)}


@probe(MHA, "parameters", f"{CALLED}, then {BUILT}.state_dict()")
def _what_is_saved(cls: Any) -> Observed:
    """What is saved is what was learned, without attention_weights."""
    module = _module(cls)
    module(*_sentences())
    saved = "attention_weights" in module.state_dict()
    return {"attention_weights": "is saved" if saved else "is not saved"}


@probe(MHA, "modes", "MultiHeadAttention(33, 3, dropout=0.0), training")
def _no_dropout_asked_for(cls: Any) -> Observed:
    """With dropout 0.0 training and evaluation give the same."""
    module = _module(cls)
    wanted = module(*_sentences())
    got = module.train()(*_sentences())
    same = torch.allclose(got, wanted)
    return {"the output in training": "is the same" if same else "is another"}


@probe(MHA, "modes", "MultiHeadAttention(33, 3, dropout=1.0), training")
def _all_weights_dropped(cls: Any) -> Observed:
    """Dropout falls on the weights: with 1.0 only w_o's bias is left."""
    return {"the output": _module(cls, 1.0).train()(*_sentences())}


@probe(MHA, "modes", "MultiHeadAttention(33, 3, dropout=1.0), evaluation")
def _dropout_only_in_training(cls: Any) -> Observed:
    """In evaluation mode dropout does nothing."""
    return {"the output": _module(cls, 1.0).eval()(*_sentences())}


@probe(MHA, "modes", "MultiHeadAttention(33, 3, dropout=0.5), one key")
def _whole_heads_dropped(cls: Any) -> Observed:
    """Dropout takes out a weight, not single features of a head."""
    module, (query, key, value) = _module(cls, 0.5).train(), _sentences()
    with torch.no_grad():
        module.w_v.weight.zero_()
        module.w_v.bias.fill_(1.0)
        module.w_o.weight.copy_(torch.eye(D_MODEL))
        module.w_o.bias.zero_()
    output = module(query, key[:, :1], value[:, :1])
    pieces = {tuple(piece) for piece in output.reshape(-1, D_K).tolist()}
    return {
        "pieces of the output that are neither all 0 nor all 2": len(
            pieces - {(0.0,) * D_K, (2.0,) * D_K}
        ),
        "different pieces of the output": len(pieces),
    }


@probe(MHA, "device", f"{BUILT}.to('meta'), called with tensors on 'meta'")
def _another_device(cls: Any) -> Observed:
    """The module works on the device to which it was moved."""
    module, inputs = _module(cls), _sentences()
    with SecondDevice(module, *inputs):
        return {"the output's device": str(module(*inputs, None).device)}
