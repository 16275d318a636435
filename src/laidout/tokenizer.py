"""Byte-pair encoding: frequent words stay whole, rare ones come in pieces.

Section 5.1 of the paper, after Sennrich et al. (2016). Theirs starts from
characters, ours from the 256 bytes of UTF-8: no text needs an unknown token.
"""

import hashlib
import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise
from pathlib import Path
from typing import Any

from laidout.files import write_atomically

__all__ = ["BPETokenizer"]

Pair = tuple[bytes, bytes]

SPECIALS = ("pad", "bos", "eos")
"""The tokens that stand for no text; their places are their ids."""

BYTES = tuple(bytes([number]) for number in range(256))
"""The pieces that every tokenizer starts from."""

SMALLEST = len(SPECIALS) + len(BYTES)
"""The size of a vocabulary without merges, and the id of the first merge."""

RARE = 1
"""A pair that occurs no more often than this is not worth a token."""

HEADER = {
    "format": "laidout byte-pair encoding",
    "version": 1,
    "specials": list(SPECIALS),
}
"""What a saved tokenizer begins with."""

WORDS = re.compile(
    r"""
      [ ]?[^\W\d_]+         # letters, with the space before them
    | [ ]?\d+               # digits, likewise
    | [ ]?(?:_|[^\w\s])+    # punctuation, symbols and emoji, likewise
    | \s+(?=[ ]\S)          # whitespace, but for a space that belongs to them
    | \s+                   # other whitespace
    """,
    re.VERBOSE,
)
"""Cuts a text into words; no merge crosses from one into the next.

Every character falls into exactly one of them, so they make up the text when
they are joined: "I  saw 2 cats!" is "I", " ", " saw", " 2", " cats", "!".
"""


