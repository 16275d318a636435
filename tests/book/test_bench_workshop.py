"""Tests of the record of the workshop."""

from pathlib import Path

import pytest
from examiner import judge

import bench_workshop
from laidout.workshop.catalogue import load_catalogue
from laidout.workshop.mine import load_file

NAME = "attention-scaled-dot-product"
SMALL = "masks-causal"


def test_the_first_of_two_mistakes_is_looked_for() -> None:
    examiner = judge(NAME)
    assert bench_workshop.names_first(examiner, "no-scale", "mask-ignored")
    assert bench_workshop.names_first(examiner, "mask-ignored", "no-scale")


def test_two_mistakes_in_one_line_are_no_pair() -> None:
    found = bench_workshop.names_first(
        judge(NAME), "no-scale", "scaled-by-d-k"
    )
    assert found is None


def test_an_exercise_is_counted() -> None:
    found = bench_workshop.measure_exercise(load_catalogue()[SMALL])
    assert found["mistakes"] == len(judge(SMALL).mistakes)
    assert found["named_alone"] == found["mistakes"]
    assert found["probes"] == len(judge(SMALL).probes)
    assert 0 < found["pairs_first_named"] <= found["pairs"]


def test_the_totals_are_sums_and_the_share_is_of_all_pairs() -> None:
    one = {"mistakes": 3, "named_alone": 3, "pairs": 3, "pairs_first_named": 3}
    two = {"mistakes": 4, "named_alone": 2, "pairs": 5, "pairs_first_named": 3}
    assert bench_workshop.totals({"one": one, "two": two}) == {
        "exercises": 2,
        "mistakes": 7,
        "named_alone": 5,
        "pairs": 8,
        "pairs_first_named": 6,
        "share_of_pairs": 0.75,
    }


@pytest.mark.parametrize("kind", ["solved", "mistakes"])
def test_a_workspace_for_the_clock_can_be_run(
    tmp_path: Path, kind: str
) -> None:
    bench_workshop.write_workspace(tmp_path, kind)
    module = load_file(tmp_path / "attention.py")
    found = judge(NAME).verdict(vars(module)["scaled_dot_product_attention"])
    assert found.passed == (kind == "solved")


def test_a_command_that_ends_otherwise_is_no_measurement(
    tmp_path: Path,
) -> None:
    with pytest.raises(RuntimeError, match="ended with 1"):
        bench_workshop.seconds_of(tmp_path, [NAME], status=0)
