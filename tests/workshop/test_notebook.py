"""The workshop in a notebook: check, hint and solution."""

import functools
import importlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

import laidout.workshop
from laidout.workshop import catalogue, html, judging, notebook
from laidout.workshop.catalogue import Exercise, find_exercise
from laidout.workshop.imports import defined_in, import_blocks, names_in
from laidout.workshop.isolation import Limits
from laidout.workshop.mine import package_object
from laidout.workshop.notebook import (
    Reports,
    check,
    hint,
    solution,
    solved,
)
from laidout.workshop.probes import Probe
from laidout.workshop.results import Result
from laidout.workshop.source import find_in_file

SDPA = find_exercise("attention-scaled-dot-product")

PACKAGE = '''\
"""A package with two functions and a class."""


def triple(x):
    """Triple."""
    # 1. Multiply.
    return 3 * x


def sextuple(x):
    """Triple, then double."""
    # 1. Multiply.
    return 2 * triple(x)


class Thing:
    """A thing that grows."""

    def __init__(self, n):
        self.n = n

    def grow(self):
        """Grow by one."""
        # 1. Count.
        self.n += 1
        return self

    def size(self):
        """Give three times the number."""
        # 1. Multiply.
        return triple(self.n)
'''
TRIPLE = "def triple(x): return x + x + x\n"
UNWRITTEN = (
    "def triple(x):\n"
    "    raise NotImplementedError('triple: not written yet')\n"
)
THING = """\
class Thing:
    def __init__(self, n): self.n = n
    def grow(self):
        self.n = self.n + 1
        return self
    def size(self): return triple(self.n)
"""


def exercise(name: str, dotted: str, path: Path, *blank: str) -> Exercise:
    """Make an exercise on an object of the package above."""
    made = Exercise(
        name=name,
        title=f"Write {name}",
        object=dotted,
        chapter="chapter",
        minutes=5,
        task="Write it.",
        hints=("Think of *numbers*.", "There are three.", "Use `*`."),
        links=(),
        blank=blank,
    )
    vars(made)["source"] = find_in_file(path, dotted.rpartition(".")[2])
    return made


