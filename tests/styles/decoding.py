"""Decoding, as others write it."""

import heapq
import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from laidout.decoding import Beams
from laidout.masks import padding_mask, target_mask
from styles import right, wrong

GREEDY = "decoding-greedy"
EXTEND = "decoding-beams-extend"
RETIRE = "decoding-beams-retire"
DONE = "decoding-beams-done"
BEAM = "decoding-beam-search"


# --- greedy -----------------------------------------------------------------


@right(GREEDY)
def into_a_table(
    model: Any, src: Tensor, max_len: int, bos_id: int, eos_id: int
) -> Tensor:
    """Writes into a table that is there from the start, then trims it."""
    if max_len < 1:
        raise ValueError(f"max_len must be positive, not {max_len}")
    was_training = model.training
    model.eval()
    pad = model.config.pad_id
    mask = (src != pad).unsqueeze(1).unsqueeze(2)
    memory = model.encode(src, mask)
    out = torch.full((src.size(0), max_len), pad, dtype=torch.long)
    out[:, 0] = bos_id
    alive = torch.ones(src.size(0), dtype=torch.bool)
    length = 1
    for i in range(1, max_len):
        if not alive.any():
            break
        states = model.decode(
            out[:, :i], memory, target_mask(out[:, :i], pad), mask
        )
        probs = model.output_projection(states)[:, -1].softmax(-1)
        probs[:, pad] = 0
        best = probs.max(dim=-1).indices
        out[alive, i] = best[alive]
        alive = alive & (best != eos_id)
        length = i + 1
    model.train(was_training)
    return out[:, :length]


@right(GREEDY)
def one_sentence_at_a_time(
    model: Any, src: Tensor, max_len: int, bos_id: int, eos_id: int
) -> Tensor:
    """Takes off the padding, so that it needs no mask at all."""
    if max_len <= 0:
        raise ValueError("max_len")
    was_training, pad = model.training, model.config.pad_id
    model.eval()
    rows = []
    for sentence in src.tolist():
        words = [w for w in sentence if w != pad]
        memory = model.encode(torch.tensor([words]))
        said = [bos_id]
        while len(said) < max_len and (len(said) == 1 or said[-1] != eos_id):
            hidden = model.decode(torch.tensor([said]), memory)
            logits = model.output_projection(hidden[0, -1]).tolist()
            logits[pad] = -math.inf
            said.append(max(range(len(logits)), key=lambda w: logits[w]))
        rows.append(torch.tensor(said))
    model.train(was_training)
    return torch.nn.utils.rnn.pad_sequence(
        rows, batch_first=True, padding_value=pad
    )


@right(GREEDY)
def all_the_way_and_then_cut(
    model: Any, src: Tensor, max_len: int, bos_id: int, eos_id: int
) -> Tensor:
    """Goes on to the end, rereads the source, and clears up afterwards."""
    if max_len < 1:
        raise ValueError(f"max_len={max_len}")
    mode, pad = model.training, model.config.pad_id
    try:
        model.eval()
        tgt = torch.full((len(src), 1), bos_id)
        for _ in range(max_len - 1):
            logits = model(src, tgt)[:, -1].clone()
            logits[:, pad] = float("-inf")
            tgt = torch.hstack([tgt, logits.argmax(1, keepdim=True)])
        over = (tgt[:, 1:] == eos_id).cumsum(1).cumsum(1) > 1
        tgt[:, 1:][over] = pad
        return tgt
    finally:
        model.train(mode)


@wrong(GREEDY, "eos-ignored")
def annotated(
    model: Any, src: Tensor, max_len: int, bos_id: int, eos_id: int
) -> Tensor:
    if max_len < 1:
        raise ValueError(f"max_len ({max_len}) must be 1 or more")
    mode, pad = model.training, model.config.pad_id
    model.eval()
    src_mask = padding_mask(src, pad)
    memory = model.encode(src, src_mask)
    ys = torch.full((len(src), 1), bos_id)
    for _ in range(max_len - 1):
        out = model.decode(ys, memory, None, src_mask)
        prob = model.output_projection(out[:, -1]).log_softmax(-1)
        prob[:, pad] = -math.inf
        _, next_word = torch.max(prob, dim=1)
        ys = torch.cat([ys, next_word.unsqueeze(1)], dim=1)
    model.train(mode)
    return ys


