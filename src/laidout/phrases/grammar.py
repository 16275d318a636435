"""The phrase grammar: draws clauses and sentences, English and German.

A clause is drawn from its verb: the verb says what it may have as an object,
and with whom, where and when it is done.
"""

from laidout.phrases.clause import (
    HABITS,
    Clause,
    Part,
    Person,
    ahead,
    asked,
    behind,
    stated,
)
from laidout.phrases.constituents import (
    ANY,
    SMALL,
    Constituents,
    it,
    prepositional,
    pronoun,
)
from laidout.phrases.english import words
from laidout.phrases.lexicon import Adjective, Noun, Verb

__all__ = ["Grammar"]

MODES = (
    *("past",) * 9,
    *("present",) * 12,
    *("will", "want", "must", "have", "can", "like") * 2,
    "had",
    "wanted",
)
"""How a verb may be said unless it says otherwise; some more often."""

LASTING = ("present",)
"""The modes of verbs that have no times: like, need, have."""

TOO = {"expensive", "big", "small", "old", "cold", "hot"}
"""What people complain of: "because it was too expensive"."""

PRAISE = {"good", "beautiful", "new", "fresh", "red", "green"}
"""Why people like and buy things."""

OWNED = {"family": "my", "people": "the"}
"""How people are called when they are objects."""


