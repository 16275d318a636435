"""Tests of the encoder layer and the decoder layer."""

import copy
from collections.abc import Callable

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
from oracle_model import (
    D_FF,
    assert_gradients_match,
    copy_weights,
    decoder_layer_of_torch,
    encoder_layer_of_torch,
    exact,
    fill,
    gradients_of,
    loop_decoder_layer,
    loop_encoder_layer,
    loop_norm,
    rates_of_dropout,
    replace_dropout,
    under,
    weights_of,
)
from torch import Tensor, nn

from laidout.attention import MultiHeadAttention
from laidout.feedforward import PositionwiseFeedForward
from laidout.layers import DecoderLayer, EncoderLayer
from laidout.normalization import LayerNorm

# --- inputs -----------------------------------------------------------------

NO_FUTURE = torch.ones(1, 1, TARGETS, TARGETS, dtype=torch.bool).tril()


def masks_over(queries: int, keys: int) -> dict[str, Tensor | None]:
    """Make masks of every shape for so many queries and keys."""
    return {
        "no mask": None,
        "one for all": make_mask("one", queries, keys),
        "padding": make_mask("padding", BATCH, 1, 1, keys),
        "for each sentence": make_mask("each", BATCH, 1, queries, keys),
        "for each head": make_mask("head", BATCH, HEADS, queries, keys),
    }


ENCODER_MASKS = masks_over(SOURCES, SOURCES)

DECODER_MASKS = {
    name: (tgt_mask, memory_mask)
    for (name, tgt_mask), memory_mask in zip(
        masks_over(TARGETS, TARGETS).items(),
        masks_over(TARGETS, SOURCES).values(),
        strict=True,
    )
} | {
    "the decoder's own": (
        NO_FUTURE & make_mask("words", BATCH, 1, 1, TARGETS),
        make_mask("padding", BATCH, 1, 1, SOURCES),
    ),
    "the target's alone": (NO_FUTURE, None),
    "the memory's alone": (None, make_mask("one", TARGETS, SOURCES)),
}

every_encoder_mask = pytest.mark.parametrize(
    "mask", ENCODER_MASKS.values(), ids=ENCODER_MASKS.keys()
)
every_decoder_mask = pytest.mark.parametrize(
    "masks", DECODER_MASKS.values(), ids=DECODER_MASKS.keys()
)

Masks = tuple[Tensor | None, Tensor | None]


def encoder_layer(dropout: float = 0.0) -> EncoderLayer:
    """Make the layer with our own numbers in all parameters, train mode."""
    layer = EncoderLayer(D_MODEL, HEADS, D_FF, dropout).double()
    fill(layer)
    return layer


def decoder_layer(dropout: float = 0.0) -> DecoderLayer:
    """Make the layer with our own numbers in all parameters, train mode."""
    layer = DecoderLayer(D_MODEL, HEADS, D_FF, dropout).double()
    fill(layer)
    return layer


def source() -> Tensor:
    """Make what stands for the source, (B, S, D)."""
    return make("source", BATCH, SOURCES, D_MODEL)


def target() -> Tensor:
    """Make what stands for the target, (B, T, D)."""
    return make("target", BATCH, TARGETS, D_MODEL)


def run(layer: nn.Module) -> Tensor:
    """Give the output of either layer, without masks."""
    inputs = [source()]
    if isinstance(layer, DecoderLayer):
        inputs = [target(), source()]
    output: Tensor = layer(*inputs)
    return output


BOTH = [encoder_layer, decoder_layer]

both_layers = pytest.mark.parametrize("make_layer", BOTH)

MakeLayer = Callable[..., EncoderLayer | DecoderLayer]


def mask_of_torch(mask: Tensor | None, queries: int) -> Tensor | None:
    """Say the same in torch's words: one mask for each head, True = no."""
    if mask is None:
        return None
    full = mask.expand(BATCH, HEADS, queries, mask.size(-1))
    return ~full.reshape(BATCH * HEADS, queries, -1)


# --- the right numbers ------------------------------------------------------


