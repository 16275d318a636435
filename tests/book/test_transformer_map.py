"""The map of the Transformer: parts, light and links."""

import xml.etree.ElementTree as ET

import pytest

from figures.parts import PARTS
from figures.transformer_map import (
    transformer_map,
    transformer_map_on_paper,
)

SVG = "{http://www.w3.org/2000/svg}"
CHAPTERS = {
    "scaled-dot-product-attention",
    "multi-head-attention",
    "masks",
    "feed-forward",
    "embeddings-and-softmax",
    "positional-encoding",
    "layers",
    "the-whole-transformer",
}
LINKS = {chapter: f"{chapter}.html" for chapter in CHAPTERS}


def parse(*lit: str, links: dict[str, str] | None = None) -> ET.Element:
    return ET.fromstring(transformer_map(lit, links).svg("the map"))


def on_paper(*lit: str, links: dict[str, str] | None = None) -> ET.Element:
    return ET.fromstring(transformer_map_on_paper(lit, links).svg("the map"))


def words(root: ET.Element) -> list[str]:
    return ["".join(one.itertext()) for one in root.iter(f"{SVG}text")]


def boxes(root: ET.Element) -> list[tuple[float, float, float, float]]:
    sides = ("x", "y", "width", "height")
    return [
        tuple(float(rect.get(side, "nan")) for side in sides)
        for rect in root.findall(f"{SVG}rect")
    ]


def test_every_part_has_a_title_and_a_chapter_and_none_is_left_out() -> None:
    assert {part.chapter for part in PARTS.values()} == CHAPTERS
    titles = [part.title for part in PARTS.values()]
    assert len(set(titles)) == len(PARTS)
    assert all(titles)


def test_the_map_shows_the_sentence_and_what_becomes_of_it() -> None:
    drawn = words(parse())
    assert drawn.count("pizza") == 3
    assert {"I", "like", "<s>", "ich", "mag", "</s>"} <= set(drawn)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("multi-head attention", 3),
        ("scaled dot-product", 3),
        ("mask", 1),
        ("feed-forward", 2),
        ("add & norm", 5),
        ("embedding", 2),
        ("+ positional encoding", 2),
        ("linear", 1),
        ("softmax", 1),
        ("memory", 1),
        ("N times", 2),
    ],
)
def test_the_map_has_every_box_of_the_papers_figure(
    text: str, count: int
) -> None:
    assert words(parse()).count(text) == count


@pytest.mark.parametrize("part", PARTS)
def test_a_lit_part_is_outlined_marked_and_named_in_words(part: str) -> None:
    plain, lit = parse(), parse(part)
    thick = lit.findall(f".//{SVG}rect[@stroke-width='2.5']")
    dots = lit.findall(f".//{SVG}circle[@r='5']")
    assert len(thick) >= 1
    assert len(dots) >= 2
    assert not plain.findall(f".//{SVG}rect[@stroke-width='2.5']")
    assert "you are here" in words(lit)
    assert "you are here" not in words(plain)


def test_parts_of_linked_chapters_are_links_and_others_are_not() -> None:
    root = parse(links={"layers": "layers.html#top", "masks": "masks.html"})
    links = {
        one.get("aria-label"): one.get("href") for one in root.iter(f"{SVG}a")
    }
    assert links == {
        "Encoder layer: chapter layers": "layers.html#top",
        "Decoder layer: chapter layers": "layers.html#top",
        "Mask: chapter masks": "masks.html",
        "Add and norm: chapter layers": "layers.html#top",
    }


def test_links_are_focusable_and_not_hidden_in_an_image() -> None:
    linked = parse(links=LINKS)
    links = linked.findall(f"{SVG}a")
    assert len(links) == len(PARTS)
    assert {one.get("class") for one in links} == {"lo-part"}
    assert not [
        one for a in links for one in a.iter(f"{SVG}a") if one is not a
    ]
    assert linked.get("role") == "group"
    assert parse().get("role") == "img"


def test_every_linked_box_is_large_enough_for_a_finger() -> None:
    for link in parse(links=LINKS).iter(f"{SVG}a"):
        for box in link.findall(f"{SVG}rect"):
            assert float(box.get("width", "0")) >= 24
            assert float(box.get("height", "0")) >= 24


def test_an_unknown_part_is_refused_with_the_nearest_name() -> None:
    for draw in (transformer_map, transformer_map_on_paper):
        with pytest.raises(ValueError, match=r"'maks'.*'mask'"):
            draw(["maks"])


# ------------------------------------------------------------------ on paper


@pytest.mark.parametrize("part", [None, *PARTS])
def test_the_map_on_paper_says_and_lights_the_same(part: str | None) -> None:
    lit = [part] if part else []
    phone, paper = parse(*lit), on_paper(*lit)
    said = [" ".join(words(root)) for root in (phone, paper)]
    assert said[0] == said[1]
    for path in (f".//{SVG}rect[@stroke-width='2.5']", f".//{SVG}circle"):
        assert len(paper.findall(path)) == len(phone.findall(path))
    assert len(boxes(paper)) == len(boxes(phone))


def test_links_are_underlined_on_paper_as_a_page_does_it() -> None:
    root = on_paper(links={"masks": "chapter:masks"})
    lined = [
        one.text
        for one in root.iter(f"{SVG}text")
        if one.get("text-decoration") == "underline"
    ]
    assert lined == ["mask"]
    (link,) = root.findall(f"{SVG}a")
    assert link.get("href") == "chapter:masks"


def test_the_map_on_paper_is_low_and_its_letters_are_legible() -> None:
    drawn = transformer_map_on_paper(list(PARTS), LINKS)
    assert drawn.points is not None
    scale = drawn.points / drawn.width
    sizes = [
        float(one.get("font-size", "99"))
        for one in ET.fromstring(drawn.svg("the map")).iter()
    ]
    assert min(sizes) * scale >= 7
    # The column of the PDF is 240 mm high, in points.
    assert drawn.height * scale <= 0.55 * 240 / 25.4 * 72


def test_every_map_on_paper_has_one_size() -> None:
    drawn = [transformer_map_on_paper([part]) for part in PARTS]
    plain = transformer_map_on_paper()
    sizes = {(one.points, one.width, one.height) for one in [plain, *drawn]}
    assert len(sizes) == 1


def test_boxes_on_paper_lie_apart_or_inside_each_other() -> None:
    for x, y, w, h in boxes(on_paper()):
        for x2, y2, w2, h2 in boxes(on_paper()):
            apart = x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y
            inside = (
                x <= x2 and y <= y2 and x2 + w2 <= x + w and y2 + h2 <= y + h
            )
            around = (
                x2 <= x and y2 <= y and x + w <= x2 + w2 and y + h <= y2 + h2
            )
            heads = (w, h) == (w2, h2)
            assert apart or inside or around or heads, ((x, y), (x2, y2))


def test_the_memory_has_a_row_for_every_source_token() -> None:
    group = parse().find(f".//{SVG}g[@class='lo-cells']")
    assert group is not None
    assert len(group.findall(f"{SVG}rect")) == 3 * 4
