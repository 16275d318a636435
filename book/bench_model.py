"""Measure the model: training, memory, decoding, import, beside others.

    python book/bench_model.py [--runs 7] [--output book/results/model.json]

Run it on an idle Linux machine. Everything is computed in float32 by one
thread, and contenders take turns, so that a slow minute hits all of them.
Decoding needs `transformers`, which the extra `bench` installs.

torch.nn.Transformer is as it comes: it has a final norm in each stack, and
dropout on the attention weights and inside the feed-forward network too. Our
decoding is that of a fused model, with the cache and without.
"""

import argparse
import functools
import operator
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from laidout.decoding import greedy_decode
from laidout.embedding import TokenEmbedding
from laidout.fast import CachedDecoder, fuse
from laidout.loss import LabelSmoothing
from laidout.masks import causal_mask
from laidout.positional import PositionalEncoding
from laidout.training import train_epoch
from laidout.transformer import Transformer, TransformerConfig
from record import ROOT, head, say, summary, write

SEED = 0
BOS_ID = 1
FIRST_WORD = 3
"""Ids below are padding and the like; sentences are made of the others."""
NEVER = -1
"""No token has this id: a sentence that is to end with it never ends."""
MEMORY_RUNS = 3
"""Peaks hardly vary, and each takes a process: so many are enough."""
STATUS = Path("/proc/self/status")
PACKAGES = ("torch", "transformers")

LAIDOUT, FUSED, TORCH = "laidout", "laidout fused", "torch.nn.Transformer"
CACHED, UNCACHED = "laidout cached", "laidout uncached"
MARIAN = "MarianMT cached"
FLOOR = "import torch"
IMPORTS = {
    FLOOR: "import torch",
    "import torch and laidout": "import torch, laidout\n"
    "for name in laidout.__all__: getattr(laidout, name)",
}


@dataclass(frozen=True)
class Sizes:
    """How large everything is.

    A training batch has `sentences` of up to `length` tokens; `decoded`
    sentences of `tokens` tokens are translated into as many tokens.
    """

    config: TransformerConfig
    sentences: int
    length: int
    decoded: int
    tokens: int


SIZES = {
    "full": Sizes(TransformerConfig.base(), 16, 40, 64, 50),
    "tiny": Sizes(TransformerConfig.tiny(50, 50), 3, 8, 2, 5),
}

Results = dict[str, Any]


# Time


def in_turn(
    contenders: Mapping[str, Callable[[], object]], runs: int
) -> dict[str, list[float]]:
    """Let all do their work in turn, again and again; return the seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(1, runs + 1):
        for name, work in contenders.items():
            start = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - start)
        last = (f"{name} {spent[-1]:.2f} s" for name, spent in seconds.items())
        say(f"  {turn} of {runs}: {'; '.join(last)}")
    return seconds


def summaries(
    runs: dict[str, list[float]], digits: int
) -> dict[str, dict[str, Any]]:
    """Return the median and the runs of each contender."""
    return {name: summary(values, digits) for name, values in runs.items()}


def ratios(summaries: dict[str, dict[str, Any]], to: str) -> dict[str, float]:
    """Return how the medians compare with one of them."""
    unit = summaries[to]["median"]
    return {
        name: round(found["median"] / unit, 4)
        for name, found in summaries.items()
    }


# A training step


class TorchTransformer(nn.Module):
    """torch.nn.Transformer between our embeddings and output projection.

    Shapes: src (B, S), tgt (B, T) -> logits (B, T, V).
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.pad_id = config.pad_id
        self.embedding = TokenEmbedding(
            config.tgt_vocab_size, config.d_model, config.pad_id
        )
        self.position = PositionalEncoding(
            config.d_model, config.dropout, config.max_len
        )
        self.transformer = nn.Transformer(
            config.d_model,
            config.num_heads,
            config.num_layers,
            config.num_layers,
            config.d_ff,
            config.dropout,
            batch_first=True,
        )
        self.output_projection = nn.Linear(
            config.d_model, config.tgt_vocab_size, bias=False
        )
        self.output_projection.weight = self.embedding.embedding.weight

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        """Return the logits; for torch, True in a mask means hidden."""
        src_padding, tgt_padding = src == self.pad_id, tgt == self.pad_id
        hidden = self.transformer(
            self.position(self.embedding(src)),
            self.position(self.embedding(tgt)),
            tgt_mask=~causal_mask(tgt.size(1), tgt.device)[0, 0],
            src_key_padding_mask=src_padding,
            tgt_key_padding_mask=tgt_padding,
            memory_key_padding_mask=src_padding,
            tgt_is_causal=True,
        )
        logits: Tensor = self.output_projection(hidden)
        return logits


