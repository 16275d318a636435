"""Mistakes as data: read, put into the right source, combined, built."""

import ast
from pathlib import Path
from typing import Any

import pytest
import torch

from laidout.workshop.catalogue import (
    CatalogueError,
    Exercise,
    find_exercise,
)
from laidout.workshop.variants import (
    Mistake,
    build,
    combine,
    load_mistakes,
    mistakes_of,
    wrong_source,
)

FUNCTION = find_exercise("attention-scaled-dot-product")
CLASS = find_exercise("tokenizer-encode")


# --- reading ----------------------------------------------------------------

GOOD: dict[str, str] = {
    "says": '"It is wrong."',
    "nudge": '"Is it right?"',
    "edits": '[["a", "b"]]',
}


def load(folder: Path, **changes: str) -> Any:
    """Load a file of one mistake, some of its keys changed or gone."""
    entry = {**GOOD, **changes}
    lines = [f"{key} = {value}" for key, value in entry.items() if value]
    text = "[add.slip]\n" + "\n".join(lines) + "\n"
    return load_text(folder, text)


def load_text(folder: Path, text: str) -> Any:
    path = folder / "sums.toml"
    path.write_text(text, encoding="utf-8")
    return load_mistakes(path)


def error(folder: Path, **changes: str) -> str:
    with pytest.raises(CatalogueError) as caught:
        load(folder, **changes)
    message = str(caught.value)
    assert message.startswith("sums.toml: add.slip: ")
    assert "\n" not in message
    return message.removeprefix("sums.toml: add.slip: ")


def test_a_good_mistake_is_read(tmp_path: Path) -> None:
    assert load(tmp_path) == {
        "add": {
            "slip": Mistake(
                "slip", "It is wrong.", "Is it right?", (("a", "b"),)
            )
        }
    }


def test_mistakes_go_by_exercise_and_slug_in_their_order(
    tmp_path: Path,
) -> None:
    entry = "\n".join(f"{key} = {value}" for key, value in GOOD.items())
    names = ["sub.two", "add.two", "sub.one"]
    found = load_text(
        tmp_path, "\n".join(f"[{name}]\n{entry}\n" for name in names)
    )
    assert {name: [*entries] for name, entries in found.items()} == {
        "sub": ["two", "one"],
        "add": ["two"],
    }


def test_an_empty_file_has_no_mistakes(tmp_path: Path) -> None:
    assert load_text(tmp_path, "# Nothing yet.\n") == {}


def test_sentences_may_run_over_several_lines(tmp_path: Path) -> None:
    found = load(tmp_path, says='"""\nIt is\n  wrong.\n"""')
    assert found["add"]["slip"].says == "It is wrong."


def test_a_source_loses_its_margin_and_keeps_its_indentation(
    tmp_path: Path,
) -> None:
    source = "'''\n    def add(a):\n        return a\n\n'''"
    found = load(tmp_path, edits="", source=source)["add"]["slip"]
    assert found.source == "def add(a):\n    return a"
    assert found.edits == ()


def test_the_new_text_of_an_edit_may_be_empty(tmp_path: Path) -> None:
    found = load(tmp_path, edits='[["a", ""], ["c", "d"]]')["add"]["slip"]
    assert found.edits == (("a", ""), ("c", "d"))


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("says", "", "says must be text"),
        ("says", '" "', "says must be text"),
        ("says", "3", "says must be text"),
        ("nudge", "", "nudge must be text"),
        ("nudge", '[""]', "nudge must be text"),
        ("edits", "", "needs either edits or a source"),
        ("source", '"pass"', "needs either edits or a source"),
        ("edits", "[]", "edits must be pairs of texts"),
        ("edits", "3", "edits must be pairs of texts"),
        ("edits", '"ab"', "edits must be pairs of texts"),
        ("edits", '["a", "b"]', "edits must be pairs of texts"),
        ("edits", '[["a"]]', "edits must be pairs of texts"),
        ("edits", '[["a", "b", "c"]]', "edits must be pairs of texts"),
        ("edits", '[["a", "b"], ["c", 3]]', "edits must be pairs of texts"),
        ("edit", "[]", "unknown key 'edit'; the nearest name is 'edits'"),
    ],
)
def test_what_cannot_be_a_mistake_is_named(
    tmp_path: Path, key: str, value: str, reason: str
) -> None:
    assert error(tmp_path, **{key: value}) == reason


