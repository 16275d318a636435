"""The loss, as others write it."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from styles import right, wrong

SHIFT = "loss-shift-targets"
SMOOTH = "loss-label-smoothing"
Pair = tuple[Tensor, Tensor]

# --- loss-shift-targets -----------------------------------------------------


@right(SHIFT)
def narrowed(tgt: Tensor) -> Pair:
    try:
        _, t = tgt.shape
    except ValueError:
        raise ValueError("tgt needs two axes") from None
    if t <= 1:
        raise ValueError("nothing to say")
    return (
        tgt.narrow(1, 0, t - 1).contiguous(),
        tgt.narrow(1, 1, t - 1).contiguous(),
    )


@right(SHIFT)
def with_an_ellipsis(tgt: Tensor) -> Pair:
    if tgt.ndim != 2 or tgt.shape[-1] < 2:
        raise ValueError(f"{tgt.shape}")
    return tgt[..., :-1].clone(), tgt[..., 1:].clone()


@right(SHIFT)
def sentence_by_sentence(tgt: Tensor) -> Pair:
    if len(tgt.shape) != 2 or tgt.shape[1] in (0, 1):
        raise ValueError("no batch")
    read = torch.stack([row[:-1] for row in tgt])
    say = torch.stack([row[1:] for row in tgt])
    return read, say


@wrong(SHIFT, "labels-not-shifted")
def the_same_twice(tgt: Tensor) -> Pair:
    if tgt.dim() != 2 or tgt.size(1) < 2:
        raise ValueError
    sentence = tgt[..., : tgt.size(1) - 1]
    return sentence, sentence.clone()


@wrong(SHIFT, "nothing-checked")
def unchecked(tgt: Tensor) -> Pair:
    return tgt[:, 0:-1], tgt[:, 1:]


@wrong(SHIFT, "bos-dropped")
def bos_is_no_word(tgt: Tensor) -> Pair:
    if tgt.dim() != 2 or tgt.size(1) < 2:
        raise ValueError("tgt")
    words = tgt[:, 1:]
    return words[:, :-1], words[:, 1:]


# --- loss-label-smoothing ---------------------------------------------------


def check(vocab_size: int, pad_id: int, smoothing: float) -> None:
    """Raise a ValueError for what cannot be."""
    if smoothing < 0 or smoothing >= 1:
        raise ValueError("smoothing")
    if pad_id not in range(vocab_size) or vocab_size <= 2:
        raise ValueError("vocabulary")


@right(SMOOTH)
class Annotated(nn.Module):
    """The wanted distribution written out, in the style of 2018."""

    def __init__(
        self, vocab_size: int, pad_id: int, smoothing: float = 0.1
    ) -> None:
        super().__init__()
        check(vocab_size, pad_id, smoothing)
        self.criterion = nn.KLDivLoss(reduction="sum")
        self.size, self.pad_id, self.s = vocab_size, pad_id, smoothing

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        x = logits.log_softmax(-1)
        true_dist = x.detach().clone()
        true_dist.fill_(self.s / (self.size - 2))
        true_dist.scatter_(1, target.unsqueeze(1), 1.0 - self.s)
        true_dist[:, self.pad_id] = 0
        true_dist[target == self.pad_id] = 0
        words = (target != self.pad_id).sum().clamp(min=1)
        loss: Tensor = self.criterion(x, true_dist) / words
        return loss


@right(SMOOTH)
class InFloat32(nn.Module):
    """A distribution in float32, made on the CPU and moved."""

    def __init__(
        self, vocab_size: int, pad_id: int, smoothing: float = 0.1
    ) -> None:
        super().__init__()
        check(vocab_size, pad_id, smoothing)
        self.pad_id = pad_id
        self.register_buffer("row", torch.zeros(vocab_size))
        self.row: Tensor
        self.row += smoothing / (vocab_size - 2)
        self.row[pad_id] = 0.0
        self.true = 1.0 - smoothing

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        keep = target.ne(self.pad_id)
        if not keep.any():
            return 0.0 * logits.sum()
        logits, target = logits[keep], target[keep]
        wanted = torch.zeros(logits.shape).to(logits.device)
        wanted += self.row
        wanted[torch.arange(len(target)), target] = self.true
        wanted = wanted.to(logits.dtype)
        entropy = -torch.xlogy(wanted, wanted).sum(-1)
        return (
            F.cross_entropy(logits, wanted, reduction="none") - entropy
        ).mean()


@right(SMOOTH)
class TokenByToken(nn.Module):
    """Two loops, and no tensor of its own."""

    def __init__(
        self, vocab_size: int, pad_id: int, smoothing: float = 0.1
    ) -> None:
        super().__init__()
        check(vocab_size, pad_id, smoothing)
        self.pad_id = pad_id
        self.wanted = {
            True: 1.0 - smoothing,
            False: smoothing / (vocab_size - 2),
        }

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        total = torch.tensor(0.0, dtype=logits.dtype) + 0.0 * logits.sum()
        count = 0
        for row, true in zip(logits, target.tolist(), strict=True):
            if true == self.pad_id:
                continue
            count += 1
            log_q = row - row.logsumexp(0)
            for word in range(len(row)):
                p = self.wanted[word == true]
                if word != self.pad_id and p > 0:
                    total = total + p * (math.log(p) - log_q[word])
        return total / (count or 1)


@wrong(SMOOTH, "padding-gets-a-share")
class SharesWithPadding(Annotated):
    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        x = F.log_softmax(logits, dim=1)
        dist = torch.full_like(x, self.s / (self.size - 1))
        dist.scatter_(1, target[:, None], 1 - self.s)
        keep = target != self.pad_id
        n = max(1, int(keep.sum()))
        return F.kl_div(x[keep], dist[keep], reduction="sum") / n


@wrong(SMOOTH, "mean-over-the-vocabulary")
class MeanOfEverything(Annotated):
    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        keep = target != self.pad_id
        if not keep.any():
            return 0.0 * logits.sum()
        logits, target = logits[keep], target[keep]
        dist = torch.full_like(logits, self.s / (self.size - 2))
        dist = dist.scatter(1, target[:, None], 1 - self.s)
        dist[:, self.pad_id] = 0
        return F.kl_div(F.log_softmax(logits, 1), dist, reduction="mean")


@wrong(SMOOTH, "cross-entropy")
class SoftTargets(Annotated):
    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        dist = torch.full_like(logits, self.s / (self.size - 2))
        dist = dist.scatter(1, target[:, None], 1 - self.s)
        dist[:, self.pad_id] = 0
        dist[target == self.pad_id] = 0
        count = (target != self.pad_id).sum().clamp(min=1)
        return F.cross_entropy(logits, dist, reduction="sum") / count


@wrong(SMOOTH, "loss-of-pytorch")
class FromTheShelf(nn.Module):
    def __init__(
        self, vocab_size: int, pad_id: int, smoothing: float = 0.1
    ) -> None:
        super().__init__()
        check(vocab_size, pad_id, smoothing)
        self.pad_id = pad_id
        self.loss = nn.CrossEntropyLoss(
            label_smoothing=smoothing, ignore_index=pad_id
        )

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        loss: Tensor = self.loss(logits, target)
        return loss


@wrong(SMOOTH, "padding-learned")
class LearnsPadding(Annotated):
    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        x = logits.log_softmax(-1)
        dist = torch.full_like(x, self.s / (self.size - 2))
        dist[:, self.pad_id] = 0
        dist.scatter_(1, target.unsqueeze(1), 1.0 - self.s)
        return F.kl_div(x, dist, reduction="batchmean")


@wrong(SMOOTH, "zero-times-infinity")
class WithLogarithms(Annotated):
    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        x = logits.log_softmax(-1)
        dist = torch.full_like(x, self.s / (self.size - 2))
        dist.scatter_(1, target.unsqueeze(1), 1.0 - self.s)
        dist[:, self.pad_id] = 0
        keep = target != self.pad_id
        each = (dist * (dist.log() - x)).sum(-1)
        return each[keep].sum() / max(int(keep.sum()), 1)


@wrong(SMOOTH, "other-way-round")
class WeighedByTheModel(Annotated):
    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        x = logits.log_softmax(-1)
        dist = torch.full_like(x, self.s / (self.size - 2))
        dist.scatter_(1, target.unsqueeze(1), 1.0 - self.s)
        dist[:, self.pad_id] = 0
        keep = target != self.pad_id
        each = (x.exp() * (x - dist.log())).sum(-1)[keep]
        return each.sum() / max(int(keep.sum()), 1)


@wrong(SMOOTH, "arguments-of-kl-div")
class ArgumentsExchanged(Annotated):
    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        x = logits.log_softmax(-1)
        dist = torch.full_like(x, self.s / (self.size - 2))
        dist.scatter_(1, target.unsqueeze(1), 1.0 - self.s)
        dist[:, self.pad_id] = 0
        keep = target != self.pad_id
        n = max(int(keep.sum()), 1)
        return F.kl_div(dist[keep], x[keep], reduction="sum") / n


@wrong(SMOOTH, "made-on-the-cpu")
class OnTheCPU(Annotated):
    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        keep = target != self.pad_id
        x = logits.log_softmax(-1)[keep]
        dist = torch.full(x.shape, self.s / (self.size - 2), dtype=x.dtype)
        dist[:, self.pad_id] = 0
        dist.scatter_(1, target[keep].unsqueeze(1), 1.0 - self.s)
        return F.kl_div(x, dist, reduction="sum") / max(len(x), 1)
