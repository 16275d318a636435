"""What the workspace remembers: one small file that may be deleted.

Without it nothing is lost but the ticks: `laidout check` sets them again.
"""

import ast
import hashlib
import json
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from laidout.files import write_atomically
from laidout.workshop.catalogue import Exercise, load_catalogue
from laidout.workshop.source import definitions, first_line

__all__ = ["FILE", "State", "digest", "digest_of", "parsed"]

FILE = ".laidout.json"
VERSION = 1


def digest(text: str) -> str:
    """Return sixteen hexadecimal digits that tell texts apart."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def digest_of(folder: Path, exercise: Exercise) -> str:
    """Return the digest of what an exercise depends on in the reader's file.

    That is the file without the parts that belong to other exercises. Empty
    if there is no such file, or if it is not Python.
    """
    path = folder / f"{exercise.module}.py"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        return ""
    tree = parsed(text)
    if tree is None:
        return ""
    known = dict(definitions(tree))
    # Not splitlines: it knows line ends that Python does not.
    lines = text.split("\n")
    for name in _elsewhere(exercise) & known.keys():
        node = known[name]
        last = node.end_lineno or node.lineno
        for number in range(first_line(node) - 1, last):
            lines[number] = ""
    return digest("\n".join(line for line in lines if line.strip()))


def parsed(text: str) -> ast.Module | None:
    """Parse a file of the reader; None if it is not Python.

    What Python warns of is for the check to say, not for us.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text.removeprefix("\ufeff"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _elsewhere(exercise: Exercise) -> set[str]:
    """Name the objects and methods of a module that others ask for."""
    names = set()
    for other in load_catalogue().values():
        name = other.source.name
        if other.object == exercise.object:
            names |= {
                f"{name}.{method}"
                for method in other.blank
                if method not in exercise.blank
            }
        elif other.module == exercise.module:
            names.add(name)
    return names


@dataclass
class State:
    """What is known of a workspace.

    `written` holds the digest of each file as it was last offered, `passed`
    the digest of each object that has passed, `hints` how many hints of an
    exercise were shown. `problem` says why an old file was not used.
    """

    folder: Path
    written: dict[str, str] = field(default_factory=dict)
    passed: dict[str, str] = field(default_factory=dict)
    hints: dict[str, int] = field(default_factory=dict)
    problem: str = ""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the file of a workspace; without one, nothing is known."""
        path = folder / FILE
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls(folder)
        except (OSError, ValueError, RecursionError) as error:
            return cls(folder, problem=f"{path} cannot be used: {error}")
        if not _is_state(found):
            return cls(folder, problem=f"{path} cannot be used: not a state")
        return cls(folder, found["written"], found["passed"], found["hints"])

    def save(self) -> None:
        """Write it all, or nothing."""
        content = {
            "version": VERSION,
            "written": self.written,
            "passed": self.passed,
            "hints": self.hints,
        }
        text = json.dumps(content, indent=1, sort_keys=True) + "\n"
        write_atomically(self.folder / FILE, text)

    def note(self, exercise: Exercise, passed: bool) -> None:
        """Remember whether an exercise has passed, as it is now."""
        if passed:
            self.passed[exercise.name] = digest_of(self.folder, exercise)
        else:
            self.passed.pop(exercise.name, None)

    def is_done(self, exercise: Exercise) -> bool:
        """Tell whether an exercise has passed and not changed since."""
        known = self.passed.get(exercise.name)
        return bool(known) and known == digest_of(self.folder, exercise)

    def has_changed(self, exercise: Exercise) -> bool:
        """Tell whether an exercise has passed and was changed since."""
        return exercise.name in self.passed and not self.is_done(exercise)


def _is_state(found: Any) -> bool:
    """Tell whether a value is what `save` writes."""
    return (
        isinstance(found, dict)
        and found.get("version") == VERSION
        and all(
            isinstance(found.get(key), dict)
            and all(type(value) is kind for value in found[key].values())
            for key, kind in (
                ("written", str),
                ("passed", str),
                ("hints", int),
            )
        )
        and all(count >= 0 for count in found["hints"].values())
    )
