"""Decoding: from a trained model to a translation. Section 6.1.

Shapes are written with B sentences, K hypotheses for each (the beam), t
tokens so far and V the target vocabulary.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from laidout.masks import padding_mask
from laidout.modes import HasModes, evaluating
from laidout.transformer import TransformerConfig

__all__ = ["Beams", "EncoderDecoder", "beam_search", "greedy_decode"]


class EncoderDecoder(HasModes, Protocol):
    """What decoding needs of a model; `Transformer` has it."""

    config: TransformerConfig
    output_projection: nn.Linear

    def encode(self, src: Tensor, src_mask: Tensor | None = None) -> Tensor:
        """Read the source: (B, S) -> memory (B, S, D)."""

    def decode(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        """Read the target so far; its last state is used, (B, ..., D)."""


@torch.no_grad()
def greedy_decode(
    model: EncoderDecoder, src: Tensor, max_len: int, bos_id: int, eos_id: int
) -> Tensor:
    """Translate by taking the likeliest token, again and again.

    Shapes: src (B, S) -> (B, L), L at most max_len: bos, tokens, eos, then
    padding. A sentence that does not end in time has no eos.

    Raises:
        ValueError: if max_len is below 1.
    """
    # 1. Insist on room for bos.
    if max_len < 1:
        raise ValueError(f"max_len ({max_len}) must be 1 or more")
    # 2. The model's config says which token is padding.
    pad_id = model.config.pad_id
    # 3. No dropout while decoding; afterwards the mode is as it was.
    with evaluating(model):
        # 4. Read the source once: (B, S) -> memory (B, S, D). Keep the mask
        #    that hides its padding.
        src_mask = padding_mask(src, pad_id)
        memory = model.encode(src, src_mask)
        # 5. Every sentence starts with bos, (B, 1); none has ended, (B,).
        tokens = src.new_full((src.size(0), 1), bos_id)
        ended = torch.zeros_like(tokens[:, 0], dtype=torch.bool)
        # 6. Go on while there is room and some sentence has not ended.
        while tokens.size(1) < max_len and not ended.all():
            # 7. Read the target so far; the last position says what is
            #    next: (B, D) -> (B, V). Padding is no word.
            hidden = model.decode(tokens, memory, memory_mask=src_mask)
            logits = model.output_projection(hidden[:, -1])
            logits[:, pad_id] = -math.inf
            # 8. Add the likeliest token, (B, t) -> (B, t + 1); a sentence
            #    that has ended gets padding.
            word = logits.argmax(-1).masked_fill(ended, pad_id)
            tokens = torch.cat([tokens, word[:, None]], dim=1)
            # 9. Whoever said eos has ended.
            ended |= word == eos_id
    return tokens


@dataclass
class Beams:
    """The hypotheses of all sentences, and the best that have ended.

    Shapes: tokens (B, K, t), scores (B, K) log-probabilities, minus infinity
    where a place is empty; best (B, max_len), padded; best_score (B,), minus
    infinity where nothing has ended.
    """

    tokens: Tensor
    scores: Tensor
    best: Tensor
    best_score: Tensor

    def extend(self, log_p: Tensor) -> None:
        """Keep the K best of all one-token continuations: log_p (B, K, V)."""
        # 1. Score every continuation of every hypothesis, the score so far
        #    plus log_p: (B, K) and (B, K, V) -> (B, K * V).
        totals = (self.scores[..., None] + log_p).flatten(1)
        # 2. Keep the best K of a sentence, wherever they come from: (B, K).
        #    The place in the row tells the parent and the word.
        self.scores, places = totals.topk(self.scores.size(1))
        parents, words = places // log_p.size(-1), places % log_p.size(-1)
        # 3. Each is its parent's tokens with one more:
        #    (B, K, t) -> (B, K, t + 1).
        parents = parents[..., None].expand_as(self.tokens)
        self.tokens = torch.cat(
            [self.tokens.gather(1, parents), words[..., None]], dim=-1
        )

    def retire(self, ended: Tensor, penalty: float) -> None:
        """Take hypotheses out, (B, K) True; remember each sentence's best."""
        # 1. The best of those that have ended, in log-probability divided
        #    by the length penalty: (B, K) -> (B,).
        scores = self.scores.masked_fill(~ended, -math.inf) / penalty
        score, place = scores.max(dim=1)
        # 2. Where it beats the sentence's best so far, it takes its place,
        #    tokens and score.
        better = score > self.best_score
        winners = self.tokens[better, place[better]]
        self.best[better, : winners.size(1)] = winners
        self.best_score = torch.where(better, score, self.best_score)
        # 3. Whatever has ended leaves an empty place in the beam, (B, K).
        self.scores = self.scores.masked_fill(ended, -math.inf)

    def done(self, least: float, most: float) -> bool:
        """Tell whether no hypothesis can still win.

        A log-probability only falls, and the penalty of what is to come lies
        between `least` and `most`, so divide the present one by both.
        """
        # 1. The best that each sentence still follows: (B, K) -> (B,).
        top = self.scores.max(dim=1).values
        # 2. The most that can become of it: divide by either end of the
        #    range, take the larger, (B,).
        bound = torch.maximum(top / least, top / most)
        # 3. It is over if that beats the best so far in no sentence.
        return bool((self.best_score >= bound).all())


