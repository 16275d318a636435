"""What the benchmarks share: medians and the record."""

import json
import platform
import subprocess
from pathlib import Path

import pytest
import torch

import record


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the benchmark look at a repository with one commit."""
    monkeypatch.setattr(record, "ROOT", tmp_path)
    (tmp_path / "page.md").write_text("pizza\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "page.md")
    author = ["-c", "user.name=me", "-c", "user.email=me"]
    git(tmp_path, *author, "commit", "--quiet", "--no-verify", "-m", "One")
    return tmp_path


def git(folder: Path, *words: str) -> str:
    """Run git in a folder and return what it says."""
    done = subprocess.run(
        ["git", *words], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_a_summary_has_the_median_and_all_runs() -> None:
    assert record.summary([3.0, 1.004, 2.0], 2) == {
        "median": 2.0,
        "runs": [3.0, 1.0, 2.0],
    }
    assert record.summary([1, 2], 1)["median"] == 1.5


def test_a_record_is_written_whole_and_leaves_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "results" / "book.json"
    record.write(path, {"old": 0})
    record.write(path, {"new": 1, "deep": {"runs": [1.5]}})
    text = path.read_text("utf-8")
    assert json.loads(text) == {"new": 1, "deep": {"runs": [1.5]}}
    assert text.endswith("}\n")
    assert [found.name for found in path.parent.iterdir()] == ["book.json"]
    assert f"written to {path}" in capsys.readouterr().err


def test_a_record_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path,
) -> None:
    path = tmp_path / "book.json"
    record.write(path, {"old": 0})
    with pytest.raises(TypeError, match="not JSON serializable"):
        record.write(path, {"new": object()})
    assert json.loads(path.read_text("utf-8")) == {"old": 0}


def test_the_head_says_what_ran_where_and_when() -> None:
    head = record.head(
        ["book/bench.py", "--runs", "2"], ["torch"], {"times": 2}, 7, 1
    )
    assert list(head) == [
        *("command", "commit", "date", "machine", "python", "versions"),
        *("runs", "seed", "threads"),
    ]
    assert head["command"] == "python book/bench.py --runs 2"
    assert head["date"].endswith("+00:00")
    assert head["machine"]["cores"] >= 1
    assert head["python"] == platform.python_version()
    assert head["versions"]["torch"].startswith(torch.__version__[:3])
    assert (head["runs"], head["seed"], head["threads"]) == (
        {"times": 2},
        7,
        1,
    )


def test_the_commit_is_that_of_the_tree(repository: Path) -> None:
    assert record.commit() == git(repository, "rev-parse", "HEAD")


@pytest.mark.parametrize("name", ["page.md", "new.md", "book/page.md"])
def test_a_tree_that_differs_from_its_commit_is_marked(
    repository: Path, name: str
) -> None:
    (repository / name).parent.mkdir(exist_ok=True)
    (repository / name).write_text("pasta\n")
    assert record.commit().endswith(", changed")


def test_results_that_have_just_been_written_are_no_change(
    repository: Path,
) -> None:
    (repository / "book" / "results").mkdir(parents=True)
    (repository / "book" / "results" / "book.json").write_text("{}\n")
    assert not record.commit().endswith(", changed")


def test_without_a_repository_there_is_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setattr(record, "ROOT", tmp_path)
    assert record.commit() == "none"
