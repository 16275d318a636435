"""The commands of the workshop: start, check, hint, solution, progress."""

import json
import os
import re
import signal
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from oracle_command import Done, call
from oracle_command import start as start_process
from reader import ATTEND, MULTI, attend, edit, solve, solve_in
from rich.console import Console

from laidout.workshop import commands
from laidout.workshop.catalogue import find_exercises, load_catalogue
from laidout.workshop.commands import check_all
from laidout.workshop.isolation import Workers
from laidout.workshop.state import FILE, State
from laidout.workshop.terminal import PLAIN

CATALOGUE = load_catalogue()
DOCUMENTED = {"name", "object", "status", "mistake", "message", "hint"}
STATUSES = {"passed", "failed", "not started", "error"}
COMMANDS = "start", "check", "hint", "solution", "progress"
EXTEND = "decoding-beams-extend"
CHECK_MULTI = f"laidout check {MULTI}"


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def workspace(empty_folder: Path) -> Path:
    """Work in a workspace in which the first exercise is solved."""
    return solve(empty_folder, ATTEND)


def forget_to_scale(folder: Path) -> None:
    """Leave out the square root in the attention, a well-known mistake."""
    line = "scores = scores / math.sqrt(query.size(-1))"
    edit(folder / "attention.py", line, "")


def assert_refused(done: Done, message: str, status: int = 1) -> None:
    """Find one line that says what is wrong, and nothing else."""
    assert (done.out, done.status) == ("", status)
    (line,) = done.err.splitlines()
    assert re.fullmatch(f"laidout: {message}", line), line


# --- in general -------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    done = call(command, "--help", columns=79)
    assert done.status == 0
    assert f"Usage: laidout {command}" in done.out
    assert max(map(len, done.lines)) <= 79


@pytest.mark.parametrize(
    "words", [["check"], ["hint", ATTEND], ["progress"]], ids=" ".join
)
def test_without_a_workspace_the_way_to_one_is_shown(
    words: list[str], empty_folder: Path
) -> None:
    message = (
        rf"{re.escape(str(empty_folder))} is no workspace: laidout start "
        "writes one"
    )
    here = f"{message}; if you have one, go there"
    assert_refused(call(*words), here)
    assert_refused(call(*words, "--dir", empty_folder), message)
    assert list(empty_folder.iterdir()) == []


def test_within_a_workspace_it_is_found(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / "notes" / "old").mkdir(parents=True)
    monkeypatch.chdir(workspace / "notes" / "old")
    assert call("check", ATTEND).status == 0
    assert State.load(workspace).is_done(CATALOGUE[ATTEND])
    assert row_of(call("progress"), ATTEND) == "done"
    assert call("hint", ATTEND).status == 0
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("command", ["check", "hint", "solution"])
def test_the_nearest_exercise_is_named(command: str, workspace: Path) -> None:
    assert_refused(
        call(command, "atention-multi-head"),
        r"exercise 'atention-multi-head' does not exist; the nearest name "
        r"is 'attention-multi-head'",
    )


@pytest.mark.parametrize(
    "words", [["check", ATTEND], ["hint", ATTEND], ["progress"]], ids=" ".join
)
def test_a_state_that_is_broken_is_no_hindrance(
    words: list[str], workspace: Path
) -> None:
    (workspace / FILE).write_text('{"version": 1, "passed": ["all"]}')
    done = call(*words)
    assert done.status == 0
    assert done.err == (
        f"{FILE} cannot be used: not a state; starting a new one.\n"
    )


# --- start ------------------------------------------------------------------


def test_start_writes_a_file_for_each_module() -> None:
    done = call("start")
    assert (done.status, done.err) == (0, "")
    modules = {exercise.module for exercise in CATALOGUE.values()}
    files = {path.name for path in Path("my-transformer").iterdir()}
    texts = {"README.md", "AGENTS.md"}
    assert files == {f"{m}.py" for m in modules} | texts | {FILE}
    for name in files - {FILE}:
        assert f"my-transformer/{name}: written" in done.lines
    assert done.lines[-1] == (
        "Next: cd my-transformer, then read README.md and open attention.py"
    )


