"""Tests of the attention: first the function, then the module of heads."""

import copy
import math
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracle import (
    BATCH,
    D_K,
    D_MODEL,
    D_V,
    HEADS,
    SOURCES,
    TARGETS,
    assert_close,
    assert_same,
    gradient_of,
    loop_attention,
    make,
    make_mask,
)
from torch import Tensor, nn
from torch.nn import functional

from laidout import MultiHeadAttention, scaled_dot_product_attention

# --- scaled_dot_product_attention: inputs -----------------------------------


class Problem(NamedTuple):
    """What the attention is called with."""

    query: Tensor
    key: Tensor
    value: Tensor
    mask: Tensor | None = None

    def solve(self) -> tuple[Tensor, Tensor]:
        """Call the function under test."""
        return scaled_dot_product_attention(*self)

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Give the three inputs that may have a gradient."""
        return self.query, self.key, self.value

    def each(self, change: Callable[[Tensor], Tensor]) -> "Problem":
        """Change query, key and value in the same way."""
        query, key, value = map(change, self.tensors())
        return Problem(query, key, value, self.mask)

    def cast(self, dtype: torch.dtype) -> "Problem":
        """Round the inputs to a dtype."""
        return self.each(lambda x: x.to(dtype))

    def follow_gradients(self) -> "Problem":
        """Copy the inputs and let autograd watch the copies."""
        return self.each(watched)


def watched(x: Tensor) -> Tensor:
    """Copy a tensor and let autograd watch the copy."""
    return x.detach().clone().requires_grad_()


def torch_attention(some: Problem) -> Tensor:
    """Give what torch makes of a problem: the output, without weights."""
    output: Tensor = functional.scaled_dot_product_attention(*some)
    return output


def problem(*leading: int, mask: Tensor | None = None) -> Problem:
    """Make query, key and value with the given leading axes."""
    return Problem(
        make("query", *leading, TARGETS, D_K),
        make("key", *leading, SOURCES, D_K),
        make("value", *leading, SOURCES, D_V),
        mask,
    )


LEADING = [(), (BATCH,), (BATCH, HEADS)]

MASKS = {
    "no mask": None,
    "one mask for all": make_mask("TS", TARGETS, SOURCES),
    "for each sentence": make_mask("B1TS", BATCH, 1, TARGETS, SOURCES),
    "for each head": make_mask("1HTS", 1, HEADS, TARGETS, SOURCES),
    "for each head of each": make_mask("BHTS", BATCH, HEADS, TARGETS, SOURCES),
    "padding": make_mask("B11S", BATCH, 1, 1, SOURCES),
    "causal": torch.ones(1, 1, TARGETS, SOURCES, dtype=torch.bool).tril(),
}

every_mask = pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())

EMPTY_ROW = 3
"""The query that may attend to nothing in `mask_with_an_empty_row`."""


def mask_with_an_empty_row() -> Tensor:
    """Make a mask (T, S) in which one query may attend to nothing."""
    mask = make_mask("empty row", TARGETS, SOURCES)
    mask[EMPTY_ROW] = False
    return mask


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Draw small problems; rows of their masks may be empty."""
    targets, sources = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    d_k, d_v = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    seed = draw(st.integers(0, 999))
    size = draw(st.sampled_from([0.1, 1.0, 5.0]))
    row = st.lists(st.booleans(), min_size=sources, max_size=sources)
    rows = draw(st.lists(row, min_size=targets, max_size=targets))
    return Problem(
        size * make("query", targets, d_k, seed=seed),
        size * make("key", sources, d_k, seed=seed),
        make("value", sources, d_v, seed=seed),
        torch.tensor(rows) if draw(st.booleans()) else None,
    )


def allowed(some: Problem) -> Tensor:
    """Write the mask of a problem in full, (T, S)."""
    shape = some.query.size(-2), some.key.size(-2)
    if some.mask is None:
        return torch.ones(shape, dtype=torch.bool)
    return some.mask.expand(shape)


# --- the right numbers ------------------------------------------------------


@every_mask
def test_the_output_is_that_of_torch(mask: Tensor | None) -> None:
    some = problem(BATCH, HEADS, mask=mask)
    assert_close(some.solve()[0], torch_attention(some))


@pytest.mark.parametrize("leading", LEADING)
@pytest.mark.parametrize("masked", [False, True])
def test_the_output_is_that_of_torch_in_two_to_four_dimensions(
    leading: tuple[int, ...], masked: bool
) -> None:
    mask = make_mask("TS", TARGETS, SOURCES) if masked else None
    some = problem(*leading, mask=mask)
    output, weights = some.solve()
    assert_close(output, torch_attention(some))
    assert weights.shape == (*leading, TARGETS, SOURCES)


@every_mask
def test_output_and_weights_are_those_of_slow_loops(
    mask: Tensor | None,
) -> None:
    some = problem(BATCH, HEADS, mask=mask)
    output, weights = some.solve()
    expected_output, expected_weights = loop_attention(*some)
    assert_close(output, expected_output)
    assert_close(weights, expected_weights)


@pytest.mark.parametrize("leading", LEADING)
def test_slow_loops_agree_in_two_to_four_dimensions(
    leading: tuple[int, ...],
) -> None:
    some = problem(*leading, mask=mask_with_an_empty_row())
    output, weights = some.solve()
    expected_output, expected_weights = loop_attention(*some)
    assert_close(output, expected_output)
    assert_close(weights, expected_weights)


@given(some=problems())
def test_slow_loops_agree_on_problems_of_any_size(some: Problem) -> None:
    output, weights = some.solve()
    expected_output, expected_weights = loop_attention(*some)
    assert_close(output, expected_output)
    assert_close(weights, expected_weights)


# "I", "like" and "pizza". The dot products with the keys are
#     I: 0 4 2    like: 2 0 4    pizza: 0 2 0
# and the square root of d_k = 4 halves them:
#     I: 0 2 1    like: 1 0 2    pizza: 0 1 0
PIZZA = Problem(
    torch.tensor([[2, 0, 1, 0], [0, 1, 0, 2], [0, 1, 1, 0]]).double(),
    torch.tensor([[0, 0, 0, 1], [1, 0, 2, 0], [1, 0, 0, 2]]).double(),
    torch.tensor([[1, 0], [0, 1], [3, 1]]).double(),
)