@wrong(GREEDY, "last-word-only")
def like_an_rnn(
    model: Any, src: Tensor, max_len: int, bos_id: int, eos_id: int
) -> Tensor:
    if max_len < 1:
        raise ValueError(f"max_len ({max_len}) must be 1 or more")
    mode, pad = model.training, model.config.pad_id
    model.eval()
    src_mask = padding_mask(src, pad)
    memory = model.encode(src, src_mask)
    word = torch.full((len(src),), bos_id)
    finished = torch.zeros(len(src), dtype=torch.bool)
    outputs = [word]
    for _ in range(max_len - 1):
        if finished.all():
            break
        state = model.decode(word[:, None], memory, memory_mask=src_mask)
        scores = model.output_projection(state).squeeze(1)
        scores[:, pad] = -1e9
        word = torch.where(finished, pad, scores.argmax(-1))
        finished = finished | (word == eos_id)
        outputs.append(word)
    model.train(mode)
    return torch.stack(outputs, dim=1)


@wrong(GREEDY, "no-source-mask")
def without_a_mask(
    model: Any, src: Tensor, max_len: int, bos_id: int, eos_id: int
) -> Tensor:
    if max_len < 1:
        raise ValueError(f"max_len ({max_len}) must be 1 or more")
    mode, pad = model.training, model.config.pad_id
    model.eval()
    memory = model.encode(src)
    out = torch.full((len(src), max_len), pad)
    out[:, 0] = bos_id
    going = torch.ones(len(src), dtype=torch.bool)
    for i in range(1, max_len):
        logits = model.output_projection(model.decode(out[:, :i], memory))
        logits = logits[:, -1]
        logits[:, pad] = -1e9
        out[:, i] = logits.argmax(-1) * going + pad * ~going
        going &= out[:, i] != eos_id
    model.train(mode)
    return out


@wrong(GREEDY, "padding-logit-is-zero")
def with_a_zero(
    model: Any, src: Tensor, max_len: int, bos_id: int, eos_id: int
) -> Tensor:
    if max_len < 1:
        raise ValueError(f"max_len ({max_len}) must be 1 or more")
    mode, pad = model.training, model.config.pad_id
    model.eval()
    src_mask = padding_mask(src, pad)
    memory = model.encode(src, src_mask)
    ys = torch.full((len(src), 1), bos_id)
    done = torch.zeros(len(src), 1, dtype=torch.bool)
    while ys.size(1) < max_len and not done.all():
        out = model.decode(ys, memory, memory_mask=src_mask)
        logits = model.output_projection(out)[:, -1]
        logits[:, pad] = 0
        word = logits.argmax(-1, keepdim=True)
        word[done] = pad
        done = done | (word == eos_id)
        ys = torch.cat([ys, word], dim=-1)
    model.train(mode)
    return ys


@wrong(GREEDY, "joined-as-rows")
def in_rows(
    model: Any, src: Tensor, max_len: int, bos_id: int, eos_id: int
) -> Tensor:
    if max_len < 1:
        raise ValueError(f"max_len ({max_len}) must be 1 or more")
    pad = model.config.pad_id
    src_mask = padding_mask(src, pad)
    memory = model.encode(src, src_mask)
    ys = torch.full((len(src), 1), bos_id)
    for _ in range(max_len - 1):
        out = model.decode(ys, memory, memory_mask=src_mask)
        logits = model.output_projection(out[:, -1])
        logits[:, pad] = -math.inf
        ys = torch.cat([ys, logits.argmax(-1, keepdim=True)])
    return ys


@wrong(GREEDY, "word-without-axis")
def a_word_everywhere(
    model: Any, src: Tensor, max_len: int, bos_id: int, eos_id: int
) -> Tensor:
    if max_len < 1:
        raise ValueError(f"max_len ({max_len}) must be 1 or more")
    mode, pad = model.training, model.config.pad_id
    model.eval()
    src_mask = padding_mask(src, pad)
    memory = model.encode(src, src_mask)
    ys = torch.full((len(src), 1), bos_id)
    for _ in range(max_len - 1):
        logits = model.output_projection(
            model.decode(ys, memory, memory_mask=src_mask)
        )
        logits[..., pad] = -math.inf
        word = logits.argmax(-1)
        ys = torch.cat([ys, word.unsqueeze(1)], dim=1)
    model.train(mode)
    return ys