def test_start_does_nothing_twice() -> None:
    call("start", "mine")
    before = {p.name: p.read_bytes() for p in Path("mine").iterdir()}
    done = call("start", "mine")
    assert done.status == 0
    assert done.lines[0] == f"{Path('mine').resolve()} is up to date."
    assert before == {p.name: p.read_bytes() for p in Path("mine").iterdir()}


def test_start_overwrites_nothing(workspace: Path) -> None:
    before = (workspace / "attention.py").read_bytes()
    done = call("start", ".")
    assert done.status == 0
    assert (workspace / "attention.py").read_bytes() == before
    (workspace / "masks.py").unlink()
    assert call("start", ".").lines[0] == "masks.py: written"


@pytest.mark.parametrize("place", ["", "notes"])
def test_start_within_a_workspace_brings_that_one_up_to_date(
    place: str, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / "notes").mkdir()
    monkeypatch.chdir(workspace / place)
    read = "read README.md and open attention.py"
    way = f"Next: cd {workspace}, then {read}" if place else f"Next: {read}"
    files = sorted(path.name for path in workspace.iterdir())
    assert call("start").lines == [f"{workspace} is up to date.", "", way]
    (workspace / "masks.py").unlink()
    done = call("start")
    assert done.lines == [f"{workspace / 'masks.py'}: written", "", way]
    assert sorted(path.name for path in workspace.iterdir()) == files
    assert list((workspace / "notes").iterdir()) == []


def test_start_writes_another_workspace_if_it_is_named(
    workspace: Path,
) -> None:
    assert "another/masks.py: written" in call("start", "another").lines


def test_start_refuses_a_file(empty_folder: Path) -> None:
    Path("mine").write_text("a file")
    assert_refused(call("start", "mine"), "mine is a file, not a folder")


# --- check ------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [ATTEND, "scaled_dot_product_attention"], ids=["name", "object"]
)
def test_an_exercise_goes_by_its_name_and_by_its_object(
    name: str, workspace: Path
) -> None:
    done = call("check", name)
    assert (done.status, done.err) == (0, "")
    assert done.out == f"passed      {ATTEND}\n"


def test_a_module_is_all_of_its_exercises(workspace: Path) -> None:
    done = call("check", "attention")
    assert (done.status, done.err) == (1, "")
    assert done.lines == [
        f"passed      {ATTEND}",
        f"not started {MULTI}",
        "1 of 2 passed, 1 not started.",
        f"Next: write MultiHeadAttention in attention.py, then {CHECK_MULTI}",
    ]
    solve_in(workspace, MULTI)
    done = call("check", "attention")
    assert done.status == 0
    assert done.lines == [
        f"passed      {ATTEND}",
        f"passed      {MULTI}",
        "2 of 2 passed.",
    ]


