"""The benchmark of the model, at tiny sizes: what is true of any machine."""

import ast
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from oracle_model import in_torchs_words, weights_of
from torch import Tensor

import bench_model

TINY = bench_model.SIZES["tiny"]
MEASUREMENTS = {
    "training_step": {
        "seconds_against_torch": {"laidout": 0.75, "laidout fused": 0.7501}
    },
    "training_memory": {
        "mib_against_torch": {"laidout": 1.0001, "laidout fused": 1.0}
    },
    "greedy_decoding": {
        "seconds_against_cached": {
            "MarianMT cached": 1.0,
            "laidout uncached": 7.99,
        }
    },
    "import": {"seconds_added": 0.2},
}


# --- numbers ----------------------------------------------------------------


def test_contenders_take_turns() -> None:
    calls: list[str] = []

    def work(name: str) -> Callable[[], None]:
        return lambda: calls.append(name)

    seconds = bench_model.in_turn({"a": work("a"), "b": work("b")}, 3)

    assert calls == ["a", "b"] * 3
    assert {name: len(runs) for name, runs in seconds.items()} == {
        "a": 3,
        "b": 3,
    }
    assert all(run >= 0 for runs in seconds.values() for run in runs)


def test_ratios_are_those_of_the_medians() -> None:
    summaries = bench_model.summaries(
        {"a": [9.0, 3.0, 2.0], "b": [4.0, 1.0, 50.0]}, 1
    )
    assert bench_model.ratios(summaries, to="b") == {"a": 0.75, "b": 1.0}


@pytest.mark.parametrize(
    ("value", "words", "limit", "met"),
    [
        (0.75, "at most", 0.75, True),
        (0.7501, "at most", 0.75, False),
        (8.0, "at least", 8.0, True),
        (7.99, "at least", 8.0, False),
        (0.19, "below", 0.2, True),
        (0.2, "below", 0.2, False),
    ],
)
def test_a_target_is_met_or_not(
    value: float, words: str, limit: float, met: bool
) -> None:
    assert bench_model.target(value, words, limit) == {
        "limit": f"{words} {limit:g}",
        "value": value,
        "met": met,
    }


def test_targets_are_held_against_the_measurements() -> None:
    assert [
        (found["limit"], found["value"], found["met"])
        for found in bench_model.targets(MEASUREMENTS).values()
    ] == [
        ("at most 0.75", 0.75, True),
        ("at most 1", 1.0001, False),
        ("at most 0.75", 0.7501, False),
        ("at most 1", 1.0, True),
        ("at least 1", 1.0, True),
        ("at least 8", 7.99, False),
        ("below 0.2", 0.2, False),
    ]


def test_the_peak_is_read_from_a_process_status() -> None:
    status = "Name:\tpython\nVmPeak:\t  9000 kB\nVmHWM:\t  2560 kB\n"
    assert bench_model.peak_of(status) == 2.5
    with pytest.raises(ValueError, match="expected a line VmHWM"):
        bench_model.peak_of("Name:\tpython\n")


# --- training ---------------------------------------------------------------


def test_the_batch_is_always_the_same_with_padding_at_the_ends() -> None:
    (src, tgt), again = (bench_model.make_batch(TINY) for _ in range(2))
    assert torch.equal(src, again[0])
    assert torch.equal(tgt, again[1])
    assert src.shape == (3, 8)
    assert tgt.shape == (3, 9)
    assert (tgt[:, 0] == bench_model.BOS_ID).all()
    for words in (src, tgt[:, 1:]):
        lengths = (words != TINY.config.pad_id).sum(1).tolist()
        assert lengths[0] == 8
        assert min(lengths) >= 6
        for row, length in zip(words, lengths, strict=True):
            assert (row[:length] >= bench_model.FIRST_WORD).all()


def test_the_full_batch_has_padding() -> None:
    full = bench_model.SIZES["full"]
    for words in bench_model.make_batch(full):
        assert (words == full.config.pad_id).any()


def test_full_is_the_papers_base_model() -> None:
    config = bench_model.SIZES["full"].config
    assert (config.d_model, config.num_layers, config.d_ff) == (512, 6, 2048)
    assert (config.src_vocab_size, config.share_embeddings) == (37_000, True)


def test_the_models_do_the_same_work() -> None:
    # With the same weights and neither dropout nor final norms, torch's and
    # ours are one function: positions, scale, masks and sharing agree.
    config = replace(TINY.config, dropout=0.0)
    ours, fused, theirs = (
        bench_model.make_model(name, config).double()
        for name in bench_model.MODELS
    )
    assert isinstance(theirs, bench_model.TorchTransformer)
    theirs.transformer.encoder.norm = None
    theirs.transformer.decoder.norm = None
    weights = weights_of(ours)
    fused.load_state_dict(weights)
    theirs.embedding.load_state_dict(
        {"embedding.weight": weights["src_embedding.embedding.weight"]}
    )
    theirs.transformer.load_state_dict(
        in_torchs_words(
            {
                name: weight
                for name, weight in weights.items()
                if name.startswith(("encoder.", "decoder."))
            }
        )
    )
    src, tgt = bench_model.make_batch(TINY)

    logits = [model(src, tgt[:, :-1]) for model in (ours, fused, theirs)]

    torch.testing.assert_close(logits[0], logits[1])
    torch.testing.assert_close(logits[0], logits[2])


