"""The reader's folder: written once, and never written over."""

import ast
import builtins
import os
import re
import shutil
import subprocess
import symtable
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from laidout.workshop import workspace
from laidout.workshop.catalogue import Exercise, load_catalogue
from laidout.workshop.skeleton import skeleton
from laidout.workshop.source import helpers_of
from laidout.workshop.state import FILE, State
from laidout.workshop.workspace import (
    Written,
    find_workspace,
    module_text,
    start,
)

CATALOGUE = load_catalogue()
MODULES = list(dict.fromkeys(e.module for e in CATALOGUE.values()))
SDPA = "attention-scaled-dot-product"
every_module = pytest.mark.parametrize("module", MODULES)


# --- what start does with a folder ------------------------------------------

FIRST = {
    "attention": "def attend(x):\n    raise NotImplementedError\n",
    "masks": "def causal(n):\n    raise NotImplementedError\n",
}


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Let the workspace have two modules; the test may change their text."""
    found = dict(FIRST)
    one = CATALOGUE[SDPA]
    known = {
        name: Exercise(
            name=name,
            title=name,
            object=f"laidout.{name}.{name}",
            chapter=one.chapter,
            minutes=one.minutes,
            task=one.task,
            hints=one.hints,
            links=one.links,
        )
        for name in FIRST
    }
    monkeypatch.setattr(workspace, "load_catalogue", lambda: known)
    monkeypatch.setattr(workspace, "module_text", found.__getitem__)
    return found


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder but the state, byte for byte."""
    return {
        path.name: path.read_bytes()
        for path in sorted(folder.iterdir())
        if path.name != FILE
    }


def done(written: list[Written]) -> dict[str, str]:
    return {each.path.name: each.what for each in written}


def edited(path: Path, text: str) -> bytes:
    """Write what a reader might write; return its bytes."""
    path.write_bytes(text.encode("utf-8"))
    return path.read_bytes()


def test_start_writes_each_file_once(
    tmp_path: Path, texts: dict[str, str]
) -> None:
    folder = tmp_path / "a" / "b"
    assert done(start(folder)) == dict.fromkeys(
        ["AGENTS.md", "README.md", "attention.py", "masks.py"], "written"
    )
    found = contents(folder)
    assert found["attention.py"] == FIRST["attention"].encode()
    assert found["masks.py"] == FIRST["masks"].encode()
    assert sorted([*found, FILE]) == sorted(os.listdir(folder))


def test_a_second_start_changes_nothing(
    tmp_path: Path, texts: dict[str, str]
) -> None:
    start(tmp_path)
    before = contents(tmp_path)
    state = (tmp_path / FILE).read_bytes()
    times = {name: (tmp_path / name).stat().st_mtime_ns for name in before}
    assert start(tmp_path) == []
    assert contents(tmp_path) == before
    assert (tmp_path / FILE).read_bytes() == state
    for name, time in times.items():
        assert (tmp_path / name).stat().st_mtime_ns == time


def test_start_says_where_each_file_is(
    tmp_path: Path, texts: dict[str, str]
) -> None:
    for written in start(tmp_path):
        assert written.path.parent == tmp_path
        assert written.path.is_file()


@pytest.mark.parametrize(
    "mine",
    [
        b"def attend(x):\n    return x\n",
        b"\xef\xbb\xbfdef attend(x):\r\n    return x\r\n",
        b"not Python (\n",
        b"\xff\xfe\0 neither",
        b"-" * 50_000 + b"1\n",
        b"",
        FIRST["attention"].replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + FIRST["attention"].encode(),
        FIRST["attention"].encode() + b"\xff",
    ],
    ids=[
        *("edited", "bom", "syntax", "binary", "deep", "empty"),
        *("only crlf", "only bom", "one byte more"),
    ],
)
@pytest.mark.parametrize("newer", [False, True])
@pytest.mark.parametrize("remembers", [False, True])
def test_what_the_reader_changed_is_never_overwritten(
    tmp_path: Path,
    texts: dict[str, str],
    mine: bytes,
    newer: bool,
    remembers: bool,
) -> None:
    start(tmp_path)
    (tmp_path / "attention.py").write_bytes(mine)
    if newer:
        texts["attention"] += "\n\ndef more(x):\n    return x\n"
    if not remembers:
        (tmp_path / FILE).unlink()
    for _ in range(3):
        start(tmp_path)
        assert (tmp_path / "attention.py").read_bytes() == mine


