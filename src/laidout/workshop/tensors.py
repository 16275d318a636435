"""Numbers for the probes: always the same, and never two sizes alike.

The sizes are distinct primes, so that two axes that were mixed up cannot fit
each other by chance. Everything is float64.
"""

import math
import zlib
from typing import Any

import torch
from torch import Tensor, nn

from laidout.workshop.probes import Shape

__all__ = [
    "BATCH",
    "D_K",
    "D_MODEL",
    "D_V",
    "FIXED",
    "HEADS",
    "SOURCES",
    "TARGETS",
    "count",
    "fill",
    "filled",
    "gradients",
    "make",
    "make_mask",
    "shapes",
    "unused",
]

BATCH, HEADS, TARGETS, SOURCES, D_K, D_V = 2, 3, 5, 7, 11, 13
D_MODEL = HEADS * D_K

FIXED = {
    *("w_q", "w_k", "w_v", "w_o", "w_1", "w_2"),
    "output_projection",
}
"""Parts whose names the book fixes; all other parts may have any name."""


def make(name: str, *shape: int) -> Tensor:
    """Draw normal numbers that depend on name and shape alone, float64."""
    seed = zlib.crc32(f"{name} {shape}".encode())
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def make_mask(name: str, *shape: int) -> Tensor:
    """Draw a mask with about a third forbidden and no empty row."""
    mask = make(name, *shape) > -0.4
    mask[..., 0] |= ~mask.any(-1)
    return mask


def filled(module: Any) -> Any:
    """Return a module in float64, in evaluation mode, and filled."""
    module = module.double().eval()
    fill(module)
    return module


@torch.no_grad()
def fill(module: nn.Module) -> None:
    """Give a module the numbers that any other of its kind would get.

    What a parameter gets depends on the name of its part where the book fixes
    that name, and on its shape; so parts may have any name, stand in any
    order and be of any class. Parts of one kind get the same numbers.
    """
    found: dict[int, tuple[str, nn.Parameter]] = {}
    for path, parameter in module.named_parameters(remove_duplicate=False):
        kind = _kind(path, parameter)
        # A shared parameter goes by the name that the book fixes.
        if id(parameter) not in found or kind.partition(" ")[0] in FIXED:
            found[id(parameter)] = kind, parameter
    for kind, parameter in found.values():
        if not parameter.is_meta:
            parameter.copy_(_numbers(kind, parameter.shape))


def _kind(path: str, parameter: Tensor) -> str:
    """Say what a parameter is for: its part, and bias, gain or matrix."""
    *owners, name = path.split(".")
    owner = owners[-1] if owners and owners[-1] in FIXED else "any"
    if parameter.dim() != 1:
        return f"{owner} matrix"
    return f"{owner} {'bias' if 'bias' in name else 'gain'}"


def _numbers(kind: str, shape: torch.Size) -> Tensor:
    """Return numbers of a size that keeps activations near one."""
    numbers = make(kind, *shape)
    if kind.endswith("matrix"):
        return numbers / math.sqrt(shape[-1] if shape else 1)
    offset = 1.0 if kind.endswith("gain") else 0.0
    return offset + 0.3 * numbers


def gradients(output: Tensor, *inputs: Tensor) -> list[Tensor | None]:
    """Return the gradients of a fixed sum of outputs, one for each input.

    Shapes: each gradient has that of its input; None where there is none.
    """
    total = (output * make("cotangent", *output.shape)).sum()
    return list(torch.autograd.grad(total, inputs, allow_unused=True))


def count(module: nn.Module) -> int:
    """Count the numbers that a module would learn."""
    return sum(parameter.numel() for parameter in module.parameters())


def unused(module: nn.Module, output: Tensor) -> int:
    """Count the parameters that get no gradient from an output.

    Shapes: an output of any shape.
    """
    found = gradients(output, *module.parameters())
    return sum(gradient is None for gradient in found)


def shapes(result: Any) -> Any:
    """Return the shapes of what may be tensors, alone or several."""
    if isinstance(result, Tensor):
        return Shape(result.shape)
    if isinstance(result, tuple):
        return tuple(map(shapes, result))
    if isinstance(result, list):
        return [*map(shapes, result)]
    return result