def fused(config: TransformerConfig) -> Transformer:
    """Make our model with PyTorch's fast attention and norm."""
    model = Transformer(config)
    fuse(model)
    return model


MODELS: dict[str, Callable[[TransformerConfig], nn.Module]] = {
    LAIDOUT: Transformer,
    FUSED: fused,
    TORCH: TorchTransformer,
}
"""Who takes the training step."""


def make_model(name: str, config: TransformerConfig) -> nn.Module:
    """Make one of the models, always from the same random numbers."""
    torch.manual_seed(SEED)
    return MODELS[name](config).train()


def make_batch(sizes: Sizes) -> tuple[Tensor, Tensor]:
    """Make random sentences: src (B, S), and tgt (B, S + 1) with bos.

    The first of each is `length` long, the others at least three quarters.
    """
    source = torch.Generator().manual_seed(SEED)
    longest, pad_id = sizes.length, sizes.config.pad_id

    def sentences() -> Tensor:
        shape = sizes.sentences, longest
        vocab_size = sizes.config.src_vocab_size
        words = torch.randint(FIRST_WORD, vocab_size, shape, generator=source)
        lengths = torch.randint(
            (3 * longest + 3) // 4, longest + 1, shape[:1], generator=source
        )
        lengths[0] = longest
        return words.masked_fill(
            torch.arange(longest) >= lengths[:, None], pad_id
        )

    src, tgt = sentences(), sentences()
    return src, torch.cat([torch.full_like(tgt[:, :1], BOS_ID), tgt], dim=1)


def training_step(model: nn.Module, sizes: Sizes) -> Callable[[], object]:
    """Return the work of one step: forward, loss, backward, Adam."""
    config = sizes.config
    loss_fn = LabelSmoothing(config.tgt_vocab_size, config.pad_id)
    optimizer = torch.optim.Adam(
        model.parameters(), lr=1e-4, betas=(0.9, 0.98), eps=1e-9
    )
    batch = make_batch(sizes)
    return functools.partial(train_epoch, model, [batch], loss_fn, optimizer)


def count_parameters(model: nn.Module) -> int:
    """Count the numbers that are learned, shared ones once."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


@torch.no_grad()
def check_models(models: dict[str, nn.Module], sizes: Sizes) -> None:
    """Make sure that the models do the same work.

    Raises:
        ValueError: if one returns other shapes, or has other parameters than
            ours and the two final norms of torch.
    """
    config = sizes.config
    src, tgt = make_batch(sizes)
    shape = *tgt[:, 1:].shape, config.tgt_vocab_size
    ours = count_parameters(models[LAIDOUT])
    for name, model in models.items():
        logits = model(src, tgt[:, :-1])
        if logits.shape != shape or not logits.isfinite().all():
            raise ValueError(f"{name}: expected {shape} finite logits")
        norms = 2 * 2 * config.d_model if name == TORCH else 0
        if count_parameters(model) != ours + norms:
            raise ValueError(f"{name}: expected {ours + norms} parameters")


def measure_training(sizes: Sizes, runs: int) -> Results:
    """Let all models take a step on the same batch, in turn."""
    models = {name: make_model(name, sizes.config) for name in MODELS}
    check_models(models, sizes)
    steps = {
        name: training_step(model, sizes) for name, model in models.items()
    }
    for step in steps.values():
        step()
    seconds = summaries(in_turn(steps, runs), 4)
    src, tgt = make_batch(sizes)
    return {
        "source_tokens": int((src != sizes.config.pad_id).sum()),
        "target_tokens": int((tgt[:, 1:] != sizes.config.pad_id).sum()),
        "parameters": {
            name: count_parameters(model) for name, model in models.items()
        },
        "seconds": seconds,
        "seconds_against_torch": ratios(seconds, TORCH),
    }


# Memory and import, each in a process of its own


def child(*words: str) -> str:
    """Run Python in a process of its own; return what it says."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout


def peak_of(status: str) -> float:
    """Return the peak resident memory in MiB, read from a process's status.

    Linux starts `ru_maxrss` at what the parent process had, so it would be
    this process's own peak that is measured; VmHWM starts afresh.

    Raises:
        ValueError: if it is not there, as on other systems.
    """
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name == "VmHWM":
            return int(value.split()[0]) / 1024
    raise ValueError("expected a line VmHWM: memory is measured on Linux")


