"""Tests of the tokenizer."""

import hashlib
import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

from laidout.tokenizer import WORDS, BPETokenizer

Pair = tuple[bytes, bytes]

FIRST = 3 + 256
"""The id of the first merge: after three special tokens and the bytes."""

SENNRICH = ["low"] * 5 + ["lower"] * 2 + ["newest"] * 6 + ["widest"] * 3
"""The example of Sennrich et al. (2016)."""

SENTENCES = [
    "A man in a blue shirt is standing on a ladder cleaning a window.",
    "Ein Mann in einem blauen Hemd steht auf einer Leiter und putzt.",
    "Two young, White males are outside near many bushes.",
    "Zwei junge weiße Männer sind im Freien in der Nähe vieler Büsche.",
    "A little girl climbing into a wooden playhouse.",
    "Ein kleines Mädchen klettert in ein Spielhaus aus Holz.",
    "Three people sit in a cave; 12 others don't (it's 1,250 m deep).",
    "Drei Leute sitzen in einer Höhle, 12 andere nicht - warum?",
    "Several men in hard hats are operating a giant pulley system.",
    "Mehrere Männer mit Schutzhelmen bedienen ein Antriebsradsystem.",
    "  The  end...\tDas\r\nEnde: naïve café, 50 % off!  ",
]

STRANGE = [
    "",
    " ",
    "\0",
    "a\0b",
    "\r\n",
    "one\r\ntwo\rthree\n\n\nfour",
    " \t  two  spaces \v\f and\x1cmore ",
    "\u00a0no\u00a0break\u2028line\u3000wide",
    "e\u0301 is not \u00e9",
    "\u200dzero\u200bwidth\ufeff",
    "👩‍👩‍👧‍👦🏳️‍🌈 and 🇩🇪",
    "Заметки о 注意力 और ध्यान",
    "snake_case __init__ x_1",
    "½ ² Ⅷ ٣ 3.14",
    "\x7f\x80\xff\ufffd\uffff\U0010ffff",
    "<pad><bos><eos>",
    "Ġ is no space, Ċ is no line",
]


def pieces(tokenizer: BPETokenizer, text: str) -> list[bytes]:
    """Encode a text and look at the bytes of each token."""
    return [tokenizer.pieces[token] for token in tokenizer.encode(text)]


def merges_of(*pairs: str) -> list[Pair]:
    """Write merges shortly: "a b" joins a and b."""
    split = [pair.encode().split(b" ") for pair in pairs]
    return [(left, right) for left, right in split]


# --- the oracles: slow, plain, and written without the package --------------


def cut(text: str) -> list[str]:
    """Cut a text into words, character by character, without `re`."""

    def kind(c: str) -> str:
        if c.isspace():
            return "space"
        if c.isdecimal():
            return "digit"
        return "letter" if c.isalnum() else "other"

    words: list[str] = []
    for i, c in enumerate(text):
        before = text[i - 1] if i else ""
        if not before:
            fresh = True
        elif kind(c) == "space":
            # The last space before something goes with what follows.
            goes_on = i + 1 < len(text) and kind(text[i + 1]) != "space"
            fresh = kind(before) != "space" or (c == " " and goes_on)
        elif before == " ":
            fresh = False
        else:
            fresh = kind(c) != kind(before)
        if fresh:
            words.append(c)
        else:
            words[-1] += c
    return words


def replace(symbols: Sequence[bytes], pair: Pair) -> list[bytes]:
    """Join a pair everywhere, by a scan that remembers the last symbol."""
    done: list[bytes] = []
    may_join = False
    for symbol in symbols:
        if may_join and (done[-1], symbol) == pair:
            done[-1] += symbol
            may_join = False
        else:
            done.append(symbol)
            may_join = True
    return done


def slow_train(
    texts: Iterable[str], merges: int
) -> tuple[list[Pair], list[int]]:
    """Count everything anew for each merge, word by word, copy by copy.

    Also returned: how many pairs shared the highest count at each step.
    """
    words = [
        [bytes([byte]) for byte in word.encode()]
        for text in texts
        for word in cut(text)
    ]
    learned, rivals = [], []
    for _ in range(merges):
        counts = Counter(
            (word[i], word[i + 1])
            for word in words
            for i in range(len(word) - 1)
        )
        if max(counts.values(), default=0) < 2:
            break
        highest = max(counts.values())
        equal = [pair for pair, count in counts.items() if count == highest]
        learned.append(min(equal))
        rivals.append(len(equal))
        words = [replace(word, learned[-1]) for word in words]
    return learned, rivals


