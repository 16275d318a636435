"""Translating many sentences, and scores for the result. Section 6.1."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from laidout.data import collate, token_batches
from laidout.decoding import EncoderDecoder, beam_search, greedy_decode
from laidout.fast import CachedDecoder, can_cache
from laidout.tokenizer import BPETokenizer
from laidout.transformer import Transformer

__all__ = ["Bleu", "bleu", "exact_match", "source_ids", "translate"]

SPARE = 50
"""By how many tokens a translation may be longer than its source."""

ENDS = 2
"""The tokens bos and eos around a translation."""


def source_ids(tokenizer: BPETokenizer, text: str) -> list[int]:
    """Return what the encoder reads of a sentence: its tokens, then eos.

    Raises:
        ValueError: if the text is empty.
    """
    if not text.strip():
        raise ValueError(f"text ({text!r}) must hold at least one word")
    return [*tokenizer.encode(text), tokenizer.eos_id]


def translate(
    model: Transformer,
    tokenizer: BPETokenizer,
    texts: Sequence[str],
    beam_size: int = 4,
    length_penalty: float = 0.6,
    max_tokens: int = 4096,
) -> list[str]:
    """Translate texts, in their order; beam_size 1 is greedy decoding.

    Sentences of about one length share a batch of at most max_tokens source
    tokens. A translation may be 50 tokens longer than the longest source of
    its batch, bos and eos aside, but with them not longer than max_len. If
    the model is the package's own, keys and values are cached.

    Raises:
        ValueError: if texts is one string, or if a text is empty, or longer
            than max_tokens or max_len.

    Paper: section 6.1, "beam size of 4 and length penalty 0.6", "input
    length + 50".
    """
    if isinstance(texts, str):
        raise ValueError(f"texts ({texts!r}) must be several texts")
    sources = [source_ids(tokenizer, text) for text in texts]
    _check_sources(sources, min(max_tokens, model.config.max_len))
    decoder = CachedDecoder(model) if can_cache(model) else model
    device = next(model.parameters()).device
    found = [""] * len(texts)
    for batch in token_batches([len(ids) for ids in sources], max_tokens):
        src, _ = collate(
            [(sources[i], sources[i]) for i in batch], tokenizer.pad_id
        )
        rows = _decode(
            decoder, tokenizer, src.to(device), beam_size, length_penalty
        )
        for i, row in zip(batch, rows.tolist(), strict=True):
            found[i] = tokenizer.decode(row)
    return found


def _check_sources(sources: Sequence[Sequence[int]], limit: int) -> None:
    """Insist that each text fits into a batch and into the model."""
    for number, ids in enumerate(sources):
        if len(ids) > limit:
            raise ValueError(
                f"texts[{number}] has {len(ids)} tokens with its eos, "
                f"must have at most {limit}"
            )


def _decode(
    model: EncoderDecoder,
    tokenizer: BPETokenizer,
    src: Tensor,
    beam_size: int,
    length_penalty: float,
) -> Tensor:
    """Decode one batch: (B, S) -> (B, L)."""
    # 1. The source's eos does not count as a token of the input.
    max_len = src.size(1) - 1 + SPARE + ENDS
    max_len = min(max_len, model.config.max_len)
    ends = tokenizer.bos_id, tokenizer.eos_id
    # 2. A beam of one is greedy decoding, which is less work.
    if beam_size == 1:
        return greedy_decode(model, src, max_len, *ends)
    return beam_search(model, src, beam_size, length_penalty, max_len, *ends)


@dataclass(frozen=True)
class Bleu:
    """A BLEU score from 0 to 100, and how exactly it was computed."""

    score: float
    signature: str


def bleu(hypotheses: Sequence[str], references: Sequence[str]) -> Bleu:
    """Score translations against references, one each, with sacrebleu.

    Raises:
        ValueError: if there are none, or not as many of both.

    Paper: section 6.1 and table 2; what the score is, Papineni et al. (2002).
    """
    # Imported here, for training needs no scores.
    from sacrebleu.metrics import BLEU

    _check_lengths(hypotheses, references)
    metric = BLEU()
    score = metric.corpus_score(list(hypotheses), [list(references)])
    return Bleu(score.score, str(metric.get_signature()))


def exact_match(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """Return the share of translations that equal their reference.

    Raises:
        ValueError: if there are none, or not as many of both.
    """
    _check_lengths(hypotheses, references)
    pairs = zip(hypotheses, references, strict=True)
    return sum(h == r for h, r in pairs) / len(references)


def _check_lengths(
    hypotheses: Sequence[str], references: Sequence[str]
) -> None:
    """Insist on one reference for each translation, and on some."""
    if not references or len(hypotheses) != len(references):
        raise ValueError(
            f"hypotheses ({len(hypotheses)}) and references "
            f"({len(references)}) must be equally many, at least one"
        )
