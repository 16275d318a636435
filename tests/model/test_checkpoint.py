"""Tests of the checkpoints: models and runs in single files."""

import copy
import errno
import itertools
import json
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracle import assert_same, make
from safetensors.torch import save_file
from torch import Tensor
from torch.optim import Adam

import laidout.checkpoint
from laidout.checkpoint import (
    FORMAT,
    average_checkpoints,
    average_tensors,
    load_model,
    load_training,
    read_checkpoint,
    save_model,
    save_training,
    write_checkpoint,
)
from laidout.tokenizer import BPETokenizer
from laidout.transformer import Transformer, TransformerConfig

V = 261

TOKENIZER = BPETokenizer([(b"a", b"b"), (b"ab", b"a")])

OTHER = BPETokenizer([(b"b", b"a"), (b"ba", b"b")])


def small_model(seed: int = 0, **changes: Any) -> Transformer:
    """Make a small model of its own for every seed."""
    sizes: dict[str, Any] = {
        "d_model": 6,
        "num_heads": 2,
        "num_layers": 1,
        "d_ff": 7,
        "max_len": 13,
    }
    torch.manual_seed(seed)
    return Transformer(TransformerConfig(V, V, **sizes | changes))


def adam(model: torch.nn.Module) -> Adam:
    """Give Adam as in section 5.3, with a rate that moves something."""
    return Adam(model.parameters(), lr=0.01, betas=(0.9, 0.98), eps=1e-9)


def take_steps(model: Transformer, optimizer: Adam, steps: int) -> None:
    """Learn something, no matter what."""
    src, tgt = torch.tensor([[5, 7, 11, 2]]), torch.tensor([[1, 13, 17, 2]])
    for _ in range(steps):
        optimizer.zero_grad()
        model(src, tgt).logsumexp(-1).sum().backward()
        optimizer.step()


def parameters(model: torch.nn.Module) -> dict[str, Tensor]:
    """Copy the parameters by name."""
    return {n: p.detach().clone() for n, p in model.named_parameters()}


def assert_same_tensors(
    found: dict[str, Tensor], expected: dict[str, Tensor]
) -> None:
    """Compare tensors by name, to the last bit."""
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert_same(found[name], tensor)