def slow_encode(merges: Iterable[Pair], text: str) -> list[bytes]:
    """Try every merge on every word, in the order they were learned."""
    found = []
    for word in cut(text):
        symbols = [bytes([byte]) for byte in word.encode()]
        for pair in merges:
            symbols = replace(symbols, pair)
        found += symbols
    return found


any_text = st.text(max_size=40)
narrow_text = st.text(alphabet="aab cé\n1", max_size=30)


# --- a tokenizer without merges ---------------------------------------------


def test_the_special_ids_come_first() -> None:
    tokenizer = BPETokenizer()
    special = tokenizer.pad_id, tokenizer.bos_id, tokenizer.eos_id
    assert special == (0, 1, 2)
    assert BPETokenizer.pad_id == 0


def test_without_merges_there_are_special_tokens_and_bytes() -> None:
    assert BPETokenizer().vocab_size == 259


def test_the_bytes_come_after_the_special_tokens() -> None:
    assert BPETokenizer().encode("Aé") == [3 + 65, 3 + 0xC3, 3 + 0xA9]


def test_merges_come_last_in_their_order() -> None:
    tokenizer = BPETokenizer(merges_of("b c", "a bc"))
    assert tokenizer.encode("bc") == [259]
    assert tokenizer.encode("abc") == [260]
    assert tokenizer.vocab_size == 261


def test_every_id_has_its_piece() -> None:
    tokenizer = BPETokenizer(merges_of("b c", "a bc"))
    assert len(tokenizer.pieces) == tokenizer.vocab_size
    assert tokenizer.pieces[:3] == (b"", b"", b"")
    assert b"".join(tokenizer.pieces[3:259]) == bytes(range(256))
    assert tokenizer.pieces[259:] == (b"bc", b"abc")


def test_an_empty_text_has_no_tokens() -> None:
    assert BPETokenizer().encode("") == []
    assert BPETokenizer().decode([]) == ""


# --- cutting into words -----------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("two words", ["two", " words"]),
        ("I  saw 2 cats!", ["I", " ", " saw", " 2", " cats", "!"]),
        ("don't (stop)", ["don", "'", "t", " (", "stop", ")"]),
        ("in1917a", ["in", "1917", "a"]),
        ("snake_case", ["snake", "_", "case"]),
        ("wait ... what?!", ["wait", " ...", " what", "?!"]),
        ("a\nb", ["a", "\n", "b"]),
        ("a \n b ", ["a", " \n", " b", " "]),
        ("a\r\n\tb", ["a", "\r\n\t", "b"]),
        ("Männer 👍🏽", ["Männer", " 👍🏽"]),
    ],
)
def test_a_text_is_cut_into_words(text: str, words: list[str]) -> None:
    assert WORDS.findall(text) == words


def test_every_character_there_is_falls_into_a_word() -> None:
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    assert "".join(WORDS.findall(every)) == every


@given(text=any_text | narrow_text)
@example("a  b \n c")
@example(" _ 1 !")
def test_cutting_loses_nothing_and_follows_the_rule(text: str) -> None:
    assert "".join(WORDS.findall(text)) == text
    assert WORDS.findall(text) == cut(text)


def test_a_merge_never_crosses_from_one_word_into_the_next() -> None:
    texts = ["a b 1a a! " * 50, "a\n\nb " * 50]
    tokenizer = BPETokenizer.train(texts, 400)
    assert tokenizer.merges
    words = {word.encode() for text in texts for word in WORDS.findall(text)}
    for piece in tokenizer.pieces[FIRST:]:
        assert any(piece in word for word in words)


def test_a_known_pair_is_not_merged_across_words() -> None:
    tokenizer = BPETokenizer(merges_of("a 1", "a !"))
    assert pieces(tokenizer, "a1 a!") == [b"a", b"1", b" ", b"a", b"!"]


# --- encoding ---------------------------------------------------------------


def test_merges_are_replayed_in_the_order_learned() -> None:
    # The longest match would find ab first.
    tokenizer = BPETokenizer(merges_of("b c", "a b"))
    assert pieces(tokenizer, "abcd") == [b"a", b"bc", b"d"]


def test_a_longer_piece_does_not_win_by_its_length() -> None:
    tokenizer = BPETokenizer(merges_of("a b", "c d", "ab c"))
    assert pieces(tokenizer, "abcd") == [b"ab", b"cd"]


