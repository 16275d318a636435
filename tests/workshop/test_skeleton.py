"""Skeletons: what stays of an object when its code is left out."""

import ast
import textwrap
from pathlib import Path

import pytest

from laidout.workshop.skeleton import skeleton
from laidout.workshop.source import find_in_file


def made(folder: Path, source: str, name: str, *blank: str) -> str:
    """Write a module with one object and derive its skeleton."""
    path = folder / "module.py"
    path.write_text("import math\n\n\n" + source, encoding="utf-8")
    return skeleton(find_in_file(path, name), blank)


def in_steps(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


FUNCTION = in_steps('''
    def area(
        width: float,
        height: float = 1.0,
    ) -> float:
        """Multiply.

        Two lines.
        """
        width = float(width)
        # 1. Check the width, whatever
        #    it may be.
        if width < 0:
            # Not a step.
            raise ValueError("width")
        # 2. Multiply.
        product = width * height

        # 3. Give it back.
        return product  # 4. Not a step either.
''')


def test_signature_docstring_what_is_given_and_the_steps_stay(
    tmp_path: Path,
) -> None:
    assert made(tmp_path, FUNCTION, "area") == in_steps('''
        def area(
            width: float,
            height: float = 1.0,
        ) -> float:
            """Multiply.

            Two lines.
            """
            width = float(width)
            # 1. Check the width, whatever
            #    it may be.

            # 2. Multiply.

            # 3. Give it back.
            raise NotImplementedError("area: not written yet")
    ''')


def test_decorators_stay(tmp_path: Path) -> None:
    source = "@math.one\n@math.two(\n    2\n)\n" + FUNCTION
    text = made(tmp_path, source, "area")
    assert text.startswith("@math.one\n@math.two(\n    2\n)\ndef area(\n")


def test_a_function_needs_no_docstring(tmp_path: Path) -> None:
    source = "def f(x):\n\n    # 1. Double\n    #    it.\n    return 2 * x\n"
    assert made(tmp_path, source, "f") == (
        "def f(x):\n\n    # 1. Double\n    #    it.\n"
        '    raise NotImplementedError("f: not written yet")\n'
    )


def test_a_docstring_may_have_one_line(tmp_path: Path) -> None:
    source = 'def f(x):\n    """Double."""\n    # 1. Do.\n    return 2 * x\n'
    assert made(tmp_path, source, "f") == (
        'def f(x):\n    """Double."""\n    # 1. Do.\n'
        '    raise NotImplementedError("f: not written yet")\n'
    )


def test_steps_inside_blocks_are_written_at_the_margin(
    tmp_path: Path,
) -> None:
    source = in_steps("""
        def f(rows):
            # 1. Go through all rows.
            for row in rows:
                # 2. Skip the empty ones,
                #    for they say nothing.
                if not row:
                    continue
                with open(row) as file:
                    # 3. Read.
                    yield file.read()
    """)
    assert made(tmp_path, source, "f") == in_steps("""
        def f(rows):
            # 1. Go through all rows.

            # 2. Skip the empty ones,
            #    for they say nothing.

            # 3. Read.
            raise NotImplementedError("f: not written yet")
    """)


CLASS = in_steps('''
    class Size(Base):
        """A size.

        # 1. This is text.
        """

        unit = "cm"

        def __init__(self, n: int) -> None:
            super().__init__()
            # 1. Keep it.
            self.n = n

        def area(self) -> int:
            """Square it."""
            # 1. Multiply.
            return self.n * self.n

        @property
        def given(self) -> int:
            return self.n
''')


def test_of_a_class_the_named_methods_are_left_out(tmp_path: Path) -> None:
    text = made(tmp_path, CLASS, "Size", "area", "__init__")
    assert text == in_steps('''
        class Size(Base):
            """A size.

            # 1. This is text.
            """

            unit = "cm"

            def __init__(self, n: int) -> None:
                super().__init__()
                # 1. Keep it.
                raise NotImplementedError("Size.__init__: not written yet")

            def area(self) -> int:
                """Square it."""
                # 1. Multiply.
                raise NotImplementedError("Size.area: not written yet")

            @property
            def given(self) -> int:
                return self.n
    ''')


def test_the_other_methods_of_a_class_are_given(tmp_path: Path) -> None:
    text = made(tmp_path, CLASS, "Size", "area")
    assert "self.n = n" in text
    assert "self.n * self.n" not in text


def test_a_method_alone_stands_at_the_margin(tmp_path: Path) -> None:
    text = made(tmp_path, CLASS, "Size.area")
    assert text.startswith("def area(self) -> int:\n")
    ast.parse(text)


def test_a_skeleton_raises_not_implemented_and_nothing_else(
    tmp_path: Path,
) -> None:
    names: dict[str, object] = {"math": None}
    exec(made(tmp_path, FUNCTION, "area"), names)  # its whole purpose
    area = names["area"]
    assert callable(area)
    for width in (1, -1):
        with pytest.raises(NotImplementedError, match="area: not written"):
            area(width)


@pytest.mark.parametrize(
    ("steps", "numbers"),
    [
        ([], "[]"),
        ([2], "[2]"),
        ([1, 3], "[1, 3]"),
        ([1, 1], "[1, 1]"),
        ([2, 1], "[2, 1]"),
        ([0, 1], "[0, 1]"),
    ],
)
def test_steps_must_be_numbered_from_one_on(
    tmp_path: Path, steps: list[int], numbers: str
) -> None:
    lines = "".join(f"    # {step}. Do.\n    x += 1\n" for step in steps)
    source = f"def f(x):\n{lines}    return x\n"
    with pytest.raises(ValueError, match="numbered 1, 2, 3") as caught:
        made(tmp_path, source, "f")
    assert str(caught.value) == (
        f"the steps of f must be numbered 1, 2, 3, ..., got {numbers}"
    )


def test_a_method_without_steps_is_named_with_its_class(
    tmp_path: Path,
) -> None:
    with pytest.raises(ValueError, match=r"the steps of Size\.given must be"):
        made(tmp_path, CLASS, "Size", "given")


def test_a_body_on_the_line_of_its_signature_has_no_steps(
    tmp_path: Path,
) -> None:
    with pytest.raises(ValueError, match=r"got \[\]"):
        made(tmp_path, "def f(x): return x\n", "f")


@pytest.mark.parametrize("blank", [(), ("aera",), ("area", "n"), ("unit",)])
def test_what_is_blank_in_a_class_must_name_its_methods(
    tmp_path: Path, blank: tuple[str, ...]
) -> None:
    with pytest.raises(ValueError, match="must name methods of Size") as e:
        made(tmp_path, CLASS, "Size", *blank)
    assert f"blank ({list(blank)})" in str(e.value)
    assert "['__init__', 'area', 'given']" in str(e.value)


def test_a_class_inside_a_class_is_no_method(tmp_path: Path) -> None:
    source = "class A:\n    class B:\n        def f(self): ...\n"
    with pytest.raises(ValueError, match="must name methods of A"):
        made(tmp_path, source, "A", "B")


def test_of_a_function_nothing_is_named_blank(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"blank .* must be empty: area is"):
        made(tmp_path, FUNCTION, "area", "area")
