"""The embedded corpus: a phrase grammar, English to German.

It is material, like the word lists in it: the book shows its sentences and
not its code, and nothing in the model knows of it.
"""

from laidout.phrases.corpus import (
    Phrase,
    is_held_out,
    phrase_corpus,
    phrases,
)

__all__ = ["Phrase", "is_held_out", "phrase_corpus", "phrases"]
