"""`--mine`: train, translate and evaluate with the reader's own objects."""

import json
import os
import re
import signal
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
    write_corpus,
)
from oracle_command import start as start_process
from reader import ATTEND, MULTI, attend, edit, in_a_process, solve

from laidout.workshop import taking_over
from laidout.workshop.catalogue import load_catalogue
from laidout.workshop.state import State
from laidout.workshop.taking_over import VARIABLE

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


INSIDE = """
import os
from oracle_command import call
os.chdir(folder)
os.environ.update(variables)
answer = call(*words)
"""


def call_inside(passed: list[str], *words: object) -> Done:
    """Call the command as the process does that was started for it."""
    done: Done = in_a_process(
        INSIDE,
        folder=Path.cwd(),
        variables={VARIABLE: json.dumps(passed)},
        words=words,
    )
    return done


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
    said = done.err.splitlines()
    refused = rf"Refused: MultiHeadAttention \({MULTI} is red: .+\)"
    assert re.fullmatch(refused, said.pop(1))
    whose = [
        "2 of 5 objects are yours.",
        "Yours: scaled_dot_product_attention, LabelSmoothing.",
        "Partly yours: BPETokenizer.",
        "The package's: MultiHeadAttention, causal_mask.",
    ]
    assert said[0] == f"Checking what is yours in {mine} ..."
    assert said[1:5] == whose
    assert said[5] == f"Reading the corpus {corpus} ..."
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

    monkeypatch.setattr(taking_over, "check_all", remember)
    words = "--checkpoint", "runs/tiny", "--mine", mine
    done = call_outside(capfd, "translate", "I see the girl", *words)
    assert done.status == 0, done.err
    assert len(done.lines) == 1
    assert done.err.splitlines()[2:] == whose
    assert set(asked) == {MULTI, *others}


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
    corpus: Path, mine: Path
) -> None:
    # A checkpoint of the package's objects fits the reader's.
    assert call("train", "--corpus", corpus, *STEPS).status == 0
    solve(mine, ATTEND, MULTI)
    words = "translate", "--checkpoint", "runs/tiny", PAIRS[0][0]
    done = call_inside([ATTEND, MULTI], *words, "--mine", mine)
    assert done == call(*words)


def test_the_attention_of_the_readers_model_can_be_drawn(
    corpus: Path, mine: Path
) -> None:
    assert call("train", "--corpus", corpus, *STEPS).status == 0
    solve(mine, ATTEND, MULTI, "layers-decoder")
    passed = [ATTEND, MULTI, "layers-decoder"]
    words = "--checkpoint", "runs/tiny", "--show-attention", "--mine", mine
    done = call_inside(passed, "translate", *words, "I see")
    assert done.status == 0
    assert Path("runs/tiny/attention/i-see.svg").exists()


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


def test_a_crash_while_it_trains_is_one_sentence(
    corpus: Path,
    mine: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    crash = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    fail_later(mine, crash)
    trusting(monkeypatch, LOSS)
    words = "--corpus", corpus, "--mine", mine
    done = call_outside(capfd, "train", *words, *STEPS)
    assert (done.status, done.out) == (1, "")
    sentence = "laidout: your code crashed Python (SIGSEGV)"
    assert sentence in done.err.splitlines()
    assert "Traceback" not in done.err


def test_ctrl_c_saves_what_was_trained(
    corpus: Path, mine: Path, empty_folder: Path
) -> None:
    some = [ATTEND, LOSS]
    solve(mine, *some)
    words = "--corpus", corpus, "--mine", mine, "--steps", 10**6, *QUICK
    process = start_process(empty_folder, "train", *words)
    log = Path("runs/tiny/log.jsonl")
    for _ in range(1200):
        if log.exists() and log.read_bytes().count(b"\n") > 2:
            break
        time.sleep(0.1)
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


def test_the_status_is_that_of_the_other_process(
    mine: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trusting(monkeypatch, ATTEND)
    attend(mine, above="import os; os._exit(7)")
    assert call_outside(capfd, "train", "--mine", mine).status == 7
    # Ctrl-C, before there is anything to save.
    attend(
        mine,
        above="import signal\nsignal.signal(signal.SIGINT, signal.SIG_DFL)\n"
        "signal.raise_signal(signal.SIGINT)",
    )
    done = call_outside(capfd, "train", "--mine", mine)
    assert (done.status, done.err) == (130, "")


def test_without_it_nothing_is_taken_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(taking_over, "find_workspace", pytest.fail)
    with taking_over.take_over(None, check_again=True):
        entered = True
    assert entered
