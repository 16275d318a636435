"""Probes of the exercises in `laidout.tokenizer`.

In every corpus one pair is more frequent than all others at each step, so
that no rule for ties matters. Merges are compared as bytes, and tokens by
their pieces: whoever numbers them in another way is right as well.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from laidout.tokenizer import SMALLEST
from laidout.workshop.probes import Observed, probe

Merges = list[tuple[bytes, ...]]


def _allowed(function: Callable[[], Any]) -> str:
    """Say whether a call that must go well is refused with a ValueError.

    Any other error goes on: it is best seen where it comes from.
    """
    try:
        function()
    except ValueError:
        return "it is a ValueError"
    return "it is allowed"


def _refused(function: Callable[[], Any]) -> str:
    """Say whether a call is refused with a ValueError, of whatever kind."""
    try:
        function()
    except NotImplementedError:
        raise
    except ValueError:
        return "ValueError"
    except Exception as error:
        return type(error).__name__
    return "no error"


# --- tokenizer-train --------------------------------------------------------

TRAIN = "tokenizer-train"
CALL = "BPETokenizer.train(texts, vocab_size).merges"


def _texts(**words: int) -> list[str]:
    """Return each word as a text of its own, as often as it says."""
    return [word for word, count in words.items() for _ in range(count)]


def _learned(kind: Any, texts: Any, merges: int) -> Merges:
    """Train with room for some merges, and return those that were learned."""
    trained = kind.train(texts, SMALLEST + merges)
    return [tuple(pair) for pair in trained.merges]


@probe(TRAIN, "shape", 'BPETokenizer.train(["ab"] * 9, 260)')
def _a_tokenizer_comes_back(kind: Any) -> Observed:
    """A tokenizer comes back, an object of the class itself."""
    trained = kind.train(_texts(ab=9), SMALLEST + 1)
    return {
        "what comes back": "a BPETokenizer"
        if isinstance(trained, kind)
        else f"of type {type(trained).__name__}"
    }


@probe(TRAIN, "values", f'{CALL}, texts "x" 20 times, "pp", "ppp", "pppp"')
def _texts_stay_apart(kind: Any) -> Observed:
    """A pair never reaches from one text into the next."""
    texts = _texts(pp=2, ppp=2, pppp=2, x=20)
    first = _learned(kind, texts, 2)[:1]
    return {"x stands in the first merge": any(b"x" in pair for pair in first)}


@probe(
    TRAIN, "values", f'{CALL}, texts "aa" three times, "cc" to "cccc", "ee"'
)
def _most_frequent(kind: Any) -> Observed:
    """The most frequent of all pairs is merged first."""
    texts = _texts(aa=3, cc=2, ccc=2, cccc=2, ee=2, eee=2)
    return {"merges[:1]": _learned(kind, texts, 2)[:1]}


@probe(TRAIN, "values", f'{CALL}, texts "pq" seven times, "xyk", "xyl", "xym"')
def _frequent_words(kind: Any) -> Observed:
    """A word that occurs seven times counts seven times."""
    texts = _texts(xyk=1, xyl=1, xym=1, pq=7)
    return {"merges[:1]": _learned(kind, texts, 2)[:1]}


@probe(TRAIN, "values", f'{CALL}, texts "xab" five times, "ab" twice')
def _neighbours(kind: Any) -> Observed:
    """Each symbol makes a pair with the one before and with the one after."""
    texts = _texts(xab=5, ab=2)
    return {"merges[:1]": _learned(kind, texts, 2)[:1]}


@probe(TRAIN, "values", f'{CALL}, texts "abxabyab" twice, "cd" five times')
def _several_in_a_word(kind: Any) -> Observed:
    """A pair that stands three times in a word counts three times."""
    texts = _texts(abxabyab=2, cd=5)
    return {"merges[:1]": _learned(kind, texts, 2)[:1]}


@probe(TRAIN, "values", f'{CALL}, texts "xyab" three times, "ab", "ab", "xyz"')
def _last_pair(kind: Any) -> Observed:
    """The last two symbols of a word are a pair like any other."""
    texts = _texts(xyab=3, ab=2, xyz=1)
    return {"merges[:1]": _learned(kind, texts, 2)[:1]}


@probe(TRAIN, "values", f'{CALL}, texts "abc" six times, "abd" three times')
def _merges_of_merges(kind: Any) -> Observed:
    """After a merge the pairs are counted anew, the new symbol among them."""
    texts = _texts(abc=6, abd=3)
    return {"merges[:2]": _learned(kind, texts, 3)[:2]}


@probe(TRAIN, "values", f'{CALL}, texts "ababab" five times')
def _every_occurrence(kind: Any) -> Observed:
    """A merge joins its pair wherever it stands in a word."""
    texts = _texts(ababab=5)
    return {"merges[:2]": _learned(kind, texts, 3)[:2]}


@probe(TRAIN, "values", f'{CALL}, texts "xa", "xab", "ab", "pq"')
def _whole_symbols(kind: Any) -> Observed:
    """A pair is made of whole symbols: after "xa", there is no a in "xab"."""
    texts = _texts(xa=10, xab=4, ab=6, pq=3)
    return {"merges[:3]": _learned(kind, texts, 4)[:3]}


@probe(TRAIN, "values", f'{CALL}, texts "ok!" five times, "ok", "pq", "rs"')
def _words_stay_apart(kind: Any) -> Observed:
    """No merge crosses from one word of WORDS into the next."""
    texts = ["ok!"] * 5 + _texts(ok=2, pq=4, rs=3)
    return {"merges[:2]": _learned(kind, texts, 3)[:2]}


@probe(TRAIN, "values", f'{CALL}, texts "ox ox" four times, "pq" three times')
def _spaces(kind: Any) -> Observed:
    """The space before a word belongs to the word."""
    texts = ["ox ox"] * 4 + _texts(pq=3)
    return {"merges[:2]": _learned(kind, texts, 3)[:2]}


@probe(TRAIN, "values", f'{CALL}, texts "AB" six times, "ab" three times')
def _capitals(kind: Any) -> Observed:
    """A capital is another byte than its small letter."""
    texts = _texts(AB=6, ab=3)
    return {"merges[:1]": _learned(kind, texts, 2)[:1]}


@probe(TRAIN, "values", f'{CALL}, texts "é" eight times, "pq" five times')
def _bytes_of_a_character(kind: Any) -> Observed:
    """A character of several bytes begins as several symbols."""
    texts = _texts(é=8, pq=5, rs=3)
    return {"merges[:1]": _learned(kind, texts, 2)[:1]}


@probe(TRAIN, "values", f"{CALL}, ten pairs to merge, vocab_size 260 and 262")
def _size(kind: Any) -> Observed:
    """A vocabulary of 262 is 3 special tokens, 256 bytes and 3 merges."""
    pairs = ["ab", "cd", "ef", "gh", "ij", "kl", "mn", "op", "qr", "st"]
    texts = [pair for n, pair in enumerate(pairs, 3) for _ in range(n)]
    return {
        f"the number of merges in a vocabulary of {SMALLEST + room}": len(
            _learned(kind, texts, room)
        )
        for room in (1, 3)
    }


@probe(TRAIN, "values", "BPETokenizer.train((text for text in texts), 261)")
def _one_by_one(kind: Any) -> Observed:
    """Texts may come one by one, from a generator that can be read once."""
    texts = _texts(ab=9, cd=6, ef=3)
    learned: Merges = []
    # Whoever finds no text the second time may well refuse it.
    with suppress(ValueError):
        learned = _learned(kind, (text for text in texts), 2)
    return {"something is learned": bool(learned)}


@probe(TRAIN, "empty", 'BPETokenizer.train(["ab"] * 9, 259).merges')
def _smallest(kind: Any) -> Observed:
    """A vocabulary of 259 is allowed; it has no merges."""
    return {
        "a vocab_size of 259": _allowed(
            lambda: kind.train(_texts(ab=9), SMALLEST)
        )
    }


@probe(TRAIN, "empty", 'BPETokenizer.train(["ab"] * 9, 299)')
def _out_of_pairs(kind: Any) -> Observed:
    """When there is nothing left to merge, the training ends quietly."""
    kind.train(_texts(ab=9), SMALLEST + 40)
    return {}


@probe(TRAIN, "empty", f'{CALL}, texts "ab" nine times, "pq" once')
def _once_is_too_rare(kind: Any) -> Observed:
    """A pair that occurs once is not worth a token."""
    return {"merges": _learned(kind, _texts(ab=9, pq=1), 5)}


@probe(TRAIN, "empty", f'{CALL}, texts "ab" nine times, "pq" twice')
def _twice_is_enough(kind: Any) -> Observed:
    """A pair that occurs twice is worth a token."""
    return {"merges": _learned(kind, _texts(ab=9, pq=2), 5)}


@probe(TRAIN, "errors", 'BPETokenizer.train(["ab"] * 9, 258)')
def _no_room(kind: Any) -> Observed:
    """A vocabulary without room for the bytes is a ValueError."""
    return {
        "a vocab_size of 258": _refused(lambda: kind.train(_texts(ab=9), 258))
    }


@probe(TRAIN, "errors", 'BPETokenizer.train("ab ab ab", 300)')
def _one_string(kind: Any) -> Observed:
    """One string in place of several texts is a ValueError."""
    return {"one string": _refused(lambda: kind.train("ab ab ab", 300))}


@probe(TRAIN, "errors", "BPETokenizer.train([], 300)")
def _no_texts(kind: Any) -> Observed:
    """To learn from nothing is a ValueError."""
    return {"no texts": _refused(lambda: kind.train([], 300))}


@probe(TRAIN, "errors", "BPETokenizer.train(iter([]), 300)")
def _no_texts_from_an_iterator(kind: Any) -> Observed:
    """An iterator that gives nothing is a ValueError too."""
    return {"no texts": _refused(lambda: kind.train(iter([]), 300))}


@probe(TRAIN, "errors", r'BPETokenizer.train(["ab", "a\ud800b"], 300)')
def _half_a_character_in_a_text(kind: Any) -> Observed:
    """Half a character in a text is a ValueError."""
    texts = ["ab", "a\ud800b"]
    return {"half a character": _refused(lambda: kind.train(texts, 300))}


# --- tokenizer-encode -------------------------------------------------------
# No word stands in two probes: what one of them puts into a cache that is
# shared by mistake must not reach another.

ENCODE = "tokenizer-encode"


def _merges(*pairs: str) -> list[tuple[bytes, bytes]]:
    """Write merges shortly: "lo w" joins lo and w."""
    split = [pair.encode().split(b" ") for pair in pairs]
    return [(left, right) for left, right in split]


def _pieces(tokenizer: Any, text: str) -> list[bytes]:
    """Encode a text, and look up what each of its ids stands for."""
    return [tokenizer.pieces[token] for token in tokenizer.encode(text)]


def _call(text: str, *pairs: str) -> str:
    """Write an experiment down: the merges that are known, and the text."""
    known = f"merges {', '.join(pairs)}" if pairs else "no merges"
    return f"encode({text!r}), {known}"


@probe(ENCODE, "shape", _call("kiwi fig"))
def _a_list_of_ids(kind: Any) -> Observed:
    """The ids come in one list of whole numbers."""
    ids = kind().encode("kiwi fig")
    kinds = {type(token).__name__ for token in ids or ()}
    return {
        "the type of the result": type(ids).__name__,
        "the list of types in it": sorted(kinds),
    }


@probe(ENCODE, "values", _call("fed"))
def _one_word_of_bytes(kind: Any) -> Observed:
    """Without merges a word is its bytes, one token each, and no more."""
    return {"the list of pieces": _pieces(kind(), "fed")}


@probe(ENCODE, "values", _call("é€"))
def _bytes_of_characters(kind: Any) -> Observed:
    """A character of two or three bytes becomes two or three tokens."""
    return {"the list of pieces": _pieces(kind(), "é€")}


@probe(ENCODE, "values", _call("Up IN"))
def _capitals_stay(kind: Any) -> Observed:
    """Capitals stay capitals."""
    return {"the pieces, joined": b"".join(_pieces(kind(), "Up IN"))}


@probe(ENCODE, "values", _call("so  we\n go "))
def _spaces_stay(kind: Any) -> Observed:
    """No space and no line end gets lost."""
    return {"the pieces, joined": b"".join(_pieces(kind(), "so  we\n go "))}


@probe(ENCODE, "values", _call("banana", "a n"))
def _everywhere_in_a_word(kind: Any) -> Observed:
    """A merge joins its pair wherever it stands in the word."""
    return {"the list of pieces": _pieces(kind(_merges("a n")), "banana")}


@probe(ENCODE, "values", _call("fghi", "g h", "f g"))
def _the_order_learned(kind: Any) -> Observed:
    """Of two merges that apply, the one learned first goes first."""
    return {"the list of pieces": _pieces(kind(_merges("g h", "f g")), "fghi")}


@probe(ENCODE, "values", _call("lower", "l o", "lo w", "e r", "low er"))
def _until_nothing_applies(kind: Any) -> Observed:
    """Merging goes on until no merge applies."""
    tokenizer = kind(_merges("l o", "lo w", "e r", "low er"))
    return {"the list of pieces": _pieces(tokenizer, "lower")}


@probe(ENCODE, "values", _call("abcd", "a b", "c d", "ab c"))
def _not_the_longest(kind: Any) -> Observed:
    """A longer piece does not win by its length."""
    tokenizer = kind(_merges("a b", "c d", "ab c"))
    return {"the list of pieces": _pieces(tokenizer, "abcd")}


@probe(ENCODE, "values", _call("jkl", "k l", "j kl", "j k"))
def _not_the_first_in_the_word(kind: Any) -> Observed:
    """It does not matter which pair stands first in the word."""
    tokenizer = kind(_merges("k l", "j kl", "j k"))
    return {"the list of pieces": _pieces(tokenizer, "jkl")}


@probe(ENCODE, "values", _call("aaa", "a a"))
def _overlapping(kind: Any) -> Observed:
    """Where two occurrences overlap, the left one is merged."""
    return {"the list of pieces": _pieces(kind(_merges("a a")), "aaa")}


@probe(ENCODE, "values", _call("xab", "x a", "a b"))
def _whole_symbols_only(kind: Any) -> Observed:
    """A pair is made of whole symbols: after "xa", there is no a in "xab"."""
    tokenizer = kind(_merges("x a", "a b"))
    return {"the list of pieces": _pieces(tokenizer, "xab")}


@probe(ENCODE, "values", _call("ok!", "o k", "ok !"))
def _word_by_word(kind: Any) -> Observed:
    """No merge crosses from one word of WORDS into the next."""
    return {"the list of pieces": _pieces(kind(_merges("o k", "ok !")), "ok!")}


@probe(ENCODE, "values", _call("oh no oh", "o h", "n o"))
def _words_in_a_row(kind: Any) -> Observed:
    """The ids of the words follow each other as the words do."""
    tokenizer = kind(_merges("o h", "n o"))
    return {"the list of pieces": _pieces(tokenizer, "oh no oh")}


@probe(ENCODE, "empty", "encode('')")
def _no_text(kind: Any) -> Observed:
    """An empty text has no ids."""
    return {"the number of ids": len(kind().encode(""))}


@probe(ENCODE, "empty", _call("a", "a b"))
def _one_byte(kind: Any) -> Observed:
    """A word of one byte has no pair, and that is no error."""
    return {"the list of pieces": _pieces(kind(_merges("a b")), "a")}


@probe(ENCODE, "errors", r"encode('a\ud800b')")
def _half_a_character(kind: Any) -> Observed:
    """Half a character in the text is a ValueError."""
    return {"half a character": _refused(lambda: kind().encode("a\ud800b"))}


@probe(ENCODE, "modes", "encode('tip tap'), then encode('tip')")
def _again(kind: Any) -> Observed:
    """What was encoded before does not change what comes later."""
    tokenizer = kind(_merges("t i", "ti p"))
    first = _pieces(tokenizer, "tip tap")
    return {
        "the list of pieces at first": first,
        "the list of pieces of a part later": _pieces(tokenizer, "tip"),
        "the list of pieces of it all later": _pieces(tokenizer, "tip tap"),
    }


@probe(ENCODE, "modes", "ids = encode('cup'), ids.clear(), encode('cup')")
def _a_list_of_its_own(kind: Any) -> Observed:
    """Each call gives a new list, which belongs to the caller."""
    tokenizer = kind()
    tokenizer.encode("cup").clear()
    again = tokenizer.encode("cup")
    again.clear()
    return {"the list of pieces at the third call": _pieces(tokenizer, "cup")}


@probe(ENCODE, "modes", "two tokenizers with other merges, encode('hen')")
def _two_tokenizers(kind: Any) -> Observed:
    """What one tokenizer has encoded means nothing to another."""
    one, other = kind(_merges("h e")), kind(_merges("e n"))
    return {
        "the list of pieces of the first": _pieces(one, "hen"),
        "the list of pieces of the second": _pieces(other, "hen"),
    }


# --- tokenizer-decode -------------------------------------------------------

DECODE = "tokenizer-decode"


def _ids(tokenizer: Any, *pieces: bytes) -> list[int]:
    """Return the ids of some pieces, whatever their numbers are."""
    known = list(tokenizer.pieces)
    return [known.index(piece) for piece in pieces]


def _bytes(text: str) -> list[bytes]:
    """Return the bytes of a text, one by one."""
    return [bytes([number]) for number in text.encode()]


@probe(DECODE, "shape", "decode(the ids of l, o, w)")
def _a_text(kind: Any) -> Observed:
    """A text comes back, not bytes."""
    tokenizer = kind()
    found = tokenizer.decode(_ids(tokenizer, b"l", b"o", b"w"))
    return {"the type of the result": type(found).__name__}


@probe(DECODE, "values", "decode([pad_id]), then decode of the last id")
def _every_id(kind: Any) -> Observed:
    """Every id there is may be decoded, from the first to the last."""
    tokenizer = kind(_merges("a b"))
    return {
        "the first id": _allowed(lambda: tokenizer.decode([0])),
        "the last id": _allowed(
            lambda: tokenizer.decode([tokenizer.vocab_size - 1])
        ),
    }


@probe(DECODE, "values", "decode(the ids of low, er, s)")
def _pieces_of_a_word(kind: Any) -> Observed:
    """The pieces of a word are joined with nothing between them."""
    tokenizer = kind(_merges("l o", "lo w", "e r"))
    ids = _ids(tokenizer, b"low", b"er", b"s")
    return {"the text": tokenizer.decode(ids)}


@probe(DECODE, "values", "decode(the ids of ' a', ' ', ' a', ' ')")
def _spaces_come_back(kind: Any) -> Observed:
    """Spaces stay, those at both ends too."""
    tokenizer = kind([(b" ", b"a")])
    ids = _ids(tokenizer, b" a", b" ", b" a", b" ")
    return {"the text": tokenizer.decode(ids)}


@probe(DECODE, "values", r"decode(the id of b'\xc3\xa9')")
def _a_character_in_one_token(kind: Any) -> Observed:
    """The bytes are read as UTF-8."""
    tokenizer = kind([(b"\xc3", b"\xa9")])
    return {"the text": tokenizer.decode(_ids(tokenizer, b"\xc3\xa9"))}


@probe(DECODE, "values", "decode(the ids of the bytes of 'né 😀')")
def _a_character_in_several_tokens(kind: Any) -> Observed:
    """A character may begin in one token and end in the next."""
    tokenizer = kind()
    ids = _ids(tokenizer, *_bytes("né 😀"))
    return {"the text": tokenizer.decode(ids)}


@probe(DECODE, "values", "decode([bos_id, eos_id, pad_id])")
def _special_tokens(kind: Any) -> Observed:
    """The special tokens have no text."""
    tokenizer = kind()
    ids = [tokenizer.bos_id, tokenizer.eos_id, tokenizer.pad_id]
    return {"the special tokens have a text": tokenizer.decode(ids) != ""}


@probe(DECODE, "values", "decode([*ids, eos_id, *ids])")
def _after_the_end(kind: Any) -> Observed:
    """All ids are decoded, those after the end of a sentence too."""
    tokenizer = kind()
    ids = _ids(tokenizer, b"h", b"i")
    found = tokenizer.decode([*ids, tokenizer.eos_id, *ids])
    return {"the number of h in the text": found.count("h")}


@probe(DECODE, "values", "decode([*ids, pad_id, *ids])")
def _after_padding(kind: Any) -> Observed:
    """All ids are decoded, those after padding too."""
    tokenizer = kind()
    ids = _ids(tokenizer, b"h", b"i")
    found = tokenizer.decode([*ids, tokenizer.pad_id, *ids])
    return {"the number of h in the text": found.count("h")}


@probe(DECODE, "values", "decode(token for token in ids)")
def _ids_one_by_one(kind: Any) -> Observed:
    """Ids may come one by one, from a generator that can be read once."""
    tokenizer = kind()
    ids = _ids(tokenizer, b"o", b"n", b"e")
    return {"the text": tokenizer.decode(token for token in ids)}


@probe(DECODE, "values", "decode(ids), then ids is looked at")
def _ids_stay(kind: Any) -> Observed:
    """The list of the caller is left as it was."""
    tokenizer = kind()
    ids = [tokenizer.bos_id, *_ids(tokenizer, b"a"), tokenizer.eos_id]
    before = list(ids)
    tokenizer.decode(ids)
    return {"the list is the same afterwards": ids == before}


@probe(DECODE, "empty", "decode([])")
def _no_ids(kind: Any) -> Observed:
    """No ids are an empty text."""
    return {"the text": kind().decode([])}


@probe(DECODE, "empty", "decode(the ids of 'ab😀' without the last)")
def _a_part_of_a_character(kind: Any) -> Observed:
    """Where a character has lost a byte, U+FFFD stands for the rest."""
    tokenizer = kind()
    ids = _ids(tokenizer, *_bytes("ab😀")[:-1])
    return {"the text": tokenizer.decode(ids)}


@probe(DECODE, "errors", "decode([-1])")
def _negative(kind: Any) -> Observed:
    """A negative number is no token: a ValueError."""
    return {"an id of -1": _refused(lambda: kind().decode([-1]))}


@probe(DECODE, "errors", "decode([vocab_size])")
def _too_large(kind: Any) -> Observed:
    """A number from vocab_size on is no token: a ValueError."""
    tokenizer = kind()
    wrong = [tokenizer.vocab_size]
    return {"an id of vocab_size": _refused(lambda: tokenizer.decode(wrong))}
