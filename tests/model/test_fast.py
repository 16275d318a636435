"""Tests of the fast substitutes: they compute what the plain ones compute."""

import copy
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from oracle import (
    BATCH,
    D_MODEL,
    HEADS,
    SOURCES,
    TARGETS,
    assert_close,
    assert_same,
    gradient_of,
    make,
    make_mask,
)
from oracle_decoding import (
    BOS,
    EOS,
    PAD,
    Tokens,
    padded,
    randomise,
    slow_beam,
    slow_greedy,
    words_of,
)
from random_model import random_transformer
from torch import Tensor, nn

from laidout.attention import MultiHeadAttention
from laidout.decoding import beam_search, greedy_decode
from laidout.fast import (
    CachedDecoder,
    FusedLayerNorm,
    FusedMultiHeadAttention,
    can_cache,
    fuse,
    unfuse,
)
from laidout.layers import DecoderLayer
from laidout.masks import padding_mask, target_mask
from laidout.normalization import LayerNorm
from laidout.transformer import Decoder, Transformer

# --- FusedMultiHeadAttention ------------------------------------------------


def empty_row_mask() -> Tensor:
    """Make a mask in which two queries may attend to nothing."""
    mask = make_mask("empty", BATCH, 1, TARGETS, SOURCES)
    mask[0, 0, 3] = False
    mask[1, 0, 0] = False
    return mask


MASKS = {
    "no mask": None,
    "one for all": make_mask("TS", TARGETS, SOURCES),
    "padding": make_mask("B11S", BATCH, 1, 1, SOURCES),
    "for each sentence": make_mask("B1TS", BATCH, 1, TARGETS, SOURCES),
    "for each head": make_mask("BHTS", BATCH, HEADS, TARGETS, SOURCES),
    "empty rows": empty_row_mask(),
    "nothing": torch.zeros(1, 1, TARGETS, SOURCES, dtype=torch.bool),
}

every_mask = pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())


def attentions(
    dropout: float = 0.0,
) -> tuple[MultiHeadAttention, FusedMultiHeadAttention]:
    """Make a plain and a fused attention of the same parameters."""
    plain = MultiHeadAttention(D_MODEL, HEADS, dropout)
    randomise(plain, "attention", scale=0.2)
    fused = FusedMultiHeadAttention(D_MODEL, HEADS, dropout)
    fused.double().eval().load_state_dict(plain.state_dict())
    return plain, fused


def inputs() -> list[Tensor]:
    """Make query, key and value, and let autograd watch them."""
    return [
        make("query", BATCH, TARGETS, D_MODEL).requires_grad_(),
        make("key", BATCH, SOURCES, D_MODEL).requires_grad_(),
        make("value", BATCH, SOURCES, D_MODEL).requires_grad_(),
    ]


@every_mask
def test_fused_attention_equals_the_plain_one(mask: Tensor | None) -> None:
    plain, fused = attentions()
    assert_close(fused(*inputs(), mask), plain(*inputs(), mask))


@every_mask
def test_fused_attention_has_the_gradients_of_the_plain_one(
    mask: Tensor | None,
) -> None:
    upstream = make("upstream", BATCH, TARGETS, D_MODEL)
    plain, fused = attentions()
    expected, found = inputs(), inputs()
    (plain(*expected, mask) * upstream).sum().backward()
    (fused(*found, mask) * upstream).sum().backward()
    for mine, other in zip(found, expected, strict=True):
        assert_close(gradient_of(mine), gradient_of(other))
    for mine, other in zip(
        fused.parameters(), plain.parameters(), strict=True
    ):
        assert_close(gradient_of(mine), gradient_of(other), 1e-11)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_fused_attention_gives_zeros_where_nothing_is_allowed(
    dtype: torch.dtype,
) -> None:
    _, fused = attentions()
    fused.to(dtype)
    tensors = [x.detach().to(dtype).requires_grad_() for x in inputs()]
    output = fused(*tensors, empty_row_mask())
    # Zeros went into the output projection: only its bias is left.
    assert_same(output[0, 3], fused.w_o.bias)
    assert_same(output[1, 0], fused.w_o.bias)
    output.sum().backward()
    for tensor in tensors:
        assert gradient_of(tensor).isfinite().all()
    assert (gradient_of(tensors[0])[0, 3] == 0).all()


