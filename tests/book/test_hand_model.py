"""The hand model: it translates, and its steps are those of the model."""

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from figures import example, hand_model, hand_model_drawing
from figures.canvas import CELL_H, CELL_W, Drawing, format_number
from figures.hand_model import (
    CROSS_ATTENTION,
    DECODER,
    DECODER_NARROW,
    ENCODER,
    ENCODER_ATTENTION,
    ENCODER_NARROW,
    HEADS,
    MODEL,
    OUTPUT_ROWS,
    OWN_ATTENTION,
    POSITIONS,
    SOURCE,
    SOURCE_EMBEDDING,
    SOURCE_WORDS,
    TARGET,
    TARGET_EMBEDDING,
    TARGET_WORDS,
    WIDEN,
    Table,
)
from laidout.decoding import greedy_decode
from laidout.positional import sinusoidal_encoding

BOS, EOS = TARGET_WORDS.index("<s>"), TARGET_WORDS.index("</s>")


def translate(*words: str) -> list[str]:
    found = greedy_decode(MODEL, hand_model.source_ids(words), 7, BOS, EOS)
    return [TARGET_WORDS[index] for index in found[0].tolist()]


# A second implementation: plain lists, one number at a time.


def times(rows: Table, table: Table) -> Table:
    return [
        [
            sum(a * b for a, b in zip(row, column, strict=True))
            for column in zip(*table, strict=True)
        ]
        for row in rows
    ]


def plus(one: Table, other: Table) -> Table:
    return [
        [a + b for a, b in zip(*rows, strict=True)]
        for rows in zip(one, other, strict=True)
    ]


def norm(rows: Table) -> Table:
    found = []
    for row in rows:
        mean = sum(row) / len(row)
        variance = sum((a - mean) ** 2 for a in row) / len(row)
        found.append([(a - mean) / math.sqrt(variance + 1e-5) for a in row])
    return found


def shares(scores: list[float]) -> list[float]:
    raised = [math.exp(score) for score in scores]
    return [one / sum(raised) for one in raised]


def attend(
    tables: dict[str, Table], asking: Table, asked: Table, causal: bool = False
) -> tuple[Table, list[Table]]:
    """Return what is found, and the weights of each head."""
    query = times(asking, tables["w_q"])
    key, value = times(asked, tables["w_k"]), times(asked, tables["w_v"])
    found: Table = [[] for _ in asking]
    looks: list[Table] = []
    for low in range(0, 4, 2):
        weights = []
        for t, q in enumerate(query):
            seen = key[: t + 1] if causal else key
            scores = [
                (q[low] * k[low] + q[low + 1] * k[low + 1]) / math.sqrt(2)
                for k in seen
            ]
            row = shares(scores) + [0.0] * (len(key) - len(seen))
            weights.append(row)
            for place in (low, low + 1):
                mixed = [w * v[place] for w, v in zip(row, value, strict=True)]
                found[t].append(sum(mixed))
        looks.append(weights)
    return times(found, tables["w_o"]), looks


def feed_forward(narrow: Table, rows: Table) -> Table:
    wide = [[max(0.0, a) for a in row] for row in times(rows, WIDEN)]
    return times(wide, narrow)


def placed(
    table: Table, words: tuple[str, ...], known: tuple[str, ...]
) -> Table:
    rows = [table[known.index(word)] for word in words]
    return plus([[2 * a for a in row] for row in rows], POSITIONS[: len(rows)])


def by_hand(
    source: tuple[str, ...], target: tuple[str, ...]
) -> dict[str, Table | list[Table]]:
    x = placed(SOURCE_EMBEDDING, source, SOURCE_WORDS)
    attended, looks = attend(ENCODER_ATTENTION, x, x)
    normed = norm(plus(x, attended))
    memory = norm(plus(normed, feed_forward(ENCODER_NARROW, normed)))
    y = placed(TARGET_EMBEDDING, target, TARGET_WORDS)
    own, own_looks = attend(OWN_ATTENTION, y, y, causal=True)
    first = norm(plus(y, own))
    cross, cross_looks = attend(CROSS_ATTENTION, first, memory)
    second = norm(plus(first, cross))
    hidden = norm(plus(second, feed_forward(DECODER_NARROW, second)))
    turned = [list(column) for column in zip(*OUTPUT_ROWS, strict=True)]
    return {
        "x": x,
        "weights": looks,
        "attended": attended,
        "normed": normed,
        "memory": memory,
        "y": y,
        "own_weights": own_looks,
        "own_normed": first,
        "cross_weights": cross_looks,
        "cross_normed": second,
        "hidden": hidden,
        "logits": times(hidden, turned),
        "probabilities": [shares(row) for row in times(hidden, turned)],
    }


# What it does.


