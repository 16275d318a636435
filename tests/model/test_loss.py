"""Tests of the loss: shifted targets, then label smoothing."""

import math
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracle import assert_close, assert_same, gradient_of, make
from torch import Tensor
from torch.nn import functional

from laidout.loss import LabelSmoothing, shift_targets

# --- shift_targets ----------------------------------------------------------

BOS, EOS = 1, 2

SENTENCES = torch.tensor([[BOS, 5, 7, 4, EOS], [BOS, 6, EOS, 0, 0]])


def test_the_decoder_reads_all_but_the_last_and_says_all_but_the_first() -> (
    None
):
    decoder_input, labels = shift_targets(SENTENCES)
    assert decoder_input.tolist() == [[BOS, 5, 7, 4], [BOS, 6, EOS, 0]]
    assert labels.tolist() == [[5, 7, 4, EOS], [6, EOS, 0, 0]]


def test_the_decoder_starts_with_bos() -> None:
    assert (shift_targets(SENTENCES)[0][:, 0] == BOS).all()


def test_the_last_thing_to_say_is_the_end() -> None:
    assert shift_targets(SENTENCES[:1])[1][0, -1] == EOS


def test_input_and_labels_have_one_length() -> None:
    decoder_input, labels = shift_targets(torch.ones(3, 7).long())
    assert decoder_input.shape == labels.shape == (3, 6)


@given(batch=st.integers(0, 4), length=st.integers(2, 7))
def test_each_label_is_the_token_after_the_one_that_is_read(
    batch: int, length: int
) -> None:
    tgt = torch.arange(batch * length).reshape(batch, length)
    decoder_input, labels = shift_targets(tgt)
    assert_same(labels, decoder_input + 1)
    assert_same(decoder_input[:, 0], tgt[:, 0])


def test_two_tokens_are_enough() -> None:
    decoder_input, labels = shift_targets(torch.tensor([[BOS, EOS]]))
    assert decoder_input.tolist() == [[BOS]]
    assert labels.tolist() == [[EOS]]


def test_shifting_leaves_the_target_and_its_type_as_they_were() -> None:
    tgt = SENTENCES.int()
    decoder_input, labels = shift_targets(tgt)
    assert_same(tgt, SENTENCES.int())
    assert decoder_input.dtype is labels.dtype is torch.int32


@pytest.mark.parametrize("shape", [(), (5,), (3, 1), (3, 0), (2, 3, 5)])
def test_what_is_no_batch_of_two_tokens_raises_a_value_error(
    shape: tuple[int, ...],
) -> None:
    tgt = torch.ones(shape, dtype=torch.long)
    message = (
        r"^tgt must be a batch \(B, T\) of at least 2 tokens, "
        rf"got {re.escape(str(shape))}"
    )
    with pytest.raises(ValueError, match=message):
        shift_targets(tgt)


# --- LabelSmoothing: inputs and oracles -------------------------------------

N, V, PAD = 11, 7, 2

TARGET = torch.tensor([0, 3, PAD, 6, 3, PAD, 1, 4, PAD, 5, 0])
"""Padding in between; 0, the usual padding, is a word like any other."""

REAL = TARGET != PAD

SMOOTHINGS = [0.0, 0.1, 0.3, 0.9]

every_smoothing = pytest.mark.parametrize("smoothing", SMOOTHINGS)


def some_logits(scale: float = 2.0) -> Tensor:
    """Draw logits (N, V) and let autograd watch them."""
    return (make("logits", N, V) * scale).requires_grad_()


def wanted_distribution(
    target: Tensor, vocab_size: int, pad_id: int, smoothing: float
) -> Tensor:
    """Write down what the model should say, number by number: (N, V)."""
    wanted = torch.zeros(len(target), vocab_size, dtype=torch.float64)
    for n, true in enumerate(target.tolist()):
        for word in range(vocab_size):
            if word == true:
                wanted[n, word] = 1 - smoothing
            elif word != pad_id:
                wanted[n, word] = smoothing / (vocab_size - 2)
    return wanted


