"""The reader's own files: read, run, and put together with the package.

An object that the reader has not solved yet is taken from the package, so
that it never stands in the way of a later one.
"""

import dis
import inspect
import sys
import traceback
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

from laidout.workshop.catalogue import Exercise
from laidout.workshop.skeleton import UNWRITTEN
from laidout.workshop.source import nearest

__all__ = [
    "UnreadableError",
    "adopt",
    "adopted",
    "bind",
    "borrowed_methods",
    "bound",
    "is_untouched",
    "is_unwritten",
    "is_written",
    "load_file",
    "own",
    "package_object",
]


LONG = 200
"""Letters of a line that is still shown."""


class UnreadableError(ValueError):
    """A file of the reader cannot be run; the message is one sentence.

    `lines` are the places in the file where it goes wrong.
    """

    def __init__(self, message: str, *lines: str) -> None:
        super().__init__(message)
        self.lines = lines


def load_file(path: Path) -> ModuleType:
    """Run a file of the reader and return it as a module.

    Files beside it can be imported by it. A byte-order mark and any kind of
    line end are fine.

    Raises:
        UnreadableError: if it is missing, no Python, or fails while it is run.
    """
    try:
        code = compile(path.read_bytes(), str(path), "exec")
    except FileNotFoundError:
        raise UnreadableError(
            f"{path.name} is missing; in its folder, laidout start . writes "
            "it again."
        ) from None
    except SyntaxError as error:
        line = f", line {error.lineno}" if error.lineno else ""
        raise UnreadableError(
            f"{path.name}{line}: this is not Python: {error.msg}.",
            *_marked(error),
        ) from None
    except (RecursionError, MemoryError):
        raise UnreadableError(
            f"{path.name}: this is not Python: it is nested too deeply."
        ) from None
    except (ValueError, OSError) as error:
        raise UnreadableError(
            f"{path.name}: cannot be read: {error}."
        ) from None
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    sys.modules[path.stem] = module
    try:
        exec(code, vars(module))
    except (Exception, SystemExit) as error:
        raise _failed(path, error) from None
    return module


def _marked(error: SyntaxError) -> list[str]:
    """Return the line that is no Python, and a mark below the place.

    Nothing where the line is so long that no terminal has room for it.
    """
    text = (error.text or "").rstrip()
    if not 0 < len(text) <= LONG:
        return []
    bare = text.lstrip()
    if not bare.isascii():
        # Some versions of Python count bytes here, others letters.
        return [bare]
    place = (error.offset or 1) - 1 - (len(text) - len(bare))
    return [bare, " " * max(place, 0) + "^"]


def _failed(path: Path, error: BaseException) -> UnreadableError:
    """Say where and why a file failed while it was run."""
    frames = traceback.extract_tb(error.__traceback__)
    mine = [frame for frame in frames if frame.filename == str(path)]
    what = ": ".join([type(error).__name__, *str(error).splitlines()[:1]])
    if not mine:
        return UnreadableError(f"{path.name}: {what}")
    where = f"{path.name}, line {mine[-1].lineno}"
    lines = filter(None, [mine[-1].line])
    return UnreadableError(f"{where}: {what}", *lines)


def own(module: ModuleType, exercise: Exercise) -> Any:
    """Return the reader's object for an exercise.

    Raises:
        UnreadableError: if the file does not define it.
    """
    name = exercise.source.name
    if name not in vars(module):
        known = [n for n in vars(module) if not n.startswith("_")]
        hint = nearest(name, known) if known else ""
        raise UnreadableError(f"{module.__name__}.py defines no {name}{hint}.")
    return vars(module)[name]


# --- objects of the package -------------------------------------------------


@cache
def package_object(dotted: str) -> Any:
    """Return an object of the package, as it was before any exchange."""
    module, _, name = dotted.rpartition(".")
    return getattr(import_module(module), name)


def bind(
    namespace: dict[str, Any],
    chosen: Mapping[str, Any],
    defined: Collection[str] = (),
) -> None:
    """Let a namespace use the chosen objects instead of others.

    `chosen` goes by dotted name. What is the package's own object of that
    name is exchanged, under whatever name it goes; so are the objects in
    `defined`, which the namespace defines itself.
    """
    present = dict(namespace)
    for dotted, value in chosen.items():
        original = package_object(dotted)
        for name, found in present.items():
            if found is original or (
                dotted in defined and name == dotted.rpartition(".")[2]
            ):
                namespace[name] = value


