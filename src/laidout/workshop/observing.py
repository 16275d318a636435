"""Run a probe on an object and write down what happens, whatever happens."""

import os
import sysconfig
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from laidout.workshop.probes import Probe, Shape

__all__ = ["Observation", "Raised", "Shared", "TimeUp", "observe"]

SEED = 20_170_612
"""What torch's random generator is set to before each probe."""


class TimeUp(BaseException):
    """Whoever runs the check has lost patience."""


@dataclass(frozen=True)
class Raised:
    """An error that came out of a probe.

    Two are alike if they are of one type and say the same, numbers aside;
    `lines` are the places in the reader's code that it passed through.
    """

    kind: str
    message: str
    lines: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def of(cls, error: BaseException) -> "Raised":
        """Write down an error and where it comes from."""
        frames = traceback.extract_tb(error.__traceback__)
        lines = dict.fromkeys(
            f"{Path(frame.filename).name}:{frame.lineno}: {frame.line}"
            for frame in frames
            if not _is_ours(frame.filename)
        )
        message = _said(error) or "(it says nothing)"
        return cls(type(error).__name__, message, tuple(lines))


def _said(error: BaseException) -> str:
    """Return an error's message, none if even that fails."""
    try:
        return str(error).strip()
    except Exception:
        return ""


OURS = tuple(
    f"{folder}{os.sep}"
    for folder in (Path(__file__).parents[1], sysconfig.get_paths()["stdlib"])
)
"""The package and Python itself; a reader's folder may be called laidout."""


def _is_ours(filename: str) -> bool:
    """Tell whether a frame is one of the probe or of a library."""
    return (
        filename.startswith(OURS)
        or "site-packages" in filename
        or filename.startswith("<frozen")
    )


@dataclass(frozen=True)
class Tampered:
    """What a probe found changed that belongs to all of Python."""

    what: str


Observation = dict[str, Any] | Raised | Tampered


def observe(probe: Probe, mine: Any) -> Observation:
    """Run a probe on an object; return what it saw, or what it raised."""
    shared = Shared()
    try:
        with _quiet():
            seen: Observation = _freeze_all(probe.run(mine))
    except (KeyboardInterrupt, TimeUp):
        raise
    except BaseException as error:
        seen = Raised.of(error)
    finally:
        changed = shared.restore()
    return Tampered(changed) if changed else seen


@contextmanager
def _quiet() -> Iterator[None]:
    """Let warnings pass unheard: what they warn of is probed anyway."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _freeze_all(seen: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _freeze(value) for name, value in seen.items()}


def _freeze(value: Any) -> Any:
    """Copy what a later call might change."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, Shape):
        return value
    if isinstance(value, tuple):
        return tuple(map(_freeze, value))
    if isinstance(value, list):
        return [*map(_freeze, value)]
    if isinstance(value, Mapping):
        return _freeze_all(value)
    return value


# --- what belongs to all ----------------------------------------------------


def _set_gradient_mode(mode: bool) -> None:
    torch.set_grad_enabled(mode)


SHARED = torch, nn, F, Tensor
"""Whose attributes nobody may replace."""
EXCHANGED = {"manual_seed"}
"""But torch itself replaces this one when it imports its compiler."""

_SETTINGS: dict[str, tuple[Callable[[], Any], Callable[[Any], None]]] = {
    "default dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "default device": (torch.get_default_device, torch.set_default_device),
    "gradient mode": (torch.is_grad_enabled, _set_gradient_mode),
    "number of threads": (torch.get_num_threads, torch.set_num_threads),
}
"""How each of torch's global settings is read, and how it is set."""


class Shared:
    """Torch's global settings as they are now, to be put back later."""

    def __init__(self) -> None:
        self.settings = {n: get() for n, (get, _) in _SETTINGS.items()}
        self.functions = {
            (owner, name): value
            for owner in SHARED
            for name, value in vars(owner).items()
            if not name.startswith("__") and name not in EXCHANGED
        }
        self.generator = torch.get_rng_state()
        torch.default_generator.manual_seed(SEED)

    def restore(self, may_seed: bool = False) -> str:
        """Put everything back; say what was changed, or nothing."""
        changed = []
        for name, (get, put) in _SETTINGS.items():
            if get() != self.settings[name]:
                put(self.settings[name])
                changed.append(f"torch's {name}")
        for (owner, name), value in self.functions.items():
            if vars(owner).get(name) is not value:
                setattr(owner, name, value)
                changed.append(f"torch's own {name}")
        for name in self._shadows():
            delattr(Tensor, name)
            changed.append(f"torch's own {name}")
        if torch.initial_seed() != SEED and not may_seed:
            changed.append("the seed of torch's random generator")
        torch.set_rng_state(self.generator)
        return ", ".join(changed)

    def _shadows(self) -> list[str]:
        """Return what hides a method that tensors inherit, most of theirs."""
        inherited = vars(Tensor.__base__)
        return [
            name
            for name in vars(Tensor)
            if name in inherited
            and not name.startswith("__")
            and (Tensor, name) not in self.functions
        ]
