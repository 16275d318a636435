"""A reader for the tests: a workspace, solved as far as one likes.

What changes the whole process, as an exchange of objects does, is run in
processes of their own, forked from one that has imported PyTorch.
"""

import json
import multiprocessing
import sys
import traceback
from collections.abc import Iterable
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import MagicMock

from oracle_command import Done

from laidout.workshop import isolation
from laidout.workshop.catalogue import Exercise, load_catalogue
from laidout.workshop.skeleton import skeleton
from laidout.workshop.source import find_in_file, helpers_of
from laidout.workshop.taking_over import VARIABLE
from laidout.workshop.workspace import start

ATTEND = "attention-scaled-dot-product"
MULTI = "attention-multi-head"


def solve(folder: Path, *names: str) -> Path:
    """Write a workspace in which some exercises are solved."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in _files(names).items():
        (folder / name).write_bytes(data)
    return folder


@cache
def _files(names: tuple[str, ...]) -> dict[str, bytes]:
    """Return the files of such a workspace."""
    with TemporaryDirectory() as place:
        folder = Path(place)
        start(folder)
        solve_in(folder, *names)
        return {path.name: path.read_bytes() for path in folder.iterdir()}


def solve_in(folder: Path, *names: str) -> None:
    """Put solutions into a workspace, in the place of skeletons."""
    catalogue = load_catalogue()
    groups: dict[str, list[Exercise]] = {}
    for name in names:
        exercise = catalogue[name]
        groups.setdefault(exercise.object, []).append(exercise)
    for solved in groups.values():
        _solve(folder / f"{solved[0].module}.py", solved)


def _solve(path: Path, solved: list[Exercise]) -> None:
    """Put the solution of an object, or of some of its methods, in place."""
    source = solved[0].source
    blank = [
        method
        for exercise in load_catalogue().values()
        if exercise.object == solved[0].object
        for method in exercise.blank
    ]
    mine = [method for exercise in solved for method in exercise.blank]
    left = [method for method in blank if method not in mine]
    old = skeleton(source, blank).rstrip()
    new = skeleton(source, left).rstrip() if left else source.text
    edit(path, old, new)
    # Private helpers come along, as they do in `laidout solution`.
    parts = [find_in_file(source.path, f"{source.name}.{m}") for m in mine]
    helpers = [h.text for part in parts or [source] for h in helpers_of(part)]
    text = path.read_text("utf-8").rstrip()
    for helper in dict.fromkeys(helpers):
        if helper not in text:
            text += f"\n\n\n{helper}"
    path.write_text(f"{text}\n", "utf-8")


def edit(path: Path, old: str, new: str) -> None:
    """Change a file at the one place where a text stands."""
    text = path.read_text("utf-8")
    assert text.count(old) == 1, f"{old!r} in {path}"
    path.write_text(text.replace(old, new), "utf-8")


def attend(folder: Path, *lines: str, above: str = "") -> Path:
    """Solve the first exercise, but run some lines before its step 1.

    `above` is run when the file is.
    """
    solve(folder, ATTEND)
    path = folder / "attention.py"
    step = "    # 1. Score"
    edit(path, step, "".join(f"    {line}\n" for line in lines) + step)
    function = "def scaled_dot_product_attention"
    edit(path, function, f"{above}\n\n\n{function}")
    return folder


def in_a_process(source: str, **given: Any) -> Any:
    """Run a source in another process; return what it calls `answer`."""
    way = "forkserver" if isolation.FORKS else "spawn"
    context: Any = multiprocessing.get_context(way)
    context.set_forkserver_preload(isolation.PRELOADED)
    here, there = context.Pipe()
    process = context.Process(target=_run, args=(there, source, given))
    process.start()
    there.close()
    try:
        trace, answer = here.recv()
    finally:
        process.join()
    assert not trace, trace
    return answer


INSIDE = """
import os
from oracle_command import call
os.chdir(folder)
os.environ.update(variables)
answer = call(*words)
"""


def call_inside(passed: Iterable[str], *words: object) -> Done:
    """Call the command as the process does that was started for `--mine`.

    `passed` are the exercises whose objects are the reader's there.
    """
    done: Done = in_a_process(
        INSIDE,
        folder=Path.cwd(),
        variables={VARIABLE: json.dumps(list(passed))},
        words=words,
    )
    return done


def _run(connection: Connection, source: str, given: dict[str, Any]) -> None:
    import torch

    torch.set_num_threads(1)
    # Every optimizer imports it, which takes a second, only to keep out of
    # its way.
    stand_in: Any = MagicMock(disable=lambda function, *_, **__: function)
    torch._dynamo = sys.modules["torch._dynamo"] = stand_in
    try:
        exec(source, given)
    except BaseException:
        connection.send((traceback.format_exc(), None))
    else:
        connection.send(("", given["answer"]))


def serve_without_limit(connection: Connection, memory: int) -> None:
    """Serve as on a system that does not keep to RLIMIT_AS."""
    isolation.LIMITS_MEMORY = False
    isolation.serve(connection, memory)