@wrong(GREEDY, "one-too-short")
def counts_bos_twice(
    model: Any, src: Tensor, max_len: int, bos_id: int, eos_id: int
) -> Tensor:
    if max_len < 1:
        raise ValueError(f"max_len ({max_len}) must be 1 or more")
    return into_a_table(model, src, max(max_len - 1, 1), bos_id, eos_id)


# --- extending a beam -------------------------------------------------------


@right(EXTEND)
class ByLists(Beams):
    """Looks at every continuation, one after the other."""

    def extend(self, log_p: Tensor) -> None:
        places = self.scores.size(1)
        scores, tokens = [], []
        for row in range(len(self.scores)):
            found = [
                (float(self.scores[row, k]) + value, k, word)
                for k in range(places)
                for word, value in enumerate(log_p[row, k].tolist())
            ]
            best = sorted(found, reverse=True)[:places]
            scores.append([score for score, _, _ in best])
            tokens.append(
                [[*self.tokens[row, k].tolist(), w] for _, k, w in best]
            )
        self.scores = torch.tensor(scores, dtype=log_p.dtype)
        self.tokens = torch.tensor(tokens)


@right(EXTEND)
class ByIndex(Beams):
    """Indexes with two tensors; the beam is not in order."""

    def extend(self, log_p: Tensor) -> None:
        rows, places, words = log_p.shape
        totals = log_p + self.scores.unsqueeze(2)
        totals = totals.reshape(rows, places * words)
        chosen = totals.argsort(dim=1)[:, -places:]
        batch = torch.arange(rows).unsqueeze(1)
        parents = torch.div(chosen, words, rounding_mode="floor")
        longer = self.tokens.new_empty(rows, places, self.tokens.size(2) + 1)
        longer[..., :-1] = self.tokens[batch, parents]
        longer[..., -1] = chosen % words
        self.scores = totals[batch, chosen]
        self.tokens = longer


@wrong(EXTEND, "parents-ignored")
class StaysPut(Beams):
    def extend(self, log_p: Tensor) -> None:
        words = log_p.shape[-1]
        totals = self.scores.unsqueeze(-1) + log_p
        best = torch.topk(totals.flatten(1), self.scores.shape[1])
        self.scores = best.values
        new = best.indices.remainder(words).unsqueeze(-1)
        self.tokens = torch.cat((self.tokens, new), 2)


@wrong(EXTEND, "each-on-its-own")
class KeepsToItself(Beams):
    def extend(self, log_p: Tensor) -> None:
        value, word = log_p.topk(1, dim=-1)
        self.scores = self.scores + value.squeeze(-1)
        self.tokens = torch.cat([self.tokens, word], -1)


