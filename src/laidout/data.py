"""Data: pairs of sentences, and batches of them. Section 5.1 of the paper."""

import gzip
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from itertools import zip_longest
from os.path import isdir
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from laidout.phrases import Phrase, phrase_corpus

__all__ = [
    "Corpus",
    "Pair",
    "collate",
    "epoch_batches",
    "load_corpus",
    "padding_share",
    "read_folder",
    "token_batches",
]

CORPORA = ("phrases", "multi30k")
"""The corpora that are known by name."""

MULTI30K = "bentrevett/multi30k"
"""Where the library `datasets` finds Multi30k."""


class Pair(NamedTuple):
    """A sentence and its translation."""

    source: str
    target: str


@dataclass(frozen=True)
class Corpus:
    """Pairs to learn from, pairs to choose by, and sets of pairs to test.

    `name` gives the same corpus to `load_corpus` again; `tests` holds the
    test sets by their names.
    """

    name: str
    train: list[Pair]
    valid: list[Pair]
    tests: dict[str, list[Pair]]


# --- where the pairs come from ----------------------------------------------


def load_corpus(name: str) -> Corpus:
    """Load "phrases", "multi30k" or a folder of parallel text.

    The phrases are made by a grammar, always the same; Multi30k is
    downloaded.

    Raises:
        ValueError: if there is no such corpus, if it cannot be downloaded,
            or if the folder does not hold what `read_folder` needs.
    """
    # 1. The corpora with a name.
    if name == "phrases":
        return _make_phrases()
    if name == "multi30k":
        return _download_multi30k()
    # 2. Every other name is that of a folder.
    if isdir(name):
        return read_folder(Path(name))
    # 3. Perhaps it was a slip of the fingers.
    nearest = get_close_matches(name.lower(), CORPORA, n=1)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    raise ValueError(
        f"name ({name!r}) must be 'phrases', 'multi30k' or a folder{hint}"
    )


def _make_phrases() -> Corpus:
    """Make the phrases, with both of their test sets."""
    train, valid, test, combinations = phrase_corpus()
    tests = {"test": _pairs(test), "combinations": _pairs(combinations)}
    return Corpus("phrases", _pairs(train), _pairs(valid), tests)


def _pairs(phrases: Sequence[Phrase]) -> list[Pair]:
    """Keep the two sentences of each phrase."""
    return [Pair(phrase.source, phrase.target) for phrase in phrases]


def _download_multi30k() -> Corpus:
    """Download Multi30k, English to German; its test set is that of 2016."""
    # 1. The library is an extra: not everybody needs it.
    try:
        load_dataset = import_module("datasets").load_dataset
    except (ImportError, AttributeError) as error:
        raise ValueError(
            "name ('multi30k') needs the library datasets: "
            'python -m pip install "laidout[multi30k]"'
        ) from error
    # 2. Whatever goes wrong on the way, there is a way round it.
    try:
        splits = load_dataset(MULTI30K)
        train, valid, test = (
            _rows(splits[split]) for split in ("train", "validation", "test")
        )
    except Exception as error:
        raise ValueError(
            f"could not download Multi30k: {type(error).__name__}: {error}; "
            "give a folder with train.en, train.de, ... instead"
        ) from error
    return Corpus("multi30k", train, valid, {"test": test})


def _rows(split: Any) -> list[Pair]:
    """Read a split of the downloaded corpus."""
    return [Pair(row["en"].strip(), row["de"].strip()) for row in split]


def read_folder(
    folder: Path, source: str = "en", target: str = "de"
) -> Corpus:
    """Read train.en and train.de, valid.en and valid.de, test.en and test.de.

    The ending is the language. The validation set may be called val or dev
    too, and every file test*.en with its test*.de is a test set of that name.
    A file is UTF-8 text with a sentence a line, or that compressed (.gz).

    Raises:
        ValueError: naming the file, and the line if there is one, if a file
            is missing, there twice, damaged or empty, if a line is empty or
            no UTF-8, or if the files of a pair differ in length.
    """
    # 1. Insist on a folder and on two languages.
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"folder ({folder}) is no folder")
    if source == target:
        raise ValueError(f"source and target are both {source!r}")
    # 2. Find the files of each set, in both languages.
    sets = _find_sets(folder, source, target)
    valid = _only_valid_set(folder, sets, source)
    # 3. Read them.
    return Corpus(
        name=str(folder.resolve()),
        train=_read_pairs(*sets["train"]),
        valid=_read_pairs(*sets[valid]),
        tests={
            name: _read_pairs(*files)
            for name, files in sets.items()
            if name.startswith("test")
        },
    )