def test_fused_attention_of_a_sentence_with_itself_equals_the_plain_one() -> (
    None
):
    plain, fused = attentions()
    x = make("x", BATCH, TARGETS, D_MODEL)
    mask = target_mask(torch.tensor([[5, 6, 7, 8, 9], [5, 6, 2, 2, 2]]), 2)
    assert_close(fused(x, x, x, mask), plain(x, x, x, mask))


def test_fused_attention_keeps_no_weights() -> None:
    _, fused = attentions()
    fused(*inputs())
    assert fused.attention_weights is None


def test_fused_attention_drops_weights_in_training() -> None:
    _, fused = attentions(dropout=1.0)
    fused.train()
    output = fused(*inputs())
    assert_same(output, fused.w_o.bias.expand_as(output))


def test_fused_attention_drops_whole_weights_with_the_right_rate() -> None:
    # With one key every weight is 1: each head gives nothing or twice that.
    _, fused = attentions(dropout=0.5)
    with torch.no_grad():
        fused.w_o.weight.copy_(torch.eye(D_MODEL))
        fused.w_o.bias.zero_()
    query = make("query", BATCH, 97, D_MODEL)
    key = make("key", BATCH, 1, D_MODEL)
    plain = fused(query, key, key)
    dropped = fused.train()(query, key, key)
    heads = (
        dropped.unflatten(-1, (HEADS, -1)),
        plain.unflatten(-1, (HEADS, -1)),
    )
    nothing = (heads[0] == 0).all(-1)
    twice = ((heads[0] - 2 * heads[1]).abs() < 1e-12).all(-1)
    assert (nothing ^ twice).all()
    assert 0.4 < nothing.double().mean() < 0.6


def test_fused_attention_drops_nothing_in_evaluation() -> None:
    plain, fused = attentions(dropout=0.5)
    assert_close(fused(*inputs()), plain(*inputs()))


def test_fused_attention_drops_nothing_without_dropout() -> None:
    plain, fused = attentions(dropout=0.0)
    assert_close(fused.train()(*inputs()), plain(*inputs()))


def test_fused_attention_refuses_heads_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"num_heads \(5\)"):
        FusedMultiHeadAttention(D_MODEL, 5)


# --- FusedLayerNorm ---------------------------------------------------------


def norms(eps: float = 1e-5) -> tuple[LayerNorm, FusedLayerNorm]:
    """Make a plain and a fused norm of the same parameters."""
    plain, fused = LayerNorm(13, eps), FusedLayerNorm(13, eps)
    randomise(plain, "norm", scale=1.0)
    fused.double().load_state_dict(plain.state_dict())
    return plain, fused


@pytest.mark.parametrize("shape", [(13,), (3, 13), (2, 5, 13), (2, 3, 5, 13)])
@pytest.mark.parametrize("size", [1.0, 1e-3, 1e3, 0.0])
@pytest.mark.parametrize("eps", [1e-5, 0.1])
def test_the_fused_norm_equals_the_plain_one(
    shape: tuple[int, ...], size: float, eps: float
) -> None:
    plain, fused = norms(eps)
    x = make("x", *shape) * size + 3
    assert_close(fused(x), plain(x), 1e-11)


def test_the_fused_norm_has_the_gradients_of_the_plain_one() -> None:
    plain, fused = norms()
    upstream = make("upstream", 2, 5, 13)
    expected = make("x", 2, 5, 13).requires_grad_()
    found = make("x", 2, 5, 13).requires_grad_()
    (plain(expected) * upstream).sum().backward()
    (fused(found) * upstream).sum().backward()
    assert_close(gradient_of(found), gradient_of(expected))
    assert_close(gradient_of(fused.gain), gradient_of(plain.gain))
    assert_close(gradient_of(fused.bias), gradient_of(plain.bias))


# --- fuse and unfuse --------------------------------------------------------

SENTENCES: list[Tokens] = [(0, 1, 4, 6), (7,), (4, 4, 8, 9, 0, 1, 6), (9, 6)]


def transformer(name: str, share: bool = False) -> Transformer:
    """Make the Transformer of these tests."""
    return random_transformer(name, 13 if share else 11, share)


