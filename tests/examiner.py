"""Judges for the tests of the workshop: one for each exercise."""

from functools import cache

from laidout.workshop.catalogue import find_exercise
from laidout.workshop.judging import Judge

LARGE = 20
"""From so many minutes on an exercise is a larger one."""


@cache
def judge(name: str) -> Judge:
    """Return the judge of an exercise, the same one for all tests."""
    return Judge(find_exercise(name))
