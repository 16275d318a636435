"""Tests of the whole model: its sizes, its stacks and how it is wired."""

import copy
import math
from dataclasses import FrozenInstanceError, asdict, replace
from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import (
    D_MODEL,
    HEADS,
    assert_close,
    assert_same,
    gradient_of,
    make,
    make_mask,
)
from oracle_model import (
    D_FF,
    LAYERS,
    PAD,
    SRC,
    TGT,
    VOCABULARY,
    assert_gradients_match,
    copy_weights,
    fill,
    gradients_of,
    in_float64,
    loop_decoder_layer,
    loop_encoder_layer,
    loop_encoding,
    loop_input,
    loop_norm,
    loop_transformer,
    masks_of_torch,
    rates_of_dropout,
    replace_dropout,
    transformer_of_torch,
    under,
    weights_of,
)
from torch import Tensor, nn
from torch.nn import functional

from laidout.layers import DecoderLayer, EncoderLayer
from laidout.masks import padding_mask, target_mask
from laidout.normalization import LayerNorm
from laidout.transformer import (
    Decoder,
    Encoder,
    Transformer,
    TransformerConfig,
)

MAX_LEN = 11

REAL = TGT != PAD
"""Where the target has a word, (B, T)."""

SHARED = TransformerConfig(
    VOCABULARY,
    VOCABULARY,
    d_model=D_MODEL,
    num_heads=HEADS,
    num_layers=LAYERS,
    d_ff=D_FF,
    dropout=0.0,
    max_len=MAX_LEN,
    pad_id=PAD,
)

SEPARATE = replace(SHARED, src_vocab_size=23, share_embeddings=False)

both_configs = pytest.mark.parametrize(
    "config", [SHARED, SEPARATE], ids=["shared", "separate"]
)


def model(
    config: TransformerConfig = SHARED, seed: int = 0, **changes: object
) -> Transformer:
    """Make a model with our own numbers everywhere, train mode.

    Even padding has an embedding that is not zero: whatever it is, nobody
    may see it.
    """
    with in_float64():
        module = Transformer(replace(config, **changes))  # type: ignore[arg-type]
    fill(module, seed)
    return module


def tables(module: Transformer) -> tuple[Tensor, Tensor, Tensor]:
    """Give the three matrices that section 3.4 shares."""
    return (
        module.src_embedding.embedding.weight,
        module.tgt_embedding.embedding.weight,
        module.output_projection.weight,
    )


# --- TransformerConfig ------------------------------------------------------


def test_the_default_sizes_are_the_base_model_of_table_3() -> None:
    assert asdict(TransformerConfig(23, 23)) == {
        "src_vocab_size": 23,
        "tgt_vocab_size": 23,
        "d_model": 512,
        "num_heads": 8,
        "num_layers": 6,
        "d_ff": 2048,
        "dropout": 0.1,
        "max_len": 5000,
        "pad_id": 0,
        "share_embeddings": True,
    }


def test_base_is_the_default_with_37000_tokens() -> None:
    assert TransformerConfig.base() == TransformerConfig(37_000, 37_000)
    assert TransformerConfig.base(23, 29) == TransformerConfig(23, 29)


def test_big_is_the_last_row_of_table_3() -> None:
    table_3 = {
        "d_model": 1024,
        "num_heads": 16,
        "d_ff": 4096,
        "dropout": 0.3,
    }
    big = TransformerConfig.big()
    assert asdict(big) == asdict(TransformerConfig.base()) | table_3
    assert TransformerConfig.big(23, 29) == replace(
        big, src_vocab_size=23, tgt_vocab_size=29
    )


def test_tiny_is_the_phrase_model() -> None:
    assert TransformerConfig.tiny(23, 29) == TransformerConfig(
        src_vocab_size=23,
        tgt_vocab_size=29,
        d_model=64,
        num_heads=4,
        num_layers=2,
        d_ff=256,
    )


@pytest.mark.parametrize(
    "config", [TransformerConfig.base(), TransformerConfig.big()]
)
def test_both_of_the_papers_models_have_heads_of_64(
    config: TransformerConfig,
) -> None:
    assert config.d_model == 64 * config.num_heads


@pytest.mark.parametrize("number", [0, -1])
@pytest.mark.parametrize(
    "name",
    [
        *("src_vocab_size", "tgt_vocab_size", "d_model", "num_heads"),
        *("num_layers", "d_ff", "max_len"),
    ],
)
def test_a_size_that_is_not_positive_is_named_in_the_error(
    name: str, number: int
) -> None:
    message = rf"^{name} \({number}\) must be positive"
    with pytest.raises(ValueError, match=message):
        replace(SHARED, **{name: number})


@pytest.mark.parametrize("dropout", [-0.1, 1.0, 1.5, math.nan])
def test_a_dropout_that_is_no_rate_is_named_in_the_error(
    dropout: float,
) -> None:
    message = rf"^dropout \({dropout}\) must be in \[0, 1\)"
    with pytest.raises(ValueError, match=message):
        replace(SHARED, dropout=dropout)


@pytest.mark.parametrize("pad_id", [-1, 23, 28, 29])
@pytest.mark.parametrize(("src", "tgt"), [(23, 29), (29, 23)])
def test_a_pad_id_beyond_a_vocabulary_is_named_in_the_error(
    pad_id: int, src: int, tgt: int
) -> None:
    message = rf"^pad_id \({pad_id}\) must be a token, below 23"
    with pytest.raises(ValueError, match=message):
        TransformerConfig(src, tgt, pad_id=pad_id)


