"""Tests of the learning rate."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import LambdaLR

from laidout.schedule import TransformerLRScheduler

D_MODEL, WARMUP = 31, 7


def weight() -> Tensor:
    """Make something to optimise."""
    return nn.Parameter(torch.ones(3, dtype=torch.float64))


def schedule(
    d_model: int = D_MODEL, warmup_steps: int = WARMUP
) -> TransformerLRScheduler:
    """Make a schedule of an optimizer with one group."""
    optimizer = SGD([weight()], lr=123.0)
    return TransformerLRScheduler(optimizer, d_model, warmup_steps)


# --- the right numbers ------------------------------------------------------


@given(
    d_model=st.integers(1, 2048),
    warmup=st.integers(1, 9000),
    step=st.integers(1, 1_000_000),
)
def test_the_rate_is_equation_3(d_model: int, warmup: int, step: int) -> None:
    # Both curves with roots and fractions instead of negative exponents.
    falling = 1 / math.sqrt(d_model * step)
    rising = step / (math.sqrt(d_model * warmup) * warmup)
    expected = falling if step > warmup else rising
    rate = schedule(d_model, warmup).step(step)
    assert rate == pytest.approx(expected, rel=1e-12)


def test_rates_by_hand() -> None:
    # d_model 4 gives 1/2; warmup of 4 steps gives a slope of 1/8.
    rates = [schedule(4, 4).step(step) for step in (1, 2, 3, 4, 9, 16, 25)]
    assert rates == pytest.approx(
        [1 / 16, 2 / 16, 3 / 16, 1 / 4, 1 / 6, 1 / 8, 1 / 10], rel=1e-12
    )


def test_the_base_model_of_the_paper_peaks_at_7_in_10000() -> None:
    paper = schedule(512, 4000)
    assert round(paper.step(4000), 7) == 0.0006988
    assert round(paper.step(1), 12) == 0.000000174693
    assert round(paper.step(100_000), 7) == 0.0001398


def test_torch_multiplies_to_the_same_rates() -> None:
    optimizer = SGD([weight()], lr=1.0)
    theirs = LambdaLR(
        optimizer,
        lambda done: (
            D_MODEL**-0.5 * min((done + 1) ** -0.5, (done + 1) * WARMUP**-1.5)
        ),
    )
    for step in range(1, 4 * WARMUP):
        expected = optimizer.param_groups[0]["lr"]
        assert schedule().step(step) == pytest.approx(expected, rel=1e-12)
        optimizer.step()
        theirs.step()


# --- what holds whatever the numbers ----------------------------------------


@given(warmup=st.integers(1, 50))
def test_the_rate_is_largest_at_the_last_step_of_the_warmup(
    warmup: int,
) -> None:
    some = schedule(D_MODEL, warmup)
    rates = {step: some.step(step) for step in range(1, 3 * warmup + 2)}
    assert max(rates, key=lambda step: rates[step]) == warmup


@given(warmup=st.integers(1, 50))
def test_the_rate_rises_in_a_straight_line_and_then_falls(
    warmup: int,
) -> None:
    some = schedule(D_MODEL, warmup)
    for step in range(1, warmup):
        assert some.step(step) == pytest.approx(step * some.step(1), rel=1e-12)
    for step, later in itertools.pairwise(range(warmup, 3 * warmup)):
        assert some.step(later) < some.step(step)


@given(step=st.integers(WARMUP, 10_000))
def test_after_the_warmup_four_times_the_steps_halve_the_rate(
    step: int,
) -> None:
    some = schedule()
    assert some.step(4 * step) == pytest.approx(some.step(step) / 2, rel=1e-12)


def test_a_longer_warmup_has_a_lower_peak_and_the_same_end() -> None:
    short, long = schedule(warmup_steps=7), schedule(warmup_steps=28)
    assert long.step(28) == pytest.approx(short.step(7) / 2, rel=1e-12)
    assert long.step(100) == short.step(100)


@given(step=st.integers(1, 100))
def test_a_larger_model_learns_more_slowly(step: int) -> None:
    large, small = schedule(4 * D_MODEL), schedule(D_MODEL)
    assert large.step(step) == pytest.approx(small.step(step) / 2, rel=1e-12)


def test_a_warmup_of_one_step_falls_from_the_start() -> None:
    some = schedule(1, 1)
    assert [some.step(n) for n in (1, 4, 9)] == pytest.approx(
        [1, 1 / 2, 1 / 3], rel=1e-12
    )


@given(steps=st.lists(st.integers(1, 99), min_size=1, max_size=9))
def test_the_rate_depends_on_the_number_of_the_step_alone(
    steps: list[int],
) -> None:
    # Not on the steps before it: a run can go on where it stopped.
    used = schedule()
    for step in steps:
        assert used.step(step) == schedule().step(step)


def test_the_same_step_twice_gives_the_same_rate_twice() -> None:
    some = schedule()
    assert some.step(5) == some.step(5)


# --- the optimizer ----------------------------------------------------------


def test_the_rate_is_where_the_optimizer_looks() -> None:
    some = schedule()
    rate = some.step(3)
    assert some.optimizer.param_groups[0]["lr"] == rate
    assert isinstance(rate, float)


def test_every_group_gets_the_rate() -> None:
    optimizer = Adam(
        [
            {"params": [weight()]},
            {"params": [weight()], "lr": 5.0, "weight_decay": 0.1},
            {"params": [weight()], "lr": 0.0},
        ],
        lr=7.0,
    )
    rate = TransformerLRScheduler(optimizer, D_MODEL, WARMUP).step(11)
    assert [group["lr"] for group in optimizer.param_groups] == [rate] * 3
    assert [g["weight_decay"] for g in optimizer.param_groups] == [0, 0.1, 0]


def test_a_group_that_comes_later_gets_the_rate_too() -> None:
    some = schedule()
    some.step(1)
    some.optimizer.add_param_group({"params": [weight()], "lr": 9.0})
    rate = some.step(2)
    assert [g["lr"] for g in some.optimizer.param_groups] == [rate] * 2


def test_a_step_of_the_schedule_moves_no_parameter() -> None:
    parameter = weight()
    parameter.grad = torch.ones_like(parameter)
    TransformerLRScheduler(SGD([parameter]), D_MODEL, WARMUP).step(1)
    assert parameter.tolist() == [1.0, 1.0, 1.0]


def test_a_new_schedule_leaves_the_rate_alone() -> None:
    assert schedule().optimizer.param_groups[0]["lr"] == 123.0


def test_the_optimizer_moves_by_the_rate() -> None:
    parameter = weight()
    optimizer = SGD([parameter], lr=99.0)
    some = TransformerLRScheduler(optimizer, 4, 4)
    for step in (1, 2, 9):
        parameter.grad = torch.ones_like(parameter)
        some.step(step)
        optimizer.step()
    # 1/16 + 2/16 + 1/6.
    expected = 1 - 3 / 16 - 1 / 6
    assert parameter.tolist() == pytest.approx([expected] * 3, abs=1e-12)


def test_adam_of_section_5_3_moves_as_written_in_its_paper() -> None:
    gradients = [0.5, -2.0, 0.1, 3.0, 1.0, -1.0, 0.7, 0.0, 2.0]
    parameter = nn.Parameter(torch.tensor(1.0, dtype=torch.float64))
    optimizer = Adam([parameter], betas=(0.9, 0.98), eps=1e-9)
    some = TransformerLRScheduler(optimizer, 512, 4)
    x, m, v = 1.0, 0.0, 0.0
    for step, gradient in enumerate(gradients, 1):
        parameter.grad = torch.full_like(parameter, gradient)
        some.step(step)
        optimizer.step()
        # Kingma and Ba (2015), algorithm 1, with the rate of equation 3.
        m = 0.9 * m + 0.1 * gradient
        v = 0.98 * v + 0.02 * gradient**2
        rate = min(1 / math.sqrt(step), step / 8) / math.sqrt(512)
        root = math.sqrt(v / (1 - 0.98**step))
        x -= rate * m / (1 - 0.9**step) / (root + 1e-9)
        assert parameter.item() == pytest.approx(x, abs=1e-12)
    assert abs(x - 1.0) > 0.01


# --- errors -----------------------------------------------------------------


@pytest.mark.parametrize("step", [0, -1, -4000])
def test_a_step_before_the_first_is_refused(step: int) -> None:
    some = schedule()
    with pytest.raises(
        ValueError, match=rf"step_num \({step}\) must be 1 or more"
    ):
        some.step(step)
    assert some.optimizer.param_groups[0]["lr"] == 123.0


@pytest.mark.parametrize(
    ("d_model", "warmup"), [(0, 7), (-1, 7), (31, 0), (31, -4)]
)
def test_numbers_below_one_are_refused(d_model: int, warmup: int) -> None:
    message = (
        rf"d_model \({d_model}\) and warmup_steps \({warmup}\) "
        "must be 1 or more"
    )
    with pytest.raises(ValueError, match=message):
        schedule(d_model, warmup)
