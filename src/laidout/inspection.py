"""Looking inside: where a trained model attends. The paper's appendix."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from laidout.attention import MultiHeadAttention
from laidout.evaluation import source_ids
from laidout.fast import unfuse
from laidout.layers import DecoderLayer, EncoderLayer
from laidout.modes import evaluating
from laidout.tokenizer import BPETokenizer
from laidout.transformer import Transformer

__all__ = [
    "AttentionMap",
    "attention_maps",
    "pointing_accuracy",
    "select_maps",
    "token_texts",
]

KINDS = "encoder", "decoder", "cross"
"""Whose attention: the source's to itself, the target's, and across."""


@dataclass(frozen=True)
class AttentionMap:
    """The weights of one head, with the tokens of its rows and columns.

    Shapes: weights (rows, columns); every row sums to one.

    A row is where a position looks. In the encoder it bears the token that
    is read there. In the decoder and across it bears the token that is
    *written* there, one ahead of the token read.
    """

    layer: int
    kind: str
    head: int
    weights: Tensor
    rows: list[str]
    columns: list[str]


def token_texts(tokenizer: BPETokenizer, ids: Sequence[int]) -> list[str]:
    """Name each token: the special ones in angle brackets."""
    names = {
        tokenizer.pad_id: "<pad>",
        tokenizer.bos_id: "<bos>",
        tokenizer.eos_id: "<eos>",
    }
    return [names.get(i) or tokenizer.decode([i]) for i in ids]


@torch.no_grad()
def attention_maps(
    model: Transformer, tokenizer: BPETokenizer, source: str, target: str
) -> list[AttentionMap]:
    """Return all attention weights of a model that writes a translation.

    Layers and heads are counted from 0. The model stays as it is; if its
    attention is fused, a copy of it takes the explicit path.

    Raises:
        ValueError: if the source is empty, or a layer of the model lacks an
            attention that keeps its weights.
    """
    # 1. One pass over the pair, as in training.
    src = source_ids(tokenizer, source)
    tgt = [tokenizer.bos_id, *tokenizer.encode(target), tokenizer.eos_id]
    device = next(model.parameters()).device
    model = copy.deepcopy(model)
    unfuse(model)
    with evaluating(model):
        model(
            torch.tensor([src], device=device),
            torch.tensor([tgt[:-1]], device=device),
        )
    # 2. Each attention has kept the weights of this pass.
    read, written = token_texts(tokenizer, tgt), token_texts(tokenizer, tgt)
    columns = token_texts(tokenizer, src)
    axes = {
        "encoder": (columns, columns),
        "decoder": (written[1:], read[:-1]),
        "cross": (written[1:], columns),
    }
    return [
        AttentionMap(layer, kind, head, weights, *axes[kind])
        for kind in KINDS
        for layer, attention in enumerate(_attentions(model, kind))
        for head, weights in enumerate(_weights(attention))
    ]


def _attentions(model: Transformer, kind: str) -> list[MultiHeadAttention]:
    """Return the attentions of one kind, from the first layer to the last."""
    stack = model.encoder if kind == "encoder" else model.decoder
    return [_attention(layer, kind == "cross") for layer in _layers(stack)]


def _layers(stack: nn.Module) -> list[nn.Module]:
    """Return the layers of an encoder or a decoder, in order."""
    # 1. The package's stacks give them a name.
    named = getattr(stack, "layers", None)
    if isinstance(named, nn.ModuleList):
        return list(named)
    # 2. In others their type tells.
    kinds = EncoderLayer, DecoderLayer
    return [module for module in stack.modules() if isinstance(module, kinds)]


def _attention(layer: nn.Module, cross: bool) -> MultiHeadAttention:
    """Find the cross-attention of a layer, or its self-attention."""
    # 1. The package's layers give them names.
    name = "cross_attention" if cross else "self_attention"
    named = getattr(layer, name, None)
    if isinstance(named, MultiHeadAttention):
        return named
    # 2. In others the order tells: the layer's own words come first.
    found = [m for m in layer.modules() if isinstance(m, MultiHeadAttention)]
    if len(found) <= cross:
        raise ValueError(
            f"model has a layer ({type(layer).__name__}) without {name}"
        )
    return found[cross]


def _weights(attention: MultiHeadAttention) -> Tensor:
    """Return what an attention has kept of one sentence: (H, T, S)."""
    weights = attention.attention_weights
    if weights is None:
        raise ValueError("attention_weights is None: nothing was kept")
    return weights[0]


def select_maps(
    maps: Sequence[AttentionMap],
    kind: str,
    layer: int,
    head: int | None = None,
) -> AttentionMap:
    """Return one map, or the mean over the heads of a layer (head None).

    A negative layer counts from the end.

    Raises:
        ValueError: if there is no such kind, layer or head.
    """
    layers = sorted({m.layer for m in maps if m.kind == kind})
    if not layers:
        raise ValueError(f"kind ({kind!r}) must be one of {KINDS}")
    if not -len(layers) <= layer < len(layers):
        raise ValueError(
            f"layer ({layer}) must be from {-len(layers)} to {len(layers) - 1}"
        )
    found = [m for m in maps if m.kind == kind and m.layer == layers[layer]]
    if head is None:
        weights = torch.stack([m.weights for m in found]).mean(0)
        first = found[0]
        return AttentionMap(
            first.layer, kind, -1, weights, first.rows, first.columns
        )
    if not 0 <= head < len(found):
        raise ValueError(
            f"head ({head}) must be None or from 0 to {len(found) - 1}"
        )
    return found[head]


def pointing_accuracy(
    weights: Tensor,
    tokenizer: BPETokenizer,
    source: str,
    target: str,
    links: Sequence[tuple[int, int, int, int]],
) -> float:
    """Return the share of linked words that look at their counterpart.

    Shapes: weights (T, S), a cross-attention map of the pair, eos included
    on both sides.

    A link is (source start, end, target start, end) in characters. Of all
    tokens of a target word, the one that begins it counts: where it is
    written, the largest weight must lie on a token of the source word.

    Raises:
        ValueError: if there are no links, if one does not lie inside the
            pair, or if the weights are not those of the pair.
    """
    if not links:
        raise ValueError("links must hold at least one word, got none")
    # 1. Which bytes does each token cover?
    columns = _spans(tokenizer, source)
    rows = _spans(tokenizer, target)
    shape = len(rows) + 1, len(columns) + 1
    if weights.shape != shape:
        raise ValueError(
            f"weights {tuple(weights.shape)} must have a row and a column "
            f"for each token and eos, {shape}"
        )
    right = 0
    for link in links:
        _check_link(link, len(source), len(target))
        start, end = _byte_span(source, link[0], link[1])
        begin, _ = _byte_span(target, link[2], link[3])
        # 2. The token that writes the word's first letter.
        row = next(i for i, (a, b) in enumerate(rows) if a <= begin < b)
        # 3. Where it looks most (eos, after all words, may win too).
        best = int(weights[row].argmax())
        if best < len(columns):
            right += columns[best][0] < end and start < columns[best][1]
    return right / len(links)


def _check_link(
    link: tuple[int, int, int, int], source: int, target: int
) -> None:
    """Insist on two spans of at least one character inside the pair."""
    start, end, begin, stop = link
    if not (0 <= start < end <= source and 0 <= begin < stop <= target):
        raise ValueError(
            f"link {link} must lie in {source} and {target} characters"
        )


def _spans(tokenizer: BPETokenizer, text: str) -> list[tuple[int, int]]:
    """Return where each token begins and ends, in bytes of the text."""
    spans, end = [], 0
    for token in tokenizer.encode(text):
        start, end = end, end + len(tokenizer.pieces[token])
        # The space before a word is part of its token, not of the word.
        spans.append((start, end))
    return spans


def _byte_span(text: str, start: int, end: int) -> tuple[int, int]:
    """Turn places counted in characters into places counted in bytes."""
    before = len(text[:start].encode("utf-8"))
    return before, before + len(text[start:end].encode("utf-8"))
