"""Tests of translating many sentences, and of the scores."""

import math
import random
from collections.abc import Iterator, Sequence

import pytest
import sacrebleu
import torch
from oracle_command import PAIRS, SOURCES, load, trained
from torch import Tensor, nn

import laidout.evaluation
from laidout.data import token_batches
from laidout.evaluation import bleu, exact_match, source_ids, translate
from laidout.fast import CachedDecoder, can_cache
from laidout.layers import DecoderLayer
from laidout.tokenizer import BPETokenizer
from laidout.transformer import Transformer, TransformerConfig

TARGETS = [target for _, target in PAIRS]

BYTES = BPETokenizer()


@pytest.fixture(scope="module")
def learned(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Transformer, BPETokenizer]:
    """Give a model that knows the pairs by heart, and its tokenizer."""
    return load(trained(tmp_path_factory)[0])


@pytest.fixture(scope="module")
def untrained() -> Iterator[Transformer]:
    """Give a small model that babbles in bytes."""
    torch.manual_seed(3)
    size = BYTES.vocab_size
    config = TransformerConfig(
        size, size, d_model=8, num_heads=2, num_layers=1, d_ff=16, max_len=70
    )
    return Transformer(config).eval()


class Says(nn.Module):
    """A model that says "a" a number of times, then eos; not a Transformer.

    It keeps the sources that it was given.
    """

    def __init__(self, times: int, max_len: int = 5000) -> None:
        super().__init__()
        size = BYTES.vocab_size
        self.times, self.seen = times, []
        self.config = TransformerConfig(size, size, max_len=max_len)
        self.output_projection = nn.Linear(size, size, bias=False)
        with torch.no_grad():
            self.output_projection.weight.copy_(10 * torch.eye(size))

    def encode(self, src: Tensor, src_mask: Tensor | None = None) -> Tensor:
        self.seen.append(src.tolist())
        return torch.zeros(*src.shape, 1)

    def decode(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        said = tgt.size(1) - 1
        word = BYTES.encode("a")[0] if said < self.times else BYTES.eos_id
        words = torch.full_like(tgt, word)
        return nn.functional.one_hot(words, BYTES.vocab_size).float()


# --- source_ids -------------------------------------------------------------


def test_the_encoder_reads_the_tokens_and_then_eos() -> None:
    assert source_ids(BYTES, "aä") == [3 + 97, 3 + 0xC3, 3 + 0xA4, 2]


@pytest.mark.parametrize("text", ["", " ", "\n\t "])
def test_a_text_without_a_word_is_no_source(text: str) -> None:
    with pytest.raises(ValueError, match=r"^text \('.*'\) must hold at least"):
        source_ids(BYTES, text)


# --- translate --------------------------------------------------------------


@pytest.mark.parametrize("beam_size", [1, 4])
def test_translations_come_in_the_order_of_their_texts(
    learned: tuple[Transformer, BPETokenizer], beam_size: int
) -> None:
    pairs = list(PAIRS)
    random.Random(0).shuffle(pairs)
    found = translate(
        *learned, [source for source, _ in pairs], beam_size, max_tokens=31
    )
    # It has learned them by heart, so each must be where it belongs.
    assert found == [target for _, target in pairs]


def test_batch_mates_move_nothing(
    learned: tuple[Transformer, BPETokenizer],
) -> None:
    # Other words than it has learned, of all lengths, in all company.
    texts = [*SOURCES[::11], "pizza", "two two dogs see the keys", "I need I"]
    alone = [translate(*learned, [text])[0] for text in texts]
    assert translate(*learned, texts) == alone
    assert translate(*learned, texts, max_tokens=24) == alone


def test_the_texts_are_batched_by_their_length(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = Says(1)
    texts = ["aaaa", "b", "cccccccc", "dd", "eeee"]
    assert translate(model, BYTES, texts, 1, max_tokens=10) == ["a"] * 5
    lengths = [len(text) + 1 for text in texts]
    wanted = [
        [source_ids(BYTES, texts[i]) for i in batch]
        for batch in token_batches(lengths, 10)
    ]
    real = [[[t for t in row if t] for row in seen] for seen in model.seen]
    assert real == wanted
    assert [len(batch) for batch in wanted] == [2, 2, 1]


def test_no_texts_have_no_translations() -> None:
    assert translate(Says(1), BYTES, []) == []


def test_greedy_decoding_is_a_beam_of_one(
    untrained: Transformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["a", "bcd", "the quick brown"]
    greedy = translate(untrained, BYTES, texts, beam_size=1)

    def beam_of_one(
        model: Transformer, src: Tensor, max_len: int, bos: int, eos: int
    ) -> Tensor:
        return laidout.evaluation.beam_search(
            model, src, 1, 0.6, max_len, bos, eos
        )

    monkeypatch.setattr(laidout.evaluation, "greedy_decode", beam_of_one)
    assert translate(untrained, BYTES, texts, beam_size=1) == greedy
    assert all(greedy)


@pytest.mark.parametrize("beam_size", [1, 3])
def test_the_cache_changes_nothing(
    learned: tuple[Transformer, BPETokenizer],
    monkeypatch: pytest.MonkeyPatch,
    beam_size: int,
) -> None:
    texts = [*SOURCES[::9], "dogs dogs dogs", "the keys see you"]
    cached = translate(*learned, texts, beam_size)
    monkeypatch.setattr(laidout.evaluation, "can_cache", lambda model: False)
    monkeypatch.setattr(laidout.evaluation, "CachedDecoder", None)
    assert translate(*learned, texts, beam_size) == cached


def test_the_packages_own_model_is_cached(
    untrained: Transformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    class Noted(CachedDecoder):
        def __init__(self, model: Transformer) -> None:
            made.append(model)
            super().__init__(model)

    monkeypatch.setattr(laidout.evaluation, "CachedDecoder", Noted)
    translate(untrained, BYTES, ["a"], beam_size=1)
    assert made == [untrained]


def test_a_readers_own_layer_translates_without_the_cache(
    untrained: Transformer,
) -> None:
    class MyLayer(DecoderLayer):
        """A reader's layer: it happens to do what ours does."""

    expected = translate(untrained, BYTES, ["abc", "d"], beam_size=2)
    model = Transformer(untrained.config)
    config = untrained.config
    model.decoder.layers[0] = MyLayer(
        config.d_model, config.num_heads, config.d_ff
    )
    model.load_state_dict(untrained.state_dict())
    assert not can_cache(model)
    assert translate(model, BYTES, ["abc", "d"], beam_size=2) == expected


@pytest.mark.parametrize("training", [True, False])
def test_the_models_mode_stays_as_it_was(
    untrained: Transformer, training: bool
) -> None:
    untrained.train(training)
    translate(untrained, BYTES, ["abc"], beam_size=2)
    assert untrained.training is training
    assert untrained.decoder.layers[0].training is training


@pytest.mark.parametrize("beam_size", [1, 2])
def test_a_translation_may_be_fifty_tokens_longer(beam_size: int) -> None:
    # Fifty more than the three of the source, then eos.
    found = translate(Says(53), BYTES, ["xyz"], beam_size)
    assert found == ["a" * 53]


def test_an_endless_translation_is_cut_off() -> None:
    # max_len counts bos and the place of eos, which another "a" has taken.
    assert translate(Says(10**9), BYTES, ["xyz"], 1) == ["a" * 54]


def test_the_longest_text_of_a_batch_gives_the_limit() -> None:
    together = translate(Says(10**9), BYTES, ["xyz", "x"], 1)
    assert together == ["a" * 54] * 2
    apart = translate(Says(10**9), BYTES, ["xyz", "x"], 1, max_tokens=4)
    assert apart == ["a" * 54, "a" * 52]


@pytest.mark.parametrize("beam_size", [1, 2])
def test_no_translation_is_longer_than_max_len(
    untrained: Transformer, beam_size: int
) -> None:
    found = translate(Says(99, 20), BYTES, ["xyz"], beam_size)
    # A beam prefers one that ends in the twentieth place, however unlikely.
    assert found == ["a" * (19 if beam_size == 1 else 18)]
    # The real model has only seventy positions, and sixty are taken.
    assert len(translate(untrained, BYTES, ["y" * 60], beam_size)) == 1


def test_a_text_may_be_as_long_as_max_len() -> None:
    assert translate(Says(2, 7), BYTES, ["123456"], 1) == ["aa"]
    message = r"^texts\[1\] has 8 tokens with its eos, must have at most 7$"
    with pytest.raises(ValueError, match=message):
        translate(Says(2, 7), BYTES, ["1", "1234567"], 1)


def test_a_text_longer_than_a_batch_is_named() -> None:
    message = r"^texts\[2\] has 9 tokens with its eos, must have at most 8$"
    with pytest.raises(ValueError, match=message):
        translate(Says(2), BYTES, ["a", "b", "12345678"], max_tokens=8)


def test_an_empty_text_is_named() -> None:
    with pytest.raises(ValueError, match=r"^text \('  '\) must hold at least"):
        translate(Says(2), BYTES, ["a", "  "])


def test_one_text_alone_is_not_taken_for_many_letters() -> None:
    with pytest.raises(ValueError, match=r"^texts \('Hi'\) must be several"):
        translate(Says(2), BYTES, "Hi")


def test_a_beam_of_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"beam_size \(0\)"):
        translate(Says(2), BYTES, ["a"], beam_size=0)


def test_the_length_penalty_reaches_the_search(
    untrained: Transformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Sequence[float]] = []

    def search(model: nn.Module, src: Tensor, *how: float) -> Tensor:
        asked.append(how)
        return src

    monkeypatch.setattr(laidout.evaluation, "beam_search", search)
    assert translate(untrained, BYTES, ["abc"], 3, 0.25) == ["abc"]
    assert asked == [(3, 0.25, 3 + 52, BYTES.bos_id, BYTES.eos_id)]


# --- scores -----------------------------------------------------------------

HYPOTHESES = ["the cat sat on the mat", "it rains"]
REFERENCES = ["the cat sat on a red mat", "it rains now"]


def test_bleu_by_hand() -> None:
    # Matching n-grams, of all in the hypotheses, both sentences together:
    # words: the cat sat on mat (the second "the" has no partner) + it rains,
    one = 7 / 8
    # pairs: the-cat cat-sat sat-on + it-rains, of 5 + 1,
    two = 4 / 6
    # threes: the-cat-sat cat-sat-on, of 4, for "it rains" has none,
    three = 2 / 4
    # fours: the-cat-sat-on, of 3.
    four = 1 / 3
    # 8 words where the references have 10: the brevity penalty.
    brevity = math.exp(1 - 10 / 8)
    by_hand = 100 * brevity * (one * two * three * four) ** (1 / 4)
    assert bleu(HYPOTHESES, REFERENCES).score == pytest.approx(by_hand)
    assert by_hand == pytest.approx(43.5, abs=0.05)


def test_bleu_is_what_sacrebleu_says() -> None:
    theirs = sacrebleu.corpus_bleu(TARGETS[:20], [TARGETS[1:21]])
    ours = bleu(TARGETS[:20], TARGETS[1:21])
    assert ours.score == theirs.score
    assert 5 < ours.score < 95


def test_the_signature_says_how_bleu_was_computed() -> None:
    metric = sacrebleu.BLEU()
    metric.corpus_score(HYPOTHESES, [REFERENCES])
    signature = bleu(HYPOTHESES, REFERENCES).signature
    assert signature == str(metric.get_signature())
    assert signature == (
        "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|"
        f"version:{sacrebleu.__version__}"
    )


def test_equal_texts_have_the_best_score() -> None:
    assert bleu(TARGETS, tuple(TARGETS)).score == pytest.approx(100.0)


def test_bleu_scores_the_corpus_not_each_sentence() -> None:
    pairs = zip(HYPOTHESES, REFERENCES, strict=True)
    halves = [bleu([h], [r]).score for h, r in pairs]
    whole = bleu(HYPOTHESES, REFERENCES).score
    assert whole != pytest.approx(sum(halves) / 2, abs=1.0)


def test_exact_match_is_the_share_of_equal_texts() -> None:
    assert exact_match(["a", "b", "C", "d "], ["a", "b", "c", "d"]) == 0.5
    assert exact_match(["a"], ["a"]) == 1.0
    assert exact_match(["a"], ["b"]) == 0.0


@pytest.mark.parametrize("score", [bleu, exact_match])
@pytest.mark.parametrize(
    ("hypotheses", "references"), [([], []), (["a"], []), (["a"], ["a", "b"])]
)
def test_a_score_needs_one_reference_each(
    score: object, hypotheses: list[str], references: list[str]
) -> None:
    message = (
        rf"^hypotheses \({len(hypotheses)}\) and references "
        rf"\({len(references)}\) must be equally many, at least one$"
    )
    with pytest.raises(ValueError, match=message):
        score(hypotheses, references)