def show_peak(name: str, sizes: Sizes) -> None:
    """Take two steps with one model and print this process's status."""
    step = training_step(make_model(name, sizes.config), sizes)
    step()
    step()
    print(STATUS.read_text("utf-8"))


def measure_memory(
    size: str, runs: int, names: Iterable[str] = tuple(MODELS)
) -> Results:
    """Find the peak memory of training, beside that of `import torch`."""
    floor = f"import torch; print(open({str(STATUS)!r}).read())"
    commands: dict[str, list[str]] = {FLOOR: ["-c", floor]}
    for name in names:
        commands[name] = [__file__, "--peak", name, "--sizes", size]
    peaks: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(1, runs + 1):
        for name, command in commands.items():
            peaks[name].append(peak_of(child(*command)))
        last = (f"{name} {found[-1]:.0f} MiB" for name, found in peaks.items())
        say(f"  {turn} of {runs}: {'; '.join(last)}")
    found = summaries(peaks, 1)
    results: Results = {"mib": found}
    if TORCH in found:
        results["mib_against_torch"] = ratios(found, TORCH)
    return results


def measure_import(runs: int) -> Results:
    """Time Python with torch, and with torch and all of laidout."""
    work = {
        name: functools.partial(child, "-c", code)
        for name, code in IMPORTS.items()
    }
    for once in work.values():
        once()
    seconds = summaries(in_turn(work, runs), 4)
    torch_alone, both = (found["median"] for found in seconds.values())
    return {"seconds": seconds, "seconds_added": round(both - torch_alone, 4)}


# Greedy decoding


Decode = Callable[[Tensor], Tensor]


def laidout_decoder(sizes: Sizes, cached: bool) -> Decode:
    """Return our greedy decoding, of a fused model, with the cache or not."""
    model = fused(sizes.config).eval()

    def decode(src: Tensor) -> Tensor:
        decoder = CachedDecoder(model) if cached else model
        return greedy_decode(decoder, src, sizes.tokens + 1, BOS_ID, NEVER)

    return decode


def marian_decoder(sizes: Sizes) -> Decode:
    """Return MarianMT's greedy decoding, at the same size, with its cache.

    It has no eos, so that nothing ends early and nothing need check that.
    """
    from transformers import MarianConfig, MarianMTModel

    ours = sizes.config
    config = MarianConfig(
        vocab_size=ours.tgt_vocab_size,
        d_model=ours.d_model,
        encoder_layers=ours.num_layers,
        decoder_layers=ours.num_layers,
        encoder_attention_heads=ours.num_heads,
        decoder_attention_heads=ours.num_heads,
        encoder_ffn_dim=ours.d_ff,
        decoder_ffn_dim=ours.d_ff,
        activation_function="relu",
        scale_embedding=True,
        max_position_embeddings=ours.max_len,
        pad_token_id=ours.pad_id,
        decoder_start_token_id=BOS_ID,
        eos_token_id=None,
        forced_eos_token_id=None,
    )
    model = MarianMTModel(config).train(False)
    expected = count_parameters(Transformer(ours))
    if count_parameters(model) != expected:
        raise ValueError(f"{MARIAN}: expected {expected} parameters")

    def decode(src: Tensor) -> Tensor:
        tokens: Tensor = model.generate(
            src,
            attention_mask=torch.ones_like(src),
            max_new_tokens=sizes.tokens,
            num_beams=1,
            do_sample=False,
            use_cache=True,
        )
        return tokens

    return decode


DECODERS: dict[str, Callable[[Sizes], Decode]] = {
    CACHED: functools.partial(laidout_decoder, cached=True),
    UNCACHED: functools.partial(laidout_decoder, cached=False),
    MARIAN: marian_decoder,
}
"""Who translates."""


def make_sources(sizes: Sizes) -> Tensor:
    """Make random sentences to translate, all equally long: (B, S)."""
    return torch.randint(
        FIRST_WORD,
        sizes.config.src_vocab_size,
        (sizes.decoded, sizes.tokens),
        generator=torch.Generator().manual_seed(SEED),
    )


