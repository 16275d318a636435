"""Constituents of the phrase grammar: things, people, places and times.

Each is drawn in both languages at once. Whatever belongs together gets a
number, the link, which both words carry.
"""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

from laidout.phrases.clause import HABITS, PAST, Part, Person
from laidout.phrases.english import Node, article, leaf, node
from laidout.phrases.german import (
    adjective_form,
    article_form,
    noun_form,
    number_pieces,
    with_preposition,
)
from laidout.phrases.lexicon import Adjective, Noun, Piece, lexicon

__all__ = ["Constituents"]

T = TypeVar("T")

POSSESSIVES = ("your", "his", "her", "my", "our")

ARTICLES = {
    "": "",
    "the": "der",
    "a": "ein",
    "your": "dein",
    "his": "sein",
    "her": "ihr",
    "my": "mein",
    "our": "unser",
}
"""English articles and the German ones, before they take their endings."""

PRONOUNS = {
    "you": ("du", 1),
    "he": ("er", 2),
    "she": ("sie", 2),
    "they": ("sie", 4),
    "I": ("ich", 0),
    "we": ("wir", 3),
}
"""Subject pronouns and which form of the verb they take."""

OBJECTS = {
    "you": ("you", {"accusative": "dich", "dative": "dir"}),
    "he": ("him", {"accusative": "ihn", "dative": "ihm"}),
    "she": ("her", {"accusative": "sie", "dative": "ihr"}),
    "they": ("them", {"accusative": "sie", "dative": "ihnen"}),
    "I": ("me", {"accusative": "mich", "dative": "mir"}),
    "we": ("us", {"accusative": "uns", "dative": "uns"}),
}
"""The same behind a preposition."""

IT = {"m": "er", "f": "sie", "n": "es", "p": "sie"}
"""What "it" is in German: it depends on the noun it stands for."""

SMALL = ("small",)
TALL = (*("tens",) * 2, *("parts",) * 9)
GROWN = (*("teens",) * 11, *TALL)
ANY = (*("small",) * 4, *GROWN)
"""Sizes of numbers: small is up to twelve, parts are twenty-one and such."""

SECOND = 0.15
"""How often a noun with an adjective has two."""


def pronoun(english: str) -> Person:
    """Make I, you, he, ... as a subject."""
    german, agreement = PRONOUNS[english]
    tree = node("NP", leaf("PRP", english))
    return Person(tree, (Piece(german),), agreement, english, (english,))


def it(noun: Noun, plural: bool) -> Person:
    """Make "it" or "they" for a thing: er, sie or es in German."""
    german = IT["p" if plural else noun.gender]
    tree = node("NP", leaf("PRP", "they" if plural else "it"))
    return Person(tree, (Piece(german),), 4 if plural else 2)


def prepositional(label: str, english: str, german: str, part: Part) -> Part:
    """Put a preposition in front."""
    return Part(
        node("PP", leaf(label, english), part.english),
        with_preposition(german, part.german),
    )


