"""Tests of the attention maps and of what is read from them."""

import copy
from typing import Any

import pytest
import torch
from oracle import HEADS, assert_close, assert_same, make
from oracle_model import D_FF, LAYERS, fill
from torch import Tensor, nn

from laidout.attention import MultiHeadAttention
from laidout.fast import FusedMultiHeadAttention, fuse
from laidout.inspection import (
    AttentionMap,
    attention_maps,
    pointing_accuracy,
    select_maps,
    token_texts,
)
from laidout.masks import causal_mask
from laidout.tokenizer import BPETokenizer
from laidout.transformer import Transformer, TransformerConfig

WIDTH = 12 * HEADS
"""The features of the model; its encoding wants an even number."""

SOURCE, TARGET = "I like pizza", "Ich mag Pizza"

WORDS = BPETokenizer.train([SOURCE, TARGET] * 2, 400)
"""A tokenizer to which each of the six words is one token."""

BYTES = BPETokenizer()
"""A tokenizer to which each byte is a token."""


@pytest.fixture
def model() -> Transformer:
    """Give a small model with numbers of our own, in float64, training."""
    size = WORDS.vocab_size
    config = TransformerConfig(
        size,
        size,
        d_model=WIDTH,
        num_heads=HEADS,
        num_layers=LAYERS,
        d_ff=D_FF,
        dropout=0.3,
    )
    model = Transformer(config).double()
    fill(model)
    return model.train()


def weights_by_hand(
    attention: MultiHeadAttention, x: Tensor, memory: Tensor, future: bool
) -> Tensor:
    """Recompute softmax(Q K^T / sqrt(d_k)), head by head: (H, T, S)."""
    d_k = WIDTH // HEADS
    query, key = attention.w_q(x)[0], attention.w_k(memory)[0]
    heads = []
    for head in range(HEADS):
        part = slice(head * d_k, (head + 1) * d_k)
        scores = query[:, part] @ key[:, part].T / d_k**0.5
        if not future:
            scores = scores.masked_fill(
                ~causal_mask(len(scores))[0, 0], -torch.inf
            )
        heads.append(scores.softmax(-1))
    return torch.stack(heads)


@torch.no_grad()
def all_weights_by_hand(model: Transformer) -> dict[tuple[str, int], Tensor]:
    """Catch what goes into each attention, and recompute its weights."""
    inputs: dict[nn.Module, tuple[Tensor, Tensor]] = {}
    model = copy.deepcopy(model).eval()
    for part in model.modules():
        if isinstance(part, MultiHeadAttention):
            part.register_forward_pre_hook(
                lambda m, args: inputs.update({m: (args[0], args[1])})
            )
    src = torch.tensor([[*WORDS.encode(SOURCE), WORDS.eos_id]])
    model(src, torch.tensor([[WORDS.bos_id, *WORDS.encode(TARGET)]]))
    found = {}
    for i in range(LAYERS):
        below, above = model.encoder.layers[i], model.decoder.layers[i]
        for kind, attention in (
            ("encoder", below.self_attention),
            ("decoder", above.self_attention),
            ("cross", above.cross_attention),
        ):
            found[kind, i] = weights_by_hand(
                attention, *inputs[attention], future=kind != "decoder"
            )
    return found


# --- attention_maps ---------------------------------------------------------


def test_the_maps_are_the_weights_of_a_pass(model: Transformer) -> None:
    by_hand = all_weights_by_hand(model)
    maps = attention_maps(model, WORDS, SOURCE, TARGET)
    assert len(maps) == 3 * LAYERS * HEADS
    for found in maps:
        expected = by_hand[found.kind, found.layer][found.head]
        assert_close(found.weights, expected)


def test_the_maps_come_by_kind_then_layer_then_head(
    model: Transformer,
) -> None:
    maps = attention_maps(model, WORDS, SOURCE, TARGET)
    assert [(m.kind, m.layer, m.head) for m in maps] == [
        (kind, layer, head)
        for kind in ("encoder", "decoder", "cross")
        for layer in range(LAYERS)
        for head in range(HEADS)
    ]


def test_rows_bear_the_token_written_and_columns_the_token_read(
    model: Transformer,
) -> None:
    source = ["I", " like", " pizza", "<eos>"]
    read = ["<bos>", "Ich", " mag", " Pizza"]
    written = ["Ich", " mag", " Pizza", "<eos>"]
    axes = {
        "encoder": (source, source),
        "decoder": (written, read),
        "cross": (written, source),
    }
    for found in attention_maps(model, WORDS, SOURCE, TARGET):
        assert (found.rows, found.columns) == axes[found.kind]