def check_tokens(name: str, tokens: Tensor, sizes: Sizes) -> None:
    """Make sure that every sentence got bos and as many tokens as wanted.

    Raises:
        ValueError: if not.
    """
    shape = sizes.decoded, sizes.tokens + 1
    if tokens.shape != shape or not (tokens[:, 0] == BOS_ID).all():
        raise ValueError(
            f"{name}: expected {shape} tokens after bos, "
            f"got {tuple(tokens.shape)}"
        )


def measure_decoding(
    sizes: Sizes, runs: int, names: Iterable[str] = tuple(DECODERS)
) -> Results:
    """Let all translate the same sentences, in turn."""
    src = make_sources(sizes)
    work: dict[str, Callable[[], object]] = {}
    for name in names:
        torch.manual_seed(SEED)
        decode = DECODERS[name](sizes)
        check_tokens(name, decode(src), sizes)
        work[name] = functools.partial(decode, src)
    seconds = summaries(in_turn(work, runs), 4)
    tokens = sizes.decoded * sizes.tokens
    return {
        "sentences": sizes.decoded,
        "tokens_each": sizes.tokens,
        "seconds": seconds,
        "tokens_per_second": {
            name: round(tokens / found["median"], 1)
            for name, found in seconds.items()
        },
        "seconds_against_cached": ratios(seconds, CACHED),
    }


# What was wanted


HOLDS: dict[str, Callable[[float, float], bool]] = {
    "at most": operator.le,
    "at least": operator.ge,
    "below": operator.lt,
}


def target(value: float, words: str, limit: float) -> dict[str, Any]:
    """Say what was wanted, what was found, and whether that is enough."""
    met = HOLDS[words](value, limit)
    return {"limit": f"{words} {limit:g}", "value": value, "met": met}


def targets(results: Results) -> dict[str, dict[str, Any]]:
    """Hold the results against what the book promises."""
    seconds = results["training_step"]["seconds_against_torch"]
    memory = results["training_memory"]["mib_against_torch"]
    decoding = results["greedy_decoding"]["seconds_against_cached"]
    found = {}
    for name in (LAIDOUT, FUSED):
        against = f"{name}, against {TORCH}"
        found[f"seconds of a training step: {against}"] = target(
            seconds[name], "at most", 0.75
        )
        found[f"peak memory of training: {against}"] = target(
            memory[name], "at most", 1.0
        )
    for name, limit in ((MARIAN, 1.0), (UNCACHED, 8.0)):
        found[f"speed of greedy decoding: {CACHED}, against {name}"] = target(
            decoding[name], "at least", limit
        )
    found["seconds that laidout adds to the import of torch"] = target(
        results["import"]["seconds_added"], "below", 0.2
    )
    return found


def measure(size: str, runs: int) -> Results:
    """Measure everything."""
    say("peak memory of training")
    memory = measure_memory(size, min(runs, MEMORY_RUNS))
    say("import")
    imports = measure_import(runs)
    say("training step")
    training = measure_training(SIZES[size], runs)
    say("greedy decoding")
    decoding = measure_decoding(SIZES[size], runs)
    return {
        "training_step": training,
        "training_memory": memory,
        "greedy_decoding": decoding,
        "import": imports,
    }


def main(words: list[str]) -> None:
    """Measure and write the record."""
    reader = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n")[0]
    )
    reader.add_argument("--runs", type=int, default=7)
    reader.add_argument(
        "--output", type=Path, default=ROOT / "book/results/model.json"
    )
    # For trying out the benchmark, and for its own child processes.
    hidden = argparse.SUPPRESS
    reader.add_argument("--sizes", choices=SIZES, default="full", help=hidden)
    reader.add_argument("--peak", choices=MODELS, help=hidden)
    options = reader.parse_args(words)
    if options.runs < 1:
        reader.error("--runs: expected 1 or more")
    torch.set_num_threads(1)
    if options.peak is not None:
        show_peak(options.peak, SIZES[options.sizes])
        return
    record = head(
        ["book/bench_model.py", *words],
        PACKAGES,
        {"times": options.runs, "peaks": min(options.runs, MEMORY_RUNS)},
        seed=SEED,
        threads=torch.get_num_threads(),
    )
    capability = torch.backends.cpu.get_cpu_capability()
    record["machine"]["cpu_capability"] = capability
    record["sizes"] = asdict(SIZES[options.sizes])
    record["results"] = measure(options.sizes, options.runs)
    record["targets"] = targets(record["results"])
    write(options.output, record)


if __name__ == "__main__":
    main(sys.argv[1:])
