"""Let the reader's own objects take the place of the package's.

Only what has passed its checks is taken. The short cuts of `laidout.fast`
stay with the package's classes, for they reach into them, and are not used
where they would pass by an object of the reader's.
"""

import pkgutil
from collections.abc import Collection
from importlib import import_module
from pathlib import Path
from types import ModuleType

import laidout
from laidout import evaluation, fast
from laidout.workshop.catalogue import Exercise, load_catalogue
from laidout.workshop.mine import (
    adopt,
    bind,
    borrowed_methods,
    load_file,
    own,
    package_object,
)

__all__ = ["exchange"]

KEPT_APART = {"laidout.fast", "laidout.cli", "laidout.__main__"}
"""Modules that go on with the package's own objects."""

ATTENTION = "laidout.attention.scaled_dot_product_attention"
"""What fused attention would not call, nor would the cache."""
UNCACHED = {
    ATTENTION,
    *("laidout.masks.causal_mask", "laidout.masks.padding_mask"),
    *("laidout.masks.target_mask", "laidout.decoding.greedy_decode"),
    "laidout.decoding.beam_search",
}
"""What the cache would not call, or what may ask more of a model than it."""


def exchange(folder: Path, passed: Collection[str]) -> list[str]:
    """Put the reader's objects into the package, for good.

    `passed` names the exercises that are solved. Of a class of which not all
    are, the package gives the other methods. Returns the dotted names of
    what was exchanged.

    Raises:
        UnreadableError: if a file of the reader cannot be run.
    """
    # 1. Everything is imported now, or it would come too late.
    modules = [import_module(name) for name in _modules()]
    catalogue = load_catalogue()
    chosen = {e.object: package_object(e.object) for e in catalogue.values()}
    # 2. The reader's objects, each file run once.
    files: dict[str, ModuleType] = {}
    solved = [e for e in catalogue.values() if e.name in passed]
    for exercise in solved:
        name = exercise.module
        if name not in files:
            files[name] = load_file(folder / f"{name}.py")
        chosen[exercise.object] = own(files[name], exercise)
    for exercise in solved:
        if exercise.blank:
            _complete(exercise, chosen[exercise.object], passed)
    # 3. Wherever an object is used, it is the chosen one.
    for file in files.values():
        here = {n for n in chosen if n.split(".")[1] == file.__name__}
        bind(vars(file), chosen, here)
    for module in modules:
        bind(vars(module), chosen)
    taken = {exercise.object for exercise in solved}
    if ATTENTION in taken:
        fast.FUSED.clear()
    if taken & UNCACHED:
        setattr(evaluation, "can_cache", lambda model: False)  # noqa: B010
    return sorted(taken)


def _complete(exercise: Exercise, mine: type, passed: Collection[str]) -> None:
    """Give a class the package's methods for what is not solved."""
    others = [
        other
        for other in load_catalogue().values()
        if other.object == exercise.object and other.name not in passed
    ]
    adopt(mine, borrowed_methods(exercise, others, mine, written_too=True))


def _modules() -> list[str]:
    """Name the modules of the package in which objects are exchanged."""
    names = [
        f"laidout.{found.name}"
        for found in pkgutil.iter_modules(laidout.__path__)
        if not found.ispkg
    ]
    return [name for name in names if name not in KEPT_APART]
