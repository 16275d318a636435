"""The other editions: copied beside the pages, and offered on them.

What `laidout_editions` holds when the pages are built is offered: notebooks
in its folder `notebooks`, the PDF in its folder `pdf`. What is not there is
left out of the menus, and one page says so.
"""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective
from sphinx.util.osutil import relative_uri

from laidout_book.errors import nearest, stop
from laidout_book.faq import reading_order
from laidout_book.notebook.builder import ARCHIVE, WHEELS, chapters

PDF = "transformers-laid-out.pdf"
GITHUB = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?")
COLAB = "https://colab.research.google.com/github"
BINDER = "https://mybinder.org/v2/gh"


@dataclass(frozen=True)
class Offer:
    """A line of the menu: what it says, and where it leads."""

    says: str
    href: str
    saves: bool = True


class Editions:
    """The editions that have been built, each with its place in the site."""

    def __init__(self, app: Sphinx) -> None:
        self.app = app
        place = app.config.laidout_editions
        self.folder = Path(app.srcdir, place) if place else None

    def files(self) -> dict[str, Path]:
        """Return every file, by its place in the site."""
        if self.folder is None:
            return {}
        pdf = self.folder / "pdf" / PDF
        notebooks = self.folder / "notebooks"
        wanted = [*chapters(self.app.env).values(), ARCHIVE]
        paths = [notebooks / name for name in wanted]
        paths += sorted(notebooks.glob(WHEELS))
        found = {f"notebooks/{p.name}": p for p in paths if p.is_file()}
        return found | ({PDF: pdf} if pdf.is_file() else {})

    def notebook(self, page: str) -> str:
        """Return the place of a page's notebook, or nothing."""
        place = f"notebooks/{chapters(self.app.env).get(page, '')}"
        return place if place in self.files() else ""

    def offers(self, page: str) -> list[Offer]:
        """Return what a chapter's page offers."""
        if page not in chapters(self.app.env):
            return []
        here = self.app.builder.get_target_uri(page)

        def to(place: str) -> str:
            return relative_uri(here, place)

        found = []
        notebook = self.notebook(page)
        if notebook:
            found.append(Offer("This chapter as a notebook", to(notebook)))
        if PDF in self.files():
            found.append(Offer("The whole book as a PDF", to(PDF)))
        found.append(Offer("The source of this page", to(source_of(page))))
        return [*found, *self._launches(notebook)]

    def _launches(self, notebook: str) -> list[Offer]:
        """Return where a notebook can be run, if it is on GitHub."""
        known = GITHUB.fullmatch(self.app.config.laidout_repository)
        if not known or not notebook:
            return []
        branch = self.app.config.laidout_notebooks_branch
        name = notebook.rpartition("/")[2]
        colab = f"{COLAB}/{known[1]}/blob/{branch}/{name}"
        binder = f"{BINDER}/{known[1]}/{branch}?urlpath=lab/tree/{name}"
        return [
            Offer("Run it in Colab", colab, saves=False),
            Offer("Run it in Binder", binder, saves=False),
        ]


def source_of(page: str) -> str:
    """Return the place of a page's Markdown in the site."""
    return f"_sources/{page}.md"


# The page that lists them


class editions_list(nodes.General, nodes.Element):  # noqa: N801
    """Where the links to the notebooks, the package or the PDF go."""


class EditionsDirective(SphinxDirective):
    """Links to the notebooks, to the package, or to the PDF."""

    required_arguments = 1
    kinds: ClassVar[tuple[str, ...]] = ("notebooks", "package", "pdf")

    def run(self) -> list[nodes.Node]:
        """Leave a mark that is filled when it is known what there is."""
        kind = self.arguments[0]
        if kind not in self.kinds:
            raise stop(
                self,
                f"there is no edition {kind}" + nearest(kind, [*self.kinds]),
            )
        self.env.note_reread()
        return [editions_list("", kind=kind)]


