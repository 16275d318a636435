"""Tests of the tests, and of what all modules of the package owe us."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import laidout

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "src" / "laidout"

TEST_FILES = sorted(TESTS.rglob("test_*.py"))

NOT_DRAWN = {"__init__", "__main__", "cli"}
"""Modules that are no part of the model and are tested elsewhere."""

SUITES = {
    "model": PACKAGE,
    "phrases": PACKAGE / "phrases",
    "workshop": PACKAGE / "workshop",
}
"""Which folder of tests mirrors which folder of the package."""

MODULES = sorted(
    path
    for folder in SUITES.values()
    for path in folder.glob("*.py")
    if path.stem not in NOT_DRAWN
)

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef


def name_of(path: Path) -> str:
    """Name a file from the root of the repository on."""
    return str(path.relative_to(TESTS.parent))


# --- every test asserts something -------------------------------------------


def is_assertion(node: ast.AST) -> bool:
    """Tell whether a piece of code can make a test fail on purpose."""
    match node:
        case ast.Assert():
            # `assert True` and `assert "text"` hold whatever happens.
            return not isinstance(node.test, ast.Constant | ast.JoinedStr)
        case ast.Call(func=ast.Attribute(ast.Name("pytest"), name)):
            return name in {"raises", "warns", "fail"}
        case ast.Call(func=ast.Name(name) | ast.Attribute(_, name)):
            # torch.testing.assert_close, expect(page), helpers of ours.
            return name.startswith(("assert_", "expect"))
    return False


def names_without_assertion(source: str) -> list[str]:
    """Name the test functions of a file that cannot fail."""
    return [
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, Function)
        and node.name.startswith("test")
        and not any(is_assertion(part) for part in ast.walk(node))
    ]


@pytest.mark.parametrize("path", TEST_FILES, ids=name_of)
def test_every_test_asserts_something(path: Path) -> None:
    assert names_without_assertion(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    "body",
    [
        "assert 1 + 1 == 2",
        "if x:\n        assert x > 3",
        "with pytest.raises(ValueError, match='n'):\n        f()",
        "with pytest.warns(UserWarning):\n        f()",
        "torch.testing.assert_close(a, b)",
        "np.testing.assert_allclose(a, b)",
        "assert_close(a, b)",
        "expect(page).to_have_title('t')",
        "page.expect_event('load')",
        "mock.assert_called_once()",
        "pytest.fail('never')",
    ],
)
def test_a_test_that_asserts_is_accepted(body: str) -> None:
    assert names_without_assertion(f"def test_it():\n    {body}\n") == []


@pytest.mark.parametrize(
    "body",
    [
        "pass",
        "...",
        "f() == 3",
        "print(f())",
        "'''assert f() == 3'''",
        "# assert f() == 3\n    f()",
        "assert True",
        "assert 'a text'",
        "other.raises(ValueError)",
        "torch.allclose(a, b)",
        "check(a, b)",
    ],
)
@pytest.mark.parametrize(
    "start",
    [
        "def test_it():\n    ",
        "async def test_it():\n    ",
        "class TestIt:\n  def test_it(self):\n    ",
    ],
)
def test_a_test_that_asserts_nothing_is_named(start: str, body: str) -> None:
    assert names_without_assertion(f"{start}{body}\n") == ["test_it"]


def test_functions_that_are_no_tests_need_no_assertion() -> None:
    source = "def helper():\n    pass\ndef test_it():\n    assert f()\n"
    assert names_without_assertion(source) == []


def test_no_two_tests_of_a_file_have_one_name() -> None:
    # The later one would replace the earlier one, which would never run.
    for path in TEST_FILES:
        tree = ast.parse(path.read_text("utf-8"))
        names = [n.name for n in tree.body if isinstance(n, Definition)]
        twice = {name for name in names if names.count(name) > 1}
        assert twice == set(), name_of(path)


# --- every module has its tests ---------------------------------------------


@pytest.mark.parametrize("suite", SUITES)
def test_every_module_has_its_tests_and_the_other_way_round(
    suite: str,
) -> None:
    tested = {
        path.stem.removeprefix("test_")
        for path in (TESTS / suite).glob("test_*.py")
    }
    modules = [path for path in MODULES if path.parent == SUITES[suite]]
    public = {path.stem for path in modules if path.stem[0] != "_"}
    assert public - tested == set(), f"modules without tests/{suite}/test_*.py"
    assert tested - public == set(), "tests of modules that do not exist"


# --- every public object is documented --------------------------------------


def public_objects(tree: ast.Module) -> Iterator[Definition]:
    """Go through the functions and classes of a module that are public."""
    for node in tree.body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield node


def docstrings(node: Definition) -> str:
    """Join the docstring of an object with those of its public methods."""
    texts = [ast.get_docstring(node) or ""]
    if isinstance(node, ast.ClassDef):
        texts += [
            ast.get_docstring(method) or ""
            for method in node.body
            if isinstance(method, Function) and not method.name.startswith("_")
        ]
    return "\n\n".join(texts)


def takes_tensors(node: Definition) -> bool:
    """Tell whether a function, or a module's forward, takes tensors."""
    if isinstance(node, ast.ClassDef):
        return any(
            takes_tensors(method)
            for method in node.body
            if isinstance(method, Function) and method.name == "forward"
        )
    return any(
        isinstance(part, ast.Name) and part.id == "Tensor"
        for argument in (*node.args.args, *node.args.kwonlyargs)
        for part in ast.walk(argument)
    )


