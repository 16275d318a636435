"""Attention, as others write it."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from laidout.attention import scaled_dot_product_attention
from styles import right, wrong

SDPA = "attention-scaled-dot-product"
Pair = tuple[Tensor, Tensor]


@right(SDPA)
def one_query_at_a_time(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    dropout: nn.Module | None = None,
) -> Pair:
    lead = query.shape[:-1]
    if mask is None:
        mask = query.new_ones((), dtype=torch.bool)
    allowed = mask.expand(*lead, key.shape[-2])
    rows = []
    for t in range(query.shape[-2]):
        scores = (query[..., t, None, :] * key).sum(-1) / key.shape[-1] ** 0.5
        scores = torch.where(allowed[..., t, :], scores, -1e30)
        top = scores.amax(-1, keepdim=True)
        e = torch.exp(scores - top) * allowed[..., t, :]
        rows.append(e / e.sum(-1, keepdim=True).clamp_min(1e-30))
    weights = torch.stack(rows, dim=-2)
    used = dropout(weights) if dropout is not None else weights
    return torch.einsum("...ts,...sd->...td", used, value), used


@right(SDPA)
def matrices_in_a_batch(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    dropout: nn.Module | None = None,
) -> Pair:
    lead = query.shape[:-2]
    flat = [x.reshape(-1, *x.shape[-2:]) for x in (query, key, value)]
    scores = torch.bmm(flat[0], flat[1].mT) * flat[0].size(-1) ** -0.5
    scores = scores.reshape(*lead, *scores.shape[-2:])
    if mask is not None:
        hidden = mask.logical_not()
        lowest = torch.finfo(scores.dtype).min
        weights = F.softmax(scores.masked_fill(hidden, lowest), dim=-1)
        weights = weights * mask
    else:
        weights = F.softmax(scores, dim=-1)
    out = weights if dropout is None else dropout(weights)
    return torch.matmul(out, value), weights


@wrong(SDPA, "no-scale")
def einsum_without_scale(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    dropout: nn.Module | None = None,
) -> Pair:
    scores = torch.einsum("...td,...sd->...ts", query, key)
    if mask is not None:
        scores = scores.masked_fill(mask == 0, -1e30)
    weights = scores.softmax(-1)
    if mask is not None:
        weights = weights * mask
    used = weights if dropout is None else dropout(weights)
    return torch.einsum("...ts,...sd->...td", used, value), weights


@wrong(SDPA, "not-for-tilde")
def if_mask(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    dropout: nn.Module | None = None,
) -> Pair:
    if mask:
        return one_query_at_a_time(query, key, value, mask, dropout)
    return one_query_at_a_time(query, key, value, None, dropout)


@wrong(SDPA, "empty-row-uniform")
def annotated(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    dropout: nn.Module | None = None,
) -> Pair:
    d_k = query.size(-1)
    scores = torch.matmul(query, key.transpose(-2, -1)) / math.sqrt(d_k)
    if mask is not None:
        scores = scores.masked_fill(mask == 0, -1e9)
    p_attn = scores.softmax(dim=-1)
    if dropout is not None:
        p_attn = dropout(p_attn)
    return torch.matmul(p_attn, value), p_attn


# --- attention-multi-head ----------------------------------------------------

MHA = "attention-multi-head"


def four_layers(module: nn.Module, size: int) -> None:
    """Give a module its projections, in an order that is not the book's."""
    for name in ("w_o", "w_v", "w_k", "w_q"):
        setattr(module, name, nn.Linear(size, size))


