"""The runner of notebooks: what it puts in, what it complains of, offline."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

import run_notebooks
from laidout.workshop.catalogue import find_exercise
from run_notebooks import OFFLINE, UNSOLVED, complaints, main, said, solve

NAME = "attention-scaled-dot-product"


def book_of(*cells: tuple[str, str, str]) -> Any:
    """Make a notebook that has been run: kind, source, what it wrote."""
    made = []
    for kind, source, text in cells:
        cell = nbformat.v4.new_code_cell(source)
        if kind:
            cell.metadata["laidout"] = {kind: NAME}
        if text:
            cell.outputs = [
                nbformat.v4.new_output("stream", name="stdout", text=text)
            ]
        made.append(cell)
    return nbformat.v4.new_notebook(cells=made)


SKELETON = ("skeleton", "x", "")
CHECK = ("check", "check(f)", f"\x1b[2mnot started\x1b[0m {NAME}")
LEND = ("solved", "f = solved(f)", f"f: {UNSOLVED}, the book's own is used.")
PASSED = ("check", "check(f)", f"passed      {NAME}")
KEPT = ("solved", "f = solved(f)", "")


def test_the_solution_takes_the_place_of_the_skeleton() -> None:
    exercise = find_exercise(NAME)
    source = f"import math\n\n\n{exercise.skeleton.rstrip()}"
    notebook = book_of(("skeleton", source, ""), ("", "1 + 1", ""))
    solve(notebook)
    assert notebook.cells[0].source == f"import math\n\n\n{exercise.solution}"
    assert notebook.cells[1].source == "1 + 1"


def test_a_cell_that_is_no_skeleton_is_an_error() -> None:
    with pytest.raises(ValueError, match=f"no skeleton of {NAME}"):
        solve(book_of(SKELETON))


def test_what_a_cell_says_is_plain_text() -> None:
    notebook = book_of(CHECK)
    notebook.cells[0].outputs.append(
        nbformat.v4.new_output(
            "display_data", data={"text/plain": "a", "text/html": "b"}
        )
    )
    assert said(notebook.cells[0]).split() == ["not", "started", NAME, "a"]


@pytest.mark.parametrize(
    ("cells", "solved", "wrong"),
    [
        ([SKELETON, CHECK, LEND, ("", "x", "1")], False, ""),
        ([SKELETON, PASSED, KEPT, ("", "x", "1")], True, ""),
        ([PASSED], False, "not not started, but 'passed"),
        ([CHECK], True, "not passed, but 'not started"),
        ([LEND], True, "says 'not solved yet': 'f = solved(f)'"),
        ([KEPT], False, "does not say 'not solved yet'"),
        ([("", "x", UNSOLVED)], False, "says 'not solved yet': 'x'"),
    ],
)
def test_only_the_cells_of_an_exercise_may_say_that_it_is_not_solved(
    cells: list[tuple[str, str, str]], solved: bool, wrong: str
) -> None:
    found = complaints(book_of(*cells), solved)
    assert len(found) == bool(wrong)
    assert wrong in "".join(found)


def test_the_runner_reports_each_notebook_and_fails_with_any(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("a", "b"):
        nbformat.write(book_of(), tmp_path / f"{name}.ipynb")
    places: list[Path] = []
    monkeypatch.setattr(run_notebooks, "run", lambda _, at: places.append(at))
    assert main([str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert [line.partition(": ")[0] for line in out.splitlines()] == [
        *("a.ipynb, as it is", "a.ipynb, solved"),
        *("b.ipynb, as it is", "b.ipynb, solved"),
    ]
    assert len(set(places)) == 4
    monkeypatch.setattr(
        run_notebooks, "complaints", lambda nb, solved: ["oh"] * solved
    )
    assert main([str(tmp_path)]) == 1
    assert capsys.readouterr().err == "  oh\n  oh\n"


def test_a_folder_without_notebooks_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main([str(tmp_path)])


def test_a_notebook_runs_elsewhere_and_in_a_hurry(tmp_path: Path) -> None:
    code = "import os; print(os.getcwd(), os.environ['LAIDOUT_FAST'])"
    notebook = book_of(("", code, ""))
    run_notebooks.run(notebook, tmp_path)
    assert said(notebook.cells[0]) == f"{tmp_path / 'desk'} 1"


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("socket.create_connection(('127.0.0.1', port))", True),
        ("socket.create_connection(('localhost', port))", True),
        ("socket.create_connection(('192.0.2.1', 80), 1)", False),
        ("socket.getaddrinfo('example.org', 80)", False),
        ("socket.gethostbyname('example.org')", False),
        ("urllib.request.urlopen('http://example.org', timeout=1)", False),
    ],
)
def test_no_code_of_a_notebook_reaches_another_host(
    tmp_path: Path, code: str, allowed: bool
) -> None:
    (tmp_path / "sitecustomize.py").write_text(OFFLINE)
    before = (
        "import socket, urllib.request\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "port = server.getsockname()[1]\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", before + code],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode == 0) == allowed, done.stderr
    assert allowed or "no notebook may ask another host" in done.stderr
