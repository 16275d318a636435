"""Encoder and decoder layers, as others write them."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from laidout.attention import MultiHeadAttention
from laidout.feedforward import PositionwiseFeedForward
from laidout.normalization import LayerNorm
from styles import right, wrong

ENC, DEC = "layers-encoder", "layers-decoder"


class AddAndNorm(nn.Module):
    """The wrap as a module of its own."""

    def __init__(self, size: int, p: float) -> None:
        super().__init__()
        self.ln = nn.LayerNorm(size)
        self.drop = nn.Dropout(p)

    def forward(self, x: Tensor, sublayer: Callable[..., Tensor]) -> Tensor:
        out: Tensor = self.ln(x + self.drop(sublayer(x)))
        return out


@right(ENC)
class WithConnections(nn.Module):
    def __init__(
        self, d_model: int, num_heads: int, d_ff: int, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.mlp = PositionwiseFeedForward(d_model, d_ff)
        self.wraps = nn.ModuleList(
            AddAndNorm(d_model, dropout) for _ in range(2)
        )
        self.mha = MultiHeadAttention(d_model, num_heads)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = self.wraps[0](x, lambda y: self.mha(y, y, y, mask=mask))
        out: Tensor = self.wraps[1](x, self.mlp)
        return out


class FusedAttention(nn.Module):
    """Four matrices and torch's own attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        for name in ("w_q", "w_k", "w_v", "w_o"):
            self.add_module(name, nn.Linear(width, width))

    def forward(
        self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None
    ) -> Tensor:
        parts = [
            part(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part, x in zip(
                (self.w_q, self.w_k, self.w_v), (q, k, v), strict=True
            )
        ]
        context = F.scaled_dot_product_attention(*parts, attn_mask=mask)
        if mask is not None:
            context = context.where(mask.any(-1, keepdim=True), 0.0)
        out: Tensor = self.w_o(context.transpose(1, 2).flatten(-2))
        return out


@right(ENC)
class Functional(nn.Module):
    def __init__(
        self, d_model: int, num_heads: int, d_ff: int, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.rate = dropout
        self.attend = FusedAttention(d_model, num_heads)
        self.w_1 = nn.Linear(d_model, d_ff)
        self.w_2 = nn.Linear(d_ff, d_model)
        self.gain_a = nn.Parameter(torch.ones(d_model))
        self.bias_a = nn.Parameter(torch.zeros(d_model))
        self.gain_b = nn.Parameter(torch.ones(d_model))
        self.bias_b = nn.Parameter(torch.zeros(d_model))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        shape = (x.shape[-1],)
        new = self.attend(x, x, x, mask)
        new = F.dropout(new, self.rate, self.training)
        x = F.layer_norm(torch.add(new, x), shape, self.gain_a, self.bias_a)
        new = self.w_2(F.relu(self.w_1(x)))
        new = F.dropout(new, self.rate, training=self.training)
        return F.layer_norm(x + new, shape, self.gain_b, self.bias_b)


class Steps(nn.Module):
    """A layer of any kind, as pairs of a function and a norm."""

    def __init__(self, width: int, count: int, p: float) -> None:
        super().__init__()
        self.norms = nn.ModuleList(LayerNorm(width) for _ in range(count))
        self.drops = nn.ModuleList(nn.Dropout(p) for _ in range(count))

    def run(self, x: Tensor, *jobs: Callable[[Tensor], Tensor]) -> Tensor:
        for job, norm, drop in zip(jobs, self.norms, self.drops, strict=True):
            x = norm(drop(job(x)) + x)
        return x


@right(DEC)
class InALoop(Steps):
    def __init__(
        self, d_model: int, num_heads: int, d_ff: int, dropout: float = 0.1
    ) -> None:
        super().__init__(d_model, 3, dropout)
        self.other = MultiHeadAttention(d_model, num_heads)
        self.own = MultiHeadAttention(d_model, num_heads)
        self.think = PositionwiseFeedForward(d_model, d_ff)

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        return self.run(
            x,
            lambda y: self.own(y, y, y, tgt_mask),
            lambda y: self.other(y, memory, memory, memory_mask),
            self.think,
        )


@right(DEC)
class FunctionalDecoder(nn.Module):
    def __init__(
        self, d_model: int, num_heads: int, d_ff: int, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.p = dropout
        self.attentions = nn.ModuleDict(
            {
                "self": FusedAttention(d_model, num_heads),
                "cross": FusedAttention(d_model, num_heads),
            }
        )
        self.ffn = nn.ModuleDict(
            {
                "w_1": nn.Linear(d_model, d_ff),
                "w_2": nn.Linear(d_ff, d_model),
            }
        )
        self.ln1 = nn.LayerNorm(d_model)
        self.ln2 = nn.LayerNorm(d_model)
        self.ln3 = nn.LayerNorm(d_model)

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        a = self.attentions["self"](x, x, x, tgt_mask)
        a = self.ln1(x + F.dropout(a, self.p, self.training))
        b = self.attentions["cross"](a, memory, memory, memory_mask)
        b = self.ln2(a + F.dropout(b, self.p, self.training))
        c = self.ffn["w_2"](self.ffn["w_1"](b).clamp(min=0))
        out: Tensor = self.ln3(b + F.dropout(c, self.p, self.training))
        return out


class Residual(nn.Module):
    """The Annotated Transformer's connection: the norm comes first."""

    def __init__(self, size: int, p: float) -> None:
        super().__init__()
        self.norm = LayerNorm(size)
        self.dropout = nn.Dropout(p)

    def forward(self, x: Tensor, sublayer: Callable[..., Tensor]) -> Tensor:
        out: Tensor = x + self.dropout(sublayer(self.norm(x)))
        return out


@wrong(ENC, "pre-norm")
class Annotated(nn.Module):
    def __init__(
        self, d_model: int, num_heads: int, d_ff: int, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.self_attn = MultiHeadAttention(d_model, num_heads)
        self.feed_forward = PositionwiseFeedForward(d_model, d_ff)
        self.a, self.b = Residual(d_model, dropout), Residual(d_model, dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = self.a(x, lambda y: self.self_attn(y, y, y, mask))
        out: Tensor = self.b(x, self.feed_forward)
        return out


@wrong(ENC, "dropout-ignores-eval")
class ForgetsTheMode(Functional):
    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        self.training = True
        return super().forward(x, mask)


@wrong(ENC, "feed-forward-reads-the-input")
class SideBySide(Functional):
    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        shape = (x.shape[-1],)
        seen = F.dropout(self.attend(x, x, x, mask), self.rate, self.training)
        thought = self.w_2(F.relu(self.w_1(x)))
        thought = F.dropout(thought, self.rate, self.training)
        y = F.layer_norm(x + seen, shape, self.gain_a, self.bias_a)
        return F.layer_norm(y + thought, shape, self.gain_b, self.bias_b)


@wrong(ENC, "one-norm-for-both")
class Thrifty(nn.Module):
    def __init__(
        self, d_model: int, num_heads: int, d_ff: int, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.parts = nn.ModuleList(
            [
                MultiHeadAttention(d_model, num_heads),
                PositionwiseFeedForward(d_model, d_ff),
            ]
        )
        self.wrap = AddAndNorm(d_model, dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = self.wrap(x, lambda y: self.parts[0](y, y, y, mask))
        out: Tensor = self.wrap(x, self.parts[1])
        return out


@wrong(DEC, "parts-in-a-list")
class OutOfSight(InALoop):
    """Another part than in the known mistake."""

    def __init__(
        self, d_model: int, num_heads: int, d_ff: int, dropout: float = 0.1
    ) -> None:
        super().__init__(d_model, num_heads, d_ff, dropout)
        self.attentions = [self.own, self.other]
        del self.own, self.other

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        own, other = self.attentions
        return self.run(
            x,
            lambda y: own(y, y, y, tgt_mask),
            lambda y: other(y, memory, memory, memory_mask),
            self.think,
        )


@wrong(DEC, "tgt-mask-for-the-memory")
class OneMaskForAll(InALoop):
    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        return super().forward(x, memory, tgt_mask, tgt_mask)


@wrong(DEC, "memory-detached")
class DeafEncoder(InALoop):
    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        with torch.no_grad():
            memory = memory.clone()
        return super().forward(x, memory, tgt_mask, memory_mask)


@wrong(DEC, "no-norm-after-feed-forward")
class StopsEarly(FunctionalDecoder):
    def __init__(
        self, d_model: int, num_heads: int, d_ff: int, dropout: float = 0.1
    ) -> None:
        super().__init__(d_model, num_heads, d_ff, dropout)
        self.ln3 = nn.Identity()  # type: ignore[assignment]
