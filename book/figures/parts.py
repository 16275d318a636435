"""The parts of the map, and the chapters that explain them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """A part of the machine, and the chapter that explains it."""

    title: str
    chapter: str


PARTS = {
    "encoder": Part("Encoder layer", "layers"),
    "decoder": Part("Decoder layer", "layers"),
    "tokens": Part("Tokens in and out", "the-whole-transformer"),
    "memory": Part("Memory", "the-whole-transformer"),
    "embedding": Part("Embedding", "embeddings-and-softmax"),
    "positional-encoding": Part("Positional encoding", "positional-encoding"),
    "multi-head-attention": Part(
        "Multi-head attention", "multi-head-attention"
    ),
    "mask": Part("Mask", "masks"),
    "scaled-dot-product-attention": Part(
        "Scaled dot-product attention", "scaled-dot-product-attention"
    ),
    "feed-forward": Part("Feed-forward", "feed-forward"),
    "add-and-norm": Part("Add and norm", "layers"),
    "linear-and-softmax": Part("Linear and softmax", "embeddings-and-softmax"),
}
"""In the order in which they are drawn: what lies on top comes later."""
