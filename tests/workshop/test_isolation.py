"""The reader's code in processes of its own: nothing it does hurts us."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from oracle_command import SOURCE
from reader import ATTEND, MULTI, attend, edit, serve_without_limit, solve

from laidout.workshop import isolation
from laidout.workshop.capture import ENOUGH
from laidout.workshop.isolation import FORKS, Limits, Workers
from laidout.workshop.results import Result, Task

FILE = "attention.py"
NAME = "scaled_dot_product_attention"
UNENDING = re.escape(
    "It did not end within 1 seconds. Is there a loop that never stops?"
)


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    """Give workers with time enough for whatever ends."""
    with Workers(Limits(seconds=60, memory=2**29)) as patient:
        yield patient


@pytest.fixture(scope="module")
def impatient() -> Iterator[Workers]:
    """Give workers for what never ends."""
    with Workers(Limits(seconds=1)) as hurried:
        yield hurried


@pytest.fixture(scope="module")
def solved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a workspace with the first exercise solved."""
    return solve(tmp_path_factory.mktemp("solved"), ATTEND)


def examine(workers: Workers, folder: Path) -> Result:
    """Examine the first exercise of a folder."""
    return workers.examine(Task(folder, ATTEND))


def assert_reported(result: Result, status: str, message: str) -> None:
    """Find one clear sentence."""
    assert result.status == status
    assert re.fullmatch(message, result.message), result.message
    assert result.name == ATTEND
    assert "\n" not in result.message
    assert "Traceback" not in result.message


# --- what may happen while the reader's object runs -------------------------

RUNNING = {
    "infinite recursion": (
        f"return {NAME}(query, key, value, mask, dropout)",
        "failed",
        f"{NAME} calls itself without end\\.",
    ),
    "sys.exit": (
        "import sys; sys.exit()",
        "failed",
        rf"{NAME} ends the program \(sys\.exit\)\.",
    ),
    "sys.exit with a status": (
        "raise SystemExit(3)",
        "failed",
        rf"{NAME} ends the program \(sys\.exit\)\.",
    ),
    "os._exit": (
        "import os; os._exit(3)",
        "error",
        r"It ended the whole program, with status 3\.",
    ),
    "os._exit as if all were well": (
        "import os; os._exit(0)",
        "error",
        r"It ended the whole program, with status 0\.",
    ),
    "a segmentation fault": (
        "import ctypes; ctypes.string_at(0)",
        "error",
        r"It crashed Python: a segmentation fault\.",
    ),
    "abort": (
        "import os; os.abort()",
        "error",
        r"It crashed Python: an abort\.",
    ),
    "a killed process": (
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "error",
        r"It crashed Python: SIGKILL\.",
    ),
    "Ctrl-C from within": (
        "raise KeyboardInterrupt",
        "error",
        r"It ended the whole program, with status 1\.",
    ),
    "a huge tensor": (
        "torch.empty(10**14)",
        "failed",
        f"{NAME} asks for more memory than it may have\\.",
    ),
    "tensors without end": (
        "hoard = []\n    while True: hoard.append(torch.empty(2**26))",
        "failed",
        f"{NAME} asks for more memory than it may have\\.",
    ),
    "a huge list": (
        "[0] * 10**13",
        "failed",
        f"{NAME} asks for more memory than it may have\\.",
    ),
    "lists without end": (
        "hoard = []\n    while True: hoard.append(bytearray(2**27))",
        "failed",
        f"{NAME} asks for more memory than it may have\\.",
    ),
    "another default dtype": (
        "torch.set_default_dtype(torch.float16)",
        "failed",
        "It changed torch's default dtype, which other code relies on\\.",
    ),
    "another default device": (
        "torch.set_default_device('meta')",
        "failed",
        "It changed torch's default device, which other code relies on\\.",
    ),
    "gradients off": (
        "torch.set_grad_enabled(False)",
        "failed",
        "It changed torch's gradient mode, which other code relies on\\.",
    ),
    "more threads": (
        "torch.set_num_threads(2)",
        "failed",
        "It changed torch's number of threads, which other code relies on\\.",
    ),
    "another function in torch": (
        "torch.softmax = torch.sigmoid",
        "failed",
        "It changed torch's own softmax, which other code relies on\\.",
    ),
    "another method of tensors": (
        "Tensor.masked_fill = None",
        "failed",
        "It changed torch's own masked_fill, which other code relies on\\.",
    ),
    "another seed": (
        "torch.manual_seed(3)",
        "failed",
        "It changed the seed of torch's random generator, which other code "
        "relies on\\.",
    ),
    "input()": (
        "input('What is the mask? ')",
        "failed",
        rf"{NAME} raised EOFError: EOF when reading a line",
    ),
    "an error without a word": (
        "raise LookupError",
        "failed",
        rf"{NAME} raised LookupError: \(it says nothing\)",
    ),
    "an error of many lines": (
        "raise LookupError('one\\ntwo\\nthree')",
        "failed",
        rf"{NAME} raised LookupError: one",
    ),
    "an error that is no Exception": (
        "raise BaseException('this is the end')",
        "failed",
        rf"{NAME} raised BaseException: this is the end",
    ),
}