class BPETokenizer:
    """Turn any text into ids and back, with merges learned from a corpus.

    Ids: 0 padding, 1 beginning and 2 end of a sentence (`pad_id`, `bos_id`,
    `eos_id`), then the 256 bytes, then the merges in the order learned.
    `pieces` holds the bytes of each id, none for the special tokens.

    Raises:
        ValueError: if a merge joins unknown pieces or makes a known one.

    Paper: section 5.1.
    """

    pad_id, bos_id, eos_id = range(len(SPECIALS))

    def __init__(self, merges: Iterable[Pair] = ()) -> None:
        # 1. The special tokens and the bytes come first, then the merges.
        self.merges = tuple(merges)
        self.pieces = (b"",) * len(SPECIALS) + BYTES + _joined(self.merges)
        # 2. The other way round: what has which id, which pair came when.
        self._ids = {piece: id_ for id_, piece in enumerate(self.pieces)}
        self._ranks = {pair: rank for rank, pair in enumerate(self.merges)}
        # 3. A place for the words that were encoded before.
        self._cache: dict[str, list[int]] = {}

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int) -> "BPETokenizer":
        """Learn merges from texts until the vocabulary has its size.

        Of equally frequent pairs the smaller one wins, byte by byte; the
        order of the texts does not matter. The vocabulary stays smaller
        if no pair is left that occurs twice.

        Raises:
            ValueError: if vocab_size has no room for the bytes, if texts is
                one string or empty, or if a text has half a character.
        """
        # 1. Insist on room for the special tokens and the bytes.
        if vocab_size < SMALLEST:
            raise ValueError(
                f"vocab_size ({vocab_size}) must be at least {SMALLEST}"
            )
        # 2. Cut the texts into words and the words into bytes; count each
        #    pair of neighbours, times how often its word occurs.
        pairs = _PairCounts(_count_words(texts))
        # 3. Go on until the vocabulary has its size.
        merges: list[Pair] = []
        while len(merges) < vocab_size - SMALLEST:
            # 4. Find the most frequent pair; stop if none occurs twice.
            best = pairs.most_frequent()
            if best is None:
                break
            # 5. Merge it in all words, bring the counts up to date, and
            #    write it down.
            pairs.merge(best)
            merges.append(best)
        # 6. Make a tokenizer of the merges.
        return cls(merges)

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, without special tokens around them.

        Raises:
            ValueError: if text has half a character (a surrogate).
        """
        ids: list[int] = []
        # 1. Cut the text into words; encode each of them only once.
        for word in WORDS.findall(text):
            if word not in self._cache:
                self._cache[word] = self._encode_word(word)
            # 2. Put the ids of the words one after the other.
            ids.extend(self._cache[word])
        return ids

    def _encode_word(self, word: str) -> list[int]:
        """Replay the merges on one word, in the order they were learned."""
        # 1. Start from single bytes, each of them a symbol.
        symbols = _to_bytes(word)
        while len(symbols) > 1:
            # 2. Of all pairs in the word, find the one learned first.
            pair = min(pairwise(symbols), key=self._rank)
            # 3. Stop when none of them was ever learned.
            if pair not in self._ranks:
                break
            # 4. Merge it wherever it stands, and look again.
            symbols = _merge(symbols, pair)
        # 5. Look up the ids.
        return [self._ids[symbol] for symbol in symbols]

    def _rank(self, pair: Pair) -> float:
        """Say when a pair was learned: infinitely late if never."""
        return self._ranks.get(pair, math.inf)

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids; the special ones have none.

        Where only a part of a character is left, U+FFFD stands for it.

        Raises:
            ValueError: if ids has a number that is no token.
        """
        # 1. Insist on ids: Python would take -1 for the last one.
        ids = list(ids)
        for token in ids:
            if not 0 <= token < self.vocab_size:
                raise ValueError(
                    f"ids has {token}, must be 0 to {self.vocab_size - 1}"
                )
        # 2. Join the bytes of all tokens before reading them as text: a
        #    character may begin in one token and end in the next.
        joined = b"".join(self.pieces[token] for token in ids)
        return joined.decode("utf-8", errors="replace")

    @property
    def vocab_size(self) -> int:
        """The number of ids: special tokens, bytes and merges."""
        return len(self.pieces)

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that tell tokenizers apart."""
        merges = json.dumps(_as_texts(self.merges))
        return hashlib.sha256(merges.encode()).hexdigest()[:16]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BPETokenizer):
            return NotImplemented
        return self.merges == other.merges

    def save(self, path: Path | str) -> None:
        """Write a JSON file: all of it, or nothing."""
        size = {"vocab_size": self.vocab_size}
        content = HEADER | size | {"merges": _as_texts(self.merges)}
        write_atomically(path, json.dumps(content, indent=1) + "\n")

    @classmethod
    def load(cls, path: Path | str) -> "BPETokenizer":
        """Read what `save` has written.

        Raises:
            ValueError: naming the file and what is wrong with it.
        """
        data = Path(path).read_bytes()
        try:
            return cls(_read_merges(data))
        except ValueError as error:
            raise ValueError(f"{path} is no tokenizer: {error}") from error


class _PairCounts:
    """How often each pair stands in the words, kept up to date.

    A merge changes few of the words, so only those are looked at again. The
    heap gives the most frequent pair without a look at all the others.
    """

    def __init__(self, frequencies: Counter[str]) -> None:
        # 1. Each distinct word as a list of bytes, with its frequency.
        self.words = [_to_bytes(word) for word in frequencies]
        self.frequencies = list(frequencies.values())
        # 2. For each pair: how often it occurs, and in which words.
        self.counts: Counter[Pair] = Counter()
        self.places: defaultdict[Pair, set[int]] = defaultdict(set)
        for place, symbols in enumerate(self.words):
            for pair in pairwise(symbols):
                self.counts[pair] += self.frequencies[place]
                self.places[pair].add(place)
        # 3. Smallest first: the highest count, then the smallest pair.
        self.heap = [(-count, pair) for pair, count in self.counts.items()]
        heapify(self.heap)

    def most_frequent(self) -> Pair | None:
        """Return the most frequent pair, or None if none occurs twice."""
        while self.heap:
            negative, pair = self.heap[0]
            # 1. The first entry that still holds is the answer.
            if -negative == self.counts[pair]:
                return pair if -negative > RARE else None
            # 2. A count that has changed stands in the heap again, with its
            #    new value: throw the old entry away.
            heappop(self.heap)
        return None

    def merge(self, pair: Pair) -> None:
        """Merge a pair in all words and bring the counts up to date."""
        changes: Counter[Pair] = Counter()
        # 1. Only words that had the pair at some time can have it now.
        for place in self.places.pop(pair):
            before, frequency = self.words[place], self.frequencies[place]
            after = self.words[place] = _merge(before, pair)
            # 2. The pairs before are gone; the pairs after have come.
            for old in pairwise(before):
                changes[old] -= frequency
            for new in pairwise(after):
                changes[new] += frequency
                self.places[new].add(place)
        # 3. Write down what differs; the heap gets the new counts too.
        for changed, difference in changes.items():
            if difference:
                self.counts[changed] += difference
                heappush(self.heap, (-self.counts[changed], changed))


def _merge(symbols: Sequence[bytes], pair: Pair) -> list[bytes]:
    """Join every occurrence of a pair, from left to right."""
    merged: list[bytes] = []
    position = 0
    while position < len(symbols):
        # 1. Compare whole symbols; a slice at the end is merely shorter.
        if tuple(symbols[position : position + 2]) == pair:
            # 2. A pair becomes one symbol: go on behind both halves.
            merged.append(pair[0] + pair[1])
            position += 2
        else:
            # 3. Any other symbol stays as it is.
            merged.append(symbols[position])
            position += 1
    return merged


def _count_words(texts: Iterable[str]) -> Counter[str]:
    """Count how often each word occurs; there must be one."""
    if isinstance(texts, str):
        raise ValueError(f"texts ({texts[:20]!r}...) must be several texts")
    words = Counter(word for text in texts for word in WORDS.findall(text))
    if not words:
        raise ValueError("texts must hold at least one word, got none")
    return words


def _to_bytes(word: str) -> list[bytes]:
    """Cut the UTF-8 of a word into single bytes."""
    try:
        return [BYTES[number] for number in word.encode("utf-8")]
    except UnicodeEncodeError as error:
        half = word[error.start]
        raise ValueError(
            f"text has {half!r}, a surrogate: half a character, not one"
        ) from None


def _joined(merges: Sequence[Pair]) -> tuple[bytes, ...]:
    """Return what the merges make; each makes a new piece of known ones."""
    known, joined = set(BYTES), []
    for rank, (left, right) in enumerate(merges):
        named = f"merges[{rank}] ({left!r}, {right!r})"
        if not {left, right} <= known:
            raise ValueError(f"{named} must join known pieces")
        if left + right in known:
            raise ValueError(f"{named} must make a new piece")
        known.add(left + right)
        joined.append(left + right)
    return tuple(joined)


def _as_texts(merges: Iterable[Pair]) -> list[list[str]]:
    """Write merges as JSON can: a byte as the character of that number."""
    return [[piece.decode("latin-1") for piece in pair] for pair in merges]


def _read_merges(data: bytes) -> list[Pair]:
    """Return the merges in a saved tokenizer's file, all of it checked."""
    # 1. It must be JSON, and begin as our files do.
    try:
        content = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON ({error})") from error
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")
    _expect(content, HEADER)
    # 2. The merges must be pairs of texts, and as many as are announced.
    merges = content.get("merges")
    if not isinstance(merges, list):
        raise ValueError("merges must be a list")
    _expect(content, {"vocab_size": SMALLEST + len(merges)})
    return [_read_pair(rank, entry) for rank, entry in enumerate(merges)]


def _expect(content: dict[str, Any], expected: dict[str, Any]) -> None:
    """Insist on entries: equal, and of one type (True == 1 in Python)."""
    for key, value in expected.items():
        found = content.get(key)
        if type(found) is not type(value) or found != value:
            raise ValueError(f"{key} must be {value!r}, got {found!r}")


def _read_pair(rank: int, entry: object) -> Pair:
    """Return one merge of a file, which must be two texts of bytes."""
    match entry:
        case [str(left), str(right)] if all(c <= "\xff" for c in left + right):
            return left.encode("latin-1"), right.encode("latin-1")
    raise ValueError(f"merges[{rank}] ({entry!r}) must be two texts of bytes")