TGT = torch.tensor(
    [[BOS, 6, 9, 0], [BOS, 7, PAD, PAD], [BOS, 8, 8, 1], [BOS, 12, 0, PAD]]
)


def test_a_fused_model_says_the_same() -> None:
    plain, fused = transformer("0"), transformer("0")
    fuse(fused)
    src = padded(SENTENCES)
    assert_close(fused(src, TGT), plain(src, TGT), 1e-10)


def test_a_fused_model_learns_the_same() -> None:
    plain, fused = transformer("0"), transformer("0")
    fuse(fused)
    src = padded(SENTENCES)
    upstream = make("upstream", 4, 4, 13)
    for model in (plain, fused):
        (model(src, TGT) * upstream).sum().backward()
    for mine, other in zip(
        fused.parameters(), plain.parameters(), strict=True
    ):
        assert_close(gradient_of(mine), gradient_of(other), 1e-10)


def test_fusing_changes_all_attentions_and_norms_and_nothing_else() -> None:
    plain, fused = transformer("0"), transformer("0")
    fuse(fused)
    changed = {
        (type(before), type(after))
        for before, after in zip(plain.modules(), fused.modules(), strict=True)
        if type(before) is not type(after)
    }
    assert changed == {
        (MultiHeadAttention, FusedMultiHeadAttention),
        (LayerNorm, FusedLayerNorm),
    }
    kinds = [type(part) for part in fused.modules()]
    assert MultiHeadAttention not in kinds
    assert LayerNorm not in kinds
    assert kinds.count(FusedMultiHeadAttention) == 6
    assert kinds.count(FusedLayerNorm) == 10


def test_fusing_keeps_the_parameters_and_their_names() -> None:
    model = transformer("0")
    before = dict(model.named_parameters())
    state = copy.deepcopy(model.state_dict())
    fuse(model)
    after = dict(model.named_parameters())
    assert list(after) == list(before)
    assert all(after[name] is before[name] for name in before)
    assert list(model.state_dict()) == list(state)
    transformer("1").load_state_dict(model.state_dict())
    for name, value in state.items():
        assert_same(model.state_dict()[name], value)


def test_fusing_keeps_mode_and_dropout() -> None:
    model = transformer("0").train()
    fuse(model)
    assert all(part.training for part in model.modules())
    assert model.decoder.layers[0].dropout.p == 0.5


def test_fusing_forgets_the_weights_of_earlier_calls() -> None:
    model = transformer("0")
    model(padded(SENTENCES), TGT)
    attention: Any = model.encoder.layers[0]
    assert attention.self_attention.attention_weights is not None
    fuse(model)
    for part in model.modules():
        assert getattr(part, "attention_weights", None) is None
    model(padded(SENTENCES), TGT)
    assert attention.self_attention.attention_weights is None


class MyAttention(MultiHeadAttention):
    """A reader's own attention, built on the package's."""


class MyNorm(LayerNorm):
    """A reader's own norm."""


def test_fusing_leaves_a_reader_s_own_classes_alone() -> None:
    model = nn.ModuleList(
        [MyAttention(6, 2), MyNorm(6), nn.LayerNorm(6), LayerNorm(6)]
    )
    model[0](*[torch.ones(1, 2, 6)] * 3)
    fuse(model)
    assert [type(part) for part in model] == [
        MyAttention,
        MyNorm,
        nn.LayerNorm,
        FusedLayerNorm,
    ]
    assert model[0].attention_weights is not None
    unfuse(model)
    assert [type(part) for part in model][:3] == [
        MyAttention,
        MyNorm,
        nn.LayerNorm,
    ]


def test_fusing_takes_a_single_part_and_may_be_repeated() -> None:
    attention, norm = MultiHeadAttention(6, 2), LayerNorm(6)
    fuse(attention)
    fuse(norm)
    fuse(norm)
    assert type(attention) is FusedMultiHeadAttention
    assert type(norm) is FusedLayerNorm
    unfuse(norm)
    unfuse(norm)
    assert type(norm) is LayerNorm


