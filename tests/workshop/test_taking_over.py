"""`--mine`: train, translate and evaluate with the reader's own objects."""

import os
import re
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from oracle_command import (
    PAIRS,
    QUICK,
    SOURCE,
    Done,
    call,
    call_outside,
    trained,
    write_corpus,
)
from oracle_command import start as start_process
from reader import ATTEND, MULTI, call_inside, edit, solve

from laidout.workshop import taking_over
from laidout.workshop.catalogue import load_catalogue
from laidout.workshop.results import Result
from laidout.workshop.state import State

CATALOGUE = load_catalogue()
COMMANDS = "train", "translate", "evaluate"
LOSS, EPOCH = "loss-label-smoothing", "training-epoch"
STEPS = "--steps", 4, *QUICK


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, where `runs` would show."""
    # What the command starts is our package too, and leaves other cores be.
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Give a folder with the corpus."""
    return write_corpus(tmp_path / "tiny")


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Give a place for a workspace."""
    return tmp_path / "mine"


def assert_refused(done: Done, message: str) -> None:
    """Find one line that says what is wrong, and nothing after it."""
    assert (done.out, done.status) == ("", 1)
    last = done.err.splitlines()[-1]
    assert re.fullmatch(f"laidout: {message}", last), done.err
    assert "Traceback" not in done.err
    assert not Path("runs").exists()


# --- from the reader's point of view ----------------------------------------


def test_it_trains_and_translates_with_what_is_green(
    corpus: Path,
    mine: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    solved = ATTEND, MULTI, LOSS, "tokenizer-encode"
    others = "masks-causal", "tokenizer-decode"
    # Few exercises, for what is not written takes its time too.
    few = {name: CATALOGUE[name] for name in (*solved, *others)}
    monkeypatch.setattr(taking_over, "load_catalogue", lambda: few)
    solve(mine, *solved)
    edit(mine / "attention.py", "weights.detach()", "weights")
    # 1. Train.
    words = "--corpus", corpus, "--mine", mine
    done = call_outside(capfd, "train", *words, *STEPS)
    assert done.status == 0, done.err
    refused = (
        f"Refused: MultiHeadAttention, for {MULTI} does not pass. "
        "attention_weights "
    )
    whose = (
        "2 of 5 objects are yours. "
        "Yours: scaled_dot_product_attention, LabelSmoothing. "
        "Partly yours: BPETokenizer. "
        "The package's: MultiHeadAttention, causal_mask. "
    )
    said = " ".join(done.err.split())
    start, _, said = said.partition(" Refused: ")
    assert start == f"Checking what is yours in {mine} ..."
    assert f"Refused: {said}".startswith(refused)
    assert f". {whose}Reading the corpus {corpus} ..." in said
    assert "The model is in runs/tiny/model.safetensors." in said
    assert re.search(r"test +\S+ +7 +\S+ ", done.out)
    state = State.load(mine)
    assert state.is_done(CATALOGUE[ATTEND])
    assert not state.is_done(CATALOGUE[MULTI])
    # 2. Translate: nothing of what has passed is checked again.
    asked: list[str] = []
    check_all = taking_over.check_all

    def remember(folder: Path, exercises: Any, workers: Any) -> Any:
        asked.extend(exercise.name for exercise in exercises)
        return check_all(folder, exercises, workers)

    passed: list[str] = []

    def run_again(names: list[str]) -> int:
        passed.extend(names)
        return 0

    monkeypatch.setattr(taking_over, "check_all", remember)
    monkeypatch.setattr(taking_over, "_run_again", run_again)
    words = "--checkpoint", "runs/tiny", "--mine", mine
    done = call("translate", "I see the girl", *words)
    assert set(passed) == {ATTEND, LOSS, "tokenizer-encode"}
    inside = call_inside(passed, "translate", "I see the girl", *words)
    assert (inside.status, inside.err) == (0, "")
    assert len(inside.lines) == 1
    # Whose each object is was said before.
    assert done.err.splitlines()[-1] == "2 of 5 objects are yours."
    assert " ".join(done.err.split()).count(refused) == 1
    assert set(asked) == {MULTI, *others}


def test_the_lists_of_objects_fit_the_terminal(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    solve(mine)

    def check_all(folder: Path, exercises: Any, workers: Any) -> list[Result]:
        found = {ATTEND: "passed", MULTI: "failed"}
        return [
            Result.of(e, found.get(e.name, "not started"), "It is wrong.")
            for e in exercises
        ]

    monkeypatch.setattr(taking_over, "check_all", check_all)
    monkeypatch.setattr(taking_over, "_run_again", lambda passed: 0)
    said = {}
    for command in COMMANDS:
        done = call(command, "--mine", mine, columns=60)
        assert (done.status, done.out) == (0, "")
        checking, *lines = done.err.splitlines()
        assert checking == f"Checking what is yours in {mine} ..."
        assert max(map(len, lines)) <= 60
        said[command] = " ".join(" ".join(lines).split())
    objects = dict.fromkeys(e.source.name for e in CATALOGUE.values())
    own, *others = objects
    short = (
        f"Refused: MultiHeadAttention, for {MULTI} does not pass. It is "
        f"wrong. 1 of {len(objects)} objects are yours."
    )
    assert said["translate"] == said["evaluate"] == short
    assert said["train"] == (
        f"{short} Yours: {own}. The package's: {', '.join(others)}."
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_without_anything_passed_there_is_nothing_to_do(
    command: str, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = {name: CATALOGUE[name] for name in (ATTEND, MULTI)}
    monkeypatch.setattr(taking_over, "load_catalogue", lambda: some)
    solve(mine)
    done = call(command, "--mine", mine)
    message = (
        rf"nothing in {re.escape(str(mine))} has passed its checks: see "
        "laidout check"
    )
    assert_refused(done, message)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_that_is_no_workspace_is_refused(
    command: str, tmp_path: Path
) -> None:
    message = rf"{re.escape(str(tmp_path))} is no workspace: .+"
    assert_refused(call(command, "--mine", tmp_path), message)


def test_several_processes_are_refused(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    solve(mine, ATTEND)
    monkeypatch.setenv("WORLD_SIZE", "2")
    message = "--mine trains in one process, not under torchrun"
    assert_refused(call("train", "--mine", mine), message)


def test_everything_is_checked_again_before_training(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = {ATTEND: CATALOGUE[ATTEND]}
    monkeypatch.setattr(taking_over, "load_catalogue", lambda: some)
    solve(mine, ATTEND)
    (mine / "attention.py").write_text("half a file(")
    # Somebody says that it has passed.
    monkeypatch.setattr(State, "is_done", lambda *_: True)
    done = call("train", "--mine", mine)
    assert_refused(done, r"nothing in .+ has passed its checks: .+")
    assert "Refused: scaled_dot_product_attention" in done.err
    assert "this is not Python" in done.err


def test_the_model_of_the_book_can_be_used_too(
    mine: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # A checkpoint of the package's objects fits the reader's.
    run, _ = trained(tmp_path_factory)
    solve(mine, ATTEND, MULTI)
    words = "translate", "--checkpoint", run, PAIRS[0][0]
    done = call_inside([ATTEND, MULTI], *words, "--mine", mine)
    assert done == call(*words)
    assert done.out == f"{PAIRS[0][1]}\n"


def test_the_attention_of_the_readers_model_can_be_drawn(
    mine: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run = shutil.copytree(trained(tmp_path_factory)[0], tmp_path / "copy")
    solve(mine, ATTEND, MULTI, "layers-decoder")
    passed = [ATTEND, MULTI, "layers-decoder"]
    words = "--checkpoint", run, "--show-attention", "--mine", mine
    done = call_inside(passed, "translate", *words, "I see")
    assert done.status == 0
    assert (run / "attention" / "i-see.svg").exists()


# --- when it goes wrong -----------------------------------------------------

COUNT = (
    "global calls; calls = globals().get('calls', 0) + 1\n"
    "        if calls == 3: "
)
STEP = "        # 1. Leave the padding out"

FAILURES = {
    "an error": (
        "raise LookupError('not again')",
        r"raised LookupError: not again",
    ),
    "a size that does not fit": (
        "logits.view(-1, 7, 11, 13)",
        r"raised RuntimeError: .+",
    ),
    "the end of the program": (
        "import sys; sys.exit()",
        r"raised SystemExit: .*",
    ),
    "no memory": (
        "torch.empty(10**14)",
        r"raised RuntimeError: .+allocate.+",
    ),
    "a file that is not there": (
        "open('no such file')",
        r"raised FileNotFoundError: .+",
    ),
}


def fail_later(mine: Path, line: str) -> int:
    """Let the loss fail when it is called for the third time."""
    solve(mine, LOSS)
    path = mine / "loss.py"
    edit(path, STEP, f"        {COUNT}{line}\n{STEP}")
    text = path.read_text("utf-8")
    return text[: text.index(line)].count("\n") + 1


@pytest.mark.parametrize("case", FAILURES)
def test_an_error_while_it_trains_names_file_and_line(
    case: str, corpus: Path, mine: Path
) -> None:
    line, message = FAILURES[case]
    number = fail_later(mine, line)
    words = "--corpus", corpus, "--mine", mine
    done = call_inside([LOSS], "train", *words, *STEPS)
    assert (done.status, done.out) == (1, "")
    last = done.err.splitlines()[-1]
    whole = (
        rf"laidout: your loss\.py, line {number} "
        rf"\(if calls == 3: {re.escape(line)}\), {message}"
    )
    assert re.fullmatch(whole, last), last
    assert "Traceback" not in done.err


def test_an_error_below_the_readers_code_names_the_readers_line(
    corpus: Path, mine: Path
) -> None:
    # The epoch is the reader's, the loss in it is the package's.
    solve(mine, EPOCH)
    old = "loss = loss_fn(logits.flatten(0, 1), labels.flatten())"
    path = mine / "training.py"
    new = "loss_fn(logits, labels[:1, :1])"
    text = path.read_text("utf-8")
    place = text.index(old)
    path.write_text(f"{text[:place]}{new}\n        {text[place:]}", "utf-8")
    number = text[:place].count("\n") + 1
    words = "--corpus", corpus, "--mine", mine
    done = call_inside([EPOCH], "train", *words, *STEPS)
    assert done.status == 1
    assert re.fullmatch(
        rf"laidout: your training\.py, line {number} "
        rf"\({re.escape(new)}\), raised IndexError: .+",
        done.err.splitlines()[-1],
    )


def test_an_error_of_ours_is_not_blamed_on_the_reader(
    corpus: Path, mine: Path
) -> None:
    solve(mine, LOSS)
    words = "--corpus", corpus, "--mine", mine, "--steps", 0
    done = call_inside([LOSS], "train", *words)
    assert done.err == "laidout: steps (0) must be 1 or more\n"


def trusting(monkeypatch: pytest.MonkeyPatch, *passed: str) -> None:
    """Let it believe that some exercises have passed."""
    monkeypatch.setattr(taking_over, "_passed", lambda *_: list(passed))


TRUSTING = """
from laidout.cli import main
from laidout.workshop import taking_over
taking_over._passed = lambda *_: {some}
main()
"""


def test_ctrl_c_saves_what_was_trained(
    corpus: Path, mine: Path, empty_folder: Path
) -> None:
    some = [ATTEND, LOSS]
    solve(mine, *some)
    words = "--corpus", corpus, "--mine", mine, "--steps", 10**6, *QUICK
    program = "-c", TRUSTING.format(some=some)
    process = start_process(empty_folder, "train", *words, program=program)
    log = Path("runs/tiny/log.jsonl")
    for _ in range(2400):
        if log.exists() and log.read_bytes().count(b"\n") > 2:
            break
        time.sleep(0.05)
    # A terminal sends it to all processes.
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, b"")
    last = err.decode().splitlines()[-1]
    assert re.fullmatch(
        r"Stopped and saved at step \d+\. Go on with: laidout train "
        rf"--resume --output runs/tiny --mine {mine}",
        last,
    )
    assert Path("runs/tiny/training.safetensors").exists()
    assert b"Traceback" not in err


KILLED = "signal.signal({0}, signal.SIG_DFL); signal.raise_signal({0})"
CRASH = "laidout: your code crashed Python ({})\n"

ENDS = {
    "a status": ("sys.exit(7)", 7, ""),
    "a success": ("pass", 0, ""),
    # Before there is anything to save.
    "Ctrl-C": (KILLED.format("signal.SIGINT"), 130, ""),
    "a crash": (
        KILLED.format("signal.SIGSEGV"),
        1,
        CRASH.format("SIGSEGV"),
    ),
    "an abort": ("os.abort()", 1, CRASH.format("SIGABRT")),
}


@pytest.mark.parametrize("case", ENDS)
def test_it_ends_as_the_other_process_does(
    case: str,
    mine: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line, status, said = ENDS[case]
    trusting(monkeypatch, ATTEND)
    solve(mine, ATTEND)
    # In the place of Python: what needs no PyTorch to end like that.
    python = mine / "python"
    words = f"#!{sys.executable}\nimport os, signal, sys\n"
    check = "assert sys.argv[1:] == ['-m', 'laidout', *ours]\n"
    ours = ["train", "--mine", str(mine)]
    python.write_text(f"{words}ours = {ours}\n{check}{line}\n")
    python.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(python))
    done = call_outside(capfd, *ours)
    assert done == Done(status, "", said)


def test_without_it_nothing_is_taken_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(taking_over, "find_workspace", pytest.fail)
    with taking_over.take_over(None, check_again=True):
        entered = True
    assert entered
