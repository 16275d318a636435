"""A whole training run: prepared, logged, saved, resumed. Section 5.

Whatever is random is a function of the seed and the step: the order of the
sentences, and the dropout. So a run that was stopped goes on as if it had
not been, and its parameters, the optimizer's moments and the number of the
step are all that it takes.
"""

import math
import signal
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import islice
from types import FrameType
from typing import Self

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from laidout.checkpoint import average_checkpoints, load_model, save_model
from laidout.data import load_corpus
from laidout.fast import fuse
from laidout.folder import RunFolder
from laidout.loss import LabelSmoothing
from laidout.parallel import InBFloat16, Place, Share, train_shares
from laidout.schedule import TransformerLRScheduler
from laidout.sentences import Sentences
from laidout.tokenizer import BPETokenizer
from laidout.training import evaluate, train_epoch
from laidout.transformer import Transformer, TransformerConfig

__all__ = [
    "Progress",
    "Run",
    "Settings",
    "build_model",
    "clean_stop",
    "final_model",
]

SIZES = {
    "tiny": TransformerConfig.tiny,
    "base": TransformerConfig.base,
    "big": TransformerConfig.big,
}
"""The models that can be asked for by name."""

PRECISIONS = "auto", "fp32", "bf16"
"""What matrices are multiplied in; auto is bf16 where a GPU has it."""


@dataclass(frozen=True)
class Settings:
    """What decides a run: the same settings and machine, the same model.

    Steps are updates of the parameters. `max_tokens` limits a batch on
    either side, padding included; `accumulate` batches on each process make
    a step. `patience` is after how many validations without a new best the
    run ends early. The last `keep` checkpoints are averaged.

    Raises:
        ValueError: if a setting is out of its range, or a folder holds no
            settings that can be used.
    """

    corpus: str = "phrases"
    size: str = "tiny"
    vocab_size: int = 1_300
    steps: int = 2_200
    max_tokens: int = 1_000
    warmup_steps: int = 600
    dropout: float | None = None
    smoothing: float = 0.1
    accumulate: int = 1
    seed: int = 0
    log_every: int = 20
    valid_every: int = 440
    save_every: int = 60
    keep: int = 10
    patience: int | None = None
    precision: str = "auto"

    def __post_init__(self) -> None:
        for name in (
            *("steps", "max_tokens", "warmup_steps", "accumulate", "keep"),
            *("log_every", "valid_every", "save_every", "patience"),
        ):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} ({value}) must be 1 or more")
        for name in ("valid_every", "save_every"):
            if getattr(self, name) % self.log_every:
                raise ValueError(
                    f"{name} ({getattr(self, name)}) must be a multiple of "
                    f"log_every ({self.log_every})"
                )
        for name, known in (("size", SIZES), ("precision", PRECISIONS)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} ({getattr(self, name)!r}) must be one of "
                    f"{', '.join(known)}"
                )

    @classmethod
    def of(cls, folder: RunFolder) -> Self:
        """Return those that the run in a folder was begun with."""
        found = folder.settings()
        try:
            return cls(**found)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{folder.path}: settings.json is broken: {error}"
            ) from error


@dataclass
class Progress:
    """How far a run is.

    `position` counts the steps of the present epoch, `tokens` and `seconds`
    all there were. The loss since the last line of the log is `loss_sum`
    over `loss_tokens`, that before it `last_loss`; of several processes, it
    is what the first one saw. `waited` counts the validations since the best.
    """

    step: int = 0
    epoch: int = 0
    position: int = 0
    tokens: int = 0
    seconds: float = 0.0
    loss_sum: float = 0.0
    loss_tokens: int = 0
    last_loss: float = math.nan
    best_loss: float = math.inf
    waited: int = 0


def build_model(settings: Settings, tokenizer: BPETokenizer) -> Transformer:
    """Build the model that the settings ask for, with its first numbers."""
    size = tokenizer.vocab_size
    config = SIZES[settings.size](size, size)
    config = replace(config, pad_id=tokenizer.pad_id)
    if settings.dropout is not None:
        config = replace(config, dropout=settings.dropout)
    torch.manual_seed(settings.seed)
    return Transformer(config)