def test_unfusing_brings_the_explicit_path_back() -> None:
    plain, model = transformer("0"), transformer("0")
    fuse(model)
    unfuse(model)
    src = padded(SENTENCES)
    for before, after in zip(plain.modules(), model.modules(), strict=True):
        assert type(after) is type(before)
    assert_close(model(src, TGT), plain(src, TGT), 1e-10)
    found: Any = model.decoder.layers[1]
    expected: Any = plain.decoder.layers[1]
    assert_close(
        found.cross_attention.attention_weights,
        expected.cross_attention.attention_weights,
        1e-10,
    )


# --- CachedDecoder: the same states -----------------------------------------

CLOSE = 1e-10
"""The sums of a long row and of its parts differ in the last digits."""


def memory_of(
    model: Any, sentences: list[Tokens], beams: int = 1
) -> tuple[Tensor, Tensor]:
    """Read sources; repeat each as often as it has hypotheses."""
    src = padded(sentences)
    mask = padding_mask(src, PAD)
    memory = model.encode(src, mask).detach()
    return (
        memory.repeat_interleave(beams, 0),
        mask.repeat_interleave(beams, 0),
    )


def assert_decodes_alike(
    cached: CachedDecoder, tgt: Tensor, memory: Tensor, **masks: Any
) -> None:
    """The last state is the one of the model without a cache."""
    with torch.no_grad():
        expected = cached.model.decode(tgt, memory, **masks)[:, -1:]
        assert_close(cached.decode(tgt, memory, **masks), expected, CLOSE)


@contextmanager
def counting(cached: CachedDecoder) -> Iterator[list[int]]:
    """List how many positions go through the first layer's queries."""
    layer: Any = cached.model.decoder.layers[0]
    lengths: list[int] = []
    handle = layer.self_attention.w_q.register_forward_pre_hook(
        lambda _, x: lengths.append(x[0].size(1))
    )
    yield lengths
    handle.remove()


def drawn(name: str, rows: int) -> Tensor:
    """Draw a token for each row, padding too now and then."""
    return (make(name, rows, 1).abs() * 7).long() % 13


@pytest.mark.parametrize("name", ["0", "1", "2"])
@pytest.mark.parametrize("fused", [False, True])
def test_a_cached_model_goes_on_word_by_word(name: str, fused: bool) -> None:
    model = transformer(name)
    if fused:
        fuse(model)
    cached = CachedDecoder(model)
    memory, mask = memory_of(model, SENTENCES)
    tgt = torch.full((4, 1), BOS)
    with counting(cached) as lengths:
        for step in range(8):
            with torch.no_grad():
                expected = model.decode(tgt, memory, memory_mask=mask)[:, -1:]
                lengths.clear()
                found = cached.decode(tgt, memory, memory_mask=mask)
            assert lengths == [1]
            assert_close(found, expected, CLOSE)
            tgt = torch.cat([tgt, drawn(f"{name} {step}", 4)], dim=1)


@pytest.mark.parametrize("name", ["0", "1", "2"])
@pytest.mark.parametrize("masked", [False, True])
def test_a_cached_model_follows_beams_that_move(
    name: str, masked: bool
) -> None:
    model = transformer(name)
    cached = CachedDecoder(model)
    # Two different sources, the first of them twice, three beams each.
    sources = [SENTENCES[0], SENTENCES[0], SENTENCES[2]]
    memory, mask = memory_of(model, sources, beams=3)
    masks = {"memory_mask": mask} if masked else {}
    tgt = torch.full((9, 1), BOS)
    with counting(cached) as lengths:
        for step in range(8):
            lengths.clear()
            assert_decodes_alike(cached, tgt, memory, **masks)
            # First the model itself, all positions, then the cache, one.
            assert lengths == [step + 1, 1]
            # Each goes on from some hypothesis of the same sentence.
            parents = drawn(f"parents {name} {step}", 9)[:, 0] % 3
            parents += torch.arange(9) // 3 * 3
            tgt = torch.cat([tgt[parents], drawn(f"{name} {step}", 9)], dim=1)
    assert tgt.unique(dim=0).size(0) > 3


