"""Masks, as others write them."""

import torch
from torch import Tensor

from styles import right, wrong

PADDING, CAUSAL, TARGET = "masks-padding", "masks-causal", "masks-target"
Device = torch.device | str | None


@right(PADDING)
def one_token_at_a_time(tokens: Tensor, pad_id: int) -> Tensor:
    if tokens.ndim != 2:
        raise ValueError("tokens must have two axes")
    rows = [[[[int(i) != pad_id for i in row]]] for row in tokens]
    return torch.tensor(rows, dtype=torch.bool, device=tokens.device)


@right(PADDING)
def not_equal(tokens: Tensor, pad_id: int) -> Tensor:
    if len(tokens.shape) != 2:
        raise ValueError(f"{tokens.shape=}")
    batch, length = tokens.shape
    return ~torch.eq(tokens, pad_id).view(batch, 1, 1, length)


@right(PADDING)
def unsqueezed_twice(tokens: Tensor, pad_id: int) -> Tensor:
    if tokens.dim() == 2:
        return (tokens - pad_id).bool().unsqueeze(1).unsqueeze(2)
    raise ValueError("not a batch")


@wrong(PADDING, "no-axis-for-heads")
def annotated_padding(tokens: Tensor, pad_id: int) -> Tensor:
    if tokens.dim() != 2:
        raise ValueError("not a batch")
    return (tokens != pad_id).unsqueeze(-2)


@wrong(PADDING, "marks-the-padding")
def key_padding_mask(tokens: Tensor, pad_id: int) -> Tensor:
    batch, length = tokens.shape
    return tokens.eq(pad_id).reshape(batch, 1, 1, length)


@wrong(PADDING, "padding-at-the-end")
def by_length(tokens: Tensor, pad_id: int) -> Tensor:
    if tokens.dim() != 2:
        raise ValueError("not a batch")
    lengths = (tokens != pad_id).sum(dim=1)
    places = torch.arange(tokens.size(1), device=tokens.device)
    return (places < lengths[:, None])[:, None, None]


@wrong(PADDING, "numbers-for-booleans")
def floats(tokens: Tensor, pad_id: int) -> Tensor:
    if tokens.dim() != 2:
        raise ValueError("not a batch")
    return (tokens != pad_id).float()[:, None, None]


@wrong(PADDING, "nothing-returned")
def forgetful(tokens: Tensor, pad_id: int) -> None:
    if tokens.dim() != 2:
        raise ValueError("not a batch")
    mask = tokens != pad_id
    mask.unsqueeze(1).unsqueeze(2)


@wrong(PADDING, "changes-the-tokens")
def overwritten(tokens: Tensor, pad_id: int) -> Tensor:
    if tokens.dim() != 2:
        raise ValueError("not a batch")
    mask = tokens.ne(pad_id)
    tokens[mask] = 1
    return mask[:, None, None]


@wrong(PADDING, "error-by-chance")
def reshaped(tokens: Tensor, pad_id: int) -> Tensor:
    shape = tokens.shape[0], 1, 1, tokens.shape[1]
    return tokens.ne(pad_id).reshape(shape)


@right(CAUSAL)
def loops(size: int, device: Device = None) -> Tensor:
    if size < 0:
        raise ValueError("size must be 0 or more")
    mask = torch.zeros(size, size, dtype=torch.bool, device=device)
    for query in range(size):
        for key in range(query + 1):
            mask[query, key] = True
    return mask.unsqueeze(0).unsqueeze(0)


@right(CAUSAL)
def places_compared(size: int, device: Device = None) -> Tensor:
    if size < 0:
        raise ValueError(size)
    place = torch.arange(size, device=device)
    return (place[None, :] <= place[:, None])[None, None]


@right(CAUSAL)
def not_the_upper_triangle(size: int, device: Device = None) -> Tensor:
    if not size >= 0:
        raise ValueError("negative size")
    future = torch.triu(torch.ones(1, 1, size, size), diagonal=1)
    return (future == 0).to(device)


@wrong(CAUSAL, "marks-the-future")
def subsequent(size: int, device: Device = None) -> Tensor:
    if size < 0:
        raise ValueError("negative size")
    ones = torch.ones((1, 1, size, size), device=device)
    return torch.triu(ones, diagonal=1).bool()


@wrong(CAUSAL, "numbers-for-booleans")
def lower_ones(size: int, device: Device = None) -> Tensor:
    if size < 0:
        raise ValueError("negative size")
    return torch.tril(torch.ones(size, size, device=device))[None, None]


@wrong(CAUSAL, "always-on-the-cpu")
def here(size: int, device: Device = None) -> Tensor:
    if size < 0:
        raise ValueError("negative size")
    return torch.ones(size, size).tril().bool().view(1, 1, size, size)