def foreign(path: Path, header: dict[str, str] | None) -> Path:
    """Write a safetensors file with any header."""
    save_file({"x": torch.ones(2)}, path, header)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Say where to write."""
    return tmp_path / "some.safetensors"


# --- what is written comes back ---------------------------------------------


def test_tensors_and_header_come_back(path: Path) -> None:
    tensors = {
        "a": make("a", 2, 3),
        "b.c": make("b", 5, dtype=torch.float32),
        "whole": torch.tensor([[1, -(2**60)]]),
        "truth": torch.tensor([True, False]),
        "half": make("h", 3, dtype=torch.bfloat16),
        "number": torch.tensor(7.5),
        "nothing": torch.empty(0, 3),
        "turned": make("t", 3, 5).t(),
    }
    about = {"kind": "test", "größe": [1, None, {"x": 2.5}], "q": '"\n'}
    write_checkpoint(path, tensors, about)
    found, said = read_checkpoint(path)
    assert_same_tensors(found, tensors)
    assert said == about


def test_odd_numbers_come_back_to_the_bit(path: Path) -> None:
    odd = torch.tensor([0.0, -0.0, torch.inf, -torch.inf, torch.nan, 1e-45])
    write_checkpoint(path, {"odd": odd}, {})
    found = read_checkpoint(path)[0]["odd"]
    assert torch.equal(found.view(torch.int32), odd.view(torch.int32))


def test_a_model_comes_back_to_the_bit(path: Path) -> None:
    model = small_model()
    save_model(path, model, TOKENIZER, step=7)
    loaded = load_model(path, TOKENIZER)
    assert loaded.config == model.config
    assert_same_tensors(parameters(loaded), parameters(model))
    src, tgt = torch.tensor([[5, 7, 2]]), torch.tensor([[1, 9]])
    assert_same(loaded.eval()(src, tgt), model.eval()(src, tgt))


def test_the_header_says_what_a_model_is(path: Path) -> None:
    save_model(path, small_model(), TOKENIZER, step=7)
    about = read_checkpoint(path)[1]
    assert about["kind"] == "model"
    assert about["step"] == 7
    assert about["tokenizer"] == TOKENIZER.fingerprint
    assert about["config"]["d_model"] == 6


def test_a_matrix_that_serves_three_times_is_stored_once(path: Path) -> None:
    model = small_model()
    save_model(path, model, TOKENIZER, 1)
    tensors = read_checkpoint(path)[0]
    assert [n for n, t in tensors.items() if t.shape == (V, 6)] == [
        "src_embedding.embedding.weight"
    ]
    numbers = sum(p.numel() for p in model.parameters())
    assert sum(t.numel() for t in tensors.values()) == numbers
    assert 4 * numbers < path.stat().st_size < 4 * numbers + 9_999


def test_a_loaded_matrix_still_serves_three_times(path: Path) -> None:
    save_model(path, small_model(), TOKENIZER, 1)
    model = load_model(path, TOKENIZER)
    assert model.tgt_embedding is model.src_embedding
    weight = model.src_embedding.embedding.weight
    assert model.output_projection.weight is weight


def test_matrices_that_are_not_shared_are_all_stored(path: Path) -> None:
    model = small_model(share_embeddings=False)
    save_model(path, model, TOKENIZER, 1)
    loaded = load_model(path, TOKENIZER)
    assert_same_tensors(parameters(loaded), parameters(model))
    assert loaded.tgt_embedding is not loaded.src_embedding


def test_a_loaded_model_learns(path: Path) -> None:
    save_model(path, small_model(), TOKENIZER, 1)
    model = load_model(path, TOKENIZER)
    assert all(parameter.requires_grad for parameter in model.parameters())
    before = parameters(model)
    take_steps(model, adam(model), 1)
    name = "encoder.layers.0.feed_forward.w_1.weight"
    assert not torch.equal(parameters(model)[name], before[name])


def test_a_run_goes_on_to_the_bit(path: Path) -> None:
    model = small_model(dropout=0.0)
    optimizer = adam(model)
    take_steps(model, optimizer, 3)
    save_training(path, model, optimizer, {"progress": {"step": 3}})
    take_steps(model, optimizer, 4)
    # Another model, with other moments, becomes the one that was saved.
    again = small_model(seed=1, dropout=0.0)
    moments = adam(again)
    take_steps(again, moments, 2)
    about = load_training(path, again, moments)
    assert about == {"kind": "training", "progress": {"step": 3}}
    take_steps(again, moments, 4)
    assert_same_tensors(parameters(again), parameters(model))
    for number, state in optimizer.state_dict()["state"].items():
        found = moments.state_dict()["state"][number]
        assert_same_tensors(found, state)
        assert float(state["step"]) == 7


def test_a_run_without_a_step_has_no_moments(path: Path) -> None:
    model = small_model()
    save_training(path, model, adam(model), {})
    assert not any(n.startswith("optimizer") for n in read_checkpoint(path)[0])
    again = small_model(seed=1)
    optimizer = adam(again)
    load_training(path, again, optimizer)
    assert_same_tensors(parameters(again), parameters(model))
    assert optimizer.state_dict()["state"] == {}


def test_the_optimizer_keeps_its_own_settings(path: Path) -> None:
    model = small_model()
    optimizer = adam(model)
    take_steps(model, optimizer, 1)
    save_training(path, model, optimizer, {})
    optimizer.param_groups[0]["lr"] = 0.25
    load_training(path, model, optimizer)
    assert optimizer.param_groups[0]["lr"] == 0.25
    assert optimizer.param_groups[0]["betas"] == (0.9, 0.98)


# --- all or nothing ---------------------------------------------------------


@pytest.mark.parametrize("call", ["fsync", "replace", "chmod"])
def test_a_full_disk_leaves_the_old_checkpoint(
    path: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = small_model()
    save_model(path, old, TOKENIZER, 1)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(f"laidout.files.os.{call}", full)
        with pytest.raises(OSError, match=r"write .*some\.safeten.*No space"):
            save_model(path, small_model(seed=1), TOKENIZER, 2)
    assert list(path.parent.iterdir()) == [path]
    loaded = load_model(path, TOKENIZER)
    assert_same_tensors(parameters(loaded), parameters(old))


def test_everything_is_written_through_one_atomic_call(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[Path, int]] = []
    monkeypatch.setattr(
        laidout.checkpoint,
        "write_atomically",
        lambda path, data: written.append((path, len(data))),
    )
    model = small_model()
    save_model(path, model, TOKENIZER, 1)
    save_training(path, model, adam(model), {})
    assert [where for where, _ in written] == [path, path]
    assert not path.exists()


# --- no file runs code ------------------------------------------------------


def forbidden(*args: object, **options: object) -> None:
    """Take the place of whatever may run code."""
    pytest.fail("a pickle was read or written")


@pytest.fixture
def no_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every use of pickle fail."""
    for name in ("load", "loads", "dump", "dumps", "Unpickler", "Pickler"):
        monkeypatch.setattr(pickle, name, forbidden)
    for name in ("load", "save"):
        monkeypatch.setattr(torch, name, forbidden)


