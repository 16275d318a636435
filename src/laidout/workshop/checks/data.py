"""Probes of the exercises in `laidout.data`."""

from typing import Any

from laidout.workshop.probes import Observed, probe, refusal

# --- data-token-batches -----------------------------------------------------

BATCHES = "data-token-batches"

FULL = [2, 12, 3, 4, 6, 2, 3, 2, 4, 3, 2, 6, 2, 3, 4, 2]
"""With 12 tokens a batch they fill five batches to the brim."""

MIXED = [7, 3, 11, 2, 5, 13, 3, 8, 4, 7, 6, 12, 2, 9, 5, 3, 10, 4, 7, 6]
"""Lengths as they come."""

STEEP = [4, 1, 5, 2, 6, 3, 7]
"""All different, in no order."""

Batches = list[list[int]]


@probe(BATCHES, "shape", "token_batches([3], 12)")
def _one_sentence(batches_of: Any) -> Observed:
    """The result is a list of lists of indices; one sentence makes one."""
    result = batches_of([3], 12)
    if not isinstance(result, list | tuple):
        return {"the type of the result": type(result).__name__}
    return {"the type of the result": "list", "the result": _plain(result)}


@probe(BATCHES, "values", "token_batches([3] * 8, 12)")
def _as_many_as_fit(batches_of: Any) -> Observed:
    """Four rows of 3 tokens are 12: no batch holds more, none fewer."""
    result = list(batches_of([3] * 8, 12))
    return {
        "the list of the numbers of rows": sorted(map(_rows, result)),
        "the list of all indices": _flat(result),
    }


@probe(BATCHES, "values", "token_batches([12], 12)")
def _exactly_full(batches_of: Any) -> Observed:
    """A sentence of max_tokens tokens fits: it is a batch by itself."""
    # Only a refusal is told as such: another error has a place to be shown.
    try:
        result = _plain(batches_of([12], 12))
    except ValueError:
        return {"a length of 12": "is a ValueError"}
    return {"a length of 12": "is allowed", "the result": result}


@probe(BATCHES, "values", f"token_batches(lengths, 26), lengths = {MIXED}")
def _each_sentence_once(batches_of: Any) -> Observed:
    """Every sentence is in one batch, and in no other."""
    found = _flat(batches_of(list(MIXED), 26))
    return {
        "the list of indices in no batch": sorted(
            set(range(len(MIXED))) - set(found)
        ),
        "the list of indices there more than once": sorted(
            {index for index in found if found.count(index) > 1}
        ),
    }


@probe(BATCHES, "values", f"token_batches(lengths, 12), lengths = {FULL}")
def _like_with_like(batches_of: Any) -> Observed:
    """Sentences of like length come together, so that little is padded."""
    batches = list(batches_of(list(FULL), 12))
    return {
        "the list of lengths, batch by batch": sorted(
            sorted(FULL[index] for index in batch) for batch in batches
        )
    }


@probe(BATCHES, "values", "token_batches([1, 1, 1, 1, 8], 12)")
def _padding_counts(batches_of: Any) -> Observed:
    """A batch is as large as its padded tensor: padding takes room too."""
    lengths = [1, 1, 1, 1, 8]
    return {
        "the list of the sizes of batches": _sizes(
            batches_of(lengths, 12), lengths
        )
    }


@probe(BATCHES, "values", f"token_batches(lengths, 20), lengths = {STEEP}")
def _never_too_large(batches_of: Any) -> Observed:
    """No batch is larger than max_tokens, padding included."""
    return {
        "the list of excesses, batch by batch": _excess(
            batches_of(list(STEEP), 20), STEEP, 20
        )
    }


@probe(BATCHES, "values", f"token_batches(lengths, 26), lengths = {MIXED}")
def _never_too_large_again(batches_of: Any) -> Observed:
    """No batch is larger than max_tokens, however mixed the lengths are."""
    return {
        "the list of excesses, batch by batch": _excess(
            batches_of(list(MIXED), 26), MIXED, 26
        )
    }


@probe(BATCHES, "values", f"token_batches(lengths, 21), lengths = {STEEP}")
def _not_too_many(batches_of: Any) -> Observed:
    """Batches are filled: there are few of them."""
    # Two are enough, from short to long or from long to short.
    return {
        "the number of batches too many": max(
            0, len(list(batches_of(STEEP, 21))) - 3
        )
    }


@probe(BATCHES, "values", f"token_batches(lengths, 26), lengths = {MIXED}")
def _little_padding(batches_of: Any) -> Observed:
    """There is little padding."""
    padded = sum(_sizes(batches_of(list(MIXED), 26), MIXED))
    # Sorted, padding adds a tenth to the tokens; unsorted, almost a half.
    return {
        "the number of padding tokens too many": max(
            0, padded - int(1.3 * sum(MIXED))
        )
    }


@probe(BATCHES, "values", "token_batches(lengths, 26), then look at lengths")
def _lengths_stay(batches_of: Any) -> Observed:
    """The caller's list is left as it was."""
    lengths = list(MIXED)
    batches_of(lengths, 26)
    return {"lengths": lengths}


@probe(BATCHES, "empty", "token_batches([], 12)")
def _no_sentences(batches_of: Any) -> Observed:
    """Without sentences there are no batches."""
    return {"the result": _plain(batches_of([], 12))}


@probe(BATCHES, "errors", "token_batches([3, 13, 2], 12)")
def _too_long(batches_of: Any) -> Observed:
    """A sentence that is longer than max_tokens is a ValueError."""
    return {
        "a length of 13": refusal(lambda: list(batches_of([3, 13, 2], 12)))
    }


@probe(BATCHES, "errors", "token_batches([3, 0, 2], 12)")
def _no_tokens(batches_of: Any) -> Observed:
    """A sentence without tokens is a ValueError."""
    return {
        "a length of 0": refusal(lambda: list(batches_of([3, 0, 2], 12))),
        "a length of -1": refusal(lambda: list(batches_of([3, -1, 2], 12))),
    }


@probe(BATCHES, "errors", "token_batches([], 0)")
def _no_room(batches_of: Any) -> Observed:
    """A max_tokens below 1 is a ValueError, even without sentences."""
    return {"a max_tokens of 0": refusal(lambda: list(batches_of([], 0)))}


def _plain(result: Any) -> Any:
    """Turn batches of any kind into lists."""
    if isinstance(result, int):
        return int(result)
    return [_plain(part) for part in result]


def _rows(batch: Any) -> int:
    """Count the sentences of a batch."""
    return len(list(batch))


def _flat(batches: Any) -> list[int]:
    """Return the indices in all batches, sorted."""
    return sorted(index for batch in batches for index in batch)


def _sizes(batches: Any, lengths: list[int]) -> list[int]:
    """Return the padded sizes of all batches, sorted."""
    rows = [[lengths[index] for index in batch] for batch in batches]
    return sorted(len(row) * max(row, default=0) for row in rows)


def _excess(batches: Any, lengths: list[int], max_tokens: int) -> list[int]:
    """Return by how much batches exceed the limit, those that do."""
    sizes = _sizes(batches, lengths)
    return [size - max_tokens for size in sizes if size > max_tokens]
