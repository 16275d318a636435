"""What the tests compare with: slow, plain and independent of the package.

Nothing here imports `laidout`. The sizes are distinct primes, so that two
axes that were mixed up cannot fit each other by chance.
"""

import math
import zlib

import torch
from torch import Tensor

BATCH, HEADS, TARGETS, SOURCES, D_K, D_V = 2, 3, 5, 7, 11, 13
D_MODEL = HEADS * D_K

TIGHT = 1e-12
"""How far two ways to compute the same thing may differ in float64."""


def make(
    name: str,
    *shape: int,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    """Draw normal numbers that depend on the name and the seed alone.

    Two tensors of different names differ, whatever else a test draws; the
    same name, shape and seed give the same numbers, on every machine.
    """
    generator = torch.Generator().manual_seed(
        zlib.crc32(f"{name} {seed}".encode())
    )
    numbers = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return numbers.to(dtype)


def make_mask(name: str, *shape: int, seed: int = 0) -> Tensor:
    """Draw a mask with about a third forbidden and no empty row."""
    mask = make(name, *shape, seed=seed) > -0.4
    # Whoever may attend to nothing may attend to the first key.
    mask[..., 0] |= ~mask.any(-1)
    return mask


def assert_close(
    actual: Tensor, expected: Tensor, tolerance: float = TIGHT
) -> None:
    """Compare values, shape, dtype and device; NaN equals nothing."""
    torch.testing.assert_close(actual, expected, rtol=0.0, atol=tolerance)


def assert_same(actual: Tensor, expected: Tensor) -> None:
    """Compare exactly: the same numbers, not merely close ones."""
    torch.testing.assert_close(actual, expected, rtol=0.0, atol=0.0)


def gradient_of(tensor: Tensor) -> Tensor:
    """Give the gradient of a tensor, which must have one."""
    assert tensor.grad is not None
    return tensor.grad


def loop_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Equation (1), number by number: softmax(Q K^T / sqrt(d_k)) V.

    The softmax runs over the allowed keys only, so there is no infinity
    anywhere; where no key is allowed, everything is zero.
    """
    if mask is None:
        mask = torch.ones((), dtype=torch.bool)
    mask = mask.broadcast_to(*query.shape[:-1], key.size(-2))
    if query.dim() > 2:
        parts = [
            loop_attention(query[i], key[i], value[i], mask[i])
            for i in range(query.size(0))
        ]
        return (
            torch.stack([output for output, _ in parts]),
            torch.stack([weights for _, weights in parts]),
        )
    sources, d_k = key.shape
    d_v = value.size(-1)
    keys, values = key.tolist(), value.tolist()
    all_weights, all_outputs = [], []
    for q, may in zip(query.tolist(), mask.tolist(), strict=True):
        exponentials = [0.0] * sources
        for s in range(sources):
            if may[s]:
                dot = math.fsum(q[i] * keys[s][i] for i in range(d_k))
                exponentials[s] = math.exp(dot / math.sqrt(d_k))
        total = math.fsum(exponentials)
        weights = [e / total if total else 0.0 for e in exponentials]
        all_weights.append(weights)
        all_outputs.append(
            [
                math.fsum(weights[s] * values[s][j] for s in range(sources))
                for j in range(d_v)
            ]
        )
    return (
        torch.tensor(all_outputs, dtype=torch.float64),
        torch.tensor(all_weights, dtype=torch.float64),
    )