PROBES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "toy-triple": lambda mine: {"the result": mine(7)},
    "toy-sextuple": lambda mine: {"the result": mine(5)},
    "toy-grow": lambda mine: {"n": mine(11).grow().n},
    "toy-size": lambda mine: {"the size": mine(13).size()},
}


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the catalogue be that of the package above."""
    path = tmp_path / "toy.py"
    path.write_text(PACKAGE)
    package = ModuleType("toy")
    exec(PACKAGE, vars(package))
    monkeypatch.setitem(sys.modules, "toy", package)
    known = {
        each.name: each
        for each in (
            exercise("toy-triple", "toy.triple", path),
            exercise("toy-sextuple", "toy.sextuple", path),
            exercise("toy-grow", "toy.Thing", path, "grow"),
            exercise("toy-size", "toy.Thing", path, "size"),
        )
    }
    vars(known["toy-grow"])["elsewhere"] = ("size",)
    vars(known["toy-size"])["elsewhere"] = ("grow",)
    for place in (catalogue, notebook):
        monkeypatch.setattr(place, "load_catalogue", lambda: known)

    def probes_of(name: str, module: str) -> list[Probe]:
        run = PROBES[name]
        return [Probe(name, "values", "It is right.", "f(x)", run, 1e-9)]

    monkeypatch.setattr(judging, "probes_of", probes_of)
    monkeypatch.setattr(judging, "mistakes_of", lambda exercise: {})
    monkeypatch.setattr(notebook, "_SHOWN", {})
    monkeypatch.setattr(notebook, "_LENT", [])
    monkeypatch.setattr(notebook, "_WRITTEN", {})
    package_object.cache_clear()
    yield
    package_object.cache_clear()


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the names of a notebook in which nothing was run yet."""
    module = ModuleType("a_notebook")
    monkeypatch.setitem(sys.modules, "a_notebook", module)
    return vars(module)


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a check take no more than half a second."""
    monkeypatch.setattr(notebook, "Limits", lambda: Limits(seconds=0.5))


def only(reports: Reports) -> Result:
    (result,) = reports.results
    return result


def statuses(reports: Reports) -> dict[str, str]:
    return {result.name: result.status for result in reports.results}


# --- functions --------------------------------------------------------------


@pytest.mark.usefixtures("toys")
def test_a_function_is_checked_by_its_name(cells: dict[str, Any]) -> None:
    exec(TRIPLE, cells)
    reports = check(cells["triple"])
    assert statuses(reports) == {"toy-triple": "passed"}
    assert reports.passed
    assert only(reports).object == "toy.triple"


@pytest.mark.usefixtures("toys")
def test_a_wrong_function_fails_with_a_sentence_and_evidence(
    cells: dict[str, Any],
) -> None:
    exec("def triple(x): return 2 * x\n", cells)
    reports = check(cells["triple"])
    result = only(reports)
    assert not reports.passed
    assert result.status == "failed"
    assert result.message == "Not so here: It is right."
    assert result.evidence.says == ""
    assert result.evidence.call == "f(x)"
    assert "got 14, wanted 21" in result.evidence.difference
    assert result.seconds > 0.0


@pytest.mark.usefixtures("toys")
def test_a_function_of_another_name_is_checked_if_it_is_told_which(
    cells: dict[str, Any],
) -> None:
    exec(TRIPLE.replace("triple", "mine"), cells)
    for name in ("toy-triple", "triple"):
        reports = check(cells["mine"], name)
        assert statuses(reports) == {"toy-triple": "passed"}


@pytest.mark.usefixtures("toys")
def test_a_name_that_is_not_known_is_an_error_with_the_nearest(
    cells: dict[str, Any],
) -> None:
    exec(TRIPLE.replace("triple", "toy_tripel"), cells)
    for arguments in (
        (cells["toy_tripel"],),
        (cells["toy_tripel"], "toy-tripel"),
    ):
        with pytest.raises(ValueError, match="does not exist") as caught:
            check(*arguments)
        assert "the nearest name is 'toy-triple'" in str(caught.value)


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize("thing", [None, 3, "", lambda x: x, [1]])
def test_what_is_no_object_of_an_exercise_is_an_error(thing: Any) -> None:
    with pytest.raises(ValueError, match=r"^exercise '[^']*' does not"):
        check(thing)


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize("thing", [None, 3, "triple", {"a": 1}])
def test_what_is_no_function_at_all_is_said(thing: Any) -> None:
    result = only(check(thing, "toy-triple"))
    assert result.status == "failed"
    assert result.message.startswith("triple is ")


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize("name", ["triple", "toy-triple", "Triple"])
def test_a_name_alone_is_no_function(name: str) -> None:
    result = only(check(name))
    assert (result.name, result.status) == ("toy-triple", "failed")
    assert result.message.startswith("triple is ")


@pytest.mark.usefixtures("toys")
def test_what_is_not_written_is_not_started(cells: dict[str, Any]) -> None:
    exec(UNWRITTEN, cells)
    result = only(check(cells["triple"]))
    assert result.status == "not started"
    assert result.message == "triple is not written yet."


# --- classes ----------------------------------------------------------------


@pytest.mark.usefixtures("toys")
def test_a_class_is_checked_for_all_of_its_exercises(
    cells: dict[str, Any],
) -> None:
    exec(TRIPLE + THING, cells)
    reports = check(cells["Thing"])
    assert statuses(reports) == {"toy-grow": "passed", "toy-size": "passed"}
    assert list(statuses(reports)) == ["toy-grow", "toy-size"]
    assert reports.passed


@pytest.mark.usefixtures("toys")
def test_a_class_is_checked_for_one_of_its_exercises(
    cells: dict[str, Any],
) -> None:
    exec(TRIPLE + THING.replace("self.n + 1", "self.n + 2"), cells)
    thing = cells["Thing"]
    assert statuses(check(thing, "toy-size")) == {"toy-size": "passed"}
    assert statuses(check(thing, "toy-grow")) == {"toy-grow": "failed"}
    both = check(thing)
    assert statuses(both) == {"toy-grow": "failed", "toy-size": "passed"}
    assert not both.passed


@pytest.mark.usefixtures("toys")
def test_methods_that_are_not_written_do_not_stand_in_the_way(
    cells: dict[str, Any],
) -> None:
    unwritten = "raise NotImplementedError('Thing.size: not written yet')"
    exec(TRIPLE + THING.replace("return triple(self.n)", unwritten), cells)
    thing = cells["Thing"]
    before = dict(vars(thing))
    assert statuses(check(thing)) == {
        "toy-grow": "passed",
        "toy-size": "not started",
    }
    assert dict(vars(thing)) == before


@pytest.mark.usefixtures("toys")
def test_a_class_that_is_half_written_still_knows_itself(
    cells: dict[str, Any],
) -> None:
    unwritten = "raise NotImplementedError('Thing.size: not written yet')"
    text = THING.replace("return triple(self.n)", unwritten)
    text = text.replace(
        "return self\n",
        "return self if isinstance(self, Thing) else super(Thing, self)\n",
    )
    exec(TRIPLE + text, cells)
    reports = check(cells["Thing"], "toy-grow")
    assert only(reports).status == "passed", only(reports).message


@pytest.mark.usefixtures("toys")
def test_an_instance_is_no_class(cells: dict[str, Any]) -> None:
    exec(TRIPLE + THING, cells)
    for result in check(cells["Thing"](3)).results:
        assert result.message == "Thing must be a class."


# --- what stands around it --------------------------------------------------


@pytest.mark.usefixtures("toys")
def test_what_it_builds_on_comes_from_the_package_until_it_is_written(
    cells: dict[str, Any],
) -> None:
    exec(UNWRITTEN + THING, cells)
    before = dict(cells)
    reports = check(cells["Thing"], "toy-size")
    assert only(reports).status == "passed"
    assert cells == before
    with pytest.raises(NotImplementedError):
        cells["triple"](1)


@pytest.mark.usefixtures("toys")
def test_what_is_written_in_the_notebook_is_used(
    cells: dict[str, Any],
) -> None:
    exec(TRIPLE.replace("x + x", "x - x") + THING, cells)
    assert only(check(cells["Thing"], "toy-size")).status == "failed"
    exec(TRIPLE, cells)
    assert only(check(cells["Thing"], "toy-size")).status == "passed"


def elsewhere(function: Any) -> Any:
    """Decorate, in a module that is not the notebook."""

    @functools.wraps(function)
    def wrapper(*arguments: Any) -> Any:
        return function(*arguments)

    return wrapper


@pytest.mark.usefixtures("toys")
def test_a_decorator_does_not_hide_the_notebook(cells: dict[str, Any]) -> None:
    cells["decorator"] = elsewhere
    text = "@decorator\ndef sextuple(x): return triple(x) + triple(x)\n"
    exec(UNWRITTEN + text, cells)
    result = only(check(cells["sextuple"]))
    assert result.status == "passed", result.message


@pytest.mark.usefixtures("toys")
def test_what_an_object_leaves_in_the_notebook_is_put_back(
    cells: dict[str, Any],
) -> None:
    text = "count = 5\ndef triple(x):\n    global count\n    count = x\n"
    exec(text + "    return 3 * x\n", cells)
    assert check(cells["triple"]).passed
    assert cells["count"] == 5


@pytest.mark.usefixtures("toys")
def test_output_is_part_of_the_report(
    cells: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    text = (
        "import sys\ndef triple(x):\n"
        "    print('x is', x)\n    print('a problem', file=sys.stderr)\n"
        "    return x\n"
    )
    exec(text, cells)
    reports = check(cells["triple"])
    assert only(reports).printed == "x is 7\na problem\n"
    assert capsys.readouterr() == ("", "")
    assert "x is 7" in repr(reports)
    assert "x is 7" in reports._repr_html_()


@pytest.mark.usefixtures("toys")
def test_what_is_right_is_not_quoted(
    cells: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    exec("def triple(x):\n    print('spam')\n    return 3 * x\n", cells)
    reports = check(cells["triple"])
    assert reports.passed
    assert only(reports).printed == ""
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("toys")
def test_of_several_probes_the_output_of_the_one_that_failed_is_shown(
    cells: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def probes_of(name: str, module: str) -> list[Probe]:
        return [
            Probe(
                *(name, "values", "It is right.", f"f({n})"),
                lambda mine, n=n: {"the result": mine(n)},
                1e-9,
            )
            for n in (0, 7, 11)
        ]

    monkeypatch.setattr(judging, "probes_of", probes_of)
    text = "def triple(x):\n    print('x is', x)\n    return 2 * x\n"
    exec(text, cells)
    result = only(check(cells["triple"]))
    assert result.evidence.call == "f(7)"
    assert result.printed == "x is 7\n"


@pytest.mark.usefixtures("toys")
def test_a_flood_of_output_is_cut(cells: dict[str, Any]) -> None:
    text = "def triple(x):\n    print('x' * 100_000)\n    return x\n"
    exec(text, cells)
    assert len(only(check(cells["triple"])).printed) < 5_000


# --- accidents --------------------------------------------------------------


@pytest.mark.usefixtures("toys", "hurry")
@pytest.mark.parametrize(
    "text", ["sum(0 for _ in iter(int, 1))", "import time; time.sleep(60)"]
)
def test_an_endless_loop_is_stopped(cells: dict[str, Any], text: str) -> None:
    exec(UNWRITTEN + THING.replace("return triple(self.n)", text), cells)
    names, methods = dict(cells), dict(vars(cells["Thing"]))
    handler = signal.getsignal(signal.SIGALRM)
    reports = check(cells["Thing"])
    assert statuses(reports) == {"toy-grow": "passed", "toy-size": "error"}
    assert reports.results[1].message == (
        "It did not end within 0.5 seconds. Is there a loop that never stops?"
    )
    assert 0.5 <= reports.results[1].seconds < 5.0
    assert cells == names
    assert dict(vars(cells["Thing"])) == methods
    assert signal.getsignal(signal.SIGALRM) == handler
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.usefixtures("toys", "hurry")
def test_what_was_printed_before_a_loop_is_kept(cells: dict[str, Any]) -> None:
    text = "def triple(x):\n    print('begin')\n    while True: pass\n"
    exec(text, cells)
    assert only(check(cells["triple"])).printed == "begin\n"


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import sys; sys.exit(1)", "triple ends the program (sys.exit)."),
        ("return triple(x)", "triple calls itself without end."),
        ("raise MemoryError", "triple asks for more memory than it may have."),
        ("return y", "triple raised NameError: name 'y' is not defined"),
        ("raise GeneratorExit", "triple raised GeneratorExit: (it says"),
    ],
)
def test_an_accident_is_one_sentence(
    cells: dict[str, Any], text: str, message: str
) -> None:
    exec(f"def triple(x): {text}\n", cells)
    result = only(check(cells["triple"]))
    assert result.status == "failed"
    assert result.message.startswith(message)


@pytest.mark.usefixtures("toys")
def test_ctrl_c_ends_the_check_and_leaves_the_notebook_as_it_was(
    cells: dict[str, Any],
) -> None:
    exec(UNWRITTEN + THING.replace("return triple", "raise Key"), cells)
    cells["Key"] = lambda n: KeyboardInterrupt()
    before = dict(cells)
    with pytest.raises(KeyboardInterrupt):
        check(cells["Thing"], "toy-size")
    assert cells == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.usefixtures("toys")
def test_a_check_works_in_another_thread(cells: dict[str, Any]) -> None:
    exec(TRIPLE, cells)
    found: list[Reports] = []
    thread = threading.Thread(
        target=lambda: found.append(check(cells["triple"]))
    )
    thread.start()
    thread.join()
    (reports,) = found
    assert reports.passed


# --- attention itself -------------------------------------------------------


@pytest.fixture
def attention(cells: dict[str, Any]) -> dict[str, Any]:
    """Return a notebook with the imports of attention."""
    exec("import math\nimport torch\nfrom torch import Tensor, nn\n", cells)
    return cells


def torch_now() -> tuple[Any, ...]:
    """Return what of torch belongs to all of the notebook."""
    return (
        torch.get_rng_state().tolist(),
        torch.initial_seed(),
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.is_grad_enabled(),
        torch.get_num_threads(),
        torch.softmax,
        torch.Tensor.transpose,
    )


WRONG = (" / math.sqrt(query.size(-1))", "")


@pytest.mark.parametrize("wrong", [False, True])
def test_attention_is_judged_and_torch_is_as_before(
    attention: dict[str, Any], wrong: bool
) -> None:
    text = SDPA.solution
    assert text.count(WRONG[0]) == 1
    exec(text.replace(*WRONG) if wrong else text, attention)
    torch.manual_seed(41)
    torch.rand(3)
    before = torch_now()
    result = only(check(attention["scaled_dot_product_attention"]))
    assert torch_now() == before
    assert result.name == SDPA.name
    assert result.status == ("failed" if wrong else "passed")
    assert (result.mistake is not None) == wrong


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("torch.manual_seed(1)", "seed"),
        ("torch.set_default_dtype(torch.float64)", "dtype"),
        ("torch.set_grad_enabled(False)", "gradient mode"),
        ("torch.softmax = torch.relu", "softmax"),
    ],
)
def test_what_belongs_to_all_is_put_back_and_said(
    attention: dict[str, Any], line: str, what: str
) -> None:
    first = "    # 1. "
    text = SDPA.solution.replace(first, f"    {line}\n{first}", 1)
    exec(text, attention)
    before = torch_now()
    result = only(check(attention["scaled_dot_product_attention"]))
    assert torch_now() == before
    assert result.status == "failed"
    assert what in result.message


def test_the_skeleton_of_the_book_is_not_started(
    attention: dict[str, Any],
) -> None:
    exec(SDPA.skeleton, attention)
    reports = check(attention["scaled_dot_product_attention"])
    assert only(reports).status == "not started"


# --- how a report is drawn --------------------------------------------------


RESULT = Result("a-name", "toy.triple", "failed", "It is <wrong>.")
OTHER = replace(RESULT, name="b-name", status="passed", message="")


def test_a_report_is_text_and_html() -> None:
    reports = Reports((RESULT, OTHER))
    lines = repr(reports).splitlines()
    assert lines[0].split() == ["failed", "a-name"]
    assert "It is <wrong>." in repr(reports)
    assert lines[-1].split() == ["passed", "b-name"]
    assert max(map(len, lines)) <= 79
    assert reports._repr_html_() == (
        f"{html.report(RESULT)}\n{html.report(OTHER)}"
    )
    assert "It is &lt;wrong&gt;." in reports._repr_html_()


def test_reports_have_passed_only_if_all_have() -> None:
    assert Reports((OTHER, OTHER)).passed
    assert not Reports((OTHER, RESULT)).passed


# --- hints and solutions ----------------------------------------------------


@pytest.mark.usefixtures("toys")
def test_hints_come_one_by_one_and_then_end() -> None:
    texts = [hint("toy-triple").text for _ in range(5)]
    assert texts[:3] == [
        "**Hint 1 of 3.** Think of *numbers*.",
        "**Hint 2 of 3.** There are three.",
        "**Hint 3 of 3.** Use `*`.",
    ]
    assert texts[3] == texts[4]
    assert texts[3].startswith("These were all 3 hints.")
    assert 'solution("toy-triple")' in texts[3]


@pytest.mark.usefixtures("toys")
def test_each_exercise_has_its_own_hints() -> None:
    assert "Hint 1 of 3" in hint("toy-triple").text
    assert "Hint 1 of 3" in hint("toy-sextuple").text
    assert "Hint 2 of 3" in hint("triple").text


@pytest.mark.usefixtures("toys")
def test_a_certain_hint_can_be_asked_for_and_counts_as_none() -> None:
    assert hint("toy-triple", 3).text == "**Hint 3 of 3.** Use `*`."
    assert hint("toy-triple", number=3) == hint("toy-triple", 3)
    assert "Hint 1 of 3" in hint("toy-triple").text


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize("number", [0, -1, 4])
def test_a_hint_that_does_not_exist_is_an_error(number: int) -> None:
    with pytest.raises(ValueError, match=rf"number \({number}\) must be from"):
        hint("toy-triple", number)


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize("ask", [hint, solution])
def test_an_exercise_that_does_not_exist_is_an_error(ask: Any) -> None:
    with pytest.raises(ValueError, match="nearest name is 'toy-triple'"):
        ask("toy-tripel")
    with pytest.raises(ValueError, match="several exercises: toy-grow, toy-s"):
        ask("Thing")


@pytest.mark.usefixtures("toys")
def test_ones_own_object_may_be_given_in_place_of_its_name(
    cells: dict[str, Any],
) -> None:
    exec(UNWRITTEN + THING, cells)
    assert hint(cells["triple"]).text.startswith("**Hint 1 of 3.**")
    assert hint("toy-triple").text.startswith("**Hint 2 of 3.**")
    assert hint(cells["triple"], 1) == hint("triple", 1)
    assert solution(cells["triple"]) == solution("toy-triple")
    for ask in (hint, solution):
        for thing in (cells["Thing"], cells["Thing"](3)):
            with pytest.raises(ValueError, match="several exercises: toy-gr"):
                ask(thing)
        with pytest.raises(ValueError, match="'NoneType' does not exist"):
            ask(None)


@pytest.mark.usefixtures("toys")
def test_a_solution_is_the_source_itself() -> None:
    text = solution("triple").text
    before, code, after = text.split("```")
    assert (before, after) == ("", "")
    names: dict[str, Any] = {}
    exec(code.removeprefix("python\n"), names)
    assert names["triple"](5) == 15
    assert "# 1. Multiply." in code


@pytest.mark.usefixtures("toys")
def test_a_text_is_drawn_as_markdown() -> None:
    text = hint("toy-triple", 1)
    assert repr(text) == text.text == text._repr_markdown_()


@pytest.mark.usefixtures("toys")
def test_a_report_draws_no_second_output_of_its_own(
    cells: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setattr("rich.jupyter.display", lambda *a: drawn.append(a))
    exec(TRIPLE, cells)
    assert "passed" in repr(check(cells["triple"]))
    assert not drawn


@pytest.mark.usefixtures("toys")
def test_a_report_says_what_to_type_in_a_notebook(
    cells: dict[str, Any],
) -> None:
    exec("def triple(x): return 0\n", cells)
    reports = check(cells["triple"])
    assert 'Next: hint("toy-triple")' in repr(reports)
    assert 'hint("toy-triple")' in reports._repr_html_()


# --- until it is written ----------------------------------------------------

SAYS = "not solved yet, the book's own is used below.\n"
GROW = """\
class Thing:
    def __init__(self, n): self.n = n
    def grow(self):
        self.n = self.n + 1
        return self
