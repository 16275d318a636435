"""Examine one exercise in the reader's files. Runs in a process of its own.

First with everything else from the package, so that nothing but the object
itself can be wrong; then, if it is right, with what it builds on from the
reader too.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from types import ModuleType
from typing import Any

from laidout.workshop.catalogue import Exercise, load_catalogue
from laidout.workshop.judging import Judge, Verdict
from laidout.workshop.mine import (
    UnreadableError,
    adopted,
    borrowed_methods,
    bound,
    is_untouched,
    load_file,
    own,
    package_object,
)
from laidout.workshop.observing import Shared
from laidout.workshop.results import Evidence, Result, Task

__all__ = [
    "examine",
    "is_started",
    "judged",
    "not_started",
    "result_of",
]


def examine(task: Task) -> Result:
    """Examine an exercise; whatever goes wrong is in the result."""
    start = time.perf_counter()
    exercise = load_catalogue()[task.exercise]
    try:
        result = _Examination(task).result()
    except UnreadableError as error:
        evidence = Evidence(lines=error.lines)
        result = Result.of(exercise, "error", str(error), evidence=evidence)
    return replace(result, seconds=time.perf_counter() - start)


class _Examination:
    """One exercise, the reader's object for it, and all that is around."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.catalogue = load_catalogue()
        self.exercise = self.catalogue[task.exercise]
        # What the package does is observed before the reader's code runs.
        self.judge = Judge(self.exercise)
        self.module = self._load(self.exercise)
        self.mine = own(self.module, self.exercise)
        self._keep = ExitStack()

    def _load(self, exercise: Exercise) -> ModuleType:
        """Run the reader's file for an exercise.

        Raises:
            UnreadableError: if it cannot be run, or changes torch itself.
        """
        shared = Shared()
        try:
            module = load_file(self.task.folder / f"{exercise.module}.py")
        finally:
            changed = shared.restore(may_seed=True)
        if changed:
            raise UnreadableError(
                f"{exercise.module}.py changes {changed} when it is run, "
                "which other code relies on."
            )
        return module

    def result(self) -> Result:
        """Judge the object, alone first and then with the reader's others."""
        if not is_started(self.exercise, self.mine):
            return not_started(self.exercise)
        verdict = self._verdict({})
        if not verdict.passed:
            return result_of(self.exercise, verdict)
        solved = self._solved()
        if not solved or self._verdict(self._parts(solved)).passed:
            return Result.of(self.exercise, "passed")
        return self._misfit(solved)

    def _verdict(self, parts: Mapping[str, Any]) -> Verdict:
        """Judge the object with some parts of the reader's, by dotted name.

        All other objects of exercises are the package's.
        """
        with self._surroundings(self.module, self.exercise, parts):
            return judged(self.judge, self.mine, self.catalogue)

    @contextmanager
    def _surroundings(
        self, module: ModuleType, exercise: Exercise, parts: Mapping[str, Any]
    ) -> Iterator[None]:
        """Let a file use the package's objects, but for some parts."""
        names = {other.object for other in self.catalogue.values()}
        names.remove(exercise.object)
        here = {
            name for name in names if name.split(".")[1] == module.__name__
        }
        chosen = {name: package_object(name) for name in names} | dict(parts)
        with bound(vars(module), chosen, here):
            yield

    def _parts(self, solved: Iterable[Exercise]) -> dict[str, Any]:
        """Return the reader's objects for exercises that are solved.

        They stay with the package's objects for as long as the process
        lives: each is run in a module of its own.
        """
        parts = {}
        for other in solved:
            module = self._load(other)
            self._keep.enter_context(self._surroundings(module, other, {}))
            parts[other.object] = own(module, other)
        return parts

    def _solved(self) -> list[Exercise]:
        """Return what the exercise builds on and the reader has solved.

        Of a class that is several exercises, all must be.
        """
        open_ = {
            other.object
            for other in self.catalogue.values()
            if other.name not in self.task.passed
        }
        needed = [self.catalogue[n] for n in self._needed(self.exercise)]
        return [other for other in needed if other.object not in open_]

    def _needed(self, exercise: Exercise) -> list[str]:
        """Return all that an exercise builds on, directly or not."""
        found: list[str] = []
        for name in exercise.builds_on:
            base = self.catalogue[name]
            for part in [*self._needed(base), name]:
                same = self.catalogue[part].object == self.exercise.object
                if part not in found and not same:
                    found.append(part)
        return found

    def _misfit(self, solved: list[Exercise]) -> Result:
        """Say which of the reader's objects does not fit this one."""
        name = self.exercise.source.name
        for other in solved:
            verdict = self._verdict(self._parts([other]))
            if not verdict.passed:
                return Result.of(
                    self.exercise,
                    "failed",
                    f"{name} is right with the package's "
                    f"{other.source.name}, but not with yours.",
                    evidence=_evidence(verdict, in_full=True),
                    printed=verdict.printed,
                )
        return Result.of(
            self.exercise,
            "failed",
            f"{name} is right with the package's objects, but not with all "
            "of yours together.",
        )


