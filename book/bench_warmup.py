"""Train with and without warm-up, and record who learns. Section 5.3.

    python book/bench_warmup.py [--seeds 3] [--limit 3000] [--processes 2]
                                [--output book/results/warmup.json]

Post-norm as in the paper and pre-norm, two layers and six, several seeds.
With warm-up, each trains until nine sentences of ten are right, or up to a
limit; then the same model, seed and sentences get as many steps without it.
What a pair of runs has found is kept in build/warmup, so a stopped bench
goes on; remove that folder to begin anew.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

import record
from laidout.data import Pair, load_corpus
from laidout.decoding import greedy_decode
from laidout.evaluation import exact_match
from laidout.fast import fuse
from laidout.files import write_atomically
from laidout.layers import DecoderLayer, EncoderLayer
from laidout.loss import LabelSmoothing
from laidout.normalization import LayerNorm
from laidout.schedule import TransformerLRScheduler
from laidout.sentences import Sentences
from laidout.tokenizer import BPETokenizer
from laidout.training import train_epoch
from laidout.transformer import Transformer, TransformerConfig

NORMS, LAYERS = ("post", "pre"), (2, 6)


@dataclass(frozen=True)
class Settings:
    """What all runs share."""

    vocab_size: int = 1_300
    max_tokens: int = 1_000
    warmup_steps: int = 600
    every: int = 100
    limit: int = 3_000
    goal: float = 0.9
    sentences: int = 200


class Arm(NamedTuple):
    """One run: which model, which seed, and how its rate begins."""

    norm: str
    layers: int
    seed: int
    warmup: bool


class Material(NamedTuple):
    """The sentences, as every process prepares them for itself."""

    tokenizer: BPETokenizer
    train: Sentences
    valid: list[Pair]
    source: Tensor
    longest: int


class PreNormEncoderLayer(EncoderLayer):
    """An encoder layer that normalises what enters a sub-layer."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the sentence one layer further, (B, S, D)."""
        normed = self.norm_1(x)
        x = x + self.dropout(self.self_attention(normed, normed, normed, mask))
        output: Tensor = x + self.dropout(self.feed_forward(self.norm_2(x)))
        return output


class PreNormDecoderLayer(DecoderLayer):
    """A decoder layer that normalises what enters a sub-layer."""

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        """Return the target one layer further, (B, T, D)."""
        normed = self.norm_1(x)
        own = self.self_attention(normed, normed, normed, tgt_mask)
        x = x + self.dropout(own)
        normed = self.norm_2(x)
        found = self.cross_attention(normed, memory, memory, memory_mask)
        x = x + self.dropout(found)
        output: Tensor = x + self.dropout(self.feed_forward(self.norm_3(x)))
        return output


class LastNorm(LayerNorm):
    """The norm on top of a pre-norm stack, called like one more layer."""

    def forward(self, x: Tensor, *_: Tensor | None) -> Tensor:
        """Return the normalised vectors, (B, T, D)."""
        return super().forward(x)


PRE_NORM: dict[type[nn.Module], type[nn.Module]] = {
    EncoderLayer: PreNormEncoderLayer,
    DecoderLayer: PreNormDecoderLayer,
}


def build(arm: Arm, tokenizer: BPETokenizer) -> Transformer:
    """Build an arm's model: the phrase model with another depth or norm."""
    size = tokenizer.vocab_size
    config = TransformerConfig.tiny(size, size)
    config = replace(config, num_layers=arm.layers, pad_id=tokenizer.pad_id)
    torch.manual_seed(arm.seed)
    model = Transformer(config)
    if arm.norm == "pre":
        for module in model.modules():
            module.__class__ = PRE_NORM.get(type(module), type(module))
        model.encoder.layers.append(LastNorm(config.d_model))
        model.decoder.layers.append(LastNorm(config.d_model))
    fuse(model)
    return model


class FlatStart(TransformerLRScheduler):
    """The paper's schedule without its rise: the peak, then the fall."""

    def step(self, step_num: int) -> float:
        """Set the rate of a step; up to warmup_steps it is the largest."""
        return super().step(max(step_num, self.warmup_steps))


@cache
def material(settings: Settings) -> Material:
    """Learn the tokens, encode the sentences, and pick those to be tried."""
    torch.set_num_threads(1)
    corpus = load_corpus("phrases")
    texts = (text for pair in corpus.train for text in pair)
    tokenizer = BPETokenizer.train(texts, settings.vocab_size)
    device = torch.device("cpu")
    train = Sentences(tokenizer, corpus.train, settings.max_tokens, device)
    valid = corpus.valid[: settings.sentences]
    tried = Sentences(tokenizer, valid, sys.maxsize, device)
    source, target = tried.batch(range(len(valid)))
    return Material(tokenizer, train, valid, source, target.size(1) + 5)