def test_i_like_pizza_by_hand() -> None:
    e, e2 = math.exp(1), math.exp(2)
    output, weights = PIZZA.solve()
    expected_weights = [
        [1 / (1 + e2 + e), e2 / (1 + e2 + e), e / (1 + e2 + e)],
        [e / (e + 1 + e2), 1 / (e + 1 + e2), e2 / (e + 1 + e2)],
        [1 / (2 + e), e / (2 + e), 1 / (2 + e)],
    ]
    expected_output = [
        [(1 + 3 * e) / (1 + e2 + e), (e2 + e) / (1 + e2 + e)],
        [(e + 3 * e2) / (e + 1 + e2), (1 + e2) / (e + 1 + e2)],
        [4 / (2 + e), (e + 1) / (2 + e)],
    ]
    assert_close(weights, torch.tensor(expected_weights, dtype=torch.float64))
    assert_close(output, torch.tensor(expected_output, dtype=torch.float64))


def test_i_like_pizza_to_four_digits() -> None:
    output, weights = PIZZA.solve()
    assert weights.mul(1e4).round().tolist() == [
        [900, 6652, 2447],
        [2447, 900, 6652],
        [2119, 5761, 2119],
    ]
    assert output.mul(1e4).round().tolist() == [
        [8242, 9100],
        [22405, 7553],
        [8478, 7881],
    ]


def test_i_like_pizza_without_the_future_by_hand() -> None:
    e = math.exp(1)
    mask = torch.tensor(
        [[True, False, False], [True, True, False], [True, True, True]]
    )
    output, weights = PIZZA._replace(mask=mask).solve()
    row = [1 / (2 + e), e / (2 + e), 1 / (2 + e)]
    assert weights.tolist() == [
        [1.0, 0.0, 0.0],
        pytest.approx([e / (e + 1), 1 / (e + 1), 0.0], abs=1e-12),
        pytest.approx(row, abs=1e-12),
    ]
    assert output.tolist() == [
        [1.0, 0.0],
        pytest.approx([e / (e + 1), 1 / (e + 1)], abs=1e-12),
        pytest.approx([4 / (2 + e), (e + 1) / (2 + e)], abs=1e-12),
    ]


def test_output_and_weights_come_in_this_order() -> None:
    output, weights = problem(BATCH, HEADS).solve()
    assert output.shape == (BATCH, HEADS, TARGETS, D_V)
    assert weights.shape == (BATCH, HEADS, TARGETS, SOURCES)


def test_a_mask_that_allows_one_key_fetches_its_value() -> None:
    picked = torch.tensor([4, 0, 6, 6, 1])
    mask = functional.one_hot(picked, SOURCES).bool()
    some = problem(mask=mask)
    output, weights = some.solve()
    assert_same(output, some.value[picked])
    assert_same(weights, mask.double())


def test_a_mask_that_allows_everything_is_no_mask() -> None:
    everything = torch.ones(TARGETS, SOURCES, dtype=torch.bool)
    bare = problem(BATCH).solve()
    masked = problem(BATCH, mask=everything).solve()
    assert_close(masked[0], bare[0])
    assert_close(masked[1], bare[1])


def test_equal_keys_give_the_plain_mean_of_the_values() -> None:
    some = problem()
    key = some.key[:1].expand(SOURCES, -1)
    output, _ = some._replace(key=key).solve()
    assert_close(output, some.value.mean(0).expand(TARGETS, -1))


# --- what holds whatever the numbers ----------------------------------------


@given(some=problems())
def test_weights_sum_to_one_over_the_allowed_keys(some: Problem) -> None:
    may = allowed(some)
    _, weights = some.solve()
    assert (weights >= 0).all()
    assert_same(weights[~may], torch.zeros(int((~may).sum())).double())
    assert_close(weights.sum(-1), may.any(-1).double())


@given(some=problems())
def test_every_output_lies_between_the_allowed_values(some: Problem) -> None:
    output, _ = some.solve()
    for t, may in enumerate(allowed(some)):
        values = some.value[may] if may.any() else some.value[:1] * 0
        assert (output[t] >= values.amin(0) - 1e-12).all()
        assert (output[t] <= values.amax(0) + 1e-12).all()


@given(some=problems(), data=st.data())
def test_the_order_of_keys_and_values_does_not_matter(
    some: Problem, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(some.key.size(0))))
    shuffled = Problem(
        some.query,
        some.key[order],
        some.value[order],
        None if some.mask is None else some.mask[:, order],
    )
    output, weights = some.solve()
    shuffled_output, shuffled_weights = shuffled.solve()
    assert_close(shuffled_output, output)
    assert_close(shuffled_weights, weights[:, order])


@given(some=problems(), data=st.data())
def test_permuted_queries_give_permuted_outputs(
    some: Problem, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(some.query.size(0))))
    mask = None if some.mask is None else some.mask[order]
    shuffled = some._replace(query=some.query[order], mask=mask)
    output, weights = some.solve()
    shuffled_output, shuffled_weights = shuffled.solve()
    assert_close(shuffled_output, output[order])
    assert_close(shuffled_weights, weights[order])


@given(some=problems(), data=st.data(), size=st.sampled_from([1.0, 1e3, 1e6]))
def test_a_masked_key_and_its_value_move_nothing(
    some: Problem, data: st.DataObject, size: float
) -> None:
    hidden = data.draw(st.integers(0, some.key.size(0) - 1))
    mask = allowed(some).clone()
    mask[:, hidden] = False
    key, value = some.key.clone(), some.value.clone()
    key[hidden] += size
    value[hidden] += size
    output, weights = some._replace(mask=mask).solve()
    moved_output, moved_weights = Problem(some.query, key, value, mask).solve()
    assert_close(moved_output, output)
    assert_close(moved_weights, weights)


@given(some=problems())
def test_forbidden_keys_might_as_well_be_missing(some: Problem) -> None:
    output, weights = some.solve()
    for t, may in enumerate(allowed(some)):
        if may.any():
            alone = Problem(
                some.query[t : t + 1], some.key[may], some.value[may]
            )
            alone_output, alone_weights = alone.solve()
            assert_close(output[t], alone_output[0])
            assert_close(weights[t, may], alone_weights[0])


