"""The catalogue: exercises as data, and what each of them promises."""

import ast
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sphinx.util.inventory import InventoryFile

from laidout.workshop.catalogue import (
    EXERCISES,
    MIN_HINTS,
    CatalogueError,
    Exercise,
    find_exercise,
    find_exercises,
    find_one,
    load_catalogue,
)

ROOT = Path(__file__).parents[2]
CATALOGUE = load_catalogue()
every_exercise = pytest.mark.parametrize(
    "exercise", CATALOGUE.values(), ids=CATALOGUE
)


# --- every exercise ---------------------------------------------------------


def functions_left_out(exercise: Exercise) -> list[ast.FunctionDef]:
    """Return the functions of a skeleton that the reader writes."""
    (tree,) = ast.parse(exercise.skeleton).body
    if isinstance(tree, ast.FunctionDef):
        return [tree]
    methods = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    return [method for method in methods if method.name in exercise.blank]


def lines_of(text: str) -> set[str]:
    return {" ".join(line.split()) for line in text.splitlines()}


def attempts(exercise: Exercise) -> Iterator[Callable[[], Any]]:
    """Yield calls of everything that the reader has not written yet."""
    module = importlib.import_module(exercise.object.rpartition(".")[0])
    names = dict(vars(module))
    exec(exercise.skeleton, names)
    found = names[exercise.source.name]
    if inspect.isfunction(found):
        yield lambda: found(*nothing_for(found))
    for name in exercise.blank:
        method = getattr(found, name)
        arguments = nothing_for(method)
        if name == "__init__":
            yield lambda a=arguments[1:]: found(*a)
        else:
            yield lambda m=method, a=arguments: m(*a)


def nothing_for(function: Any) -> list[None]:
    """Return None for every argument that must be given."""
    parameters = inspect.signature(function).parameters.values()
    return [None for p in parameters if p.default is inspect.Parameter.empty]


@every_exercise
def test_its_skeleton_is_python_that_fails_politely(
    exercise: Exercise,
) -> None:
    for attempt in attempts(exercise):
        with pytest.raises(NotImplementedError, match="not written yet"):
            attempt()


@every_exercise
def test_its_skeleton_holds_nothing_between_its_steps(
    exercise: Exercise,
) -> None:
    left_out = functions_left_out(exercise)
    assert left_out
    lines = exercise.skeleton.splitlines()
    for function in left_out:
        body = lines[function.lineno - 1 : function.end_lineno]
        starts = [i for i, x in enumerate(body) if re.match(r" +# 1\. ", x)]
        between = [line.strip() for line in body[starts[-1] : -1]]
        assert all(line.startswith("#") or not line for line in between)
        assert body[-1].strip().startswith("raise NotImplementedError(")


@every_exercise
def test_its_skeleton_keeps_signature_and_docstring(
    exercise: Exercise,
) -> None:
    (given,) = ast.parse(exercise.skeleton).body
    (whole,) = ast.parse(exercise.solution).body
    assert isinstance(given, ast.FunctionDef | ast.ClassDef)
    assert isinstance(whole, ast.FunctionDef | ast.ClassDef)
    assert ast.get_docstring(given) == ast.get_docstring(whole)
    if isinstance(given, ast.FunctionDef):
        assert isinstance(whole, ast.FunctionDef)
        assert ast.dump(given.args) == ast.dump(whole.args)


@every_exercise
def test_its_solution_is_the_source_as_it_stands(exercise: Exercise) -> None:
    text = exercise.source.path.read_text(encoding="utf-8")
    assert exercise.solution + "\n" in text
    module, _, name = exercise.object.rpartition(".")
    found = getattr(importlib.import_module(module), name)
    assert inspect.getsource(found).strip() == exercise.solution.strip()


@every_exercise
def test_its_hints_are_enough_and_hold_no_line_of_the_solution(
    exercise: Exercise,
) -> None:
    assert len(exercise.hints) >= MIN_HINTS
    shown = {"else:", "try:", *lines_of(exercise.skeleton)}
    secret = {
        line
        for line in lines_of(exercise.solution) - shown
        if any(map(str.isalpha, line))
    }
    assert secret
    for text in (*exercise.hints, exercise.task):
        words = " ".join(text.replace("`", "").split())
        assert not [line for line in secret if line in words]


@every_exercise
def test_its_links_lead_to_pages_of_pytorch(exercise: Exercise) -> None:
    known = torch_inventory()
    assert exercise.links
    for link in exercise.links:
        assert link.object in known, link
        assert link.why.strip()


@every_exercise
def test_its_file_and_its_chapter_bear_the_right_names(
    exercise: Exercise,
) -> None:
    module = exercise.object.split(".")[1]
    file = EXERCISES / f"{module}.toml"
    assert f"[{exercise.name}]" in file.read_text(encoding="utf-8")
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", exercise.chapter)
    assert 5 <= exercise.minutes <= 25


def torch_inventory() -> set[str]:
    content = (ROOT / "book/_inventories/torch.inv").read_bytes()
    inventory = InventoryFile.loads(content, uri="")
    return {
        name
        for kind, objects in inventory.data.items()
        if kind.startswith("py:")
        for name in objects
    }