"""
SIZE = """\
class Thing:
    def __init__(self, n): self.n = n
    def size(self):
        assert super().__init__() is None
        return 3 * self.n
"""


def unwritten(text: str, name: str) -> str:
    """Take the code of a class's last method away."""
    head = text.partition(f"def {name}")[0]
    error = f"NotImplementedError('Thing.{name}: not written yet')"
    return f"{head}def {name}(self): raise {error}\n"


@pytest.mark.usefixtures("toys")
def test_what_is_written_is_used_right_or_wrong(
    cells: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    for code in (TRIPLE, "def triple(x): return 0\n"):
        exec(code, cells)
        assert solved(cells["triple"]) is cells["triple"]
    exec(TRIPLE + THING, cells)
    assert solved(cells["Thing"]) is cells["Thing"]
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("toys")
def test_until_it_is_written_the_books_own_is_used(
    cells: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    exec(UNWRITTEN, cells)
    mine = solved(cells["triple"])
    assert mine(5) == 15
    assert capsys.readouterr().out == f"triple: {SAYS}"
    assert solved(mine) is mine
    assert capsys.readouterr().out == f"triple: {SAYS}"


@pytest.mark.usefixtures("toys")
def test_what_is_lent_is_not_written(cells: dict[str, Any]) -> None:
    exec(UNWRITTEN, cells)
    mine = solved(cells["triple"])
    assert only(check(mine)).status == "not started"
    exec(TRIPLE, cells)
    assert solved(cells["triple"]) is cells["triple"]
    assert only(check(cells["triple"])).status == "passed"


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize(
    ("name", "asked"), [("triple", "toy-triple"), ("Thing", "toy-grow")]
)
def test_what_was_imported_from_the_book_is_not_the_readers(
    name: str, asked: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # As when the cell with the reader's own has stopped with an error.
    theirs = package_object(f"toy.{name}")
    result = only(check(theirs, asked))
    assert result.status == "error"
    assert result.message.startswith(f"{name} is the book's own here, not ")
    assert solved(theirs, asked) is theirs
    assert capsys.readouterr().out.endswith(SAYS)


@pytest.mark.usefixtures("toys")
def test_a_class_that_is_not_begun_is_the_books(
    cells: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    exec(unwritten(GROW, "grow"), cells)
    mine = solved(cells["Thing"], "toy-grow")
    assert mine is package_object("toy.Thing")
    assert capsys.readouterr().out == f"Thing.grow: {SAYS}"
    assert only(check(mine, "toy-grow")).status == "not started"


@pytest.mark.usefixtures("toys")
def test_a_class_of_two_cells_is_put_together(
    cells: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    exec(GROW, cells)
    first = solved(cells["Thing"], "toy-grow")
    assert first(2).grow().size() == 9
    assert statuses(check(first)) == {
        "toy-grow": "passed",
        "toy-size": "not started",  # it is the book's
    }
    grow = vars(first)["grow"]
    exec(SIZE, cells)
    second = solved(cells["Thing"], "toy-size")
    assert second is cells["Thing"]
    assert second is not first
    assert vars(second)["grow"] is grow
    assert second(2).grow().size() == 9
    assert capsys.readouterr().out == ""
    assert statuses(check(second)) == {
        "toy-grow": "passed",
        "toy-size": "passed",
    }


@pytest.mark.usefixtures("toys")
def test_one_solved_method_stays_when_the_next_is_not_solved(
    cells: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    exec(GROW, cells)
    grow = vars(solved(cells["Thing"], "toy-grow"))["grow"]
    exec(unwritten(SIZE, "size"), cells)
    second = solved(cells["Thing"], "toy-size")
    assert capsys.readouterr().out == f"Thing.size: {SAYS}"
    assert vars(second)["grow"] is grow
    assert second(2).grow().size() == 9
    assert statuses(check(second)) == {
        "toy-grow": "passed",
        "toy-size": "not started",
    }


@pytest.mark.usefixtures("toys")
def test_a_method_that_is_solved_later_finds_the_class_whole(
    cells: dict[str, Any],
) -> None:
    exec(unwritten(GROW, "grow"), cells)
    solved(cells["Thing"], "toy-grow")
    exec(SIZE, cells)
    second = solved(cells["Thing"], "toy-size")
    assert second is cells["Thing"]
    assert second(2).grow().size() == 9
    assert only(check(second, "toy-size")).status == "passed"


@pytest.mark.usefixtures("toys")
def test_a_method_that_is_taken_back_is_the_books_again(
    cells: dict[str, Any],
) -> None:
    exec(GROW, cells)
    solved(cells["Thing"], "toy-grow")
    exec(unwritten(GROW, "grow"), cells)
    assert solved(cells["Thing"], "toy-grow") is package_object("toy.Thing")


@pytest.mark.usefixtures("toys")
def test_a_class_may_do_without_a_method_that_was_asked_for(
    cells: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = catalogue.load_catalogue()
    source = known["toy-grow"].source
    both = replace(known["toy-grow"], blank=("grow", "size"), elsewhere=())
    vars(both)["source"] = source
    monkeypatch.setitem(known, "toy-grow", both)
    monkeypatch.delitem(known, "toy-size")
    for code in (GROW + "    def size(self): return 1\n", GROW):
        exec(code, cells)
        mine = solved(cells["Thing"], "toy-grow")
        assert mine is cells["Thing"]
        assert only(check(mine)).status != "not started"
    assert "size" not in vars(mine)


@pytest.mark.usefixtures("toys")
def test_what_no_exercise_asks_for_cannot_be_solved() -> None:
    with pytest.raises(ValueError, match="does not exist"):
        solved(lambda: None)


def test_every_skeleton_runs_until_it_is_solved() -> None:
    for each in catalogue.load_catalogue().values():
        names: dict[str, Any] = {}
        head = "from __future__ import annotations\n"
        source = import_blocks(
            each.source.path,
            each.module_name,
            names_in(each.solution),
            defined_in(each.source.path),
        )
        lines = [line for block in source for line in block]
        exec("\n".join([head, *lines, each.skeleton]), names)
        mine = solved(names[each.source.name], each.name)
        assert mine is package_object(each.object), each.name


# --- importing it -----------------------------------------------------------


def test_the_workshop_gives_what_a_notebook_needs() -> None:
    for name in ("check", "hint", "solution", "solved"):
        assert getattr(laidout.workshop, name) is getattr(notebook, name)
    names = {"check", "hint", "solution", "solved"}
    assert set(laidout.workshop.__all__) == names
    again = importlib.import_module("laidout.workshop")
    with pytest.raises(AttributeError, match="no attribute 'chek'"):
        again.chek  # noqa: B018


def test_the_workshop_waits_for_torch_until_it_is_needed() -> None:
    # Only the modules that say so may import it.
    code = (
        "import sys, laidout.workshop\n"
        "import laidout.workshop.commands, laidout.workshop.isolation\n"
        "print('torch' in sys.modules, 'laidout.workshop' in sys.modules)"
    )
    source = Path(laidout.workshop.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.split() == ["False", "True"]