def is_started(exercise: Exercise, mine: Any) -> bool:
    """Tell whether anything is written of what the exercise asks for."""
    if not isinstance(mine, type):
        return not is_untouched(exercise, exercise.source.name, mine)
    present = {n: vars(mine)[n] for n in exercise.blank if n in vars(mine)}
    return not present or any(
        not is_untouched(exercise, name, method)
        for name, method in present.items()
    )


def not_started(exercise: Exercise) -> Result:
    """Return the result of an exercise that nobody has begun."""
    name = exercise.source.name
    return Result.of(exercise, "not started", f"{name} is not written yet.")


def judged(judge: Judge, mine: Any, catalogue: dict[str, Exercise]) -> Verdict:
    """Judge an object, methods of other exercises from the package.

    At first only those that are not written; if that fails, all of them, for
    it may be another method that is wrong.
    """
    if not isinstance(mine, type):
        return judge.verdict(mine)
    verdicts: list[Verdict] = []
    tried: list[dict[str, Any]] = []
    for written_too in (False, True):
        methods = borrowed_methods(
            judge.exercise, catalogue.values(), mine, written_too
        )
        if methods in tried:
            continue
        tried.append(methods)
        with adopted(mine, methods):
            verdicts.append(judge.verdict(mine))
        if verdicts[-1].passed:
            return verdicts[-1]
    named = [verdict for verdict in verdicts if verdict.mistake is not None]
    return (named or verdicts)[0]


def result_of(exercise: Exercise, verdict: Verdict) -> Result:
    """Write down what a judge has said."""
    if verdict.passed:
        return Result.of(exercise, "passed")
    if verdict.not_written and verdict.raised is not None:
        part = verdict.raised.message.partition(":")[0]
        return Result.of(
            exercise,
            "failed",
            f"{part} is not written yet: it still raises NotImplementedError.",
            printed=verdict.printed,
        )
    mistake, second = verdict.mistake, verdict.second
    return Result.of(
        exercise,
        "failed",
        verdict.problem,
        mistake=mistake.slug if mistake else None,
        nudge=mistake.nudge if mistake else "",
        second=second.says if second else "",
        evidence=_evidence(verdict, in_full=mistake is not None),
        printed=verdict.printed,
    )


def _evidence(verdict: Verdict, in_full: bool) -> Evidence:
    """Collect what a sentence rests on; in full, what it says itself too."""
    probe, found = verdict.probe, verdict.difference
    if probe is None or found is None:
        return Evidence()
    plain = bool(found.name)
    # To a mistake, a change of what all share adds nothing.
    other = verdict.raised is not None or verdict.mistake is None
    says = probe.says if plain and in_full else ""
    return Evidence(
        says=says,
        call=probe.call,
        difference=found.sentence if plain or (in_full and other) else "",
        window=found.window,
        got=found.got,
        wanted=found.wanted,
        got_grid=found.got_grid,
        wanted_grid=found.wanted_grid,
        lines=verdict.raised.lines if verdict.raised else (),
    )
