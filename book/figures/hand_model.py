"""The hand model: a Transformer whose every number was set by hand.

It reads "I like pizza" and writes "ich mag pizza", and Part I recomputes it
on paper: d_model 4, two heads, one encoder and one decoder layer, and small
whole numbers in (almost) every table. The tables stand here as they multiply,
`x @ table`; the model is the package's own Transformer, and the steps are
computed by its own modules. All biases are 0, all gains 1.

How it was made: embeddings, queries, keys and values of the encoder by hand,
the decoder's tables by a search among small whole numbers for predictions
and cross-attention that are right by a clear margin. The search asked for
"pizza like I" as well, so the model has to read and cannot recite.

Steps are kept without the batch: S source and T target tokens, D features,
H heads of d_k features, F features within the feed-forward network, V words.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from laidout.attention import MultiHeadAttention, scaled_dot_product_attention
from laidout.feedforward import PositionwiseFeedForward
from laidout.layers import DecoderLayer, EncoderLayer
from laidout.masks import causal_mask
from laidout.transformer import Transformer, TransformerConfig

SOURCE = ("I", "like", "pizza")
TARGET = ("<s>", "ich", "mag", "pizza")
PREDICTED = (*TARGET[1:], "</s>")
SOURCE_WORDS = ("<pad>", *SOURCE)
TARGET_WORDS = ("<pad>", *TARGET, "</s>")
D_MODEL, HEADS, D_FF = 4, 2, 8

Table = list[list[float]]

POSITIONS: Table = [
    [0, 1, 0, 1],
    [1, 0.5, 0, 1],
    [1, -0.5, 0, 1],
    [0, -1, 0, 1],
]
"""The paper's sines and cosines, rounded to the nearest half."""

SOURCE_EMBEDDING: Table = [
    [0, 0, 0, 0],
    [0.5, -0.5, 0.5, -0.5],
    [-0.5, 0.25, 0, 0],
    [0.5, 0.75, 0, -0.5],
]
"""Rows for <pad>, I, like, pizza. Doubled, for that is the square root of
d_model, and with the positions added they are (1, 0, 1, 0), (0, 1, 0, 1) and
(2, 1, 0, 0)."""

TARGET_EMBEDDING: Table = [
    [0, 0, 0, 0],
    [-0.5, -0.5, 0, -0.5],
    [0.5, 0.25, -0.5, 0.5],
    [0, -0.25, 0.5, -0.5],
    [-0.5, 0.5, -0.5, 0],
    [0, 0.5, 0, 0.5],
]
"""Rows for <pad>, <s>, ich, mag, pizza, </s>; whole numbers, once they are
doubled and have their positions."""

SAME: Table = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
"""Hands over what it gets."""

ENCODER_ATTENTION: dict[str, Table] = {
    "w_q": [[0, 0, 0, 1], [-1, 2, -1, 0], [1, 0, 1, -1], [1, 0, 1, 0]],
    "w_k": [[0, 1, 0, 0], [0, 0, 2, 0], [1, 0, -1, -1], [2, 0, 0, 2]],
    "w_v": [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [-1, 0, 0, 1]],
    "w_o": [[0, 0, 0, 1], [1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 1, 0]],
}
"""Two columns a head. Head 1 is the one that the book works through: "like"
looks at "pizza", "pizza" at itself. In head 2 the query of "like" is zero, so
it listens to all alike, and "pizza" looks at the word before it."""

OWN_ATTENTION: dict[str, Table] = {
    "w_q": [[0, 0, 0, 0], [0, 0, 0, 1], [1, 0, 1, 0], [-1, 0, 0, 0]],
    "w_k": [[0, 0, 0, 0], [1, 0, 0, 1], [-1, 0, -1, 0], [0, 0, 0, 0]],
    "w_v": SAME,
    "w_o": [[0, 0, 0, 1], [1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0]],
}
"""The decoder among its own words: head 1 looks at the word before."""

CROSS_ATTENTION: dict[str, Table] = {
    "w_q": [[0, 0, 0, 0], [-1, 0, 0, 1], [0, -1, -1, 0], [0, 0, 0, 0]],
    "w_k": [[0, 0, 0, -1], [0, 1, 1, 0], [-1, 0, 0, 0], [0, 0, 0, 0]],
    "w_v": SAME,
    "w_o": [[0, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0]],
}
"""The decoder at the source: ich from I, mag from like, pizza from pizza."""

