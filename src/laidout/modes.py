"""Training mode and evaluation mode."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from torch import nn

__all__ = ["HasModes", "evaluating"]


class HasModes(Protocol):
    """What can be trained or evaluated: every `torch.nn.Module`."""

    def train(self, mode: bool = True) -> Any:
        """Switch dropout on, or off."""

    def modules(self) -> Iterator[nn.Module]:
        """Go through the model and all its parts."""


@contextmanager
def evaluating(model: HasModes) -> Iterator[None]:
    """Switch dropout off for a while, then restore the mode as it was.

    Each part gets its own mode back, after an error too. To be used as
    `with evaluating(model): ...`.
    """
    before = {module: module.training for module in model.modules()}
    model.train(False)
    try:
        yield
    finally:
        for module, training in before.items():
            module.training = training