@pytest.mark.parametrize(
    "sources",
    [SENTENCES[:3], [(0, 1, 4), (4, 1, 0), (7, 7, 7)]],
    ids=["of unequal length", "of equal length"],
)
def test_hypotheses_never_go_on_from_another_sentence(
    sources: list[Tokens],
) -> None:
    # All sources hear the same, but each gives it a meaning of its own.
    model = transformer("0")
    cached = CachedDecoder(model)
    memory, mask = memory_of(model, sources, beams=2)
    tgt = torch.full((6, 1), BOS)
    with counting(cached) as lengths:
        for kept in (0, 1, 1, 0, 1):
            lengths.clear()
            assert_decodes_alike(cached, tgt, memory, memory_mask=mask)
            assert lengths[1:] == [1]
            # Both go on from one of the two, and differ again.
            tgt = tgt[kept::2].repeat_interleave(2, 0)
            words = torch.tensor([[6], [7]] * 3)
            tgt = torch.cat([tgt, words], dim=1)
    states = cached.decode(tgt, memory, memory_mask=mask)[::2]
    assert (states[1:] - states[:-1]).abs().amax((1, 2)).min() > 1e-3


def test_sources_that_only_differ_in_their_masks_are_different() -> None:
    # The memory is the same, row by row; what may be seen of it is not.
    model = transformer("0")
    cached = CachedDecoder(model)
    memory, _ = memory_of(model, [SENTENCES[0]] * 3)
    mask = torch.tensor([[1, 1, 1, 0], [1, 0, 1, 1], [1, 1, 1, 1]]).bool()
    mask = mask[:, None, None]
    tgt = torch.full((3, 1), BOS)
    for word in (7, 7, 8):
        assert_decodes_alike(cached, tgt, memory, memory_mask=mask)
        tgt = torch.cat([tgt, torch.full((3, 1), word)], dim=1)


@pytest.mark.parametrize("sources", [[0, 2, 0, 2], [0, 0, 2, 0], [1, 1, 1, 1]])
def test_a_source_may_stand_anywhere_in_the_batch_twice(
    sources: list[int],
) -> None:
    model = transformer("1")
    cached = CachedDecoder(model)
    memory, mask = memory_of(model, [SENTENCES[s] for s in sources], beams=2)
    tgt = torch.full((8, 1), BOS)
    for step in range(5):
        with counting(cached) as lengths:
            assert_decodes_alike(cached, tgt, memory, memory_mask=mask)
        assert lengths == [step + 1, 1]
        tgt = tgt[torch.tensor([1, 0, 2, 2, 5, 5, 7, 6])]
        tgt = torch.cat([tgt, drawn(f"twice {step}", 8)], dim=1)


@pytest.mark.parametrize("share", [False, True])
def test_only_the_last_state_comes_back(share: bool) -> None:
    cached = CachedDecoder(transformer("0", share))
    memory, mask = memory_of(cached, SENTENCES)
    state = cached.decode(TGT, memory, memory_mask=mask)
    assert state.shape == (4, 1, 10)
    assert cached.output_projection(state).shape == (4, 1, 13)
    assert_decodes_alike(cached, TGT, memory, memory_mask=mask)


def test_a_cached_model_reads_the_source_as_the_model_does() -> None:
    cached = CachedDecoder(transformer("0"))
    src = padded(SENTENCES)
    assert_same(cached.encode(src), cached.model.encode(src))
    everything = torch.ones(4, 1, 1, 7).bool()
    assert_same(
        cached.encode(src, everything), cached.model.encode(src, everything)
    )
    assert cached.config is cached.model.config


# --- CachedDecoder: starting over -------------------------------------------


@pytest.fixture
def going() -> tuple[CachedDecoder, Tensor, Tensor, Tensor]:
    """Give a cached model that has said four words, and what it read."""
    model = transformer("0")
    cached = CachedDecoder(model)
    memory, mask = memory_of(model, SENTENCES)
    for length in range(1, 5):
        cached.decode(TGT[:, :length], memory, memory_mask=mask)
    return cached, TGT, memory, mask


Going = tuple[CachedDecoder, Tensor, Tensor, Tensor]


def longer(tgt: Tensor, more: int = 1) -> Tensor:
    """Say more words."""
    return nn.functional.pad(tgt, (0, more), value=7)