def test_it_translates_the_sentence_of_the_book() -> None:
    assert translate(*SOURCE) == ["<s>", "ich", "mag", "pizza", "</s>"]


def test_it_reads_the_source_and_does_not_recite() -> None:
    assert translate("pizza", "like", "I") == [
        *("<s>", "pizza", "mag", "ich", "</s>")
    ]
    blind = hand_model.decoder_steps(MODEL, torch.zeros(3, 4))
    first = blind.probabilities[0]
    assert TARGET_WORDS[int(first.argmax())] != "ich"


def test_every_next_word_is_predicted_with_a_clear_margin() -> None:
    due = zip(DECODER.probabilities, hand_model.PREDICTED, strict=True)
    for chances, word in due:
        (best, second), (index, _) = chances.topk(2)
        assert TARGET_WORDS[int(index)] == word
        assert best > 0.85
        assert second < 0.1


def test_a_target_word_looks_at_the_source_word_that_it_translates() -> None:
    mean = DECODER.cross.weights.mean(dim=0)
    for step, word in enumerate(SOURCE):
        assert SOURCE[int(mean[step].argmax())] == word
        assert mean[step, step] > 0.7


# That the steps are the model's.


def test_the_steps_end_where_the_model_ends() -> None:
    source, target = hand_model.source_ids(), hand_model.target_ids()
    memory = MODEL.encode(source)[0]
    assert torch.allclose(ENCODER.memory, memory, atol=1e-6)
    hidden = MODEL.decode(target, memory[None])[0]
    assert torch.allclose(DECODER.hidden, hidden, atol=1e-6)
    logits = MODEL(source, target)[0]
    assert torch.allclose(DECODER.logits, logits, atol=1e-6)
    wanted = torch.softmax(logits, dim=-1)
    assert torch.allclose(DECODER.probabilities, wanted, atol=1e-6)


def test_the_weights_are_those_that_the_model_keeps() -> None:
    MODEL(hand_model.source_ids(), hand_model.target_ids())
    encoder, decoder = hand_model.layers(MODEL)
    for block, steps in (
        (encoder.self_attention, ENCODER.attention),
        (decoder.self_attention, DECODER.own),
        (decoder.cross_attention, DECODER.cross),
    ):
        kept = block.attention_weights
        assert kept is not None
        assert torch.allclose(steps.weights, kept[0], atol=1e-6)


def test_a_block_found_step_by_step_is_the_block() -> None:
    block = hand_model.layers(MODEL)[0].self_attention
    x = ENCODER.x[None]
    assert torch.allclose(ENCODER.attention.output, block(x, x, x)[0])
    assert torch.allclose(
        ENCODER.attention.scaled, ENCODER.attention.scores / math.sqrt(2)
    )
    assert torch.allclose(
        ENCODER.attention.joined,
        torch.cat(list(ENCODER.attention.heads), dim=-1),
    )


@pytest.mark.parametrize(
    ("source", "target"),
    [(SOURCE, TARGET), (SOURCE[::-1], ("<s>", "pizza", "mag", "ich"))],
)
def test_loops_over_plain_numbers_find_the_same(
    source: tuple[str, ...], target: tuple[str, ...]
) -> None:
    encoder = hand_model.encoder_steps(MODEL, source)
    decoder = hand_model.decoder_steps(MODEL, encoder.memory, target)
    steps: dict[str, Tensor] = {
        "x": encoder.x,
        "weights": encoder.attention.weights,
        "attended": encoder.attention.output,
        "normed": encoder.normed,
        "memory": encoder.memory,
        "y": decoder.x,
        "own_weights": decoder.own.weights,
        "own_normed": decoder.own_normed,
        "cross_weights": decoder.cross.weights,
        "cross_normed": decoder.cross_normed,
        "hidden": decoder.hidden,
        "logits": decoder.logits,
        "probabilities": decoder.probabilities,
    }
    slow = by_hand(source, target)
    assert steps.keys() == slow.keys()
    for name, tensor in steps.items():
        wanted = torch.tensor(slow[name])
        assert torch.allclose(tensor, wanted, atol=1e-5), name


# That it is fit for paper.


def test_what_enters_attention_is_whole_and_small() -> None:
    assert ENCODER.x.tolist() == [[1, 0, 1, 0], [0, 1, 0, 1], [2, 1, 0, 0]]
    assert torch.equal(DECODER.x, DECODER.x.round())
    block = ENCODER.attention
    for heads in (block.query, block.key, block.value, block.scores):
        assert torch.equal(heads, heads.round())
        assert heads.abs().max() <= 4


def test_all_tables_hold_small_halves_or_quarters() -> None:
    for name, parameter in MODEL.named_parameters():
        assert torch.equal(4 * parameter, (4 * parameter).round()), name
        assert parameter.abs().max() <= 2, name
        if name.endswith("bias"):
            assert not parameter.any(), name
        if name.endswith("gain"):
            assert parameter.eq(1).all(), name


