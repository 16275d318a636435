"""Token embeddings: section 3.4 of the paper."""

import math

from torch import Tensor, nn

__all__ = ["TokenEmbedding"]


class TokenEmbedding(nn.Module):
    """Give each token its vector, scaled by the square root of d_model.

    Shapes: tokens (B, L), whole numbers below vocab_size -> (B, L, D).

    The table `embedding.weight`, (V, D), starts with standard deviation
    d_model ** -0.5, so that the scaled vectors have entries of size one. The
    row of `pad_id`, if there is one, starts at zero and gets no gradient from
    here.

    Paper: section 3.4.
    """

    def __init__(
        self, vocab_size: int, d_model: int, pad_id: int | None = None
    ) -> None:
        super().__init__()
        # 1. A table with one row for each token.
        self.embedding = nn.Embedding(vocab_size, d_model, pad_id)
        # 2. Start with small numbers, and padding at zero.
        nn.init.normal_(self.embedding.weight, std=d_model**-0.5)
        if pad_id is not None:
            nn.init.zeros_(self.embedding.weight.data[pad_id])
        # 3. Keep the factor.
        self.scale = math.sqrt(d_model)

    def forward(self, tokens: Tensor) -> Tensor:
        """Look the tokens up and scale what is found, (B, L, D)."""
        # 1. One row of the table for each token: (B, L) -> (B, L, D).
        vectors: Tensor = self.embedding(tokens)
        # 2. Multiply by the square root of d_model.
        return vectors * self.scale
