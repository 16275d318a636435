"""Measure the book: how long it takes to build, how heavy its pages are.

    python book/bench.py [--runs 3] [--output book/results/book.json]

Run it on an idle machine. Builds happen in a copy of the book with caches of
their own, so that nothing is reused and nothing in the repository changes.
The browser is Chromium without a window: the one that LAIDOUT_CHROMIUM names,
or else the one on the search path. The tests of the pages use what is here.
"""

import argparse
import functools
import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from playwright.sync_api import Browser, Page, sync_playwright

from record import ROOT, head, say, summary, write

CHAPTER = "building/scaled-dot-product-attention"
COPIED = ("book", "src", "pyproject.toml", "constraints.txt")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.egg-info")
PACKAGES = (
    *("sphinx", "docutils", "myst-nb", "sphinx-book-theme"),
    *("torch", "matplotlib", "playwright"),
)
LOADS_A_RUN = 3
"""How often a page is loaded for each build: loads are short."""

CHROMIUM_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update"),
    "--disable-sync",
)
OBSERVE = """
window.painted = { shift: 0, largest: 0 };
new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
  if (!entry.hadRecentInput) painted.shift += entry.value;
})).observe({ type: "layout-shift", buffered: true });
new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
  painted.largest = entry.startTime;
})).observe({ type: "largest-contentful-paint", buffered: true });
"""
"""Runs before a page does: notes layout shifts and the largest paint."""


# Pages


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    """A server to which a browser that leaves early is no error."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report what went wrong, unless the other side hung up."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder on loopback and give its address."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


def chromium() -> str | None:
    """Find the browser."""
    named = os.environ.get("LAIDOUT_CHROMIUM")
    found = named or shutil.which("chromium") or "/usr/bin/chromium"
    return found if Path(found).is_file() else None


@contextmanager
def open_browser(executable: str) -> Iterator[Browser]:
    """Start the browser, with a profile of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=list(CHROMIUM_FLAGS)
        )
        yield browser
        browser.close()


def settle(page: Page, milliseconds: int = 50) -> None:
    """Wait until the fonts are there and the page has been painted."""
    page.evaluate("document.fonts.ready.then(() => null)")
    page.wait_for_timeout(milliseconds)


def transfer_size(path: Path) -> int:
    """Return the bytes that a compressing server would send of a file."""
    data = path.read_bytes()
    if path.suffix in {".woff2", ".png"}:
        return len(data)
    return len(gzip.compress(data, compresslevel=6))


def files_asked(folder: Path, urls: Iterable[str]) -> list[Path]:
    """Return the files that addresses below a served folder stand for."""
    paths = {unquote(urlsplit(url).path).lstrip("/") for url in urls}
    return sorted(folder / path for path in paths)


def visit(browser: Browser, base: str, *pages: str) -> list[list[str]]:
    """Open pages one after the other; return what each newly asked for."""
    context = browser.new_context()
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    found: list[list[str]] = []
    for name in pages:
        before = set(asked)
        page.goto(base + name)
        settle(page)
        found.append(
            [url for url in dict.fromkeys(asked) if url not in before]
        )
    context.close()
    return found


def load(browser: Browser, url: str) -> tuple[float, float]:
    """Return the milliseconds to the largest paint, and the layout shift."""
    context = browser.new_context()
    context.add_init_script(OBSERVE)
    page = context.new_page()
    page.goto(url)
    settle(page, 300)
    painted = page.evaluate("painted")
    context.close()
    return painted["largest"], painted["shift"]


def weigh(
    browser: Browser, folder: Path, base: str, name: str
) -> dict[str, Any]:
    """Return what a page costs who comes first to it, or from another."""
    chapter = f"{CHAPTER}.html"
    first = visit(browser, base, name)[0]
    further = visit(browser, base, chapter, name)[1]
    if name == chapter:
        further = visit(browser, base, "index.html", name)[1]

    def size(urls: list[str]) -> int:
        return sum(map(transfer_size, files_asked(folder, urls)))

    return {
        "html_bytes": (folder / name).stat().st_size,
        "html_gzip_bytes": transfer_size(folder / name),
        "first_visit_requests": len(first),
        "first_visit_bytes": size(first),
        "further_page_requests": len(further),
        "further_page_bytes": size(further),
    }


