"""Measure the workshop: how much it knows, what it names, how long it takes.

    python book/bench_workshop.py [--runs 3]
                                  [--output book/results/workshop.json]

Times are those of the command `laidout check`, in a process of its own, as a
reader runs it: importing PyTorch included. Where an exercise has two mistakes
at once, the one that shows at an earlier check must be named; where both show
at the same one, either.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path
from typing import Any

import record
from laidout.workshop.catalogue import Exercise, load_catalogue
from laidout.workshop.judging import Judge
from laidout.workshop.variants import wrong_source
from laidout.workshop.workspace import start

PACKAGES = ("torch",)
BORROWED = """\
import {module} as _package

globals().update(
    {{k: v for k, v in vars(_package).items() if not k.startswith("__")}}
)
"""
"""How a file gets all that the package's own module has."""


# What is named


def names_first(judge: Judge, one: str, other: str) -> bool | None:
    """Say whether the first of two mistakes is named; None if impossible."""
    wrong = judge.wrong((one, other))
    if wrong is None:
        return None
    first, second = judge.shows_at(one), judge.shows_at(other)
    right = (
        {one, other} if first == second else {one if first < second else other}
    )
    named = judge.verdict(wrong).mistake
    return named is not None and named.slug in right


def measure_exercise(exercise: Exercise) -> dict[str, Any]:
    """Count what an exercise has, and which of its mistakes are named."""
    judge = Judge(exercise)
    alone = [
        judge.verdict(judge.wrong((slug,))).mistake for slug in judge.mistakes
    ]
    slugs = [mistake.slug if mistake else None for mistake in alone]
    pairs = [
        found
        for pair in combinations(judge.mistakes, 2)
        if (found := names_first(judge, *pair)) is not None
    ]
    found = {
        "minutes": exercise.minutes,
        "hints": len(exercise.hints),
        "probes": len(judge.probes),
        "mistakes": len(judge.mistakes),
        "named_alone": sum(
            a == b for a, b in zip(slugs, judge.mistakes, strict=True)
        ),
        "pairs": len(pairs),
        "pairs_first_named": sum(pairs),
    }
    record.say(f"  {exercise.name}: {found}")
    return found


def totals(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Add up what all exercises have."""
    keys = ("mistakes", "named_alone", "pairs", "pairs_first_named")
    sums = {key: sum(each[key] for each in found.values()) for key in keys}
    share = round(sums["pairs_first_named"] / max(sums["pairs"], 1), 4)
    return {"exercises": len(found), **sums, "share_of_pairs": share}


# How long it takes


def write_workspace(folder: Path, kind: str) -> None:
    """Write a workspace: "skeletons", "solved", or one of mistakes only.

    For "mistakes" each object has the first known mistake of its exercise.
    """
    start(folder)
    if kind == "skeletons":
        return
    modules: dict[str, list[Exercise]] = {}
    for exercise in load_catalogue().values():
        modules.setdefault(exercise.module, []).append(exercise)
    for module, exercises in modules.items():
        parts = [BORROWED.format(module=exercises[0].module_name)]
        parts += [_object(exercise, kind) for exercise in exercises]
        path = folder / f"{module}.py"
        path.write_text("\n\n".join(parts), encoding="utf-8")


def _object(exercise: Exercise, kind: str) -> str:
    """Return the text of an object, right or with a mistake."""
    if kind == "solved" or exercise.elsewhere:
        return exercise.solution
    first = next(iter(Judge(exercise).mistakes.values()))
    return wrong_source(exercise, first)


def seconds_of(folder: Path, names: Iterable[str], status: int) -> float:
    """Return how long the command takes.

    Raises:
        RuntimeError: if it ends with another status.
    """
    command = [sys.executable, "-m", "laidout", "check", *names]
    begin = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False
    )
    spent = time.perf_counter() - begin
    if done.returncode != status:
        raise RuntimeError(f"{command} ended with {done.returncode}: {done}")
    return spent


def measure_times(runs: int) -> dict[str, Any]:
    """Time each check alone, and all of them at once."""
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        folders = {
            kind: Path(place) / kind
            for kind in ("solved", "skeletons", "mistakes")
        }
        for kind, folder in folders.items():
            write_workspace(folder, kind)
        alone = {
            name: record.summary(
                (
                    seconds_of(folders["solved"], [name], 0)
                    for _ in range(runs)
                ),
                2,
            )
            for name in load_catalogue()
        }
        for kind, folder in folders.items():
            status = int(kind != "solved")
            results[f"all, {kind}"] = record.summary(
                (seconds_of(folder, [], status) for _ in range(runs)), 2
            )
    medians = {name: found["median"] for name, found in alone.items()}
    slowest = max(medians, key=medians.__getitem__)
    results["one, alone"] = {
        "median": round(statistics.median(medians.values()), 2),
        "slowest": medians[slowest],
        "slowest_is": slowest,
        "each": alone,
    }
    return results


def main() -> None:
    """Measure, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    default = record.ROOT / "book" / "results" / "workshop.json"
    parser.add_argument("--output", type=Path, default=default)
    chosen = parser.parse_args()
    words = ["book/bench_workshop.py", *sys.argv[1:]]
    found: dict[str, Any] = record.head(
        words, PACKAGES, {"times": chosen.runs}
    )
    record.say("times")
    found["seconds"] = measure_times(chosen.runs)
    record.say("mistakes")
    each = {
        name: measure_exercise(exercise)
        for name, exercise in load_catalogue().items()
    }
    found["totals"] = totals(each)
    found["by_exercise"] = each
    record.write(chosen.output, found)


if __name__ == "__main__":
    main()