@pytest.mark.usefixtures("no_pickle")
def test_checkpoints_use_no_pickle(path: Path) -> None:
    model = small_model()
    optimizer = adam(model)
    save_model(path, model, TOKENIZER, 1)
    assert load_model(path, TOKENIZER).config == model.config
    assert average_checkpoints([path], TOKENIZER).config == model.config
    save_training(path, model, optimizer, {"n": 1})
    assert load_training(path, model, optimizer)["n"] == 1


class Bomb:
    """What makes a file when it is unpickled."""

    def __init__(self, crater: Path) -> None:
        self.crater = crater

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.crater),)


BOMBS: dict[str, Callable[[Any, Path], object]] = {
    "pickle": lambda bomb, path: path.write_bytes(pickle.dumps(bomb)),
    "old pickle": lambda bomb, path: path.write_bytes(pickle.dumps(bomb, 0)),
    "torch": lambda bomb, path: torch.save(bomb, path),
    "old torch": lambda bomb, path: torch.save(
        bomb, path, _use_new_zipfile_serialization=False
    ),
}


@pytest.mark.parametrize("plant", BOMBS.values(), ids=BOMBS.keys())
def test_a_pickle_is_refused_and_not_run(
    path: Path, plant: Callable[[Any, Path], object]
) -> None:
    crater = path.parent / "crater"
    plant(Bomb(crater), path)
    model = small_model()
    for read in (
        lambda: read_checkpoint(path),
        lambda: load_model(path, TOKENIZER),
        lambda: load_training(path, model, adam(model)),
        lambda: average_checkpoints([path], TOKENIZER),
    ):
        with pytest.raises(ValueError, match=r"some\.safetensors is broken"):
            read()
    assert not crater.exists()


def test_the_bomb_of_these_tests_would_explode(tmp_path: Path) -> None:
    crater = tmp_path / "crater"
    pickle.loads(pickle.dumps(Bomb(crater)))
    assert crater.exists()


# --- broken and foreign files -----------------------------------------------


@pytest.mark.parametrize("what", ["nothing", "a folder"])
def test_a_file_that_is_not_there_is_named(path: Path, what: str) -> None:
    if what == "a folder":
        path.mkdir()
    with pytest.raises(ValueError, match=r"some\.safetensors: there is no"):
        read_checkpoint(path)


def test_a_file_cut_off_anywhere_is_refused(path: Path) -> None:
    save_model(path, small_model(), TOKENIZER, 1)
    data = path.read_bytes()
    header = 8 + struct.unpack("<Q", data[:8])[0]
    places = {*range(12), header - 1, header, header + 1, len(data) - 1}
    places |= {*range(13, len(data), 97)}
    for place in sorted(places):
        path.write_bytes(data[:place])
        with pytest.raises(ValueError, match=r"some\.safetensors is broken"):
            read_checkpoint(path)


