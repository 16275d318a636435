"""Tests of files that are there whole or not at all."""

import errno
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import laidout.files
from laidout.files import write_atomically

SOURCE = Path(laidout.files.__file__).parents[1]

OLD = "the old file\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give a file that is there, alone in its folder."""
    path = tmp_path / "model.json"
    path.write_text(OLD, "utf-8")
    return path


def assert_untouched(path: Path) -> None:
    """Find the old file as it was, and nothing beside it."""
    assert path.read_text("utf-8") == OLD
    assert list(path.parent.iterdir()) == [path]


def full_disk(*args: object, **options: object) -> None:
    """Take the place of any call to the disk."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def interrupted(*args: object, **options: object) -> None:
    """Take the place of a call during which somebody presses Ctrl-C."""
    raise KeyboardInterrupt


def run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own, with its arguments in sys.argv."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=60,
    )


@contextmanager
def umask(rights: int) -> Iterator[None]:
    """Forbid rights to new files for a while."""
    before = os.umask(rights)
    try:
        yield
    finally:
        os.umask(before)


# --- what is written --------------------------------------------------------


def test_a_new_file_holds_the_text(tmp_path: Path) -> None:
    write_atomically(tmp_path / "new", "one\ntwo")
    assert (tmp_path / "new").read_bytes() == b"one\ntwo"


def test_an_old_file_is_replaced_whole(path: Path) -> None:
    write_atomically(path, "short")
    assert path.read_bytes() == b"short"
    assert list(path.parent.iterdir()) == [path]


def test_a_path_may_be_a_string(tmp_path: Path) -> None:
    write_atomically(str(tmp_path / "new"), "text")
    assert (tmp_path / "new").read_bytes() == b"text"


def test_a_name_alone_lies_in_the_folder_we_are_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_atomically("new", "text")
    assert (tmp_path / "new").read_bytes() == b"text"


@given(data=st.binary())
def test_bytes_stay_as_they_are(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes"
    write_atomically(path, data)
    assert path.read_bytes() == data


@given(text=st.text())
def test_text_is_utf_8_with_its_own_line_ends(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "text"
    write_atomically(path, text)
    assert path.read_bytes() == text.encode("utf-8")


@pytest.mark.parametrize("data", ["", b""])
def test_a_file_may_become_empty(path: Path, data: str | bytes) -> None:
    write_atomically(path, data)
    assert path.read_bytes() == b""


def test_more_than_fits_a_buffer_is_written_whole(path: Path) -> None:
    data = os.urandom(3_000_017)
    write_atomically(path, data)
    assert path.read_bytes() == data


def test_missing_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "first" / "model"
    write_atomically(path, "text")
    assert path.read_bytes() == b"text"


# --- whose file it is -------------------------------------------------------


@pytest.mark.parametrize("forbidden", [0o000, 0o002, 0o022, 0o027, 0o077])
def test_a_file_has_the_rights_of_any_new_file(
    tmp_path: Path, forbidden: int
) -> None:
    with umask(forbidden):
        (tmp_path / "theirs").touch()
        write_atomically(tmp_path / "ours", "text")
    theirs, ours = (
        stat.S_IMODE((tmp_path / name).stat().st_mode)
        for name in ("theirs", "ours")
    )
    assert ours == theirs == 0o666 & ~forbidden


def test_the_umask_stays_as_it_was(path: Path) -> None:
    with umask(0o027):
        write_atomically(path, "text")
        assert os.umask(0o027) == 0o027


# --- what somebody sees who looks at the wrong moment -----------------------


def test_nobody_sees_half_a_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def look(function: Callable[..., None]) -> Callable[..., None]:
        def looking(*args: object) -> None:
            seen.append(path.read_text("utf-8"))
            function(*args)
            seen.append(path.read_text("utf-8"))

        return looking

    for name in ("fsync", "chmod", "replace"):
        monkeypatch.setattr(os, name, look(getattr(os, name)))
    write_atomically(path, "new")
    assert seen == [OLD] * 5 + ["new"]


def test_a_file_is_on_the_disk_before_it_takes_the_old_ones_place(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, fsync, replace = [], os.fsync, os.replace

    def synchronise(number: int) -> None:
        sizes.append(os.fstat(number).st_size)
        fsync(number)

    def rename(old: str, new: Path) -> None:
        assert sizes == [7]
        replace(old, new)

    monkeypatch.setattr(os, "fsync", synchronise)
    monkeypatch.setattr(os, "replace", rename)
    write_atomically(path, "seven77")
    assert path.read_text("utf-8") == "seven77"


def test_somebody_who_has_the_old_file_open_reads_on(path: Path) -> None:
    with path.open(encoding="utf-8") as file:
        write_atomically(path, "new")
        assert file.read() == OLD
    assert path.read_text("utf-8") == "new"


# --- when it goes wrong -----------------------------------------------------


@pytest.mark.parametrize("name", ["fdopen", "fsync", "chmod", "replace"])
def test_a_full_disk_leaves_the_old_file(
    path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(os, name, full_disk)
    with pytest.raises(OSError, match=r"model\.json: No space left") as caught:
        write_atomically(path, "new")
    assert caught.value.errno == errno.ENOSPC
    assert_untouched(path)


@pytest.mark.parametrize("name", ["fdopen", "fsync", "chmod", "replace"])
def test_ctrl_c_leaves_the_old_file(
    path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(os, name, interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, "new")
    assert_untouched(path)


def test_a_failure_leaves_nothing_where_there_was_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="new: No space left"):
        write_atomically(tmp_path / "new", "text")
    assert list(tmp_path.iterdir()) == []


def test_no_file_stays_open_after_a_failure(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.listdir("/dev/fd")
    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, "new")
    assert os.listdir("/dev/fd") == before


def test_an_error_without_a_number_keeps_its_words(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def strange(*args: object) -> None:
        raise OSError("the disk is on fire")

    monkeypatch.setattr(os, "fsync", strange)
    with pytest.raises(OSError, match=r"model\.json: the disk is on fire"):
        write_atomically(path, "new")
    assert_untouched(path)


def test_half_a_character_is_refused_before_anything_is_touched(
    path: Path,
) -> None:
    with pytest.raises(UnicodeEncodeError, match="surrogates not allowed"):
        write_atomically(path, "half: \ud83d")
    assert_untouched(path)


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError, match=r"cannot write .*/folder: "):
        write_atomically(tmp_path / "folder", "text")
    assert list(tmp_path.iterdir()) == [tmp_path / "folder"]


def test_a_file_in_the_folders_place_is_named(path: Path) -> None:
    with pytest.raises(OSError, match=r"cannot write .*/model\.json/deeper: "):
        write_atomically(path / "deeper", "text")
    assert_untouched(path)


def test_the_error_names_the_file_not_the_unfinished_one(
    tmp_path: Path,
) -> None:
    # Longer than a name may be: not even the unfinished file can be made.
    with pytest.raises(OSError, match=r"cannot write .*/x{300}: ") as caught:
        write_atomically(tmp_path / ("x" * 300), "text")
    assert caught.value.errno == errno.ENAMETOOLONG
    assert ".part" not in str(caught.value)


# --- in earnest: processes of their own -------------------------------------

LIMITED = """
import resource, signal, sys
from laidout.files import write_atomically
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    write_atomically(sys.argv[1], b"x" * 100_000)
except OSError as error:
    print(error.errno, error)