def test_what_the_reader_left_alone_is_brought_up_to_date(
    tmp_path: Path, texts: dict[str, str]
) -> None:
    start(tmp_path)
    mine = edited(tmp_path / "masks.py", "def causal(n):\n    return n\n")
    texts["attention"] = "# é\n" + FIRST["attention"]
    assert done(start(tmp_path)) == {"attention.py": "brought up to date"}
    found = contents(tmp_path)
    assert found["attention.py"] == texts["attention"].encode()
    assert found["masks.py"] == mine
    assert start(tmp_path) == []


def test_what_is_new_stands_beside_what_the_reader_changed(
    tmp_path: Path, texts: dict[str, str]
) -> None:
    start(tmp_path)
    mine = edited(tmp_path / "attention.py", "def attend(x):\n    return x\n")
    assert start(tmp_path) == []
    versions = [FIRST["attention"] + f"# {n}\n" for n in range(3)]
    names = ["attention.new.py", "attention.new2.py", "attention.new3.py"]
    for text, name in zip(versions, names, strict=True):
        texts["attention"] = text
        (written,) = start(tmp_path)
        assert written.path == tmp_path / name
        assert written.what == "new beside your attention.py"
        assert start(tmp_path) == []
    found = contents(tmp_path)
    assert [found[name].decode() for name in names] == versions
    assert found["attention.py"] == mine


def test_what_the_reader_wrote_beside_is_not_overwritten_either(
    tmp_path: Path, texts: dict[str, str]
) -> None:
    start(tmp_path)
    edited(tmp_path / "attention.py", "mine")
    beside = edited(tmp_path / "attention.new.py", "mine too")
    texts["attention"] += "# new\n"
    assert list(done(start(tmp_path))) == ["attention.new2.py"]
    assert contents(tmp_path)["attention.new.py"] == beside


def test_the_same_text_is_not_put_beside_twice(
    tmp_path: Path, texts: dict[str, str]
) -> None:
    start(tmp_path)
    edited(tmp_path / "attention.py", "def other(x):\n    return x\n")
    for _ in range(3):
        (tmp_path / FILE).unlink()
        start(tmp_path)
    assert [n for n in contents(tmp_path) if "new" in n] == [
        "attention.new.py"
    ]


def test_a_file_that_was_deleted_is_written_again(
    tmp_path: Path, texts: dict[str, str]
) -> None:
    start(tmp_path)
    (tmp_path / "masks.py").unlink()
    assert done(start(tmp_path)) == {"masks.py": "written"}
    assert contents(tmp_path)["masks.py"] == FIRST["masks"].encode()


