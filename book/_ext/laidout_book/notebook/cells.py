"""The cells of a chapter's notebook, in the order of the page."""

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

from docutils import nodes
from sphinx.environment import BuildEnvironment

from laidout.workshop.catalogue import Exercise, find_exercise
from laidout.workshop.imports import names_in
from laidout.workshop.source import module_path
from laidout_book.drawn import package_folder
from laidout_book.execution import MAGIC
from laidout_book.nodes import block, drawing, toggle
from laidout_book.notebook.imports import (
    names_made,
    with_imports,
    without_imports,
)
from laidout_book.notebook.markdown import Markdown, details, escape

WRITE = (
    "Write it in the next cell and run it. The cell after that checks what "
    "you wrote."
)
RECORDS = "../results/"
"""Where a cell finds what was measured: only the book has it."""
YOURS = "# From here on yours is used, or the book's own until it is written."


@dataclass
class Cell:
    """A cell of Markdown or of code."""

    kind: str
    source: str
    metadata: dict[str, Any] = field(default_factory=dict)


class Cells:
    """Collects the cells while it goes through a page."""

    def __init__(self, writer: Markdown) -> None:
        self.writer = writer
        self.cells: list[Cell] = []
        self._text: list[str] = []
        self._notes: list[nodes.footnote] = []
        self._defined: dict[str, str] = {}
        self._known: set[str] = set()
        self._missing: set[str] = set()

    def of(self, document: nodes.document) -> list[Cell]:
        """Return the cells of a page."""
        self._walk(document.children)
        self._flush()
        if self._notes:
            self._text = ["## Notes", self.writer.blocks(self._notes)]
            self._flush()
        works = cited(self.writer.env, document)
        if works:
            rows = "\n".join(f"- {escape(work)}" for work in works)
            self._text = ["## References", rows]
            self._flush()
        return self.cells

    def _walk(self, children: Iterable[nodes.Node]) -> None:
        for child in children:
            self._take(child)

    def _take(self, node: nodes.Node) -> None:
        """Make cells of a block that stands in the page itself."""
        if isinstance(node, nodes.section):
            self._section(node)
        elif isinstance(node, nodes.footnote):
            self._notes.append(node)
        elif _is(node, block, "exercise"):
            self._exercise(node)
        elif _is(node, block, "steps"):
            self._steps(node)
        elif isinstance(node, nodes.container):
            self._container(node)
        elif isinstance(node, nodes.figure | nodes.image | drawing) or (
            _is(node, toggle, "faq") or _is(node, block, "quiz")
        ):
            self._alone(node)
        else:
            self._text.append(self.writer.block(node))

    def _flush(self) -> None:
        """Make a cell of the text that has come together."""
        text = "\n\n".join(part for part in self._text if part)
        self._text = []
        if text:
            self.cells.append(Cell("markdown", text))

    def _alone(self, node: nodes.Node) -> None:
        """Give a block a cell of its own."""
        self._flush()
        self._text.append(self.writer.block(node))
        self._flush()

    def _code(self, source: str, **metadata: Any) -> None:
        self._flush()
        source = without_imports(source, self._defined)
        if source.strip():
            self.cells.append(Cell("code", source, metadata))

    def _section(self, node: nodes.section) -> None:
        self._flush()
        self.writer.depth += 1
        title, *rest = node.children
        self._text.append(self.writer.heading(title))
        self._walk(rest)
        self.writer.depth -= 1

    def _container(self, node: nodes.container) -> None:
        """Run a cell, define what is drawn; write what is neither."""
        if node.get("nb_element") == "cell_code":
            self._cell(node)
            return
        code = node.children[-1] if node.children else None
        name = (
            code.get("pyobject", "") if isinstance(code, nodes.Element) else ""
        )
        if name and "." not in name:
            self._listing(node, code)
        else:
            self._text.append(self.writer.block(node))

    def _cell(self, node: nodes.container) -> None:
        """Run a cell; a plot gets its caption and what is to be seen.

        Code that no edition shows, or that needs the book's own records, is
        not run in a notebook: what it has written stands there instead. So
        it is with code that needs what such a cell has made.
        """
        sources = [n for n in node.children if _is_source(n)]
        outputs = [n for n in node.children if not _is_source(n)]
        code = "".join(source.astext() for source in sources)
        plain = MAGIC.sub("", code)
        made, needed = names_made(plain), names_in(plain)
        if not sources or RECORDS in code or needed & self._missing - made:
            self._text += [self.writer.block(output) for output in outputs]
            self._missing |= made - self._known
            return
        self._known |= made
        self._missing -= made
        settings = node.get("cell_metadata", {})
        tags = list(settings.get("tags", []))
        metadata: dict[str, Any] = {"tags": tags} if tags else {}
        if {"hide-input", "hide-cell"} & set(tags):
            metadata["jupyter"] = {"source_hidden": True}
        self._code(code, **metadata)
        for output in outputs:
            for figure in cast(Any, output).findall(nodes.figure):
                self._text.append(self.writer.caption(figure))
        alt = settings.get("mystnb", {}).get("image", {}).get("alt", "")
        if alt:
            says = escape(" ".join(alt.split()))
            self._text.append(details("What the plot shows", says))
        self._flush()

    def _listing(self, node: nodes.container, code: Any) -> None:
        """Define an object of the package in a cell."""
        module, name = code["module"], code["pyobject"]
        folder = package_folder(self.writer.env)
        text = code.astext()
        path = module_path(module, folder)
        source = with_imports(path, module, name, text, text)
        number = self.writer.number(node, "code-block")
        file = module.replace(".", "/") + ".py"
        self._code(f"# {f'{number}: ' if number else ''}{file}\n{source}")
        self._defined[name] = module

    def _steps(self, node: block) -> None:
        self._flush()
        title, *figures = node.children
        self._text.append(f"**{self.writer.line(title.children)}**")
        self._walk(figures)

    # Exercises

    def _exercise(self, node: block) -> None:
        """Write the task, the cells to solve and check it, and the help."""
        exercise = find_exercise(node["name"])
        task, help_ = _parts(node)
        self._flush()
        level = "#" * (self.writer.depth + 1)
        self._text.append(f"{level} Exercise: {escape(exercise.title)}")
        self._text.append(f"*About {exercise.minutes} minutes.*")
        self._text += [self.writer.block(part) for part in task]
        self._text.append(WRITE)
        self._skeleton(exercise)
        self._check(exercise)
        self._text.append(self.writer.blocks(help_))
        self._solved(exercise)

    def _skeleton(self, exercise: Exercise) -> None:
        source = with_imports(
            exercise.source.path,
            exercise.module_name,
            exercise.source.name,
            exercise.skeleton.rstrip(),
            textwrap.dedent(exercise.solution),
        )
        self._code(source, laidout={"skeleton": exercise.name})
        self._defined[exercise.source.name] = exercise.module_name

    def _check(self, exercise: Exercise) -> None:
        self._code(
            "from laidout.workshop import check, hint, solution, solved\n\n"
            f"check({_called(exercise)})",
            laidout={"check": exercise.name},
        )

    def _solved(self, exercise: Exercise) -> None:
        self._code(
            f"{YOURS}\n{exercise.source.name} = solved({_called(exercise)})",
            laidout={"solved": exercise.name},
        )


