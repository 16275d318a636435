"""Encoder and decoder layers: section 3.1 of the paper.

Each sub-layer is wrapped in the same way, LayerNorm(x + Dropout(f(x))): the
paper's post-norm, with the dropout of section 5.4 before the sum.
"""

from torch import Tensor, nn

from laidout.attention import MultiHeadAttention
from laidout.feedforward import PositionwiseFeedForward
from laidout.normalization import LayerNorm

__all__ = ["DecoderLayer", "EncoderLayer"]


class EncoderLayer(nn.Module):
    """Let the words of a sentence look at each other, then rework each.

    Shapes: x (B, S, D), mask broadcasts to (B, H, S, S) -> (B, S, D).

    Paper: section 3.1, "Encoder".
    """

    def __init__(
        self, d_model: int, num_heads: int, d_ff: int, dropout: float = 0.1
    ) -> None:
        super().__init__()
        # 1. The two sub-layers: self-attention and the feed-forward network.
        #    Neither gets a dropout of its own.
        self.self_attention = MultiHeadAttention(d_model, num_heads)
        self.feed_forward = PositionwiseFeedForward(d_model, d_ff)
        # 2. A norm for each, and the dropout that both use.
        self.norm_1 = LayerNorm(d_model)
        self.norm_2 = LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the sentence one layer further, (B, S, D)."""
        # 1. Self-attention: queries, keys and values all come from x. Then
        #    dropout, the sum and the norm: (B, S, D) -> (B, S, D).
        attended = self.self_attention(x, x, x, mask)
        x = self.norm_1(x + self.dropout(attended))
        # 2. The feed-forward network on what step 1 made, wrapped in the same
        #    way: (B, S, D) -> (B, S, D).
        output: Tensor = self.norm_2(x + self.dropout(self.feed_forward(x)))
        return output


class DecoderLayer(nn.Module):
    """Look at the own words so far, then at the source, then rework each.

    Shapes: x (B, T, D), memory (B, S, D), tgt_mask broadcasts to
    (B, H, T, T), memory_mask to (B, H, T, S) -> (B, T, D).

    Paper: section 3.1, "Decoder".
    """

    def __init__(
        self, d_model: int, num_heads: int, d_ff: int, dropout: float = 0.1
    ) -> None:
        super().__init__()
        # 1. The three sub-layers: an attention for the target, another one
        #    for the memory, and the feed-forward network.
        self.self_attention = MultiHeadAttention(d_model, num_heads)
        self.cross_attention = MultiHeadAttention(d_model, num_heads)
        self.feed_forward = PositionwiseFeedForward(d_model, d_ff)
        # 2. A norm for each, and the dropout that all use.
        self.norm_1 = LayerNorm(d_model)
        self.norm_2 = LayerNorm(d_model)
        self.norm_3 = LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        """Return the target one layer further, (B, T, D)."""
        # 1. Self-attention; tgt_mask keeps the future out. Then dropout, the
        #    sum and the norm: (B, T, D) -> (B, T, D).
        attended = self.self_attention(x, x, x, tgt_mask)
        x = self.norm_1(x + self.dropout(attended))
        # 2. Cross-attention: queries from the target, keys and values from
        #    the memory, which is what the encoder made of the source. Wrapped
        #    in the same way: (B, T, D) and (B, S, D) -> (B, T, D).
        attended = self.cross_attention(x, memory, memory, memory_mask)
        x = self.norm_2(x + self.dropout(attended))
        # 3. The feed-forward network on what step 2 made, wrapped in the same
        #    way: (B, T, D) -> (B, T, D).
        output: Tensor = self.norm_3(x + self.dropout(self.feed_forward(x)))
        return output
