"""Probes of the exercises in `laidout.transformer`."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from laidout.transformer import TransformerConfig
from laidout.workshop.checks.layers import in_plain_lists
from laidout.workshop.probes import Observed, error_of, probe
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

SRC_VOCABULARY, TGT_VOCABULARY, D_FF, MAX_LEN, PAD = 19, 23, 17, 11, 2

# Token 0 is a word like any other here: padding is token 2.
SRC_FULL = [[5, 0, 11, 3, 18, 7, 4], [9, 14, 1, 6, 0, 8, 15]]
SRC = [[5, 0, 11, 3, 18, 7, 4], [9, 14, 1, 6, 0, PAD, PAD]]
TGT_FULL = [[1, 22, 8, 0, 13], [1, 19, 6, 0, 21]]
TGT = [[1, 22, 8, 0, 13], [1, 19, 0, PAD, PAD]]
TGT_BEHIND = [row[::-1] for row in TGT]

GRADIENTS = "the gradient of x", "the gradient of memory"

NEAR = 1e-5
"""The tolerance where positions are added: tables in float32 differ."""


# --- helpers ----------------------------------------------------------------


class _AnyRate(TransformerConfig):
    """A config that accepts a dropout of 1, under which all is dropped."""

    def __post_init__(self) -> None:
        pass


def _config(num_layers: int, **changes: Any) -> TransformerConfig:
    """Make the config of a small model; nothing is shared or dropped."""
    values: dict[str, Any] = {
        "src_vocab_size": SRC_VOCABULARY,
        "tgt_vocab_size": TGT_VOCABULARY,
        "d_model": D_MODEL,
        "num_heads": HEADS,
        "num_layers": num_layers,
        "d_ff": D_FF,
        "dropout": 0.0,
        "max_len": MAX_LEN,
        "pad_id": PAD,
        "share_embeddings": False,
    }
    return _AnyRate(**values | changes)


def _source() -> Tensor:
    """Make what an encoder gets, or the memory: (2, 7, 33)."""
    return make("source", BATCH, SOURCES, D_MODEL)


def _target() -> Tensor:
    """Make what a decoder gets: (2, 5, 33)."""
    return make("target", BATCH, TARGETS, D_MODEL)


def _ids(sentences: list[list[int]]) -> Tensor:
    return torch.tensor(sentences)


def _anything(queries: int, keys: int) -> Tensor:
    """Make a mask that hides nothing: (1, 1, queries, keys)."""
    return torch.ones(1, 1, queries, keys, dtype=torch.bool)


def _moved(before: Tensor, after: Tensor) -> list[int]:
    """List the positions whose vectors have changed."""
    change = (after - before).abs().amax(-1).amax(0)
    return [place for place, far in enumerate(change) if far > NEAR]


# --- transformer-encoder ----------------------------------------------------

ENC = "transformer-encoder"
BUILT = "{}(config), config with 3 layers, d_model 33, dropout {}"
ENC_PLAIN = f"encoder(x) with encoder = {BUILT.format('Encoder', 0.0)}"
ENC_MASKED = f"encoder(x, mask) with encoder = {BUILT.format('Encoder', 0.0)}"


def _stack(kind: Any, num_layers: int = 3, dropout: float = 0.0) -> Any:
    """Build a stack of layers, filled."""
    return filled(kind(_config(num_layers, dropout=dropout)))


@probe(ENC, "shape", f"the parts of {BUILT.format('Encoder', 0.0)}")
def _encoder_is_seen(kind: Any) -> Observed:
    """PyTorch can see the layers, so that they are trained."""
    return {"a plain list holds modules": in_plain_lists(_stack(kind))}


@probe(ENC, "shape", f"{ENC_PLAIN}, x of shape (2, 7, 33)")
def _encoder_shape(kind: Any) -> Observed:
    """What comes out has the shape of what goes in."""
    return {"the result": shapes(_stack(kind)(_source()))}


@probe(ENC, "values", "encoder(x) with a config of a single layer")
def _encoder_of_one(kind: Any) -> Observed:
    """A stack of one layer does what this layer does."""
    return {"the output": _stack(kind, 1)(_source())}


@probe(ENC, "values", f"{ENC_PLAIN}, x of shape (2, 7, 33)")
def _encoder_values(kind: Any) -> Observed:
    """Each layer works on what the one below returns."""
    return {"the output": _stack(kind)(_source())}


@probe(ENC, "mask", f"{ENC_MASKED}, a mask of its own for each head")
def _encoder_mask(kind: Any) -> Observed:
    """The mask reaches every layer."""
    mask = make_mask("heads", BATCH, HEADS, SOURCES, SOURCES)
    return {"the output": _stack(kind)(_source(), mask)}


@probe(ENC, "mask", f"{ENC_MASKED}, the mask hides the last word")
def _encoder_hides(kind: Any) -> Observed:
    """What the mask hides moves no other position, in any layer."""
    encoder, mask = _stack(kind), _anything(1, SOURCES)
    mask[..., -1] = False
    before = encoder(_source(), mask)
    x = _source()
    x[:, -1] += make("change", D_MODEL)
    return {"the positions that moved": _moved(before, encoder(x, mask))}


@probe(ENC, "gradients", f"{ENC_PLAIN}, then backward")
def _encoder_gradients(kind: Any) -> Observed:
    """The gradient reaches x through all layers."""
    x = _source().requires_grad_()
    return {"the gradient of x": gradients(_stack(kind)(x), x)[0]}


@probe(ENC, "parameters", BUILT.format("Encoder", 0.0))
def _encoder_size(kind: Any) -> Observed:
    """Each layer has weights of its own, and PyTorch can see them."""
    return {"numbers to learn": count(_stack(kind))}


@probe(ENC, "parameters", f"{ENC_PLAIN}, then backward")
def _encoder_unused(kind: Any) -> Observed:
    """Every parameter takes part in the output."""
    encoder = _stack(kind)
    idle = unused(encoder, encoder(_source()))
    return {"parameters without gradient": idle}


@probe(ENC, "modes", f"{ENC_PLAIN}, in train mode")
def _encoder_rate(kind: Any) -> Observed:
    """With a dropout of 0 training and evaluation do the same."""
    encoder = _stack(kind)
    quiet = encoder(_source())
    same = torch.allclose(encoder.train()(_source()), quiet)
    return {"train mode does what eval mode does": same}


@probe(ENC, "modes", f"{BUILT.format('Encoder', 1.0)}, in train mode")
def _encoder_drops(kind: Any) -> Observed:
    """The dropout of the config is that of the layers, and there is no other
    one.
    """
    return {"the output": _stack(kind, dropout=1.0).train()(_source())}


# --- transformer-decoder ----------------------------------------------------

DEC = "transformer-decoder"
DEC_BUILT = f"decoder = {BUILT.format('Decoder', 0.0)}"
DEC_PLAIN = f"decoder(x, memory) with {DEC_BUILT}"


@probe(DEC, "shape", f"the parts of {BUILT.format('Decoder', 0.0)}")
def _decoder_is_seen(kind: Any) -> Observed:
    """PyTorch can see the layers, so that they are trained."""
    return {"a plain list holds modules": in_plain_lists(_stack(kind))}


@probe(DEC, "shape", f"{DEC_PLAIN}, shapes (2, 5, 33) and (2, 7, 33)")
def _decoder_shape(kind: Any) -> Observed:
    """What comes out has the shape of the target."""
    return {"the result": shapes(_stack(kind)(_target(), _source()))}


@probe(DEC, "values", "decoder(x, memory) with a config of a single layer")
def _decoder_of_one(kind: Any) -> Observed:
    """A stack of one layer does what this layer does."""
    return {"the output": _stack(kind, 1)(_target(), _source())}


@probe(DEC, "values", f"{DEC_PLAIN}, shapes (2, 5, 33) and (2, 7, 33)")
def _decoder_values(kind: Any) -> Observed:
    """Each layer works on what the one below returns, and all of them read
    the same memory.
    """
    return {"the output": _stack(kind)(_target(), _source())}


@probe(DEC, "mask", f"decoder(x, memory, tgt_mask) with {DEC_BUILT}")
def _decoder_tgt_mask(kind: Any) -> Observed:
    """The target's mask reaches the self-attention of every layer."""
    mask = make_mask("own", BATCH, HEADS, TARGETS, TARGETS)
    return {"the output": _stack(kind)(_target(), _source(), mask)}