@pytest.mark.parametrize("case", RUNNING)
def test_whatever_the_object_does_is_one_sentence(
    case: str, tmp_path: Path, workers: Workers, solved: Path
) -> None:
    line, status, message = RUNNING[case]
    result = examine(workers, attend(tmp_path, line))
    assert_reported(result, status, message)
    # The next exercise is examined as if nothing had been.
    assert examine(workers, solved).passed


UNENDING_LINES = {
    "an endless loop": "while True: pass",
    "an endless sleep": "import time; time.sleep(1e9)",
    "a loop that catches everything": (
        "while True:\n"
        "        try: raise KeyboardInterrupt\n"
        "        except BaseException: pass"
    ),
}


@pytest.mark.parametrize("case", UNENDING_LINES)
def test_what_never_ends_is_stopped(
    case: str, tmp_path: Path, impatient: Workers, solved: Path
) -> None:
    folder = attend(tmp_path, UNENDING_LINES[case])
    result = examine(impatient, folder)
    assert_reported(result, "error", UNENDING)
    assert 1.0 <= result.seconds < 10.0
    assert examine(impatient, solved).name == ATTEND


def test_the_line_that_raised_is_shown(
    tmp_path: Path, workers: Workers
) -> None:
    result = examine(workers, attend(tmp_path, "raise LookupError('where')"))
    (line,) = result.evidence.lines
    assert re.fullmatch(
        r"attention\.py:\d+: raise LookupError\('where'\)", line
    )


def test_random_numbers_may_be_drawn(tmp_path: Path, workers: Workers) -> None:
    assert examine(workers, attend(tmp_path, "torch.rand(3)")).passed


def test_what_is_read_from_the_input_is_empty(
    tmp_path: Path, workers: Workers
) -> None:
    lines = "import sys", "assert sys.stdin.read() == ''"
    assert examine(workers, attend(tmp_path, *lines)).passed


def test_a_thread_that_never_ends_is_no_hindrance(
    tmp_path: Path, workers: Workers
) -> None:
    thread = (
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(1e9,)).start()"
    )
    assert examine(workers, attend(tmp_path, above=thread)).passed


@pytest.mark.skipif(not FORKS, reason="this system has no process groups")
def test_what_the_code_has_started_ends_with_it(
    tmp_path: Path, impatient: Workers
) -> None:
    folder = attend(
        tmp_path,
        "import subprocess, pathlib",
        "child = subprocess.Popen(['sleep', '600'])",
        "pathlib.Path(__file__).with_name('pid').write_text(str(child.pid))",
        "child.wait()",
    )
    assert_reported(examine(impatient, folder), "error", UNENDING)
    number = int((folder / "pid").read_text())
    for _ in range(100):
        if not is_running(number):
            break
        time.sleep(0.05)
    assert not is_running(number)


def is_running(number: int) -> bool:
    """Tell whether a process is there and not dead."""
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_files_that_are_closed_are_reported(
    tmp_path: Path, workers: Workers, solved: Path
) -> None:
    # The line to us is among them.
    lines = "import os", "os.closerange(3, 256)", "while True: pass"
    result = examine(workers, attend(tmp_path, *lines))
    message = r"It closed files that do not belong to it\."
    assert_reported(result, "error", message)
    assert examine(workers, solved).passed


# --- what it writes ---------------------------------------------------------


