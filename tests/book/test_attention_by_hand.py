"""What the chapter says, recomputed from the hand model."""

import io
import math
import re
import xml.etree.ElementTree as ET
from contextlib import redirect_stdout
from importlib import import_module
from typing import Any

import pytest
import torch
from book.chapter import BOOK, Chapter
from torch import Tensor

from figures import attention_by_hand as figures
from figures import hand_model
from figures.attention_by_hand import (
    KEY,
    LIKE,
    OUTPUT,
    PIZZA,
    QUERY,
    SCALED,
    SCORES,
    TABLES,
    VALUE,
    WEIGHTS,
    X,
)
from figures.canvas import format_number
from figures.hand_model import ENCODER, SOURCE

CHAPTER = Chapter(BOOK / "understanding/attention-by-hand.md")
TEXT, PLAIN = CHAPTER.text, CHAPTER.plain
DRAWINGS = re.findall(
    r"^```\{drawing\} (\w+)\.(\w+)\n((?:.*\n)*?)```$", TEXT, re.M
)
STEPS = [name for _, name, _ in DRAWINGS if name.startswith("step_")]
NUMBER = re.compile(r"(?<![\w.])−?\d+(?:\.\d+)?")
I = SOURCE.index("I")  # noqa: E741


def numbers(text: str) -> set[float]:
    """Read every number of a text, minus signs left out."""
    return {float(one.lstrip("−")) for one in NUMBER.findall(text)}


def row(values: Tensor, digits: int = 0) -> str:
    """Write a vector as the chapter does."""
    inside = ", ".join(format_number(x, digits) for x in values.tolist())
    return f"({inside})".replace("−", "-")


# The figures.


@pytest.mark.parametrize(
    ("module", "name", "body"), DRAWINGS, ids=[one for _, one, _ in DRAWINGS]
)
def test_the_text_for_those_who_cannot_see_says_what_is_drawn(
    module: str, name: str, body: str
) -> None:
    drawing = getattr(import_module(f"figures.{module}"), name)()
    root = ET.fromstring(drawing.svg("what is seen"))
    drawn = numbers(" ".join(root.itertext()))
    (alt,) = re.findall(r"^:alt: (.{60,})$", body, re.M)
    assert numbers(alt) <= drawn


def test_there_are_more_than_a_dozen_figures_and_six_of_them_are_steps() -> (
    None
):
    assert len(DRAWINGS) > 12
    assert [
        *("step_vectors", "step_roles", "step_scores"),
        *("step_scaled", "step_shares", "step_mix"),
    ] == STEPS


def test_no_formula_comes_before_its_picture_and_its_numbers() -> None:
    order = [
        "```{map} multi-head-attention scaled-dot-product-attention",
        "soft_dictionary",
        "three_tables",
        "make_query",
        ":::::{steps}",
        "arrows_of_like",
        "tables_at_once",
        "attention_by_hand.chain",
        "\n$$\n",
        "## What attention is not",
        "## What it still cannot do",
        "hand_model_drawing.whole",
        ":::{faq}",
        ":::{quiz}",
    ]
    places = [TEXT.index(one) for one in order]
    assert places == sorted(places)


def test_no_python_is_needed() -> None:
    for _, body in CHAPTER.blocks("code-cell"):
        assert body.startswith(":tags: [hide-input]\n")
    assert "torch" not in CHAPTER.explanation.partition("PyTorch.\n---")[2]


# Where the three come from.


def test_the_vector_of_like_is_its_row_doubled_and_placed() -> None:
    embedded = ENCODER.embedded[LIKE]
    place = hand_model.MODEL.position.encoding[LIKE]
    assert torch.equal(embedded + place, X[LIKE])
    assert row(X[LIKE]) == "(0, 1, 0, 1)"
    assert embedded.tolist() == [-1, 0.5, 0, 0]
    assert place.tolist() == [1, 0.5, 0, 1]
    assert "to $(-1, 0.5, 0, 0)$" in PLAIN
    assert "added, $(1, 0.5, 0, 1)$" in PLAIN