@probe(DEC, "mask", f"decoder(x, memory, memory_mask=mask) with {DEC_BUILT}")
def _decoder_memory_mask(kind: Any) -> Observed:
    """The memory's mask reaches the cross-attention of every layer."""
    mask = make_mask("across", BATCH, HEADS, TARGETS, SOURCES)
    output = _stack(kind)(_target(), _source(), memory_mask=mask)
    return {"the output": output}


@probe(
    DEC, "mask", f"decoder(x, memory, tgt_mask, memory_mask) with {DEC_BUILT}"
)
def _decoder_both_masks(kind: Any) -> Observed:
    """Each mask goes where it belongs."""
    masks = (
        make_mask("own", BATCH, HEADS, TARGETS, TARGETS),
        make_mask("across", BATCH, HEADS, TARGETS, SOURCES),
    )
    return {"the output": _stack(kind)(_target(), _source(), *masks)}


@probe(DEC, "gradients", f"{DEC_PLAIN}, then backward")
def _decoder_gradients(kind: Any) -> Observed:
    """The gradient reaches the target and, from every layer, the memory."""
    x, memory = _target().requires_grad_(), _source().requires_grad_()
    found = gradients(_stack(kind)(x, memory), x, memory)
    return dict(zip(GRADIENTS, found, strict=True))


