"""The schedule of the learning rate, as others write it."""

import math

import torch
from torch.optim import Optimizer

from styles import right, wrong

SCHEDULE = "schedule-transformer"


@right(SCHEDULE)
class WithTensors:
    def __init__(
        self, optimizer: Optimizer, d_model: int, warmup_steps: int
    ) -> None:
        if min(d_model, warmup_steps) <= 0:
            raise ValueError(f"{d_model}, {warmup_steps}")
        self._optim = optimizer
        self._scale = torch.tensor(d_model).float().rsqrt()
        self._warm = float(warmup_steps)

    def step(self, step_num: int) -> float:
        if step_num <= 0:
            raise ValueError("the first step is 1")
        step = torch.tensor(float(step_num))
        curves = torch.stack([step.rsqrt(), step * self._warm**-1.5])
        rate = (self._scale * curves.min()).item()
        for g in self._optim.param_groups:
            g.update(lr=rate)
        return rate


@right(SCHEDULE)
class InTwoPieces:
    def __init__(
        self, optimizer: Optimizer, d_model: int, warmup_steps: int
    ) -> None:
        for number in (d_model, warmup_steps):
            if number < 1:
                raise ValueError(f"{number} is too small")
        self.groups = optimizer.param_groups
        self.peak = 1 / math.sqrt(d_model * warmup_steps)
        self.warmup = warmup_steps

    def step(self, step_num: int) -> float:
        if not step_num >= 1:
            raise ValueError(step_num)
        if step_num < self.warmup:
            rate = self.peak * step_num / self.warmup
        else:
            rate = self.peak * math.sqrt(self.warmup / step_num)
        for i in range(len(self.groups)):
            self.groups[i]["lr"] = rate
        return rate


class Base:
    """Keep what is given; the rate is another's business."""

    def __init__(
        self, optimizer: Optimizer, d_model: int, warmup_steps: int
    ) -> None:
        if d_model < 1 or warmup_steps < 1:
            raise ValueError("too small")
        self.opt, self.d, self.w = optimizer, d_model, warmup_steps

    def rate(self, step: int) -> float:
        """Work out the rate of a step."""
        if step < 1:
            raise ValueError("too early")
        return float(min(step**-0.5, step / self.w**1.5) / self.d**0.5)

    def step(self, step_num: int) -> float:
        rate = self.rate(step_num)
        for group in self.opt.param_groups:
            group["lr"] = rate
        return rate


@wrong(SCHEDULE, "no-warm-up")
class SignLost(Base):
    def rate(self, step: int) -> float:
        if step < 1:
            raise ValueError("too early")
        return float(self.d**-0.5 * min(step**-0.5, step * self.w**1.5))


@wrong(SCHEDULE, "line-without-the-step")
class FlatAtFirst(Base):
    def rate(self, step: int) -> float:
        if step < 1:
            raise ValueError("too early")
        return float(min(1 / step**0.5, 1 / self.w**1.5) / self.d**0.5)


@wrong(SCHEDULE, "one-step-behind")
class CountingFromZero(Base):
    calls = 0

    def step(self, step_num: int) -> float:
        self.rate(step_num)
        rate = float(
            min(self.calls**-0.5, self.calls / self.w**1.5) / self.d**0.5
        )
        self.calls += 1
        for group in self.opt.param_groups:
            group["lr"] = rate
        return rate


@wrong(SCHEDULE, "counts-itself")
class Counting(Base):
    calls = 0

    def step(self, step_num: int) -> float:
        self.calls += 1
        self.rate(step_num)
        return super().step(self.calls)


@wrong(SCHEDULE, "nowhere")
class InTheDefaults(Base):
    def step(self, step_num: int) -> float:
        self.opt.defaults["lr"] = self.rate(step_num)
        return self.rate(step_num)


@wrong(SCHEDULE, "arguments-exchanged")
class TheOtherWayRound(Base):
    def rate(self, step: int) -> float:
        if step < 1:
            raise ValueError("too early")
        return float(self.w**-0.5 * min(step**-0.5, step * self.d**-1.5))


@wrong(SCHEDULE, "sizes-unchecked")
class OnlyTheStepIsChecked(Base):
    def __init__(
        self, optimizer: Optimizer, d_model: int, warmup_steps: int
    ) -> None:
        self.opt, self.d, self.w = optimizer, d_model, warmup_steps


@wrong(SCHEDULE, "step-unchecked")
class OnlyTheSizesAreChecked(Base):
    def rate(self, step: int) -> float:
        return float(min(1 / step**0.5, step / self.w**1.5) / self.d**0.5)


@wrong(SCHEDULE, "step-without-an-error")
class InTwoPiecesUnchecked(Base):
    def rate(self, step: int) -> float:
        if step <= self.w:
            return step / (self.w * math.sqrt(self.d * self.w))
        return 1 / math.sqrt(self.d * step)


@wrong(SCHEDULE, "sizes-without-an-error")
class TensorsOfAnySize(WithTensors):
    def __init__(
        self, optimizer: Optimizer, d_model: int, warmup_steps: int
    ) -> None:
        self._optim = optimizer
        self._scale = torch.tensor(d_model).float().rsqrt()
        self._warm = torch.tensor(warmup_steps).float()


@wrong(SCHEDULE, "updates-too")
class LikeNoam(Base):
    def step(self, step_num: int) -> float:
        rate = super().step(step_num)
        self.opt.step()
        return rate


@wrong(SCHEDULE, "torch-pow")
class WithPow(Base):
    def step(self, step_num: int) -> float:
        if step_num < 1:
            raise ValueError("too early")
        rate = torch.pow(self.d, -0.5) * min(  # type: ignore[call-overload]
            torch.pow(step_num, -0.5),  # type: ignore[call-overload]
            step_num * torch.pow(self.w, -1.5),  # type: ignore[call-overload]
        )
        for group in self.opt.param_groups:
            group["lr"] = rate
        return float(rate)
