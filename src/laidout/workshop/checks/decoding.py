"""Probes of the exercises in `laidout.decoding`.

The models are small doubles: a function says which words may follow what has
been read, so that everybody who searches well finds the same sentence. No
probe depends on ties, or on what a narrow beam prunes where the book leaves
it open. How much padding stands behind the longest sentence does not matter.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from laidout.transformer import TransformerConfig
from laidout.workshop.probes import Observed, probe, refusal
from laidout.workshop.tensors import make, shapes

# --- models -----------------------------------------------------------------

PAD, BOS, EOS = 2, 5, 3
"""Not the usual ids: here 0, 1 and 4 are words like any other."""

WORDS, STATES = 43, 47
"""The size of the vocabulary, and of a hidden state."""

UNLIKELY, IMPOSSIBLE = -50.0, -9999.0
"""The logits of a word that is not spoken of, and of one that cannot be."""

MOST_ROWS = 99
"""The model takes no batch that is larger."""

HIGH, LOW = 20.0, -20.0
"""The logit of a word that is certain: in most models all are above 0."""

Tokens = tuple[int, ...]
Weights = Mapping[int, float]
Says = Callable[[Tokens, Tokens], Weights]
Tree = Mapping[Tokens, Weights]


class _Model(nn.Module):
    """Stands in for a Transformer: a function says what comes next.

    It takes source and target, as far as the masks let them be seen, and
    gives the words that may follow with their probabilities. `level` is the
    logit of a word that is certain. While it is in training mode it is wrong
    about everything.
    """

    def __init__(self, says: Says, level: float = HIGH) -> None:
        super().__init__()
        self.says, self.level = says, level
        self.config = TransformerConfig(
            WORDS, WORDS, d_model=STATES, num_heads=1, pad_id=PAD
        )
        self.output_projection = nn.Linear(STATES, WORDS, bias=False)
        with torch.no_grad():
            places = torch.eye(STATES)[STATES - WORDS :]
            self.output_projection.weight.copy_(places)
        self.known: dict[tuple[Tokens, Tokens], Tensor] = {}
        self.eval()

    def encode(self, src: Tensor, src_mask: Tensor | None = None) -> Tensor:
        """Give the tokens, and in each of them the sum of what was read."""
        if src_mask is None:
            src_mask = _padding_mask(src)
        batch, length = src.shape
        read = src_mask.expand(batch, 1, length, length)[:, 0, 0]
        memory = torch.zeros(batch, length, STATES)
        memory[..., 0] = src
        memory[..., 1] = ((src + 1) * read).sum(1, keepdim=True)
        memory[..., 1] += self.training
        return memory

    def decode(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        """Look up what may follow each position, (B, T, D)."""
        tgt, memory = _of_one_batch(tgt, memory)
        (rows, length), size = tgt.shape, memory.size(1)
        if memory_mask is None:
            memory_mask = torch.ones(1, 1, 1, size, dtype=torch.bool)
        seen = memory_mask.expand(rows, 1, length, size)[:, 0, -1]
        if tgt_mask is None:
            tgt_mask = _padding_mask(tgt).expand(rows, 1, length, length)
            tgt_mask = tgt_mask.tril()
        tgt_mask = tgt_mask.expand(rows, 1, length, length)[:, 0]
        hidden = [
            self._state(source, _visible(tokens, mask))
            for tokens, masks, source in zip(
                tgt.tolist(),
                tgt_mask.tolist(),
                map(_source, memory[..., :2].tolist(), seen.tolist()),
                strict=True,
            )
            for mask in masks
        ]
        states = torch.stack(hidden).view(rows, length, STATES)
        return states.roll(1, -1) if self.training else states

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        """Return the logits of each next token, (B, T, V)."""
        hidden = self.decode(
            tgt, self.encode(src), memory_mask=_padding_mask(src)
        )
        logits: Tensor = self.output_projection(hidden)
        return logits

    def _state(self, source: Tokens, tokens: Tokens) -> Tensor:
        """Return the hidden state after some tokens, (D,)."""
        key = source, tokens
        if key not in self.known:
            state = torch.full((STATES,), UNLIKELY)
            for word, weight in self.says(source, tokens).items():
                logit = self.level + math.log(weight) if weight else IMPOSSIBLE
                state[STATES - WORDS + word] = logit
            self.known[key] = state
        return self.known[key]


def _of_one_batch(tgt: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    """Repeat the one that has a single row, as a Transformer would."""
    if tgt.dim() != 2:
        shape = tuple(tgt.shape)
        raise ValueError(f"tgt must be a batch (B, T), got {shape}")
    rows = {tgt.size(0), memory.size(0)}
    if max(rows) > MOST_ROWS:
        # Whoever adds rows in place of words would go on for ever.
        raise ValueError(f"tgt has {tgt.size(0)} rows, far too many")
    if len(rows - {1}) > 1:
        raise ValueError(
            f"tgt has {tgt.size(0)} rows, but memory has {memory.size(0)}"
        )
    return tgt.expand(max(rows), -1), memory.expand(max(rows), -1, -1)


def _padding_mask(tokens: Tensor) -> Tensor:
    """Tell what is no padding, (B, 1, 1, S)."""
    return (tokens != PAD)[:, None, None, :]


def _visible(tokens: Sequence[int], mask: Sequence[bool]) -> Tokens:
    """Keep the tokens that a mask shows."""
    return tuple(t for t, may in zip(tokens, mask, strict=True) if may)


def _source(memory: Sequence[Any], mask: Sequence[bool]) -> Tokens:
    """Read the source that a memory was made of.

    It is another one where the decoder sees what the encoder did not.
    """
    source = _visible([int(token) for token, _ in memory], mask)
    total = sum(token + 1 for token in source)
    return source if total == memory[0][1] else (*source, WORDS)


def _after_bos(tokens: Tokens) -> Tokens:
    """Take off the first token, if it is one that a sentence starts with."""
    if tokens[:1] in {(BOS,), (EOS,)}:
        return tokens[1:]
    return (WORDS, *tokens)


def _tree(tree: Tree, otherwise: int = EOS, level: float = HIGH) -> _Model:
    """Make a model that knows what may follow which words.

    After words that are not in the tree comes what comes otherwise.
    """
    unknown = {otherwise: 1.0}
    return _Model(
        lambda _, tokens: tree.get(_after_bos(tokens), unknown), level
    )


def _speaker(sentences: Mapping[Tokens, Tokens]) -> _Model:
    """Make a model that is sure of one sentence for each source.

    Of a source that it does not know it says how long that is. If it is asked
    again after it has said eos, it says 6, for ever.
    """

    def says(source: Tokens, tokens: Tokens) -> Weights:
        said = _after_bos(tokens)
        if said[:1] == (WORDS,):
            return {EOS: 1.0}
        if EOS in said:
            return {6: 1.0}
        sentence = *sentences.get(source, (10 + len(source),)), EOS
        word = sentence[min(len(said), len(sentence) - 1)]
        return {EOS: 0.0, word: 1.0}

    return _Model(says)


def _always(weights: Weights, level: float = HIGH) -> _Model:
    """Make a model that says the same of whatever it has read."""
    return _Model(lambda source, tokens: weights, level)


def _sources(*sentences: Tokens) -> Tensor:
    """Put sentences into one batch, padded."""
    longest = max(map(len, sentences))
    return torch.tensor([[*s, *[PAD] * (longest - len(s))] for s in sentences])


def _padded(found: Tensor, max_len: int) -> Observed:
    """Write down translations, filled up to max_len."""
    return {"the padded result": _filled(found, max_len)}


def _filled(found: Tensor, max_len: int) -> Tensor:
    """Pad translations: how wide they are is left open."""
    return F.pad(found, (0, max(max_len - found.size(1), 0)), value=PAD)


def _tokens(found: Tensor) -> Tensor:
    """Make one dtype of all that are good for tokens."""
    return found if found.is_floating_point() else found.long()


UNEQUAL: dict[Tokens, Tokens] = {(0,): (7, 8, 9), (1,): (), (4,): (0,)}
"""Sentences of three words, of none and of one."""

PADDED: dict[Tokens, Tokens] = {
    (6, 7, 8): (0, 1),
    (7,): (4,),
    (0, 1): (9, 4, 8),
}
"""Sources of unequal length; 0 is a word."""

ANSWERS = "the model answers 7 8 9, nothing and 0"
SOURCES = "src [[6, 7, 8], [7, 2, 2], [0, 1, 2]], padding 2"

IDS = "bos_id=5, eos_id=3"

# --- decoding-greedy --------------------------------------------------------

GREEDY = "decoding-greedy"


def _greedy(decode: Any, model: _Model, src: Tensor, max_len: int) -> Tensor:
    """Decode greedily with the ids of these probes."""
    found: Tensor = decode(model, src, max_len, BOS, EOS)
    return found


def _greedy_call(max_len: int, model: str) -> str:
    """Write a call for the reader."""
    return f"greedy_decode(model, src, {max_len}, {IDS}), {model}"


@probe(GREEDY, "shape", _greedy_call(2, "src (3, 1); the model says eos"))
def _greedy_rows(decode: Any) -> Observed:
    """Each sentence of the batch gets one row of tokens."""
    model = _always({EOS: 1.0})
    found = _greedy(decode, model, _sources((0,), (1,), (4,)), 2)
    return {"the result": shapes(found)}


@probe(GREEDY, "shape", _greedy_call(7, "src (1, 1); the first token"))
def _greedy_starts_with_bos(decode: Any) -> Observed:
    """Every row starts with bos, 5."""
    found = _greedy(decode, _always({7: 1.0}), _sources((0,)), 7)
    return {"the first column": _tokens(found[:, :1])}


@probe(GREEDY, "shape", _greedy_call(7, "src (1, 1), never eos"))
def _greedy_fills_the_room(decode: Any) -> Observed:
    """A sentence that does not end has max_len tokens, bos among them."""
    found = _greedy(decode, _always({0: 1.0}), _sources((0,)), 7)
    return {"the result": shapes(found)}


@probe(GREEDY, "shape", _greedy_call(1, "src (2, 1)"))
def _greedy_only_bos(decode: Any) -> Observed:
    """Where there is room for one token, there is only bos."""
    found = _greedy(decode, _always({0: 1.0}), _sources((0,), (1,)), 1)
    return {"the result": shapes(found)}


@probe(GREEDY, "dtype", _greedy_call(2, "src (2, 1), int64"))
def _greedy_dtype(decode: Any) -> Observed:
    """Tokens are whole numbers."""
    found = _greedy(decode, _always({EOS: 1.0}), _sources((0,), (1,)), 2)
    return {"the result": torch.zeros_like(_tokens(found))}


@probe(GREEDY, "values", _greedy_call(11, "twice; no word is likely"))
def _greedy_twice(decode: Any) -> Observed:
    """Two calls with the same source give the same translation."""
    unsure = {0: 1.0, 1: 1.1, 4: 1.2, 7: 1.3, 8: 1.4, 9: 1.5}
    first, second = (
        _greedy(decode, _always(unsure), _sources((0,), (1,)), 11).tolist()
        for _ in range(2)
    )
    return {"the two results are the same": first == second}


@probe(GREEDY, "values", _greedy_call(4, "0 is the likeliest, then 1, then 4"))
def _greedy_likeliest(decode: Any) -> Observed:
    """The next token is the one with the largest logit."""
    model = _always({0: 0.5, 1: 0.3, 4: 0.2})
    return {"the result": _greedy(decode, model, _sources((0,)), 4)}


@probe(GREEDY, "values", _greedy_call(5, "each word hangs on all before it"))
def _greedy_reads_everything(decode: Any) -> Observed:
    """The model is given the whole target so far, and its last word counts."""
    model = _tree(
        {(): {0: 1.0}, (0,): {1: 1.0}, (0, 1): {4: 1.0}, (0, 1, 4): {7: 1.0}}
    )
    return {"the result": _greedy(decode, model, _sources((0,)), 5)}


@probe(
    GREEDY, "values", _greedy_call(4, "the padding, 2, is likeliest, then 1")
)
def _greedy_says_no_padding(decode: Any) -> Observed:
    """Padding is no word: it is never said, however likely it looks."""
    model = _always({PAD: 0.8, 1: 0.2})
    return {"the result": _greedy(decode, model, _sources((0,)), 4)}


@probe(
    GREEDY, "values", _greedy_call(4, "all logits below 0, that of 1 largest")
)
def _greedy_says_no_padding_below_zero(decode: Any) -> Observed:
    """Padding, 2, is never said, not even where all logits are negative."""
    model = _always({1: 0.7, 0: 0.3}, LOW)
    return {"the result": _greedy(decode, model, _sources((0,)), 4)}


@probe(GREEDY, "values", _greedy_call(6, "the model says 7, 8, 9 and eos"))
def _greedy_stops(decode: Any) -> Observed:
    """A sentence ends with eos, 3: it is kept, and only padding follows."""
    model = _speaker(UNEQUAL)
    return _padded(_greedy(decode, model, _sources((0,)), 6), 6)


@probe(GREEDY, "values", _greedy_call(6, ANSWERS))
def _greedy_unequal(decode: Any) -> Observed:
    """Each sentence ends for itself; padding, 2, follows until all have."""
    src = _sources((0,), (1,), (4,))
    return _padded(_greedy(decode, _speaker(UNEQUAL), src, 6), 6)


@probe(GREEDY, "values", _greedy_call(3, ANSWERS))
def _greedy_no_room(decode: Any) -> Observed:
    """A sentence that does not end in time has no eos; the others have."""
    src = _sources((0,), (1,), (4,))
    return {"the result": _greedy(decode, _speaker(UNEQUAL), src, 3)}


@probe(GREEDY, "values", _greedy_call(6, "then src is looked at"))
def _greedy_source_stays(decode: Any) -> Observed:
    """The source is left as it was."""
    src = _sources(*PADDED)
    _greedy(decode, _always({EOS: 1.0}), src, 6)
    return {"src": src}


@probe(GREEDY, "mask", _greedy_call(6, "src [[0, 1]], padding 2"))
def _greedy_unpadded(decode: Any) -> Observed:
    """Of a source without padding every token is read, 0 too."""
    src = _sources((0, 1))
    return _padded(_greedy(decode, _speaker(PADDED), src, 6), 6)


@probe(GREEDY, "mask", _greedy_call(6, SOURCES))
def _greedy_padded(decode: Any) -> Observed:
    """The padding of shorter sources is hidden from the decoder."""
    src = _sources(*PADDED)
    return _padded(_greedy(decode, _speaker(PADDED), src, 6), 6)


@probe(GREEDY, "errors", _greedy_call(0, "then with -1 for 0"))
def _greedy_no_length(decode: Any) -> Observed:
    """A max_len below 1 is a ValueError."""
    model, src = _always({EOS: 1.0}), _sources((0,))
    return {
        f"a max_len of {n}": refusal(partial(_greedy, decode, model, src, n))
        for n in (0, -1)
    }


@probe(GREEDY, "modes", _greedy_call(6, "the model is in training mode"))
def _greedy_without_dropout(decode: Any) -> Observed:
    """The model works in evaluation mode, whatever mode it was in."""
    model, src = _speaker(UNEQUAL).train(), _sources((0,), (1,), (4,))
    return _padded(_greedy(decode, model, src, 6), 6)


@probe(GREEDY, "modes", _greedy_call(6, "then model.training is looked at"))
def _greedy_mode_comes_back(decode: Any) -> Observed:
    """The model is left in the mode that it was in."""
    return _modes_after(lambda model, src: _greedy(decode, model, src, 6))


def _modes_after(decode: Callable[[_Model, Tensor], Tensor]) -> Observed:
    """See which mode a model is in after it was used."""
    seen = {}
    for mode in (True, False):
        model = _always({EOS: 1.0}).train(mode)
        decode(model, _sources((0,)))
        seen[f"model.training afterwards, {mode} before"] = model.training
    return seen


# --- Beams ------------------------------------------------------------------

PLACES, NEXT, LONGEST = 5, 3, 11
"""Hypotheses for each sentence, words to go on with, room for a sentence.

