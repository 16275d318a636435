"""Tests of the masks."""

import re
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracle import (
    BATCH,
    D_K,
    D_V,
    HEADS,
    SOURCES,
    TARGETS,
    assert_close,
    assert_same,
    make,
)
from torch import Tensor, nn

from laidout import (
    MultiHeadAttention,
    causal_mask,
    padding_mask,
    scaled_dot_product_attention,
    target_mask,
)

MaskOfTokens = Callable[[Tensor, int], Tensor]

PAD = 2

TOKENS = torch.tensor(
    [
        [5, 0, 7, 2, 2, 2, 2],
        [2, 2, 4, 9, 1, 2, 3],
        [6, 3, 0, 8, 1, 4, 5],
    ]
)
"""Padded on the right; on the left and once in the middle; not at all.

The 0, the usual padding, is a word like any other here.
"""


@st.composite
def padded_batches(draw: st.DrawFn) -> Tensor:
    """Draw tokens (B, L) of a vocabulary of 5, with padding anywhere."""
    batch, length = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    sentence = st.lists(st.integers(0, 4), min_size=length, max_size=length)
    return torch.tensor(
        draw(st.lists(sentence, min_size=batch, max_size=batch))
    )


# --- padding_mask -----------------------------------------------------------


def test_a_padding_mask_is_true_where_there_is_a_word() -> None:
    mask = padding_mask(TOKENS, PAD)
    assert mask[:, 0, 0].tolist() == [
        [True, True, True, False, False, False, False],
        [False, False, True, True, True, False, True],
        [True, True, True, True, True, True, True],
    ]


def test_a_padding_mask_has_room_for_heads_and_queries() -> None:
    assert padding_mask(TOKENS, PAD).shape == (3, 1, 1, 7)


def test_a_padding_mask_is_boolean() -> None:
    assert padding_mask(TOKENS, PAD).dtype is torch.bool


@pytest.mark.parametrize("pad_id", [0, 1, 7, -100])
def test_a_padding_mask_follows_the_pad_id(pad_id: int) -> None:
    tokens = TOKENS.where(TOKENS != PAD, pad_id)
    expected = [[token != pad_id for token in row] for row in tokens.tolist()]
    assert padding_mask(tokens, pad_id)[:, 0, 0].tolist() == expected


def test_a_padding_mask_takes_32_bit_tokens() -> None:
    assert_same(padding_mask(TOKENS.int(), PAD), padding_mask(TOKENS, PAD))


def test_a_sentence_without_padding_is_allowed_everywhere() -> None:
    assert padding_mask(TOKENS, pad_id=99).all()


def test_a_sentence_of_padding_is_allowed_nowhere() -> None:
    assert not padding_mask(torch.full((2, 3), PAD), PAD).any()


@given(tokens=padded_batches(), pad_id=st.integers(0, 5))
def test_a_padding_mask_equals_its_definition(
    tokens: Tensor, pad_id: int
) -> None:
    mask = padding_mask(tokens, pad_id)
    assert mask.shape == (tokens.size(0), 1, 1, tokens.size(1))
    for b, sentence in enumerate(tokens.tolist()):
        for s, token in enumerate(sentence):
            assert mask[b, 0, 0, s].item() is (token != pad_id)


# --- causal_mask ------------------------------------------------------------


def test_a_causal_mask_of_three_by_hand() -> None:
    assert causal_mask(3)[0, 0].tolist() == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


def test_a_causal_mask_has_room_for_batch_and_heads() -> None:
    assert causal_mask(TARGETS).shape == (1, 1, TARGETS, TARGETS)


def test_a_causal_mask_is_boolean() -> None:
    assert causal_mask(TARGETS).dtype is torch.bool


def test_the_first_position_sees_only_itself() -> None:
    first = causal_mask(TARGETS)[0, 0, 0]
    assert first.tolist() == [True] + [False] * (TARGETS - 1)


def test_the_last_position_sees_everything() -> None:
    assert causal_mask(TARGETS)[0, 0, -1].all()