@probe(DEC, "parameters", BUILT.format("Decoder", 0.0))
def _decoder_size(kind: Any) -> Observed:
    """Each layer has weights of its own, and PyTorch can see them."""
    return {"numbers to learn": count(_stack(kind))}


@probe(DEC, "parameters", f"{DEC_PLAIN}, then backward")
def _decoder_unused(kind: Any) -> Observed:
    """Every parameter takes part in the output."""
    decoder = _stack(kind)
    idle = unused(decoder, decoder(_target(), _source()))
    return {"parameters without gradient": idle}


@probe(DEC, "modes", f"{DEC_PLAIN}, in train mode")
def _decoder_rate(kind: Any) -> Observed:
    """With a dropout of 0 training and evaluation do the same."""
    decoder = _stack(kind)
    quiet = decoder(_target(), _source())
    same = torch.allclose(decoder.train()(_target(), _source()), quiet)
    return {"train mode does what eval mode does": same}


@probe(DEC, "modes", f"{BUILT.format('Decoder', 1.0)}, in train mode")
def _decoder_drops(kind: Any) -> Observed:
    """The dropout of the config is that of the layers, and there is no other
    one.
    """
    decoder = _stack(kind, dropout=1.0).train()
    return {"the output": decoder(_target(), _source())}


# --- transformer-parts ------------------------------------------------------

PARTS = "transformer-parts"
APART = "model = Transformer(config), 19 and 23 tokens, nothing shared"
SHARED = "model = Transformer(config), 19 tokens on both sides, shared"


def _model(kind: Any, num_layers: int = 1, **changes: Any) -> Any:
    """Build a small model with 19 and 23 tokens, filled."""
    return filled(kind(_config(num_layers, **changes)))


def _shared(**changes: Any) -> TransformerConfig:
    """Make the config of a model whose three matrices are one."""
    one = {"tgt_vocab_size": SRC_VOCABULARY, "share_embeddings": True}
    return _config(1, **one | changes)


def _small(ids: list[list[int]]) -> Tensor:
    """Keep ids below the smaller vocabulary."""
    return _ids(ids) % SRC_VOCABULARY


