"""Transformers Laid Out: the model of "Attention Is All You Need".

The names below are loaded when they are first used, so that the workshop and
the book can read the package without waiting for PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from laidout.attention import (
        MultiHeadAttention,
        scaled_dot_product_attention,
    )
    from laidout.checkpoint import average_checkpoints
    from laidout.data import (
        Corpus,
        Pair,
        collate,
        load_corpus,
        token_batches,
    )
    from laidout.decoding import (
        beam_search,
        greedy_decode,
    )
    from laidout.embedding import (
        TokenEmbedding,
    )
    from laidout.evaluation import (
        bleu,
        exact_match,
        translate,
    )
    from laidout.feedforward import (
        PositionwiseFeedForward,
    )
    from laidout.inspection import (
        attention_maps,
    )
    from laidout.layers import (
        DecoderLayer,
        EncoderLayer,
    )
    from laidout.loss import (
        LabelSmoothing,
        shift_targets,
    )
    from laidout.masks import (
        causal_mask,
        padding_mask,
        target_mask,
    )
    from laidout.normalization import (
        LayerNorm,
    )
    from laidout.positional import (
        PositionalEncoding,
        sinusoidal_encoding,
    )
    from laidout.schedule import (
        TransformerLRScheduler,
    )
    from laidout.tokenizer import (
        BPETokenizer,
    )
    from laidout.training import (
        evaluate,
        train_epoch,
    )
    from laidout.transformer import (
        Decoder,
        Encoder,
        Transformer,
        TransformerConfig,
    )

__all__ = [
    "BPETokenizer",
    "Corpus",
    "Decoder",
    "DecoderLayer",
    "Encoder",
    "EncoderLayer",
    "LabelSmoothing",
    "LayerNorm",
    "MultiHeadAttention",
    "Pair",
    "PositionalEncoding",
    "PositionwiseFeedForward",
    "TokenEmbedding",
    "Transformer",
    "TransformerConfig",
    "TransformerLRScheduler",
    "attention_maps",
    "average_checkpoints",
    "beam_search",
    "bleu",
    "causal_mask",
    "collate",
    "evaluate",
    "exact_match",
    "greedy_decode",
    "load_corpus",
    "padding_mask",
    "scaled_dot_product_attention",
    "shift_targets",
    "sinusoidal_encoding",
    "target_mask",
    "token_batches",
    "train_epoch",
    "translate",
]

_HOME = {
    "BPETokenizer": "tokenizer",
    "Corpus": "data",
    "Decoder": "transformer",
    "DecoderLayer": "layers",
    "Encoder": "transformer",
    "EncoderLayer": "layers",
    "LabelSmoothing": "loss",
    "LayerNorm": "normalization",
    "MultiHeadAttention": "attention",
    "Pair": "data",
    "PositionalEncoding": "positional",
    "PositionwiseFeedForward": "feedforward",
    "TokenEmbedding": "embedding",
    "Transformer": "transformer",
    "TransformerConfig": "transformer",
    "TransformerLRScheduler": "schedule",
    "attention_maps": "inspection",
    "average_checkpoints": "checkpoint",
    "beam_search": "decoding",
    "bleu": "evaluation",
    "causal_mask": "masks",
    "collate": "data",
    "evaluate": "training",
    "exact_match": "evaluation",
    "greedy_decode": "decoding",
    "load_corpus": "data",
    "padding_mask": "masks",
    "scaled_dot_product_attention": "attention",
    "shift_targets": "loss",
    "sinusoidal_encoding": "positional",
    "target_mask": "masks",
    "token_batches": "data",
    "train_epoch": "training",
    "translate": "evaluation",
}


def __getattr__(name: str) -> object:
    """Import a public object's module when the object is asked for."""
    if name not in _HOME:
        raise AttributeError(f"module 'laidout' has no attribute {name!r}")
    return getattr(import_module(f"laidout.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})
