"""Tests of the record of mutants."""

import json
import tomllib
from pathlib import Path

import pytest

import bench_mutants


def write_outcomes(folder: Path, codes: dict[str, int | None]) -> None:
    path = folder / "mutants" / "src" / "laidout" / "loss.py.meta"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"exit_code_by_key": codes}), "utf-8")


def test_failed_tests_and_endless_ones_count_as_killed() -> None:
    codes = {"a": 1, "b": 0, "c": 36, "d": 3}
    assert bench_mutants.tally(codes) == {
        "mutants": 4,
        "killed": 3,
        "share": 0.75,
    }


def test_a_mutant_that_no_test_reaches_has_survived() -> None:
    assert bench_mutants.tally({"a": 33})["killed"] == 0


def test_the_outcomes_of_a_module_are_read(tmp_path: Path) -> None:
    write_outcomes(tmp_path, {"a": 1, "b": 0})
    assert bench_mutants.outcomes(tmp_path, "loss") == {"a": 1, "b": 0}


def test_a_mutant_that_was_not_run_is_named(tmp_path: Path) -> None:
    write_outcomes(tmp_path, {"a": 1, "b": None})
    with pytest.raises(ValueError, match="b was not run"):
        bench_mutants.outcomes(tmp_path, "loss")


def test_the_copy_has_settings_for_the_chosen_modules(tmp_path: Path) -> None:
    bench_mutants.copy_repository(tmp_path, ["loss", "masks"])
    text = (tmp_path / "pyproject.toml").read_text("utf-8")
    chosen = tomllib.loads(text)["tool"]["mutmut"]
    for name in chosen["only_mutate"]:
        assert (tmp_path / name).is_file()
    for name in chosen["pytest_add_cli_args_test_selection"]:
        assert (tmp_path / name).is_file()
    assert len(chosen["only_mutate"]) == 2
