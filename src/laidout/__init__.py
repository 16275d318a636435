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
    from laidout.masks import causal_mask, padding_mask, target_mask

__all__ = [
    "MultiHeadAttention",
    "causal_mask",
    "padding_mask",
    "scaled_dot_product_attention",
    "target_mask",
]

_HOME = {
    "MultiHeadAttention": "attention",
    "causal_mask": "masks",
    "padding_mask": "masks",
    "scaled_dot_product_attention": "attention",
    "target_mask": "masks",
}


def __getattr__(name: str) -> object:
    """Import a public object's module when the object is asked for."""
    if name not in _HOME:
        raise AttributeError(f"module 'laidout' has no attribute {name!r}")
    return getattr(import_module(f"laidout.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})
