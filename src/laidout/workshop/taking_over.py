"""`--mine`: train, translate and evaluate with the reader's own objects.

The command checks the reader's objects, says which of them it takes, and
runs itself once more in a process of its own, where they take the place of
the package's. That process may take as long as it likes.
"""

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from laidout.workshop.catalogue import Exercise, load_catalogue
from laidout.workshop.commands import check_all
from laidout.workshop.isolation import Workers, limit_memory
from laidout.workshop.results import Result
from laidout.workshop.state import State
from laidout.workshop.terminal import err
from laidout.workshop.workspace import find_workspace

__all__ = ["take_over"]

VARIABLE = "LAIDOUT_MINE"
"""Names the solved exercises to the process that uses them."""


@contextmanager
def take_over(folder: Path | None, check_again: bool) -> Iterator[None]:
    """Do what follows with the reader's objects, in a process of its own.

    In the process that the reader started this never comes back: it ends
    with the status of the other one. Without a folder, nothing happens.

    Raises:
        ValueError: if the folder is no workspace, nothing in it has passed,
            or several processes train together.
    """
    if folder is None:
        yield
        return
    place = find_workspace(folder).resolve()
    if VARIABLE not in os.environ:
        passed = _passed(place, check_again)
        sys.exit(_run_again(passed))
    # Here we are the process that was started for it.
    import torch

    from laidout.workshop.swap import exchange

    # A GPU takes many more addresses than there is memory.
    if not torch.cuda.is_available():
        limit_memory(psutil.virtual_memory().total)
    exchange(place, json.loads(os.environ[VARIABLE]))
    try:
        yield
    except (Exception, SystemExit) as error:
        _blame(place, error)
        raise


def _passed(folder: Path, check_again: bool) -> list[str]:
    """Check what is needed; say what is taken and what is refused."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ValueError("--mine trains in one process, not under torchrun")
    exercises = list(load_catalogue().values())
    state = State.load(folder)
    known = [e for e in exercises if not check_again and state.is_done(e)]
    unknown = [e for e in exercises if e not in known]
    err.print(f"Checking what is yours in {folder} ...")
    with Workers() as workers:
        results = check_all(folder, unknown, workers)
    passed = {e.name for e in known} | {r.name for r in results if r.passed}
    for result in results:
        if result.status in ("failed", "error"):
            err.print(f"Refused: {_refusal(result)}", soft_wrap=False)
    if not passed:
        raise ValueError(
            f"nothing in {folder} has passed its checks: see laidout check"
        )
    _say_whose(exercises, passed, in_full=check_again)
    return sorted(passed)


def _refusal(result: Result) -> str:
    name = result.object.rpartition(".")[2]
    return f"{name}, for {result.name} does not pass. {result.message}"


def _say_whose(
    exercises: Sequence[Exercise], passed: Iterable[str], in_full: bool
) -> None:
    """Say which objects are the reader's; in full, the package's too."""
    parts: dict[str, list[bool]] = {}
    for exercise in exercises:
        name = exercise.source.name
        parts.setdefault(name, []).append(exercise.name in passed)
    mine = [n for n, done in parts.items() if all(done)]
    partly = [n for n, done in parts.items() if any(done) and not all(done)]
    others = [n for n, done in parts.items() if not any(done)]
    err.print(f"{len(mine)} of {len(parts)} objects are yours.")
    lists = {"Yours": mine, "Partly yours": partly, "The package's": others}
    for label, names in lists.items():
        if names and in_full:
            err.print(f"{label}: {', '.join(names)}.", soft_wrap=False)


def _run_again(passed: Sequence[str]) -> int:
    """Run this very command in another process; return its status."""
    environment = {**os.environ, VARIABLE: json.dumps(list(passed))}
    words = [sys.executable, "-m", "laidout", *sys.argv[1:]]
    # Ctrl-C reaches both; the other process saves and ends, then we do.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        status = subprocess.run(words, env=environment, check=False).returncode
    finally:
        signal.signal(signal.SIGINT, before)
    if status == -signal.SIGINT:
        return 130
    if status < 0:
        name = signal.Signals(-status).name
        err.print(f"laidout: your code crashed Python ({name})", style="bold")
        return 1
    return status


def _blame(folder: Path, error: BaseException) -> None:
    """Turn an error that comes out of the reader's code into one sentence.

    Raises:
        ValueError: naming the file and the line.
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).parent == folder]
    if own:
        last = own[-1]
        raise ValueError(
            f"your {Path(last.filename).name}, line {last.lineno} "
            f"({last.line}), raised {type(error).__name__}: {error}"
        ) from error