@right(MHA)
class HeadsInTheBatch(nn.Module):
    """Heads and batch share an axis; attention of three axes, by hand."""

    def __init__(
        self, d_model: int, num_heads: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.d_head, rest = divmod(d_model, num_heads)
        if rest != 0:
            raise ValueError(f"num_heads={num_heads}, d_model={d_model}")
        four_layers(self, d_model)
        self.h = num_heads
        self.p = dropout
        self.attention_weights = None

    def fold(self, x: Tensor) -> Tensor:
        b, n, _ = x.shape
        x = x.reshape(b, n, self.h, self.d_head)
        return x.permute(0, 2, 1, 3).reshape(b * self.h, n, self.d_head)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
    ) -> Tensor:
        b, t, d = query.shape
        s = key.shape[1]
        q = self.fold(self.w_q(query)) * self.d_head**-0.5
        k, v = self.fold(self.w_k(key)), self.fold(self.w_v(value))
        energy = torch.bmm(q, k.permute(0, 2, 1))
        if mask is not None:
            allowed = mask.expand(b, self.h, t, s).reshape(b * self.h, t, s)
            lowest = torch.finfo(energy.dtype).min
            energy = torch.where(allowed, energy, lowest)
            attention = F.softmax(energy, dim=2) * allowed
        else:
            attention = F.softmax(energy, dim=2)
        attention = F.dropout(attention, self.p, training=self.training)
        self.attention_weights = attention.data.reshape(b, self.h, t, s)
        out = torch.bmm(attention, v).reshape(b, self.h, t, self.d_head)
        return self.w_o(out.permute(0, 2, 1, 3).contiguous().view(b, t, d))


@right(MHA)
class Einsums(nn.Module):
    """Never reshapes the weights; the softmax is written out."""

    def __init__(
        self, d_model: int, num_heads: int, dropout: float = 0.0
    ) -> None:
        if d_model % num_heads != 0:
            raise ValueError("d_model % num_heads must be 0")
        super().__init__()
        self.heads = num_heads
        self.drop = nn.Dropout(p=dropout)
        four_layers(self, d_model)
        self.attention_weights = None

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
    ) -> Tensor:
        cut = (self.heads, -1)
        q = self.w_q(query).unflatten(-1, cut)
        k = self.w_k(key).unflatten(-1, cut)
        v = self.w_v(value).unflatten(-1, cut)
        fit = torch.einsum("bthd,bshd->bhts", q, k) / math.sqrt(q.shape[-1])
        hidden = torch.zeros_like(fit, dtype=torch.bool)
        if mask is not None:
            hidden = hidden | ~mask
        fit = fit.masked_fill(hidden, -1e30)
        e = (fit - fit.amax(-1, keepdim=True)).exp().masked_fill(hidden, 0)
        w = e / e.sum(-1, keepdim=True).clamp(min=1e-30)
        with torch.no_grad():
            self.attention_weights = w.clone()
        z = torch.einsum("bhts,bshd->bthd", self.drop(w), v)
        return self.w_o(z.flatten(-2))


