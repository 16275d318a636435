"""Find an object of the package in its source file, without importing it."""

import ast
import textwrap
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]

Definition = ast.FunctionDef | ast.ClassDef


@dataclass(frozen=True)
class SourceObject:
    """A function, class or method with its place in a source file."""

    path: Path
    name: str
    node: Definition
    lines: tuple[str, ...]

    @property
    def first_line(self) -> int:
        """Number of the line where the object begins, decorators included."""
        return first_line(self.node)

    @property
    def text(self) -> str:
        """The object's source, as it stands in the file."""
        return "\n".join(self.lines)

    @property
    def is_class(self) -> bool:
        """Whether it is a class and not a function."""
        return isinstance(self.node, ast.ClassDef)


def first_line(node: Definition) -> int:
    """Return the line where a definition begins, decorators included."""
    return min([node.lineno, *(d.lineno for d in node.decorator_list)])


def module_path(module: str, package: Path = PACKAGE) -> Path:
    """Return the file of a module such as 'laidout.attention'.

    Raises:
        ValueError: if the package has no such module.
    """
    path = package.joinpath(*module.split(".")[1:]).with_suffix(".py")
    if not path.is_file():
        known = [f"laidout.{p.stem}" for p in sorted(package.glob("*.py"))]
        raise ValueError(
            f"module {module!r} does not exist{nearest(module, known)}"
        )
    return path


def find_object(dotted: str, package: Path = PACKAGE) -> SourceObject:
    """Find an object such as 'laidout.attention.MultiHeadAttention'.

    Raises:
        ValueError: if there is no such module or no such object in it.
    """
    module, _, name = dotted.rpartition(".")
    return find_in_file(module_path(module, package), name)


def find_in_file(path: Path, name: str) -> SourceObject:
    """Find a function, class or method ('Class.method') in a file.

    Raises:
        ValueError: if the file does not define it.
    """
    text = path.read_text(encoding="utf-8")
    known = dict(definitions(ast.parse(text)))
    if name not in known:
        raise ValueError(
            f"{path.name} defines no {name!r}{nearest(name, list(known))}"
        )
    return _cut_out(path, text, name, known[name])


def helpers(path: Path) -> list[SourceObject]:
    """Return the private functions and classes of a file."""
    text = path.read_text(encoding="utf-8")
    return [
        _cut_out(path, text, name, node)
        for name, node in definitions(ast.parse(text))
        if name.startswith("_") and "." not in name
    ]


def helpers_of(source: SourceObject) -> list[SourceObject]:
    """Return the private helpers that an object uses, and those use."""
    known = {helper.name: helper for helper in helpers(source.path)}
    found: dict[str, SourceObject] = {}
    waiting = [source]
    while waiting:
        used = {
            node.id
            for node in ast.walk(waiting.pop().node)
            if isinstance(node, ast.Name)
        }
        new = [n for n in known if n in used and n not in found]
        found |= {name: known[name] for name in new}
        waiting += [known[name] for name in new]
    return [helper for name, helper in known.items() if name in found]


def _cut_out(
    path: Path, text: str, name: str, node: Definition
) -> SourceObject:
    last = node.end_lineno or node.lineno
    lines = tuple(text.splitlines()[first_line(node) - 1 : last])
    return SourceObject(path, name, node, lines)


def with_methods(owner: SourceObject, methods: str) -> str:
    """Return the source of a class with some of its methods exchanged.

    Methods that it does not have are added at its end.
    """
    lines = list(owner.lines)
    present = {
        name: (first_line(node), node.end_lineno or node.lineno)
        for name, node in definitions(owner.node)
    }
    places: list[tuple[int, int, list[str]]] = []
    for name, node in definitions(ast.parse(methods)):
        if "." in name:
            continue  # Part of a class that comes along as a whole.
        text = methods.splitlines()[
            first_line(node) - 1 : node.end_lineno or node.lineno
        ]
        end = owner.first_line + len(lines)
        first, last = present.get(name, (end, end - 1))
        places.append(
            (
                first,
                last,
                textwrap.indent("\n".join(text), "    ").splitlines(),
            )
        )
    places.sort(key=lambda place: place[:2])
    for first, last, new in reversed(places):
        start = first - owner.first_line
        lines[start : last - owner.first_line + 1] = new
    return "\n".join(lines)


def definitions(
    tree: ast.Module | Definition, prefix: str = ""
) -> list[tuple[str, Definition]]:
    """List the functions, classes and methods of a module, by dotted name."""
    found: list[tuple[str, Definition]] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.append((prefix + node.name, node))
        if isinstance(node, ast.ClassDef):
            found += definitions(node, f"{prefix}{node.name}.")
    return found


def nearest(name: str, known: list[str]) -> str:
    """Say which known name is nearest, as the end of an error message."""
    close = get_close_matches(name, known, n=1, cutoff=0.4)
    if close:
        return f"; the nearest name is {close[0]!r}"
    return f"; known: {', '.join(sorted(known)) or 'nothing'}"