def raises_value_error(node: Definition) -> bool:
    """Tell whether there is a `raise ValueError` in an object."""
    return any(
        isinstance(part, ast.Raise)
        and any(
            isinstance(name, ast.Name) and name.id == "ValueError"
            for name in ast.walk(part)
        )
        for part in ast.walk(node)
    )


def gaps_in_documentation(source: str) -> list[str]:
    """Say what the docstrings of a module's public objects leave out."""
    gaps = []
    for node in public_objects(ast.parse(source)):
        text = docstrings(node)
        if not ast.get_docstring(node):
            gaps.append(f"{node.name} has no docstring")
            continue
        if takes_tensors(node) and "Shapes:" not in text:
            gaps.append(f"{node.name} takes tensors and gives no Shapes:")
        documented = "ValueError" in text.partition("Raises:")[2]
        if raises_value_error(node) and not documented:
            gaps.append(f"{node.name} does not say when it raises")
    return gaps


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_public_object_is_documented(path: Path) -> None:
    assert gaps_in_documentation(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("source", "gap"),
    [
        ("def f(n: int) -> int:\n    return n", "f has no docstring"),
        ("class C:\n    pass", "C has no docstring"),
        (
            'def f(x: Tensor | None) -> int:\n    """Do."""',
            "f takes tensors and gives no Shapes:",
        ),
        (
            'class C:\n    """Do."""\n    def forward(self, x: Tensor): ...',
            "C takes tensors and gives no Shapes:",
        ),
        (
            'def f(n):\n    """Do."""\n    raise ValueError("n")',
            "f does not say when it raises",
        ),
        (
            'class C:\n    """ValueError."""\n    def __init__(self):\n'
            "        raise ValueError",
            "C does not say when it raises",
        ),
    ],
)
def test_a_gap_in_the_documentation_is_named(source: str, gap: str) -> None:
    assert gaps_in_documentation(source) == [gap]


@pytest.mark.parametrize(
    "source",
    [
        'def f(n: int) -> Tensor:\n    """Do."""',
        "def _f(x: Tensor):\n    raise ValueError",
        "class _C:\n    pass",
        'def f(x: Tensor):\n    """Do.\n\n    Shapes: x (B, S).\n    """',
        'def f(n):\n    """Do.\n\n    Raises:\n        ValueError: if.\n'
        '    """\n    raise ValueError(n)',
    ],
)
def test_what_is_documented_or_private_has_no_gap(source: str) -> None:
    assert gaps_in_documentation(source) == []


# --- importing the package is cheap and private -----------------------------

CHILD = """
import json, sys

NETWORK = "socket.connect", "socket.getaddrinfo", "socket.gethostby", "urllib."
network = []

def watch(event, arguments):
    if event.startswith(NETWORK):
        network.append(f"{event} {arguments!r}")

def families(names):
    return sorted({name.partition(".")[0] for name in names})

sys.addaudithook(watch)
import laidout
imported = set(sys.modules)
import torch
before = set(sys.modules)
for name in laidout.__all__:
    getattr(laidout, name)
print(json.dumps({
    "network": network,
    "by the import": families(imported),
    "by the names": families(set(sys.modules) - before),
    "modules": sorted(n for n in sys.modules if n.startswith("laidout.")),
}))
"""

HEAVY = {
    "hypothesis",
    "matplotlib",
    "pytest",
    "rich",
    "sacrebleu",
    "sphinx",
    "typer",
}


@pytest.fixture(scope="module")
def fresh() -> dict[str, list[str]]:
    """Import the package in a process of its own and say what happened."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    happened: dict[str, list[str]] = json.loads(done.stdout)
    return happened


def test_importing_the_package_imports_nothing_heavy(
    fresh: dict[str, list[str]],
) -> None:
    assert "laidout" in fresh["by the import"]
    assert HEAVY & set(fresh["by the import"]) == set()


def test_importing_the_package_does_not_wait_for_torch(
    fresh: dict[str, list[str]],
) -> None:
    assert "torch" not in fresh["by the import"]


def test_the_public_names_import_nothing_heavy(
    fresh: dict[str, list[str]],
) -> None:
    assert "laidout.attention" in fresh["modules"]
    assert HEAVY & set(fresh["by the names"]) == set()


def test_importing_the_package_asks_no_network(
    fresh: dict[str, list[str]],
) -> None:
    assert fresh["network"] == []


def test_every_public_name_comes_from_its_module() -> None:
    for name in laidout.__all__:
        found = getattr(laidout, name)
        assert found.__name__ == name
        assert found.__module__.startswith("laidout.")


def test_type_checkers_and_python_see_the_same_names() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))
    for_checkers = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("laidout.")
        for alias in node.names
    }
    at_run_time = {
        name: getattr(laidout, name).__module__ for name in laidout.__all__
    }
    assert for_checkers == at_run_time


def test_a_name_that_does_not_exist_raises_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        laidout.no_such_name  # noqa: B018
