"""Tests of whole training runs: whatever stops them, the end is the same."""

import errno
import json
import math
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from oracle import assert_close
from oracle_run import (
    STEPS,
    Server,
    assert_equal_numbers,
    assert_equal_states,
    here,
    mini,
    nothing,
    server,
    settings_for,
    state_of,
    stop_after,
    write_corpus,
)
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

import laidout.run
from laidout.checkpoint import (
    load_model,
    read_checkpoint,
    save_model,
    write_checkpoint,
)
from laidout.data import epoch_batches, load_corpus
from laidout.folder import RunFolder, find_model
from laidout.parallel import InBFloat16, Place
from laidout.run import (
    Progress,
    Run,
    Settings,
    build_model,
    clean_stop,
    final_model,
)
from laidout.tokenizer import BPETokenizer

CPU = torch.device("cpu")


@pytest.fixture(autouse=True, scope="module")
def smallest_model() -> Iterator[None]:
    """Let there be a model that is smaller than the tiny one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(laidout.run.SIZES, "mini", mini)
        yield


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write a corpus once for all tests."""
    return write_corpus(tmp_path_factory.mktemp("run") / "corpus")


@pytest.fixture(scope="module")
def whole(
    corpus: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Train without a break, once for all tests."""
    folder = tmp_path_factory.mktemp("whole")
    run = here(folder, settings_for(corpus))
    assert run.train(nothing) is True
    return state_of(folder)


@pytest.fixture
def tokenizer(corpus: str) -> BPETokenizer:
    """Train the tokenizer of the runs."""
    pairs = load_corpus(corpus).train
    return BPETokenizer.train((t for pair in pairs for t in pair), 280)


def finish(folder: Path, settings: Settings) -> dict[str, Any]:
    """Resume a run, train to the end and give what it has left."""
    run = here(folder, settings, resume=True)
    assert run.train(nothing) is True
    return state_of(folder)


def parameters(run: Run) -> dict[str, Tensor]:
    """Copy the parameters of a run."""
    named = run.model.named_parameters()
    return {name: value.detach().clone() for name, value in named}


# --- settings ---------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "steps",
        "max_tokens",
        "warmup_steps",
        "accumulate",
        "keep",
        "log_every",
        "valid_every",
        "save_every",
        "patience",
    ],
)
@pytest.mark.parametrize("value", [0, -20])
def test_a_setting_below_one_is_named(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=rf"{name} \({value}\) must be 1 or"):
        Settings(**{name: value})


@pytest.mark.parametrize("name", ["valid_every", "save_every"])
def test_a_pace_that_is_no_multiple_is_named(name: str) -> None:
    message = rf"{name} \(30\) must be a multiple of log_every \(20\)"
    with pytest.raises(ValueError, match=message):
        Settings(**{name: 30})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("size", r"size \('huge'\) must be one of tiny, base, big"),
        ("precision", r"precision \('huge'\) must be one of auto, fp32, bf16"),
    ],
)
def test_an_unknown_choice_is_named(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**{name: "huge"})


def test_the_usual_settings_are_accepted() -> None:
    assert Settings().patience is None
    assert Settings(patience=1, keep=5).keep == 5


def test_settings_come_back_from_a_folder(tmp_path: Path) -> None:
    settings = Settings(dropout=0.25, patience=3)
    folder = RunFolder(tmp_path)
    folder.begin(asdict(settings), BPETokenizer())
    assert Settings.of(folder) == settings


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"colour": 3}, "colour"),
        ({"steps": "7"}, "'str' and 'int'"),
        ({"steps": 0}, r"steps \(0\)"),
        ({"size": ["tiny"]}, "unhashable"),
    ],
)
def test_settings_that_cannot_be_used_are_named(
    tmp_path: Path, changes: dict[str, Any], wrong: str
) -> None:
    folder = RunFolder(tmp_path)
    folder.begin(asdict(Settings()) | changes, BPETokenizer())
    with pytest.raises(ValueError, match=rf"settings\.json is bro.*{wrong}"):
        Settings.of(folder)


# --- what is refused before anything is written ----------------------------


@pytest.mark.parametrize("which", ["train", "valid"])
def test_a_sentence_that_is_too_long_is_refused_before_anything_is_written(
    tmp_path: Path, which: str
) -> None:
    folder = tmp_path / "corpus"
    write_corpus(folder)
    for ending in ("en", "de"):
        with (folder / f"{which}.{ending}").open("a") as file:
            file.write("x y z " * 30 + "\n")
    with pytest.raises(ValueError, match=r"at most max_tokens \(60\)"):
        here(tmp_path / "run", settings_for(str(folder)))
    assert not (tmp_path / "run").exists()


def test_a_step_that_is_too_large_is_refused_before_anything_is_written(
    tmp_path: Path, corpus: str
) -> None:
    with pytest.raises(ValueError, match="batches, a step needs 99"):
        here(tmp_path / "run", settings_for(corpus, accumulate=99))
    assert not (tmp_path / "run").exists()


# --- what is trained --------------------------------------------------------


def test_the_first_numbers_of_a_model_come_from_the_seed(
    tokenizer: BPETokenizer,
) -> None:
    first = build_model(Settings(size="mini"), tokenizer)
    torch.rand(99)
    again = build_model(Settings(size="mini"), tokenizer)
    other = build_model(Settings(size="mini", seed=1), tokenizer)
    for one, two, three in zip(
        first.parameters(), again.parameters(), other.parameters(), strict=True
    ):
        assert torch.equal(one, two)
        assert one.dim() == 1 or not torch.equal(one, three)


@pytest.mark.parametrize("size", ["tiny", "mini"])
def test_a_model_has_the_size_that_was_asked_for(
    tokenizer: BPETokenizer, size: str
) -> None:
    vocab = tokenizer.vocab_size
    expected = laidout.run.SIZES[size](vocab, vocab)
    plain = build_model(Settings(size=size), tokenizer)
    assert plain.config == expected
    changed = build_model(Settings(size=size, dropout=0.25), tokenizer)
    assert changed.config == replace(expected, dropout=0.25)
    none = build_model(Settings(size=size, dropout=0.0), tokenizer)
    assert none.config.dropout == 0.0


def divergence(
    logits: Tensor, tgt: Tensor, smoothing: float
) -> tuple[float, int]:
    """Sum the loss of a batch token by token, with torch's own parts."""
    total, count = 0.0, 0
    size = logits.size(-1)
    for row, sentence in zip(logits.log_softmax(-1), tgt, strict=True):
        for log_q, said in zip(row, sentence[1:].tolist(), strict=True):
            if said == 0:
                continue
            wanted = torch.full((size,), smoothing / (size - 2))
            wanted[said], wanted[0] = 1 - smoothing, 0.0
            loss = functional.kl_div(log_q, wanted, reduction="sum")
            total, count = total + loss.item(), count + 1
    return total, count


def test_the_log_says_what_was_trained(tmp_path: Path, corpus: str) -> None:
    settings = settings_for(corpus, dropout=0.0, steps=12, seed=5)
    run = here(tmp_path, settings)
    seen: list[tuple[int, int, float, int]] = []
    order: list[list[int]] = []

    def before_a_step(progress: Progress) -> None:
        # The next batch, found without the run's help.
        if not order:
            epoch = 1 if seen else 0
            lengths = run.train_set.lengths
            order.extend(epoch_batches(lengths, 60, 5, epoch))
            assert progress.epoch == epoch
        src, tgt = run.train_set.batch(order.pop(0))
        with torch.no_grad():
            logits = run.model(src, tgt[:, :-1])
        total, count = divergence(logits, tgt, 0.1)
        seen.append((progress.step, progress.epoch, total, count))

    started = time.perf_counter()
    run.train(before_a_step)
    elapsed = time.perf_counter() - started
    assert [step for step, *_ in seen] == [*range(12)]
    lines = [line for line in RunFolder(tmp_path).read_log() if "loss" in line]
    assert [line["step"] for line in lines] == [4, 8, 12]
    for number, line in enumerate(lines, start=1):
        part = seen[4 * number - 4 : 4 * number]
        tokens = sum(count for *_, count in part)
        loss = sum(total for _, _, total, _ in part) / tokens
        assert line["loss"] == pytest.approx(loss, rel=1e-5)
        assert line["tokens"] == sum(c for *_, c in seen[: 4 * number])
        assert line["epoch"] == part[-1][1]
        step = line["step"]
        rate = 6**-0.5 * min(step**-0.5, step * 10**-1.5)
        assert line["rate"] == pytest.approx(rate)
    times = [line["seconds"] for line in lines]
    assert 0 < times[0] <= times[1] <= times[2] <= elapsed
    assert run.progress.last_loss == lines[-1]["loss"]
    assert run.progress.tokens == lines[-1]["tokens"]


def test_the_validation_loss_is_the_plain_likelihood(
    tmp_path: Path, corpus: str
) -> None:
    run = here(tmp_path, settings_for(corpus, steps=8))
    run.train(nothing)
    total = count = 0.0
    run.model.eval()
    for src, tgt in run.valid_set.pairs:
        with torch.no_grad():
            logits = run.model(torch.tensor([src]), torch.tensor([tgt[:-1]]))
        total += functional.cross_entropy(
            logits[0], torch.tensor(tgt[1:]), reduction="sum"
        ).item()
        count += len(tgt) - 1
    found = RunFolder(tmp_path).read_log()[-1]
    assert found["step"] == 8
    assert found["valid_loss"] == pytest.approx(total / count, rel=1e-5)
    assert run.progress.best_loss == found["valid_loss"]


def test_the_log_has_its_lines_in_order(whole: dict[str, Any]) -> None:
    found = [
        (line["step"], "loss" in line, "valid_loss" in line)
        for line in whole["log"]
    ]
    expected = [(s, True, False) for s in range(4, STEPS, 4)]
    expected += [(s, False, True) for s in range(8, STEPS, 8)]
    assert found == sorted(expected, key=lambda line: (line[0], line[2]))


def test_a_run_learns(tmp_path: Path, corpus: str) -> None:
    settings = settings_for(corpus, size="tiny", dropout=0.0, steps=24)
    here(tmp_path, settings).train(nothing)
    log = RunFolder(tmp_path).read_log()
    assert log[0]["loss"] > log[-2]["loss"] + 0.5


def test_the_report_comes_before_every_step(
    tmp_path: Path, corpus: str
) -> None:
    run = here(tmp_path, settings_for(corpus, steps=12))
    seen: list[tuple[int, int]] = []
    run.train(lambda p: seen.append((p.step, p.tokens)))
    assert [step for step, _ in seen] == [*range(12)]
    assert seen[0][1] == 0
    assert all(a[1] < b[1] for a, b in pairwise(seen))


# --- the same seed, the same run --------------------------------------------


def test_a_run_again_is_the_same_to_the_bit(
    tmp_path: Path, corpus: str, whole: dict[str, Any]
) -> None:
    here(tmp_path, settings_for(corpus)).train(nothing)
    assert_equal_states(state_of(tmp_path), whole)


def test_random_numbers_of_others_have_no_influence(
    tmp_path: Path, corpus: str, whole: dict[str, Any]
) -> None:
    # Dropout would show if the state of the generator leaked into a run.
    torch.manual_seed(99)
    random.seed(99)
    run = here(tmp_path, settings_for(corpus))
    torch.rand(7)
    run.train(lambda progress: void(torch.rand(progress.step % 3)))
    assert_equal_states(state_of(tmp_path), whole)


def void(_: object) -> None:
    """Return nothing of something."""


@pytest.mark.parametrize("changes", [{"seed": 1}, {"dropout": 0.0}])
def test_another_seed_or_dropout_is_another_run(
    tmp_path: Path,
    corpus: str,
    changes: dict[str, Any],
    whole: dict[str, Any],
) -> None:
    here(tmp_path, settings_for(corpus, **changes)).train(nothing)
    found = state_of(tmp_path)
    name = "decoder.layers.0.feed_forward.w_1.weight"
    assert not torch.equal(found["tensors"][name], whole["tensors"][name])
    assert found["log"] != whole["log"]


def test_dropout_differs_from_step_to_step(
    tmp_path: Path, corpus: str
) -> None:
    run = here(tmp_path, settings_for(corpus, steps=4))
    drawn: list[float] = []
    forward = run.model.forward

    def watched(src: Tensor, tgt: Tensor) -> Tensor:
        drawn.append(torch.rand(()).item())
        return forward(src, tgt)

    run.model.forward = watched  # type: ignore[method-assign]
    run.train(nothing)
    assert len(set(drawn)) == 4


# --- stopped and resumed ----------------------------------------------------


@pytest.mark.parametrize("step", [1, 3, 4, 8, 10, 11, 12, 22, 24, 25])
def test_a_run_that_was_stopped_ends_the_same_to_the_bit(
    tmp_path: Path, corpus: str, step: int, whole: dict[str, Any]
) -> None:
    # 4: a line of the log; 8: a validation; 12, 24: a save; 11, 22: the end
    # of an epoch; the others lie in the middle of everything.
    settings = settings_for(corpus)
    run = here(tmp_path, settings)
    assert run.train(stop_after(run, step)) is False
    assert run.progress.step == step
    assert (
        read_checkpoint(RunFolder(tmp_path).training)[1]["progress"]["step"]
        == step
    )
    assert_equal_states(finish(tmp_path, settings), whole)


def test_the_stops_of_these_tests_are_where_they_claim(
    tmp_path: Path, corpus: str
) -> None:
    run = here(tmp_path, settings_for(corpus))
    sizes = [len(run.train_set.steps(0, epoch, 1)) for epoch in range(3)]
    assert sizes[0] == 11
    assert sizes[0] + sizes[1] == 22
    assert STEPS % 12
    assert STEPS % 4


def test_a_run_may_be_stopped_again_and_again(
    tmp_path: Path, corpus: str, whole: dict[str, Any]
) -> None:
    settings = settings_for(corpus)
    run = here(tmp_path, settings)
    for step in (2, 3, 11, 12, 13, 22):
        assert run.train(stop_after(run, step)) is False
        run = here(tmp_path, settings, resume=True)
        assert run.progress.step == step
    assert run.train(nothing) is True
    assert_equal_states(state_of(tmp_path), whole)


def test_a_stopped_run_may_go_on_without_being_loaded(
    tmp_path: Path, corpus: str, whole: dict[str, Any]
) -> None:
    run = here(tmp_path, settings_for(corpus, keep=3))
    assert run.train(stop_after(run, 7)) is False
    run.stopping = False
    assert run.train(nothing) is True
    found = state_of(tmp_path)
    assert_equal_numbers(found["tensors"], whole["tensors"])
    assert found["log"] == whole["log"]


@pytest.mark.parametrize("accumulate", [2, 3])
def test_a_run_of_large_steps_ends_the_same_to_the_bit(
    tmp_path: Path, corpus: str, accumulate: int
) -> None:
    settings = settings_for(corpus, accumulate=accumulate, steps=12)
    here(tmp_path / "whole", settings).train(nothing)
    run = here(tmp_path / "part", settings)
    assert run.train(stop_after(run, 6)) is False
    found = finish(tmp_path / "part", settings)
    assert_equal_states(found, state_of(tmp_path / "whole"))


def test_what_is_resumed_is_what_was_saved(
    tmp_path: Path, corpus: str
) -> None:
    settings = settings_for(corpus)
    run = here(tmp_path, settings)
    run.train(stop_after(run, 7))
    again = here(tmp_path, settings, resume=True)
    assert_equal_numbers(parameters(again), parameters(run))
    assert str(again.progress) == str(run.progress)
    found, expected = (r.optimizer.state_dict() for r in (again, run))
    assert found["state"].keys() == expected["state"].keys()
    for number, moments in expected["state"].items():
        assert_equal_numbers(found["state"][number], moments)


def test_a_run_that_was_asked_to_stop_at_once_does_no_step(
    tmp_path: Path, corpus: str, whole: dict[str, Any]
) -> None:
    settings = settings_for(corpus)
    run = here(tmp_path, settings)
    run.stopping = True
    assert run.train(nothing) is False
    assert run.progress.step == 0
    assert RunFolder(tmp_path).read_log() == []
    assert RunFolder(tmp_path).checkpoints() == []
    assert_equal_states(finish(tmp_path, settings), whole)


@pytest.mark.parametrize("where", ["_log", "_validate", "_save"])
@pytest.mark.parametrize("step", [8, 24])
def test_a_request_to_stop_between_two_steps_is_heard(
    tmp_path: Path,
    corpus: str,
    where: str,
    step: int,
    whole: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = settings_for(corpus)
    run = here(tmp_path, settings)
    does = getattr(run, where)

    def asked_meanwhile() -> None:
        if run.progress.step >= step:
            run.stopping = True
        does()

    monkeypatch.setattr(run, where, asked_meanwhile)
    assert run.train(nothing) is False
    assert run.progress.step == (
        12 if where == "_save" and step == 8 else step
    )
    assert_equal_states(finish(tmp_path, settings), whole)


def test_a_run_that_was_never_saved_starts_over(
    tmp_path: Path, corpus: str, whole: dict[str, Any]
) -> None:
    settings = settings_for(corpus)

    def crash(progress: Progress) -> None:
        if progress.step == 7:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        here(tmp_path, settings).train(crash)
    assert len(RunFolder(tmp_path).read_log()) == 1
    assert_equal_states(finish(tmp_path, settings), whole)


def test_a_run_that_has_ended_has_nothing_left_to_do(
    tmp_path: Path, corpus: str, whole: dict[str, Any]
) -> None:
    settings = settings_for(corpus)
    here(tmp_path, settings).train(nothing)
    run = here(tmp_path, settings, resume=True)
    assert run.finished()
    assert run.train(lambda _: pytest.fail("did a step")) is True
    assert_equal_states(state_of(tmp_path), whole)


def test_a_stop_does_not_push_out_a_model_that_will_be_averaged(
    tmp_path: Path, corpus: str
) -> None:
    settings = settings_for(corpus, save_every=4, valid_every=4)
    run = here(tmp_path, settings)
    run.train(stop_after(run, 14))
    folder = RunFolder(tmp_path)
    assert [int(p.stem[-9:]) for p in folder.checkpoints()] == [8, 12, 14]
    assert find_model(tmp_path)[0].stem.endswith("14")
    here(tmp_path, settings, resume=True)
    assert [int(p.stem[-9:]) for p in folder.checkpoints()] == [8, 12]


# --- what is refused --------------------------------------------------------


def test_no_run_begins_where_one_is(tmp_path: Path, corpus: str) -> None:
    here(tmp_path, settings_for(corpus))
    with pytest.raises(ValueError, match="holds a run already"):
        here(tmp_path, settings_for(corpus))


@pytest.mark.parametrize("there", [False, True])
def test_nothing_is_resumed_where_nothing_is(
    tmp_path: Path, corpus: str, there: bool
) -> None:
    folder = tmp_path if there else tmp_path / "nowhere"
    with pytest.raises(ValueError, match=rf"{folder.name} holds no run"):
        here(folder, settings_for(corpus), resume=True)
    assert there or not folder.exists()


def test_a_run_is_not_resumed_with_other_settings(
    tmp_path: Path, corpus: str
) -> None:
    run = here(tmp_path, settings_for(corpus))
    run.train(stop_after(run, 2))
    with pytest.raises(ValueError, match="must be those") as error:
        here(tmp_path, settings_for(corpus, steps=99), resume=True)
    assert "steps=99" in str(error.value)
    assert f"steps={STEPS}" in str(error.value)
    assert str(tmp_path) in str(error.value)


def test_a_run_is_not_resumed_with_another_tokenizer(
    tmp_path: Path, corpus: str
) -> None:
    run = here(tmp_path, settings_for(corpus))
    run.train(stop_after(run, 2))
    merges = [*run.tokenizer.merges]
    merges[:2] = reversed(merges[:2])
    BPETokenizer(merges).save(tmp_path / "tokenizer.json")
    with pytest.raises(ValueError, match=r"training\.s.* another tokenizer"):
        here(tmp_path, settings_for(corpus), resume=True)


@pytest.mark.parametrize("progress", [{"colour": 3}, {"step": 1, "x": 2}])
def test_a_progress_of_another_kind_is_refused(
    tmp_path: Path, corpus: str, progress: dict[str, int]
) -> None:
    run = here(tmp_path, settings_for(corpus))
    run.train(stop_after(run, 2))
    tensors, about = read_checkpoint(run.folder.training)
    write_checkpoint(
        run.folder.training, tensors, about | {"progress": progress}
    )
    with pytest.raises(ValueError, match=r"training\.safe.* not say how far"):
        here(tmp_path, settings_for(corpus), resume=True)


# --- full disks -------------------------------------------------------------


class FullFile:
    """A file on a disk with no room."""

    def __init__(self, number: int, mode: str) -> None:
        self.file = os.fdopen(number, mode)

    def __enter__(self) -> "FullFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def write(self, data: bytes) -> int:
        """Write a part, then find the disk full."""
        self.file.write(data[:99])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("call", ["fsync", "replace", "fdopen"])
@pytest.mark.parametrize("part", ["step-000000024", "training"])
def test_a_full_disk_in_mid_save_loses_nothing_that_was_saved(
    tmp_path: Path,
    corpus: str,
    call: str,
    part: str,
    whole: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = settings_for(corpus)
    run = here(tmp_path, settings)
    run.train(stop_after(run, 23))
    run.stopping = False
    real = getattr(os, call)
    calls = 0

    def full(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == (1 if part != "training" else 2):
            if call == "fdopen":
                with monkeypatch.context() as patch:
                    patch.setattr("os.fdopen", real)
                    return FullFile(*args)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(f"laidout.files.os.{call}", full)
        with pytest.raises(OSError, match=rf"write .*{part}.*No space"):
            run.train(nothing)
    again = here(tmp_path, settings, resume=True)
    assert again.progress.step == 23
    assert not list(tmp_path.rglob("*.part"))
    assert again.train(nothing) is True
    assert_equal_states(state_of(tmp_path), whole)


# --- early stopping ---------------------------------------------------------


def scripted(
    monkeypatch: pytest.MonkeyPatch, losses: list[float]
) -> list[float]:
    """Let the validations have these losses, one after the other."""
    left = [*losses]
    monkeypatch.setattr(laidout.run, "evaluate", lambda *_: left.pop(0))
    return left


@pytest.mark.parametrize(
    ("patience", "losses", "end"),
    [
        (1, [5.0, 4.0, 4.0], 3),
        (2, [5.0, 4.0, 4.5, 3.9, 4.1, 3.9], 6),
        (2, [5.0, 6.0, 7.0], 3),
        (1, [math.nan], 1),
        (2, [5.0, math.nan, 4.0, 4.5, math.nan], 5),
        (3, [5.0, 4.0, 4.5, 4.6], 6),
        (None, [5.0] * 6, 6),
    ],
)
def test_a_run_ends_when_waiting_does_not_help(
    tmp_path: Path,
    corpus: str,
    patience: int | None,
    losses: list[float],
    end: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    losses = losses + [1.0] * (6 - len(losses)) if end == 6 else losses
    left = scripted(monkeypatch, losses)
    settings = settings_for(
        corpus, patience=patience, steps=6, log_every=1, valid_every=1
    )
    run = here(tmp_path, settings)
    assert run.train(nothing) is True
    assert run.progress.step == end
    assert left == []
    real = [loss for loss in losses if loss == loss]
    assert run.progress.best_loss == min(real, default=math.inf)
    # What it ended with is saved, whatever the pace.
    name = f"step-{end:09d}.safetensors"
    assert run.folder.checkpoints()[-1].name == name
    assert here(tmp_path, settings, resume=True).finished()
    assert run.folder.checkpoints()[-1].name == name


def test_patience_survives_a_stop(
    tmp_path: Path, corpus: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, [5.0, 6.0, 7.0])
    settings = settings_for(
        corpus, patience=2, log_every=2, valid_every=2, save_every=2
    )
    run = here(tmp_path, settings)
    assert run.train(stop_after(run, 5)) is False
    assert run.progress.waited == 1
    run = here(tmp_path, settings, resume=True)
    assert run.train(nothing) is True
    assert run.progress.step == 6


# --- the result -------------------------------------------------------------


def result_of(
    tmp_path: Path, corpus: str, models: list[tuple[float, int]]
) -> tuple[Run, nn.Module, dict[str, Tensor]]:
    """Choose the result of a run, whose last models are made to measure.

    Each is the trained model, moved that far, in the direction of a seed.
    """
    run = here(tmp_path, settings_for(corpus, steps=24, size="tiny", keep=3))
    run.train(nothing)
    trained = parameters(run)
    for path in run.folder.checkpoints():
        path.unlink()
    for number, (far, seed) in enumerate(models, start=1):
        torch.manual_seed(seed)
        with torch.no_grad():
            for name, parameter in run.model.named_parameters():
                parameter.copy_(trained[name])
                parameter.add_(torch.randn_like(parameter), alpha=far)
        name = f"step-{number:09d}.safetensors"
        path = run.folder.path / "checkpoints" / name
        save_model(path, run.model, run.tokenizer, number)
    return run, final_model(run), trained


def test_the_mean_is_the_result_where_it_is_better(
    tmp_path: Path, corpus: str
) -> None:
    run, model, trained = result_of(tmp_path, corpus, [(0.5, 1), (-0.5, 1)])
    for name, parameter in model.named_parameters():
        assert_close(parameter.detach(), trained[name], 1e-6)
    assert_is_saved(run, model)


def test_the_last_one_is_the_result_where_it_is_better(
    tmp_path: Path, corpus: str
) -> None:
    run, model, trained = result_of(tmp_path, corpus, [(0.5, 1), (0.0, 1)])
    assert_equal_numbers(
        {n: p.detach() for n, p in model.named_parameters()}, trained
    )
    assert_is_saved(run, model)


def assert_is_saved(run: Run, model: nn.Module) -> None:
    """Find the result in its file, and by the folder's name."""
    path, tokenizer = find_model(run.folder.path)
    assert path == run.folder.path / "model.safetensors"
    assert_equal_numbers(
        dict(load_model(path, tokenizer).state_dict()),
        dict(model.state_dict()),
    )
    assert read_checkpoint(path)[1]["step"] == 24


def test_no_more_models_are_averaged_than_are_kept(
    tmp_path: Path, corpus: str
) -> None:
    # A run that is killed in mid-save leaves one too many behind.
    far = [(99.0, 2), (0.5, 1), (-1.0, 1), (0.5, 1)]
    _, model, trained = result_of(tmp_path, corpus, far)
    for name, parameter in model.named_parameters():
        assert_close(parameter.detach(), trained[name], 1e-6)


# --- precision and place ----------------------------------------------------


@pytest.mark.parametrize(
    ("precision", "device", "able", "rounds"),
    [
        ("auto", "cpu", True, False),
        ("fp32", "cpu", True, False),
        ("bf16", "cpu", True, True),
        ("auto", "cuda", True, True),
        ("auto", "cuda", False, False),
        ("fp32", "cuda", True, False),
        ("bf16", "cuda", False, True),
    ],
)
def test_the_precision_chooses_how_matrices_are_multiplied(
    tmp_path: Path,
    corpus: str,
    precision: str,
    device: str,
    able: bool,
    rounds: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: able)
    run = here(tmp_path, settings_for(corpus, precision=precision))
    run.place = Place(device=torch.device(device))
    parallel = run._parallel()
    assert isinstance(parallel, InBFloat16) is rounds
    assert rounds or parallel is run.model


def test_a_run_in_bfloat16_saves_float32(tmp_path: Path, corpus: str) -> None:
    settings = settings_for(corpus, precision="bf16", steps=4)
    run = here(tmp_path, settings)
    assert run.train(nothing) is True
    for name, tensor in read_checkpoint(run.folder.training)[0].items():
        assert tensor.dtype is torch.float32
        assert not name.startswith("model.")
    assert RunFolder(tmp_path).read_log()[0]["loss"] > 0


@pytest.fixture
def joined() -> Iterator[None]:
    """Let this process be the only one of a group."""
    store = dist.HashStore()
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.usefixtures("joined")
def test_only_the_first_process_writes(tmp_path: Path, corpus: str) -> None:
    settings = settings_for(corpus, steps=12)
    second = Place(rank=1, processes=2)
    run = Run(RunFolder(tmp_path / "none"), settings, second)
    assert run.train(nothing) is True
    assert not (tmp_path / "none").exists()
    # Nor does it take anything away.
    folder = tmp_path / "some"
    run = here(folder, settings)
    run.train(stop_after(run, 7))
    run.folder.log({"step": 99})
    before = {p: p.read_bytes() for p in folder.rglob("*.*")}
    Run(RunFolder(folder), settings, second, resume=True)
    assert {p: p.read_bytes() for p in folder.rglob("*.*")} == before


@pytest.mark.usefixtures("joined")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_several_processes_train_one_model(
    tmp_path: Path, corpus: str, precision: str
) -> None:
    settings = settings_for(corpus, precision=precision)
    run = Run(RunFolder(tmp_path), settings, Place(processes=2))
    assert isinstance(run.parallel, DistributedDataParallel)
    rounds = isinstance(run.parallel.module, InBFloat16)
    assert rounds is (precision == "bf16")
    assert {*run.parallel.parameters()} == {*run.model.parameters()}


# --- signals, here ----------------------------------------------------------

SIGNALS = signal.SIGINT, signal.SIGTERM


@pytest.fixture
def own_handlers() -> Iterator[list[Any]]:
    """Install handlers that note the signals, for a while."""
    heard: list[Any] = []
    before = [signal.getsignal(number) for number in SIGNALS]
    for number in SIGNALS:
        signal.signal(number, lambda number, _: heard.append(number))
    yield heard
    for number, handler in zip(SIGNALS, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_asks_and_the_second_is_as_before(
    number: signal.Signals,
    own_handlers: list[Any],
    tmp_path: Path,
    corpus: str,
) -> None:
    run = here(tmp_path, settings_for(corpus))
    with clean_stop(run):
        assert not run.stopping
        os.kill(os.getpid(), number)
        assert run.stopping
        assert own_handlers == []
        os.kill(os.getpid(), number)
        assert own_handlers == [number]


@pytest.mark.parametrize("number", SIGNALS)
def test_the_handlers_come_back_after_a_run(
    number: signal.Signals,
    own_handlers: list[Any],
    tmp_path: Path,
    corpus: str,
) -> None:
    before = [signal.getsignal(n) for n in SIGNALS]
    run = here(tmp_path, settings_for(corpus))

    def press(progress: Progress) -> None:
        if progress.step == 2:
            os.kill(os.getpid(), number)

    assert run.train(press) is False
    assert run.progress.step == 3
    assert [signal.getsignal(n) for n in SIGNALS] == before
    assert own_handlers == []


def test_the_handlers_come_back_after_an_error(
    tmp_path: Path, corpus: str
) -> None:
    before = [signal.getsignal(n) for n in SIGNALS]
    run = here(tmp_path, settings_for(corpus))
    with pytest.raises(ZeroDivisionError):
        run.train(lambda progress: void(1 / 0))
    assert [signal.getsignal(n) for n in SIGNALS] == before


def test_a_run_may_be_trained_in_another_thread(
    tmp_path: Path, corpus: str
) -> None:
    before = [signal.getsignal(n) for n in SIGNALS]
    run = here(tmp_path, settings_for(corpus, steps=4))
    ends: list[object] = []

    def train() -> None:
        try:
            ends.append(run.train(nothing))
        except BaseException as error:
            ends.append(error)

    thread = threading.Thread(target=train)
    thread.start()
    thread.join(30)
    assert ends == [True]
    assert [signal.getsignal(n) for n in SIGNALS] == before


# --- processes --------------------------------------------------------------


@pytest.fixture(scope="module")
def processes(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    """Start the process that forks, once for all tests."""
    errors = tmp_path_factory.mktemp("processes") / "errors"
    with server(errors) as started:
        yield started


def train_in(
    processes: Server, folder: Path, settings: Settings, **given: Any
) -> int:
    """Train in a process of its own; return how it ended."""
    [end] = processes.do(
        "alone", folder=str(folder), settings=asdict(settings), **given
    )
    assert processes.errors.read_text("utf-8") == ""
    return end


def test_a_run_goes_on_in_another_process(
    tmp_path: Path, corpus: str, processes: Server, whole: dict[str, Any]
) -> None:
    settings = settings_for(corpus)
    run = here(tmp_path, settings)
    run.train(stop_after(run, 14))
    assert train_in(processes, tmp_path, settings, resume=True) == 0
    assert_equal_states(state_of(tmp_path), whole)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_process_that_is_asked_to_end_saves_first(
    tmp_path: Path,
    corpus: str,
    processes: Server,
    number: signal.Signals,
    whole: dict[str, Any],
) -> None:
    settings = settings_for(corpus)
    signals = {"13": [int(number)]}
    assert train_in(processes, tmp_path, settings, signals=signals) == 0
    assert (tmp_path / "returned").read_text("utf-8") == "False"
    about = read_checkpoint(RunFolder(tmp_path).training)[1]
    assert about["progress"]["step"] == 14
    assert_equal_states(finish(tmp_path, settings), whole)


@pytest.mark.parametrize(
    ("numbers", "end"),
    [
        ([signal.SIGINT] * 2, 130),
        ([signal.SIGTERM] * 2, -signal.SIGTERM),
    ],
)
def test_a_process_that_is_asked_twice_ends_at_once(
    tmp_path: Path,
    corpus: str,
    processes: Server,
    numbers: list[int],
    end: int,
    whole: dict[str, Any],
) -> None:
    settings = settings_for(corpus)
    signals = {"13": [*map(int, numbers)]}
    assert train_in(processes, tmp_path, settings, signals=signals) == end
    assert not (tmp_path / "returned").exists()
    about = read_checkpoint(RunFolder(tmp_path).training)[1]
    assert about["progress"]["step"] == 12
    assert_equal_states(finish(tmp_path, settings), whole)


@pytest.mark.parametrize("call", range(1, 9))
def test_a_process_that_is_killed_in_mid_save_loses_nothing_else(
    tmp_path: Path,
    corpus: str,
    processes: Server,
    call: int,
    whole: dict[str, Any],
) -> None:
    # A save flushes and renames twice; the first four calls are at step 12.
    settings = settings_for(corpus)
    end = train_in(processes, tmp_path, settings, kill_at=call)
    assert end == -signal.SIGKILL
    if call > 4:
        model = load_model(*find_model(tmp_path))
        assert all(p.isfinite().all() for p in model.parameters())
    run = here(tmp_path, settings, resume=True)
    assert run.progress.step == (0 if call <= 4 else 12)
    assert run.train(nothing) is True
    assert_equal_states(state_of(tmp_path), whole)


def test_a_process_may_be_killed_at_any_moment(
    tmp_path: Path, corpus: str, processes: Server
) -> None:
    settings = settings_for(
        corpus, steps=60, log_every=1, valid_every=1, save_every=1
    )
    here(tmp_path / "whole", settings).train(nothing)
    folder = tmp_path / "part"
    here(folder, settings)
    rng, killed, reached = random.Random(0), 0, []
    for _ in range(40):
        [pid] = processes.start(
            "alone",
            folder=str(folder),
            settings=asdict(settings),
            resume=True,
        )
        time.sleep(rng.uniform(0.05, 0.2))
        os.kill(pid, signal.SIGKILL)
        [end] = processes.wait()
        assert processes.errors.read_text("utf-8") == ""
        if RunFolder(folder).training.exists():
            about = read_checkpoint(RunFolder(folder).training)[1]
            reached.append(about["progress"]["step"])
            load_model(*find_model(folder))
        if end == 0:
            break
        assert end == -signal.SIGKILL
        killed += 1
    assert killed > 0
    assert reached == sorted(reached)
    for path in folder.rglob("*.part"):
        path.unlink()
    found = finish(folder, settings)
    assert_equal_states(found, state_of(tmp_path / "whole"))


# --- several processes ------------------------------------------------------


@pytest.fixture
def double_precision() -> Iterator[None]:
    """Make every new tensor one of float64."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("double_precision")
def test_two_processes_do_as_one_does(
    tmp_path: Path, corpus: str, processes: Server
) -> None:
    settings = settings_for(
        corpus, accumulate=2, dropout=0.0, steps=12, save_every=4
    )
    ends = processes.do(
        "together",
        processes=2,
        folder=str(tmp_path),
        settings=asdict(settings),
        writers=str(tmp_path),
    )
    assert processes.errors.read_text("utf-8") == ""
    assert ends == [0, 0]
    found = [
        json.loads((tmp_path / f"rank-{rank}.json").read_text("utf-8"))
        for rank in (0, 1)
    ]
    ranks = {
        (rank, kind): torch.load(tmp_path / f"rank-{rank}.{kind}")
        for rank in (0, 1)
        for kind in ("whole", "part")
    }
    # 1. Both took part, and agreed about the flags.
    assert [f["place"] for f in found] == [[0, 2], [1, 2]]
    assert [f["any"] for f in found] == [[True, True, False, True]] * 2
    # 2. Both have the same parameters, with a break and without.
    for each in ranks.values():
        assert_equal_numbers(each, ranks[0, "whole"])
    # 3. They are those of one process that does all of it.
    alone = here(tmp_path / "alone", replace(settings, accumulate=4))
    assert alone.train(nothing) is True
    for name, parameter in parameters(alone).items():
        assert_close(ranks[0, "whole"][name].detach(), parameter, 1e-6)
    # 4. One was asked to stop: both did, after the stretch, and went on.
    for each in found:
        assert (each["whole"], each["stopped"], each["resumed"]) == (
            (True, False, True)
        )
        assert each["stopped at"] == each["resumed at"] == 4
        assert each["progress"]["step"] == 12
    # 5. The first one wrote everything, the second one nothing.
    ours = [
        [p for p in f["wrote"] if "/whole/" in p or "/part/" in p]
        for f in found
    ]
    assert ours[0]
    assert ours[1] == []
    log = state_of(tmp_path / "whole")["log"]
    assert log == state_of(tmp_path / "part")["log"]
    lone = state_of(tmp_path / "alone")["log"]
    assert [line["step"] for line in log] == [line["step"] for line in lone]
    for line, expected in zip(log, lone, strict=True):
        if "valid_loss" in line:
            assert line["valid_loss"] == pytest.approx(expected["valid_loss"])
        else:
            assert line["tokens"] == expected["tokens"]
