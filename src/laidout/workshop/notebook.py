"""The workshop in a notebook: `check(my_function)`, `hint("name")`.

`mine = solved(mine)` lets the cells that follow run before `mine` is written.
The code runs in the notebook's own process, where the reader has defined it;
a check that takes too long is stopped.
"""

import inspect
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any, cast

from rich.console import Console

from laidout.workshop import html, terminal
from laidout.workshop.capture import captured
from laidout.workshop.catalogue import (
    Exercise,
    find_exercises,
    find_one,
    load_catalogue,
)
from laidout.workshop.examining import (
    is_started,
    judged,
    not_started,
    result_of,
)
from laidout.workshop.isolation import Limits
from laidout.workshop.judging import Judge
from laidout.workshop.mine import (
    adopt,
    borrowed_methods,
    bound,
    is_unwritten,
    package_object,
)
from laidout.workshop.observing import TimeUp
from laidout.workshop.results import Result

__all__ = ["Reports", "Text", "check", "hint", "solution", "solved"]


@dataclass(frozen=True)
class Reports:
    """What a check has found, for the terminal and for a notebook."""

    results: tuple[Result, ...]

    @property
    def passed(self) -> bool:
        """Whether all of it is right."""
        return all(result.passed for result in self.results)

    def __repr__(self) -> str:
        # In a notebook, a console would draw an output of its own.
        console = Console(width=79, force_jupyter=False, **terminal.PLAIN)
        with console.capture() as drawn:
            for result in self.results:
                ask = f'hint("{result.name}")'
                console.print(terminal.report(result, ask))
        return drawn.get().rstrip()

    def _repr_html_(self) -> str:
        return "\n".join(map(html.report, self.results))


@dataclass(frozen=True)
class Text:
    """A text that a notebook draws as Markdown."""

    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str:
        return self.text


def check(mine: Any, exercise: str | None = None) -> Reports:
    """Check a function or a class of your own.

    Its name tells which exercise it is, or several of them if they share a
    class; `exercise` names one of them.

    Raises:
        ValueError: if there is no such exercise.
    """
    found = find_exercises([exercise or _name_of(mine)])
    return Reports(tuple(_check(each, mine) for each in found))


def _name_of(mine: Any) -> str:
    """Return the name of an exercise, or of an object of the reader's."""
    if isinstance(mine, str):
        return mine
    return str(getattr(mine, "__name__", type(mine).__name__))


def _check(exercise: Exercise, mine: Any) -> Result:
    """Check one exercise, the others from the package as far as need be."""
    start = time.perf_counter()
    seconds = Limits().seconds
    if _is_lent(exercise, mine) or not is_started(exercise, mine):
        return not_started(exercise)
    if _is_theirs(exercise, mine):
        return Result.of(
            exercise,
            "error",
            f"{exercise.source.name} is the book's own here, not yours. Run "
            "the cell with your code first; if it stops with an error, mend "
            "that.",
        )
    judge = Judge(exercise)
    with captured() as heard:
        try:
            with _patience(seconds), _others(exercise, mine):
                verdict = judged(judge, mine, load_catalogue())
            result = result_of(exercise, verdict)
        except TimeUp:
            result = Result.of(
                exercise,
                "error",
                f"It did not end within {seconds:g} seconds. Is there a loop "
                "that never stops?",
                printed=heard.text(),
            )
    return replace(result, seconds=time.perf_counter() - start)


@contextmanager
def _others(exercise: Exercise, mine: Any) -> Iterator[None]:
    """Let the package stand in for what the notebook has not written yet."""
    namespace = _namespace(mine)
    names = {e.object for e in load_catalogue().values()} - {exercise.object}
    unwritten = {
        dotted: package_object(dotted)
        for dotted in names
        if is_unwritten_anywhere(namespace.get(dotted.rpartition(".")[2]))
    }
    with bound(namespace, unwritten, unwritten):
        yield


def _namespace(mine: Any) -> dict[str, Any]:
    """Return the global names that an object's code sees."""
    module = sys.modules.get(getattr(mine, "__module__", ""))
    names = vars(module) if module else {}
    return getattr(inspect.unwrap(mine), "__globals__", names)


def is_unwritten_anywhere(found: Any) -> bool:
    """Tell whether an object, or a method of it, is still a skeleton."""
    if isinstance(found, type):
        return any(map(is_unwritten, vars(found).values()))
    return is_unwritten(found)


@contextmanager
def _patience(seconds: float) -> Iterator[None]:
    """Raise TimeUp after so many seconds, where the system can."""
    main = threading.current_thread() is threading.main_thread()
    if not main or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeUp

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