def test_the_smallest_and_the_largest_values_are_accepted() -> None:
    smallest = TransformerConfig(1, 1, 1, 1, 1, 1, 0.0, 1)
    tokens = torch.zeros(1, 1, dtype=torch.long)
    assert Transformer(smallest)(tokens, tokens).shape == (1, 1, 1)
    assert TransformerConfig(23, 29, pad_id=22).pad_id == 22
    assert TransformerConfig(23, 29, dropout=0.999).dropout == 0.999


def test_a_config_cannot_be_changed_and_can_be_a_key() -> None:
    with pytest.raises(FrozenInstanceError, match="d_model"):
        SHARED.d_model = 5  # type: ignore[misc]
    assert {SHARED: 1}[replace(SHARED)] == 1


def test_a_model_keeps_its_config() -> None:
    assert model(SEPARATE).config == SEPARATE


def test_heads_that_do_not_divide_d_model_are_refused() -> None:
    message = r"^num_heads \(5\) must divide d_model \(33\)"
    with pytest.raises(ValueError, match=message):
        Transformer(replace(SHARED, num_heads=5))


def test_vocabularies_that_differ_cannot_be_shared() -> None:
    message = (
        "^share_embeddings needs one vocabulary, but "
        "src_vocab_size is 23 and tgt_vocab_size 29"
    )
    with pytest.raises(ValueError, match=message):
        Transformer(replace(SHARED, src_vocab_size=23))


# --- the right numbers: torch.nn --------------------------------------------


def source() -> Tensor:
    """Make what stands for the embedded source, (B, S, D)."""
    return make("source", *SRC.shape, D_MODEL)


def target() -> Tensor:
    """Make what stands for the embedded target, (B, T, D)."""
    return make("target", *TGT.shape, D_MODEL)


def test_the_encoder_is_that_of_torch() -> None:
    stack, twin = model().encoder, transformer_of_torch().encoder
    copy_weights(stack, twin)
    ours, theirs = source().requires_grad_(), source().requires_grad_()
    output = stack(ours, (SRC != PAD)[:, None, None, :])
    expected = twin(theirs, src_key_padding_mask=SRC == PAD)
    real = SRC != PAD
    assert_close(output[real], expected[real], 1e-10)

    upstream = make("upstream", *output.shape)[real]
    (output[real] * upstream).sum().backward()
    (expected[real] * upstream).sum().backward()
    assert_close(gradient_of(ours), gradient_of(theirs), 1e-10)
    assert_gradients_match(stack, twin)


def test_the_decoder_is_that_of_torch() -> None:
    stack, twin = model().decoder, transformer_of_torch().decoder
    copy_weights(stack, twin)
    ours = target().requires_grad_(), source().requires_grad_()
    theirs = target().requires_grad_(), source().requires_grad_()
    tgt_mask = make_mask("own", TGT.size(1), TGT.size(1))
    memory_mask = make_mask("across", TGT.size(1), SRC.size(1))
    output = stack(*ours, tgt_mask, memory_mask)
    expected = twin(*theirs, ~tgt_mask, ~memory_mask)
    assert_close(output, expected, 1e-10)

    upstream = make("upstream", *output.shape)
    (output * upstream).sum().backward()
    (expected * upstream).sum().backward()
    for mine, other in zip(ours, theirs, strict=True):
        assert gradient_of(mine).abs().max() > 1e-3
        assert_close(gradient_of(mine), gradient_of(other), 1e-10)
    assert_gradients_match(stack, twin)


class ModelOfTorch(nn.Module):
    """torch's Transformer between embeddings and logits of our own making."""

    def __init__(self, module: Transformer) -> None:
        super().__init__()
        self.src, self.tgt, self.output = (
            nn.Parameter(t.detach().clone()) for t in tables(module)
        )
        self.stacks = transformer_of_torch()
        weights = {
            name: weight
            for name, weight in weights_of(module).items()
            if name.startswith(("encoder.", "decoder."))
        }
        holder = nn.ModuleDict(
            {"encoder": module.encoder, "decoder": module.decoder}
        )
        assert weights_of(holder).keys() == weights.keys()
        copy_weights(holder, self.stacks)

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        """Return the logits (B, T, V)."""
        embedded = []
        for table, tokens in ((self.src, src), (self.tgt, tgt)):
            scaled = table[tokens] * math.sqrt(D_MODEL)
            encoding = loop_encoding(tokens.size(1), D_MODEL)
            embedded.append(scaled + encoding)
        hidden = self.stacks(*embedded, **masks_of_torch(src, tgt))
        return hidden @ self.output.T


@both_configs
@pytest.mark.parametrize("training", [True, False])
def test_the_logits_are_those_of_torch(
    config: TransformerConfig, training: bool
) -> None:
    module = model(config).train(training)
    expected = ModelOfTorch(module)(SRC, TGT)
    output = module(SRC, TGT)
    assert output.shape == (*TGT.shape, VOCABULARY)
    assert_close(output[REAL], expected[REAL], 1e-10)