def test_another_model_is_refused() -> None:
    ours = bench_model.make_model("laidout", TINY.config)
    larger = replace(TINY.config, d_ff=257)
    wider = replace(TINY.config, src_vocab_size=51, tgt_vocab_size=51)
    for config, message in ((larger, "parameters"), (wider, "logits")):
        other = bench_model.make_model("laidout fused", config)
        with pytest.raises(ValueError, match=message):
            bench_model.check_models(
                {"laidout": ours, "laidout fused": other}, TINY
            )


@pytest.mark.parametrize("name", bench_model.MODELS)
def test_a_step_learns_in_training_mode(name: str) -> None:
    model = bench_model.make_model(name, TINY.config)
    before = [p.detach().clone() for p in model.parameters()]
    bench_model.training_step(model, TINY)()
    assert model.training
    for old, new in zip(before, model.parameters(), strict=True):
        assert not torch.equal(old, new)


def test_training_is_measured() -> None:
    found = bench_model.measure_training(TINY, runs=2)
    assert list(found["seconds"]) == list(bench_model.MODELS)
    assert all(len(one["runs"]) == 2 for one in found["seconds"].values())
    assert found["seconds_against_torch"]["torch.nn.Transformer"] == 1.0
    assert 18 <= found["source_tokens"] <= 24
    assert 18 <= found["target_tokens"] <= 24
    counts = found["parameters"]
    assert counts["laidout"] == counts["laidout fused"]
    assert counts["torch.nn.Transformer"] - counts["laidout"] == 4 * 64


def test_peak_memory_is_measured_in_processes_of_their_own() -> None:
    found = bench_model.measure_memory("tiny", 1, ["laidout fused"])["mib"]
    floor, ours = found["import torch"], found["laidout fused"]
    assert 50 < floor["median"] < ours["median"] < 2000


def test_the_imports_differ_in_laidout_alone() -> None:
    alone, both = map(ast.parse, bench_model.IMPORTS.values())
    assert ast.unparse(alone) == "import torch"
    assert ast.unparse(both).startswith("import torch, laidout\nfor name in")


# --- decoding ---------------------------------------------------------------


def test_the_cache_changes_no_token() -> None:
    src = bench_model.make_sources(TINY)
    assert src.shape == (2, 5)
    tokens = []
    for name in ("laidout cached", "laidout uncached"):
        torch.manual_seed(0)
        tokens.append(bench_model.DECODERS[name](TINY)(src))
    assert torch.equal(*tokens)
    assert tokens[0].shape == (2, 6)


def test_a_sentence_that_ends_early_is_refused() -> None:
    tokens = torch.full((2, 6), bench_model.BOS_ID)
    bench_model.check_tokens("name", tokens, TINY)
    for wrong in (tokens[:, :-1], tokens[:1], tokens + 1):
        with pytest.raises(ValueError, match=r"name: expected \(2, 6\)"):
            bench_model.check_tokens("name", wrong, TINY)


def test_decoding_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["laidout cached", "laidout uncached"]
    found = bench_model.measure_decoding(TINY, 2, names)
    assert list(found["seconds"]) == names
    assert found["seconds_against_cached"]["laidout cached"] == 1.0
    assert found["tokens_per_second"].keys() == set(names)

    def short(_: bench_model.Sizes) -> Callable[[Tensor], Tensor]:
        return lambda src: src

    monkeypatch.setitem(bench_model.DECODERS, "short", short)
    with pytest.raises(ValueError, match="short: expected"):
        bench_model.measure_decoding(TINY, 1, ["short"])


@pytest.mark.filterwarnings("ignore")
def test_marian_translates_as_many_tokens() -> None:
    # It is installed for measuring only: nothing else needs it.
    pytest.importorskip("transformers")
    src = bench_model.make_sources(TINY)
    tokens = bench_model.marian_decoder(TINY)(src)
    assert tokens.shape == (2, 6)
    assert (tokens[:, 0] == bench_model.BOS_ID).all()


# --- the record -------------------------------------------------------------


def test_the_record_has_results_and_targets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[Any] = []

    def measure(*words: Any) -> dict[str, Any]:
        asked.extend(words)
        return MEASUREMENTS

    monkeypatch.setattr(bench_model, "measure", measure)
    monkeypatch.setattr(bench_model, "PACKAGES", ["torch"])
    path = tmp_path / "model.json"

    bench_model.main(["--runs", "2", "--output", str(path)])

    found = json.loads(path.read_text("utf-8"))
    assert asked == ["full", 2]
    assert found["command"] == (
        f"python book/bench_model.py --runs 2 --output {path}"
    )
    assert found["runs"] == {"times": 2, "peaks": 2}
    assert (found["seed"], found["threads"]) == (0, 1)
    assert found["sizes"]["config"]["d_model"] == 512
    assert found["results"] == MEASUREMENTS
    assert found["targets"] == bench_model.targets(MEASUREMENTS)


def test_runs_must_be_one_or_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        bench_model.main(["--runs", "0"])
    assert "expected 1 or more" in capsys.readouterr().err


def test_help_names_no_option_of_the_children(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        bench_model.main(["--help"])
    shown = capsys.readouterr().out
    assert "--runs" in shown
    assert "--peak" not in shown