WIDEN: Table = [
    [1, 0, 0, 0, -1, 0, 0, 0],
    [0, 1, 0, 0, 0, -1, 0, 0],
    [0, 0, 1, 0, 0, 0, -1, 0],
    [0, 0, 0, 1, 0, 0, 0, -1],
]
"""Each feature twice, as it is and with its sign turned: once negatives are
set to zero, the first four keep what was positive, the last four what was
negative."""

ENCODER_NARROW: Table = [
    [0, 0, 1, 0],
    [1, 0, 0, 0],
    [0, 0, 0, 1],
    [0, 1, 0, 0],
    [0, 0, 1, 0],
    [0, 1, 0, 0],
    [1, 0, 0, 0],
    [0, 0, 0, 1],
]
"""Every one of the eight is added to one place of the four."""

DECODER_NARROW: Table = [
    [0, 1, 0, 0],
    [0, 0, 0, 1],
    [1, 0, 0, 0],
    [0, 0, 1, 0],
    [0, 0, 0, 1],
    [0, 0, 1, 0],
    [1, 0, 0, 0],
    [0, 1, 0, 0],
]

OUTPUT_ROWS: Table = [
    [0, 0, 0, 0],
    [0, 0, 0, 0],
    [0.5, 0, 1, -1.5],
    [1, 0.5, -1.5, 0],
    [0, -1.5, 1.5, 0],
    [-0.5, -0.5, -0.5, 1.5],
]
"""A row for each target word: the state in which it is due, to the half."""


def hand_model() -> Transformer:
    """Build it: the package's Transformer with the tables above."""
    sizes = len(SOURCE_WORDS), len(TARGET_WORDS)
    model = Transformer(
        TransformerConfig(
            *sizes,
            d_model=D_MODEL,
            num_heads=HEADS,
            num_layers=1,
            d_ff=D_FF,
            dropout=0.0,
            max_len=len(POSITIONS),
            share_embeddings=False,
        )
    ).requires_grad_(False)
    encoder, decoder = layers(model)
    model.position.encoding.copy_(torch.tensor(POSITIONS))
    for embedding, rows in (
        (model.src_embedding, SOURCE_EMBEDDING),
        (model.tgt_embedding, TARGET_EMBEDDING),
    ):
        embedding.embedding.weight.copy_(torch.tensor(rows))
    for attention, tables in (
        (encoder.self_attention, ENCODER_ATTENTION),
        (decoder.self_attention, OWN_ATTENTION),
        (decoder.cross_attention, CROSS_ATTENTION),
    ):
        for name, table in tables.items():
            _set(getattr(attention, name), table)
    for layer, narrow in (
        (encoder, ENCODER_NARROW),
        (decoder, DECODER_NARROW),
    ):
        _set(layer.feed_forward.w_1, WIDEN)
        _set(layer.feed_forward.w_2, narrow)
    model.output_projection.weight.copy_(torch.tensor(OUTPUT_ROWS))
    return model.eval()


def layers(model: Transformer) -> tuple[EncoderLayer, DecoderLayer]:
    """Find its one encoder layer and its one decoder layer."""
    (encoder,), (decoder,) = model.encoder.layers, model.decoder.layers
    assert isinstance(encoder, EncoderLayer)
    assert isinstance(decoder, DecoderLayer)
    return encoder, decoder


def _set(linear: nn.Linear, table: Table) -> None:
    """Write a table; PyTorch keeps it turned, (out, in)."""
    linear.weight.copy_(torch.tensor(table).T)


@dataclass(frozen=True)
class AttentionSteps:
    """What happens in one attention block, all heads.

    Shapes: query (H, T, d_k), key and value (H, S, d_k), scores, scaled and
    weights (H, T, S), heads (H, T, d_k), joined and output (T, D).
    """

    query: Tensor
    key: Tensor
    value: Tensor
    scores: Tensor
    scaled: Tensor
    weights: Tensor
    heads: Tensor
    joined: Tensor
    output: Tensor


@dataclass(frozen=True)
class FeedForwardSteps:
    """What happens in the feed-forward network: wide (L, F), output (L, D)."""

    wide: Tensor
    output: Tensor


