"""What the workspace remembers, and when a tick is no longer true."""

import json
import os
from pathlib import Path

import pytest

from laidout.workshop import state as module
from laidout.workshop.catalogue import Exercise
from laidout.workshop.state import FILE, State, digest, digest_of


def exercise(name: str, dotted: str, *blank: str) -> Exercise:
    """Make an exercise about an object of the package."""
    return Exercise(
        name=name,
        title=name,
        object=f"laidout.{dotted}",
        chapter="chapter",
        minutes=10,
        task="Write it.",
        hints=("one", "two", "three"),
        links=(),
        blank=blank,
    )


FUNCTION = exercise("function", "attention.scaled_dot_product_attention")
SPLIT = exercise("split", "attention.MultiHeadAttention", "_split_heads")
FORWARD = exercise("forward", "attention.MultiHeadAttention", "forward")
MASK = exercise("mask", "masks.causal_mask")
ALL = (FUNCTION, SPLIT, FORWARD, MASK)

FILE_OF_THE_READER = '''\
"""My attention."""

import math


def helper(x):
    return x * math.pi


ABOVE = 3
def scaled_dot_product_attention(query):
    """Attend."""
    return helper(query)
BELOW = 5


@decorated
class MultiHeadAttention:
    """Several heads."""

    def __init__(self):
        self.heads = 3

    def forward(self, x):
        return self._split_heads(x)

    @staticmethod
    def _split_heads(x):
        return x, x
'''


@pytest.fixture(autouse=True)
def catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be four exercises, two of them on one class."""
    known = {each.name: each for each in ALL}
    monkeypatch.setattr(module, "load_catalogue", lambda: known)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a workspace in which everything has passed."""
    write(tmp_path, FILE_OF_THE_READER)
    (tmp_path / "masks.py").write_text("def causal_mask(size): return size\n")
    state = State(tmp_path)
    for each in ALL:
        state.note(each, True)
    state.save()
    return tmp_path


def write(folder: Path, text: str) -> None:
    (folder / "attention.py").write_bytes(text.encode("utf-8"))


def done(folder: Path) -> list[str]:
    """Name what is done, as the file in a folder says."""
    state = State.load(folder)
    assert state.problem == ""
    return [each.name for each in ALL if state.is_done(each)]


def changed(folder: Path) -> list[str]:
    """Name what has passed and is not the same any more."""
    state = State.load(folder)
    return [each.name for each in ALL if state.has_changed(each)]


# --- the file ---------------------------------------------------------------


def test_what_is_saved_is_loaded_again(tmp_path: Path) -> None:
    state = State(tmp_path, {"a.py": "0"}, {"b": "1"}, {"c": 3, "d": 0})
    state.save()
    assert State.load(tmp_path) == state


def test_it_is_saved_where_the_workspace_is(tmp_path: Path) -> None:
    State(tmp_path, hints={"é": 1}).save()
    assert os.listdir(tmp_path) == [FILE]
    text = (tmp_path / FILE).read_text("utf-8")
    assert text.endswith("}\n")
    assert json.loads(text) == {
        "version": 1,
        "written": {},
        "passed": {},
        "hints": {"é": 1},
    }


def test_the_same_state_gives_the_same_file(tmp_path: Path) -> None:
    State(tmp_path, passed={"b": "1", "a": "2"}).save()
    first = (tmp_path / FILE).read_bytes()
    State(tmp_path, passed={"a": "2", "b": "1"}).save()
    assert (tmp_path / FILE).read_bytes() == first


def test_without_a_file_nothing_is_known_and_nothing_is_wrong(
    tmp_path: Path,
) -> None:
    assert State.load(tmp_path) == State(tmp_path)
    assert State.load(tmp_path / "nowhere") == State(tmp_path / "nowhere")
    assert os.listdir(tmp_path) == []


def test_deleting_the_file_costs_nothing_but_the_ticks(folder: Path) -> None:
    assert done(folder) == [each.name for each in ALL]
    (folder / FILE).unlink()
    assert done(folder) == changed(folder) == []
    state = State.load(folder)
    for each in ALL:
        state.note(each, True)
    state.save()
    assert done(folder) == [each.name for each in ALL]