@right(MHA)
class OneHeadAfterAnother(nn.Module):
    """A loop over the heads, with slices of the weights."""

    def __init__(
        self, d_model: int, num_heads: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if num_heads * (d_model // num_heads) != d_model:
            raise ValueError(f"{num_heads} heads cannot share {d_model}")
        four_layers(self, d_model)
        self.num_heads = num_heads
        self.drop = nn.Dropout(dropout)
        self.attention_weights: Tensor | None = None

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
    ) -> Tensor:
        size = query.size(-1) // self.num_heads
        if mask is not None:
            shape = len(query), self.num_heads, query.size(1), key.size(1)
            mask = mask.broadcast_to(shape)
        outs, maps = [], []
        for h in range(self.num_heads):
            rows = slice(h * size, (h + 1) * size)
            q, k, v = (
                F.linear(x, layer.weight[rows], layer.bias[rows])
                for x, layer in (
                    (query, self.w_q),
                    (key, self.w_k),
                    (value, self.w_v),
                )
            )
            seen = None if mask is None else mask[:, h]
            out, weights = one_query_at_a_time(q, k, v, seen, self.drop)
            outs.append(out)
            maps.append(weights.detach())
        self.attention_weights = torch.stack(maps, 1)
        return self.w_o(torch.cat(outs, -1))


@right(MHA)
class Fused(nn.Module):
    """Torch's own attention makes the output; the weights are extra."""

    def __init__(
        self, d_model: int, num_heads: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if d_model % num_heads:
            raise ValueError("num_heads must divide d_model")
        four_layers(self, d_model)
        self.shape = num_heads, d_model // num_heads
        self.rate = dropout
        self.attention_weights: Tensor | None = None

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
    ) -> Tensor:
        q, k, v = (
            layer(x).view(*x.shape[:2], *self.shape).transpose(1, 2)
            for layer, x in (
                (self.w_q, query),
                (self.w_k, key),
                (self.w_v, value),
            )
        )
        keep = None
        if mask is not None:
            keep = mask.expand(len(q), self.shape[0], q.size(2), k.size(2))
        some = None if keep is None else keep.any(-1, keepdim=True)
        safe = None if keep is None else keep | ~some
        rate = self.rate if self.training else 0.0
        z = F.scaled_dot_product_attention(q, k, v, safe, rate)
        with torch.no_grad():
            self.attention_weights = matrices_in_a_batch(q, k, v, keep)[1]
        if some is not None:
            z = z.masked_fill(~some, 0.0)
        return self.w_o(z.mT.flatten(1, 2).mT)


class Usual(nn.Module):
    """What tutorials have in common, for the wrong ones to go wrong."""

    def __init__(
        self, d_model: int, num_heads: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if d_model % num_heads != 0:
            raise ValueError("d_model must be divisible by num_heads")
        self.d_model, self.h = d_model, num_heads
        self.d_k = d_model // num_heads
        self.w_q = nn.Linear(d_model, d_model)
        self.w_k = nn.Linear(d_model, d_model)
        self.w_v = nn.Linear(d_model, d_model)
        self.w_o = nn.Linear(d_model, d_model)
        self.drop = nn.Dropout(dropout)
        self.attention_weights: Tensor | None = None

    def attend(
        self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None
    ) -> Tensor:
        out, weights = matrices_in_a_batch(q, k, v, mask, self.drop)
        self.attention_weights = weights.detach()
        return out


@wrong(MHA, "slices-projected")
class FromScratch(nn.Module):
    def __init__(
        self, d_model: int, num_heads: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.embed_size, self.heads = d_model, num_heads
        self.head_dim = d_model // num_heads
        if self.head_dim * num_heads != d_model:
            raise ValueError("Embed size needs to be div by heads")
        self.w_v = nn.Linear(self.head_dim, self.head_dim)
        self.w_k = nn.Linear(self.head_dim, self.head_dim)
        self.w_q = nn.Linear(self.head_dim, self.head_dim)
        self.w_o = nn.Linear(num_heads * self.head_dim, d_model)
        self.drop = nn.Dropout(dropout)
        self.attention_weights: Tensor | None = None

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
    ) -> Tensor:
        n, q_len, k_len = query.shape[0], query.shape[1], key.shape[1]
        v = self.w_v(value.reshape(n, k_len, self.heads, self.head_dim))
        k = self.w_k(key.reshape(n, k_len, self.heads, self.head_dim))
        q = self.w_q(query.reshape(n, q_len, self.heads, self.head_dim))
        energy = torch.einsum("nqhd,nkhd->nhqk", [q, k])
        if mask is not None:
            energy = energy.masked_fill(mask == 0, float("-1e20"))
        attention = torch.softmax(energy / self.head_dim**0.5, dim=3)
        self.attention_weights = attention.detach()
        out = torch.einsum("nhql,nlhd->nqhd", [self.drop(attention), v])
        return self.w_o(out.reshape(n, q_len, self.heads * self.head_dim))


@wrong(MHA, "mask-with-one-axis-more")
class Annotated(Usual):
    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
    ) -> Tensor:
        if mask is not None:
            mask = mask.unsqueeze(1)
        nbatches = query.size(0)
        query, key, value = [
            lin(x).view(nbatches, -1, self.h, self.d_k).transpose(1, 2)
            for lin, x in zip(
                (self.w_q, self.w_k, self.w_v),
                (query, key, value),
                strict=True,
            )
        ]
        x, attn = annotated(query, key, value, mask, self.drop)
        self.attention_weights = attn.detach()
        x = (
            x.transpose(1, 2)
            .contiguous()
            .view(nbatches, -1, self.h * self.d_k)
        )
        return self.w_o(x)


@wrong(MHA, "merged-without-transpose")
class Forgetful(Usual):
    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
    ) -> Tensor:
        parts = []
        for layer, x in (
            (self.w_q, query),
            (self.w_k, key),
            (self.w_v, value),
        ):
            parts.append(torch.stack(layer(x).chunk(self.h, dim=-1), dim=1))
        z = self.attend(*parts, mask)
        return self.w_o(z.reshape(query.shape))


