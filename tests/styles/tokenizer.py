"""The tokenizer, as others write it."""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise
from typing import Any

from laidout.tokenizer import BYTES, SMALLEST, WORDS, BPETokenizer, Pair
from styles import right, wrong

TRAIN = "tokenizer-train"
ENCODE = "tokenizer-encode"
DECODE = "tokenizer-decode"
Word = tuple[bytes, ...]

# --- tokenizer-train --------------------------------------------------------


def join_pair(word: Word, pair: Pair) -> Word:
    """Join a pair wherever it stands, with an index that goes along."""
    out: list[bytes] = []
    i = 0
    while i < len(word):
        if i + 1 < len(word) and word[i] == pair[0] and word[i + 1] == pair[1]:
            out.append(word[i] + word[i + 1])
            i += 2
        else:
            out.append(word[i])
            i += 1
    return tuple(out)


def read_vocabulary(texts: Iterable[str]) -> dict[Word, int]:
    """Return each distinct word in pieces of one byte, with its count."""
    if type(texts) is str:
        raise ValueError("texts is one string")
    vocabulary: dict[Word, int] = {}
    for text in texts:
        for match in WORDS.finditer(text):
            key = tuple(BYTES[b] for b in match.group().encode())
            vocabulary[key] = vocabulary.get(key, 0) + 1
    if len(vocabulary) == 0:
        raise ValueError("texts is empty")
    return vocabulary


def count_pairs(vocabulary: dict[Word, int]) -> Counter[Pair]:
    """Count all pairs of neighbours anew."""
    counts: Counter[Pair] = Counter()
    for word, n in vocabulary.items():
        for pair in pairwise(word):
            counts[pair] += n
    return counts


@right(TRAIN)
class CountsEverythingAnew(BPETokenizer):
    """Of equal pairs the one that was met first wins."""

    @classmethod
    def train(
        cls, texts: Iterable[str], vocab_size: int
    ) -> "CountsEverythingAnew":
        if vocab_size < 259:
            raise ValueError(f"vocab_size is {vocab_size}")
        vocabulary = read_vocabulary(texts)
        merges: list[Pair] = []
        for _ in range(vocab_size - 259):
            counts = count_pairs(vocabulary)
            if not counts or max(counts.values()) == 1:
                break
            ((pair, _),) = counts.most_common(1)
            merges.append(pair)
            vocabulary = {
                join_pair(word, pair): n for word, n in vocabulary.items()
            }
        return cls(merges)


@right(TRAIN)
class WordsOneByOne(BPETokenizer):
    """No counts of words at all; of equal pairs the largest one wins."""

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int) -> "WordsOneByOne":
        if isinstance(texts, str) or vocab_size < SMALLEST:
            raise ValueError("texts or vocab_size is wrong")
        words = [
            [bytes([b]) for b in word.encode("utf-8")]
            for text in texts
            for word in WORDS.findall(text)
        ]
        if not words:
            raise ValueError("there is not one word")
        learned: list[Pair] = []
        while SMALLEST + len(learned) < vocab_size:
            every = sorted(
                (word[i], word[i + 1])
                for word in words
                for i in range(len(word) - 1)
            )
            runs = [(len(list(run)), pair) for pair, run in groupby(every)]
            count, best = max(runs, default=(0, None))
            if best is None or count < 2:
                break
            learned.append(best)
            for word in words:
                i = 0
                while i < len(word) - 1:
                    if (word[i], word[i + 1]) == best:
                        word[i : i + 2] = [word[i] + word[i + 1]]
                    i += 1
        return cls(learned)


@wrong(TRAIN, "distinct-words-once")
class CountsASet(BPETokenizer):
    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int) -> "CountsASet":
        if vocab_size < SMALLEST:
            raise ValueError("vocab_size is too small")
        vocabulary = dict.fromkeys(read_vocabulary(texts), 1)
        merges: list[Pair] = []
        while len(merges) < vocab_size - SMALLEST:
            counts = count_pairs(vocabulary)
            pair = max(counts, key=lambda p: counts[p], default=None)
            if pair is None or counts[pair] < 2:
                break
            merges.append(pair)
            vocabulary = {join_pair(w, pair): 1 for w in vocabulary}
        return cls(merges)


@wrong(TRAIN, "counted-once")
class TakesTheMostFrequent(BPETokenizer):
    @classmethod
    def train(
        cls, texts: Iterable[str], vocab_size: int
    ) -> "TakesTheMostFrequent":
        room = vocab_size - SMALLEST
        if room < 0:
            raise ValueError("vocab_size is too small")
        counts = count_pairs(read_vocabulary(texts))
        often = [pair for pair, n in counts.most_common(room) if n > 1]
        return cls(often)


