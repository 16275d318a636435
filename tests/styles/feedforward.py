"""The feed-forward network, as others write it."""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from styles import right, wrong

FFN = "feedforward-position-wise"


@right(FFN)
class TwoConvolutions(nn.Module):
    """What section 3.3 calls it: two convolutions with kernel size 1."""

    def __init__(self, d_model: int, d_ff: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.w_1 = nn.Conv1d(d_model, d_ff, kernel_size=1)
        self.w_2 = nn.Conv1d(d_ff, d_model, kernel_size=1)
        self.p = dropout

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.w_1(x.transpose(1, 2)))
        h = F.dropout(h, self.p, training=self.training)
        y: Tensor = self.w_2(h).transpose(1, 2)
        return y


@right(FFN)
class InARow(nn.Sequential):
    """Dropout before the ReLU, and once more at the end, as in blogs."""

    def __init__(self, d_model: int, d_ff: int, dropout: float = 0.0) -> None:
        parts: dict[str, nn.Module] = {
            "w_1": nn.Linear(d_model, d_ff),
            "drop": nn.Dropout(dropout),
            "bend": nn.ReLU(inplace=True),
            "w_2": nn.Linear(d_ff, d_model),
            "drop_again": nn.Dropout(dropout),
        }
        super().__init__(OrderedDict(parts))

    def forward(self, x: Tensor) -> Tensor:
        for part in self:
            x = part(x)
        return x


@right(FFN)
class ByHand(nn.Module):
    """Each position by itself, with its own matrices."""

    def __init__(self, d_model: int, d_ff: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.w_1 = nn.Linear(d_model, d_ff)
        self.w_2 = nn.Linear(d_ff, d_model)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        w, b = self.w_1, self.w_2
        rows = []
        for t in range(x.shape[1]):
            wide = torch.einsum("bd,fd->bf", x[:, t], w.weight) + w.bias
            bent = torch.where(wide > 0, wide, torch.zeros_like(wide))
            rows.append(self.drop(bent) @ b.weight.mT + b.bias)
        return torch.stack(rows, dim=1)


@wrong(FFN, "no-activation")
class ForgetsTheBend(nn.Module):
    def __init__(self, d_model: int, d_ff: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.w_1 = nn.Sequential(
            nn.Linear(d_model, d_ff),
            nn.Dropout(dropout),
        )
        self.w_2 = nn.Linear(d_ff, d_model)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.w_2(self.w_1(x))
        return y


@wrong(FFN, "width-ignored")
class FourTimesAsWide(nn.Module):
    def __init__(self, d_model: int, d_ff: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.w_1 = nn.Linear(d_model, 2048)
        self.w_2 = nn.Linear(2048, d_model)
        self.dropout = nn.Dropout(p=dropout)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.w_2(self.dropout(self.w_1(x).clamp(min=0)))
        return y


@wrong(FFN, "hidden-in-a-list")
class OutOfSight(nn.Module):
    def __init__(self, d_model: int, d_ff: int, dropout: float = 0.0) -> None:
        super().__init__()
        sizes = [(d_model, d_ff), (d_ff, d_model)]
        self.linears = [nn.Linear(a, b) for a, b in sizes]
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        up, down = self.linears
        y: Tensor = down(self.dropout(F.relu(up(x))))
        return y


@wrong(FFN, "dropout-in-evaluation")
class NeverStopsDropping(nn.Module):
    def __init__(self, d_model: int, d_ff: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.w_1 = nn.Linear(d_model, d_ff)
        self.w_2 = nn.Linear(d_ff, d_model)
        self.rate = dropout

    def forward(self, x: Tensor) -> Tensor:
        x = F.dropout(self.w_1(x).relu(), p=self.rate)
        y: Tensor = self.w_2(x)
        return y


@wrong(FFN, "gelu")
class AsInBert(nn.Module):
    def __init__(self, d_model: int, d_ff: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.w_1 = nn.Linear(d_model, d_ff)
        self.w_2 = nn.Linear(d_ff, d_model)
        self.act = nn.GELU()
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.w_2(self.dropout(self.act(self.w_1(x))))
        return y


@wrong(FFN, "made-anew")
class MadeInForward(nn.Module):
    def __init__(self, d_model: int, d_ff: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.d_model, self.d_ff = d_model, d_ff
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        w_1 = nn.Linear(self.d_model, self.d_ff)
        w_2 = nn.Linear(self.d_ff, self.d_model)
        y: Tensor = w_2(self.dropout(F.relu(w_1(x))))
        return y


@wrong(FFN, "dropout-always")
class DropsHalf(nn.Module):
    def __init__(self, d_model: int, d_ff: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.w_1 = nn.Linear(d_model, d_ff)
        self.w_2 = nn.Linear(d_ff, d_model)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.w_2(F.dropout(F.relu(self.w_1(x)), p=0.1))
        return y


@wrong(FFN, "layers-of-other-names")
class AllInOne(nn.Module):
    """As in blogs."""

    def __init__(self, d_model: int, d_ff: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(d_model, d_ff),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(d_ff, d_model),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.net(x)
        return y


@wrong(FFN, "second-layer-of-another-name")
class OneOther(ByHand):
    def __init__(self, d_model: int, d_ff: int, dropout: float = 0.0) -> None:
        super().__init__(d_model, d_ff, dropout)
        self.back = self.w_2
        del self.w_2

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.back(self.drop(F.relu(self.w_1(x))))
        return y