OTHER_TARGETS: dict[str, Callable[[Tensor], Tensor]] = {
    "the same again": lambda tgt: tgt,
    "two words more": lambda tgt: longer(tgt, 2),
    "one word less": lambda tgt: tgt[:, :3],
    "only bos": lambda tgt: tgt[:, :1],
    "another last word": lambda tgt: longer(tgt).index_fill(
        1, torch.tensor([3]), 9
    ),
    "another first word": lambda tgt: longer(tgt).index_fill(
        1, torch.tensor([0]), 9
    ),
    "the words of other sources": lambda tgt: longer(tgt.roll(1, 0)),
    "one row of another source": lambda tgt: longer(tgt[[0, 1, 0, 3]]),
}


@pytest.mark.parametrize(
    "change", OTHER_TARGETS.values(), ids=OTHER_TARGETS.keys()
)
def test_what_does_not_continue_the_last_call_starts_over(
    going: Going, change: Callable[[Tensor], Tensor]
) -> None:
    cached, tgt, memory, mask = going
    tgt = change(tgt)
    with counting(cached) as lengths:
        assert_decodes_alike(cached, tgt, memory, memory_mask=mask)
        assert lengths == [tgt.size(1)] * 2
        # And from there it goes on.
        assert_decodes_alike(cached, longer(tgt), memory, memory_mask=mask)
        assert lengths[2:] == [tgt.size(1) + 1, 1]


def test_another_memory_starts_over(going: Going) -> None:
    cached, tgt, memory, mask = going
    other = memory + make("noise", *memory.shape)
    assert_decodes_alike(cached, longer(tgt), other, memory_mask=mask)


def test_another_memory_mask_starts_over(going: Going) -> None:
    cached, tgt, memory, mask = going
    other = mask.clone()
    other[:, :, :, 0] = False
    assert_decodes_alike(cached, longer(tgt), memory, memory_mask=other)
    assert_decodes_alike(cached, longer(tgt, 2), memory)
    assert_decodes_alike(cached, longer(tgt, 3), memory, memory_mask=mask)


def test_fewer_and_more_sentences_start_over(going: Going) -> None:
    cached, tgt, memory, mask = going
    assert_decodes_alike(
        cached, longer(tgt)[:2], memory[:2], memory_mask=mask[:2]
    )
    assert_decodes_alike(cached, longer(tgt, 2), memory, memory_mask=mask)


def test_a_target_mask_of_one_s_own_is_heeded_and_starts_over(
    going: Going,
) -> None:
    cached, tgt, memory, mask = going
    own = make_mask("own", 4, 1, 5, 5)
    with counting(cached) as lengths:
        assert_decodes_alike(
            cached, longer(tgt), memory, tgt_mask=own, memory_mask=mask
        )
        assert lengths == [5, 5]


def test_nothing_goes_on_from_a_target_mask_of_one_s_own(
    going: Going,
) -> None:
    # What was computed with that mask is not what the usual one gives.
    cached, tgt, memory, mask = going
    everything = torch.ones(1, 1, 5, 5).bool()
    assert_decodes_alike(
        cached, longer(tgt), memory, tgt_mask=everything, memory_mask=mask
    )
    assert_decodes_alike(cached, longer(tgt, 2), memory, memory_mask=mask)
    assert_decodes_alike(cached, longer(tgt, 3), memory, memory_mask=mask)


def test_a_target_that_is_rearranged_in_place_is_noticed() -> None:
    # Some searches write all hypotheses into one tensor made beforehand.
    model = transformer("0")
    cached = CachedDecoder(model)
    memory, mask = memory_of(model, SENTENCES[:1], beams=3)
    tokens = torch.full((3, 6), PAD)
    tokens[:, 0] = BOS
    for step in range(1, 6):
        assert_decodes_alike(
            cached, tokens[:, :step], memory, memory_mask=mask
        )
        tokens[:, :step] = tokens[[2, 0, 1], :step]
        tokens[:, step] = torch.tensor([6, 7, 8])


def test_after_an_error_it_starts_over() -> None:
    model = transformer("0")
    cached = CachedDecoder(model)
    memory, mask = memory_of(model, SENTENCES[:1], beams=2)
    tgt = torch.tensor([[BOS, 6], [BOS, 7]])
    cached.decode(tgt, memory, memory_mask=mask)
    moved = longer(tgt[[1, 0]])
    layer: Any = model.decoder.layers[1]
    handle = layer.feed_forward.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="oh no"):
        cached.decode(moved, memory, memory_mask=mask)
    handle.remove()
    assert_decodes_alike(cached, moved, memory, memory_mask=mask)
    assert_decodes_alike(cached, longer(tgt), memory, memory_mask=mask)


