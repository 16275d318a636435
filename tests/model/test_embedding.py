"""Tests of the token embedding."""

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
)
from oracle_model import PAD, SRC, VOCABULARY, exact, fill
from torch import Tensor, nn
from torch.nn import functional

from laidout.embedding import TokenEmbedding


def embedding(pad_id: int | None = PAD) -> TokenEmbedding:
    """Make the module with our own numbers in the whole table."""
    module = TokenEmbedding(VOCABULARY, D_MODEL, pad_id).double()
    fill(module)
    return module


def table_of(module: TokenEmbedding) -> Tensor:
    """Give the table (V, D), without its gradient."""
    return module.embedding.weight.detach()


# --- the right numbers ------------------------------------------------------


def test_the_output_is_that_of_torch_times_the_root_of_d_model() -> None:
    module = embedding()
    twin = nn.Embedding(VOCABULARY, D_MODEL, dtype=torch.float64)
    twin.load_state_dict({"weight": table_of(module)})
    assert_close(module(SRC), twin(SRC) * D_MODEL**0.5)


def test_the_output_is_one_hot_vectors_times_the_table() -> None:
    module = embedding()
    one_hot = functional.one_hot(SRC, VOCABULARY).double()
    assert_close(module(SRC), one_hot @ table_of(module) * D_MODEL**0.5)


@settings(max_examples=30)
@given(
    size=st.integers(1, 11),
    d_model=st.integers(1, 11),
    seed=st.integers(0, 999),
    data=st.data(),
)
def test_every_token_gets_its_row_whatever_the_sizes(
    size: int, d_model: int, seed: int, data: st.DataObject
) -> None:
    module = TokenEmbedding(size, d_model).double()
    fill(module, seed)
    token = st.integers(0, size - 1)
    rows = st.lists(token, min_size=3, max_size=3)
    tokens = data.draw(st.lists(rows, min_size=1, max_size=3))
    output = module(torch.tensor(tokens))
    table = table_of(module).tolist()
    expected = [
        [[x * math.sqrt(d_model) for x in table[token]] for token in sentence]
        for sentence in tokens
    ]
    assert_close(output, exact(expected))


def test_a_sentence_by_hand() -> None:
    # The root of d_model = 4 doubles what stands in the table.
    module = TokenEmbedding(3, 4)
    table = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8], [0, -1, 0, 1.5]])
    module.load_state_dict({"embedding.weight": table})
    assert module(torch.tensor([[2, 0, 2]])).tolist() == [
        [[0, -2, 0, 3], [2, 4, 6, 8], [0, -2, 0, 3]]
    ]


def test_the_same_token_gets_the_same_vector_everywhere() -> None:
    output = embedding()(torch.full((BATCH, SOURCES), 7))
    assert_same(output, output[:1, :1].expand(BATCH, SOURCES, D_MODEL))


def test_there_is_no_dropout() -> None:
    module = embedding().train()
    assert_same(module(SRC), embedding().eval()(SRC))


def test_a_token_beyond_the_vocabulary_is_refused() -> None:
    with pytest.raises(IndexError, match="out of range"):
        embedding()(torch.tensor([[VOCABULARY]]))


# --- the start --------------------------------------------------------------


@pytest.mark.parametrize("d_model", [17, 61, 256])
def test_the_table_starts_with_the_deviation_that_scaling_undoes(
    d_model: int,
) -> None:
    module = TokenEmbedding(1009, d_model)
    numbers = table_of(module).double()
    assert numbers.std().item() == pytest.approx(d_model**-0.5, rel=0.02)
    assert abs(numbers.mean().item()) < 0.02 * d_model**-0.5
    # Normal, not uniform: two thirds lie within one deviation.
    within = (numbers.abs() < d_model**-0.5).double().mean().item()
    assert within == pytest.approx(0.6827, abs=0.01)


def test_scaled_vectors_start_with_entries_of_size_one() -> None:
    output = TokenEmbedding(1009, 61)(torch.arange(1009)[None])
    assert output.std().item() == pytest.approx(1.0, rel=0.02)


def test_no_two_tokens_start_alike() -> None:
    table = table_of(TokenEmbedding(VOCABULARY, D_MODEL))
    assert torch.pdist(table).min() > 0.1


# --- padding ----------------------------------------------------------------


@pytest.mark.parametrize("pad_id", [0, 2, VOCABULARY - 1])
def test_the_row_of_padding_alone_starts_at_zero(pad_id: int) -> None:
    table = table_of(TokenEmbedding(VOCABULARY, D_MODEL, pad_id))
    is_zero = (table == 0).all(-1)
    assert is_zero.tolist() == [token == pad_id for token in range(VOCABULARY)]