def _encoded(model: Any) -> Tensor:
    """Encode sentences, nothing hidden, not even padding: (2, 7, 33)."""
    mask = _anything(SOURCES, SOURCES)
    memory: Tensor = model.encode(_ids(SRC), mask)
    return memory


def _decoded(model: Any, tgt: Tensor) -> Tensor:
    """Decode sentences without padding, nothing hidden: (2, 5, 33)."""
    masks = _anything(TARGETS, TARGETS), _anything(TARGETS, SOURCES)
    hidden: Tensor = model.decode(tgt, _source(), *masks)
    return hidden


@probe(PARTS, "shape", f"encode, decode and output_projection of {APART}")
def _parts_shapes(kind: Any) -> Observed:
    """Source tokens become memory, target tokens become hidden states, and
    those become one number for each token of the target's vocabulary.
    """
    model = _model(kind)
    memory = model.encode(_ids(SRC_FULL))
    hidden = model.decode(_ids(TGT_FULL), memory)
    return {
        "the memory": shapes(memory),
        "the result of decode": shapes(hidden),
        "the result of output_projection": shapes(
            model.output_projection(hidden)
        ),
    }


@probe(PARTS, "values", f"model.encode(src, mask) with {APART}", NEAR)
def _parts_encode(kind: Any) -> Observed:
    """The source passes its embedding, the positions and the encoder."""
    return {"the memory": _encoded(_model(kind))}


@probe(PARTS, "values", f"model.decode(tgt, memory, masks) with {APART}", NEAR)
def _parts_decode(kind: Any) -> Observed:
    """The target passes its embedding, the positions and the decoder."""
    return {"the result of decode": _decoded(_model(kind), _ids(TGT_FULL))}


@probe(PARTS, "values", f"model.output_projection(hidden) with {APART}")
def _parts_project(kind: Any) -> Observed:
    """The output projection multiplies and adds nothing."""
    return {
        "the result of output_projection": _model(kind).output_projection(
            _target()
        )
    }


@probe(PARTS, "values", f"encode and decode of {SHARED}", NEAR)
def _parts_shared(kind: Any) -> Observed:
    """If the embeddings are shared, both sides read the same table."""
    model = filled(kind(_shared()))
    return {
        "the memory": _encoded(model),
        "the result of decode": _decoded(model, _small(TGT_FULL)),
    }


@probe(PARTS, "errors", "Transformer(config), 19 and 23 tokens, shared")
def _parts_refuse(kind: Any) -> Observed:
    """Vocabularies of different sizes cannot share a matrix."""
    config = _config(1, share_embeddings=True)
    return {"the error": error_of(lambda: kind(config))}


@probe(PARTS, "errors", f"model.encode of 11 and 12 tokens, {APART}")
def _parts_max_len(kind: Any) -> Observed:
    """Sentences may be as long as the config's max_len (11), no longer."""
    model = _model(kind)
    fits, too_long = (
        torch.ones(1, length, dtype=torch.long)
        for length in (MAX_LEN, MAX_LEN + 1)
    )
    return {
        "the memory of 11 tokens": shapes(model.encode(fits)),
        "the error for 12 tokens": error_of(lambda: model.encode(too_long)),
    }


@probe(PARTS, "gradients", f"encode, decode, project, backward; {APART}")
def _parts_unused(kind: Any) -> Observed:
    """Every parameter takes part in the logits."""
    model = _model(kind)
    hidden = model.decode(_ids(TGT_FULL), model.encode(_ids(SRC_FULL)))
    idle = unused(model, model.output_projection(hidden))
    return {"parameters without gradient": idle}


@probe(PARTS, "parameters", APART)
def _parts_size(kind: Any) -> Observed:
    """Two tables, two stacks and a projection, and nothing twice."""
    return {"numbers to learn": count(kind(_config(1)))}


@probe(PARTS, "parameters", "the same, but both sides have 19 tokens")
def _parts_size_of_equals(kind: Any) -> Observed:
    """Unless the config says so, nothing is shared."""
    config = _shared(share_embeddings=False)
    return {"numbers to learn": count(kind(config))}


