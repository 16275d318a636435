"""The audit: what the package has against what the book draws.

Every public object is drawn exactly once, every other line of the package is
accounted for, every exercise stands in its chapter. `book/audit.toml` lists
what is not drawn yet, with its future chapter; an entry that is no longer
needed is an error too, so the list can only shrink.
"""

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from laidout.workshop.catalogue import Exercise, load_catalogue
from laidout.workshop.source import definitions, first_line
from laidout_book.drawn import Drawn, drawn, package_folder
from laidout_book.errors import BookError, nearest
from laidout_book.exercise import exercises_drawn

EXEMPT = {"__init__.py", "__main__.py", "cli.py"}
TABLES = ["objects", "exercises"]


@dataclass(frozen=True)
class Later:
    """What is not drawn yet: the future chapter of each object, exercise."""

    objects: dict[str, str]
    exercises: dict[str, str]


def read_later(path: Path) -> Later:
    """Read `audit.toml`.

    Raises:
        BookError: if it is not TOML or holds anything else.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BookError(f"{path}: there is no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BookError(f"{path}: not a TOML file: {error}") from None
    for key, table in data.items():
        if key not in TABLES:
            raise BookError(
                f"{path}: unknown table {key!r}{nearest(key, TABLES)}"
            )
        if not isinstance(table, dict):
            raise BookError(f"{path}: {key} must be a table, got {table!r}")
        for name, chapter in table.items():
            if not isinstance(chapter, str) or not chapter:
                raise BookError(
                    f"{path}: {name}: expected its future chapter, "
                    f"got {chapter!r}"
                )
    return Later(data.get("objects", {}), data.get("exercises", {}))


def public_objects(package: Path) -> dict[str, str]:
    """Return where the public functions and classes of a package stand."""
    found = {}
    for path in _modules(package):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for name, node in definitions(tree):
            if "." not in name and not name.startswith("_"):
                place = f"{path}:{first_line(node)}"
                found[f"laidout.{path.stem}.{name}"] = place
    return found


def _modules(package: Path) -> list[Path]:
    paths = sorted(package.glob("*.py"))
    return [path for path in paths if path.name not in EXEMPT]


def check_objects(
    package: Path, records: list[Drawn], later: Later, listed: str
) -> Iterator[str]:
    """Yield what is wrong with the drawing of public objects."""
    public = public_objects(package)
    places: dict[str, list[str]] = {}
    for record in records:
        places.setdefault(record.object, []).append(record.place)
    for name in public:
        times = places.get(name, [])
        if len(times) > 1:
            yield (
                f"{times[-1]}: {name} is drawn {len(times)} times, "
                f"first at {times[0]}"
            )
        if times and name in later.objects:
            yield (
                f"{listed}: {name} is drawn at {times[0]}: "
                "take it off the list"
            )
        if not times and name not in later.objects:
            yield (
                f"{public[name]}: {name} is not drawn; draw it, or list it in "
                f"{listed} with its future chapter"
            )
    for name in later.objects:
        if name not in public:
            yield f"{listed}: there is no {name}{nearest(name, list(public))}"


def check_lines(
    package: Path, records: list[Drawn], later: Later
) -> Iterator[str]:
    """Yield the lines of the package that no page accounts for."""
    shown = {record.object for record in records} | set(later.objects)
    for path in _modules(package):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        module = f"laidout.{path.stem}"
        # Helpers are drawn beside their user, which may have to wait.
        if any(name.startswith(f"{module}.") for name in later.objects):
            shown |= {f"{module}.{name}" for name in _helpers(tree)}
        covered = _covered(tree, module, shown)
        for number, line in enumerate(text.splitlines(), start=1):
            bare = line.strip()
            if bare and not bare.startswith("#") and number not in covered:
                yield (
                    f"{path}:{number}: this line is not drawn and is no "
                    f"import, docstring, comment or constant: {bare!r}"
                )


def _helpers(tree: ast.Module) -> Iterator[str]:
    """Yield the private functions and classes of a module."""
    for name, _ in definitions(tree):
        if "." not in name and name.startswith("_"):
            yield name


def _covered(tree: ast.Module, module: str, shown: set[str]) -> set[int]:
    """Return the lines that are drawn or need not be."""
    lines: set[int] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            if f"{module}.{node.name}" in shown:
                lines |= set(range(first_line(node), _end(node)))
        elif _needs_no_drawing(node):
            lines |= set(range(node.lineno, _end(node)))
    return lines


def _end(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) + 1


def _needs_no_drawing(node: ast.stmt) -> bool:
    """Say whether it is an import, a docstring, a constant or a type."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return True
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    names: list[ast.expr]
    if isinstance(node, ast.AnnAssign):
        names = [node.target]
    elif isinstance(node, ast.Assign):
        names = node.targets
    else:
        return False
    return all(
        isinstance(n, ast.Name)
        and (n.id.isupper() or n.id == "__all__" or _names_a_type(n, node))
        for n in names
    )


def _names_a_type(name: ast.Name, node: ast.Assign | ast.AnnAssign) -> bool:
    """Say whether an assignment gives a type a name: Pair = tuple[...]."""
    is_type = isinstance(node.value, ast.Subscript | ast.BinOp)
    return name.id[:1].isupper() and is_type


def check_exercises(
    catalogue: dict[str, Exercise],
    found: dict[str, list[tuple[str, str]]],
    later: Later,
    listed: str,
) -> Iterator[str]:
    """Yield what is wrong with the placing of exercises."""
    places: dict[str, list[tuple[str, str]]] = {}
    for page, names in found.items():
        for name, place in names:
            places.setdefault(name, []).append((page, place))
    for name, exercise in catalogue.items():
        times = places.get(name, [])
        if len(times) > 1:
            yield (
                f"{times[-1][1]}: exercise {name} stands twice, "
                f"first at {times[0][1]}"
            )
        for page, place in times:
            if page.rpartition("/")[2] != exercise.chapter:
                yield f"{place}: exercise {name} belongs to {exercise.chapter}"
        if times and name in later.exercises:
            yield f"{listed}: exercise {name} is drawn: take it off the list"
        if not times and name not in later.exercises:
            yield f"{listed}: exercise {name} is neither drawn nor listed"
    for name in later.exercises:
        if name not in catalogue:
            yield (
                f"{listed}: there is no exercise {name}"
                + nearest(name, list(catalogue))
            )


def _audit(app: Sphinx, env: BuildEnvironment) -> None:
    """Compare the package with the book, once every page has been read."""
    if not app.config.laidout_audit:
        return
    path = Path(app.srcdir, app.config.laidout_audit)
    later = read_later(path)
    package = package_folder(env)
    records = [r for page in drawn(env).values() for r in page]
    problems = [
        *check_objects(package, records, later, str(path)),
        *check_lines(package, records, later),
        *check_exercises(
            load_catalogue(), exercises_drawn(env), later, str(path)
        ),
    ]
    if problems:
        raise BookError("\n".join(problems))


def setup(app: Sphinx) -> None:
    """Run the audit at the end of reading."""
    app.add_config_value("laidout_audit", "", "env")
    app.connect("env-check-consistency", _audit)
