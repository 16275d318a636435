"""Batches of sentences, as others make them."""

from collections import defaultdict
from collections.abc import Sequence

import torch

from styles import right, wrong

BATCHES = "data-token-batches"
Batches = list[list[int]]


@right(BATCHES)
def longest_first(lengths: Sequence[int], max_tokens: int) -> Batches:
    if max_tokens < 1:
        raise ValueError("there is no room")
    for place, n in enumerate(lengths):
        if n < 1 or n > max_tokens:
            raise ValueError(f"sentence {place}: {n}")
    left = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
    result = []
    while left:
        rows = max_tokens // lengths[left[0]]
        result.append(left[:rows])
        left = left[rows:]
    return result


@right(BATCHES)
def sorted_by_torch(lengths: Sequence[int], max_tokens: int) -> Batches:
    ok = max_tokens >= 1 and all(0 < n <= max_tokens for n in lengths)
    if not ok:
        raise ValueError(f"lengths must be from 1 to {max_tokens}")
    result: Batches = []
    for index in torch.tensor(lengths, dtype=torch.long).argsort().tolist():
        if not result or (len(result[-1]) + 1) * lengths[index] > max_tokens:
            result.append([])
        result[-1].append(index)
    return result


@right(BATCHES)
def with_the_fewest_numbers(
    lengths: Sequence[int], max_tokens: int
) -> Batches:
    """Find, backwards, where the cuts leave the fewest batches."""
    if max_tokens < 1 or any(not 0 < n <= max_tokens for n in lengths):
        raise ValueError(f"{max_tokens} is not enough, or there is nothing")
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    best: list[tuple[int, int, Batches]] = [(0, 0, [])]
    for end in range(1, len(order) + 1):
        longest = lengths[order[end - 1]]
        choices = []
        for begin in range(max(0, end - max_tokens // longest), end):
            count, size, batches = best[begin]
            size += (end - begin) * longest
            choices.append((count + 1, size, [*batches, order[begin:end]]))
        best.append(min(choices))
    return best[-1][2]


@wrong(BATCHES, "counts-real-tokens")
def sums(lengths: Sequence[int], max_tokens: int) -> Batches:
    if max_tokens < 1 or any(not 0 < n <= max_tokens for n in lengths):
        raise ValueError("no")
    pairs = sorted((n, i) for i, n in enumerate(lengths))
    result, current, total = [], [], 0
    for n, i in pairs:
        if total + n > max_tokens:
            result.append(current)
            current, total = [], 0
        current.append(i)
        total += n
    if current:
        result.append(current)
    return result


@wrong(BATCHES, "checked-too-late")
def add_then_look(lengths: Sequence[int], max_tokens: int) -> Batches:
    if max_tokens < 1 or any(not 0 < n <= max_tokens for n in lengths):
        raise ValueError("no")
    result: Batches = [[]]
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        result[-1].append(i)
        if len(result[-1]) * lengths[i] > max_tokens:
            result.append([])
    return [batch for batch in result if batch]


@wrong(BATCHES, "one-length-a-batch")
def by_length(lengths: Sequence[int], max_tokens: int) -> Batches:
    if max_tokens < 1 or any(not 0 < n <= max_tokens for n in lengths):
        raise ValueError("no")
    groups = defaultdict(list)
    for index, length in enumerate(lengths):
        groups[length].append(index)
    return [
        group[start : start + max_tokens // length]
        for length, group in groups.items()
        for start in range(0, len(group), max_tokens // length)
    ]


@wrong(BATCHES, "nothing-checked")
def trusting(lengths: Sequence[int], max_tokens: int) -> Batches:
    result: Batches = []
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if result and (len(result[-1]) + 1) * lengths[i] <= max_tokens:
            result[-1].append(i)
        else:
            result.append([i])
    return result
