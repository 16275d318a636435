"""How the workshop speaks in a terminal."""

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from reports import (
    ERROR,
    EVERY,
    EVIDENCE,
    EVIL,
    FAILED,
    NAME,
    NOT_STARTED,
    PASSED,
    RAISED,
    UNNAMED,
    everywhere,
)
from rich.cells import cell_len
from rich.console import Console, RenderableType

from laidout.workshop.catalogue import find_exercise
from laidout.workshop.results import Evidence, Result
from laidout.workshop.state import State
from laidout.workshop.terminal import (
    BEHIND,
    PLAIN,
    err,
    head,
    markdown,
    out,
    progress_table,
    report,
    rows_of,
    shortened,
    summary,
    visible,
)

every_status = pytest.mark.parametrize("result", EVERY, ids=lambda r: r.status)
every_width = pytest.mark.parametrize("width", [40, 80, 200])


def shown(what: RenderableType, width: int = 80, colour: bool = False) -> str:
    """Return what a terminal of some width would get."""
    console = Console(
        width=width,
        file=io.StringIO(),
        force_terminal=colour,
        color_system="standard" if colour else None,
        **PLAIN,
    )
    with console.capture() as captured:
        console.print(what)
    return captured.get()


def squeezed(text: str) -> str:
    """Return a text without its line ends and indents."""
    return " ".join(text.split())


def without_spaces(text: str) -> str:
    return "".join(text.split())


# --- the report -------------------------------------------------------------


@every_status
def test_the_first_line_says_status_and_exercise(result: Result) -> None:
    first = shown(report(result)).splitlines()[0]
    assert squeezed(first) == f"{result.status} {NAME}"


@every_status
def test_the_head_alone_is_the_first_line(result: Result) -> None:
    first = shown(report(result), colour=True).splitlines()[0]
    assert shown(head(result), colour=True).splitlines() == [first]


def test_names_stand_below_each_other_whatever_the_status() -> None:
    places = {
        shown(report(result)).splitlines()[0].index(NAME) for result in EVERY
    }
    assert len(places) == 1


@pytest.mark.parametrize("result", [PASSED, NOT_STARTED])
def test_where_nothing_is_wrong_one_line_is_enough(result: Result) -> None:
    assert len(shown(report(result)).splitlines()) == 1


def test_a_failure_is_told_in_this_order() -> None:
    text = shown(report(FAILED))
    parts = [
        "failed",
        NAME,
        FAILED.message,
        "should hold",
        EVIDENCE.says,
        "called",
        EVIDENCE.call,
        "came out",
        EVIDENCE.difference,
        "attention.py:4444: four()",
        "got, with * where it differs (in [1], rows 0 to 1 of 0 to 6)",
        "wanted\n",
        "Your code wrote:",
        "scores tensor([1., 2.])",
        "shape (2,)",
        BEHIND,
        FAILED.nudge,
        f"Next: laidout hint {NAME}",
    ]
    places = [squeezed(text).find(squeezed(part)) for part in parts]
    assert -1 not in places
    assert places == sorted(places)


def test_an_error_is_a_sentence_and_the_line_and_no_hint_helps() -> None:
    lines = shown(report(ERROR)).splitlines()
    assert [squeezed(line) for line in lines if line.strip()] == [
        f"error {NAME}",
        ERROR.message,
        "at def attend(x:",
        "^",
    ]
    code, mark = lines[3:5]
    assert mark.index("^") == code.index("x") + 1


def test_an_error_without_a_line_is_no_more_than_a_sentence() -> None:
    text = shown(report(replace(ERROR, evidence=Evidence())))
    assert squeezed(text) == f"error {NAME} {ERROR.message}"


def test_only_to_what_has_failed_a_hint_is_what_comes_next() -> None:
    for result in EVERY:
        said = "Next: " in shown(report(result))
        assert said == (result.status == "failed")


def test_the_parts_of_a_report_stand_apart() -> None:
    lines = [line.strip() for line in shown(report(FAILED)).splitlines()]
    assert lines[2] == ""
    for start in ("got, with", "Your code wrote", "Another", "Next: "):
        (place,) = (n for n, x in enumerate(lines) if x.startswith(start))
        assert lines[place - 1] == ""
    assert lines[-1] == ""


def test_the_second_mistake_is_not_given_away() -> None:
    assert FAILED.second not in squeezed(shown(report(FAILED)))
    alone = shown(report(replace(FAILED, second="")))
    assert BEHIND in squeezed(shown(report(FAILED)))
    assert BEHIND not in squeezed(alone)


