"""What holds for every PDF that the edition makes, and for its maps."""

import re
import zlib
from contextlib import suppress
from pathlib import Path

from pdf.conftest import STREAM, Pressed, said

from laidout_book.latex.builder import complaints

MARGIN = 29
"""Millimetres at each side that stay white; the text begins at 32."""

ABOVE, BELOW = 11, 278
WORD = re.compile(r'yMin="([\d.]+)" xMax="[\d.]+" yMax="([\d.]+)">(.*?)<')
LINK = re.compile(
    rb"/D\s*\(([^)]*)\)>>/Rect\[[\d.]+ ([\d.]+) [\d.]+ ([\d.]+)\]"
)
LINE = 1.43
"""The height of a word in TeX Gyre Heros, in sizes of its letters."""


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


def test_every_map_is_printed_in_one_size_that_can_be_read(
    real: Pressed,
) -> None:
    found = WORD.findall(said("pdftotext", "-bbox", real.pdf, "-"))
    words = [word for _, _, word in found]
    sizes = [
        round((float(low) - float(top)) / LINE, 1)
        for (top, low, word), after in zip(found, words[1:], strict=False)
        if (word, after) == ("N", "times")
    ]
    assert len(sizes) >= 2 * 6
    assert len(set(sizes)) == 1
    assert sizes[0] >= 7


def test_the_parts_of_a_map_lead_to_their_chapters(real: Pressed) -> None:
    # A line of text is less than 15 points high, a box of the map is more.
    boxes = [
        place
        for place, high in _links(real)
        if place.startswith("chapter.") and high > 15
    ]
    maps = real.text.count("N times") // 2
    # Each shows attention three times; a chapter has no link to itself.
    assert len(boxes) >= 3 * (maps - 1) >= 15
    assert set(boxes) <= set(real.destinations)


def _links(pressed: Pressed) -> list[tuple[str, float]]:
    """Return where every link leads, and how many points high it is."""
    objects = b""
    for stream in STREAM.findall(pressed.pdf.read_bytes()):
        with suppress(zlib.error):
            objects += zlib.decompress(stream)
    return [
        (place.decode(), float(high) - float(low))
        for place, low, high in LINK.findall(objects)
    ]
