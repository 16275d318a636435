"""Figures: drawings, the map, and the pictures of cells."""

import html
import json
import sys
from pathlib import Path

import pytest
from book.tiny import BOOK, FRONT, TinyBook, cell, executed

import figures
from figures.palette import LIGHT
from figures.parts import PARTS
from figures.plots import matplotlib_settings
from laidout_book import nodes
from laidout_book.drawing import Drawer, themed
from laidout_book.latex.pictures import Picture, links_of, on_white

SHAPES = """\
from figures.canvas import Box, Canvas, Paper

CALLS = []


def square():
    CALLS.append(1)
    sheet = Canvas()
    sheet.box(Box(10, 10, SIZE, SIZE), "@", "query")
    return sheet.drawing()


def wide():
    sheet = Paper(500, 300)
    sheet.box(Box(10, 10, 480, SIZE), "@", "query")
    return sheet.drawing()


def numbers():
    return {"sizes": [1, 2], "name": "<&>"}


def broken():
    raise ValueError("SIZE must not be odd")


SIZE = 40
"""


@pytest.fixture
def tiny(book: TinyBook, monkeypatch: pytest.MonkeyPatch) -> TinyBook:
    """Return a book with a figure module beside those of the real book."""
    folder = book.source / "figures"
    book.write({"figures/tiny_shapes.py": SHAPES})
    book.settings["laidout_roots"] = [".", str(BOOK), str(BOOK.parent / "src")]
    book.settings["exclude_patterns"] = ["figures"]
    paths = [*figures.__path__, str(folder)]
    monkeypatch.setattr(figures, "__path__", paths)
    forget()
    yield book
    forget()


def forget() -> None:
    """Have the tiny module imported anew, as another process would."""
    sys.modules.pop("figures.tiny_shapes", None)


def drawing(*options: str, name: str = "tiny_shapes.square") -> str:
    lines = "".join(f"{option}\n" for option in options)
    return f"```{{drawing}} {name}\n{lines}A *caption*.\n```"


def times_drawn() -> int:
    module = sys.modules.get("figures.tiny_shapes")
    return len(module.CALLS) if module else 0


# --- drawings ---------------------------------------------------------------


def test_a_drawing_stands_in_the_page_with_its_text_and_caption(
    tiny: TinyBook,
) -> None:
    text = drawing(":alt: A square & more.", ":name: fig-square")
    built = tiny.page(f"{text}\n\nSee {{numref}}`fig-square`.").build()
    assert built.warnings == ""
    figure = built.soup().select_one("figure#fig-square")
    assert figure is not None
    svg = figure.select_one("svg")
    assert svg is not None
    assert svg["aria-label"] == "A square & more."
    assert "var(--lo-query," in str(svg)
    caption = figure.select_one("figcaption")
    assert caption is not None
    assert caption.em is not None
    assert caption.get_text().strip().startswith("Fig. 1 A caption.")
    assert built.soup().select_one("a[href='#fig-square']") is not None


def test_a_drawing_that_stays_the_same_is_drawn_once(tiny: TinyBook) -> None:
    tiny.page(drawing(":alt: A square.")).build("dummy")
    assert times_drawn() == 1
    forget()
    tiny.page("Changed.\n\n" + drawing(":alt: A square.")).build("dummy")
    assert times_drawn() == 0


def test_a_changed_figure_file_is_drawn_anew(tiny: TinyBook) -> None:
    before = tiny.page(drawing(":alt: A square.")).build().html()
    assert 'width="40"' in before
    forget()
    changed = SHAPES.replace("SIZE = 40", "SIZE = 50")
    built = tiny.write({"figures/tiny_shapes.py": changed}).build()
    assert built.read == ["index"]
    assert 'width="50"' in built.html()
    assert 'width="40"' not in built.html()


def test_another_text_is_drawn_anew(tiny: TinyBook) -> None:
    tiny.page(drawing(":alt: A square.")).build()
    built = tiny.page(drawing(":alt: A box.")).build()
    svg = built.soup().select_one("svg")
    assert svg is not None
    assert svg["aria-label"] == "A box."