def test_what_is_not_started_is_shown_if_it_is_named(workspace: Path) -> None:
    done = call("check", MULTI)
    assert (done.status, done.err) == (1, "")
    assert done.lines == [
        f"not started {MULTI}",
        f"Next: write MultiHeadAttention in attention.py, then {CHECK_MULTI}",
    ]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all exercises be these, for a check of all takes its time."""
    names = [ATTEND, MULTI, "masks-causal"]
    monkeypatch.setattr(
        commands,
        "find_exercises",
        lambda given: find_exercises(given or names),
    )


@pytest.mark.usefixtures("few")
def test_without_names_what_is_not_started_is_left_out(
    workspace: Path,
) -> None:
    done = call("check")
    assert (done.status, done.err) == (1, "")
    assert done.lines == [
        f"passed      {ATTEND}",
        "1 of 3 passed, 2 not started.",
        f"Next: write MultiHeadAttention in attention.py, then {CHECK_MULTI}",
    ]
    # In JSON all of them are there.
    found = json.loads(call("check", "--json").out)["exercises"]
    assert [e["status"] for e in found] == ["passed", *["not started"] * 2]


@pytest.mark.usefixtures("few")
def test_what_is_wrong_comes_before_what_is_next(workspace: Path) -> None:
    forget_to_scale(workspace)
    done = call("check")
    assert done.lines[0] == f"failed      {ATTEND}"
    assert done.lines[-1] == "0 of 3 passed, 2 not started."
    assert re.findall(r"Next: .*\S", done.out) == [
        f"Next: laidout hint {ATTEND}"
    ]


@pytest.mark.usefixtures("few")
def test_an_error_of_a_whole_file_is_shown_once(workspace: Path) -> None:
    (workspace / "attention.py").write_text("def f(:\n")
    done = call("check")
    assert (done.status, done.err) == (1, "")
    assert done.out.count("attention.py, line 1: this is not Python") == 1
    lines = [line.strip() for line in done.lines]
    assert lines[0] == f"error       {ATTEND}"
    assert lines[-3:] == [
        "",
        f"error       {MULTI}",
        "0 of 3 passed, 1 not started.",
    ]
    # The line, and a mark below the place.
    place = next(i for i, line in enumerate(lines) if "def f(:" in line)
    mark = done.lines[place].index("def f(:") + len("def f(")
    assert done.lines[place + 1].rstrip() == " " * mark + "^"
    # A hint would be of no use.
    assert "Next" not in done.out
    found = json.loads(call("check", "--json").out)["exercises"]
    assert ["not Python" in e["message"] for e in found] == [True, True, False]


def test_the_errors_of_two_files_are_both_shown(workspace: Path) -> None:
    (workspace / "attention.py").write_text("1 / 0\n")
    (workspace / "masks.py").write_text("\n1 / 0\n")
    done = call("check", ATTEND, "masks-causal")
    assert "attention.py, line 1: ZeroDivisionError" in done.out
    assert "masks.py, line 2: ZeroDivisionError" in done.out
    assert done.out.count("1 / 0") == 2


def test_several_are_checked_in_the_order_of_the_book(
    workspace: Path,
) -> None:
    done = call("check", MULTI, "attention", ATTEND)
    assert [line.split()[-1] for line in done.lines[:2]] == [ATTEND, MULTI]
    assert done.lines[2] == "1 of 2 passed, 1 not started."


@pytest.mark.parametrize(
    "columns", [40, 79, 200], ids=["narrow", "usual", "wide"]
)
def test_a_mistake_is_shown_with_its_evidence(
    columns: int, workspace: Path
) -> None:
    forget_to_scale(workspace)
    done = call("check", ATTEND, columns=columns)
    assert (done.status, done.err) == (1, "")
    assert done.lines[0] == f"failed      {ATTEND}"
    said = " ".join(done.out.split())
    for part in ("square root", "should hold", "called", "came out", "wanted"):
        assert part in said
    assert re.search(r"\d\*", said)
    assert f"Next: laidout hint {ATTEND}" in said
    assert max(map(len, done.lines)) <= columns


def test_what_the_code_writes_is_shown_if_it_is_wrong(
    workspace: Path,
) -> None:
    attend(workspace, "print('[bold]my :cat:[/bold]')")
    assert call("check", ATTEND).out == f"passed      {ATTEND}\n"
    forget_to_scale(workspace)
    done = call("check", ATTEND)
    assert "Your code wrote:" in done.out
    assert "[bold]my :cat:[/bold]" in done.out


def test_a_crash_is_one_sentence_and_the_next_is_checked(
    workspace: Path,
) -> None:
    attend(workspace, "import os; os._exit(3)")
    solve_in(workspace, "masks-padding")
    done = call("check", ATTEND, "masks-padding")
    assert done.status == 1
    assert done.lines[0] == f"error       {ATTEND}"
    assert done.lines[1].strip() == (
        "It ended the whole program, with status 3."
    )
    assert done.lines[-2:] == ["passed      masks-padding", "1 of 2 passed."]


def test_the_workspace_may_be_elsewhere(tmp_path: Path) -> None:
    folder = solve(tmp_path / "far [b]away[b]", ATTEND)
    done = call("check", ATTEND, "--dir", folder)
    assert done.status == 0
    assert State.load(folder).is_done(CATALOGUE[ATTEND])


def test_json_is_one_object(workspace: Path) -> None:
    forget_to_scale(workspace)
    done = call("check", "attention", "masks-causal", "--json")
    assert (done.status, done.err) == (1, "")
    found = json.loads(done.out)
    assert list(found) == ["exercises"]
    exercises = found["exercises"]
    assert [e["name"] for e in exercises] == [ATTEND, MULTI, "masks-causal"]
    for one in exercises:
        assert one.keys() >= DOCUMENTED
        assert one["object"] == CATALOGUE[one["name"]].object
        assert one["status"] in STATUSES
        assert one["hint"] == f"laidout hint {one['name']}"
    wrong, unwritten, _ = exercises
    assert wrong["status"] == "failed"
    assert "square root" in wrong["message"]
    assert isinstance(wrong["mistake"], str)
    assert wrong["evidence"]["call"]
    assert (unwritten["status"], unwritten["mistake"]) == ("not started", None)


def test_json_of_what_has_passed(workspace: Path) -> None:
    done = call("check", ATTEND, "--json")
    assert done.status == 0
    (one,) = json.loads(done.out)["exercises"]
    assert one["seconds"] > 0.0
    expected = {
        "name": ATTEND,
        "object": "laidout.attention.scaled_dot_product_attention",
        "status": "passed",
        "mistake": None,
        "message": "",
        "hint": "",
    }
    assert {key: one[key] for key in DOCUMENTED} == expected


def test_json_cannot_be_watched(workspace: Path) -> None:
    message = "--watch and --json cannot be used together"
    assert_refused(call("check", "--watch", "--json"), message)


def test_what_was_solved_before_is_used_by_what_builds_on_it(
    workspace: Path,
) -> None:
    solve_in(workspace, MULTI)
    assert call("check", "attention").status == 0
    # It is wrong now, and has not been checked since: the package's is used.
    forget_to_scale(workspace)
    assert call("check", MULTI).status == 0
    # What passed is remembered as it was: nobody noticed the change.
    state = State.load(workspace)
    state.note(CATALOGUE[ATTEND], True)
    state.save()
    done = call("check", MULTI)
    assert done.status == 1
    said = " ".join(done.out.split())
    assert "but not with yours" in said


def test_what_was_checked_before_an_error_is_remembered(
    workspace: Path,
) -> None:
    exercises = [CATALOGUE[ATTEND], CATALOGUE[MULTI]]

    def show(result: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Workers() as workers:
        check_all(workspace, exercises, workers, show)
    state = State.load(workspace)
    assert [state.is_done(exercise) for exercise in exercises] == [True, False]


def test_a_workspace_that_cannot_be_written_is_named(
    workspace: Path,
) -> None:
    (workspace / FILE).unlink()
    (workspace / FILE).mkdir()
    done = call("check", ATTEND)
    assert done.status == 1
    assert done.err.splitlines()[-1].startswith("laidout: ")
    assert "Traceback" not in done.err


# --- check --watch ----------------------------------------------------------


class Watched:
    """`laidout check --watch` in a process of its own."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.folder = folder
        self.heard = b""
        words = "check", *names, "--watch"
        self.process = start_process(folder, *words)
        assert self.process.stdout is not None
        self.out = self.process.stdout.fileno()
        os.set_blocking(self.out, False)

    def hear(self, text: str, times: int = 1) -> None:
        """Wait until a text has come so many times."""
        for _ in range(1200):
            if self.heard.count(text.encode()) >= times:
                return
            try:
                self.heard += os.read(self.out, 65_536)
            except BlockingIOError:
                time.sleep(0.05)
        pytest.fail(f"{text!r} has not come, but:\n{self.heard.decode()}")

    def press(self) -> tuple[int, str]:
        """Press Ctrl-C; return the status and what went wrong."""
        os.killpg(self.process.pid, signal.SIGINT)
        os.set_blocking(self.out, True)
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors.decode()


