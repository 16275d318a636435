"""Tests of the layer normalisation."""

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import (
    BATCH,
    D_MODEL,
    HEADS,
    TARGETS,
    assert_close,
    assert_same,
    gradient_of,
    make,
)
from oracle_model import exact, fill, gradients_of, loop_norm, weights_of
from torch import Tensor, nn

from laidout.normalization import LayerNorm


def norm(eps: float = 1e-5) -> LayerNorm:
    """Make the module with our own numbers as gain and bias."""
    module = LayerNorm(D_MODEL, eps).double()
    fill(module)
    return module


def twin_of_torch(module: LayerNorm, eps: float = 1e-5) -> nn.LayerNorm:
    """Make torch's module with the same gain, which it calls weight."""
    twin = nn.LayerNorm(D_MODEL, eps, dtype=torch.float64)
    weights = weights_of(module)
    twin.load_state_dict({"weight": weights["gain"], "bias": weights["bias"]})
    return twin


def an_input(*leading: int) -> Tensor:
    """Make an input, (B, T, D) unless told otherwise."""
    return make("x", *(leading or (BATCH, TARGETS)), D_MODEL)


INPUTS = {
    "normal numbers": an_input(),
    "tiny": an_input() * 1e-6,
    "huge": an_input() * 1e6,
    "almost constant": 3.0 + an_input() * 1e-4,
    "as small as eps": an_input() * math.sqrt(1e-5),
    "all zero": torch.zeros_like(an_input()),
    "all alike": torch.full_like(an_input(), 2.5),
    "far from zero": an_input() + 1e4,
    "farther, negative": an_input() * 7 - 1e5,
}

every_input = pytest.mark.parametrize("x", INPUTS.values(), ids=INPUTS.keys())


# --- the right numbers ------------------------------------------------------


@every_input
def test_the_output_is_that_of_torch(x: Tensor) -> None:
    module = norm()
    assert_close(module(x), twin_of_torch(module)(x), 1e-9)


@pytest.mark.parametrize("eps", [1e-12, 1e-5, 1e-2, 3.0])
def test_the_output_is_that_of_torch_for_every_eps(eps: float) -> None:
    module, x = norm(eps), an_input()
    assert_close(module(x), twin_of_torch(module, eps)(x))


@every_input
def test_the_gradients_are_those_of_torch(x: Tensor) -> None:
    module = norm()
    twin = twin_of_torch(module)
    upstream = make("upstream", *x.shape)
    ours, theirs = (x.clone().requires_grad_() for _ in range(2))
    (module(ours) * upstream).sum().backward()
    (twin(theirs) * upstream).sum().backward()
    largest = gradient_of(theirs).abs().max().item()
    assert_close(gradient_of(ours), gradient_of(theirs), 1e-9 * largest)
    expected = gradients_of(twin)
    assert_close(gradient_of(module.gain), expected["weight"], 1e-9)
    assert_close(gradient_of(module.bias), expected["bias"])


@pytest.mark.parametrize("leading", [(1,), (7,), (2, 5), (2, 3, 5)])
def test_the_features_are_the_last_axis_however_many_there_are(
    leading: tuple[int, ...],
) -> None:
    module, x = norm(), an_input(*leading)
    assert_close(module(x), twin_of_torch(module)(x))
    assert_close(module(x[0]), twin_of_torch(module)(x[0]))


@every_input
def test_the_output_is_that_of_a_slow_loop(x: Tensor) -> None:
    module = norm()
    assert_close(module(x), loop_norm(x, **weights_of(module)), 1e-9)


@settings(max_examples=50)
@given(
    size=st.integers(1, 9),
    batch=st.integers(1, 3),
    length=st.integers(1, 4),
    eps=st.sampled_from([1e-9, 1e-5, 0.1]),
    spread=st.sampled_from([1e-3, 1.0, 10.0]),
    seed=st.integers(0, 999),
)
def test_a_slow_loop_agrees_whatever_the_sizes(
    size: int, batch: int, length: int, eps: float, spread: float, seed: int
) -> None:
    module = LayerNorm(size, eps).double()
    fill(module, seed)
    x = spread * make(f"x {seed}", batch, length, size)
    expected = loop_norm(x, **weights_of(module), eps=eps)
    assert_close(module(x), expected, 1e-9)