@pytest.mark.parametrize("value", ["3", '""', '" \\n "', '["pass"]'])
def test_a_source_must_be_text(tmp_path: Path, value: str) -> None:
    reason = error(tmp_path, edits="", source=value)
    assert reason == "source must be text"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("add = 3\n", "sums.toml: add: must be a table, got 3"),
        ("[add]\nslip = 3\n", "sums.toml: add.slip: must be a table, got 3"),
        ("add = []\n", "sums.toml: add: must be a table, got []"),
    ],
)
def test_what_is_no_table_is_named(
    tmp_path: Path, text: str, reason: str
) -> None:
    with pytest.raises(CatalogueError) as caught:
        load_text(tmp_path, text)
    assert str(caught.value) == reason


@pytest.mark.parametrize("content", [b"[add\n", b"a = 1\na = 2\n", b"\xff"])
def test_a_file_that_is_not_toml_is_named(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "sums.toml"
    path.write_bytes(content)
    with pytest.raises(CatalogueError, match=r"^sums\.toml: not a TOML file"):
        load_mistakes(path)


def test_the_mistakes_of_an_exercise_are_its_own() -> None:
    encode = mistakes_of(find_exercise("tokenizer-encode"))
    decode = mistakes_of(find_exercise("tokenizer-decode"))
    assert "longest-match" in encode
    assert "longest-match" not in decode
    assert all(mistake.slug == slug for slug, mistake in encode.items())


# --- the source of a mistake ------------------------------------------------


def edited(*edits: tuple[str, str], slug: str = "slip") -> Mistake:
    return Mistake(slug, "It is wrong.", "Is it?", edits)


def written(source: str) -> Mistake:
    return Mistake("slip", "It is wrong.", "Is it?", source=source)


ROOT = ("/ math.sqrt(query.size(-1))", "/ query.size(-1)")
AXIS = ("torch.softmax(scores, dim=-1)", "torch.softmax(scores, dim=-2)")


def test_an_edit_changes_the_right_source_and_nothing_else() -> None:
    wrong = wrong_source(FUNCTION, edited(ROOT))
    assert wrong.endswith(FUNCTION.solution.replace(*ROOT) + "\n")
    assert ROOT[0] not in wrong


def test_several_edits_are_made_one_after_the_other() -> None:
    again = (ROOT[1], "* query.size(-1)")
    wrong = wrong_source(FUNCTION, edited(ROOT, AXIS, again))
    assert AXIS[1] in wrong
    assert again[1] in wrong


@pytest.mark.parametrize(
    ("old", "times"), [("mask is not None", 2), ("nowhere", 0)]
)
def test_an_edit_must_fit_exactly_once(old: str, times: int) -> None:
    with pytest.raises(ValueError, match="must stand once") as caught:
        wrong_source(FUNCTION, edited((old, "True")))
    assert str(caught.value) == (
        f"slip: {old!r} stands {times} times in the source, must stand once"
    )


def test_an_edit_may_touch_the_private_helpers_of_the_module() -> None:
    wrong = wrong_source(CLASS, edited(("position += 2", "position += 1")))
    names = [node.name for node in definitions_of(wrong)]
    assert names[-1] == "BPETokenizer"
    assert "_merge" in names[:-1]
    assert wrong.count("position += 1") == 2


def definitions_of(source: str) -> list[ast.FunctionDef | ast.ClassDef]:
    body = ast.parse(source).body
    return [n for n in body if isinstance(n, ast.FunctionDef | ast.ClassDef)]


def test_a_source_stands_in_place_of_a_function() -> None:
    source = "def scaled_dot_product_attention(query):\n    return query"
    wrong = wrong_source(FUNCTION, written(source))
    assert wrong.endswith(source + "\n")
    assert "math.sqrt" not in wrong


def test_methods_stand_in_place_of_those_of_the_class() -> None:
    wrong = wrong_source(
        CLASS, written("def encode(self, text):\n    return [7]")
    )
    (found,) = (n for n in definitions_of(wrong) if n.name == "BPETokenizer")
    tokenizer = build(CLASS, wrong)()
    assert isinstance(found, ast.ClassDef)
    assert tokenizer.encode("any text") == [7]
    assert tokenizer.decode([3 + 65]) == "A"


@pytest.mark.parametrize("before", ["", "import re\n\n\n", "LIMIT = 3\n\n\n"])
def test_a_whole_class_stands_in_place_of_a_class(before: str) -> None:
    source = f"{before}class BPETokenizer:\n    def encode(self): return 7"
    wrong = wrong_source(CLASS, written(source))
    assert wrong.endswith(source + "\n")
    found = build(CLASS, wrong)
    assert found().encode() == 7
    assert not hasattr(found, "decode")


def test_a_source_may_use_the_helpers_of_the_module() -> None:
    source = "def encode(self, text):\n    return _to_bytes(text)"
    found = build(CLASS, wrong_source(CLASS, written(source)))
    assert found().encode("ab") == [b"a", b"b"]


# --- two mistakes in one ----------------------------------------------------


def test_two_mistakes_are_put_into_one_source() -> None:
    both = combine(FUNCTION, edited(ROOT), edited(AXIS))
    assert both is not None
    assert ROOT[1] in both
    assert AXIS[1] in both
    assert both == combine(FUNCTION, edited(AXIS), edited(ROOT))


def test_two_mistakes_in_one_place_cannot_be_combined() -> None:
    other = edited((ROOT[0], "/ 2"))
    assert combine(FUNCTION, edited(ROOT), other) is None
    assert combine(FUNCTION, edited(ROOT), edited(ROOT)) is None


def test_two_mistakes_whose_sum_is_no_python_cannot_be_combined() -> None:
    opened = edited((ROOT[0], f"{ROOT[0]} * ("))
    assert combine(FUNCTION, opened, edited(AXIS)) is None


def test_a_mistake_with_a_source_of_its_own_cannot_be_combined() -> None:
    whole = written("def scaled_dot_product_attention(): pass")
    assert combine(FUNCTION, whole, edited(ROOT)) is None
    assert combine(FUNCTION, edited(ROOT), whole) is None


# --- running it -------------------------------------------------------------


def call(attend: Any) -> Any:
    ones = torch.ones(3, 4, dtype=torch.float64)
    return attend(ones, ones, ones)[0]


def test_what_is_built_does_what_its_source_says() -> None:
    wrong = wrong_source(
        FUNCTION, edited(("return used @ value,", "return 2 * used @ value,"))
    )
    twice, once = (
        call(build(FUNCTION, source)) for source in (wrong, FUNCTION.solution)
    )
    torch.testing.assert_close(twice, 2 * once)


@pytest.mark.parametrize("exercise", [FUNCTION, CLASS], ids=lambda e: e.name)
def test_what_is_built_leaves_the_package_alone(exercise: Exercise) -> None:
    before = build(exercise, "import laidout.tokenizer, laidout.attention\n")
    found = build(exercise, exercise.solution)
    after = build(exercise, "import laidout.tokenizer, laidout.attention\n")
    assert found is not before
    assert after is before
    assert found.__module__ == exercise.module_name


def test_what_is_built_twice_is_two_objects() -> None:
    one, other = (build(CLASS, CLASS.solution) for _ in range(2))
    assert one is not other
    assert one.train.__globals__ is not other.train.__globals__


def test_the_lines_of_what_is_built_bear_the_name_of_the_exercise() -> None:
    found = build(FUNCTION, FUNCTION.solution)
    assert found.__code__.co_filename == f"<{FUNCTION.name}>"