def save_in_the_same_second(path: Path, change: Callable[[], None]) -> None:
    """Change a file, but not its size and not its time."""
    before = path.stat()
    change()
    gap = before.st_size - path.stat().st_size
    with path.open("a", encoding="utf-8") as file:
        file.write("#" * gap)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def test_watching_checks_again_whenever_a_file_changes(
    workspace: Path,
) -> None:
    path = workspace / "attention.py"
    watched = Watched(workspace, "attention", "masks-causal")
    try:
        # 1. Everything once.
        watched.hear("Waiting for you to save")
        watched.hear(f"passed      {ATTEND}")
        watched.hear("1 of 3 passed, 2 not started.")
        watched.hear(f"then {CHECK_MULTI}\n")
        # 2. Then what has changed, even if nothing but the text tells.
        save_in_the_same_second(path, lambda: forget_to_scale(workspace))
        watched.hear("Waiting for you to save", times=2)
        watched.hear(f"failed      {ATTEND}")
        watched.hear("0 of 2 passed, 1 not started.")
        # 3. A file may be gone for a while.
        path.unlink()
        watched.hear(f"error       {MULTI}")
        watched.hear("attention.py is missing")
        solve(workspace, ATTEND)
        watched.hear(f"passed      {ATTEND}", times=2)
        watched.hear("1 of 2 passed, 1 not started.")
    finally:
        status, errors = watched.press()
    assert (status, errors) == (130, "")
    # Whatever was named is listed, also what nobody has begun.
    assert f"not started {MULTI}".encode() in watched.heard
    assert watched.heard.count(b"attention.py is missing") == 1


