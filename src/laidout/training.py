"""Training: sections 5.2 and 5.4 of the paper, one pass over the data."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from laidout.checkpoint import average_checkpoints
from laidout.loss import LabelSmoothing, shift_targets
from laidout.modes import evaluating
from laidout.schedule import TransformerLRScheduler

__all__ = ["average_checkpoints", "evaluate", "train_epoch"]


def train_epoch(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    loss_fn: LabelSmoothing,
    optimizer: Optimizer,
    scheduler: TransformerLRScheduler | None = None,
    step_num: int = 0,
) -> tuple[float, int]:
    """Learn from each batch once; return the mean loss and the last step.

    Shapes: batches of (src, tgt), (B, S) and (B, T); tgt starts with bos.

    The loss is the mean over all real target tokens, not over batches. Steps
    are counted on from `step_num`; an empty epoch has loss 0.
    """
    # 1. Dropout on. No loss and no tokens so far.
    model.train()
    total, tokens = 0.0, 0
    for src, tgt in batches:
        # 2. Batch by batch: what the decoder reads and what it must say,
        #    (B, T) -> (B, T - 1) each.
        decoder_input, labels = shift_targets(tgt)
        # 3. Forward: (B, T - 1, V) logits, one prediction a position. The
        #    loss takes them as (N, V), and the labels as (N,).
        logits = model(src, decoder_input)
        loss = loss_fn(logits.flatten(0, 1), labels.flatten())
        # 4. Backward, into gradients that start at zero.
        optimizer.zero_grad()
        loss.backward()
        # 5. Count the step and set its rate, if there is a scheduler; then
        #    take the step.
        step_num += 1
        if scheduler is not None:
            scheduler.step(step_num)
        optimizer.step()
        # 6. Weigh the loss by the tokens that it is a mean of.
        count = int((labels != loss_fn.pad_id).sum())
        total += loss.item() * count
        tokens += count
    # 7. The mean over all tokens, 0 if there were none; the last step.
    return total / max(tokens, 1), step_num


@torch.no_grad()
def evaluate(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    loss_fn: LabelSmoothing,
) -> float:
    """Return the mean loss per real target token, with dropout off.

    Shapes: batches of (src, tgt), (B, S) and (B, T); tgt starts with bos.

    Nothing is learned, and the model's mode is left as it was.
    """
    total, tokens = 0.0, 0
    # 1. Dropout off, for as long as this takes.
    with evaluating(model):
        for src, tgt in batches:
            # 2. Batch by batch, the same forward pass as in training.
            decoder_input, labels = shift_targets(tgt)
            logits = model(src, decoder_input)
            loss = loss_fn(logits.flatten(0, 1), labels.flatten())
            # 3. Weigh the loss by the tokens that it is a mean of.
            count = int((labels != loss_fn.pad_id).sum())
            total += loss.item() * count
            tokens += count
    # 4. The mean over all tokens, 0 if there were none.
    return total / max(tokens, 1)
