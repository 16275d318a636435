"""Tests of the position-wise feed-forward network."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import (
    BATCH,
    D_MODEL,
    TARGETS,
    assert_close,
    assert_same,
    gradient_of,
    make,
    make_mask,
)
from oracle_model import (
    D_FF,
    exact,
    fill,
    gradients_of,
    loop_feed_forward,
    rates_of_dropout,
    replace_dropout,
    weights_of,
)
from torch import Tensor, nn

from laidout.feedforward import PositionwiseFeedForward


def feed_forward(dropout: float = 0.0) -> PositionwiseFeedForward:
    """Make the module with our own numbers in all parameters, train mode."""
    module = PositionwiseFeedForward(D_MODEL, D_FF, dropout).double()
    fill(module)
    return module


def an_input(*leading: int) -> Tensor:
    """Make an input, (B, L, D) unless told otherwise."""
    return make("x", *(leading or (BATCH, TARGETS)), D_MODEL)


class TwoConvolutions(nn.Module):
    """What section 3.3 says it is: two convolutions with kernel size 1."""

    def __init__(self, module: PositionwiseFeedForward) -> None:
        super().__init__()
        self.w_1 = nn.Conv1d(D_MODEL, D_FF, kernel_size=1).double()
        self.w_2 = nn.Conv1d(D_FF, D_MODEL, kernel_size=1).double()
        weights = weights_of(module)
        for name in ("w_1.weight", "w_2.weight"):
            weights[name] = weights[name][:, :, None]
        self.load_state_dict(weights, strict=True)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve along the sentence, (B, L, D) -> (B, L, D)."""
        output: Tensor = self.w_2(nn.ReLU()(self.w_1(x.mT)))
        return output.mT


# --- the right numbers ------------------------------------------------------


def test_the_output_is_that_of_two_convolutions_of_torch() -> None:
    module = feed_forward()
    assert_close(module(an_input()), TwoConvolutions(module)(an_input()))


def test_the_gradients_are_those_of_two_convolutions_of_torch() -> None:
    module = feed_forward()
    twin = TwoConvolutions(module)
    upstream = make("upstream", BATCH, TARGETS, D_MODEL)
    ours, theirs = (an_input().requires_grad_() for _ in range(2))
    (module(ours) * upstream).sum().backward()
    (twin(theirs) * upstream).sum().backward()
    assert gradient_of(ours).abs().max() > 1e-3
    assert_close(gradient_of(ours), gradient_of(theirs))
    expected = gradients_of(twin)
    for name, gradient in gradients_of(module).items():
        assert gradient.abs().max() > 1e-3
        assert_close(gradient, expected[name].view(gradient.shape))


def test_the_output_is_that_of_a_slow_loop() -> None:
    module = feed_forward()
    expected = loop_feed_forward(weights_of(module), an_input())
    assert_close(module(an_input()), expected)


@settings(max_examples=30)
@given(
    d_model=st.integers(1, 7),
    d_ff=st.integers(1, 7),
    batch=st.integers(1, 3),
    length=st.integers(1, 5),
    seed=st.integers(0, 999),
)
def test_a_slow_loop_agrees_whatever_the_sizes(
    d_model: int, d_ff: int, batch: int, length: int, seed: int
) -> None:
    module = PositionwiseFeedForward(d_model, d_ff).double()
    fill(module, seed)
    x = make(f"x {seed}", batch, length, d_model)
    assert_close(module(x), loop_feed_forward(weights_of(module), x))


def by_hand() -> PositionwiseFeedForward:
    """Make the module whose output is worked out below: 2, then 3, then 2."""
    module = PositionwiseFeedForward(2, 3).double()
    numbers = {
        "w_1.weight": [[1, 1], [1, -1], [-2, 0]],
        "w_1.bias": [0, 1, 1],
        "w_2.weight": [[1, 0, 2], [-1, 3, 0]],
        "w_2.bias": [5, -7],
    }
    state = {k: exact(v) for k, v in numbers.items()}
    module.load_state_dict(state, strict=True)
    return module


def test_two_positions_by_hand() -> None:
    # (1, 2): widened (3, -1 + 1, -2 + 1) = (3, 0, -1), bent (3, 0, 0),
    #         narrowed (3 + 5, -3 - 7).
    # (-1, 0): widened (-1, -1 + 1, 2 + 1) = (-1, 0, 3), bent (0, 0, 3),
    #          narrowed (6 + 5, 0 - 7).
    x = exact([[[1, 2], [-1, 0]]])
    assert by_hand()(x).tolist() == [[[8, -10], [11, -7]]]


def test_features_that_are_negative_or_zero_pass_no_gradient() -> None:
    # Of (1, 2) only the first of the three features is above zero: the
    # gradient takes the way back through w_2's and w_1's first alone.
    x = exact([[[1, 2]]]).requires_grad_()
    module = by_hand()
    module(x)[..., 1].sum().backward()
    assert gradient_of(x).tolist() == [[[-1, -1]]]
    assert gradients_of(module)["w_1.bias"].tolist() == [-1, 0, 0]
    assert gradients_of(module)["w_2.bias"].tolist() == [0, 1]


def test_the_output_may_be_negative() -> None:
    output = feed_forward()(an_input())
    assert 0.2 < (output < 0).double().mean() < 0.8


def test_gradients_are_those_of_finite_differences() -> None:
    module = PositionwiseFeedForward(3, 5).double()
    fill(module)
    assert torch.autograd.gradcheck(
        module, (make("x", BATCH, TARGETS, 3).requires_grad_(),)
    )