There are fewer words than places, so that a mixed-up index finds something.
"""

NOTHING = -math.inf


def _beams(
    beams: Any, scores: Sequence[Sequence[float]], length: int = 7
) -> Any:
    """Make beams with these scores and tokens that all differ.

    The tokens begin with 50, above all words to go on with.
    """
    rows, places = len(scores), len(scores[0])
    numbers = 50 + torch.arange(rows * places * length)
    return beams(
        tokens=numbers.view(rows, places, length),
        scores=torch.tensor(scores, dtype=torch.float64),
        best=torch.full((rows, LONGEST), PAD),
        best_score=torch.full((rows,), NOTHING, dtype=torch.float64),
    )


def _standing(beams: Any) -> Observed:
    """Write down the hypotheses, best first; empty places hold nothing."""
    order = beams.scores.argsort(dim=1, descending=True)
    scores = beams.scores.gather(1, order)
    tokens = beams.tokens.gather(1, order[..., None].expand_as(beams.tokens))
    empty = (scores == NOTHING)[..., None]
    return {"scores": scores, "tokens": tokens.masked_fill(empty, -1)}


def _log_p(name: str, rows: int, places: int = PLACES) -> Tensor:
    """Draw log-probabilities, (B, K, V)."""
    return make(name, rows, places, NEXT).log_softmax(-1)


# --- decoding-beams-extend --------------------------------------------------

EXTEND = "decoding-beams-extend"
EVEN = [0.0] * PLACES


@probe(EXTEND, "shape", "beams.extend(log_p), log_p (2, 3, 3)")
def _extend_shapes(beams: Any) -> Observed:
    """There are as many hypotheses as before, each with a word at its end."""
    mine = _beams(beams, [[-1.0, -2.0, -3.0], [-3.0, -1.0, -2.0]])
    mine.extend(_log_p("shapes", 2, 3))
    return {
        "tokens": shapes(mine.tokens),
        "scores": shapes(mine.scores),
        "each ends with a word": bool((mine.tokens[..., -1] < NEXT).all()),
    }


@probe(EXTEND, "dtype", "beams.extend(log_p), scores and log_p in float64")
def _extend_dtypes(beams: Any) -> Observed:
    """Tokens stay whole numbers, scores keep their dtype."""
    mine = _beams(beams, [[-1.0, -2.0, -3.0]])
    mine.extend(_log_p("dtypes", 1, 3))
    return {
        "the dtype of tokens": str(mine.tokens.dtype),
        "the dtype of scores": str(mine.scores.dtype),
    }


@probe(EXTEND, "values", "beams.extend(log_p), one hypothesis with score 0")
def _extend_first(beams: Any) -> Observed:
    """From one hypothesis with score 0 the likeliest words go on."""
    mine = _beams(beams, [[0.0, NOTHING, NOTHING]])
    mine.extend(_log_p("first", 1, 3))
    return _standing(mine)


@probe(EXTEND, "values", "beams.extend(log_p), one hypothesis, score -1.5")
def _extend_one(beams: Any) -> Observed:
    """A score is the log-probability of all tokens: the new one is added."""
    mine = _beams(beams, [[-1.5, NOTHING, NOTHING]])
    mine.extend(_log_p("one", 1, 3))
    return _standing(mine)


@probe(EXTEND, "values", "beams.extend(log_p), five places, all scores 0")
def _extend_from_anywhere(beams: Any) -> Observed:
    """The K best continuations stay, wherever they come from."""
    mine = _beams(beams, [EVEN])
    mine.extend(_crossing(1))
    return _standing(mine)


@probe(EXTEND, "values", "beams.extend(log_p), the second hypothesis is bad")
def _extend_scores_count(beams: Any) -> Observed:
    """What a hypothesis has so far counts as much as its next word."""
    mine = _beams(beams, [[-0.2, -2.9, -0.3, -0.7, -0.5]])
    mine.extend(_log_p("count", 1))
    return _standing(mine)


@probe(EXTEND, "values", "beams.extend(log_p), two sentences, scores 0 and -9")
def _extend_two_sentences(beams: Any) -> Observed:
    """Each sentence has a beam of its own."""
    mine = _beams(beams, [EVEN, [-9.0] * PLACES])
    mine.extend(_crossing(2))
    return _standing(mine)


def _crossing(rows: int) -> Tensor:
    """Make log-probabilities whose best come from some hypotheses.

    Of the best five of the first sentence, two follow the last hypothesis,
    two the third and one the second; in the second sentence it is different.
    """
    log_p = -8.0 + 0.01 * make("crossing", 2, PLACES, NEXT)
    log_p[0, 4, 1], log_p[0, 4, 0], log_p[0, 2, 2] = -0.5, -1.25, -0.75
    log_p[0, 2, 1], log_p[0, 1, 0] = -1.5, -0.25
    log_p[1, 1, 2], log_p[1, 1, 0], log_p[1, 1, 1] = -0.4, -1.3, -1.75
    log_p[1, 0, 2], log_p[1, 3, 1] = -0.6, -0.8
    return log_p[:rows]


@probe(EXTEND, "values", "beams.extend(log_p), three of five places empty")
def _extend_empty_places(beams: Any) -> Observed:
    """An empty place has score minus infinity, and nothing comes of it."""
    mine = _beams(beams, [[NOTHING, -1.0, NOTHING, NOTHING, -1.5]])
    mine.extend(_log_p("empty", 1))
    return _standing(mine)


@probe(
    EXTEND, "values", "beams.extend(log_p), 5 places, 3 words, 1 hypothesis"
)
def _extend_more_places(beams: Any) -> Observed:
    """Where there are too few continuations, places stay empty."""
    mine = _beams(beams, [[-1.0, *[NOTHING] * 4]])
    mine.extend(_log_p("more", 1))
    return _standing(mine)


@probe(EXTEND, "values", "beams.extend(log_p), and once more")
def _extend_twice(beams: Any) -> Observed:
    """Step by step the sentences grow and their scores fall."""
    mine = _beams(
        beams, [[-0.2, -0.4, -0.3, -0.6, -0.1], [-1.0, -1.4, -1.2, -1.3, -1.1]]
    )
    mine.extend(_log_p("step 1", 2))
    # The same for every hypothesis, whatever place it has by now.
    mine.extend(_log_p("step 2", 2, 1).repeat(1, PLACES, 1))
    return _standing(mine)


@probe(EXTEND, "values", "beams.extend(log_p), then log_p is looked at")
def _extend_leaves_the_rest(beams: Any) -> Observed:
    """Neither log_p nor what has ended is changed."""
    mine = _beams(beams, [[-0.2, -0.4, -0.3]])
    log_p = _log_p("rest", 1, 3)
    mine.extend(log_p)
    kept = {"best": mine.best, "best_score": mine.best_score}
    return {"log_p": log_p, **kept}


# --- decoding-beams-retire --------------------------------------------------

RETIRE = "decoding-beams-retire"
RETIRE_CALL = "beams.retire(ended, penalty)"


def _retire(
    beams: Any,
    scores: Sequence[Sequence[float]],
    ended: Sequence[Sequence[int]],
    penalty: float,
    best: Sequence[float] | None = None,
) -> Any:
    """Make beams and take some hypotheses out.

    `best` says how good the best so far is; it has four tokens, all 99.
    """
    mine = _beams(beams, scores)
    if best is not None:
        mine.best_score = torch.tensor(best, dtype=torch.float64)
        mine.best[mine.best_score > NOTHING, :4] = 99
    mine.retire(torch.tensor(ended).bool(), penalty)
    return mine


def _kept(beams: Any) -> Observed:
    """Write down the best of each sentence, if anything has ended."""
    none = (beams.best_score == NOTHING)[:, None]
    return {
        "best_score": beams.best_score,
        "best": beams.best.masked_fill(none, -1),
    }


@probe(RETIRE, "shape", f"{RETIRE_CALL}, two sentences, three places")
def _retire_shapes(beams: Any) -> Observed:
    """Nothing changes its shape."""
    scores = [[-1.0, -2.0, -3.0], [-3.0, -1.0, -2.0]]
    mine = _retire(beams, scores, [[0, 1, 0], [1, 0, 0]], 1.0)
    names = "tokens", "scores", "best", "best_score"
    return {name: shapes(getattr(mine, name)) for name in names}


@probe(RETIRE, "values", f"{RETIRE_CALL}, the only hypothesis ends, penalty 1")
def _retire_one(beams: Any) -> Observed:
    """What is first to end is the best so far, with its score."""
    return _kept(_retire(beams, [[-2.0]], [[1]], 1.0))


@probe(RETIRE, "values", f"{RETIRE_CALL}, one of three ends; what is left")
def _retire_frees_the_place(beams: Any) -> Observed:
    """The place of what has ended is empty; the others stay as they are."""
    mine = _retire(beams, [[-1.0, -2.0, -3.0]], [[1, 0, 0]], 1.0)
    return _standing(mine)


@probe(RETIRE, "values", f"{RETIRE_CALL}, penalty 4; the scores that are left")
def _retire_scores_stay(beams: Any) -> Observed:
    """The penalty is for the comparison: what goes on keeps its score."""
    mine = _retire(beams, [[-1.0, -2.0, -3.0]], [[1, 0, 0]], 4.0)
    return _standing(mine)


@probe(RETIRE, "values", f"{RETIRE_CALL}, two of three end, penalty 1")
def _retire_best_of_two(beams: Any) -> Observed:
    """Of several that end at once the likeliest is remembered."""
    return _kept(_retire(beams, [[-3.0, -5.0, -2.0]], [[1, 0, 1]], 1.0))


@probe(RETIRE, "values", f"{RETIRE_CALL}, the best of three goes on")
def _retire_only_the_ended(beams: Any) -> Observed:
    """Only what has ended is remembered, however good the others are."""
    return _kept(_retire(beams, [[-1.0, -2.0, -3.0]], [[0, 1, 1]], 1.0))


@probe(RETIRE, "values", f"{RETIRE_CALL}, best so far -1, now -3 ends")
def _retire_worse(beams: Any) -> Observed:
    """What is worse than the best so far is forgotten."""
    return _kept(_retire(beams, [[-3.0]], [[1]], 1.0, [-1.0]))


@probe(RETIRE, "values", f"{RETIRE_CALL}, best so far -4, now -3 ends")
def _retire_better(beams: Any) -> Observed:
    """What is better than the best so far takes its place."""
    return _kept(_retire(beams, [[-3.0]], [[1]], 1.0, [-4.0]))


@probe(
    RETIRE, "values", f"{RETIRE_CALL}, penalty 4, -3 against -1; the tokens"
)
def _retire_compares_what_is_divided(beams: Any) -> Observed:
    """It is the divided score that is compared with the best so far."""
    mine = _retire(beams, [[-3.0], [-9.0]], [[1], [1]], 4.0, [-1.0, -20.0])
    return {"best": mine.best}


@probe(RETIRE, "values", f"{RETIRE_CALL}, penalty 4, one hypothesis ends")
def _retire_divides(beams: Any) -> Observed:
    """The score to remember is the log-probability divided by the penalty."""
    return _kept(_retire(beams, [[-2.0]], [[1]], 4.0))


@probe(RETIRE, "values", f"{RETIRE_CALL}, nothing ends")
def _retire_nothing(beams: Any) -> Observed:
    """Where nothing ends everything stays."""
    scores, ended = [[-1.0, -2.0, -3.0]], [[0, 0, 0]]
    mine = _retire(beams, scores, ended, 4.0, [-9.0])
    return {**_kept(mine), **_standing(mine)}


@probe(RETIRE, "values", f"{RETIRE_CALL}, four sentences; the best of each")
def _retire_each_sentence(beams: Any) -> Observed:
    """Each sentence remembers its own best, better or worse or the first."""
    return _kept(_four_sentences(beams))


@probe(RETIRE, "values", f"{RETIRE_CALL}, four sentences; what is left")
def _retire_leaves_the_others(beams: Any) -> Observed:
    """In each sentence what goes on keeps its tokens and its score."""
    return _standing(_four_sentences(beams))


def _four_sentences(beams: Any) -> Any:
    """Take something out of three sentences of four."""
    return _retire(
        beams,
        [
            [-1.0, -2.0, -3.0],
            [-3.0, -1.5, -2.0],
            [-4.0, -2.5, -5.0],
            [-1.0] * 3,
        ],
        [[0, 0, 1], [1, 0, 1], [0, 1, 1], [0, 0, 0]],
        2.0,
        [-2.0, -0.5, NOTHING, NOTHING],
    )


@probe(RETIRE, "values", f"{RETIRE_CALL}, an empty place seems to have ended")
def _retire_an_empty_place(beams: Any) -> Observed:
    """There is nothing to remember of an empty place."""
    scores, ended = [[-1.0, NOTHING, -3.0]], [[0, 1, 0]]
    mine = _retire(beams, scores, ended, 2.0, [-9.0])
    return {**_kept(mine), **_standing(mine)}


@probe(RETIRE, "values", f"{RETIRE_CALL}, then ended is looked at")
def _retire_leaves_its_argument(beams: Any) -> Observed:
    """The tensor of the caller is left as it was."""
    mine, ended = _beams(beams, [[-1.0, -2.0]]), torch.tensor([[True, False]])
    mine.retire(ended, 2.0)
    return {"ended": ended}


# --- decoding-beams-done ----------------------------------------------------

DONE = "decoding-beams-done"

LADDER = [-33.0, -17.0, -13.0, -9.0, -7.0, -5.5, -4.5, -3.5, -2.5, -1.5, -0.3]
"""Best scores to try; none of them ties with anything."""


def _done(
    beams: Any,
    scores: Sequence[Sequence[float]],
    best: Sequence[float],
    least: float,
    most: float,
) -> Any:
    """Ask whether it is over; a tensor with one number is an answer too."""
    mine = _beams(beams, scores)
    mine.best_score = torch.tensor(best, dtype=torch.float64)
    answer = mine.done(least, most)
    one = isinstance(answer, Tensor) and answer.numel() == 1
    return bool(answer) if one or isinstance(answer, int) else answer


def _ladder(
    beams: Any, scores: Sequence[float], least: float, most: float
) -> Observed:
    """Say how good what has ended must be for the search to be over."""
    over = [
        best for best in LADDER if _done(beams, [scores], [best], least, most)
    ]
    return {"the best scores with which it is over": over}


@probe(DONE, "shape", "beams.done(1.0, 1.0), two sentences")
def _done_is_one_answer(beams: Any) -> Observed:
    """There is one answer for the whole batch, yes or no."""
    over = _done(beams, [[-4.0], [-4.0]], [-2.0, -2.0], 1.0, 1.0)
    return {"the answer": over}


@probe(DONE, "values", "beams.done(1.0, 1.0), one hypothesis with score -4")
def _done_without_penalty(beams: Any) -> Observed:
    """Without a penalty it is over once the best that ended beats the rest."""
    return _ladder(beams, [-4.0], 1.0, 1.0)


@probe(DONE, "values", "beams.done(1.0, 1.0), nothing has ended yet")
def _done_nothing_ended(beams: Any) -> Observed:
    """Before anything has ended it is not over."""
    return {"the answer": _done(beams, [[-4.0]], [NOTHING], 1.0, 1.0)}


@probe(DONE, "values", "beams.done(1.0, 1.0), scores -6, -4 and -12")
def _done_best_of_the_rest(beams: Any) -> Observed:
    """The best of what goes on is what must be beaten."""
    return _ladder(beams, [-6.0, -4.0, -12.0], 1.0, 1.0)


@probe(DONE, "values", "beams.done(1.0, 1.0), two of three places empty")
def _done_empty_places(beams: Any) -> Observed:
    """Empty places are no rivals."""
    return _ladder(beams, [NOTHING, -4.0, NOTHING], 1.0, 1.0)


@probe(DONE, "values", "beams.done(1.0, 1.0), all places empty")
def _done_all_empty(beams: Any) -> Observed:
    """With nothing left to follow it is over."""
    return {"the answer": _done(beams, [[NOTHING] * 3], [-9.0], 1.0, 1.0)}


@probe(DONE, "values", "beams.done(2.0, 2.0), one hypothesis with score -12")
def _done_divides(beams: Any) -> Observed:
    """What goes on is divided by the penalty before it is compared."""
    return _ladder(beams, [-12.0], 2.0, 2.0)


@probe(DONE, "values", "beams.done(1.0, 4.0), one hypothesis with score -12")
def _done_longer_is_better(beams: Any) -> Observed:
    """Divided by a large penalty a score is better: think of the best case."""
    return _ladder(beams, [-12.0], 1.0, 4.0)


@probe(DONE, "values", "beams.done(4.0, 1.0), one hypothesis with score -12")
def _done_shorter_is_better(beams: Any) -> Observed:
    """With a negative exponent the penalty shrinks: try both ends."""
    return _ladder(beams, [-12.0], 4.0, 1.0)


@probe(DONE, "values", "beams.done(1.0, 1.0), two sentences, four times")
def _done_all_sentences(beams: Any) -> Observed:
    """It is over when it is over for every sentence."""
    pairs = [(-2.0, -2.0), (-2.0, -9.0), (-9.0, -2.0), (-9.0, -9.0)]
    return {
        f"the answer with best_score {pair}": _done(
            beams, [[-4.0], [-4.0]], pair, 1.0, 1.0
        )
        for pair in pairs
    }


@probe(DONE, "values", "beams.done(1.0, 1.0), scores -1 and -6, best -0.5, -3")
def _done_sentence_by_sentence(beams: Any) -> Observed:
    """A sentence is compared with its own rivals alone."""
    return {
        "the answer": _done(beams, [[-1.0], [-6.0]], [-0.5, -3.0], 1.0, 1.0),
        "the answer, the other way round": _done(
            beams, [[-6.0], [-1.0]], [-3.0, -0.5], 1.0, 1.0
        ),
        "the answer, with -2 for -0.5": _done(
            beams, [[-1.0], [-6.0]], [-2.0, -3.0], 1.0, 1.0
        ),
    }


@probe(DONE, "values", "beams.done(2.0, 4.0), then beams is looked at")
def _done_only_looks(beams: Any) -> Observed:
    """To ask changes nothing."""
    mine = _beams(beams, [[-1.0, -2.0, NOTHING]])
    mine.best_score[0] = -4.0
    mine.done(2.0, 4.0)
    return {**_standing(mine), **_kept(mine)}


# --- decoding-beam-search ---------------------------------------------------

BEAM = "decoding-beam-search"

WIDE = 41
"""A beam in which everything has a place that a tree speaks of."""

MANY = range(10, 20)
"""Ten words that share what is left of a probability."""


def _beam(
    search: Any,
    model: _Model,
    src: Tensor,
    beam_size: int,
    max_len: int,
    penalty: float = 0.0,
) -> Tensor:
    """Search with the ids of these probes."""
    found: Tensor = search(model, src, beam_size, penalty, max_len, BOS, EOS)
    return found


def _beam_call(size: int, penalty: str, max_len: int, model: str) -> str:
    """Write a call for the reader."""
    call = f"beam_search(model, src, {size}, {penalty}, {max_len}, {IDS})"
    return f"{call}, {model}"


@probe(BEAM, "shape", _beam_call(2, "0.0", 2, "src (3, 1), all say eos"))
def _beam_rows(search: Any) -> Observed:
    """Each sentence of the batch gets one row of tokens."""
    src = _sources((0,), (1,), (4,))
    found = _beam(search, _always({EOS: 1.0}), src, 2, 2)
    return {"the result": shapes(found)}


@probe(BEAM, "shape", _beam_call(2, "0.0", 7, "the first token"))
def _beam_starts_with_bos(search: Any) -> Observed:
    """Every row starts with bos, 5."""
    model = _always({EOS: 1.0})
    found = _beam(search, model, _sources((0,)), 2, 7)
    return {"the first column": _tokens(found[:, :1])}


@probe(BEAM, "shape", _beam_call(2, "0.0", 7, "src (1, 1), never eos"))
def _beam_fills_the_room(search: Any) -> Observed:
    """A sentence that does not end has max_len tokens, bos among them."""
    model = _always({0: 1.0, EOS: 0.0})
    found = _beam(search, model, _sources((0,)), 2, 7)
    return {"the result": shapes(found)}


@probe(BEAM, "shape", _beam_call(2, "0.0", 1, "src (2, 1)"))
def _beam_only_bos(search: Any) -> Observed:
    """Where there is room for one token, there is only bos."""
    model = _always({0: 1.0, EOS: 0.0})
    found = _beam(search, model, _sources((0,), (1,)), 2, 1)
    return {"the result": shapes(found)}


@probe(BEAM, "dtype", _beam_call(2, "0.0", 2, "src (2, 1), int64"))
def _beam_dtype(search: Any) -> Observed:
    """Tokens are whole numbers."""
    src = _sources((0,), (1,))
    found = _beam(search, _always({EOS: 1.0}), src, 2, 2)
    return {"the result": torch.zeros_like(_tokens(found))}


@probe(BEAM, "values", _beam_call(2, "0.0", 3, "eos has 0.2, 0 and eos 0.8"))
def _beam_first_end(search: Any) -> Observed:
    """What ends first need not win."""
    model = _tree({(): {EOS: 0.2, 0: 0.8}, (0,): {EOS: 1.0}}, otherwise=7)
    found = _beam(search, model, _sources((0,)), 2, 3)
    return _padded(found, 3)


@probe(BEAM, "values", _beam_call(2, "0.0", 4, "eos has 0.45, all else less"))
def _beam_last_end(search: Any) -> Observed:
    """What ends last need not win."""
    model = _tree(
        {
            (): {EOS: 0.45, 0: 0.5, 1: 0.05},
            (0,): {1: 0.55, 4: 0.45},
            (0, 1): {EOS: 0.7, 7: 0.3},
            (0, 4): {7: 1.0},
        }
    )
    found = _beam(search, model, _sources((0,)), 2, 4)
    return _padded(found, 4)


@probe(
    BEAM, "values", _beam_call(2, "0.0", 3, "0 has 0.4, 1 has 0.6, then eos")
)
def _beam_likeliest(search: Any) -> Observed:
    """Of two sentences of one length the likelier is found, with its eos."""
    model = _tree({(): {0: 0.4, 1: 0.6}})
    found = _beam(search, model, _sources((0,)), 2, 3)
    return _padded(found, 3)


@probe(BEAM, "values", _beam_call(1, "0.0", 6, "the model says 7, 8, 9, eos"))
def _beam_of_one(search: Any) -> Observed:
    """A beam may hold a single hypothesis."""
    found = _beam(search, _speaker(UNEQUAL), _sources((0,)), 1, 6)
    return _padded(found, 6)


@probe(
    BEAM, "values", _beam_call(2, "0.0", 6, "each word hangs on all before")
)
def _beam_reads_everything(search: Any) -> Observed:
    """The model is given the whole target so far, and its last word counts."""
    model = _tree({(): {0: 1.0}, (0,): {1: 1.0}, (0, 1): {4: 1.0}})
    found = _beam(search, model, _sources((0,)), 2, 6)
    return _padded(found, 6)


@probe(BEAM, "values", _beam_call(2, "0.0", 4, "padding, 2, is likeliest"))
def _beam_says_no_padding(search: Any) -> Observed:
    """Padding is no word: it is never said, however likely it looks."""
    eos = {PAD: 9.0, EOS: 1.0}
    model = _tree({(): {PAD: 9.0, 0: 0.4, 1: 0.6}, (0,): eos, (1,): eos})
    found = _beam(search, model, _sources((0,)), 2, 4)
    return _padded(found, 4)


@probe(BEAM, "values", _beam_call(2, "0.0", 3, "all logits below 0"))
def _beam_says_no_padding_below_zero(search: Any) -> Observed:
    """Padding, 2, is never said, not even where all logits are negative."""
    model = _tree({(): {0: 0.3, 1: 0.7}}, level=LOW)
    return _padded(_beam(search, model, _sources((0,)), 2, 3), 3)


@probe(BEAM, "values", _beam_call(2, "0.0", 4, "after 0 all logits are large"))
def _beam_takes_no_logits(search: Any) -> Observed:
    """The logits of one hypothesis say nothing beside those of another."""
    model = _tree(
        {(): {0: 0.4, 1: 0.6}, (0,): {4: 1e8}, (1,): {7: 1.0}},
    )
    found = _beam(search, model, _sources((0,)), 2, 4)
    return _padded(found, 4)


@probe(BEAM, "values", _beam_call(WIDE, "0.0", 4, "0.62 * 0.3 < 0.38 * 0.5"))
def _beam_multiplies(search: Any) -> Observed:
    """The probability of a sentence is the product over its tokens."""
    model = _tree(
        {
            (): {0: 0.62, 1: 0.38},
            (0,): {4: 0.3, **dict.fromkeys(MANY, 0.07)},
            (1,): {8: 0.5, **dict.fromkeys(MANY, 0.05)},
        }
    )
    found = _beam(search, model, _sources((0,)), WIDE, 4)
    return _padded(found, 4)


@probe(BEAM, "values", _beam_call(WIDE, "0.0", 4, "0.6 * 0.19 < 0.4 * 1.0"))
def _beam_avoids_the_garden_path(search: Any) -> Observed:
    """A beam finds what starts less well and ends better."""
    model = _tree(
        {
            (): {0: 0.6, 1: 0.4},
            (0,): {7: 0.19, **dict.fromkeys(MANY, 0.081)},
            (1,): {4: 1.0},
        }
    )
    found = _beam(search, model, _sources((0,)), WIDE, 4)
    return _padded(found, 4)


@probe(
    BEAM, "values", _beam_call(2, "0.0", 4, "eos has 0.2, all else is longer")
)
def _beam_unfinished(search: Any) -> Observed:
    """Where something has ended, what has not ended in time does not count."""
    sure = {(0,): {1: 1.0}, (0, 1): {4: 1.0}, (0, 1, 4): {7: 1.0}}
    model = _tree({(): {EOS: 0.2, 0: 0.8}, **sure})
    found = _beam(search, model, _sources((0,)), 2, 4)
    return _padded(found, 4)


@probe(BEAM, "values", _beam_call(2, "0.0", 4, "nothing ends in time"))
def _beam_as_it_stands(search: Any) -> Observed:
    """Where nothing has ended, the best that is there counts."""

    def says(source: Tokens, tokens: Tokens) -> Weights:
        likely = 0.5 + 0.1 * len(tokens)
        return {0: likely, 1: 1.0 - likely, EOS: 0.0}

    found = _beam(search, _Model(says), _sources((0,)), 2, 4)
    return _padded(found, 4)


@probe(BEAM, "values", _beam_call(3, "alpha", 4, "alpha -9, 0 and 9"))
def _beam_penalty(search: Any) -> Observed:
    """The larger the length_penalty, the better for long sentences."""
    return _winners(search, -9.0, 0.0, 9.0)


@probe(BEAM, "values", _beam_call(3, "alpha", 4, "seven values of alpha"))
def _beam_penalty_formula(search: Any) -> Observed:
    """Log-probabilities are divided by ((5 + length) / 6) ** alpha."""
    return _winners(search, 0.4, 1.0, 1.5, 2.2, 2.5, 3.5, -3.5)


def _winners(search: Any, *penalties: float) -> Observed:
    """See whether 2 or 3 tokens win, with probabilities 0.52 and 0.408."""
    tree = {
        (): {0: 0.52, 1: 0.48, EOS: 0.0},
        (1,): {0: 1.0, EOS: 0.0},
        (1, 0): {EOS: 0.85, 4: 0.15},
    }
    return {
        f"with length_penalty {p}, the padded result": _filled(
            _beam(search, _tree(tree), _sources((0,)), 3, 4, p), 4
        )
        for p in penalties
    }


@probe(BEAM, "values", _beam_call(2, "3.0", 4, "eos 0.6, or 0, 1, eos 0.4"))
def _beam_waits(search: Any) -> Observed:
    """It goes on while a longer sentence might still win by its penalty."""
    model = _tree({(): {EOS: 0.6, 0: 0.4}, (0,): {1: 1.0}})
    found = _beam(search, model, _sources((0,)), 2, 4, 3.0)
    return _padded(found, 4)


@probe(BEAM, "values", _beam_call(2, "2.0", 4, "eos 0.4, or 0, 4, eos 0.27"))
def _beam_places_are_free(search: Any) -> Observed:
    """What has ended gives up its place: two others are followed."""
    model = _tree(
        {
            (): {EOS: 0.4, 0: 0.6},
            (0,): {1: 0.55, 4: 0.45},
            (0, 1): {EOS: 0.1, **dict.fromkeys(MANY, 0.09)},
        }
    )
    found = _beam(search, model, _sources((0,)), 2, 4, 2.0)
    return _padded(found, 4)


@probe(BEAM, "values", _beam_call(2, "0.0", 6, "two sources, two sentences"))
def _beam_own_memory(search: Any) -> Observed:
    """Each hypothesis belongs to its own source."""
    model = _speaker({(0,): (7, 8), (1,): (9, 4)})
    found = _beam(search, model, _sources((0,), (1,)), 2, 6)
    return _padded(found, 6)


@probe(BEAM, "values", _beam_call(2, "0.0", 3, "one source sure, one unsure"))
def _beam_own_beam(search: Any) -> Observed:
    """Sentences of a batch do not compete with each other."""
    first: Tree = {
        (0,): {0: 0.3, 1: 0.26, 4: 0.23, 7: 0.21},
        (1,): {8: 0.11, 9: 0.1, **dict.fromkeys(MANY, 0.079)},
    }

    def says(source: Tokens, tokens: Tokens) -> Weights:
        return first.get(source, {0: 1.0}) if len(tokens) == 1 else {EOS: 1.0}

    found = _beam(search, _Model(says), _sources((0,), (1,)), 2, 3)
    return _padded(found, 3)


@probe(BEAM, "values", _beam_call(2, "0.6", 6, ANSWERS))
def _beam_unequal(search: Any) -> Observed:
    """Each sentence ends for itself; padding follows until all have ended."""
    src = _sources((0,), (1,), (4,))
    found = _beam(search, _speaker(UNEQUAL), src, 2, 6, 0.6)
    return _padded(found, 6)


@probe(BEAM, "values", _beam_call(2, "0.6", 3, ANSWERS))
def _beam_no_room(search: Any) -> Observed:
    """A sentence that does not end in time has no eos; the others have."""
    src = _sources((0,), (1,), (4,))
    found = _beam(search, _speaker(UNEQUAL), src, 2, 3, 0.6)
    return {"the result": found}


@probe(BEAM, "values", _beam_call(2, "0.6", 6, "then src is looked at"))
def _beam_source_stays(search: Any) -> Observed:
    """The source is left as it was."""
    src = _sources(*PADDED)
    _beam(search, _always({EOS: 1.0}), src, 2, 6, 0.6)
    return {"src": src}


@probe(BEAM, "mask", _beam_call(2, "0.6", 6, "src [[0, 1]], padding 2"))
def _beam_unpadded(search: Any) -> Observed:
    """Of a source without padding every token is read."""
    found = _beam(search, _speaker(PADDED), _sources((0, 1)), 2, 6, 0.6)
    return _padded(found, 6)


@probe(BEAM, "mask", _beam_call(2, "0.6", 6, SOURCES))
def _beam_padded(search: Any) -> Observed:
    """The padding of shorter sources is hidden from the decoder."""
    found = _beam(search, _speaker(PADDED), _sources(*PADDED), 2, 6, 0.6)
    return _padded(found, 6)


@probe(BEAM, "errors", f"beam_search(model, src, 0, 0.6, 6, {IDS})")
def _beam_no_beam(search: Any) -> Observed:
    """A beam_size or a max_len below 1 is a ValueError."""
    model, src = _always({EOS: 1.0}), _sources((0,))
    return {
        f"beam_size {size} and max_len {max_len}": refusal(
            partial(_beam, search, model, src, size, max_len)
        )
        for size, max_len in [(0, 6), (-1, 6), (2, 0), (2, -1)]
    }


@probe(BEAM, "modes", _beam_call(2, "0.6", 6, "the model in training mode"))
def _beam_without_dropout(search: Any) -> Observed:
    """The model works in evaluation mode, whatever mode it was in."""
    model, src = _speaker(UNEQUAL).train(), _sources((0,), (1,), (4,))
    return _padded(_beam(search, model, src, 2, 6, 0.6), 6)


@probe(BEAM, "modes", _beam_call(2, "0.6", 6, "then model.training"))
def _beam_mode_comes_back(search: Any) -> Observed:
    """The model is left in the mode that it was in."""
    return _modes_after(lambda model, src: _beam(search, model, src, 2, 6))