# --- what is told of the evidence -------------------------------------------


def test_where_there_is_no_grid_both_values_are_told() -> None:
    assert rows_of(UNNAMED.evidence) == {
        "called": "next_tokens(scores)",
        "came out": "the result, entry 1: got 4, wanted 5.",
        "got": "[3, 4, 7]",
        "wanted": "[3, 5, 7]",
    }
    lines = shown(report(UNNAMED)).splitlines()
    got, wanted = (
        next(x for x in lines if squeezed(x).startswith(label))
        for label in ("got", "wanted")
    )
    assert got.index("[3, 4, 7]") == wanted.index("[3, 5, 7]")


def test_where_there_is_a_grid_the_values_stand_there() -> None:
    rows = rows_of(replace(EVIDENCE, got="0.24", wanted="0.51"))
    assert list(rows) == ["should hold", "called", "came out"]


@pytest.mark.parametrize(
    "evidence",
    [
        Evidence(difference="x: got 3, wanted 4.", got="3", wanted="4"),
        Evidence(
            difference="x has shape (2, 3), not (3, 2).",
            got="(2, 3)",
            wanted="(3, 2)",
        ),
        Evidence(difference="x is missing.", wanted="4"),
        Evidence(
            difference="It raised KeyError: 'x'", got="KeyError", wanted=""
        ),
    ],
)
def test_what_the_sentence_says_is_not_said_again(evidence: Evidence) -> None:
    assert rows_of(evidence) == {"came out": evidence.difference}


def test_what_should_not_be_there_is_told() -> None:
    found = Evidence(difference="x b should not be there.", got="7")
    assert rows_of(found) == {"came out": found.difference, "got": "7"}


def test_of_an_error_that_the_message_tells_only_the_place_is_told() -> None:
    assert list(rows_of(RAISED.evidence)) == ["called"]
    assert [
        squeezed(line)
        for line in shown(report(RAISED)).splitlines()
        if line.strip()
    ] == [
        f"failed {NAME}",
        RAISED.message,
        f"called {RAISED.evidence.call}",
        "at attention.py:7: return x['x']",
        f"Next: laidout hint {NAME}",
    ]


@pytest.mark.parametrize("result", [FAILED, UNNAMED, RAISED])
def test_nothing_is_said_twice(result: Result) -> None:
    text = squeezed(shown(report(result), 200))
    evidence = result.evidence
    for said in (result.message, *rows_of(evidence).values()):
        assert text.count(squeezed(said)) == 1
    for label in ("should hold", "called", "came out", " at "):
        assert text.count(label) <= 1
    assert text.count("KeyError") == (result == RAISED)


def test_without_evidence_nothing_is_told() -> None:
    assert rows_of(Evidence()) == {}


def test_rows_can_be_shown() -> None:
    evidence = everywhere("\x1b[2J").evidence
    assert set(rows_of(evidence).values()) == {"\\x1b[2J"}


def test_only_the_innermost_places_of_an_error_are_shown() -> None:
    text = shown(report(FAILED))
    assert "attention.py:1:" not in text
    for line in EVIDENCE.lines[1:]:
        assert line in text


def test_what_there_is_no_evidence_for_is_left_out() -> None:
    text = shown(report(replace(FAILED, evidence=Evidence(call="f(3)"))))
    assert "f(3)" in text
    for label in ("should hold", "came out", "got", "wanted", " at "):
        assert label not in text


def test_wrong_numbers_are_marked_without_colour() -> None:
    lines = [squeezed(x) for x in shown(report(FAILED)).splitlines()]
    (got,) = (n for n, x in enumerate(lines) if x.startswith("got, with *"))
    assert lines[got + 1 : got + 6] == [
        "1 0.25*",
        "-7e-05* 0",
        "wanted",
        "1 0.5",
        "0.75 0",
    ]


def test_numbers_stand_below_each_other() -> None:
    lines = shown(report(FAILED)).splitlines()
    (first,) = (line for line in lines if "0.25*" in line)
    (second,) = (line for line in lines if "-7e-05*" in line)
    # Last digit above last digit, the mark to the right of it.
    assert first.index("1") + 1 == second.index("*")
    assert first.index("5*") == second.rindex("0")


