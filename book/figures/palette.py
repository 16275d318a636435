"""The one source of colours: what each role looks like in light and dark."""

import difflib
from collections.abc import Iterable
from typing import NamedTuple


class Colour(NamedTuple):
    """One role in one theme: strong for lines and text, soft for fills."""

    strong: str
    soft: str


LIGHT = {
    "ink": Colour("#20242b", "#d9d7d0"),
    "muted": Colour("#62646b", "#efece4"),
    "line": Colour("#6f6d69", "#e4e0d7"),
    "paper": Colour("#fffdf8", "#fffdf8"),
    "cell": Colour("#6b6962", "#f6f2e9"),
    "token": Colour("#574f41", "#eee7d8"),
    "query": Colour("#1f69bd", "#c6dcf5"),
    "key": Colour("#946100", "#ffedb8"),
    "value": Colour("#00684f", "#93d1b9"),
    "memory": Colour("#52268a", "#c3aee6"),
    "mask": Colour("#66686e", "#e6e6e6"),
    "gradient": Colour("#942400", "#ee977a"),
    "output": Colour("#0b6377", "#b3e1e8"),
    "accent": Colour("#a62a64", "#f0a8c6"),
}
DARK = {
    "ink": Colour("#eceae4", "#3a3e46"),
    "muted": Colour("#a9adb5", "#22262d"),
    "line": Colour("#989ca5", "#2b3038"),
    "paper": Colour("#14171c", "#14171c"),
    "cell": Colour("#9a9da4", "#20242b"),
    "token": Colour("#cfc4ae", "#38342b"),
    "query": Colour("#74aef2", "#163a66"),
    "key": Colour("#f3c14b", "#796118"),
    "value": Colour("#5fd0a8", "#0a654f"),
    "memory": Colour("#dcc4ff", "#593a90"),
    "mask": Colour("#a3a6ad", "#2e3138"),
    "gradient": Colour("#f0805a", "#74230b"),
    "output": Colour("#7cd3e4", "#14505c"),
    "accent": Colour("#f58bb9", "#862d57"),
}
THEMES = {"light": LIGHT, "dark": DARK}

MARKS = {
    "query": "Q",
    "key": "K",
    "value": "V",
    "memory": "M",
    "gradient": "∇",
}
"""The letter that says in grey print what the colour says on a screen."""

_FOCUS = """\
.lo-part { cursor: pointer; }
.lo-part:hover rect { stroke-width: 2.5; }
.lo-part:focus-visible { outline: none; }
.lo-part:focus-visible rect { stroke: var(--lo-ink); stroke-width: 3.5; }
"""


def unknown(what: str, name: str, known: Iterable[str]) -> ValueError:
    """Build the error for an unknown name, with the one that was meant."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.0)
    return ValueError(f"unknown {what} {name!r}: did you mean {close[0]!r}?")


def colour(role: str, theme: str = "light") -> Colour:
    """Look a role up, and say which one was meant if there is none."""
    if role not in THEMES[theme]:
        raise unknown("role", role, THEMES[theme])
    return THEMES[theme][role]


def _properties(theme: str, indent: str = "  ") -> str:
    """Write one theme as custom properties, a line each."""
    return "".join(
        f"{indent}--lo-{role}: {one.strong};\n"
        f"{indent}--lo-{role}-soft: {one.soft};\n"
        for role, one in THEMES[theme].items()
    )


def css() -> str:
    """Write the style sheet that gives every inlined figure its colours."""
    system = 'html:not([data-theme="light"]):not([data-theme="dark"])'
    paper = f':root, html[data-theme="dark"], {system}'
    return (
        f":root {{\n{_properties('light')}}}\n"
        f'html[data-theme="dark"] {{\n{_properties("dark")}}}\n'
        "@media (prefers-color-scheme: dark) {\n"
        f"  {system} {{\n{_properties('dark', '    ')}  }}\n}}\n"
        "@media print {\n"
        f"  {paper} {{\n{_properties('light', '    ')}  }}\n}}\n"
        f"{_FOCUS}"
    )
