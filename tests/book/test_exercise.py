"""`{exercise}`: task, skeleton, hints and solution of the catalogue."""

from pathlib import Path
from typing import Any

import pytest
from book.tiny import BOOK, PACKAGE, Built, TinyBook
from bs4 import Tag

from laidout.workshop.catalogue import EXERCISES, find_exercise
from laidout_book.drawn import drawn
from laidout_book.exercise import exercises_drawn

NAME = "attention-scaled-dot-product"
OBJECT = "laidout.attention.scaled_dot_product_attention"
SETTINGS: dict[str, Any] = {
    "extensions": ["myst_parser", "sphinx.ext.intersphinx", "laidout_book"],
    "laidout_package": str(PACKAGE),
    "intersphinx_mapping": {
        "torch": (
            "https://docs.pytorch.org/docs/stable/",
            (str(BOOK / "_inventories/torch.inv"),),
        )
    },
}


def with_exercise(folder: Path, name: str = NAME) -> TinyBook:
    book = TinyBook(folder, **SETTINGS)
    return book.page(
        f":::{{exercise}} {name}\nRun the *check* below.\n:::\n\n"
        f"See {{py:func}}`{OBJECT}`."
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return with_exercise(tmp_path_factory.mktemp("exercise")).build()


@pytest.fixture(scope="module")
def box(built: Built) -> Tag:
    found = built.soup().select_one("section.exercise")
    assert found is not None
    return found


def text_of(box: Tag, selector: str) -> str:
    found = box.select_one(selector)
    assert found is not None, selector
    return found.get_text()


def test_it_makes_sphinx_warn_of_nothing(built: Built) -> None:
    assert built.warnings == ""


def test_its_head_says_what_it_is_and_how_long_it_takes(box: Tag) -> None:
    exercise = find_exercise(NAME)
    assert box["id"] == f"exercise-{NAME}"
    assert text_of(box, ".box-title .box-kind") == "Exercise"
    assert exercise.title in text_of(box, ".box-title")
    note = f"about {exercise.minutes} minutes"
    assert text_of(box, ".box-title .box-note") == note


def test_task_and_body_are_markdown(box: Tag) -> None:
    words = " ".join(box.get_text().split())
    start = " ".join(find_exercise(NAME).task.split())[:40]
    assert start in words
    assert text_of(box, "em") == "check"


def test_it_says_which_command_checks_it(box: Tag) -> None:
    commands = [code.get_text() for code in box.select("code")]
    assert f"laidout check {NAME}" in commands


def test_one_of_several_exercises_on_a_class_shows_its_methods_only(
    tmp_path: Path,
) -> None:
    built = with_exercise(tmp_path, "decoding-beams-done").build()
    found = built.soup().select_one("section.exercise")
    assert found is not None
    solution = text_of(found, "details.solution")
    assert solution.count("def ") == 1
    assert "def done(" in solution
    assert "class Beams" not in solution
    assert "def extend(" not in text_of(found, ".skeleton")
    # It is drawn nowhere: the class has to be drawn as a whole.
    assert not any(drawn(built.env).values())


def test_the_skeleton_holds_no_line_of_the_solution(box: Tag) -> None:
    exercise = find_exercise(NAME)
    shown = text_of(box, ".skeleton pre").strip()
    assert shown == exercise.skeleton.strip()
    lines = {line.strip() for line in shown.splitlines()}
    forbidden = "scores = query @ key.transpose(-2, -1)"
    assert forbidden in exercise.solution
    assert forbidden not in lines
    assert "return used @ value, weights" not in lines


def test_hints_are_closed_toggles_in_order(box: Tag) -> None:
    exercise = find_exercise(NAME)
    count = len(exercise.hints)
    hints = box.select("details.hint")
    assert [hint.summary.get_text() for hint in hints] == [
        f"Hint {number} of {count}" for number in range(1, count + 1)
    ]
    for number, hint in enumerate(hints, start=1):
        body = hint.select_one(".toggle-body")
        assert body is not None
        assert body["id"] == f"exercise-{NAME}-hint-{number}"
        assert not hint.has_attr("open")
        opening = exercise.hints[number - 1].split()[0]
        assert body.get_text().strip().startswith(opening)


def test_the_solution_is_the_source_inside_a_closed_toggle(box: Tag) -> None:
    (toggle,) = box.select("details.solution")
    assert not toggle.has_attr("open")
    body = toggle.select_one(".toggle-body")
    assert body is not None
    assert body["id"] == f"exercise-{NAME}-solution"
    shown = text_of(toggle, ".drawn pre").strip()
    assert shown == find_exercise(NAME).solution
    line = find_exercise(NAME).source.first_line
    link = toggle.select_one(".code-block-caption a.source")
    assert link is not None
    assert link.get_text() == f"laidout/attention.py, line {line}"
    assert link["href"] == f"source/laidout/attention.html#line-{line}"


def test_hints_come_before_the_solution_and_the_skeleton_before_both(
    box: Tag,
) -> None:
    kinds = [
        next(name for name in tag["class"] if name in kinds_of_parts)
        for tag in box.find_all(class_=list(kinds_of_parts))
    ]
    assert kinds[0] == "skeleton"
    assert set(kinds[1:-1]) == {"hint"}
    assert kinds[-1] == "solution"


kinds_of_parts = ("skeleton", "hint", "solution")


def test_its_links_lead_to_pytorch(box: Tag) -> None:
    links = box.select("a.reference.external")
    exercise = find_exercise(NAME)
    names = [link.get_text() for link in links][: len(exercise.links)]
    assert names == [link.object for link in exercise.links]
    for link in links:
        address = str(link["href"])
        assert address.startswith("https://docs.pytorch.org/docs/stable/")


def test_the_solution_is_what_roles_refer_to(built: Built) -> None:
    page = built.soup()
    link = page.select_one("p > a.reference.internal code")
    assert link is not None
    assert (
        page.select_one(
            "details.solution #" + OBJECT.replace(".", "-").replace("_", "-")
        )
        is not None
    )


def test_exercise_and_solution_are_written_down(tmp_path: Path) -> None:
    book = with_exercise(tmp_path)
    built = book.build("dummy")
    place = f"{book.source / 'index.md'}:3"
    assert exercises_drawn(built.env) == {"index": [(NAME, place)]}
    (record,) = drawn(built.env)["index"]
    assert (record.object, record.place) == (OBJECT, place)


def test_an_exercise_that_goes_is_forgotten(tmp_path: Path) -> None:
    book = with_exercise(tmp_path)
    book.build("dummy")
    built = book.page("Nothing.").build("dummy")
    assert exercises_drawn(built.env).get("index", []) == []


def test_the_page_depends_on_catalogue_and_source(tmp_path: Path) -> None:
    book = with_exercise(tmp_path)
    env = book.build("dummy").env
    read = {
        (book.source / path).resolve() for path in env.dependencies["index"]
    }
    assert EXERCISES / "attention.toml" in read
    assert PACKAGE / "attention.py" in read


def test_an_exercise_that_does_not_exist_stops_the_build(
    tmp_path: Path,
) -> None:
    book = with_exercise(tmp_path, "attention-scaled-dot-prodct")
    assert book.error_at(3) == (
        "{exercise} exercise 'attention-scaled-dot-prodct' does not exist; "
        f"the nearest name is {NAME!r}"
    )