def test_both_grids_have_the_same_columns() -> None:
    evidence = Evidence(
        got_grid=[[("1", True), ("-1.25e+07", False), ("3", True)]],
        wanted_grid=[[("1000.5", True), ("2", True), ("0.333", True)]],
    )
    lines = shown(report(replace(FAILED, evidence=evidence))).splitlines()
    (got,) = (line for line in lines if "-1.25e+07*" in line)
    (wanted,) = (line for line in lines if "1000.5" in line)
    assert got.rindex("3") == wanted.rindex("3")
    assert got.index("7*") == wanted.index("2")
    assert got.index("1 ") == wanted.index("5")


def test_which_part_of_a_tensor_is_shown_is_said_above_it() -> None:
    whole = replace(EVIDENCE, window="")
    lines = [
        shown(report(replace(FAILED, evidence=evidence))).splitlines()
        for evidence in (EVIDENCE, whole)
    ]
    heads = [
        next(line.strip() for line in each if "with *" in line)
        for each in lines
    ]
    assert heads == [
        f"got, with * where it differs ({EVIDENCE.window})",
        "got, with * where it differs",
    ]


@every_status
def test_colour_adds_nothing_but_colour(result: Result) -> None:
    plain = shown(report(result))
    coloured = shown(report(result), colour=True)
    assert "\x1b" not in plain
    assert "\x1b" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


# --- the reader's text ------------------------------------------------------


@pytest.mark.parametrize("text", EVIL)
def test_what_the_reader_wrote_is_shown_and_not_obeyed(text: str) -> None:
    found = without_spaces(shown(report(everywhere(text)), width=200))
    # The message, what should hold, the call, the difference, the line, the
    # part, two numbers, the output and the nudge.
    assert found.count(without_spaces(text)) == 10


@pytest.mark.parametrize("text", EVIL)
def test_the_consoles_write_what_they_are_given(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out.print(text)
    err.print(text)
    assert capsys.readouterr() == (f"{text}\n", f"{text}\n")


def test_the_consoles_cut_and_break_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = "/a folder/" * 60
    out.print(path)
    err.print(path)
    assert capsys.readouterr() == (f"{path}\n", f"{path}\n")


LONG = everywhere("a_name_without_end" * 40 + " and some words" * 40)
WIDE = everywhere("漢字 é\t" * 60)
LARGE_GRID = replace(
    FAILED,
    evidence=Evidence(
        got_grid=[[("-1.23e+05", False)] * 6] * 5,
        wanted_grid=[[("-1.23e+05", True)] * 6] * 5,
    ),
)


@every_width
@pytest.mark.parametrize("result", [*EVERY, LONG, WIDE, LARGE_GRID])
def test_nothing_is_wider_than_the_terminal(
    result: Result, width: int
) -> None:
    lines = shown(report(result), width).splitlines()
    assert max(map(cell_len, lines)) <= width


def test_a_large_grid_fits_a_usual_terminal() -> None:
    text = shown(report(LARGE_GRID), 80)
    assert text.count("-1.23e+05*") == 30
    assert text.count("-1.23e+05 ") == 30


def test_a_narrow_terminal_loses_no_word_of_the_sentence() -> None:
    long = " ".join(f"word{n}" for n in range(60))
    text = shown(report(replace(FAILED, message=long)), 40)
    assert long in squeezed(text)


def test_a_narrow_terminal_loses_no_letter_of_the_evidence() -> None:
    call = "".join(f"{n}," for n in range(50))
    evidence = Evidence(call=call, says=call, difference=call, lines=(call,))
    text = shown(report(replace(FAILED, evidence=evidence)), 40)
    assert "…" not in text
    assert without_spaces(text).count(call) == 4


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("one\rtwo", "one\\rtwo"),
        ("a\b\0", "a\\x08\\x00"),
        ("\x7f\x9b31m", "\\x7f\\x9b31m"),
        ("half \ud83d of it", "half \\ud83d of it"),
        (
            "whole 😀 é 漢\u00a0\u200d\n\tnext",
            "whole 😀 é 漢\u00a0\u200d\n\tnext",
        ),
        ("", ""),
    ],
)
def test_what_would_move_the_cursor_is_written_by_its_number(
    text: str, seen: str
) -> None:
    assert visible(text) == seen
    seen.encode("utf-8")


def test_no_control_character_reaches_the_terminal() -> None:
    evil = "".join(map(chr, range(32))) + "\x7f\x9b\ud800"
    # Numbers and nudges are ours.
    ours = {"got_grid": None, "wanted_grid": None}
    result = everywhere(evil)
    result = replace(
        result, nudge="", evidence=replace(result.evidence, **ours)
    )
    text = shown(report(result))
    assert set(re.findall(r"[^\x20-\x7e]", text)) == {"\n"}
    assert without_spaces(text).count("\\x1b") == 6
    assert "\\ud800" in text


