"""Tests of what a run leaves on the disk."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import Adam

from laidout.checkpoint import load_model, read_checkpoint, write_checkpoint
from laidout.folder import RunFolder, find_model
from laidout.tokenizer import BPETokenizer
from laidout.transformer import Transformer, TransformerConfig

V = 260

TOKENIZER = BPETokenizer([(b"a", b"b")])

OTHER = BPETokenizer([(b"b", b"a")])

SETTINGS = {"steps": 7, "corpus": "größe", "patience": None, "rate": 0.1}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Begin a run."""
    folder = RunFolder(tmp_path / "runs" / "first")
    folder.begin(SETTINGS, TOKENIZER)
    return folder


def model_of(step: int) -> Transformer:
    """Give the model of a step, each with numbers of its own."""
    torch.manual_seed(step)
    return Transformer(TransformerConfig(V, V, 6, 2, 1, d_ff=7, max_len=13))


def save(folder: RunFolder, step: int, keep: int = 1, **more: Any) -> None:
    """Save a run at a step."""
    model = model_of(step)
    optimizer = Adam(model.parameters())
    progress = {"step": step} | more
    folder.save(model, optimizer, TOKENIZER, progress, keep)


def steps_of(folder: RunFolder) -> list[int]:
    """Give the steps whose models are kept."""
    return [int(path.stem[-9:]) for path in folder.checkpoints()]


# --- begin ------------------------------------------------------------------


def test_a_run_begins_with_settings_a_tokenizer_and_an_empty_log(
    folder: RunFolder,
) -> None:
    assert folder.settings() == SETTINGS
    assert folder.tokenizer() == TOKENIZER
    assert folder.read_log() == []
    names = sorted(path.name for path in folder.path.iterdir())
    assert names == ["log.jsonl", "settings.json", "tokenizer.json"]
    assert folder.checkpoints() == []


def test_no_run_begins_where_one_is(folder: RunFolder) -> None:
    folder.log({"step": 3})
    with pytest.raises(ValueError, match=r"runs.first holds a run already"):
        folder.begin({"steps": 9}, OTHER)
    assert folder.settings() == SETTINGS
    assert folder.tokenizer() == TOKENIZER
    assert folder.read_log() == [{"step": 3}]


def test_a_run_may_begin_beside_files_of_others(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", "utf-8")
    RunFolder(tmp_path).begin(SETTINGS, TOKENIZER)
    assert RunFolder(tmp_path).settings() == SETTINGS
    assert (tmp_path / "notes.txt").read_text("utf-8") == "mine"


@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_run_whose_beginning_failed_can_begin_again(
    tmp_path: Path, call: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, calls, rename = RunFolder(tmp_path), [0], os.replace

    def full(*args: Any) -> None:
        calls[0] += 1
        if calls[0] == call:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        rename(*args)

    with monkeypatch.context() as patch:
        patch.setattr("laidout.files.os.replace", full)
        with pytest.raises(OSError, match="No space"):
            folder.begin(SETTINGS, TOKENIZER)
    with pytest.raises(ValueError, match="holds no run"):
        folder.settings()
    folder.begin(SETTINGS, TOKENIZER)
    assert folder.settings() == SETTINGS


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere holds no run"):
        RunFolder(tmp_path / "nowhere").settings()


def test_a_folder_without_a_tokenizer_is_named(folder: RunFolder) -> None:
    (folder.path / "tokenizer.json").unlink()
    with pytest.raises(ValueError, match=r"tokenizer\.json: there is no tok"):
        folder.tokenizer()


BROKEN = [b"", b"{", b"[]", b"7", b"null", b'"x"', b"\xff\xfe{", b"[" * 99_999]


@pytest.mark.parametrize("data", BROKEN, ids=lambda data: repr(data[:9]))
def test_broken_settings_are_named(folder: RunFolder, data: bytes) -> None:
    (folder.path / "settings.json").write_bytes(data)
    with pytest.raises(ValueError, match=r"settings\.json is broken"):
        folder.settings()


# --- the log ----------------------------------------------------------------


def test_the_log_keeps_its_lines_in_order(folder: RunFolder) -> None:
    lines = [{"step": n, "loss": 1 / n, "note": "é\n"} for n in (3, 1, 2)]
    for line in lines:
        folder.log(line)
    assert folder.read_log() == lines
    data = (folder.path / "log.jsonl").read_bytes()
    assert data.count(b"\n") == 3


def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert RunFolder(tmp_path).read_log() == []


@pytest.mark.parametrize("half", ['{"step": 5, "lo', '{"step": 5}', "7"])
def test_half_a_line_at_the_end_is_left_out(
    folder: RunFolder, half: str
) -> None:
    folder.log({"step": 3})
    with (folder.path / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(half)
    assert folder.read_log() == [{"step": 3}]
    folder.cut_log(99)
    folder.log({"step": 6})
    assert folder.read_log() == [{"step": 3}, {"step": 6}]


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b"[]", b"\xff", b"{}", b'{"loss": 1}', b'{"step": "a"}'],
)
def test_a_broken_line_in_the_log_is_named(
    folder: RunFolder, line: bytes
) -> None:
    folder.log({"step": 3})
    with (folder.path / "log.jsonl").open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(ValueError, match=r"log\.jsonl is broken: line 2"):
        folder.read_log()
    with pytest.raises(ValueError, match=r"log\.jsonl is broken: line 2"):
        folder.cut_log(3)


def test_a_log_is_cut_after_a_step(folder: RunFolder) -> None:
    for step in (4, 8, 8, 12):
        folder.log({"step": step, "loss": 0.1 + step})
    folder.cut_log(8)
    kept = [{"step": step, "loss": 0.1 + step} for step in (4, 8, 8)]
    assert folder.read_log() == kept
    folder.cut_log(3)
    assert folder.read_log() == []


def test_a_loss_that_is_no_number_survives_a_cut(folder: RunFolder) -> None:
    folder.log({"step": 1, "loss": float("nan")})
    folder.cut_log(1)
    assert str(folder.read_log()) == "[{'step': 1, 'loss': nan}]"


def test_a_log_that_cannot_be_written_is_named(folder: RunFolder) -> None:
    log = folder.path / "log.jsonl"
    log.unlink()
    log.mkdir()
    with pytest.raises(OSError, match=r"cannot write .*log\.jsonl"):
        folder.log({"step": 3})


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device")
def test_a_full_disk_under_the_log_names_it(folder: RunFolder) -> None:
    log = folder.path / "log.jsonl"
    log.unlink()
    log.symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"write .*log\.jsonl: No space") as e:
        folder.log({"step": 3})
    assert e.value.errno == errno.ENOSPC


