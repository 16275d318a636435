"""Phrases: the embedded corpus, English and German, from a small grammar.

"I like pizza" is its first sentence. A sentence comes in both languages, with
the tree of the English one and the links between the words of the two. The
words stand in phrases.toml, the rules in grammar.py and what it imports.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from random import Random

from laidout.phrases.clause import Part
from laidout.phrases.english import Node, bracket, capitalised, words
from laidout.phrases.grammar import Grammar
from laidout.phrases.lexicon import Piece

__all__ = ["Phrase", "is_held_out", "phrase_corpus", "phrases"]

HELD_OUT = 13
"""How many of 256 combinations of words never occur in training."""

PLAIN = "i like pizza"
"""The book's own sentence: in no set, so that it is translated unseen."""

LONGEST = 16
"""How many words an English sentence may have."""


@dataclass(frozen=True)
class Phrase:
    """A sentence in English and German with all that is known about it.

    Attributes:
        source: the English sentence.
        target: the German one.
        tree: the English one in brackets, with the labels of the Penn
            Treebank.
        links: which part of the source became which part of the target, as
            start and end in the source, start and end in the target.
        combinations: the (verb, noun) and (adjective, noun) pairs in it.
    """

    source: str
    target: str
    tree: str
    links: tuple[tuple[int, int, int, int], ...]
    combinations: frozenset[tuple[str, str]]


def spell(
    pieces: Iterable[Piece],
) -> tuple[str, dict[int, list[tuple[int, int]]]]:
    """Write pieces as a sentence and note where the linked ones stand."""
    text = ""
    spans: dict[int, list[tuple[int, int]]] = {}
    before = 0
    for piece in pieces:
        # 1. A space in front of everything but what is glued.
        if text and not piece.glued:
            text += " "
        start = len(text)
        text += piece.text
        # 2. Neighbours of one link are one span: "got up", "angerufen".
        if piece.link:
            found = spans.setdefault(piece.link, [])
            if piece.link == before:
                start = found.pop()[0]
            found.append((start, len(text)))
        before = piece.link
    return text, spans


def finished(
    part: Part, end: str, pairs: Iterable[tuple[int, tuple[str, str]]]
) -> Phrase:
    """Make a phrase of a sentence, the mark at its end and its pairs."""
    tree, german = capitalised(part.english), part.german
    # 1. Both begin with a capital letter and end alike.
    text = german[0].text
    german = (german[0]._replace(text=text[0].upper() + text[1:]), *german[1:])
    if end:
        mark = Piece(end, glued=True)
        tree = Node(tree.label, (*tree.parts, Node(".", (mark,))))
        german = (*german, mark)
    # 2. Every span of a link goes with every span of it on the other side.
    source, spans = spell(words(tree))
    target, partners = spell(german)
    links = tuple(
        [
            (*span, *partner)
            for link, found in spans.items()
            for span in found
            for partner in partners[link]
        ]
    )
    # 3. Drafts that were dropped have left pairs without a word.
    kept = frozenset([pair for link, pair in pairs if link in spans])
    return Phrase(source, target, bracket(tree), links, kept)


def phrases(seed: int = 0) -> Iterator[Phrase]:
    """Draw sentences without end; a seed always gives the same ones."""
    grammar = Grammar(Random(seed))
    while True:
        part, end = grammar.sentence()
        phrase = finished(part, end, grammar.combinations)
        if phrase.source.count(" ") < LONGEST:
            yield phrase


@cache
def is_held_out(combination: tuple[str, str]) -> bool:
    """Tell whether two words never meet in training."""
    if combination == ("like", "pizza"):
        return False
    digest = sha256(" ".join(combination).encode()).digest()
    return digest[0] < HELD_OUT


def plain(sentence: str) -> str:
    """Strip what does not make a sentence another one."""
    return sentence.rstrip(".?").lower()


def phrase_corpus(
    train: int = 40_000, valid: int = 500, test: int = 1_000, seed: int = 0
) -> tuple[list[Phrase], list[Phrase], list[Phrase], list[Phrase]]:
    """Draw a corpus: training, validation, test, and new combinations.

    No sentence is twice in it. The last list, as long as the test at most,
    has the sentences with a combination of words that no other list has,
    such as an adjective with a noun.

    Raises:
        ValueError: if one of the sizes is negative.
    """
    if min(train, valid, test) < 0:
        raise ValueError(
            f"train, valid, test must not be negative, got {train}, {valid}, "
            f"{test}"
        )
    seen = {PLAIN}
    known: list[Phrase] = []
    new: list[Phrase] = []
    wanted = train + valid + test
    # 1. Every sentence once; those with a combination held out aside.
    for phrase in phrases(seed):
        if len(known) == wanted:
            break
        key = plain(phrase.source)
        if key in seen:
            continue
        seen.add(key)
        aside = any(is_held_out(pair) for pair in phrase.combinations)
        (new if aside else known).append(phrase)
    # 2. Short sentences come up early: shuffle, by a rule that lasts.
    known.sort(key=lambda phrase: sha256(phrase.source.encode()).digest())
    # 3. Cut.
    first, second = known[:train], known[train : train + valid]
    return first, second, known[train + valid :], new[:test]