def test_a_module_that_is_new_in_the_book_is_written(
    tmp_path: Path, texts: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    both = workspace.load_catalogue()
    one = {"masks": both["masks"]}
    monkeypatch.setattr(workspace, "load_catalogue", lambda: one)
    start(tmp_path)
    assert not (tmp_path / "attention.py").exists()
    monkeypatch.setattr(workspace, "load_catalogue", lambda: both)
    assert done(start(tmp_path)) == {"attention.py": "written"}


def test_a_module_that_is_no_more_in_the_book_stays(
    tmp_path: Path, texts: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    start(tmp_path)
    before = contents(tmp_path)
    one = {"masks": workspace.load_catalogue()["masks"]}
    monkeypatch.setattr(workspace, "load_catalogue", lambda: one)
    assert start(tmp_path) == []
    assert contents(tmp_path) == before


# --- without the state ------------------------------------------------------


def test_without_the_state_an_untouched_workspace_is_up_to_date(
    tmp_path: Path, texts: dict[str, str]
) -> None:
    start(tmp_path)
    (tmp_path / FILE).unlink()
    assert start(tmp_path) == []
    texts["attention"] += "# new\n"
    assert done(start(tmp_path)) == {"attention.py": "brought up to date"}


@pytest.mark.parametrize("begin", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_without_the_state_a_file_that_has_all_objects_is_enough(
    tmp_path: Path, texts: dict[str, str], begin: str, end: str
) -> None:
    start(tmp_path)
    text = begin + "def attend(x):\n    return '\\d'\n".replace("\n", end)
    edited(tmp_path / "attention.py", text)
    (tmp_path / FILE).unlink()
    assert start(tmp_path) == []


@pytest.mark.parametrize("begin", ["", "\ufeff"])
def test_without_the_state_what_a_file_lacks_is_put_beside_it(
    tmp_path: Path, texts: dict[str, str], begin: str
) -> None:
    start(tmp_path)
    edited(tmp_path / "attention.py", f"{begin}def attend(x):\n    return x\n")
    (tmp_path / FILE).unlink()
    texts["attention"] += "\n\ndef more(x):\n    return x\n"
    assert list(done(start(tmp_path))) == ["attention.new.py"]
    found = contents(tmp_path)["attention.new.py"]
    assert found == texts["attention"].encode()


def test_a_state_that_cannot_be_used_is_as_good_as_none(
    tmp_path: Path, texts: dict[str, str]
) -> None:
    start(tmp_path)
    mine = edited(tmp_path / "attention.py", "def attend(x):\n    return x\n")
    (tmp_path / FILE).write_text("{")
    assert start(tmp_path) == []
    assert State.load(tmp_path).problem == ""
    assert contents(tmp_path)["attention.py"] == mine


def test_start_keeps_the_ticks_and_the_hints(
    tmp_path: Path, texts: dict[str, str]
) -> None:
    State(tmp_path, passed={"one": "1"}, hints={"two": 2}).save()
    start(tmp_path)
    state = State.load(tmp_path)
    assert state.passed == {"one": "1"}
    assert state.hints == {"two": 2}


def test_files_that_are_not_ours_are_left_alone(
    tmp_path: Path, texts: dict[str, str]
) -> None:
    readme = edited(tmp_path / "README.md", "# My own project\n")
    notes = edited(tmp_path / "notes.txt", "notes")
    start(tmp_path)
    texts["masks"] += "# new\n"
    start(tmp_path)
    found = contents(tmp_path)
    assert found["README.md"] == readme
    assert found["notes.txt"] == notes


def test_a_folder_that_is_a_file_is_an_error(
    tmp_path: Path, texts: dict[str, str]
) -> None:
    path = tmp_path / "mine"
    before = edited(path, "text")
    with pytest.raises(ValueError, match="is a file, not a folder") as caught:
        start(path)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == before


def test_a_folder_in_place_of_a_file_is_an_error(
    tmp_path: Path, texts: dict[str, str]
) -> None:
    (tmp_path / "masks.py").mkdir()
    with pytest.raises(OSError, match=r"masks\.py"):
        start(tmp_path)
    assert os.listdir(tmp_path / "masks.py") == []


def test_what_was_interrupted_is_finished_by_the_next_start(
    tmp_path: Path, texts: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = workspace.write_atomically

    def full(path: Path, data: str) -> None:
        if path.name == "masks.py":
            raise OSError("No space left on device")
        real(path, data)

    monkeypatch.setattr(workspace, "write_atomically", full)
    with pytest.raises(OSError, match="No space"):
        start(tmp_path)
    assert "attention.py" in contents(tmp_path)
    monkeypatch.setattr(workspace, "write_atomically", real)
    assert done(start(tmp_path)) == {"masks.py": "written"}
    assert start(tmp_path) == []


# --- finding it -------------------------------------------------------------


@pytest.mark.parametrize("name", [FILE, "attention.py"])
def test_a_workspace_is_known_by_any_of_its_files(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("")
    assert find_workspace(tmp_path) == tmp_path


def test_a_workspace_is_looked_for_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="is no workspace") as caught:
        find_workspace(None)
    assert str(tmp_path) in str(caught.value)
    (tmp_path / "attention.py").write_text("")
    assert find_workspace(None).resolve() == tmp_path


def test_from_a_subfolder_the_workspace_is_found_further_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / FILE).write_text("")
    for place in (inner, tmp_path / "a", tmp_path):
        monkeypatch.chdir(place)
        assert find_workspace(None).resolve() == tmp_path
        # Whoever names a folder means that one.
        if place != tmp_path:
            with pytest.raises(ValueError, match="is no workspace"):
                find_workspace(Path())


def test_the_nearest_workspace_is_the_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / FILE).write_text("")
    (tmp_path / "a" / FILE).write_text("")
    monkeypatch.chdir(inner)
    assert find_workspace(None) == tmp_path / "a"
    (inner / "masks.py").write_text("")
    assert find_workspace(None).resolve() == inner


def test_further_up_a_file_that_only_bears_the_name_is_no_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "a"
    inner.mkdir()
    (tmp_path / "attention.py").write_text("")
    (tmp_path / "data.py").write_text("")
    monkeypatch.chdir(inner)
    with pytest.raises(ValueError, match="is no workspace") as caught:
        find_workspace(None)
    assert str(caught.value) == (
        f"{inner} is no workspace: laidout start writes one; if you have "
        "one, go there"
    )


def test_another_folder_is_no_workspace(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("")
    (tmp_path / "attention.py").mkdir()
    (tmp_path / "file").write_text("")
    for place in (tmp_path, tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(ValueError, match="laidout start") as caught:
            find_workspace(place)
        assert str(caught.value) == (
            f"{place} is no workspace: laidout start writes one"
        )


# --- what stands in the files -----------------------------------------------


@cache
def written(module: str) -> str:
    """Return the text of a module, made once for all tests."""
    return module_text(module)


@cache
def run(module: str) -> ModuleType:
    """Run the text of a module, as an import would."""
    made = ModuleType(module)
    exec(compile(written(module), f"{module}.py", "exec"), vars(made))
    return made


def exercises_of(module: str) -> list[Exercise]:
    return [e for e in CATALOGUE.values() if e.module == module]


def imports(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    """Yield module, name and the name that it gets, of each import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.partition(".")[0]
                yield alias.name, "", bound
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            for alias in node.names:
                bound = alias.asname or alias.name
                yield node.module or "", alias.name, bound


def names_looked_up(table: symtable.SymbolTable) -> set[str]:
    """Return the names that code takes from its module or from Python."""
    found = {
        symbol.get_name()
        for symbol in table.get_symbols()
        if symbol.is_referenced()
        and (symbol.is_global() or table.get_type() == "module")
    }
    return found.union(*map(names_looked_up, table.get_children()))


@every_module
def test_a_file_needs_nothing_but_the_package(module: str) -> None:
    roots = {m.partition(".")[0] for m, _, _ in imports(parse(module))}
    assert roots <= {"laidout", "torch"} | sys.stdlib_module_names


def parse(module: str) -> ast.Module:
    return ast.parse(written(module))


@every_module
def test_a_file_runs_and_knows_every_name_that_it_uses(module: str) -> None:
    table = symtable.symtable(written(module), f"{module}.py", "exec")
    known = vars(run(module)).keys() | vars(builtins).keys()
    assert names_looked_up(table) - known == set()


@every_module
def test_a_file_imports_only_what_it_may_need(module: str) -> None:
    tree = parse(module)
    here = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    solved = here | {
        node.id
        for exercise in exercises_of(module)
        for part in (exercise.source, *helpers_of(exercise.source))
        for node in ast.walk(part.node)
        if isinstance(node, ast.Name)
    }
    bound = [name for _, _, name in imports(tree)]
    assert sorted(bound) == sorted(set(bound))
    for name in bound:
        # A helper of the package is given only to what is given itself.
        assert name in (here if name.startswith("_") else solved), name


@every_module
def test_a_solution_of_the_book_can_be_pasted_into_a_file(module: str) -> None:
    known = vars(run(module)).keys() | vars(builtins).keys()
    for exercise in exercises_of(module):
        table = symtable.symtable(exercise.answer, "answer", "exec")
        defined = {
            s.get_name() for s in table.get_symbols() if s.is_assigned()
        }
        unknown = names_looked_up(table) - (known | defined)
        # Methods that stand alone have no class for their super().
        assert unknown - {"__class__"} == set(), exercise.name


@every_module
def test_a_file_imports_none_of_its_own_objects(module: str) -> None:
    asked_for = {e.source.name for e in exercises_of(module)}
    assert asked_for & {name for _, _, name in imports(parse(module))} == set()


@every_module
def test_its_objects_are_skeletons_in_the_order_of_the_catalogue(
    module: str,
) -> None:
    blank: dict[str, list[str]] = {}
    sources = {}
    for exercise in exercises_of(module):
        blank.setdefault(exercise.source.name, []).extend(exercise.blank)
        sources[exercise.source.name] = exercise.source
    text = written(module)
    tree = ast.parse(text)
    found = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    ]
    assert [node.name for node in found] == list(blank)
    for name, methods in blank.items():
        assert "\n" + skeleton(sources[name], methods) in text + "\n"


@every_module
def test_nothing_else_stands_in_a_file(module: str) -> None:
    docstring, *others = parse(module).body
    assert isinstance(docstring, ast.Expr)
    kinds = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef
    assert [node for node in others if not isinstance(node, kinds)] == []


@every_module
def test_a_file_says_what_it_is_and_how_it_is_checked(module: str) -> None:
    text = ast.get_docstring(parse(module)) or ""
    path = exercises_of(module)[0].source.path
    about = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    assert text.splitlines()[0] == about.splitlines()[0]
    assert f"Your version of laidout.{module}." in " ".join(text.split())
    assert text.splitlines()[-1] == f"    laidout check {module}"


@every_module
def test_each_exercise_has_its_task_and_its_commands_above_it(
    module: str,
) -> None:
    text = written(module)
    for exercise in exercises_of(module):
        for command in ("check", "hint"):
            lines = text.split(f"\n#     laidout {command} {exercise.name}\n")
            assert len(lines) == 2
        before = text.partition(f"laidout check {exercise.name}\n")[0]
        comment = " ".join(before.replace("\n#", "\n").split())
        task = " ".join(exercise.task.split())
        minutes = f"{exercise.title} (about {exercise.minutes} minutes)"
        assert comment.endswith(f" {minutes} {task}")


@every_module
def test_title_task_and_commands_stand_apart(module: str) -> None:
    lines = written(module).splitlines()
    rule = "# " + "-" * 77
    for exercise in exercises_of(module):
        title = f"# {exercise.title} (about {exercise.minutes} minutes)"
        place = lines.index(title)
        assert lines[place - 1] in {rule, "#"}
        assert lines[place + 1] == "#"
        command = lines.index(f"#     laidout check {exercise.name}")
        assert lines[command - 1] == "#"
        assert lines[command + 1] == f"#     laidout hint {exercise.name}"
        assert lines[command + 2] in {rule, "#"}
    assert lines.count(rule) == 2 * len(
        {exercise.object for exercise in exercises_of(module)}
    )


def test_imports_keep_their_groups() -> None:
    _, text = written("attention").split('\n"""\n', 1)
    groups = (
        "\nimport math\n\nimport torch\nfrom torch import Tensor, nn\n\n\n#"
    )
    assert text.startswith(groups)


@every_module
def test_imports_stand_in_blocks_python_first_and_the_package_last(
    module: str,
) -> None:
    text = written(module)
    nodes = [
        node
        for node in parse(module).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    first, last = nodes[0].lineno, nodes[-1].end_lineno
    lines = text.splitlines()[first - 1 : last]
    roots = [
        {
            (
                node.module or "" if isinstance(node, ast.ImportFrom) else name
            ).partition(".")[0]
            for node in ast.parse(block).body
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in [node.names[0].name]
        }
        for block in "\n".join(lines).split("\n\n")
    ]
    places = [{kind(root) for root in each} for each in roots]
    # One block a kind, none of them empty or twice, with one line between.
    assert all(len(each) == 1 for each in places)
    order = [place for each in places for place in each]
    assert order == sorted(set(order))


def kind(root: str) -> int:
    """Say where imports of a package stand: Python, others, this one."""
    if root in sys.stdlib_module_names:
        return 0
    return 2 if root == "laidout" else 1


@every_module
def test_within_a_block_the_package_is_in_alphabetical_order(
    module: str,
) -> None:
    found = [
        node.module
        for node in parse(module).body
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("laidout")
    ]
    assert found == sorted(found, key=str)
    assert len(found) == len(set(found))


@every_module
def test_no_line_that_is_ours_is_too_long(module: str) -> None:
    head = (ast.get_docstring(parse(module)) or "").splitlines()
    ours = [x for x in written(module).splitlines() if x.startswith("#")]
    assert max(map(len, [*head, *ours])) <= 79


@every_module
def test_a_file_ends_with_one_line_end_and_has_none_to_spare(
    module: str,
) -> None:
    text = written(module)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert "\r" not in text
    assert [x for x in text.splitlines() if x != x.rstrip()] == []
    assert re.findall("\n{5,}", text) == []


def test_the_solution_of_attention_is_not_in_its_file() -> None:
    solution = CATALOGUE[SDPA].solution
    text = written("attention")
    for secret in ("masked_fill", "torch.softmax(", "transpose("):
        assert secret in solution
        assert secret not in text


def test_what_is_not_written_says_so() -> None:
    attend = vars(run("attention"))["scaled_dot_product_attention"]
    with pytest.raises(NotImplementedError, match="not written yet"):
        attend(None, None, None)


def test_the_real_workspace_mirrors_the_package(tmp_path: Path) -> None:
    start(tmp_path)
    found = {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()}
    for module in MODULES:
        assert found[f"{module}.py"] == written(module)
    assert "laidout check" in found["README.md"]
    assert "solution" in found["AGENTS.md"]
    assert start(tmp_path) == []


RUFF = shutil.which("ruff", path=str(Path(sys.executable).parent)) or (
    shutil.which("ruff")
)


@pytest.mark.skipif(RUFF is None, reason="ruff is not installed")
def test_an_editor_has_no_complaint_about_names(tmp_path: Path) -> None:
    start(tmp_path)
    options = "--isolated", "--no-cache", "--select=E9,F63,F7,F811,F821,F822"
    complaints = subprocess.run(
        [str(RUFF), "check", *options, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert complaints.returncode == 0, complaints.stdout
