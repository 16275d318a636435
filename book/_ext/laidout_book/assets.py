"""One style sheet and one script for every page, served with the book.

The theme links a dozen files, among them 2 MB of icons of which we show ten.
All pages get the same two files instead, made from the same sources; the
icons are drawn by our own style sheet.
"""

import hashlib
import importlib
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.environment import BuildEnvironment

from laidout_book.dependencies import digest

STYLES_FIRST = (
    "basic.css",
    "styles/pydata-sphinx-theme.css",
    "styles/sphinx-book-theme.css",
)
STYLES_LAST = ("vendor/katex/katex.min.css", "laidout.css")
SCRIPTS_LAST = (
    "scripts/bootstrap.js",
    "scripts/pydata-sphinx-theme.js",
    "laidout.js",
    "softmax-explorer.js",
    "figure-steps.js",
)
NOT_LINKED = ("styles/theme.css",)
UNUSED = (
    "scripts/fontawesome*",
    "vendor/fontawesome",
    "mystnb.*.css",
    "**/*.map",
)

ICON_RULE = re.compile(
    r"(?<=[}])[^{}@]*(?:\.fa\b|\.fa[srb]\b|\.fa-|\.svg-inline--fa)[^{}]*"
    r"\{[^{}]*\}"
)
ICON_FONT = re.compile(r"@font-face\{[^{}]*(?:fa-|Awesome)[^{}]*\}")
ICON_GLYPH = re.compile(r"content:var\(--pst-icon-[\w-]+\)")
IMPORT = re.compile(r"@import [^;]+;")
SOURCE_MAP = re.compile(r"(?:/\*|//)# sourceMappingURL=\S+(?: \*/)?")
ADDRESS = re.compile(r"url\((['\"]?)(?!data:|#|['\"])([^)'\"]+)\1\)")


def without_icons(css: str) -> str:
    """Take the icon font and its thousands of rules out of a style sheet."""
    css = ICON_FONT.sub("", ICON_RULE.sub("", css))
    return ICON_GLYPH.sub("content:none", css)


def rebased(css: str, folder: str) -> str:
    """Make a style sheet's addresses relative to `_static`."""

    def new(match: re.Match[str]) -> str:
        parts: list[str] = []
        for part in Path(folder, match[2]).parts:
            if part == ".." and parts:
                parts.pop()
            else:
                parts.append(part)
        return f"url({'/'.join(parts)})"

    return ADDRESS.sub(new, css)


def style_sheet(static: Path, names: list[str]) -> str:
    """Join the style sheets, the colours of the figures first."""
    palette = importlib.import_module("figures.palette")
    parts = [palette.css()]
    for name in names:
        css = SOURCE_MAP.sub("", IMPORT.sub("", _read(static, name)))
        if name in STYLES_FIRST:
            css = without_icons(css)
        parts.append(rebased(css, str(Path(name).parent)))
    return "\n".join(parts)


def script(static: Path, names: list[str]) -> str:
    """Join the scripts; each is closed, so that none runs into the next."""
    texts = [_read(static, name) for name in names]
    return "\n;\n".join(SOURCE_MAP.sub("", text) for text in texts)


def _read(static: Path, name: str) -> str:
    """Read a file of `_static`; MyST-NB copies its own there too late."""
    if re.fullmatch(r"mystnb\.\w+\.css", name):
        theirs = files("myst_nb.static").joinpath("mystnb.css")
        return theirs.read_text(encoding="utf-8")
    return (static / name).read_text(encoding="utf-8")


class Bundle:
    """The two files of this build, with what tells browsers they changed."""

    def __init__(self, static: Path, context: dict[str, Any]) -> None:
        styles = _names(context["css_files"], {*STYLES_FIRST, *STYLES_LAST})
        scripts = _names(context["script_files"], set(SCRIPTS_LAST))
        self.style = self._write(
            static / "book.css",
            style_sheet(static, [*STYLES_FIRST, *styles, *STYLES_LAST]),
        )
        self.script = self._write(
            static / "book.js", script(static, [*scripts, *SCRIPTS_LAST])
        )

    @staticmethod
    def _write(path: Path, text: str) -> str:
        path.write_text(text, encoding="utf-8")
        mark = hashlib.sha256(text.encode()).hexdigest()[:8]
        return f"_static/{path.name}?v={mark}"


def _names(files: list[Any], elsewhere: set[str]) -> list[str]:
    """Return the names, below `_static`, of the files that a page links."""
    names = [str(getattr(file, "filename", file)) for file in files]
    names = [n.split("?")[0].removeprefix("_static/") for n in names]
    skip = {*elsewhere, *NOT_LINKED}
    named = [n for n in names if n and n not in skip]
    return list(dict.fromkeys(named))


def _link_bundle(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Give the page's template the two files."""
    bundle = getattr(app.builder, "laidout_bundle", None)
    if bundle is None:
        bundle = Bundle(Path(app.outdir, "_static"), context)
        app.builder.laidout_bundle = bundle  # type: ignore[attr-defined]
    context["bundle"] = bundle


def _rewrite_all(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Have all pages written anew when a style sheet or script changes.

    Each page links the two files with the mark of what stands in them.
    """
    folders = [Path(app.srcdir, name) for name in app.config.html_static_path]
    files = [
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.suffix in (".css", ".js")
    ]
    palette = importlib.import_module("figures.palette")
    mark = digest(files, palette.css())
    before = getattr(env, "laidout_assets", mark)
    env.laidout_assets = mark  # type: ignore[attr-defined]
    return [] if before == mark else sorted(env.found_docs)


def _clear(app: Sphinx, exception: Exception | None) -> None:
    """Delete what the theme ships and no page uses."""
    if exception or not isinstance(app.builder, StandaloneHTMLBuilder):
        return
    static = Path(app.outdir, "_static")
    for pattern in UNUSED:
        for path in sorted(static.glob(pattern), reverse=True):
            _delete(path)


def _delete(path: Path) -> None:
    if path.is_dir():
        for child in path.iterdir():
            _delete(child)
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def setup(app: Sphinx) -> None:
    """Make the bundle for the first page, link it from all."""
    if app.config.html_theme == "sphinx_book_theme":
        app.connect("env-updated", _rewrite_all)
        app.connect("html-page-context", _link_bundle, priority=900)
        app.connect("build-finished", _clear, priority=900)
