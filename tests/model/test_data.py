"""Tests of the corpora and of their batches."""

import gzip
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import laidout.data
from laidout.data import (
    Corpus,
    Pair,
    collate,
    epoch_batches,
    load_corpus,
    padding_share,
    read_folder,
    token_batches,
)
from laidout.phrases import phrase_corpus

Lengths = list[tuple[int, int]]

MAX = 13

SIDES = st.integers(1, MAX)

FILES = {
    "train.en": "I like pizza\nWe sleep\nYou read\n",
    "train.de": "Ich mag Pizza\nWir schlafen\nDu liest\n",
    "valid.en": "They like tea\n",
    "valid.de": "Sie mögen Tee\n",
}

TRAIN = [
    Pair("I like pizza", "Ich mag Pizza"),
    Pair("We sleep", "Wir schlafen"),
    Pair("You read", "Du liest"),
]

VALID = [Pair("They like tea", "Sie mögen Tee")]


def write(folder: Path, files: dict[str, str | bytes | None]) -> Path:
    """Write the files of a corpus, changed; None leaves a file out."""
    for name, content in (FILES | files).items():
        if isinstance(content, str):
            content = content.encode("utf-8")
        if content is not None:
            (folder / name).write_bytes(content)
    return folder


def like_multi30k(count: int, seed: int = 0) -> Lengths:
    """Draw lengths like those of Multi30k in subwords.

    Sources have a median of 15 and a long tail; the targets go along with
    them, about as long, each with a fifth more or less.
    """
    rng = random.Random(seed)
    lengths = []
    for _ in range(count):
        source = rng.lognormvariate(2.7, 0.32)
        target = source * rng.lognormvariate(0.06, 0.18)
        lengths.append((max(4, round(source)), max(4, round(target))))
    return lengths


def random_batches(lengths: Lengths, max_tokens: int) -> list[list[int]]:
    """Fill batches with sentences as they come: nobody sorts."""
    order = list(range(len(lengths)))
    random.Random(0).shuffle(order)
    batches: list[list[int]] = [[]]
    for index in order:
        rows = [*batches[-1], index]
        if len(rows) * max(max(lengths[i]) for i in rows) > max_tokens:
            batches.append([])
        batches[-1].append(index)
    return batches


def company(batches: Sequence[Sequence[int]]) -> set[frozenset[int]]:
    """Say who is in a batch with whom, whatever the order."""
    return {frozenset(batch) for batch in batches}


# --- token_batches ----------------------------------------------------------