def test_a_file_with_something_behind_it_is_refused(path: Path) -> None:
    save_model(path, small_model(), TOKENIZER, 1)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ValueError, match=r"some\.safetensors is broken"):
        read_checkpoint(path)


@given(data=st.binary(max_size=99))
def test_any_bytes_are_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"any\.safetensors is "):
        read_checkpoint(path)


@pytest.mark.parametrize(
    "header", [None, {}, {"format": "pt"}, {"format": FORMAT + "1"}]
)
def test_a_file_of_another_program_is_refused(
    path: Path, header: dict[str, str] | None
) -> None:
    foreign(path, header)
    with pytest.raises(ValueError, match=r"some\.safeten.* no checkpoint of"):
        read_checkpoint(path)


DEEP = "[" * 99_999


@pytest.mark.parametrize(
    "about", [None, "", "{", "[]", "7", "null", '"text"', DEEP]
)
def test_a_broken_header_is_named(path: Path, about: str | None) -> None:
    header = {} if about is None else {"about": about}
    foreign(path, {"format": FORMAT} | header)
    with pytest.raises(ValueError, match=r"some\.safeten.* broken header"):
        read_checkpoint(path)


def change_model(path: Path, **changes: Any) -> Path:
    """Save a model with a header that is changed; None leaves a key out."""
    save_model(path, small_model(), TOKENIZER, 1)
    tensors, about = read_checkpoint(path)
    about |= changes
    about = {key: value for key, value in about.items() if value is not None}
    write_checkpoint(path, tensors, about)
    return path


def test_a_model_of_another_tokenizer_is_refused(path: Path) -> None:
    save_model(path, small_model(), TOKENIZER, 1)
    with pytest.raises(ValueError, match="another tokenizer") as error:
        load_model(path, OTHER)
    for part in (path.name, TOKENIZER.fingerprint, OTHER.fingerprint):
        assert part in str(error.value)


def test_a_model_without_a_tokenizer_is_refused(path: Path) -> None:
    change_model(path, tokenizer=None)
    with pytest.raises(ValueError, match=r"some\.safe.* tokenizer: to None"):
        load_model(path, TOKENIZER)


@pytest.mark.parametrize("kind", ["training", "banana", None, ["model"]])
def test_what_is_no_model_is_refused(path: Path, kind: object) -> None:
    change_model(path, kind=kind)
    with pytest.raises(ValueError, match=r"some\.safeten.* holds no model"):
        load_model(path, TOKENIZER)


def test_a_model_is_no_run(path: Path) -> None:
    model = small_model()
    save_model(path, model, TOKENIZER, 1)
    with pytest.raises(ValueError, match=r"some\.sa.* holds no run but 'mod"):
        load_training(path, model, adam(model))


GOOD = {
    "src_vocab_size": V,
    "tgt_vocab_size": V,
    "d_model": 6,
    "num_heads": 2,
    "num_layers": 1,
    "d_ff": 7,
}


@pytest.mark.parametrize(
    "config",
    [
        None,
        {},
        [],
        "tiny",
        GOOD | {"colour": 3},
        GOOD | {"num_heads": 4},
        GOOD | {"num_layers": 0},
        GOOD | {"d_model": "6"},
        GOOD | {"d_model": 6.0},
        GOOD | {"d_model": None},
        GOOD | {"d_model": 6 * 10**17},
        GOOD | {"d_ff": 10**30},
        GOOD | {"dropout": 1.5},
        GOOD | {"dropout": "much"},
        GOOD | {"pad_id": -1},
        GOOD | {"src_vocab_size": V + 1},
        {"d_model": 6},
    ],
    ids=lambda config: str(config)[-30:],
)
def test_sizes_that_make_no_model_are_refused(
    path: Path, config: object
) -> None:
    change_model(path, config=config)
    with pytest.raises(ValueError, match=r"some\.safe.* has sizes of no mod"):
        load_model(path, TOKENIZER)