@probe(PARTS, "parameters", SHARED)
def _parts_size_shared(kind: Any) -> Observed:
    """One matrix is both embeddings and the projection."""
    return {"numbers to learn": count(kind(_shared()))}


@probe(PARTS, "parameters", f"model.output_projection.weight + 1, {SHARED}")
def _parts_tied(kind: Any) -> Observed:
    """Change the projection, and both embeddings have changed with it."""
    model = kind(_shared()).eval()
    src, tgt = _ids(SRC_FULL), _small(TGT_FULL)
    memory = _source().float()
    before = model.encode(src), model.decode(tgt, memory)
    with torch.no_grad():
        model.output_projection.weight += make("change", D_MODEL).float()
    after = model.encode(src), model.decode(tgt, memory)
    return {
        name: not torch.allclose(one, other)
        for name, one, other in zip(
            ("the memory changed", "the result of decode changed"),
            before,
            after,
            strict=True,
        )
    }


@probe(PARTS, "parameters", f"the linear layers at the start; {APART}")
def _parts_matrices(kind: Any) -> Observed:
    """Every matrix of a linear layer starts Xavier uniform."""
    model = _large(kind)
    sizes = [_against_xavier(weight) for weight in _matrices(model)]
    spreads = [spread for spread, _ in sizes]
    spread, top = _against_xavier(model.output_projection.weight)
    return {
        "beyond the bound of Xavier": max(top for _, top in sizes) > 1.001,
        "the smallest spread": _judge_spread(min(spreads)),
        "the largest spread": _judge_spread(max(spreads)),
        "the projection is beyond the bound": top > 1.001,
        "the projection's spread": _judge_spread(spread),
    }


@probe(PARTS, "parameters", f"the biases and gains at the start; {APART}")
def _parts_vectors(kind: Any) -> Observed:
    """Biases start at 0, gains at 1."""
    biases, gains = [0.0], [1.0]
    for path, parameter in _large(kind).named_parameters():
        if parameter.dim() == 1:
            is_bias = "bias" in path.rpartition(".")[2]
            (biases if is_bias else gains).extend(parameter.tolist())
    return {
        "all biases are 0": not any(biases),
        "all gains are 1": {*gains} == {1.0},
    }


@probe(PARTS, "parameters", f"the embeddings at the start; {APART}")
def _parts_tables(kind: Any) -> Observed:
    """Embeddings start with a standard deviation of d_model ** -0.5."""
    model = _large(kind)
    return {
        f"the table of {size} tokens": _table_spread(model, size)
        for size in (LARGE, LARGER)
    }


@probe(PARTS, "parameters", f"the padding's rows at the start; {APART}")
def _parts_padding(kind: Any) -> Observed:
    """The row of pad_id starts at zero, in both tables."""
    model = _large(kind)
    return {
        f"the rows of zeros of {size} tokens": _rows_of_zeros(
            _table(model, size)
        )
        for size in (LARGE, LARGER)
    }


@probe(PARTS, "parameters", f"the shared matrix at the start; {SHARED}")
def _parts_shared_table(kind: Any) -> Observed:
    """The shared matrix starts as an embedding does."""
    sizes = {"src_vocab_size": LARGE, "tgt_vocab_size": LARGE}
    weight = kind(_shared(**sizes)).output_projection.weight
    return {
        "its spread": _judge_spread(_deviation(weight) * D_MODEL**0.5),
        "the rows of zeros": _rows_of_zeros(weight),
    }


LARGE, LARGER = 211, 223
"""Vocabularies large enough for a statistic."""


def _large(kind: Any) -> Any:
    """Build a model as it starts, with 211 and 223 tokens."""
    sizes = {"src_vocab_size": LARGE, "tgt_vocab_size": LARGER}
    return kind(_config(1, **sizes))


