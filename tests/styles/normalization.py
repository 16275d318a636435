"""Layer normalisation, as others write it."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from styles import right, wrong

NORM = "normalization-layer-norm"


@right(NORM)
class CentresFirst(nn.Module):
    def __init__(self, d_model: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(d_model))
        self.gain = nn.Parameter(torch.ones(d_model))
        self.small = eps

    def forward(self, x: Tensor) -> Tensor:
        d = x.shape[-1]
        centred = x - torch.einsum("...d->...", x)[..., None] / d
        squares = torch.einsum("...d,...d->...", centred, centred)[..., None]
        root = torch.rsqrt(squares / d + self.small)
        return torch.addcmul(self.bias, centred * root, self.gain)


@right(NORM)
class SquaresTheDeviation(nn.Module):
    def __init__(self, d_model: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.full((d_model,), 1.0))
        self.bias = nn.Parameter(torch.full((d_model,), 0.0))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        std, mean = torch.std_mean(x, -1, correction=0, keepdim=True)
        y = (x - mean) / (std**2 + self.eps) ** 0.5
        return y * self.gain + self.bias


@right(NORM)
class AsksTorch(nn.Module):
    def __init__(self, d_model: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(d_model))
        self.bias = nn.Parameter(torch.zeros(d_model))
        self.shape, self.eps = (d_model,), eps

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.shape, self.gain, self.bias, self.eps)


@wrong(NORM, "divided-by-one-less")
class Annotated(nn.Module):
    """Two mistakes at once; the first that shows is named."""

    def __init__(self, d_model: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(d_model))
        self.bias = nn.Parameter(torch.zeros(d_model))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(-1, keepdim=True)
        std = x.std(-1, keepdim=True)
        return self.gain * (x - mean) / (std + self.eps) + self.bias


@wrong(NORM, "rms")
class AsInLlama(nn.Module):
    def __init__(self, d_model: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(d_model))
        self.bias = nn.Parameter(torch.zeros(d_model))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        scale = torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)
        return x * scale * self.gain + self.bias


@wrong(NORM, "plain-tensors")
class NotLearned(nn.Module):
    def __init__(self, d_model: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.gain, self.bias = torch.ones(d_model), torch.zeros(d_model)
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        var, mean = torch.var_mean(x, dim=-1, correction=0, keepdim=True)
        return self.gain * (x - mean) / (var + self.eps).sqrt() + self.bias


@wrong(NORM, "over-the-sentence")
class WholeLayer(nn.Module):
    """The shape of the layer is taken for all axes but the batch."""

    def __init__(self, d_model: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(d_model))
        self.bias = nn.Parameter(torch.zeros(d_model))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        y = F.layer_norm(x, x.shape[-2:], None, None, self.eps)
        return y * self.gain + self.bias


@wrong(NORM, "parameters-of-other-names")
class GammaAndBeta(nn.Module):
    def __init__(self, d_model: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(d_model))
        self.beta = nn.Parameter(torch.zeros(d_model))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        shape = self.gamma.shape
        return F.layer_norm(x, [*shape], self.gamma, self.beta, self.eps)


@wrong(NORM, "parameters-of-other-names")
class WrapsTorch(nn.Module):
    def __init__(self, d_model: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(d_model, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(x)
        return y


@wrong(NORM, "gain-of-another-name")
class InheritsFromTorch(nn.LayerNorm):
    def __init__(self, d_model: int, eps: float = 1e-5) -> None:
        super().__init__(d_model, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


@wrong(NORM, "super-forgotten")
class ForgetsSuper(nn.Module):
    def __init__(self, d_model: int, eps: float = 1e-5) -> None:
        self.eps = eps
        self.bias = nn.Parameter(torch.zeros(d_model))
        self.gain = nn.Parameter(torch.ones(d_model))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self.gain, self.bias, self.eps)


class Skeleton(nn.Module):
    """The right parts; what is done with them is left to others."""

    def __init__(self, d_model: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(d_model))
        self.bias = nn.Parameter(torch.zeros(d_model))
        self.eps = eps


@wrong(NORM, "axis-two")
class CountsFromTheFront(Skeleton):
    def forward(self, x: Tensor) -> Tensor:
        var, mean = torch.var_mean(x, dim=2, correction=0, keepdim=True)
        return self.gain * (x - mean) / (var + self.eps).sqrt() + self.bias


@wrong(NORM, "axes-one-and-two")
class AllButTheBatch(Skeleton):
    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(dim=(1, 2), keepdim=True)
        var = (x - mean).pow(2).mean(dim=(1, 2), keepdim=True)
        return self.gain * (x - mean) / (var + self.eps).sqrt() + self.bias


@wrong(NORM, "normalised-in-place")
class InPlace(Skeleton):
    def forward(self, x: Tensor) -> Tensor:
        x -= x.mean(-1, keepdim=True)
        x /= (x.square().mean(-1, keepdim=True) + self.eps).sqrt()
        return self.gain * x + self.bias


@wrong(NORM, "centred-in-place")
class CentresInPlace(Skeleton):
    def forward(self, x: Tensor) -> Tensor:
        x -= x.mean(dim=-1, keepdim=True)
        var = x.var(dim=-1, correction=0, keepdim=True)
        return x / torch.sqrt(var + self.eps) * self.gain + self.bias


@wrong(NORM, "eps-ignored")
class OneInAMillion(Skeleton):
    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self.gain, self.bias, 1e-6)
