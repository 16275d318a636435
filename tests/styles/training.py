"""Training and evaluation, as others write them."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from styles import right, wrong

EPOCH = "training-epoch"
EVALUATE = "training-evaluate"
Batches = Iterable[tuple[Tensor, Tensor]]

# --- training-epoch ---------------------------------------------------------


@right(EPOCH)
def cleared_at_the_end(
    model: nn.Module,
    batches: Batches,
    loss_fn: Any,
    optimizer: Optimizer,
    scheduler: Any = None,
    step_num: int = 0,
) -> tuple[float, int]:
    model.train(True)
    losses: list[float] = []
    weights: list[int] = []
    for number, (src, tgt) in enumerate(batches, start=step_num + 1):
        step_num = number
        if scheduler:
            scheduler.step(number)
        read, say = tgt[:, :-1], tgt[:, 1:].reshape(-1)
        logits = model(src, read)
        loss = loss_fn(logits.reshape(-1, logits.size(-1)), say)
        loss.backward()
        optimizer.step()
        model.zero_grad(set_to_none=False)
        losses.append(float(loss))
        weights.append(say.ne(loss_fn.pad_id).sum().item())
    total = sum(a * b for a, b in zip(losses, weights, strict=True))
    return (total / sum(weights) if any(weights) else 0.0), step_num


@right(EPOCH)
def in_two_functions(
    model: nn.Module,
    batches: Batches,
    loss_fn: Any,
    optimizer: Optimizer,
    scheduler: Any = None,
    step_num: int = 0,
) -> tuple[float, int]:
    def learn(src: Tensor, tgt: Tensor) -> Tensor:
        for parameter in model.parameters():
            parameter.grad = None
        logits = model(src, tgt.narrow(1, 0, tgt.size(1) - 1))
        loss: Tensor = loss_fn(
            torch.cat(list(logits)), torch.cat(list(tgt[:, 1:]))
        )
        loss.backward()
        return loss.detach()

    total = torch.zeros((), dtype=torch.float64)
    tokens = 0
    for src, tgt in batches:
        model.train()
        loss = learn(src, tgt)
        step_num = step_num + 1
        if scheduler is not None:
            scheduler.step(step_num)
        optimizer.step()
        count = sum(int(t) != loss_fn.pad_id for t in tgt[:, 1:].flatten())
        total += loss * count
        tokens += count
    return (total / max(1, tokens)).item(), step_num


@wrong(EPOCH, "mean-of-means")
def over_the_length(
    model: nn.Module,
    batches: Batches,
    loss_fn: Any,
    optimizer: Optimizer,
    scheduler: Any = None,
    step_num: int = 0,
) -> tuple[float, int]:
    model.train()
    epoch_loss, n = 0.0, 0
    for src, tgt in batches:
        optimizer.zero_grad()
        out = model(src, tgt[:, :-1])
        out = out.contiguous().view(-1, out.shape[-1])
        loss = loss_fn(out, tgt[:, 1:].contiguous().view(-1))
        loss.backward()
        step_num += 1
        if scheduler is not None:
            scheduler.step(step_num)
        optimizer.step()
        epoch_loss += loss.item()
        n += 1
    return epoch_loss / max(n, 1), step_num


@wrong(EPOCH, "rate-too-late")
def as_in_pytorch(
    model: nn.Module,
    batches: Batches,
    loss_fn: Any,
    optimizer: Optimizer,
    scheduler: Any = None,
    step_num: int = 0,
) -> tuple[float, int]:
    model.train()
    total, tokens = 0.0, 0
    for src, tgt in batches:
        optimizer.zero_grad()
        out = model(src, tgt[:, :-1])
        loss = loss_fn(out.flatten(end_dim=1), tgt[:, 1:].flatten())
        loss.backward()
        optimizer.step()
        step_num += 1
        if scheduler is not None:
            scheduler.step(step_num)
        n = (tgt[:, 1:] != loss_fn.pad_id).sum().item()
        total, tokens = total + n * loss.item(), tokens + n
    return total / max(tokens, 1), step_num


@wrong(EPOCH, "graphs-kept")
def a_list_of_losses(
    model: nn.Module,
    batches: Batches,
    loss_fn: Any,
    optimizer: Optimizer,
    scheduler: Any = None,
    step_num: int = 0,
) -> tuple[float, int]:
    model.train()
    losses, counts = [], []
    for src, tgt in batches:
        optimizer.zero_grad()
        out = model(src, tgt[:, :-1])
        loss = loss_fn(out.flatten(0, 1), tgt[:, 1:].flatten())
        loss.backward()
        step_num += 1
        if scheduler is not None:
            scheduler.step(step_num)
        optimizer.step()
        losses.append(loss)
        counts.append((tgt[:, 1:] != loss_fn.pad_id).sum())
    if not losses:
        return 0.0, step_num
    weights = torch.stack(counts).double()
    total = (torch.stack(losses) * weights).sum()
    return (total / weights.sum().clamp(min=1)).item(), step_num


@wrong(EPOCH, "no-gradients")
def wiped_out(
    model: nn.Module,
    batches: Batches,
    loss_fn: Any,
    optimizer: Optimizer,
    scheduler: Any = None,
    step_num: int = 0,
) -> tuple[float, int]:
    model.train()
    total, tokens = 0.0, 0
    for src, tgt in batches:
        out = model(src, tgt[:, :-1])
        loss = loss_fn(out.flatten(0, 1), tgt[:, 1:].flatten())
        loss.backward()
        optimizer.zero_grad()
        step_num += 1
        if scheduler is not None:
            scheduler.step(step_num)
        optimizer.step()
        n = int((tgt[:, 1:] != loss_fn.pad_id).sum())
        total, tokens = total + n * loss.item(), tokens + n
    return total / max(tokens, 1), step_num


# --- training-evaluate ------------------------------------------------------


@right(EVALUATE)
def flags_in_a_list(model: nn.Module, batches: Batches, loss_fn: Any) -> float:
    modules = list(model.modules())
    flags = [module.training for module in modules]
    model.eval()
    total, words = torch.tensor(0.0), 0
    with torch.inference_mode():
        for src, tgt in batches:
            out = model(src, tgt[:, :-1])
            say = tgt[:, 1:].reshape(-1)
            loss = loss_fn(out.reshape(say.numel(), -1), say)
            n = (say != loss_fn.pad_id).sum()
            total = total + n * loss.item()
            words += int(n)
    for module, flag in zip(modules, flags, strict=True):
        module.training = flag
    return (total / words).item() if words else 0.0


@right(EVALUATE)
@torch.no_grad()
def sentence_by_sentence(
    model: nn.Module, batches: Batches, loss_fn: Any
) -> float:
    awake = {module for module in model.modules() if module.training}
    model.train(mode=False)
    losses = []
    for src, tgt in batches:
        for logits, row in zip(model(src, tgt[:, :-1]), tgt, strict=True):
            for one, token in zip(logits, row[1:], strict=True):
                if token != loss_fn.pad_id:
                    losses.append(loss_fn(one[None], token[None]).item())
    for module in awake:
        module.training = True
    return sum(losses) / (len(losses) or 1)


@wrong(EVALUATE, "dropout-on")
@torch.no_grad()
def eval_not_called(model: nn.Module, batches: Batches, loss_fn: Any) -> float:
    model.eval  # noqa: B018
    total, tokens = 0.0, 0
    for src, tgt in batches:
        out = model(src, tgt[:, :-1])
        n = int((tgt[:, 1:] != loss_fn.pad_id).sum())
        total += n * loss_fn(out.flatten(0, 1), tgt[:, 1:].flatten()).item()
        tokens += n
    return total / max(tokens, 1)


@wrong(EVALUATE, "left-in-evaluation-mode")
def never_woken_up(model: nn.Module, batches: Batches, loss_fn: Any) -> float:
    model.eval()
    total, words = 0.0, 0
    with torch.no_grad():
        for src, tgt in batches:
            out, say = model(src, tgt[:, :-1]), tgt[:, 1:]
            n = say.ne(loss_fn.pad_id).sum().item()
            total += n * loss_fn(out.flatten(0, 1), say.flatten()).item()
            words += n
    return total / words if words else 0.0


@wrong(EVALUATE, "parts-woken-up")
@torch.no_grad()
def with_the_mode_of_the_whole(
    model: nn.Module, batches: Batches, loss_fn: Any
) -> float:
    training = model.training
    model.eval()
    total, words = 0.0, 0
    for src, tgt in batches:
        out, say = model(src, tgt[:, :-1]), tgt[:, 1:]
        n = say.ne(loss_fn.pad_id).sum().item()
        total += n * loss_fn(out.flatten(0, 1), say.flatten()).item()
        words += n
    model.train(training)
    return total / words if words else 0.0


@wrong(EVALUATE, "padding-counted")
@torch.no_grad()
def by_positions(model: nn.Module, batches: Batches, loss_fn: Any) -> float:
    model.eval()
    total, n = 0.0, 0
    for src, tgt in batches:
        labels = tgt[:, 1:]
        out = model(src, tgt[:, :-1]).flatten(0, 1)
        total += loss_fn(out, labels.flatten()).item() * labels.numel()
        n += labels.numel()
    return total / n if n else 0.0