class Run:
    """A training run in a folder of its own.

    With `resume` it goes on where the folder's run was saved; its settings
    must be those that it was begun with.

    Raises:
        ValueError: if the folder holds a run and is not to be resumed, or
            holds none and is, or has files that cannot be used.
    """

    def __init__(
        self,
        folder: RunFolder,
        settings: Settings,
        place: Place | None = None,
        resume: bool = False,
    ) -> None:
        self.folder, self.settings = folder, settings
        self.place = place or Place()
        self.progress, self.stopping = Progress(), False
        if resume:
            self._check_settings()
        # 1. The sentences. Both languages share one vocabulary, as in 5.1.
        self.corpus = load_corpus(settings.corpus)
        texts = (text for pair in self.corpus.train for text in pair)
        self.tokenizer = (
            folder.tokenizer()
            if resume
            else BPETokenizer.train(texts, settings.vocab_size)
        )
        self.train_set, self.valid_set = self._sentences()
        # An epoch too small for a step is refused before anything is written.
        self._steps(epoch=0)
        # 2. The model and its losses: smoothed to train, plain to validate.
        self.model = build_model(settings, self.tokenizer)
        self.model.to(self.place.device)
        fuse(self.model)
        sizes = self.tokenizer.vocab_size, self.tokenizer.pad_id
        self.loss_fn = LabelSmoothing(*sizes, settings.smoothing)
        self.likelihood = LabelSmoothing(*sizes, smoothing=0.0)
        # 3. Adam with the paper's numbers, and the schedule (section 5.3).
        self.optimizer = torch.optim.Adam(
            self.model.parameters(),
            lr=0.0,
            betas=(0.9, 0.98),
            eps=1e-9,
            fused=True,
        )
        self.scheduler = TransformerLRScheduler(
            self.optimizer, self.model.config.d_model, settings.warmup_steps
        )
        # 4. Begin, or go on.
        if resume:
            self._resume()
        elif self.place.rank == 0:
            folder.begin(asdict(settings), self.tokenizer)
        self.parallel = self._parallel()

    def _sentences(self) -> list[Sentences]:
        """Encode the pairs to train on and those to validate on."""
        return [
            Sentences(
                self.tokenizer,
                pairs,
                self.settings.max_tokens,
                self.place.device,
            )
            for pairs in (self.corpus.train, self.corpus.valid)
        ]

    def _steps(self, epoch: int) -> list[list[list[int]]]:
        """Cut an epoch into steps: for each, the batches of all processes."""
        size = self.settings.accumulate * self.place.processes
        return self.train_set.steps(self.settings.seed, epoch, size)

    def _check_settings(self) -> None:
        """Insist on the settings that the run was begun with."""
        begun = Settings.of(self.folder)
        if begun != self.settings:
            raise ValueError(
                f"settings ({self.settings}) must be those that "
                f"{self.folder.path} was begun with ({begun})"
            )

    def _resume(self) -> None:
        """Go back to what was saved last."""
        # 1. Parameters, moments, progress.
        saved = self.folder.restore(self.model, self.optimizer)
        try:
            self.progress = Progress(**saved)
        except TypeError as error:
            raise ValueError(
                f"{self.folder.training} does not say how far it is: {error}"
            ) from error
        # 2. Forget what will come again, and the model that was only saved
        #    because the run was stopped.
        if self.place.rank == 0:
            step = self.progress.step
            self.folder.cut_log(step)
            self.folder.cut_models(step if self._due() else step - 1)

    def _parallel(self) -> nn.Module:
        """Return what is trained: the model, wrapped where need be."""
        model: nn.Module = self.model
        precision, device = self.settings.precision, self.place.device
        if precision == "auto" and device.type == "cuda":
            precision = "bf16" if torch.cuda.is_bf16_supported() else "fp32"
        if precision == "bf16":
            model = InBFloat16(model)
        if self.place.processes > 1:
            model = DistributedDataParallel(model)
        return model

    def train(self, report: Callable[[Progress], None]) -> bool:
        """Train to the end; False if it was stopped before.

        `report` is called before every step. Ctrl-C lets the step end, saves
        and returns; a second Ctrl-C raises KeyboardInterrupt.
        """
        settings, progress = self.settings, self.progress
        shares, stop = self._shares(report), False
        with clean_stop(self):
            while not (stop or self.finished()):
                # 1. Train until there is something to write down: nothing
                #    is, if the request to stop came before the first step.
                if self._stretch(shares):
                    # 2. Log and validate, each at its own pace.
                    if progress.step % settings.log_every == 0:
                        self._log()
                    if progress.step % settings.valid_every == 0:
                        self._validate()
                # 3. Save at a pace of its own, and at the end.
                stop = self.place.any_of(self.stopping)
                if stop or self._due():
                    self._save()
        return self.finished()

    def finished(self) -> bool:
        """Tell whether all steps are done, or more would not help."""
        patience = self.settings.patience
        tired = patience is not None and self.progress.waited >= patience
        return tired or self.progress.step >= self.settings.steps

    def _due(self) -> bool:
        """Tell whether an uninterrupted run saves at this step."""
        return (
            self.progress.step % self.settings.save_every == 0
            or self.finished()
        )

    def _stretch(self, shares: Iterator[Share]) -> bool:
        """Train up to the next line of the log; False if not one step."""
        progress, every = self.progress, self.settings.log_every
        start, before = time.perf_counter(), progress.step
        plain = self.settings.accumulate == self.place.processes == 1
        for share in islice(shares, every - progress.step % every):
            how = self.loss_fn, self.optimizer, self.scheduler, progress.step
            # 1. One process and one batch a step: the plain loop will do.
            if plain:
                done = train_epoch(self.parallel, share.batches, *how)
            else:
                done = train_shares(self.parallel, [share], *how)
            # 2. Keep the books, step by step: so the sums are the same to
            #    the last bit, wherever the run is stopped.
            loss, progress.step = done
            progress.tokens += share.tokens
            progress.loss_sum += loss * share.tokens
            progress.loss_tokens += share.tokens
        progress.seconds += time.perf_counter() - start
        return progress.step > before

    def _shares(self, report: Callable[[Progress], None]) -> Iterator[Share]:
        """Yield this process's part of every step that is left."""
        progress, place, seed = self.progress, self.place, self.settings.seed
        steps = self._steps(progress.epoch)
        for number in range(progress.step, self.settings.steps):
            # 1. Asked to stop: the last step was the last one. Several
            #    processes must stop together, at the end of the stretch.
            if self.stopping and place.processes == 1:
                return
            # 2. The next step of this epoch, or the first of the next one.
            if progress.position == len(steps):
                progress.epoch, progress.position = progress.epoch + 1, 0
                steps = self._steps(progress.epoch)
            step = steps[progress.position]
            report(progress)
            # 3. Dropout, too, depends on seed and step alone.
            torch.manual_seed(
                zlib.crc32(f"{seed} {number} {place.rank}".encode())
            )
            progress.position += 1
            own = step[place.rank :: place.processes]
            yield Share(
                [self.train_set.batch(indices) for indices in own],
                sum(map(self.train_set.targets, step)),
                place.processes,
            )

    def _log(self) -> None:
        """Write the loss since the last time into the log."""
        progress = self.progress
        progress.last_loss = progress.loss_sum / progress.loss_tokens
        if self.place.rank == 0:
            self.folder.log(
                {
                    "step": progress.step,
                    "epoch": progress.epoch,
                    "loss": progress.last_loss,
                    "rate": self.optimizer.param_groups[0]["lr"],
                    "tokens": progress.tokens,
                    "seconds": round(progress.seconds, 3),
                }
            )
        progress.loss_sum, progress.loss_tokens = 0.0, 0

    def _validate(self) -> None:
        """Measure the loss on unseen sentences; count how long it waits."""
        progress = self.progress
        loss = evaluate(self.model, self.valid_set.batches(), self.likelihood)
        # A loss that is no number is not better, and not the best either.
        better = loss < progress.best_loss
        progress.waited = 0 if better else progress.waited + 1
        progress.best_loss = loss if better else progress.best_loss
        if self.place.rank == 0:
            self.folder.log({"step": progress.step, "valid_loss": loss})

    def _save(self) -> None:
        """Save everything; the run can go on from here."""
        # 1. One process writes; before the first step there is nothing new.
        if self.place.rank > 0 or self.progress.step == 0:
            return
        # 2. The model of a mere stop is one more: when the run goes on, the
        #    last `keep` must be those of a run that was never stopped.
        keep = self.settings.keep + (not self._due())
        progress = asdict(self.progress)
        self.folder.save(
            self.model, self.optimizer, self.tokenizer, progress, keep
        )