def test_a_merge_joins_every_occurrence() -> None:
    tokenizer = BPETokenizer(merges_of("a n"))
    assert pieces(tokenizer, "banana") == [b"b", b"an", b"an", b"a"]


def test_merging_goes_on_until_no_merge_applies() -> None:
    tokenizer = BPETokenizer(merges_of("l o", "lo w", "e r", "low er"))
    assert pieces(tokenizer, "lower") == [b"lower"]


def test_overlapping_pairs_are_joined_from_the_left() -> None:
    tokenizer = BPETokenizer(merges_of("a a"))
    assert pieces(tokenizer, "aaa") == [b"aa", b"a"]
    assert pieces(tokenizer, "aaaa") == [b"aa", b"aa"]
    assert pieces(tokenizer, "aaaaa") == [b"aa", b"aa", b"a"]


def test_both_halves_of_a_pair_are_used_up() -> None:
    tokenizer = BPETokenizer(merges_of("a a"))
    assert tokenizer.decode(tokenizer.encode("aaa")) == "aaa"


def test_a_pair_is_made_of_whole_symbols() -> None:
    # (a, b) does not stand in "xab" when x and a are one symbol already,
    # nor in "abx" when b and x are.
    tokenizer = BPETokenizer(merges_of("x a", "b y", "a b"))
    assert pieces(tokenizer, "xab") == [b"xa", b"b"]
    assert pieces(tokenizer, "aby") == [b"a", b"by"]


def test_a_merge_across_a_space_of_its_own_is_whole_too() -> None:
    tokenizer = BPETokenizer([(b" ", b"a"), (b"a", b"b")])
    assert pieces(tokenizer, " ab ab") == [b" a", b"b", b" a", b"b"]


def test_the_second_time_a_word_is_encoded_alike() -> None:
    tokenizer = BPETokenizer.train(SENTENCES, 320)
    first = [tokenizer.encode(text) for text in SENTENCES]
    assert [tokenizer.encode(text) for text in SENTENCES] == first
    fresh = [BPETokenizer(tokenizer.merges).encode(t) for t in SENTENCES]
    assert fresh == first


def test_changing_a_result_does_not_change_the_next() -> None:
    tokenizer = BPETokenizer()
    tokenizer.encode("word").append(99)
    tokenizer.encode("word").clear()
    assert tokenizer.encode("word") == [3 + byte for byte in b"word"]


@given(
    texts=st.lists(narrow_text.filter(bool), min_size=1, max_size=6),
    text=narrow_text | any_text,
)
def test_encoding_equals_every_merge_tried_in_turn(
    texts: list[str], text: str
) -> None:
    tokenizer = BPETokenizer.train(texts, FIRST + 12)
    assert pieces(tokenizer, text) == slow_encode(tokenizer.merges, text)


# --- there and back ---------------------------------------------------------


@cache
def trained() -> BPETokenizer:
    """Train once for all tests that need a tokenizer of some size."""
    tokenizer = BPETokenizer.train(SENTENCES + STRANGE, 350)
    assert tokenizer.vocab_size == 350
    return tokenizer


@pytest.mark.parametrize("text", STRANGE + SENTENCES, ids=ascii)
def test_a_strange_text_comes_back_as_it_was(text: str) -> None:
    for tokenizer in (BPETokenizer(), trained()):
        assert tokenizer.decode(tokenizer.encode(text)) == text


@given(text=st.text())
def test_any_text_comes_back_as_it_was(text: str) -> None:
    assert trained().decode(trained().encode(text)) == text


@given(texts=st.lists(st.text(), min_size=1).filter(any))
@settings(max_examples=50)
def test_any_text_that_was_learned_comes_back_as_it_was(
    texts: list[str],
) -> None:
    tokenizer = BPETokenizer.train(texts, 300)
    for text in texts:
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_capitals_and_spacing_come_back() -> None:
    text = "A man,  A PLAN , a canal"
    assert trained().decode(trained().encode(text)) == text


def test_a_character_may_begin_in_one_token_and_end_in_the_next() -> None:
    tokenizer = BPETokenizer([(b"\xf0", b"\x9f"), (b"\x98", b"\x80")])
    assert pieces(tokenizer, "😀") == [b"\xf0\x9f", b"\x98\x80"]
    assert tokenizer.decode(tokenizer.encode("ü 😀")) == "ü 😀"


def test_special_tokens_have_no_text() -> None:
    ids = trained().encode("weiße Männer")
    assert trained().decode([1, *ids, 2, 0, 0]) == "weiße Männer"
    assert trained().decode([0, 1, 2]) == ""