def test_a_map_has_a_row_and_a_column_for_each_name(
    model: Transformer,
) -> None:
    for found in attention_maps(model, WORDS, "I", "Ich mag mag Pizza"):
        assert found.weights.shape == (len(found.rows), len(found.columns))


def test_the_rows_sum_to_one(model: Transformer) -> None:
    for found in attention_maps(model, WORDS, SOURCE, TARGET):
        total = found.weights.sum(-1)
        assert_close(total, torch.ones_like(total))


def test_the_decoder_sees_nothing_that_is_still_to_be_written(
    model: Transformer,
) -> None:
    maps = attention_maps(model, WORDS, SOURCE, TARGET)
    for found in maps:
        future = found.weights.triu(1)
        assert bool(future.any()) is (found.kind != "decoder")


def test_a_fused_model_has_the_same_maps(model: Transformer) -> None:
    expected = attention_maps(model, WORDS, SOURCE, TARGET)
    fuse(model)
    found = attention_maps(model, WORDS, SOURCE, TARGET)
    for one, other in zip(found, expected, strict=True):
        assert_close(one.weights, other.weights)
        assert (one.rows, one.columns) == (other.rows, other.columns)


def test_a_fused_model_stays_fused(model: Transformer) -> None:
    fuse(model)
    attention_maps(model, WORDS, SOURCE, TARGET)
    attentions = [
        m for m in model.modules() if isinstance(m, MultiHeadAttention)
    ]
    assert {type(m) for m in attentions} == {FusedMultiHeadAttention}
    assert all(m.attention_weights is None for m in attentions)


def test_the_model_keeps_its_own_weights_and_modes(
    model: Transformer,
) -> None:
    model.encoder.layers[1].eval()
    attention = model.decoder.layers[0].cross_attention
    attention.attention_weights = kept = make("kept", 1, HEADS, 2, 2)
    modes = [m.training for m in model.modules()]
    state = {k: v.clone() for k, v in model.state_dict().items()}
    attention_maps(model, WORDS, SOURCE, TARGET)
    assert attention.attention_weights is kept
    assert model.decoder.layers[1].cross_attention.attention_weights is None
    assert [m.training for m in model.modules()] == modes
    for name, numbers in model.state_dict().items():
        assert_same(numbers, state[name])


def test_dropout_does_not_touch_the_maps(model: Transformer) -> None:
    first = attention_maps(model, WORDS, SOURCE, TARGET)
    second = attention_maps(model, WORDS, SOURCE, TARGET)
    for one, other in zip(first, second, strict=True):
        assert_same(one.weights, other.weights)


def test_the_maps_have_no_gradient(model: Transformer) -> None:
    maps = attention_maps(model, WORDS, SOURCE, TARGET)
    assert not any(found.weights.requires_grad for found in maps)


def test_an_empty_translation_is_only_its_eos(model: Transformer) -> None:
    cross = attention_maps(model, WORDS, "I", "")[-1]
    assert cross.rows == ["<eos>"]
    assert cross.weights.shape == (1, 2)


def test_an_empty_source_is_refused(model: Transformer) -> None:
    with pytest.raises(ValueError, match=r"^text \(''\)"):
        attention_maps(model, WORDS, "", TARGET)


class CrossFirst(nn.Module):
    """A reader's layer that defines its cross-attention first."""

    def __init__(self, names: tuple[str, str]) -> None:
        super().__init__()
        self.names = names
        for name in names:
            setattr(self, name, MultiHeadAttention(WIDTH, HEADS).double())

    def forward(
        self, x: Tensor, memory: Tensor, tgt_mask: Any, memory_mask: Any
    ) -> Tensor:
        own, cross = (getattr(self, n) for n in sorted(self.names)[::-1])
        x = x + own(x, x, x, tgt_mask)
        return x + cross(x, memory, memory, memory_mask)


def test_attentions_are_found_by_name_whatever_their_order(
    model: Transformer,
) -> None:
    # Sorted backwards, self_attention comes first: that one is masked.
    layer = CrossFirst(("cross_attention", "self_attention"))
    model.decoder.layers[1] = layer
    for found in attention_maps(model, WORDS, SOURCE, TARGET):
        if found.kind != "encoder":
            assert bool(found.weights.triu(1).any()) is (found.kind == "cross")