def _fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put the links where they go."""
    fill: dict[str, Callable[[Editions, str], list[nodes.Node]]] = {
        "notebooks": _notebooks,
        "package": _package,
        "pdf": _pdf,
    }
    for mark in list(doctree.findall(editions_list)):
        if app.builder.format == "html":
            mark.replace_self(fill[mark["kind"]](Editions(app), docname))
        else:
            mark.replace_self(_says("You find it on the pages of the book."))


def _says(text: str) -> list[nodes.Node]:
    return [nodes.paragraph("", text)]


def _link(editions: Editions, here: str, place: str, text: str) -> nodes.Node:
    where = relative_uri(editions.app.builder.get_target_uri(here), place)
    return nodes.reference("", text, refuri=where, internal=True)


def _notebooks(editions: Editions, here: str) -> list[nodes.Node]:
    """List the notebooks in the order of the book, then the archive."""
    env = editions.app.env
    rows = nodes.bullet_list(classes=["editions"])
    for page in reading_order(env):
        place = editions.notebook(page)
        if place:
            title = env.titles[page].astext()
            link = _link(editions, here, place, title)
            rows += nodes.list_item("", nodes.paragraph("", "", link))
    if not rows.children:
        return _says("The notebooks have not been built with these pages.")
    place = f"notebooks/{ARCHIVE}"
    if place not in editions.files():
        return [rows]
    link = _link(editions, here, place, "All of them in one archive")
    rest = nodes.Text(", with the package that they need.")
    return [rows, nodes.paragraph("", "", link, rest)]


def _package(editions: Editions, here: str) -> list[nodes.Node]:
    """Link the wheel, and say how it is installed."""
    wheels = [p for p in editions.files() if fnmatch(p, f"*/{WHEELS}")]
    if not wheels:
        return _says("The package has not been built with these pages.")
    name = wheels[-1].rpartition("/")[2]
    link = _link(editions, here, wheels[-1], name)
    command = f"python3 -m pip install {name}"
    return [
        nodes.paragraph("", "", link),
        nodes.literal_block(command, command, language="sh"),
    ]


def _pdf(editions: Editions, here: str) -> list[nodes.Node]:
    """Link the PDF."""
    if PDF not in editions.files():
        return _says("The PDF has not been built with these pages.")
    link = _link(editions, here, PDF, "The whole book as a PDF")
    return [nodes.paragraph("", "", link)]


# What the pages get


def _offer(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Give the page's template what the menu offers."""
    context["editions"] = Editions(app).offers(pagename)


def _rewrite_chapters(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Have the chapters written anew when there is more or less to offer."""
    if app.builder.format != "html":
        return []
    now = sorted(Editions(app).files())
    before = getattr(env, "laidout_offered", now)
    env.laidout_offered = now  # type: ignore[attr-defined]
    return [] if before == now else sorted(chapters(env))


def _copy(app: Sphinx, exception: Exception | None) -> None:
    """Put the editions beside the pages; take away those that are gone."""
    if exception or app.builder.format != "html":
        return
    out = Path(app.outdir)
    files = Editions(app).files()
    files |= {source_of(p): app.env.doc2path(p) for p in chapters(app.env)}
    for old in (
        out / PDF,
        *out.glob("notebooks/*"),
        *out.glob("_sources/**/*.md"),
    ):
        if old.is_file() and old.relative_to(out).as_posix() not in files:
            old.unlink()
    for place, path in files.items():
        to = out / place
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, to)


def setup(app: Sphinx) -> None:
    """Register the settings, the directive and the menu."""
    app.add_config_value("laidout_editions", "", "env")
    app.add_config_value("laidout_repository", "", "html")
    app.add_config_value("laidout_notebooks_branch", "notebooks", "html")
    app.add_node(editions_list)
    app.add_directive("editions", EditionsDirective)
    app.connect("doctree-resolved", _fill)
    app.connect("env-updated", _rewrite_chapters)
    app.connect("html-page-context", _offer)
    app.connect("build-finished", _copy)
