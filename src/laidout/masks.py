"""Masks: who may attend to whom. Section 3.2.3 of the paper.

A mask is boolean and True means "may be attended to", as in
`torch.nn.functional.scaled_dot_product_attention`. The last axis stands for
the keys; every mask here broadcasts against scores of shape (B, H, T, S).
"""

import torch
from torch import Tensor

__all__ = ["causal_mask", "padding_mask", "target_mask"]


def padding_mask(tokens: Tensor, pad_id: int) -> Tensor:
    """Allow every key but padding.

    Shapes: tokens (B, S) -> (B, 1, 1, S).

    Raises:
        ValueError: if tokens is not a batch of sentences.
    """
    # 1. Insist on a batch of sentences: two axes, no more and no fewer.
    if tokens.dim() != 2:
        raise ValueError(
            f"tokens must be a batch (B, length), got {tuple(tokens.shape)}"
        )
    # 2. Write True where there is a real token, (B, S).
    real = tokens != pad_id
    # 3. Make room for the heads and the queries: (B, S) -> (B, 1, 1, S).
    return real[:, None, None, :]


def causal_mask(size: int, device: torch.device | str | None = None) -> Tensor:
    """Allow every position itself and what came before, never the future.

    Shapes: (1, 1, size, size), rows are queries, columns are keys.

    Raises:
        ValueError: if size is negative.

    Paper: section 3.2.3, third use of attention.
    """
    # 1. Insist on a length that is not negative.
    if size < 0:
        raise ValueError(f"size ({size}) must not be negative")
    # 2. Allow everything, (1, 1, size, size), on the device where the mask
    #    will be used.
    everything = torch.ones(1, 1, size, size, dtype=torch.bool, device=device)
    # 3. Keep the lower triangle with its diagonal; the rest becomes False.
    return everything.tril()


def target_mask(tokens: Tensor, pad_id: int) -> Tensor:
    """Allow what is neither padding nor the future: the decoder's mask.

    Shapes: tokens (B, T) -> (B, 1, T, T).

    Raises:
        ValueError: if tokens is not a batch of sentences.
    """
    # 1. A key must be a real token and it must not lie in the future:
    #    (B, 1, 1, T) & (1, 1, T, T) -> (B, 1, T, T).
    return padding_mask(tokens, pad_id) & causal_mask(
        tokens.size(1), tokens.device
    )
