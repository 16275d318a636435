"""Steps too large for one pass, or for one machine. Section 5.2.

A step may consist of several micro-batches, on several processes. Its
gradient is that of all their tokens together, as if they were one batch.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from laidout.loss import LabelSmoothing, shift_targets
from laidout.schedule import TransformerLRScheduler

__all__ = ["InBFloat16", "Place", "Share", "joined_processes", "train_shares"]


@dataclass(frozen=True)
class Share:
    """What one process does of one step.

    `batches` are its micro-batches of (src, tgt), `tokens` counts the real
    target tokens of the whole step, on all `processes`.
    """

    batches: list[tuple[Tensor, Tensor]]
    tokens: int
    processes: int = 1


def train_shares(
    model: nn.Module,
    shares: Iterable[Share],
    loss_fn: LabelSmoothing,
    optimizer: Optimizer,
    scheduler: TransformerLRScheduler | None = None,
    step_num: int = 0,
) -> tuple[float, int]:
    """Do as `train_epoch` does, with steps made of several micro-batches.

    Shapes: micro-batches of (src, tgt), (B, S) and (B, T).

    The loss returned is the mean over this process's tokens. On several
    processes the model is a `DistributedDataParallel`.
    """
    model.train()
    total, tokens = 0.0, 0
    for share in shares:
        optimizer.zero_grad()
        for left, (src, tgt) in enumerate(share.batches, -len(share.batches)):
            # 1. Processes exchange gradients once a step, at its end.
            with _sync(model, last=left == -1):
                decoder_input, labels = shift_targets(tgt)
                logits = model(src, decoder_input)
                loss = loss_fn(logits.flatten(0, 1), labels.flatten())
                # 2. The mean over a few tokens becomes their part of the
                #    mean over all. The exchange divides by the processes.
                count = int((labels != loss_fn.pad_id).sum())
                part = count * share.processes / share.tokens
                (loss * part).backward()
            total += loss.item() * count
            tokens += count
        # 3. One step for all of them.
        step_num += 1
        if scheduler is not None:
            scheduler.step(step_num)
        optimizer.step()
    return total / max(tokens, 1), step_num


def _sync(model: nn.Module, last: bool) -> AbstractContextManager[None]:
    """Keep gradients to oneself until the last micro-batch."""
    if isinstance(model, DistributedDataParallel) and not last:
        return model.no_sync()
    return nullcontext()


class InBFloat16(nn.Module):
    """A model that multiplies matrices in bfloat16 and returns float32.

    Shapes: src (B, S), tgt (B, T) -> logits (B, T, V). The parameters stay
    in float32; softmax, norms and sums are left in it by PyTorch.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        """Return the logits, (B, T, V)."""
        with torch.autocast(src.device.type, torch.bfloat16):
            logits: Tensor = self.model(src, tgt)
        return logits.float()


@dataclass(frozen=True)
class Place:
    """Which of how many processes this is, and the device that it uses."""

    rank: int = 0
    processes: int = 1
    device: torch.device = field(default=torch.device("cpu"))

    def any_of(self, flag: bool) -> bool:
        """Tell whether a flag is set in any process; all must ask."""
        if self.processes == 1:
            return flag
        flags = torch.tensor(int(flag), device=self.device)
        dist.all_reduce(flags, dist.ReduceOp.MAX)
        return bool(flags)


@contextmanager
def joined_processes(device: str = "auto") -> Iterator[Place]:
    """Join the processes that `torchrun` has started, if it has.

    "auto" is the GPU where there is one.

    Raises:
        ValueError: if there is no such device.
    """
    rank, local, processes = (
        int(os.environ.get(name, default))
        for name, default in (
            ("RANK", "0"),
            ("LOCAL_RANK", "0"),
            ("WORLD_SIZE", "1"),
        )
    )
    chosen = _device(device, local)
    if processes == 1:
        yield Place(device=chosen)
        return
    dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Place(rank, processes, chosen)
    finally:
        dist.destroy_process_group()


def _device(name: str, local: int) -> torch.device:
    """Find a device by its name; each process of a machine gets its own."""
    available = torch.cuda.is_available()
    if name == "auto":
        name = "cuda" if available else "cpu"
    if name not in ("cpu", "cuda"):
        raise ValueError(f"device ({name!r}) must be auto, cpu or cuda")
    if name == "cuda" and not available:
        raise ValueError("device ('cuda'): PyTorch finds no GPU here")
    return torch.device(name, local) if name == "cuda" else torch.device(name)
