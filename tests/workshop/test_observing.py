"""Observing: whatever a probe does is written down, and leaves no trace."""

import random
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from laidout.workshop.observing import (
    Raised,
    Shared,
    Tampered,
    TimeUp,
    observe,
)
from laidout.workshop.probes import Probe, Shape


def look(run: Callable[[Any], Any], mine: Any = None) -> Any:
    """Observe what a function does with an object."""
    return observe(Probe("sums", "values", "It adds.", "add()", run, 0), mine)


def do(act: Callable[[], Any]) -> Any:
    """Observe a reader's code: a function without arguments."""

    def run(mine: Callable[[], Any]) -> dict[str, Any]:
        return {"result": mine()}

    return look(run, act)


# --- what is seen -----------------------------------------------------------


def test_what_a_probe_returns_is_seen() -> None:
    seen = look(lambda mine: {"twice": 2 * mine, "text": "a"}, 7)
    assert seen == {"twice": 14, "text": "a"}


def test_what_changes_later_is_copied() -> None:
    numbers, part = [1], torch.ones(2)
    seen = do(lambda: {"a": (numbers, [part], part)})["result"]["a"]
    numbers.append(2)
    part.zero_()
    assert seen[0] == [1]
    assert seen[1][0].tolist() == seen[2].tolist() == [1.0, 1.0]


def test_what_is_seen_needs_no_gradient() -> None:
    weight = nn.Parameter(torch.ones(2))
    assert not do(lambda: 2 * weight)["result"].requires_grad


def test_a_named_tuple_is_seen_as_a_tuple() -> None:
    seen = do(lambda: torch.ones(3, 2).max(0))["result"]
    assert type(seen) is tuple


def test_shapes_are_seen_wherever_they_stand() -> None:
    seen = do(lambda: {"a": [Shape((2,))], "b": Shape((2, 3))})["result"]
    assert type(seen["a"][0]) is Shape
    assert type(seen["b"]) is Shape


def test_what_torch_calls_a_size_is_a_tuple_to_whoever_returns_it() -> None:
    seen = do(lambda: torch.ones(2, 3).shape)["result"]
    assert type(seen) is tuple
    assert seen == (2, 3)


# --- what goes wrong --------------------------------------------------------


def fail(error: BaseException) -> Callable[[], Any]:
    def act() -> None:
        raise error

    return act


def test_an_error_is_written_down_with_its_type_and_message() -> None:
    seen = do(fail(ValueError(" d_model (7) is odd\n")))
    assert isinstance(seen, Raised)
    assert (seen.kind, seen.message) == ("ValueError", "d_model (7) is odd")


@pytest.mark.parametrize("error", [ValueError(), AssertionError(" \n ")])
def test_an_error_that_says_nothing_is_written_down(
    error: Exception,
) -> None:
    assert do(fail(error)).message == "(it says nothing)"


def test_an_error_that_cannot_be_written_is_written_down_all_the_same() -> (
    None
):
    class SpeechlessError(Exception):
        def __str__(self) -> str:
            raise ValueError

    seen = do(fail(SpeechlessError()))
    assert seen == Raised("SpeechlessError", "(it says nothing)")


def test_sys_exit_is_an_error_like_any_other() -> None:
    seen = do(lambda: sys.exit("enough"))
    assert seen == Raised("SystemExit", "enough")


def test_a_function_that_calls_itself_for_ever_is_an_error() -> None:
    def again() -> Any:
        return again()

    seen = do(again)
    assert isinstance(seen, Raised)
    assert seen.kind == "RecursionError"
    assert len(seen.lines) < 10


@pytest.mark.parametrize(
    "error", [MemoryError(), GeneratorExit(), StopIteration(), BaseException()]
)
def test_no_kind_of_error_gets_through(error: BaseException) -> None:
    assert do(fail(error)).kind == type(error).__name__


@pytest.mark.parametrize("error", [KeyboardInterrupt, TimeUp])
def test_whoever_interrupts_the_check_is_heard(
    error: type[BaseException],
) -> None:
    def act() -> None:
        torch.set_default_dtype(torch.float64)
        torch.manual_seed(1)
        raise error

    before = torch.get_rng_state()
    with pytest.raises(error):
        do(act)
    assert torch.get_default_dtype() == torch.float32
    assert torch.equal(torch.get_rng_state(), before)


def test_a_probe_that_returns_no_names_is_an_error() -> None:
    assert look(lambda mine: mine, 3).kind == "AttributeError"


def test_warnings_pass_unheard_and_are_heard_again_later() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seen = do(lambda: warnings.warn("old", stacklevel=1))
        assert seen == {"result": None}
        with pytest.raises(UserWarning, match="old"):
            warnings.warn("old", stacklevel=1)


def test_a_filter_of_warnings_is_not_kept() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        do(lambda: warnings.simplefilter("ignore"))
        with pytest.raises(UserWarning, match="old"):
            warnings.warn("old", stacklevel=1)


# --- the reader's lines -----------------------------------------------------

READERS = """\
import json


def half(x):
    if x:
        return inner(x)


def inner(x):
    raise ValueError(x)


def parse(text):
    return json.loads(text)
"""


def reader(folder: Path) -> dict[str, Any]:
    """Run a reader's file in a folder."""
    folder.mkdir(parents=True)
    path = folder / "mine.py"
    path.write_text(READERS, encoding="utf-8")
    names: dict[str, Any] = {}
    exec(compile(READERS, str(path), "exec"), names)
    return names


