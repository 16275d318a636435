"""What a piece of Python reads, found without running it."""

from pathlib import Path

import pytest

from laidout_book.dependencies import ModuleFinder, digest, environment

FILES = {
    "src/laidout/__init__.py": "def __getattr__(name): ...\n",
    "src/laidout/one.py": "from laidout.two import TWO\n",
    "src/laidout/two.py": "import math\nimport laidout.three as t\n",
    "src/laidout/three.py": "import torch\n",
    "src/laidout/lonely.py": "from laidout import one\n",
    "src/laidout/circle.py": "import laidout.square\n",
    "src/laidout/square.py": "from laidout.circle import a\n",
    "src/laidout/beside.py": "from .two import TWO\n",
    "src/laidout/around.py": "from . import three\n",
    "src/laidout/late.py": "def f():\n    from laidout import two\n",
    "src/laidout/deep/__init__.py": "",
    "src/laidout/deep/inner.py": "from .other import A\n",
    "src/laidout/deep/other.py": "from ..three import A\nfrom .. import one\n",
    "book/figures/__init__.py": "",
    "book/figures/plots.py": "from figures.palette import LIGHT\n",
    "book/figures/palette.py": "",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def finder(root: Path) -> ModuleFinder:
    return ModuleFinder([root / "src", root / "book"])


@pytest.mark.parametrize(
    ("code", "modules"),
    [
        ("import math, torch, numpy.linalg", ""),
        ("import laidout", ". "),
        ("from laidout import one", ". one two three"),
        ("from laidout.one import TWO", ". one two three"),
        ("import laidout.two", ". two three"),
        ("from laidout import SomeClass", "."),
        ("from laidout.lonely import *", ". lonely one two three"),
        ("import laidout.circle", ". circle square"),
        ("from laidout.beside import TWO", ". beside two three"),
        ("from laidout.around import three", ". around three"),
        ("import laidout.late", ". late two three"),
        (
            "import laidout.deep.inner",
            ". deep deep/inner deep/other one two three",
        ),
        ("def f():\n    if 1:\n        import laidout.three", ". three"),
        ("import laidout.missing", "."),
        ("import laidoutside", ""),
        ("x = 'import laidout.one'", ""),
    ],
)
def test_the_closure_follows_every_import(
    root: Path, finder: ModuleFinder, code: str, modules: str
) -> None:
    names = {
        str(path.relative_to(root / "src/laidout").with_suffix(""))
        .replace("/__init__", "")
        .replace("__init__", ".")
        for path in finder.closure(code)
    }
    assert names == set(modules.split())


def test_figures_are_found_in_their_own_root(
    root: Path, finder: ModuleFinder
) -> None:
    found = finder.closure("from figures import plots")
    folder = root / "book/figures"
    names = ("__init__", "plots", "palette")
    assert found == {folder / f"{name}.py" for name in names}


def test_code_that_is_not_python_raises(finder: ModuleFinder) -> None:
    with pytest.raises(SyntaxError):
        finder.closure("import from")


def test_a_file_is_found_by_its_module(
    root: Path, finder: ModuleFinder
) -> None:
    assert finder.file("laidout.one") == root / "src/laidout/one.py"
    assert finder.file("laidout.deep") == root / "src/laidout/deep/__init__.py"
    assert finder.file("laidout.missing") is None


def test_a_digest_stays_while_nothing_changes(root: Path) -> None:
    one, two = root / "src/laidout/one.py", root / "src/laidout/two.py"
    assert digest([one, two]) == digest([two, one])
    assert digest([one], "word") == digest([one], "word")


def test_a_digest_changes_with_what_is_read(root: Path) -> None:
    one, two = root / "src/laidout/one.py", root / "src/laidout/two.py"
    seen = [digest([one]), digest([one, two]), digest([one], "word")]
    seen.append(digest([one], "wo", "rd"))
    one.write_text("A = 1\n", encoding="utf-8")
    seen.append(digest([one]))
    renamed = one.rename(one.with_name("first.py"))
    seen.append(digest([renamed]))
    assert len(set(seen)) == len(seen)


def test_a_digest_changes_with_the_environment(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = root / "src/laidout/one.py"
    before = digest([one])
    assert "torch " in environment()
    monkeypatch.setattr(
        "laidout_book.dependencies.environment", lambda: "torch 0"
    )
    assert digest([one]) != before
