"""The commands of the workshop: start, check, hint, solution, progress."""

import json
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer
from rich.syntax import Syntax

from laidout.workshop.catalogue import (
    Exercise,
    find_exercises,
    find_one,
    load_catalogue,
)
from laidout.workshop.isolation import Workers
from laidout.workshop.results import Result, Task
from laidout.workshop.state import State, digest
from laidout.workshop.terminal import (
    err,
    head,
    markdown,
    out,
    progress_table,
    report,
    summary,
)
from laidout.workshop.workspace import (
    find_workspace,
    workspace_around,
)
from laidout.workshop.workspace import (
    start as write_workspace,
)

__all__ = ["app", "check_all"]

app = typer.Typer()

DEFAULT = Path("my-transformer")
"""Where `laidout start` writes the workspace."""
PAUSE = 1.0
"""Seconds between two looks at the files, under --watch."""

DirOption = Annotated[
    Path | None,
    typer.Option("--dir", help="Your workspace.", show_default="here"),
]
ExerciseArgument = Annotated[
    str, typer.Argument(help="The name of an exercise, or of its object.")
]


@app.command()
def start(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="DIR",
            help="Where to write it.",
            show_default=f"{DEFAULT}, or here if this is a workspace",
        ),
    ] = None,
) -> None:
    """Write the workspace: one file a module, with the skeletons.

    What you have changed is never overwritten; what a newer version has for
    such a file is written beside it.
    """
    place = folder or workspace_around() or DEFAULT
    done = write_workspace(place)
    for written in done:
        out.print(f"{written.path}: {written.what}")
    if not done:
        out.print(f"{place.resolve()} is up to date.")
    go = "" if place.resolve() == Path.cwd() else f"cd {place}, then "
    out.print(f"\nNext: {go}read README.md and open attention.py")


@app.command()
def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[EXERCISE]...",
            help="Exercises, objects or modules; without any, all of them.",
        ),
    ] = None,
    folder: DirOption = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Again whenever a file changes.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object.")
    ] = False,
) -> None:
    """Run your code beside the book's; say what is different, and why."""
    place = find_workspace(folder)
    exercises = find_exercises(names or [])
    _insist_on_one_way(watch, as_json)
    with Workers() as workers:
        if watch:
            _watch(place, exercises, workers, brief=not names)
        screen = None if as_json else _Screen(brief=not names)
        results = check_all(
            place, exercises, workers, screen.show if screen else None
        )
    if as_json:
        found = {"exercises": [result.as_json() for result in results]}
        print(json.dumps(found, indent=1), flush=True)
    else:
        _conclude(results)
    if not all(result.passed for result in results):
        raise typer.Exit(1)


def _insist_on_one_way(watch: bool, as_json: bool) -> None:
    """Refuse to write one object again and again."""
    if watch and as_json:
        raise ValueError("--watch and --json cannot be used together")


class _Screen:
    """Shows results as they come, and nothing twice.

    A brief one leaves out what nobody has begun.
    """

    def __init__(self, brief: bool) -> None:
        self.brief = brief
        self._said = ""

    def show(self, result: Result) -> None:
        """Show a result; of an error that was shown, only whose it is."""
        if self.brief and result.status == "not started":
            return
        file = f"{result.object.split('.')[1]}.py"
        again = result.message == self._said and file in self._said
        self._said = result.message
        shown = head(result) if again else report(result)
        out.print(shown, soft_wrap=False)


def _conclude(results: list[Result]) -> None:
    """Count, and say what comes next if nothing is wrong so far."""
    if len(results) > 1:
        out.print(summary(results))
    wrong = [r for r in results if r.status in ("failed", "error")]
    idle = [r for r in results if r.status == "not started"]
    if idle and not wrong:
        out.print(f"Next: {_where(find_one(idle[0].name))}")


def _where(exercise: Exercise) -> str:
    """Say in which file an exercise is to be written."""
    return (
        f"write {exercise.source.name} in {exercise.module}.py, then "
        f"laidout check {exercise.name}"
    )