def test_the_reader_who_takes_a_pencil_gets_what_the_page_says() -> None:
    rows = TABLES["key"][[1, 3]]
    assert [row(one) for one in rows] == ["(0, 0)", "(2, 0)"]
    assert torch.equal(rows.sum(dim=0), KEY[LIKE])
    assert X[PIZZA].tolist() == [2, 1, 0, 0]
    for made, table, said in (
        (QUERY, "query", "(-1, 2)"),
        (KEY, "key", "(0, 2)"),
        (VALUE, "value", "(3, 1)"),
    ):
        by_hand = 2 * TABLES[table][0] + TABLES[table][1]
        assert torch.equal(by_hand, made[PIZZA])
        assert row(by_hand) == said
        assert f"the {table} ${said}$" in PLAIN


def test_queries_keys_and_values_are_x_times_the_tables() -> None:
    assert torch.equal(X @ TABLES["query"], QUERY)
    assert torch.equal(X @ TABLES["key"], KEY)
    assert torch.equal(X @ TABLES["value"], VALUE)
    assert (X.shape, QUERY.shape, OUTPUT.shape) == ((3, 4), (3, 2), (3, 2))


# Six steps.


def test_the_scores_of_like_are_what_step_three_says() -> None:
    assert SCORES[LIKE].tolist() == [2, 0, 4]
    assert "*pizza* scores 4, *I* scores 2, *like* itself 0" in PLAIN


def test_two_numbers_are_divided_by_the_root_of_two() -> None:
    assert torch.allclose(SCALED * 2**0.5, SCORES)
    assert f"we divide by $\\sqrt{{2}}$, about {math.sqrt(2):.2f}" in PLAIN


def test_without_the_scale_pizza_gets_a_little_more() -> None:
    share = torch.softmax(SCORES[LIKE], dim=0)[PIZZA].item()
    said = f"Without the division *pizza* would get {format_number(share)}"
    assert said in PLAIN


def test_the_shares_and_the_output_of_like_are_as_the_prose_says() -> None:
    by_hand = SCALED[LIKE].exp() / SCALED[LIKE].exp().sum()
    assert torch.allclose(by_hand, WEIGHTS[LIKE])
    assert f"What came out for *like* is ${row(OUTPUT[LIKE], 2)}$" in PLAIN
    i, itself, pizza = (format_number(one) for one in by_hand.tolist())
    said = f"{pizza} for *pizza*, {i} for *I*, {itself} for itself"
    assert said in PLAIN
    rounded = [round(100 * one) for one in by_hand.tolist()]
    assert f"add up to {sum(rounded)}" in PLAIN


def test_the_query_of_like_is_the_key_of_pizza() -> None:
    assert torch.equal(QUERY[LIKE], KEY[PIZZA])
    assert "they are the same arrow" in PLAIN


def test_a_reach_times_the_length_of_the_query_is_the_score() -> None:
    for query, scores in zip(QUERY, SCORES, strict=True):
        for key, score in zip(KEY, scores, strict=True):
            found = figures.reach(query, key) * query.norm()
            assert found.item() == pytest.approx(score.item(), abs=1e-5)
    squares = (QUERY[PIZZA] ** 2).tolist()
    assert sorted(squares) == [1, 4]
    length = format_number(math.sqrt(sum(squares)))
    assert f"$\\sqrt{{1 + 4}}$ long, that is {length}" in PLAIN


def test_pizza_thinks_less_of_like_than_like_of_pizza() -> None:
    assert (SCORES[LIKE, PIZZA], SCORES[PIZZA, LIKE]) == (4, -2)
    said = "*like* scores *pizza* with 4, and *pizza* scores *like* with −2"
    assert said in PLAIN
    share = format_number(WEIGHTS[PIZZA, LIKE].item())
    assert f"*pizza* gives *like* is {share}" in PLAIN


def test_every_output_lies_in_the_triangle_of_the_values() -> None:
    corners = torch.cat([VALUE.T, torch.ones(1, 3)])
    for output in OUTPUT:
        point = torch.cat([output, torch.ones(1)])
        shares = torch.linalg.solve(corners, point)
        assert (shares > 0).all()


