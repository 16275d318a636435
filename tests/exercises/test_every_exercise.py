"""What every exercise promises: its checks find all that its data names."""

import re

import pytest
from examiner import LARGE, judge

from laidout.workshop.catalogue import Exercise, load_catalogue
from laidout.workshop.examining import judged
from laidout.workshop.probes import STAGES
from laidout.workshop.variants import (
    MISTAKES,
    build,
    load_mistakes,
    mistakes_of,
    wrong_source,
)

CATALOGUE = load_catalogue()
FEWEST, FEWEST_OF_LARGE = 3, 8
every_exercise = pytest.mark.parametrize(
    "exercise", CATALOGUE.values(), ids=CATALOGUE
)
every_mistake = pytest.mark.parametrize(
    ("exercise", "slug"),
    [
        pytest.param(exercise, slug, id=f"{exercise.name}.{slug}")
        for exercise in CATALOGUE.values()
        for slug in mistakes_of(exercise)
    ],
)


@every_exercise
def test_the_solution_passes(exercise: Exercise) -> None:
    verdict = judge(exercise.name).verdict(judge(exercise.name).right)
    assert verdict.passed, verdict.problem


@every_exercise
def test_the_solution_passes_as_text(exercise: Exercise) -> None:
    solution = build(exercise, exercise.solution)
    assert solution is not judge(exercise.name).right
    verdict = judge(exercise.name).verdict(solution)
    assert verdict.passed, verdict.problem


@every_exercise
def test_the_skeleton_is_not_written_yet(exercise: Exercise) -> None:
    skeleton = build(exercise, exercise.skeleton)
    verdict = judged(judge(exercise.name), skeleton, CATALOGUE)
    assert not verdict.passed
    assert verdict.not_written, verdict.problem


@every_exercise
def test_no_probe_raises_an_error_on_the_solution(exercise: Exercise) -> None:
    # It would hide whatever is wrong with a reader's object.
    seen = judge(exercise.name).wanted
    assert [each for each in seen if not isinstance(each, dict)] == []


@every_exercise
def test_there_are_enough_mistakes(exercise: Exercise) -> None:
    fewest = FEWEST_OF_LARGE if exercise.minutes >= LARGE else FEWEST
    assert len(mistakes_of(exercise)) >= fewest


@every_exercise
def test_its_probes_are_described(exercise: Exercise) -> None:
    for probe in judge(exercise.name).probes:
        assert probe.stage in STAGES
        assert probe.says.endswith(".")
        assert probe.call.strip() == probe.call != ""


@every_mistake
def test_a_mistake_is_caught_and_named(exercise: Exercise, slug: str) -> None:
    examiner = judge(exercise.name)
    verdict = examiner.verdict(examiner.wrong((slug,)))
    assert not verdict.passed
    assert verdict.mistake is not None, verdict.problem
    assert verdict.mistake.slug == slug
    assert verdict.problem == verdict.mistake.says


@every_mistake
def test_a_mistake_is_written_down_well(exercise: Exercise, slug: str) -> None:
    mistake = mistakes_of(exercise)[slug]
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug)
    assert mistake.says.endswith(".")
    assert len(mistake.says) <= 240
    assert mistake.nudge.endswith(("?", "."))
    assert len(mistake.nudge) <= 160
    compile(wrong_source(exercise, mistake), slug, "exec")


@every_mistake
def test_a_nudge_does_not_hold_the_solution(
    exercise: Exercise, slug: str
) -> None:
    mistake = mistakes_of(exercise)[slug]
    kept = set(map(str.strip, exercise.skeleton.splitlines()))
    secret = set(map(str.strip, exercise.solution.splitlines())) - kept
    long = [line for line in secret if len(line) > 12]
    assert not [line for line in long if line in mistake.nudge]


def test_there_are_more_than_120_mistakes() -> None:
    count = sum(len(mistakes_of(e)) for e in CATALOGUE.values())
    assert count >= 120


def test_no_mistake_stands_without_an_exercise() -> None:
    files = MISTAKES.glob("*.toml")
    named = {name for path in files for name in load_mistakes(path)}
    assert named <= set(CATALOGUE)