@given(some=problems(), seed=st.integers(0, 999))
def test_a_vector_added_to_all_keys_moves_nothing(
    some: Problem, seed: int
) -> None:
    # It adds the same number to all scores of a query: softmax cancels it.
    shift = make("shift", some.key.size(1), seed=seed)
    output, weights = some.solve()
    moved_output, moved_weights = some._replace(key=some.key + shift).solve()
    assert_close(moved_weights, weights)
    assert_close(moved_output, output)


@given(some=problems(), times=st.floats(0.1, 10))
def test_queries_times_a_number_undo_keys_divided_by_it(
    some: Problem, times: float
) -> None:
    output, weights = some.solve()
    scaled = some._replace(query=some.query * times, key=some.key / times)
    scaled_output, scaled_weights = scaled.solve()
    assert_close(scaled_weights, weights)
    assert_close(scaled_output, output)


@given(some=problems(), times=st.integers(2, 5))
def test_vectors_repeated_n_times_give_scores_times_the_root_of_n(
    some: Problem, times: int
) -> None:
    longer = some._replace(
        query=some.query.repeat(1, times), key=some.key.repeat(1, times)
    )
    hotter = some._replace(query=some.query * math.sqrt(times))
    assert_close(longer.solve()[1], hotter.solve()[1])


@given(some=problems(), times=st.floats(-10, 10), seed=st.integers(0, 999))
def test_the_output_is_linear_in_the_values(
    some: Problem, times: float, seed: int
) -> None:
    other = make("other", *some.value.shape, seed=seed)
    first, weights = some.solve()
    second, _ = some._replace(value=other).solve()
    both, same = some._replace(value=some.value * times + other).solve()
    assert_close(both, first * times + second)
    assert_same(same, weights)


@pytest.mark.parametrize("mask", [None, MASKS["for each head of each"]])
def test_batch_mates_and_other_heads_do_not_matter(
    mask: Tensor | None,
) -> None:
    together = problem(BATCH, HEADS, mask=mask)
    output, weights = together.solve()
    for b in range(BATCH):
        for h in range(HEADS):
            alone = Problem(
                together.query[b, h],
                together.key[b, h],
                together.value[b, h],
                None if mask is None else mask[b, h],
            )
            alone_output, alone_weights = alone.solve()
            assert_close(output[b, h], alone_output)
            assert_close(weights[b, h], alone_weights)


# --- nothing allowed --------------------------------------------------------


def assert_empty_row_gives_zeros(output: Tensor, weights: Tensor) -> None:
    """The row EMPTY_ROW is exactly zero, and all is finite."""
    assert output.isfinite().all()
    assert weights.isfinite().all()
    assert (output[..., EMPTY_ROW, :] == 0).all()
    assert (weights[..., EMPTY_ROW, :] == 0).all()


@pytest.mark.parametrize("leading", LEADING)
@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.bfloat16]
)
def test_a_row_that_may_attend_to_nothing_gives_zeros(
    leading: tuple[int, ...], dtype: torch.dtype
) -> None:
    some = problem(*leading, mask=mask_with_an_empty_row()).cast(dtype)
    assert_empty_row_gives_zeros(*some.solve())


def test_a_mask_that_allows_nothing_at_all_gives_zeros() -> None:
    nothing = torch.zeros(TARGETS, SOURCES, dtype=torch.bool)
    output, weights = problem(BATCH, HEADS, mask=nothing).solve()
    assert_same(output, torch.zeros(BATCH, HEADS, TARGETS, D_V).double())
    assert_same(weights, torch.zeros_like(weights))


def test_the_other_rows_do_not_notice_the_empty_one() -> None:
    some = problem(BATCH, mask=mask_with_an_empty_row())
    rest = [t for t in range(TARGETS) if t != EMPTY_ROW]
    full = Problem(
        some.query[:, rest],
        some.key,
        some.value,
        mask_with_an_empty_row()[rest],
    )
    assert_close(some.solve()[0][:, rest], torch_attention(full))


def test_gradients_are_zero_in_the_empty_row_and_right_elsewhere() -> None:
    some = problem(BATCH, HEADS, mask=mask_with_an_empty_row())
    upstream = make("upstream", BATCH, HEADS, TARGETS, D_V)
    ours = some.follow_gradients()
    (ours.solve()[0] * upstream).sum().backward()

    # The same without the query that may attend to nothing.
    rest = [t for t in range(TARGETS) if t != EMPTY_ROW]
    theirs = Problem(
        some.query[..., rest, :],
        some.key,
        some.value,
        mask_with_an_empty_row()[rest],
    ).follow_gradients()
    (torch_attention(theirs) * upstream[..., rest, :]).sum().backward()

    of_query = gradient_of(ours.query)
    assert (of_query[..., EMPTY_ROW, :] == 0).all()
    assert_close(of_query[..., rest, :], gradient_of(theirs.query))
    assert_close(gradient_of(ours.key), gradient_of(theirs.key))
    assert_close(gradient_of(ours.value), gradient_of(theirs.value))


def test_gradients_are_all_zero_where_nothing_at_all_is_allowed() -> None:
    nothing = torch.zeros(TARGETS, SOURCES, dtype=torch.bool)
    some = problem(BATCH, mask=nothing).follow_gradients()
    output, weights = some.solve()
    (output.sum() + weights.sum()).backward()
    for tensor in some.tensors():
        assert_same(gradient_of(tensor), torch.zeros_like(tensor))


# --- gradients --------------------------------------------------------------


@every_mask
def test_gradients_are_those_of_torch(mask: Tensor | None) -> None:
    upstream = make("upstream", BATCH, HEADS, TARGETS, D_V)
    ours = problem(BATCH, HEADS, mask=mask).follow_gradients()
    (ours.solve()[0] * upstream).sum().backward()
    theirs = problem(BATCH, HEADS, mask=mask).follow_gradients()
    expected = torch_attention(theirs)
    (expected * upstream).sum().backward()
    for mine, other in zip(ours.tensors(), theirs.tensors(), strict=True):
        assert gradient_of(mine).abs().max() > 1e-3
        assert_close(gradient_of(mine), gradient_of(other))


