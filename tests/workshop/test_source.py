"""Objects of the package, found in their files without an import."""

import ast
import textwrap
from pathlib import Path
from typing import Any

import pytest

from laidout.workshop.source import (
    PACKAGE,
    find_in_file,
    find_object,
    helpers,
    module_path,
    nearest,
    with_methods,
)

MODULE = '''\
import math


@first
@second(
    1
)
def decorated(n):
    """Double."""
    return 2 * n


class Size:
    """A size."""

    class Inner:
        def deep(self):
            return 1

    def area(self):
        text = """
two lines"""
        return text


if True:
    def hidden():
        return 1
'''


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "laidout"
    folder.mkdir()
    (folder / "size.py").write_text(MODULE, encoding="utf-8")
    (folder / "broken.py").write_text("def f(:\n", encoding="utf-8")
    return folder


def test_an_object_comes_with_its_lines_and_its_place(package: Path) -> None:
    found = find_object("laidout.size.decorated", package)
    assert found.path == package / "size.py"
    assert found.name == "decorated"
    assert found.first_line == 4
    assert found.text == "\n".join(MODULE.splitlines()[3:10])


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("Size", 13, 23),
        ("Size.area", 20, 23),
        ("Size.Inner", 16, 18),
        ("Size.Inner.deep", 17, 18),
    ],
)
def test_classes_and_methods_are_found_by_their_dotted_name(
    package: Path, name: str, first: int, last: int
) -> None:
    found = find_in_file(package / "size.py", name)
    assert found.first_line == first
    assert found.lines == tuple(MODULE.splitlines()[first - 1 : last])


def test_the_package_is_where_the_objects_of_the_book_are() -> None:
    found = find_object("laidout.attention.scaled_dot_product_attention")
    assert found.path == PACKAGE / "attention.py"
    assert found.lines[0] == "def scaled_dot_product_attention("


@pytest.mark.parametrize(
    ("dotted", "reason"),
    [
        (
            "laidout.siez.Size",
            "module 'laidout.siez' does not exist; "
            "the nearest name is 'laidout.size'",
        ),
        (
            "laidout.size.Sise",
            "size.py defines no 'Sise'; the nearest name is 'Size'",
        ),
        ("laidout.size.hidden", "size.py defines no 'hidden'; the nearest"),
        ("laidout.size.math", "size.py defines no 'math'"),
        ("Size", "module '' does not exist; known: laidout.broken, "),
        ("laidout.Size", "module 'laidout' does not exist; the nearest name"),
        ("", "module '' does not exist"),
    ],
)
def test_what_does_not_exist_is_an_error_with_the_nearest_name(
    package: Path, dotted: str, reason: str
) -> None:
    with pytest.raises(ValueError, match=r"exist|defines no") as caught:
        find_object(dotted, package)
    assert str(caught.value).startswith(reason)


def test_a_module_is_found_by_its_name(package: Path) -> None:
    assert module_path("laidout.size", package) == package / "size.py"


def test_a_file_that_is_not_python_is_an_error(package: Path) -> None:
    with pytest.raises(SyntaxError):
        find_object("laidout.broken.f", package)


@pytest.mark.parametrize(
    ("name", "known", "said"),
    [
        ("atention", ["masks", "attention"], "nearest name is 'attention'"),
        ("xyz", ["masks", "attention"], "known: attention, masks"),
        ("xyz", [], "known: nothing"),
    ],
)
def test_the_nearest_name_ends_a_message(
    name: str, known: list[str], said: str
) -> None:
    assert nearest(name, known).startswith("; ")
    assert nearest(name, known).endswith(said)


# --- private helpers --------------------------------------------------------

HELPERS = """\
import math

_LIMIT = 3


def public():
    return _helper()


@math.cached
def _helper():
    return _Part()


class _Part:
    def _inner(self):
        return 1


class Public:
    def _method(self):
        return 2


def __dunder__(): return 3
"""