def test_what_the_code_writes_where_it_fails_is_kept(
    tmp_path: Path, workers: Workers, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = attend(
        tmp_path,
        "import sys",
        "print(tuple(query.shape))",
        "print('to the other one', file=sys.stderr)",
        "numbers = [][3]",
        above="print('while the file is run')",
    )
    result = examine(workers, folder)
    assert result.status == "failed"
    assert result.printed == "(5, 11)\nto the other one\n"
    assert capfd.readouterr() == ("", "")
    # If it writes nothing there, what came while the file was run is shown.
    edit(folder / FILE, "print(tuple(query.shape))", "pass")
    edit(folder / FILE, "print('to the other one', file=sys.stderr)", "pass")
    assert examine(workers, folder).printed == "while the file is run\n"


def test_what_goes_well_is_not_heard(
    tmp_path: Path, workers: Workers, capfd: pytest.CaptureFixture[str]
) -> None:
    result = examine(workers, attend(tmp_path, "print('eggs')"))
    assert result.passed
    assert result.printed == ""
    assert capfd.readouterr() == ("", "")


def test_a_flood_is_cut_off(
    tmp_path: Path, workers: Workers, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = attend(
        tmp_path,
        "import os",
        "print('spam ' * 20_000)",
        "for _ in range(100): os.write(1, b'eggs ' * 200)",
        "for _ in range(100): os.write(2, b'eggs ' * 200)",
        "return value, value",
    )
    result = examine(workers, folder)
    assert result.status == "failed"
    flood, _, rest = result.printed.rpartition("\n")
    assert flood == "spam " * (ENOUGH // 5)
    assert re.fullmatch(r"\.\.\. and [\d,]+ characters more", rest)
    assert capfd.readouterr() == ("", "")


# --- what may be wrong with a file ------------------------------------------

FILES = {
    "a slip": ("def f(:\n", r"attention\.py, line 1: this is not Python: .+"),
    "an indentation": (
        "x = 1\n  y = 2\n",
        r"attention\.py, line 2: this is not Python: unexpected indent\.",
    ),
    "no Python at all": (
        b"\x7fELF\x00\x00\xff",
        r"attention\.py: this is not Python: .*null bytes\.",
    ),
    "another encoding": (
        "name = 'Übung'\n".encode("latin-1"),
        r"attention\.py(, line 1)?: this is not Python: .*utf-8.*",
    ),
    "nothing": (
        "",
        rf"attention\.py defines no {NAME}\.",
    ),
    "another name": (
        "def scaled_dot_product_atention(): pass\n",
        rf"attention\.py defines no {NAME}; the nearest name is "
        r"'scaled_dot_product_atention'\.",
    ),
    "an error": (
        "import math\n\nmath.sqrt(-1)\n",
        r"attention\.py, line 3: ValueError: .+",
    ),
    "an error in a file beside it": (
        "import embedding\n",
        r"attention\.py, line 1: ZeroDivisionError: division by zero",
    ),
    "an error without a word": (
        "raise LookupError\n",
        r"attention\.py, line 1: LookupError",
    ),
    "a package that is not there": (
        "import no_such_package\n",
        r"attention\.py, line 1: ModuleNotFoundError: No module named "
        r"'no_such_package'",
    ),
    "the end of the program": (
        "import sys\nsys.exit(4)\n",
        r"attention\.py, line 2: SystemExit: 4",
    ),
    "the end of the process": (
        "import os\nos._exit(4)\n",
        r"It ended the whole program, with status 4\.",
    ),
    "a crash": (
        "import ctypes\nctypes.string_at(0)\n",
        r"It crashed Python: a segmentation fault\.",
    ),
    "a huge list": (
        "hoard = [0] * 10**13\n",
        r"attention\.py, line 1: MemoryError",
    ),
    "a question": (
        "name = input('Who are you? ')\n",
        r"attention\.py, line 1: EOFError: EOF when reading a line",
    ),
    "another default dtype": (
        "import torch\ntorch.set_default_dtype(torch.float64)\n",
        r"attention\.py changes torch's default dtype when it is run, which "
        r"other code relies on\.",
    ),
    "another function in torch": (
        "import torch\ntorch.softmax = torch.sigmoid\n",
        r"attention\.py changes torch's own softmax when it is run, which "
        r"other code relies on\.",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_whatever_is_wrong_with_a_file_is_one_sentence(
    case: str, tmp_path: Path, workers: Workers, solved: Path
) -> None:
    content, message = FILES[case]
    data = content.encode() if isinstance(content, str) else content
    (tmp_path / FILE).write_bytes(data)
    (tmp_path / "embedding.py").write_text("1 / 0\n")
    assert_reported(examine(workers, tmp_path), "error", message)
    assert examine(workers, solved).passed


def test_a_missing_file_is_named(tmp_path: Path, workers: Workers) -> None:
    message = (
        r"attention\.py is missing; in its folder, laidout start \. writes it "
        r"again\."
    )
    assert_reported(examine(workers, tmp_path), "error", message)


def test_a_folder_in_the_place_of_a_file_is_named(
    tmp_path: Path, workers: Workers
) -> None:
    (tmp_path / FILE).mkdir()
    message = r"attention\.py: cannot be read: .+"
    assert_reported(examine(workers, tmp_path), "error", message)


def test_a_file_that_never_ends_is_stopped(
    tmp_path: Path, impatient: Workers
) -> None:
    (tmp_path / FILE).write_text("while True: pass\n")
    assert_reported(examine(impatient, tmp_path), "error", UNENDING)


@pytest.mark.parametrize(
    "mark", [b"", b"\xef\xbb\xbf"], ids=["no mark", "a byte-order mark"]
)
@pytest.mark.parametrize(
    "end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"]
)
def test_any_line_ends_and_a_mark_are_fine(
    mark: bytes, end: bytes, tmp_path: Path, workers: Workers, solved: Path
) -> None:
    data = (solved / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(mark + data.replace(b"\n", end))
    assert examine(workers, tmp_path).passed


@pytest.mark.parametrize(
    "line",
    [
        "torch.manual_seed(1)",
        "torch.rand(3)",
        # Which makes torch exchange a function of its own.
        "import torch._dynamo",
    ],
)
def test_at_the_top_of_a_file_chance_may_be_used(
    line: str, tmp_path: Path, workers: Workers
) -> None:
    assert examine(workers, attend(tmp_path, above=line)).passed


SIGNATURES = {
    "an argument left out": (
        "    key: Tensor,\n",
        "",
        rf"{NAME} takes \(query, value, mask=None, dropout=None\); it must "
        r"take \(query, key, value, mask=None, dropout=None\)\.",
    ),
    "an argument by another name": (
        "    key: Tensor,\n",
        "    keys: Tensor,\n",
        rf"{NAME} takes \(query, keys, value, mask=None, dropout=None\); it "
        r"must take \(query, key, value, mask=None, dropout=None\)\.",
    ),
    "defaults left out": (
        "    mask: Tensor | None = None,\n"
        "    dropout: nn.Module | None = None,\n",
        "    mask: Tensor | None,\n    dropout: nn.Module | None,\n",
        rf"{NAME}: mask needs the default None\.",
    ),
    "an argument more": (
        "    dropout: nn.Module | None = None,\n",
        "    dropout: nn.Module | None = None,\n    *,\n    scale: float,\n",
        rf"{NAME} takes \(query, key, value, mask=None, dropout=None, "
        r"scale\); it must take \(query, key, value, mask=None, "
        r"dropout=None\)\.",
    ),
}


@pytest.mark.parametrize("case", SIGNATURES)
def test_a_wrong_signature_is_one_sentence(
    case: str, tmp_path: Path, workers: Workers
) -> None:
    old, new, message = SIGNATURES[case]
    folder = solve(tmp_path, ATTEND)
    function = (folder / FILE).read_text("utf-8").partition("class ")[0]
    assert function.count(old) == 1
    (folder / FILE).write_text(function.replace(old, new), "utf-8")
    assert_reported(examine(workers, folder), "failed", message)


def test_a_value_in_the_place_of_a_function_is_named(
    tmp_path: Path, workers: Workers
) -> None:
    (tmp_path / FILE).write_text(f"{NAME} = 3\n")
    message = rf"{NAME} is int, not a function\."
    assert_reported(examine(workers, tmp_path), "failed", message)


# --- the processes ----------------------------------------------------------


def workers_left() -> list[psutil.Process]:
    """List the processes below this one that could run a reader's code."""
    return [
        process
        for child in psutil.Process().children()
        # Other tests may have a browser open.
        if "multiprocessing" in " ".join(child.cmdline())
        for process in [child, *child.children(recursive=True)]
        if not is_helper(child, process)
    ]


def is_helper(child: psutil.Process, process: psutil.Process) -> bool:
    """Tell whether a process is one of multiprocessing's own."""
    words = " ".join(child.cmdline())
    own = "forkserver import main" in words or "resource_tracker" in words
    return own and child == process


def test_no_process_is_left(
    tmp_path: Path, workers: Workers, impatient: Workers, solved: Path
) -> None:
    assert workers_left() == []
    with Workers(Limits(seconds=1)) as some:
        assert examine(some, solved).name == ATTEND
        examine(some, attend(tmp_path / "one", "while True: pass"))
        examine(some, attend(tmp_path / "two", "import os; os._exit(1)"))
    assert workers_left() == []


def test_no_process_is_left_after_an_error_of_ours(solved: Path) -> None:
    message = r"the check itself failed:\nTraceback[\s\S]+KeyError"
    with (
        pytest.raises(RuntimeError, match=message),
        Workers(Limits(seconds=60)) as some,
    ):
        some.examine(Task(solved, "no-such-exercise"))
    assert workers_left() == []


def test_an_error_of_ours_is_not_blamed_on_the_reader(
    workers: Workers, solved: Path
) -> None:
    with pytest.raises(RuntimeError, match="the check itself failed"):
        workers.examine(Task(solved, "no-such-exercise"))
    assert examine(workers, solved).passed


def test_a_process_that_dies_before_it_begins_is_our_error(
    solved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "serve", os._exit)
    with (
        pytest.raises(RuntimeError, match="a process died before it began"),
        Workers() as some,
    ):
        examine(some, solved)
    assert workers_left() == []


def test_workers_may_be_used_outside_the_main_thread(solved: Path) -> None:
    found = []

    def use() -> None:
        with Workers(Limits(seconds=60)) as some:
            found.append(examine(some, solved).status)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert found == ["passed"]


def test_a_result_says_how_long_it_took(
    workers: Workers, solved: Path
) -> None:
    start = time.perf_counter()
    result = examine(workers, solved)
    assert 0.0 < result.seconds < time.perf_counter() - start


def test_a_watchdog_looks_where_the_system_does_not(
    tmp_path: Path, solved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "serve", serve_without_limit)
    monkeypatch.setattr(isolation, "LIMITS_MEMORY", False)
    monkeypatch.setattr(isolation, "GIB", 2**29)
    folder = attend(
        tmp_path,
        "hoard = b'x' * 2**30",
        "import time; time.sleep(600)",
    )
    with Workers(Limits(seconds=60, memory=2**28)) as some:
        assert examine(some, solved).passed
        result = examine(some, folder)
        message = r"It asked for more memory than it may have, 0\.5 GiB\."
        assert_reported(result, "error", message)
        assert examine(some, solved).passed


def test_importing_it_does_not_import_torch() -> None:
    code = (
        "import sys, laidout.workshop.isolation, laidout.workshop.commands\n"
        "print(sorted({'torch', 'numpy', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "['rich']\n"


@pytest.mark.skipif(not FORKS, reason="nothing is forked")
def test_ctrl_c_can_be_lost_at_the_first_start_only(
    solved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaf = []

    @contextmanager
    def count() -> Iterator[None]:
        deaf.append(True)
        yield

    monkeypatch.setattr(isolation, "_deaf", count)
    with Workers() as ours:
        for _ in range(3):
            assert examine(ours, solved).passed
    assert len(deaf) == 1


# --- without fork -----------------------------------------------------------


@pytest.fixture(scope="module")
def one() -> Iterator[Workers]:
    """Give a process that is never forked; at the end it is gone."""
    with Workers(Limits(seconds=60), forks=False) as alone:
        yield alone
    assert workers_left() == []


def test_without_fork_one_process_serves_until_it_dies(
    tmp_path: Path, one: Workers
) -> None:
    number = "import os; print(os.getpid())"
    folder = attend(tmp_path / "talks", above=number)
    folders = {
        "changes torch": "torch.set_grad_enabled(False)",
        "ends": "import sys; sys.exit()",
        "crashes": "import ctypes; ctypes.string_at(0)",
    }
    for name, line in folders.items():
        attend(tmp_path / name, line)
    pids, found = [], {}
    for name in folders:
        result = examine(one, tmp_path / name)
        found[name] = result.status
        result = examine(one, folder)
        assert result.passed
        pids.append(result.printed.split()[0])
    assert len(workers_left()) == 1
    assert found == {
        "changes torch": "failed",
        "ends": "failed",
        "crashes": "error",
    }
    assert pids[0] == pids[1] != pids[2]
    assert pids[0] != str(os.getpid())


def test_without_fork_a_file_that_changes_torch_spoils_nothing(
    tmp_path: Path, one: Workers
) -> None:
    folder = attend(tmp_path, above="torch.set_grad_enabled(False)")
    both = solve(tmp_path / "both", ATTEND, MULTI)
    edit(both / FILE, "weights.detach()", "weights")
    assert examine(one, folder).status == "error"
    # It is not detached, and without gradients one could not see that.
    wrong = one.examine(Task(both, MULTI))
    assert wrong.status == "failed"
    assert "attention_weights" in wrong.evidence.says