def fail(*_: Any) -> None:
    """Raise an error in the middle of a pass."""
    raise RuntimeError("oh no")


@pytest.mark.parametrize("shape", [(1, 1, 1, 7), (7,), (1, 7), (4, 1, 1, 7)])
def test_a_memory_mask_broadcasts(shape: tuple[int, ...]) -> None:
    cached = CachedDecoder(transformer("0"))
    memory, _ = memory_of(cached, SENTENCES)
    mask = make_mask("hides some", *shape)
    assert not mask.all()
    for length in range(1, 5):
        assert_decodes_alike(cached, TGT[:, :length], memory, memory_mask=mask)


@pytest.mark.parametrize("empty", [0, 2])
def test_a_source_of_which_nothing_may_be_seen_works(empty: int) -> None:
    cached = CachedDecoder(transformer("0"))
    memory, mask = memory_of(cached, SENTENCES)
    mask[empty] = False
    for length in range(1, 5):
        assert_decodes_alike(cached, TGT[:, :length], memory, memory_mask=mask)


def test_a_sentence_that_is_too_long_is_refused_with_and_without_a_cache(
    going: Going,
) -> None:
    cached, tgt, memory, mask = going
    with pytest.raises(ValueError, match=r"max_len \(17\)"):
        cached.decode(longer(tgt, 14), memory, memory_mask=mask)


# --- CachedDecoder: the same searches ---------------------------------------

NAMES = [str(number) for number in range(6)]


@pytest.mark.parametrize("name", NAMES)
def test_greedy_says_the_same_with_a_cache(name: str) -> None:
    model = transformer(name)
    src = padded([*SENTENCES, SENTENCES[0], SENTENCES[0]])
    cached = CachedDecoder(model)
    with counting(cached) as lengths:
        found = greedy_decode(cached, src, 11, BOS, EOS)
    assert lengths == [1] * (found.size(1) - 1)
    assert_same(found, greedy_decode(model, src, 11, BOS, EOS))


@pytest.mark.parametrize("penalty", [0.6, 2.0])
@pytest.mark.parametrize("size", [1, 2, 4])
@pytest.mark.parametrize("name", NAMES)
def test_a_beam_says_the_same_with_a_cache(
    name: str, size: int, penalty: float
) -> None:
    model = transformer(name)
    src = padded([SENTENCES[1], SENTENCES[1], *SENTENCES])
    cached = CachedDecoder(model)
    with counting(cached) as lengths:
        found = beam_search(cached, src, size, penalty, 11, BOS, EOS)
    assert len(lengths) >= found.size(1) - 1
    assert set(lengths) == {1}
    expected = beam_search(model, src, size, penalty, 11, BOS, EOS)
    assert_same(found, expected)


def test_slow_searches_agree_too() -> None:
    model = transformer("1")
    cached = CachedDecoder(model)
    fuse(cached)
    words = [words_of(transformer("1"), sentence) for sentence in SENTENCES]
    src = padded(SENTENCES)
    assert_same(
        greedy_decode(cached, src, 9, BOS, EOS),
        padded([slow_greedy(w, 9) for w in words]),
    )
    assert_same(
        beam_search(cached, src, 3, 0.6, 9, BOS, EOS),
        padded([slow_beam(w, 3, 0.6, 9) for w in words]),
    )


def test_one_cached_model_serves_one_batch_after_the_other() -> None:
    model = transformer("1")
    cached = CachedDecoder(model)
    for sentences in itertools.permutations(SENTENCES, 2):
        src = padded(list(sentences))
        found = beam_search(cached, src, 3, 0.6, 7, BOS, EOS)
        assert_same(found, beam_search(model, src, 3, 0.6, 7, BOS, EOS))


def test_a_cached_model_follows_its_model_s_weights() -> None:
    model = transformer("1")
    cached = CachedDecoder(model)
    src = padded(SENTENCES)
    before = greedy_decode(cached, src, 9, BOS, EOS)
    randomise(model, "3", scale=0.3)
    after = greedy_decode(cached, src, 9, BOS, EOS)
    assert_same(after, greedy_decode(model, src, 9, BOS, EOS))
    assert after.tolist() != before.tolist()