def test_helpers_are_the_private_objects_of_a_file_in_its_order(
    tmp_path: Path,
) -> None:
    path = tmp_path / "module.py"
    path.write_text(HELPERS, encoding="utf-8")
    found = helpers(path)
    assert [each.name for each in found] == ["_helper", "_Part", "__dunder__"]
    assert found[0].text == "@math.cached\ndef _helper():\n    return _Part()"
    assert found[1].is_class
    assert not found[0].is_class
    assert found[1].lines[-1] == "        return 1"


def test_a_file_without_private_objects_has_no_helpers(package: Path) -> None:
    assert helpers(package / "size.py") == []


# --- a class with other methods ---------------------------------------------

OWNER = """\
import math


@math.frozen
class Size(Base):
    \"""A size.\"""

    unit = "cm"

    def __init__(self, n):
        self.n = n

    @property
    def area(self):
        return self.n**2

    @math.one
    @math.two(
        2
    )
    def twice(self):
        return 2 * self.n

    class Inner:
        def deep(self):
            return "old"

    last = True


def after():
    return 1
"""


def exchanged(folder: Path, methods: str) -> str:
    """Exchange methods of the class above."""
    path = folder / "module.py"
    path.write_text(OWNER, encoding="utf-8")
    text = with_methods(
        find_in_file(path, "Size"), textwrap.dedent(methods).strip("\n")
    )
    ast.parse(text)
    return text


class Decorators:
    """Decorators that do nothing."""

    def frozen(self, value: Any) -> Any:
        return value

    one = frozen

    def two(self, number: int) -> Any:
        return self.frozen


def made(folder: Path, methods: str) -> Any:
    """Run the class with its methods exchanged."""
    names: dict[str, Any] = {"Base": object, "math": Decorators()}
    exec(exchanged(folder, methods), names)
    return names["Size"]


def test_a_method_is_exchanged_and_the_rest_stays(tmp_path: Path) -> None:
    new = "def __init__(self, n):\n    self.n = 7"
    lines = OWNER.splitlines()[3:28]
    assert lines[7] == "        self.n = n"
    lines[7] = "        self.n = 7"
    assert exchanged(tmp_path, new).splitlines() == lines


def test_a_method_goes_with_its_decorators(tmp_path: Path) -> None:
    text = exchanged(tmp_path, "@three\ndef twice(self):\n    return 3")
    assert "    @three\n    def twice(self):\n        return 3\n" in text
    assert "math.one" not in text
    assert "math.two" not in text
    text = exchanged(tmp_path, "def area(self):\n    return 3")
    assert "@property" not in text


def test_methods_may_be_longer_or_shorter_and_in_any_order(
    tmp_path: Path,
) -> None:
    methods = """
        def area(self):
            a = 1
            b = 2

            return a + b

        def __init__(self, n): self.n = 5
    """
    found = made(tmp_path, methods)(3)
    assert (found.area(), found.n, found.unit, found.last) == (
        3,
        5,
        "cm",
        True,
    )


def test_methods_that_are_new_are_added_at_the_end_in_their_order(
    tmp_path: Path,
) -> None:
    methods = """
        def third(self):
            return 3

        def fourth(self):
            return self.third() + 1
    """
    text = exchanged(tmp_path, methods)
    assert text.index("last = True") < text.index("def third")
    assert text.index("def third") < text.index("def fourth")
    assert made(tmp_path, methods)(1).fourth() == 4


def test_a_class_inside_is_exchanged_as_a_whole(tmp_path: Path) -> None:
    methods = """
        class Inner:
            def deep(self):
                return "new"
    """
    text = exchanged(tmp_path, methods)
    assert text.count("def deep") == 1
    assert made(tmp_path, methods).Inner().deep() == "new"


def test_the_methods_of_a_class_of_the_package_can_be_exchanged() -> None:
    owner = find_object("laidout.tokenizer.BPETokenizer")
    assert with_methods(owner, "") == owner.text
    text = with_methods(owner, "def decode(self, ids):\n    return 'all'")
    assert "        return 'all'\n\n    @property\n" in text
