"""The position-wise feed-forward network: section 3.3 of the paper."""

import torch
from torch import Tensor, nn

__all__ = ["PositionwiseFeedForward"]


class PositionwiseFeedForward(nn.Module):
    """Rework each position's vector alone: widen it, bend it, narrow it.

    Shapes: x (B, L, D) -> (B, L, D), with d_ff features in between.

    Both layers have biases, as in the paper. The dropout between them is 0
    by default: section 5.4 puts none there.

    Paper: section 3.3, equation (2).
    """

    def __init__(self, d_model: int, d_ff: int, dropout: float = 0.0) -> None:
        super().__init__()
        # 1. One layer that widens d_model to d_ff, one that goes back.
        self.w_1 = nn.Linear(d_model, d_ff)
        self.w_2 = nn.Linear(d_ff, d_model)
        # 2. Dropout for the features in between.
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return max(0, x W_1 + b_1) W_2 + b_2, (B, L, D)."""
        # 1. Widen, (B, L, D) -> (B, L, d_ff), and set negatives to zero.
        hidden = torch.relu(self.w_1(x))
        # 2. Drop some of them, and narrow: (B, L, d_ff) -> (B, L, D).
        output: Tensor = self.w_2(self.dropout(hidden))
        return output