def pages_of(folder: Path) -> list[str]:
    """Return all pages of a built book, the cover first."""
    found = (p.relative_to(folder) for p in folder.rglob("*.html"))
    pages = {p.as_posix() for p in found if p.parts[0] != "_static"}
    return sorted(pages, key=lambda page: (page != "index.html", page))


def measure_pages(folder: Path, loads: int) -> dict[str, Any]:
    """Weigh every page, then load all of them in turn, again and again."""
    executable = chromium()
    if executable is None:
        raise SystemExit("no Chromium: set LAIDOUT_CHROMIUM to its path")
    with serve(folder) as base, open_browser(executable) as browser:
        results = {
            page: weigh(browser, folder, base, page)
            for page in pages_of(folder)
        }
        seen: dict[str, list[tuple[float, float]]] = {p: [] for p in results}
        for turn in range(loads):
            say(f"load {turn + 1} of {loads} of {len(results)} pages")
            for page in results:
                seen[page].append(load(browser, base + page))
        for page, pairs in seen.items():
            largest, shift = zip(*pairs, strict=True)
            results[page]["largest_paint_ms"] = summary(largest, 1)
            results[page]["layout_shift"] = summary(shift, 5)
        return {"chromium": browser.version, "pages": results}


# Builds


def copy_book(to: Path) -> None:
    """Copy what the book is built from."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, to / name, ignore=LEFT_OUT)
        else:
            shutil.copy(ROOT / name, to / name)


def build(folder: Path) -> float:
    """Build the copy as the `book` session does; return the seconds."""
    command = [
        *(sys.executable, "-m", "sphinx", "-q", "-W", "-n", "-b", "html"),
        *("-d", "build/doctrees", "book", "build/html"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True)
    return time.perf_counter() - start


def with_changed_line(text: str, turn: int) -> str:
    """Change the first line of prose under a page's title."""
    changed, count = re.subn(
        r"(?m)^(# .*\n(?:(?![A-Z]).*\n)*)([A-Z].*)$",
        rf"\1\2 Edit {turn}.",
        text,
        count=1,
    )
    if not count:
        raise ValueError("expected a line of prose under the title")
    return changed


def measure_builds(folder: Path, turn: int) -> dict[str, float]:
    """Build from nothing, again, and after a changed line of prose."""
    copy_book(folder)
    seconds = {"cold": build(folder), "nothing_changed": build(folder)}
    page = folder / "book" / f"{CHAPTER}.md"
    page.write_text(with_changed_line(page.read_text("utf-8"), turn), "utf-8")
    seconds["one_line_of_prose"] = build(folder)
    return seconds


def main(words: list[str]) -> None:
    """Measure and write the record."""
    reader = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n")[0]
    )
    reader.add_argument("--runs", type=int, default=3)
    reader.add_argument(
        "--output", type=Path, default=ROOT / "book/results/book.json"
    )
    options = reader.parse_args(words)
    if options.runs < 1:
        reader.error("--runs: expected 1 or more")
    record = head(
        ["book/bench.py", *words],
        PACKAGES,
        {"builds": options.runs, "loads": options.runs * LOADS_A_RUN},
    )
    turns: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(prefix="laidout-bench-") as name:
        for turn in range(1, options.runs + 1):
            say(f"builds {turn} of {options.runs}")
            folder = Path(name, str(turn))
            folder.mkdir()
            turns.append(measure_builds(folder, turn))
            say(", ".join(f"{k} {v:.2f} s" for k, v in turns[-1].items()))
        loads = options.runs * LOADS_A_RUN
        measured = measure_pages(Path(name, "1", "build", "html"), loads)
    record["versions"]["chromium"] = measured["chromium"]
    record["results"] = {
        "builds_s": {
            kind: summary((turn[kind] for turn in turns), 2)
            for kind in turns[0]
        },
        "pages": measured["pages"],
    }
    write(options.output, record)


if __name__ == "__main__":
    main(sys.argv[1:])