def torch_loss(
    logits: Tensor,
    target: Tensor,
    pad_id: int = PAD,
    smoothing: float = 0.1,
) -> Tensor:
    """Let torch compute the divergence at each real target; take the mean."""
    wanted = wanted_distribution(target, logits.size(-1), pad_id, smoothing)
    total = logits.new_zeros(())
    for n, true in enumerate(target.tolist()):
        if true != pad_id:
            total = total + functional.kl_div(
                logits[n].log_softmax(-1), wanted[n], reduction="sum"
            )
    return total / int((target != pad_id).sum())


# --- the right numbers ------------------------------------------------------


@every_smoothing
def test_the_wanted_distribution_of_the_tests_sums_to_one(
    smoothing: float,
) -> None:
    wanted = wanted_distribution(TARGET[REAL], V, PAD, smoothing)
    assert_close(wanted.sum(-1), torch.ones(8).double())
    assert (wanted[:, PAD] == 0).all()


@every_smoothing
def test_the_loss_is_that_of_torch(smoothing: float) -> None:
    loss = LabelSmoothing(V, PAD, smoothing)(some_logits(), TARGET)
    expected = torch_loss(some_logits(), TARGET, smoothing=smoothing)
    assert expected > 0.1
    assert_close(loss, expected)


@every_smoothing
def test_the_gradients_are_those_of_torch(smoothing: float) -> None:
    ours, theirs = some_logits(), some_logits()
    LabelSmoothing(V, PAD, smoothing)(ours, TARGET).backward()
    torch_loss(theirs, TARGET, smoothing=smoothing).backward()
    assert gradient_of(ours).abs().max() > 1e-2
    assert_close(gradient_of(ours), gradient_of(theirs))


@given(
    vocab_size=st.integers(3, 8),
    smoothing=st.floats(0, 0.99),
    scale=st.sampled_from([0.1, 1.0, 10.0]),
    data=st.data(),
)
def test_torch_agrees_whatever_the_sizes(
    vocab_size: int, smoothing: float, scale: float, data: st.DataObject
) -> None:
    pad_id = data.draw(st.integers(0, vocab_size - 1))
    words = [w for w in range(vocab_size) if w != pad_id]
    first = data.draw(st.sampled_from(words))
    more = st.lists(st.integers(0, vocab_size - 1), max_size=5)
    target = torch.tensor([first, *data.draw(more)])
    logits = make(f"{vocab_size} {smoothing}", len(target), vocab_size) * scale
    assert_close(
        LabelSmoothing(vocab_size, pad_id, smoothing)(logits, target),
        torch_loss(logits, target, pad_id, smoothing),
    )


def test_without_smoothing_it_is_cross_entropy() -> None:
    ours, theirs = some_logits(), some_logits()
    loss = LabelSmoothing(V, PAD, smoothing=0.0)(ours, TARGET)
    expected = functional.cross_entropy(theirs, TARGET, ignore_index=PAD)
    assert_close(loss, expected)
    loss.backward()
    expected.backward()
    assert_close(gradient_of(ours), gradient_of(theirs))


def test_the_smoothing_of_the_paper_is_the_usual_one() -> None:
    logits = some_logits()
    usual = LabelSmoothing(V, PAD)(logits, TARGET)
    assert_same(usual, LabelSmoothing(V, PAD, 0.1)(logits, TARGET))


def test_one_sure_model_by_hand() -> None:
    # The model says 1/2, 1/4, 1/8 and 1/8 (padding); wanted are, of five
    # tenths, 4 for the first and half a tenth each for the other two.
    q = torch.tensor([[1 / 2, 1 / 4, 1 / 8, 1 / 8]]).double()
    loss = LabelSmoothing(4, 3, smoothing=0.2)(q.log(), torch.tensor([0]))
    expected = (
        0.8 * math.log(0.8 / (1 / 2))
        + 0.1 * math.log(0.1 / (1 / 4))
        + 0.1 * math.log(0.1 / (1 / 8))
    )
    assert loss.item() == pytest.approx(expected, abs=1e-12)
    assert round(loss.item(), 4) == 0.2621


def test_without_smoothing_two_coins_cost_two_times_log_two() -> None:
    # Two of four tokens are possible, then all four: log 2 and log 4.
    logits = torch.tensor([[0.0, 0.0, -math.inf, -math.inf], [0.0] * 4])
    loss = LabelSmoothing(4, 3, smoothing=0.0)(logits, torch.tensor([1, 0]))
    assert loss.item() == pytest.approx(1.5 * math.log(2), abs=1e-6)