@pytest.mark.parametrize("name", ["workspace", "laidout", "laidout/exercises"])
def test_the_lines_are_those_of_the_reader(tmp_path: Path, name: str) -> None:
    names = reader(tmp_path / name)
    lines = do(lambda: names["half"](3)).lines
    assert [line for line in lines if line.startswith("mine.py")] == [
        "mine.py:6: return inner(x)",
        "mine.py:10: raise ValueError(x)",
    ]


def test_lines_of_python_and_torch_and_the_package_are_left_out(
    tmp_path: Path,
) -> None:
    names = reader(tmp_path / "workspace")
    lines = do(lambda: names["parse"]("[")).lines
    assert lines[-1] == "mine.py:14: return json.loads(text)"
    lines = do(lambda: nn.Linear(2, 3)(torch.ones(5))).lines
    assert {line.partition(":")[0] for line in lines} == {Path(__file__).name}


# --- what belongs to all ----------------------------------------------------


def delete(owner: Any, name: str) -> None:
    delattr(owner, name)


def softmax(x: Tensor, dim: int = -1) -> Tensor:
    return x


TAMPERING: dict[str, Callable[[], Any]] = {
    "torch's default dtype": lambda: torch.set_default_dtype(torch.float64),
    "torch's default device": lambda: torch.set_default_device("meta"),
    "torch's gradient mode": lambda: torch.set_grad_enabled(False),
    "torch's number of threads": lambda: torch.set_num_threads(2),
    "torch's own softmax": lambda: setattr(torch, "softmax", softmax),
    "torch's own relu": lambda: setattr(F, "relu", softmax),
    "torch's own Linear": lambda: setattr(nn, "Linear", nn.Identity),
    "torch's own masked_fill": lambda: setattr(Tensor, "masked_fill", softmax),
    "torch's own tril": lambda: delete(torch, "tril"),
    "the seed of torch's random generator": lambda: torch.manual_seed(3),
}


def state() -> list[Any]:
    """Return all that the tampering above touches."""
    return [
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.is_grad_enabled(),
        torch.get_num_threads(),
        (torch.softmax, torch.tril, F.relu, nn.Linear, Tensor.masked_fill),
        torch.get_rng_state().tolist(),
    ]


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    """Undo what even a broken `observe` has let through."""
    kept = Shared()
    torch.set_rng_state(kept.generator)
    yield
    kept.restore()
    torch.set_default_device(None)


@pytest.mark.parametrize("what", TAMPERING)
def test_tampering_is_seen_and_undone(what: str) -> None:
    before = state()
    seen = do(TAMPERING[what])
    assert seen == Tampered(what)
    assert state() == before


@pytest.mark.parametrize("what", TAMPERING)
def test_tampering_before_an_error_is_seen_and_undone(what: str) -> None:
    def act() -> None:
        TAMPERING[what]()
        raise ValueError

    before = state()
    assert do(act) == Tampered(what)
    assert state() == before


def test_all_that_was_changed_is_told() -> None:
    def act() -> None:
        for change in TAMPERING.values():
            change()

    before = state()
    seen = do(act)
    assert isinstance(seen, Tampered)
    assert set(seen.what.split(", ")) == set(TAMPERING)
    assert state() == before


@pytest.mark.parametrize(
    "act",
    [
        lambda: torch.rand(3).sum() * 0,
        lambda: nn.Dropout(0.5)(torch.zeros(3)).sum(),
        lambda: random.random() * 0,
        lambda: torch.randperm(5)[0] * 0,
    ],
)
def test_using_the_random_generator_is_no_tampering(
    act: Callable[[], Any],
) -> None:
    before = state()
    assert not isinstance(do(act), Tampered)
    assert state() == before


@pytest.mark.parametrize(
    "manager",
    [
        torch.no_grad,
        torch.inference_mode,
        lambda: torch.device("meta"),
        torch.random.fork_rng,
    ],
)
def test_what_is_put_back_by_its_user_is_no_tampering(manager: Any) -> None:
    def act() -> int:
        with manager():
            torch.ones(2)
        return 3

    before = state()
    assert do(act) == {"result": 3}
    assert state() == before


def test_the_settings_need_not_be_those_of_a_fresh_torch() -> None:
    torch.set_default_dtype(torch.float64)
    with torch.no_grad():
        before = state()
        assert do(lambda: 3) == {"result": 3}
        assert do(torch.enable_grad().__enter__) == Tampered(
            "torch's gradient mode"
        )
        assert state() == before


def test_every_probe_begins_with_the_same_random_numbers() -> None:
    one, other = (do(lambda: torch.rand(5))["result"] for _ in range(2))
    assert torch.equal(one, other)
    torch.manual_seed(9)
    third = do(lambda: torch.rand(5))["result"]
    assert torch.equal(one, third)


def test_observing_does_not_advance_the_random_numbers_of_others() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    do(lambda: torch.rand(100))
    assert torch.equal(torch.rand(3), expected)


def test_an_interrupt_from_the_keyboard_ends_the_program() -> None:
    program = (
        "from laidout.workshop.observing import observe\n"
        "from laidout.workshop.probes import Probe\n"
        "def run(mine): raise KeyboardInterrupt\n"
        "observe(Probe('e', 'values', 's', 'c', run, 0), None)\n"
        "print('it went on')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    assert "KeyboardInterrupt" in done.stderr
    assert done.stdout == ""
