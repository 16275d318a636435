"""Imports of a notebook's cells: those that a cell needs, none too many."""

from pathlib import Path
from typing import Any

import pytest

from laidout_book.notebook.imports import with_imports, without_imports

MINE = {"grow": "laidout.plants", "Tree": "laidout.plants"}

PLANTS = '''\
"""Plants."""

import math

import torch
from torch import Tensor, nn

LIMIT = 3
_SMALL = 2


def _half(x):
    return x / _SMALL


def grow(x: Tensor) -> Tensor:
    """Grow."""
    # 1. Up to the limit.
    return min(math.floor(_half(x)), LIMIT)
'''
BLANK = """\
def grow(x: Tensor) -> Tensor:
    # 1. Up to the limit.
    raise NotImplementedError"""


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("from laidout.plants import grow\ngrow(1)", "grow(1)"),
        ("from laidout import grow\ngrow(1)", "grow(1)"),
        ("from laidout.plants import Tree, grow\n", ""),
        (
            "from laidout.plants import grow, water\n",
            "from laidout.plants import water",
        ),
        (
            "import torch\nfrom laidout.plants import (\n    grow,\n"
            "    a as b,\n)\nx = 1",
            "import torch\nfrom laidout.plants import a as b\nx = 1",
        ),
        ("from laidout.plants import grow as g\ng(1)", "g = grow\ng(1)"),
        ("from laidout.other import grow\n", "from laidout.other import grow"),
        ("from plants import grow\n", "from plants import grow"),
        (
            "def f():\n    from laidout.plants import grow\n"
            "    return grow(1)",
            "def f():\n    pass\n    return grow(1)",
        ),
        (
            "x = 1; from laidout.plants import grow; y = 2",
            "x = 1; pass; y = 2",
        ),
        (
            "é = 'ü'; from laidout.plants import grow\ngrow(é)",
            "é = 'ü'; pass\ngrow(é)",
        ),
        (
            "%time x = 1\nfrom laidout.plants import grow\n!ls -l 'a\nx",
            "%time x = 1\n!ls -l 'a\nx",
        ),
        (
            "from laidout.plants import grow\n"
            "from laidout.plants import Tree\nx",
            "x",
        ),
        ("text = 'from laidout.plants import grow'", None),
    ],
)
def test_no_cell_imports_over_what_the_notebook_defines(
    code: str, wanted: str | None
) -> None:
    assert without_imports(code, MINE) == (code if wanted is None else wanted)


def test_a_cell_without_imports_stays_as_it_is() -> None:
    code = "x = [\n    1,\n]\n\n\nprint(x)"
    assert without_imports(code, MINE) == code


def test_an_object_comes_with_the_imports_that_it_needs(
    tmp_path: Path,
) -> None:
    path = tmp_path / "plants.py"
    path.write_text(PLANTS, encoding="utf-8")
    text = PLANTS[PLANTS.index("def grow") :].rstrip()
    source = with_imports(path, "laidout.plants", "grow", text, text)
    assert source.partition("\n\n\n")[0] == (
        "import math\n\nfrom torch import Tensor\n\n"
        "from laidout.plants import LIMIT, _half"
    )


def test_a_skeleton_can_be_filled_with_the_solution(tmp_path: Path) -> None:
    path = tmp_path / "plants.py"
    path.write_text(PLANTS, encoding="utf-8")
    text = PLANTS[PLANTS.index("def grow") :].rstrip()
    source = with_imports(path, "laidout.plants", "grow", BLANK, text)
    head, _, shown = source.partition("\n\n\n")
    assert shown == BLANK
    assert "import math" in head
    assert "LIMIT" in head
    assert "_half" not in head  # a helper that the reader may do without


def test_an_object_that_needs_nothing_stands_alone(tmp_path: Path) -> None:
    path = tmp_path / "plants.py"
    path.write_text("import math\n\n\ndef one():\n    return 1\n")
    text = "def one():\n    return 1"
    assert with_imports(path, "laidout.plants", "one", text, text) == text
    names: dict[str, Any] = {}
    exec(text, names)
    assert names["one"]() == 1