@contextmanager
def bound(
    namespace: dict[str, Any],
    chosen: Mapping[str, Any],
    defined: Collection[str] = (),
) -> Iterator[None]:
    """`bind` for a while."""
    before = dict(namespace)
    bind(namespace, chosen, defined)
    try:
        yield
    finally:
        namespace.update(before)


# --- classes that are solved method by method -------------------------------


def is_unwritten(function: Any) -> bool:
    """Tell whether a function or method can still raise a skeleton's error."""
    code = _code(function)
    return (
        code is not None
        and any(
            isinstance(text, str) and text.endswith(UNWRITTEN)
            for text in code.co_consts
        )
        # Behind a `return` the line may stay: Python leaves it out.
        and any(
            step.argval == "NotImplementedError"
            for step in dis.get_instructions(code)
        )
    )


def is_untouched(exercise: Exercise, name: str, function: Any) -> bool:
    """Tell whether a function, or method of a name, is the very skeleton."""
    code = _code(function)
    return (
        code is not None
        # Any other `raise` of one text looks the same, once it is compiled.
        and is_unwritten(function)
        and code.co_code == _skeletons(exercise).get(name)
    )


@cache
def _skeletons(exercise: Exercise) -> dict[str, bytes]:
    """Return the compiled code of each function of a skeleton."""
    whole = compile(exercise.skeleton, exercise.name, "exec")
    found: dict[str, bytes] = {}
    waiting = [whole]
    while waiting:
        inside = [
            c for c in waiting.pop().co_consts if isinstance(c, CodeType)
        ]
        found |= {code.co_name: code.co_code for code in inside}
        waiting += inside
    return found


def _code(function: Any) -> CodeType | None:
    """Return the compiled code of a function, out of its decorators."""
    code = getattr(_bare(function), "__code__", None)
    return code if isinstance(code, CodeType) else None


def is_written(mine: type, name: str) -> bool:
    """Tell whether a class has a method that is no skeleton."""
    return name in vars(mine) and not is_unwritten(vars(mine)[name])


def _bare(function: Any) -> Any:
    """Take a function out of its decorators."""
    return inspect.unwrap(getattr(function, "__func__", function))


MACHINERY = {"__dict__", "__weakref__"}
"""What Python puts into a class that inherits from none."""


def borrowed_methods(
    exercise: Exercise,
    others: Iterable[Exercise],
    mine: type,
    written_too: bool,
) -> dict[str, Any]:
    """Return the package's methods that stand in for the reader's.

    Those of other exercises on the same class that are not written; with
    `written_too`, the others as well. What the reader's class lacks comes
    along.
    """
    right = vars(package_object(exercise.object))
    names = {
        name
        for other in others
        if other.object == exercise.object
        for name in set(other.blank) - set(exercise.blank)
        if written_too or not is_written(mine, name)
    }
    if names:
        names |= right.keys() - vars(mine).keys() - set(exercise.blank)
        names -= MACHINERY
    return {name: right[name] for name in sorted(names)}


def adopt(mine: type, methods: Mapping[str, Any]) -> None:
    """Give a class some methods of another one."""
    for name, method in methods.items():
        setattr(mine, name, _adopt(method, mine))


@contextmanager
def adopted(mine: type, methods: Mapping[str, Any]) -> Iterator[None]:
    """`adopt` for a while."""
    before = dict(vars(mine))
    try:
        adopt(mine, methods)
        yield
    finally:
        for name in methods:
            if name in before:
                setattr(mine, name, before[name])
            else:
                delattr(mine, name)


def _adopt(method: Any, owner: type) -> Any:
    """Make a method of one class a method of another: super() included."""
    if isinstance(method, classmethod | staticmethod):
        return type(method)(_adopt(method.__func__, owner))
    if isinstance(method, FunctionType) and method.__closure__:
        cells = tuple(
            CellType(owner) if name == "__class__" else cell
            for name, cell in zip(
                method.__code__.co_freevars, method.__closure__, strict=True
            )
        )
        copy = FunctionType(
            method.__code__,
            method.__globals__,
            method.__name__,
            method.__defaults__,
            cells,
        )
        copy.__kwdefaults__ = method.__kwdefaults__
        return copy
    return method
