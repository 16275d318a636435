"""Figures: `{drawing} module.function`, `{map} part`, and plots of cells.

A drawing is a function of `book/figures` that returns SVG. It is drawn once
and kept until something that it reads changes. In HTML the SVG stands in the
page itself, so that its colours follow the page's light or dark theme.

A page of the PDF is broader than a phone. A drawing that does well to use it
is drawn twice: `:paper: function` names another function of the same module,
which draws the same things on a `figures.canvas.Paper`. The PDF shows that one
in the size that its sheet says, and all other editions the first. The map has
its own. A node has `web` and `print`, the colours of the page and those of
white paper, and `paper` if there is a layout for it.
"""

import html
import importlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, cast

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator

from laidout.workshop.source import find_in_file
from laidout_book.dependencies import ModuleFinder, digest
from laidout_book.errors import BookError, nearest, place_of, stop
from laidout_book.nodes import drawing

CHAPTER = "chapter:"


@dataclass(frozen=True)
class Request:
    """What is to be drawn: a function of a module, and its arguments."""

    module: str
    function: str
    alt: str
    arguments: dict[str, Any]
    data: str = ""

    @property
    def code(self) -> str:
        """The import that the drawing comes from."""
        return f"from figures.{self.module} import {self.function}"


class Drawer:
    """Draws, or finds what was drawn before."""

    def __init__(self, env: BuildEnvironment) -> None:
        self.env = env
        book = Path(env.srcdir)
        roots = [(book / root).resolve() for root in env.config.laidout_roots]
        self.finder = ModuleFinder(roots)
        self.folder = Path(env.doctreedir).parent / "drawings"

    def draw(self, request: Request) -> dict[str, Any]:
        """Return `web` and `print` SVG, and the data, of a request."""
        files = self.finder.closure(request.code)
        for path in files:
            self.env.note_dependency(str(path))
        words = json.dumps([request.alt, request.arguments, request.data])
        key = digest(files, request.code, words)
        kept = self.folder / f"{key}.json"
        if not kept.exists():
            _write_atomically(kept, json.dumps(_render(request)))
        return cast(dict[str, Any], json.loads(kept.read_text("utf-8")))


def _render(request: Request) -> dict[str, Any]:
    module = importlib.import_module(f"figures.{request.module}")
    picture = getattr(module, request.function)(**request.arguments)
    return {
        "web": picture.svg(theme="web", label=request.alt),
        "print": picture.svg(theme="print", label=request.alt),
        "data": getattr(module, request.data)() if request.data else None,
    }


def _write_atomically(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}.part")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


class FigureDirective(SphinxDirective):
    """What `{drawing}` and `{map}` share: caption, name, alternative text."""

    has_content = True
    option_spec: ClassVar[dict[str, Callable[[str], Any]]] = {
        "alt": directives.unchanged,
        "name": directives.unchanged,
    }

    def figure(
        self, request: Request, paper: str = "", **extra: Any
    ) -> list[nodes.Node]:
        """Build the figure around what was drawn.

        The function `paper` draws the same for paper, if there is one.
        """
        parts = self._draw(request)
        if paper:
            other = replace(request, function=paper, data="")
            parts["paper"] = self._draw(other)["print"]
        picture = drawing("", alt=request.alt, **parts, **extra)
        figure = nodes.figure("", picture)
        self.set_source_info(figure)
        if self.content:
            text = " ".join(" ".join(self.content).split())
            figure += nodes.caption("", "", *self.parse_inline(text)[0])
        self.add_name(figure)
        return [figure]

    def _draw(self, request: Request) -> dict[str, Any]:
        try:
            return Drawer(self.env).draw(request)
        except Exception as error:
            raise stop(
                self,
                f"{request.module}.{request.function} raises "
                f"{type(error).__name__}: {error}",
            ) from error

    def alt(self) -> str:
        """Return the alternative text, which every figure must have."""
        text = " ".join(self.options.get("alt", "").split())
        if not text:
            raise stop(
                self,
                f"{' '.join(self.arguments)}: a figure needs alternative "
                "text, expected `:alt:` saying what is to be seen",
            )
        return text


