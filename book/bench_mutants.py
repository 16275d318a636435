"""Break the code in many small ways and count how often the tests notice.

    python book/bench_mutants.py [--modules attention masks ...]
                                 [--output book/results/mutants.json]

mutmut makes the mutants and runs, for each, the tests that reach it. It works
in a copy, so nothing in the repository changes. What survives is listed with
its difference from the code, to be looked at.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import record

MODULES = ["attention", "masks", "loss", "schedule", "decoding"]
COPIED = ["src", "tests", "pyproject.toml", "README.md", "LICENSE"]
PATHS = ["book/_ext", "book/figures"]
"""What the tests' settings name besides; it must be there."""

KILLED, TIMEOUTS = {1, 3}, {-24, 24, 36, 152, 255}
"""Exit codes: a test failed or broke, or took far too long."""


def settings(modules: list[str]) -> str:
    """Return what mutmut is to do, as a part of pyproject.toml."""
    mutate = [f"src/laidout/{name}.py" for name in modules]
    tests = [f"tests/model/test_{name}.py" for name in modules]
    return (
        "\n[tool.mutmut]\n"
        'source_paths = ["src/laidout"]\n'
        'also_copy = ["src/laidout", "tests", "book"]\n'
        f"only_mutate = {json.dumps(mutate)}\n"
        f"pytest_add_cli_args_test_selection = {json.dumps(tests)}\n"
    )


def copy_repository(to: Path, modules: list[str]) -> None:
    """Copy what the tests of the model need, and add the settings."""
    for name in [*COPIED, *PATHS]:
        source, target = record.ROOT / name, to / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    with (to / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(settings(modules))


def outcomes(folder: Path, module: str) -> dict[str, int]:
    """Return the exit code of each mutant of a module.

    Raises:
        ValueError: if a mutant was not run.
    """
    path = folder / "mutants" / "src" / "laidout" / f"{module}.py.meta"
    codes: dict[str, int] = json.loads(path.read_text("utf-8"))[
        "exit_code_by_key"
    ]
    for name, code in codes.items():
        if code is None:
            raise ValueError(f"{name} was not run")
    return codes


def show(folder: Path, mutant: str) -> str:
    """Return the difference that a mutant makes."""
    done = subprocess.run(
        [sys.executable, "-m", "mutmut", "show", mutant],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    return "\n".join(
        line
        for line in lines
        if line[:1] in "+-" and line[:3] not in ("+++", "---")
    )


def tally(codes: dict[str, int]) -> dict[str, Any]:
    """Count the mutants of a module, and those that a test noticed."""
    kinds = Counter(
        "killed" if code in KILLED | TIMEOUTS else "survived"
        for code in codes.values()
    )
    return {
        "mutants": len(codes),
        "killed": kinds["killed"],
        "share": round(kinds["killed"] / len(codes), 4),
    }


def survivors(folder: Path, codes: dict[str, int]) -> dict[str, str]:
    """Return the mutants that no test noticed, with what they change."""
    return {
        name: show(folder, name)
        for name, code in codes.items()
        if code not in KILLED | TIMEOUTS
    }


def main(words: list[str]) -> None:
    """Make the mutants, run the tests and write the record."""
    reader = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n")[0]
    )
    reader.add_argument("--modules", nargs="+", default=MODULES)
    reader.add_argument(
        "--output",
        type=Path,
        default=record.ROOT / "book/results/mutants.json",
    )
    options = reader.parse_args(words)
    found = record.head(
        ["book/bench_mutants.py", *words],
        ["mutmut", "pytest", "torch"],
        {"mutations": 1},
    )
    with tempfile.TemporaryDirectory(prefix="laidout-mutants-") as name:
        folder = Path(name)
        copy_repository(folder, options.modules)
        subprocess.run(
            [sys.executable, "-m", "mutmut", "run"], cwd=folder, check=True
        )
        codes = {m: outcomes(folder, m) for m in options.modules}
        everything = {k: v for part in codes.values() for k, v in part.items()}
        found["results"] = {
            "modules": {m: tally(codes[m]) for m in options.modules},
            "all": tally(everything),
            "survivors": survivors(folder, everything),
        }
    record.write(options.output, found)


if __name__ == "__main__":
    main(sys.argv[1:])