@every_encoder_mask
def test_an_encoder_layer_is_that_of_torch(mask: Tensor | None) -> None:
    layer, twin = encoder_layer(), encoder_layer_of_torch()
    copy_weights(layer, twin)
    ours, theirs = source().requires_grad_(), source().requires_grad_()
    output = layer(ours, mask)
    expected = twin(theirs, mask_of_torch(mask, SOURCES))
    assert_close(output, expected, 1e-10)

    upstream = make("upstream", BATCH, SOURCES, D_MODEL)
    (output * upstream).sum().backward()
    (expected * upstream).sum().backward()
    assert gradient_of(ours).abs().max() > 1e-3
    assert_close(gradient_of(ours), gradient_of(theirs), 1e-10)
    assert_gradients_match(layer, twin)


@every_decoder_mask
def test_a_decoder_layer_is_that_of_torch(masks: Masks) -> None:
    layer, twin = decoder_layer(), decoder_layer_of_torch()
    copy_weights(layer, twin)
    ours = target().requires_grad_(), source().requires_grad_()
    theirs = target().requires_grad_(), source().requires_grad_()
    output = layer(*ours, *masks)
    expected = twin(*theirs, *(mask_of_torch(m, TARGETS) for m in masks))
    assert_close(output, expected, 1e-10)

    upstream = make("upstream", BATCH, TARGETS, D_MODEL)
    (output * upstream).sum().backward()
    (expected * upstream).sum().backward()
    for mine, other in zip(ours, theirs, strict=True):
        assert gradient_of(mine).abs().max() > 1e-3
        assert_close(gradient_of(mine), gradient_of(other), 1e-10)
    assert_gradients_match(layer, twin)


@every_encoder_mask
def test_an_encoder_layer_is_that_of_slow_loops(mask: Tensor | None) -> None:
    layer = encoder_layer()
    expected = loop_encoder_layer(weights_of(layer), source(), mask)
    assert_close(layer(source(), mask), expected, 1e-11)


@every_decoder_mask
def test_a_decoder_layer_is_that_of_slow_loops(masks: Masks) -> None:
    layer = decoder_layer()
    expected = loop_decoder_layer(
        weights_of(layer), target(), source(), *masks
    )
    assert_close(layer(target(), source(), *masks), expected, 1e-11)


def test_masks_may_be_named() -> None:
    mask = ENCODER_MASKS["for each head"]
    layer = encoder_layer()
    assert_same(layer(source(), mask=mask), layer(source(), mask))
    tgt_mask, memory_mask = DECODER_MASKS["for each head"]
    other = decoder_layer()
    named = other(
        x=target(),
        memory=source(),
        memory_mask=memory_mask,
        tgt_mask=tgt_mask,
    )
    assert_same(named, other(target(), source(), tgt_mask, memory_mask))


def silence(*parts: nn.Module) -> None:
    """Let parts return nothing but zeros, as their last layer is zero."""
    with torch.no_grad():
        for part in parts:
            last = (
                part.w_o if isinstance(part, MultiHeadAttention) else part.w_2
            )
            last.weight.zero_()
            last.bias.zero_()


def test_an_encoder_layer_of_silent_sublayers_leaves_its_norms() -> None:
    # (1, 4, 7) has mean 4 and variance 6. LayerNorm(x + 0), twice.
    layer = EncoderLayer(3, 1, 5).double().eval()
    silence(layer.self_attention, layer.feed_forward)
    x = exact([[[1, 4, 7]]])
    first = 3 / (6 + 1e-5) ** 0.5
    variance = 2 * first**2 / 3
    second = first / (variance + 1e-5) ** 0.5
    assert layer(x).tolist() == [[pytest.approx([-second, 0.0, second])]]


def test_a_decoder_layer_of_silent_sublayers_leaves_its_norms() -> None:
    layer = decoder_layer()
    silence(layer.self_attention, layer.cross_attention, layer.feed_forward)
    expected = target()
    for name in ("norm_1", "norm_2", "norm_3"):
        expected = loop_norm(expected, **under(weights_of(layer), name))
    assert_close(layer(target(), source()), expected, 1e-11)


@both_layers
def test_every_output_ends_in_a_norm(make_layer: MakeLayer) -> None:
    layer = make_layer()
    with torch.no_grad():
        for part in layer.modules():
            if isinstance(part, LayerNorm):
                part.gain.fill_(1.0)
                part.bias.zero_()
    output = run(layer)
    zeros = torch.zeros(output.shape[:-1]).double()
    assert_close(output.mean(-1), zeros)
    assert_close(output.square().mean(-1), zeros + 1.0, 1e-3)


# --- who sees whom ----------------------------------------------------------


