"""The map of the Transformer: parts, light and links."""

import xml.etree.ElementTree as ET

import pytest

from figures.parts import PARTS
from figures.transformer_map import transformer_map

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


def words(root: ET.Element) -> list[str]:
    return ["".join(one.itertext()) for one in root.iter(f"{SVG}text")]


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
    dots = lit.findall(f".//{SVG}rect[@stroke-width='5']")
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
    with pytest.raises(ValueError, match=r"'maks'.*'mask'"):
        transformer_map(["maks"])


def test_the_memory_has_a_row_for_every_source_token() -> None:
    group = parse().find(f".//{SVG}g[@class='lo-cells']")
    assert group is not None
    assert len(group.findall(f"{SVG}rect")) == 3 * 4
