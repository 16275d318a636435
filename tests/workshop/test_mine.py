"""The reader's own files, and how they are put together with the package."""

import codecs
import functools
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from laidout.attention import scaled_dot_product_attention
from laidout.workshop.catalogue import Exercise, find_exercise
from laidout.workshop.mine import (
    LONG,
    UnreadableError,
    adopt,
    adopted,
    bind,
    borrowed_methods,
    bound,
    is_untouched,
    is_unwritten,
    is_written,
    load_file,
    own,
    package_object,
)

SDPA = find_exercise("attention-scaled-dot-product")


@pytest.fixture(autouse=True)
def python_as_before() -> Iterator[None]:
    """Let no module and no folder stay that a test has brought in."""
    path = sys.path[:]
    package_object.cache_clear()
    yield
    package_object.cache_clear()
    sys.path[:] = path
    for name in ("attention", "masks", "helper_of_mine", "toy"):
        sys.modules.pop(name, None)


def wrote(folder: Path, text: str, name: str = "attention.py") -> Path:
    """Write a file of the reader, byte for byte."""
    path = folder / name
    path.write_bytes(text.encode("utf-8"))
    return path


def complaint(path: Path) -> str:
    """Return the sentence on a file that cannot be run."""
    return str(trouble(path))


def trouble(path: Path) -> UnreadableError:
    """Return the error of a file that cannot be run."""
    with pytest.raises(UnreadableError) as caught:
        load_file(path)
    # The traceback would only show our own code.
    assert caught.value.__suppress_context__
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    assert str(path.parent) not in text
    assert all(line.strip() for line in caught.value.lines)
    return caught.value


# --- files that can be run --------------------------------------------------


def test_a_file_is_run_and_becomes_a_module(tmp_path: Path) -> None:
    module = load_file(wrote(tmp_path, "x = 3\ndef f(): return x\n"))
    assert module.__name__ == "attention"
    assert module.__file__ == str(tmp_path / "attention.py")
    assert module.f() == 3


def test_a_file_is_not_run_as_a_program(tmp_path: Path) -> None:
    text = "x = 1\nif __name__ == '__main__':\n    x = 2\n"
    assert load_file(wrote(tmp_path, text)).x == 1


@pytest.mark.parametrize("begin", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_end_and_a_byte_order_mark_are_fine(
    tmp_path: Path, begin: str, end: str
) -> None:
    text = (
        f'{begin}x = """a{end}é"""{end}\f{end}def f():{end}    return x{end}'
    )
    assert load_file(wrote(tmp_path, text)).f() == "a\né"


def test_a_file_may_name_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "attention.py"
    path.write_bytes(b"# coding: latin-1\nx = '\xe9'\n")
    assert load_file(path).x == "é"


def test_a_file_is_run_again_when_it_is_loaded_again(tmp_path: Path) -> None:
    first = load_file(wrote(tmp_path, "x = 1\n"))
    second = load_file(wrote(tmp_path, "x = 2\n"))
    assert (first.x, second.x) == (1, 2)
    assert sys.path.count(str(tmp_path)) == 1


def test_a_file_may_import_its_neighbours(tmp_path: Path) -> None:
    folder = tmp_path / "my é workspace"
    folder.mkdir()
    wrote(folder, "from masks import b\na = b + 1\n", "helper_of_mine.py")
    wrote(folder, "b = 3\n", "masks.py")
    path = wrote(folder, "from helper_of_mine import a\nc = a + 1\n")
    assert load_file(path).c == 5


def test_what_looks_for_its_module_finds_it(tmp_path: Path) -> None:
    text = (
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "@dataclass\nclass Point:\n    x: Number\n"
        "Number = int\n"
    )
    point = load_file(wrote(tmp_path, text)).Point
    assert point(3) == point(3)
    assert typing.get_type_hints(point) == {"x": int}


def test_annotations_of_ours_do_not_change_how_a_file_is_read(
    tmp_path: Path,
) -> None:
    module = load_file(wrote(tmp_path, "def f(x: int): ...\n"))
    assert module.f.__annotations__ == {"x": int}


# --- files that cannot ------------------------------------------------------


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert complaint(tmp_path / "attention.py") == (
        "attention.py is missing; in its folder, laidout start . writes it "
        "again."
    )


def test_the_line_of_a_syntax_error_is_named(tmp_path: Path) -> None:
    path = wrote(tmp_path, "x = 1\n\ndef f(:\n    pass\n")
    assert complaint(path) == (
        "attention.py, line 3: this is not Python: invalid syntax."
    )


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("x = 1\n\ndef f(:\n    pass\n", ("def f(:", "      ^")),
        # What stands before the line is left out, for the mark too.
        ("def f():\n    x = = 1\n", ("x = = 1", "    ^")),
        ("def f():\n\tx = = 1\r\n", ("x = = 1", "    ^")),
        ("x = (\n", ("x = (", "    ^")),
        ("x = 'abc\n", ("x = 'abc", "    ^")),
        ("x = 1\nreturn x\n", ("return x", "^")),
        ("def f():\nx = 1\n", ("x = 1", "^")),
        # Where Python may count bytes, no mark is better than a wrong one.
        ("é = 'ü' 3\n", ("é = 'ü' 3",)),
    ],
)
def test_the_line_that_is_no_python_is_shown_with_a_mark_below_it(
    tmp_path: Path, text: str, lines: tuple[str, ...]
) -> None:
    assert trouble(wrote(tmp_path, text)).lines == lines


