"""The token embedding, as others write it."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from styles import right, wrong

EMBED = "embedding-tokens"


@right(EMBED)
class OneHotTimesTable(nn.Module):
    """A product of matrices; whatever is padding is multiplied by zero."""

    def __init__(
        self, vocab_size: int, d_model: int, pad_id: int | None = None
    ) -> None:
        super().__init__()
        rows = torch.randn(vocab_size, d_model) / d_model**0.5
        real = torch.ones(vocab_size, 1)
        if pad_id is not None:
            rows[pad_id] = 0
            real[pad_id] = 0
        self.table = nn.Parameter(rows)
        self.register_buffer("real", real)

    def forward(self, tokens: Tensor) -> Tensor:
        table = self.table * self.real
        one_hot = F.one_hot(tokens, table.size(0)).to(table.dtype)
        return one_hot @ table * table.size(1) ** 0.5


@right(EMBED)
class LookedUpByFunction(nn.Module):
    def __init__(
        self, vocab_size: int, d_model: int, pad_id: int | None = None
    ) -> None:
        super().__init__()
        bound = (3 / d_model) ** 0.5
        self.weight = nn.Parameter(torch.empty(vocab_size, d_model))
        nn.init.uniform_(self.weight, -bound, bound)
        with torch.no_grad():
            if pad_id is not None:
                self.weight[pad_id].fill_(0.0)
        self.pad_id = pad_id
        self.d_model = d_model

    def forward(self, tokens: Tensor) -> Tensor:
        found = F.embedding(
            tokens, self.weight, padding_idx=self.pad_id, sparse=True
        )
        return found * torch.tensor(self.d_model).to(found).sqrt()


@right(EMBED)
class TableInheritsFromTorch(nn.Embedding):
    def __init__(
        self, vocab_size: int, d_model: int, pad_id: int | None = None
    ) -> None:
        super().__init__(vocab_size, d_model, padding_idx=pad_id)
        self.weight.data.mul_(d_model**-0.5)

    def forward(self, tokens: Tensor) -> Tensor:
        return super().forward(tokens).mul(self.embedding_dim**0.5)


@wrong(EMBED, "default-start")
class Annotated(nn.Module):
    def __init__(
        self, vocab_size: int, d_model: int, pad_id: int | None = None
    ) -> None:
        super().__init__()
        self.lut = nn.Embedding(vocab_size, d_model, padding_idx=pad_id)
        self.d_model = d_model

    def forward(self, tokens: Tensor) -> Tensor:
        y: Tensor = self.lut(tokens) * self.d_model**0.5
        return y


@wrong(EMBED, "no-scale")
class LooksUpOnly(nn.Module):
    def __init__(
        self, vocab_size: int, d_model: int, pad_id: int | None = None
    ) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(vocab_size, d_model))
        nn.init.normal_(self.table, 0.0, d_model**-0.5)
        self.pad_id = pad_id

    def forward(self, tokens: Tensor) -> Tensor:
        return F.embedding(tokens, self.table, self.pad_id)


@wrong(EMBED, "pad-id-zero-lost")
class TakesZeroForNone(nn.Module):
    def __init__(
        self, vocab_size: int, d_model: int, pad_id: int | None = None
    ) -> None:
        super().__init__()
        if pad_id:
            self.emb = nn.Embedding(vocab_size, d_model, padding_idx=pad_id)
        else:
            self.emb = nn.Embedding(vocab_size, d_model)
        self.emb.weight.data /= d_model**0.5
        self.factor = d_model**0.5

    def forward(self, tokens: Tensor) -> Tensor:
        y: Tensor = self.factor * self.emb(tokens)
        return y


@wrong(EMBED, "weight-data")
class CutsTheGradient(nn.Module):
    def __init__(
        self, vocab_size: int, d_model: int, pad_id: int | None = None
    ) -> None:
        super().__init__()
        self.emb = nn.Embedding(vocab_size, d_model, pad_id)
        self.emb.weight.data.mul_(d_model**-0.5)

    def forward(self, tokens: Tensor) -> Tensor:
        rows = self.emb(tokens).detach()
        return rows * rows.shape[-1] ** 0.5
