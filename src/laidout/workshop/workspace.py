"""The reader's folder: written once, never overwritten.

It mirrors the package, one file for each module that has exercises. What the
package gives is imported from it; what the reader writes stands there as a
skeleton.
"""

import ast
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from laidout.files import write_atomically
from laidout.workshop.catalogue import Exercise, load_catalogue
from laidout.workshop.imports import defined_in, import_blocks, names_in
from laidout.workshop.skeleton import skeleton
from laidout.workshop.source import definitions, helpers_of, module_path
from laidout.workshop.state import FILE, State, digest, parsed

__all__ = [
    "Written",
    "find_workspace",
    "module_text",
    "start",
    "workspace_around",
]

TEXTS = Path(__file__).with_name("texts")
"""README and AGENTS as they are put into a workspace."""
WIDTH = 79
RULE = "# " + "-" * (WIDTH - 2)


@dataclass(frozen=True)
class Written:
    """What `start` has done: which file, and in which way."""

    path: Path
    what: str


def start(folder: Path) -> list[Written]:
    """Write a workspace, or bring one up to date.

    A file that the reader has changed is left alone. What a newer version of
    the book has for it goes into a file beside it, `NAME.new.py`.

    Raises:
        ValueError: if the folder is a file.
        OSError: if something cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file, not a folder")
    state = State.load(folder)
    done = []
    for name, text in _files().items():
        written = _put(folder / name, text, state.written.get(name))
        if written is not None:
            done.append(written)
        state.written[name] = digest(text)
    state.save()
    return done


def _files() -> dict[str, str]:
    """Return all files of a workspace, by name."""
    modules = dict.fromkeys(e.module for e in load_catalogue().values())
    texts = {p.name: p.read_text("utf-8") for p in sorted(TEXTS.glob("*.md"))}
    return texts | {f"{name}.py": module_text(name) for name in modules}


def _put(path: Path, text: str, before: str | None) -> Written | None:
    """Write a file, unless the reader has changed it.

    `before` is the digest of what was offered last time.
    """
    if not path.exists():
        write_atomically(path, text)
        return Written(path, "written")
    present = path.read_bytes().decode("utf-8", errors="replace")
    if digest(present) == digest(text):
        return None
    if digest(present) == before:
        write_atomically(path, text)
        return Written(path, "brought up to date")
    if before == digest(text) or (before is None and _has_all(present, text)):
        return None
    beside = _free_place(path, text)
    if not beside.exists():
        write_atomically(beside, text)
    return Written(beside, f"new beside your {path.name}")


def _has_all(present: str, text: str) -> bool:
    """Tell whether a file defines all that the new one does."""
    here, there = parsed(present), parsed(text)
    if here is None or there is None:
        return True
    names = {name for name, _ in definitions(here)}
    return {name for name, _ in definitions(there)} <= names


def _free_place(path: Path, text: str) -> Path:
    """Find a name beside a file that is free, or holds the very text."""
    number = 1
    while True:
        mark = ".new" if number == 1 else f".new{number}"
        beside = path.with_name(f"{path.stem}{mark}{path.suffix}")
        if not beside.exists() or beside.read_bytes() == text.encode("utf-8"):
            return beside
        number += 1


def find_workspace(folder: Path | None) -> Path:
    """Return the workspace in a folder; by default here, or further up.

    Raises:
        ValueError: if there is none.
    """
    modules = {exercise.module for exercise in load_catalogue().values()}
    names = [FILE, *(f"{module}.py" for module in modules)]
    place = folder or Path()
    if any((place / name).is_file() for name in names):
        return place
    around = None if folder else workspace_around()
    if around is not None:
        return around
    raise ValueError(
        f"{place.resolve()} is no workspace: laidout start writes one"
        + ("" if folder else "; if you have one, go there")
    )


def workspace_around() -> Path | None:
    """Return the workspace that we are in, if we are in one."""
    here = Path.cwd()
    found = (p for p in (here, *here.parents) if (p / FILE).is_file())
    return next(found, None)


# --- the text of a file -----------------------------------------------------


def module_text(module: str) -> str:
    """Return what the reader starts from for one module of the package."""
    exercises = [e for e in load_catalogue().values() if e.module == module]
    objects: dict[str, list[Exercise]] = {}
    for exercise in exercises:
        objects.setdefault(exercise.object, []).append(exercise)
    parts = [_head(module, exercises[0].module_name)]
    parts += ["\n".join(_imports(module, list(objects.values())))]
    for group in objects.values():
        parts.append("\n" + _task(group) + "\n" + _blanked(group).rstrip())
    return "\n\n".join(parts) + "\n"


def _head(module: str, module_name: str) -> str:
    """Return the docstring of a file."""
    path = module_path(module_name)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    about = (ast.get_docstring(tree) or "").splitlines()[0]
    what = textwrap.fill(
        f"Your version of {module_name}. Each part below is an exercise: "
        "write the code of its numbered steps and delete the line that raises "
        "NotImplementedError.",
        WIDTH,
    )
    return f'"""{about}\n\n{what}\n\n    laidout check {module}\n"""'


def _blanked(group: list[Exercise]) -> str:
    """Return the skeleton of an object, all of its exercises left out."""
    blank = [name for exercise in group for name in exercise.blank]
    return skeleton(group[0].source, blank)


def _task(group: list[Exercise]) -> str:
    """Write the exercises of an object as a comment."""
    lines = [RULE]
    for exercise in group:
        if len(lines) > 1:
            lines.append("#")
        lines.append(f"# {exercise.title} (about {exercise.minutes} minutes)")
        lines.append("#")
        for paragraph in exercise.task.split("\n\n"):
            lines += textwrap.wrap(
                paragraph,
                WIDTH,
                initial_indent="# ",
                subsequent_indent="# ",
                break_long_words=False,
                break_on_hyphens=False,
            )
            lines.append("#")
        lines.append(f"#     laidout check {exercise.name}")
        lines.append(f"#     laidout hint {exercise.name}")
    return "\n".join([*lines, RULE])


def _imports(module: str, groups: list[list[Exercise]]) -> Iterator[str]:
    """Yield the imports that a file needs, and what the package gives it."""
    path = module_path(groups[0][0].module_name)
    # What the book's solution needs is there, its helpers included, so that
    # it can be pasted.
    solved = {
        name
        for group in groups
        for part in (group[0].source, *helpers_of(group[0].source))
        for name in names_in(part.text)
    }
    given = {n for group in groups for n in names_in(_blanked(group))}
    own = [
        name
        for name in defined_in(path)
        if name in (given if name.startswith("_") else solved)
        and name not in {group[0].source.name for group in groups}
    ]
    blocks = import_blocks(path, groups[0][0].module_name, solved, own)
    for place, block in enumerate(blocks):
        yield from ([""] if place else [])
        yield from block
