"""The pieces of the PDF edition that need no TeX."""

from pathlib import Path

import pytest
from book.tiny import TinyBook

from laidout_book.errors import BookError
from laidout_book.latex import builder, edition
from laidout_book.latex.builder import complaints
from laidout_book.latex.code import BEST, NEVER, RATHER_NOT, listing
from laidout_book.latex.edition import epoch, written_date
from laidout_book.latex.pictures import Picture, in_print_fonts, size_of
from laidout_book.latex.writer import plain_math


def penalties(code: str) -> list[int]:
    written = listing(code, code).split("%\n")
    return [
        int(line.split("}{" if "codeline" in line else "{")[1].strip("}"))
        for line in written
    ]


def test_a_page_ends_best_between_two_paragraphs_of_code() -> None:
    found = penalties("a\nb\n\nc\nd\n")
    assert found[2] == BEST
    assert found[0] == found[-2] == NEVER


def test_a_page_rather_not_ends_after_a_line_that_opens() -> None:
    assert penalties("a\nb\ndef f():\n    pass\nc\nd")[2] == RATHER_NOT


def test_indentation_inside_markup_is_not_written_twice() -> None:
    marked = r"\PYG{l+s+sd}{    word}"
    assert listing("    word", marked) == (
        r"\codeline{4}{10000}{\PYG{l+s+sd}{word}}"
    )


def test_only_long_words_may_break() -> None:
    assert r"\codebreak" not in listing("short words", "short words")
    assert listing("x" * 30, "x" * 30).count(r"\codebreak") == 30


def test_a_log_is_read_for_what_a_reader_would_see() -> None:
    log = (
        "Overfull \\hbox (2.9pt too wide) in paragraph\n"
        "Overfull \\hbox (3.1pt too wide) in paragraph\n"
        "Overfull \\vbox (12.0pt too high) has occurred\n"
        "Underfull \\hbox (badness 10000)\n"
        "LaTeX Warning: Reference `x' on page 1 undefined\n"
        "Missing character: There is no ✓ in font y\n"
        "LaTeX Warning: Label `z' multiply defined.\n"
    )
    assert len(complaints(log)) == 5


@pytest.mark.parametrize(
    ("tex", "letters"),
    [
        (r"\sqrt{d_k}", "√d_k"),
        (r"QK^\top", "QK^ᵀ"),
        (r"\beta_1 \times 2", "β_1 ×2"),
        (r"\mathbf{x}", "x"),
    ],
)
def test_formulas_in_letters(tex: str, letters: str) -> None:
    assert plain_math(tex) == letters


def test_the_size_of_a_drawing_is_not_that_of_its_lines() -> None:
    svg = '<svg stroke-width="1.2" width="360" height="100"></svg>'
    assert size_of(svg) == (270.0, 75.0)
    assert size_of('<svg width="72pt" height="36pt">') == (72.0, 36.0)
    with pytest.raises(BookError, match="has no size"):
        size_of("<svg></svg>")


def test_a_tall_drawing_leaves_room_for_its_caption() -> None:
    assert Picture("a", 100.0, 300.0).fitted() == (100.0, 300.0)
    assert Picture("a", 100.0, 500.0).fitted() == (84.0, 420.0)
    assert Picture("a", 100.0, 1140.0).fitted() == (50.0, 570.0)


def test_drawings_and_plots_get_the_fonts_of_the_pdf() -> None:
    drawn = 'font-family="Source Sans 3, DejaVu Sans, sans-serif"'
    plot = "font: 11px 'DejaVu Sans', 'Computer Sans', sans-serif; x"
    assert "Heros" in in_print_fonts(drawn)
    assert in_print_fonts(plot).endswith("'TeX Gyre Heros', DejaVu Sans; x")


def test_the_date_is_said_or_that_of_the_changelog(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = tmp_path / "book"
    book.mkdir()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert written_date(epoch(book)) == "2 January 1970"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", edition.NOBODY_SAID)
    assert written_date(epoch(book)) == ""
    changes = "# Changelog\n\n## Unreleased\n\n## 1.2.0 - 2026-05-03\n"
    (tmp_path / "CHANGELOG.md").write_text(changes, encoding="utf-8")
    assert written_date(epoch(book)) == "3 May 2026"


def test_what_is_missing_is_named_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "xelatex" in builder.missing()
    assert "rsvg-convert" in builder.missing()
    assert builder.APT.startswith("apt-get install")


def test_a_machine_without_tex_is_told_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    book = TinyBook(tmp_path).page("Nothing.")
    monkeypatch.setenv("PATH", str(tmp_path))
    message = book.error("pdf")
    assert "xelatex" in message
    assert message.endswith(builder.APT)
