"""Judge a reader's object: right, or wrong in a way that has a name.

Probe by probe, what the reader's object does is compared with what the
package's own does. Where they first differ, the known mistakes are tried on
the same probe; the one that does the same is named. If none does, pairs of
them are tried.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from itertools import combinations
from typing import Any

from laidout.workshop.capture import captured
from laidout.workshop.catalogue import Exercise
from laidout.workshop.comparing import Difference, alike, difference
from laidout.workshop.observing import (
    Observation,
    Raised,
    Tampered,
    observe,
)
from laidout.workshop.probes import Probe, probes_of
from laidout.workshop.signatures import signature_problem
from laidout.workshop.skeleton import UNWRITTEN
from laidout.workshop.variants import (
    Mistake,
    build,
    combine,
    mistakes_of,
    wrong_source,
)

__all__ = ["Judge", "Verdict"]


PATIENCE = 1.5
"""Seconds in which two mistakes at once are looked for."""

Slugs = list[tuple[str, ...]]


@dataclass(frozen=True)
class Verdict:
    """What a judge says.

    Nothing is set if the object is right. `mistake` is what was recognised;
    `second` is another that seems to be there too. `problem` says what is
    wrong where nothing was recognised. `printed` is what the object wrote
    while it was seen to be wrong.
    """

    problem: str = ""
    mistake: Mistake | None = None
    second: Mistake | None = None
    probe: Probe | None = None
    difference: Difference | None = None
    raised: Raised | None = None
    printed: str = ""

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problem

    @property
    def not_written(self) -> bool:
        """Whether a part that is needed is still a skeleton."""
        return (
            self.raised is not None
            and self.raised.kind == "NotImplementedError"
            and self.raised.message.endswith(UNWRITTEN)
        )


def raised_sentence(name: str, raised: Raised) -> str:
    """Say in one sentence what an error means."""
    known = {
        "RecursionError": f"{name} calls itself without end.",
        "MemoryError": f"{name} asks for more memory than it may have.",
        "SystemExit": f"{name} ends the program (sys.exit).",
    }
    if "can't allocate memory" in raised.message:
        return known["MemoryError"]
    first = raised.message.splitlines()[0][:300]
    return known.get(raised.kind, f"{name} raised {raised.kind}: {first}")


class Judge:
    """One exercise with its probes and its known mistakes.

    What the package's own object does is observed at once, before any code
    of a reader can have changed something.
    """

    def __init__(self, exercise: Exercise) -> None:
        self.exercise = exercise
        module = import_module(exercise.module_name)
        self.right = getattr(module, exercise.source.name)
        self.probes = probes_of(exercise.name, exercise.module)
        self.wanted = [observe(probe, self.right) for probe in self.probes]
        self._unseen: Counter[str] = Counter()
        self._wrong: dict[tuple[str, ...], Any] = {}
        self._shown: dict[tuple[tuple[str, ...], int], Observation | None] = {}

    def verdict(self, mine: Any) -> Verdict:
        """Judge an object; the first thing that is wrong counts."""
        problem = signature_problem(mine, self.right)
        if problem:
            return Verdict(problem)
        for place, probe in enumerate(self.probes):
            with captured() as heard:
                got = observe(probe, mine)
            found = self._difference(got, place)
            if found:
                with captured():
                    verdict = self._diagnose(mine, place, got, found)
                return replace(verdict, printed=heard.text())
        return Verdict()

    def _difference(self, got: Observation, place: int) -> Difference | None:
        """Say how an observation differs from the right one."""
        tolerance = self.probes[place].tolerance
        if alike(got, self.wanted[place], tolerance):
            return None
        return difference(got, self.wanted[place], tolerance)

    def _diagnose(
        self, mine: Any, place: int, got: Observation, found: Difference
    ) -> Verdict:
        """Name the mistake behind a difference, if it is a known one."""
        raised = got if isinstance(got, Raised) else None
        verdict = Verdict(
            self._problem(place, got),
            None,
            None,
            self.probes[place],
            found,
            raised,
        )
        if verdict.not_written:
            return verdict
        named = self._recognise(mine, place, got)
        if not named:
            return verdict
        first, *others = named
        return replace(
            verdict,
            problem=first.says,
            mistake=first,
            second=others[0] if others else None,
        )

    def _problem(self, place: int, got: Observation) -> str:
        """Say what is wrong where no mistake is recognised."""
        if isinstance(got, Raised):
            return raised_sentence(self.exercise.source.name, got)
        if isinstance(got, Tampered):
            return f"It changed {got.what}, which other code relies on."
        return f"Not so here: {self.probes[place].says}"

    def _recognise(
        self, mine: Any, place: int, got: Observation
    ) -> list[Mistake]:
        """Return the mistake that does the same, or two that do together."""
        # What shows on an earlier probe cannot be it: that one went well.
        left = [s for s in self.mistakes if self.shows_at(s, place) >= place]
        here = [s for s in left if self.shows_at(s, place) == place]
        found = self._doing(((slug,) for slug in here), place, got)
        if not found:
            pairs = (p for p in combinations(left, 2) if {*p} & {*here})
            found = self._doing(_for_a_while(pairs), place, got)
        if not found:
            return []
        best = found[0]
        if len(found) > 1:
            # They do the same here: see which agrees most elsewhere.
            seen = [observe(probe, mine) for probe in self.probes]
            best = max(found, key=lambda slugs: self._agreement(slugs, seen))
        return [
            self.mistakes[slug] for slug in sorted(best, key=self.shows_at)
        ]

    def _doing(
        self, known: Iterable[tuple[str, ...]], place: int, got: Observation
    ) -> Slugs:
        """Return the mistakes that do on a probe what was got."""
        return [slugs for slugs in known if self._alike(slugs, place, got)]

    def _agreement(
        self, slugs: tuple[str, ...], seen: list[Observation]
    ) -> int:
        """Count the probes on which mistakes do what was seen."""
        return sum(
            self._alike(slugs, place, got) for place, got in enumerate(seen)
        )

    def _alike(
        self, slugs: tuple[str, ...], place: int, got: Observation
    ) -> bool:
        shown = self.shown(slugs, place)
        tolerance = self.probes[place].tolerance
        return shown is not None and alike(got, shown, tolerance)

    @cached_property
    def mistakes(self) -> dict[str, Mistake]:
        """The known mistakes of the exercise."""
        return mistakes_of(self.exercise)

    def shown(self, slugs: tuple[str, ...], place: int) -> Observation | None:
        """Return what mistakes show on a probe, alone or two together.

        None if the two cannot be combined.
        """
        if (slugs, place) not in self._shown:
            wrong = self.wrong(slugs)
            self._shown[slugs, place] = (
                None if wrong is None else observe(self.probes[place], wrong)
            )
        return self._shown[slugs, place]

    def wrong(self, slugs: tuple[str, ...]) -> Any | None:
        """Return an object with one mistake or two, None if impossible."""
        if slugs not in self._wrong:
            chosen = [self.mistakes[slug] for slug in slugs]
            source = (
                wrong_source(self.exercise, chosen[0])
                if len(chosen) == 1
                else combine(self.exercise, chosen[0], chosen[1])
            )
            self._wrong[slugs] = source and build(self.exercise, source)
        return self._wrong[slugs]

    def shows_at(self, slug: str, last: int | None = None) -> int:
        """Return the first probe on which a mistake alone is seen.

        One that is not seen up to the last probe that is looked at comes
        after it.
        """
        end = len(self.probes) if last is None else last + 1
        while (place := self._unseen[slug]) < end:
            if not self._alike((slug,), place, self.wanted[place]):
                return place
            self._unseen[slug] += 1
        return end


def _for_a_while(
    pairs: Iterable[tuple[str, ...]],
) -> Iterator[tuple[str, ...]]:
    """Yield pairs as long as somebody may be waiting for the answer."""
    end = time.monotonic() + PATIENCE
    for pair in pairs:
        if time.monotonic() > end:
            return
        yield pair