_LENT: list[tuple[Any, str]] = []
"""Each object that stands in for the reader's, with the exercise it solves."""
_WRITTEN: dict[str, dict[str, Any]] = {}
"""The methods that the reader has written in earlier cells, by object."""


def solved(mine: Any, exercise: str | None = None) -> Any:
    """Return your own function or class, or the book's until it is written.

    `mine = solved(mine)` keeps the cells that follow running. What is written
    comes back as it is, right or wrong; where the book's own is used, a line
    says so, and a check still says that it is not written. A class keeps the
    methods that you have written, in earlier cells too.

    Raises:
        ValueError: if there is no such exercise.
    """
    found = find_exercises([exercise or _name_of(mine)])
    missing = [each for each in found if _is_missing(each, mine)]
    if missing:
        parts = ", ".join(map(_part, missing))
        print(f"{parts}: not solved yet, the book's own is used below.")
    if isinstance(mine, type):
        _remember(mine, found, missing)
        if _WRITTEN.get(found[0].object):
            return _completed(mine, found, missing)
    return _lend(package_object(found[0].object), missing) if missing else mine


def _is_missing(exercise: Exercise, mine: Any) -> bool:
    """Tell whether a part that an exercise asks for is still a skeleton."""
    if _is_theirs(exercise, mine):
        return True
    if not isinstance(mine, type):
        return is_unwritten(mine)
    present = [vars(mine)[n] for n in exercise.blank if n in vars(mine)]
    return any(map(is_unwritten, present))


def _is_theirs(exercise: Exercise, mine: Any) -> bool:
    """Tell whether an object is the book's own, imported or lent."""
    imported = mine is package_object(exercise.object)
    return imported or _is_lent(exercise, mine)


def _is_lent(exercise: Exercise, mine: Any) -> bool:
    """Tell whether an object stands in for the reader's."""
    return any(lent is mine and name == exercise.name for lent, name in _LENT)


def _lend(theirs: Any, missing: list[Exercise]) -> Any:
    """Return an object, noted as one that the reader has not written."""
    _LENT.extend(
        (theirs, each.name) for each in missing if not _is_lent(each, theirs)
    )
    return theirs


def _part(exercise: Exercise) -> str:
    """Name what an exercise asks for: an object, or some of its methods."""
    name = exercise.source.name
    if not exercise.elsewhere:
        return name
    return ", ".join(f"{name}.{method}" for method in exercise.blank)


def _remember(
    mine: type, found: list[Exercise], missing: list[Exercise]
) -> None:
    """Keep the methods of a class for a cell that defines it anew."""
    for each in found:
        written = _WRITTEN.setdefault(each.object, {})
        present = {n: vars(mine)[n] for n in each.blank if n in vars(mine)}
        if present:
            for name in each.blank:
                written.pop(name, None)
        if each not in missing:
            written |= present


def _completed(
    mine: type, found: list[Exercise], missing: list[Exercise]
) -> type:
    """Give a class what it lacks: the reader's earlier methods, the book's."""
    dotted = found[0].object
    theirs, kept = vars(package_object(dotted)), _WRITTEN[dotted]
    every = [e for e in load_catalogue().values() if e.object == dotted]
    methods: dict[str, Any] = {}
    for each in found:
        methods |= borrowed_methods(each, every, mine, written_too=False)
    methods |= {n: kept[n] for n in kept if n not in vars(mine)}
    methods |= {n: theirs[n] for each in missing for n in each.blank}
    adopt(mine, methods)
    lent = [e for e in every if kept.keys().isdisjoint(e.blank)]
    return cast(type, _lend(mine, lent))


_SHOWN: dict[str, int] = {}
"""How many hints of an exercise this notebook has shown."""


def hint(name: Any, number: int | None = None) -> Text:
    """Show a hint: one more each time, or a certain one.

    `name` is that of an exercise, or your own function or class.

    Raises:
        ValueError: if there is no such exercise, or no such hint.
    """
    exercise = find_one(_name_of(name))
    count = len(exercise.hints)
    if number is not None and not 1 <= number <= count:
        raise ValueError(f"number ({number}) must be from 1 to {count}")
    shown = number or _SHOWN.get(exercise.name, 0) + 1
    if shown > count:
        return Text(
            f"These were all {count} hints. There is also "
            f'`solution("{exercise.name}")`.'
        )
    if number is None:
        _SHOWN[exercise.name] = shown
    return Text(f"**Hint {shown} of {count}.** {exercise.hints[shown - 1]}")


def solution(name: Any) -> Text:
    """Show the book's solution: the tested source itself.

    `name` is that of an exercise, or your own function or class.

    Raises:
        ValueError: if there is no such exercise.
    """
    exercise = find_one(_name_of(name))
    return Text(f"```python\n{exercise.answer}```")
