"""Positions, as others write them."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from laidout.positional import sinusoidal_encoding
from styles import right, wrong

SINES = "positional-sinusoids"
POSITIONS = "positional-encoding"


def refuse(max_len: int, d_model: int) -> None:
    for size in (max_len, d_model):
        if size <= 0:
            raise ValueError(f"size must be positive, got {size}")


# --- positional-sinusoids ---------------------------------------------------


@right(SINES)
def one_number_at_a_time(max_len: int, d_model: int) -> Tensor:
    refuse(max_len, d_model)
    rows = []
    for pos in range(max_len):
        row = []
        for column in range(d_model):
            angle = pos / 10_000 ** ((column - column % 2) / d_model)
            row.append(math.cos(angle) if column % 2 else math.sin(angle))
        rows.append(row)
    return torch.tensor(rows)


@right(SINES)
def exponential_of_the_logarithm(max_len: int, d_model: int) -> Tensor:
    """All in float32, as most people have it."""
    refuse(max_len, d_model)
    pe = torch.zeros(max_len, d_model)
    position = torch.arange(0, max_len).unsqueeze(1).float()
    div_term = torch.exp(
        torch.arange(0, d_model, 2).float() * -(math.log(10000.0) / d_model)
    )
    pe[:, 0::2] = torch.sin(position * div_term)
    pe[:, 1::2] = torch.cos(position * div_term[: d_model // 2])
    return pe


@right(SINES)
def powers_of_a_rotation(max_len: int, d_model: int) -> Tensor:
    """A pair is a complex number that turns a little at each position."""
    refuse(max_len, d_model)
    pairs = (d_model + 1) // 2
    turn = 10000.0 ** (-torch.arange(pairs).double() * 2 / d_model)
    step = torch.polar(torch.ones_like(turn), turn)
    turned = step[None] ** torch.arange(max_len)[:, None]
    both = torch.stack([turned.imag, turned.real], dim=-1)
    return both.flatten(1)[:, :d_model].float()


@right(SINES)
def sine_shifted_by_a_quarter_turn(max_len: int, d_model: int) -> Tensor:
    refuse(max_len, d_model)
    columns = torch.arange(d_model, dtype=torch.float64)
    odd = columns % 2
    rate = torch.pow(10000.0, -(columns - odd) / d_model)
    steps = torch.arange(max_len, dtype=torch.float64)
    angle = torch.einsum("p,c->pc", steps, rate)
    return torch.sin(angle + odd * math.pi / 2).to(torch.float32)


@wrong(SINES, "famous-loop")
def copied_loop(max_len: int, d_model: int) -> Tensor:
    refuse(max_len, d_model)
    pe = torch.zeros(max_len, d_model)
    for pos in range(max_len):
        for i in range(0, d_model, 2):
            pe[pos, i] = math.sin(pos / (10000 ** ((2 * i) / d_model)))
            if i + 1 < d_model:
                pe[pos, i + 1] = math.cos(
                    pos / (10000 ** ((2 * (i + 1)) / d_model))
                )
    return pe


@wrong(SINES, "two-halves")
def in_halves(max_len: int, d_model: int) -> Tensor:
    refuse(max_len, d_model)
    freq = 10000 ** (-torch.arange(0, d_model, 2) / d_model)
    angle = torch.outer(torch.arange(max_len), freq)
    return torch.cat([angle.sin(), angle[:, : d_model // 2].cos()], dim=1)


@wrong(SINES, "odd-size-fails")
def even_sizes_only(max_len: int, d_model: int) -> Tensor:
    refuse(max_len, d_model)
    pe = torch.zeros(max_len, d_model)
    pos = torch.arange(max_len).unsqueeze(1)
    freq = torch.exp(torch.arange(0, d_model, 2) * -math.log(1e4) / d_model)
    pe[:, 0::2] = torch.sin(pos * freq)
    pe[:, 1::2] = torch.cos(pos * freq)
    return pe


@wrong(SINES, "sizes-unchecked")
def refuses_nothing(max_len: int, d_model: int) -> Tensor:
    columns = torch.arange(d_model)
    freq = 10000 ** (-(columns // 2 * 2) / max(d_model, 1))
    angle = torch.arange(max_len)[:, None] * freq
    return torch.where(columns % 2 == 0, angle.sin(), angle.cos())


@wrong(SINES, "noise-added")
def a_little_noise(max_len: int, d_model: int) -> Tensor:
    pe = one_number_at_a_time(max_len, d_model)
    return pe + torch.rand(max_len, d_model) / 100


# --- positional-encoding ----------------------------------------------------


@right(POSITIONS)
class StoredOnItsSide(nn.Module):
    def __init__(
        self, d_model: int, dropout: float = 0.1, max_len: int = 5000
    ) -> None:
        super().__init__()
        side = sinusoidal_encoding(max_len, d_model).T.contiguous()
        self.register_buffer("side", side, persistent=False)
        self.p = dropout

    def forward(self, x: Tensor) -> Tensor:
        batch, length, _ = x.shape
        assert isinstance(self.side, Tensor)
        if length > self.side.shape[1]:
            raise ValueError(f"length ({length}) is too large")
        rows = self.side[:, :length].T.unsqueeze(0).expand(batch, -1, -1)
        return F.dropout(x + rows, self.p, self.training)


@right(POSITIONS)
class ComputedEachTime(nn.Module):
    def __init__(
        self, d_model: int, dropout: float = 0.1, max_len: int = 5000
    ) -> None:
        super().__init__()
        self.d_model, self.max_len = d_model, max_len
        self.drop = nn.Dropout(p=dropout)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1] > self.max_len:
            raise ValueError("too long")
        table = sinusoidal_encoding(x.shape[1], self.d_model).to(x)
        y: Tensor = self.drop(torch.add(table, x))
        return y


@right(POSITIONS)
class LookedUp(nn.Module):
    def __init__(
        self, d_model: int, dropout: float = 0.1, max_len: int = 5000
    ) -> None:
        super().__init__()
        pe = sinusoidal_encoding(max_len, d_model).unsqueeze(0)
        self.register_buffer("pe", pe, persistent=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        places = torch.arange(x.size(1), device=x.device)
        try:
            rows = self.pe.index_select(1, places)  # type: ignore[operator]
        except (IndexError, RuntimeError) as error:
            raise ValueError("the sentence is too long") from error
        y: Tensor = self.dropout(x + rows)
        return y


@wrong(POSITIONS, "position-of-the-sentence")
class SequenceFirst(nn.Module):
    """The form of PyTorch's tutorial, given batch-first tensors."""

    def __init__(
        self, d_model: int, dropout: float = 0.1, max_len: int = 5000
    ) -> None:
        super().__init__()
        self.max_len = max_len
        self.dropout = nn.Dropout(p=dropout)
        pe = sinusoidal_encoding(max_len, d_model).unsqueeze(1)
        self.register_buffer("pe", pe, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if x.size(1) > self.max_len:
            raise ValueError("too long")
        x = x + self.pe[: x.size(0)]  # type: ignore[index]
        y: Tensor = self.dropout(x)
        return y


@wrong(POSITIONS, "learned")
class AsInBert(nn.Module):
    def __init__(
        self, d_model: int, dropout: float = 0.1, max_len: int = 5000
    ) -> None:
        super().__init__()
        self.positions = nn.Embedding(max_len, d_model)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        places = torch.arange(x.size(1), device=x.device)
        if x.size(1) > self.positions.num_embeddings:
            raise ValueError("too long")
        y: Tensor = self.drop(x + self.positions(places))
        return y


@wrong(POSITIONS, "saved")
class Annotated(nn.Module):
    def __init__(
        self, d_model: int, dropout: float = 0.1, max_len: int = 5000
    ) -> None:
        super().__init__()
        self.dropout = nn.Dropout(p=dropout)
        self.max_len = max_len
        pe = sinusoidal_encoding(max_len, d_model).unsqueeze(0)
        self.register_buffer("pe", pe)

    def forward(self, x: Tensor) -> Tensor:
        if x.size(1) > self.max_len:
            raise ValueError("too long")
        x = x + self.pe[:, : x.size(1)]  # type: ignore[index]
        y: Tensor = self.dropout(x)
        return y


@wrong(POSITIONS, "too-long-unchecked")
class ChecksNothing(nn.Module):
    def __init__(
        self, d_model: int, dropout: float = 0.1, max_len: int = 5000
    ) -> None:
        super().__init__()
        self.dropout = nn.Dropout(p=dropout)
        pe = sinusoidal_encoding(max_len, d_model)[None]
        self.register_buffer("pe", pe, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        pe = self.pe[:, : x.size(1), :]  # type: ignore[index]
        y: Tensor = self.dropout(pe.expand(x.size(0), -1, -1) + x)
        return y


@wrong(POSITIONS, "dropout-always")
class DropsAlways(nn.Module):
    def __init__(
        self, d_model: int, dropout: float = 0.1, max_len: int = 5000
    ) -> None:
        super().__init__()
        pe = sinusoidal_encoding(max_len, d_model)
        self.register_buffer("pe", pe, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        assert isinstance(self.pe, Tensor)
        if x.size(1) > len(self.pe):
            raise ValueError("too long")
        return F.dropout(x + self.pe[: x.size(1)], 0.1)
