"""The learning rate: section 5.3 of the paper."""

from torch.optim import Optimizer

__all__ = ["TransformerLRScheduler"]


class TransformerLRScheduler:
    """Let the learning rate rise in a straight line, then fall slowly.

    The rate of a step is
    d_model ** -0.5 * min(step ** -0.5, step * warmup_steps ** -1.5):
    two curves that cross at warmup_steps, where the rate is largest.

    It depends on the step's number alone, so nothing needs to be saved.

    Raises:
        ValueError: if d_model, warmup_steps or a step is below 1.

    Paper: section 5.3, equation (3); there, warmup_steps is 4000.
    """

    def __init__(
        self, optimizer: Optimizer, d_model: int, warmup_steps: int
    ) -> None:
        # 1. Refuse what the formula cannot divide by.
        if d_model < 1 or warmup_steps < 1:
            raise ValueError(
                f"d_model ({d_model}) and warmup_steps ({warmup_steps}) "
                "must be 1 or more"
            )
        # 2. Keep the optimizer, whose rate is to be set, and the numbers.
        self.optimizer = optimizer
        self.d_model = d_model
        self.warmup_steps = warmup_steps

    def step(self, step_num: int) -> float:
        """Set the rate of step `step_num`, counted from 1; return it."""
        # 1. Refuse a step before the first.
        if step_num < 1:
            raise ValueError(f"step_num ({step_num}) must be 1 or more")
        # 2. The falling curve and the rising line; the lower one counts, times
        #    the scale of the model.
        falling = step_num**-0.5
        rising = step_num * self.warmup_steps**-1.5
        rate: float = self.d_model**-0.5 * min(falling, rising)
        # 3. Write the rate where the optimizer looks: into every group. Return
        #    it too.
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        return rate