def check_all(
    folder: Path,
    exercises: Iterable[Exercise],
    workers: Workers,
    show: Callable[[Result], None] | None = None,
) -> list[Result]:
    """Check exercises in the reader's order, and remember what has passed."""
    state = _state(folder)
    done = {e.name for e in load_catalogue().values() if state.is_done(e)}
    results = []
    try:
        for exercise in exercises:
            task = Task(folder.resolve(), exercise.name, tuple(sorted(done)))
            result = workers.examine(task)
            results.append(result)
            state.note(exercise, result.passed)
            (done.add if result.passed else done.discard)(exercise.name)
            if show is not None:
                show(result)
    finally:
        state.save()
    return results


def _state(folder: Path) -> State:
    """Load what a workspace remembers; say so if it cannot be used."""
    state = State.load(folder)
    if state.problem:
        err.print(f"{state.problem}; starting a new one.")
    return state


def _watch(
    folder: Path, exercises: list[Exercise], workers: Workers, brief: bool
) -> None:
    """Check again whenever a file has changed, until Ctrl-C.

    Files are read, not listened to: that works on network disks too.
    """
    seen: dict[str, str] = {}
    while True:
        now = _contents(folder, exercises)
        changed = [e for e in exercises if now[e.module] != seen.get(e.module)]
        seen = now
        if changed:
            out.clear()
            screen = _Screen(brief)
            _conclude(check_all(folder, changed, workers, screen.show))
            out.print(
                "Waiting for you to save; Ctrl-C ends. (Without --watch it "
                "is checked once.)"
            )
        time.sleep(PAUSE)


def _contents(folder: Path, exercises: Iterable[Exercise]) -> dict[str, str]:
    """Return a digest of each file; empty where there is none."""
    found = {}
    for module in {exercise.module for exercise in exercises}:
        path = folder / f"{module}.py"
        try:
            found[module] = digest(path.read_bytes().hex())
        except OSError:
            found[module] = ""
    return found


@app.command()
def hint(
    name: ExerciseArgument,
    folder: DirOption = None,
    number: Annotated[
        int | None, typer.Option(min=1, help="A certain one instead.")
    ] = None,
) -> None:
    """Show a hint: one more each time, from a nudge to nearly there."""
    exercise = find_one(name)
    state = _state(find_workspace(folder))
    count = len(exercise.hints)
    shown = number or state.hints.get(exercise.name, 0) + 1
    _insist_on_hint(number, count)
    if shown > count:
        out.print(
            f"These were all {count} hints of {exercise.name}.\nSee one again "
            f"with --number, or: laidout solution {exercise.name}"
        )
        return
    out.print(f"Hint {shown} of {count} for {exercise.name}\n")
    text = exercise.hints[shown - 1]
    # Where it is not drawn, code keeps its marks.
    out.print(markdown(text) if out.is_terminal else text, soft_wrap=False)
    if number is None:
        state.hints[exercise.name] = shown
        state.save()
    if shown < count:
        out.print(f"\nOne more: laidout hint {exercise.name}")


def _insist_on_hint(number: int | None, count: int) -> None:
    """Refuse the number of a hint that there is not."""
    if number is not None and number > count:
        raise ValueError(f"--number ({number}) must be from 1 to {count}")


@app.command()
def solution(
    name: ExerciseArgument,
    yes: Annotated[
        bool, typer.Option("--yes", help="Don't ask whether you mean it.")
    ] = False,
) -> None:
    """Show the book's solution: the tested source itself."""
    exercise = find_one(name)
    if not yes:
        # The question is no part of what may go into a file.
        with redirect_stdout(sys.stderr):
            typer.confirm(
                f"Show the whole solution of {exercise.name}?",
                abort=True,
                err=True,
            )
    if out.is_terminal:
        out.print(Syntax(exercise.answer, "python"), soft_wrap=False)
    else:
        print(exercise.answer, end="")


@app.command()
def progress(folder: DirOption = None) -> None:
    """Show which exercises are done, and what comes next."""
    state = _state(find_workspace(folder))
    exercises = list(load_catalogue().values())
    out.print(progress_table(exercises, state), soft_wrap=False)
    left = [e for e in exercises if not state.is_done(e)]
    if any(map(state.has_changed, exercises)):
        out.print("\nchanged: edited since it passed; check it again.")
    out.print(f"\n{len(exercises) - len(left)} of {len(exercises)} are done.")
    if left:
        out.print(f"Next: {_where(left[0])}")
    else:
        out.print("Next: laidout train --mine .")
