"""What a check has found, as data."""

import json
import pickle
from dataclasses import replace

import pytest
from reports import (
    ERROR,
    EVERY,
    EVIDENCE,
    EVIL,
    FAILED,
    NAME,
    NOT_STARTED,
    OBJECT,
    PASSED,
    everywhere,
)

from laidout.workshop.catalogue import Exercise, find_exercise
from laidout.workshop.results import Evidence, Result, Task

every_status = pytest.mark.parametrize("result", EVERY, ids=lambda r: r.status)


@pytest.fixture
def exercise() -> Exercise:
    return find_exercise(NAME)


@every_status
def test_json_has_the_keys_of_the_design(result: Result) -> None:
    found = result.as_json()
    assert {"name", "object", "status", "mistake", "message", "hint"} <= (
        found.keys()
    )
    assert found["name"] == NAME
    assert found["object"] == OBJECT
    assert found["status"] == result.status
    assert found["message"] == result.message


def test_json_names_the_mistake_and_the_command_that_helps() -> None:
    found = FAILED.as_json()
    assert found["mistake"] == "no-scale"
    assert found["hint"] == f"laidout hint {NAME}"


@pytest.mark.parametrize("result", [ERROR, NOT_STARTED])
def test_json_has_null_where_no_mistake_is_known(result: Result) -> None:
    found = json.loads(json.dumps(result.as_json()))
    assert found["mistake"] is None
    assert found["hint"] == f"laidout hint {NAME}"


def test_what_has_passed_needs_no_hint() -> None:
    found = PASSED.as_json()
    assert found["hint"] == ""
    assert found["mistake"] is None
    assert found["message"] == ""


@every_status
def test_json_is_plain_data(result: Result) -> None:
    found = result.as_json()
    again = json.loads(json.dumps(found))
    assert again.keys() == found.keys()
    assert again["evidence"]["call"] == result.evidence.call
    assert again["printed"] == result.printed


def test_json_holds_the_grids_number_by_number() -> None:
    evidence = json.loads(json.dumps(FAILED.as_json()))["evidence"]
    assert evidence["got_grid"] == [
        [["1", True], ["0.25", False]],
        [["-7e-05", False], ["0", True]],
    ]
    assert evidence["window"] == "in [1], rows 0 to 1 of 0 to 6"
    assert evidence["lines"] == list(EVIDENCE.lines)


@pytest.mark.parametrize("text", [*EVIL, "\ud800", "\0", "\x1b[31m", "é\n"])
def test_json_brings_back_any_text(text: str) -> None:
    found = json.loads(json.dumps(everywhere(text).as_json()))
    assert found["message"] == found["printed"] == text


def test_json_gives_seconds_to_the_millisecond() -> None:
    assert replace(FAILED, seconds=1.23456).as_json()["seconds"] == 1.235


@every_status
def test_only_passed_is_passed(result: Result) -> None:
    assert result.passed == (result.status == "passed")


def test_a_result_takes_its_names_from_the_exercise(
    exercise: Exercise,
) -> None:
    found = Result.of(exercise, "failed", "It is wrong.", mistake="a-slug")
    assert found == Result(NAME, OBJECT, "failed", "It is wrong.", "a-slug")
    assert Result.of(exercise, "passed") == Result(NAME, OBJECT, "passed")
    assert found.evidence == Evidence()


@every_status
def test_a_result_goes_from_one_process_to_another(result: Result) -> None:
    assert pickle.loads(pickle.dumps(result)) == result


def test_a_task_goes_from_one_process_to_another(exercise: Exercise) -> None:
    task = Task(exercise.source.path.parent, NAME, ("one", "two"))
    assert pickle.loads(pickle.dumps(task)) == task
