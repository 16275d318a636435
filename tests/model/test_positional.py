"""Tests of the positional encoding: the table, then the module."""

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import (
    BATCH,
    D_MODEL,
    SOURCES,
    assert_close,
    assert_same,
    gradient_of,
    make,
    make_mask,
)
from oracle_model import (
    exact,
    in_float64,
    loop_encoding,
    rates_of_dropout,
    replace_dropout,
)
from torch import Tensor

from laidout.positional import PositionalEncoding, sinusoidal_encoding

MAX_LEN = 31

FLOAT32 = 6.1e-8
"""How far a number up to one moves when it is rounded to float32."""


def exact_encoding(max_len: int, d_model: int) -> Tensor:
    """Call the function under test in float64."""
    with in_float64():
        return sinusoidal_encoding(max_len, d_model)


# --- the table --------------------------------------------------------------


@pytest.mark.parametrize("d_model", [1, 2, 3, 4, 7, 16, D_MODEL, 64])
def test_the_encoding_is_that_of_a_slow_loop(d_model: int) -> None:
    expected = loop_encoding(MAX_LEN, d_model)
    assert_close(exact_encoding(MAX_LEN, d_model), expected)


@settings(max_examples=30)
@given(max_len=st.integers(1, 40), d_model=st.integers(1, 40))
def test_a_slow_loop_agrees_whatever_the_sizes(
    max_len: int, d_model: int
) -> None:
    expected = loop_encoding(max_len, d_model)
    assert_close(exact_encoding(max_len, d_model), expected)
    assert_close(
        sinusoidal_encoding(max_len, d_model), expected.float(), FLOAT32
    )


def test_the_encoding_is_the_rotation_of_complex_numbers() -> None:
    # Every step multiplies each pair, read as cos + i sin, by one rotation.
    frequency = 10000 ** (-torch.arange(0, 16, 2).double() / 16)
    step = torch.polar(torch.ones(8).double(), frequency)
    pair = torch.ones(8, dtype=torch.complex128)
    for row in exact_encoding(MAX_LEN, 16):
        assert_close(row[0::2], pair.imag)
        assert_close(row[1::2], pair.real)
        pair = pair * step


def test_the_encoding_of_three_positions_by_hand() -> None:
    # d_model 4: the wavelengths are 2 pi and 100 times 2 pi.
    expected = [
        [0, 1, 0, 1],
        [math.sin(1), math.cos(1), math.sin(0.01), math.cos(0.01)],
        [math.sin(2), math.cos(2), math.sin(0.02), math.cos(0.02)],
    ]
    assert_close(exact_encoding(3, 4), exact(expected))
    rounded = sinusoidal_encoding(3, 4).mul(1e4).round().int()
    assert rounded.tolist() == [
        [0, 10000, 0, 10000],
        [8415, 5403, 100, 10000],
        [9093, -4161, 200, 9998],
    ]


def test_an_odd_d_model_ends_with_a_sine() -> None:
    angle = 1 / 10000 ** (2 / 3)
    expected = [math.sin(1), math.cos(1), math.sin(angle)]
    assert exact_encoding(2, 3)[1].tolist() == pytest.approx(expected, 1e-12)


def test_a_d_model_of_one_is_a_single_sine() -> None:
    expected = [[math.sin(position)] for position in range(5)]
    assert_close(exact_encoding(5, 1), exact(expected))


def test_the_first_position_has_sines_of_zero_and_cosines_of_one() -> None:
    first = sinusoidal_encoding(1, D_MODEL)[0]
    assert first.tolist() == [float(i % 2) for i in range(D_MODEL)]


def test_the_wavelengths_grow_from_two_pi_to_ten_thousand_times_as_much() -> (
    None
):
    # Position 1 has the angles themselves; each is smaller than the last by
    # the same factor, and the one after the last would be 1 / 10000.
    first = exact_encoding(2, 512)[1]
    angles = torch.atan2(first[0::2], first[1::2])
    assert angles[0].item() == pytest.approx(1.0, abs=1e-12)
    ratios = angles[1:] / angles[:-1]
    assert_close(ratios, exact([1e4 ** (-1 / 256)] * 255))
    last = (angles[-1] * ratios[-1]).item()
    assert last == pytest.approx(1e-4, rel=1e-9)


