"""What the chapter says, recomputed; and what its cells insist on."""

import math
import re

import pytest
import torch
from book.chapter import BOOK, Chapter

from figures import training_on_the_page as figures
from laidout.loss import LabelSmoothing
from laidout.phrases import phrase_corpus
from laidout.schedule import TransformerLRScheduler
from laidout.transformer import Transformer, TransformerConfig

CHAPTER = Chapter(BOOK / "training/training-on-the-page.md")
TEXT, PLAIN = CHAPTER.text, CHAPTER.plain


def alt(name: str) -> str:
    """Return the alternative text of a figure that is drawn."""
    (body,) = [b for a, b in CHAPTER.blocks("drawing") if a.endswith(name)]
    return body


def test_the_phrase_model_has_as_many_parameters_as_the_page_says() -> None:
    model = Transformer(TransformerConfig.tiny(1300, 1300))
    count = sum(parameter.numel() for parameter in model.parameters())
    assert round(count, -5) == 300_000
    assert "About three hundred thousand numbers were drawn" in PLAIN
    assert "BPETokenizer.train(texts, 1300)" in TEXT


def test_the_prices_of_a_token_are_those_of_the_figure() -> None:
    said = re.findall(r"(?:costs|;.*?) (\d\.\d\d)", alt("loss_scale"))
    chances = (1 / 1300, 0.1, math.exp(-2), 0.5, 0.9, 1.0)
    prices = [f"{abs(figures.surprise(chance)):.2f}" for chance in chances]
    assert said == prices
    assert rf"$\ln 1300 = {math.log(1300):.2f}$" in PLAIN
    assert rf"one chance in $e^2 = {math.exp(2):.1f}$" in PLAIN
    assert rf"$\ln 8000$ is {math.log(8000):.2f}" in PLAIN


def test_the_mean_over_tokens_is_as_the_figure_says() -> None:
    total = 100 * 2 + 10 * 4
    assert f"{total} divided by 110, {total / 110:.2f}" in alt("over_tokens")


def test_a_uniform_guess_costs_less_where_labels_are_smoothed() -> None:
    loss = LabelSmoothing(1300, pad_id=0, smoothing=0.1)
    guess = loss(torch.zeros(1, 1300), torch.tensor([5])).item()
    assert f"a uniform guess costs {guess:.2f} there" in PLAIN
    assert "smoothed = LabelSmoothing(VOCAB, PAD, smoothing=0.1)" in TEXT


def test_a_hundred_thousand_steps_take_about_eleven_hours() -> None:
    assert round(100_000 * 0.4 / 3600) == 11
    assert "are 40,000 seconds, or 11 hours" in PLAIN


def test_the_healthy_peak_is_an_eighth_of_the_rate_that_is_too_high() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1)])
    peak = TransformerLRScheduler(optimizer, 64, 100).step(100)
    assert peak == pytest.approx(0.1 / 8)
    assert "def fresh(dropout=0.0, warmup=100)" in TEXT
    assert "has a peak of an eighth of this rate" in PLAIN


def test_a_batch_of_one_gpu_is_a_sixth_of_the_papers() -> None:
    assert round(25_000 / 4_096) == 6
    assert "One GPU with 4,096 tokens sees a sixth of that" in PLAIN


def test_gradients_that_are_not_cleared_are_added() -> None:
    cleared, piled = (
        figures.gradients_of_two_batches(clear) for clear in (True, False)
    )
    assert cleared == [0.5, 0.25]
    assert piled == [0.5, 0.75]
    assert "0.25 if it was cleared in between, and 0.75" in alt(
        "added_gradients"
    )


def test_the_average_lies_closer_to_the_best_than_nearly_all_steps() -> None:
    places = figures.wandering()
    nearer = places.norm(dim=1) < places.mean(0).norm()
    assert len(places) == 12
    assert nearer.sum() <= 1
    assert not places.norm(dim=1).lt(0.1).any()


def test_of_ten_numbers_one_is_dropped_then_two_others() -> None:
    torch.manual_seed(figures.SEED)
    gone = []
    for _ in range(2):
        left = torch.nn.functional.dropout(figures.VECTOR, figures.RATE)
        kept = left != 0
        gone.append(set((~kept).nonzero().flatten().tolist()))
        assert torch.allclose(left[kept], figures.VECTOR[kept] / 0.9)
    assert [len(places) for places in gone] == [1, 2]
    assert not gone[0] & gone[1]
    assert "one of them is hatched" in alt("page.dropout")
    assert "A step later two others are gone" in alt("page.dropout")


def test_the_sentences_that_are_watched_are_translated_unseen() -> None:
    shown = re.findall(r'^    "(.*)",$', CHAPTER.cell("SHOWN = ["), re.M)
    train, _, test, _ = phrase_corpus()
    known = {phrase.source.rstrip(".").lower() for phrase in train}
    assert shown[0] == "I like pizza"
    assert not known & {source.rstrip(".").lower() for source in shown}
    targets = {phrase.source: phrase.target for phrase in test}
    assert targets[shown[3]].endswith("angerufen.")


@pytest.mark.parametrize(
    "insists",
    [
        "assert FAST or (healthy[-1] < 0.01 and exact == 1)",
        "assert FAST or share >= 0.99",
        'assert FAST or seen["end"][2][0] == "Ich mag Pizza"',
        "assert FAST or sum(points) / len(points) >= 0.85",
    ],
)
def test_the_build_fails_if_the_model_does_not_learn(insists: str) -> None:
    assert TEXT.count(insists) == 1


def test_the_chapter_goes_through_all_its_steps_in_order() -> None:
    steps = [
        "```{map} tokens linear-and-softmax",
        "training_on_the_page.teacher_forcing",
        "## With numbers",
        "```{paper} 5.2",
        "```{paper} 5.4",
        "```{exercise} training-epoch",
        "### Reading the solution",
        "```{exercise} training-evaluate",
        "## Overfit one batch first",
        "## The real run",
        "## Where it looks",
        "## What to watch",
        "## What each failure looks like",
        "## The same on your machine",
        "Paper, our code, today",
        ":::{faq}",
        ":::{quiz}",
    ]
    places = [TEXT.index(step) for step in steps]
    assert places == sorted(places)
