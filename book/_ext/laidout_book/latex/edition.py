"""What an edition says of itself, and the settings of Sphinx's LaTeX."""

import importlib
import os
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import texescape

HERE = Path(__file__).parent
STYLES = ("laidout.sty", "laidoutfonts.sty")
NOBODY_SAID = "1"
"""The book's conf.py sets SOURCE_DATE_EPOCH to this if it is not set."""

DATED = re.compile(r"^## \[?v?([\d.]+)\]?.*?(\d{4}-\d{2}-\d{2})", re.M)
SHAPES = "hmargin={32mm,32mm},vmargin={27mm,30mm},inlineliteralwraps=false"
LANGUAGE = r"\usepackage{polyglossia}\setmainlanguage[variant=uk]{english}"
MIME = (
    ("image/svg+xml", 10),
    ("image/png", 20),
    ("image/jpeg", 30),
    ("text/latex", 40),
    ("text/plain", 50),
)


def epoch(book: Path) -> int | None:
    """Return when this edition was made, in seconds since 1970.

    SOURCE_DATE_EPOCH says it, or else the last commit, or else the newest
    version in the changelog. None if nothing does.
    """
    said = os.environ.get("SOURCE_DATE_EPOCH", NOBODY_SAID)
    if said != NOBODY_SAID:
        return int(said)
    git = ["git", "-C", str(book), "log", "-1", "--format=%ct"]
    try:
        done = subprocess.run(git, capture_output=True, text=True)
    except FileNotFoundError:
        done = None
    if done and done.returncode == 0 and done.stdout.strip():
        return int(done.stdout)
    changelog = book.parent / "CHANGELOG.md"
    text = changelog.read_text("utf-8") if changelog.is_file() else ""
    dated = DATED.search(text)
    if dated:
        day = datetime.strptime(dated[2], "%Y-%m-%d")
        return int(day.replace(tzinfo=UTC).timestamp())
    return None


def written_date(seconds: int | None) -> str:
    """Write a day as a title page does, such as 3 May 2026."""
    if seconds is None:
        return ""
    day = datetime.fromtimestamp(seconds, UTC)
    return f"{day.day} {day:%B %Y}"


def _weights() -> str:
    """Return the book's first attention weights, a TeX row each."""
    example = importlib.import_module("figures.example")
    scores = example.query @ example.key.T / 2
    rows = scores.softmax(dim=-1).tolist()
    return ",".join(
        f"{row}/{column}/{round(12 + 88 * weight)}"
        for row, line in enumerate(rows)
        for column, weight in enumerate(line)
    )


def _colours() -> str:
    """Define the colours of the palette for TeX."""
    palette = importlib.import_module("figures.palette")
    return "\n".join(
        f"\\definecolor{{{role}{kind}}}{{HTML}}{{{value[1:].upper()}}}"
        for role, one in palette.LIGHT.items()
        for kind, value in (("", one.strong), ("soft", one.soft))
    )


def _about(app: Sphinx, config: Config) -> str:
    """Define what the title page and its back say."""
    title = config.latex_documents[0][2] if config.latex_documents else ""
    words = {
        "booktitle": title or config.project,
        "booksubtitle": config.laidout_subtitle,
        "bookauthor": config.author,
        "bookversion": config.release and f"Version {config.release}",
        "bookdate": written_date(epoch(Path(app.srcdir))),
        "bookcopyright": config.copyright,
        "booklicence": config.laidout_licence,
        "bookaddress": config.html_baseurl,
    }
    return "\n".join(
        f"\\newcommand*\\{name}{{{texescape.escape(str(text), 'xelatex')}}}"
        for name, text in words.items()
    )


def _set(app: Sphinx, config: Config) -> None:
    """Set Sphinx's LaTeX up for this book; conf.py has the last word."""
    texescape.init()
    config.latex_engine = "xelatex"
    config.latex_use_xindy = False
    config.latex_domain_indices = False
    config.latex_table_style = ["booktabs"]
    config.latex_additional_files = [
        *config.latex_additional_files,
        *(str(HERE / name) for name in STYLES),
    ]
    elements = {
        "papersize": "a4paper",
        "pointsize": "11pt",
        "extraclassoptions": "openany,oneside",
        "figure_align": "H",  # or a box beside a float loses its end
        "fncychap": "",
        "maxlistdepth": "10",
        "babel": LANGUAGE,
        "fontpkg": r"\usepackage{laidoutfonts}",
        "sphinxsetup": SHAPES,
        "preamble": "\n".join(
            (
                _colours(),
                rf"\newcommand\bookweights{{{_weights()}}}",
                _about(app, config),
                r"\usepackage{laidout}",
            )
        ),
        "maketitle": r"\laidouttitlepages",
        "tableofcontents": r"\laidoutcontents",
        "printindex": r"\laidoutindex",
    }
    config.latex_elements = {**elements, **config.latex_elements}
    if "nb_mime_priority_overrides" in config:
        config.nb_mime_priority_overrides = [
            *config.nb_mime_priority_overrides,
            *(("pdf", kind, priority) for kind, priority in MIME),
        ]


def setup(app: Sphinx) -> None:
    """Register what the title page says, and what is not printed."""
    values: dict[str, Any] = {
        "laidout_subtitle": "",
        "laidout_licence": "",
        "laidout_web_only": [],
    }
    for name, default in values.items():
        app.add_config_value(name, default, "")
    app.connect("config-inited", _set, priority=400)