@pytest.mark.parametrize(
    "mask",
    [None, make_mask("TS", TARGETS, SOURCES), mask_with_an_empty_row()],
    ids=["no mask", "mask", "empty row"],
)
def test_gradients_are_those_of_finite_differences(
    mask: Tensor | None,
) -> None:
    some = Problem(
        make("query", TARGETS, 2),
        make("key", SOURCES, 2),
        make("value", SOURCES, 3),
        mask,
    ).follow_gradients()
    # Both results are checked, the returned weights too.
    assert torch.autograd.gradcheck(
        lambda q, k, v: scaled_dot_product_attention(q, k, v, mask),
        some.tensors(),
    )


def test_the_weights_are_the_gradient_of_the_output_by_the_values() -> None:
    some = problem(mask=mask_with_an_empty_row()).follow_gradients()
    output, weights = some.solve()
    for t in range(TARGETS):
        (gradient,) = torch.autograd.grad(
            output[t, 0], some.value, retain_graph=True
        )
        assert_close(gradient[:, 0], weights[t].detach())
        assert (gradient[:, 1:] == 0).all()


# --- dtypes, devices, layouts -----------------------------------------------


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [
        (torch.float64, 1e-12),
        (torch.float32, 2e-6),
        (torch.bfloat16, 3e-2),
    ],
)
def test_every_dtype_is_kept_and_as_exact_as_it_can_be(
    dtype: torch.dtype, tolerance: float, masked: bool
) -> None:
    mask = MASKS["padding"] if masked else None
    some = problem(BATCH, HEADS, mask=mask).cast(dtype)
    output, weights = some.solve()
    assert output.dtype is dtype
    assert weights.dtype is dtype
    expected_output, expected_weights = loop_attention(
        *some.cast(torch.float64)
    )
    assert_close(output.double(), expected_output, tolerance)
    assert_close(weights.double(), expected_weights, tolerance)


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.bfloat16]
)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_large_scores_do_not_overflow(dtype: torch.dtype, sign: float) -> None:
    # d_k is 4, so the scores are 1e4 times 0, 4 and 2 (over 2) and so on.
    some = PIZZA._replace(query=PIZZA.query * sign * 1e4).cast(dtype)
    output, weights = some.solve()
    assert output.isfinite().all()
    best = [[1], [2], [1]] if sign > 0 else [[0], [1], [0, 2]]
    expected = torch.zeros(3, 3, dtype=dtype)
    for t, keys in enumerate(best):
        expected[t, keys] = 1 / len(keys)
    assert_same(weights, expected)


def test_large_scores_do_not_overflow_backwards() -> None:
    some = PIZZA._replace(query=PIZZA.query * 1e4).follow_gradients()
    some.solve()[0].sum().backward()
    for tensor in some.tensors():
        assert gradient_of(tensor).isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_mask_holds_however_low_the_allowed_scores_are(
    dtype: torch.dtype,
) -> None:
    # Any finite number in the place of minus infinity would win here.
    some = Problem(
        torch.full((TARGETS, 1), -1e15),
        torch.full((SOURCES, 1), 1e15),
        make("value", SOURCES, D_V),
        make_mask("one", TARGETS, SOURCES),
    ).cast(dtype)
    assert some.mask is not None
    share = some.mask.double() / some.mask.sum(-1, keepdim=True)
    output, weights = some.solve()
    assert_close(weights, share.to(dtype), 1e-6)
    assert_close(output, (share @ some.value.double()).to(dtype), 1e-6)


def test_transposed_inputs_give_the_same() -> None:
    some = problem(BATCH, HEADS, mask=MASKS["for each head of each"])
    assert some.mask is not None
    transposed = some.each(
        lambda x: x.transpose(1, 2).contiguous().transpose(1, 2)
    )._replace(mask=some.mask.mT.contiguous().mT)
    assert not any(x.is_contiguous() for x in transposed if x is not None)
    output, weights = transposed.solve()
    assert_close(output, some.solve()[0])
    assert_close(weights, some.solve()[1])


def with_gaps(x: Tensor) -> Tensor:
    """Spread the features out in memory, with NaN between them."""
    wide = torch.full((*x.shape[:-1], 2 * x.size(-1)), math.nan).to(x)
    wide[..., ::2] = x
    return wide[..., ::2]


def test_strided_and_expanded_inputs_give_the_same() -> None:
    some = problem(BATCH)
    strided = some.each(with_gaps)._replace(
        key=some.key[:1].expand(BATCH, -1, -1)
    )
    packed = strided.each(Tensor.contiguous)
    assert not any(x.is_contiguous() for x in strided.tensors())
    assert_close(strided.solve()[0], packed.solve()[0])
    assert_close(strided.solve()[1], packed.solve()[1])


@pytest.mark.parametrize("mask", [None, mask_with_an_empty_row()])
def test_the_inputs_stay_as_they_were(mask: Tensor | None) -> None:
    some = problem(BATCH, HEADS, mask=None if mask is None else mask.clone())
    some.solve()
    for after, before in zip(
        some.tensors(), problem(BATCH, HEADS).tensors(), strict=True
    ):
        assert_same(after, before)
    if some.mask is not None and mask is not None:
        assert_same(some.mask, mask)
    # Not even changed and changed back: autograd counts the changes.
    assert [t._version for t in some if t is not None] == [0] * (
        3 if mask is None else 4
    )


@pytest.mark.parametrize("masked", [False, True])
def test_shapes_come_out_on_the_meta_device(masked: bool) -> None:
    mask = torch.ones(1, 1, TARGETS, SOURCES, dtype=torch.bool, device="meta")
    some = problem(BATCH, HEADS, mask=mask if masked else None)
    output, weights = some.each(lambda x: x.to("meta")).solve()
    assert output.device.type == weights.device.type == "meta"
    assert output.shape == (BATCH, HEADS, TARGETS, D_V)
    assert weights.shape == (BATCH, HEADS, TARGETS, SOURCES)


