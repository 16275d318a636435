"""Tests of the record on warm-up: its models, its schedules, its runs."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import bench_warmup
from bench_warmup import Arm, FlatStart, Settings
from laidout.data import Pair
from laidout.schedule import TransformerLRScheduler
from laidout.sentences import Sentences
from laidout.tokenizer import BPETokenizer
from laidout.transformer import Transformer

PAIRS = [
    Pair("I like pizza", "Ich mag Pizza"),
    Pair("I like tea", "Ich mag Tee"),
    Pair("we eat", "wir essen"),
]


def a_tokenizer() -> BPETokenizer:
    texts = [text for pair in PAIRS for text in (pair.source, pair.target)]
    return BPETokenizer.train(texts, 270)


def fill(theirs: nn.Module, ours: nn.Module) -> None:
    """Copy one sub-layer's parameters into PyTorch's layer."""
    theirs.load_state_dict(ours.state_dict())


def their_layer(layer: Any, kind: type[Any]) -> Any:
    """Build PyTorch's pre-norm layer with the parameters of ours."""
    theirs = kind(
        64, 4, 256, dropout=0.0, norm_first=True, batch_first=True
    ).eval()
    attentions = {"self_attn": layer.self_attention}
    if hasattr(layer, "cross_attention"):
        attentions["multihead_attn"] = layer.cross_attention
    with torch.no_grad():
        for name, ours in attentions.items():
            one = getattr(theirs, name)
            parts = [ours.w_q, ours.w_k, ours.w_v]
            one.in_proj_weight.copy_(torch.cat([p.weight for p in parts]))
            one.in_proj_bias.copy_(torch.cat([p.bias for p in parts]))
            fill(one.out_proj, ours.w_o)
        fill(theirs.linear1, layer.feed_forward.w_1)
        fill(theirs.linear2, layer.feed_forward.w_2)
    return theirs


def pre_norm_model() -> Transformer:
    return bench_warmup.build(Arm("pre", 2, 0, True), a_tokenizer()).eval()


def test_a_pre_norm_encoder_layer_is_that_of_pytorch() -> None:
    layer = pre_norm_model().encoder.layers[0]
    theirs = their_layer(layer, nn.TransformerEncoderLayer)
    x = torch.randn(2, 5, 64)
    assert torch.allclose(layer(x), theirs(x), atol=1e-5)


def test_a_pre_norm_decoder_layer_is_that_of_pytorch() -> None:
    layer = pre_norm_model().decoder.layers[0]
    theirs = their_layer(layer, nn.TransformerDecoderLayer)
    x, memory = torch.randn(2, 5, 64), torch.randn(2, 7, 64)
    assert torch.allclose(layer(x, memory), theirs(x, memory), atol=1e-5)


def test_a_pre_norm_stack_ends_with_a_norm() -> None:
    model = pre_norm_model()
    memory = model.encode(torch.tensor([[5, 6, 7]]))
    assert torch.allclose(memory.mean(-1), torch.zeros(1, 3), atol=1e-5)
    assert torch.allclose(
        memory.var(-1, correction=0), torch.ones(1, 3), atol=1e-3
    )
    assert len(model.decoder.layers) == 3


def test_a_post_norm_model_is_the_packages_own() -> None:
    model = bench_warmup.build(Arm("post", 6, 0, True), a_tokenizer())
    assert len(model.encoder.layers) == len(model.decoder.layers) == 6


def test_without_warm_up_only_the_rise_is_missing() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)])
    flat = FlatStart(optimizer, 64, 600)
    paper = TransformerLRScheduler(optimizer, 64, 600)
    peak = (64 * 600) ** -0.5
    assert [flat.step(n) for n in (1, 10, 600)] == pytest.approx([peak] * 3)
    for step in (600, 601, 5000):
        assert flat.step(step) == paper.step(step)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Train on three sentences, two steps a look."""

    def prepare(settings: Settings) -> bench_warmup.Material:
        tokenizer = a_tokenizer()
        device = torch.device("cpu")
        some = Sentences(tokenizer, PAIRS, settings.max_tokens, device)
        source, target = some.batch(range(len(PAIRS)))
        return bench_warmup.Material(
            tokenizer, some, PAIRS, source, target.size(1) + 5
        )

    monkeypatch.setattr(bench_warmup, "material", prepare)
    return Settings(max_tokens=200, warmup_steps=400, every=20, limit=300)


def test_with_warm_up_a_run_ends_when_the_goal_is_reached(
    small: Settings,
) -> None:
    found = bench_warmup.run(Arm("post", 2, 0, True), small, small.limit)
    assert found["reached"] == found["steps"] < small.limit
    assert found["exact_match"] >= small.goal
    assert [step for step, *_ in found["curve"]] == list(
        range(20, found["steps"] + 1, 20)
    )


def test_without_warm_up_a_run_has_the_steps_of_its_partner(
    small: Settings, tmp_path: Path
) -> None:
    small = replace(small, goal=2.0, limit=40)
    both = bench_warmup.pair("pre", 2, 1, small, tmp_path)
    assert [one["warmup"] for one in both] == [True, False]
    assert [one["steps"] for one in both] == [40, 40]
    assert [one["reached"] for one in both] == [None, None]
    assert both[0]["curve"] != both[1]["curve"]


def test_a_pair_that_is_done_is_not_run_again(
    small: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = replace(small, limit=20)
    first = bench_warmup.pair("post", 2, 0, small, tmp_path)
    monkeypatch.setattr(bench_warmup, "run", None)
    assert bench_warmup.pair("post", 2, 0, small, tmp_path) == first
    with pytest.raises(TypeError):
        bench_warmup.pair("post", 2, 0, replace(small, every=7), tmp_path)


def test_a_loss_that_is_no_number_is_recorded_as_none(
    small: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*words: Any) -> tuple[float, int]:
        return float("nan"), words[-1] + 20

    monkeypatch.setattr(bench_warmup, "train_epoch", broken)
    found = bench_warmup.run(Arm("post", 2, 0, False), small, 20)
    assert found["curve"][0][1] is None
    json.dumps(found, allow_nan=False)


def test_batches_go_on_with_the_next_epoch() -> None:
    some = Sentences(a_tokenizer(), PAIRS, 60, torch.device("cpu"))
    endless = bench_warmup.batches(some, seed=0)
    found: list[Tensor] = [next(endless)[0] for _ in range(9)]
    assert all(tensor.size(0) >= 1 for tensor in found)


def test_no_seed_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench_warmup.main(["--seeds", "0"])
    assert "expected 1 or more" in capsys.readouterr().err