def test_an_exercise_is_found_by_its_name() -> None:
    name = "attention-scaled-dot-product"
    assert find_exercise(name) == CATALOGUE[name]
    assert find_exercise(name).name == name


def test_a_name_that_is_unknown_is_an_error_with_the_nearest_one() -> None:
    with pytest.raises(CatalogueError) as caught:
        find_exercise("atention-scaled-dot")
    assert str(caught.value) == (
        "exercise 'atention-scaled-dot' does not exist; "
        "the nearest name is 'attention-scaled-dot-product'"
    )


# --- all that an exercise may be called -------------------------------------

SDPA = "attention-scaled-dot-product"


def called(*names: str) -> list[str]:
    return [exercise.name for exercise in find_exercises([*names])]


def test_without_a_name_all_are_found_in_their_order() -> None:
    assert called() == list(CATALOGUE)


@every_exercise
def test_an_exercise_is_found_by_all_of_its_names(exercise: Exercise) -> None:
    own = exercise.source.name
    same = [e.name for e in CATALOGUE.values() if e.object == exercise.object]
    neighbours = [
        e.name for e in CATALOGUE.values() if e.module == exercise.module
    ]
    assert called(exercise.name) == [exercise.name]
    assert called(own) == called(exercise.object) == same
    assert called(exercise.module) == neighbours
    assert called(f"{exercise.module}.py") == neighbours
    for method in exercise.blank:
        assert exercise.name in called(f"{own}.{method}")
        assert set(called(f"{own}.{method}")) <= set(same)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("scaled_dot_product_attention", SDPA),
        ("laidout.attention.scaled_dot_product_attention", SDPA),
        ("SCALED_DOT_PRODUCT_ATTENTION", SDPA),
        ("Attention-Scaled-Dot-Product", SDPA),
        ("causal_mask", "masks-causal"),
        ("Causal_Mask", "masks-causal"),
    ],
)
def test_small_and_large_letters_are_alike(name: str, found: str) -> None:
    assert called(name) == [found]
    assert find_one(name).name == found


def test_a_class_is_found_in_small_letters_and_by_its_methods() -> None:
    whole = called("BPETokenizer")
    assert len(whole) > 1
    assert called("bpetokenizer") == whole
    one = called("BPETokenizer._encode_word")
    assert one == called("BPETokenizer.encode") == ["tokenizer-encode"]
    assert called("bpetokenizer._ENCODE_word") == one
    assert set(one) < set(whole)


def test_a_class_is_told_from_a_module_by_its_letters() -> None:
    objects = {
        name: {CATALOGUE[each].object for each in called(name)}
        for name in ("Transformer", "transformer", "TRANSFORMER")
    }
    assert objects["Transformer"] == {"laidout.transformer.Transformer"}
    assert objects["transformer"] > objects["Transformer"]
    assert objects["TRANSFORMER"] == objects["transformer"]


@pytest.mark.parametrize("name", ["masks", "masks.py", "Masks.py", "MASKS"])
def test_a_module_may_be_named_by_its_file(name: str) -> None:
    found = called(name)
    assert found == called("masks")
    assert {CATALOGUE[each].module for each in found} == {"masks"}


def test_several_names_come_in_the_readers_order_and_once() -> None:
    both = called("masks.py", "causal_mask", SDPA, "attention")
    assert both == called("attention", "masks")
    assert both == [name for name in CATALOGUE if name in both]


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("mask-causal", "the nearest name is 'masks-causal'"),
        ("MASK-Causal.py", "the nearest name is 'masks-causal'"),
        ("???", "laidout progress lists all of them"),
        ("", "laidout progress lists all of them"),
        ("_split_heads.", "laidout progress lists all of them"),
    ],
)
def test_a_name_that_nobody_bears_is_an_error_of_one_line(
    name: str, end: str
) -> None:
    for find in (find_one, lambda name: find_exercises([SDPA, name])):
        with pytest.raises(CatalogueError) as caught:
            find(name)
        assert str(caught.value) == f"exercise {name!r} does not exist; {end}"


def test_of_several_exercises_one_must_be_named() -> None:
    with pytest.raises(CatalogueError) as caught:
        find_one("masks.py")
    assert str(caught.value) == (
        f"'masks.py' is several exercises: {', '.join(called('masks'))}"
    )


# --- what cannot be used ----------------------------------------------------

GOOD: dict[str, str] = {
    "title": '"Write a mask"',
    "object": '"laidout.masks.causal_mask"',
    "chapter": '"masks"',
    "minutes": "10",
    "task": '"\\nDo it.\\n"',
    "hints": '["one", "two", "three"]',
    "links": '[{object = "torch.Tensor.tril", why = "the triangle"}]',
}