@torch.no_grad()
def beam_search(
    model: EncoderDecoder,
    src: Tensor,
    beam_size: int,
    length_penalty: float,
    max_len: int,
    bos_id: int,
    eos_id: int,
) -> Tensor:
    """Translate by following the beam_size best hypotheses at a time.

    Shapes: src (B, S) -> (B, L), L at most max_len: bos, tokens, eos, then
    padding. A sentence of which no hypothesis ends in time has no eos.

    The hypothesis wins whose log-probability divided by
    ((5 + length) / 6) ** length_penalty is largest; the length counts eos and
    not bos. One that has ended gives up its place in the beam.

    Raises:
        ValueError: if beam_size or max_len is below 1.

    Paper: section 6.1 (beam size 4, length penalty 0.6); the penalty is Wu et
    al. (2016), equation (14).
    """
    # 1. Insist on a hypothesis, and on room for bos.
    if beam_size < 1 or max_len < 1:
        raise ValueError(
            f"beam_size ({beam_size}) and max_len ({max_len}) "
            "must be 1 or more"
        )
    pad_id, batch = model.config.pad_id, src.size(0)
    # 2. The penalty of each length from 0 to max_len.
    penalty = [((5 + n) / 6) ** length_penalty for n in range(max_len + 1)]
    # 3. No dropout while decoding; afterwards the mode is as it was.
    with evaluating(model):
        # 4. Read the source once; all K hypotheses of it share the memory:
        #    (B, S) -> (B * K, S, D), and the mask of its padding likewise.
        src_mask = padding_mask(src, pad_id)
        memory = model.encode(src, src_mask).repeat_interleave(beam_size, 0)
        memory_mask = src_mask.repeat_interleave(beam_size, 0)
        # 5. Start with bos in the first place; the others are empty.
        beams = _start(src, beam_size, max_len, bos_id, pad_id, memory.dtype)
        # 6. Token by token, as long as there is room: the log-probabilities
        #    of the next one, (B * K, V). Padding is no word.
        for length in range(1, max_len):
            tokens = beams.tokens.flatten(0, 1)
            hidden = model.decode(tokens, memory, memory_mask=memory_mask)
            logits = model.output_projection(hidden[:, -1])
            logits[:, pad_id] = -math.inf
            log_p = torch.log_softmax(logits, dim=-1)
            # 7. Keep the best continuations; retire those that have ended.
            beams.extend(log_p.view(batch, beam_size, log_p.size(-1)))
            beams.retire(beams.tokens[..., -1] == eos_id, penalty[length])
            # 8. Stop as soon as nothing better can come.
            if beams.done(penalty[length + 1], penalty[max_len - 1]):
                break
        # 9. Where nothing has ended, what is there counts as it stands.
        beams.retire(
            (beams.best_score == -math.inf)[:, None].expand(-1, beam_size),
            penalty[beams.tokens.size(-1) - 1],
        )
    # 10. Cut off the columns that are nothing but padding:
    #     (B, max_len) -> (B, L).
    longest = int((beams.best != pad_id).sum(dim=1).max()) if batch else 1
    return beams.best[:, :longest]


def _start(
    src: Tensor,
    beam_size: int,
    max_len: int,
    bos_id: int,
    pad_id: int,
    dtype: torch.dtype,
) -> Beams:
    """Give every sentence one hypothesis that is only bos."""
    batch = src.size(0)
    scores = src.new_full((batch, beam_size), -math.inf, dtype=dtype)
    scores[:, 0] = 0.0
    return Beams(
        tokens=src.new_full((batch, beam_size, 1), bos_id),
        scores=scores,
        best=src.new_full((batch, max_len), pad_id),
        best_score=src.new_full((batch,), -math.inf, dtype=dtype),
    )