@both_configs
def test_the_gradients_are_those_of_torch(config: TransformerConfig) -> None:
    module = model(config)
    twin = ModelOfTorch(module)
    upstream = make("upstream", *TGT.shape, VOCABULARY)[REAL]
    (module(SRC, TGT)[REAL] * upstream).sum().backward()
    (twin(SRC, TGT)[REAL] * upstream).sum().backward()
    assert_gradients_match(module.encoder, twin.stacks.encoder)
    assert_gradients_match(module.decoder, twin.stacks.decoder)
    theirs = [gradient_of(t) for t in (twin.src, twin.tgt, twin.output)]
    if config.share_embeddings:
        # One matrix: its gradient is the sum over its three uses.
        theirs = [sum(theirs[1:], theirs[0])] * 3
    for table, expected in zip(tables(module), theirs, strict=True):
        assert_close(gradient_of(table), expected, 1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_the_next_tokens_are_those_of_torch(seed: int) -> None:
    # As it is used: in eval mode, without gradients, other numbers.
    module = model(SEPARATE, seed).eval()
    twin = ModelOfTorch(module)
    with torch.no_grad():
        output, expected = module(SRC, TGT)[REAL], twin(SRC, TGT)[REAL]
    assert_close(output, expected, 1e-10)
    assert_same(output.argmax(-1), expected.argmax(-1))


# --- the right numbers: slow loops ------------------------------------------


@both_configs
def test_the_logits_are_those_of_slow_loops(config: TransformerConfig) -> None:
    # At all positions, those of padding too.
    module = model(config)
    expected = loop_transformer(weights_of(module), SRC, TGT)
    assert_close(module(SRC, TGT), expected, 1e-10)


def test_every_layer_of_the_encoder_gets_the_mask() -> None:
    stack = model().encoder
    mask = make_mask("own", SRC.size(1), SRC.size(1))
    expected = source()
    for i in range(LAYERS):
        weights = under(weights_of(stack), f"layers.{i}")
        expected = loop_encoder_layer(weights, expected, mask)
    assert_close(stack(source(), mask), expected, 1e-11)
    assert_close(stack(source(), mask=mask), expected, 1e-11)


def test_every_layer_of_the_decoder_gets_memory_and_masks() -> None:
    stack = model().decoder
    masks = {
        "tgt_mask": make_mask("own", TGT.size(1), TGT.size(1)),
        "memory_mask": make_mask("across", TGT.size(1), SRC.size(1)),
    }
    expected = target()
    for i in range(LAYERS):
        weights = under(weights_of(stack), f"layers.{i}")
        expected = loop_decoder_layer(weights, expected, source(), **masks)
    assert_close(stack(target(), source(), *masks.values()), expected, 1e-11)
    assert_close(stack(target(), source(), **masks), expected, 1e-11)


def test_stacks_without_masks_hide_nothing() -> None:
    module = model()
    everything = torch.ones(1, 1, 1, 1, dtype=torch.bool)
    assert_close(
        module.encoder(source()), module.encoder(source(), everything)
    )
    assert_close(
        module.decoder(target(), source()),
        module.decoder(target(), source(), everything, everything),
    )


def test_the_output_of_the_stacks_is_that_of_their_last_norms() -> None:
    # There is no other norm after a post-norm stack.
    module = model()
    for stack in (module.encoder, module.decoder):
        with torch.no_grad():
            for part in stack.modules():
                if isinstance(part, LayerNorm):
                    part.gain.fill_(3.0)
                    part.bias.fill_(5.0)
    memory = module.encoder(source())
    for output in (memory, module.decoder(target(), memory)):
        flat = torch.full(output.shape[:-1], 5.0).double()
        assert_close(output.mean(-1), flat)
        deviation = output.std(-1, unbiased=False)
        assert_close(deviation, flat - 2.0, 1e-3)


def test_the_output_is_logits() -> None:
    # Larger weights of the projection make larger logits, in proportion;
    # neither probabilities nor their logarithms would grow so.
    module = model(SEPARATE)
    before = module(SRC, TGT)
    assert (before.logsumexp(-1).abs() > 0.1).all()
    with torch.no_grad():
        module.output_projection.weight.mul_(3.0)
    assert_close(module(SRC, TGT), 3.0 * before, 1e-11)


# --- encode and decode ------------------------------------------------------


def test_encode_reads_embeddings_and_positions_through_the_stack() -> None:
    module = model(SEPARATE)
    x = loop_input(module.src_embedding.embedding.weight.detach(), SRC)
    expected = module.encoder(x, (SRC != PAD)[:, None, None, :])
    assert_close(module.encode(SRC), expected, 1e-11)


def test_decode_reads_embeddings_and_positions_through_the_stack() -> None:
    module = model(SEPARATE)
    x = loop_input(module.tgt_embedding.embedding.weight.detach(), TGT)
    size = TGT.size(1)
    no_future = torch.ones(size, size, dtype=torch.bool).tril()
    tgt_mask = no_future & REAL[:, None, None, :]
    memory_mask = make_mask("across", size, SRC.size(1))
    expected = module.decoder(x, source(), tgt_mask, memory_mask)
    output = module.decode(TGT, source(), memory_mask=memory_mask)
    assert output.shape == (*TGT.shape, D_MODEL)
    assert_close(output, expected, 1e-11)


def test_encode_and_decode_with_explicit_masks_are_forward() -> None:
    module = model()
    mask = padding_mask(SRC, PAD)
    memory = module.encode(SRC, src_mask=mask)
    hidden = module.decode(
        TGT, memory, tgt_mask=target_mask(TGT, PAD), memory_mask=mask
    )
    assert_same(module.output_projection(hidden), module(SRC, TGT))
    assert_same(
        module.decode(TGT, memory, target_mask(TGT, PAD), mask), hidden
    )


def test_encode_and_decode_make_their_own_masks_from_the_tokens() -> None:
    module, mask = model(), padding_mask(SRC, PAD)
    memory = module.encode(SRC)
    assert_same(memory, module.encode(SRC, mask))
    hidden = module.decode(TGT, memory, memory_mask=mask)
    assert_same(module.output_projection(hidden), module(SRC, TGT))


def test_explicit_masks_replace_those_made_from_the_tokens() -> None:
    module, everything = model(), torch.ones(1, dtype=torch.bool)
    seen = module.encode(SRC, everything)
    x = loop_input(tables(module)[0].detach(), SRC)
    assert_close(seen, module.encoder(x), 1e-11)
    # The sentence in the middle has no padding to hide.
    assert_close(seen[1], module.encode(SRC)[1])
    assert (seen - module.encode(SRC))[[0, 2]].abs().amax(-1).min() > 1e-6
    hidden = module.decode(TGT, seen, everything)
    default = module.decode(TGT, seen)
    assert (hidden - default)[:, 0].abs().amax(-1).min() > 1e-6


def test_decode_cannot_know_the_padding_of_the_source() -> None:
    module = model()
    memory = module.encode(SRC)
    bare = module.decode(TGT, memory)
    everything = torch.ones(*SRC.shape, dtype=torch.bool)[:, None, None]
    assert_close(bare, module.decode(TGT, memory, memory_mask=everything))
    hidden = module.decode(TGT, memory, memory_mask=padding_mask(SRC, PAD))
    assert (bare - hidden)[[0, 2]].abs().amax(-1).min() > 1e-6
    # The sentence in the middle has no padding.
    assert_close(bare[1], hidden[1])


def test_inputs_may_be_named() -> None:
    module = model()
    assert_same(module(src=SRC, tgt=TGT), module(SRC, TGT))
    memory = module.encode(src=SRC)
    hidden = module.decode(TGT, memory)
    assert_same(module.decode(tgt=TGT, memory=memory), hidden)


def test_a_sentence_beyond_max_len_is_refused() -> None:
    module = model()
    fits = torch.full((1, MAX_LEN), 5)
    beyond = torch.full((1, MAX_LEN + 1), 5)
    assert module(fits, fits).shape == (1, MAX_LEN, VOCABULARY)
    message = r"^a sentence of 12 tokens is longer than max_len \(11\)"
    for src, tgt in ((beyond, fits), (fits, beyond)):
        with pytest.raises(ValueError, match=message):
            module(src, tgt)


# --- who sees whom ----------------------------------------------------------


@both_configs
def test_a_later_token_moves_no_earlier_output(
    config: TransformerConfig,
) -> None:
    module, tgt = model(config), torch.tensor([[1, 0, 28, 7, 19]])
    src = SRC[:1]
    before = module(src, tgt)
    for position in range(tgt.size(1)):
        changed = tgt.clone()
        changed[:, position] = 13
        moved = (module(src, changed) - before).abs().amax(-1)
        assert (moved[:, :position] < 1e-12).all()
        assert (moved[:, position:] > 1e-9).all()


def test_no_gradient_flows_back_from_earlier_outputs_to_the_future() -> None:
    module = model()
    embedded: list[Tensor] = []

    def keep(_: nn.Module, __: object, output: Tensor) -> None:
        output.retain_grad()
        embedded.append(output)

    module.position.register_forward_hook(keep)
    tgt = torch.tensor([[1, 0, 28, 7, 19]])
    module(SRC[:1], tgt)[:, 2].square().sum().backward()
    at = gradient_of(embedded[1]).abs().amax(-1)[0]
    assert (at[:3] > 1e-9).all()
    assert (at[3:] == 0).all()


def test_every_source_word_moves_every_output() -> None:
    module = model()
    before = module(SRC, TGT)
    for b, sentence in enumerate(SRC.tolist()):
        for s, token in enumerate(sentence):
            if token == PAD:
                continue
            changed = SRC.clone()
            changed[b, s] = 13
            moved = (module(changed, TGT) - before).abs().amax(-1)
            assert (moved[b] > 1e-9).all()
            moved[b] = 0.0
            assert (moved < 1e-12).all()


sentences = st.lists(
    st.integers(0, VOCABULARY - 1).filter(lambda token: token != PAD),
    min_size=1,
    max_size=5,
)


@settings(max_examples=25)
@given(
    src=st.lists(sentences, min_size=3, max_size=3),
    tgt=st.lists(sentences, min_size=3, max_size=3),
    more=st.integers(0, 3),
)
def test_padding_and_batch_mates_move_nothing(
    src: list[list[int]], tgt: list[list[int]], more: int
) -> None:
    module = model()
    together = module(padded(src, more), padded(tgt, more))
    for b in range(3):
        alone = module(torch.tensor([src[b]]), torch.tensor([tgt[b]]))
        assert_close(together[b : b + 1, : len(tgt[b])], alone)


def padded(batch: list[list[int]], more: int = 0) -> Tensor:
    """Fill all sentences up to the longest one, and a little more."""
    length = max(map(len, batch)) + more
    return torch.tensor([s + [PAD] * (length - len(s)) for s in batch])


@pytest.mark.parametrize("pad_id", [0, PAD, VOCABULARY - 1])
def test_the_token_that_hides_is_the_pad_id(pad_id: int) -> None:
    module = model(pad_id=pad_id)
    src, tgt = torch.tensor([[5, 7, 11]]), torch.tensor([[1, 8]])
    before = module(src, tgt)
    for token in (0, PAD, VOCABULARY - 1):
        end = torch.tensor([[token]])
        longer = module(torch.cat([src, end], dim=1), tgt)
        moved = (longer - before).abs().max()
        assert (moved < 1e-12) if token == pad_id else (moved > 1e-6)


def test_padding_in_the_middle_of_the_target_is_hidden_from_later_words() -> (
    None
):
    module, tgt = model(), torch.tensor([[1, PAD, 8, 3]])
    before = module(SRC[:1], tgt)
    with torch.no_grad():
        module.tgt_embedding.embedding.weight[PAD] += make("row", D_MODEL)
    after = module(SRC[:1], tgt)
    words = [token for token in range(VOCABULARY) if token != PAD]
    moved = (after - before)[..., words].abs().amax(-1)[0]
    assert (moved[[0, 2, 3]] < 1e-12).all()
    assert moved[1] > 1e-3


def test_step_by_step_is_what_all_at_once_gives() -> None:
    module = model().eval()
    mask = padding_mask(SRC, PAD)
    memory = module.encode(SRC)
    hidden = module.decode(TGT, memory, memory_mask=mask)
    for length in range(1, TGT.size(1) + 1):
        prefix = TGT[:, :length]
        last = module.decode(prefix, memory, memory_mask=mask)[:, -1]
        assert_close(last, hidden[:, length - 1])


def test_target_and_source_may_have_any_lengths() -> None:
    module = model()
    for s, t in ((1, 1), (1, 5), (7, 1), (7, 5), (5, 7)):
        src, tgt = torch.full((1, s), 5), torch.full((1, t), 8)
        expected = loop_transformer(weights_of(module), src, tgt)
        assert_close(module(src, tgt), expected, 1e-10)


def test_a_source_of_padding_is_finite_and_disturbs_nobody() -> None:
    module, src = model(), SRC.clone()
    src[0] = PAD
    output = module(src, TGT)
    assert output.isfinite().all()
    assert_close(output[1:], module(SRC, TGT)[1:])
    output.square().sum().backward()
    for gradient in gradients_of(module).values():
        assert gradient.isfinite().all()


def test_a_target_of_padding_is_finite_and_disturbs_nobody() -> None:
    module, tgt = model(), TGT.clone()
    tgt[0] = PAD
    output = module(SRC, tgt)
    assert output.isfinite().all()
    assert_close(output[1:], module(SRC, TGT)[1:])
    output.square().sum().backward()
    for gradient in gradients_of(module).values():
        assert gradient.isfinite().all()


# --- positions --------------------------------------------------------------

ORDER = [4, 0, 6, 2, 1, 5, 3]


def test_without_positions_the_source_is_a_bag_of_words() -> None:
    module, src = model(), SRC[1:2]
    module.position.encoding.zero_()
    memory = module.encode(src)
    assert_close(module.encode(src[:, ORDER]), memory[:, ORDER], 1e-11)
    tgt = TGT[2:]
    assert_close(module(src[:, ORDER], tgt), module(src, tgt), 1e-11)


def test_with_positions_the_order_of_the_source_matters() -> None:
    module, src, tgt = model(), SRC[1:2], TGT[2:]
    moved = (module(src[:, ORDER], tgt) - module(src, tgt)).abs().amax(-1)
    assert (moved > 1e-3).all()


def test_the_same_word_differs_from_place_to_place() -> None:
    module = model()
    same = torch.full((1, 5), 7)
    memory = module.encode(same)[0]
    hidden = module.decode(same, memory[None])[0]
    assert torch.pdist(memory).min() > 1e-2
    assert torch.pdist(hidden).min() > 1e-2
    module.position.encoding.zero_()
    memory = module.encode(same)[0]
    hidden = module.decode(same, memory[None])[0]
    assert torch.pdist(memory).max() < 1e-6
    assert torch.pdist(hidden).max() < 1e-6


# --- dropout ----------------------------------------------------------------


def test_dropout_is_where_section_5_4_puts_it_and_nowhere_else() -> None:
    stacks = [
        f"{s}.layers.{i}" for s in ("encoder", "decoder") for i in (0, 1)
    ]
    expected = {f"{name}.dropout": 0.3 for name in ("position", *stacks)}
    assert rates_of_dropout(model(dropout=0.3)) == expected
    assert rates_of_dropout(model()) == {}


def test_the_stacks_pass_the_rate_of_dropout_on() -> None:
    config = replace(SHARED, dropout=0.3)
    for stack in (Encoder(config), Decoder(config)):
        assert set(rates_of_dropout(stack).values()) == {0.3}


def test_dropout_is_called_for_both_sums_and_for_every_sublayer() -> None:
    module, calls = model(dropout=0.3), []
    for name, part in module.named_modules():
        if isinstance(part, nn.Dropout) and part.p > 0:
            part.register_forward_hook(
                lambda *_, name=name: calls.append(name)
            )
    module(SRC, TGT)
    assert calls == [
        "position.dropout",
        *["encoder.layers.0.dropout"] * 2,
        *["encoder.layers.1.dropout"] * 2,
        "position.dropout",
        *["decoder.layers.0.dropout"] * 3,
        *["decoder.layers.1.dropout"] * 3,
    ]


def test_dropout_falls_on_the_sums_of_embeddings_and_positions() -> None:
    module = model(SEPARATE)
    dropped = [
        2.0 * make_mask("of source", *SRC.shape, D_MODEL),
        2.0 * make_mask("of target", *TGT.shape, D_MODEL),
    ]
    received = replace_dropout(module.position.dropout, dropped)
    output = module(SRC, TGT)
    sums = [
        loop_input(table.detach(), tokens)
        for table, tokens in zip(tables(module), (SRC, TGT), strict=False)
    ]
    for mine, expected in zip(received, sums, strict=True):
        assert_close(mine, expected)
    mask = padding_mask(SRC, PAD)
    memory = module.encoder(sums[0] * dropped[0], mask)
    hidden = module.decoder(
        sums[1] * dropped[1], memory, target_mask(TGT, PAD), mask
    )
    assert_close(output, module.output_projection(hidden), 1e-11)


def test_dropout_of_everything_leaves_the_norms_of_zeros() -> None:
    # Every sum and every sub-layer is dropped: no token is left, and of the
    # decoder nothing but its norms.
    module = model(dropout=0.5).train()
    for part in module.modules():
        if isinstance(part, nn.Dropout) and part.p > 0:
            part.p = 1.0
    hidden = torch.zeros(*TGT.shape, D_MODEL).double()
    for layer in module.decoder.layers:
        for name in ("norm_1", "norm_2", "norm_3"):
            hidden = loop_norm(hidden, **under(weights_of(layer), name))
    expected = module.output_projection(hidden)
    assert_close(module(SRC, TGT), expected, 1e-11)


def test_without_dropout_train_and_eval_mode_do_not_differ() -> None:
    training = model().train()(SRC, TGT)
    assert_same(model().eval()(SRC, TGT), training)
    assert_same(model(dropout=0.5).eval()(SRC, TGT), training)


def test_two_training_passes_differ_with_dropout() -> None:
    module = model(dropout=0.5).train()
    assert not torch.allclose(module(SRC, TGT), module(SRC, TGT))


# --- parameters -------------------------------------------------------------


def parameters_by_hand(
    d: int, f: int, n: int, vocabulary: int, matrices: int = 1
) -> int:
    """Count the parameters of the whole model, to the last bias."""
    matrix, bias = d * d, d
    attention = 4 * (matrix + bias)  # w_q, w_k, w_v and w_o
    widen, narrow = d * f + f, f * d + d  # each with its bias
    feed_forward = widen + narrow
    gain = d
    norm = gain + bias
    encoder_layer = attention + feed_forward + 2 * norm
    decoder_layer = 2 * attention + feed_forward + 3 * norm
    table = vocabulary * d  # the output projection has no bias
    return matrices * table + n * encoder_layer + n * decoder_layer


def count(module: nn.Module) -> int:
    """Count the numbers that a module learns."""
    assert all(p.requires_grad for p in module.parameters())
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("config", "sizes", "expected"),
    [
        (TransformerConfig.base(), (512, 2048, 6), 63_082_496),
        (TransformerConfig.big(), (1024, 4096, 6), 214_245_376),
    ],
    ids=["base", "big"],
)
def test_the_parameters_are_those_worked_out_by_hand(
    config: TransformerConfig, sizes: tuple[int, int, int], expected: int
) -> None:
    assert parameters_by_hand(*sizes, vocabulary=37_000) == expected
    with torch.device("meta"):
        assert count(Transformer(config)) == expected