def test_the_page_depends_on_what_the_figure_imports(tiny: TinyBook) -> None:
    env = tiny.page(drawing(":alt: A square.")).build("dummy").env
    read = {(tiny.source / p).resolve() for p in env.dependencies["index"]}
    assert tiny.source / "figures/tiny_shapes.py" in read
    assert BOOK / "figures/canvas.py" in read
    assert BOOK / "figures/palette.py" in read


def test_an_interactive_figure_carries_its_data_and_its_fallback(
    tiny: TinyBook,
) -> None:
    text = drawing(
        ":alt: A square.", ":interactive: tiny-explorer", ":data: numbers"
    )
    page = tiny.page(text).build().soup()
    element = page.select_one("figure tiny-explorer")
    assert element is not None
    data = json.loads(str(element["data-figure"]))
    assert data == {"sizes": [1, 2], "name": "<&>"}
    assert element.select_one("svg[aria-label='A square.']") is not None


def test_a_drawing_without_caption_is_a_figure_too(tiny: TinyBook) -> None:
    text = "```{drawing} tiny_shapes.square\n:alt: A square.\n```"
    page = tiny.page(text).build().soup()
    assert page.select_one("figure svg") is not None
    assert page.select_one("figcaption") is None


def test_where_no_picture_can_be_shown_its_text_stands(
    tiny: TinyBook,
) -> None:
    built = tiny.page(drawing(":alt: A square.")).build("text")
    text = (built.folder / "index.txt").read_text(encoding="utf-8")
    assert "A square." in text


@pytest.mark.parametrize(
    ("directive", "reason"),
    [
        (
            drawing(),
            "tiny_shapes.square: a figure needs alternative text, expected "
            "`:alt:` saying what is to be seen",
        ),
        (
            drawing(":alt:"),
            "tiny_shapes.square: a figure needs alternative text, expected "
            "`:alt:` saying what is to be seen",
        ),
        (
            drawing(":alt: A square.", name="tiny_shape.square"),
            "tiny_shape.square: there is no figures/tiny_shape.py; "
            "the nearest name is 'tiny_shapes'",
        ),
        (
            drawing(":alt: A square.", name="canvass.square"),
            "canvass.square: there is no figures/canvass.py; "
            "the nearest name is 'canvas'",
        ),
        (
            drawing(":alt: A square.", name="tiny_shapes.sqare"),
            "tiny_shapes.py defines no 'sqare'; the nearest name is 'square'",
        ),
        (
            drawing(":alt: A square.", name="square"),
            "square: expected `module.function`",
        ),
        (
            drawing(":alt: A square.", ":data: nummers"),
            "tiny_shapes.py defines no 'nummers'; "
            "the nearest name is 'numbers'",
        ),
        (
            drawing(":alt: A square.", ":paper: wider"),
            "tiny_shapes.py defines no 'wider'; the nearest name is 'wide'",
        ),
        (
            drawing(":alt: A square.", name="tiny_shapes.broken"),
            "tiny_shapes.broken raises ValueError: SIZE must not be odd",
        ),
        (
            drawing(":alt: A square.", ":paper: broken"),
            "tiny_shapes.broken raises ValueError: SIZE must not be odd",
        ),
    ],
)
def test_a_figure_that_cannot_be_drawn_stops_the_build(
    tiny: TinyBook, directive: str, reason: str
) -> None:
    message = tiny.page(f"Before.\n\n{directive}").error_at(5)
    assert message == f"{{drawing}} {reason}"


# --- drawings for paper -----------------------------------------------------


def test_a_drawing_for_paper_leaves_the_page_and_the_notebook_as_they_are(
    tiny: TinyBook,
) -> None:
    before = tiny.page(drawing(":alt: A square.")).build()
    (alone,) = before.doctree().findall(nodes.drawing)
    built = tiny.page(drawing(":alt: A square.", ":paper: wide")).build()
    (node,) = built.doctree().findall(nodes.drawing)
    assert "paper" not in alone
    assert 'width="300pt"' in node["paper"]
    assert 'viewBox="0 0 500 58"' in node["paper"]
    assert (node["web"], node["print"]) == (alone["web"], alone["print"])
    assert built.html() == before.html()


def test_a_drawing_for_paper_is_set_in_its_own_size() -> None:
    tex = Picture("a.pdf", 300.0, 600.0).latex("")
    assert "300.00bp" in tex
    assert "{a.pdf}" in tex