@dataclass(frozen=True)
class EncoderSteps:
    """From embeddings to memory; all (S, D) but what has steps of its own.

    `added` is x plus what attention found, `normed` that after its norm, and
    `reworked` is normed plus what the feed-forward network makes of it.
    """

    embedded: Tensor
    x: Tensor
    attention: AttentionSteps
    added: Tensor
    normed: Tensor
    feed_forward: FeedForwardSteps
    reworked: Tensor
    memory: Tensor


@dataclass(frozen=True)
class DecoderSteps:
    """From the words so far to the next; (T, D), the last two (T, V)."""

    embedded: Tensor
    x: Tensor
    own: AttentionSteps
    own_normed: Tensor
    cross: AttentionSteps
    cross_normed: Tensor
    feed_forward: FeedForwardSteps
    hidden: Tensor
    logits: Tensor
    probabilities: Tensor


def attention_steps(
    block: MultiHeadAttention,
    asking: Tensor,
    asked: Tensor,
    mask: Tensor | None = None,
) -> AttentionSteps:
    """Go through a block step by step: (T, D) asks (S, D)."""
    query, key, value = (
        block._split_heads(linear(x[None]))
        for linear, x in (
            (block.w_q, asking),
            (block.w_k, asked),
            (block.w_v, asked),
        )
    )
    scores = query @ key.mT
    heads, weights = scaled_dot_product_attention(query, key, value, mask)
    joined = heads.transpose(1, 2).flatten(2)
    each = (
        *(query, key, value, scores, scores / query.size(-1) ** 0.5),
        *(weights, heads, joined, block.w_o(joined)),
    )
    return AttentionSteps(*(one[0] for one in each))


def feed_forward_steps(
    network: PositionwiseFeedForward, x: Tensor
) -> FeedForwardSteps:
    """Go through the feed-forward network: (L, D)."""
    return FeedForwardSteps(torch.relu(network.w_1(x)), network(x))


def encoder_steps(
    model: Transformer, words: tuple[str, ...] = SOURCE
) -> EncoderSteps:
    """Read a sentence, and keep everything on the way to the memory."""
    layer, _ = layers(model)
    embedded = model.src_embedding(source_ids(words))
    x = model.position(embedded)[0]
    attention = attention_steps(layer.self_attention, x, x)
    added = x + attention.output
    normed = layer.norm_1(added)
    network = feed_forward_steps(layer.feed_forward, normed)
    reworked = normed + network.output
    return EncoderSteps(
        embedded[0],
        x,
        attention,
        added,
        normed,
        network,
        reworked,
        layer.norm_2(reworked),
    )


def decoder_steps(
    model: Transformer, memory: Tensor, words: tuple[str, ...] = TARGET
) -> DecoderSteps:
    """Read the words so far and a memory, (S, D), and predict the next."""
    _, layer = layers(model)
    embedded = model.tgt_embedding(target_ids(words))
    x = model.position(embedded)[0]
    past = causal_mask(len(words))[0]
    own = attention_steps(layer.self_attention, x, x, past)
    own_normed = layer.norm_1(x + own.output)
    cross = attention_steps(layer.cross_attention, own_normed, memory)
    cross_normed = layer.norm_2(own_normed + cross.output)
    network = feed_forward_steps(layer.feed_forward, cross_normed)
    hidden = layer.norm_3(cross_normed + network.output)
    logits = model.output_projection(hidden)
    return DecoderSteps(
        embedded[0],
        x,
        own,
        own_normed,
        cross,
        cross_normed,
        network,
        hidden,
        logits,
        logits.softmax(dim=-1),
    )


def source_ids(words: tuple[str, ...] = SOURCE) -> Tensor:
    """Look up the ids of a source sentence, (1, S)."""
    return torch.tensor([[SOURCE_WORDS.index(word) for word in words]])


def target_ids(words: tuple[str, ...] = TARGET) -> Tensor:
    """Look up the ids of a target sentence, (1, T)."""
    return torch.tensor([[TARGET_WORDS.index(word) for word in words]])


MODEL = hand_model()
ENCODER = encoder_steps(MODEL)
DECODER = decoder_steps(MODEL, ENCODER.memory)
