"""Run every notebook as a reader would: elsewhere, offline, from its wheel.

First as they are, the exercises unsolved; then with the solutions put in.
`nox -s notebooks_run` gives it an environment with nothing but the wheel.
"""

import argparse
import os
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError

from laidout.workshop.catalogue import Exercise, find_exercise
from laidout.workshop.source import helpers_of

SECONDS = 300
"""How long a cell may take."""
ANSI = re.compile(r"\x1b\[[\d;]*m")
UNSOLVED = "not solved yet"

OFFLINE = '''\
"""Refuses every connection that leaves this machine."""

import sys

PLACES = {
    "socket.connect": 1,
    "socket.sendto": 1,
    "socket.getaddrinfo": 0,
    "socket.gethostbyname": 0,
}
HERE = {"localhost", "::1", "0.0.0.0", "::", ""}


def refuse(event, arguments):
    if event not in PLACES:
        return
    host = arguments[PLACES[event]]
    host = host[0] if isinstance(host, tuple) else host
    if isinstance(host, (bytes, bytearray)):
        host = host.decode(errors="replace")
    if not isinstance(host, str) or host.startswith(("127.", "/")):
        return
    if host not in HERE:
        raise OSError(f"no notebook may ask another host: {host}")


sys.addaudithook(refuse)
'''


@dataclass(frozen=True)
class Part:
    """What a cell has to do with an exercise: skeleton, check or solved."""

    kind: str
    exercise: str


def part_of(cell: Any) -> Part | None:
    """Return what a cell has to do with an exercise, if anything."""
    for kind, name in cell.metadata.get("laidout", {}).items():
        return Part(kind, name)
    return None


def solve(notebook: Any) -> None:
    """Put the solutions in the place of the skeletons.

    Raises:
        ValueError: if a cell does not hold the skeleton that it says.
    """
    for cell in notebook.cells:
        part = part_of(cell)
        if part is None or part.kind != "skeleton":
            continue
        exercise = find_exercise(part.exercise)
        skeleton = exercise.skeleton.rstrip()
        if not cell.source.endswith(skeleton):
            raise ValueError(f"the cell is no skeleton of {exercise.name}")
        head = cell.source.removesuffix(skeleton)
        cell.source = head + _solution(exercise)


def _solution(exercise: Exercise) -> str:
    """Return the solution with the private helpers that it uses."""
    parts = [exercise.source, *helpers_of(exercise.source)]
    return "\n\n\n".join(part.text for part in parts)


def run(notebook: Any, folder: Path) -> None:
    """Run a notebook in a folder, cut off from everything else.

    Raises:
        CellExecutionError: if a cell raises.
        CellTimeoutError: if a cell takes too long.
    """
    guard = folder / "guard"
    guard.mkdir(exist_ok=True)
    (guard / "sitecustomize.py").write_text(OFFLINE, encoding="utf-8")
    settings = {
        "IPYTHONDIR": str(folder / "ipython"),
        "LAIDOUT_FAST": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONPATH": str(guard),
    }
    desk = folder / "desk"
    desk.mkdir(exist_ok=True)
    with patch.dict(os.environ, settings):
        client = NotebookClient(
            notebook,
            kernel_name="python3",
            timeout=SECONDS,
            extra_arguments=["--log-level=ERROR"],
            resources={"metadata": {"path": str(desk)}},
        )
        client.execute()


def said(cell: Any) -> str:
    """Return all that a cell has written, as text."""
    return ANSI.sub("", "\n".join(_texts(cell))).strip()


def _texts(cell: Any) -> Iterator[str]:
    for output in cell.get("outputs", []):
        yield output.get("text", "")
        yield output.get("data", {}).get("text/plain", "")


def complaints(notebook: Any, solved: bool) -> list[str]:
    """Return what is wrong with a notebook that has been run."""
    found = []
    for cell in notebook.cells:
        part, text = part_of(cell), said(cell)
        kind = part.kind if part else ""
        if part and kind == "check":
            wanted = "passed" if solved else "not started"
            if not text.startswith(wanted):
                found.append(f"{part.exercise}: not {wanted}, but {text!r}")
        lends = UNSOLVED in text
        if lends != (kind == "solved" and not solved):
            says = "says" if lends else "does not say"
            found.append(f"{says} {UNSOLVED!r}: {cell.source!r}")
    return found


def attempt(path: Path, solved: bool) -> list[str]:
    """Run one notebook; return what is wrong."""
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    if solved:
        solve(notebook)
    with TemporaryDirectory() as place:
        try:
            run(notebook, Path(place))
        except (CellExecutionError, CellTimeoutError) as error:
            return [str(error)]
    return complaints(notebook, solved)


def main(arguments: list[str] | None = None) -> int:
    """Run all notebooks of a folder; return 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(arguments).folder
    paths = sorted(folder.glob("*.ipynb"))
    if not paths:
        parser.error(f"{folder} has no notebooks: nox -s notebooks")
    wrong = 0
    for path in paths:
        for solved in (False, True):
            start = time.perf_counter()
            found = attempt(path, solved)
            seconds = time.perf_counter() - start
            state = "solved" if solved else "as it is"
            print(f"{path.name}, {state}: {seconds:.1f} s", flush=True)
            for complaint in found:
                print(f"  {complaint}", file=sys.stderr, flush=True)
            wrong += bool(found)
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