# --- masks ------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape",
    [
        (TARGETS, SOURCES),
        (SOURCES,),
        (TARGETS, 1),
        (1, 1, TARGETS, SOURCES),
        (BATCH, 1, 1, SOURCES),
        (BATCH, 1, TARGETS, SOURCES),
        (BATCH, HEADS, TARGETS, SOURCES),
    ],
)
def test_a_mask_broadcasts(shape: tuple[int, ...]) -> None:
    mask = make_mask("mask", *shape)
    full = mask.expand(BATCH, HEADS, TARGETS, SOURCES).contiguous()
    short = problem(BATCH, HEADS, mask=mask).solve()
    long = problem(BATCH, HEADS, mask=full).solve()
    assert_same(short[0], long[0])
    assert_same(short[1], long[1])


@pytest.mark.parametrize(
    ("dtype", "error"),
    [
        (torch.float32, TypeError),
        (torch.int64, RuntimeError),
        (torch.uint8, RuntimeError),
    ],
)
def test_a_mask_of_numbers_is_refused(
    dtype: torch.dtype, error: type[Exception]
) -> None:
    # A float mask cannot be inverted (TypeError); integers can, but not
    # into something boolean (RuntimeError). Never a silent wrong result.
    mask = torch.ones(TARGETS, SOURCES).tril().to(dtype)
    with pytest.raises(error, match=r"Boolean|boolean"):
        problem(mask=mask).solve()


def test_a_mask_of_another_shape_is_refused() -> None:
    mask = torch.ones(SOURCES, TARGETS, dtype=torch.bool)
    with pytest.raises(RuntimeError, match="must match"):
        problem(mask=mask).solve()


# --- dropout ----------------------------------------------------------------


class Recorder(nn.Module):
    """Stands in for dropout: keeps what it gets, multiplies by a pattern."""

    def __init__(self, pattern: Tensor) -> None:
        super().__init__()
        self.pattern = pattern
        self.received: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        """Multiply by the pattern."""
        self.received.append(x.clone())
        return x * self.pattern


@pytest.mark.parametrize("mask", [None, mask_with_an_empty_row()])
def test_dropout_falls_on_the_weights_that_multiply_the_values(
    mask: Tensor | None,
) -> None:
    some = problem(BATCH, mask=mask)
    pattern = 2.0 * make_mask("pattern", BATCH, TARGETS, SOURCES)
    recorder = Recorder(pattern)
    output, _ = scaled_dot_product_attention(*some, dropout=recorder)
    _, expected_weights = loop_attention(*some)
    assert len(recorder.received) == 1
    assert_close(recorder.received[0], expected_weights)
    assert_close(output, (expected_weights * pattern) @ some.value)


@pytest.mark.parametrize("mask", [None, mask_with_an_empty_row()])
def test_the_returned_weights_are_those_before_the_dropout(
    mask: Tensor | None,
) -> None:
    some = problem(BATCH, mask=mask)
    _, weights = scaled_dot_product_attention(*some, dropout=nn.Dropout(0.5))
    assert_same(weights, some.solve()[1])


def test_dropout_drops_whole_weights_and_not_features() -> None:
    # With one key every weight is 1, so a row is nothing or twice the value.
    query, key = make("query", 97, D_K), make("key", 1, D_K)
    value = make("value", 1, D_V)
    output, _ = scaled_dot_product_attention(
        query, key, value, dropout=nn.Dropout(0.5)
    )
    dropped = (output == 0).all(-1)
    kept = (output == 2 * value).all(-1)
    assert (dropped | kept).all()
    assert 20 < dropped.sum() < 77


def test_dropout_of_everything_gives_zeros() -> None:
    output, _ = scaled_dot_product_attention(
        *problem(BATCH), dropout=nn.Dropout(1.0)
    )
    assert_same(output, torch.zeros(BATCH, TARGETS, D_V).double())


def test_dropout_in_eval_mode_is_no_dropout() -> None:
    some = problem(BATCH, mask=mask_with_an_empty_row())
    output, weights = scaled_dot_product_attention(
        *some, dropout=nn.Dropout(0.5).eval()
    )
    assert_same(output, some.solve()[0])
    assert_same(weights, some.solve()[1])


# --- MultiHeadAttention: inputs ---------------------------------------------


class Inputs(NamedTuple):
    """Three different inputs of the module, (B, T, D) and twice (B, S, D)."""

    query: Tensor
    key: Tensor
    value: Tensor

    def each(self, change: Callable[[Tensor], Tensor]) -> "Inputs":
        """Change all three in the same way."""
        return Inputs(*map(change, self))

    def follow_gradients(self) -> "Inputs":
        """Copy the inputs and let autograd watch the copies."""
        return self.each(watched)


def three_inputs() -> Inputs:
    """Make inputs with T != S."""
    return Inputs(
        make("query", BATCH, TARGETS, D_MODEL),
        make("key", BATCH, SOURCES, D_MODEL),
        make("value", BATCH, SOURCES, D_MODEL),
    )


def attention(
    dropout: float = 0.0, dtype: torch.dtype = torch.float64
) -> MultiHeadAttention:
    """Make the module with our own numbers in all parameters, train mode."""
    module = MultiHeadAttention(D_MODEL, HEADS, dropout).to(dtype)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            numbers = make(name, *parameter.shape) / math.sqrt(D_MODEL)
            parameter.copy_(numbers)
    return module


def twin_of_torch(module: MultiHeadAttention) -> nn.MultiheadAttention:
    """Make torch's module with the same weights: its in_proj is q, k, v."""
    twin = nn.MultiheadAttention(
        D_MODEL, HEADS, batch_first=True, dtype=torch.float64
    )
    projections = [module.w_q, module.w_k, module.w_v]
    with torch.no_grad():
        assert twin.in_proj_weight is not None
        twin.in_proj_weight.copy_(torch.cat([p.weight for p in projections]))
        twin.in_proj_bias.copy_(torch.cat([p.bias for p in projections]))
        twin.out_proj.weight.copy_(module.w_o.weight)
        twin.out_proj.bias.copy_(module.w_o.bias)
    return twin


def masks_for_torch(mask: Tensor | None) -> dict[str, Tensor]:
    """Say the same in torch's words: one mask for each head, True = no."""
    if mask is None:
        return {}
    full = mask.expand(BATCH, HEADS, TARGETS, SOURCES)
    return {"attn_mask": ~full.reshape(-1, TARGETS, SOURCES)}