# --- the reader's output ----------------------------------------------------


def test_short_output_is_shown_as_it_is() -> None:
    text = "\n".join(f"  line {n}" for n in range(8))
    assert shortened(text) == text
    assert shortened(text + "\n\n  ") == text
    assert shortened("") == ""


def test_of_long_output_the_beginning_is_shown_and_the_rest_counted() -> None:
    lines = [f"line {n}" for n in range(13)]
    assert shortened("\n".join(lines) + "\n").splitlines() == [
        *lines[:8],
        "... and 5 more lines",
    ]
    assert shortened("\n".join(lines[:9])).splitlines() == [
        *lines[:8],
        "... and 1 more line",
    ]


def test_of_a_long_line_the_beginning_is_shown() -> None:
    assert shortened("x" * 200) == "x" * 200
    assert shortened("x" * 201) == "x" * 200 + " ..."
    found = shortened("y\n" + "x" * 4000 + "\nz")
    assert found.splitlines() == ["y", "x" * 200 + " ...", "z"]


def test_a_progress_bar_is_several_lines() -> None:
    assert shortened("1%\r50%\r100%\r\ndone") == "1%\n50%\n100%\ndone"


def test_a_flood_of_output_leaves_the_report_short() -> None:
    for flood in ("x" * 4000, "x\n" * 2000, "x " * 2000, "\x1b" * 4000):
        text = shown(report(replace(FAILED, printed=flood)))
        assert len(text.splitlines()) <= 45
        assert f"Next: laidout hint {NAME}" in text


def test_output_of_nothing_but_space_is_not_shown() -> None:
    text = shown(report(replace(FAILED, printed=" \n\n")))
    assert "Your code wrote" not in text


# --- what else is said ------------------------------------------------------


def test_the_summary_counts_what_has_passed_and_what_is_not_started() -> None:
    assert summary([PASSED, FAILED, NOT_STARTED]).plain == (
        "1 of 3 passed, 1 not started."
    )
    assert summary([NOT_STARTED, NOT_STARTED]).plain == (
        "0 of 2 passed, 2 not started."
    )
    assert summary([FAILED, ERROR]).plain == "0 of 2 passed."
    assert summary([PASSED]).plain == "1 of 1 passed."
    assert summary([]).plain == "0 of 0 passed."
    assert summary([PASSED]).style == "green"
    assert summary([PASSED, FAILED]).style == ""
    assert summary([PASSED, NOT_STARTED]).style == ""


def test_a_hint_is_drawn_and_not_shown_as_its_source() -> None:
    text = shown(markdown("Use `matmul` and **nothing** else."))
    assert text.strip() == "Use matmul and nothing else."


def test_progress_says_of_each_exercise_what_is_known(tmp_path: Path) -> None:
    one = find_exercise(NAME)
    others = [replace(one, name=name) for name in ("second", "third")]
    other = replace(one, name="fourth", chapter="another-chapter", minutes=7)
    path = tmp_path / "attention.py"
    path.write_text("def scaled_dot_product_attention(): ...\n")
    state = State(tmp_path)
    state.note(one, True)
    state.passed["second"] = "another digest"
    exercises = [one, *others, other]
    rows = shown(progress_table(exercises, state), 100).splitlines()
    assert [squeezed(row) for row in rows] == [
        "chapter exercise minutes",
        f"{one.chapter} {NAME} {one.minutes} done",
        f"second {one.minutes} changed",
        f"third {one.minutes} to do",
        "another-chapter fourth 7 to do",
    ]
    path.write_text("def scaled_dot_product_attention(x): ...\n")
    assert "done" not in shown(progress_table([one], state))


@every_width
def test_progress_is_no_wider_than_the_terminal_and_loses_nothing(
    tmp_path: Path, width: int
) -> None:
    one = find_exercise(NAME)
    state = State(tmp_path, passed={NAME: "another digest"})
    text = shown(progress_table([one], state), width)
    assert max(map(cell_len, text.splitlines())) <= width
    letters = re.findall(r"\w", one.chapter + NAME + "20changed")
    letters += re.findall(r"\w", "chapterexerciseminutes")
    assert sorted(re.findall(r"\w", text)) == sorted(letters)
    if width >= 80:
        assert f"{one.chapter}  {NAME}" in text