class DrawingDirective(FigureDirective):
    """Place a drawing of `book/figures`."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Callable[[str], Any]]] = {
        **FigureDirective.option_spec,
        "interactive": directives.unchanged_required,
        "data": directives.unchanged_required,
        "paper": directives.unchanged_required,
    }

    def run(self) -> list[nodes.Node]:
        """Draw the figure, inside its interactive element if it has one."""
        module, _, function = self.arguments[0].rpartition(".")
        if not module:
            raise stop(
                self, f"{self.arguments[0]}: expected `module.function`"
            )
        finder = Drawer(self.env).finder
        path = finder.file(f"figures.{module}")
        if path is None:
            folders = [root / "figures" for root in finder.roots]
            known = [p.stem for one in folders for p in one.glob("*.py")]
            raise stop(
                self,
                f"{self.arguments[0]}: there is no figures/{module}.py"
                + nearest(module, known),
            )
        data, paper = (self.options.get(key, "") for key in ("data", "paper"))
        for name in filter(None, (function, data, paper)):
            self._check(path, name)
        request = Request(module, function, self.alt(), {}, data)
        element = self.options.get("interactive")
        return self.figure(request, paper, element=element)

    def _check(self, path: Path, function: str) -> None:
        try:
            find_in_file(path, function)
        except ValueError as error:
            raise stop(self, str(error)) from None


class MapDirective(FigureDirective):
    """The map of the Transformer, with the parts of this page lit."""

    optional_arguments = 20
    option_spec: ClassVar[dict[str, Callable[[str], Any]]] = {
        **FigureDirective.option_spec
    }

    def run(self) -> list[nodes.Node]:
        """Draw the map; its parts link to the chapters that there are."""
        parts = importlib.import_module("figures.parts").PARTS
        for name in self.arguments:
            if name not in parts:
                raise stop(
                    self,
                    f"{name}: the map has no such part"
                    + nearest(name, list(parts)),
                )
        pages = chapters(self.env)
        known = {part.chapter for part in parts.values()} & set(pages)
        known -= {label for label in known if pages[label] == self.env.docname}
        links = {label: CHAPTER + label for label in sorted(known)}
        _maps(self.env).add(self.env.docname)
        arguments = {"lit": list(self.arguments), "links": links}
        name = "transformer_map"
        request = Request(name, name, self.alt(), arguments)
        return self.figure(request, f"{name}_on_paper", is_map=True)


def chapters(env: BuildEnvironment) -> dict[str, str]:
    """Return the page of every chapter, by its label: the file's name."""
    return {page.rpartition("/")[2]: page for page in env.found_docs}


def _maps(env: BuildEnvironment) -> set[str]:
    if not hasattr(env, "laidout_maps"):
        env.laidout_maps = set()  # type: ignore[attr-defined]
    return cast(set[str], env.laidout_maps)  # type: ignore[attr-defined]


def _outdated_maps(
    app: Sphinx,
    env: BuildEnvironment,
    added: set[str],
    changed: set[str],
    removed: set[str],
) -> set[str]:
    """Draw all maps anew when a chapter comes or goes."""
    return _maps(env) & env.found_docs if added or removed else set()


def _visit_drawing(self: HTML5Translator, node: drawing) -> None:
    svg = node["web"]
    pages = chapters(self.builder.env)
    for label in re.findall(rf'href="{CHAPTER}([^"]+)"', svg):
        uri = self.builder.get_relative_uri(
            self.builder.current_docname, pages[label]
        )
        svg = svg.replace(f'href="{CHAPTER}{label}"', f'href="{uri}"')
    element = node.get("element")
    if element:
        data = html.escape(json.dumps(node["data"], separators=(",", ":")))
        svg = f'<{element} data-figure="{data}">{svg}</{element}>'
    self.body.append(svg + "\n")
    raise nodes.SkipNode


def _visit_as_text(self: Any, node: drawing) -> None:
    """Say what is to be seen, where a picture cannot be shown."""
    self.add_text(node["alt"])
    raise nodes.SkipNode


class InlinePlots(SphinxPostTransform):
    """Put the plots of executed cells into the page, in its colours.

    Every other picture must have its alternative text too.
    """

    default_priority = 190
    formats = ("html", "latex")

    def run(self, **_: Any) -> None:
        """Replace every SVG that a cell made."""
        for image in list(self.document.findall(nodes.image)):
            check_alt(image)
            path = Path(image["uri"])
            if not path.is_absolute():
                path = Path(self.env.srcdir, image["uri"])
            if path.suffix == ".svg" and path.is_file():
                plotted = path.read_text("utf-8")
                svg = themed(plotted, image["alt"])
                picture = drawing("", alt=image["alt"], web=svg, print=plotted)
                image.replace_self(picture)


def check_alt(image: nodes.image) -> None:
    """Raise unless a picture says what is to be seen."""
    if not image.get("alt", "").strip():
        raise BookError(
            f"{place_of(image)}: a picture has no alternative text, expected "
            "`:alt:`, or `mystnb: image: alt:` in the options of its cell"
        )


def themed(svg: str, alt: str) -> str:
    """Make a Matplotlib SVG fit to stand in a page.

    Colours of the palette become custom properties, ids become unique, and
    the drawing scales with the page.
    """
    plots = importlib.import_module("figures.plots")
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.S)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.S)
    mark = "p" + digest([], svg)[:6]
    svg = re.sub(r'\bid="', f'id="{mark}-', svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\g<1>{mark}-", svg)
    svg = plots.with_properties(svg)
    label = html.escape(alt, quote=True)
    box = re.search(r'viewBox="[^"]+"', svg)
    assert box, "Matplotlib always writes a viewBox"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {box[0]} role="img" '
        f'aria-label="{label}" class="lo-figure plot">'
    )
    return re.sub(r"<svg[^>]*>", head, svg, count=1).strip()


def _purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    _maps(env).discard(docname)


def _merge(
    app: Sphinx, env: BuildEnvironment, docnames: set[str], other: Any
) -> None:
    _maps(env).update(_maps(other) & docnames)


def setup(app: Sphinx) -> None:
    """Register both directives and the handling of plots."""
    text = (_visit_as_text, None)
    app.add_node(drawing, html=(_visit_drawing, None), text=text)
    app.add_directive("drawing", DrawingDirective)
    app.add_directive("map", MapDirective)
    app.add_post_transform(InlinePlots)
    app.connect("env-get-outdated", _outdated_maps)
    app.connect("env-purge-doc", _purge)
    app.connect("env-merge-info", _merge)