def test_the_gradient_by_hand_is_said_minus_wanted() -> None:
    logits = some_logits()
    LabelSmoothing(V, PAD, smoothing=0.3)(logits, TARGET).backward()
    said = logits.detach().softmax(-1)
    wanted = wanted_distribution(TARGET, V, PAD, smoothing=0.3)
    expected = (said - wanted) / 8
    expected[~REAL] = 0.0
    assert_close(gradient_of(logits), expected)


@every_smoothing
def test_gradients_are_those_of_finite_differences(smoothing: float) -> None:
    loss_fn = LabelSmoothing(V, PAD, smoothing)
    assert torch.autograd.gradcheck(
        lambda logits: loss_fn(logits, TARGET), some_logits()
    )


def test_smoothing_changes_the_loss() -> None:
    losses = {
        round(LabelSmoothing(V, PAD, s)(some_logits(), TARGET).item(), 9)
        for s in SMOOTHINGS
    }
    assert len(losses) == len(SMOOTHINGS)


# --- what holds whatever the numbers ----------------------------------------


@pytest.mark.parametrize("smoothing", [0.1, 0.3, 0.9])
def test_a_perfect_model_has_no_loss_and_nothing_to_learn(
    smoothing: float,
) -> None:
    wanted = wanted_distribution(TARGET, V, PAD, smoothing)
    logits = wanted.log().requires_grad_()  # minus infinity for padding
    loss = LabelSmoothing(V, PAD, smoothing)(logits, TARGET)
    loss.backward()
    assert_close(loss, torch.zeros(()).double())
    assert_close(gradient_of(logits), torch.zeros(N, V).double())


def test_a_sure_model_that_is_right_has_no_loss_without_smoothing() -> None:
    logits = functional.one_hot(TARGET, V).double().log()
    loss = LabelSmoothing(V, PAD, smoothing=0.0)(logits, TARGET)
    assert_same(loss, torch.zeros(()).double())


@given(smoothing=st.floats(0, 0.99), scale=st.floats(0, 9))
def test_the_loss_is_never_negative(smoothing: float, scale: float) -> None:
    loss = LabelSmoothing(V, PAD, smoothing)(some_logits(scale), TARGET)
    assert loss >= -1e-12


def test_a_number_added_to_all_logits_moves_nothing() -> None:
    loss_fn = LabelSmoothing(V, PAD)
    logits = some_logits()
    shift = make("shift", N, 1) * 9
    assert_close(loss_fn(logits + shift, TARGET), loss_fn(logits, TARGET))


def test_the_order_of_the_positions_does_not_matter() -> None:
    loss_fn = LabelSmoothing(V, PAD)
    logits, order = some_logits(), torch.randperm(N)
    assert_close(
        loss_fn(logits[order], TARGET[order]), loss_fn(logits, TARGET)
    )


def test_the_loss_is_the_mean_over_real_targets_one_by_one() -> None:
    loss_fn = LabelSmoothing(V, PAD)
    logits = some_logits()
    alone = [
        loss_fn(logits[n : n + 1], TARGET[n : n + 1])
        for n in range(N)
        if REAL[n]
    ]
    assert len(alone) == 8
    assert_close(loss_fn(logits, TARGET), torch.stack(alone).mean())


@every_smoothing
def test_the_number_of_a_token_does_not_matter(smoothing: float) -> None:
    order = torch.tensor([4, 2, 5, 0, 6, 1, 3])  # padding becomes 5
    logits = some_logits()
    renamed = torch.empty_like(logits)
    renamed[:, order] = logits
    assert_close(
        LabelSmoothing(V, 5, smoothing)(renamed, order[TARGET]),
        LabelSmoothing(V, PAD, smoothing)(logits, TARGET),
    )


# --- padding ----------------------------------------------------------------


@pytest.mark.parametrize("junk", [0.0, 1e3, math.inf, -math.inf, math.nan])
@every_smoothing
def test_what_the_model_says_at_padding_moves_nothing(
    smoothing: float, junk: float
) -> None:
    loss_fn = LabelSmoothing(V, PAD, smoothing)
    plain, spoilt = some_logits(), some_logits().detach().clone()
    spoilt[~REAL] = junk
    spoilt.requires_grad_()
    before, after = loss_fn(plain, TARGET), loss_fn(spoilt, TARGET)
    before.backward()
    after.backward()
    assert_same(after, before)
    assert_same(gradient_of(spoilt), gradient_of(plain))
    assert (gradient_of(spoilt)[~REAL] == 0).all()


