"""Sentence pairs as ids, and the batches that they make. Section 5.1.

The order of an epoch is a function of the seed and the epoch alone.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from laidout.data import Pair, collate, epoch_batches
from laidout.evaluation import source_ids
from laidout.tokenizer import BPETokenizer

__all__ = ["Sentences", "encode_pairs"]


def encode_pairs(
    tokenizer: BPETokenizer, pairs: Sequence[Pair]
) -> list[tuple[list[int], list[int]]]:
    """Turn pairs into ids: the source with eos, the target between both.

    Raises:
        ValueError: if a sentence is empty.
    """
    bos, eos = tokenizer.bos_id, tokenizer.eos_id
    return [
        (
            source_ids(tokenizer, pair.source),
            [bos, *tokenizer.encode(pair.target), eos],
        )
        for pair in pairs
    ]


class Sentences:
    """Sentence pairs as ids, and the batches that they make.

    Shapes: a batch is (src, tgt), (B, S) and (B, T), padded.

    Raises:
        ValueError: if a sentence is longer than max_tokens, or an epoch is
            too small for a step.
    """

    def __init__(
        self,
        tokenizer: BPETokenizer,
        pairs: Sequence[Pair],
        max_tokens: int,
        device: torch.device,
    ) -> None:
        self.pairs = encode_pairs(tokenizer, pairs)
        self.lengths = [(len(src), len(tgt)) for src, tgt in self.pairs]
        self.pad_id = tokenizer.pad_id
        self.max_tokens = max_tokens
        self.device = device
        # Refuse a sentence that is too long now, not in the middle of a run.
        self.order = epoch_batches(self.lengths, max_tokens, seed=0, epoch=0)

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return the batch of some sentences."""
        src, tgt = collate([self.pairs[i] for i in indices], self.pad_id)
        return src.to(self.device), tgt.to(self.device)

    def targets(self, indices: Sequence[int]) -> int:
        """Count the tokens that the model must say: all but bos."""
        return sum(self.lengths[i][1] - 1 for i in indices)

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Go through all sentences once, in an order that never changes."""
        for indices in self.order:
            yield self.batch(indices)

    def steps(self, seed: int, epoch: int, size: int) -> list[list[list[int]]]:
        """Cut an epoch into steps of `size` batches each.

        What is left at its end, too little for a step, is left out; it is
        something else in every epoch.
        """
        order = epoch_batches(self.lengths, self.max_tokens, seed, epoch)
        last = len(order) - len(order) % size
        if not last:
            raise ValueError(
                f"an epoch has {len(order)} batches, a step needs {size}"
            )
        return [order[i : i + size] for i in range(0, last, size)]