def test_a_line_that_is_very_long_is_not_shown(tmp_path: Path) -> None:
    for length in (LONG, LONG + 1):
        text = "x = = 1  #" + "x" * (length - 10)
        lines = trouble(wrote(tmp_path, text)).lines
        assert lines == ((text, "    ^") if length == LONG else ())


@pytest.mark.parametrize(
    "content", [b"", b"x = 1\n\0\n", b"# coding: no-such-encoding\n"]
)
def test_where_there_is_no_line_none_is_shown(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "attention.py"
    if content:
        path.write_bytes(content)
    assert trouble(path).lines == ()


def test_a_wrong_indent_is_a_syntax_error_too(tmp_path: Path) -> None:
    path = wrote(tmp_path, "def f():\n    x = 1\n  return x\n")
    said = complaint(path)
    assert said.startswith("attention.py, line 3: this is not Python: unind")


@pytest.mark.parametrize(
    "content",
    [
        b"x = 1\n\0\n",
        b"x = '\xff'\n",
        codecs.BOM_UTF16_LE + "x = 1\n".encode("utf-16-le"),
        b"# coding: no-such-encoding\n",
        b"x = " + b"-" * 100_000 + b"1\n",
        b"x = 1" + b" + 1" * 20_000 + b"\n",
        b"x = " + b"(" * 500 + b")" * 500 + b"\n",
        b"\x89PNG\r\n\x1a\n\0\0",
    ],
    ids=[
        *("nul", "latin-1", "utf-16", "encoding"),
        *("deep", "long", "brackets", "image"),
    ],
)
def test_a_file_that_is_no_text_or_no_python_is_named(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "attention.py"
    path.write_bytes(content)
    said = complaint(path)
    assert said.startswith("attention.py")
    assert "this is not Python: " in said
    assert said.endswith(".")


def test_bytes_that_are_no_utf_8_are_found_on_their_line(
    tmp_path: Path,
) -> None:
    path = tmp_path / "attention.py"
    path.write_bytes(b"x = 1\ny = '\xff'\n")
    assert "utf-8" in complaint(path)


def test_a_folder_in_place_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "attention.py").mkdir()
    with pytest.raises(UnreadableError, match=r"attention\.py: cannot be re"):
        load_file(tmp_path / "attention.py")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\ny = 1 / 0\n", "2: ZeroDivisionError: division by zero"),
        ("import no_such_thing\n", "1: ModuleNotFoundError: No module named "),
        ("\n\nx = y\n", "3: NameError: name 'y' is not defined"),
        (
            "def f():\n    g()\ndef g():\n    h\nf()\n",
            "4: NameError: name 'h'",
        ),
        ("import torch\ntorch.zeros('a')\n", "2: TypeError: "),
        ("raise ValueError('one\\ntwo')\n", "1: ValueError: one"),
        ("raise ValueError()\n", "1: ValueError"),
        ("assert False\n", "1: AssertionError"),
        ("def f(): f()\nf()\n", "1: RecursionError: maximum recursion"),
        ("import sys\nsys.exit(3)\n", "2: SystemExit: 3"),
        ("import sys\nsys.exit()\n", "2: SystemExit"),
        ("raise MemoryError\n", "1: MemoryError"),
        ("raise SyntaxError('mine')\n", "1: SyntaxError: mine"),
    ],
)
def test_an_error_while_a_file_is_run_is_said_with_its_line(
    tmp_path: Path, text: str, said: str
) -> None:
    found = trouble(wrote(tmp_path, text))
    assert str(found).startswith(f"attention.py, line {said}")
    assert not str(found).endswith((":", " "))
    number = int(said.partition(":")[0])
    assert found.lines == (text.splitlines()[number - 1].strip(),)


