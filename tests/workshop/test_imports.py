"""The imports that a piece of the package needs where it stands alone."""

from pathlib import Path

import pytest

from laidout.workshop.imports import defined_in, import_blocks, names_in

MODULE = '''\
"""About."""

import math
import os.path as place

import torch
from torch import Tensor, nn

from laidout.masks import causal_mask

__all__ = ["Box", "grow"]

LIMIT = 3
TABLE: dict[str, int] = {}


def _half(x: int) -> float:
    return x / 2


def grow(x: Tensor) -> Tensor:
    return x * LIMIT


class Box(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return grow(x)
'''


def module(folder: Path, text: str) -> Path:
    """Write a module."""
    path = folder / "module.py"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("body", "blocks"),
    [
        (
            "import math\nfrom a import b\n",
            [["import math", "from a import b"]],
        ),
        ("import math\n\nimport b\n", [["import math"], ["import b"]]),
        ("import math\n\n\n\nimport b\n", [["import math"], ["import b"]]),
        # A line that is left out leaves no gap, a block none either.
        (
            "import math\nimport idle\nimport b\n",
            [["import math", "import b"]],
        ),
        ("import idle\n\nimport math\n", [["import math"]]),
        (
            "import math\n\nimport idle\n\nimport b\n",
            [["import math"], ["import b"]],
        ),
        (
            "import math\n\nfrom c import (\n    d,\n    idle,\n)\nimport b\n",
            [["import math"], ["from c import d", "import b"]],
        ),
        ('"""About."""\nimport b\n', [["import b"]]),
        ("import idle\n", []),
        ("", []),
    ],
)
def test_imports_that_are_used_keep_their_blocks(
    tmp_path: Path, body: str, blocks: list[list[str]]
) -> None:
    used = {"math", "b", "d"}
    assert import_blocks(module(tmp_path, body), "m", used, []) == blocks


def test_what_the_module_defines_itself_comes_from_it(tmp_path: Path) -> None:
    path = module(tmp_path, MODULE)
    used = names_in("def f(x: Tensor) -> Tensor: return grow(x) + place.sep")
    assert import_blocks(path, "laidout.module", used, ["LIMIT", "grow"]) == [
        ["import os.path as place"],
        ["from torch import Tensor"],
        ["from laidout.module import LIMIT, grow"],
    ]


def test_all_that_is_of_the_package_stands_together(tmp_path: Path) -> None:
    path = module(tmp_path, MODULE)
    assert import_blocks(path, "laidout.box", {"causal_mask"}, ["grow"]) == [
        [
            "from laidout.box import grow",
            "from laidout.masks import causal_mask",
        ]
    ]


def test_many_names_stand_below_one_another(tmp_path: Path) -> None:
    path = module(tmp_path, MODULE)
    names = [f"a_name_that_is_long_{number}" for number in range(3)]
    ((line,),) = import_blocks(path, "laidout.box", set(), names)
    assert line.splitlines()[1] == "    a_name_that_is_long_0,"
    compile(line, "line", "exec")


def test_a_module_defines_objects_and_constants(tmp_path: Path) -> None:
    path = module(tmp_path, MODULE)
    assert defined_in(path) == ["Box", "LIMIT", "TABLE", "_half", "grow"]


def test_names_are_those_that_are_looked_up() -> None:
    code = "@deco\ndef f(a: T = d) -> R:\n    return a.b(c, key=e)\n"
    assert names_in(code) == {"deco", "T", "d", "R", "a", "c", "e"}