def test_what_a_mask_hides_moves_no_other_word_of_the_encoder() -> None:
    mask = torch.ones(1, 1, 1, SOURCES, dtype=torch.bool)
    mask[..., 3] = False
    layer, changed = encoder_layer(), source()
    changed[:, 3] += make("change", D_MODEL)
    moved = (layer(changed, mask) - layer(source(), mask)).abs().amax(-1)
    others = [s for s in range(SOURCES) if s != 3]
    assert (moved[:, others] < 1e-12).all()
    assert (moved[:, 3] > 1e-3).all()


def test_every_word_of_the_encoder_sees_every_other() -> None:
    layer, before = encoder_layer(), encoder_layer()(source())
    for position in range(SOURCES):
        changed = source()
        changed[:, position] += make("change", D_MODEL)
        assert ((layer(changed) - before).abs().amax(-1) > 1e-6).all()


def test_the_future_moves_no_earlier_output_of_the_decoder() -> None:
    layer, memory = decoder_layer(), source()
    before = layer(target(), memory, NO_FUTURE)
    for position in range(TARGETS):
        changed = target()
        changed[:, position] += make("change", D_MODEL)
        moved = (layer(changed, memory, NO_FUTURE) - before).abs().amax(-1)
        assert (moved[:, :position] < 1e-12).all()
        assert (moved[:, position:] > 1e-6).all()


def test_what_the_memory_mask_hides_moves_nothing() -> None:
    mask = torch.ones(1, 1, 1, SOURCES, dtype=torch.bool)
    mask[..., 3] = False
    layer = decoder_layer()
    before = layer(target(), source(), None, mask)
    for position in range(SOURCES):
        changed = source()
        changed[:, position] += make("change", D_MODEL)
        moved = (layer(target(), changed, None, mask) - before).abs()
        if position == 3:
            assert (moved < 1e-12).all()
        else:
            assert (moved.amax(-1) > 1e-6).all()


def test_the_order_of_the_memory_does_not_matter() -> None:
    layer, order = decoder_layer(), [4, 0, 6, 2, 1, 5, 3]
    assert_close(
        layer(target(), source()[:, order]), layer(target(), source()), 1e-11
    )


def test_permuted_words_permute_the_output_of_the_encoder() -> None:
    layer, order = encoder_layer(), [4, 0, 6, 2, 1, 5, 3]
    assert_close(layer(source()[:, order]), layer(source())[:, order], 1e-11)


@pytest.mark.parametrize("b", range(BATCH))
def test_batch_mates_do_not_matter(b: int) -> None:
    one = slice(b, b + 1)
    encoder, decoder = encoder_layer(), decoder_layer()
    assert_close(encoder(source()[one]), encoder(source())[one], 1e-11)
    assert_close(
        decoder(target()[one], source()[one]),
        decoder(target(), source())[one],
        1e-11,
    )


def test_the_maps_tell_self_attention_from_cross_attention() -> None:
    layer = decoder_layer()
    layer(target(), source())
    own = layer.self_attention.attention_weights
    across = layer.cross_attention.attention_weights
    assert own is not None
    assert across is not None
    assert own.shape == (BATCH, HEADS, TARGETS, TARGETS)
    assert across.shape == (BATCH, HEADS, TARGETS, SOURCES)


def test_words_that_may_see_nothing_are_finite_both_ways() -> None:
    nothing = torch.zeros(1, 1, 1, SOURCES, dtype=torch.bool)
    none_of_target = torch.zeros(TARGETS, TARGETS, dtype=torch.bool)
    encoder, decoder = encoder_layer(), decoder_layer()
    x, y = source().requires_grad_(), target().requires_grad_()
    output = decoder(y, encoder(x, nothing), none_of_target, nothing)
    assert_close(
        output.detach(),
        loop_decoder_layer(
            weights_of(decoder), target(), source(), none_of_target, nothing
        ),
        1e-11,
    )
    output.square().sum().backward()
    assert gradient_of(y).isfinite().all()
    # The memory is hidden: no gradient goes back to the source.
    assert_same(gradient_of(x), torch.zeros_like(x))
    for gradient in gradients_of(decoder).values():
        assert gradient.isfinite().all()


# --- dropout ----------------------------------------------------------------


@both_layers
def test_a_layer_has_one_dropout_for_its_sublayers(
    make_layer: MakeLayer,
) -> None:
    # None on the attention weights, none inside the feed-forward network.
    assert rates_of_dropout(make_layer(0.3)) == {"dropout": 0.3}
    assert rates_of_dropout(make_layer(0.0)) == {}


