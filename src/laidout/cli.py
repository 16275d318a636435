"""The command `laidout`: the workshop; train, translate, evaluate.

What takes long to import is imported by the command that needs it.
"""

import io
import json
import math
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from laidout.workshop import commands
from laidout.workshop.terminal import err, out

if TYPE_CHECKING:
    from laidout.data import Corpus
    from laidout.folder import RunFolder
    from laidout.run import Progress as RunProgress
    from laidout.run import Run
    from laidout.tokenizer import BPETokenizer
    from laidout.transformer import Transformer

DEFAULT = Path("runs/phrases")
"""Where `laidout train` leaves the phrase model."""
MISFIT = (
    "If objects of your own were trained, name them with --mine; if they have "
    "changed since, train again."
)
FIRST = "I like pizza"
"""The sentence of the book."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Build the Transformer of the book, train it, translate with it.",
)
app.add_typer(commands.app)

CheckpointOption = Annotated[
    Path,
    typer.Option(
        "--checkpoint",
        help="A model file, or the folder of a run.",
        show_default=True,
    ),
]
BeamOption = Annotated[
    int, typer.Option("--beam", min=1, help="Beam size; 1 is greedy.")
]
PenaltyOption = Annotated[
    float,
    typer.Option(
        "--length-penalty", help="The larger, the longer translations."
    ),
]
DeviceOption = Annotated[
    str, typer.Option("--device", help="auto, cpu or cuda.")
]
MineOption = Annotated[
    Path | None,
    typer.Option(
        "--mine", metavar="DIR", help="Use your own objects that have passed."
    ),
]


def main() -> None:
    """Run the command; say in one line what is wrong with its input.

    Ctrl-C ends it with status 130, as shells expect.
    """
    # What a terminal has no letters for is written by its number.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="laidout")
    except (ValueError, OSError) as error:
        notes = getattr(error, "__notes__", [])
        err.print("\n".join([f"laidout: {error}", *notes]), style="bold")
        sys.exit(1)


def taken_over(
    mine: Path | None, check_again: bool
) -> AbstractContextManager[None]:
    """Do what follows with the reader's objects, if a folder is given."""
    from laidout.workshop.taking_over import take_over

    return take_over(mine, check_again)


@app.command()
def train(
    context: typer.Context,
    corpus: Annotated[
        str | None,
        typer.Option(
            help="phrases, multi30k, or a folder with train.en, train.de, "
            "valid.en, valid.de, test.en, test.de (or .gz).",
            show_default="phrases",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="The run's folder.", show_default="runs/NAME OF THE CORPUS"
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the run in the folder."),
    ] = False,
    size: Annotated[
        str | None, typer.Option(help="tiny, base or big.")
    ] = None,
    vocab_size: Annotated[
        int | None, typer.Option(help="Tokens in the shared vocabulary.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Updates of the parameters.")
    ] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option(help="Tokens in a batch, on either side, with padding."),
    ] = None,
    accumulate: Annotated[
        int | None, typer.Option(help="Batches that make a step.")
    ] = None,
    warmup_steps: Annotated[
        int | None, typer.Option(help="Steps in which the rate rises.")
    ] = None,
    dropout: Annotated[
        float | None, typer.Option(help="Instead of the size's own.")
    ] = None,
    smoothing: Annotated[
        float | None, typer.Option(help="Label smoothing.")
    ] = None,
    log_every: Annotated[
        int | None, typer.Option(help="Steps between lines of the log.")
    ] = None,
    valid_every: Annotated[
        int | None, typer.Option(help="Steps between validations.")
    ] = None,
    save_every: Annotated[
        int | None, typer.Option(help="Steps between checkpoints.")
    ] = None,
    keep: Annotated[
        int | None, typer.Option(help="Checkpoints to be averaged.")
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(help="Validations without a new best before it ends."),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(help="auto, fp32 or bf16; auto is bf16 on a GPU."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="The same seed, the same model.", min=0, max=2**63 - 1
        ),
    ] = None,
    device: DeviceOption = "auto",
    mine: MineOption = None,
) -> None:
    """Train a model; without options, the phrase model, in a minute or two.

    Ctrl-C saves and stops, with status 130; --resume goes on from there.
    """
    given = {
        name: value
        for name, value in context.params.items()
        if name not in ("output", "resume", "device", "mine")
        and value is not None
    }
    if resume and given.keys() - {"corpus"}:
        option = sorted(given.keys() - {"corpus"})[0].replace("_", "-")
        raise ValueError(
            "--resume goes on with the run's own settings: leave out "
            f"--{option}"
        )
    # The last part of the path, of "." and ".." too.
    name = os.path.basename(os.path.abspath(corpus or "phrases"))
    folder = output or Path("runs", name)
    with taken_over(mine, check_again=True):
        _train(folder, given, resume, device, mine)