NAME = "encoder.layers.0.feed_forward.w_1.weight"


def without(tensors: dict[str, Tensor]) -> None:
    """Leave a parameter out."""
    del tensors[NAME]


def with_more(tensors: dict[str, Tensor]) -> None:
    """Add a parameter."""
    tensors["encoder.more"] = torch.ones(1)


def turned(tensors: dict[str, Tensor]) -> None:
    """Give a parameter another shape with as many numbers."""
    tensors[NAME] = tensors[NAME].t()


def single(tensors: dict[str, Tensor]) -> None:
    """Give a parameter a shape that could be broadcast."""
    tensors[NAME] = tensors[NAME][:1]


WRONG = {
    without: rf"lacks {NAME}",
    with_more: r"has an unknown encoder\.more",
    turned: rf"{NAME} has shape \(6, 7\), the model's \(7, 6\)",
    single: rf"{NAME} has shape \(1, 6\), the model's \(7, 6\)",
}


@pytest.mark.parametrize(("change", "message"), WRONG.items())
def test_a_parameter_that_does_not_fit_is_named(
    path: Path, change: Callable[[dict[str, Tensor]], None], message: str
) -> None:
    save_model(path, small_model(), TOKENIZER, 1)
    tensors, about = read_checkpoint(path)
    change(tensors)
    write_checkpoint(path, tensors, about)
    with pytest.raises(ValueError, match=rf"some\.safetensors.*{message}"):
        load_model(path, TOKENIZER)


@pytest.mark.parametrize(("change", "message"), WRONG.items())
def test_a_run_that_does_not_fit_leaves_the_model_as_it_was(
    path: Path, change: Callable[[dict[str, Tensor]], None], message: str
) -> None:
    save_training(path, small_model(), adam(small_model()), {})
    tensors, about = read_checkpoint(path)
    change(tensors)
    write_checkpoint(path, tensors, about)
    model = small_model(seed=1)
    with pytest.raises(ValueError, match=rf"some\.safetensors.*{message}"):
        load_training(path, model, adam(model))
    assert_same_tensors(parameters(model), parameters(small_model(seed=1)))


MOMENTS: dict[str, Callable[[dict[str, Tensor]], object]] = {
    "one is gone": lambda t: t.pop("optimizer.3.exp_avg"),
    "all of one are gone": lambda t: [
        t.pop(f"optimizer.3.{key}")
        for key in ("step", "exp_avg", "exp_avg_sq")
    ],
    "another shape": lambda t: t.update(
        {"optimizer.3.exp_avg": torch.ones(3, 5)}
    ),
    "too many": lambda t: t.update({"optimizer.99.step": torch.tensor(1.0)}),
    "no number": lambda t: t.update({"optimizer.x.step": torch.tensor(1.0)}),
    "no name": lambda t: t.update({"optimizer.": torch.tensor(1.0)}),
    "one more": lambda t: t.update({"optimizer.3.more": torch.tensor(1.0)}),
}


@pytest.mark.parametrize("change", MOMENTS.values(), ids=MOMENTS.keys())
def test_moments_that_do_not_fit_are_refused(
    path: Path, change: Callable[[dict[str, Tensor]], object]
) -> None:
    model = small_model()
    optimizer = adam(model)
    take_steps(model, optimizer, 1)
    save_training(path, model, optimizer, {})
    tensors, about = read_checkpoint(path)
    change(tensors)
    write_checkpoint(path, tensors, about)
    with pytest.raises(ValueError, match=r"some\.safe.* not fit the optimi"):
        load_training(path, model, optimizer)


# --- the mean of several ----------------------------------------------------


def test_a_mean_by_hand() -> None:
    models = [
        {"a": torch.tensor([1.0, n]), "b": torch.ones(1, 1)}
        for n in (2.0, 3.0, 7.0)
    ]
    mean = average_tensors(models)
    assert mean["a"].tolist() == [1.0, 4.0]
    assert mean["b"].tolist() == [[1.0]]