def test_positions_are_the_sinusoids_to_the_nearest_half() -> None:
    exact = sinusoidal_encoding(len(POSITIONS), 4)
    assert torch.equal((2 * exact).round() / 2, torch.tensor(POSITIONS))


def test_an_output_row_is_the_state_in_which_its_word_is_due() -> None:
    # Its own, and that of the sentence the other way round.
    other = hand_model.encoder_steps(MODEL, SOURCE[::-1]).memory
    words = ("<s>", "pizza", "mag", "ich")
    hidden = hand_model.decoder_steps(MODEL, other, words).hidden
    for step, word in enumerate(hand_model.PREDICTED):
        back = ("pizza", "mag", "ich", "</s>").index(word)
        state = (DECODER.hidden[step] + hidden[back]) / 2
        wanted = torch.tensor(OUTPUT_ROWS[TARGET_WORDS.index(word)])
        assert torch.equal((2 * state).round() / 2, wanted), word


def test_head_1_is_as_the_book_needs_it() -> None:
    scores = ENCODER.attention.scores[0]
    assert not torch.equal(scores, scores.T)
    favourites = [SOURCE[int(row.argmax())] for row in scores]
    assert favourites == ["like", "pizza", "pizza"]
    assert ENCODER.attention.weights[0, 1].argmin() == 1


def test_the_example_of_the_book_is_the_hand_models() -> None:
    block = hand_model.layers(MODEL)[0].self_attention
    assert torch.equal(example.query, block.w_q(ENCODER.x))
    assert torch.equal(example.key, block.w_k(ENCODER.x))
    assert torch.equal(example.value, block.w_v(ENCODER.x)[:, :2])


@pytest.mark.parametrize(
    "draw", [hand_model_drawing.whole, hand_model_drawing.whole_on_paper]
)
def test_the_whole_drawing_shows_all_that_the_encoder_makes(
    draw: Callable[[], Drawing],
) -> None:
    drawn = draw().body
    block = ENCODER.attention
    shown = (
        *(ENCODER.x, block.query, block.key, block.value, block.weights),
        *(block.heads, block.output, ENCODER.normed, ENCODER.memory),
        *(DECODER.own_normed[0], DECODER.cross.weights[:, 0]),
        *(DECODER.hidden[0], DECODER.probabilities[0]),
    )
    for tensor in shown:
        for value in tensor.flatten().tolist():
            texts = {format_number(value, 0), format_number(value)}
            assert any(f">{text}<" in drawn for text in texts)


# The sheet for paper.

SVG = "{http://www.w3.org/2000/svg}"


def elements(drawing: Drawing) -> list[ET.Element]:
    return list(ET.fromstring(drawing.svg("the hand model")).iter())


def numbers(drawing: Drawing) -> list[str]:
    """Return all numbers of a drawing, in the order of their size."""
    texts = [one.text or "" for one in elements(drawing)]
    return sorted(one for one in texts if re.fullmatch(r"−?\d+(\.\d+)?", one))


def test_paper_shows_the_same_numbers() -> None:
    phone, paper = (
        hand_model_drawing.whole(),
        hand_model_drawing.whole_on_paper(),
    )
    assert len(numbers(phone)) > 150
    assert numbers(paper) == numbers(phone)


def test_the_sheet_for_paper_fits_a_page_and_is_legible() -> None:
    drawn = hand_model_drawing.whole_on_paper()
    assert drawn.points is not None
    scale = drawn.points / drawn.width
    sizes = [float(one.get("font-size", "99")) for one in elements(drawn)]
    assert min(sizes) * scale >= 7.5
    assert drawn.height * scale <= 225 / 25.4 * 72 - 40


def test_the_memory_leads_to_what_both_heads_look_at() -> None:
    drawn = elements(hand_model_drawing.whole_on_paper())
    violet = [one for one in drawn if "--lo-memory," in str(one.attrib)]
    shaft, heads = (one.get("d", "") for one in violet if one.get("d"))
    (memory,) = (one for one in violet if one.get("class") == "lo-cells")
    right = max(corner(cell)[0] for cell in memory) + CELL_W
    assert shaft.startswith(f"M{right + 4:g} ")
    looks = [
        one
        for one in drawn
        if one.get("class") == "lo-cells" and len(one) == len(SOURCE)
    ]
    assert len(looks) == HEADS
    for look in looks:
        x, y = corner(look[0])
        assert f"M{x - 5:g} {y + CELL_H / 2:g}L" in heads


def corner(cell: ET.Element) -> tuple[float, float]:
    return float(cell.get("x", "nan")), float(cell.get("y", "nan"))