LINKED = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 200">'
    '<a href="chapter:masks"><rect x="10" y="20" width="40" height="20"/>'
    '<rect x="16" y="14" width="40" height="20"/><text>masks</text>'
    '<rect x="10" y="40" width="40" height="20"/></a>'
    '<a href="chapter:layers"><rect x="0" y="0" width="50" height="50"/></a>'
    '<rect x="90" y="90" width="9" height="9"/></svg>'
)


def test_links_lie_where_the_boxes_of_a_drawing_are() -> None:
    found = [
        (one.chapter, one.left, one.low, one.right, one.high)
        for one in links_of(LINKED)
    ]
    assert [one[0] for one in found] == ["masks", "masks", "layers"]
    assert found[0][1:] == pytest.approx((0.10, 0.80, 0.56, 0.93))
    assert found[1][1:] == pytest.approx((0.10, 0.70, 0.50, 0.80))
    assert found[2][1:] == pytest.approx((0.0, 0.75, 0.5, 1.0))


def test_the_colour_of_a_page_is_white_on_paper() -> None:
    cream = LIGHT["paper"].soft
    assert on_white(f'<rect fill="{cream}"/>') == '<rect fill="#ffffff"/>'


# --- the map ----------------------------------------------------------------

MAP = "# {0}\n\n```{{map}} {0}\n:alt: The map.\n```\n"
CHAPTERS = {
    "index.md": "# Tiny\n\n```{map}\n:alt: The map.\n```\n\n"
    "```{toctree}\npart/masks\n```\n",
    "part/masks.md": MAP.format("mask"),
}


@pytest.fixture
def mapped(book: TinyBook) -> TinyBook:
    book.settings["laidout_roots"] = [str(BOOK)]
    return book.write(CHAPTERS)


def test_the_map_links_to_the_chapters_that_there_are(
    mapped: TinyBook,
) -> None:
    built = mapped.build()
    links = built.soup().select("svg a.lo-part")
    assert {str(link["href"]) for link in links} == {"part/masks.html"}
    assert (built.folder / "part/masks.html").is_file()
    assert built.warnings == ""


def test_the_map_on_paper_leads_to_the_same_chapters_and_underlines_them(
    mapped: TinyBook,
) -> None:
    built = mapped.build("dummy")
    (cover,) = built.doctree().findall(nodes.drawing)
    assert {link.chapter for link in links_of(cover["paper"])} == {"masks"}
    assert cover["paper"].count('text-decoration="underline"') == 1
    assert "text-decoration" not in cover["web"] + cover["print"]
    (own,) = built.doctree("part/masks").findall(nodes.drawing)
    assert links_of(own["paper"]) == []
    assert "you are here" in own["paper"]


def test_a_chapter_is_not_linked_from_its_own_map(mapped: TinyBook) -> None:
    assert mapped.build().soup("part/masks").select("svg a") == []


def test_the_map_lights_the_part_of_its_chapter(mapped: TinyBook) -> None:
    built = mapped.build()
    assert "you are here" in built.html("part/masks")
    assert "you are here" not in built.html()


def test_a_new_chapter_is_linked_from_every_map(mapped: TinyBook) -> None:
    mapped.build()
    changed = CHAPTERS["index.md"].replace("part/masks", "part/masks\nlayers")
    mapped.write({"index.md": changed, "layers.md": "# Layers\n"})
    built = mapped.build()
    assert set(built.read) == {"index", "part/masks", "layers"}
    hrefs = [a["href"] for a in built.soup("part/masks").select("svg a")]
    assert "../layers.html" in hrefs


def test_a_chapter_that_goes_takes_its_links_along(mapped: TinyBook) -> None:
    mapped.write({"layers.md": "# Layers\n"}).build()
    (mapped.source / "layers.md").unlink()
    assert "layers.html" not in mapped.build().html("part/masks")


def test_a_part_may_be_named_only_as_the_map_does(mapped: TinyBook) -> None:
    part = "multi-head-attention"
    assert part in PARTS
    text = "```{map} mask multi-head-atention\n:alt: The map.\n```"
    assert mapped.page(text).error_at(3) == (
        "{map} multi-head-atention: the map has no such part; "
        f"the nearest name is {part!r}"
    )