class Grammar(Constituents):
    """Draws sentences."""

    # Clauses with "be".

    def being(self, question: bool = False) -> Clause:
        """Say how or where somebody or something is."""
        tense = self.pick(("present", "past"))
        negated = not question and self.chance(0.15)
        kind = self.rng.random()
        if kind < 0.3:
            return self.quality(tense, negated, question)
        # 1. People have an age, and are in places and states.
        person = self.person(question)
        clause = Clause(person, None, tense, negated=negated)
        if kind < 0.65:
            return clause._replace(mode="present", state=self.age(person))
        if kind < 0.8:
            degree = "very" if self.chance(0.2) and not negated else ""
            state = self.state(self.pick([*self.lexicon.states]), degree)
            return self.at_times(clause._replace(state=state), question)
        # 2. Animals are in places only.
        names = (*self.lexicon.places, "home", "home")
        if self.chance(0.4):
            animal = self.pick(self.lexicon.kinds["animal"])
            person = self.known(animal, question)
            names = ("garden", "park")
        place = self.place(names)
        clause = clause._replace(person=person, place=place)
        return self.at_times(clause, question)

    def at_times(self, clause: Clause, question: bool) -> Clause:
        """Say when somebody was or is so."""
        if not self.chance(0.35):
            return clause
        time = self.adverb("today", self.lexicon.future["today"])
        if clause.mode == "past":
            time = self.time("past")
        front = not question and self.chance(0.4)
        return clause._replace(time=time, front=front)

    def quality(self, tense: str, negated: bool, question: bool) -> Clause:
        """Say how a thing is: "The soup is too hot"."""
        # 1. A thing that can be seen or eaten.
        kind = self.pick(("food", "drink", "thing", "thing", "text"))
        noun = self.pick(self.lexicon.kinds[kind])
        # 2. What is said of it: nothing like what it is called already.
        left: list[Adjective] = []
        while not left:
            thing = self.known(noun, question)
            left = self.unsaid(noun, thing)
        adjective = self.pick(left)
        part = self.adjective(adjective, noun)
        degree = ""
        if adjective.degree and not negated and self.chance(0.4):
            too = adjective.english in TOO
            degree = self.pick(("too", "very") if too else ("very",))
        state = self.degree(part, degree)
        return Clause(thing, None, tense, negated=negated, state=state)

    def unsaid(self, noun: Noun, thing: Person) -> list[Adjective]:
        """List the adjectives of a noun that its phrase leaves open."""
        fitting = self.lexicon.adjectives[noun.english]
        called = {piece.text for piece in words(thing.english)}
        ranks = {a.rank for a in fitting if a.english in called}
        return [a for a in fitting if a.rank not in ranks]

    def state(self, english: str, degree: str = "") -> Part:
        """Say how somebody is: "tired", "very tired"."""
        german = self.lexicon.states[english]
        return self.degree(self.word("JJ", english, german), degree)

    # Clauses with a verb.

    def verb(self, mode: str) -> Verb:
        """Draw a verb, one that goes with the mode if there is one."""
        verb = self.pick(self.verbs)
        while mode and mode not in (verb.modes or MODES):
            verb = self.pick(self.verbs)
        return verb

    def mode(self, verb: Verb, question: bool, negated: bool) -> str:
        """Choose tense or modal verb; not all go with "not" and a question."""
        mode = self.pick(verb.modes or MODES)
        if mode == "must" and (question or negated):
            return "have"
        if mode == "like" and verb.objects and "bare" not in verb.shapes:
            return "want"
        if mode == "present" and negated and not verb.habit:
            return "past"
        return mode

    def clause(
        self,
        person: Person,
        verb: Verb | None = None,
        mode: str = "",
        negated: bool | None = None,
        shape: str = "",
        question: bool = False,
        timed: bool = True,
    ) -> Clause:
        """Draw a clause: what is not given is open."""
        verb = verb or self.verb(mode)
        if negated is None:
            negated = not (question or verb.hour) and self.chance(0.18)
        mode = mode or self.mode(verb, question, negated)
        # 1. "I read" may be now or then: leave only one of them.
        if (
            (verb.past, mode) == (verb.english, "past")
            and person.agreement != 2
            and not (negated or question)
        ):
            mode = "will"
        clause = Clause(person, verb, mode, self.link(), negated=negated)
        if mode == "like":
            clause = clause._replace(liking=self.link())
        # 2. When, whom or what, and all the rest.
        clause = self.with_hour(clause, verb)
        if timed:
            clause = self.with_time(clause, verb, question)
        if verb.objects:
            clause = self.with_thing(clause, verb, shape)
        return self.with_rest(clause, verb)

    def with_hour(self, clause: Clause, verb: Verb) -> Clause:
        """Add at what hour."""
        if clause.negated or clause.mode == "like":
            return clause
        if verb.hour or (verb.direction and self.chance(0.25)):
            return clause._replace(hour=self.hour())
        return clause

    def with_time(self, clause: Clause, verb: Verb, question: bool) -> Clause:
        """Add when, sometimes in front."""
        mode = clause.mode
        if verb.modes == LASTING or mode == "like":
            return clause
        # 1. What people do in general needs no time, or "often".
        if mode == "present":
            if clause.negated or (verb.habit and self.chance(0.4)):
                return clause
            if verb.seldom or (not clause.hour and self.chance(0.3)):
                return clause._replace(often=self.often())
        elif not self.chance(0.3 if mode == "can" else 0.6):
            return clause
        # 2. Behind or in front; no evening at seven.
        time = self.time(mode, parts=clause.hour is None)
        front = not question and self.chance(0.4)
        return clause._replace(time=time, front=front)

    def with_thing(self, clause: Clause, verb: Verb, shape: str) -> Clause:
        """Add the object."""
        noun = self.pick(verb.objects)
        while noun.english in clause.person.names:
            noun = self.pick(verb.objects)
        self.combine(clause.link, verb.english, noun)
        # 1. How it looks; what is not there is not counted.
        shape = OWNED.get(noun.kind) or shape
        shape = shape or self.shape(clause, verb, noun)
        if clause.negated and shape == "number":
            shape = "a"
        several = shape in {"bare", "number"} or (
            shape != "a" and self.chance(0.2)
        )
        clause = clause._replace(
            noun=noun, shape=shape, plural=bool(noun.plural) and several
        )
        # 2. With "not" at a known object, no time stands in the middle.
        if clause.negated and clause.definite and not clause.front:
            clause = clause._replace(time=None)
        return clause._replace(thing=self.thing(clause, verb, noun))

    def shape(self, clause: Clause, verb: Verb, noun: Noun) -> str:
        """Choose how an object looks: bare, a, number, the, my."""
        shapes = verb.shapes
        # 1. What people do in general, they do with anything.
        if clause.mode in HABITS and verb.modes != LASTING:
            some = {"bare", "number", "a"} if clause.time else {"bare"}
            shapes = tuple([shape for shape in shapes if shape in some])
        # 2. Milk is not counted.
        shape = self.pick(shapes)
        if shape in {"a", "number"} and not noun.plural:
            return "bare"
        return shape

    def thing(self, clause: Clause, verb: Verb, noun: Noun) -> Part:
        """Build the object."""
        shape = clause.shape
        lead = shape if shape in {"a", "the"} else ""
        if shape == "my":
            lead = self.owner()
        number = None
        if shape == "number":
            large = noun.english in self.lexicon.many and not verb.few
            number = self.number(ANY if large else SMALL)
        # 1. German denies an unknown object with "kein".
        no = clause.negated and not clause.definite and clause.mode != "like"
        share = 0.2 if noun.kind in OWNED else 0.55
        return self.noun_phrase(
            noun, "accusative", lead, clause.plural, number, share, no
        )

    def with_rest(self, clause: Clause, verb: Verb) -> Clause:
        """Add where to, for whom, with whom, where."""
        if verb.direction:
            names = (*self.lexicon.places, "home")
            clause = clause._replace(goal=self.place(names, to=True))
        if verb.gift and not clause.negated and self.chance(0.35):
            english, german = verb.gift
            label = "TO" if english == "to" else "IN"
            other = self.other(clause.person, "accusative")
            gift = prepositional(label, english, german, other)
            return clause._replace(gift=gift)
        # A known object, or one that is not there, stands alone.
        if clause.definite or (clause.negated and verb.objects):
            return clause
        if verb.company and self.chance(0.3):
            other = self.other(clause.person, "dative")
            company = prepositional("IN", "with", "mit", other)
            return clause._replace(company=company)
        if verb.places and self.chance(0.4):
            return clause._replace(place=self.place(verb.places))
        return clause

    def unfronted(self, person: Person, mode: str = "") -> Clause:
        """Draw a statement with nothing in front of its subject."""
        clause = self.clause(person, mode=mode)
        if clause.negated and clause.definite:
            clause = clause._replace(time=None)
        return clause._replace(front=False)

    # Sentences of one clause.

    def simple(self) -> Part:
        """Draw a statement."""
        if self.chance(0.32):
            return stated(self.being())
        return stated(self.clause(self.person()))

    def question(self) -> Part:
        """Draw a question for yes or no."""
        if self.chance(0.25):
            return asked(self.being(question=True))
        person = self.person(question=True)
        return asked(self.clause(person, question=True))

    # Sentences of two clauses.

    def report(self) -> Part:
        """Say that somebody knows, thinks or says something."""
        name, verb = self.entry(self.lexicon.reports)
        person = self.person()
        while name == "say" and person.agreement not in {2, 4}:
            person = self.person()
        # 1. Of somebody else.
        about = self.person(pairs=False)
        while about.names == person.names or (
            {about.pronoun, person.pronoun} <= {"I", "we"}
        ):
            about = self.person(pairs=False)
        inner = self.unfronted(about)
        if self.chance(0.15):
            inner = self.being()._replace(front=False)
        main = Clause(person, verb, "present", self.link())
        return behind(main, "that", inner)

    def because(self) -> Part:
        """Draw a statement and the reason for it."""
        kind = self.rng.random()
        if kind < 0.35:
            return self.mood()
        return self.opinion() if kind < 0.7 else self.excuse()

    def mood(self) -> Part:
        """Say why somebody is happy or sad."""
        mode = self.pick(("past", "present"))
        reason = self.unfronted(self.person(pairs=False), mode)
        state = self.state("sad" if reason.negated else "happy")
        main = Clause(self.person(), None, reason.tense, state=state)
        return behind(main, "because", reason)

    def opinion(self) -> Part:
        """Say why somebody likes, buys or sells a thing."""
        name = self.pick(("like", "buy", "sell"))
        verb = self.lexicon.verbs[name]
        mode = "present" if name == "like" else "past"
        complaint = name == "sell" or self.chance(0.4)
        negated = complaint and name != "sell"
        # 1. A known thing, and what may be said of it.
        found: list[Adjective] = []
        while not found:
            main = self.clause(self.person(), verb, mode, negated, "the")
            found = self.reasons(main, TOO if complaint else PRAISE)
        # 2. "it" is er, sie or es: that depends on the German noun.
        adjective, noun = self.pick(found), main.noun
        assert noun is not None
        part = self.adjective(adjective, noun)
        state = self.degree(part, "too" if complaint else "")
        thing = it(noun, main.plural)
        reason = Clause(thing, None, main.tense, state=state)
        return behind(main._replace(gift=None), "because", reason)

    def reasons(self, main: Clause, allowed: set[str]) -> list[Adjective]:
        """List what would be a reason, for an object without adjectives."""
        noun, thing = main.noun, main.thing
        if noun is None or thing is None or len(thing.english.parts) > 2:
            return []
        fitting = self.lexicon.adjectives.get(noun.english, ())
        # Nobody sells what is too expensive to sell.
        if main.verb and main.verb.english == "sell":
            allowed = allowed - {"expensive"}
        return [a for a in fitting if a.english in allowed]

    def excuse(self) -> Part:
        """Say what comes of being hungry, tired or sick."""
        mode = self.pick(("past", "past", "present", "want", "can"))
        main, state = self.stateful(mode)
        return behind(main, "because", state)

    def when(self) -> Part:
        """Say what somebody does when tired; that may come first."""
        main, state = self.stateful("present")
        if self.chance(0.5):
            return behind(main, "when", state)
        # In front it has the name, and the main clause has the pronoun.
        return ahead(
            main._replace(person=state.person),
            "when",
            state._replace(person=main.person),
        )

    def stateful(self, mode: str) -> tuple[Clause, Clause]:
        """Draw what somebody does or does not do, and in which state."""
        person = self.person()
        while not person.pronoun:
            person = self.person()
        # 1. A verb with such states.
        negated = mode == "can" or self.chance(0.5)
        verb = self.verb(mode)
        while not (verb.despite if negated else verb.because):
            verb = self.verb(mode)
        timed = mode != "present"
        main = self.clause(person, verb, mode, negated, timed=timed)
        # 2. The same person, now as a pronoun.
        states = verb.despite if negated else verb.because
        state = self.state(self.pick(states))
        again = pronoun(person.pronoun)
        return main, Clause(again, None, main.tense, state=state)

    # Any of them.

    def sentence(self) -> tuple[Part, str]:
        """Draw a sentence and the mark at its end; half have no full stop."""
        self.links = 0
        self.combinations = []
        kind = self.rng.random()
        end = "." if self.chance(0.5) else ""
        if kind < 0.13:
            return self.question(), "?"
        if kind < 0.23:
            return self.report(), end
        if kind < 0.36:
            return self.because(), end
        if kind < 0.41:
            return self.when(), end
        return self.simple(), end