def test_three_features_by_hand() -> None:
    # Mean 4, variance (9 + 0 + 9) / 3 = 6 and eps 3: the root is 3.
    module = LayerNorm(3, eps=3.0).double()
    assert module(exact([1.0, 4.0, 7.0])).tolist() == [
        -1.0,
        0.0,
        1.0,
    ]
    with torch.no_grad():
        module.gain.copy_(torch.tensor([2.0, 3.0, 5.0]))
        module.bias.copy_(torch.tensor([10.0, 20.0, 30.0]))
    assert module(exact([1.0, 4.0, 7.0])).tolist() == [
        8.0,
        20.0,
        35.0,
    ]


def test_the_variance_divides_by_the_number_of_features() -> None:
    # Divided by one less, the variance of (-1, 1) would be 2.
    output = LayerNorm(2, eps=0.0)(torch.tensor([-1.0, 1.0]))
    assert output.tolist() == [-1.0, 1.0]


def test_eps_stands_inside_the_root() -> None:
    # Variance 16 and eps 9: the root is 5; outside it would be 4 + 9.
    output = LayerNorm(2, eps=9.0)(torch.tensor([-4.0, 4.0]))
    assert output.tolist() == pytest.approx([-0.8, 0.8])


def test_eps_is_one_in_a_hundred_thousand_by_default() -> None:
    a = math.sqrt(1e-5)
    output = LayerNorm(2).double()(exact([-a, a]))
    root = math.sqrt(0.5)
    assert output.tolist() == pytest.approx([-root, root], abs=1e-12)


def test_a_single_feature_becomes_the_bias() -> None:
    module = LayerNorm(1).double()
    fill(module)
    output = module(make("x", TARGETS, 1))
    assert_close(output, module.bias.detach().expand(TARGETS, 1))


# --- what holds whatever the numbers ----------------------------------------


def test_a_new_norm_gives_mean_zero_and_variance_one() -> None:
    output = LayerNorm(D_MODEL, eps=0.0).double()(5.0 * an_input() + 3.0)
    ones = torch.ones(BATCH, TARGETS).double()
    assert_close(output.mean(-1), 0.0 * ones)
    assert_close(output.square().mean(-1), ones)


def test_shift_and_scale_of_the_input_do_not_matter() -> None:
    module, x = norm(eps=0.0), an_input()
    assert_close(module(7.0 * x - 3.0), module(x))


def test_gain_and_bias_are_the_scale_and_shift_of_each_feature() -> None:
    module, x = norm(), an_input()
    plain = LayerNorm(D_MODEL).double()(x)
    assert_close(module(x), plain * module.gain + module.bias)


def test_a_changed_vector_moves_only_itself() -> None:
    module = norm()
    before = module(an_input(BATCH, HEADS, TARGETS))
    for place in [(0, 0, 0), (1, 2, 3), (0, 1, TARGETS - 1)]:
        changed = an_input(BATCH, HEADS, TARGETS)
        changed[place] += make("change", D_MODEL)
        moved = (module(changed) - before).abs().amax(-1)
        assert moved[place] > 1e-3
        moved[place] = 0.0
        assert (moved < 1e-12).all()


def test_train_and_eval_mode_do_not_differ() -> None:
    module = norm()
    training = [module.train()(an_input()) for _ in range(2)]
    assert_same(training[1], training[0])
    assert_same(module.eval()(an_input()), training[0])


