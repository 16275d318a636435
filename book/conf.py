"""Settings of the book; everything that does something is in `_ext`."""

import os
import sys
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

BOOK = Path(__file__).parent
sys.path[:0] = [str(BOOK), str(BOOK / "_ext")]
PROJECT = tomllib.loads((BOOK.parent / "pyproject.toml").read_text("utf-8"))[
    "project"
]
ADDRESSES = PROJECT.get("urls", {})

os.environ["IPYTHONDIR"] = str(BOOK / "_ipython")
os.environ.setdefault("SOURCE_DATE_EPOCH", "1")

project = "Transformers Laid Out"
author = ", ".join(person["name"] for person in PROJECT["authors"])
project_copyright = f"2026, {author}"
version = release = PROJECT["version"]
language = "en"

extensions = [
    "myst_nb",
    "sphinx_book_theme",
    "sphinx.ext.intersphinx",
    "sphinx_copybutton",
    "sphinxcontrib.bibtex",
    "sphinx_last_updated_by_git",
    "sphinx_reredirects",
    "notfound.extension",
    "laidout_book",
]
exclude_patterns = ["_ext", "_ipython", "_static", "_templates", "figures"]
templates_path = ["_templates"]
nitpicky = True
numfig = True
numfig_secnum_depth = 0
numfig_format = {"code-block": "Listing %s", "figure": "Figure %s"}
highlight_language = "python"

# Text
myst_enable_extensions = [
    "amsmath",
    "attrs_block",
    "attrs_inline",
    "colon_fence",
    "deflist",
    "dollarmath",
    "smartquotes",
]
myst_heading_anchors = 3
bibtex_bibfiles = ["references.bib"]
bibtex_reference_style = "author_year"
bibtex_default_style = "laidout"
intersphinx_mapping = {
    "torch": (
        "https://docs.pytorch.org/docs/stable/",
        ("_inventories/torch.inv",),
    )
}
intersphinx_disabled_reftypes = ["std:*"]

# Executed cells
nb_execution_mode = "cache"
nb_execution_cache_path = str(BOOK.parent / "build" / "executed")
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True
nb_output_stderr = "remove-warn"
laidout_execution_files = [
    "results/*.json",
    "../constraints.txt",
    "_ipython/profile_default/*.py",
    "figures/palette.py",
    "figures/plots.py",
]
laidout_audit = "audit.toml"
laidout_editions = "../build"
laidout_repository = ADDRESSES.get("Repository", "")

# HTML
html_theme = "sphinx_book_theme"
html_title = "Transformers Laid Out"
html_baseurl = ADDRESSES.get("Homepage", "")
html_static_path = ["_static"]
html_favicon = "_static/favicon.svg"
html_math_renderer = "laidout"
html_copy_source = False
html_use_index = False
html_show_sourcelink = False
html_context = {"default_mode": "auto"}
html_sidebars = {
    "**": ["book-logo.html", "search-form.html", "sbt-sidebar-nav.html"]
}
html_theme_options = {
    "article_header_end": ["header-buttons.html"],
    "disable_search": True,
    "footer_content_items": ["colophon.html"],
    "home_page_in_toc": False,
    "max_navbar_depth": 2,
    "show_navbar_depth": 2,
    "toc_title": "On this page",
    "use_download_button": False,
    "use_fullscreen_button": False,
    "use_sidenotes": False,
}
copybutton_exclude = ".linenos, .gp, .go"

# PDF: how it looks is said in `_ext/laidout_book/latex`
latex_documents = [
    ("index", "transformers-laid-out.tex", project, author, "manual")
]
latex_show_urls = "footnote"
laidout_web_only = ["back/downloads"]
laidout_subtitle = "Intuition, paper and code of the Transformer, side by side"
laidout_licence = (
    "Text and figures: CC BY 4.0, quotations of the paper excepted. Code: MIT."
)

# When a page last changed; of a copy without its history nobody knows
html_last_updated_fmt = "%d %B %Y"
git_exclude_patterns = ["../constraints.txt", "_ipython/**", "_ext/**"]
suppress_warnings = [
    "git.command_not_found",
    "git.subprocess_error",
    "git.too_shallow",
]

# Pages that have moved, from old to new; and one for those that never were
redirects: dict[str, str] = {}
notfound_urls_prefix = urlsplit(html_baseurl).path or "/"
notfound_context = {
    "title": "Not a page of this book",
    "body": "<h1>Not a page of this book</h1><p>The address may be old, or "
    f"mistyped. <a href='{notfound_urls_prefix}index.html'>The cover</a> "
    "shows where the book begins, <a href='"
    f"{notfound_urls_prefix}back/questions.html'>All questions</a> has every "
    "question that it answers, and the search looks through all of it.</p>",
}

# What can only be said with an address: social card and sitemap
if html_baseurl:
    extensions += ["sphinxext.opengraph", "sphinx_sitemap"]
    sitemap_url_scheme = "{link}"
    sitemap_excludes = ["404.html", "search.html"]
    ogp_site_url = html_baseurl
    ogp_image = "_static/social-card.png"
    ogp_image_alt = "Transformers Laid Out: intuition, paper and code"
    ogp_social_cards = {"enable": False}