def test_a_special_token_does_not_part_a_character() -> None:
    first, second = BPETokenizer().encode("é")
    assert BPETokenizer().decode([first, 0, second]) == "é"


def test_a_cut_character_becomes_the_replacement_character() -> None:
    tokenizer = BPETokenizer()
    assert tokenizer.decode(tokenizer.encode("ab😀")[:-1]) == "ab\ufffd"
    assert tokenizer.decode(tokenizer.encode("éa")[1:]) == "\ufffda"


@given(ids=st.lists(st.integers(0, 349)))
def test_any_ids_can_be_decoded(ids: list[int]) -> None:
    joined = b"".join(trained().pieces[token] for token in ids)
    assert trained().decode(ids) == joined.decode(errors="replace")


def test_ids_may_come_one_by_one() -> None:
    ids = trained().encode("one by one")
    assert trained().decode(token for token in ids) == "one by one"


@pytest.mark.parametrize("wrong", [-1, 259, 10**30])
def test_an_id_that_is_no_token_is_named_in_the_error(wrong: int) -> None:
    with pytest.raises(ValueError, match=f"ids has {wrong}, must be 0 to 258"):
        BPETokenizer().decode([5, wrong, 6])


@pytest.mark.parametrize("text", ["\ud800", "ab \udfff.", "\ud83d\ude00"])
def test_half_a_character_is_named_in_the_error(text: str) -> None:
    half = ascii(next(c for c in text if "\ud800" <= c <= "\udfff"))
    with pytest.raises(ValueError, match="surrogate") as raised:
        BPETokenizer().encode(text)
    assert half in str(raised.value)
    with pytest.raises(ValueError, match="surrogate"):
        BPETokenizer.train(["good", text], 300)


def test_after_half_a_character_encoding_goes_on() -> None:
    tokenizer = BPETokenizer()
    for _ in range(2):
        with pytest.raises(ValueError, match="surrogate"):
            tokenizer.encode("x\ud800")
    assert pieces(tokenizer, "x") == [b"x"]


# --- training, by hand ------------------------------------------------------


def test_the_example_of_sennrich_by_hand() -> None:
    # e+s, e.g., occurs in newest (6) and widest (3): 9 times, as s+t does.
    # (e, s) is the smaller pair. Then es+t 9; l+o and o+w 7, l+o is smaller;
    # lo+w 7; e+w, n+e and w+est 6; then ew+est and n+ewest, also 6.
    tokenizer = BPETokenizer.train(SENNRICH, FIRST + 8)
    assert list(tokenizer.merges) == merges_of(
        "e s", "es t", "l o", "lo w", "e w", "ew est", "n ewest", "d est"
    )


def test_a_word_that_was_never_seen_comes_in_known_pieces() -> None:
    tokenizer = BPETokenizer.train(SENNRICH, FIRST + 8)
    assert pieces(tokenizer, "lowest") == [b"low", b"est"]


def test_frequent_words_count_more_than_rare_ones() -> None:
    texts = ["the the the the the", "xyz xyw xyv xyu"]
    assert BPETokenizer.train(texts, 260).merges[0] == (b"h", b"e")


def test_of_equally_frequent_pairs_the_smaller_one_is_merged() -> None:
    tokenizer = BPETokenizer.train(["zy", "cd", "ab", "ba"] * 3, FIRST + 4)
    assert list(tokenizer.merges) == merges_of("a b", "b a", "c d", "z y")


def test_pairs_are_compared_by_their_bytes_not_by_their_ids() -> None:
    # After "ab", the pairs (ab, c), (b, x) and (aa, d) are equal. The id of
    # ab is larger than that of b, its bytes are smaller.
    texts = ["abc"] * 2 + ["ab"] * 9 + ["bx"] * 2
    merges = BPETokenizer.train(texts, FIRST + 3).merges
    assert list(merges) == merges_of("a b", "ab c", "b x")


def test_a_shorter_piece_is_smaller_than_a_longer_one() -> None:
    texts = ["ab"] * 9 + ["abz"] * 2 + ["az"] * 2
    merges = BPETokenizer.train(texts, FIRST + 3).merges
    assert list(merges) == merges_of("a b", "a z", "ab z")


def test_bytes_above_127_are_larger_than_letters() -> None:
    tokenizer = BPETokenizer.train(["é", "zz"] * 2, FIRST + 2)
    assert tokenizer.merges == ((b"z", b"z"), (b"\xc3", b"\xa9"))


