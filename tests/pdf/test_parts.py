"""The pieces of the PDF edition that need no TeX."""

from pathlib import Path

import pytest
from book.tiny import TinyBook

from laidout_book.errors import BookError
from laidout_book.latex import builder, edition
from laidout_book.latex.builder import complaints
from laidout_book.latex.code import GAP, LINE, cuts, listing, together
from laidout_book.latex.edition import epoch, written_date
from laidout_book.latex.pictures import Picture, in_print_fonts, size_of
from laidout_book.latex.writer import INSIDE_CODE, plain_math


def parted(code: str, printed: bool = False) -> list[str]:
    """Return the last lines before the places where a page may end."""
    lines = code.rstrip("\n").split("\n")
    rows = cuts(lines, printed)
    return [next(filter(None, lines[row::-1])).strip() for row in rows]


def block(name: str, lines: int, indent: str = "") -> str:
    return "".join(f"{indent}{name}{n} = {n}\n" for n in range(lines))


def test_a_page_ends_between_two_definitions() -> None:
    body = block("a", 3, "    ") + "\n" + block("b", 4, "    ")
    code = f"def f():\n{body}\ndef g():\n{body}"
    assert parted(code) == ["b3 = 3"]
    assert "\\codegap{0}" in listing(code, code)


def test_methods_part_before_paragraphs_and_these_before_statements() -> None:
    body = block("a", 7, "        ") + "\n" + block("b", 7, "        ")
    methods = "".join(f"    def {n}(self):\n{body}\n" for n in "fg")
    assert parted(f"class C:\n{methods}") == ["a6 = 6", "b6 = 6", "a6 = 6"]
    assert parted(block("a", 7) + "\n" + block("b", 6)) == ["a6 = 6"]
    assert parted(block("a", 14)) == [f"a{n} = {n}" for n in range(3, 10)]


def test_a_short_listing_is_not_parted() -> None:
    assert parted(block("a", 6) + "\n" + block("b", 5)) == []
    assert parted(block("a", 12), printed=True) == []


def test_a_page_ends_neither_in_brackets_nor_in_strings() -> None:
    call = "call(\n" + block("    a", 7).replace("\n", ",\n") + "\n)\n"
    text = f'text = """\n{block("a", 7)}\n{block("b", 8)}"""\n'
    code = block("a", 4) + call + text + block("b", 4)
    assert parted(code) == ["a3 = 3", ")", '"""']


def test_a_page_ends_neither_after_what_opens_nor_after_a_comment() -> None:
    opens = "for a in b:\n    if a:\n        pass\n    else:\n        a += 1\n"
    code = block("a", 4) + opens + "# Why.\n" + block("b", 9)
    ends = parted(code)
    assert "a3 = 3" in ends
    assert "a += 1" in ends
    assert not {"for a in b:", "if a:", "pass", "else:", "# Why."} & {*ends}
    decorated = block("a", 4) + "@b\ndef f():\n    pass\n" + block("c", 8)
    assert not {"@b", "def f():"} & {*parted(decorated)}


def test_a_docstring_is_parted_only_if_it_is_longer_than_a_page() -> None:
    for words, ends in ((14, []), (50, ["a24 = 24"])):
        half = block("a", words // 2, "    ")
        code = f'def f():\n    """Say.\n\n{half}\n{half}    """\n    pass\n'
        found = parted(code)
        assert [end for end in found if end != '"""'] == ends


def test_code_that_python_cannot_read_is_parted_all_the_same() -> None:
    assert parted("%magic (\n" + block("a", 60)) != []
    assert parted("    a\n  b\n" + block("a", 60)) != []


def test_output_is_parted_at_blank_lines_first() -> None:
    text = block("a", 7) + "\n" + block("b", 7)
    assert parted(text, printed=True) == ["a6 = 6"]
    long = "".join(f"{n} wanted\n       got\n" for n in range(8))
    assert {*parted(long, printed=True)} == {"got"}


def test_what_stays_together_is_as_high_as_its_lines() -> None:
    text = block("a", 7) + "\n" + block("b", 7)
    assert together(text.split("\n")) == pytest.approx(7 * LINE + GAP)


def test_indentation_inside_markup_is_not_written_twice() -> None:
    marked = r"\PYG{l+s+sd}{    word}"
    assert listing("    word", marked) == (
        r"\codeline{4}{10000}{\PYG{l+s+sd}{word}}"
    )


def test_only_long_words_may_break() -> None:
    assert r"\codebreak" not in listing("short words", "short words")
    assert listing("x" * 30, "x" * 30).count(r"\codebreak") == 30


def test_code_in_a_line_breaks_where_enough_follows() -> None:
    for code, parts in (
        ("step(2)", "step(2)"),
        (
            r"call(something, more\_of\_it)",
            r"call(|something, more\_|of\_|it)",
        ),
        ("torch.nn.Linear", "torch.|nn.|Linear"),
        ("a/b=c", "a/|b=c"),
    ):
        assert INSIDE_CODE.sub(r"\1|", code) == parts


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
