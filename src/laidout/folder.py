"""What a training run leaves on the disk."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch.optim import Optimizer

from laidout.checkpoint import load_training, save_model, save_training
from laidout.files import write_atomically
from laidout.tokenizer import BPETokenizer
from laidout.transformer import Transformer

__all__ = ["RunFolder", "find_model"]


class RunFolder:
    """The folder of one run, and the files in it.

    `settings.json` says how the run was begun, `tokenizer.json` how it reads
    text, `log.jsonl` how the losses went. `training.safetensors` is what it
    takes to go on, `checkpoints/` holds the last models, and
    `model.safetensors` is the result.

    Each is written whole or not at all. When a run begins, `settings.json`
    comes last: without it, there is no run.

    Raises:
        ValueError: if a file is missing or cannot be used; it is named.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.model = path / "model.safetensors"
        self.curve = path / "curve.svg"
        self._settings = path / "settings.json"
        self._tokenizer = path / "tokenizer.json"
        self._log = path / "log.jsonl"
        self.training = path / "training.safetensors"

    def begin(
        self, settings: Mapping[str, Any], tokenizer: BPETokenizer
    ) -> None:
        """Write down what the run consists of.

        Raises:
            ValueError: if there is a run already.
        """
        if self._settings.exists():
            raise ValueError(
                f"{self.path} holds a run already: resume it, or give "
                "another folder"
            )
        tokenizer.save(self._tokenizer)
        write_atomically(self._log, "")
        text = json.dumps(settings, indent=1) + "\n"
        write_atomically(self._settings, text)

    def settings(self) -> dict[str, Any]:
        """Return the settings that the run was begun with."""
        if not self._settings.exists():
            raise ValueError(f"{self.path} holds no run")
        return _read_json(self._settings, self._settings.read_bytes())

    def tokenizer(self) -> BPETokenizer:
        """Return the tokenizer of the run."""
        if not self._tokenizer.exists():
            raise ValueError(f"{self._tokenizer}: there is no tokenizer")
        return BPETokenizer.load(self._tokenizer)

    # The log: one JSON object a line.

    def log(self, line: Mapping[str, Any]) -> None:
        """Add a line to the log."""
        try:
            with self._log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            reason = f"cannot write {self._log}: {error.strerror or error}"
            raise OSError(error.errno, reason) from None

    def read_log(self) -> list[dict[str, Any]]:
        """Return the lines of the log; a last one without end is left out."""
        data = self._log.read_bytes() if self._log.exists() else b""
        whole = data[: data.rfind(b"\n") + 1].splitlines()
        lines = []
        for number, line in enumerate(whole, start=1):
            lines.append(_read_json(self._log, line, f"line {number}: "))
            if not isinstance(lines[-1].get("step"), int):
                raise ValueError(
                    f"{self._log} is broken: line {number} has no step"
                )
        return lines

    def cut_log(self, step: int) -> None:
        """Forget what was logged after a step, for it will come again."""
        kept = [line for line in self.read_log() if line["step"] <= step]
        text = "".join(json.dumps(line) + "\n" for line in kept)
        write_atomically(self._log, text)

    # The checkpoints.

    def checkpoints(self) -> list[Path]:
        """Return the saved models, the newest last."""
        names = f"step-{'[0-9]' * 9}.safetensors"
        return sorted((self.path / "checkpoints").glob(names))

    def cut_models(self, step: int) -> None:
        """Remove the models of later steps, for they will come again."""
        for path in self.checkpoints():
            if int(path.stem.removeprefix("step-")) > step:
                path.unlink()

    def save(
        self,
        model: Transformer,
        optimizer: Optimizer,
        tokenizer: BPETokenizer,
        progress: Mapping[str, Any],
        keep: int,
    ) -> None:
        """Save the model and all that it takes to go on.

        The last `keep` models stay; older ones go once the new one is there.
        """
        # 1. First the model, then the state: what is resumed from is never
        #    ahead of the models that will be averaged.
        name = f"step-{progress['step']:09d}.safetensors"
        path = self.path / "checkpoints" / name
        save_model(path, model, tokenizer, progress["step"])
        about = {"tokenizer": tokenizer.fingerprint, "progress": progress}
        save_training(self.training, model, optimizer, about)
        # 2. Now the oldest can go.
        for old in self.checkpoints()[:-keep]:
            old.unlink()

    def restore(
        self, model: Transformer, optimizer: Optimizer
    ) -> dict[str, Any]:
        """Put model and optimizer back to the last `save`.

        Returns the progress; an empty one if nothing was saved yet.
        """
        if not self.training.exists():
            return {}
        about = load_training(self.training, model, optimizer)
        own = self.tokenizer().fingerprint
        if about.get("tokenizer") != own:
            raise ValueError(
                f"{self.training} belongs to another tokenizer: to "
                f"{about.get('tokenizer')}, not to {own}"
            )
        progress = about.get("progress")
        if not isinstance(progress, dict):
            raise ValueError(f"{self.training} does not say how far it is")
        return progress


def find_model(path: Path) -> tuple[Path, BPETokenizer]:
    """Find a model file and its tokenizer; a run's folder stands for both.

    Of a run that has not ended, it is the newest checkpoint.

    Raises:
        ValueError: if there is no model, or no tokenizer beside it.
    """
    if path.is_dir():
        folder = RunFolder(path)
        made = [folder.model] if folder.model.exists() else []
        found = (folder.checkpoints() + made)[-1:]
        if not found:
            raise ValueError(f"{path} holds no model: nothing was saved yet")
        return found[0], folder.tokenizer()
    # A file: the tokenizer lies beside it, or beside `checkpoints`.
    if not path.exists():
        raise ValueError(f"{path}: there is no such model")
    beside = path.parent
    if beside.name == "checkpoints":
        beside = beside.parent
    return path, RunFolder(beside).tokenizer()


def _read_json(path: Path, data: bytes, where: str = "") -> dict[str, Any]:
    """Read one JSON object."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is broken: {where}{error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} is broken: {where}{found!r} is no object")
    return found
