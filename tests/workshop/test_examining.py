"""One exercise: alone first, then with what else the reader has solved."""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from reader import ATTEND, MULTI, attend, edit, solve

from laidout.workshop.catalogue import load_catalogue
from laidout.workshop.examining import examine
from laidout.workshop.judging import Judge
from laidout.workshop.results import Evidence, Result, Task

CATALOGUE = load_catalogue()
FILE = "attention.py"
EXTEND, RETIRE, DONE = (
    f"decoding-beams-{part}" for part in ("extend", "retire", "done")
)


@pytest.fixture(autouse=True)
def leave_no_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Forget the reader's files: here they are run in our own process."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    for name, module in [*sys.modules.items()]:
        if str(getattr(module, "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def look(folder: Path, name: str, *passed: str) -> Result:
    """Examine an exercise of a folder in which others have passed."""
    return examine(Task(folder, name, passed))


def spoil(folder: Path, old: str, new: str, file: str = FILE) -> Path:
    """Put a mistake into a file."""
    edit(folder / file, old, new)
    return folder


def forget_to_scale(folder: Path) -> Path:
    """Leave out the square root in the attention, a well-known mistake."""
    return spoil(folder, "scores = scores / math.sqrt(query.size(-1))", "")


# --- one object -------------------------------------------------------------


@pytest.mark.parametrize("name", CATALOGUE)
def test_what_is_not_solved_stands_in_the_way_of_nothing(
    name: str, tmp_path: Path
) -> None:
    result = look(solve(tmp_path, name), name)
    assert (result.status, result.message) == ("passed", "")
    assert result.mistake is None
    assert result.evidence == Evidence()


def test_nothing_is_started_in_a_new_workspace(tmp_path: Path) -> None:
    folder = solve(tmp_path)
    for name in (ATTEND, MULTI, RETIRE):
        result = look(folder, name)
        assert result.status == "not started"
        object_name = CATALOGUE[name].source.name
        assert result.message == f"{object_name} is not written yet."


def test_a_known_mistake_is_named(tmp_path: Path) -> None:
    result = look(forget_to_scale(solve(tmp_path, ATTEND)), ATTEND)
    assert result.status == "failed"
    assert result.mistake is not None
    assert "square root" in result.message
    assert result.nudge
    assert result.hint == f"laidout hint {ATTEND}"


def test_a_mistake_comes_with_its_evidence(tmp_path: Path) -> None:
    result = look(forget_to_scale(solve(tmp_path, ATTEND)), ATTEND)
    found = result.evidence
    assert found.says.endswith(".")
    assert found.call.startswith("scaled_dot_product_attention(query, key, ")
    assert re.match(
        r"the weights\[0, 0\] is [\d.]+, not [\d.]+; ", found.difference
    )
    assert found.got != found.wanted
    assert found.got_grid is not None
    assert found.wanted_grid is not None
    (got, right), *_ = found.got_grid[0]
    assert (got, right) == (found.got, False)
    assert found.wanted_grid[0][0] == (found.wanted, True)
    assert found.lines == ()


def test_what_nobody_knows_is_shown_by_the_property(tmp_path: Path) -> None:
    folder = spoil(
        solve(tmp_path, ATTEND),
        "return used @ value, weights",
        "return used @ value + 0.125 * weights.sum() - 3, weights",
    )
    result = look(folder, ATTEND)
    assert result.status == "failed"
    assert result.mistake is None
    assert result.nudge == ""
    # Once is enough: the sentence is not repeated as evidence.
    known = [probe.says for probe in Judge(CATALOGUE[ATTEND]).probes]
    assert result.message.removeprefix("Not so here: ") in known
    assert result.evidence.says == ""
    assert result.evidence.call.startswith("scaled_dot_product_attention(")
    difference = result.evidence.difference
    assert re.match(r"the output\[.+\] is .+, not ", difference)


def test_an_error_is_shown_with_its_lines(tmp_path: Path) -> None:
    folder = attend(tmp_path, "numbers = []", "numbers[3]")
    result = look(folder, ATTEND)
    assert result.status == "failed"
    assert result.message == (
        "scaled_dot_product_attention raised IndexError: list index out of "
        "range"
    )
    (line,) = result.evidence.lines
    assert re.fullmatch(r"attention\.py:\d+: numbers\[3\]", line)
    assert result.evidence.says == result.evidence.difference == ""


def test_only_what_the_failing_call_writes_is_kept(tmp_path: Path) -> None:
    folder = attend(
        tmp_path,
        "global calls",
        "calls += 1",
        "print('call', calls)",
        "if mask is not None: raise LookupError",
        above="calls = 0",
    )
    result = look(folder, ATTEND)
    assert result.status == "failed"
    found = re.fullmatch(r"call (\d+)\n", result.printed)
    assert found is not None, result.printed
    # There were others before, which went well.
    assert int(found[1]) > 1
    spoil(folder, "raise LookupError", "pass")
    assert look(folder, ATTEND).printed == ""


def test_the_line_of_a_file_that_cannot_be_run_is_shown(
    tmp_path: Path,
) -> None:
    path = solve(tmp_path) / FILE
    for text, lines in {
        "def f():\n    return (1 2)\n": ("return (1 2)", "        ^"),
        "import math\n\nmath.sqrt(-1)\n": ("math.sqrt(-1)",),
        "x = 1\n": (),
    }.items():
        path.write_text(text)
        result = look(tmp_path, ATTEND)
        assert result.status == "error"
        assert result.evidence == Evidence(lines=lines)


def test_torch_is_as_it_was_afterwards(tmp_path: Path) -> None:
    numbers = torch.get_rng_state()
    folder = attend(
        tmp_path,
        "torch.set_default_dtype(torch.float16)",
        "torch.set_grad_enabled(False)",
        "torch.softmax = None",
        "torch.manual_seed(7)",
        above="torch.set_default_device('meta')",
    )
    assert look(folder, ATTEND).status == "error"
    spoil(folder, "torch.set_default_device('meta')", "")
    result = look(folder, ATTEND)
    assert result.message == (
        "It changed torch's default dtype, torch's gradient mode, torch's "
        "own softmax, the seed of torch's random generator, which other "
        "code relies on."
    )
    assert torch.get_default_dtype() == torch.float32
    assert torch.get_default_device() == torch.device("cpu")
    assert torch.is_grad_enabled()
    assert torch.softmax(torch.zeros(2), 0).tolist() == [0.5, 0.5]
    assert torch.equal(torch.get_rng_state(), numbers)


def test_a_file_may_use_another_one_beside_it(tmp_path: Path) -> None:
    line = "from tools import half; assert half(4) == 2"
    folder = attend(tmp_path, line)
    (folder / "tools.py").write_text("def half(n): return n // 2\n")
    assert look(folder, ATTEND).passed


def test_a_file_can_be_changed_and_is_read_again(tmp_path: Path) -> None:
    folder = solve(tmp_path, ATTEND)
    assert look(folder, ATTEND).passed
    forget_to_scale(folder)
    assert not look(folder, ATTEND).passed


def test_a_result_says_how_long_it_took(tmp_path: Path) -> None:
    assert 0.0 < look(solve(tmp_path, ATTEND), ATTEND).seconds < 60.0


# --- a class, partly written ------------------------------------------------


@pytest.mark.parametrize(
    ("left", "line"),
    [
        ("forward", "        # 1. Project, then cut"),
        ("_split_heads", "        # 1. Read off how many"),
    ],
)
def test_the_part_that_is_missing_is_named(
    left: str, line: str, tmp_path: Path
) -> None:
    folder = solve(tmp_path, MULTI)
    part = f"MultiHeadAttention.{left}"
    unwritten = f'raise NotImplementedError("{part}: not written yet")'
    spoil(folder, line, f"        {unwritten}\n{line}")
    result = look(folder, MULTI)
    assert (result.status, result.message) == (
        "failed",
        f"{part} is not written yet: it still raises NotImplementedError.",
    )
    assert result.mistake is None


def test_a_method_that_is_gone_is_named(tmp_path: Path) -> None:
    folder = spoil(solve(tmp_path, MULTI), "def forward(", "def forwards(")
    result = look(folder, MULTI)
    assert result.status == "failed"
    assert "forward" in result.message


def test_each_exercise_of_a_class_stands_alone(tmp_path: Path) -> None:
    folder = solve(tmp_path, EXTEND)
    assert look(folder, EXTEND).passed
    assert look(folder, RETIRE).status == "not started"
    assert look(folder, DONE).status == "not started"


def test_a_wrong_method_is_red_and_the_others_are_green(
    tmp_path: Path,
) -> None:
    folder = spoil(
        solve(tmp_path, EXTEND, RETIRE, DONE),
        "self.scores = self.scores.masked_fill(ended, -math.inf)",
        "pass",
        "decoding.py",
    )
    passed = EXTEND, DONE
    assert look(folder, RETIRE, *passed).status == "failed"
    assert look(folder, EXTEND, *passed).passed
    assert look(folder, DONE, *passed).passed


# --- with other objects of the reader's -------------------------------------


def test_what_is_red_is_taken_from_the_package(tmp_path: Path) -> None:
    folder = forget_to_scale(solve(tmp_path, ATTEND, MULTI))
    assert not look(folder, ATTEND).passed
    assert look(folder, MULTI).passed


def test_what_is_green_is_used_by_what_builds_on_it(tmp_path: Path) -> None:
    folder = attend(
        tmp_path,
        "import pathlib",
        "pathlib.Path(__file__).with_name('called').touch()",
    )
    rest = solve(tmp_path / "both", MULTI) / FILE
    written = rest.read_text("utf-8").partition("class MultiHead")[2]
    mine = (folder / FILE).read_text("utf-8").partition("class MultiHead")[0]
    (folder / FILE).write_text(f"{mine}class MultiHead{written}", "utf-8")
    # 1. Red, or not tried yet: the package's is used.
    assert look(folder, MULTI).passed
    assert not (folder / "called").exists()
    # 2. Green: the reader's own.
    assert look(folder, MULTI, ATTEND).passed
    assert (folder / "called").exists()


def test_two_that_do_not_fit_each_other_are_named(tmp_path: Path) -> None:
    folder = forget_to_scale(solve(tmp_path, ATTEND, MULTI))
    spoil(folder, "    # 1. Score", "    print('mine')\n    # 1. Score")
    result = look(folder, MULTI, ATTEND)
    assert result.status == "failed"
    assert result.message == (
        "MultiHeadAttention is right with the package's "
        "scaled_dot_product_attention, but not with yours."
    )
    assert result.evidence.difference
    assert result.evidence.call.startswith("MultiHeadAttention(")
    assert set(result.printed.split()) == {"mine"}


def test_one_of_several_that_does_not_fit_is_named(tmp_path: Path) -> None:
    names = ATTEND, MULTI, "feedforward-position-wise", "layers-encoder"
    folder = solve(tmp_path, *names)
    assert look(folder, "layers-encoder", *names).passed
    spoil(
        folder,
        "output: Tensor = self.w_o(context",
        "output: Tensor = 2 * self.w_o(context",
    )
    result = look(folder, "layers-encoder", *names)
    assert result.message == (
        "EncoderLayer is right with the package's MultiHeadAttention, but "
        "not with yours."
    )


def test_several_that_only_fail_together_are_reported(tmp_path: Path) -> None:
    attention, network = MULTI, "feedforward-position-wise"
    folder = solve(tmp_path, attention, network, "layers-encoder")
    # The first leaves a mark, which the second stumbles over.
    spoil(folder, "return output", "output.mark = 1; return output")
    old = "x = self.norm_1(x + self.dropout(attended))\n        # 2. The feed"
    mark = "x.mark = getattr(attended, 'mark', 0)"
    new = old.replace("\n", f"; {mark}\n")
    spoil(folder, old, new, "layers.py")
    old = "hidden = torch.relu(self.w_1(x))"
    stumble = "if getattr(x, 'mark', 0): return 0 * x"
    spoil(folder, old, f"{stumble}\n        {old}", "feedforward.py")
    for name in (attention, network):
        assert look(folder, "layers-encoder", name).passed
    result = look(folder, "layers-encoder", attention, network)
    assert result.message == (
        "EncoderLayer is right with the package's objects, but not with all "
        "of yours together."
    )


def test_a_file_of_another_exercise_that_is_gone_is_named(
    tmp_path: Path,
) -> None:
    names = MULTI, "layers-encoder"
    folder = solve(tmp_path, *names)
    os.remove(folder / FILE)
    assert look(folder, "layers-encoder").passed
    result = look(folder, "layers-encoder", MULTI)
    assert result.status == "error"
    assert result.message.startswith("attention.py is missing")


def test_what_only_a_part_of_is_green_is_taken_from_the_package(
    tmp_path: Path,
) -> None:
    search = "decoding-beam-search"
    folder = solve(tmp_path, EXTEND, search)
    spoil(
        folder,
        "self.tokens.gather(1, parents)",
        "0 * self.tokens.gather(1, parents)",
        "decoding.py",
    )
    # Not all of the class is solved, so none of it is used.
    assert look(folder, search, EXTEND).passed
    # All of it is said to be.
    everything = EXTEND, RETIRE, DONE
    folder = solve(tmp_path / "whole", *everything, search)
    assert look(folder, search, *everything).passed
    spoil(
        folder,
        "self.tokens.gather(1, parents)",
        "0 * self.tokens.gather(1, parents)",
        "decoding.py",
    )
    result = look(folder, search, *everything)
    assert result.message == (
        "beam_search is right with the package's Beams, but not with yours."
    )
