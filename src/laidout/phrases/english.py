"""English for the phrase grammar: trees of words, and verb forms.

German has its endings and its order in german.py; English has few endings
but "do", which its verbs need to be denied and to be asked.
"""

from typing import NamedTuple

from laidout.phrases.lexicon import Piece

__all__ = [
    "Node",
    "article",
    "bracket",
    "capitalised",
    "finite_be",
    "finite_verb",
    "leaf",
    "node",
    "words",
]


class Node(NamedTuple):
    """A constituent: its label and its parts; the parts of a word are pieces.

    The labels are those of the Penn Treebank.
    """

    label: str
    parts: tuple["Node | Piece", ...]


def leaf(label: str, text: str, link: int = 0) -> Node:
    """Make a word of the tree."""
    return Node(label, (Piece(text, link),))


def node(label: str, *parts: Node) -> Node:
    """Put constituents together."""
    return Node(label, parts)


def words(tree: Node) -> list[Piece]:
    """List the words of a tree, from left to right."""
    found: list[Piece] = []
    for part in tree.parts:
        if isinstance(part, Piece):
            found.append(part)
        else:
            found += words(part)
    return found


def bracket(tree: Node) -> str:
    """Write a tree in brackets: "(NP (DT the) (NN soup))"."""
    text = "".join(
        [
            part.text if isinstance(part, Piece) else " " + bracket(part)
            for part in tree.parts
        ]
    )
    return f"({tree.label} {text.lstrip()})"


def capitalised(tree: Node) -> Node:
    """Begin the first word of a tree with a capital letter."""
    first, *rest = tree.parts
    if isinstance(first, Node):
        return Node(tree.label, (capitalised(first), *rest))
    text = first.text[0].upper() + first.text[1:]
    return Node(tree.label, (first._replace(text=text), *rest))


def article(word: str, following: Node) -> Node:
    """Make an article or possessive; "a" is "an" in front of a vowel."""
    if word not in {"a", "the"}:
        return leaf("PRP$", word)
    if word == "a" and words(following)[0].text[0] in "aeiou":
        return leaf("DT", "an")
    return leaf("DT", word)


def finite_verb(
    forms: tuple[str, str, str], tense: str, agreement: int, link: int = 0
) -> Node:
    """Choose among base, third person and past.

    The agreement counts I, you, he, we, they from 0 to 4.
    """
    # 1. The past is the same for all.
    if tense == "past":
        return leaf("VBD", forms[2], link)
    # 2. In the present, he, she and it have an -s.
    if agreement == 2:
        return leaf("VBZ", forms[1], link)
    return leaf("VBP", forms[0], link)


def finite_be(tense: str, agreement: int) -> Node:
    """Choose among am, are, is, was, were."""
    if tense == "past":
        return leaf("VBD", "was" if agreement in {0, 2} else "were")
    if agreement == 2:
        return leaf("VBZ", "is")
    return leaf("VBP", "am" if agreement == 0 else "are")