@every_smoothing
def test_more_padding_moves_nothing(smoothing: float) -> None:
    loss_fn = LabelSmoothing(V, PAD, smoothing)
    short, long = some_logits(), some_logits()
    before = loss_fn(short[REAL], TARGET[REAL])
    after = loss_fn(long, TARGET)
    before.backward()
    after.backward()
    assert_same(after, before)
    assert_same(gradient_of(long), gradient_of(short))


@every_smoothing
def test_a_batch_of_nothing_but_padding_has_no_loss_and_no_gradient(
    smoothing: float,
) -> None:
    logits = some_logits()
    target = torch.full((N,), PAD)
    loss = LabelSmoothing(V, PAD, smoothing)(logits, target)
    loss.backward()
    assert_same(loss, torch.zeros(()).double())
    assert_same(gradient_of(logits), torch.zeros(N, V).double())


def test_an_empty_batch_has_no_loss() -> None:
    logits = torch.zeros(0, V, requires_grad=True)
    loss = LabelSmoothing(V, PAD)(logits, torch.zeros(0, dtype=torch.long))
    loss.backward()
    assert loss.item() == 0.0
    assert gradient_of(logits).shape == (0, V)


@pytest.mark.parametrize("pad_id", range(V))
def test_the_padding_may_be_any_token(pad_id: int) -> None:
    target = torch.arange(V)
    logits = make("any padding", V, V)
    assert_close(
        LabelSmoothing(V, pad_id)(logits, target),
        torch_loss(logits, target, pad_id),
    )


def test_to_say_padding_where_there_is_a_word_costs_something() -> None:
    logits = some_logits()
    sure = logits.detach().clone()
    sure[:, PAD] += 3
    loss_fn = LabelSmoothing(V, PAD)
    assert loss_fn(sure, TARGET) > loss_fn(logits, TARGET)