def test_the_rate_is_a_tenth_unless_told_otherwise() -> None:
    for layer in (EncoderLayer(4, 2, 3), DecoderLayer(4, 2, 3)):
        assert rates_of_dropout(layer) == {"dropout": 0.1}


def patterns(count: int, length: int) -> list[Tensor]:
    """Make different patterns of dropout, for a rate of a half."""
    return [
        2.0 * make_mask(f"pattern {i}", BATCH, length, D_MODEL)
        for i in range(count)
    ]


def test_dropout_falls_on_the_encoders_sublayers_before_the_sum() -> None:
    layer, dropped = encoder_layer(0.5), patterns(2, SOURCES)
    received = replace_dropout(layer.dropout, dropped)
    output = layer(source())
    assert len(received) == 2
    expected = loop_encoder_layer(weights_of(layer), source(), dropped=dropped)
    assert_close(output, expected, 1e-11)


def test_dropout_falls_on_the_decoders_sublayers_before_the_sum() -> None:
    layer, dropped = decoder_layer(0.5), patterns(3, TARGETS)
    received = replace_dropout(layer.dropout, dropped)
    output = layer(target(), source(), NO_FUTURE)
    assert len(received) == 3
    expected = loop_decoder_layer(
        weights_of(layer), target(), source(), NO_FUTURE, dropped=dropped
    )
    assert_close(output, expected, 1e-11)


@both_layers
def test_dropout_of_everything_leaves_the_norms_of_the_input(
    make_layer: MakeLayer,
) -> None:
    layer = make_layer(1.0).train()
    expected = target() if isinstance(layer, DecoderLayer) else source()
    weights = weights_of(layer)
    for part in layer.modules():
        if isinstance(part, LayerNorm):
            name = next(n for n, m in layer.named_modules() if m is part)
            expected = loop_norm(expected, **under(weights, name))
    assert_close(run(layer), expected, 1e-11)


@both_layers
def test_two_training_passes_differ_with_dropout(
    make_layer: MakeLayer,
) -> None:
    layer = make_layer(0.5).train()
    assert not torch.allclose(run(layer), run(layer))


@both_layers
def test_without_dropout_train_and_eval_mode_do_not_differ(
    make_layer: MakeLayer,
) -> None:
    training = run(make_layer(0.0).train())
    assert_same(run(make_layer(0.0).eval()), training)
    assert_same(run(make_layer(0.5).eval()), training)


# --- parameters -------------------------------------------------------------


def shapes(parts: list[str]) -> dict[str, tuple[int, ...]]:
    """Write out the state of a layer: names and shapes."""
    state: dict[str, tuple[int, ...]] = {}
    for name in parts:
        if "attention" in name:
            for x in "qkvo":
                state[f"{name}.w_{x}.weight"] = (D_MODEL, D_MODEL)
                state[f"{name}.w_{x}.bias"] = (D_MODEL,)
        elif name == "feed_forward":
            state[f"{name}.w_1.weight"] = (D_FF, D_MODEL)
            state[f"{name}.w_1.bias"] = (D_FF,)
            state[f"{name}.w_2.weight"] = (D_MODEL, D_FF)
            state[f"{name}.w_2.bias"] = (D_MODEL,)
        else:
            state[f"{name}.gain"] = (D_MODEL,)
            state[f"{name}.bias"] = (D_MODEL,)
    return state


@pytest.mark.parametrize(
    ("make_layer", "parts"),
    [
        (
            encoder_layer,
            ["self_attention", "feed_forward", "norm_1", "norm_2"],
        ),
        (
            decoder_layer,
            [
                *("self_attention", "cross_attention", "feed_forward"),
                *("norm_1", "norm_2", "norm_3"),
            ],
        ),
    ],
)
def test_the_state_holds_the_parts_of_figure_1_and_nothing_else(
    make_layer: MakeLayer, parts: list[str]
) -> None:
    layer = make_layer()
    state = {k: tuple(v.shape) for k, v in layer.state_dict().items()}
    assert state == shapes(parts)
    # Nothing serves twice: as many parameters as names.
    assert len(list(layer.parameters())) == len(state)
    storages = {p.data_ptr() for p in layer.parameters()}
    assert len(storages) == len(state)