RIGHT = {"version": 1, "written": {}, "passed": {}, "hints": {}}
DEEP = "[" * 100_000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"3",
        b'"version"',
        b"{}",
        DEEP.encode(),
        *(
            json.dumps(RIGHT | wrong).encode()
            for wrong in (
                {"version": 0},
                {"version": 2},
                {"version": "1"},
                {"version": None},
                {"written": []},
                {"written": None},
                {"written": {"a.py": 3}},
                {"passed": ["one"]},
                {"passed": {"one": None}},
                {"passed": {"one": True}},
                {"hints": {"one": "2"}},
                {"hints": {"one": 1.5}},
                {"hints": {"one": True}},
                {"hints": {"one": -1}},
                {"hints": 2},
            )
        ),
        *(
            json.dumps({k: v for k, v in RIGHT.items() if k != gone}).encode()
            for gone in RIGHT
        ),
    ],
    ids=lambda content: content[:60].decode(errors="replace"),
)
def test_a_file_that_cannot_be_used_is_named_and_nothing_is_known(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / FILE).write_bytes(content)
    state = State.load(tmp_path)
    assert state.problem.startswith(f"{tmp_path / FILE} cannot be used: ")
    assert len(state.problem.splitlines()) == 1
    assert (state.written, state.passed, state.hints) == ({}, {}, {})
    assert (tmp_path / FILE).read_bytes() == content


def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    assert "cannot be used" in State.load(tmp_path).problem


def test_a_file_that_cannot_be_used_is_replaced_by_the_next_one(
    folder: Path,
) -> None:
    (folder / FILE).write_text("{")
    state = State.load(folder)
    state.note(MASK, True)
    state.save()
    assert done(folder) == ["mask"]


def test_what_another_version_adds_is_no_reason_to_forget(
    folder: Path,
) -> None:
    found = json.loads((folder / FILE).read_text())
    (folder / FILE).write_text(json.dumps(found | {"colour": "red"}))
    assert done(folder) == [each.name for each in ALL]


def test_the_file_of_before_stays_if_the_new_one_cannot_be_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (folder / FILE).read_bytes()

    def no_space(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", no_space)
    with pytest.raises(OSError, match=f"cannot write .*{FILE}.*No space"):
        State(folder).save()
    assert (folder / FILE).read_bytes() == before
    assert sorted(os.listdir(folder)) == [FILE, "attention.py", "masks.py"]


# --- ticks ------------------------------------------------------------------


def test_a_digest_is_sixteen_hexadecimal_digits_of_sha_256() -> None:
    # printf abc | sha256sum
    assert digest("abc") == "ba7816bf8f01cfea"
    assert digest("é") != digest("e")


def test_what_has_not_passed_is_not_done(folder: Path) -> None:
    state = State.load(folder)
    state.note(FUNCTION, False)
    assert not state.is_done(FUNCTION)
    assert not state.has_changed(FUNCTION)
    assert state.is_done(MASK)
    state.note(FUNCTION, False)
    assert "function" not in state.passed


def test_what_nobody_checked_is_neither_done_nor_changed(
    tmp_path: Path,
) -> None:
    write(tmp_path, FILE_OF_THE_READER)
    assert done(tmp_path) == changed(tmp_path) == []


@pytest.mark.parametrize(
    ("old", "new", "lost"),
    [
        # An object is its own affair, and that of no other.
        ("return helper(query)", "return query", ["function"]),
        ('"""Attend."""', '"""Attend to it."""', ["function"]),
        # So is a method that is an exercise of its own.
        ("return x, x", "return x", ["split"]),
        ("    @staticmethod\n", "", ["split"]),
        ("return self._split_heads(x)", "return x", ["forward"]),
        # What belongs to no exercise may matter to all of the file.
        ("x * math.pi", "x * math.e", ["function", "split", "forward"]),
        ("import math", "import cmath", ["function", "split", "forward"]),
        ("ABOVE = 3", "ABOVE = 4", ["function", "split", "forward"]),
        ("BELOW = 5", "BELOW = 4", ["function", "split", "forward"]),
        # The rest of a class matters to its methods.
        ("self.heads = 3", "self.heads = 5", ["split", "forward"]),
        ("Several heads.", "Many heads.", ["split", "forward"]),
        ("@decorated\n", "", ["split", "forward"]),
        # Blank lines matter to nobody.
        ("\n\n\nABOVE", "\n\nABOVE", []),
        ("\n\n    def forward", "\n\n\n\n    def forward", []),
    ],
)
def test_an_edit_takes_away_the_ticks_that_it_may_have_broken(
    folder: Path, old: str, new: str, lost: list[str]
) -> None:
    assert FILE_OF_THE_READER.count(old) == 1
    write(folder, FILE_OF_THE_READER.replace(old, new))
    assert changed(folder) == lost
    assert done(folder) == [e.name for e in ALL if e.name not in lost]


def test_an_edit_that_is_taken_back_gives_the_tick_back(folder: Path) -> None:
    write(folder, FILE_OF_THE_READER.replace("helper(query)", "query"))
    assert done(folder) == ["split", "forward", "mask"]
    write(folder, FILE_OF_THE_READER)
    assert done(folder) == [each.name for each in ALL]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + FILE_OF_THE_READER,
        FILE_OF_THE_READER.replace("\n", "\r\n"),
        FILE_OF_THE_READER.replace("\n", "\r"),
        "\ufeff" + FILE_OF_THE_READER.replace("\n", "\r\n"),
        FILE_OF_THE_READER.rstrip("\n"),
    ],
    ids=["bom", "crlf", "cr", "both", "no end"],
)
def test_how_an_editor_saves_is_no_change(folder: Path, text: str) -> None:
    write(folder, text)
    assert done(folder) == [each.name for each in ALL]