@wrong(EXTEND, "log-p-changed")
class ChangesLogP(Beams):
    def extend(self, log_p: Tensor) -> None:
        log_p += self.scores[:, :, None]
        for row, flat in enumerate(log_p.reshape(len(log_p), -1)):
            self.scores[row], places = flat.topk(self.scores.size(1))
            parents = self.tokens[row, places // log_p.size(2)]
            words = places[:, None] % log_p.size(2)
            longer = torch.cat([parents, words], 1)
            if row == 0:
                tokens = longer.new_empty(len(log_p), *longer.shape)
            tokens[row] = longer
        self.tokens = tokens


# --- retiring what has ended ------------------------------------------------


@right(RETIRE)
class OneByOne(Beams):
    """Loops over sentences and places."""

    def retire(self, ended: Tensor, penalty: float) -> None:
        for row in range(ended.size(0)):
            for place in range(ended.size(1)):
                if not ended[row, place]:
                    continue
                score = self.scores[row, place].item() / penalty
                if score > self.best_score[row].item():
                    length = self.tokens.size(-1)
                    self.best[row, :length] = self.tokens[row, place]
                    self.best_score[row] = score
                self.scores[row, place] = float("-inf")


@right(RETIRE)
class ByWhere(Beams):
    """Chooses everywhere, even where nothing has ended; makes new tensors."""

    def retire(self, ended: Tensor, penalty: float) -> None:
        lowest = torch.full_like(self.scores, -torch.inf)
        normalised = torch.where(ended, self.scores / penalty, lowest)
        place = normalised.argmax(1, keepdim=True)
        score = normalised.gather(1, place).squeeze(1)
        better = score >= self.best_score
        row = torch.take_along_dim(self.tokens, place.unsqueeze(-1), 1)[:, 0]
        rest = self.best[:, row.size(1) :]
        row = torch.cat([row, rest], dim=1)
        self.best = torch.where(better[:, None], row, self.best)
        self.best_score = torch.maximum(score, self.best_score)
        self.scores = torch.where(ended, lowest, self.scores)


@wrong(RETIRE, "no-penalty")
class WithoutPenalty(Beams):
    def retire(self, ended: Tensor, penalty: float) -> None:
        OneByOne.retire(self, ended, 1.0)  # type: ignore[arg-type]


@wrong(RETIRE, "last-remembered")
class TheLastIsTheBest(Beams):
    def retire(self, ended: Tensor, penalty: float) -> None:
        for row, over in enumerate(ended):
            if over.any():
                scores = self.scores[row].masked_fill(~over, -1e30)
                if scores.max() <= -1e30:
                    continue
                place = scores.argmax()
                self.best[row, : self.tokens.size(2)] = self.tokens[row, place]
                self.best_score[row] = scores[place] / penalty
        self.scores = self.scores.masked_fill(ended, -torch.inf)


@wrong(RETIRE, "place-kept")
class NeverLeaves(Beams):
    def retire(self, ended: Tensor, penalty: float) -> None:
        kept = self.scores.clone()
        OneByOne.retire(self, ended, penalty)  # type: ignore[arg-type]
        self.scores = kept


# --- knowing when it is over ------------------------------------------------


@right(DONE)
class SentenceBySentence(Beams):
    """Asks about every hypothesis."""

    def done(self, least: float, most: float) -> bool:
        for scores, best in zip(
            self.scores.tolist(), self.best_score.tolist(), strict=True
        ):
            for score in scores:
                if max(score / least, score / most) > best:
                    return False
        return True


@right(DONE)
class InOneGo(Beams):
    """Compares all hypotheses at once."""

    def done(self, least: float, most: float) -> bool:
        hopes = torch.stack([self.scores / least, self.scores / most])
        return not (hopes.amax(0) > self.best_score.unsqueeze(1)).any().item()


@wrong(DONE, "least-only")
class OneEnd(Beams):
    def done(self, least: float, most: float) -> bool:
        reach = self.scores.amax(dim=1) / least
        return not bool((reach > self.best_score).any())


@wrong(DONE, "any-sentence")
class OneSentence(Beams):
    def done(self, least: float, most: float) -> bool:
        for scores, best in zip(self.scores, self.best_score, strict=True):
            if best > max(scores.max() / least, scores.max() / most):
                return True
        return False


@wrong(DONE, "first-end")
class SomethingEnded(Beams):
    def done(self, least: float, most: float) -> bool:
        return not torch.isinf(self.best_score).any().item()


# --- beam search ------------------------------------------------------------


@right(BEAM)
def with_a_heap(
    model: Any,
    src: Tensor,
    beam_size: int,
    length_penalty: float,
    max_len: int,
    bos_id: int,
    eos_id: int,
) -> Tensor:
    """Keeps tuples in lists, one sentence at a time; never stops early."""
    if beam_size < 1:
        raise ValueError(f"beam_size is {beam_size}")
    if max_len < 1:
        raise ValueError(f"max_len is {max_len}")
    mode, pad = model.training, model.config.pad_id
    model.eval()
    rows = []
    for sentence in src:
        source = sentence[sentence != pad][None]
        memory = model.encode(source)
        beam: list[tuple[float, list[int]]] = [(0.0, [bos_id])]
        finished: list[tuple[float, list[int]]] = []
        for length in range(1, max_len):
            candidates = []
            for score, words in beam:
                hidden = model.decode(torch.tensor([words]), memory)
                logits = model.output_projection(hidden[:, -1])[0]
                logits[pad] = -math.inf
                log_probs = logits.log_softmax(0).tolist()
                for word, log_prob in enumerate(log_probs):
                    if word != pad:
                        longer = [*words, word]
                        candidates.append((score + log_prob, longer))
            beam = []
            for score, words in heapq.nlargest(beam_size, candidates):
                if words[-1] == eos_id:
                    penalty = ((5 + length) / 6) ** length_penalty
                    finished.append((score / penalty, words))
                else:
                    beam.append((score, words))
            if not beam:
                break
        rows.append(torch.tensor(max(finished or beam)[1]))
    model.train(mode)
    return torch.nn.utils.rnn.pad_sequence(
        rows, batch_first=True, padding_value=pad
    )


@right(BEAM)
def twice_as_many_candidates(
    model: Any,
    src: Tensor,
    beam_size: int,
    length_penalty: float,
    max_len: int,
    bos_id: int,
    eos_id: int,
) -> Tensor:
    """Looks at 2 K candidates, so that K are left whatever ends."""
    if min(beam_size, max_len) < 1:
        raise ValueError(f"beam_size {beam_size}, max_len {max_len}")
    mode, pad = model.training, model.config.pad_id
    model.eval()
    batch = src.size(0)
    wide = src[:, None].expand(-1, beam_size, -1).flatten(0, 1)
    mask = padding_mask(wide, pad)
    memory = model.encode(wide, mask)
    scores = torch.full((batch, beam_size), -1e9)
    scores[:, 0] = 0
    tokens = torch.full((batch * beam_size, 1), bos_id)
    finished: list[list[tuple[float, Tensor]]] = [[] for _ in range(batch)]
    for length in range(1, max_len):
        hidden = model.decode(
            tokens, memory, target_mask(tokens, pad), memory_mask=mask
        )
        log_p = F.log_softmax(model.output_projection(hidden)[:, -1], -1)
        log_p[:, pad] = -1e9
        words = log_p.size(-1)
        totals = (scores.view(-1, 1) + log_p).view(batch, -1)
        best, places = totals.topk(min(2 * beam_size, totals.size(1)))
        kept = []
        for b in range(batch):
            live = 0
            for value, place in zip(
                best[b].tolist(), places[b].tolist(), strict=True
            ):
                parent, word = divmod(place, words)
                row = torch.cat(
                    [tokens[b * beam_size + parent], torch.tensor([word])]
                )
                if word == eos_id:
                    norm = ((5.0 + length) / 6.0) ** length_penalty
                    if value > -1e8:
                        finished[b].append((value / norm, row))
                elif live < beam_size:
                    scores[b, live] = value
                    kept.append(row)
                    live += 1
        tokens = torch.stack(kept)
    rows = []
    for b in range(batch):
        top = tokens[b * beam_size + int(scores[b].argmax())]
        if finished[b]:
            top = max(finished[b], key=lambda found: found[0])[1]
        rows.append(top)
    model.train(mode)
    return torch.nn.utils.rnn.pad_sequence(
        rows, batch_first=True, padding_value=pad
    )


@right(BEAM)
def with_the_beams(
    model: Any,
    src: Tensor,
    beam_size: int,
    length_penalty: float,
    max_len: int,
    bos_id: int,
    eos_id: int,
) -> Tensor:
    """Uses the beams of the package, goes on to the end and trims nothing."""
    if beam_size <= 0 or max_len <= 0:
        raise ValueError("beam_size and max_len must be positive")
    before, pad = model.training, model.config.pad_id
    model.eval()
    mask = padding_mask(src, pad)
    memory = model.encode(src, mask)
    memory = torch.stack([memory] * beam_size, dim=1).flatten(0, 1)
    mask = torch.stack([mask] * beam_size, dim=1).flatten(0, 1)
    start = [0.0] + [-math.inf] * (beam_size - 1)
    beams = Beams(
        torch.full((len(src), beam_size, 1), bos_id),
        torch.tensor([start] * len(src)),
        torch.full((len(src), max_len), pad),
        torch.full((len(src),), -math.inf),
    )
    for step in range(1, max_len):
        flat = beams.tokens.reshape(-1, step)
        state = model.decode(flat, memory, memory_mask=mask)[:, -1]
        logits = model.output_projection(state)
        words = torch.arange(logits.size(-1))
        log_p = logits.masked_fill(words == pad, -math.inf).log_softmax(-1)
        beams.extend(log_p.unflatten(0, (len(src), beam_size)))
        ended = beams.tokens[:, :, -1] == eos_id
        beams.retire(ended, math.pow((5 + step) / 6, length_penalty))
    for b in range(len(src)):
        if beams.best_score[b].isinf():
            size = beams.tokens.size(2)
            beams.best[b, :size] = beams.tokens[b, beams.scores[b].argmax()]
    model.train(before)
    return beams.best


def follow(
    says: Any, beam_size: int, max_len: int, bos_id: int, eos_id: int
) -> tuple[list[tuple[float, list[int]]], list[tuple[float, list[int]]]]:
    """Search one sentence; give what has ended, in order, and what has not."""
    going = [(0.0, [bos_id])]
    ended: list[tuple[float, list[int]]] = []
    for _ in range(max_len - 1):
        longer = [
            (score + more, [*words, word])
            for score, words in going
            for word, more in enumerate(says(words))
            if more > -math.inf
        ]
        longer = sorted(longer, key=lambda found: -found[0])[:beam_size]
        ended += [found for found in longer if found[1][-1] == eos_id]
        going = [found for found in longer if found[1][-1] != eos_id]
    return ended, going


def of_each(
    model: Any, src: Tensor, choose: Any, turn: Any = torch.log_softmax
) -> Tensor:
    """Choose a translation of each source and pad them all."""
    mode, pad = model.training, model.config.pad_id
    model.eval()
    rows = []
    for sentence in src:
        memory = model.encode(sentence[sentence != pad][None])

        def says(words: list[int], memory: Tensor = memory) -> list[float]:
            hidden = model.decode(torch.tensor([words]), memory)
            logits = model.output_projection(hidden[0, -1])
            logits = logits.index_fill(0, torch.tensor(pad), -math.inf)
            numbers: list[float] = turn(logits, -1).tolist()
            numbers[pad] = -math.inf
            return numbers

        rows.append(choose(says))
    model.train(mode)
    longest = max(map(len, rows))
    return torch.tensor([r + [pad] * (longest - len(r)) for r in rows])


def check(beam_size: int, max_len: int) -> None:
    """Insist on room."""
    if beam_size < 1 or max_len < 1:
        raise ValueError("beam_size and max_len must be positive")


@wrong(BEAM, "length-to-the-power")
def divided_by_the_length(
    model: Any,
    src: Tensor,
    beam_size: int,
    length_penalty: float,
    max_len: int,
    bos_id: int,
    eos_id: int,
) -> Tensor:
    def choose(says: Any) -> list[int]:
        ended, going = follow(says, beam_size, max_len, bos_id, eos_id)
        return max(
            ended or going,
            key=lambda x: x[0] / max(len(x[1]) - 1, 1) ** length_penalty,
        )[1]

    check(beam_size, max_len)
    return of_each(model, src, choose)


@wrong(BEAM, "last-wins")
def the_last_that_ended(
    model: Any,
    src: Tensor,
    beam_size: int,
    length_penalty: float,
    max_len: int,
    bos_id: int,
    eos_id: int,
) -> Tensor:
    def choose(says: Any) -> list[int]:
        ended, going = follow(says, beam_size, max_len, bos_id, eos_id)
        return ended[-1][1] if ended else going[0][1]

    check(beam_size, max_len)
    return of_each(model, src, choose)


@wrong(BEAM, "probabilities-added")
def sums_of_probabilities(
    model: Any,
    src: Tensor,
    beam_size: int,
    length_penalty: float,
    max_len: int,
    bos_id: int,
    eos_id: int,
) -> Tensor:
    def choose(says: Any) -> list[int]:
        ended, going = follow(says, beam_size, max_len, bos_id, eos_id)
        return max(
            ended or going,
            key=lambda x: x[0] / ((5 + len(x[1]) - 1) / 6) ** length_penalty,
        )[1]

    check(beam_size, max_len)
    return of_each(model, src, choose, torch.softmax)


@wrong(BEAM, "memory-in-the-wrong-order")
def repeats_the_batch(
    model: Any,
    src: Tensor,
    beam_size: int,
    length_penalty: float,
    max_len: int,
    bos_id: int,
    eos_id: int,
) -> Tensor:
    check(beam_size, max_len)
    mode, pad = model.training, model.config.pad_id
    model.eval()
    batch = len(src)
    wide = torch.cat([src] * beam_size)
    mask = padding_mask(wide, pad)
    memory = model.encode(wide, mask)
    scores = torch.full((batch, beam_size), -math.inf)
    scores[:, 0] = 0.0
    beams = Beams(
        torch.full((batch, beam_size, 1), bos_id),
        scores,
        torch.full((batch, max_len), pad),
        torch.full((batch,), -math.inf),
    )
    for n in range(1, max_len):
        hidden = model.decode(beams.tokens.flatten(0, 1), memory, None, mask)
        logits = model.output_projection(hidden[:, -1])
        logits[:, pad] = -math.inf
        beams.extend(logits.log_softmax(-1).view(batch, beam_size, -1))
        norm = ((5 + n) / 6) ** length_penalty
        beams.retire(beams.tokens[..., -1] == eos_id, norm)
    rest = beams.best_score.isinf()[:, None].repeat(1, beam_size)
    beams.retire(rest, 1.0)
    model.train(mode)
    return beams.best