@wrong(MHA, "query-length-for-all")
class OnlyTestedOnItself(Usual):
    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
    ) -> Tensor:
        b, n, _ = query.shape
        q, k, v = (
            layer(x).reshape(b, n, self.h, self.d_k).permute(0, 2, 1, 3)
            for layer, x in (
                (self.w_q, query),
                (self.w_k, key),
                (self.w_v, value),
            )
        )
        z = self.attend(q, k, v, mask).permute(0, 2, 1, 3)
        return self.w_o(z.reshape(b, n, self.d_model))


@wrong(MHA, "query-length-for-all")
class CutAsLongAsTheKey(Usual):
    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
    ) -> Tensor:
        b, n, d = key.shape
        q, k, v = (
            layer(x).view(b, n, self.h, self.d_k).transpose(1, 2)
            for layer, x in (
                (self.w_q, query),
                (self.w_k, key),
                (self.w_v, value),
            )
        )
        z = self.attend(q, k, v, mask).transpose(1, 2)
        return self.w_o(z.contiguous().view(b, n, d))


@wrong(MHA, "merged-with-the-keys-length")
class MergedAsLongAsTheKey(Usual):
    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
    ) -> Tensor:
        b, n, d = key.shape
        q, k, v = (
            layer(x).unflatten(2, (self.h, self.d_k)).transpose(1, 2)
            for layer, x in (
                (self.w_q, query),
                (self.w_k, key),
                (self.w_v, value),
            )
        )
        z = self.attend(q, k, v, mask).transpose(1, 2)
        return self.w_o(z.contiguous().view(b, n, d))


@wrong(MHA, "dropout-and-mask-swapped")
class InAnotherOrder(Usual):
    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
    ) -> Tensor:
        q, k, v = (
            torch.stack(layer(x).split(self.d_k, dim=-1), dim=1)
            for layer, x in (
                (self.w_q, query),
                (self.w_k, key),
                (self.w_v, value),
            )
        )
        z, weights = scaled_dot_product_attention(q, k, v, self.drop, mask)
        self.attention_weights = weights.detach()
        return self.w_o(torch.cat(z.unbind(1), dim=-1))


@wrong(MHA, "check-inverted")
class Refusing(nn.Module):
    def __init__(
        self, d_model: int, num_heads: int, dropout: float = 0.0
    ) -> None:
        if d_model % num_heads == 0:
            raise ValueError("d_model must be divisible by num_heads")
        super().__init__()
        four_layers(self, d_model)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
    ) -> Tensor:
        raise AssertionError("it cannot be built")


@wrong(MHA, "mask-in-another-order")
class TiledMasks(HeadsInTheBatch):
    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
    ) -> Tensor:
        if mask is not None:
            b, t, s = len(query), query.shape[1], key.shape[1]
            tiled = mask.expand(b, self.h, t, s)
            if mask.size(0) == b and mask.dim() == 4:
                tiled = tiled[:, 0].repeat(self.h, 1, 1)
                tiled = tiled.reshape(b, self.h, t, s)
            mask = tiled
        return super().forward(query, key, value, mask)


@wrong(MHA, "dropout-in-evaluation")
class AlwaysDropping(Usual):
    def attend(
        self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None
    ) -> Tensor:
        _, weights = matrices_in_a_batch(q, k, v, mask)
        self.attention_weights = weights.detach()
        return F.dropout(weights, self.drop.p) @ v

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
    ) -> Tensor:
        q, k, v = (
            layer(x).unflatten(2, (self.h, self.d_k)).transpose(1, 2)
            for layer, x in (
                (self.w_q, query),
                (self.w_k, key),
                (self.w_v, value),
            )
        )
        z = self.attend(q, k, v, mask)
        return self.w_o(torch.cat(z.unbind(1), dim=-1))


@wrong(MHA, "empty-row-uniform")
class MinusABillion(AlwaysDropping):
    def attend(
        self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None
    ) -> Tensor:
        out, weights = annotated(q, k, v, mask, self.drop)
        self.attention_weights = weights.detach()
        return out


@wrong(MHA, "tensor-on-the-cpu")
class MaskMadeHere(HeadsInTheBatch):
    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
    ) -> Tensor:
        if mask is None:
            size = query.size(1), key.size(1)
            mask = torch.ones(size, dtype=torch.bool)
        return super().forward(query, key, value, mask)