@both_layers
def test_the_parts_are_those_of_the_package(make_layer: MakeLayer) -> None:
    layer = make_layer()
    kinds = {name: type(part) for name, part in layer.named_children()}
    for name, kind in kinds.items():
        if "attention" in name:
            assert kind is MultiHeadAttention
        elif "norm" in name:
            assert kind is LayerNorm
    assert kinds["feed_forward"] is PositionwiseFeedForward


@both_layers
def test_gradients_reach_every_parameter(make_layer: MakeLayer) -> None:
    layer = make_layer()
    output = run(layer)
    (output * make("upstream", *output.shape)).sum().backward()
    for name, gradient in gradients_of(layer).items():
        # The bias of the keys cancels in the softmax.
        if not name.endswith("w_k.bias"):
            assert gradient.abs().max() > 1e-4, name


@both_layers
def test_the_state_makes_the_round_trip(make_layer: MakeLayer) -> None:
    layer, other = make_layer(), make_layer()
    fill(other, seed=1)
    assert not torch.allclose(run(other), run(layer))
    other.load_state_dict(layer.state_dict(), strict=True)
    assert_same(run(other), run(layer))


@both_layers
def test_a_copy_is_equal_and_independent(make_layer: MakeLayer) -> None:
    layer = make_layer()
    before = run(layer)
    clone = copy.deepcopy(layer)
    assert_same(run(clone), before)
    fill(clone, seed=1)
    assert_same(run(layer), before)


@pytest.mark.parametrize("kind", [EncoderLayer, DecoderLayer])
def test_heads_that_do_not_divide_d_model_are_refused(
    kind: type[EncoderLayer | DecoderLayer],
) -> None:
    message = r"^num_heads \(3\) must divide d_model \(10\)"
    with pytest.raises(ValueError, match=message):
        kind(10, 3, 7)


# --- dtypes, devices, layouts -----------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float32, 1e-5), (torch.bfloat16, 1e-1)],
)
def test_every_dtype_is_kept_and_as_exact_as_it_can_be(
    dtype: torch.dtype, tolerance: float
) -> None:
    encoder, decoder = encoder_layer().to(dtype), decoder_layer().to(dtype)
    mask = ENCODER_MASKS["padding"]
    memory = encoder(source().to(dtype), mask)
    output = decoder(target().to(dtype), memory, NO_FUTURE, mask)
    assert memory.dtype is output.dtype is dtype
    exact_memory = encoder_layer()(source(), mask)
    expected = decoder_layer()(target(), exact_memory, NO_FUTURE, mask)
    assert_close(memory.double(), exact_memory, tolerance)
    assert_close(output.double(), expected, tolerance)


@pytest.mark.parametrize("batch", [1, BATCH])
def test_shapes_come_out_on_the_meta_device(batch: int) -> None:
    with torch.device("meta"):
        encoder = EncoderLayer(D_MODEL, HEADS, D_FF)
        decoder = DecoderLayer(D_MODEL, HEADS, D_FF)
        mask = torch.ones(batch, 1, 1, SOURCES, dtype=torch.bool)
        memory = encoder(torch.empty(batch, SOURCES, D_MODEL), mask)
        x = torch.empty(batch, TARGETS, D_MODEL)
        output = decoder(x, memory, NO_FUTURE.to("meta"), mask)
    assert memory.device.type == output.device.type == "meta"
    assert memory.shape == (batch, SOURCES, D_MODEL)
    assert output.shape == (batch, TARGETS, D_MODEL)


def test_a_target_of_one_word_and_a_source_of_one_word_work() -> None:
    layer = decoder_layer()
    x, memory = target()[:1, :1], source()[:1, :1]
    expected = loop_decoder_layer(weights_of(layer), x, memory)
    assert_close(layer(x, memory), expected, 1e-11)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_the_inputs_stay_as_they_were(dropout: float) -> None:
    x, memory = target(), source()
    masks = [
        make_mask("own", TARGETS, TARGETS),
        make_mask("across", TARGETS, SOURCES),
    ]
    decoder_layer(dropout)(x, memory, *masks)
    encoder_layer(dropout)(memory)
    assert_same(x, target())
    assert_same(memory, source())
    assert_same(masks[0], make_mask("own", TARGETS, TARGETS))
    assert_same(masks[1], make_mask("across", TARGETS, SOURCES))
    # Not even changed and changed back: autograd counts the changes.
    assert x._version == memory._version == 0
