"""Draws the social card once, and keeps it until its drawing changes."""

import importlib
import os
import shutil
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder

from laidout_book.dependencies import digest
from laidout_book.drawing import Drawer

NAME = "social-card.png"
CODE = "from figures.social_card import social_card"


def _place(app: Sphinx, exception: Exception | None) -> None:
    """Put the card beside the other static files."""
    if exception or not isinstance(app.builder, StandaloneHTMLBuilder):
        return
    drawer = Drawer(app.env)
    kept = drawer.folder / f"{digest(drawer.finder.closure(CODE))}.png"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        unfinished = kept.with_suffix(f".{os.getpid()}.part.png")
        importlib.import_module("figures.social_card").social_card(unfinished)
        unfinished.replace(kept)
    shutil.copyfile(kept, Path(app.outdir, "_static", NAME))


def setup(app: Sphinx) -> None:
    """Place the card when the book is built."""
    if app.config.html_theme == "sphinx_book_theme":
        app.connect("build-finished", _place)