def test_every_position_sees_itself() -> None:
    assert causal_mask(TARGETS)[0, 0].diagonal().all()


def test_a_causal_mask_of_one_allows_the_only_position() -> None:
    assert causal_mask(1).tolist() == [[[[True]]]]


def test_a_causal_mask_of_nothing_is_empty() -> None:
    assert causal_mask(0).shape == (1, 1, 0, 0)


@given(size=st.integers(1, 30))
def test_a_causal_mask_is_the_one_of_torch_inverted(size: int) -> None:
    theirs = nn.Transformer.generate_square_subsequent_mask(size)
    assert_same(causal_mask(size)[0, 0], ~theirs.isneginf())


@given(size=st.integers(1, 12))
def test_a_causal_mask_equals_its_definition(size: int) -> None:
    mask = causal_mask(size)
    for t in range(size):
        for s in range(size):
            assert mask[0, 0, t, s].item() is (s <= t)


# --- target_mask ------------------------------------------------------------


def test_a_target_mask_hides_the_padding_and_the_future() -> None:
    tokens = torch.tensor([[5, 4, PAD], [PAD, 4, 6]])
    assert target_mask(tokens, PAD)[:, 0].tolist() == [
        [[True, False, False], [True, True, False], [True, True, False]],
        [[False, False, False], [False, True, False], [False, True, True]],
    ]


def test_a_target_mask_has_room_for_heads() -> None:
    assert target_mask(TOKENS, PAD).shape == (3, 1, 7, 7)


def test_a_target_mask_is_boolean() -> None:
    assert target_mask(TOKENS, PAD).dtype is torch.bool


def test_a_target_mask_without_padding_is_the_causal_mask() -> None:
    mask = target_mask(TOKENS, pad_id=99)
    assert_same(mask, causal_mask(7).expand(3, -1, -1, -1))


@given(tokens=padded_batches(), pad_id=st.integers(0, 5))
def test_a_target_mask_equals_its_definition(
    tokens: Tensor, pad_id: int
) -> None:
    batch, length = tokens.shape
    mask = target_mask(tokens, pad_id)
    assert mask.shape == (batch, 1, length, length)
    for b in range(batch):
        for t in range(length):
            for s in range(length):
                real = tokens[b, s].item() != pad_id
                assert mask[b, 0, t, s].item() is (real and s <= t)


# --- all three --------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (5,), (2, 3, 5), (2, 1, 3, 5)])
@pytest.mark.parametrize("function", [padding_mask, target_mask])
def test_tokens_of_another_shape_raise_a_value_error(
    function: MaskOfTokens, shape: tuple[int, ...]
) -> None:
    tokens = torch.ones(shape, dtype=torch.long)
    with pytest.raises(
        ValueError, match=rf"tokens .*got {re.escape(str(shape))}"
    ):
        function(tokens, PAD)


@pytest.mark.parametrize("function", [padding_mask, target_mask])
def test_a_mask_lies_on_the_device_of_its_tokens(
    function: MaskOfTokens,
) -> None:
    assert function(TOKENS.to("meta"), PAD).device.type == "meta"
    assert function(TOKENS, PAD).device.type == "cpu"


@pytest.mark.parametrize("device", ["meta", torch.device("meta")])
def test_a_causal_mask_lies_on_the_device_asked_for(
    device: str | torch.device,
) -> None:
    assert causal_mask(TARGETS, device).device.type == "meta"
    assert causal_mask(TARGETS, device=device).device.type == "meta"


def test_a_causal_mask_lies_on_the_default_device_unless_asked() -> None:
    assert causal_mask(TARGETS).device.type == "cpu"
    with torch.device("meta"):
        assert causal_mask(TARGETS).device.type == "meta"


@pytest.mark.parametrize("function", [padding_mask, target_mask])
def test_a_mask_leaves_the_tokens_as_they_were(
    function: MaskOfTokens,
) -> None:
    tokens = TOKENS.clone()
    function(tokens, PAD)
    assert_same(tokens, TOKENS)