def _train(
    path: Path,
    given: dict[str, Any],
    resume: bool,
    device: str,
    mine: Path | None,
) -> None:
    """Prepare, train, average and report."""
    from laidout.folder import RunFolder
    from laidout.parallel import joined_processes
    from laidout.plots import draw_curve
    from laidout.run import Run, Settings, final_model

    folder = RunFolder(path)
    settings = Settings.of(folder) if resume else Settings(**given)
    wanted = given.get("corpus", settings.corpus)
    if Path(wanted) != Path(settings.corpus):
        raise ValueError(
            f"{path} was begun with the corpus {settings.corpus}, not with "
            f"{wanted}"
        )
    with joined_processes(device) as place:
        first = place.rank == 0
        if first:
            err.print(f"Reading the corpus {settings.corpus} ...")
        run = Run(folder, settings, place, resume)
        if first:
            _introduce(run)
        with _progress_bar(run, first) as report:
            whole = run.train(report)
        if not first:
            return
        if not whole:
            whose = f" --mine {shlex.quote(str(mine))}" if mine else ""
            err.print(
                f"Stopped and saved at step {run.progress.step}. Go on with: "
                "laidout train --resume --output "
                f"{shlex.quote(str(path))}{whose}"
            )
            raise typer.Exit(130)
        model = final_model(run)
        err.print(f"The model is in {folder.model}.")
        # A run of a few steps may have logged nothing.
        log = folder.read_log()
        if log:
            draw_curve(log, folder.curve)
            err.print(f"Its losses are drawn into {folder.curve}.")
        _report(run, model, mine)


def _introduce(run: "Run") -> None:
    """Say what is going to be trained, and on what."""
    parameters = sum(p.numel() for p in run.model.parameters())
    err.print(
        f"{len(run.train_set.pairs):,} sentence pairs, "
        f"{run.tokenizer.vocab_size:,} tokens in the vocabulary, "
        f"{parameters:,} parameters, on {run.place.device}."
    )


@contextmanager
def _progress_bar(
    run: "Run", visible: bool
) -> Iterator[Callable[["RunProgress"], None]]:
    """Show steps, loss, tokens per second and the time that is left."""
    columns = (
        TextColumn("step"),
        MofNCompleteColumn(),
        BarColumn(),
        TextColumn("loss {task.fields[loss]}"),
        TextColumn("{task.fields[speed]} tokens/s"),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=err, disable=not (visible and err.is_terminal)
    ) as bar:
        task = bar.add_task(
            "",
            total=run.settings.steps,
            completed=run.progress.step,
            loss="-",
            speed="-",
        )
        start, tokens = time.perf_counter(), run.progress.tokens

        def report(progress: "RunProgress") -> None:
            seconds = time.perf_counter() - start
            loss = progress.last_loss
            bar.update(
                task,
                completed=progress.step,
                loss="-" if math.isnan(loss) else f"{loss:.3f}",
                speed=f"{(progress.tokens - tokens) / seconds:,.0f}",
            )

        yield report
        bar.update(task, completed=run.progress.step)


