"""Tests of steps made of several batches, and of several processes."""

import copy
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch
import torch.distributed as dist
from oracle import assert_close, assert_same, gradient_of, make
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import SGD, Adam

from laidout.fast import fuse
from laidout.loss import LabelSmoothing
from laidout.parallel import (
    InBFloat16,
    Place,
    Share,
    joined_processes,
    train_shares,
)
from laidout.schedule import TransformerLRScheduler
from laidout.training import train_epoch
from laidout.transformer import Transformer, TransformerConfig

V, PAD, BOS, EOS = 11, 4, 1, 2
"""0 is a word like any other."""

Batch = tuple[Tensor, Tensor]

SOURCES = [[5, 0, 7, EOS], [8, EOS], [10, EOS], [9, 9, EOS], [7, EOS]]
TARGETS = [
    [BOS, 6, 9, 0, 5, EOS],
    [BOS, 3, EOS],
    [BOS, EOS],
    [BOS, 10, EOS],
    [BOS, 8, 8, EOS],
]

TOKENS = sum(len(target) - 1 for target in TARGETS)


def batch(*indices: int) -> Batch:
    """Give a padded batch of some sentences."""
    sides = []
    for sentences in (SOURCES, TARGETS):
        chosen = [sentences[i] for i in indices]
        longest = max(map(len, chosen))
        rows = [s + [PAD] * (longest - len(s)) for s in chosen]
        sides.append(torch.tensor(rows))
    return sides[0], sides[1]


LARGE = batch(0, 1, 2, 3, 4)

UNEQUAL = [batch(2), batch(0, 1), batch(4, 3)]
"""Micro-batches of 1, 7 and 5 real targets."""


def small_model(dropout: float = 0.0) -> Any:
    """Make a small Transformer, always the same one, in float64."""
    torch.manual_seed(0)
    config = TransformerConfig(
        V, V, 6, 2, 2, d_ff=7, dropout=dropout, max_len=13, pad_id=PAD
    )
    return Transformer(config).double()


def smoothing(amount: float = 0.1) -> LabelSmoothing:
    """Give the loss."""
    return LabelSmoothing(V, PAD, amount)


def adam(model: nn.Module) -> Adam:
    """Give Adam as in section 5.3; the rate is to be set."""
    return Adam(model.parameters(), lr=0.5, betas=(0.9, 0.98), eps=1e-9)


def gradients(model: nn.Module) -> dict[str, Tensor]:
    """Copy the gradients by name."""
    return {n: gradient_of(p).clone() for n, p in model.named_parameters()}


def assert_all_close(
    found: dict[str, Tensor], expected: dict[str, Tensor], by: float = 1e-12
) -> None:
    """Compare tensors by name."""
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert_close(found[name], tensor, by)


# --- train_shares: several batches are one ----------------------------------


def test_the_real_tokens_of_these_tests_are_counted() -> None:
    assert TOKENS == 13
    for _, tgt in (LARGE, *UNEQUAL):
        assert (tgt[:, 0] == BOS).all()
    counts = [int((tgt[:, 1:] != PAD).sum()) for _, tgt in UNEQUAL]
    assert counts == [1, 7, 5]


@pytest.mark.parametrize("amount", [0.0, 0.1])
def test_unequal_batches_have_the_gradient_of_one_large_batch(
    amount: float,
) -> None:
    models = small_model(), small_model()
    whole, _ = train_epoch(
        models[0], [LARGE], smoothing(amount), SGD(models[0].parameters(), 0.1)
    )
    mean, step = train_shares(
        models[1],
        [Share(UNEQUAL, TOKENS)],
        smoothing(amount),
        SGD(models[1].parameters(), 0.1),
    )
    assert step == 1
    assert mean == pytest.approx(whole, abs=1e-12)
    assert_all_close(gradients(models[1]), gradients(models[0]))
    assert_all_close(models[1].state_dict(), models[0].state_dict())


def test_several_steps_with_adam_end_at_the_same_parameters() -> None:
    models = small_model(), small_model()
    optimizers = adam(models[0]), adam(models[1])
    schedules = [TransformerLRScheduler(o, 6, 4) for o in optimizers]
    other = batch(1, 2, 4)
    train_epoch(
        models[0], [LARGE, other] * 3, smoothing(), optimizers[0], schedules[0]
    )
    parts = Share(UNEQUAL, TOKENS), Share([batch(1), batch(4, 2)], 6)
    train_shares(
        models[1], parts * 3, smoothing(), optimizers[1], schedules[1]
    )
    # The bias of a key has no effect and so no gradient: Adam makes steps
    # of what rounding leaves of it.
    assert_all_close(models[1].state_dict(), models[0].state_dict(), 1e-6)