def test_every_mask_broadcasts_against_the_scores() -> None:
    scores = (BATCH, HEADS, SOURCES, SOURCES)
    tokens = TOKENS[:BATCH]
    for mask in (
        padding_mask(tokens, PAD),
        causal_mask(SOURCES),
        target_mask(tokens, PAD),
    ):
        assert mask.dim() == 4
        assert torch.broadcast_shapes(mask.shape, scores) == scores


def test_a_padding_mask_fits_queries_of_another_length() -> None:
    attention = MultiHeadAttention(D_K * HEADS, HEADS)
    query = make("q", BATCH, TARGETS, D_K * HEADS, dtype=torch.float32)
    memory = make("m", BATCH, SOURCES, D_K * HEADS, dtype=torch.float32)
    mask = padding_mask(TOKENS[:BATCH], PAD)
    attention(query, memory, memory, mask)
    weights = attention.attention_weights
    assert weights is not None
    assert_same(weights > 0, mask.expand(-1, HEADS, TARGETS, -1))


# --- what the masks are for -------------------------------------------------


def attend(tokens: Tensor, mask: Tensor) -> Tensor:
    """Look up vectors for the tokens and let them attend: (B, 1, L, D_V)."""
    queries, keys = make("queries", 5, D_K), make("keys", 5, D_K)
    values = make("values", 5, D_V)
    tokens = tokens.unsqueeze(1)
    return scaled_dot_product_attention(
        queries[tokens], keys[tokens], values[tokens], mask
    )[0]


@given(tokens=padded_batches(), data=st.data())
def test_future_tokens_move_no_earlier_output(
    tokens: Tensor, data: st.DataObject
) -> None:
    length = tokens.size(1)
    mask = causal_mask(length)
    now = data.draw(st.integers(0, length - 1))
    changed = tokens.clone()
    changed[:, now + 1 :] = (tokens[:, now + 1 :] + 1) % 5
    assert_close(
        attend(changed, mask)[:, :, : now + 1],
        attend(tokens, mask)[:, :, : now + 1],
    )


def test_the_past_and_the_present_do_move_an_output() -> None:
    tokens = torch.tensor([[0, 1, 2, 3, 4]])
    before = attend(tokens, causal_mask(5))
    for position in range(5):
        changed = tokens.clone()
        changed[0, position] = (tokens[0, position] + 1) % 5
        moved = (attend(changed, causal_mask(5)) - before).abs().amax(-1)
        assert (moved[0, 0] > 1e-6).tolist() == [
            t >= position for t in range(5)
        ]


@given(tokens=padded_batches())
def test_what_stands_under_the_padding_moves_no_word(tokens: Tensor) -> None:
    real = tokens != PAD
    mask = padding_mask(tokens, PAD)
    # The mask stays, other tokens take the place of the padding.
    changed = tokens.where(real, (tokens + 1) % 5)
    before, after = attend(tokens, mask), attend(changed, mask)
    assert_close(after[:, 0][real], before[:, 0][real])


@given(tokens=padded_batches(), more=st.integers(1, 4))
def test_more_padding_moves_no_word(tokens: Tensor, more: int) -> None:
    length = tokens.size(1)
    padded = nn.functional.pad(tokens, (0, more), value=PAD)
    for mask_of in (padding_mask, target_mask):
        before = attend(tokens, mask_of(tokens, PAD))
        after = attend(padded, mask_of(padded, PAD))
        assert_close(after[:, :, :length], before)


def test_a_sentence_of_padding_gets_zeros() -> None:
    tokens = torch.full((1, TARGETS), PAD)
    for mask_of in (padding_mask, target_mask):
        output = attend(tokens, mask_of(tokens, PAD))
        assert_same(output, torch.zeros(1, 1, TARGETS, D_V).double())


def test_a_negative_size_is_named_in_the_error() -> None:
    with pytest.raises(ValueError, match=r"size \(-1\) must not be negative"):
        causal_mask(-1)