def test_what_is_all_zero_gives_the_biases_alone() -> None:
    module = feed_forward()
    weights = weights_of(module)
    expected = (
        weights["w_1.bias"].clamp(min=0) @ weights["w_2.weight"].T
        + weights["w_2.bias"]
    )
    output = module(torch.zeros(1, 1, D_MODEL).double())
    assert_close(output[0, 0], expected)


# --- each position alone ----------------------------------------------------


def test_a_changed_position_moves_only_itself() -> None:
    module = feed_forward()
    before = module(an_input())
    for b in range(BATCH):
        for position in range(TARGETS):
            changed = an_input()
            changed[b, position] += make("change", D_MODEL)
            moved = (module(changed) - before).abs().amax(-1)
            assert moved[b, position] > 1e-3
            moved[b, position] = 0.0
            assert (moved < 1e-12).all()


def test_permuted_positions_permute_the_output() -> None:
    module, order = feed_forward(), [3, 0, 4, 1, 2]
    x = an_input()
    assert_close(module(x[:, order]), module(x)[:, order])


def test_equal_vectors_become_equal_wherever_they_stand() -> None:
    x = make("vector", D_MODEL).expand(BATCH, TARGETS, D_MODEL)
    output = feed_forward()(x)
    assert_close(output, output[:1, :1].expand(BATCH, TARGETS, D_MODEL))


def test_batch_mates_do_not_matter() -> None:
    module, x = feed_forward(), an_input()
    for b in range(BATCH):
        assert_close(module(x[b : b + 1]), module(x)[b : b + 1])


# --- dropout ----------------------------------------------------------------


def test_there_is_no_dropout_inside_by_default() -> None:
    module = PositionwiseFeedForward(D_MODEL, D_FF).double().train()
    assert rates_of_dropout(module) == {}
    training = module(an_input())
    assert_same(module(an_input()), training)
    assert_same(module.eval()(an_input()), training)


def test_the_rate_of_dropout_is_passed_on() -> None:
    assert list(rates_of_dropout(feed_forward(0.3)).values()) == [0.3]


def test_dropout_falls_on_the_features_after_the_relu() -> None:
    module = feed_forward(0.5)
    pattern = 2.0 * make_mask("pattern", BATCH, TARGETS, D_FF)
    received = replace_dropout(module.dropout, [pattern])
    output = module(an_input())
    wide = an_input() @ module.w_1.weight.T + module.w_1.bias
    bent = wide.where(wide > 0, 0.0)
    assert len(received) == 1
    assert_close(received[0], bent.detach())
    expected = (bent * pattern) @ module.w_2.weight.T + module.w_2.bias
    assert_close(output, expected)


def test_dropout_of_everything_leaves_the_last_bias() -> None:
    module = feed_forward(1.0).train()
    expected = module.w_2.bias.expand(BATCH, TARGETS, D_MODEL)
    assert_same(module(an_input()), expected)


def test_dropout_in_eval_mode_is_no_dropout() -> None:
    module = feed_forward(0.5).eval()
    assert_same(module(an_input()), feed_forward()(an_input()))


# --- parameters -------------------------------------------------------------


def test_the_parameters_are_two_matrices_with_biases() -> None:
    assert {
        name: tuple(t.shape) for name, t in feed_forward().state_dict().items()
    } == {
        "w_1.weight": (D_FF, D_MODEL),
        "w_1.bias": (D_FF,),
        "w_2.weight": (D_MODEL, D_FF),
        "w_2.bias": (D_MODEL,),
    }


def test_the_state_makes_the_round_trip() -> None:
    module, other = feed_forward(), feed_forward()
    fill(other, seed=1)
    assert not torch.allclose(other(an_input()), module(an_input()))
    other.load_state_dict(module.state_dict(), strict=True)
    assert_same(other(an_input()), module(an_input()))


def test_a_copy_is_equal_and_independent() -> None:
    module = feed_forward()
    before = module(an_input())
    clone = copy.deepcopy(module)
    assert_same(clone(an_input()), before)
    fill(clone, seed=1)
    assert_same(module(an_input()), before)


# --- dtypes, devices, layouts -----------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float32, 3e-6), (torch.bfloat16, 5e-2)],
)
def test_every_dtype_is_kept_and_as_exact_as_it_can_be(
    dtype: torch.dtype, tolerance: float
) -> None:
    output = feed_forward().to(dtype)(an_input().to(dtype))
    assert output.dtype is dtype
    assert_close(output.double(), feed_forward()(an_input()), tolerance)


def test_shapes_come_out_on_the_meta_device() -> None:
    with torch.device("meta"):
        module = PositionwiseFeedForward(D_MODEL, D_FF)
        output = module(torch.empty(BATCH, TARGETS, D_MODEL))
    assert output.device.type == "meta"
    assert output.shape == (BATCH, TARGETS, D_MODEL)


def test_transposed_inputs_give_the_same() -> None:
    x = an_input().transpose(0, 1).contiguous().transpose(0, 1)
    assert not x.is_contiguous()
    assert_close(feed_forward()(x), feed_forward()(an_input()))


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_the_input_stays_as_it_was(dropout: float) -> None:
    x = an_input()
    feed_forward(dropout)(x)
    assert_same(x, an_input())
    # Not even changed and changed back: autograd counts the changes.
    assert x._version == 0