def _matrices(model: nn.Module) -> Iterator[Tensor]:
    """Yield the matrices of the stacks, whose linear layers have names."""
    names = FIXED - {"output_projection"}
    for path, parameter in model.named_parameters():
        if names & set(path.split(".")[-2:-1]) and parameter.dim() == 2:
            yield parameter


def _against_xavier(weight: Tensor) -> tuple[float, float]:
    """Return deviation and largest number, as shares of Xavier's."""
    bound = math.sqrt(6 / sum(weight.shape))
    top = float(weight.detach().abs().max())
    return _deviation(weight) / bound * math.sqrt(3), top / bound


def _deviation(weight: Tensor) -> float:
    return float(weight.detach().std())


def _judge_spread(ratio: float) -> str:
    """Say how a standard deviation compares with what it should be."""
    words = {0.3: "far too small", 0.8: "too small", 1.25: "right"}
    found = (text for limit, text in words.items() if ratio < limit)
    return next(found, "too large")


def _table(model: nn.Module, size: int) -> Tensor | None:
    """Find an embedding by its shape, (V, D)."""
    for path, parameter in model.named_parameters():
        is_table = tuple(parameter.shape) == (size, D_MODEL)
        if is_table and "output_projection" not in path:
            return parameter
    return None


def _table_spread(model: nn.Module, size: int) -> str:
    """Say how an embedding's standard deviation compares."""
    table = _table(model, size)
    if table is None:
        return "there is none"
    return _judge_spread(_deviation(table) * D_MODEL**0.5)


def _rows_of_zeros(table: Tensor | None) -> list[int] | str:
    """List the rows that are zero throughout."""
    if table is None:
        return "there is no such table"
    rows: list[int] = (
        (table.detach() == 0).all(-1).nonzero().flatten().tolist()
    )
    return rows


@probe(PARTS, "modes", f"encode and decode in train mode; {APART}")
def _parts_rate(kind: Any) -> Observed:
    """With a dropout of 0 training and evaluation do the same."""
    model = _model(kind)
    tgt = _ids(TGT_FULL)
    quiet = _encoded(model), _decoded(model, tgt)
    model.train()
    return {
        "encode does the same": torch.allclose(_encoded(model), quiet[0]),
        "decode does the same": torch.allclose(_decoded(model, tgt), quiet[1]),
    }


@probe(PARTS, "modes", f"the same with a dropout of 1; {APART}", NEAR)
def _parts_drop(kind: Any) -> Observed:
    """The dropout of the config is that of all parts, the sums of embeddings
    and positions too.
    """
    model = _model(kind, dropout=1.0).train()
    return {
        "the memory": _encoded(model),
        "the result of decode": _decoded(model, _ids(TGT_FULL)),
    }


# --- transformer-encode-decode ----------------------------------------------

BOTH = "transformer-encode-decode"


def _own_mask(queries: int, keys: int) -> Tensor:
    """Make a mask that no rule would make, without empty rows."""
    return make_mask("own", BATCH, 1, queries, keys)


@probe(BOTH, "shape", "model.encode(src), src of shape (2, 7)")
def _encode_shape(kind: Any) -> Observed:
    """Each source token becomes a vector."""
    return {"the memory": shapes(_model(kind).encode(_ids(SRC_FULL)))}


@probe(BOTH, "shape", "model.decode(tgt, memory), shapes (2, 5), (2, 5, 33)")
def _decode_shape(kind: Any) -> Observed:
    """Each target token becomes a vector, no logits yet."""
    hidden = _model(kind).decode(_ids(TGT_FULL), _target())
    return {"the result of decode": shapes(hidden)}


@probe(BOTH, "values", "model.encode(src, mask), nothing is hidden", NEAR)
def _encode_values(kind: Any) -> Observed:
    """The tokens are embedded, get their positions and go up the stack."""
    return {"the memory": _encoded(_model(kind))}


@probe(BOTH, "values", "model.decode(tgt, memory, masks), all open", NEAR)
def _decode_values(kind: Any) -> Observed:
    """The tokens are embedded, get their positions and go up the stack, which
    looks at the memory.
    """
    return {"the result of decode": _decoded(_model(kind), _ids(TGT_FULL))}