def test_ctrl_c_is_quiet_while_torch_is_being_imported(
    workspace: Path,
) -> None:
    watched = Watched(workspace, ATTEND)
    process = psutil.Process(watched.process.pid)
    while not process.children():
        time.sleep(0.01)
    time.sleep(0.2)
    assert watched.press() == (130, "")


# --- hint -------------------------------------------------------------------


def test_each_time_there_is_one_more_hint(workspace: Path) -> None:
    hints = CATALOGUE[ATTEND].hints
    for number, hint in enumerate(hints, 1):
        done = call("hint", ATTEND)
        assert (done.status, done.err) == (0, "")
        head, _, *text = done.lines
        assert head == f"Hint {number} of {len(hints)} for {ATTEND}"
        if number < len(hints):
            assert text[-2:] == ["", f"One more: laidout hint {ATTEND}"]
            text = text[:-2]
        assert max(map(len, text)) <= 80
        # No terminal draws it, so code keeps its marks.
        assert " ".join(text).split() == hint.split()
    assert any("`" in hint for hint in hints)
    for _ in range(2):
        done = call("hint", ATTEND)
        assert done.status == 0
        assert done.out == (
            f"These were all {len(hints)} hints of {ATTEND}.\nSee one again "
            f"with --number, or: laidout solution {ATTEND}\n"
        )


