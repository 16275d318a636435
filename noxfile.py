"""The project's commands: `nox -l` lists them, `nox -s NAME` runs one."""

import os
import shutil
import sys
import webbrowser
from pathlib import Path

import nox

ROOT = Path(__file__).parent
BUILD = ROOT / "build"
CONSTRAINTS = ROOT / "constraints.txt"

nox.options.sessions = ["lint", "types", "tests", "book"]
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = True

# What is built here is the real book. Tests that build it fast say so.
os.environ.pop("LAIDOUT_FAST", None)


def install(session: nox.Session, extra: str) -> None:
    """Install the package as it stands, with one of its extras."""
    session.install("-c", str(CONSTRAINTS), "-e", f".[{extra}]")


def sphinx(builder: str, *options: str) -> list[str]:
    """Return the command that builds the book; every warning is an error."""
    return [
        *("python", "-m", "sphinx", "-W", "-n", "-b", builder, *options),
        *("-d", str(BUILD / "doctrees"), str(ROOT / "book")),
        str(BUILD / builder),
    ]


def write_notebooks(session: nox.Session) -> None:
    """Write the notebooks, and the wheel that they need, into build."""
    folder = BUILD / "notebooks"
    session.install("-c", str(CONSTRAINTS), "setuptools>=77")
    # What an earlier build has left would get into the wheel.
    for old in (BUILD / "lib", *BUILD.glob("bdist.*")):
        shutil.rmtree(old, ignore_errors=True)
    for wheel in folder.glob("laidout-*.whl"):
        wheel.unlink()
    session.run(
        *("python", "-m", "pip", "wheel", "--quiet", "--no-deps"),
        *("--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)),
        env={"SOURCE_DATE_EPOCH": "315532800"},  # 1980: where zip begins
    )
    session.run(*sphinx("notebooks"))
    session.log(f"the notebooks are in {folder}")


def write_pdf(session: nox.Session) -> None:
    """Write the PDF into build."""
    session.run(*sphinx("pdf"))
    session.log(f"the PDF is {BUILD / 'pdf' / 'transformers-laid-out.pdf'}")


@nox.session
def book(session: nox.Session) -> None:
    """Build the three editions; `-- --html` the pages only, `-- --open`."""
    known = {"--open", "--fresh", "--html"}
    unknown = [word for word in session.posargs if word not in known]
    if unknown:
        session.error(f"book takes {sorted(known)}, not {unknown[0]!r}")
    install(session, "book")
    fresh = ["-E", "-a"] if "--fresh" in session.posargs else []
    if "--html" not in session.posargs:
        write_notebooks(session)
        # Where nothing may be skipped, the builder says what is missing.
        if shutil.which("xelatex") or os.environ.get("LAIDOUT_REQUIRE_ALL"):
            write_pdf(session)
        else:
            session.warn("no TeX, so no PDF: nox -s pdf says what to install")
    session.run(*sphinx("html", *fresh))
    page = BUILD / "html" / "index.html"
    session.log(f"the book is at {page}")
    if "--open" in session.posargs:
        webbrowser.open(page.as_uri())


@nox.session
def notebooks(session: nox.Session) -> None:
    """Write a notebook for each chapter into build/notebooks; run them."""
    install(session, "book")
    write_notebooks(session)
    session.notify("notebooks_run")


@nox.session
def notebooks_run(session: nox.Session) -> None:
    """Run every notebook with nothing but the wheel: unsolved, then solved."""
    wheels = [*(BUILD / "notebooks").glob("laidout-*.whl")]
    if not wheels:
        session.error("there are no notebooks yet: nox -s notebooks")
    needs = f"laidout[notebooks] @ {wheels[0].as_uri()}"
    session.install("-c", str(CONSTRAINTS), needs)
    # A wheel of the same version is not taken for a new one.
    session.install("--force-reinstall", "--no-deps", str(wheels[0]))
    runner = ROOT / "book" / "run_notebooks.py"
    session.run("python", str(runner), str(BUILD / "notebooks"))


@nox.session
def pdf(session: nox.Session) -> None:
    """Build the book as PDF into build/pdf; `-- --test` tests it as well."""
    unknown = [word for word in session.posargs if word != "--test"]
    if unknown:
        session.error(f"pdf takes --test, not {unknown[0]!r}")
    install(session, "test")
    write_pdf(session)
    if session.posargs:
        session.run("python", "-m", "pytest", "tests/pdf")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests, without a browser; words after `--` go to pytest."""
    install(session, "test")
    elsewhere = [f"--ignore=tests/{name}" for name in ("browser", "pdf")]
    session.run("python", "-m", "pytest", *elsewhere, *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """Read every page in a browser; words after `--` go to pytest."""
    install(session, "test")
    session.run("python", "-m", "pytest", "tests/browser", *session.posargs)


@nox.session
def links(session: nox.Session) -> None:
    """Ask for every address outside that the book links; needs a network."""
    install(session, "book")
    session.run(*sphinx("linkcheck"))


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and spelling."""
    session.install("-c", str(CONSTRAINTS), "ruff", "typos")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("typos")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types, strictly."""
    session.install("-c", str(CONSTRAINTS), "mypy", "nox")
    install(session, "book")
    session.run("mypy")


@nox.session
def live(session: nox.Session) -> None:
    """Serve the book; rebuild and reload when text or source is saved."""
    session.install("-c", str(CONSTRAINTS), "sphinx-autobuild")
    install(session, "book")
    session.run(
        *("python", "-m", "sphinx_autobuild", "-n"),
        *("--watch", str(ROOT / "src")),
        *("--ignore", "*.pyc", "--ignore", "*~"),
        *("-d", str(BUILD / "doctrees"), str(ROOT / "book")),
        str(BUILD / "html"),
        *session.posargs,
    )


@nox.session
def bench(session: nox.Session) -> None:
    """Measure on an idle machine; a word after `--` measures one thing."""
    scripts = {
        "book": "book/bench.py",
        "model": "book/bench_model.py",
        "phrases": "book/bench_phrases.py",
        "workshop": "book/bench_workshop.py",
        "warmup": "book/bench_warmup.py",
    }
    unknown = [word for word in session.posargs if word not in scripts]
    if unknown:
        session.error(f"bench takes {sorted(scripts)}, not {unknown[0]!r}")
    install(session, "bench")
    for name in session.posargs or scripts:
        session.run("python", scripts[name])


@nox.session
def mutants(session: nox.Session) -> None:
    """Break the code in many small ways; count what the tests notice."""
    session.install("-c", str(CONSTRAINTS), "mutmut")
    install(session, "test")
    session.run("python", "book/bench_mutants.py", *session.posargs)


if __name__ == "__main__":
    sys.exit("run me with: python3 -m nox")