def score(model: Transformer, given: Material) -> float:
    """Return the share of the validation sentences that it gets right."""
    ends = given.tokenizer.bos_id, given.tokenizer.eos_id
    rows = greedy_decode(model, given.source, given.longest, *ends)
    found = [given.tokenizer.decode(row) for row in rows.tolist()]
    return exact_match(found, [pair.target for pair in given.valid])


def batches(train: Sentences, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the batches of one epoch after the other."""
    epoch = 0
    while True:
        for (indices,) in train.steps(seed, epoch, size=1):
            yield train.batch(indices)
        epoch += 1


def run(arm: Arm, settings: Settings, steps: int) -> dict[str, Any]:
    """Train for some steps, or with warm-up until the goal is reached."""
    given = material(settings)
    model = build(arm, given.tokenizer)
    loss_fn = LabelSmoothing(given.tokenizer.vocab_size, model.config.pad_id)
    optimizer = torch.optim.Adam(
        model.parameters(), lr=0.0, betas=(0.9, 0.98), eps=1e-9, fused=True
    )
    kind = TransformerLRScheduler if arm.warmup else FlatStart
    scheduler = kind(optimizer, model.config.d_model, settings.warmup_steps)
    source, curve = batches(given.train, arm.seed), []
    step, reached = 0, None
    while step < steps and not (arm.warmup and reached):
        some = [next(source) for _ in range(settings.every)]
        loss, step = train_epoch(
            model, some, loss_fn, optimizer, scheduler, step
        )
        match = score(model, given)
        if reached is None and match >= settings.goal:
            reached = step
        # A loss that is no number has no place in JSON.
        finite = round(loss, 4) if math.isfinite(loss) else None
        curve.append([step, finite, match])
    return {
        **arm._asdict(),
        "steps": step,
        "reached": reached,
        "exact_match": curve[-1][2],
        "curve": curve,
    }


def pair(
    norm: str, layers: int, seed: int, settings: Settings, folder: Path
) -> list[dict[str, Any]]:
    """Return both runs of a model and seed, from the folder if there."""
    kept = folder / f"{norm}-{layers}-{seed}.json"
    if kept.exists():
        found: dict[str, Any] = json.loads(kept.read_text("utf-8"))
        if found["settings"] == asdict(settings):
            runs: list[dict[str, Any]] = found["runs"]
            return runs
    with_it = run(Arm(norm, layers, seed, True), settings, settings.limit)
    without = run(Arm(norm, layers, seed, False), settings, with_it["steps"])
    found = {"settings": asdict(settings), "runs": [with_it, without]}
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(kept, json.dumps(found))
    for one in found["runs"]:
        record.say(str({k: v for k, v in one.items() if k != "curve"}))
    return [with_it, without]


def main(words: list[str]) -> None:
    """Measure and write the record."""
    reader = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n")[0]
    )
    reader.add_argument("--seeds", type=int, default=3)
    reader.add_argument("--limit", type=int, default=Settings.limit)
    reader.add_argument("--processes", type=int, default=2)
    reader.add_argument(
        "--output",
        type=Path,
        default=record.ROOT / "book/results/warmup.json",
    )
    options = reader.parse_args(words)
    if min(options.seeds, options.limit, options.processes) < 1:
        reader.error("--seeds, --limit, --processes: expected 1 or more")
    settings = Settings(limit=options.limit)
    found = record.head(
        ["book/bench_warmup.py", *words],
        ["torch"],
        {"seeds": options.seeds},
        threads=1,
    )
    # The deep ones take longest: begin with them.
    models = list(product(range(options.seeds), LAYERS[::-1], NORMS))
    folder = record.ROOT / "build/warmup"
    with ProcessPoolExecutor(
        options.processes, mp_context=get_context("spawn")
    ) as pool:
        tasks = [
            pool.submit(pair, norm, layers, seed, settings, folder)
            for seed, layers, norm in models
        ]
        runs = [one for task in tasks for one in task.result()]
    runs.sort(key=lambda one: (one["norm"], one["layers"], one["seed"]))
    found["settings"], found["results"] = asdict(settings), runs
    record.write(options.output, found)


if __name__ == "__main__":
    main(sys.argv[1:])
