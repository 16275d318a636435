"""Run the reader's code in processes of its own, with limits.

One process imports PyTorch and is forked for each exercise. Where a system
cannot fork, one process serves until it dies. Nothing here imports PyTorch.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

import psutil

from laidout.workshop.capture import captured
from laidout.workshop.catalogue import ORDER, find_exercise
from laidout.workshop.results import Result, Task

__all__ = ["Limits", "Workers", "limit_memory"]

GIB = 2**30
PAUSE = 0.05
"""Seconds between two looks at the clock and at a process's memory."""
FORKS = "forkserver" in multiprocessing.get_all_start_methods()
LIMITS_MEMORY = sys.platform == "linux"
"""Whether the system itself keeps to RLIMIT_AS; if not, a watchdog does."""
PRELOADED = [
    "laidout.cli",
    "laidout.workshop.examining",
    *(f"laidout.{module}" for module in ORDER),
    *(f"laidout.workshop.checks.{module}" for module in ORDER),
]
"""What is imported once, before the forks."""


@dataclass(frozen=True)
class Limits:
    """What the reader's code may use.

    Seconds for a check, and bytes beyond what PyTorch itself takes.
    """

    seconds: float = 10.0
    memory: int = 2 * GIB


class LostError(Exception):
    """A process gave no answer; the message is one sentence on why."""


@dataclass(frozen=True)
class Failure:
    """An error of ours, not of the reader's code."""

    trace: str


class Workers:
    """Processes that examine exercises, one after the other.

    To be used as a context manager; at its end none of them is left.
    """

    def __init__(self, limits: Limits | None = None, forks: bool = FORKS):
        self.limits = limits or Limits()
        self.forks = forks
        self.context: Any = multiprocessing.get_context(
            "forkserver" if forks else "spawn"
        )
        if forks:
            self.context.set_forkserver_preload(PRELOADED)
        self._begun = False
        self._process: Any = None
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def examine(self, task: Task) -> Result:
        """Examine an exercise; a crash or a limit is a result as well."""
        connection = self._ready()
        start = time.perf_counter()
        try:
            result = self._answer(connection, task)
        except LostError as lost:
            self._end()
            exercise = find_exercise(task.exercise)
            result = Result.of(exercise, "error", str(lost))
        if self.forks:
            self._end()
        return replace(result, seconds=time.perf_counter() - start)

    def _ready(self) -> Connection:
        """Return the way to a process that waits for a task."""
        if self._connection is None:
            here, there = self.context.Pipe()
            self._process = self.context.Process(
                target=serve, args=(there, self.limits.memory), daemon=True
            )
            if self.forks:
                # Only once: while we are deaf, a Ctrl-C is lost.
                if not self._begun:
                    from multiprocessing import forkserver

                    with _deaf():
                        forkserver.ensure_running()
                    self._begun = True
                self._process.start()
            else:
                with _deaf():
                    self._process.start()
            there.close()
            self._connection = here
            # It says so when it is ready, for importing takes its time.
            try:
                here.recv()
            except EOFError:
                raise RuntimeError("a process died before it began") from None
        return self._connection

    def _answer(self, connection: Connection, task: Task) -> Result:
        """Ask, and wait for an answer.

        Raises:
            LostError: if there is none in time, or the process died, or it
                took too much memory.
            RuntimeError: if the check itself has a bug.
        """
        end = time.monotonic() + self.limits.seconds
        try:
            connection.send(task)
            while not connection.poll(PAUSE):
                if time.monotonic() > end:
                    raise LostError(
                        f"It did not end within {self.limits.seconds:g} "
                        "seconds. Is there a loop that never stops?"
                    )
                if not LIMITS_MEMORY and self._is_too_large():
                    raise LostError(too_much(self.limits.memory))
            answer: Result | Failure = connection.recv()
        except (EOFError, OSError):
            raise LostError(self._death()) from None
        if isinstance(answer, Failure):
            raise RuntimeError(f"the check itself failed:\n{answer.trace}")
        return answer

    def _is_too_large(self) -> bool:
        """Look at the memory of the process."""
        try:
            used = psutil.Process(self._process.pid).memory_info().rss
        except psutil.Error:
            return False  # It has just died.
        return bool(used > self.limits.memory + GIB)

    def _death(self) -> str:
        """Say how the process died."""
        self._process.join(1.0)
        code = self._process.exitcode
        if code is None:
            return "It closed files that do not belong to it."
        if code >= 0:
            return f"It ended the whole program, with status {code}."
        name = signal.Signals(-code).name
        meaning = {"SIGSEGV": "a segmentation fault", "SIGABRT": "an abort"}
        return f"It crashed Python: {meaning.get(name, name)}."

    def _end(self) -> None:
        """Let the process go, with all that it started, and wait for it."""
        if self._connection is not None:
            self._connection.close()
            if sys.platform != "win32":
                with suppress(OSError):
                    os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()
            self._process.join()
            self._process.close()
        self._connection = None


@contextmanager
def _deaf() -> Iterator[None]:
    """Start no process that hears Ctrl-C: it is for us to end it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def too_much(memory: int) -> str:
    """Say that the memory was not enough."""
    return f"It asked for more memory than it may have, {memory / GIB:g} GiB."


# --- the other side ---------------------------------------------------------


def serve(connection: Connection, memory: int) -> None:
    """Examine what is asked for, until nobody asks any more."""
    import torch

    from laidout.workshop.examining import examine

    if sys.platform != "win32":
        os.setsid()
    _silence()
    torch.set_num_threads(1)
    limit_memory(memory)
    connection.send("ready")
    while True:
        try:
            task: Task = connection.recv()
        except EOFError:
            return
        try:
            with captured() as heard:
                result = examine(task)
        except Exception:
            connection.send(Failure(traceback.format_exc()))
        else:
            # What was printed while it failed, or else while it was loaded.
            printed = result.printed or heard.text()
            connection.send(replace(result, printed=printed))


def _silence() -> None:
    """Let nothing reach the terminal that does not go through Python."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)


def limit_memory(memory: int) -> None:
    """Forbid this process to take more than so many bytes from now on.

    Only where the system keeps to it; elsewhere a watchdog looks.
    """
    if not LIMITS_MEMORY:
        return
    import resource

    most = psutil.Process().memory_info().vms + memory
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