def test_overlapping_pairs_are_counted_each_and_merged_from_the_left() -> None:
    # aaa holds (a, a) twice, at one place each.
    assert list(BPETokenizer.train(["aaa"], 300).merges) == merges_of("a a")
    assert list(BPETokenizer.train(["aaaa"] * 2, 300).merges) == merges_of(
        "a a", "aa aa"
    )
    assert list(BPETokenizer.train(["aaaaaaa"] * 2, 300).merges) == merges_of(
        "a a", "aa aa", "aa a", "aaaa aaa"
    )


def test_tokens_grow_beyond_two_bytes() -> None:
    tokenizer = BPETokenizer.train(["transformer"] * 3, 300)
    assert max(tokenizer.pieces, key=len) == b"transformer"


def test_training_stops_when_no_pair_occurs_twice() -> None:
    tokenizer = BPETokenizer.train(["ab ab", "cd"], 1000)
    assert list(tokenizer.merges) == merges_of("a b")
    assert tokenizer.vocab_size == 260


def test_a_pair_that_occurs_once_is_never_merged() -> None:
    assert BPETokenizer.train(["abcdef"], 1000).merges == ()


def test_words_of_one_byte_have_nothing_to_merge() -> None:
    assert BPETokenizer.train(["a", "b", "a"], 1000).merges == ()


def test_the_smallest_vocabulary_has_no_merges() -> None:
    assert BPETokenizer.train(["aaaa"] * 9, 259).merges == ()


def test_the_vocabulary_has_the_size_asked_for() -> None:
    assert BPETokenizer.train(SENTENCES, 270).vocab_size == 270


def test_a_larger_vocabulary_only_adds_merges() -> None:
    large = BPETokenizer.train(SENTENCES, 340).merges
    assert BPETokenizer.train(SENTENCES, 290).merges == large[:31]


def test_the_order_of_the_texts_does_not_matter() -> None:
    texts = SENTENCES * 2
    expected = BPETokenizer.train(texts, 450)
    for seed in range(3):
        random.Random(seed).shuffle(texts)
        assert BPETokenizer.train(texts, 450) == expected


def test_texts_may_come_one_by_one() -> None:
    one_by_one = BPETokenizer.train((text for text in SENTENCES), 300)
    assert one_by_one == BPETokenizer.train(SENTENCES, 300)


def test_hashing_does_not_matter() -> None:
    program = (
        "import sys; from laidout.tokenizer import BPETokenizer\n"
        "texts = sys.stdin.buffer.read().decode().split('|')\n"
        "print(BPETokenizer.train(texts, 450).fingerprint)"
    )
    expected = BPETokenizer.train(SENTENCES, 450).fingerprint
    for seed in ("1", "2"):
        path = os.pathsep.join(filter(None, sys.path))
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
            input="|".join(SENTENCES).encode(),
            stdout=subprocess.PIPE,
            check=True,
            timeout=60,
        )
        assert done.stdout.decode().strip() == expected


@pytest.mark.parametrize("vocab_size", [258, 3, 0, -1])
def test_a_vocabulary_too_small_is_named_in_the_error(vocab_size: int) -> None:
    message = rf"vocab_size \({vocab_size}\) must be at least 259"
    with pytest.raises(ValueError, match=message):
        BPETokenizer.train(["text"], vocab_size)


@pytest.mark.parametrize("texts", [[], [""], ["", ""]])
def test_an_empty_corpus_is_an_error(texts: list[str]) -> None:
    with pytest.raises(ValueError, match="texts must hold at least one word"):
        BPETokenizer.train(texts, 300)


def test_one_string_is_no_corpus() -> None:
    # It would be taken for a corpus of texts of one character.
    with pytest.raises(ValueError, match=r"texts \('one string'"):
        BPETokenizer.train("one string", 300)


# --- training, against a slow oracle ----------------------------------------


@pytest.mark.parametrize(
    ("texts", "merges"),
    [
        (SENNRICH, 30),
        (SENTENCES, 150),
        (STRANGE * 2, 100),
        (["banana bandana", "an ananas", "nanananana"], 40),
        (["aaaaaaaaaaa aaaaaaa aaab aab baa"], 30),
        (["abababab babab aba bab ab ba"], 30),
        (["あああい ああい あい" * 3], 40),
    ],
    ids=lambda value: str(value)[:20] if isinstance(value, int) else "",
)
def test_training_equals_counting_everything_anew(
    texts: list[str], merges: int
) -> None:
    tokenizer = BPETokenizer.train(texts, FIRST + merges)
    assert list(tokenizer.merges) == slow_train(texts, merges)[0]