def test_attentions_of_other_names_are_found_by_order(
    model: Transformer,
) -> None:
    model.decoder.layers[0] = CrossFirst(("words", "source"))
    for found in attention_maps(model, WORDS, SOURCE, TARGET):
        if found.kind != "encoder":
            assert bool(found.weights.triu(1).any()) is (found.kind == "cross")


def test_layers_of_another_name_are_found_by_type(model: Transformer) -> None:
    class Pile(nn.Module):
        """A reader's stack, which calls its layers otherwise."""

        def __init__(self, layers: nn.ModuleList) -> None:
            super().__init__()
            self.floors = layers

        def forward(self, x: Tensor, *rest: Any) -> Tensor:
            for floor in self.floors:
                x = floor(x, *rest)
            return x

    before = attention_maps(model, WORDS, SOURCE, TARGET)
    model.encoder = Pile(model.encoder.layers)  # type: ignore[assignment]
    model.decoder = Pile(model.decoder.layers)  # type: ignore[assignment]
    after = attention_maps(model, WORDS, SOURCE, TARGET)
    assert len(after) == len(before)
    for one, other in zip(before, after, strict=True):
        assert (one.kind, one.layer, one.head) == (
            other.kind,
            other.layer,
            other.head,
        )
        assert_same(one.weights, other.weights)


@pytest.mark.parametrize(
    ("stack", "missing"),
    [("encoder", "self_attention"), ("decoder", "self_attention")],
)
def test_a_layer_without_attention_is_named(
    model: Transformer, stack: str, missing: str
) -> None:
    class Lazy(nn.Module):
        def forward(self, x: Tensor, *rest: Any) -> Tensor:
            return x

    getattr(model, stack).layers[1] = Lazy()
    message = rf"^model has a layer \(Lazy\) without {missing}$"
    with pytest.raises(ValueError, match=message):
        attention_maps(model, WORDS, SOURCE, TARGET)


