"""A second device for the probes, on a machine that has but one."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

__all__ = ["SecondDevice"]

_MAY_MIX = {"__getitem__", "__setitem__", "copy_"}
"""What may be done with tensors of two devices."""


class SecondDevice(TorchFunctionMode):
    """Pretend that tensors, or those of a module, are on the device 'meta'.

    What is computed from them is there too, and so is what is made with
    `device="meta"`; to mix tensors of both places is an error, as with a GPU.
    In truth all of them stay on the CPU. That way any operation works, and
    none is slow: the first one on the real device 'meta' makes torch import
    its compiler, which takes seconds and exchanges `torch.manual_seed`.
    """

    def __init__(self, *things: Tensor | nn.Module) -> None:
        super().__init__()
        # Held as well as known by id: no other tensor may get the same id.
        self._there: dict[int, Tensor] = {}
        for thing in things:
            for tensor in _tensors_of(thing):
                self._there[id(tensor)] = tensor

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Do what is asked, and see where the result belongs."""
        kwargs = kwargs or {}
        if func == Tensor.device.__get__ and self._is_there(args[0]):
            return torch.device("meta")
        if func is torch.device:
            return func(*args, **kwargs)
        there = self._place(func.__name__, [*args, *kwargs.values()])
        result = func(
            *map(_on_cpu, args),
            **{name: _on_cpu(value) for name, value in kwargs.items()},
        )
        return self._put(result, there)

    def _is_there(self, tensor: Any) -> bool:
        return id(tensor) in self._there

    def _place(self, name: str, given: list[Any]) -> bool:
        """Say whether what a function makes of its arguments is there."""
        devices = [device for device in map(_device, given) if device]
        if devices or name == "cpu":
            return "meta" in devices
        tensors = [t for t in _flat(given) if isinstance(t, Tensor)]
        if name == "to" and len(tensors) == 2:
            return self._is_there(tensors[1])
        places = {self._is_there(t) for t in tensors if t.dim()}
        if len(places) == 2 and name not in _MAY_MIX:
            raise RuntimeError(
                "Expected all tensors to be on the same device, but found "
                "at least two devices, meta and cpu!"
            )
        return any(map(self._is_there, tensors))

    def _put(self, result: Any, there: bool) -> Any:
        """Remember where a result belongs, or each part of it."""
        if isinstance(result, tuple | list):
            return type(result)([self._put(part, there) for part in result])
        if isinstance(result, Iterator):
            return iter([self._put(part, there) for part in result])
        if not isinstance(result, Tensor):
            return result
        if there != self._is_there(result):
            # It may be the argument itself, which stays where it is.
            result = result[...]
        if there:
            self._there[id(result)] = result
        return result


def _tensors_of(thing: Tensor | nn.Module) -> list[Tensor]:
    """Return the parameters and buffers of a module, or a tensor alone."""
    if isinstance(thing, Tensor):
        return [thing]
    return [*thing.parameters(), *thing.buffers()]


def _device(value: Any) -> str:
    """Return the device that an argument names, if it names one."""
    if isinstance(value, torch.device):
        return value.type
    known = isinstance(value, str) and value in {"meta", "cpu"}
    return value if known else ""


def _on_cpu(value: Any) -> Any:
    """Exchange a device for the CPU."""
    return "cpu" if _device(value) else value


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    """Take lists and tuples among the values apart, one level deep."""
    for value in values:
        if isinstance(value, tuple | list):
            yield from value
        else:
            yield value