def _called(exercise: Exercise) -> str:
    """Return the arguments that say what is meant."""
    name = exercise.source.name
    return f'{name}, "{exercise.name}"' if exercise.elsewhere else name


def _parts(
    node: block,
) -> tuple[list[nodes.Node], list[nodes.Node]]:
    """Return the task of an exercise, and its hints with the solution.

    What stands between skeleton and hints says how to check it elsewhere.
    """
    _title, *rest = node.children
    place = next(i for i, c in enumerate(rest) if _is_skeleton(c))
    return rest[:place], [c for c in rest if isinstance(c, toggle)]


def _is_source(node: nodes.Node) -> bool:
    element = isinstance(node, nodes.Element)
    return element and cast(Any, node).get("nb_element") == "cell_code_source"


def _is_skeleton(node: nodes.Node) -> bool:
    return _is(node, nodes.literal_block, "skeleton")


def _is(node: nodes.Node, kind: type, name: str) -> bool:
    element = isinstance(node, nodes.Element) and isinstance(node, kind)
    return element and name in cast(Any, node)["classes"]


def cited(env: BuildEnvironment, document: nodes.document) -> list[str]:
    """Return what a page cites, in the order of the list of references."""
    if "cite" not in env.domains:
        return []
    links = {
        str(link.get("refuri", "")).rpartition("#")[2]: str(link["reftitle"])
        for link in cast(Any, document).findall(nodes.reference)
        if link.get("reftitle")
    }
    known = cast(Any, env.domains["cite"]).citations
    found = (links.get(each.citation_id) for each in known)
    return [work for work in found if work]
