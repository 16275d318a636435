"""Tests of the record of the phrase model."""

import subprocess
import sys
from pathlib import Path

import pytest

import bench_phrases


def test_the_spread_of_seeds_is_their_median_worst_and_best() -> None:
    assert bench_phrases.spread([0.99, 1.0, 0.5]) == {
        "median": 0.99,
        "least": 0.5,
        "most": 1.0,
    }


def test_no_seed_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench_phrases.main(["--seeds", "0"])
    assert "expected 1 or more" in capsys.readouterr().err


def test_the_command_is_the_one_a_reader_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **_: object) -> None:
        commands.append(command)

    monkeypatch.setattr(subprocess, "run", run)
    assert bench_phrases.train(tmp_path, seed=3, threads=2) < 60
    assert commands == [
        [
            *(sys.executable, "-m", "laidout", "train"),
            *("--seed", "3", "--output", str(tmp_path)),
        ]
    ]
