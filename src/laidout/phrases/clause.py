"""A clause in both languages, before and after its words are put in order.

English goes by its order: subject, verb, object, place, time. German goes by
fields: time, "nicht", place and object stand between the two parts of its
verb.
"""

from typing import NamedTuple

from laidout.phrases.english import Node, finite_be, finite_verb, leaf, node
from laidout.phrases.german import (
    Fields,
    join,
    question,
    statement,
    subordinate,
)
from laidout.phrases.lexicon import Noun, Piece, Verb, lexicon

__all__ = ["Clause", "Part", "Person", "ahead", "asked", "behind", "stated"]

BEHIND = {
    "have": ("have", "has", "had"),
    "had": ("have", "has", "had"),
    "want": ("want", "wants", "wanted"),
    "wanted": ("want", "wants", "wanted"),
    "like": ("like", "likes", "liked"),
}
"""The English verbs that take "to" and another verb behind them."""

PAST = {"past", "had", "wanted"}
"""The modes that speak of the past."""

HABITS = {"present", "like"}
"""The modes that German says in the present: what people do in general."""

BE = {
    "present": ("bin", "bist", "ist", "sind", "sind"),
    "past": ("war", "warst", "war", "waren", "waren"),
}

AUXILIARIES = {
    "hat": ("habe", "hast", "hat", "haben", "haben"),
    "ist": BE["present"],
}
"""The auxiliaries of the German perfect."""

CONJUNCTIONS = {"that": "dass", "because": "weil", "when": "wenn"}


class Part(NamedTuple):
    """A constituent in both languages."""

    english: Node
    german: tuple[Piece, ...]


class Person(NamedTuple):
    """Who or what does it.

    The agreement says which verb form goes with it, from 0 to 4: I, you, he,
    we, they; the pronoun is what stands for it later, the names tell whether
    two are the same.
    """

    english: Node
    german: tuple[Piece, ...]
    agreement: int
    pronoun: str = ""
    names: tuple[str, ...] = ()


class Clause(NamedTuple):
    """A clause whose words have no order yet; without a verb it is "be".

    The mode is a tense, "past" or "present", or the verb in front: will, can,
    must, have, had, want, wanted, like; link and liking are the numbers of
    the verb and of "like".
    """

    person: Person
    verb: Verb | None
    mode: str
    link: int = 0
    liking: int = 0
    negated: bool = False
    often: Part | None = None
    thing: Part | None = None
    noun: Noun | None = None
    shape: str = ""
    plural: bool = False
    gift: Part | None = None
    company: Part | None = None
    place: Part | None = None
    goal: Part | None = None
    state: Part | None = None
    hour: Part | None = None
    time: Part | None = None
    front: bool = False

    @property
    def tense(self) -> str:
        """Tell whether it is past or present."""
        return "past" if self.mode in PAST else "present"

    @property
    def definite(self) -> bool:
        """Tell whether the object is a known one: "the ...", "my ..."."""
        return self.shape in {"the", "my"}


# --- English -----------------------------------------------------------------


def english_tail(clause: Clause) -> list[Node]:
    """List what stands behind the English verb, in its order."""
    parts = (
        clause.thing,
        clause.state,
        clause.goal,
        clause.gift,
        clause.company,
        clause.place,
        clause.hour,
        None if clause.front else clause.time,
    )
    return [part.english for part in parts if part]


def english_verbs(clause: Clause, question: bool) -> tuple[Node, ...]:
    """Give the finite verb and all that is behind it."""
    verb, mode, agreement = clause.verb, clause.mode, clause.person.agreement
    rest = tuple(english_tail(clause))
    no = (leaf("RB", "not"),) if clause.negated else ()
    # 1. "be" can be denied and asked as it is.
    if verb is None:
        return (finite_be(mode, agreement), *no, *rest)
    if verb.up:
        rest = (node("PRT", leaf("RP", verb.up, clause.link)), *rest)
    # 2. Most modes put their own verb in front.
    forms, link = (verb.english, verb.third, verb.past), clause.link
    if mode not in {"past", "present"}:
        inner = node("VP", leaf("VB", verb.english, link), *rest)
        if mode not in BEHIND:
            return english_modal(mode, no, inner)
        forms, link = BEHIND[mode], clause.liking
        rest = (node("S", node("VP", leaf("TO", "to"), inner)),)
    # 3. Without "not" and a question, that is all.
    if not (no or question):
        return (finite_verb(forms, clause.tense, agreement, link), *rest)
    # 4. Otherwise "do" is the finite verb.
    do = finite_verb(("do", "does", "did"), clause.tense, agreement)
    return (do, *no, node("VP", leaf("VB", forms[0], link), *rest))


def english_modal(
    mode: str, no: tuple[Node, ...], inner: Node
) -> tuple[Node, ...]:
    """Give can, will, must; "can not" is one word."""
    if mode == "can" and no:
        return (leaf("MD", "cannot"), inner)
    return (leaf("MD", mode), *no, inner)