@pytest.mark.parametrize("training", [True, False])
def test_decoding_with_a_cache_leaves_the_model_s_mode(
    training: bool,
) -> None:
    model = transformer("0").train()
    cached = CachedDecoder(model)
    model.train(training)
    greedy_decode(cached, padded(SENTENCES), 5, BOS, EOS)
    beam_search(cached, padded(SENTENCES), 2, 0.6, 5, BOS, EOS)
    assert all(part.training is training for part in model.modules())


def test_dropout_is_off_while_a_cached_model_decodes() -> None:
    model = transformer("1")
    src = padded(SENTENCES)
    expected = greedy_decode(model, src, 9, BOS, EOS)
    cached = CachedDecoder(model.train())
    assert_same(greedy_decode(cached, src, 9, BOS, EOS), expected)


def test_nothing_is_made_on_another_device_than_that_of_the_inputs() -> None:
    model = transformer("1")
    src = padded(SENTENCES)
    expected = beam_search(model, src, 3, 0.6, 9, BOS, EOS)
    cached = CachedDecoder(model)
    # What is made without a device would be made on "meta", and not fit.
    with torch.device("meta"):
        found = beam_search(cached, src, 3, 0.6, 9, BOS, EOS)
    assert_same(found, expected)


# --- who can be cached ------------------------------------------------------


class MyTransformer(Transformer):
    """A reader's own Transformer, which decodes in its own way."""

    def decode(self, *args: Any, **kwargs: Any) -> Tensor:
        """Change the sign."""
        return -super().decode(*args, **kwargs)


class MyNameForIt(Transformer):
    """The package's Transformer under another name."""


class MyDecoder(Decoder):
    """A reader's own stack."""


class MyLayer(DecoderLayer):
    """A reader's own layer."""


def with_my_decode() -> nn.Module:
    return MyTransformer(transformer("0").config)


def with_my_decoder() -> nn.Module:
    model = transformer("0")
    model.decoder = MyDecoder(model.config)
    return model


def with_my_layer() -> nn.Module:
    model = transformer("0")
    model.decoder.layers[1] = MyLayer(10, 2, 7)
    return model


def with_my_self_attention() -> nn.Module:
    model = transformer("0")
    layer: Any = model.decoder.layers[1]
    layer.self_attention = MyAttention(10, 2)
    return model


def with_my_cross_attention() -> nn.Module:
    model = transformer("0")
    layer: Any = model.decoder.layers[0]
    layer.cross_attention = MyAttention(10, 2)
    return model


def no_transformer() -> nn.Module:
    return nn.Transformer(8, 2, 1, 1, 8, batch_first=True)


@pytest.mark.parametrize(
    "foreign",
    [
        with_my_decode,
        with_my_decoder,
        with_my_layer,
        with_my_self_attention,
        with_my_cross_attention,
        no_transformer,
    ],
)
def test_a_model_with_foreign_parts_cannot_be_cached(
    foreign: Callable[[], Any],
) -> None:
    model = foreign()
    assert not can_cache(model)
    name = type(model).__name__
    with pytest.raises(ValueError, match=rf"model must be .*got {name}$"):
        CachedDecoder(model)


def test_the_package_s_own_model_can_be_cached_fused_or_not() -> None:
    model = transformer("0")
    assert can_cache(model)
    fuse(model)
    assert can_cache(model)
    assert can_cache(MyNameForIt(transformer("0").config))


def test_a_reader_s_own_encoder_feed_forward_and_norm_can_be_cached() -> None:
    model = transformer("0")
    for layer in model.decoder.layers:
        some: Any = layer
        some.feed_forward = nn.Sequential(nn.Linear(10, 3), nn.Tanh())
        some.feed_forward.append(nn.Linear(3, 10)).double()
        some.norm_3 = nn.LayerNorm(10).double()
    cached = CachedDecoder(model)
    memory, mask = memory_of(model, SENTENCES)
    for length in range(1, 5):
        assert_decodes_alike(cached, TGT[:, :length], memory, memory_mask=mask)
