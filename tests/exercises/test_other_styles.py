"""Other styles: what is right is accepted, what is wrong is named."""

from typing import Any

import pytest
import styles
from examiner import LARGE, judge

from laidout.workshop.catalogue import load_catalogue

styles.load()
CATALOGUE = load_catalogue()
LARGER = [name for name, e in CATALOGUE.items() if e.minutes >= LARGE]


@pytest.mark.parametrize(
    ("exercise", "solution"),
    styles.RIGHT,
    ids=[f"{name}.{solution.__name__}" for name, solution in styles.RIGHT],
)
def test_another_right_solution_is_accepted(
    exercise: str, solution: Any
) -> None:
    verdict = judge(exercise).verdict(solution)
    assert verdict.passed, (verdict.problem, verdict.difference)


@pytest.mark.parametrize(
    ("exercise", "slug", "solution"),
    styles.WRONG,
    ids=[f"{name}.{s.__name__}" for name, _, s in styles.WRONG],
)
def test_a_mistake_in_another_style_is_named(
    exercise: str, slug: str, solution: Any
) -> None:
    verdict = judge(exercise).verdict(solution)
    assert verdict.mistake is not None, (verdict.problem, verdict.difference)
    assert verdict.mistake.slug == slug


@pytest.mark.parametrize("name", LARGER)
def test_a_larger_exercise_has_two_other_solutions(name: str) -> None:
    assert [exercise for exercise, _ in styles.RIGHT].count(name) >= 2
