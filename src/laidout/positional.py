"""Positional encoding: section 3.5 of the paper."""

import torch
from torch import Tensor, nn

__all__ = ["PositionalEncoding", "sinusoidal_encoding"]


def sinusoidal_encoding(max_len: int, d_model: int) -> Tensor:
    """Give each position a vector of sines and cosines.

    Shapes: (max_len, d_model), one row for each position.

    Column 2i is the sine and column 2i + 1 the cosine of the position divided
    by 10000 ** (2i / d_model). An odd d_model ends with a sine.

    Raises:
        ValueError: if max_len or d_model is not positive.

    Paper: section 3.5.
    """
    # 1. Refuse a size that is not positive.
    if max_len < 1 or d_model < 1:
        raise ValueError(
            f"max_len ({max_len}) and d_model ({d_model}) must be positive"
        )
    # 2. The positions as a column, the even columns' numbers 2i as a row.
    #    In float64, or the angles of far positions would be rounded off.
    position = torch.arange(max_len, dtype=torch.float64)[:, None]
    two_i = torch.arange(0, d_model, 2, dtype=torch.float64)
    # 3. The angle of each position at each frequency: (max_len, d_model / 2),
    #    half of d_model rounded up.
    angle = position / 10000 ** (two_i / d_model)
    # 4. Sines into the even columns, cosines into the odd ones:
    #    (max_len, d_model), in torch's default dtype.
    encoding = torch.empty(max_len, d_model)
    encoding[:, 0::2] = torch.sin(angle)
    encoding[:, 1::2] = torch.cos(angle[:, : d_model // 2])
    return encoding


class PositionalEncoding(nn.Module):
    """Add to each vector the encoding of its position, then drop some.

    Shapes: x (B, L, D) -> (B, L, D), with L at most max_len.

    The encoding is a buffer: it moves with the module, is not trained and is
    not saved, since it can be computed.

    Raises:
        ValueError: if a sentence is longer than max_len.

    Paper: section 3.5; dropout after the sum: section 5.4.
    """

    def __init__(
        self, d_model: int, dropout: float = 0.1, max_len: int = 5000
    ) -> None:
        super().__init__()
        # 1. Compute the table once, (max_len, D), and keep it as a buffer
        #    that is not saved.
        self.encoding: Tensor
        self.register_buffer(
            "encoding",
            sinusoidal_encoding(max_len, d_model),
            persistent=False,
        )
        # 2. Dropout for the sum.
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return x with its positions, some features dropped."""
        # 1. Refuse what the table has no rows for.
        length = x.size(1)
        if length > self.encoding.size(0):
            raise ValueError(
                f"a sentence of {length} tokens is longer than "
                f"max_len ({self.encoding.size(0)})"
            )
        # 2. Add a row to each position, the same for every sentence:
        #    (B, L, D) + (L, D).
        output: Tensor = self.dropout(x + self.encoding[:length])
        return output
