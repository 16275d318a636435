"""A tiny corpus, a run on it, and ways to call the command.

Whoever needs a trained model asks for `trained`: all tests of a session
share one run, which takes about three seconds.
"""

import io
import itertools
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

SOURCE = Path(__file__).parents[1] / "src"

SUBJECTS = ("I", "Ich"), ("We", "Wir"), ("They", "Sie"), ("You", "Du")
VERBS = ("see", "sehe"), ("like", "mag"), ("need", "brauche")
OBJECTS = (
    ("pizza", "Pizza"),
    ("the girl", "das Mädchen"),
    ("two dogs", "zwei Hunde"),
    ("the keys", "die Schlüssel"),
)

PAIRS = [
    (f"{s} {v} {o}", f"{t} {w} {p}")
    for (s, t), (v, w), (o, p) in itertools.product(SUBJECTS, VERBS, OBJECTS)
]
"""Forty-eight sentences and what stands for their translations."""

SOURCES = [source for source, _ in PAIRS]

SHARES = {"train": PAIRS, "valid": PAIRS[:5], "test": PAIRS[1::7]}
"""All to learn from; some of the same for the other sets."""

THOROUGH = (
    *("--vocab-size", "360", "--steps", "150", "--warmup-steps", "60"),
    *("--max-tokens", "200", "--log-every", "10", "--valid-every", "50"),
    *("--save-every", "50", "--keep", "2", "--dropout", "0"),
)
"""With these a model learns all the pairs by heart."""

QUICK = (
    *("--vocab-size", "300", "--max-tokens", "300", "--dropout", "0.1"),
    *("--log-every", "2", "--valid-every", "4", "--save-every", "4"),
)
"""With these a model learns nothing, but does so at once."""


def write_corpus(
    folder: Path, sets: Sequence[str] = ("train", "valid", "test")
) -> Path:
    """Write the pairs as a folder of parallel text."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in sets:
        for side, language in enumerate(("en", "de")):
            text = "".join(f"{pair[side]}\n" for pair in SHARES[name])
            (folder / f"{name}.{language}").write_text(text, "utf-8")
    return folder


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """What it wrote, line by line."""
        return self.out.splitlines()


class Typed(io.TextIOWrapper):
    """An input that somebody types."""

    def isatty(self) -> bool:
        return True


def call(
    *words: object,
    given: str | bytes = "",
    typed: bool = False,
    columns: int = 80,
) -> Done:
    """Call the command within this process, with an input and a width."""
    from laidout.cli import main

    data = given.encode() if isinstance(given, str) else given
    stdin = (Typed if typed else io.TextIOWrapper)(io.BytesIO(data), "utf-8")
    out, err = (
        io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
        for _ in range(2)
    )
    status: int | str | None = 0
    with (
        patch.object(sys, "argv", ["laidout", *map(str, words)]),
        patch.object(sys, "stdin", stdin),
        patch.dict(os.environ, {"COLUMNS": str(columns)}),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            status = end.code
    assert isinstance(status, int)
    return Done(status, *(s.buffer.getvalue().decode() for s in (out, err)))


def call_outside(capfd: pytest.CaptureFixture[str], *words: object) -> Done:
    """Call the command where it runs itself again in another process.

    What that one says comes behind what the first one says.
    """
    capfd.readouterr()
    done = call(*words)
    out, err = capfd.readouterr()
    return Done(done.status, done.out + out, done.err + err)


def start(
    folder: Path,
    *words: object,
    program: Sequence[str] = ("-m", "laidout"),
    **variables: str,
) -> subprocess.Popen[bytes]:
    """Start the command in a process of its own, in a folder.

    `program` is what Python runs in its place.
    """
    ours = {"PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *program, *map(str, words)],
        cwd=folder,
        env=os.environ | ours | variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A group of its own, for Ctrl-C goes to all processes of a group.
        start_new_session=True,
    )


def trained(factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """Train a model by the command; return its folder and what was said."""
    return _train(factory.getbasetemp() / "learned by heart")


@cache
def _train(folder: Path) -> tuple[Path, Done]:
    """Train once, in a folder with a corpus and a run in it."""
    corpus, run = write_corpus(folder / "tiny"), folder / "run"
    words = "--corpus", corpus, "--output", run
    return run, call("train", *words, *THOROUGH)


def load(run: Path) -> tuple[Any, Any]:
    """Load the model and the tokenizer of a run."""
    from laidout.checkpoint import load_model
    from laidout.folder import find_model

    path, tokenizer = find_model(run)
    return load_model(path, tokenizer), tokenizer
