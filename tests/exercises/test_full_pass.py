"""From an empty folder to a translation, every exercise solved."""

import json
from pathlib import Path

import pytest
from oracle_command import QUICK, SOURCE, call, call_outside, write_corpus
from reader import solve_in

from laidout.workshop.catalogue import load_catalogue

CATALOGUE = load_catalogue()


def test_whoever_solves_everything_has_a_transformer(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(tmp_path)
    corpus = write_corpus(tmp_path / "tiny")
    # 1. Write the workspace, and solve all exercises in it.
    assert call("start").status == 0
    monkeypatch.chdir(tmp_path / "my-transformer")
    solve_in(Path(), *CATALOGUE)
    # 2. Every check is green, each with all others as the reader's own.
    done = call("check", "--json")
    found = json.loads(done.out)["exercises"]
    assert [e["name"] for e in found] == list(CATALOGUE)
    red = [(e["name"], e["message"]) for e in found if e["status"] != "passed"]
    assert (red, done.status, done.err) == ([], 0, "")
    # 3. Nothing is left to do.
    done = call("progress")
    count = len(CATALOGUE)
    assert done.out.splitlines()[-2:] == [
        f"{count} of {count} are done.",
        "Next: laidout train --mine .",
    ]
    assert "to do" not in done.out
    # 4. Train: all objects are the reader's.
    words = "--corpus", corpus, "--steps", 4, *QUICK
    done = call_outside(capfd, "train", "--mine", ".", *words)
    assert done.status == 0, done.err
    objects = len({exercise.object for exercise in CATALOGUE.values()})
    assert f"{objects} of {objects} objects are yours." in done.err
    for word in ("Refused", "Partly yours", "The package's"):
        assert word not in done.err
    # 5. Translate, and score.
    words = "--mine", ".", "--checkpoint", "runs/tiny", "--beam", 2
    done = call_outside(capfd, "translate", *words, "I see pizza", "I")
    assert done.status == 0, done.err
    assert len(done.lines) == 2
    done = call_outside(capfd, "evaluate", *words, "--json")
    assert done.status == 0, done.err
    (score,) = json.loads(done.out)["scores"]
    assert (score["test_set"], score["sentences"]) == ("test", 7)