@pytest.mark.parametrize("layers", [1, 2, 5])
def test_every_layer_adds_its_own_parameters(layers: int) -> None:
    with torch.device("meta"):
        module = Transformer(replace(SHARED, num_layers=layers))
    expected = parameters_by_hand(D_MODEL, D_FF, layers, VOCABULARY)
    assert count(module) == expected
    assert len(module.encoder.layers) == layers
    assert len(module.decoder.layers) == layers


def test_matrices_that_are_not_shared_count_three_times() -> None:
    expected = parameters_by_hand(D_MODEL, D_FF, LAYERS, VOCABULARY, 3)
    module = model(share_embeddings=False)
    assert count(module) == expected


def test_the_output_projection_has_no_bias() -> None:
    assert model().output_projection.bias is None


def test_the_stacks_are_made_of_layers_and_nothing_else() -> None:
    for stack, kind in ((Encoder, EncoderLayer), (Decoder, DecoderLayer)):
        module = stack(SHARED)
        assert [name for name, _ in module.named_children()] == ["layers"]
        layers = list(module.layers)
        assert [type(layer) for layer in layers] == [kind] * LAYERS
        assert len({id(layer) for layer in layers}) == LAYERS
        names = list(module.state_dict())
        assert len(list(module.parameters())) == len(names)


