"""What decoding is compared with: stub models and slow, plain searches.

Nothing here imports `laidout`. The searches know one sentence at a time and
ask a function what comes next: it takes the tokens so far, bos first, and
gives the log-probability of every word that may follow. They work on lists
and numbers; no tensor, no batch, no mask.
"""

import functools
import heapq
import math
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import torch
from oracle import make
from torch import Tensor, nn

PAD, BOS, EOS = 2, 5, 3
"""Not the usual ids: here 0, 1 and 4 are words like any other."""

Tokens = tuple[int, ...]
NextWords = Callable[[Tokens], dict[int, float]]
LogitsOf = Callable[[Tokens, Tokens], list[float]]
Found = tuple[float, Tokens]


# --- models -----------------------------------------------------------------


class TableModel(nn.Module):
    """Stands in for a Transformer: a function says what comes next.

    It takes the source as far as the masks let it see, and the target so far,
    and gives the logits. All hidden states but the last are NaN.
    """

    def __init__(self, logits_of: LogitsOf) -> None:
        super().__init__()
        self.config: Any = SimpleNamespace(pad_id=PAD)
        self.output_projection: Any = nn.Identity()
        self.logits_of = logits_of
        self.source_masks: list[Tensor | None] = []
        self.seen: list[Tensor] = []
        self.modes: list[bool] = []
        self.grad: list[bool] = []

    def encode(self, src: Tensor, src_mask: Tensor | None = None) -> Tensor:
        """Give the tokens themselves, and NaN for what may not be read."""
        self._note()
        self.source_masks.append(src_mask)
        memory = src[..., None].double()
        if src_mask is None:
            return memory
        return memory.masked_fill(~src_mask[:, 0, 0, :, None], math.nan)

    def decode(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        """Ask the function about every row."""
        self._note()
        self.seen.append(tgt.clone())
        assert tgt_mask is None
        if memory_mask is None:
            memory_mask = torch.ones(len(memory), 1, 1, memory.size(1)).bool()
        rows = []
        for row, states, may in zip(tgt, memory, memory_mask, strict=True):
            source = states[may[0, 0], 0].tolist()
            rows.append(self.logits_of(tuple(map(int, source)), to_tuple(row)))
        last = torch.tensor(rows, dtype=torch.float64)
        hidden = torch.full((*tgt.shape, last.size(-1)), math.nan).double()
        hidden[:, -1] = last
        return hidden

    def _note(self) -> None:
        self.modes.append(self.training)
        self.grad.append(torch.is_grad_enabled())

    def words_after(self, source: Tokens) -> NextWords:
        """Give the function that the searches ask, for one source."""
        return lambda tokens: log_p(self.logits_of(source, tokens))


def to_tuple(row: Tensor) -> Tokens:
    """Write a row of tokens as a tuple."""
    return tuple(row.tolist())


def log_p(logits: list[float]) -> dict[int, float]:
    """Turn logits into log-probabilities; padding is no word."""
    some = {w: x for w, x in enumerate(logits) if w != PAD and x > -math.inf}
    top = max(some.values())
    total = math.log(math.fsum(math.exp(x - top) for x in some.values()))
    return {word: x - top - total for word, x in some.items()}


def random_table(
    name: str, vocab_size: int, scale: float = 2.0, eos: float = 0.0
) -> TableModel:
    """Make a model whose next words depend on all it has read, at random.

    A larger `eos` makes sentences shorter; padding is likely everywhere.
    """

    @functools.cache
    def logits_of(source: Tokens, tokens: Tokens) -> list[float]:
        logits = make(f"{name} {source} {tokens}", vocab_size) * scale
        logits[EOS] += eos
        logits[PAD] += 2 * scale
        return logits.tolist()

    return TableModel(logits_of)


def tree_model(tree: dict[Tokens, dict[int, float]], size: int) -> TableModel:
    """Make a model from a tree of probabilities, the same for all sources.

    The keys are the tokens so far, without bos. After what the tree does not
    know every word is equally likely. Padding is always likely.
    """

    def logits_of(source: Tokens, tokens: Tokens) -> list[float]:
        known = tree.get(tokens[1:])
        if known is None:
            return [0.0] * size
        return [
            9.0
            if word == PAD
            else math.log(known[word])
            if known.get(word)
            else -math.inf
            for word in range(size)
        ]

    return TableModel(logits_of)


@torch.no_grad()
def randomise(model: nn.Module, name: str, scale: float) -> None:
    """Draw the parameters of a model anew, so that it is never at a loss.

    Embeddings are large: what comes next depends on the last word above all,
    then on the place and on everything else that was read.
    """
    model.double().eval()
    for part, parameter in model.named_parameters():
        drawn = make(f"{name} {part}", *parameter.shape)
        if parameter.dim() == 1:
            parameter.add_(drawn * 0.3)
        else:
            parameter.copy_(drawn * (1.0 if "embed" in part else scale))


def words_of(model: Any, sentence: Tokens) -> NextWords:
    """Ask a model about one sentence, alone, unpadded and without a cache."""
    with torch.no_grad():
        memory = model.encode(torch.tensor([sentence]))

    @functools.cache
    def next_words(tokens: Tokens) -> dict[int, float]:
        with torch.no_grad():
            hidden = model.decode(torch.tensor([tokens]), memory)
            logits = model.output_projection(hidden[0, -1])
        return log_p(logits.tolist())

    return next_words


# --- searches ---------------------------------------------------------------


def padded(rows: list[Tokens]) -> Tensor:
    """Put sentences into one tensor, as wide as the longest of them."""
    longest = max(map(len, rows))
    return torch.tensor(
        [list(row) + [PAD] * (longest - len(row)) for row in rows]
    )


def slow_greedy(next_words: NextWords, max_len: int) -> Tokens:
    """Take the likeliest word until it is eos or there is no room."""
    tokens: Tokens = (BOS,)
    while len(tokens) < max_len:
        words = next_words(tokens)
        tokens += (max(words, key=lambda word: words[word]),)
        if tokens[-1] == EOS:
            break
    return tokens


def normalised(found: Found, penalty: float) -> Found:
    """Divide a log-probability by the length penalty of its sentence."""
    score, tokens = found
    return score / ((5 + len(tokens) - 1) / 6) ** penalty, tokens


def slow_beam(
    next_words: NextWords, beam_size: int, penalty: float, max_len: int
) -> Tokens:
    """Follow the best hypotheses in a list; nothing stops it early.

    Of all continuations the best are kept; those of them that end go to the
    finished ones, and no others move up into their places.
    """
    beam: list[Found] = [(0.0, (BOS,))]
    ended: list[Found] = []
    for _ in range(max_len - 1):
        longer = [
            (score + more, (*tokens, word))
            for score, tokens in beam
            for word, more in next_words(tokens).items()
        ]
        best = heapq.nlargest(beam_size, longer)
        ended += [found for found in best if found[1][-1] == EOS]
        beam = [found for found in best if found[1][-1] != EOS]
        if not beam:
            break
    return max(normalised(found, penalty) for found in ended or beam)[1]


def hypotheses(next_words: NextWords, max_len: int) -> Iterator[Found]:
    """Go through every sentence that ends in time, and how likely it is."""
    agenda: list[Found] = [(0.0, (BOS,))]
    while agenda:
        score, tokens = agenda.pop()
        if tokens[-1] == EOS:
            yield score, tokens
        elif len(tokens) < max_len:
            agenda += [
                (score + more, (*tokens, word))
                for word, more in next_words(tokens).items()
            ]


def best_of_all(next_words: NextWords, penalty: float, max_len: int) -> Tokens:
    """Find the best sentence by looking at all of them."""
    return max(
        normalised(found, penalty) for found in hypotheses(next_words, max_len)
    )[1]