def test_a_layer_without_cross_attention_is_named(model: Transformer) -> None:
    class Deaf(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.heads = MultiHeadAttention(WIDTH, HEADS).double()

        def forward(self, x: Tensor, *rest: Any) -> Tensor:
            return self.heads(x, x, x)

    model.decoder.layers[0] = Deaf()
    with pytest.raises(ValueError, match=r"\(Deaf\) without cross_attention$"):
        attention_maps(model, WORDS, SOURCE, TARGET)


def test_an_attention_that_keeps_nothing_is_refused(
    model: Transformer,
) -> None:
    class Forgetful(MultiHeadAttention):
        def forward(self, query: Tensor, *rest: Any) -> Tensor:
            return query

    model.encoder.layers[0].self_attention = Forgetful(WIDTH, HEADS)
    with pytest.raises(ValueError, match=r"^attention_weights is None"):
        attention_maps(model, WORDS, SOURCE, TARGET)


# --- token_texts ------------------------------------------------------------


def test_tokens_are_named_with_their_spaces() -> None:
    ids = [WORDS.bos_id, *WORDS.encode("I like"), WORDS.eos_id, WORDS.pad_id]
    assert token_texts(WORDS, ids) == ["<bos>", "I", " like", "<eos>", "<pad>"]


def test_a_part_of_a_character_gets_a_sign_for_it() -> None:
    assert token_texts(BYTES, BYTES.encode("aä")) == ["a", "�", "�"]


def test_no_tokens_have_no_names() -> None:
    assert token_texts(BYTES, []) == []


# --- select_maps ------------------------------------------------------------


def some_maps() -> list[AttentionMap]:
    """Make maps of two kinds; the layers of a real model start from 0."""
    return [
        AttentionMap(
            *(layer, kind, head, make(f"{kind} {layer} {head}", 2, 3)),
            rows=[kind, "r"],
            columns=["a", "b", "c"],
        )
        for kind in ("encoder", "cross")
        for layer in range(3)
        for head in range(2)
    ]


@pytest.mark.parametrize("layer", [0, 1, 2, -1, -2, -3])
@pytest.mark.parametrize("head", [0, 1])
@pytest.mark.parametrize("kind", ["encoder", "cross"])
def test_a_map_is_selected_by_kind_layer_and_head(
    kind: str, layer: int, head: int
) -> None:
    found = select_maps(some_maps(), kind, layer, head)
    assert (found.kind, found.layer, found.head) == (kind, layer % 3, head)
    assert_same(found.weights, make(f"{kind} {layer % 3} {head}", 2, 3))


def test_without_a_head_it_is_the_mean_over_the_heads() -> None:
    found = select_maps(some_maps(), "cross", -2)
    mean = (make("cross 1 0", 2, 3) + make("cross 1 1", 2, 3)) / 2
    assert_close(found.weights, mean)
    assert (found.kind, found.layer, found.head) == ("cross", 1, -1)
    assert (found.rows, found.columns) == (["cross", "r"], ["a", "b", "c"])


@pytest.mark.parametrize("kind", ["decoder", "crosss", ""])
def test_an_unknown_kind_is_refused(kind: str) -> None:
    message = rf"^kind \('{kind}'\) must be one of \('encoder', 'decoder', 'c"
    with pytest.raises(ValueError, match=message):
        select_maps(some_maps(), kind, 0)


@pytest.mark.parametrize("layer", [3, -4])
def test_a_layer_that_is_not_there_is_refused(layer: int) -> None:
    message = rf"^layer \({layer}\) must be from -3 to 2$"
    with pytest.raises(ValueError, match=message):
        select_maps(some_maps(), "cross", layer)


@pytest.mark.parametrize("head", [2, -1])
def test_a_head_that_is_not_there_is_refused(head: int) -> None:
    message = rf"^head \({head}\) must be None or from 0 to 1$"
    with pytest.raises(ValueError, match=message):
        select_maps(some_maps(), "cross", 0, head)


# --- pointing_accuracy ------------------------------------------------------


def looking(columns: list[int], width: int) -> Tensor:
    """Make weights in which each row looks mostly at one column."""
    weights = torch.full((len(columns), width), 0.1)
    for row, column in enumerate(columns):
        weights[row, column] = 0.7
    return weights


def link(
    source: str, target: str, word: str, translation: str
) -> tuple[int, int, int, int]:
    """Link two words by where they stand, in characters."""
    start, begin = source.index(word), target.index(translation)
    return start, start + len(word), begin, begin + len(translation)


PIZZA = link(SOURCE, TARGET, "pizza", "Pizza")
LIKE = link(SOURCE, TARGET, "like", "mag")
EYE = link(SOURCE, TARGET, "I", "Ich")


@pytest.mark.parametrize(
    ("columns", "share"),
    [
        ([0, 1, 2, 3], 1.0),
        ([0, 1, 3, 2], 2 / 3),
        ([1, 0, 2, 3], 1 / 3),
        ([3, 3, 3, 0], 0.0),
        # What eos looks at does not count.
        ([0, 1, 2, 0], 1.0),
    ],
)
def test_the_share_of_words_that_look_at_their_counterpart(
    columns: list[int], share: float
) -> None:
    # Tokens are "I", " like", " pizza": the space belongs to the token, so
    # the first letter of the word is its second byte.
    found = pointing_accuracy(
        looking(columns, 4), WORDS, SOURCE, TARGET, [EYE, LIKE, PIZZA]
    )
    assert found == pytest.approx(share)


def test_only_linked_words_count() -> None:
    weights = looking([2, 1, 2, 3], 4)
    found = pointing_accuracy(weights, WORDS, SOURCE, TARGET, [LIKE, PIZZA])
    assert found == 1.0


def test_the_largest_weight_counts_however_small_it_is() -> None:
    weights = looking([0, 1, 2, 3], 4)
    weights[1] = torch.tensor([0.24, 0.26, 0.25, 0.25])
    assert pointing_accuracy(weights, WORDS, SOURCE, TARGET, [LIKE]) == 1.0


def test_of_many_tokens_the_one_that_begins_the_word_counts() -> None:
    source, target = "two dogs", "zwei Hunde"
    dogs = link(source, target, "dogs", "Hunde")
    columns = [0] * 11
    # Byte 5 of the target is the H; byte 4 is the space before it.
    columns[5] = 6
    found = pointing_accuracy(
        looking(columns, 9), BYTES, source, target, [dogs]
    )
    assert found == 1.0
    columns[4], columns[5], columns[6] = 6, 0, 6
    found = pointing_accuracy(
        looking(columns, 9), BYTES, source, target, [dogs]
    )
    assert found == 0.0


@pytest.mark.parametrize(
    ("column", "right"),
    [(3, False), (4, True), (5, True), (7, True), (8, False)],
)
def test_any_token_of_the_source_word_will_do(
    column: int, right: bool
) -> None:
    # "two dogs" in bytes: the space is 3, "dogs" 4 to 7, eos 8.
    source, target = "two dogs", "Hunde"
    weights = looking([column] * 6, 9)
    links = [link(source, target, "dogs", "Hunde")]
    found = pointing_accuracy(weights, BYTES, source, target, links)
    assert found == float(right)


@pytest.mark.parametrize(
    ("column", "share"), [(6, 0.0), (7, 1.0), (8, 1.0), (9, 1.0), (10, 0.0)]
)
def test_places_are_characters_and_tokens_are_bytes(
    column: int, share: float
) -> None:
    # "ä", "ß", "ö" and "ü" are two bytes each: "öl" is bytes 7 to 9, with
    # eos after it.
    source, target = "a äß öl", "ää ää gü"
    columns = [0] * (len(target.encode()) + 1)
    columns[len("ää ää ".encode())] = column
    weights = looking(columns, len(source.encode()) + 1)
    links = [link(source, target, "öl", "gü")]
    found = pointing_accuracy(weights, BYTES, source, target, links)
    assert found == share


def test_a_part_of_a_word_may_be_linked() -> None:
    # German writes the one before the twenty, in one word.
    source, target = "twenty one", "einundzwanzig"
    links = [
        link(source, target, "twenty", "zwanzig"),
        link(source, target, "one", "ein"),
    ]
    columns = [10] * 14
    columns[0], columns[6] = 7, 0
    weights = looking(columns, 11)
    assert pointing_accuracy(weights, BYTES, source, target, links) == 1.0
    assert pointing_accuracy(weights, BYTES, source, target, links[:1]) == 1.0
    columns[6] = 7
    weights = looking(columns, 11)
    assert pointing_accuracy(weights, BYTES, source, target, links) == 0.5


def test_parts_of_one_token_share_its_row() -> None:
    source, target = "twenty one", "einundzwanzig"
    whole = BPETokenizer.train(["twenty one einundzwanzig"] * 2, 400)
    text = f"{source} {target}"
    assert len(whole.encode(text)) == 3
    links = [
        link(source, f"{target}", "twenty", "zwanzig"),
        link(source, f"{target}", "one", "ein"),
    ]
    tokens = len(whole.encode(target))
    weights = looking([1] * (tokens + 1), 3)
    found = pointing_accuracy(weights, whole, source, target, links)
    assert found == 0.5


def test_the_maps_of_a_model_can_be_judged(model: Transformer) -> None:
    maps = attention_maps(model, WORDS, SOURCE, TARGET)
    cross = select_maps(maps, "cross", -1)
    best = cross.weights.argmax(-1).tolist()
    share = sum(best[i] == i for i in range(3)) / 3
    links = [EYE, LIKE, PIZZA]
    found = pointing_accuracy(cross.weights, WORDS, SOURCE, TARGET, links)
    assert found == pytest.approx(share)


def test_without_links_there_is_no_share() -> None:
    with pytest.raises(ValueError, match=r"^links must hold at least one"):
        pointing_accuracy(looking([0] * 4, 4), WORDS, SOURCE, TARGET, [])


@pytest.mark.parametrize("shape", [(3, 4), (4, 3), (4, 5), (1, 4, 4)])
def test_weights_of_another_pair_are_refused(shape: tuple[int, ...]) -> None:
    message = r"^weights \(.*\) must have a row and a column .*, \(4, 4\)$"
    with pytest.raises(ValueError, match=message):
        pointing_accuracy(torch.ones(shape), WORDS, SOURCE, TARGET, [LIKE])


@pytest.mark.parametrize(
    "wrong",
    [
        (7, 13, 8, 13),
        (7, 12, 8, 14),
        (7, 12, 13, 14),
        (-5, 12, 8, 13),
        (7, 12, -1, 13),
        (7, 7, 8, 13),
        (7, 12, 9, 8),
    ],
)
def test_a_link_outside_the_pair_is_refused(
    wrong: tuple[int, int, int, int],
) -> None:
    message = r"^link \(.*\) must lie in 12 and 13 characters$"
    with pytest.raises(ValueError, match=message):
        pointing_accuracy(
            looking([0] * 4, 4), WORDS, SOURCE, TARGET, [LIKE, wrong]
        )