@both_configs
def test_gradients_reach_every_parameter(config: TransformerConfig) -> None:
    module = model(config)
    loss = functional.cross_entropy(
        module(SRC, TGT).flatten(0, 1), TGT.roll(-1, 1).flatten()
    )
    loss.backward()
    for name, gradient in gradients_of(module).items():
        if name.endswith("w_k.bias"):
            # It cancels in the softmax.
            assert gradient.abs().max() < 1e-12
        else:
            assert gradient.abs().max() > 1e-6, name


@both_configs
def test_the_state_makes_the_round_trip(config: TransformerConfig) -> None:
    module, other = model(config), model(config, seed=1)
    assert not torch.allclose(other(SRC, TGT), module(SRC, TGT))
    other.load_state_dict(module.state_dict(), strict=True)
    assert_same(other(SRC, TGT), module(SRC, TGT))


@both_configs
def test_a_copy_is_equal_and_independent(config: TransformerConfig) -> None:
    module = model(config)
    before = module(SRC, TGT)
    clone = copy.deepcopy(module)
    assert_same(clone(SRC, TGT), before)
    fill(clone, seed=1)
    assert_same(module(SRC, TGT), before)


def test_the_state_holds_no_positions() -> None:
    names = model().state_dict()
    assert not [name for name in names if name.startswith("position")]