@pytest.mark.parametrize("shift", [1, 2, 13])
def test_a_shift_is_one_linear_map_for_all_positions(shift: int) -> None:
    # "for any fixed offset k, PE(pos + k) can be represented as a linear
    # function of PE(pos)": each pair is turned by k times its frequency.
    d_model = 16
    turn = torch.zeros(d_model, d_model).double()
    for i in range(0, d_model, 2):
        angle = shift / 10000 ** (i / d_model)
        sine, cosine = math.sin(angle), math.cos(angle)
        turn[i, i], turn[i, i + 1] = cosine, sine
        turn[i + 1, i], turn[i + 1, i + 1] = -sine, cosine
    encoding = exact_encoding(MAX_LEN, d_model)
    assert_close(encoding[:-shift] @ turn.T, encoding[shift:])


def test_every_row_has_the_norm_of_half_its_pairs() -> None:
    # sin^2 + cos^2 = 1 for each of the d_model / 2 pairs.
    squares = exact_encoding(MAX_LEN, 16).square().sum(-1)
    assert_close(squares, torch.full((MAX_LEN,), 8.0).double())


def test_products_of_rows_depend_on_their_distance_alone() -> None:
    encoding = exact_encoding(MAX_LEN, 16)
    products = encoding @ encoding.T
    for distance in range(MAX_LEN):
        diagonal = products.diagonal(distance)
        assert_close(diagonal, diagonal[:1].expand(len(diagonal)))


def test_no_two_of_five_thousand_positions_look_alike() -> None:
    encoding = sinusoidal_encoding(5000, 512)
    next_to_each_other = (encoding[1:] - encoding[:-1]).norm(dim=-1)
    assert next_to_each_other.min() > 1.0
    nearest = torch.cdist(encoding[:300], encoding)
    nearest[:, :300].fill_diagonal_(math.inf)
    assert nearest.min() > 1.0


def test_a_row_does_not_depend_on_how_many_there_are() -> None:
    assert_same(
        sinusoidal_encoding(MAX_LEN, D_MODEL)[:5],
        sinusoidal_encoding(5, D_MODEL),
    )


@pytest.mark.parametrize("position", [1, 100, 1000, 4999])
def test_far_positions_are_as_exact_as_near_ones(position: int) -> None:
    row = sinusoidal_encoding(5000, 512)[position]
    expected = []
    for i in range(256):
        angle = position / 10000 ** (2 * i / 512)
        expected += [math.sin(angle), math.cos(angle)]
    assert_close(row, exact(expected).float(), 6e-8)


def test_the_encoding_is_the_same_each_time() -> None:
    assert_same(sinusoidal_encoding(5, 7), sinusoidal_encoding(5, 7))


def test_the_encoding_comes_in_the_default_dtype() -> None:
    assert sinusoidal_encoding(5, 7).dtype is torch.float32
    assert exact_encoding(5, 7).dtype is torch.float64


@pytest.mark.parametrize(("max_len", "d_model"), [(0, 4), (-1, 4), (3, 0)])
def test_sizes_that_are_not_positive_are_named_in_the_error(
    max_len: int, d_model: int
) -> None:
    sizes = rf"max_len \({max_len}\) and d_model \({d_model}\)"
    with pytest.raises(ValueError, match=f"^{sizes} must be positive$"):
        sinusoidal_encoding(max_len, d_model)


def test_the_smallest_encoding_is_one_zero() -> None:
    assert sinusoidal_encoding(1, 1).tolist() == [[0.0]]


# --- the module -------------------------------------------------------------


def positions(dropout: float = 0.0) -> PositionalEncoding:
    """Make the module in float64, in train mode."""
    with in_float64():
        return PositionalEncoding(D_MODEL, dropout, MAX_LEN)


def an_input(length: int = SOURCES) -> Tensor:
    """Make an input (B, L, D)."""
    return make("x", BATCH, length, D_MODEL)


def test_every_sentence_gets_the_encoding_added() -> None:
    output = positions()(an_input())
    encoding = loop_encoding(SOURCES, D_MODEL).tolist()
    for b, sentence in enumerate(an_input().tolist()):
        for s, vector in enumerate(sentence):
            expected = [
                x + p for x, p in zip(vector, encoding[s], strict=True)
            ]
            assert_close(output[b, s], exact(expected))


def test_zeros_become_the_encoding() -> None:
    output = positions()(torch.zeros(BATCH, SOURCES, D_MODEL).double())
    expected = loop_encoding(SOURCES, D_MODEL)
    assert_close(output, expected.expand(BATCH, SOURCES, D_MODEL))


@pytest.mark.parametrize("length", [1, BATCH, MAX_LEN])
def test_any_length_up_to_max_len_fits(length: int) -> None:
    output = positions()(an_input(length))
    assert_close(output, an_input(length) + loop_encoding(length, D_MODEL))