def load(folder: Path, name: str = "write", **changes: str) -> Any:
    """Load a catalogue of one exercise, some of its keys changed or gone."""
    entry = {**GOOD, **changes}
    lines = [f"{key} = {value}" for key, value in entry.items() if value]
    text = f"[{name}]\n" + "\n".join(lines) + "\n"
    (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return load_catalogue(folder)


def error(folder: Path, **changes: str) -> str:
    with pytest.raises(CatalogueError) as caught:
        load(folder, **changes)
    message = str(caught.value)
    assert message.startswith("write.toml: write: ")
    assert "\n" not in message
    return message.removeprefix("write.toml: write: ")


def test_a_good_exercise_is_read(tmp_path: Path) -> None:
    exercise = load(tmp_path)["write"]
    assert exercise.task == "Do it."
    assert exercise.hints == ("one", "two", "three")
    assert exercise.links[0].object == "torch.Tensor.tril"
    assert (exercise.blank, exercise.builds_on) == ((), ())


def test_an_empty_folder_is_an_empty_catalogue(tmp_path: Path) -> None:
    assert load_catalogue(tmp_path) == {}


@pytest.mark.parametrize("key", GOOD)
def test_a_missing_key_is_named(tmp_path: Path, key: str) -> None:
    assert error(tmp_path, **{key: ""}) == f"{key} is missing"


def test_an_unknown_key_is_named_with_the_nearest(tmp_path: Path) -> None:
    assert error(tmp_path, hint='["one"]') == (
        "unknown key 'hint'; the nearest name is 'hints'"
    )


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("title", "3", "title must be text"),
        ("task", '" "', "task must be text"),
        ("chapter", "[]", "chapter must be text"),
        ("object", "true", "object must be text"),
        ("minutes", '"10"', "minutes must be a whole number"),
        ("minutes", "1.5", "minutes must be a whole number"),
        ("minutes", "true", "minutes must be a whole number"),
        ("minutes", "0", "minutes must be a whole number"),
        ("hints", "3", "hints must be a list of texts"),
        ("hints", '"one two"', "hints must be a list of texts"),
        ("hints", '["one", "two", 3]', "hints must be a list of texts"),
        ("hints", '["one", "two", ""]', "hints must be a list of texts"),
        ("hints", '["one", "two"]', "needs 3 hints, has 2"),
        ("builds_on", '"write"', "builds_on must be a list of texts"),
        ("blank", '"forward"', "blank must be a list of texts"),
        ("links", "3", "links must be a list of tables"),
        ("links", '["torch.nn"]', "links must be a list of tables"),
        ("links", '{object = "a"}', "links must be a list of tables"),
        ("links", '[{object = "a"}]', "links: why must be text"),
        ("links", '[{object = "a", why = ""}]', "links: why must be text"),
        (
            "links",
            '[{objekt = "a", why = "b"}]',
            "links: unknown key 'objekt'; the nearest name is 'object'",
        ),
    ],
)
def test_a_value_of_the_wrong_type_is_named(
    tmp_path: Path, key: str, value: str, reason: str
) -> None:
    assert error(tmp_path, **{key: value}) == reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"object": '"laidout.masks.casual_mask"'},
            "masks.py defines no 'casual_mask'; "
            "the nearest name is 'causal_mask'",
        ),
        (
            {"object": '"laidout.mask.causal_mask"'},
            "module 'laidout.mask' does not exist; "
            "the nearest name is 'laidout.masks'",
        ),
        (
            {"blank": '["forward"]'},
            "blank (['forward']) must be empty: causal_mask is a function",
        ),
        (
            {
                "object": '"laidout.attention.MultiHeadAttention"',
                "blank": '["foward"]',
            },
            "blank (['foward']) must name methods of MultiHeadAttention, "
            "which has ['__init__', '_split_heads', 'forward']",
        ),
    ],
)
def test_an_object_that_cannot_be_an_exercise_is_named(
    tmp_path: Path, changes: dict[str, str], reason: str
) -> None:
    assert error(tmp_path, **changes) == reason


def test_an_entry_that_is_no_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "write.toml").write_text("write = 3\n")
    with pytest.raises(CatalogueError, match="write: must be a table, got 3"):
        load_catalogue(tmp_path)


@pytest.mark.parametrize("content", [b"[write\n", b"a = 1\na = 2\n", b"\xff"])
def test_a_file_that_is_not_toml_is_named(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "write.toml").write_bytes(content)
    with pytest.raises(CatalogueError, match=r"^write\.toml: not a TOML file"):
        load_catalogue(tmp_path)


def test_one_name_in_two_files_is_an_error(tmp_path: Path) -> None:
    load(tmp_path)
    path = tmp_path / "write.toml"
    (tmp_path / "zebra.toml").write_text(path.read_text("utf-8"), "utf-8")
    with pytest.raises(CatalogueError, match=r"^zebra\.toml: 'write' stands"):
        load_catalogue(tmp_path)


def test_an_exercise_builds_on_known_ones_only(tmp_path: Path) -> None:
    load(tmp_path, "attend")
    found = load(tmp_path, "write", builds_on='["attend"]')
    assert found["write"].builds_on == ("attend",)
    with pytest.raises(CatalogueError) as caught:
        load(tmp_path, "write", builds_on='["atend"]')
    assert str(caught.value) == (
        "write: builds_on names 'atend'; the nearest name is 'attend'"
    )