@wrong(TRAIN, "inside-symbols")
class ReplacesInText(BPETokenizer):
    """The famous snippet, without the look-arounds of its expression."""

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int) -> "ReplacesInText":
        if vocab_size < SMALLEST:
            raise ValueError("vocab_size is too small")
        vocab = {
            " ".join(b.hex() for b in word): n
            for word, n in read_vocabulary(texts).items()
        }
        merges: list[tuple[str, str]] = []
        for _ in range(vocab_size - SMALLEST):
            pairs: Counter[tuple[str, str]] = Counter()
            for word, n in vocab.items():
                symbols = word.split()
                for i in range(len(symbols) - 1):
                    pairs[symbols[i], symbols[i + 1]] += n
            if not pairs:
                break
            best = max(pairs, key=lambda p: pairs[p])
            if pairs[best] < 2:
                break
            merges.append(best)
            vocab = {
                w.replace(" ".join(best), "".join(best)): n
                for w, n in vocab.items()
            }
        return cls([(bytes.fromhex(a), bytes.fromhex(b)) for a, b in merges])


@wrong(TRAIN, "rare-pairs")
class MergesToTheEnd(BPETokenizer):
    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int) -> "MergesToTheEnd":
        if vocab_size < SMALLEST:
            raise ValueError("vocab_size is too small")
        vocabulary = read_vocabulary(texts)
        merges: list[Pair] = []
        while len(merges) < vocab_size - SMALLEST:
            counts = count_pairs(vocabulary)
            if not counts:
                break
            merges.append(max(counts, key=lambda p: counts[p]))
            vocabulary = {
                join_pair(w, merges[-1]): n for w, n in vocabulary.items()
            }
        return cls(merges)


@wrong(TRAIN, "first-of-none")
class NeverRunsOut(BPETokenizer):
    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int) -> "NeverRunsOut":
        if vocab_size < SMALLEST:
            raise ValueError("vocab_size is too small")
        vocabulary = read_vocabulary(texts)
        merges: list[Pair] = []
        while len(merges) < vocab_size - SMALLEST:
            counts = count_pairs(vocabulary)
            best, count = counts.most_common(1)[0]
            if count < 2:
                break
            merges.append(best)
            vocabulary = {join_pair(w, best): n for w, n in vocabulary.items()}
        return cls(merges)


# --- tokenizer-encode -------------------------------------------------------


@right(ENCODE)
class TriesEveryMerge(BPETokenizer):
    """Each merge in turn, on each word, and no cache at all."""

    def encode(self, text: str) -> list[int]:
        return [
            token
            for word in WORDS.findall(text)
            for token in self._encode_word(word)
        ]

    def _encode_word(self, word: str) -> list[int]:
        symbols = tuple(BYTES[b] for b in word.encode())
        for pair in self.merges:
            symbols = join_pair(symbols, pair)
        return [self.pieces.index(symbol) for symbol in symbols]


@right(ENCODE)
class HeapOfPlaces(BPETokenizer):
    """A linked list of symbols, and a heap of the places to merge."""

    def encode(self, text: str) -> list[int]:
        ids: list[int] = []
        for match in WORDS.finditer(text):
            ids += self._encode_word(match[0])
        return ids

    def _encode_word(self, word: str) -> list[int]:
        symbols = [bytes([b]) for b in word.encode()]
        after = list(range(1, len(symbols) + 1))
        before = list(range(-1, len(symbols) - 1))
        heap: list[tuple[int, int, bytes, bytes]] = []

        def look(left: int) -> None:
            if left < 0 or after[left] >= len(symbols):
                return
            one, two = symbols[left], symbols[after[left]]
            if (one, two) in self._ranks:
                rank = self._ranks[one, two]
                heapq.heappush(heap, (rank, left, one, two))

        for place in range(len(symbols)):
            look(place)
        while heap:
            _, left, one, two = heapq.heappop(heap)
            following = after[left]
            if symbols[left] != one or following >= len(symbols):
                continue
            if symbols[following] != two:
                continue
            symbols[left], symbols[following] = one + two, b""
            after[left] = after[following]
            if after[left] < len(symbols):
                before[after[left]] = left
            look(before[left])
            look(left)
        return [self._ids[s] for s in symbols if s]


class _NumberedFromTheBytes(BPETokenizer):
    """Bytes are their own ids, then come the merges, the special ones last."""

    def __init__(self, merges: Iterable[Pair] = ()) -> None:
        super().__init__(merges)
        learned = self.pieces[SMALLEST:]
        self.pieces = (*BYTES, *learned, b"", b"", b"")
        self._ids = {piece: n for n, piece in enumerate(self.pieces) if piece}
        end = len(self.pieces)
        self.pad_id, self.bos_id, self.eos_id = range(end - 3, end)