def test_batches_that_weigh_the_same_would_be_wrong() -> None:
    # The test above can fail: the mean of the means is another number.
    models = small_model(), small_model()
    train_epoch(models[0], [LARGE], smoothing(), SGD(models[0].parameters()))
    for part in UNEQUAL:
        src, tgt = part
        logits = models[1](src, tgt[:, :-1]).flatten(0, 1)
        (smoothing()(logits, tgt[:, 1:].flatten()) / 3).backward()
    name = "decoder.layers.0.feed_forward.w_1.weight"
    difference = gradients(models[1])[name] - gradients(models[0])[name]
    assert difference.abs().max() > 1e-3


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_single_batches_are_the_plain_loop_to_the_bit(dropout: float) -> None:
    ends = []
    for train in ("plain", "shares"):
        model = small_model(dropout)
        optimizer = adam(model)
        how = (
            smoothing(),
            optimizer,
            TransformerLRScheduler(optimizer, 6, 4),
            7,
        )
        torch.manual_seed(3)
        if train == "plain":
            done = train_epoch(model, UNEQUAL, *how)
        else:
            counts = 1, 7, 5
            shares = [
                Share([part], count)
                for part, count in zip(UNEQUAL, counts, strict=True)
            ]
            done = train_shares(model, iter(shares), *how)
        ends.append((done, model.state_dict(), optimizer.state_dict()))
    assert ends[0][0] == ends[1][0]
    assert ends[0][0][1] == 10
    for name, tensor in ends[0][1].items():
        assert_same(ends[1][1][name], tensor)
    for number, state in ends[0][2]["state"].items():
        for key, tensor in state.items():
            assert_same(ends[1][2]["state"][number][key], tensor)


def test_the_loss_is_the_mean_over_all_tokens() -> None:
    model = small_model()
    mean, _ = train_shares(
        model,
        [Share(UNEQUAL[:2], 8), Share(UNEQUAL[2:], 5)],
        smoothing(0.0),
        SGD(model.parameters(), 0.0),
    )
    src, tgt = LARGE
    expected = nn.functional.cross_entropy(
        model(src, tgt[:, :-1]).flatten(0, 1),
        tgt[:, 1:].flatten(),
        ignore_index=PAD,
    )
    assert mean == pytest.approx(expected.item(), abs=1e-12)


def test_a_step_counts_once_however_many_batches_it_has() -> None:
    model = small_model()
    optimizer = SGD(model.parameters(), 9.9)
    scheduler = TransformerLRScheduler(optimizer, 6, 4)
    shares = [Share(UNEQUAL, TOKENS)] * 2
    _, step = train_shares(model, shares, smoothing(), optimizer, scheduler, 5)
    assert step == 7
    assert optimizer.param_groups[0]["lr"] == 6**-0.5 * 7**-0.5


def test_without_a_schedule_the_rate_stays() -> None:
    model = small_model()
    optimizer = SGD(model.parameters(), 0.25)
    train_shares(model, [Share(UNEQUAL, TOKENS)], smoothing(), optimizer)
    assert optimizer.param_groups[0]["lr"] == 0.25


def test_old_gradients_do_not_count() -> None:
    models = small_model(), small_model()
    for parameter in models[1].parameters():
        parameter.grad = torch.full_like(parameter, 99.0)
    for model in models:
        optimizer = SGD(model.parameters(), 0.1)
        train_shares(model, [Share(UNEQUAL, TOKENS)], smoothing(), optimizer)
    assert_all_close(models[1].state_dict(), models[0].state_dict(), 0.0)


def test_training_switches_dropout_on() -> None:
    model = small_model(0.3).eval()
    optimizer = SGD(model.parameters(), 0.1)
    train_shares(model, [Share(UNEQUAL, TOKENS)], smoothing(), optimizer)
    assert all(module.training for module in model.modules())


