"""The loss: what the decoder must say, and how wrong it was. Section 5.4."""

import math

import torch
from torch import Tensor, nn

__all__ = ["LabelSmoothing", "shift_targets"]


def shift_targets(tgt: Tensor) -> tuple[Tensor, Tensor]:
    """Split a target into what the decoder reads and what it must say.

    Shapes: tgt (B, T) -> decoder_input (B, T - 1), labels (B, T - 1).

    At each position the decoder reads the tokens so far and must say the
    next: the labels are one step ahead of the input.

    Raises:
        ValueError: if tgt is not a batch of at least two tokens.

    Paper: section 3.1, "the output embeddings are offset by one position".
    """
    # 1. Insist on a batch (B, T) of at least two tokens.
    if tgt.dim() != 2 or tgt.size(1) < 2:
        raise ValueError(
            "tgt must be a batch (B, T) of at least 2 tokens, "
            f"got {tuple(tgt.shape)}"
        )
    # 2. The decoder reads everything but the last token:
    #    (B, T) -> (B, T - 1).
    decoder_input = tgt[:, :-1]
    # 3. It must say everything but the first: (B, T) -> (B, T - 1).
    labels = tgt[:, 1:]
    return decoder_input, labels


class LabelSmoothing(nn.Module):
    """Measure how far the model is from slightly doubtful targets.

    Shapes: logits (N, V), target (N,) -> a scalar, the mean over all targets
    that are not padding of the Kullback-Leibler divergence, in nats.

    The wanted distribution gives the true token 1 - smoothing and shares
    `smoothing` equally among all others but padding. A batch of nothing but
    padding has loss 0. Without smoothing this is cross-entropy.

    Raises:
        ValueError: if smoothing is not in [0, 1), pad_id is not a token, or
            there is no token to share with.

    Paper: section 5.4, which takes it from Szegedy et al. (2016).
    """

    def __init__(
        self, vocab_size: int, pad_id: int, smoothing: float = 0.1
    ) -> None:
        super().__init__()
        # 1. Refuse a smoothing outside [0, 1), padding that is no token, and
        #    a vocabulary without a token to share with.
        if not 0.0 <= smoothing < 1.0:
            raise ValueError(f"smoothing ({smoothing}) must be in [0, 1)")
        if not 0 <= pad_id < vocab_size or vocab_size < 3:
            raise ValueError(
                f"vocab_size ({vocab_size}) must be 3 or more, and pad_id "
                f"({pad_id}) below it"
            )
        # 2. Keep the padding's id, as pad_id, and the true token's share.
        self.pad_id = pad_id
        self.confidence = 1.0 - smoothing
        # 3. What each of the V - 2 other tokens gets: all but the true one
        #    and padding.
        self.share = smoothing / (vocab_size - 2)
        # 4. The sum of p log p over the wanted distribution p: with it, a
        #    perfect model has loss 0. (0 log 0 counts as 0.)
        self.negative_entropy = self.confidence * math.log(self.confidence)
        if self.share > 0.0:
            self.negative_entropy += smoothing * math.log(self.share)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the mean divergence over the real targets, a scalar."""
        # 1. Leave the padding out: (N, V) -> (real, V), (N,) -> (real,).
        real = target != self.pad_id
        logits, target = logits[real], target[real]
        # 2. The model's log-probability log q of the true token, and what it
        #    adds to the divergence, the sum of p (log p - log q), at each
        #    position: (real, V) -> (real,).
        log_q = torch.log_softmax(logits, dim=-1)
        true = log_q.gather(-1, target[:, None]).squeeze(-1)
        divergence = self.negative_entropy - self.confidence * true
        # 3. All other tokens but padding: leave two out and sum the rest,
        #    (real, V) -> (real,), if there is a share for them at all.
        #    (Taking two off the full sum is NaN where they are infinite.)
        if self.share > 0.0:
            padding = torch.full_like(target, self.pad_id)
            two = torch.stack([target, padding], dim=-1)
            others = log_q.scatter(-1, two, 0.0).sum(-1)
            divergence = divergence - self.share * others
        # 4. The mean, a scalar; an empty batch gives 0, not 0 / 0.
        return divergence.sum() / max(target.numel(), 1)