def english_statement(clause: Clause) -> Node:
    """Put a statement in order: time, subject, verb, all others."""
    # 1. The verb with all that belongs to it.
    parts = [
        clause.person.english,
        node("VP", *english_verbs(clause, question=False)),
    ]
    # 2. "often" in front of the verb, a time in front of all.
    if clause.often:
        parts.insert(1, clause.often.english)
    if clause.front and clause.time:
        parts.insert(0, clause.time.english)
    return node("S", *parts)


def english_question(clause: Clause) -> Node:
    """Put a question in order: finite verb, subject, all others."""
    finite, *rest = english_verbs(clause, question=True)
    often = (clause.often.english,) if clause.often else ()
    return node("SQ", finite, clause.person.english, *often, *rest)


# --- German ------------------------------------------------------------------


def german_verbs(clause: Clause) -> tuple[Piece, tuple[Piece, ...], bool]:
    """Give the finite verb, what closes the clause, and if both can meet."""
    verb, mode, agreement = clause.verb, clause.mode, clause.person.agreement
    # 1. "be".
    if verb is None:
        return Piece(BE[mode][agreement]), (), False
    particle = (Piece(verb.particle, clause.link),) if verb.particle else ()
    # 2. The present, and "like to": the present with "gern".
    if mode in HABITS:
        form = Piece(verb.present[agreement], clause.link)
        return form, particle, bool(particle)
    # 3. The perfect closes with the participle, all others with the
    #    infinitive; the particle becomes one word with them.
    if mode == "past":
        first = AUXILIARIES[verb.auxiliary][agreement]
        last = verb.participle
    else:
        first, last = lexicon().modals[mode][agreement], verb.german
    closing = Piece(last, clause.link, glued=bool(particle))
    return Piece(first), (*particle, closing), False


def german_fields(clause: Clause) -> Fields:
    """Put a clause into its fields."""
    finite, closing, separable = german_verbs(clause)
    # 1. "nicht" stands behind a known object and before all others; with
    #    "kein" there is none.
    late = clause.negated and clause.definite
    kein = clause.thing and not clause.definite and clause.mode != "like"
    like = (Piece("gern", clause.liking),) if clause.mode == "like" else ()
    no = (Piece("nicht"),) if clause.negated and not kein else ()
    before = (
        None if clause.front else clause.time,
        clause.hour,
        clause.thing if late else None,
        clause.often,
    )
    # 2. With whom, where, what, for whom, where to.
    after = (
        clause.company,
        clause.place,
        None if late else clause.thing,
        clause.gift,
        clause.goal,
        clause.state,
    )
    first, second = (
        join([part.german for part in parts if part])
        for parts in (before, after)
    )
    middle = (*first, *no, *like, *second)
    return Fields(clause.person.german, finite, middle, closing, separable)


# --- both --------------------------------------------------------------------


def stated(clause: Clause) -> Part:
    """Make a statement."""
    front = clause.time.german if clause.front and clause.time else ()
    german = statement(german_fields(clause), front)
    return Part(english_statement(clause), german)


def asked(clause: Clause) -> Part:
    """Make a question."""
    german = question(german_fields(clause))
    return Part(english_question(clause), german)


def behind(main: Clause, conjunction: str, second: Clause) -> Part:
    """Put a clause behind another: "..., weil er müde ist"."""
    first, last = stated(main), subclause(conjunction, second)
    # 1. English hangs it into the phrase of the first verb.
    subject, verbs = first.english.parts[:-1], first.english.parts[-1]
    assert isinstance(verbs, Node)
    tree = Node("VP", (*verbs.parts, last.english))
    # 2. German has a comma between the two.
    comma = Piece(",", glued=True)
    return Part(
        Node("S", (*subject, tree)), (*first.german, comma, *last.german)
    )


def ahead(main: Clause, conjunction: str, second: Clause) -> Part:
    """Put a clause in front: "Wenn er müde ist, schläft er"."""
    first = subclause(conjunction, second)
    # 1. Both languages have a comma between the two.
    comma = Piece(",", glued=True)
    rest = english_statement(main).parts
    tree = Node("S", (first.english, Node(",", (comma,)), *rest))
    # 2. The German clause counts as what stands in front of the verb.
    return Part(tree, statement(german_fields(main), (*first.german, comma)))


def subclause(conjunction: str, clause: Clause) -> Part:
    """Begin a clause with a conjunction; the German verb stands last."""
    lead = leaf("IN", conjunction)
    if conjunction == "when":
        lead = node("WHADVP", leaf("WRB", conjunction))
    return Part(
        node("SBAR", lead, english_statement(clause)),
        subordinate(CONJUNCTIONS[conjunction], german_fields(clause)),
    )
