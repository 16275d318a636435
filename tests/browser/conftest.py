"""The book as it is built, served on loopback, and a browser to read it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route

import bench

ROOT = Path(__file__).parents[2]
OPEN_ALL = "document.querySelectorAll('details').forEach(d => d.open = true)"


@dataclass(frozen=True)
class Book:
    """The built book: its folder, its address, its pages."""

    folder: Path
    base: str
    pages: list[str]

    @property
    def chapters(self) -> list[str]:
        """The pages with something to toggle."""
        return [
            page
            for page in self.pages
            if "<details" in (self.folder / page).read_text("utf-8")
        ]


@dataclass
class Visit:
    """A page that is open, and all that went wrong with it."""

    page: Page
    asked: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open_all(self) -> None:
        """Open every toggle."""
        self.page.evaluate(OPEN_ALL)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    executable = bench.chromium()
    if executable is None:
        reason = "no Chromium: apt-get install chromium, or LAIDOUT_CHROMIUM"
        if os.environ.get("LAIDOUT_REQUIRE_ALL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with bench.open_browser(executable) as started:
        yield started


@pytest.fixture(scope="session")
def book(browser: Browser, tmp_path_factory: Any) -> Iterator[Book]:
    """Build the book; cells that were executed before are not again."""
    folder = tmp_path_factory.mktemp("book")
    words = ["-q", "-W", "-n", "-b", "html", "-d", str(folder / "doctrees")]
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", *words, "book", str(folder / "html")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert built.returncode == 0, f"the book does not build:\n{built.stderr}"
    with bench.serve(folder / "html") as base:
        yield Book(folder / "html", base, bench.pages_of(folder / "html"))


def _watch(context: BrowserContext, page: Page, base: str) -> Visit:
    """Note requests, failures and complaints; let nothing out."""
    visit = Visit(page)

    def only_here(route: Route) -> None:
        if route.request.url.startswith((base, "data:", "file:")):
            route.continue_()
        else:
            visit.elsewhere.append(route.request.url)
            route.abort()

    def complain(kind: str, text: str) -> None:
        visit.complaints.append(f"{kind}: {text}")

    context.route("**/*", only_here)
    page.on("request", lambda request: visit.asked.append(request.url))
    page.on(
        "requestfailed",  # one that the next page cuts short did not fail
        lambda r: r.failure == "net::ERR_ABORTED" or complain("failed", r.url),
    )
    page.on("pageerror", lambda error: complain("page error", str(error)))
    page.on(
        "response",
        lambda r: r.status >= 400 and complain(str(r.status), r.url),
    )
    page.on(
        "console",
        lambda m: m.type in ("error", "warning") and complain(m.type, m.text),
    )
    return visit


@pytest.fixture
def visiting(browser: Browser, book: Book) -> Callable[..., Any]:
    """Give a context manager that opens a page in a fresh profile."""

    @contextmanager
    def visiting(
        name: str = "",
        width: int = 1280,
        theme: str = "light",
        scripts: bool = True,
        base: str = "",
        script: str = "",
    ) -> Iterator[Visit]:
        context = browser.new_context(
            viewport={"width": width, "height": 800},
            color_scheme="dark" if theme == "dark" else "light",
            java_script_enabled=scripts,
            reduced_motion="reduce",
        )
        context.set_default_timeout(10_000)
        if script:
            context.add_init_script(script)
        base = base or book.base
        visit = _watch(context, context.new_page(), base)
        try:
            if name:
                visit.page.goto(base + name)
            yield visit
        finally:
            context.close()

    return visiting
