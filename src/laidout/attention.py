"""Attention: section 3.2 of the paper.

Shapes are written with B batch, T target length (queries), S source length
(keys and values), D d_model and H heads. Where T and S are the same sentence,
it is self-attention.
"""

import math

import torch
from torch import Tensor, nn

__all__ = ["MultiHeadAttention", "scaled_dot_product_attention"]


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    dropout: nn.Module | None = None,
) -> tuple[Tensor, Tensor]:
    """Average the values; each counts as much as its key fits the query.

    Shapes:
        query (..., T, d_k), key (..., S, d_k), value (..., S, d_v);
        mask boolean, broadcasts to (..., T, S), True = may be attended to;
        returns output (..., T, d_v) and weights (..., T, S).

    A query that may attend to nothing gets zeros. Dropout falls on the
    weights that multiply the values; the returned weights are those before.

    Paper: section 3.2.1, equation (1).
    """
    # 1. Score every query against every key with a dot product:
    #    (..., T, d_k) @ (..., d_k, S) -> (..., T, S).
    scores = query @ key.transpose(-2, -1)
    # 2. Divide by the square root of d_k, so that the scores keep their
    #    size however long the vectors are.
    scores = scores / math.sqrt(query.size(-1))
    # 3. Where the mask says no, write minus infinity: exp(-inf) is 0.
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    # 4. Turn each row of scores into weights that sum to one over the keys.
    weights = torch.softmax(scores, dim=-1)
    # 5. A row of nothing but minus infinity has become NaN: make it zeros.
    if mask is not None:
        weights = weights.masked_fill(~mask, 0.0)
    # 6. Average the values with the weights (after dropout, if there is
    #    any): (..., T, S) @ (..., S, d_v) -> (..., T, d_v).
    used: Tensor = weights if dropout is None else dropout(weights)
    return used @ value, weights


class MultiHeadAttention(nn.Module):
    """Attend several times in parallel, each head in a space of its own.

    Shapes: query (B, T, D), key and value (B, S, D), mask broadcasts to
    (B, H, T, S); the output is (B, T, D). Every head works in d_k = D / H
    dimensions. `attention_weights` keeps the weights of the last call,
    (B, H, T, S), without their gradient.

    The paper writes the four projections as matrices; ours have biases too,
    as in `torch.nn.MultiheadAttention`.

    Raises:
        ValueError: if num_heads does not divide d_model.

    Paper: section 3.2.2.
    """

    def __init__(
        self, d_model: int, num_heads: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        # 1. Check that the heads share d_model without a remainder, and
        #    remember how many they are.
        if num_heads < 1 or d_model < 1 or d_model % num_heads:
            raise ValueError(
                f"num_heads ({num_heads}) must divide d_model ({d_model})"
            )
        self.num_heads = num_heads
        # 2. Make four linear layers from D to D: w_q, w_k and w_v for
        #    queries, keys and values, w_o for the output.
        self.w_q = nn.Linear(d_model, d_model)
        self.w_k = nn.Linear(d_model, d_model)
        self.w_v = nn.Linear(d_model, d_model)
        self.w_o = nn.Linear(d_model, d_model)
        # 3. Make the dropout for the weights. Before the first call there
        #    are none to keep: attention_weights is None.
        self.dropout = nn.Dropout(dropout)
        self.attention_weights: Tensor | None = None

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Return what each query gathered from all heads, (B, T, D)."""
        # 1. Project, then cut the features into heads: query
        #    (B, T, D) -> (B, H, T, d_k), key and value likewise with S.
        query = self._split_heads(self.w_q(query))
        key = self._split_heads(self.w_k(key))
        value = self._split_heads(self.w_v(value))
        # 2. Attend, all heads at once, with mask and dropout: the context
        #    (B, H, T, d_k) and the weights (B, H, T, S).
        context, weights = scaled_dot_product_attention(
            query, key, value, mask, self.dropout
        )
        # 3. Keep the weights for whoever wants to look at them, without
        #    their gradient.
        self.attention_weights = weights.detach()
        # 4. Put the heads side by side, (B, H, T, d_k) -> (B, T, D), and mix
        #    them with the output projection.
        output: Tensor = self.w_o(context.transpose(1, 2).flatten(2))
        return output

    def _split_heads(self, x: Tensor) -> Tensor:
        """Cut the features into heads: (B, L, D) -> (B, H, L, d_k)."""
        # 1. Read off how many sentences there are, and how long they are.
        batch, length, _ = x.shape
        # 2. Make two axes of the last, (B, L, D) -> (B, L, H, d_k), then let
        #    heads and length change places: -> (B, H, L, d_k).
        return x.view(batch, length, self.num_heads, -1).transpose(1, 2)