def test_a_map_needs_alternative_text(mapped: TinyBook) -> None:
    message = mapped.page("```{map} mask\n```").error_at(3)
    assert "a figure needs alternative text" in message


# --- pictures of cells, and others ------------------------------------------

PLOT = f"""\
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
from IPython.display import SVG
plt.rcParams.update({matplotlib_settings()!r})
plt.plot([1, 2], label="line")
plt.legend()
plt.savefig("plot.svg")
SVG("plot.svg")"""
WITH_ALT = f"---\nmystnb:\n  image:\n    alt: A <line> & legend.\n---\n{PLOT}"


@pytest.fixture(scope="module")
def plotted(tmp_path_factory: pytest.TempPathFactory) -> TinyBook:
    return executed(TinyBook(tmp_path_factory.mktemp("plot")))


def test_the_plot_of_a_cell_stands_in_the_page_in_its_colours(
    plotted: TinyBook,
) -> None:
    plotted.write({"index.md": f"{FRONT}# Tiny\n\n{cell(WITH_ALT)}"})
    built = plotted.build()
    assert built.warnings == ""
    (svg,) = built.soup().select("svg.lo-figure.plot")
    assert svg["aria-label"] == "A <line> & legend."
    assert svg["role"] == "img"
    assert "var(--lo-query)" in str(svg)
    assert LIGHT["query"].strong not in str(svg)
    assert built.soup().select("img") == []


def test_the_plot_of_a_cell_without_text_stops_the_build(
    plotted: TinyBook,
) -> None:
    plotted.write({"index.md": f"{FRONT}# Tiny\n\n{cell(PLOT)}"})
    # MyST-NB gives its outputs a line inside the cell, which begins on 8.
    assert plotted.error_at(10, "html") == (
        "a picture has no alternative text, expected `:alt:`, or "
        "`mystnb: image: alt:` in the options of its cell"
    )


@pytest.mark.parametrize(
    "picture",
    [
        "![](dot.png)",
        "```{image} dot.png\n```",
        "```{figure} dot.png\nA.\n```",
    ],
)
def test_any_picture_without_text_stops_the_build(
    book: TinyBook, picture: str
) -> None:
    book.write({"dot.png": ""})
    message = book.page(f"Before.\n\n{picture}").error_at(5, "html")
    assert message.startswith("a picture has no alternative text")


def test_pictures_with_text_stay_what_they_are(book: TinyBook) -> None:
    book.write({"dot.png": ""})
    (image,) = book.page("![A dot](dot.png)").build().soup().select("img")
    assert image["alt"] == "A dot"


def svg(body: str) -> str:
    return (
        '<?xml version="1.0"?>\n<!DOCTYPE svg>\n'
        '<svg width="9pt" viewBox="0 0 9 9"><!-- c -->\n'
        f"<metadata>\nx\n</metadata>{body}</svg>\n"
    )


def test_ids_of_two_plots_on_a_page_do_not_meet() -> None:
    body = '<path id="a"/><use href="#a" clip-path="url(#a)" n="{}"/>'
    one, other = (themed(svg(body.format(n)), "alt") for n in "12")
    for text in (one, other):
        name = text.partition('id="')[2].partition('"')[0]
        assert text.count(f"#{name}") == 2
        assert f'id="{name}"' not in (one if text is other else other)


def test_a_themed_plot_is_a_bare_element_that_scales() -> None:
    text = themed(svg(f'<path fill="{LIGHT["key"].soft}"/>'), 'Say "a" < b')
    assert text.startswith("<svg ")
    assert text.endswith("</svg>")
    assert "metadata" not in text
    assert "<!--" not in text
    assert "width=" not in text
    assert 'viewBox="0 0 9 9"' in text
    assert (
        f'aria-label="{html.escape("Say " + chr(34) + "a" + chr(34))} ' in text
    )
    assert 'fill="var(--lo-key-soft)"' in text


def test_what_is_drawn_is_kept_beside_the_doctrees(tiny: TinyBook) -> None:
    env = tiny.page(drawing(":alt: A square.")).build("dummy").env
    folder = Drawer(env).folder
    assert folder == Path(env.doctreedir).parent / "drawings"
    assert [path.suffix for path in folder.iterdir()] == [".json"]