@given(
    texts=st.lists(
        st.text(alphabet="aaabbc é", min_size=1, max_size=25)
        | st.text(min_size=1, max_size=10),
        min_size=1,
        max_size=8,
    ),
    merges=st.integers(0, 25),
)
@settings(max_examples=150)
def test_training_on_anything_equals_counting_everything_anew(
    texts: list[str], merges: int
) -> None:
    tokenizer = BPETokenizer.train(texts, FIRST + merges)
    assert list(tokenizer.merges) == slow_train(texts, merges)[0]


# --- against the library of Hugging Face ------------------------------------

HF_WORDS = r" ?[^\W\d_]+| ?\d+| ?(?:_|[^\w\s])+|\s+(?= \S)|\s+"
"""The same rule in the syntax of their regular expressions."""

PRINTABLE = [*range(33, 127), *range(161, 173), *range(174, 256)]
OTHERS = [byte for byte in range(256) if byte not in PRINTABLE]
CHARACTER = {byte: chr(byte) for byte in PRINTABLE} | {
    byte: chr(256 + n) for n, byte in enumerate(OTHERS)
}
BYTE = {character: byte for byte, character in CHARACTER.items()}
"""They show each byte as a character, as GPT-2 did."""


def shown(piece: bytes) -> str:
    """Write bytes in their way."""
    return "".join(CHARACTER[byte] for byte in piece)


def hidden(piece: str) -> bytes:
    """Read what was written in their way."""
    return bytes(BYTE[character] for character in piece)