@pytest.mark.parametrize("low", [-1e4, -1e9, -1e30, -math.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@every_smoothing
def test_a_model_that_never_says_padding_is_measured_exactly(
    smoothing: float, dtype: torch.dtype, low: float
) -> None:
    # It is the model without that token, whatever stands for "never".
    logits = some_logits().detach().to(dtype)
    logits[:, PAD] = low
    logits.requires_grad_()
    loss = LabelSmoothing(V, PAD, smoothing)(logits, TARGET)
    loss.backward()
    smaller = [word for word in range(V) if word != PAD]
    theirs = logits.detach().double()[:, smaller].requires_grad_()
    wanted = wanted_distribution(TARGET, V, PAD, smoothing)[:, smaller]
    divergence = functional.kl_div(
        theirs.log_softmax(-1), wanted, reduction="none"
    )
    expected = divergence[REAL].sum() / 8
    expected.backward()
    close = 1e-12 if dtype is torch.float64 else 1e-6
    gradient = gradient_of(logits)
    assert_close(loss.detach().double(), expected.detach(), close)
    assert_close(
        gradient[:, smaller].double(), gradient_of(theirs), tolerance=close
    )
    assert (gradient[:, PAD] == 0).all()


# --- never NaN --------------------------------------------------------------


@every_smoothing
@pytest.mark.parametrize("size", [1e2, 1e4, 1e30, 1e38, 3e38])
@pytest.mark.parametrize("true", [0, 1, 3, 4])
def test_extreme_logits_give_no_nan(
    smoothing: float, size: float, true: int
) -> None:
    logits = torch.tensor([[0.0, 1.0, 0.5, -1.0, 1.0]]) * size
    logits.requires_grad_()
    loss = LabelSmoothing(5, 2, smoothing)(logits, torch.tensor([true]))
    loss.backward()
    assert not loss.isnan()
    assert loss >= 0
    assert gradient_of(logits).isfinite().all()


@pytest.mark.parametrize("size", [1e2, 1e4, 1e30, 1e37])
def test_without_smoothing_extreme_logits_are_those_of_cross_entropy(
    size: float,
) -> None:
    logits = make("extreme", N, V, dtype=torch.float32).tanh() * size
    loss = LabelSmoothing(V, PAD, 0.0)(logits, TARGET)
    expected = functional.cross_entropy(
        logits.double(), TARGET, ignore_index=PAD
    )
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_without_smoothing_a_token_that_is_impossible_costs_nothing() -> None:
    logits = some_logits().detach().clone()
    logits[:, [2, 5]] = -math.inf
    target = torch.tensor([0, 3, PAD, 6, 3, PAD, 1, 4, PAD, 0, 0])
    loss = LabelSmoothing(V, PAD, smoothing=0.0)(logits, target)
    assert_close(
        loss, functional.cross_entropy(logits, target, ignore_index=PAD)
    )


def test_to_rule_out_what_is_wanted_costs_infinitely_much() -> None:
    logits = torch.tensor([[0.0, -math.inf, 0.0, 0.0]])
    for true in (1, 2):
        loss = LabelSmoothing(4, 0, 0.1)(logits, torch.tensor([true]))
        assert loss.item() == math.inf


@pytest.mark.parametrize("smoothing", [5e-324, 1e-300, 1e-9, 1 - 1e-9])
def test_hardly_any_smoothing_and_nearly_only_smoothing_work(
    smoothing: float,
) -> None:
    loss = LabelSmoothing(V, PAD, smoothing)(some_logits(), TARGET)
    expected = torch_loss(some_logits(), TARGET, smoothing=smoothing)
    assert_close(loss, expected)


# --- shapes, dtypes, devices ------------------------------------------------


def test_the_loss_is_a_scalar_of_the_logits_type() -> None:
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        loss = LabelSmoothing(V, PAD)(some_logits().to(dtype), TARGET)
        assert loss.shape == ()
        assert loss.dtype is dtype


def test_float32_is_as_exact_as_it_can_be() -> None:
    loss = LabelSmoothing(V, PAD)(some_logits().float(), TARGET)
    expected = torch_loss(some_logits(), TARGET)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_nothing_is_made_on_another_device_than_that_of_the_inputs() -> None:
    # What is made without a device would be made on "meta", and not fit.
    loss_fn, logits = LabelSmoothing(V, PAD), some_logits()
    with torch.device("meta"):
        loss = loss_fn(logits, TARGET)
    assert_same(loss, loss_fn(logits, TARGET))


def test_logits_and_target_stay_as_they_were() -> None:
    logits, target = some_logits().detach(), TARGET.clone()
    LabelSmoothing(V, PAD)(logits, target)
    assert logits._version == target._version == 0


def test_the_loss_has_no_parameters_and_no_state() -> None:
    loss_fn = LabelSmoothing(V, PAD)
    assert list(loss_fn.parameters()) == []
    assert loss_fn.state_dict() == {}
    assert loss_fn.pad_id == PAD


def test_training_and_evaluation_measure_alike() -> None:
    loss_fn = LabelSmoothing(V, PAD)
    logits = some_logits()
    trained = loss_fn.train()(logits, TARGET)
    assert_same(loss_fn.eval()(logits, TARGET), trained)


# --- errors -----------------------------------------------------------------


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, 1.5, math.nan])
def test_a_smoothing_that_is_no_share_is_refused(smoothing: float) -> None:
    message = rf"smoothing \({smoothing}\) must be in \[0, 1\)"
    with pytest.raises(ValueError, match=message):
        LabelSmoothing(V, PAD, smoothing)


@pytest.mark.parametrize("pad_id", [-1, V, 99, -100])
def test_a_padding_that_is_no_token_is_refused(pad_id: int) -> None:
    message = rf"vocab_size \({V}\) must be 3 or more, and pad_id \({pad_id}\)"
    with pytest.raises(ValueError, match=message):
        LabelSmoothing(V, pad_id)


@pytest.mark.parametrize("vocab_size", [-1, 0, 1, 2])
def test_a_vocabulary_without_a_wrong_word_is_refused(
    vocab_size: int,
) -> None:
    message = rf"vocab_size \({vocab_size}\) must be 3 or more"
    with pytest.raises(ValueError, match=message):
        LabelSmoothing(vocab_size, 0)


def test_three_tokens_are_enough_for_smoothing() -> None:
    logits = make("three", 2, 3)
    target = torch.tensor([1, 2])
    assert_close(
        LabelSmoothing(3, 0)(logits, target), torch_loss(logits, target, 0)
    )