def test_a_batch_of_one_is_no_exception() -> None:
    assert_same(positions()(an_input()[:1]), positions()(an_input())[:1])


def test_a_sentence_beyond_max_len_is_refused() -> None:
    message = r"^a sentence of 32 tokens is longer than max_len \(31\)"
    with pytest.raises(ValueError, match=message):
        positions()(an_input(MAX_LEN + 1))


def test_five_thousand_positions_fit_by_default() -> None:
    module = PositionalEncoding(2)
    assert module(torch.zeros(1, 5000, 2)).shape == (1, 5000, 2)
    with pytest.raises(ValueError, match=r"max_len \(5000\)"):
        module(torch.zeros(1, 5001, 2))


def test_the_gradient_passes_unchanged() -> None:
    x, upstream = an_input().requires_grad_(), an_input() ** 2
    (positions()(x) * upstream).sum().backward()
    assert_same(gradient_of(x), upstream)


# --- dropout ----------------------------------------------------------------


def test_the_rate_of_dropout_is_a_tenth_unless_told_otherwise() -> None:
    assert rates_of_dropout(PositionalEncoding(4)) == {"dropout": 0.1}
    assert rates_of_dropout(positions(0.3)) == {"dropout": 0.3}


def test_dropout_falls_on_the_sum() -> None:
    module = positions(0.5)
    pattern = 2.0 * make_mask("pattern", BATCH, SOURCES, D_MODEL)
    received = replace_dropout(module.dropout, [pattern])
    total = an_input() + loop_encoding(SOURCES, D_MODEL)
    assert_close(module(an_input()), total * pattern)
    assert len(received) == 1
    assert_close(received[0], total)


def test_dropout_of_everything_gives_zeros() -> None:
    output = positions(1.0)(an_input())
    assert_same(output, torch.zeros_like(output))


def test_dropout_keeps_about_its_share_and_scales_it() -> None:
    output = positions(0.25)(torch.ones(BATCH, MAX_LEN, D_MODEL).double())
    total = 1.0 + loop_encoding(MAX_LEN, D_MODEL)
    kept = output != 0
    assert kept.double().mean().item() == pytest.approx(0.75, abs=0.05)
    expected = (total / 0.75).expand_as(output)
    assert_close(output[kept], expected[kept])


def test_dropout_in_eval_mode_is_no_dropout() -> None:
    module = positions(0.5).eval()
    assert_same(module(an_input()), positions()(an_input()))


# --- a buffer ---------------------------------------------------------------


def test_the_encoding_is_a_buffer_that_is_not_saved() -> None:
    module = positions()
    assert [name for name, _ in module.named_buffers()] == ["encoding"]
    assert list(module.parameters()) == []
    assert module.state_dict() == {}
    assert not module.encoding.requires_grad
    assert_close(module.encoding, loop_encoding(MAX_LEN, D_MODEL))


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [
        (torch.float32, FLOAT32),
        (torch.bfloat16, 2.0**-8),
        (torch.float16, 2.0**-11),
    ],
)
def test_the_encoding_moves_to_another_dtype(
    dtype: torch.dtype, tolerance: float
) -> None:
    module = PositionalEncoding(D_MODEL, 0.0, MAX_LEN).to(dtype)
    output = module(torch.zeros(1, MAX_LEN, D_MODEL, dtype=dtype))
    assert output.dtype is dtype
    expected = loop_encoding(MAX_LEN, D_MODEL)
    assert_close(output[0].double(), expected, tolerance)


def test_half_is_such_a_move() -> None:
    assert PositionalEncoding(4).half().encoding.dtype is torch.float16


def test_the_encoding_moves_to_another_device() -> None:
    module = positions(0.5).to("meta")
    assert module.encoding.device.type == "meta"
    output = module(an_input().to("meta"))
    assert output.device.type == "meta"
    assert output.shape == (BATCH, SOURCES, D_MODEL)


def test_the_module_is_made_on_the_device_that_is_set() -> None:
    with torch.device("meta"):
        assert PositionalEncoding(D_MODEL).encoding.device.type == "meta"


def test_a_copy_is_equal() -> None:
    clone = copy.deepcopy(positions())
    assert_same(clone(an_input()), positions()(an_input()))


def test_the_input_and_the_encoding_stay_as_they_were() -> None:
    module, x = positions(0.5), an_input()
    changes = module.encoding._version
    module(x)
    assert_same(x, an_input())
    assert x._version == 0
    assert module.encoding._version == changes
    assert_close(module.encoding, loop_encoding(MAX_LEN, D_MODEL))