class Constituents:
    """Draws constituents and keeps note of links and combinations."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.lexicon = lexicon()
        verbs = self.lexicon.verbs.values()
        self.verbs = [verb for verb in verbs for _ in range(verb.weight)]
        self.names = [*self.lexicon.numbers.items()]
        self.links = 0
        self.combinations: list[tuple[int, tuple[str, str]]] = []

    # Chance: nothing but random(), which is the same on every machine.

    def chance(self, share: float) -> bool:
        """Say yes in the given share of cases."""
        return self.rng.random() < share

    def pick(self, choices: Sequence[T]) -> T:
        """Pick one of the choices."""
        return choices[int(self.rng.random() * len(choices))]

    def entry(self, choices: dict[str, T]) -> tuple[str, T]:
        """Pick an entry of a dictionary."""
        key = self.pick([*choices])
        return key, choices[key]

    # Words.

    def link(self) -> int:
        """Give the next pair of words a number."""
        self.links += 1
        return self.links

    def word(self, label: str, english: str, german: str) -> Part:
        """Make a pair of words."""
        link = self.link()
        return Part(leaf(label, english, link), (Piece(german, link),))

    def alone(self, label: str, part: Part) -> Part:
        """Make a constituent of a single word."""
        return Part(node(label, part.english), part.german)

    def combine(self, link: int, first: str, noun: Noun) -> None:
        """Note that a verb or an adjective, known by its link, has a noun."""
        self.combinations.append((link, (first, noun.english)))

    def adjective(self, adjective: Adjective, noun: Noun) -> Part:
        """Say how a thing is; adjectives behind "be" have no endings."""
        part = self.word("JJ", adjective.english, adjective.german)
        self.combine(self.links, adjective.english, noun)
        return part

    def degree(self, part: Part, degree: str = "") -> Part:
        """Put "very" or "too" in front of an adjective, or nothing."""
        if not degree:
            return Part(node("ADJP", part.english), part.german)
        german = {"very": "sehr", "too": "zu"}[degree]
        tree = node("ADJP", leaf("RB", degree), part.english)
        return Part(tree, (Piece(german), *part.german))

    # Numbers.

    def number(self, sizes: Sequence[str]) -> Part:
        """Draw a number of one of the sizes."""
        size = self.pick(sizes)
        # 1. Two to twelve, teens, whole tens: one word.
        if size != "parts":
            first, last = {"small": (1, 12), "teens": (12, 19)}.get(
                size, (19, 27)
            )
            return self.word("CD", *self.pick(self.names[first:last]))
        # 2. All others have two parts, and German turns them round.
        tens, zig = self.pick(self.names[19:])
        ones, ein = self.pick(self.names[:9])
        left, right = self.link(), self.link()
        english = (
            Piece(tens, left),
            Piece("-", glued=True),
            Piece(ones, right, glued=True),
        )
        german = number_pieces(Piece(zig, left), Piece(ein, right))
        return Part(Node("CD", english), german)

    # Nouns.

    def adjectives(self, noun: Noun, share: float) -> list[Adjective]:
        """Draw none, one or two adjectives for a noun, in their order."""
        fitting = self.lexicon.adjectives.get(noun.english, ())
        if not (fitting and self.chance(share)):
            return []
        first = self.pick(fitting)
        second = self.pick(fitting) if self.chance(SECOND) else first
        if first.rank == second.rank:
            return [first]
        return [first, second] if first.rank < second.rank else [second, first]

    def noun_phrase(
        self,
        noun: Noun,
        case: str = "nominative",
        lead: str = "",
        plural: bool = False,
        number: Part | None = None,
        share: float = 0.4,
        no: bool = False,
    ) -> Part:
        """Build a noun phrase: lead, number, adjectives, noun.

        The lead is "a", "the" or a possessive; no makes it "kein", for which
        English has "not" at the verb.
        """
        gender = "p" if plural else noun.gender
        german_lead = "kein" if no else ARTICLES[lead]
        parts = [number] if number else []
        # 1. The endings of the adjectives depend on the lead.
        for adjective in self.adjectives(noun, share):
            form = adjective_form(adjective.stem, german_lead, gender, case)
            parts.append(self.word("JJ", adjective.english, form))
            self.combine(self.links, adjective.english, noun)
        # 2. The noun.
        if plural:
            form = noun_form(noun.german_plural, gender, case)
            parts.append(self.word("NNS", noun.plural, form))
        else:
            parts.append(self.word("NN", noun.english, noun.german))
        # 3. What leads.
        english = [part.english for part in parts]
        german = [piece for part in parts for piece in part.german]
        if lead:
            english.insert(0, article(lead, english[0]))
        if german_lead:
            german.insert(0, Piece(article_form(german_lead, gender, case)))
        return Part(Node("NP", tuple(english)), tuple(german))

    def owner(self, question: bool = False) -> str:
        """Draw a possessive; nobody asks others about "my" and "our"."""
        return self.pick(POSSESSIVES[:3] if question else POSSESSIVES)

    # People, and other subjects.

    def human(
        self,
        case: str = "nominative",
        question: bool = False,
        single: bool = True,
    ) -> Person:
        """Draw somebody: Anna, my sister, the old man, the children."""
        if self.chance(0.2):
            name, stand_in = self.entry(self.lexicon.names)
            part = self.alone("NP", self.word("NNP", name, name))
            return Person(*part, 2, stand_in, (name,))
        # 1. The family has somebody, all others have "the" or "a".
        kind = "family" if self.chance(0.65) else "people"
        lead = self.owner(question) if kind == "family" else "the"
        noun = self.pick(self.lexicon.kinds[kind])
        plural = bool(noun.plural) and self.chance(0.25)
        unknown = kind == "people" and single and not plural
        if unknown and self.chance(0.3) and not question:
            lead = "a"
        part = self.noun_phrase(noun, case, lead, plural, share=0.25)
        # 2. A child is he or she, as nobody here can tell: no pronoun.
        stand_in = {"m": "he", "f": "she", "n": ""}[noun.gender]
        if plural:
            return Person(*part, 4, "they", (noun.english,))
        return Person(*part, 2, stand_in, (noun.english,))

    def couple(self) -> Person:
        """Draw two: Anna and Tom, my brother and I."""
        first = second = self.human(single=False)
        while second.names == first.names:
            second = self.human(single=False)
        agreement, stand_in = 4, "they"
        if self.chance(0.5):
            second = pronoun("I")
            agreement, stand_in = 3, "we"
        tree = node("NP", first.english, leaf("CC", "and"), second.english)
        german = (*first.german, Piece("und"), *second.german)
        names = first.names + second.names
        return Person(tree, german, agreement, stand_in, names)

    def person(self, question: bool = False, pairs: bool = True) -> Person:
        """Draw a subject; nobody asks what "I" and "we" do."""
        if self.chance(0.42):
            choices = [*PRONOUNS]
            return pronoun(self.pick(choices[:4] if question else choices))
        if pairs and not question and self.chance(0.1):
            return self.couple()
        return self.human(question=question)

    def known(self, noun: Noun, question: bool) -> Person:
        """Draw a thing or animal as a subject: the lamp, my apples."""
        plural = bool(noun.plural) and self.chance(0.3)
        lead = self.owner(question) if self.chance(0.6) else "the"
        part = self.noun_phrase(noun, lead=lead, plural=plural, share=0.5)
        return Person(*part, 4 if plural else 2, "", (noun.english,))

    def other(self, person: Person, case: str) -> Part:
        """Draw somebody else than the subject, for behind a preposition."""
        # 1. A pronoun that cannot mean the subject.
        if self.chance(0.5):
            english, forms = self.entry(OBJECTS)
            names = {*person.names, person.pronoun}
            if english not in names and not {english, *names} >= {"I", "we"}:
                tree = node("NP", leaf("PRP", forms[0]))
                return Part(tree, (Piece(forms[1][case]),))
        # 2. Or anybody else.
        human = self.human(case)
        while human.names[0] in person.names:
            human = self.human(case)
        return Part(human.english, human.german)

    # Places.

    def home(self, to: bool) -> Part:
        """Say "home", "at home"."""
        part = self.word("NN", "home", "Hause")
        if to:
            tree = node("ADVP", part.english)
            return Part(tree, (Piece("nach"), *part.german))
        return prepositional("IN", "at", "zu", self.alone("NP", part))

    def place(self, names: Sequence[str], to: bool = False) -> Part:
        """Draw where, or where to."""
        name = self.pick(names)
        if name == "home":
            return self.home(to)
        # 1. Where to takes the accusative behind "in", all others the dative.
        place = self.lexicon.places[name]
        preposition, german = place.to if to else place.at
        case = "accusative" if to and german == "in" else "dative"
        # 2. "the garden", "my garden"; in "at school" only German has "the".
        owned = place.owned and self.chance(0.3)
        lead = self.owner() if owned else "the"
        part = self.noun_phrase(place.noun, case, lead, share=0.2)
        if place.bare:
            part = Part(Node("NP", part.english.parts[1:]), part.german)
        label = "TO" if to else "IN"
        return prepositional(label, preposition, german, part)

    # Times.

    def adverb(self, english: str, german: str) -> Part:
        """Say "yesterday", "today"."""
        return self.alone("NP", self.word("NN", english, german))

    def day(self, parts: bool) -> Part:
        """Say "on Monday", "in the evening"."""
        if parts and self.chance(0.3):
            part = self.word("NN", *self.entry(self.lexicon.parts))
            tree = node("NP", leaf("DT", "the"), part.english)
            english, inner = "in", Part(tree, part.german)
        else:
            part = self.word("NNP", *self.entry(self.lexicon.days))
            english, inner = "on", self.alone("NP", part)
        tree = node("PP", leaf("IN", english), inner.english)
        return Part(tree, (Piece("am"), *inner.german))

    def every(self, parts: bool) -> Part:
        """Say "every day", "every Monday"."""
        if self.chance(0.4):
            part = self.word("NNP", *self.entry(self.lexicon.days))
        elif parts and self.chance(0.6):
            part = self.word("NN", *self.entry(self.lexicon.parts))
        else:
            part = self.word("NN", "day", "Tag")
        tree = node("NP", leaf("DT", "every"), part.english)
        return Part(tree, (Piece("jeden"), *part.german))

    def last_week(self) -> Part:
        """Say "last week"."""
        last = self.word("JJ", "last", "letzte")
        week = self.word("NN", "week", "Woche")
        tree = node("NP", last.english, week.english)
        return Part(tree, (*last.german, *week.german))

    def time(self, mode: str, parts: bool = True) -> Part:
        """Draw a time that goes with a mode; parts are those of a day."""
        # 1. What is done again and again, or on a day.
        if mode in HABITS:
            return self.every(parts)
        if self.chance(0.55):
            return self.day(parts)
        # 2. How far away it is.
        if mode not in PAST:
            return self.adverb(*self.entry(self.lexicon.future))
        if self.chance(0.6):
            return self.adverb(*self.entry(self.lexicon.past))
        return self.last_week()

    def hour(self) -> Part:
        """Say "at seven"."""
        part = self.alone("NP", self.number(SMALL))
        return prepositional("IN", "at", "um", part)

    def age(self, person: Person) -> Part:
        """Say "forty-two years old", or what fits a child or parents."""
        sizes: Sequence[str] = GROWN
        if "child" in person.names:
            sizes = SMALL
        if {"father", "mother"} & {*person.names}:
            sizes = TALL
        number = self.number(sizes)
        years = self.word("NNS", "years", "Jahre")
        old = self.word("JJ", "old", "alt")
        tree = node("NP", number.english, years.english)
        return Part(
            node("ADJP", tree, old.english),
            (*number.german, *years.german, *old.german),
        )

    def often(self) -> Part:
        """Say "often"."""
        return self.alone("ADVP", self.word("RB", "often", "oft"))