@probe(BOTH, "mask", f"model.encode(src), src = {SRC_FULL}, no padding", NEAR)
def _encode_unmasked(kind: Any) -> Observed:
    """A source without padding hides nothing."""
    return {"the memory": _model(kind).encode(_ids(SRC_FULL))}


@probe(BOTH, "mask", f"model.encode(src), src = {SRC}, padding is 2", NEAR)
def _encode_padded(kind: Any) -> Observed:
    """Unless a mask is given, encode hides the padding of the source."""
    return {"the memory": _model(kind).encode(_ids(SRC))}


@probe(BOTH, "mask", "model.encode(src, mask), a mask of the caller's", NEAR)
def _encode_masked(kind: Any) -> Observed:
    """A mask that the caller brings is used as it is."""
    mask = _own_mask(SOURCES, SOURCES)
    return {"the memory": _model(kind).encode(_ids(SRC), mask)}


@probe(
    BOTH,
    "mask",
    f"model.decode(tgt, memory), tgt = {TGT_FULL}, no padding",
    NEAR,
)
def _decode_unmasked(kind: Any) -> Observed:
    """Unless a mask is given, decode hides the future; of the memory it hides
    nothing.
    """
    return {
        "the result of decode": _model(kind).decode(_ids(TGT_FULL), _source())
    }


@probe(
    BOTH, "mask", f"model.decode(tgt, memory), tgt = {TGT}, padding is 2", NEAR
)
def _decode_padded(kind: Any) -> Observed:
    """Unless a mask is given, decode hides the padding of the target too."""
    return {"the result of decode": _model(kind).decode(_ids(TGT), _source())}


@probe(
    BOTH,
    "mask",
    f"model.decode(tgt, memory), tgt = {TGT_BEHIND}, padding is 2",
    NEAR,
)
def _decode_padded_in_front(kind: Any) -> Observed:
    """Padding is hidden wherever it stands."""
    tgt = _ids(TGT_BEHIND)
    return {"the result of decode": _model(kind).decode(tgt, _source())}


@probe(BOTH, "mask", "model.decode(tgt, memory, tgt_mask)", NEAR)
def _decode_masked(kind: Any) -> Observed:
    """A mask that the caller brings is used as it is."""
    mask = _own_mask(TARGETS, TARGETS)
    return {
        "the result of decode": _model(kind).decode(_ids(TGT), _source(), mask)
    }


@probe(BOTH, "mask", "model.decode(tgt, memory, memory_mask=mask)", NEAR)
def _decode_memory_masked(kind: Any) -> Observed:
    """The memory's mask says which source words the target may see."""
    mask = _own_mask(TARGETS, SOURCES)
    model = _model(kind)
    return {
        "the result of decode": model.decode(
            _ids(TGT_FULL), _source(), memory_mask=mask
        )
    }


@probe(BOTH, "empty", "model.encode(src), src is nothing but padding", NEAR)
def _encode_empty(kind: Any) -> Observed:
    """A source of nothing but padding gives numbers, not NaN."""
    src = torch.full((BATCH, SOURCES), PAD)
    return {"the memory": _model(kind).encode(src)}


@probe(BOTH, "gradients", "model.decode(tgt, model.encode(src)), backward")
def _both_unused(kind: Any) -> Observed:
    """All parts but the projection get their gradient."""
    model = _model(kind)
    hidden = model.decode(_ids(TGT), model.encode(_ids(SRC)))
    return {"parameters without gradient": unused(model, hidden)}


@probe(BOTH, "modes", "encode and decode, train mode, a dropout of 1", NEAR)
def _both_drop(kind: Any) -> Observed:
    """In training the sums of embeddings and positions are dropped too."""
    model = _model(kind, dropout=1.0).train()
    return {
        "the memory": _encoded(model),
        "the result of decode": _decoded(model, _ids(TGT_FULL)),
    }


# --- transformer-forward ----------------------------------------------------

ALL = "transformer-forward"