# --- the start --------------------------------------------------------------

START = TransformerConfig(
    1009, 1009, d_model=62, num_heads=2, num_layers=2, d_ff=127
)


@pytest.mark.parametrize("share", [True, False])
def test_matrices_start_xavier_uniform_and_biases_at_zero(
    share: bool,
) -> None:
    module = Transformer(replace(START, share_embeddings=share))
    matrices = 0
    for name, part in module.named_modules():
        if not isinstance(part, nn.Linear):
            continue
        if part.bias is not None:
            assert (part.bias == 0).all(), name
        if share and name == "output_projection":
            continue
        matrices += 1
        numbers = part.weight.detach().double()
        fan_out, fan_in = numbers.shape
        bound = math.sqrt(6 / (fan_in + fan_out))
        assert 0.99 * bound < numbers.abs().max() <= bound, name
        # Uniform: a variance of a third of the bound squared, mean zero.
        variance = 2 / (fan_in + fan_out)
        assert numbers.var().item() == pytest.approx(variance, rel=0.06), name
        assert abs(numbers.mean().item()) < 0.05 * bound, name
        half = (numbers.abs() < bound / 2).double().mean().item()
        assert half == pytest.approx(0.5, abs=0.03), name
    assert matrices == LAYERS * (4 + 2) + LAYERS * (8 + 2) + (not share)


