"""Train the phrase model with several seeds and record how well it does.

    python book/bench_phrases.py [--seeds 5] [--threads 2]
                                 [--output book/results/phrases.json]

Each seed is `laidout train --seed N` in a process and a folder of its own,
as a reader would run it; its time is that of the whole command.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

import record
from laidout.checkpoint import load_model
from laidout.data import load_corpus
from laidout.evaluation import bleu, exact_match, translate
from laidout.folder import RunFolder, find_model
from laidout.inspection import (
    attention_maps,
    pointing_accuracy,
    select_maps,
)
from laidout.phrases import phrase_corpus

SENTENCE = "I like pizza"
POINTED = 200
"""In how many translations it is looked up where each word looks."""


def train(folder: Path, seed: int, threads: int) -> float:
    """Train with one seed; return the seconds that the command took."""
    command = [
        *(sys.executable, "-m", "laidout", "train"),
        *("--seed", str(seed), "--output", str(folder)),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    start = time.perf_counter()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return time.perf_counter() - start


def pointing(folder: Path) -> float:
    """Return the mean share of content words that look at their source."""
    path, tokenizer = find_model(folder)
    model = load_model(path, tokenizer)
    shares = []
    for phrase in phrase_corpus()[2][:POINTED]:
        maps = attention_maps(model, tokenizer, phrase.source, phrase.target)
        cross = select_maps(maps, "cross", layer=-1)
        shares.append(
            pointing_accuracy(
                cross.weights,
                tokenizer,
                phrase.source,
                phrase.target,
                phrase.links,
            )
        )
    return statistics.mean(shares)


def score(folder: Path) -> dict[str, Any]:
    """Score a trained model on both test sets."""
    path, tokenizer = find_model(folder)
    model = load_model(path, tokenizer)
    found: dict[str, Any] = {}
    for name, pairs in load_corpus("phrases").tests.items():
        targets = [pair.target for pair in pairs]
        ours = translate(model, tokenizer, [pair.source for pair in pairs])
        found[name] = {
            "sentences": len(pairs),
            "exact_match": exact_match(ours, targets),
            "bleu": round(bleu(ours, targets).score, 2),
            "signature": bleu(ours, targets).signature,
        }
    (found["i_like_pizza"],) = translate(model, tokenizer, [SENTENCE])
    return found


def measure(seed: int, threads: int) -> dict[str, Any]:
    """Train, score and look inside, for one seed."""
    with tempfile.TemporaryDirectory(prefix="laidout-phrases-") as name:
        folder = Path(name, "run")
        seconds = train(folder, seed, threads)
        log = RunFolder(folder).read_log()
        return {
            "seed": seed,
            "command_s": round(seconds, 1),
            "training_s": [line for line in log if "loss" in line][-1][
                "seconds"
            ],
            **score(folder),
            "pointing": round(pointing(folder), 4),
        }


def spread(values: list[float]) -> dict[str, float]:
    """Return the median, the worst and the best of several seeds."""
    return {
        "median": statistics.median(values),
        "least": min(values),
        "most": max(values),
    }


def main(words: list[str]) -> None:
    """Measure and write the record."""
    reader = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n")[0]
    )
    reader.add_argument("--seeds", type=int, default=5)
    reader.add_argument("--threads", type=int, default=2)
    reader.add_argument(
        "--output",
        type=Path,
        default=record.ROOT / "book/results/phrases.json",
    )
    options = reader.parse_args(words)
    if options.seeds < 1 or options.threads < 1:
        reader.error("--seeds, --threads: expected 1 or more")
    torch.set_num_threads(options.threads)
    found = record.head(
        ["book/bench_phrases.py", *words],
        ["torch", "sacrebleu"],
        {"seeds": options.seeds},
        threads=options.threads,
    )
    seeds = []
    for seed in range(options.seeds):
        record.say(f"seed {seed} of 0 to {options.seeds - 1}")
        seeds.append(measure(seed, options.threads))
        record.say(str(seeds[-1]))
    found["results"] = {
        "exact_match": spread([s["test"]["exact_match"] for s in seeds]),
        "exact_match_of_unseen_combinations": spread(
            [s["combinations"]["exact_match"] for s in seeds]
        ),
        "command_s": spread([s["command_s"] for s in seeds]),
        "pointing": spread([s["pointing"] for s in seeds]),
        "seeds": seeds,
    }
    record.write(options.output, found)


if __name__ == "__main__":
    main(sys.argv[1:])
