"""Drawing source objects: `literalinclude` with a caption, and a record.

Whatever is drawn from the package is named by `:pyobject:`, never by line
numbers, carries its file and a link to its line, and is written down so that
the audit can compare what is drawn with what there is.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.directives.code import LiteralInclude
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

from laidout.workshop.source import (
    SourceObject,
    definitions,
    find_in_file,
)
from laidout_book.errors import nearest, stop
from laidout_book.nodes import source_link

PACKAGE = "laidout"
BY_NUMBER = ("lines", "emphasize-lines", "lineno-start", "lineno-match")


@dataclass(frozen=True)
class Drawn:
    """An object that a page draws, and where."""

    object: str
    page: str
    place: str


def drawn(env: BuildEnvironment) -> dict[str, list[Drawn]]:
    """Return what each page draws."""
    if not hasattr(env, "laidout_drawn"):
        env.laidout_drawn = {}  # type: ignore[attr-defined]
    return cast(dict[str, list[Drawn]], env.laidout_drawn)  # type: ignore[attr-defined]


def package_folder(env: BuildEnvironment) -> Path:
    """Return the folder of the package that the book draws."""
    return Path(env.srcdir, env.config.laidout_package).resolve()


class DrawnInclude(LiteralInclude):
    """`literalinclude` that draws objects of the package by name."""

    def run(self) -> list[nodes.Node]:
        """Draw an object, or include another file as Sphinx does."""
        for option in BY_NUMBER:
            if option in self.options:
                raise stop(
                    cast(SphinxDirective, self),
                    f"`:{option}:` counts lines, which move; expected "
                    "`:pyobject:`",
                )
        path = Path(self.env.relfn2path(self.arguments[0])[1]).resolve()
        if not path.is_file():
            beside = [p.name for p in path.parent.glob("*.*")]
            raise stop(
                cast(SphinxDirective, self),
                f"{self.arguments[0]}: there is no such file"
                + nearest(path.name, beside),
            )
        if package_folder(self.env) not in path.parents:
            return super().run()
        if "pyobject" not in self.options:
            raise stop(
                cast(SphinxDirective, self),
                f"{self.arguments[0]}: expected `:pyobject:` with its name",
            )
        for option in self.options:
            if option not in ("pyobject", "language"):
                raise stop(
                    cast(SphinxDirective, self),
                    f"`:{option}:` does nothing beside `:pyobject:`",
                )
        return draw(
            cast(SphinxDirective, self), path, self.options["pyobject"]
        )


def draw(
    directive: SphinxDirective, path: Path, name: str
) -> list[nodes.Node]:
    """Return a source object with its caption, and record that it is drawn.

    Raises:
        BookError: if the file does not define the object.
    """
    try:
        source = find_in_file(path, name)
    except ValueError as error:
        raise stop(directive, str(error)) from None
    env = directive.env
    env.note_dependency(str(path))
    module = ".".join(
        (PACKAGE, *path.relative_to(package_folder(env)).with_suffix("").parts)
    )
    box = _listing(directive, source, module)
    _note(directive, f"{module}.{name}", source, box)
    return [box]


def _listing(
    directive: SphinxDirective, source: SourceObject, module: str
) -> nodes.container:
    """Build the captioned listing."""
    file = module.replace(".", "/") + ".py"
    caption = nodes.caption("", "")
    link = source_link("", "", module=module, line=source.first_line)
    link += nodes.literal("", file)
    link += nodes.Text(f", line {source.first_line}")
    caption += link
    code = nodes.literal_block(
        source.text,
        source.text,
        language="python",
        classes=["drawn"],
        module=module,
        pyobject=source.name,
    )
    directive.set_source_info(code)
    box = nodes.container(
        "", literal_block=True, classes=["literal-block-wrapper"]
    )
    box += [caption, code]
    directive.set_source_info(box)
    return box


def _note(
    directive: SphinxDirective, dotted: str, source: SourceObject, box: Any
) -> None:
    """Record the object, and make it a target for roles such as `func`."""
    env = directive.env
    node_id = nodes.make_id(dotted)
    box["ids"].append(node_id)
    directive.state.document.note_explicit_target(box)
    path, line = directive.get_source_info()
    record = Drawn(dotted, env.docname, f"{path}:{line}")
    drawn(env).setdefault(env.docname, []).append(record)
    python = env.domains.python_domain
    kind = "function" if not hasattr(source.node, "bases") else "class"
    python.note_object(dotted, kind, node_id, location=box)
    if kind == "class":
        for name, _ in definitions(source.node):
            python.note_object(f"{dotted}.{name}", "method", node_id)


def _purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    drawn(env).pop(docname, None)


def _merge(
    app: Sphinx, env: BuildEnvironment, docnames: set[str], other: Any
) -> None:
    drawn(env).update(
        {page: d for page, d in drawn(other).items() if page in docnames}
    )


def setup(app: Sphinx) -> None:
    """Replace Sphinx's `literalinclude`."""
    app.add_config_value("laidout_package", "../src/laidout", "env")
    directives.register_directive("literalinclude", DrawnInclude)
    app.add_directive("literalinclude", DrawnInclude, override=True)
    app.connect("env-purge-doc", _purge)
    app.connect("env-merge-info", _merge)
