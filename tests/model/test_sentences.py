"""Tests of the sentences of a run, and of the steps that they make."""

import pytest
import torch
from oracle_run import write_corpus

from laidout.data import Pair, epoch_batches, load_corpus
from laidout.sentences import Sentences, encode_pairs
from laidout.tokenizer import BPETokenizer

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write a corpus once for all tests."""
    return write_corpus(tmp_path_factory.mktemp("sentences") / "corpus")


@pytest.fixture
def tokenizer(corpus: str) -> BPETokenizer:
    """Train the tokenizer of the runs."""
    pairs = load_corpus(corpus).train
    return BPETokenizer.train((t for pair in pairs for t in pair), 280)


def test_pairs_become_ids_with_their_marks(tokenizer: BPETokenizer) -> None:
    pairs = [Pair("the cat", "der Kater"), Pair("a", "ä")]
    found = encode_pairs(tokenizer, pairs)
    for (src, tgt), (source, target) in zip(found, pairs, strict=True):
        assert src == [*tokenizer.encode(source), 2]
        assert tgt == [1, *tokenizer.encode(target), 2]


def test_an_empty_source_is_refused(tokenizer: BPETokenizer) -> None:
    with pytest.raises(ValueError, match="at least one word"):
        encode_pairs(tokenizer, [Pair(" ", "x")])


@pytest.fixture
def sentences(corpus: str, tokenizer: BPETokenizer) -> Sentences:
    """Give the sentences of the corpus to train on."""
    return Sentences(tokenizer, load_corpus(corpus).train, 60, CPU)


def test_the_batches_hold_every_pair_once(sentences: Sentences) -> None:
    found = []
    for src, tgt in sentences.batches():
        assert src.numel() <= 60
        assert tgt.numel() <= 60
        for row, wanted in zip(src.tolist(), tgt.tolist(), strict=True):
            found.append(([i for i in row if i], [i for i in wanted if i]))
    assert sorted(found) == sorted(sentences.pairs)


def test_the_batches_never_change(sentences: Sentences) -> None:
    first = [src.tolist() for src, _ in sentences.batches()]
    torch.manual_seed(99)
    assert [src.tolist() for src, _ in sentences.batches()] == first


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_steps_of_an_epoch_hold_every_pair_once(
    sentences: Sentences, size: int
) -> None:
    batches = epoch_batches(sentences.lengths, 60, 5, 3)
    steps = sentences.steps(5, 3, size)
    left = len(batches) % size
    assert [b for step in steps for b in step] == batches[
        : len(batches) - left
    ]
    assert {len(step) for step in steps} == {size}
    used = [i for step in steps for b in step for i in b]
    dropped = sum(len(b) for b in batches[len(batches) - left :])
    assert len(used) == len(set(used)) == len(sentences.pairs) - dropped
    assert left or sorted(used) == [*range(len(sentences.pairs))]


def test_some_epoch_drops_a_rest_and_others_drop_another(
    sentences: Sentences,
) -> None:
    rests = set()
    for epoch in range(6):
        steps = sentences.steps(0, epoch, 5)
        used = {i for step in steps for b in step for i in b}
        rests.add(frozenset(range(30)) - used)
    assert len(rests - {frozenset()}) > 2


def test_epochs_differ_and_seeds_differ(sentences: Sentences) -> None:
    epochs = [sentences.steps(s, e, 1) for s in (0, 1) for e in (0, 1, 2)]
    for number, epoch in enumerate(epochs):
        assert all(epoch != other for other in epochs[:number])
    assert sentences.steps(1, 2, 1) == epochs[-1]


def test_an_epoch_too_small_for_a_step_is_an_error(
    sentences: Sentences,
) -> None:
    count = len(sentences.steps(0, 0, 1))
    message = rf"an epoch has {count} batches, a step needs {count + 1}"
    with pytest.raises(ValueError, match=message):
        sentences.steps(0, 0, count + 1)
    assert len(sentences.steps(0, 0, count)) == 1


def test_the_targets_are_counted_without_bos(sentences: Sentences) -> None:
    _, tgt = sentences.batch([3, 5, 7])
    assert sentences.targets([3, 5, 7]) == int((tgt[:, 1:] != 0).sum())