def test_without_pizza_like_gets_another_output_from_the_same_scores() -> None:
    shorter = figures.attend(X[:2])
    assert torch.equal(shorter.scores[0, LIKE], SCORES[LIKE, :2])
    assert not torch.allclose(shorter.heads[0, LIKE], OUTPUT[LIKE], atol=1)


def test_the_output_repeats_the_shares_for_the_reason_that_is_given() -> None:
    assert (row(VALUE[I]), row(VALUE[LIKE])) == ("(1, 0)", "(0, 1)")
    assert "of *I* and *like* are $(1, 0)$ and $(0, 1)$" in PLAIN
    shorter = figures.attend(X[:2])
    assert torch.equal(shorter.heads[0, LIKE], shorter.weights[0, LIKE])


def test_the_small_machine_does_not_know_the_other_sentence() -> None:
    assert "shaped" not in hand_model.SOURCE_WORDS
    assert "no row for *shaped*" in PLAIN


# What it is not.


def test_three_doubled_words_do_not_get_doubled_outputs() -> None:
    scores = figures.attend(2 * X).scores[0, LIKE]
    assert torch.equal(scores, 4 * SCORES[LIKE])
    said = "{}, {} and {}".format(*(f"{x:.0f}" for x in scores.tolist()))
    assert f"are four times what they were: {said}" in PLAIN
    shares, output = figures.doubled()
    assert torch.allclose(output, shares @ (2 * VALUE))
    assert shares[PIZZA] > 0.99
    assert not torch.allclose(output, 2 * OUTPUT[LIKE], atol=0.3)


def test_fixed_shares_would_have_doubled_the_outputs() -> None:
    doubled = figures.attend(2 * X).value[0]
    assert torch.allclose(WEIGHTS @ doubled, 2 * OUTPUT)


def test_where_nobody_fits_everybody_gets_a_third() -> None:
    scores = KEY @ torch.tensor([-1.0, -1.0])
    assert scores.tolist() == [-2, -2, -2]
    assert "Three times −2, and each word gets a third" in PLAIN


def test_one_word_of_three_looks_most_at_itself() -> None:
    most = WEIGHTS.argmax(dim=1).tolist()
    assert [most[i] == i for i in range(3)] == [False, False, True]
    assert WEIGHTS[LIKE].argmin() == LIKE
    assert "*pizza* looks at itself, *like* looks at itself least" in PLAIN


def test_vectors_in_another_order_get_the_same_outputs_in_it() -> None:
    there = figures.attend(X.flip(0)).heads[0]
    assert torch.allclose(there, OUTPUT.flip(0))


def test_in_head_two_the_query_of_like_is_zero() -> None:
    block = ENCODER.attention
    assert not block.query[1, LIKE].any()
    assert torch.allclose(block.weights[1, LIKE], torch.full((3,), 1 / 3))
    assert block.weights[1, PIZZA].argmax() == LIKE


def test_one_head_looks_at_pizza_itself_and_the_other_at_its_verb() -> None:
    verb, itself = (
        format_number(WEIGHTS[PIZZA, word].item()) for word in (LIKE, PIZZA)
    )
    said = f"*pizza* gave {itself} to itself and had {verb} left for its verb"
    assert said in PLAIN
    before = format_number(ENCODER.attention.weights[1, PIZZA, LIKE].item())
    assert f"in head 2 it gives {before} to like" in PLAIN.lower()


# Questions.


def test_compared_directly_like_would_look_at_itself() -> None:
    raw = X @ X.T
    assert torch.equal(raw, raw.T)
    i, itself, pizza = (format_number(one, 0) for one in raw[LIKE].tolist())
    said = f"score *like* {i} with *I*, {itself} with itself and {pizza} with"
    assert said in PLAIN
    assert raw[LIKE].argmax() == LIKE


def test_shares_by_plain_division_would_not_be_shares() -> None:
    for word, wanted in ((LIKE, "2, 0 and 4"), (PIZZA, "1, −2 and 4")):
        scores = [format_number(x, 0) for x in SCORES[word].tolist()]
        assert "{}, {} and {}".format(*scores) == wanted
        assert wanted in PLAIN
    shares = SCORES / SCORES.sum(dim=1, keepdim=True)
    assert shares[LIKE].tolist() == pytest.approx([1 / 3, 0, 2 / 3])
    assert shares[PIZZA].tolist() == pytest.approx([1 / 3, -2 / 3, 4 / 3])
    assert "minus two thirds and itself four thirds" in PLAIN