def _report(run: "Run", model: "Transformer", mine: Path | None) -> None:
    """Translate the test sets and say how good it is; invite to go on."""
    if run.corpus.tests:
        _print_scores(_scores(model, run.tokenizer, run.corpus, 4, 0.6))
    if run.settings.corpus != "phrases":
        return
    path = run.folder.path
    where = f" --checkpoint {shlex.quote(str(path))}" * (path != DEFAULT)
    if mine is None:
        err.print(f'Now try: laidout translate "{FIRST}"{where}')
        return
    from laidout.evaluation import translate as translate_all

    (found,) = translate_all(model, run.tokenizer, [FIRST], 4, 0.6)
    said = found or "(nothing yet, it has learned too little)"
    err.print(f"Your Transformer says: {FIRST} -> {said}")
    err.print(
        f"Now try: laidout translate --mine {shlex.quote(str(mine))}{where} "
        '"My sister bought twenty-five red apples on Monday"'
    )


@app.command()
def translate(
    texts: Annotated[
        list[str] | None,
        typer.Argument(help="Sentences; without any, lines of the input."),
    ] = None,
    checkpoint: CheckpointOption = DEFAULT,
    beam: BeamOption = 4,
    length_penalty: PenaltyOption = 0.6,
    show_attention: Annotated[
        bool,
        typer.Option(
            "--show-attention",
            help="Draw where each word looked, here and into a file.",
        ),
    ] = False,
    device: DeviceOption = "auto",
    mine: MineOption = None,
) -> None:
    """Translate sentences, one line each; an empty line stays empty."""
    with taken_over(mine, check_again=False):
        _translate(
            *(texts, checkpoint, beam, length_penalty),
            *(show_attention, device),
        )


def _translate(
    texts: list[str] | None,
    checkpoint: Path,
    beam: int,
    length_penalty: float,
    show_attention: bool,
    device: str,
) -> None:
    """Translate what was given, or the lines of the input."""
    from laidout.evaluation import translate as translate_all

    model, tokenizer = _load(checkpoint, device)
    lines = [text.strip() for text in texts or _read_input()]
    # Only the input may have empty lines: an empty argument is an error.
    sources = [line for line in lines if line or texts]
    found = iter(
        translate_all(model, tokenizer, sources, beam, length_penalty)
    )
    for source in lines:
        target = next(found) if source else ""
        # A line for each line, whatever the model has written.
        print(" ".join(target.splitlines()), flush=True)
        if show_attention and source:
            _show_attention(model, tokenizer, source, target, checkpoint)


def _read_input() -> list[str]:
    """Read the lines of the input; say so if somebody has to type them."""
    if sys.stdin.isatty():
        err.print("One sentence a line, then Ctrl-D (Windows: Ctrl-Z):")
    try:
        return list(sys.stdin)
    except UnicodeDecodeError as error:
        raise ValueError(f"the input is no text: {error}") from error


def _show_attention(
    model: "Transformer",
    tokenizer: "BPETokenizer",
    source: str,
    target: str,
    checkpoint: Path,
) -> None:
    """Draw the last layer's cross-attention, the mean over its heads."""
    from laidout.inspection import attention_maps, select_maps
    from laidout.plots import attention_table, draw_attention

    maps = attention_maps(model, tokenizer, source, target)
    cross = select_maps(maps, "cross", layer=-1)
    # Beside the translations, not among them; all of it, on a narrow screen
    # too.
    Console(stderr=True, width=10_000).print(attention_table(cross))
    name = "-".join("".join(filter(_is_plain, source)).lower().split())
    folder = _folder_of(checkpoint).path
    path = folder / "attention" / f"{name[:60] or 'sentence'}.svg"
    draw_attention(cross, path)
    err.print(f"Drawn into {path}.")


def _is_plain(character: str) -> bool:
    """Tell whether a character may stand in the name of a file."""
    return character.isalnum() or character == " "