# --- the checkpoints --------------------------------------------------------


@pytest.mark.parametrize("keep", [1, 2, 3, 5])
def test_the_last_models_are_kept(folder: RunFolder, keep: int) -> None:
    steps = [2, 9, 10, 99, 100, 1000]
    for number, step in enumerate(steps, start=1):
        save(folder, step, keep)
        assert steps_of(folder) == steps[:number][-keep:]
    for step, path in zip(steps[-keep:], folder.checkpoints(), strict=True):
        found = dict(load_model(path, TOKENIZER).named_parameters())
        for name, parameter in model_of(step).named_parameters():
            assert torch.equal(found[name], parameter)


def test_a_save_leaves_only_what_is_named(folder: RunFolder) -> None:
    save(folder, 5)
    files = {p for p in folder.path.rglob("*") if p.is_file()}
    assert {str(p.relative_to(folder.path)) for p in files} == {
        "settings.json",
        "tokenizer.json",
        "log.jsonl",
        "training.safetensors",
        "checkpoints/step-000000005.safetensors",
    }


@pytest.mark.parametrize("call", range(1, 5))
def test_a_save_that_fails_removes_no_model_and_loses_no_state(
    folder: RunFolder, call: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A save flushes and renames twice: first the model, then the state.
    save(folder, 5, note="old")
    calls = [0]

    def failing(do: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*args: Any) -> Any:
            calls[0] += 1
            if calls[0] == call:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return do(*args)

        return instead

    with monkeypatch.context() as patch:
        patch.setattr("laidout.files.os.fsync", failing(os.fsync))
        patch.setattr("laidout.files.os.replace", failing(os.replace))
        name = "step-000000009" if call <= 2 else "training"
        with pytest.raises(OSError, match=rf"write .*{name}\.saf.*No space"):
            save(folder, 9, note="new")
    assert 5 in steps_of(folder)
    model = model_of(1)
    progress = folder.restore(model, Adam(model.parameters()))
    assert progress == {"step": 5, "note": "old"}
    for found, expected in zip(
        model.parameters(), model_of(5).parameters(), strict=True
    ):
        assert torch.equal(found, expected)
    assert not list(folder.path.rglob("*.part"))


def test_the_new_model_is_there_before_the_old_one_goes(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(folder, 5)
    seen: list[list[int]] = []
    unlink = Path.unlink

    def watched(path: Path, **options: Any) -> None:
        if path.parent.name == "checkpoints":
            seen.append(steps_of(folder))
            about = read_checkpoint(folder.training)[1]
            assert about["progress"]["step"] == 9
        unlink(path, **options)

    monkeypatch.setattr(Path, "unlink", watched)
    save(folder, 9)
    assert seen == [[5, 9]]
    assert steps_of(folder) == [9]


def test_files_that_are_no_models_of_ours_are_left_alone(
    folder: RunFolder,
) -> None:
    save(folder, 5)
    names = ["step-best.safetensors", "step-000000005 copy.safetensors"]
    names += [".step-000000004.safetensors.x.part", "notes.txt"]
    others = [folder.path / "checkpoints" / name for name in names]
    for other in others:
        other.write_text("mine", "utf-8")
    save(folder, 9)
    folder.cut_models(9)
    assert steps_of(folder) == [9]
    assert all(other.exists() for other in others)


def test_models_of_later_steps_are_removed(folder: RunFolder) -> None:
    for step in (5, 9, 13):
        save(folder, step, keep=3)
    folder.cut_models(9)
    assert steps_of(folder) == [5, 9]
    folder.cut_models(0)
    assert steps_of(folder) == []


# --- restore ----------------------------------------------------------------


def test_nothing_is_restored_where_nothing_was_saved(
    folder: RunFolder,
) -> None:
    model = model_of(1)
    assert folder.restore(model, Adam(model.parameters())) == {}
    for found, expected in zip(
        model.parameters(), model_of(1).parameters(), strict=True
    ):
        assert torch.equal(found, expected)


def test_odd_numbers_in_the_progress_come_back(folder: RunFolder) -> None:
    inf, nan = float("inf"), float("nan")
    save(folder, 5, best=inf, last=nan, sum=0.1 + 0.2)
    model = model_of(5)
    progress = folder.restore(model, Adam(model.parameters()))
    assert progress["best"] == inf
    assert progress["last"] != progress["last"]
    assert progress["sum"] == 0.1 + 0.2


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"tokenizer": OTHER.fingerprint, "progress": {}}, "another tokeni"),
        ({"progress": {}}, "another tokenizer: to None"),
        ({"tokenizer": TOKENIZER.fingerprint}, "not say how far it is"),
        (
            {"tokenizer": TOKENIZER.fingerprint, "progress": [5]},
            "not say how far it is",
        ),
        ({"kind": "model"}, "holds no run but 'model'"),
    ],
)
def test_a_state_that_cannot_be_used_is_named(
    folder: RunFolder, about: dict[str, Any], message: str
) -> None:
    save(folder, 5)
    tensors = read_checkpoint(folder.training)[0]
    write_checkpoint(folder.training, tensors, {"kind": "training"} | about)
    model = model_of(5)
    with pytest.raises(ValueError, match=rf"training\.safetens.*{message}"):
        folder.restore(model, Adam(model.parameters()))