def slow_batches(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Take the shortest sentence that is left, as long as it fits."""
    left = list(range(len(lengths)))
    batches: list[list[int]] = []
    while left:
        batch: list[int] = []
        while left:
            shortest = min(left, key=lambda i: (lengths[i], i))
            padded = [lengths[i] for i in (*batch, shortest)]
            if max(padded) * len(padded) > max_tokens:
                break
            left.remove(shortest)
            batch.append(shortest)
        batches.append(batch)
    return batches


def test_token_batches_by_hand() -> None:
    # Sorted: 2 2 3 | 5 | 6, for 4 sentences of 5 would be 20 numbers.
    lengths = [5, 2, 6, 3, 2]
    assert token_batches(lengths, 9) == [[1, 4, 3], [0], [2]]


def test_a_batch_may_be_exactly_full() -> None:
    assert token_batches([3, 3, 3, 3], 6) == [[0, 1], [2, 3]]


def test_one_token_less_is_another_batch() -> None:
    assert token_batches([3, 3, 3, 3], 5) == [[0], [1], [2], [3]]


def test_padding_counts_as_much_as_tokens() -> None:
    # 1 + 1 + 8 tokens are 10 of at most 12, but the tensor would have 24.
    assert token_batches([1, 1, 8], 12) == [[0, 1], [2]]


def test_sentences_of_one_length_keep_their_order() -> None:
    assert token_batches([4] * 7, 12) == [[0, 1, 2], [3, 4, 5], [6]]


def test_a_sentence_may_fill_a_batch_alone() -> None:
    assert token_batches([7], 7) == [[0]]


def test_no_sentences_make_no_batches() -> None:
    assert token_batches([], 7) == []


def test_the_lengths_stay_as_they_were() -> None:
    lengths = [5, 2, 6]
    token_batches(lengths, 9)
    assert lengths == [5, 2, 6]


@given(lengths=st.lists(SIDES, max_size=30), max_tokens=st.integers(MAX, 60))
def test_token_batches_equal_the_slow_ones(
    lengths: list[int], max_tokens: int
) -> None:
    expected = slow_batches(lengths, max_tokens)
    assert token_batches(lengths, max_tokens) == expected


@given(lengths=st.lists(SIDES, max_size=60), max_tokens=st.integers(MAX, 99))
def test_token_batches_keep_what_they_promise(
    lengths: list[int], max_tokens: int
) -> None:
    batches = token_batches(lengths, max_tokens)
    # Every index once, in the order of the lengths.
    order = [index for batch in batches for index in batch]
    assert sorted(order) == list(range(len(lengths)))
    assert [lengths[i] for i in order] == sorted(lengths)
    for batch in batches:
        assert batch
        assert len(batch) * max(lengths[i] for i in batch) <= max_tokens
    # No batch had room for the first sentence of the next one.
    for batch, following in pairwise(batches):
        longest = max(lengths[i] for i in (*batch, following[0]))
        assert (len(batch) + 1) * longest > max_tokens


@pytest.mark.parametrize("length", [9, 100])
def test_a_sentence_that_fits_no_batch_is_named(length: int) -> None:
    message = rf"lengths\[2\] \({length}\) .* at most max_tokens \(8\)"
    with pytest.raises(ValueError, match=message):
        token_batches([8, 1, length, 3], 8)


@pytest.mark.parametrize("length", [0, -4])
def test_a_sentence_without_tokens_is_named(length: int) -> None:
    message = rf"lengths\[1\] \({length}\) must be at least 1 "
    with pytest.raises(ValueError, match=message):
        token_batches([8, length], 8)


@pytest.mark.parametrize("max_tokens", [0, -8])
@pytest.mark.parametrize("lengths", [[], [1]])
def test_batches_without_room_are_named(
    lengths: list[int], max_tokens: int
) -> None:
    message = rf"max_tokens \({max_tokens}\) must be at least 1"
    with pytest.raises(ValueError, match=message):
        token_batches(lengths, max_tokens)


# --- epoch_batches ----------------------------------------------------------


@given(
    lengths=st.lists(st.tuples(SIDES, SIDES), max_size=40),
    max_tokens=st.integers(MAX, 60),
    seed=st.integers(0, 3),
    epoch=st.integers(0, 3),
)
def test_an_epoch_has_every_pair_once_and_no_side_too_large(
    lengths: Lengths, max_tokens: int, seed: int, epoch: int
) -> None:
    batches = epoch_batches(lengths, max_tokens, seed, epoch)
    order = [index for batch in batches for index in batch]
    assert sorted(order) == list(range(len(lengths)))
    for batch in batches:
        assert batch
        for side in (0, 1):
            longest = max(lengths[i][side] for i in batch)
            assert len(batch) * longest <= max_tokens


@given(
    lengths=st.lists(st.tuples(SIDES, SIDES), max_size=40),
    max_tokens=st.integers(MAX, 60),
)
def test_an_epoch_has_the_batches_of_the_longer_sides(
    lengths: Lengths, max_tokens: int
) -> None:
    longer = [max(pair) for pair in lengths]

    def shapes(batches: list[list[int]]) -> list[list[int]]:
        return sorted([longer[i] for i in batch] for batch in batches)

    assert shapes(epoch_batches(lengths, max_tokens, 0, 0)) == shapes(
        token_batches(longer, max_tokens)
    )


def test_an_epoch_is_a_function_of_its_seed_and_number() -> None:
    lengths = like_multi30k(2_000)
    first = epoch_batches(lengths, 512, 1, 5)
    torch.manual_seed(99)
    random.seed(99)
    assert epoch_batches(lengths, 512, 1, 5) == first


def test_an_epoch_leaves_the_random_numbers_of_others_alone() -> None:
    before = torch.get_rng_state()
    epoch_batches(like_multi30k(50), 512, 1, 5)
    assert torch.equal(torch.get_rng_state(), before)


def test_an_epoch_is_the_same_on_every_machine() -> None:
    # Stored: whoever goes on with a run elsewhere must get these.
    lengths = [(3, 4), (4, 2), (1, 1), (4, 4), (2, 3), (4, 1)]
    found = epoch_batches(lengths, 8, seed=7, epoch=2)
    assert found == [[0, 3], [2, 4], [1, 5]]


def test_no_two_epochs_are_alike() -> None:
    lengths = like_multi30k(300)
    epochs = [
        epoch_batches(lengths, 256, seed, epoch)
        for seed in (0, 1, 12, 2**32)
        for epoch in (0, 1, 2, 12, 112)
    ]
    for number, epoch in enumerate(epochs):
        for other in epochs[:number]:
            assert epoch != other
            assert company(epoch) != company(other)


def test_a_sentence_has_new_company_in_every_epoch() -> None:
    lengths = like_multi30k(4_000)
    first, second = (epoch_batches(lengths, 1024, 0, e) for e in (0, 1))
    place = {i: b for b, batch in enumerate(second) for i in batch}
    met = again = 0
    for batch in first:
        met += len(batch) * (len(batch) - 1)
        counts = Counter(place[i] for i in batch).values()
        again += sum(count * (count - 1) for count in counts)
    assert again / met < 0.4


def test_an_epoch_does_not_begin_with_the_short_sentences() -> None:
    lengths = like_multi30k(4_000)
    batches = epoch_batches(lengths, 512, 0, 0)
    longest = [max(max(lengths[i]) for i in batch) for batch in batches]
    half = len(longest) // 2
    earlier = sum(longest[:half]) / half
    later = sum(longest[half:]) / (len(longest) - half)
    assert abs(earlier - later) < 3
    assert longest != sorted(longest)


@pytest.mark.parametrize("seed", [0, 1])
def test_little_of_an_epoch_is_padding(seed: int) -> None:
    lengths = like_multi30k(15_000, seed)
    batches = epoch_batches(lengths, 4096, seed, epoch=seed)
    assert padding_share(batches, lengths) < 0.10


def test_much_of_random_batches_is_padding() -> None:
    lengths = like_multi30k(15_000)
    assert padding_share(random_batches(lengths, 4096), lengths) > 0.40


def test_an_epoch_of_nothing_has_no_batches() -> None:
    assert epoch_batches([], 7, 0, 0) == []


@pytest.mark.parametrize("pair", [(9, 1), (1, 9), (0, 3), (3, 0)])
def test_a_pair_that_fits_no_batch_is_named_by_its_own_index(
    pair: tuple[int, int],
) -> None:
    wrong = next(side for side in pair if not 1 <= side <= 8)
    lengths = [(2, 2)] * 20
    lengths[13] = pair
    message = rf"lengths\[13\] \({wrong}\) .*max_tokens \(8\)"
    with pytest.raises(ValueError, match=message):
        epoch_batches(lengths, 8, 0, 0)


def test_an_epoch_without_room_is_named() -> None:
    with pytest.raises(ValueError, match=r"max_tokens \(0\) must be"):
        epoch_batches([], 0, 0, 0)


# --- padding_share ----------------------------------------------------------


def test_a_padding_share_by_hand() -> None:
    # Sources 1 and 3 in 2 x 3, targets 2 and 4 in 2 x 4, then 5 and 5.
    lengths = [(1, 2), (3, 4), (5, 5)]
    assert padding_share([[0, 1], [2]], lengths) == pytest.approx(4 / 24)


def test_single_sentences_need_no_padding() -> None:
    assert padding_share([[0], [1]], [(1, 2), (3, 4)]) == 0


@given(st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=20))
def test_a_padding_share_is_what_is_padding_in_the_tensors(
    lengths: Lengths,
) -> None:
    batches = epoch_batches(lengths, 3 * MAX, 0, 0)
    padding = positions = 0
    for batch in batches:
        pairs = [([1] * lengths[i][0], [1] * lengths[i][1]) for i in batch]
        for tensor in collate(pairs, pad_id=0):
            padding += int((tensor == 0).sum())
            positions += tensor.numel()
    share = padding_share(batches, lengths)
    assert share == pytest.approx(padding / positions)


@pytest.mark.parametrize("batches", [[], [[]]])
def test_a_share_of_nothing_is_an_error(batches: list[list[int]]) -> None:
    with pytest.raises(ValueError, match=r"batches \(.*\) must hold"):
        padding_share(batches, [(1, 1)])


# --- collate ----------------------------------------------------------------


def test_a_batch_is_padded_on_the_right_each_side_to_its_own_length() -> None:
    source, target = collate([([5, 6, 7], [8]), ([4], [9, 3])], pad_id=2)
    assert source.tolist() == [[5, 6, 7], [4, 2, 2]]
    assert target.tolist() == [[8, 2], [9, 3]]


def test_a_batch_is_of_64_bit_integers_on_the_cpu() -> None:
    for tensor in collate([([5], [8])], pad_id=0):
        assert tensor.dtype is torch.int64
        assert tensor.device.type == "cpu"


def test_a_batch_takes_tuples_and_leaves_lists_as_they_were() -> None:
    short = [4]
    source, _ = collate([((5, 6), (8,)), (short, [9])], pad_id=0)
    assert source.tolist() == [[5, 6], [4, 0]]
    assert short == [4]


IDS = st.lists(st.integers(0, 9), min_size=1, max_size=7)


@given(st.lists(st.tuples(IDS, IDS), min_size=1, max_size=7))
def test_a_batch_holds_every_token_at_its_place(
    pairs: list[tuple[list[int], list[int]]],
) -> None:
    for side, tensor in enumerate(collate(pairs, pad_id=-1)):
        longest = max(len(pair[side]) for pair in pairs)
        assert tensor.shape == (len(pairs), longest)
        for row, pair in zip(tensor.tolist(), pairs, strict=True):
            end = len(pair[side])
            assert row[:end] == pair[side]
            assert set(row[end:]) <= {-1}


def test_a_batch_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"pairs \(\[\]\) must not be empty"):
        collate([], pad_id=0)


@pytest.mark.parametrize(
    ("pair", "side"), [(([], [1]), "source"), (([1], []), "target")]
)
def test_an_empty_sentence_is_named(
    pair: tuple[list[int], list[int]], side: str
) -> None:
    with pytest.raises(ValueError, match=rf"pairs\[1\] has an empty {side}"):
        collate([([1], [1]), pair], pad_id=0)


# --- read_folder ------------------------------------------------------------


def test_a_folder_is_a_corpus(tmp_path: Path) -> None:
    corpus = read_folder(write(tmp_path, {}))
    assert corpus == Corpus(str(tmp_path.resolve()), TRAIN, VALID, {})
    assert all(isinstance(pair, Pair) for pair in corpus.train)


def test_every_test_set_keeps_its_name(tmp_path: Path) -> None:
    sets = ["test", "test_2016_flickr", "test.2017", "test-a", "testb"]
    files: dict[str, str | bytes | None] = {}
    for number, name in enumerate(sets):
        files |= {f"{name}.en": f"s{number}\n", f"{name}.de": f"t{number}\n"}
    tests = read_folder(write(tmp_path, files)).tests
    assert tests == {
        name: [Pair(f"s{number}", f"t{number}")]
        for number, name in enumerate(sets)
    }
    assert list(tests) == sorted(tests)


@pytest.mark.parametrize(
    "name", ["valid", "val", "dev", "validation", "dev.2013", "val_2016"]
)
def test_a_validation_set_has_one_of_its_names(
    tmp_path: Path, name: str
) -> None:
    files = {
        "valid.en": None,
        "valid.de": None,
        f"{name}.en": FILES["valid.en"],
        f"{name}.de": FILES["valid.de"],
    }
    assert read_folder(write(tmp_path, files)).valid == VALID


def test_other_files_are_passed_by(tmp_path: Path) -> None:
    (tmp_path / "test.en").mkdir()
    others = ["README", "train.fr", "train.bpe.en", "notes.en", ".en", "test"]
    corpus = read_folder(write(tmp_path, dict.fromkeys(others, "other\n")))
    assert corpus == Corpus(str(tmp_path.resolve()), TRAIN, VALID, {})


def test_other_languages_are_read_when_asked_for(tmp_path: Path) -> None:
    files = {
        "train.fr": "Je dors\n",
        "train.hi": "मैं सोता हूँ\n",
        "dev.fr": "Tu lis\n",
        "dev.hi": "तुम पढ़ते हो\n",
    }
    corpus = read_folder(write(tmp_path, files), source="hi", target="fr")
    assert corpus.train == [Pair("मैं सोता हूँ", "Je dors")]
    assert corpus.valid == [Pair("तुम पढ़ते हो", "Tu lis")]


def test_the_other_direction_swaps_the_sides(tmp_path: Path) -> None:
    corpus = read_folder(write(tmp_path, {}), "de", "en")
    assert corpus.train[0] == Pair("Ich mag Pizza", "I like pizza")


def test_files_may_be_compressed_each_for_itself(tmp_path: Path) -> None:
    files = {
        "train.en": None,
        "train.en.gz": gzip.compress(FILES["train.en"].encode()),
        "valid.de": None,
        "valid.de.gz": gzip.compress(FILES["valid.de"].encode()),
    }
    corpus = read_folder(write(tmp_path, files))
    assert (corpus.train, corpus.valid) == (TRAIN, VALID)


def test_compressed_files_may_come_in_parts(tmp_path: Path) -> None:
    # As `cat one.gz two.gz` leaves them.
    parts = [b"I like pizza\nWe sl", b"eep\nYou read\n"]
    data = b"".join(gzip.compress(part) for part in parts)
    files = {"train.en": None, "train.en.gz": data}
    assert read_folder(write(tmp_path, files)).train == TRAIN


@pytest.mark.parametrize(
    "text",
    [
        "I like pizza\r\nWe sleep\r\nYou read\r\n",
        "I like pizza\nWe sleep\nYou read",
        "\ufeffI like pizza\nWe sleep\nYou read\n",
        "\ufeffI like pizza\r\nWe sleep\r\nYou read",
        "  I like pizza \n\tWe sleep\t\nYou read\u00a0\u2028\n",
    ],
    ids=["CRLF", "no last end", "BOM", "BOM and CRLF", "whitespace"],
)
def test_what_surrounds_a_sentence_is_stripped(
    tmp_path: Path, text: str
) -> None:
    corpus = read_folder(write(tmp_path, {"train.en": text}))
    assert corpus.train == TRAIN


@pytest.mark.parametrize(
    "mark", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\r"]
)
def test_only_a_line_feed_ends_a_line(tmp_path: Path, mark: str) -> None:
    text = f"I like{mark}pizza\nWe sleep\nYou read\n"
    corpus = read_folder(write(tmp_path, {"train.en": text}))
    assert corpus.train[0] == Pair(f"I like{mark}pizza", "Ich mag Pizza")
    assert corpus.train[1:] == TRAIN[1:]


SENTENCE = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\n"),
    min_size=1,
).filter(lambda text: text.strip() and not text.startswith("\ufeff"))


@settings(max_examples=40)
@given(
    pairs=st.lists(st.tuples(SENTENCE, SENTENCE), min_size=1, max_size=4),
    packed=st.booleans(),
)
def test_any_sentences_come_back(
    tmp_path_factory: pytest.TempPathFactory,
    pairs: list[tuple[str, str]],
    packed: bool,
) -> None:
    folder = tmp_path_factory.mktemp("corpus")
    files: dict[str, str | bytes | None] = {"train.en": None, "train.de": None}
    for side, language in enumerate(("en", "de")):
        text = "".join(f"{pair[side]}\n" for pair in pairs).encode()
        if packed:
            files[f"train.{language}.gz"] = gzip.compress(text)
        else:
            files[f"train.{language}"] = text
    corpus = read_folder(write(folder, files))
    assert corpus.train == [(s.strip(), t.strip()) for s, t in pairs]


def assert_refused(folder: Path, *parts: str) -> None:
    """Read a folder and find all parts in the message, in this order."""
    pattern = ".*".join(re.escape(part) for part in parts)
    with pytest.raises(ValueError, match=pattern):
        read_folder(folder)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert_refused(tmp_path / "nowhere", "nowhere) is no folder")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    write(tmp_path, {})
    assert_refused(tmp_path / "train.en", "train.en) is no folder")


def test_one_language_is_no_translation(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="source and target are both 'en'"):
        read_folder(write(tmp_path, {}), "en", "en")


def test_a_folder_without_training_files_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"train.en": None, "train.de": None})
    assert_refused(tmp_path, str(tmp_path), "no train.en and train.de")


@pytest.mark.parametrize(
    ("missing", "there"),
    [
        ("train.en", "train.de"),
        ("train.de", "train.en"),
        ("valid.en", "valid.de"),
        ("valid.de", "valid.en"),
        ("test_b.en", "test_b.de"),
        ("test_b.de", "test_b.en"),
    ],
)
def test_a_missing_side_is_named(
    tmp_path: Path, missing: str, there: str
) -> None:
    tests = {"test_b.en": "a\n", "test_b.de": "b\n"}
    write(tmp_path, tests | {missing: None})
    assert_refused(tmp_path, f"{tmp_path / there} has no {missing}")


def test_a_folder_without_a_validation_set_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"valid.en": None, "valid.de": None})
    assert_refused(tmp_path, str(tmp_path), "no valid.en", "val", "dev")


def test_two_validation_sets_are_named(tmp_path: Path) -> None:
    write(tmp_path, {"dev.2013.en": "a\n", "dev.2013.de": "b\n"})
    first, second = tmp_path / "dev.2013.en", tmp_path / "valid.en"
    assert_refused(tmp_path, f"{first} and {second}: keep one")


@pytest.mark.parametrize("name", ["train.en", "valid.de"])
def test_a_text_that_is_plain_and_compressed_is_named(
    tmp_path: Path, name: str
) -> None:
    write(tmp_path, {f"{name}.gz": gzip.compress(b"other\n")})
    plain, packed = tmp_path / name, tmp_path / f"{name}.gz"
    assert_refused(tmp_path, f"{plain} and {packed}: remove one")


@pytest.mark.parametrize("side", ["en", "de"])
@pytest.mark.parametrize(("lines", "count"), [("a\n", 1), ("a\n" * 8, 8)])
def test_files_of_different_lengths_are_named_with_their_lengths(
    tmp_path: Path, side: str, lines: str, count: int
) -> None:
    write(tmp_path, {f"train.{side}": lines})
    counts = {"en": 3, "de": 3} | {side: count}
    english, german = tmp_path / "train.en", tmp_path / "train.de"
    assert_refused(
        tmp_path,
        f"{english} has {counts['en']} lines, {german} has {counts['de']}",
    )


def test_a_file_without_a_line_differs_from_one_with_three(
    tmp_path: Path,
) -> None:
    write(tmp_path, {"train.de": ""})
    assert_refused(tmp_path, "train.en has 3 lines", "train.de has 0")


def test_two_empty_files_are_named(tmp_path: Path) -> None:
    write(tmp_path, {"train.en": "", "train.de": ""})
    assert_refused(tmp_path, "train.en is empty", "train.de")


@pytest.mark.parametrize("empty", ["", " \t", "\r", "\u2028", "\u00a0"])
@pytest.mark.parametrize("name", ["train.en", "train.de"])
def test_an_empty_line_is_named(tmp_path: Path, name: str, empty: str) -> None:
    write(tmp_path, {name: f"one\n{empty}\nthree\n"})
    assert_refused(tmp_path, f"{tmp_path / name}, line 2, is empty")


def test_an_empty_line_at_the_end_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"train.en": FILES["train.en"] + "\n"})
    assert_refused(tmp_path, "train.en, line 4, is empty")


def test_a_mark_alone_is_an_empty_line(tmp_path: Path) -> None:
    write(tmp_path, {"train.en": "\ufeff\ntwo\nthree\n"})
    assert_refused(tmp_path, "train.en, line 1, is empty")


@pytest.mark.parametrize("packed", [False, True])
def test_what_is_no_utf_8_is_named(tmp_path: Path, packed: bool) -> None:
    latin = "Ich mag Pizza\nSie mögen Tee\nDu liest\n".encode("latin-1")
    if packed:
        files = {"train.de": None, "train.de.gz": gzip.compress(latin)}
    else:
        files = {"train.de": latin}
    write(tmp_path, files)
    name = "train.de.gz" if packed else "train.de"
    assert_refused(tmp_path, f"{tmp_path / name}, line 2, is no UTF-8", "0xf6")


def test_a_compressed_file_without_its_ending_is_no_utf_8(
    tmp_path: Path,
) -> None:
    write(tmp_path, {"train.en": gzip.compress(b"I like pizza\n")})
    assert_refused(tmp_path, "train.en, line 1, is no UTF-8")


LINES = "".join(f"{number} cats\n" for number in range(20_000)).encode()


def damaged() -> Iterator[tuple[str, bytes]]:
    """Damage a compressed file in every way that gzip tells apart."""
    whole = gzip.compress(LINES)
    yield "cut off", whole[: len(whole) // 2]
    yield "no end", whole[:-8]
    yield "another sum", whole[:-8] + bytes(4) + whole[-4:]
    yield "damaged inside", whole[:2000] + b"\xff" * 50 + whole[2050:]
    yield "something behind", whole + b"something"
    yield "not compressed", LINES


@pytest.mark.parametrize(
    "data", [pytest.param(data, id=name) for name, data in damaged()]
)
def test_a_damaged_compressed_file_is_named(
    tmp_path: Path, data: bytes
) -> None:
    files = {"train.en": None, "train.en.gz": data, "train.de": LINES}
    path = tmp_path / "train.en.gz"
    assert_refused(write(tmp_path, files), f"{path} is damaged after line")


def test_the_cause_of_a_damage_is_kept(tmp_path: Path) -> None:
    write(tmp_path, {"train.en": None, "train.en.gz": b"nothing of the kind"})
    with pytest.raises(ValueError, match="is damaged after line 0") as caught:
        read_folder(tmp_path)
    assert isinstance(caught.value.__cause__, gzip.BadGzipFile)


def test_a_large_file_is_read_line_by_line(tmp_path: Path) -> None:
    # An error in line 2 comes before the damage further down is seen.
    late = b"one\n\n" + b"line\n" * 100_000 + b"\xff\n"
    write(tmp_path, {"train.en": late, "train.de": late})
    assert_refused(tmp_path, "train.en, line 2, is empty")


# --- load_corpus ------------------------------------------------------------


def test_the_phrases_are_a_corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = phrase_corpus(train=50, valid=5, test=7, seed=3)
    monkeypatch.setattr(laidout.data, "phrase_corpus", lambda: parts)
    corpus = load_corpus("phrases")
    train, valid, test, combinations = (
        [(phrase.source, phrase.target) for phrase in part] for part in parts
    )
    assert corpus == Corpus(
        "phrases", train, valid, {"test": test, "combinations": combinations}
    )
    assert len(corpus.train) == 50
    assert all(isinstance(pair, Pair) for pair in corpus.train)


def test_a_folder_is_a_corpus_by_its_name(tmp_path: Path) -> None:
    corpus = load_corpus(str(write(tmp_path, {})))
    assert corpus.train == TRAIN
    assert load_corpus(corpus.name) == corpus


def test_the_name_of_a_folder_holds_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "phrases").mkdir()
    write(tmp_path / "phrases", {})
    monkeypatch.chdir(tmp_path)
    corpus = load_corpus("./phrases")
    monkeypatch.chdir(tmp_path.parent)
    assert load_corpus(corpus.name) == corpus


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("phrase", "phrases"),
        ("PHRASES", "phrases"),
        ("pharses", "phrases"),
        ("multi30", "multi30k"),
        ("Multi30K", "multi30k"),
        ("multi-30k", "multi30k"),
    ],
)
def test_a_slip_of_the_fingers_gets_the_nearest_name(
    name: str, nearest: str
) -> None:
    message = rf"name \('{name}'\) must be .*; did you mean '{nearest}'\?"
    with pytest.raises(ValueError, match=message):
        load_corpus(name)


@pytest.mark.parametrize("name", ["", "wmt14", "no/such/folder", "x" * 5000])
def test_an_unknown_corpus_is_told_what_is_known(name: str) -> None:
    message = rf"\('{name}'\) must be 'phrases', 'multi30k' or a folder$"
    with pytest.raises(ValueError, match=message):
        load_corpus(name)


def test_a_file_is_no_corpus(tmp_path: Path) -> None:
    write(tmp_path, {})
    with pytest.raises(ValueError, match=r"train\.en'\) must be .* a folder"):
        load_corpus(str(tmp_path / "train.en"))


# --- load_corpus("multi30k"), without a network -----------------------------


def fake_datasets(
    monkeypatch: pytest.MonkeyPatch, answer: object
) -> list[str]:
    """Put a library in the place of `datasets`; return what it is asked."""
    asked = []

    def load_dataset(name: str) -> object:
        asked.append(name)
        if isinstance(answer, Exception):
            raise answer
        return answer

    library: Any = ModuleType("datasets")
    library.load_dataset = load_dataset
    monkeypatch.setitem(sys.modules, "datasets", library)
    return asked


def row(number: int) -> dict[str, str]:
    """Make a pair as `datasets` gives it."""
    return {"en": f"A dog {number} ", "de": f"Ein Hund {number}\n"}


def test_multi30k_is_a_corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    splits = {
        "train": [row(1), row(2)],
        "validation": [row(3)],
        "test": [row(4)],
    }
    asked = fake_datasets(monkeypatch, splits)
    corpus = load_corpus("multi30k")
    one, two, three, four = (
        Pair(f"A dog {number}", f"Ein Hund {number}") for number in range(1, 5)
    )
    assert corpus == Corpus("multi30k", [one, two], [three], {"test": [four]})
    assert asked == ["bentrevett/multi30k"]


INSTALL = re.escape('python -m pip install "laidout[multi30k]"')


def test_multi30k_without_its_library_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ValueError, match=INSTALL) as caught:
        load_corpus("multi30k")
    assert isinstance(caught.value.__cause__, ImportError)


def test_a_folder_named_datasets_is_not_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Python takes any folder on its path for a package.
    (tmp_path / "datasets").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setitem(sys.modules, "datasets", ModuleType("datasets"))
    monkeypatch.delitem(sys.modules, "datasets")
    with pytest.raises(ValueError, match=INSTALL):
        load_corpus("multi30k")


@pytest.mark.parametrize(
    "answer",
    [
        ConnectionError("no route to host"),
        FileNotFoundError("no such dataset"),
        ValueError("offline mode is enabled"),
        {"train": [row(1)]},
        {"train": [{"fr": "un chien"}], "validation": [], "test": []},
    ],
    ids=["offline", "missing", "offline mode", "other splits", "other fields"],
)
def test_a_failed_download_says_the_way_round_it(
    monkeypatch: pytest.MonkeyPatch, answer: object
) -> None:
    fake_datasets(monkeypatch, answer)
    message = (
        r"^could not download Multi30k: \w+: .+; "
        r"give a folder with train\.en, train\.de, \.\.\. instead$"
    )
    with pytest.raises(ValueError, match=message) as caught:
        load_corpus("multi30k")
    cause = caught.value.__cause__
    if isinstance(answer, Exception):
        assert cause is answer
    else:
        assert isinstance(cause, KeyError)


def test_ctrl_c_stops_a_download(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(name: str) -> None:
        raise KeyboardInterrupt

    fake_datasets(monkeypatch, {})
    monkeypatch.setattr(sys.modules["datasets"], "load_dataset", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_corpus("multi30k")


def test_importing_the_module_needs_no_library() -> None:
    source = Path(laidout.data.__file__).read_text("utf-8")
    assert re.findall(r"^\s*(?:import|from) datasets", source, re.M) == []