@pytest.mark.parametrize("share", [True, False])
def test_embeddings_start_normal_with_a_zero_row_for_padding(
    share: bool,
) -> None:
    module = Transformer(replace(START, pad_id=PAD, share_embeddings=share))
    for table in tables(module)[:2]:
        numbers = table.detach().double()
        deviation = START.d_model**-0.5
        assert numbers.std().item() == pytest.approx(deviation, rel=0.02)
        assert numbers.abs().max() > 3.5 * deviation  # no uniform has these
        zero = (numbers == 0).all(-1).nonzero().flatten().tolist()
        assert zero == [PAD]


def test_what_enters_the_stacks_starts_with_entries_of_size_one() -> None:
    module = Transformer(START)
    words = torch.arange(1, 1009)[None]
    for embedding in (module.src_embedding, module.tgt_embedding):
        assert embedding(words).std().item() == pytest.approx(1.0, rel=0.02)


def test_logits_start_with_entries_of_size_one() -> None:
    # The last norm gives vectors of length sqrt(D), the table's deviation
    # is one over it.
    module = Transformer(START).eval()
    tokens = torch.arange(1, 49).view(4, 12)
    spread = module(tokens, tokens).std().item()
    assert spread == pytest.approx(1.0, rel=0.2)


def test_gains_start_at_one_and_biases_of_norms_at_zero() -> None:
    module = Transformer(START)
    norms = [part for part in module.modules() if isinstance(part, LayerNorm)]
    assert len(norms) == LAYERS * 2 + LAYERS * 3
    for norm in norms:
        assert (norm.gain == 1).all()
        assert (norm.bias == 0).all()


def test_no_two_matrices_start_alike() -> None:
    module = Transformer(replace(START, share_embeddings=False))
    matrices = [p for p in module.parameters() if p.dim() == 2]
    for one, other in combinations(matrices, 2):
        if one.shape == other.shape:
            assert (one != other).double().mean() > 0.99


def test_a_seed_repeats_the_start_and_another_does_not() -> None:
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        states.append(Transformer(SHARED).state_dict())
    first, again, other = states
    for name, numbers in first.items():
        assert_same(again[name], numbers)
        if numbers.dim() == 2:
            assert not torch.equal(other[name], numbers)


# --- sharing ----------------------------------------------------------------


def assert_tied(module: Transformer) -> None:
    """The three matrices are one and the same."""
    first, *others = tables(module)
    assert isinstance(first, nn.Parameter)
    for other in others:
        assert other is first
        assert other.data_ptr() == first.data_ptr()


def test_three_matrices_are_one_parameter() -> None:
    module = Transformer(SHARED)
    assert_tied(module)
    shapes = [tuple(p.shape) for p in module.parameters()]
    assert shapes.count((VOCABULARY, D_MODEL)) == 1


def test_the_state_names_all_three_matrices() -> None:
    state = model().state_dict()
    same = [
        state["src_embedding.embedding.weight"],
        state["tgt_embedding.embedding.weight"],
        state["output_projection.weight"],
    ]
    assert len({matrix.data_ptr() for matrix in same}) == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_matrices_stay_shared_in_another_dtype(dtype: torch.dtype) -> None:
    module = model().to(dtype)
    assert_tied(module)
    assert module.output_projection.weight.dtype is dtype


def test_matrices_stay_shared_when_a_state_is_loaded() -> None:
    module = model()
    module.load_state_dict(model(seed=1).state_dict())
    assert_tied(module)
    assert_same(module(SRC, TGT), model(seed=1)(SRC, TGT))


def test_matrices_stay_shared_in_a_copy() -> None:
    module = model()
    clone = copy.deepcopy(module)
    assert_tied(clone)
    assert tables(clone)[0] is not tables(module)[0]


def test_matrices_stay_shared_while_they_learn() -> None:
    module = model()
    before = tables(module)[0].detach().clone()
    optimiser = torch.optim.Adam(module.parameters(), lr=0.1)
    module(SRC, TGT).square().sum().backward()
    optimiser.step()
    assert_tied(module)
    assert (tables(module)[0] != before).any(-1).all()


def test_the_gradient_of_the_shared_matrix_sums_all_uses() -> None:
    shared, separate = model(), model(share_embeddings=False)
    separate.load_state_dict(shared.state_dict())
    upstream = make("upstream", *TGT.shape, VOCABULARY)
    for module in (shared, separate):
        (module(SRC, TGT) * upstream).sum().backward()
    uses = [gradient_of(table) for table in tables(separate)]
    for use in uses:
        assert use.abs().max() > 1e-3
    assert_close(gradient_of(tables(shared)[0]), uses[0] + uses[1] + uses[2])