"""


def test_a_disk_that_takes_only_a_part_leaves_the_old_file(
    path: Path,
) -> None:
    done = run(LIMITED, path)
    expected = f"{errno.EFBIG} [Errno {errno.EFBIG}] cannot write {path}: "
    assert done.stdout.startswith(expected), done.stderr
    assert_untouched(path)


KILLED = """
import os, signal, sys
from laidout.files import write_atomically

def kill(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(os, sys.argv[2], kill)
write_atomically(sys.argv[1], "new " * 10_000)
"""


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_killed_process_leaves_the_old_file(path: Path, moment: str) -> None:
    done = run(KILLED, path, moment)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert path.read_text("utf-8") == OLD
    # Nobody could clean up: the unfinished file says what it is.
    left = [other.name for other in path.parent.iterdir() if other != path]
    assert len(left) == 1
    assert left[0].startswith(".model.json.")
    assert left[0].endswith(".part")
    # And the next attempt is not in its way.
    write_atomically(path, "new")
    assert path.read_text("utf-8") == "new"


STOPPED = """
import os, signal, sys
from laidout.files import write_atomically

fsync = os.fsync

def stop(number):
    os.kill(os.getpid(), signal.SIGINT)
    fsync(number)

os.fsync = stop
write_atomically(sys.argv[1], "new")
"""


def test_a_real_ctrl_c_leaves_the_old_file(path: Path) -> None:
    done = run(STOPPED, path)
    assert done.returncode == -signal.SIGINT
    assert "KeyboardInterrupt" in done.stderr
    assert_untouched(path)