def test_gradients_are_those_of_finite_differences() -> None:
    module = LayerNorm(5).double()

    def normalise(x: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
        parameters = {"gain": gain, "bias": bias}
        output: Tensor = torch.func.functional_call(module, parameters, x)
        return output

    inputs = (make("x", TARGETS, 5), make("gain", 5), make("bias", 5))
    assert torch.autograd.gradcheck(
        normalise, [x.requires_grad_() for x in inputs]
    )


def test_the_gradient_is_orthogonal_to_shift_and_scale() -> None:
    # Neither changes the output, so no gradient points in their direction.
    module, x = norm(eps=0.0), an_input().requires_grad_()
    (module(x) * make("upstream", *x.shape)).sum().backward()
    zeros = torch.zeros(BATCH, TARGETS).double()
    assert_close(gradient_of(x).sum(-1), zeros)
    assert_close((gradient_of(x) * x).sum(-1).detach(), zeros)


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.bfloat16]
)
@pytest.mark.parametrize("value", [0.0, 1.0, 2.5])
def test_equal_features_become_the_bias(
    dtype: torch.dtype, value: float
) -> None:
    module = norm().to(dtype)
    x = torch.full((BATCH, TARGETS, D_MODEL), value, dtype=dtype)
    output = module(x.requires_grad_())
    assert_same(output, module.bias.expand_as(output))
    output.sum().backward()
    for tensor in (x, module.gain, module.bias):
        assert gradient_of(tensor).isfinite().all()


# --- parameters -------------------------------------------------------------


def test_gain_starts_at_one_and_bias_at_zero() -> None:
    state = LayerNorm(D_MODEL).state_dict()
    assert list(state) == ["gain", "bias"]
    assert_same(state["gain"], torch.ones(D_MODEL))
    assert_same(state["bias"], torch.zeros(D_MODEL))


def test_gain_and_bias_are_the_parameters_and_learn() -> None:
    module = norm()
    assert [name for name, _ in module.named_parameters()] == ["gain", "bias"]
    module(an_input()).square().sum().backward()
    for gradient in gradients_of(module).values():
        assert (gradient != 0).all()


def test_the_state_makes_the_round_trip() -> None:
    other = LayerNorm(D_MODEL).double()
    other.load_state_dict(norm().state_dict(), strict=True)
    assert_same(other(an_input()), norm()(an_input()))


def test_a_copy_is_equal_and_independent() -> None:
    module = norm()
    before = module(an_input())
    clone = copy.deepcopy(module)
    assert_same(clone(an_input()), before)
    fill(clone, seed=1)
    assert_same(module(an_input()), before)


# --- dtypes, devices, layouts -----------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float32, 2e-6), (torch.bfloat16, 5e-2)],
)
def test_every_dtype_is_kept_and_as_exact_as_it_can_be(
    dtype: torch.dtype, tolerance: float
) -> None:
    x = an_input().to(dtype)
    output = norm().to(dtype)(x)
    assert output.dtype is dtype
    assert_close(output.double(), norm()(x.double()), tolerance)


def test_float32_far_from_zero_is_as_exact_as_its_inputs() -> None:
    # Squares of these are near 1e8: their difference would be noise.
    x = (an_input() + 1e4).float()
    expected = norm()(x.double())
    assert_close(norm().float()(x).double(), expected, 5e-3)


def test_shapes_come_out_on_the_meta_device() -> None:
    with torch.device("meta"):
        module = LayerNorm(D_MODEL)
        output = module(torch.empty(BATCH, TARGETS, D_MODEL))
    assert output.device.type == "meta"
    assert output.shape == (BATCH, TARGETS, D_MODEL)


def test_transposed_inputs_give_the_same() -> None:
    x = an_input().transpose(0, 2).contiguous().transpose(0, 2)
    assert not x.is_contiguous()
    assert_close(norm()(x), norm()(an_input()))


def test_the_input_stays_as_it_was() -> None:
    x = an_input()
    norm()(x)
    assert_same(x, an_input())
    # Not even changed and changed back: autograd counts the changes.
    assert x._version == 0