def test_without_padding_no_row_starts_at_zero() -> None:
    table = table_of(TokenEmbedding(VOCABULARY, D_MODEL))
    assert (table != 0).any(-1).all()


@pytest.mark.parametrize("pad_id", [0, 2, VOCABULARY - 1])
def test_padding_gets_zeros(pad_id: int) -> None:
    module = TokenEmbedding(VOCABULARY, D_MODEL, pad_id)
    output = module(torch.tensor([[5, pad_id, 7]]))
    assert_same(output[0, 1], torch.zeros(D_MODEL))


@pytest.mark.parametrize("pad_id", [0, 2, VOCABULARY - 1])
def test_padding_gets_no_gradient(pad_id: int) -> None:
    module = embedding(pad_id)
    tokens = torch.tensor([[pad_id, 5, pad_id]])
    module(tokens).sum().backward()
    gradient = gradient_of(module.embedding.weight)
    assert (gradient[pad_id] == 0).all()
    assert (gradient[5] != 0).all()


def test_without_padding_every_token_gets_its_gradient() -> None:
    module = embedding(None)
    module(torch.tensor([[0, 2]])).sum().backward()
    gradient = gradient_of(module.embedding.weight)
    assert (gradient != 0).all(-1).nonzero().flatten().tolist() == [0, 2]


def test_padding_stays_at_zero_while_the_words_learn() -> None:
    module = TokenEmbedding(VOCABULARY, D_MODEL, PAD)
    before = table_of(module).clone()
    optimiser = torch.optim.Adam(module.parameters(), lr=0.1)
    for _ in range(3):
        optimiser.zero_grad()
        (module(SRC) - 1.0).square().sum().backward()
        optimiser.step()
    moved = (table_of(module) != before).any(-1)
    assert (table_of(module)[PAD] == 0).all()
    words = {token for token in SRC.flatten().tolist() if token != PAD}
    assert set(moved.nonzero().flatten().tolist()) == words


# --- gradients --------------------------------------------------------------


def test_a_tokens_gradient_is_the_scaled_sum_over_its_places() -> None:
    module = embedding()
    upstream = make("upstream", *SRC.shape, D_MODEL)
    (module(SRC) * upstream).sum().backward()
    expected = torch.zeros(VOCABULARY, D_MODEL).double()
    for b, sentence in enumerate(SRC.tolist()):
        for s, token in enumerate(sentence):
            if token != PAD:
                expected[token] += math.sqrt(D_MODEL) * upstream[b, s]
    assert_close(gradient_of(module.embedding.weight), expected)


# --- parameters -------------------------------------------------------------


def test_the_table_is_the_only_parameter_and_the_whole_state() -> None:
    module = embedding()
    state = {k: tuple(v.shape) for k, v in module.state_dict().items()}
    assert state == {"embedding.weight": (VOCABULARY, D_MODEL)}
    assert [p is module.embedding.weight for p in module.parameters()] == [
        True
    ]


def test_the_state_makes_the_round_trip() -> None:
    module, other = embedding(), TokenEmbedding(VOCABULARY, D_MODEL).double()
    other.load_state_dict(module.state_dict(), strict=True)
    assert_same(other(SRC), module(SRC))


def test_a_copy_is_equal_and_independent() -> None:
    module = embedding()
    before = module(SRC)
    clone = copy.deepcopy(module)
    assert_same(clone(SRC), before)
    fill(clone, seed=1)
    assert_same(module(SRC), before)


# --- dtypes, devices --------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float32, 1e-6), (torch.bfloat16, 5e-2)],
)
def test_every_dtype_is_kept_and_as_exact_as_it_can_be(
    dtype: torch.dtype, tolerance: float
) -> None:
    output = embedding().to(dtype)(SRC)
    assert output.dtype is dtype
    assert_close(output.double(), embedding()(SRC), tolerance)


def test_tokens_may_have_32_bits() -> None:
    assert_same(embedding()(SRC.int()), embedding()(SRC))


def test_shapes_come_out_on_the_meta_device() -> None:
    with torch.device("meta"):
        output = TokenEmbedding(VOCABULARY, D_MODEL, PAD)(SRC.to("meta"))
    assert output.device.type == "meta"
    assert output.shape == (*SRC.shape, D_MODEL)


def test_tokens_and_table_stay_as_they_were() -> None:
    module, tokens = embedding(), SRC.clone()
    changes = module.embedding.weight._version
    module(tokens)
    assert_same(tokens, SRC)
    assert tokens._version == 0
    assert module.embedding.weight._version == changes
    assert_same(table_of(module), table_of(embedding()))