def _find_sets(
    folder: Path, source: str, target: str
) -> dict[str, tuple[Path, Path]]:
    """Find the files of each set by its name; there must be train."""
    sources = _files_of_language(folder, source)
    targets = _files_of_language(folder, target)
    # 1. Each set needs both of its sides.
    for name in sorted(sources.keys() ^ targets.keys()):
        there = sources.get(name) or targets[name]
        missing = f"{name}.{target if name in sources else source}"
        raise ValueError(f"{there} has no {missing} beside it")
    # 2. Without something to learn from there is no corpus.
    if "train" not in sources:
        raise ValueError(f"{folder} has no train.{source} and train.{target}")
    return {name: (sources[name], targets[name]) for name in sorted(sources)}


def _files_of_language(folder: Path, language: str) -> dict[str, Path]:
    """Find the files train, val*, dev* and test* of a language."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        # 1. Pass by what is in another language or belongs to no set.
        name, _, ending = path.name.removesuffix(".gz").rpartition(".")
        ours = name == "train" or name.startswith(("val", "dev", "test"))
        if not ours or ending != language or not path.is_file():
            continue
        # 2. The same text plain and compressed: which one is meant?
        if name in found:
            raise ValueError(f"{found[name]} and {path}: remove one of them")
        found[name] = path
    return found


def _only_valid_set(
    folder: Path, sets: dict[str, tuple[Path, Path]], source: str
) -> str:
    """Name the one validation set there is."""
    names = [name for name in sets if name.startswith(("val", "dev"))]
    if not names:
        raise ValueError(f"{folder} has no valid.{source} (nor val, nor dev)")
    if len(names) > 1:
        several = " and ".join(str(sets[name][0]) for name in names)
        raise ValueError(f"{several}: keep one validation set")
    return names[0]


def _read_pairs(source: Path, target: Path) -> list[Pair]:
    """Read two files side by side, line by line."""
    pairs: list[Pair] = []
    counts = [0, 0]
    for left, right in zip_longest(_read_lines(source), _read_lines(target)):
        # 1. Count the lines of each file: the shorter one gives None.
        counts[0] += left is not None
        counts[1] += right is not None
        if left is not None and right is not None:
            pairs.append(Pair(left, right))
    # 2. Lines that stand side by side must be translations.
    if counts[0] != counts[1]:
        raise ValueError(
            f"{source} has {counts[0]} lines, {target} has {counts[1]}"
        )
    if not pairs:
        raise ValueError(f"{source} is empty, and so is {target}")
    return pairs


def _read_lines(path: Path) -> Iterator[str]:
    """Read one sentence a line; only a line feed ends a line."""
    number = 0
    try:
        # 1. Binary files end a line at nothing but a line feed, while
        #    str.splitlines would cut at U+2028 and others too.
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as f:
            for number, line in enumerate(f, start=1):
                # 2. A mark at the very beginning belongs to no sentence.
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                # 3. Drop the line end, and whitespace at both ends.
                sentence = text.strip()
                if not sentence:
                    raise ValueError(f"{path}, line {number}, is empty")
                yield sentence
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}, line {number}, is no UTF-8: {error}"
        ) from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(
            f"{path} is damaged after line {number}: {error}"
        ) from error


# --- batches ----------------------------------------------------------------


def token_batches(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Batch sentences of like length together, by their indices.

    A batch is a tensor: its size is the number of its sentences times the
    length of the longest one, padding included. None exceeds max_tokens.

    Raises:
        ValueError: if max_tokens is below 1, or if a length is below 1 or
            above max_tokens.

    Paper: section 5.1.
    """
    # 1. Insist that every sentence has tokens and fits into a batch.
    _check_lengths(lengths, max_tokens)
    # 2. Sort the indices by length; sentences of one length keep their order.
    order = sorted(range(len(lengths)), key=lambda index: lengths[index])
    batches: list[list[int]] = []
    batch: list[int] = []
    for index in order:
        # 3. Sentence by sentence: how large would the batch be with this one?
        #    It is the longest so far, so all rows are padded to its length.
        size = (len(batch) + 1) * lengths[index]
        # 4. If that is too much, close the batch and begin another with it.
        if size > max_tokens:
            batches.append(batch)
            batch = []
        batch.append(index)
    # 5. The last batch is rarely full, but it counts.
    return [*batches, batch] if batch else batches