@app.command()
def evaluate(
    checkpoint: CheckpointOption = DEFAULT,
    corpus: Annotated[
        str | None,
        typer.Option(help="Another corpus than the run's own."),
    ] = None,
    beam: BeamOption = 4,
    length_penalty: PenaltyOption = 0.6,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object.")
    ] = False,
    device: DeviceOption = "auto",
    mine: MineOption = None,
) -> None:
    """Translate the test sets; print BLEU and the share of exact matches."""
    with taken_over(mine, check_again=False):
        model, tokenizer = _load(checkpoint, device)
        sentences = _corpus(checkpoint, corpus)
        scores = _scores(model, tokenizer, sentences, beam, length_penalty)
    if as_json:
        whole = {"corpus": sentences.name, "scores": scores}
        print(json.dumps(whole, indent=1), flush=True)
    else:
        _print_scores(scores)


def _folder_of(checkpoint: Path) -> "RunFolder":
    """Find the folder of the run that a checkpoint belongs to."""
    from laidout.folder import RunFolder

    folder = checkpoint if checkpoint.is_dir() else checkpoint.parent
    return RunFolder(folder.parent if folder.name == "checkpoints" else folder)


def _corpus(checkpoint: Path, name: str | None) -> "Corpus":
    """Load a corpus, or else that of the checkpoint's run."""
    from laidout.data import load_corpus
    from laidout.run import Settings

    if name is None:
        try:
            name = Settings.of(_folder_of(checkpoint)).corpus
        except ValueError as error:
            raise ValueError(
                f"{error}; say with --corpus what is to be translated"
            ) from error
    return load_corpus(name)


def _load(
    checkpoint: Path, device: str
) -> tuple["Transformer", "BPETokenizer"]:
    """Load a model and its tokenizer."""
    from laidout.checkpoint import load_model
    from laidout.fast import fuse
    from laidout.folder import find_model
    from laidout.parallel import joined_processes

    if checkpoint == DEFAULT and not checkpoint.exists():
        raise ValueError(
            f"there is no model in {DEFAULT}: train one with laidout train, "
            "or name another with --checkpoint"
        )
    path, tokenizer = find_model(checkpoint)
    try:
        model = load_model(path, tokenizer)
    except ValueError as error:
        if "fit the model" in str(error) or "the model's (" in str(error):
            error.add_note(MISFIT)
        raise
    with joined_processes(device) as place:
        model = model.to(place.device)
    fuse(model)
    return model, tokenizer


def _scores(
    model: "Transformer",
    tokenizer: "BPETokenizer",
    corpus: "Corpus",
    beam: int,
    length_penalty: float,
) -> list[dict[str, Any]]:
    """Translate every test set of a corpus, and score it."""
    from laidout.evaluation import bleu, exact_match
    from laidout.evaluation import translate as translate_all

    if not corpus.tests:
        raise ValueError(f"the corpus {corpus.name} has no test set")
    scores = []
    for name, pairs in corpus.tests.items():
        err.print(f"Translating {len(pairs):,} sentences of {name} ...")
        found = translate_all(
            *(model, tokenizer, [pair.source for pair in pairs]),
            *(beam, length_penalty),
        )
        wanted = [pair.target for pair in pairs]
        score = bleu(found, wanted)
        scores.append(
            {
                "test_set": name,
                "sentences": len(pairs),
                "exact_match": exact_match(found, wanted),
                "bleu": score.score,
                "signature": score.signature,
            }
        )
    return scores


def _print_scores(scores: list[dict[str, Any]]) -> None:
    """Print scores as a table, with what exactly BLEU was."""
    table = Table()
    for name in ("test set", "sentences", "exact match", "BLEU"):
        table.add_column(
            name, justify="left" if name == "test set" else "right"
        )
    for score in scores:
        table.add_row(
            score["test_set"],
            f"{score['sentences']:,}",
            f"{score['exact_match']:.1%}",
            f"{score['bleu']:.1f}",
        )
    out.print(table)
    out.print(f"BLEU: {scores[0]['signature']}")