def test_an_error_in_a_neighbour_is_said_with_the_line_of_its_import(
    tmp_path: Path,
) -> None:
    wrote(tmp_path, "x = 1 / 0\n", "helper_of_mine.py")
    path = wrote(tmp_path, "\nimport helper_of_mine\n")
    assert complaint(path) == (
        "attention.py, line 2: ZeroDivisionError: division by zero"
    )
    assert trouble(path).lines == ("import helper_of_mine",)
    wrote(tmp_path, "\n\nx = (\n", "helper_of_mine.py")
    assert complaint(path).endswith("(helper_of_mine.py, line 3)")


def test_ctrl_c_is_no_error_of_the_file(tmp_path: Path) -> None:
    path = wrote(tmp_path, "raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load_file(path)


# --- the reader's object ----------------------------------------------------


def test_the_object_of_an_exercise_is_found_in_its_file(
    tmp_path: Path,
) -> None:
    text = "def scaled_dot_product_attention(): return 3\n"
    assert own(load_file(wrote(tmp_path, text)), SDPA)() == 3


@pytest.mark.parametrize(
    ("text", "end"),
    [
        (
            "def scaled_dot_product_atention(): ...\nimport math\n",
            "; the nearest name is 'scaled_dot_product_atention'.",
        ),
        ("x = y = 1\n_scaled_dot_product_attention = 2\n", "; known: x, y."),
        # Where nothing is, there is nothing to choose from.
        ("", "."),
        ("_x = 3\n", "."),
    ],
)
def test_without_it_the_nearest_name_is_said(
    tmp_path: Path, text: str, end: str
) -> None:
    module = load_file(wrote(tmp_path, text))
    with pytest.raises(UnreadableError) as caught:
        own(module, SDPA)
    assert str(caught.value) == (
        f"attention.py defines no scaled_dot_product_attention{end}"
    )


def test_the_packages_object_is_found_by_its_dotted_name() -> None:
    assert package_object(SDPA.object) is scaled_dot_product_attention


def test_an_exchange_does_not_change_what_was_found_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = package_object(SDPA.object)
    monkeypatch.setattr("laidout.attention.scaled_dot_product_attention", len)
    assert package_object(SDPA.object) is before


# --- other names for other objects ------------------------------------------


def double(x: int) -> int:
    return 2 * x


def half(x: int) -> float:
    return x / 2


@pytest.fixture
def toy() -> ModuleType:
    """Make a package of two functions."""
    module = ModuleType("toy")
    vars(module).update(double=double, half=half)
    sys.modules["toy"] = module
    return module


def test_the_packages_object_is_exchanged_under_whatever_name(
    toy: ModuleType,
) -> None:
    names = {"double": double, "twice": double, "half": half, "x": 3}
    bind(names, {"toy.double": len})
    assert names == {"double": len, "twice": len, "half": half, "x": 3}


def test_an_object_of_the_same_name_is_not_the_packages(
    toy: ModuleType,
) -> None:
    names: dict[str, Any] = {"double": abs}
    bind(names, {"toy.double": len})
    assert names == {"double": abs}
    bind(names, {"toy.double": len}, {"toy.half"})
    assert names == {"double": abs}
    bind(names, {"toy.double": len}, {"toy.double"})
    assert names == {"double": len}


def test_what_a_namespace_lacks_it_does_not_get(toy: ModuleType) -> None:
    names = {"x": 3}
    bind(names, {"toy.double": len}, {"toy.double"})
    assert names == {"x": 3}


def test_two_objects_can_change_places(toy: ModuleType) -> None:
    names = {"double": double, "half": half}
    bind(names, {"toy.double": half, "toy.half": double})
    assert names == {"double": half, "half": double}


def test_what_is_bound_is_bound_for_a_while(toy: ModuleType) -> None:
    names: dict[str, Any] = {"double": double, "half": abs}
    chosen = {"toy.double": len, "toy.half": len}
    with bound(names, chosen, {"toy.half"}):
        assert names == {"double": len, "half": len}
    assert names == {"double": double, "half": abs}
    with pytest.raises(KeyError), bound(names, chosen):
        raise KeyError
    assert names == {"double": double, "half": abs}


def test_a_function_sees_what_is_bound(toy: ModuleType) -> None:
    names: dict[str, Any] = {"double": double}
    exec("def f(x): return double(x)", names)
    with bound(names, {"toy.double": half}):
        assert names["f"](4) == 2.0
    assert names["f"](4) == 8


# --- what is not written yet ------------------------------------------------


def skeleton() -> None:
    """Do."""
    raise NotImplementedError("skeleton: not written yet")


def finished() -> int:
    return 3
    raise NotImplementedError("finished: not written yet")


def begun(x: int) -> int:
    if x > 0:
        return x
    raise NotImplementedError("begun: not written yet")


def abstract() -> None:
    raise NotImplementedError("overwrite me")


def text_only() -> str:
    return "text_only: not written yet"


def decorated(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*arguments: Any) -> Any:
        return function(*arguments)

    return wrapper


@pytest.mark.parametrize(
    "function",
    [
        skeleton,
        begun,
        decorated(skeleton),
        decorated(decorated(skeleton)),
        functools.lru_cache(skeleton),
        classmethod(skeleton),
        staticmethod(skeleton),
        classmethod(decorated(skeleton)),
    ],
)
def test_a_skeleton_is_recognised_in_whatever_it_is_wrapped(
    function: Any,
) -> None:
    assert is_unwritten(function)


@pytest.mark.parametrize(
    "function",
    [
        finished,
        abstract,
        text_only,
        double,
        decorated(double),
        classmethod(double),
        len,
        int,
        None,
        3,
        "not written yet",
        property(double),
    ],
)
def test_anything_else_is_no_skeleton(function: Any) -> None:
    assert not is_unwritten(function)


def test_the_skeleton_of_an_exercise_is_not_written_yet() -> None:
    names = dict(vars(sys.modules["laidout.attention"]))
    exec(SDPA.skeleton, names)
    assert is_unwritten(names["scaled_dot_product_attention"])
    assert not is_unwritten(scaled_dot_product_attention)


# --- classes ----------------------------------------------------------------


class Base:
    def __init__(self, n: int = 3) -> None:
        self.n = n

    def grow(self) -> str:
        return "base"

    @classmethod
    def of(cls, n: int) -> Any:
        return cls(n)


class Right(Base):
    """The package's class."""

    unit = "cm"

    def __init__(self, n: int = 5, *, more: int = 1) -> None:
        super().__init__(n + more)

    def grow(self) -> str:
        return f"{super().grow()} and {__class__.__name__}"

    def area(self) -> int:
        return self.n * self._factor(2)

    @classmethod
    def of(cls, n: int) -> Any:
        made = super().of(n)
        made.made_by = cls.__name__
        return made

    @staticmethod
    def _factor(n: int) -> int:
        return n

    @property
    def size(self) -> str:
        return f"{self.n} {self.unit}"


METHODS = {
    name: vars(Right)[name]
    for name in ("__init__", "grow", "area", "of", "_factor", "size", "unit")
}


@pytest.fixture
def mine() -> Any:
    """Make a class of the reader that a test may change."""

    class Mine(Base):
        """The reader's class."""

        unit = None

        def __init__(self, n: int = 7) -> None:
            super().__init__(n)

        def area(self) -> int:
            raise NotImplementedError("Mine.area: not written yet")

        @classmethod
        def of(cls, n: int) -> Any:
            return cls(100 * n)

        def grow(self) -> str:
            return "mine"

    return Mine


def assert_is_like_right(cls: Any) -> None:
    """Insist that a class works with the methods of another one."""
    one = cls(more=10)
    assert one.n == 15
    assert cls(4).n == 5
    assert one.grow() == f"base and {cls.__name__}"
    assert one.area() == 30
    assert one.size == "15 cm"
    other = cls.of(1)
    assert type(other) is cls
    assert (other.n, other.made_by) == (2, cls.__name__)


def test_methods_of_one_class_work_in_another(mine: Any) -> None:
    adopt(mine, METHODS)
    assert_is_like_right(mine)
    assert_is_like_right(Right)


def test_what_is_adopted_is_adopted_for_a_while(mine: Any) -> None:
    before = dict(vars(mine))
    with adopted(mine, METHODS):
        assert_is_like_right(mine)
    assert dict(vars(mine)) == before
    assert mine.of(1).n == 100
    assert not hasattr(mine, "size")
    assert vars(mine)["unit"] is None
    with pytest.raises(KeyError), adopted(mine, METHODS):
        raise KeyError
    assert dict(vars(mine)) == before


def test_the_class_that_lends_stays_as_it_was(mine: Any) -> None:
    before = dict(vars(Right))
    with adopted(mine, METHODS):
        mine()
    assert dict(vars(Right)) == before


# --- which methods are lent -------------------------------------------------


def exercise(name: str, dotted: str, *blank: str) -> Exercise:
    """Make an exercise on a class of the toy package."""
    texts = dict.fromkeys(("title", "chapter", "task"), "text")
    return Exercise(
        name=name,
        object=dotted,
        minutes=10,
        hints=(),
        links=(),
        blank=blank,
        **texts,
    )


AREA = exercise("area", "toy.Right", "area", "_factor")
OF = exercise("of", "toy.Right", "of")
GROW = exercise("grow", "toy.Right", "grow")
OTHER = exercise("other", "toy.Wrong", "size")
OTHERS = (AREA, OF, GROW, OTHER)


@pytest.fixture(autouse=True)
def right(toy: ModuleType) -> None:
    """Put the class into the toy package."""
    vars(toy).update(Right=Right)


def lent(one: Exercise, mine: Any, written_too: bool = False) -> set[str]:
    methods = borrowed_methods(one, OTHERS, mine, written_too)
    for name, method in methods.items():
        assert method is vars(Right)[name]
    return set(methods)


def test_a_method_counts_as_written_if_it_is_there_and_no_skeleton(
    mine: Any,
) -> None:
    assert is_written(mine, "of")
    assert not is_written(mine, "area")
    assert not is_written(mine, "size")


def test_what_is_written_is_not_lent(mine: Any) -> None:
    assert lent(AREA, mine) == set()


def test_what_another_exercise_asks_for_is_lent_until_it_is_written(
    mine: Any,
) -> None:
    # What the class lacks besides comes along: it may be needed.
    assert lent(OF, mine) == {"area", "_factor", "size"}
    assert lent(GROW, mine) == {"area", "_factor", "size"}


def test_a_method_that_is_missing_is_lent_too(mine: Any) -> None:
    del mine.of
    assert lent(AREA, mine) == {"of", "size"}


def test_what_is_asked_for_is_never_lent(mine: Any) -> None:
    del mine.area
    for written_too in (False, True):
        assert lent(AREA, mine, written_too) & set(AREA.blank) == set()


def test_even_what_is_written_can_be_lent(mine: Any) -> None:
    assert lent(AREA, mine, written_too=True) == {"of", "grow", "size"}
    assert lent(OF, mine, written_too=True) == {
        *("area", "_factor", "grow", "size")
    }


def test_a_class_that_is_one_exercise_borrows_nothing(mine: Any) -> None:
    alone = exercise("alone", "toy.Right", "area")
    for written_too in (False, True):
        assert borrowed_methods(alone, [alone, OTHER], mine, written_too) == {}


def test_the_machinery_of_a_class_is_its_own(toy: ModuleType) -> None:
    class Plain:
        def area(self) -> int:
            return 1

        def of(self) -> int:
            return 2

    class Derived(Base):
        def area(self) -> int:
            return 3

    vars(toy).update(Right=Plain)
    package_object.cache_clear()
    methods = borrowed_methods(AREA, [AREA, OF], Derived, False)
    with adopted(Derived, methods):
        one = Derived(5)
        assert (one.area(), vars(Derived)["of"](one)) == (3, 2)
        assert one.__dict__ == {"n": 5}
    assert Derived(7).__dict__ == {"n": 7}


def test_only_the_very_skeleton_is_untouched() -> None:
    exercise = find_exercise("masks-causal")
    cells: dict[str, Any] = {"Tensor": Any, "torch": torch}
    exec(exercise.skeleton, cells)
    skeleton_of_it = cells["causal_mask"]
    assert is_untouched(exercise, "causal_mask", skeleton_of_it)
    begun_ = exercise.skeleton.replace("    raise", "    mask = 3\n    raise")
    exec(begun_, cells)
    assert is_unwritten(cells["causal_mask"])
    assert not is_untouched(exercise, "causal_mask", cells["causal_mask"])
    assert not is_untouched(exercise, "causal_mask", len)
