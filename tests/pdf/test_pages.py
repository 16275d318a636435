"""What holds for every PDF that the edition makes."""

import re
from pathlib import Path

from pdf.conftest import Pressed

from laidout_book.latex.builder import complaints

MARGIN = 29
"""Millimetres at each side that stay white; the text begins at 32."""

ABOVE, BELOW = 11, 278


def test_the_log_complains_of_nothing(pressed: Pressed) -> None:
    assert "Output written on" in pressed.log
    assert complaints(pressed.log) == []


def test_every_font_is_embedded_and_can_be_copied_from(
    pressed: Pressed,
) -> None:
    assert len(pressed.fonts) > 3
    for name, embedded, _, unicode, *_ in pressed.fonts:
        assert embedded == "yes", name
        assert unicode == "yes" or "Math" in name, name


def test_pages_are_a4(pressed: Pressed) -> None:
    assert "(A4)" in pressed.info["Page size"]


def test_every_link_and_bookmark_leads_somewhere(pressed: Pressed) -> None:
    assert len(pressed.links) > 50
    assert set(pressed.links) - set(pressed.destinations) == set()


def test_page_numbers_are_those_of_the_file(pressed: Pressed) -> None:
    for number, page in enumerate(pressed.pages, start=1):
        lines = page.strip().splitlines()
        if f"page.{number}" in pressed.destinations and lines:
            assert pressed.destinations[f"page.{number}"] == number
            shown = {lines[0].split()[-1], lines[-1].split()[-1]}
            assert str(number) in shown or _is_bare(page), number


def _is_bare(page: str) -> bool:
    """Title page, its back and part pages show no number."""
    return bool(re.search(r"Version \d|^\s*Part [IVX]+$", page, re.M))


def test_nothing_stands_in_the_margins(
    pressed: Pressed, tmp_path: Path
) -> None:
    boxes = pressed.ink(tmp_path)
    assert len(boxes) == len(pressed.pages)
    for number, (left, top, right, bottom) in enumerate(boxes, start=1):
        assert left >= MARGIN, f"page {number} begins at {left} mm"
        assert right <= 210 - MARGIN, f"page {number} ends at {right} mm"
        assert top >= ABOVE, f"page {number} begins {top} mm from above"
        assert bottom <= BELOW, f"page {number} ends {bottom} mm from above"


def test_no_directive_or_command_survives_as_text(pressed: Pressed) -> None:
    assert not re.search(
        r"\{(?:numref|drawing|exercise|faq|cite|py:\w+)\}|```\{|\\begin|\\PYG",
        pressed.text,
    )
    assert "??" not in pressed.text
