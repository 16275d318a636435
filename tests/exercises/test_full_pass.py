"""From an empty folder to a translation, every exercise solved."""

import json
from pathlib import Path

import pytest
from oracle_command import QUICK, SOURCE, call, call_outside, write_corpus
from reader import call_inside, solve_in

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
    # 2. Train, which checks them all, each with those before it as the
    #    reader's own: every one is green, and all objects are the reader's.
    words = "--corpus", corpus, "--steps", 4, *QUICK
    done = call_outside(capfd, "train", "--mine", ".", *words)
    assert done.status == 0, done.err
    objects = len({exercise.object for exercise in CATALOGUE.values()})
    assert f"{objects} of {objects} objects are yours." in done.err
    for word in ("Refused", "Partly yours", "The package's"):
        assert word not in done.err
    # 3. Nothing is left to do, and what is done is not checked again.
    done = call("progress")
    count = len(CATALOGUE)
    assert done.out.splitlines()[-2:] == [
        f"{count} of {count} are done.",
        "Next: laidout train --mine .",
    ]
    for word in ("to do", "changed"):
        assert word not in done.out
    # 4. Translate, and score.
    words = "--mine", ".", "--checkpoint", "runs/tiny", "--beam", 2
    done = call_inside(CATALOGUE, "translate", *words, "I see pizza", "I")
    assert done.status == 0, done.err
    assert len(done.lines) == 2
    done = call_inside(CATALOGUE, "evaluate", *words, "--json")
    assert done.status == 0, done.err
    (score,) = json.loads(done.out)["scores"]
    assert (score["test_set"], score["sentences"]) == ("test", 7)