def test_no_shares_change_nothing() -> None:
    model = small_model()
    optimizer = SGD(model.parameters(), 0.1)
    found = train_shares(model, [], smoothing(), optimizer, step_num=3)
    assert found == (0.0, 3)
    assert_all_close(model.state_dict(), small_model().state_dict(), 0.0)


def test_the_mean_of_two_processes_gradients_is_that_of_the_whole() -> None:
    # What the exchange does, done by hand: the sum divided by two.
    whole = small_model()
    train_epoch(whole, [LARGE], smoothing(), SGD(whole.parameters(), 0.0))
    parts = UNEQUAL[:1], UNEQUAL[1:]
    found = []
    for own in parts:
        model = small_model()
        optimizer = SGD(model.parameters(), 0.0)
        share = Share(own, TOKENS, processes=2)
        train_shares(model, [share], smoothing(), optimizer)
        found.append(gradients(model))
    mean = {name: (found[0][name] + found[1][name]) / 2 for name in found[0]}
    assert_all_close(mean, gradients(whole))


# --- one process that believes it is several --------------------------------


@pytest.fixture
def joined() -> Iterator[None]:
    """Let this process be the only one of a group."""
    dist.init_process_group(
        "gloo", store=dist.HashStore(), rank=0, world_size=1
    )
    yield
    dist.destroy_process_group()


@pytest.mark.usefixtures("joined")
def test_gradients_are_exchanged_once_a_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain, model = small_model(), small_model()
    parallel = DistributedDataParallel(model)
    no_sync, exchanges = parallel.no_sync, []

    def watched() -> AbstractContextManager[None]:
        exchanges.append("kept")
        context: AbstractContextManager[None] = no_sync()
        return context

    monkeypatch.setattr(parallel, "no_sync", watched)
    parallel.register_comm_hook(exchanges, count_exchange)
    for each in (plain, parallel):
        optimizer = SGD(each.parameters(), 0.1)
        shares = [Share(UNEQUAL, TOKENS), Share(UNEQUAL[:1], 1)]
        train_shares(each, shares, smoothing(), optimizer)
    joined_up = "".join("k" if e == "kept" else "x" for e in exchanges)
    assert joined_up == "kkxx"
    assert_all_close(model.state_dict(), plain.state_dict())


def count_exchange(
    exchanges: list[str], bucket: dist.GradBucket
) -> torch.futures.Future[torch.Tensor]:
    """Note an exchange of gradients, which here changes nothing."""
    exchanges.append("exchanged")
    future = torch.futures.Future()
    future.set_result(bucket.buffer())
    return future