@wrong(CAUSAL, "minus-infinity-inside")
def additive(size: int, device: Device = None) -> Tensor:
    if size < 0:
        raise ValueError("negative size")
    mask = torch.zeros(1, 1, size, size, device=device)
    future = torch.ones(size, size, device=device).triu(diagonal=1) == 1
    return mask.masked_fill(future, float("-inf"))


@wrong(CAUSAL, "nothing-returned")
def printed(size: int, device: Device = None) -> None:
    if size < 0:
        raise ValueError("negative size")
    torch.ones(1, 1, size, size, device=device).tril().bool()


@wrong(CAUSAL, "negative-accepted")
def row_by_row(size: int, device: Device = None) -> Tensor:
    rows = [[j <= i for j in range(size)] for i in range(size)]
    mask = torch.tensor(rows, dtype=torch.bool, device=device)
    return mask.view(1, 1, len(rows), len(rows))


@right(TARGET)
def both_by_hand(tokens: Tensor, pad_id: int) -> Tensor:
    if tokens.dim() != 2:
        raise ValueError("not a batch")
    size = tokens.shape[1]
    mask = torch.ones(size, size, device=tokens.device).tril() == 1
    return torch.stack([mask & (row != pad_id) for row in tokens])[:, None]


@right(TARGET)
def multiplied(tokens: Tensor, pad_id: int) -> Tensor:
    if tokens.dim() != 2:
        raise ValueError("not a batch")
    words = (tokens != pad_id)[:, None, None, :]
    place = torch.arange(tokens.shape[-1]).to(tokens.device)
    return words * (place.unsqueeze(0) <= place.unsqueeze(1))


@right(TARGET)
def forbidden_first(tokens: Tensor, pad_id: int) -> Tensor:
    batch, size = tokens.shape
    future = torch.ones(size, size, dtype=torch.bool).triu(1)
    future = future.to(tokens.device)
    padding = (tokens == pad_id).view(batch, 1, 1, size)
    return torch.logical_not(future | padding)


@wrong(TARGET, "either-is-enough")
def added(tokens: Tensor, pad_id: int) -> Tensor:
    if tokens.dim() != 2:
        raise ValueError("not a batch")
    size = tokens.shape[1]
    lower = tokens.new_ones(size, size).tril().bool()
    return (tokens != pad_id)[:, None, None] + lower


@wrong(TARGET, "hides-queries-too")
def square(tokens: Tensor, pad_id: int) -> Tensor:
    if tokens.dim() != 2:
        raise ValueError("not a batch")
    words = tokens != pad_id
    pairs = words.unsqueeze(1) * words.unsqueeze(2)
    return pairs.tril().unsqueeze(1)


@wrong(TARGET, "causal-mask-on-the-cpu")
def in_two_places(tokens: Tensor, pad_id: int) -> Tensor:
    batch, size = tokens.shape
    lower = torch.ones(size, size).tril().bool()
    return tokens.ne(pad_id).view(batch, 1, 1, size).logical_and(lower)


@wrong(TARGET, "another-size")
def one_less(tokens: Tensor, pad_id: int) -> Tensor:
    batch, size = tokens.shape
    lower = tokens.new_ones(size - 1, size - 1).tril().bool()
    return tokens.ne(pad_id).view(batch, 1, 1, size) & lower


@wrong(TARGET, "another-size")
def one_more(tokens: Tensor, pad_id: int) -> Tensor:
    batch, size = tokens.shape
    place = torch.arange(size + 1, device=tokens.device)
    lower = place[:, None] >= place
    return tokens.ne(pad_id).view(batch, 1, 1, size) & lower


@wrong(TARGET, "size-of-the-batch")
def as_many_as_sentences(tokens: Tensor, pad_id: int) -> Tensor:
    lower = tokens.new_ones(len(tokens), len(tokens)).tril() == 1
    return (tokens != pad_id)[:, None, None] & lower


@wrong(TARGET, "upper-triangle")
def triu(tokens: Tensor, pad_id: int) -> Tensor:
    batch, size = tokens.shape
    upper = torch.triu(tokens.new_ones(size, size)).bool()
    return tokens.ne(pad_id).view(batch, 1, 1, size) & upper


@wrong(TARGET, "marks-the-future")
def triu_without_diagonal(tokens: Tensor, pad_id: int) -> Tensor:
    batch, size = tokens.shape
    future = torch.triu(tokens.new_ones(size, size), diagonal=1).bool()
    return tokens.ne(pad_id).view(batch, 1, 1, size) & future


@wrong(TARGET, "and-for-ampersand")
def python_and(tokens: Tensor, pad_id: int) -> Tensor:
    batch, size = tokens.shape
    lower = tokens.new_ones(size, size).tril().bool()
    return tokens.ne(pad_id).view(batch, 1, 1, size) and lower


@wrong(TARGET, "changes-the-tokens")
def wiped(tokens: Tensor, pad_id: int) -> Tensor:
    mask = both_by_hand(tokens, pad_id)
    tokens.zero_()
    return mask