@pytest.mark.parametrize("letter", ["\f", "\v", "\x1c", "\x85", "\u2028"])
def test_only_what_ends_a_line_in_python_ends_a_line(
    folder: Path, letter: str
) -> None:
    # str.splitlines knows more line ends, and would count other lines.
    text = FILE_OF_THE_READER.replace("My attention", f"A{letter * 3}B")
    write(folder, text)
    state = State.load(folder)
    for each in ALL:
        state.note(each, True)
    state.save()
    write(folder, text.replace("helper(query)", "query"))
    assert changed(folder) == ["function"]


@pytest.mark.parametrize(
    "content",
    [
        b"def scaled_dot_product_attention(:\n",
        b"def scaled_dot_product_attention(q): return '\xff'\n",
        b"def scaled_dot_product_attention(q): return '\0'\n",
        b"x = " + b"-" * 100_000 + b"1\n",
        b"x = 1" + b" + 1" * 20_000 + b"\n",
        None,
    ],
    ids=["syntax", "not utf-8", "nul", "too deep", "too long", "missing"],
)
def test_a_file_that_is_not_python_has_no_digest_and_no_ticks(
    folder: Path, content: bytes | None
) -> None:
    path = folder / "attention.py"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert digest_of(folder, FUNCTION) == ""
    assert done(folder) == ["mask"]
    state = State.load(folder)
    state.note(FUNCTION, True)
    assert not state.is_done(FUNCTION)


def test_an_object_that_was_renamed_is_not_done(folder: Path) -> None:
    write(folder, FILE_OF_THE_READER.replace("class MultiHead", "class Many"))
    assert changed(folder) == ["function", "split", "forward"]


@pytest.mark.parametrize(
    "line",
    [
        "causal_mask = lambda size, device=None: size",
        "from helpers import mine as causal_mask",
        "if True:\n    def causal_mask(size, device=None): return size",
    ],
)
def test_an_object_that_is_defined_in_another_way_can_be_done(
    folder: Path, line: str
) -> None:
    path = folder / "masks.py"
    path.write_text(f"{line}\n")
    assert changed(folder) == ["mask"]
    state = State.load(folder)
    state.note(MASK, True)
    assert state.is_done(MASK)
    assert not state.has_changed(MASK)
    path.write_text(f"{line.replace('size', 'n')}  # changed\n")
    assert state.has_changed(MASK)


@pytest.mark.filterwarnings("error")
def test_what_python_warns_of_in_the_file_is_not_repeated(
    folder: Path,
) -> None:
    text = FILE_OF_THE_READER.replace("My attention", "My \\d")
    write(folder, text)
    assert digest_of(folder, FUNCTION) != ""