def test_in_a_terminal_a_hint_is_drawn(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hints = CATALOGUE[ATTEND].hints
    number = next(n for n, hint in enumerate(hints, 1) if "`" in hint)
    screen = Console(soft_wrap=True, force_terminal=True, **PLAIN)
    monkeypatch.setattr(commands, "out", screen)
    done = call("hint", ATTEND, "--number", number)
    assert "\x1b[" in done.out
    drawn = re.sub(r"\x1b\[[\d;]*m", "", done.out)
    _, _, *text = drawn.splitlines()
    bare = re.sub(r"[`*_]", "", hints[number - 1]).split()
    assert " ".join(text).replace("_", "").split()[: len(bare)] == bare


def test_a_certain_hint_can_be_seen_again(workspace: Path) -> None:
    count = len(CATALOGUE[ATTEND].hints)
    for _ in range(2):
        done = call("hint", ATTEND, "--number", 2)
        assert done.lines[0] == f"Hint 2 of {count} for {ATTEND}"
    # That was no step further.
    assert call("hint", ATTEND).lines[0].startswith("Hint 1 of ")
    assert call("hint", ATTEND, "--number", 0).status == 2
    # Nor is there a way to skip what comes before the solution.
    message = rf"--number \({count + 1}\) must be from 1 to {count}"
    assert_refused(call("hint", ATTEND, "--number", count + 1), message)
    assert call("hint", ATTEND).lines[0].startswith("Hint 2 of ")


def test_hints_are_counted_for_each_exercise(workspace: Path) -> None:
    assert call("hint", ATTEND).lines[0].startswith("Hint 1 of ")
    assert call("hint", MULTI).lines[0].startswith("Hint 1 of ")
    assert call("hint", "MultiHeadAttention").lines[0].startswith("Hint 2 of ")


def test_a_hint_for_several_exercises_is_refused(workspace: Path) -> None:
    assert_refused(
        call("hint", "attention"),
        rf"'attention' is several exercises: {ATTEND}, {MULTI}",
    )


# --- solution ---------------------------------------------------------------


def test_a_solution_is_the_source_itself() -> None:
    # No workspace is needed, and with --yes nobody is asked.
    for typed in (True, False):
        done = call("solution", ATTEND, "--yes", typed=typed)
        assert (done.status, done.err) == (0, "")
        assert done.out == CATALOGUE[ATTEND].solution + "\n"


@pytest.mark.parametrize("typed", [True, False], ids=["typed", "piped"])
@pytest.mark.parametrize(
    ("answer", "status"), [("n\n", 1), ("\n", 1), ("", 1), ("y\n", 0)]
)
def test_whoever_does_not_say_yes_is_asked(
    answer: str, status: int, typed: bool
) -> None:
    done = call("solution", ATTEND, given=answer, typed=typed)
    assert done.status == status
    assert f"Show the whole solution of {ATTEND}?" in done.err
    assert "Traceback" not in done.err
    # The question stays out of a file that it may go into.
    shown = CATALOGUE[ATTEND].solution + "\n" if status == 0 else ""
    assert done.out == shown


def test_of_a_class_in_parts_only_the_part_is_shown() -> None:
    done = call("solution", EXTEND, "--yes")
    assert done.status == 0
    assert done.out.startswith("def extend(self, log_p: Tensor) -> None:\n")
    for other in ("class Beams", "def retire", "def done"):
        assert other not in done.out
    method = textwrap.indent(done.out, "    ").rstrip()
    assert method in CATALOGUE[EXTEND].solution


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_solution_is_python(name: str) -> None:
    done = call("solution", name, "--yes")
    assert done.status == 0
    compile(done.out, name, "exec")
    assert "NotImplementedError" not in done.out


# --- progress ---------------------------------------------------------------


def row_of(done: Done, name: str) -> str:
    """Return what the table says of an exercise."""
    rows = re.findall(rf"^.* {re.escape(name)} +\d+  (.*)$", done.out, re.M)
    assert len(rows) == 1
    return str(rows[0]).strip()


def test_progress_is_a_table_of_what_is_done(workspace: Path) -> None:
    count = len(CATALOGUE)
    done = call("progress", columns=100)
    assert (done.status, done.err) == (0, "")
    for name in CATALOGUE:
        assert row_of(done, name) == "to do"
    assert done.lines[-2:] == [
        f"0 of {count} are done.",
        "Next: write scaled_dot_product_attention in attention.py, then "
        f"laidout check {ATTEND}",
    ]
    call("check", ATTEND)
    done = call("progress", columns=100)
    assert row_of(done, ATTEND) == "done"
    assert row_of(done, MULTI) == "to do"
    assert done.lines[-2:] == [
        f"1 of {count} are done.",
        f"Next: write MultiHeadAttention in attention.py, then {CHECK_MULTI}",
    ]
    assert "changed" not in done.out


def test_what_was_changed_since_is_not_done(workspace: Path) -> None:
    call("check", ATTEND)
    path = workspace / "attention.py"
    text = path.read_text("utf-8")
    forget_to_scale(workspace)
    done = call("progress")
    assert row_of(done, ATTEND) == "changed"
    what = "changed: edited since it passed; check it again."
    assert done.lines[-4:-1] == [what, "", f"0 of {len(CATALOGUE)} are done."]
    # Another exercise of the file is another matter.
    path.write_text(text, "utf-8")
    solve_in(workspace, MULTI)
    assert row_of(call("progress"), ATTEND) == "done"


def test_what_is_red_again_is_to_do(workspace: Path) -> None:
    call("check", ATTEND)
    forget_to_scale(workspace)
    call("check", ATTEND)
    assert row_of(call("progress"), ATTEND) == "to do"


def test_the_state_can_be_deleted_without_loss(workspace: Path) -> None:
    call("check", ATTEND)
    before = (workspace / FILE).read_text("utf-8")
    (workspace / FILE).unlink()
    assert row_of(call("progress"), ATTEND) == "to do"
    call("check", ATTEND)
    after = (workspace / FILE).read_text("utf-8")
    assert json.loads(after)["passed"] == json.loads(before)["passed"]


def test_every_chapter_is_named_once(workspace: Path) -> None:
    done = call("progress", columns=100)
    first = [line.partition("  ")[0] for line in done.lines]
    for chapter in {exercise.chapter for exercise in CATALOGUE.values()}:
        assert first.count(chapter) == 1


def test_progress_fits_into_a_narrow_window(workspace: Path) -> None:
    done = call("progress", columns=60)
    # What is to be copied is left to the terminal to wrap.
    *lines, following = done.lines
    assert following.startswith("Next: ")
    assert max(map(len, lines)) <= 60