def _logits(kind: Any, src: list[list[int]], tgt: list[list[int]]) -> Tensor:
    """Run a small model of two layers: (B, T, 23)."""
    logits: Tensor = _model(kind, 2)(_ids(src), _ids(tgt))
    return logits


def _equally_long(ids: list[list[int]]) -> list[list[int]]:
    """Cut the source to the target's length."""
    return [row[-TARGETS:] for row in ids]


def _called(src: list[list[int]], tgt: list[list[int]]) -> str:
    """Write down a call with its tokens."""
    return f"model(src, tgt), src = {src}, tgt = {tgt}, padding is {PAD}"


@probe(ALL, "shape", "model(src, tgt), both of shape (2, 5)")
def _forward_equally_long(kind: Any) -> Observed:
    """There is one row of logits for each target token, one number for each
    of the 23 tokens of its vocabulary.
    """
    logits = _logits(kind, _equally_long(SRC_FULL), TGT_FULL)
    return {"the result": shapes(logits)}


@probe(ALL, "values", _called([[5], [9]], [[1], [22]]), NEAR)
def _forward_one_token(kind: Any) -> Observed:
    """Encode, decode, project: that is all."""
    return {"the result": _logits(kind, [[5], [9]], [[1], [22]])}


@probe(ALL, "values", _called(_equally_long(SRC_FULL), TGT_FULL), NEAR)
def _forward_values(kind: Any) -> Observed:
    """Every target token sees the whole source and the target so far."""
    return {"the result": _logits(kind, _equally_long(SRC_FULL), TGT_FULL)}


@probe(ALL, "mask", _called(_equally_long(SRC), TGT_FULL), NEAR)
def _forward_source_padded(kind: Any) -> Observed:
    """The padding of the source is hidden from the source and the target."""
    return {"the result": _logits(kind, _equally_long(SRC), TGT_FULL)}


@probe(ALL, "mask", _called(_equally_long(SRC_FULL), TGT_BEHIND), NEAR)
def _forward_target_padded(kind: Any) -> Observed:
    """The padding of the target is hidden from the target."""
    src = _equally_long(SRC_FULL)
    return {"the result": _logits(kind, src, TGT_BEHIND)}


@probe(ALL, "mask", _called(SRC, TGT), NEAR)
def _forward_unequal(kind: Any) -> Observed:
    """Source and target may differ in length."""
    return {"the result": _logits(kind, SRC, TGT)}


@probe(
    ALL,
    "mask",
    "model(src, tgt), twice, the last token of each target is another one",
)
def _forward_hides_the_future(kind: Any) -> Observed:
    """A later token of the target moves no earlier logits."""
    other = [[*row[:-1], 5] for row in TGT_FULL]
    before = _logits(kind, SRC_FULL, TGT_FULL)
    return {
        "the positions whose logits moved": _moved(
            before, _logits(kind, SRC_FULL, other)
        )
    }


@probe(
    ALL,
    "mask",
    "model(src, tgt), twice, with two more tokens of padding after src",
)
def _forward_ignores_padding(kind: Any) -> Observed:
    """Padding after the source changes nothing."""
    longer = [[*row, PAD, PAD] for row in SRC]
    before = _logits(kind, SRC, TGT)
    return {
        "the positions whose logits moved": _moved(
            before, _logits(kind, longer, TGT)
        )
    }


@probe(ALL, "gradients", "model(src, tgt), then backward")
def _forward_unused(kind: Any) -> Observed:
    """Every parameter gets its gradient, the encoder's through the memory."""
    model = _model(kind, 2)
    idle = unused(model, model(_ids(SRC), _ids(TGT)))
    return {"parameters without gradient": idle}


@probe(ALL, "modes", "model(src, tgt), train mode, a dropout of 1", NEAR)
def _forward_drops(kind: Any) -> Observed:
    """In training dropout falls where the parts have it, nowhere else."""
    model = _model(kind, 1, dropout=1.0).train()
    return {"logits": model(_ids(SRC), _ids(TGT))}
