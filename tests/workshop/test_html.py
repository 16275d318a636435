"""How the workshop speaks in a notebook."""

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

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
from rich.console import Console

from laidout.workshop import terminal
from laidout.workshop.html import report
from laidout.workshop.results import Evidence, Result

every_status = pytest.mark.parametrize("result", EVERY, ids=lambda r: r.status)
every_evil = pytest.mark.parametrize("text", EVIL)

BEHIND = terminal.BEHIND
TAGS = {
    *("div", "strong", "code", "p", "em", "pre", "dl", "dt", "dd"),
    *("table", "caption", "tbody", "tr", "td"),
}


def plain(text: str) -> str:
    """Return a sentence as it is read where its code is drawn as code."""
    return text.replace("`", "")


def parsed(result: Result) -> Element:
    """Read a report with a parser that forgives nothing."""
    return ElementTree.fromstring(report(result))


def text_of(result: Result) -> str:
    """Return the text of a report, white space squeezed."""
    found = " ".join("".join(parsed(result).itertext()).split())
    assert found
    return found


class Reader(HTMLParser):
    """Write down what a browser would meet."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(
        self, tag: str, attrs: list[tuple[str, str | None]]
    ) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(result: Result) -> Reader:
    reader = Reader()
    reader.feed(report(result))
    reader.close()
    assert reader.open == []
    return reader


@every_status
def test_a_report_is_one_box_with_its_status(result: Result) -> None:
    box = parsed(result)
    assert box.tag == "div"
    assert box.tail is None
    signs = {"passed": "✓", "failed": "✗", "error": "✗", "not started": "○"}
    sign = signs[result.status]
    assert text_of(result).startswith(f"{sign} {result.status} {NAME}")


@every_status
def test_a_browser_and_a_strict_parser_read_the_same(result: Result) -> None:
    reader = read(result)
    assert reader.text == "".join(parsed(result).itertext())
    assert reader.tags == [element.tag for element in parsed(result).iter()]
    assert set(reader.tags) <= TAGS
    assert set(reader.attributes) <= {"style"}


def test_what_has_passed_needs_no_more_than_its_head() -> None:
    assert text_of(PASSED) == f"✓ passed {NAME}"


def test_without_evidence_there_is_a_sentence_and_what_comes_next() -> None:
    result = replace(UNNAMED, evidence=Evidence())
    assert text_of(result).endswith(
        f'{NAME}{result.message}Next: hint("{NAME}")'
    )


@pytest.mark.parametrize(
    "result", [NOT_STARTED, replace(ERROR, evidence=Evidence())]
)
def test_where_no_hint_helps_a_sentence_is_all(result: Result) -> None:
    assert text_of(result).endswith(f"{NAME}{result.message}")


@every_status
def test_only_to_what_has_failed_a_hint_is_what_comes_next(
    result: Result,
) -> None:
    said = "Next: " in text_of(result)
    assert said == (result.status == "failed")


def test_of_an_error_the_line_is_shown_with_a_mark_below_it() -> None:
    (output,) = parsed(ERROR).iter("pre")
    assert output.text == "def attend(x:\n            ^"


def test_a_failure_is_told_in_this_order() -> None:
    parts = [
        "failed",
        NAME,
        plain(FAILED.message),
        "should hold",
        plain(EVIDENCE.says),
        "called",
        EVIDENCE.call,
        "came out",
        EVIDENCE.difference,
        "attention.py:4444: four()",
        "got (✗ where it differs, in [1], rows 0 to 1 of 0 to 6)",
        "wanted",
        "Your code wrote:",
        "scores tensor([1., 2.])",
        BEHIND,
        plain(FAILED.nudge),
        f'Next: hint("{NAME}")',
    ]
    text = text_of(FAILED)
    places = [text.find(part) for part in parts]
    assert -1 not in places
    assert places == sorted(places)


SENTENCES = (
    *(FAILED.message, ERROR.message, EVIDENCE.says, EVIDENCE.call),
    *(EVIDENCE.difference, *EVIDENCE.lines, FAILED.nudge, FAILED.second),
    *("should hold", "called", "came out", "wanted", "Your code wrote:"),
    *(BEHIND, UNNAMED.message, UNNAMED.evidence.difference, "[3, 4, 7]"),
    *("[3, 5, 7]", RAISED.message, "KeyError", "def attend(x:", "^"),
    *(EVIDENCE.window, NOT_STARTED.message),
    *("scores tensor([1., 2.])", "shape (2,)", "... and 5 more lines", "f(3)"),
    *("x" * 200 + " ...", "x" * 201, "-7e-05", "0.25", "0.75", "Next: "),
)


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (PASSED, 0),
        (ERROR, 3),
        (FAILED, 21),
        (replace(FAILED, second="", nudge="", printed=""), 16),
        (replace(FAILED, evidence=Evidence(call="f(3)")), 9),
        (replace(FAILED, printed=" \n"), 18),
        (replace(ERROR, printed="x" * 300 + "\ny" * 12), 6),
        (UNNAMED, 8),
        (RAISED, 5),
    ],
)
def test_notebook_and_terminal_say_the_same(result: Result, said: int) -> None:
    console = Console(width=500, **terminal.PLAIN)
    with console.capture() as captured:
        console.print(terminal.report(result))
    boxes = ("".join(part.itertext()) for part in pieces(parsed(result)))
    notebook = " ".join(" ".join(boxes).split())
    lines = " ".join(captured.get().split())
    found = [sentence for sentence in SENTENCES if plain(sentence) in notebook]
    assert found == [sentence for sentence in SENTENCES if sentence in lines]
    assert len(found) == said


def pieces(element: Element) -> Iterator[Element]:
    """Yield the elements that hold text of their own."""
    if (element.text or "").strip() or element.tag == "p":
        yield element
    else:
        for part in element:
            yield from pieces(part)


@every_status
def test_the_message_is_said_in_full(result: Result) -> None:
    assert plain(result.message) in text_of(result)


@pytest.mark.parametrize("result", [FAILED, UNNAMED, RAISED])
def test_nothing_is_said_twice(result: Result) -> None:
    text = text_of(result)
    rows = terminal.rows_of(result.evidence).values()
    for said in (result.message, *rows):
        assert text.count(plain(said)) == 1
    assert text.count("KeyError") == (result == RAISED)


def test_the_rows_are_those_of_the_terminal() -> None:
    for result in EVERY:
        box = parsed(result)
        labels = [element.text for element in box.iter("dt")]
        texts = ["".join(e.itertext()) for e in box.iter("dd")]
        rows = terminal.rows_of(result.evidence)
        assert labels == list(rows)
        assert texts == [plain(text) for text in rows.values()]


# --- code in sentences ------------------------------------------------------


def codes(result: Result) -> list[str | None]:
    """Return what is drawn as code, but for the name and the hint."""
    found = [element.text for element in parsed(result).iter("code")]
    return found[1:-1]


def test_what_stands_between_backticks_is_code() -> None:
    assert codes(FAILED) == ["d_k", "softmax", "softmax"]
    assert "`" not in report(FAILED)


@pytest.mark.parametrize(
    ("text", "code", "shown"),
    [
        ("`x` and `y`", ["x", "y"], "x and y"),
        ("`a < b` & c", ["a < b"], "a < b & c"),
        ("`<b>&amp;`", ["<b>&amp;"], "<b>&amp;"),
        ("one ` alone", [], "one ` alone"),
        ("`x` and ` alone", ["x"], "x and ` alone"),
        ("`` none", [], "`` none"),
        ("`half \x1b[2J`", ["half \\x1b[2J"], "half \\x1b[2J"),
    ],
)
def test_code_in_a_sentence_is_shown_and_not_obeyed(
    text: str, code: list[str], shown: str
) -> None:
    result = replace(FAILED, message=text, nudge="", evidence=Evidence())
    assert codes(result) == code
    assert f"{NAME}{shown}" in text_of(result)
    assert set(read(result).tags) <= TAGS


def test_what_the_code_wrote_keeps_its_backticks() -> None:
    evidence = Evidence(lines=("f.py:3: print('`x`')",))
    result = replace(FAILED, printed="`x`", evidence=evidence)
    output = [pre.text for pre in parsed(result).iter("pre")]
    assert output == ["f.py:3: print('`x`')", "`x`"]


# --- the rest ---------------------------------------------------------------


def test_the_second_mistake_is_not_given_away() -> None:
    assert FAILED.second not in text_of(FAILED)
    assert BEHIND in text_of(FAILED)
    assert BEHIND not in text_of(replace(FAILED, second=""))


def test_wrong_numbers_are_marked_by_a_sign_and_not_by_colour() -> None:
    got, wanted = parsed(FAILED).iter("table")
    assert [cell.text for cell in got.iter("td")] == [
        *("1", "✗ 0.25", "✗ -7e-05", "0")
    ]
    assert [cell.text for cell in wanted.iter("td")] == [
        *("1", "0.5", "0.75", "0")
    ]
    assert [len(row) for row in got.iter("tr")] == [2, 2]
    assert re.findall(r"color\s*:", report(FAILED)) == []


def test_which_part_of_a_tensor_is_shown_is_said_above_it() -> None:
    heads = [
        [c.text for c in parsed(replace(FAILED, evidence=e)).iter("caption")]
        for e in (EVIDENCE, replace(EVIDENCE, window=""))
    ]
    assert heads == [
        [f"got (✗ where it differs, {EVIDENCE.window})", "wanted"],
        ["got (✗ where it differs)", "wanted"],
    ]


def test_the_output_keeps_its_lines() -> None:
    output = [pre.text for pre in parsed(FAILED).iter("pre")]
    assert output == [
        "\n".join(EVIDENCE.lines[1:]),
        "scores tensor([1., 2.])\nshape (2,)",
    ]


@every_evil
def test_what_the_reader_wrote_is_shown_and_not_obeyed(text: str) -> None:
    result = everywhere(text)
    reader = read(result)
    # The message, what should hold, the call, the difference, the line, the
    # part, two numbers, the output and the nudge.
    assert reader.text.count(text) == 10
    harmless = read(everywhere("harmless"))
    assert reader.tags == harmless.tags
    assert reader.attributes == harmless.attributes


@every_evil
def test_even_a_name_is_escaped(text: str) -> None:
    reader = read(replace(FAILED, name=text))
    assert reader.text.count(text) == 2
    assert reader.tags == read(FAILED).tags


def test_what_cannot_be_sent_is_written_by_its_number() -> None:
    evil = "".join(map(chr, range(32))) + "\x7f\ud800"
    text = report(everywhere(evil))
    text.encode("utf-8")
    assert set(re.findall(r"[\x00-\x1f\x7f]", text)) == {"\n", "\t"}
    assert "\\x1b" in text
    assert "\\ud800" in text


def test_a_flood_of_output_leaves_the_report_short() -> None:
    for flood in ("x" * 4000, "x\n" * 2000):
        assert len(report(replace(FAILED, printed=flood))) < 5000