def test_two_factors_hold_fewer_numbers_than_the_square() -> None:
    assert f"{2 * 512 * 64:,}".replace(",", "{,}") in TEXT
    assert f"{512 * 512:,}".replace(",", "{,}") in TEXT


def test_turned_queries_and_keys_have_the_same_scores() -> None:
    angle = torch.tensor(0.7)
    turn = torch.stack(
        [
            torch.stack([angle.cos(), -angle.sin()]),
            torch.stack([angle.sin(), angle.cos()]),
        ]
    )
    turned = (QUERY @ turn) @ (KEY @ turn).T
    assert torch.allclose(turned, SCORES, atol=1e-5)


def test_the_decoder_looks_at_i_when_ich_is_due() -> None:
    share = format_number(hand_model.DECODER.cross.weights[0, 0, I].item())
    assert f"the decoder gives *I* the share {share}" in PLAIN
    assert hand_model.PREDICTED[0] == "ich"


def test_with_one_table_for_both_the_scores_are_symmetric() -> None:
    for table in TABLES.values():
        scores = X @ table @ (X @ table).T
        assert torch.equal(scores, scores.T)


def test_the_quiz_asks_for_the_score_that_pizza_gives_i() -> None:
    assert (row(QUERY[PIZZA]), row(KEY[I])) == ("(-1, 2)", "(1, 1)")
    assert SCORES[PIZZA, I] == 1
    assert f"{SCALED[PIZZA, I]:.2f}" == "0.71"


def test_a_doubled_query_moves_the_output_towards_pizza() -> None:
    shares = torch.softmax(2 * SCALED[LIKE], dim=0)
    before = (OUTPUT[LIKE] - VALUE[PIZZA]).norm()
    assert (shares @ VALUE - VALUE[PIZZA]).norm() < before
    moved = row(shares @ VALUE, 2)
    assert f"the query of *like* alone, and the output moves to ${moved}$" in (
        PLAIN
    )
    assert row(OUTPUT[LIKE], 2) in PLAIN


def test_equal_keys_get_equal_shares() -> None:
    steps = figures.attend(X[[0, 1, 2, 2]])
    weights = steps.weights[0]
    assert torch.equal(weights[:, 2], weights[:, 3])
    assert torch.equal(steps.heads[0, 2], steps.heads[0, 3])
    assert (weights[:, :2] < WEIGHTS[[0, 1, 2, 2], :2]).all()


# The cell that checks a reader's pencil.


def run(asks: str) -> tuple[dict[str, Any], str]:
    """Run the cell for a word; return its names and what it prints."""
    code = CHAPTER.cell("asks =")
    said = io.StringIO()
    names: dict[str, Any] = {}
    with redirect_stdout(said):
        exec(code.replace('asks = "pizza"', f'asks = "{asks}"'), names)
    return names, said.getvalue()


def test_the_cell_has_the_numbers_of_the_hand_model() -> None:
    names, _ = run("pizza")
    assert list(names["vectors"]) == list(SOURCE)
    assert list(names["vectors"].values()) == X.tolist()
    for role, table in TABLES.items():
        assert names[f"{role}_table"] == table.tolist()


@pytest.mark.parametrize("word", SOURCE)
def test_the_cell_works_out_what_the_figures_show(word: str) -> None:
    names, said = run(word)
    here = SOURCE.index(word)
    for name, expected in (
        ("query", QUERY),
        ("scores", SCORES),
        ("scaled", SCALED),
        ("shares", WEIGHTS),
        ("output", OUTPUT),
    ):
        assert names[name] == pytest.approx(expected[here].tolist())
    assert names["keys"] == KEY.tolist()
    assert names["values"] == VALUE.tolist()
    first, second = OUTPUT[here].tolist()
    assert said.endswith(f"output of {word}: {first:.2f}, {second:.2f}\n")
