"""Objects of the package, found in their files without an import."""

from pathlib import Path

import pytest

from laidout.workshop.source import (
    PACKAGE,
    find_in_file,
    find_object,
    module_path,
    nearest,
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
