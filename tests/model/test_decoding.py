"""Tests of the decoding: greedy, then with a beam."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import assert_close, assert_same
from oracle_decoding import (
    BOS,
    EOS,
    PAD,
    TableModel,
    Tokens,
    best_of_all,
    hypotheses,
    log_p,
    padded,
    random_table,
    slow_beam,
    slow_greedy,
    tree_model,
    words_of,
)
from random_model import random_transformer
from torch import Tensor

from laidout.decoding import Beams, beam_search, greedy_decode
from laidout.transformer import Transformer

SENTENCES: list[Tokens] = [(0, 1, 4, 6), (7,), (4, 4, 8, 9, 0, 1, 6), (9, 6)]
"""Sources of unequal length."""

SIZE = 7
"""How many tokens the tables know: five words, eos and padding."""

Decode = Callable[[Any, Tensor, int], Tensor]


def greedy(model: Any, src: Tensor, max_len: int) -> Tensor:
    """Decode greedily with the ids of these tests."""
    return greedy_decode(model, src, max_len, BOS, EOS)


def beam(
    model: Any, src: Tensor, size: int, penalty: float, max_len: int
) -> Tensor:
    """Decode with a beam and the ids of these tests."""
    return beam_search(model, src, size, penalty, max_len, BOS, EOS)


def beam_of_three(model: Any, src: Tensor, max_len: int) -> Tensor:
    """Decode with a beam of three."""
    return beam(model, src, 3, 0.6, max_len)


both_ways = pytest.mark.parametrize("decode", [greedy, beam_of_three])

PENALTIES = [0.0, 0.6, 1.0, -1.0]

every_penalty = pytest.mark.parametrize("penalty", PENALTIES)


def transformer(name: str) -> Transformer:
    """Make the Transformer of these tests."""
    return random_transformer(name, sources=10)


def one(*tokens: int) -> Tensor:
    """Make a batch of one source."""
    return torch.tensor([tokens])


NAMES = [str(number) for number in range(8)]


# --- greedy: the right words ------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_greedy_says_what_a_slow_loop_says(name: str) -> None:
    model = transformer(name)
    expected = [slow_greedy(words_of(model, s), 11) for s in SENTENCES]
    assert_same(greedy(model, padded(SENTENCES), 11), padded(expected))


def test_the_models_of_these_tests_say_different_things() -> None:
    rows = {
        slow_greedy(words_of(transformer(name), sentence), 11)
        for name in NAMES
        for sentence in SENTENCES
    }
    assert len(rows) > 12
    ends = {len(row) for row in rows if row[-1] == EOS}
    assert len(ends) > 1
    assert any(row[-1] != EOS for row in rows)
    assert any(len(set(row)) > 4 for row in rows)


@given(
    number=st.integers(0, 10_000),
    sources=st.lists(
        st.lists(st.sampled_from([0, 1, 4, 6]), min_size=1, max_size=3),
        min_size=1,
        max_size=4,
    ),
    max_len=st.integers(1, 8),
)
def test_greedy_says_what_a_slow_loop_says_of_tables(
    number: int, sources: list[list[int]], max_len: int
) -> None:
    model = random_table(f"greedy {number}", SIZE, eos=1.0)
    src = padded([tuple(source) for source in sources])
    expected = [
        slow_greedy(after(model, src, row), max_len)
        for row in range(len(sources))
    ]
    assert_same(greedy(model, src, max_len), padded(expected))


def after(model: TableModel, src: Tensor, row: int) -> Any:
    """Say what comes next for one row of a batch of sources."""
    source = tuple(token for token in src[row].tolist() if token != PAD)
    return model.words_after(source)


# After bos "0" is likelier than "1", but then nothing is likely.
GARDEN_PATH = {
    (): {0: 0.6, 1: 0.4},
    (0,): {0: 0.4, 1: 0.3, EOS: 0.3},
    (1,): {EOS: 0.9, 0: 0.1},
    (0, 0): {EOS: 0.9, 1: 0.1},
    (0, 1): {EOS: 1.0},
    (1, 0): {EOS: 1.0},
}


def test_greedy_walks_down_the_garden_path() -> None:
    model = tree_model(GARDEN_PATH, SIZE)
    assert greedy(model, one(7), 9).tolist() == [[BOS, 0, 0, EOS]]


def test_greedy_gives_the_whole_target_so_far_to_the_model() -> None:
    model = tree_model(GARDEN_PATH, SIZE)
    greedy(model, one(7), 9)
    assert [tgt.tolist() for tgt in model.seen] == [
        [[BOS]],
        [[BOS, 0]],
        [[BOS, 0, 0]],
    ]


def says(*sentences: Tokens, pad_id: int = PAD) -> TableModel:
    """Make a model that says one sentence for each source, 0, 1 and 4."""

    def logits_of(source: Tokens, tokens: Tokens) -> list[float]:
        sentence = (*sentences[(0, 1, 4).index(source[0])], EOS)
        now = min(len(tokens) - 1, len(sentence) - 1)
        # Padding seems to be the best word all the time.
        return [
            9.0 if word == pad_id else 5.0 * (word == sentence[now])
            for word in range(SIZE)
        ]

    model = TableModel(logits_of)
    model.config.pad_id = pad_id
    return model


@both_ways
def test_after_eos_comes_padding_until_the_longest_has_ended(
    decode: Decode,
) -> None:
    model = says((0, 6, 1), (), (4,))
    assert decode(model, torch.tensor([[0], [1], [4], [1]]), 9).tolist() == [
        [BOS, 0, 6, 1, EOS],
        [BOS, EOS, PAD, PAD, PAD],
        [BOS, 4, EOS, PAD, PAD],
        [BOS, EOS, PAD, PAD, PAD],
    ]


@pytest.mark.parametrize(
    ("max_len", "expected"),
    [
        (1, [[BOS], [BOS]]),
        (2, [[BOS, 0], [BOS, 4]]),
        (3, [[BOS, 0, 6], [BOS, 4, EOS]]),
        (4, [[BOS, 0, 6, 1], [BOS, 4, EOS, PAD]]),
        (5, [[BOS, 0, 6, 1, EOS], [BOS, 4, EOS, PAD, PAD]]),
        (99, [[BOS, 0, 6, 1, EOS], [BOS, 4, EOS, PAD, PAD]]),
    ],
)
def test_max_len_counts_bos_and_eos(
    max_len: int, expected: list[list[int]]
) -> None:
    model = says((0, 6, 1), (4,))
    assert (
        greedy(model, torch.tensor([[0], [1]]), max_len).tolist() == expected
    )


def test_greedy_stops_when_all_have_ended() -> None:
    model = says((0, 6, 1), (4,))
    greedy(model, torch.tensor([[0], [1]]), 99)
    assert len(model.seen) == 4


def test_nothing_is_asked_where_there_is_only_room_for_bos() -> None:
    model = says((0,))
    greedy(model, one(0), 1)
    beam(model, one(0), 3, 0.6, 1)
    assert model.seen == []


def test_eos_may_be_the_token_that_starts() -> None:
    # As in models that start with the end of the sentence before.
    model = says((0, 6), (4,))
    src = torch.tensor([[0], [1]])
    expected = [[EOS, 0, 6, EOS], [EOS, 4, EOS, PAD]]
    assert greedy_decode(model, src, 9, EOS, EOS).tolist() == expected
    for size in (1, 3):
        found = beam_search(model, src, size, 0.6, 9, EOS, EOS)
        assert found.tolist() == expected


# --- both: what holds whatever the model ------------------------------------


@both_ways
@pytest.mark.parametrize("name", NAMES)
def test_batch_mates_and_their_padding_move_nothing(
    decode: Decode, name: str
) -> None:
    model = transformer(name)
    together = decode(model, padded(SENTENCES), 9)
    alone = [
        tuple(decode(model, torch.tensor([sentence]), 9)[0].tolist())
        for sentence in SENTENCES
    ]
    assert_same(together, padded(alone))


@both_ways
@pytest.mark.parametrize("name", NAMES[:4])
def test_more_padding_moves_nothing(decode: Decode, name: str) -> None:
    model = transformer(name)
    src = padded(SENTENCES)
    wider = torch.nn.functional.pad(src, (0, 3), value=PAD)
    assert_same(decode(model, wider, 9), decode(model, src, 9))


@both_ways
@pytest.mark.parametrize("name", NAMES[:4])
def test_the_order_of_the_sentences_does_not_matter(
    decode: Decode, name: str
) -> None:
    model, src = transformer(name), padded(SENTENCES)
    order = torch.tensor([2, 0, 3, 1])
    assert_same(decode(model, src[order], 9), decode(model, src, 9)[order])


@both_ways
def test_the_source_matters(decode: Decode) -> None:
    rows = decode(transformer("3"), padded(SENTENCES), 9)
    assert len({tuple(row) for row in rows.tolist()}) > 1


@both_ways
def test_the_model_reads_every_source_without_its_padding(
    decode: Decode,
) -> None:
    read: set[Tokens] = set()

    def logits_of(source: Tokens, tokens: Tokens) -> list[float]:
        read.add(source)
        return [1.0, 2.0, 0.0, 0.5, 0.1]

    decode(TableModel(logits_of), padded(SENTENCES), 4)
    assert read == set(SENTENCES)


@both_ways
def test_the_model_is_told_where_the_source_s_padding_is(
    decode: Decode,
) -> None:
    # A model need not know by itself which token pads.
    model, src = random_table("told", SIZE), padded(SENTENCES)
    decode(model, src, 4)
    (mask,) = model.source_masks
    assert mask is not None
    assert_same(mask, (src != PAD)[:, None, None])


@both_ways
@pytest.mark.parametrize("number", range(20))
def test_padding_is_never_said(decode: Decode, number: int) -> None:
    model = random_table(f"padding {number}", SIZE)
    for row in decode(model, torch.tensor([[0], [1], [4]]), 8).tolist():
        while row[-1] == PAD:
            assert EOS in row
            row.pop()
        assert PAD not in row
        assert row[0] == BOS
        assert EOS not in row[:-1]
        assert row[-1] == EOS or len(row) == 8


@both_ways
def test_the_padding_is_that_of_the_model(decode: Decode) -> None:
    model = says((0, PAD), (), (PAD,), pad_id=1)
    assert decode(model, torch.tensor([[0], [4]]), 9).tolist() == [
        [BOS, 0, PAD, EOS],
        [BOS, PAD, EOS, 1],
    ]


@both_ways
@pytest.mark.parametrize("training", [True, False])
def test_the_mode_comes_back_and_dropout_is_off_meanwhile(
    decode: Decode, training: bool
) -> None:
    model = says((0, 6), (4,)).train(training)
    decode(model, torch.tensor([[0], [1]]), 9)
    assert set(model.modes) == {False}
    assert model.training is training


@both_ways
@pytest.mark.parametrize("training", [True, False])
def test_the_mode_comes_back_after_an_error(
    decode: Decode, training: bool
) -> None:
    model = transformer("0").train(training)
    with pytest.raises(ValueError, match=r"max_len \(17\)"):
        decode(model, padded(SENTENCES[:1]), 99)
    assert model.training is training
    assert model.encoder.layers[0].dropout.training is training


@both_ways
def test_dropout_does_not_matter_in_training_mode(decode: Decode) -> None:
    model, src = transformer("3"), padded(SENTENCES)
    expected = decode(model, src, 9)
    model.train()
    assert_same(decode(model, src, 9), expected)
    assert_same(decode(model, src, 9), expected)


@both_ways
def test_decoding_follows_no_gradients(decode: Decode) -> None:
    model = says((0, 6), (4,))
    found = decode(model, torch.tensor([[0], [1]]), 9)
    assert set(model.grad) == {False}
    assert torch.is_grad_enabled()
    assert not found.requires_grad


@both_ways
def test_tokens_are_whole_numbers_and_the_source_stays(
    decode: Decode,
) -> None:
    src = padded(SENTENCES)
    found = decode(transformer("0"), src, 9)
    assert found.dtype is torch.int64
    assert_same(src, padded(SENTENCES))


@both_ways
def test_the_source_is_read_once(decode: Decode) -> None:
    model = says((0, 6), (4,))
    decode(model, torch.tensor([[0], [1]]), 9)
    assert len(model.modes) == 1 + len(model.seen)


class Silent(torch.nn.Module):
    """Says nothing about nobody."""

    def forward(self, hidden: Tensor) -> Tensor:
        """Give no rows of logits."""
        return torch.zeros(0, SIZE)


@both_ways
def test_no_sentences_give_no_sentences(decode: Decode) -> None:
    model = TableModel(lambda source, tokens: [])
    model.output_projection = Silent()
    assert decode(model, torch.zeros(0, 3).long(), 1).shape == (0, 1)
    assert decode(model, torch.zeros(0, 3).long(), 9).shape == (0, 1)


@both_ways
def test_nothing_is_made_on_another_device_than_that_of_the_source(
    decode: Decode,
) -> None:
    model, src = transformer("3"), padded(SENTENCES)
    expected = decode(model, src, 9)
    # What is made without a device would be made on "meta", and not fit.
    with torch.device("meta"):
        found = decode(model, src, 9)
    assert_same(found, expected)


@both_ways
@pytest.mark.parametrize("max_len", [0, -1])
def test_no_room_for_bos_is_an_error(decode: Decode, max_len: int) -> None:
    with pytest.raises(
        ValueError, match=rf"max_len \({max_len}\) must be 1 or more"
    ):
        decode(says((0,)), one(0), max_len)


# --- beam search: the right words -------------------------------------------


@every_penalty
@pytest.mark.parametrize("number", range(3))
def test_a_beam_as_wide_as_all_hypotheses_finds_the_best(
    number: int, penalty: float
) -> None:
    # Four words and eos may follow each word, and four tokens follow bos.
    model = random_table(f"all {number}", SIZE - 1, 1.0, eos=-3.0)
    sources = torch.tensor([[0], [1], [4]])
    expected = [
        best_of_all(after(model, sources, row), penalty, 5) for row in range(3)
    ]
    assert_same(beam(model, sources, 5 * 4**3, penalty, 5), padded(expected))


def test_all_hypotheses_means_all_of_them() -> None:
    model = random_table("all 0", SIZE - 1, 1.0, eos=-3.0)
    found = list(hypotheses(model.words_after((0,)), 5))
    assert len(found) == 1 + 4 + 16 + 64
    assert len({tokens for _, tokens in found}) == len(found)
    # What is missing to 1 are the sentences that do not end in time.
    assert 0.01 < math.fsum(math.exp(score) for score, _ in found) < 1


def test_the_penalties_of_these_tests_choose_different_sentences() -> None:
    chosen = set()
    for number in range(6):
        for source in (0, 1, 4):
            model = random_table(f"all {number}", SIZE - 1, 1.0, eos=-3.0)
            words = model.words_after((source,))
            best = [best_of_all(words, penalty, 5) for penalty in PENALTIES]
            chosen.add(len(set(best)))
    assert max(chosen) >= 3


@pytest.mark.parametrize("penalty", [0.6, -1.0])
@pytest.mark.parametrize("name", NAMES)
def test_a_beam_of_one_is_greedy(name: str, penalty: float) -> None:
    model, src = transformer(name), padded(SENTENCES)
    assert_same(beam(model, src, 1, penalty, 11), greedy(model, src, 11))


@every_penalty
@pytest.mark.parametrize("size", [2, 3, 5])
@pytest.mark.parametrize("name", NAMES[:2])
def test_the_beam_says_what_a_slow_beam_says(
    name: str, size: int, penalty: float
) -> None:
    model = transformer(name)
    expected = [
        slow_beam(words_of(model, s), size, penalty, 7) for s in SENTENCES
    ]
    assert_same(
        beam(model, padded(SENTENCES), size, penalty, 7), padded(expected)
    )


table_searches = given(
    number=st.integers(0, 10_000),
    size=st.integers(1, 9),
    penalty=st.sampled_from([*PENALTIES, 0.3, 2.0, 5.0, -3.0]),
    max_len=st.integers(1, 7),
    eos=st.sampled_from([-4.0, 0.0, 1.0, 3.0]),
    sources=st.lists(
        st.lists(st.sampled_from([0, 1, 4, 6]), min_size=1, max_size=3),
        min_size=1,
        max_size=3,
    ),
)


@settings(max_examples=150)
@table_searches
def test_the_beam_says_what_a_slow_beam_says_of_tables(
    number: int,
    size: int,
    penalty: float,
    max_len: int,
    eos: float,
    sources: list[list[int]],
) -> None:
    model = random_table(f"beam {number}", SIZE, eos=eos)
    src = padded([tuple(source) for source in sources])
    expected = [
        slow_beam(after(model, src, row), size, penalty, max_len)
        for row in range(len(sources))
    ]
    assert_same(beam(model, src, size, penalty, max_len), padded(expected))


@settings(max_examples=60)
@table_searches
def test_stopping_early_never_changes_the_result(
    number: int,
    size: int,
    penalty: float,
    max_len: int,
    eos: float,
    sources: list[list[int]],
) -> None:
    model = random_table(f"early {number}", SIZE, eos=eos)
    src = padded([tuple(source) for source in sources])
    early = beam(model, src, size, penalty, max_len)
    asked = len(model.seen)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Beams, "done", lambda *_: False)
        late = beam(model, src, size, penalty, max_len)
    assert_same(early, late)
    assert asked <= len(model.seen) - asked == max_len - 1


@every_penalty
def test_the_search_does_stop_early(penalty: float) -> None:
    model = says((0, 6), (4,))
    found = beam(model, torch.tensor([[0], [1]]), 3, penalty, 30)
    assert found.tolist() == [[BOS, 0, 6, EOS], [BOS, 4, EOS, PAD]]
    assert len(model.seen) < 12


def test_the_search_stops_no_earlier_than_all_sentences_may() -> None:
    # The first ends for sure at once; the second can only end much later.
    model = says((), (0, 0, 0, 0, 0, 0))
    alone = says((), (0, 0, 0, 0, 0, 0))
    beam(model, torch.tensor([[0], [1]]), 2, 0.0, 12)
    beam(alone, torch.tensor([[0]]), 2, 0.0, 12)
    assert len(alone.seen) < 3
    assert len(model.seen) >= 7


def test_the_beam_avoids_the_garden_path() -> None:
    model = tree_model(GARDEN_PATH, SIZE)
    # 0.4 times 0.9 beats 0.6 times 0.4 times 0.9.
    assert beam(model, one(7), 2, 0.0, 9).tolist() == [[BOS, 1, EOS]]


# A wrong length would choose another one: with 5 + 2 and 5 + 3 the longer
# one wins as long as log(p) / log(q) > (8 / 7) ** penalty.
SHORT_OR_LONG = {
    (): {0: 0.5, 1: 0.5 - 1e-9, 4: 1e-9},
    (0,): {EOS: 1.0},
    (1,): {0: 1.0},
    (1, 0): {EOS: 0.84, 4: 0.16},
}


@pytest.mark.parametrize(
    ("penalty", "expected"),
    [
        # log 0.5 / log 0.42 = 0.799: the power that gives it is -1.68.
        (0.0, [BOS, 0, EOS, PAD]),
        (1.6, [BOS, 0, EOS, PAD]),
        (1.75, [BOS, 1, 0, EOS]),
        (9.0, [BOS, 1, 0, EOS]),
        (-9.0, [BOS, 0, EOS, PAD]),
    ],
)
def test_the_length_in_the_penalty_counts_eos_and_not_bos(
    penalty: float, expected: list[int]
) -> None:
    # With lengths 1 and 2 the longer one would win from 1.46 on, with 3 and
    # 4 from 1.91 on, and lengths without the five from 0.55 on.
    ratio = math.log(0.42) / math.log(0.5)
    assert 1.6 < math.log(ratio) / math.log(8 / 7) < 1.75
    model = tree_model(SHORT_OR_LONG, SIZE)
    found = beam(model, one(7), 3, penalty, 9).tolist()
    assert found == [[token for token in expected if token != PAD]]


@pytest.mark.parametrize("around", [-0.02, 0.02])
def test_the_penalty_turns_exactly_where_its_formula_does(
    around: float,
) -> None:
    ratio = math.log(0.42) / math.log(0.5)
    penalty = math.log(ratio) / math.log(8 / 7) + around
    model = tree_model(SHORT_OR_LONG, SIZE)
    found = beam(model, one(7), 3, penalty, 9)[0].tolist()
    assert found == ([BOS, 0, EOS] if around < 0 else [BOS, 1, 0, EOS])


def test_log_probabilities_are_compared_and_not_logits() -> None:
    # After 1 all logits are larger, but that is no reason to go there.
    tree = tree_model(GARDEN_PATH, SIZE)

    def logits_of(source: Tokens, tokens: Tokens) -> list[float]:
        more = 10.0 if tokens[1:] == (0,) else 0.0
        return [x + more for x in tree.logits_of(source, tokens)]

    found = beam(TableModel(logits_of), one(7), 2, 0.0, 9)
    assert found.tolist() == [[BOS, 1, EOS]]


def test_a_sentence_that_ends_first_need_not_win() -> None:
    tree = {
        (): {EOS: 0.3, 0: 0.7},
        (0,): {1: 1.0},
        (0, 1): {EOS: 1.0},
    }
    model = tree_model(tree, SIZE)
    assert beam(model, one(7), 2, 0.0, 9).tolist() == [[BOS, 0, 1, EOS]]


def test_a_sentence_that_ends_last_need_not_win() -> None:
    tree = {
        (): {EOS: 0.6, 0: 0.4},
        (0,): {1: 1.0},
        (0, 1): {EOS: 1.0},
    }
    model = tree_model(tree, SIZE)
    assert beam(model, one(7), 2, 0.0, 9).tolist() == [[BOS, EOS]]
    # With a penalty it waits for the longer one, which then wins.
    assert beam(model, one(7), 2, 9.0, 9).tolist() == [[BOS, 0, 1, EOS]]


def test_the_search_waits_for_a_sentence_that_ends_at_the_last_place() -> None:
    tree = {
        (): {EOS: 0.6, 0: 0.4},
        (0,): {1: 1.0},
        (0, 1): {EOS: 1.0},
    }
    # Divided by (8 / 6) ** 3 log 0.4 beats log 0.6, by (7 / 6) ** 3 it does
    # not: the search must look two words ahead, to where the room ends.
    ratio = math.log(0.4) / math.log(0.6)
    assert (7 / 6) ** 3 < ratio < (8 / 6) ** 3
    model = tree_model(tree, SIZE)
    assert beam(model, one(7), 2, 3.0, 4).tolist() == [[BOS, 0, 1, EOS]]


def test_what_ends_is_not_replaced_by_the_next_best() -> None:
    # Of the first three words the beam of two keeps eos and 0. Then 0 has
    # both places, and 1, which would have won with a penalty, is lost.
    tree = {
        (): {EOS: 0.4, 0: 0.35, 1: 0.25},
        (0,): {0: 0.5, 1: 0.5},
        (0, 0): {EOS: 1.0},
        (0, 1): {EOS: 1.0},
        (1,): {4: 1.0},
        (1, 4): {6: 1.0},
        (1, 4, 6): {EOS: 1.0},
    }
    model = tree_model(tree, SIZE)
    assert beam(model, one(7), 3, 9.0, 9).tolist() == [[BOS, 1, 4, 6, EOS]]
    assert beam(model, one(7), 2, 9.0, 9)[0, :2].tolist() == [BOS, 0]


def test_the_places_of_what_has_ended_are_free_in_the_next_step() -> None:
    # Both continuations of 0 are followed, though eos took one of two places.
    tree = {
        (): {EOS: 0.3, 0: 0.7},
        (0,): {0: 0.6, 1: 0.4},
        (0, 0): {4: 0.5, 6: 0.5},
        (0, 1): {EOS: 1.0},
    }
    model = tree_model(tree, SIZE)
    assert beam(model, one(7), 2, 1.0, 4).tolist() == [[BOS, 0, 1, EOS]]


def test_each_sentence_has_a_beam_of_its_own() -> None:
    # The second is unsure of everything, the first of nothing.
    def logits_of(source: Tokens, tokens: Tokens) -> list[float]:
        sure = 20.0 if source == (0,) else 0.1
        return [0.0, sure, 0.0, sure if len(tokens) > 3 else -sure, 0.0]

    model = TableModel(logits_of)
    both = beam(model, torch.tensor([[0], [1]]), 3, 0.6, 6)
    assert_same(both[:1], beam(model, one(0), 3, 0.6, 6))
    assert_same(both[1:], beam(model, one(1), 3, 0.6, 6))


# --- beam search: edges -----------------------------------------------------


def never_ends(number: int) -> TableModel:
    """Make a random model that cannot say eos."""
    return random_table(f"never {number}", SIZE, eos=-math.inf)


@every_penalty
@pytest.mark.parametrize("number", range(3))
def test_where_nothing_ends_the_best_that_is_there_counts(
    number: int, penalty: float
) -> None:
    model, sources = never_ends(number), torch.tensor([[0], [1], [4]])
    expected = [
        slow_beam(after(model, sources, row), 3, penalty, 6)
        for row in range(3)
    ]
    found = beam(model, sources, 3, penalty, 6)
    assert found.shape == (3, 6)
    assert EOS not in found
    assert_same(found, torch.tensor(expected))


def test_what_has_ended_wins_over_what_has_not_however_unlikely() -> None:
    tree = {(): {0: 0.99, EOS: 0.01}, (0,): {0: 1.0}, (0, 0): {0: 1.0}}
    model = tree_model(tree, SIZE)
    assert beam(model, one(7), 2, 0.0, 4).tolist() == [[BOS, EOS]]
    # A beam of one never sees the end.
    assert beam(model, one(7), 1, 0.0, 4).tolist() == [[BOS, 0, 0, 0]]


def test_some_may_end_and_others_not() -> None:
    model = says((0, 6), (4, 4, 4, 4, 4, 4))
    found = beam(model, torch.tensor([[0], [1]]), 1, 0.6, 5)
    assert found.tolist() == [[BOS, 0, 6, EOS, PAD], [BOS, 4, 4, 4, 4]]


def test_eos_at_the_last_place_counts_as_an_end() -> None:
    model = says((0, 6))
    assert beam(model, one(0), 3, 9.0, 4).tolist() == [[BOS, 0, 6, EOS]]


@every_penalty
def test_room_for_bos_alone_gives_bos(penalty: float) -> None:
    model = says((0, 6), (4,))
    found = beam(model, torch.tensor([[0], [1]]), 3, penalty, 1)
    assert found.tolist() == [[BOS], [BOS]]


@every_penalty
@pytest.mark.parametrize("size", [5, 11, 97])
def test_the_beam_may_be_wider_than_the_vocabulary(
    size: int, penalty: float
) -> None:
    model, sources = random_table("wide", 5), torch.tensor([[0], [1], [4]])
    expected = [
        slow_beam(after(model, sources, row), size, penalty, 5)
        for row in range(3)
    ]
    assert_same(beam(model, sources, size, penalty, 5), padded(expected))


def test_a_beam_wider_than_what_there_is_to_say_finds_it() -> None:
    # One word and eos: most places are empty from the start to the end.
    tree = {(): {0: 0.4, EOS: 0.6}, (0,): {EOS: 1.0}}
    model = tree_model(tree, SIZE)
    assert beam(model, one(7), 11, 0.0, 4).tolist() == [[BOS, EOS]]
    assert beam(model, one(7), 11, 9.0, 4).tolist() == [[BOS, 0, EOS]]


def test_the_same_source_twice_gives_the_same_twice() -> None:
    model = transformer("3")
    src = padded([SENTENCES[0], SENTENCES[0], SENTENCES[2], SENTENCES[0]])
    found = beam(model, src, 4, 0.6, 9)
    assert_same(found[1], found[0])
    assert_same(found[3], found[0])


def test_a_wider_beam_finds_a_better_sentence_here() -> None:
    # In general it need not; these models show that the beam is of use.
    better = 0
    for name in NAMES:
        model = transformer(name)
        for sentence in SENTENCES:
            words = words_of(model, sentence)
            src = torch.tensor([sentence])
            narrow = score(words, beam(model, src, 1, 0.0, 6))
            wide = score(words, beam(model, src, 13**2, 0.0, 6))
            better += wide > narrow + 1e-9
    assert better > 5


def score(words: Any, row: Tensor) -> float:
    """Add up the log-probabilities of one sentence; it has to end."""
    tokens = tuple(row[0].tolist())
    if tokens[-1] != EOS:
        return -math.inf
    return math.fsum(
        words(tokens[:i])[tokens[i]] for i in range(1, len(tokens))
    )


@pytest.mark.parametrize(
    ("size", "max_len"), [(0, 5), (-1, 5), (3, 0), (3, -7), (0, 0)]
)
def test_numbers_below_one_are_refused(size: int, max_len: int) -> None:
    message = (
        rf"beam_size \({size}\) and max_len \({max_len}\) must be 1 or more"
    )
    with pytest.raises(ValueError, match=message):
        beam(says((0,)), one(0), size, 0.6, max_len)


# --- Beams ------------------------------------------------------------------

NONE = -math.inf


def doubles(*numbers: Any) -> Tensor:
    """Make a tensor in float64."""
    return torch.tensor(numbers, dtype=torch.float64)


def some_beams(first: float = NONE, second: float = -1.5) -> Beams:
    """Make the beams of two sentences, two places each, one of them empty."""
    return Beams(
        tokens=torch.tensor([[[BOS, 0], [BOS, 1]], [[BOS, 4], [BOS, PAD]]]),
        scores=doubles([-1.0, -2.0], [-3.0, NONE]),
        best=torch.full((2, 4), PAD),
        best_score=doubles(first, second),
    )


def test_beams_are_extended_by_hand() -> None:
    beams = some_beams()
    beams.extend(
        doubles(
            [[-0.1, -4.0, NONE], [-0.5, NONE, -0.2]],
            [[-1.0, NONE, -0.5], [0.0, 0.0, 0.0]],
        )
    )
    assert beams.tokens.tolist() == [
        [[BOS, 0, 0], [BOS, 1, 2]],
        [[BOS, 4, 2], [BOS, 4, 0]],
    ]
    assert_close(beams.scores, doubles([-1.1, -2.2], [-3.5, -4.0]))


def test_one_hypothesis_may_take_all_places() -> None:
    beams = some_beams()
    beams.extend(
        doubles(
            [[-9.0, -9.0, -9.0], [0.0, -0.1, -0.2]],
            [[-0.1, -0.2, -0.3], [0.0, 0.0, 0.0]],
        )
    )
    assert beams.tokens.tolist() == [
        [[BOS, 1, 0], [BOS, 1, 1]],
        [[BOS, 4, 0], [BOS, 4, 1]],
    ]


def test_what_retires_must_beat_the_best_so_far() -> None:
    beams = some_beams()
    beams.retire(torch.tensor([[True, True], [True, False]]), penalty=2.0)
    # The second sentence has one of -3 / 2 already.
    assert beams.best.tolist() == [[BOS, 0, PAD, PAD], [PAD] * 4]
    assert_close(beams.best_score, doubles(-0.5, -1.5))
    assert_same(beams.scores, doubles([NONE, NONE], [NONE, NONE]))


def test_only_what_has_ended_retires() -> None:
    beams = some_beams()
    beams.retire(torch.tensor([[False, True], [True, False]]), penalty=3.0)
    assert beams.best.tolist() == [[BOS, 1, PAD, PAD], [BOS, 4, PAD, PAD]]
    assert_close(beams.best_score, doubles(-2 / 3, -1.0))
    assert_same(beams.scores, doubles([-1.0, NONE], [NONE, NONE]))


def test_where_nothing_ends_nothing_retires() -> None:
    beams = some_beams()
    beams.retire(torch.zeros(2, 2, dtype=torch.bool), penalty=1.0)
    assert (beams.best == PAD).all()
    assert_same(beams.best_score, some_beams().best_score)
    assert_same(beams.scores, some_beams().scores)


@pytest.mark.parametrize(
    ("first", "least", "most", "done"),
    [
        (-0.4, 1.0, 2.0, True),  # -1 / 2 is the best that can come
        (-0.5, 1.0, 2.0, True),
        (-0.6, 1.0, 2.0, False),
        (-0.6, 2.0, 1.0, False),
        (-0.5, 2.0, 1.0, True),
        (-math.inf, 1.0, 1.0, False),
    ],
)
def test_beams_are_done_when_nothing_better_can_come(
    first: float, least: float, most: float, done: bool
) -> None:
    assert some_beams(first).done(least, most) is done


def test_all_sentences_must_be_done() -> None:
    assert some_beams(-0.1, -1.5).done(1.0, 2.0)
    assert not some_beams(-0.1, -1.6).done(1.0, 2.0)
    assert not some_beams(-0.6, -0.1).done(1.0, 2.0)


def test_a_sentence_without_hypotheses_is_done() -> None:
    beams = some_beams(-9.0, -9.0)
    beams.scores = doubles([NONE, NONE], [NONE, NONE])
    assert beams.done(1.0, 2.0)


def test_the_log_probabilities_of_the_tests_are_those_of_torch() -> None:
    logits = torch.tensor([1.0, -2.0, 9.0, 0.5, -math.inf]).double()
    mine = log_p(logits.tolist())
    logits[PAD] = -math.inf
    theirs = logits.log_softmax(-1)
    assert sorted(mine) == [0, 1, 3]
    for word, number in mine.items():
        assert number == pytest.approx(theirs[word].item(), abs=1e-12)