def final_model(run: Run) -> Transformer:
    """Average the run's last checkpoints, save the result and return it.

    If the last one alone does better on the validation set than the mean, it
    is the result.

    Paper: section 6.1.
    """
    paths = run.folder.checkpoints()[-run.settings.keep :]
    # 1. Both that come into question.
    mean = average_checkpoints(paths, run.tokenizer)
    last = load_model(paths[-1], run.tokenizer)
    # 2. Compare their losses on sentences that neither was trained on.
    losses = [
        evaluate(
            model.to(run.place.device),
            run.valid_set.batches(),
            run.likelihood,
        )
        for model in (mean, last)
    ]
    best = mean if losses[0] <= losses[1] else last
    save_model(run.folder.model, best, run.tokenizer, run.progress.step)
    return best


@contextmanager
def clean_stop(run: Run) -> Iterator[None]:
    """Let Ctrl-C, or a request to end, stop a run after its present step.

    Only the main thread hears of them; in others, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signals = signal.SIGINT, signal.SIGTERM
    before = {number: signal.getsignal(number) for number in signals}

    def ask(number: int, _: FrameType | None) -> None:
        # The second time it is meant: as if we had never interfered.
        run.stopping = True
        signal.signal(number, before[signal.Signals(number)])

    try:
        for number in signals:
            signal.signal(number, ask)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
