"""Layer normalisation: used in section 3.1 of the paper."""

import torch
from torch import Tensor, nn

__all__ = ["LayerNorm"]


class LayerNorm(nn.Module):
    """Give each position's vector mean 0 and variance 1, then rescale it.

    Shapes: x (..., D) -> (..., D); gain (D,) starts at 1, bias (D,) at 0.

    The variance divides by D, not by D - 1, and eps stands inside the root,
    as in `torch.nn.LayerNorm`.

    Paper: section 3.1, which takes it from Ba et al. (2016).
    """

    def __init__(self, d_model: int, eps: float = 1e-5) -> None:
        super().__init__()
        # 1. A factor and a shift for each feature, both learned.
        self.gain = nn.Parameter(torch.ones(d_model))
        self.bias = nn.Parameter(torch.zeros(d_model))
        # 2. What keeps the division from failing where all are equal.
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised vectors, (..., D)."""
        # 1. Mean and variance of each vector over its features: (..., 1).
        mean = x.mean(-1, keepdim=True)
        variance = x.var(-1, unbiased=False, keepdim=True)
        # 2. Take off the mean, divide by the standard deviation.
        normal = (x - mean) / torch.sqrt(variance + self.eps)
        # 3. Let the model choose its own scale and shift.
        return self.gain * normal + self.bias