def their_tokenizer(model: models.BPE) -> Tokenizer:
    """Set their byte-pair encoding up to cut words as we do."""
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(HF_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return tokenizer


def their_merges(texts: Iterable[str], merges: int) -> list[Pair]:
    """Train with their library."""
    tokenizer = their_tokenizer(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=256 + merges,
        min_frequency=2,
        show_progress=False,
        special_tokens=[],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(texts, trainer)
    found = json.loads(tokenizer.to_str())["model"]["merges"]
    return [(hidden(left), hidden(right)) for left, right in found]


def corpus_with_few_ties(seed: int) -> list[str]:
    """Draw short words of few letters, each with a frequency of its own."""
    draw = random.Random(seed)
    words = {
        "".join(draw.choices("abcdeé", k=draw.randint(2, 5)))
        for _ in range(40)
    }
    return [" ".join([word] * draw.randint(2, 150)) for word in sorted(words)]


# Of 200 seeds, these go longest without a tie.
@pytest.mark.parametrize("seed", [36, 81, 139])
def test_without_ties_their_library_learns_the_same_merges(seed: int) -> None:
    texts = corpus_with_few_ties(seed)
    # They break ties in another way: compare up to the first tie.
    _, rivals = slow_train(texts, 40)
    merges = next((n for n, r in enumerate(rivals) if r > 1), len(rivals))
    assert merges >= 30
    assert rivals[:merges] == [1] * merges
    tokenizer = BPETokenizer.train(texts, FIRST + merges)
    assert list(tokenizer.merges) == their_merges(texts, merges)


def test_their_library_encodes_as_we_do() -> None:
    ours = BPETokenizer.train(SENTENCES, 420)
    ids = {shown(piece): n for n, piece in enumerate(ours.pieces[3:])}
    merges = [(shown(left), shown(right)) for left, right in ours.merges]
    theirs = their_tokenizer(models.BPE(vocab=ids, merges=merges))
    unseen = [
        "Ein junger Mann in Weiß steht mit 25 anderen im Wasser.",
        "Children are standing outside -- they don't climb... 1st!",
        "banana aaaaaaa eeeeeeeee ssssss tttt  nnnnn",
    ]
    for text in SENTENCES + unseen:
        assert [n + 3 for n in theirs.encode(text).ids] == ours.encode(text)


# --- merges that cannot be --------------------------------------------------


@pytest.mark.parametrize(
    ("merges", "message"),
    [
        ([(b"a", b"bc")], r"merges\[0\] \(b'a', b'bc'\) must join known"),
        ([(b"bc", b"a")], r"merges\[0\] \(b'bc', b'a'\) must join known"),
        (merges_of("a b", "a b"), r"merges\[1\] .* must make a new piece"),
        (
            merges_of("a b", "b c", "ab c", "a bc"),
            r"merges\[3\] .* must make a new piece",
        ),
        ([(b"", b"a")], r"merges\[0\] \(b'', b'a'\) must join known"),
        (merges_of("ab c", "a b"), r"merges\[0\] .* must join known"),
    ],
)
def test_merges_that_cannot_be_are_named_in_the_error(
    merges: list[Pair], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        BPETokenizer(merges)


# --- equality and fingerprint -----------------------------------------------


def test_tokenizers_of_the_same_merges_are_equal() -> None:
    merges = merges_of("a b", "c d")
    assert BPETokenizer(merges) == BPETokenizer(tuple(merges))
    assert BPETokenizer(merges) != BPETokenizer(merges[::-1])
    assert BPETokenizer(merges) != BPETokenizer(merges[:1])


def test_what_was_encoded_before_does_not_matter_to_equality() -> None:
    used = BPETokenizer(merges_of("a b"))
    used.encode("about")
    assert used == BPETokenizer(merges_of("a b"))


def test_a_tokenizer_equals_nothing_else() -> None:
    tokenizer = BPETokenizer()
    assert tokenizer != ()
    assert (tokenizer == ()) is False


def test_a_fingerprint_is_sixteen_hexadecimal_digits_of_the_merges() -> None:
    tokenizer = BPETokenizer([(b"a", b"b"), (b"\xc3", b"\xa9")])
    text = r'[["a", "b"], ["\u00c3", "\u00a9"]]'
    expected = hashlib.sha256(text.encode()).hexdigest()[:16]
    assert tokenizer.fingerprint == expected


def test_other_merges_have_another_fingerprint() -> None:
    several = [
        [],
        merges_of("a b"),
        merges_of("b a"),
        merges_of("a b", "c d"),
        merges_of("c d", "a b"),
        merges_of("a b", "ab c"),
        merges_of("b c", "a bc"),
    ]
    fingerprints = {BPETokenizer(merges).fingerprint for merges in several}
    assert len(fingerprints) == len(several)


def test_the_fingerprint_does_not_change_by_use_or_saving(
    tmp_path: Path,
) -> None:
    tokenizer = BPETokenizer.train(SENTENCES, 300)
    before = tokenizer.fingerprint
    tokenizer.encode("some words")
    tokenizer.save(tmp_path / "tokenizer.json")
    loaded = BPETokenizer.load(tmp_path / "tokenizer.json")
    assert tokenizer.fingerprint == loaded.fingerprint == before


# --- files ------------------------------------------------------------------


@pytest.mark.parametrize("as_path", [Path, str])
def test_a_saved_tokenizer_can_be_loaded(tmp_path: Path, as_path: Any) -> None:
    path = as_path(tmp_path / "tokenizer.json")
    trained().save(path)
    loaded = BPETokenizer.load(path)
    assert loaded == trained()
    assert loaded.pieces == trained().pieces
    for text in SENTENCES + STRANGE:
        assert loaded.encode(text) == trained().encode(text)


def test_a_tokenizer_of_every_byte_can_be_saved(tmp_path: Path) -> None:
    merges = [(bytes([n]), bytes([255 - n])) for n in range(256)]
    BPETokenizer(merges).save(tmp_path / "tokenizer.json")
    loaded = BPETokenizer.load(tmp_path / "tokenizer.json")
    assert list(loaded.merges) == merges


def test_a_tokenizer_without_merges_can_be_saved(tmp_path: Path) -> None:
    BPETokenizer().save(tmp_path / "tokenizer.json")
    assert BPETokenizer.load(tmp_path / "tokenizer.json") == BPETokenizer()


def test_a_saved_tokenizer_is_readable_json(tmp_path: Path) -> None:
    BPETokenizer(merges_of("t h", "th e")).save(tmp_path / "tokenizer.json")
    text = (tmp_path / "tokenizer.json").read_text("ascii")
    assert text.endswith("}\n")
    assert json.loads(text) == {
        "format": "laidout byte-pair encoding",
        "version": 1,
        "specials": ["pad", "bos", "eos"],
        "vocab_size": 261,
        "merges": [["t", "h"], ["th", "e"]],
    }


def test_saving_replaces_what_was_there(tmp_path: Path) -> None:
    trained().save(tmp_path / "tokenizer.json")
    BPETokenizer().save(tmp_path / "tokenizer.json")
    assert BPETokenizer.load(tmp_path / "tokenizer.json") == BPETokenizer()
    assert [path.name for path in tmp_path.iterdir()] == ["tokenizer.json"]


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    path = tmp_path / "tokenizer.json"
    BPETokenizer(merges_of("o l")).save(path)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, function, fail)
        with pytest.raises(OSError, match="No space left"):
            trained().save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def good() -> dict[str, Any]:
    """Say what a file of two merges holds."""
    return {
        "format": "laidout byte-pair encoding",
        "version": 1,
        "specials": ["pad", "bos", "eos"],
        "vocab_size": 261,
        "merges": [["a", "b"], ["ab", "c"]],
    }


def assert_refused(path: Path, message: str) -> None:
    """Load a bad file: the error names it and says what is wrong."""
    with pytest.raises(ValueError, match=message) as raised:
        BPETokenizer.load(path)
    assert str(path) in str(raised.value)


def test_the_file_that_is_spoilt_below_is_good(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(json.dumps(good()), "utf-8")
    loaded = BPETokenizer.load(tmp_path / "t.json")
    assert list(loaded.merges) == merges_of("a b", "ab c")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not JSON",
        b'{"format": "laidout byte-pair enc',
        b"\x80\x04\x95\xff",
        b"\xff\xfe{\x00}\x00",
        b"[" * 100_000,
        b'{"version": ' + b"1" * 5000 + b"}",
    ],
    ids=["empty", "words", "cut", "pickle", "UTF-16", "deep", "long"],
)
def test_a_file_that_is_no_json_is_refused(
    tmp_path: Path, data: bytes
) -> None:
    (tmp_path / "bad.json").write_bytes(data)
    assert_refused(tmp_path / "bad.json", "not JSON")


@pytest.mark.parametrize("data", ["[]", "null", '"merges"', "17"])
def test_a_file_of_another_kind_of_json_is_refused(
    tmp_path: Path, data: str
) -> None:
    (tmp_path / "bad.json").write_text(data, "utf-8")
    assert_refused(tmp_path / "bad.json", "not a JSON object")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", "GPT-2", "format must be 'laidout .*, got 'GPT-2'"),
        ("format", None, "format must be 'laidout .*, got None"),
        ("version", 2, "version must be 1, got 2"),
        ("version", "1", "version must be 1, got '1'"),
        ("version", True, "version must be 1, got True"),
        ("version", 1.0, "version must be 1, got 1.0"),
        ("specials", ["pad", "eos", "bos"], "specials must be .*, got "),
        ("specials", "pad bos eos", "specials must be .*, got 'pad bos eos'"),
        ("vocab_size", 260, "vocab_size must be 261, got 260"),
        ("vocab_size", 261.0, "vocab_size must be 261, got 261.0"),
        ("merges", {"a": "b"}, "merges must be a list"),
        ("merges", "ab", "merges must be a list"),
        ("merges", [], "vocab_size must be 259, got 261"),
        ("merges", [["a", "b"], "bc"], r"merges\[1\] \('bc'\) must be two"),
        ("merges", [["a", "b"], ["c"]], r"merges\[1\] .* must be two texts"),
        ("merges", [["a", "b"], list("abc")], r"merges\[1\] .* must be two"),
        ("merges", [["a", "b"], ["a", 7]], r"merges\[1\] .* must be two"),
        ("merges", [["a", "b"], None], r"merges\[1\] \(None\) must be two"),
        ("merges", [["a", "b"], ["a", "Ġ"]], r"merges\[1\] .* of bytes"),
        ("merges", [["a", "\ud800"], ["a", "b"]], r"merges\[0\] .* of bytes"),
        ("merges", [["a", "bc"], ["b", "c"]], r"merges\[0\] .* known pieces"),
        ("merges", [["a", "b"], ["a", ""]], r"merges\[1\] .* known pieces"),
        ("merges", [["a", "b"], ["a", "b"]], r"merges\[1\] .* a new piece"),
    ],
    ids=str,
)
def test_a_spoilt_file_is_refused_with_its_reason(
    tmp_path: Path, key: str, value: object, message: str
) -> None:
    content = json.dumps({**good(), key: value})
    (tmp_path / "bad.json").write_text(content, "utf-8")
    assert_refused(tmp_path / "bad.json", message)


@pytest.mark.parametrize("key", good())
def test_a_file_that_lacks_something_is_refused(
    tmp_path: Path, key: str
) -> None:
    content = {name: value for name, value in good().items() if name != key}
    (tmp_path / "bad.json").write_text(json.dumps(content), "utf-8")
    assert_refused(tmp_path / "bad.json", f"{key} must be ")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing\.json"):
        BPETokenizer.load(tmp_path / "missing.json")