@right(TRAIN)
@right(ENCODE)
@right(DECODE)
class NumberedInAnotherWay(_NumberedFromTheBytes):
    """Any numbering of the tokens is as good."""


@wrong(ENCODE, "longest-match")
class WordPiece(BPETokenizer):
    def encode(self, text: str) -> list[int]:
        return [
            i for word in WORDS.findall(text) for i in self._encode_word(word)
        ]

    def _encode_word(self, word: str) -> list[int]:
        data = word.encode()
        found = []
        start = 0
        while start < len(data):
            end = len(data)
            while data[start:end] not in self._ids:
                end -= 1
            found.append(self._ids[data[start:end]])
            start = end
        return found


@wrong(ENCODE, "first-occurrence")
class MergesOnce(BPETokenizer):
    def encode(self, text: str) -> list[int]:
        return [
            i for word in WORDS.findall(text) for i in self._encode_word(word)
        ]

    def _encode_word(self, word: str) -> list[int]:
        symbols = [bytes([b]) for b in word.encode()]
        for left, right_ in self.merges:
            for i in range(len(symbols) - 1):
                if symbols[i] == left and symbols[i + 1] == right_:
                    symbols[i : i + 2] = [left + right_]
                    break
        return [self._ids[s] for s in symbols]


@wrong(ENCODE, "inside-symbols")
class ReplacesInBytes(BPETokenizer):
    def encode(self, text: str) -> list[int]:
        return [
            i for word in WORDS.findall(text) for i in self._encode_word(word)
        ]

    def _encode_word(self, word: str) -> list[int]:
        line = "|".join(word.encode().decode("latin-1"))
        for one, two in self.merges:
            a, b = one.decode("latin-1"), two.decode("latin-1")
            line = line.replace(f"{a}|{b}", a + b)
        parts = line.split("|")
        return [self._ids[part.encode("latin-1")] for part in parts]


@wrong(ENCODE, "half-used-twice")
class ForgetsToSkip(BPETokenizer):
    def encode(self, text: str) -> list[int]:
        return [
            i for word in WORDS.findall(text) for i in self._encode_word(word)
        ]

    def _encode_word(self, word: str) -> list[int]:
        symbols = [bytes([b]) for b in word.encode()]
        for pair in self.merges:
            joined = []
            for i, symbol in enumerate(symbols):
                if tuple(symbols[i : i + 2]) == pair:
                    joined.append(pair[0] + pair[1])
                else:
                    joined.append(symbol)
            symbols = joined
        return [self._ids[s] for s in symbols]


@wrong(ENCODE, "cached-list-returned")
class RemembersTexts(BPETokenizer):
    """The whole text is the key of the cache."""

    def encode(self, text: str) -> list[int]:
        if text not in self._cache:
            self._cache[text] = []
            for word in WORDS.findall(text):
                self._cache[text] += BPETokenizer._encode_word(self, word)
        return self._cache[text]


# --- tokenizer-decode -------------------------------------------------------


@right(DECODE)
class ByteArray(BPETokenizer):
    """The bytes are gathered in an array."""

    def decode(self, ids: Iterable[int]) -> str:
        gathered = bytearray()
        for token in ids:
            if token < 0:
                raise ValueError(f"{token} is negative")
            try:
                gathered += self.pieces[token]
            except IndexError:
                raise ValueError(f"{token} is too large") from None
        return str(gathered, "utf-8", "replace")


def tokens_as_texts(self: Any, ids: Iterable[int]) -> Iterator[str]:
    """Turn each token into a text of its own."""
    for token in ids:
        if token not in range(len(self.pieces)):
            raise ValueError(f"there is no token {token}")
        yield self.pieces[token].decode(errors="replace")


@wrong(DECODE, "each-token-alone")
class TextByText(BPETokenizer):
    def decode(self, ids: Iterable[int]) -> str:
        return "".join(tokens_as_texts(self, ids))


@wrong(DECODE, "joined-with-spaces")
class SpaceBySpace(BPETokenizer):
    def decode(self, ids: Iterable[int]) -> str:
        return " ".join(tokens_as_texts(self, ids))


@wrong(DECODE, "unchecked")
class Trusting(BPETokenizer):
    def decode(self, ids: Iterable[int]) -> str:
        pieces = map(self.pieces.__getitem__, ids)
        return b"".join(pieces).decode(errors="replace")


@wrong(DECODE, "specials-written")
class WritesTheSpecials(BPETokenizer):
    def decode(self, ids: Iterable[int]) -> str:
        names = {0: "[PAD]", 1: "[BOS]", 2: "[EOS]"}
        data = b""
        for token in ids:
            if not 0 <= token < len(self.pieces):
                raise ValueError("token")
            data += names[token].encode() if token < 3 else self.pieces[token]
        return data.decode("utf-8", "replace")