def test_a_mean_keeps_the_dtype_and_leaves_the_models() -> None:
    model = {"a": make("a", 3, dtype=torch.float32)}
    before = copy.deepcopy(model)
    mean = average_tensors([model, model])
    assert_same(mean["a"], before["a"])
    mean["a"][0] = 99.0
    assert_same(model["a"], before["a"])


def test_a_mean_is_computed_in_float64() -> None:
    # In float32 the small number is lost beside the large ones.
    models = [{"a": torch.tensor([n])} for n in (1e8, 1.0, -1e8)]
    assert average_tensors(models)["a"].item() == pytest.approx(1 / 3)


def test_the_order_does_not_matter() -> None:
    models = [
        {"a": make("a", 997, seed=seed, dtype=torch.float32)}
        for seed in range(4)
    ]
    first = average_tensors(models)["a"]
    for order in itertools.permutations(models):
        assert_same(average_tensors(order)["a"], first)


def test_the_mean_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="models must hold at least one"):
        average_tensors([])


@pytest.mark.parametrize(
    "other",
    [
        {"b": torch.ones(2)},
        {"a": torch.ones(2), "b": torch.ones(2)},
        {},
        {"a": torch.ones(1)},
        {"a": torch.ones(2, 2)},
    ],
)
def test_models_that_differ_have_no_mean(other: dict[str, Tensor]) -> None:
    first = {"a": torch.ones(2)}
    with pytest.raises(ValueError, match=r"models\[2\] has other parameters"):
        average_tensors([first, first, other])


def save_several(folder: Path, count: int) -> list[Path]:
    """Save models of different seeds."""
    paths = [folder / f"{seed}.safetensors" for seed in range(count)]
    for seed, path in enumerate(paths):
        save_model(path, small_model(seed), TOKENIZER, seed)
    return paths


def test_the_mean_of_files_is_the_mean_of_their_numbers(
    tmp_path: Path,
) -> None:
    mean = average_checkpoints(save_several(tmp_path, 3), TOKENIZER)
    models = [parameters(small_model(seed)) for seed in range(3)]
    for name, found in parameters(mean).items():
        total = sum((m[name].double() for m in models), torch.zeros(()))
        assert_same(found, (total / 3).float())
    assert mean.output_projection.weight is mean.src_embedding.embedding.weight


def test_the_mean_of_one_file_is_that_file(tmp_path: Path) -> None:
    paths = save_several(tmp_path, 1)
    mean = average_checkpoints(paths, TOKENIZER)
    assert_same_tensors(parameters(mean), parameters(small_model()))


def test_the_mean_leaves_the_files(tmp_path: Path) -> None:
    paths = save_several(tmp_path, 2)
    before = [path.read_bytes() for path in paths]
    average_checkpoints(paths, TOKENIZER)
    assert [path.read_bytes() for path in paths] == before


def test_the_mean_of_no_file_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        average_checkpoints([], TOKENIZER)


def test_a_file_that_spoils_the_mean_is_named(tmp_path: Path) -> None:
    paths = save_several(tmp_path, 3)
    paths[1].write_bytes(paths[1].read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"1\.safetensors is broken"):
        average_checkpoints(paths, TOKENIZER)


@pytest.mark.parametrize("changes", [{"d_ff": 11}, {"num_heads": 3}])
def test_files_of_other_sizes_have_no_mean(
    tmp_path: Path, changes: dict[str, int]
) -> None:
    paths = save_several(tmp_path, 2)
    save_model(paths[1], small_model(**changes), TOKENIZER, 1)
    with pytest.raises(ValueError, match=r"1\.safetensors has other sizes"):
        average_checkpoints(paths, TOKENIZER)


def test_a_header_is_json_that_others_can_read(path: Path) -> None:
    save_model(path, small_model(), TOKENIZER, 1)
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])
    assert header["__metadata__"]["format"] == FORMAT
    assert json.loads(header["__metadata__"]["about"])["kind"] == "model"