@pytest.mark.usefixtures("joined")
def test_a_flag_is_asked_for_in_the_group(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = Place(0, 2)
    assert place.any_of(True) is True
    assert place.any_of(False) is False

    def another_says_yes(flags: Tensor, operation: Any) -> None:
        assert operation == dist.ReduceOp.MAX
        flags.fill_(max(int(flags), 1))

    monkeypatch.setattr(dist, "all_reduce", another_says_yes)
    assert place.any_of(False) is True


@pytest.mark.parametrize("flag", [True, False])
def test_one_process_needs_no_group(flag: bool) -> None:
    assert not dist.is_initialized()
    assert Place().any_of(flag) is flag


def test_a_place_is_one_process_on_the_cpu_unless_said() -> None:
    assert Place() == Place(0, 1, torch.device("cpu"))


# --- joined_processes -------------------------------------------------------

VARIABLES = "RANK", "LOCAL_RANK", "WORLD_SIZE"


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget who started us, and every GPU."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_a_process_alone_joins_nobody(device: str) -> None:
    with joined_processes(device) as place:
        assert place == Place()
        assert not dist.is_initialized()


@pytest.mark.usefixtures("alone")
def test_one_process_of_torchrun_joins_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in zip(VARIABLES, "001", strict=True):
        monkeypatch.setenv(name, value)
    with joined_processes("cpu") as place:
        assert place == Place()
        assert not dist.is_initialized()


@pytest.mark.usefixtures("alone")
def test_a_gpu_that_is_not_there_is_an_error() -> None:
    with (
        pytest.raises(ValueError, match=r"device \('cuda'\): .* no GPU"),
        joined_processes("cuda"),
    ):
        pytest.fail("went on without a GPU")


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("device", ["", "gpu", "cuda:1", "CPU", "mps"])
def test_an_unknown_device_is_an_error(device: str) -> None:
    message = rf"device \('{device}'\) must be auto, cpu or cuda"
    with pytest.raises(ValueError, match=message), joined_processes(device):
        pytest.fail("went on with an unknown device")


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Be the second process of two, on its machine, and note the calls."""
    said: list[str] = []
    for name, value in zip(VARIABLES, "312", strict=True):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WORLD_SIZE", "5")
    monkeypatch.setattr(dist, "init_process_group", said.append)
    monkeypatch.setattr(
        dist, "destroy_process_group", lambda: said.append("left")
    )
    return said


@pytest.mark.parametrize(
    ("gpu", "device", "expected", "backend"),
    [
        (False, "auto", "cpu", "gloo"),
        (True, "auto", "cuda:1", "nccl"),
        (True, "cuda", "cuda:1", "nccl"),
        (True, "cpu", "cpu", "gloo"),
    ],
)
def test_a_process_of_several_joins_and_leaves(
    groups: list[str],
    gpu: bool,
    device: str,
    expected: str,
    backend: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    with joined_processes(device) as place:
        assert place == Place(3, 5, torch.device(expected))
        assert groups == [backend]
    assert groups == [backend, "left"]


def test_a_process_that_fails_leaves_its_group(groups: list[str]) -> None:
    with pytest.raises(ZeroDivisionError), joined_processes("cpu"):
        raise ZeroDivisionError
    assert groups == ["gloo", "left"]


@pytest.mark.usefixtures("alone")
def test_a_gpu_is_chosen_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with joined_processes("auto") as place:
        assert place.device == torch.device("cuda", 0)
    with joined_processes("cpu") as place:
        assert place.device == torch.device("cpu")
    assert "RANK" not in os.environ


# --- InBFloat16 -------------------------------------------------------------


@pytest.mark.parametrize("fused", [False, True])
def test_bfloat16_is_close_and_returns_float32(fused: bool) -> None:
    model = small_model().float().eval()
    if fused:
        fuse(model)
    src, tgt = LARGE
    plain = model(src, tgt)
    rounded = InBFloat16(model)(src, tgt)
    assert rounded.dtype is torch.float32
    assert rounded.shape == plain.shape
    assert not torch.equal(rounded, plain)
    assert (rounded - plain).abs().max() < 0.05 * plain.abs().max()


def test_matrices_are_multiplied_in_bfloat16_and_norms_are_not() -> None:
    model = small_model().float()
    seen: dict[str, torch.dtype] = {}
    for name in (
        "encoder.layers.0.feed_forward.w_1",
        "output_projection",
        "encoder.layers.0.norm_1",
    ):
        model.get_submodule(name).register_forward_hook(
            lambda _, __, out, name=name: seen.update({name: out.dtype})
        )
    InBFloat16(model)(*LARGE)
    assert list(seen.values()).count(torch.bfloat16) == 2
    assert seen["encoder.layers.0.norm_1"] is torch.float32


def test_parameters_and_gradients_stay_in_float32() -> None:
    model = small_model().float()
    wrapped = InBFloat16(model)
    train_shares(
        wrapped,
        [Share(UNEQUAL, TOKENS)],
        smoothing(),
        adam(wrapped),
    )
    for parameter in model.parameters():
        assert parameter.dtype is torch.float32
        assert gradient_of(parameter).dtype is torch.float32
        assert gradient_of(parameter).isfinite().all()


def test_bfloat16_learns_nearly_the_same() -> None:
    plain = small_model().float()
    model = copy.deepcopy(plain)
    for each in (plain, InBFloat16(model)):
        optimizer = SGD(each.parameters(), 0.0)
        train_shares(each, [Share(UNEQUAL, TOKENS)], smoothing(), optimizer)
    expected, found = gradients(plain), gradients(model)
    for name in ("output_projection.weight", "src_embedding.embedding.weight"):
        if name in expected:
            error = (found[name] - expected[name]).norm()
            assert error < 0.05 * expected[name].norm()


def test_outside_of_the_model_nothing_is_rounded() -> None:
    InBFloat16(small_model().float())(*LARGE)
    assert not torch.is_autocast_enabled("cpu")
    a, b = (make(n, 3, 3, dtype=torch.float32) for n in "ab")
    assert (a @ b).dtype is torch.float32


def test_a_share_is_of_one_process_unless_said() -> None:
    assert Share([LARGE], TOKENS).processes == 1
