"""What the benchmarks share: medians, and the head and writing of a record.

`bench.py` measures the book and `bench_model.py` the model. Each writes one
record in JSON into book/results.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from laidout.files import write_atomically

ROOT = Path(__file__).resolve().parent.parent


def say(text: str) -> None:
    """Tell how far the work is."""
    print(text, file=sys.stderr, flush=True)


def summary(values: Iterable[float], digits: int) -> dict[str, Any]:
    """Return the median of the runs, and the runs."""
    runs = [round(value, digits) for value in values]
    return {"median": round(statistics.median(runs), digits), "runs": runs}


def machine() -> dict[str, Any]:
    """Say what is measured on, and how busy it was."""
    fields: dict[str, str] = {}
    for name in ("/proc/cpuinfo", "/proc/meminfo"):
        path = Path(name)
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        for key, _, value in (line.partition(":") for line in lines):
            fields.setdefault(key.strip(), value.strip())
    return {
        "cpu": fields.get("model name", platform.processor()),
        "cores": os.cpu_count(),
        "memory": fields.get("MemTotal", "unknown"),
        "platform": platform.platform(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def commit() -> str:
    """Return the commit that is measured, marked if the tree differs.

    Other results may differ: the benchmark before this one wrote some.
    """

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=ROOT, capture_output=True, text=True
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    found = git("rev-parse", "--verify", "--quiet", "HEAD") or "none"
    others = git("status", "--porcelain", ".", ":(exclude)book/results")
    return f"{found}, changed" if others else found


def head(
    words: Iterable[str],
    packages: Iterable[str],
    runs: dict[str, int],
    seed: int | None = None,
    threads: int | None = None,
) -> dict[str, Any]:
    """Return what every record starts with: what ran, where and when.

    Call it before measuring, for it says how busy the machine is then.
    `words` is the command after `python`.
    """
    return {
        "command": " ".join(["python", *words]),
        "commit": commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
        "runs": runs,
        "seed": seed,
        "threads": threads,
    }


def write(path: Path, record: dict[str, Any]) -> None:
    """Write a record so that it is there whole or not at all."""
    write_atomically(path, json.dumps(record, indent=2) + "\n")
    say(f"written to {path}")
