"""What the chapter says, recomputed; and what the guide asks of it."""

import ast
import math
import re

import pytest
import torch
from book.chapter import BOOK, Chapter

from figures import example
from laidout.attention import scaled_dot_product_attention

CHAPTER = Chapter(BOOK / "building/scaled-dot-product-attention.md")
TEXT, PLAIN = CHAPTER.text, CHAPTER.plain


def example_attention() -> tuple[torch.Tensor, torch.Tensor]:
    return scaled_dot_product_attention(
        example.query, example.key, example.value
    )


def sharpness_cell() -> dict[str, object]:
    """Run the cell that measures what the scale does."""
    code = CHAPTER.cell("def sharpness")
    torch.manual_seed(0)
    names: dict[str, object] = {"torch": torch}
    exec(compile(code, str(CHAPTER.path), "exec"), names)
    return names


@pytest.mark.parametrize("name", ["query", "key", "value"])
def test_the_cell_types_the_tensors_that_the_figures_draw(name: str) -> None:
    code = CHAPTER.cell("query = torch")
    (typed,) = [
        node.value.args[0]
        for node in ast.parse(code).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == name
        and isinstance(node.value, ast.Call)
    ]
    assert torch.equal(
        torch.tensor(ast.literal_eval(typed)).float(), getattr(example, name)
    )


def test_the_score_of_like_and_pizza_comes_from_the_second_place() -> None:
    products = example.query[1] * example.key[2]
    assert products.tolist() == [0, 4, 0, 0]
    assert "Only the second place counts here" in PLAIN


def test_the_scaled_scores_of_like_are_one_zero_two() -> None:
    scaled = example.query[1] @ example.key.T / math.sqrt(4)
    assert scaled.tolist() == [1, 0, 2]
    assert "the scaled scores are 1, 0 and 2" in PLAIN


def test_the_output_of_like_is_as_the_prose_says() -> None:
    output, weights = example_attention()
    said = re.search(r"output for \*like\* is \$\(([\d.]+), ([\d.]+)\)", PLAIN)
    assert said is not None
    assert [float(x) for x in said.groups()] == [
        round(x, 2) for x in output[1].tolist()
    ]
    assert f"keeps {100 * weights[1, 1]:.0f} percent for itself" in PLAIN


def test_the_two_scores_that_the_faq_compares_differ_as_it_says() -> None:
    scores = example.query @ example.key.T
    assert (scores[0, 1].item(), scores[1, 0].item()) == (4, 2)
    assert "*I* gives *like* a 4 and *like* gives *I* a 2" in PLAIN


def test_a_point_of_score_is_worth_a_factor_of_e() -> None:
    weights = torch.softmax(torch.tensor([0.0, 1.0, -7.0]), dim=0)
    assert weights[1] / weights[0] == pytest.approx(math.e, rel=1e-5)
    assert f"$e \\approx {math.e:.2f}$" in PLAIN
    assert f"$e^{{2}} \\approx {math.exp(2):.1f}$" in PLAIN


def test_scores_of_plus_and_minus_eight_differ_by_nine_million() -> None:
    assert round(math.exp(8) / math.exp(-8), -6) == 9e6
    assert "a ratio of nine million" in PLAIN


def test_the_best_cosine_gets_e_squared_times_the_worst() -> None:
    weights = torch.softmax(torch.tensor([1.0] + [-1.0] * 9), dim=0)
    ratio = (weights[0] / weights[1]).item()
    assert ratio == pytest.approx(math.exp(2), rel=1e-5)
    assert round(100 * weights[0].item()) == 45
    assert "nine exact opposites gets only 45 percent" in PLAIN


def test_without_the_scale_entropy_and_derivative_go_under() -> None:
    names = sharpness_cell()
    plain, scaled = names["plain"], names["scaled"]
    assert isinstance(plain, list)
    assert isinstance(scaled, list)
    entropies = [entropy for entropy, _ in plain]
    assert entropies == sorted(entropies, reverse=True)
    assert entropies[0] == pytest.approx(1.9, abs=0.1)
    assert entropies[-1] == pytest.approx(0.1, abs=0.05)
    for entropy, slope in scaled:
        assert entropy == pytest.approx(2.5, abs=0.1)
        assert slope == pytest.approx(0.37, abs=0.02)
    assert 1e-7 < plain[-1][1] < 1e-5
    assert scaled[-1][1] / plain[-1][1] > 1e5
    assert "more than a hundred thousand times smaller" in PLAIN


def test_the_mean_derivative_falls_about_eightfold_only() -> None:
    generator = torch.Generator().manual_seed(1)
    query = torch.randn(2000, 1, 1024, generator=generator)
    key = torch.randn(2000, 8, 1024, generator=generator)
    sizes = []
    for divisor in (1.0, 32.0):
        w = torch.softmax((query @ key.mT).squeeze(1) / divisor, dim=-1)
        slope = torch.diag_embed(w) - w[:, :, None] * w[:, None, :]
        sizes.append(slope.norm(dim=(1, 2)).mean())
    assert 7 < sizes[1] / sizes[0] < 10
    assert "only about eight times smaller" in PLAIN


def test_half_the_mask_turned_round_gives_zeros_and_nan() -> None:
    scores = example.query @ example.key.T / 2
    causal = torch.ones(3, 3, dtype=torch.bool).tril()
    first = torch.softmax(scores.masked_fill(causal, -math.inf), dim=-1)
    one_slip = first.masked_fill(~causal, 0.0)
    assert one_slip[:2].eq(0).all()
    assert one_slip[2].isnan().all()
    both = first.masked_fill(causal, 0.0)
    assert torch.equal(both.ne(0), ~causal)


def test_the_derivative_is_the_softmaxs_own() -> None:
    scores = torch.randn(7, dtype=torch.float64)
    w = torch.softmax(scores, dim=0)
    wanted = torch.autograd.functional.jacobian(
        lambda s: torch.softmax(s, dim=0), scores
    )
    assert torch.allclose(torch.diag(w) - torch.outer(w, w), wanted)


def test_the_rows_zeroed_too_late_sum_to_what_the_figure_says() -> None:
    _, weights = example_attention()
    sums = weights.tril().sum(dim=1).tolist()
    alt = next(b for a, b in CHAPTER.blocks("drawing") if "before_after" in a)
    said = re.findall(r"rows sum to ([\d.]+), ([\d.]+) and (\d\.\d+)", alt)
    assert [f"{total:.2f}" for total in sums] == list(said[0])


def test_the_chapter_goes_through_all_its_steps_in_order() -> None:
    steps = [
        "```{map} scaled-dot-product-attention",
        "soft_lookup",
        "## With numbers",
        "```{paper} 3.2.1",
        "(eq-attention)",
        "```{exercise} attention-scaled-dot-product",
        "### Reading the solution",
        "## See it work, see it break",
        "Paper, our code, today",
        ":::{faq}",
        ":::{quiz}",
    ]
    places = [TEXT.index(step) for step in steps]
    assert places == sorted(places)