def _check_lengths(lengths: Sequence[int], max_tokens: int) -> None:
    """Insist that every sentence has tokens, and not too many."""
    if max_tokens < 1:
        raise ValueError(f"max_tokens ({max_tokens}) must be at least 1")
    for index, length in enumerate(lengths):
        if not 1 <= length <= max_tokens:
            raise ValueError(
                f"lengths[{index}] ({length}) must be at least 1 "
                f"and at most max_tokens ({max_tokens})"
            )


def epoch_batches(
    lengths: Sequence[tuple[int, int]],
    max_tokens: int,
    seed: int,
    epoch: int,
) -> list[list[int]]:
    """Batch all pairs for one epoch, in an order of its own.

    `lengths` are those of source and target; neither side of a batch
    exceeds max_tokens. The order depends on the seed and the epoch alone,
    so a run that goes on after a break needs no other memory of it.

    Raises:
        ValueError: as `token_batches`, for either side.

    Paper: section 5.1.
    """
    # 1. Insist that both sides of every pair fit into a batch.
    for side in (0, 1):
        _check_lengths([pair[side] for pair in lengths], max_tokens)
    # 2. Shuffle the pairs, the same way for the same seed and epoch.
    generator = torch.Generator()
    generator.manual_seed(zlib.crc32(f"{seed} {epoch}".encode()))
    order = torch.randperm(len(lengths), generator=generator).tolist()
    # 3. Batch them by their longer side. Among pairs where it is equal
    #    token_batches keeps our order: new company in every epoch.
    batches = token_batches([max(lengths[i]) for i in order], max_tokens)
    # 4. Go from places in the order back to indices; shuffle the batches,
    #    or training would begin with the short sentences.
    shuffled = torch.randperm(len(batches), generator=generator).tolist()
    return [[order[place] for place in batches[b]] for b in shuffled]


def padding_share(
    batches: Sequence[Sequence[int]], lengths: Sequence[tuple[int, int]]
) -> float:
    """Return the share of padding in all positions, both sides together.

    Raises:
        ValueError: if there is nothing in the batches.
    """
    words = positions = 0
    for batch in batches:
        # 1. Both tensors of a batch have a row for each of its pairs.
        for side in (0, 1):
            rows = [lengths[index][side] for index in batch]
            words += sum(rows)
            positions += len(rows) * max(rows, default=0)
    # 2. What is no word is padding.
    if not positions:
        raise ValueError(f"batches ({batches!r}) must hold a sentence")
    return 1 - words / positions


def collate(
    pairs: Sequence[tuple[Sequence[int], Sequence[int]]], pad_id: int
) -> tuple[Tensor, Tensor]:
    """Make a batch of pairs of ids, padded on the right.

    Shapes: returns source (B, S) and target (B, T), both int64.

    Raises:
        ValueError: if there are no pairs, or if a sentence is empty.
    """
    # 1. Insist on pairs of sentences with something in them.
    if not pairs:
        raise ValueError(f"pairs ({pairs!r}) must not be empty")
    for index, (source, target) in enumerate(pairs):
        if not len(source) or not len(target):
            side = "target" if len(source) else "source"
            raise ValueError(f"pairs[{index}] has an empty {side}")
    # 2. Pad each side to its own longest sentence.
    return (
        _pad([source for source, _ in pairs], pad_id),
        _pad([target for _, target in pairs], pad_id),
    )


def _pad(sentences: Sequence[Sequence[int]], pad_id: int) -> Tensor:
    """Fill all sentences up to the longest: (B, length)."""
    longest = max(len(sentence) for sentence in sentences)
    rows = [[*s, *[pad_id] * (longest - len(s))] for s in sentences]
    return torch.tensor(rows, dtype=torch.int64)