def test_matrices_that_are_not_shared_are_three() -> None:
    module = model(share_embeddings=False)
    assert len({t.data_ptr() for t in tables(module)}) == 3
    for one, other in combinations(tables(module), 2):
        assert not torch.equal(one, other)


def test_vocabularies_that_are_not_shared_may_differ() -> None:
    module = model(SEPARATE)
    shapes = [tuple(t.shape) for t in tables(module)]
    assert shapes == [(23, D_MODEL), (29, D_MODEL), (29, D_MODEL)]
    assert module(SRC, TGT).shape == (*TGT.shape, 29)
    other = model(SEPARATE, src_vocab_size=29, tgt_vocab_size=23)
    shapes = [tuple(t.shape) for t in tables(other)]
    assert shapes == [(29, D_MODEL), (23, D_MODEL), (23, D_MODEL)]
    assert other(TGT, SRC).shape == (*SRC.shape, 23)


# --- the row of padding -----------------------------------------------------


def test_padding_gets_no_gradient_where_it_is_only_looked_up() -> None:
    module = model(share_embeddings=False)
    module(SRC, TGT).square().sum().backward()
    src, tgt, output = map(gradient_of, tables(module))
    assert (src[PAD] == 0).all()
    assert (tgt[PAD] == 0).all()
    # The output projection has a row for padding that is no embedding.
    assert (output[PAD] != 0).any()


def test_the_shared_row_of_padding_gets_the_gradient_of_its_logit() -> None:
    module = model()
    memory = module.encode(SRC)
    mask = padding_mask(SRC, PAD)
    hidden = module.decode(TGT, memory, memory_mask=mask)
    logits = module.output_projection(hidden)
    functional.cross_entropy(logits.flatten(0, 1), TGT.flatten()).backward()
    error = logits.softmax(-1)[..., PAD] - (TGT == PAD).double()
    expected = (error[..., None] * hidden).flatten(0, 1).mean(0)
    gradient = gradient_of(tables(module)[0])[PAD]
    assert gradient.abs().max() > 1e-3
    assert_close(gradient, expected.detach())


def test_the_shared_row_of_padding_moves_in_training() -> None:
    # The embedding alone would keep it at zero; the projection does not.
    with in_float64():
        module = Transformer(SHARED)
    table = tables(module)[0]
    assert (table[PAD] == 0).all()
    optimiser = torch.optim.SGD(module.parameters(), lr=1.0)
    labels = TGT.roll(-1, 1)
    loss = functional.cross_entropy(
        module(SRC, TGT).flatten(0, 1), labels.flatten(), ignore_index=PAD
    )
    loss.backward()
    optimiser.step()
    assert table[PAD].abs().max() > 1e-4


@both_configs
def test_whatever_padding_is_embedded_as_nobody_sees_it(
    config: TransformerConfig,
) -> None:
    module = model(config)
    before = module(SRC, TGT)
    with torch.no_grad():
        for table in {id(t): t for t in tables(module)[:2]}.values():
            table[PAD] += 100.0 * make("row", D_MODEL)
    after = module(SRC, TGT)
    # The logit of padding itself is all that may move, and does if shared.
    words = [token for token in range(VOCABULARY) if token != PAD]
    assert_close(after[REAL][:, words], before[REAL][:, words])
    moved = (after - before)[REAL][:, PAD].abs()
    if config.share_embeddings:
        assert (moved > 1e-3).all()
    else:
        assert (moved < 1e-12).all()


# --- dtypes, devices --------------------------------------------------------


@both_configs
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float32, 2e-5), (torch.bfloat16, 0.2)],
)
def test_every_dtype_is_kept_and_as_exact_as_it_can_be(
    config: TransformerConfig, dtype: torch.dtype, tolerance: float
) -> None:
    module = model(config).to(dtype)
    output = module(SRC, TGT)
    assert output.dtype is dtype
    assert_close(output.double(), model(config)(SRC, TGT), tolerance)


def test_a_new_model_works_in_float32() -> None:
    module = Transformer(SHARED)
    output = module(SRC, TGT)
    assert output.dtype is torch.float32
    expected = loop_transformer(
        {k: v.double() for k, v in weights_of(module).items()}, SRC, TGT
    )
    assert_close(output.double(), expected, 2e-5)


def test_tokens_may_have_32_bits() -> None:
    module = model()
    assert_same(module(SRC.int(), TGT.int()), module(SRC, TGT))


@both_configs
@pytest.mark.parametrize("batch", [1, 3])
def test_shapes_come_out_on_the_meta_device(
    config: TransformerConfig, batch: int
) -> None:
    with torch.device("meta"):
        module = Transformer(config)
    for part in (*module.parameters(), *module.buffers()):
        assert part.device.type == "meta"
    src, tgt = SRC[:batch].to("meta"), TGT[:batch].to("meta")
    assert module.encode(src).shape == (batch, 7, D_MODEL)
    output = module(src, tgt)
    assert output.device.type == "meta"
    assert output.shape == (batch, 5, VOCABULARY)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_the_inputs_stay_as_they_were(dropout: float) -> None:
    module, src, tgt = model(dropout=dropout), SRC.clone(), TGT.clone()
    before = weights_of(copy.deepcopy(module))
    memory = module.encode(src)
    remembered = memory.detach().clone()
    module.decode(tgt, memory)
    module(src, tgt)
    assert_same(src, SRC)
    assert_same(tgt, TGT)
    assert_same(memory.detach(), remembered)
    assert src._version == tgt._version == 0
    for name, weight in weights_of(module).items():
        assert_same(weight, before[name])
