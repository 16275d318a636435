"""The learner's side: exercises as data, and what is derived from them.

In a notebook: `from laidout.workshop import check, hint, solution, solved`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from laidout.workshop.notebook import check, hint, solution, solved

__all__ = ["check", "hint", "solution", "solved"]


def __getattr__(name: str) -> object:
    """Load what a notebook uses when it is asked for: it needs PyTorch."""
    if name not in __all__:
        raise AttributeError(
            f"module 'laidout.workshop' has no attribute {name!r}"
        )
    return getattr(import_module("laidout.workshop.notebook"), name)
