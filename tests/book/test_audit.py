"""The audit: what the package has against what the book draws."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from book.tiny import TinyBook

from laidout.workshop.catalogue import load_catalogue
from laidout_book import drawing, exercise, faq
from laidout_book import drawn as drawn_part
from laidout_book.audit import (
    Later,
    check_exercises,
    check_lines,
    check_objects,
    public_objects,
    read_later,
)
from laidout_book.drawn import Drawn
from laidout_book.errors import BookError

MODULE = '''\
"""Sizes."""

import math
from math import pi  # a comment

# A comment.
__all__ = ["Size", "twice"]
HALF: float = 0.5
TABLE = {
    1: 2,
}
"""What stands under a constant."""


def twice(n):
    return _helped(n)


def _helped(n):
    return 2 * n


class Size:
    def area(self):
        return 1
'''
TWICE, HELPED, SIZE = "twice", "_helped", "Size"
LISTED = "audit.toml"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "laidout"
    folder.mkdir()
    (folder / "size.py").write_text(MODULE, encoding="utf-8")
    for exempt in ("__init__", "__main__", "cli"):
        (folder / f"{exempt}.py").write_text("f()\n", encoding="utf-8")
    return folder


def records(*names: str) -> list[Drawn]:
    return [
        Drawn(f"laidout.size.{name}", "page", f"page.md:{line}")
        for line, name in enumerate(names, start=1)
    ]


def later(*names: str, **exercises: str) -> Later:
    return Later({f"laidout.size.{n}": "later" for n in names}, exercises)


def objects(package: Path, drawn: list[Drawn], plan: Later) -> list[str]:
    return list(check_objects(package, drawn, plan, LISTED))


def lines(package: Path, drawn: list[Drawn], plan: Later) -> list[str]:
    return list(check_lines(package, drawn, plan))


# --- objects ----------------------------------------------------------------


def test_public_objects_are_functions_and_classes_of_drawn_modules(
    package: Path,
) -> None:
    path = package / "size.py"
    assert public_objects(package) == {
        "laidout.size.twice": f"{path}:15",
        "laidout.size.Size": f"{path}:23",
    }


def test_a_book_that_draws_everything_needs_no_list(package: Path) -> None:
    drawn = records(TWICE, HELPED, SIZE)
    assert objects(package, drawn, later()) == []
    assert lines(package, drawn, later()) == []


def test_what_is_listed_need_not_be_drawn(package: Path) -> None:
    drawn = records(TWICE, HELPED)
    assert objects(package, drawn, later(SIZE)) == []
    assert lines(package, drawn, later(SIZE)) == []


def test_an_object_that_is_not_drawn_is_named(package: Path) -> None:
    (problem,) = objects(package, records(TWICE), later())
    assert problem == (
        f"{package / 'size.py'}:23: laidout.size.Size is not drawn; draw it, "
        "or list it in audit.toml with its future chapter"
    )


def test_an_object_that_is_drawn_twice_is_named(package: Path) -> None:
    (problem,) = objects(package, records(TWICE, SIZE, TWICE), later())
    assert problem == (
        "page.md:3: laidout.size.twice is drawn 2 times, first at page.md:1"
    )


def test_an_object_that_is_listed_but_drawn_is_named(package: Path) -> None:
    drawn = records(TWICE, SIZE)
    (problem,) = objects(package, drawn, later(SIZE))
    assert problem == (
        "audit.toml: laidout.size.Size is drawn at page.md:2: "
        "take it off the list"
    )


def test_an_object_that_is_listed_but_unknown_is_named(
    package: Path,
) -> None:
    drawn = records(TWICE, SIZE)
    (problem,) = objects(package, drawn, later("twise"))
    assert problem == (
        "audit.toml: there is no laidout.size.twise; "
        "the nearest name is 'laidout.size.twice'"
    )


# --- lines ------------------------------------------------------------------


def test_a_helper_may_wait_with_an_object_of_its_module(
    package: Path,
) -> None:
    assert lines(package, records(SIZE), later(TWICE)) == []


def test_a_helper_may_not_wait_for_another_module(package: Path) -> None:
    elsewhere = Later({"laidout.sizes.twice": "sizes"}, {})
    problems = lines(package, records(TWICE, SIZE), elsewhere)
    assert len(problems) == 2


@pytest.mark.parametrize(
    "line", ["Pair = tuple[int, int]", "Text = str | int"]
)
def test_a_named_type_need_not_be_drawn(package: Path, line: str) -> None:
    path = package / "size.py"
    path.write_text(f"{MODULE}\n{line}\n", encoding="utf-8")
    assert lines(package, records(TWICE, HELPED, SIZE), later()) == []


def test_a_private_helper_that_is_not_drawn_is_named(package: Path) -> None:
    problems = lines(package, records(TWICE, SIZE), later())
    assert problems == [
        f"{package / 'size.py'}:{number}: this line is not drawn and is no "
        f"import, docstring, comment or constant: {line!r}"
        for number, line in [(19, "def _helped(n):"), (20, "return 2 * n")]
    ]


@pytest.mark.parametrize(
    "stray",
    [
        "register(twice)",
        "lower = 1",
        "Number = 1",
        "first = tuple[int, int]",
        "TABLE[3] = 4",
        "if HALF:\n    HALF = 1",
        "HALF += 1",
        "A, b = 1, 2",
    ],
)
def test_a_stray_line_is_named_with_its_number(
    package: Path, stray: str
) -> None:
    path = package / "size.py"
    path.write_text(f"{MODULE}\n{stray}\n", encoding="utf-8")
    problems = lines(package, records(TWICE, HELPED, SIZE), later())
    first = len(MODULE.splitlines()) + 2
    assert problems[0].startswith(f"{path}:{first}: this line is not drawn")
    assert problems[0].endswith(repr(stray.splitlines()[0]))
    assert len(problems) == len(stray.splitlines())


def test_decorators_belong_to_what_they_decorate(package: Path) -> None:
    text = MODULE.replace("def twice", "@math.cached(\n    1\n)\ndef twice")
    (package / "size.py").write_text(text, encoding="utf-8")
    assert lines(package, records(TWICE, HELPED, SIZE), later()) == []


def test_a_class_is_not_drawn_by_drawing_a_method(package: Path) -> None:
    drawn = records(TWICE, HELPED, "Size.area")
    assert len(lines(package, drawn, later())) == 3
    assert "Size is not drawn" in objects(package, drawn, later())[0]


# --- exercises --------------------------------------------------------------

CATALOGUE: Any = {
    "write-twice": SimpleNamespace(chapter="sizes"),
    "write-size": SimpleNamespace(chapter="sizes"),
}


def exercises(
    found: dict[str, list[tuple[str, str]]], plan: Later
) -> list[str]:
    return list(check_exercises(CATALOGUE, found, plan, LISTED))


BOTH = [("write-twice", "sizes.md:3"), ("write-size", "sizes.md:9")]
ONE = BOTH[:1]
PLANNED = Later({}, {"write-size": "sizes"})


def test_exercises_in_their_chapter_or_listed_are_fine() -> None:
    assert exercises({"part/sizes": BOTH}, later()) == []
    assert exercises({"part/sizes": ONE}, PLANNED) == []


@pytest.mark.parametrize(
    ("found", "plan", "problem"),
    [
        (
            {"sizes": ONE},
            later(),
            "audit.toml: exercise write-size is neither drawn nor listed",
        ),
        (
            {"sizes": BOTH},
            PLANNED,
            "audit.toml: exercise write-size is drawn: take it off the list",
        ),
        (
            {"sizes": ONE, "part/masks": [("write-size", "masks.md:5")]},
            later(),
            "masks.md:5: exercise write-size belongs to sizes",
        ),
        (
            {"sizes": [*BOTH, ("write-twice", "sizes.md:20")]},
            later(),
            "sizes.md:20: exercise write-twice stands twice, "
            "first at sizes.md:3",
        ),
        (
            {"sizes": BOTH},
            Later({}, {"write-sise": "sizes"}),
            "audit.toml: there is no exercise write-sise; "
            "the nearest name is 'write-size'",
        ),
    ],
)
def test_an_exercise_in_the_wrong_place_is_named(
    found: dict[str, list[tuple[str, str]]], plan: Later, problem: str
) -> None:
    assert exercises(found, plan) == [problem]


# --- the list ---------------------------------------------------------------


def test_the_list_is_read(tmp_path: Path) -> None:
    path = tmp_path / LISTED
    path.write_text('[objects]\n"laidout.a.b" = "c"\n[exercises]\nd = "e"\n')
    assert read_later(path) == Later({"laidout.a.b": "c"}, {"d": "e"})


@pytest.mark.parametrize("text", ["", "[objects]\n", "# nothing\n"])
def test_the_list_may_be_empty(tmp_path: Path, text: str) -> None:
    path = tmp_path / LISTED
    path.write_text(text)
    assert read_later(path) == Later({}, {})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[objects", "not a TOML file: "),
        (
            "[object]\n",
            "unknown table 'object'; the nearest name is 'objects'",
        ),
        ("objects = 3\n", "objects must be a table, got 3"),
        ("[objects]\na = 1\n", "a: expected its future chapter, got 1"),
        ('[exercises]\na = ""\n', "a: expected its future chapter, got ''"),
        (None, "there is no such file"),
    ],
)
def test_a_list_that_cannot_be_used_stops_the_build(
    book: TinyBook, text: str | None, reason: str
) -> None:
    book.settings["laidout_audit"] = LISTED
    if text is not None:
        book.write({LISTED: text})
    message = book.page("Text.").error()
    assert message.startswith(f"{book.source / LISTED}: {reason}")


# --- the audit at the end of reading ----------------------------------------


@pytest.fixture
def audited(book: TinyBook) -> TinyBook:
    """Return a book that draws all of its package, and no exercise."""
    names = "".join(f'{name} = "later"\n' for name in load_catalogue())
    book.settings["laidout_audit"] = LISTED
    draws = "\n\n".join(
        f"```{{literalinclude}} laidout/size.py\n:pyobject: {name}\n```"
        for name in (TWICE, HELPED, SIZE)
    )
    book.write(
        {
            LISTED: f"[objects]\n\n[exercises]\n{names}",
            "laidout/size.py": MODULE,
            "questions.md": "# All\n\n```{all-questions}\n```\n",
        }
    )
    return book.page(f"{draws}\n\n```{{toctree}}\nquestions\n```")


def test_a_complete_book_passes(audited: TinyBook) -> None:
    assert audited.build("dummy").warnings == ""


def test_a_new_object_stops_the_next_build_whatever_was_edited(
    audited: TinyBook,
) -> None:
    audited.build("dummy")
    audited.write({"laidout/more.py": "def more():\n    return 1\n"})
    with pytest.raises(BookError) as caught:
        audited.build("dummy")
    first, *others = str(caught.value).splitlines()
    path = audited.source / "laidout/more.py"
    assert first.startswith(f"{path}:1: laidout.more.more is not drawn")
    assert len(others) == 2
    assert all(other.startswith(f"{path}:") for other in others)


@pytest.mark.parametrize("part", [drawn_part, exercise, faq])
def test_what_parallel_readers_found_is_put_together(part: Any) -> None:
    read = {drawn_part: drawn_part.drawn, faq: faq.questions}
    found = read.get(part, exercise.exercises_drawn)
    ours, theirs = SimpleNamespace(), SimpleNamespace()
    found(ours)["mine"] = ["a"]
    found(theirs).update({"yours": ["b"], "mine": ["stale"]})
    part._merge(None, ours, {"yours"}, theirs)
    assert found(ours) == {"mine": ["a"], "yours": ["b"]}


def test_maps_of_parallel_readers_are_put_together() -> None:
    ours, theirs = SimpleNamespace(), SimpleNamespace()
    drawing._maps(ours).add("mine")
    drawing._maps(theirs).update({"yours", "gone"})
    drawing._merge(None, ours, {"yours"}, theirs)
    assert drawing._maps(ours) == {"mine", "yours"}


def test_a_book_may_go_without_audit(audited: TinyBook) -> None:
    audited.settings["laidout_audit"] = ""
    audited.write({LISTED: "[objects", "laidout/more.py": "stray()\n"})
    assert audited.build("dummy").warnings == ""
