"""Checkpoints: a model, or a whole training run, in one file.

The format is safetensors: numbers and a header of JSON. Reading one can run
no code, whatever the file holds.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import Optimizer

from laidout.files import write_atomically
from laidout.tokenizer import BPETokenizer
from laidout.transformer import Transformer, TransformerConfig

__all__ = [
    "average_checkpoints",
    "average_tensors",
    "load_model",
    "load_training",
    "read_checkpoint",
    "save_model",
    "save_training",
    "write_checkpoint",
]

FORMAT = "laidout checkpoint 1"
"""What the header of our files says, so that others are recognised."""

OPTIMIZER = "optimizer."
"""What the names of the optimizer's tensors begin with."""


def write_checkpoint(
    path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]
) -> None:
    """Write tensors and a JSON header to a file, all of it or nothing.

    Shapes: tensors of any shape and dtype, by name.

    Raises:
        OSError: if it cannot be written; the message names the file.
    """
    header = {"format": FORMAT, "about": json.dumps(about)}
    whole = {name: value.contiguous() for name, value in tensors.items()}
    write_atomically(path, save(whole, header))


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_checkpoint` has written: tensors and header.

    Raises:
        ValueError: if there is no such file, or it is broken or foreign.
    """
    if not path.is_file():
        raise ValueError(f"{path}: there is no such checkpoint")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            names = list(file.keys())
            tensors = {name: file.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise ValueError(
            f"{path} is broken or no checkpoint: {error}"
        ) from error
    return tensors, _read_about(path, header)


def _read_about(path: Path, header: Mapping[str, str]) -> dict[str, Any]:
    """Read our part of the header: one JSON object."""
    if header.get("format") != FORMAT:
        raise ValueError(
            f"{path} is no checkpoint of ours: expected {FORMAT!r} in its "
            f"header, got {header.get('format')!r}"
        )
    try:
        about = json.loads(header.get("about", ""))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} has a broken header: {error}") from error
    if not isinstance(about, dict):
        raise ValueError(f"{path} has a broken header: {about!r}")
    return about


def save_model(
    path: Path, model: Transformer, tokenizer: BPETokenizer, step: int
) -> None:
    """Write a model's parameters and sizes, and which tokenizer it reads."""
    about = {
        "kind": "model",
        "config": asdict(model.config),
        "tokenizer": tokenizer.fingerprint,
        "step": step,
    }
    # A matrix that serves three times is written once, under its first name.
    write_checkpoint(path, _parameters(model), about)


def load_model(path: Path, tokenizer: BPETokenizer) -> Transformer:
    """Build the model of a checkpoint that `save_model` has written.

    Raises:
        ValueError: if the file is missing, broken, foreign, of another
            tokenizer, or does not fit its own sizes.
    """
    tensors, about = read_checkpoint(path)
    # 1. It must be a model, and one that read the same tokens.
    if about.get("kind") != "model":
        raise ValueError(f"{path} holds no model but {about.get('kind')!r}")
    if about.get("tokenizer") != tokenizer.fingerprint:
        raise ValueError(
            f"{path} belongs to another tokenizer: to "
            f"{about.get('tokenizer')}, not to {tokenizer.fingerprint}"
        )
    # 2. Build it, and give every parameter its numbers.
    try:
        model = Transformer(TransformerConfig(**about.get("config", {})))
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} has sizes of no model: {error}") from error
    load_parameters(model, tensors, path)
    return model


def load_parameters(
    model: nn.Module, tensors: Mapping[str, Tensor], path: Path
) -> None:
    """Copy tensors into the parameters of the same names and shapes.

    Shapes: every tensor has that of its parameter.

    Raises:
        ValueError: if a parameter is missing, of another shape, or too many.
    """
    parameters = _parameters(model)
    # 1. Check all of them before the first one is changed.
    for name in sorted(parameters.keys() ^ tensors.keys()):
        wrong = "lacks" if name in parameters else "has an unknown"
        raise ValueError(f"{path} does not fit the model: {wrong} {name}")
    for name, parameter in parameters.items():
        if parameter.shape != tensors[name].shape:
            raise ValueError(
                f"{path}: {name} has shape {tuple(tensors[name].shape)}, "
                f"the model's {tuple(parameter.shape)}"
            )
    # 2. Copy the numbers.
    for name, parameter in parameters.items():
        parameter.copy_(tensors[name])


def _parameters(model: nn.Module) -> dict[str, Tensor]:
    """Return the numbers of a model by name, each of them once."""
    return {name: value.detach() for name, value in model.named_parameters()}


def save_training(
    path: Path,
    model: nn.Module,
    optimizer: Optimizer,
    about: Mapping[str, Any],
) -> None:
    """Write all that it takes to go on: parameters, moments, progress."""
    # 1. Adam keeps three tensors for each parameter, which has a number.
    moments = {
        f"{OPTIMIZER}{number}.{key}": value
        for number, state in optimizer.state_dict()["state"].items()
        for key, value in state.items()
    }
    # 2. One file, so that its parts can never be of different steps.
    write_checkpoint(
        path, _parameters(model) | moments, {"kind": "training", **about}
    )


def load_training(
    path: Path, model: nn.Module, optimizer: Optimizer
) -> dict[str, Any]:
    """Put a run back to where `save_training` left it; return the header.

    Raises:
        ValueError: if the file is missing, broken, foreign or does not fit.
    """
    tensors, about = read_checkpoint(path)
    if about.get("kind") != "training":
        raise ValueError(f"{path} holds no run but {about.get('kind')!r}")
    # 1. Tell the optimizer's tensors from the model's.
    moments = {n: t for n, t in tensors.items() if n.startswith(OPTIMIZER)}
    load_parameters(
        model, {n: t for n, t in tensors.items() if n not in moments}, path
    )
    # 2. Give the optimizer its own.
    state = _sort_moments(moments, optimizer, path)
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    return about


def _sort_moments(
    moments: Mapping[str, Tensor], optimizer: Optimizer, path: Path
) -> dict[int, dict[str, Tensor]]:
    """Sort an optimizer's tensors by the number of their parameter."""
    # 1. Each is one number, or as large as its parameter.
    parameters = [p for g in optimizer.param_groups for p in g["params"]]
    shapes = {str(i): p.shape for i, p in enumerate(parameters)}
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in moments.items():
        number, _, key = name.removeprefix(OPTIMIZER).partition(".")
        fits = torch.Size(), shapes.get(number)
        if number not in shapes or tensor.shape not in fits:
            raise ValueError(f"{path}: {name} does not fit the optimizer")
        state.setdefault(int(number), {})[key] = tensor
    # 2. All parameters have the same ones; before the first step, none.
    kinds = {frozenset(keys) for keys in state.values()}
    if len(kinds) > 1 or len(state) not in (0, len(shapes)):
        raise ValueError(f"{path} does not fit the optimizer: lacks moments")
    return state


def average_tensors(
    models: Sequence[Mapping[str, Tensor]],
) -> dict[str, Tensor]:
    """Average models of one shape, parameter by parameter.

    Shapes: every model has the same names and shapes, and so the result.

    Raises:
        ValueError: if there are none, or their names or shapes differ.

    Paper: section 6.1, "averaging the last 5 checkpoints".
    """
    if not models:
        raise ValueError("models must hold at least one, got none")
    shapes = [{n: t.shape for n, t in model.items()} for model in models]
    for number, others in enumerate(shapes):
        if others != shapes[0]:
            raise ValueError(f"models[{number}] has other parameters")
    # In float64, so that the order of the sum does not matter.
    return {
        name: torch.stack([model[name].double() for model in models])
        .mean(0)
        .to(first.dtype)
        for name, first in models[0].items()
    }


def average_checkpoints(
    paths: Sequence[Path], tokenizer: BPETokenizer
) -> Transformer:
    """Return the model whose parameters are the mean of several files'.

    Raises:
        ValueError: if there are none, one of them cannot be loaded, or they
            are models of different sizes.

    Paper: section 6.1.
    """
    # 1. Load them all: whatever is wrong with one is said here.
    models = [load_model(path, tokenizer) for path in paths]
    for path, model in zip(paths, models, strict=True):
        if model.config != models[0].config:
            raise ValueError(f"{path} has other sizes than {paths[0]}")
    mean = average_tensors([_parameters(model) for model in models])
    # 2. Use the last one as the mould.
    load_parameters(models[-1], mean, paths[-1])
    return models[-1]
