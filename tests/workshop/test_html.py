"""How the workshop speaks in a notebook."""

import re
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
    everywhere,
)
from rich.console import Console

from laidout.workshop import terminal
from laidout.workshop.html import report
from laidout.workshop.results import Evidence, Result

every_status = pytest.mark.parametrize("result", EVERY, ids=lambda r: r.status)
every_evil = pytest.mark.parametrize("text", EVIL)

TAGS = {
    *("div", "strong", "code", "p", "em", "pre", "dl", "dt", "dd"),
    *("table", "caption", "tbody", "tr", "td"),
}


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


@pytest.mark.parametrize("result", [ERROR, NOT_STARTED])
def test_without_evidence_there_is_a_sentence_and_what_comes_next(
    result: Result,
) -> None:
    assert text_of(result).endswith(
        f'{NAME}{result.message}Next: hint("{NAME}")'
    )


def test_a_failure_is_told_in_this_order() -> None:
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
        "got (✗ where it differs)",
        "wanted",
        "Your code wrote:",
        "scores tensor([1., 2.])",
        "There seems to be a second one behind it, for later.",
        FAILED.nudge,
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
    "There seems to be a second one behind it, for later.",
    *("scores tensor([1., 2.])", "shape (2,)", "... and 5 more lines", "f(3)"),
    *("x" * 200 + " ...", "x" * 201, "-7e-05", "0.25", "0.75", "Next: "),
)


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (PASSED, 0),
        (ERROR, 2),
        (FAILED, 20),
        (replace(FAILED, second="", nudge="", printed=""), 15),
        (replace(FAILED, evidence=Evidence(call="f(3)")), 9),
        (replace(FAILED, printed=" \n"), 17),
        (replace(ERROR, printed="x" * 300 + "\ny" * 12), 5),
    ],
)
def test_notebook_and_terminal_say_the_same(result: Result, said: int) -> None:
    console = Console(width=500, **terminal.PLAIN)
    with console.capture() as captured:
        console.print(terminal.report(result))
    notebook = " ".join(" ".join(parsed(result).itertext()).split())
    lines = " ".join(captured.get().split())
    found = [sentence for sentence in SENTENCES if sentence in notebook]
    assert found == [sentence for sentence in SENTENCES if sentence in lines]
    assert len(found) == said


@every_status
def test_the_message_is_said_in_full(result: Result) -> None:
    assert result.message in text_of(result)


def test_the_second_mistake_is_not_given_away() -> None:
    assert FAILED.second not in text_of(FAILED)
    assert "second one" not in text_of(replace(FAILED, second=""))


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
    # The message, what should hold, the call, the difference, the line, two
    # numbers, the output and the nudge.
    assert reader.text.count(text) == 9
    plain = read(everywhere("harmless"))
    assert reader.tags == plain.tags
    assert reader.attributes == plain.attributes


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