def loop_over_heads(
    module: MultiHeadAttention, inputs: Inputs, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Multi-head attention as in 3.2.2: a loop over the heads, then W^O."""
    weight = {k: v.detach() for k, v in module.state_dict().items()}
    heads, maps = [], []
    for h in range(HEADS):
        rows = slice(h * D_K, (h + 1) * D_K)
        q, k, v = (
            x @ weight[f"w_{name}.weight"][rows].T
            + weight[f"w_{name}.bias"][rows]
            for name, x in zip("qkv", inputs, strict=True)
        )
        of_head = None
        if mask is not None:
            of_head = mask.expand(BATCH, HEADS, TARGETS, SOURCES)[:, h]
        output, weights = loop_attention(q, k, v, of_head)
        heads.append(output)
        maps.append(weights)
    concatenated = torch.cat(heads, dim=-1)
    output = concatenated @ weight["w_o.weight"].T + weight["w_o.bias"]
    return output, torch.stack(maps, dim=1)


def weights_of(module: MultiHeadAttention) -> Tensor:
    """Give the weights of the last call, which must be there."""
    assert module.attention_weights is not None
    return module.attention_weights


def become_the_identity(module: MultiHeadAttention) -> None:
    """Let all four projections return what they get."""
    with torch.no_grad():
        for projection in (module.w_q, module.w_k, module.w_v, module.w_o):
            projection.weight.copy_(torch.eye(D_MODEL))
            projection.bias.zero_()


# --- the right numbers ------------------------------------------------------


@every_mask
def test_heads_give_the_output_of_torch(mask: Tensor | None) -> None:
    module, inputs = attention(), three_inputs()
    expected, expected_weights = twin_of_torch(module)(
        *inputs, average_attn_weights=False, **masks_for_torch(mask)
    )
    assert_close(module(*inputs, mask), expected)
    assert_close(weights_of(module), expected_weights.detach())


def test_heads_take_torchs_key_padding_mask_inverted() -> None:
    module, inputs = attention(), three_inputs()
    padding = torch.tensor([[False] * 7, [False] * 4 + [True] * 3])
    expected, _ = twin_of_torch(module)(*inputs, key_padding_mask=padding)
    assert_close(module(*inputs, ~padding[:, None, None, :]), expected)


def test_heads_take_torchs_causal_mask_inverted() -> None:
    module, x = attention(), three_inputs().key
    future = torch.ones(SOURCES, SOURCES, dtype=torch.bool).triu(1)
    expected, _ = twin_of_torch(module)(x, x, x, attn_mask=future)
    assert_close(module(x, x, x, ~future[None, None]), expected)


def test_heads_take_padding_and_causal_mask_together() -> None:
    module, x = attention(), three_inputs().key
    future = torch.ones(SOURCES, SOURCES, dtype=torch.bool).triu(1)
    padding = torch.tensor([[False] * 7, [False] * 4 + [True] * 3])
    expected, expected_weights = twin_of_torch(module)(
        x,
        x,
        x,
        key_padding_mask=padding,
        attn_mask=future,
        average_attn_weights=False,
    )
    mask = ~padding[:, None, None, :] & ~future
    assert_close(module(x, x, x, mask), expected)
    assert_close(weights_of(module), expected_weights.detach())


@every_mask
def test_heads_have_the_gradients_of_torch(mask: Tensor | None) -> None:
    module = attention()
    twin = twin_of_torch(module)
    upstream = make("upstream", BATCH, TARGETS, D_MODEL)
    ours = three_inputs().follow_gradients()
    theirs = three_inputs().follow_gradients()
    (module(*ours, mask) * upstream).sum().backward()
    output, _ = twin(*theirs, **masks_for_torch(mask))
    (output * upstream).sum().backward()

    for mine, other in zip(ours, theirs, strict=True):
        assert gradient_of(mine).abs().max() > 1e-3
        assert_close(gradient_of(mine), gradient_of(other))
    gradients = {n: gradient_of(p) for n, p in module.named_parameters()}
    packed = {n: gradient_of(p) for n, p in twin.named_parameters()}
    for kind in ("weight", "bias"):
        parts = packed[f"in_proj_{kind}"].chunk(3)
        for name, part in zip("qkv", parts, strict=True):
            assert_close(gradients[f"w_{name}.{kind}"], part)
        assert_close(gradients[f"w_o.{kind}"], packed[f"out_proj.{kind}"])


@pytest.mark.parametrize(
    "mask",
    [None, MASKS["padding"], MASKS["for each head of each"]],
    ids=["no mask", "padding", "for each head"],
)
def test_heads_are_those_of_a_slow_loop(mask: Tensor | None) -> None:
    module, inputs = attention(), three_inputs()
    expected, expected_weights = loop_over_heads(module, inputs, mask)
    assert_close(module(*inputs, mask), expected)
    assert_close(weights_of(module), expected_weights)


def test_a_single_head_is_attention_between_projections() -> None:
    module = MultiHeadAttention(D_K, 1).double()
    query, key = make("query", BATCH, TARGETS, D_K), make("key", 2, 7, D_K)
    value = make("value", BATCH, SOURCES, D_K)
    output, weights = loop_attention(
        module.w_q(query), module.w_k(key), module.w_v(value)
    )
    assert_close(module(query, key, value), module.w_o(output))
    assert_close(weights_of(module), weights[:, None])


def test_as_many_heads_as_features_works() -> None:
    module = MultiHeadAttention(D_K, D_K).double()
    output = module(*(make(n, BATCH, TARGETS, D_K) for n in "qkv"))
    assert output.shape == (BATCH, TARGETS, D_K)
    assert weights_of(module).shape == (BATCH, D_K, TARGETS, TARGETS)


# --- heads ------------------------------------------------------------------


def test_each_head_reads_its_own_features_at_all_positions() -> None:
    module, inputs = attention(), three_inputs()
    become_the_identity(module)
    output = module(*inputs)
    for h in range(HEADS):
        features = slice(h * D_K, (h + 1) * D_K)
        expected, expected_weights = loop_attention(
            *(x[..., features] for x in inputs)
        )
        assert_close(output[..., features], expected)
        assert_close(weights_of(module)[:, h], expected_weights)


def test_a_head_does_not_see_the_features_of_another() -> None:
    module, inputs = attention(), three_inputs()
    become_the_identity(module)
    before = module(*inputs)
    changed = inputs.each(torch.clone)
    for x in changed:
        x[..., :D_K] += 1.0 + x[..., :D_K] ** 2
    after = module(*changed)
    assert_close(after[..., D_K:], before[..., D_K:])
    assert ((after - before)[..., :D_K].abs() > 1e-6).all()


def test_heads_permuted_with_their_weights_change_nothing() -> None:
    module, inputs = attention(), three_inputs()
    order = [2, 0, 1]
    rows = torch.arange(D_MODEL).view(HEADS, D_K)[order].flatten()
    shuffled = copy.deepcopy(module)
    with torch.no_grad():
        for projection in (shuffled.w_q, shuffled.w_k, shuffled.w_v):
            projection.weight.copy_(projection.weight[rows].clone())
            projection.bias.copy_(projection.bias[rows].clone())
        shuffled.w_o.weight.copy_(shuffled.w_o.weight[:, rows].clone())
    assert_close(shuffled(*inputs), module(*inputs))
    assert_close(weights_of(shuffled), weights_of(module)[:, order])


def test_the_future_moves_no_earlier_output_of_the_heads() -> None:
    module, x = attention(), three_inputs().key
    mask = torch.ones(1, 1, SOURCES, SOURCES, dtype=torch.bool).tril()
    before = module(x, x, x, mask)
    for position in range(SOURCES):
        changed = x.clone()
        changed[:, position] += 1.0
        moved = (module(changed, changed, changed, mask) - before).abs()
        assert (moved[:, :position] < 1e-12).all()
        assert (moved[:, position:].amax(-1) > 1e-6).all()


def test_the_order_of_keys_and_values_does_not_matter_to_heads() -> None:
    module, inputs = attention(), three_inputs()
    order = [4, 0, 6, 2, 1, 5, 3]
    assert_close(
        module(inputs.query, inputs.key[:, order], inputs.value[:, order]),
        module(*inputs),
    )


def test_permuted_queries_permute_the_output_of_the_heads() -> None:
    module, inputs = attention(), three_inputs()
    order = [3, 0, 4, 1, 2]
    assert_close(
        module(inputs.query[:, order], inputs.key, inputs.value),
        module(*inputs)[:, order],
    )


def test_batch_mates_do_not_matter_to_heads() -> None:
    mask = MASKS["padding"]
    assert mask is not None
    module, inputs = attention(), three_inputs()
    together = module(*inputs, mask)
    for b in range(BATCH):
        alone = module(*(x[b : b + 1] for x in inputs), mask[b : b + 1])
        assert_close(together[b : b + 1], alone)


def test_each_of_the_three_inputs_matters() -> None:
    module, inputs = attention(), three_inputs()
    before = module(*inputs)
    for name in ("query", "key", "value"):
        changed = inputs._replace(**{name: make("else", *inputs.key.shape)})
        assert (module(*changed)[0, 0] - before[0, 0]).abs().max() > 1e-3


def test_a_query_that_may_attend_to_nothing_gets_the_output_bias() -> None:
    module, inputs = attention(), three_inputs()
    mask = mask_with_an_empty_row()[None, None]
    inputs = inputs.follow_gradients()
    output = module(*inputs, mask)
    expected = module.w_o.bias.expand(BATCH, D_MODEL)
    assert_same(output[:, EMPTY_ROW].detach(), expected.detach())
    assert (weights_of(module)[:, :, EMPTY_ROW] == 0).all()
    output.sum().backward()
    for tensor in (*inputs, *module.parameters()):
        assert gradient_of(tensor).isfinite().all()
    assert (gradient_of(inputs.query)[:, EMPTY_ROW] == 0).all()


# --- attention_weights ------------------------------------------------------


def test_there_are_no_weights_before_the_first_call() -> None:
    assert MultiHeadAttention(D_MODEL, HEADS).attention_weights is None


def test_the_weights_of_every_head_are_kept() -> None:
    module = attention()
    module(*three_inputs())
    weights = weights_of(module)
    assert weights.shape == (BATCH, HEADS, TARGETS, SOURCES)
    assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]).double())


def test_the_kept_weights_have_no_gradient() -> None:
    module = attention()
    output = module(*three_inputs().follow_gradients())
    assert output.requires_grad
    assert not weights_of(module).requires_grad
    assert weights_of(module).grad_fn is None


def test_the_kept_weights_are_those_of_the_last_call() -> None:
    module, inputs = attention(), three_inputs()
    module(inputs.key, inputs.key, inputs.key)
    module(*inputs)
    last = weights_of(module)
    assert last.shape == (BATCH, HEADS, TARGETS, SOURCES)
    assert_close(last, loop_over_heads(module, inputs)[1])


def test_the_kept_weights_are_those_before_the_dropout() -> None:
    module, inputs = attention(dropout=0.5).train(), three_inputs()
    module(*inputs)
    assert_close(weights_of(module), loop_over_heads(module, inputs)[1])


# --- parameters -------------------------------------------------------------


@pytest.mark.parametrize("heads", [1, HEADS, D_K, D_MODEL])
def test_the_parameters_are_four_matrices_with_biases(heads: int) -> None:
    module = MultiHeadAttention(D_MODEL, heads)
    count = sum(p.numel() for p in module.parameters())
    assert count == 4 * (D_MODEL * D_MODEL + D_MODEL)


def test_the_state_holds_the_four_projections_and_nothing_else() -> None:
    module = attention()
    module(*three_inputs())
    assert {
        name: tuple(t.shape) for name, t in module.state_dict().items()
    } == {
        f"w_{name}.{kind}": shape
        for name in "qkvo"
        for kind, shape in (
            ("weight", (D_MODEL, D_MODEL)),
            ("bias", (D_MODEL,)),
        )
    }


def test_no_two_projections_share_a_parameter() -> None:
    parameters = list(MultiHeadAttention(D_MODEL, HEADS).parameters())
    assert len({p.data_ptr() for p in parameters}) == 8


def test_the_state_makes_the_round_trip() -> None:
    module, inputs = attention(), three_inputs()
    other = MultiHeadAttention(D_MODEL, HEADS).double()
    assert not torch.allclose(other(*inputs), module(*inputs))
    other.load_state_dict(module.state_dict(), strict=True)
    assert_same(other(*inputs), module(*inputs))


def test_a_copy_after_a_call_is_equal_and_independent() -> None:
    module, inputs = attention(), three_inputs()
    before = module(*inputs)
    clone = copy.deepcopy(module)
    assert_same(clone(*inputs), before)
    with torch.no_grad():
        for parameter in clone.parameters():
            parameter.add_(1.0)
    assert_same(module(*inputs), before)


def test_gradients_reach_every_parameter() -> None:
    module = attention()
    upstream = make("upstream", BATCH, TARGETS, D_MODEL)
    (module(*three_inputs()) * upstream).sum().backward()
    largest = {}
    for name, parameter in module.named_parameters():
        largest[name] = gradient_of(parameter).abs().max().item()
    assert len(largest) == 8
    del largest["w_k.bias"]  # the next test says why
    assert min(largest.values()) > 1e-3


@pytest.mark.parametrize(
    "mask", [None, MASKS["for each sentence"]], ids=["no mask", "mask"]
)
def test_the_bias_of_the_keys_cancels(mask: Tensor | None) -> None:
    # It adds the same number to all scores of a query, which the softmax
    # cancels: the bias moves no output, and its gradient is zero.
    module, inputs = attention(), three_inputs()
    before = module(*inputs, mask)
    before.square().sum().backward()
    gradient = gradient_of(module.w_k.bias)
    assert_close(gradient, torch.zeros(D_MODEL).double())
    with torch.no_grad():
        module.w_k.bias.add_(3.0)
    assert_close(module(*inputs, mask), before)


@pytest.mark.parametrize(
    ("d_model", "heads"), [(7, 3), (3, 7), (7, 0), (7, -1), (7, -7)]
)
def test_heads_that_do_not_divide_d_model_raise_a_value_error(
    d_model: int, heads: int
) -> None:
    with pytest.raises(
        ValueError, match=rf"num_heads \({heads}\).*d_model \({d_model}\)"
    ):
        MultiHeadAttention(d_model, heads)


# --- dropout ----------------------------------------------------------------


def test_eval_mode_has_no_dropout() -> None:
    inputs = three_inputs()
    assert_same(
        attention(dropout=0.5).eval()(*inputs), attention().eval()(*inputs)
    )


def test_train_mode_has_dropout() -> None:
    module, inputs = attention(dropout=0.5).train(), three_inputs()
    assert not torch.allclose(module(*inputs), module(*inputs))


def test_no_dropout_unless_asked_for() -> None:
    module, inputs = MultiHeadAttention(D_MODEL, HEADS), three_inputs()
    module = module.double().train()
    assert_same(module(*inputs), module.eval()(*inputs))


def test_dropout_of_everything_leaves_the_output_bias() -> None:
    module = attention(dropout=1.0).train()
    output = module(*three_inputs())
    assert_same(output, module.w_o.bias.expand_as(output))


def test_every_head_drops_whole_weights_of_its_own() -> None:
    # With one key, each head gives nothing or twice its part of the value.
    module = attention(dropout=0.5).train()
    become_the_identity(module)
    query = make("query", BATCH, 97, D_MODEL)
    only = make("only", BATCH, 1, D_MODEL)
    output = module(query, only, only).unflatten(-1, (HEADS, D_K))
    dropped = (output == 0).all(-1)
    kept = (output == 2 * only.unflatten(-1, (HEADS, D_K))).all(-1)
    assert (dropped | kept).all()
    # The heads do not drop the same ones, nor do the sentences.
    assert (dropped.any(-1) & ~dropped.all(-1)).any()
    assert (dropped[0] != dropped[1]).any()


# --- dtypes, devices, layouts -----------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [
        (torch.float64, 1e-12),
        (torch.float32, 2e-6),
        (torch.bfloat16, 4e-2),
    ],
)
def test_heads_keep_the_dtype(dtype: torch.dtype, tolerance: float) -> None:
    module = attention(dtype=dtype)
    inputs = three_inputs().each(lambda x: x.to(dtype))
    output = module(*inputs, MASKS["padding"])
    assert output.dtype is dtype
    assert weights_of(module).dtype is dtype
    exact = copy.deepcopy(module).double()
    expected, _ = loop_over_heads(
        exact, inputs.each(Tensor.double), MASKS["padding"]
    )
    assert_close(output.double(), expected, tolerance)


def test_heads_work_on_the_meta_device() -> None:
    module = MultiHeadAttention(D_MODEL, HEADS).to("meta")
    mask = torch.ones(BATCH, 1, 1, SOURCES, dtype=torch.bool, device="meta")
    inputs = three_inputs().each(lambda x: x.float().to("meta"))
    output = module(*inputs, mask)
    assert output.device.type == "meta"
    assert output.shape == (BATCH, TARGETS, D_MODEL)
    assert weights_of(module).shape == (BATCH, HEADS, TARGETS, SOURCES)


def test_heads_take_inputs_that_are_not_contiguous() -> None:
    module, inputs = attention(), three_inputs()
    length_first = inputs.each(
        lambda x: x.transpose(0, 1).contiguous().transpose(0, 1)
    )
    assert not any(x.is_contiguous() for x in length_first)
    assert_close(module(*length_first), module(*inputs))


def test_heads_leave_the_inputs_as_they_were() -> None:
    module, inputs = attention(), three_inputs()
    mask = mask_with_an_empty_row()[None, None]
    module(*inputs, mask)
    for after, before in zip(inputs, three_inputs(), strict=True):
        assert_same(after, before)
        assert after._version == 0
    assert_same(mask, mask_with_an_empty_row()[None, None])


def test_one_feature_is_enough_for_one_head() -> None:
    module = MultiHeadAttention(1, 1)
    assert module(*[torch.ones(1, 2, 1)] * 3).shape == (1, 2, 1)