# --- find_model -------------------------------------------------------------


def test_a_run_that_goes_on_has_its_newest_model(folder: RunFolder) -> None:
    save(folder, 5, keep=2)
    save(folder, 9, keep=2)
    path, tokenizer = find_model(folder.path)
    assert path == folder.checkpoints()[-1]
    assert path.name == "step-000000009.safetensors"
    assert tokenizer == TOKENIZER


def test_a_run_that_has_ended_has_its_result(folder: RunFolder) -> None:
    save(folder, 5)
    folder.model.write_bytes(b"")
    assert find_model(folder.path) == (folder.model, TOKENIZER)


def test_a_model_file_finds_the_tokenizer_beside_it(
    folder: RunFolder,
) -> None:
    folder.model.write_bytes(b"")
    assert find_model(folder.model) == (folder.model, TOKENIZER)


def test_a_checkpoint_finds_the_tokenizer_of_its_run(
    folder: RunFolder,
) -> None:
    save(folder, 5)
    path = folder.checkpoints()[0]
    assert find_model(path) == (path, TOKENIZER)


def test_a_checkpoint_is_found_from_its_own_folder(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(folder, 5)
    monkeypatch.chdir(folder.path)
    path = folder.checkpoints()[0].relative_to(folder.path)
    assert find_model(path) == (path, TOKENIZER)
    assert find_model(Path()) == (path, TOKENIZER)


def test_a_model_without_a_tokenizer_is_an_error(tmp_path: Path) -> None:
    model = tmp_path / "model.safetensors"
    model.write_bytes(b"")
    for path in (model, tmp_path):
        with pytest.raises(ValueError, match=r"tokenizer\.json: there is no"):
            find_model(path)


def test_a_run_without_a_model_is_an_error(folder: RunFolder) -> None:
    with pytest.raises(ValueError, match=r"first holds no model: nothing was"):
        find_model(folder.path)


def test_a_path_to_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no\.where: there is no such mode"):
        find_model(tmp_path / "no.where")


def test_settings_are_readable_json(folder: RunFolder) -> None:
    text = (folder.path / "settings.json").read_text("utf-8")
    assert json.loads(text) == SETTINGS
    assert text.count("\n") > len(SETTINGS)
