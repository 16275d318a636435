"""The benchmark: what can be tested without measuring."""

import gzip
import socket
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import bench


def test_text_is_weighed_compressed_and_fonts_as_they_are(
    tmp_path: Path,
) -> None:
    text, font = tmp_path / "page.html", tmp_path / "face.woff2"
    text.write_bytes(b"pizza " * 1000)
    font.write_bytes(b"pizza " * 1000)
    compressed = gzip.compress(text.read_bytes(), compresslevel=6)
    assert bench.transfer_size(text) == len(compressed) < 100
    assert bench.transfer_size(font) == 6000


def test_addresses_stand_for_files_once_each(tmp_path: Path) -> None:
    base = "http://127.0.0.1:80/"
    asked = ["a.html?q=1", "a.html#part", "_static/b%20c.css?v=1"]
    assert bench.files_asked(tmp_path, [base + name for name in asked]) == [
        tmp_path / "_static/b c.css",
        tmp_path / "a.html",
    ]


def test_one_line_of_prose_under_the_title_changes() -> None:
    page = "---\nAuthor: me\n---\n# Title\n\n{.lead}\n\nFirst line\nsecond.\n"
    changed = bench.with_changed_line(page, 2)
    assert changed == page.replace("First line", "First line Edit 2.")
    with pytest.raises(ValueError, match="expected a line of prose"):
        bench.with_changed_line("no title\n", 1)


def test_the_chapter_that_is_measured_has_a_line_to_change() -> None:
    path = bench.ROOT / "book" / f"{bench.CHAPTER}.md"
    page = path.read_text("utf-8")
    before = page.splitlines()
    after = bench.with_changed_line(page, 1).splitlines()
    assert sum(a != b for a, b in zip(before, after, strict=True)) == 1


def test_pages_are_found_the_cover_first(tmp_path: Path) -> None:
    for name in ("a.html", "index.html", "b/c.html", "_static/d.html"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert bench.pages_of(tmp_path) == ["index.html", "a.html", "b/c.html"]


def test_a_folder_is_served_on_loopback(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("pizza")
    with bench.serve(tmp_path) as base:
        assert base.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(base + "page.html") as answer:
            assert answer.read() == b"pizza"


def test_the_copy_has_what_the_book_is_built_from(tmp_path: Path) -> None:
    bench.copy_book(tmp_path)
    for name in ("book/conf.py", "src/laidout/attention.py", "pyproject.toml"):
        assert (tmp_path / name).read_bytes() == (
            bench.ROOT / name
        ).read_bytes()


def test_the_browser_can_be_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    browser = tmp_path / "browser"
    monkeypatch.setenv("LAIDOUT_CHROMIUM", str(browser))
    assert bench.chromium() is None
    browser.touch()
    assert bench.chromium() == str(browser)


def test_runs_must_be_one_or_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        bench.main(["--runs", "0"])
    assert "expected 1 or more" in capsys.readouterr().err


def test_a_browser_that_leaves_early_is_no_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "large").write_bytes(b"x" * 20_000_000)
    with bench.serve(tmp_path) as base:
        place = urlsplit(base)
        for _ in range(3):
            caller = socket.create_connection((place.hostname, place.port))
            caller.sendall(b"GET /large HTTP/1.0\r\n\r\n")
            caller.recv(10)
            caller.close()
        with urllib.request.urlopen(base + "large") as answer:
            assert len(answer.read()) == 20_000_000
    assert capsys.readouterr().err == ""
