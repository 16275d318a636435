"""What the chapter says, recomputed by roots, by hand and by PyTorch."""

import inspect
import json
import math
import re
from collections import Counter
from typing import Any
from unittest.mock import MagicMock

import pytest
import torch
from book.chapter import BOOK, Chapter
from torch import nn

from figures import the_learning_rate as figures
from figures.canvas import Drawing
from laidout.layers import EncoderLayer
from laidout.positional import PositionalEncoding
from laidout.run import Settings
from laidout.transformer import Transformer, TransformerConfig

CHAPTER = Chapter(BOOK / "training/the-learning-rate.md")
TEXT, PLAIN = CHAPTER.text, CHAPTER.plain


def by_roots(step: int, d_model: int = 4, warmup: int = 4) -> float:
    """Write the paper's equation (3) with roots, as an oracle."""
    if step <= warmup:
        return step / (warmup * math.sqrt(d_model * warmup))
    return 1 / math.sqrt(d_model * step)


def alt(figure: str) -> str:
    """Return the alternative text of a drawing."""
    (body,) = [
        body for name, body in CHAPTER.blocks("drawing") if figure in name
    ]
    return body.partition("\n")[0]


def numbers(text: str) -> list[float]:
    """Read off all numbers of a text."""
    return [float(one) for one in re.findall(r"\d+(?:\.\d+)?", text)]


def run_cells(*says: str) -> dict[str, object]:
    """Run some cells of the page, one after the other, without plotting."""
    plt = MagicMock()
    plt.subplots.return_value = MagicMock(), MagicMock()
    names: dict[str, object] = {"torch": torch, "plt": plt}
    for one in says:
        exec(compile(CHAPTER.cell(one), str(CHAPTER.path), "exec"), names)
    return names


# --- the rates --------------------------------------------------------------


def test_the_parts_of_the_map_that_are_lit_have_numbers_to_learn() -> None:
    (lit,) = [name.split() for name, _ in CHAPTER.blocks("map")]
    model = Transformer(TransformerConfig.tiny(30, 30))
    layer = model.encoder.layers[0]
    assert isinstance(layer, EncoderLayer)
    trained: dict[str, nn.Module] = {
        "embedding": model.src_embedding,
        "multi-head-attention": layer.self_attention,
        "feed-forward": layer.feed_forward,
        "add-and-norm": layer.norm_1,
        "linear-and-softmax": model.output_projection,
    }
    assert all(list(module.parameters()) for module in trained.values())
    assert sorted(lit) == sorted(trained)
    assert not list(PositionalEncoding(4).parameters())


def test_a_walk_down_the_valley_ends_where_the_picture_says() -> None:
    said = re.findall(r"[\d.]+ (?:from|away)", alt("valley"))
    ends = [-1.2 * (1 - rate) ** 5 for rate in (0.1, 0.6, 2.1)]
    assert [numbers(one)[0] for one in said] == [
        round(abs(end), 2) for end in ends
    ]
    for rate, end in zip((0.1, 0.6, 2.1), ends, strict=True):
        assert figures.descend(rate)[-1] == pytest.approx(end)
    assert abs(ends[2]) > 1.2


def test_the_first_six_steps_are_those_of_the_table() -> None:
    rows = re.findall(r"((?:[\d.]+, ){5}[\d.]+)\.", alt("table"))
    assert [numbers(row) for row in rows] == [
        [round(n / 8, 3) for n in range(1, 7)],
        [round(1 / math.sqrt(n), 3) for n in range(1, 7)],
    ]
    rates = numbers(alt("table").partition("The rates are")[2])
    assert rates == [round(by_roots(n), 4) for n in range(1, 7)]


def test_steps_two_and_nine_are_worked_out_as_they_are_drawn() -> None:
    said = alt("one_step")
    for step in (2, 9):
        parts = step / 8, 1 / math.sqrt(step), by_roots(step)
        assert all(f"{part:.3f}" in said for part in parts)
    assert by_roots(2) == min(2 / 8, 1 / math.sqrt(2)) / 2
    assert by_roots(9) == pytest.approx(min(9 / 8, 1 / 3) / 2)


def test_four_times_the_steps_halve_the_rate() -> None:
    rates = [by_roots(step) for step in (4, 16, 64)]
    assert rates == [0.25, 0.125, 0.0625]
    assert "the rate halves, from 0.25 to 0.125" in PLAIN
    assert "To halve it once more takes until step 64" in PLAIN


@pytest.mark.parametrize(("d_model", "warmup"), [(4, 4), (512, 4000), (64, 7)])
def test_the_figures_draw_the_rates_of_equation_3(
    d_model: int, warmup: int
) -> None:
    for step in (1, warmup - 1, warmup, warmup + 1, 9 * warmup):
        assert figures.rate(step, d_model, warmup) == pytest.approx(
            by_roots(step, d_model, warmup)
        )


def test_the_two_lines_cross_at_the_end_of_the_warm_up() -> None:
    for warmup in (1, 4, 600, 4000):
        falling, rising = warmup**-0.5, warmup * warmup**-1.5
        assert falling == pytest.approx(rising)
        peak = by_roots(warmup, 512, warmup)
        assert peak == pytest.approx((512 * warmup) ** -0.5)
    assert "at a height of 0.25" in alt("crossing")
    assert "from 0.06 at step 1, and a curve falls from 0.5" in alt("crossing")
    assert (round(by_roots(1), 2), 4**-0.5) == (0.06, 0.5)


def test_the_base_model_has_the_rates_that_the_page_tells() -> None:
    assert round(by_roots(4000, 512, 4000), 4) == 0.0007
    assert round(by_roots(100_000, 512, 4000), 5) == 0.00014
    assert "0.0007 at step 4000" in alt("shape")
    assert "to 0.00014" in alt("shape")
    assert "base model's peak is about 0.0007" in PLAIN
    assert "at its peak | 0.25 | 0.0007 |" in TEXT


def test_the_warm_up_reads_a_hundred_million_tokens() -> None:
    assert 4000 * 25_000 == 100_000_000
    assert "a hundred million tokens" in PLAIN


def test_the_peaks_of_the_settings_are_as_the_text_compares_them() -> None:
    base, longer, wider, phrases = (
        by_roots(warmup, d_model, warmup)
        for d_model, warmup in [
            (512, 4000),
            (512, 8000),
            (1024, 4000),
            (64, 600),
        ]
    )
    assert longer == pytest.approx(wider)
    assert round(phrases / base) == 7
    assert "Its peak is seven times that of the base model" in PLAIN
    assert round(phrases, 4) == 0.0051
    assert "0.0051" in alt("without_the_rise")
    assert by_roots(8000, 512, 8000) == by_roots(8000, 512, 4000)


def test_every_line_of_the_check_says_true(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_cells("def make_adam", "resumed ==")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7
    assert all(line.endswith(" True") for line in lines)


def test_adams_default_is_thousands_of_times_the_first_rate() -> None:
    default = torch.optim.Adam([torch.zeros(1)]).param_groups[0]["lr"]
    assert 5000 < default / by_roots(1, 512, 4000) < 6000
    assert "more than five thousand times" in PLAIN


def test_every_drawing_of_the_module_stands_on_the_page() -> None:
    module = figures.__name__.rpartition(".")[2]
    drawn = [
        f"{module}.{name}"
        for name, figure in inspect.getmembers(figures, inspect.isfunction)
        if inspect.signature(figure).return_annotation is Drawing
    ]
    assert sorted(drawn) == sorted(n for n, _ in CHAPTER.blocks("drawing"))


# --- Adam -------------------------------------------------------------------


def test_the_first_step_of_adam_is_one_rate_long() -> None:
    for gradient in figures.GRADIENTS:
        m, v = 0.1 * gradient, 0.02 * gradient**2
        move = -(m / 0.1) / math.sqrt(v / 0.02)
        drawn = figures.moves(torch.tensor([[gradient]], dtype=torch.float64))
        assert drawn.item() == pytest.approx(move, abs=1e-6)
        assert abs(move) == pytest.approx(1)
    assert "for the gradients 0.1, 2 and minus 40" in alt("adam_first_step")


def test_a_third_gradient_that_disagrees_shortens_the_move() -> None:
    m, v = 0.0, 0.0
    means, squares = [], []
    for gradient in (1, 1, -1):
        m, v = 0.9 * m + 0.1 * gradient, 0.98 * v + 0.02 * gradient**2
        means.append(round(m, 3))
        squares.append(round(v, 5))
    assert means == [0.1, 0.19, 0.071]
    assert squares == [0.02, 0.0396, 0.05881]
    assert round(m / (1 - 0.9**3), 3) == 0.262
    assert v / (1 - 0.98**3) == pytest.approx(1)
    drawn = figures.moves(torch.tensor([[1.0], [1.0], [-1.0]]).double())
    assert drawn.flatten().tolist() == pytest.approx(
        [-1, -1, -0.262], abs=1e-3
    )
    assert "0.1, 0.19 and 0.071" in alt("adam_three_steps")
    assert "0.02, 0.0396 and 0.05881" in alt("adam_three_steps")
    assert "$1 - 0.9^3 = 0.271$; dividing by that gives 0.262" in PLAIN
    assert round(1 - 0.98**3, 4) == 0.0588
    assert "to 0.0588 at step 3, and divided by that it is 1" in PLAIN


def test_a_gradient_of_epsilon_moves_half_as_far(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_cells("for eps in")
    lines = capsys.readouterr().out.splitlines()
    moved = [numbers(line.partition("[")[2]) for line in lines]
    assert moved[0] == [0.5, 0.909, 0.999, 1, 1, 1]
    assert moved[1] == [0.091, 0.5, 0.99, 1, 1, 1]
    assert torch.optim.Adam([torch.zeros(1)]).defaults["eps"] == 1e-8
    assert "PyTorch's default of $10^{-8}$" in PLAIN


def test_on_noise_the_first_move_is_five_times_as_long_as_later_ones() -> None:
    lengths = run_cells("torch.randn(10_000)")["lengths"]
    assert isinstance(lengths, list)
    for step, said in [(1, 1.0), (2, 0.64), (10, 0.27)]:
        assert lengths[step - 1] == pytest.approx(said, abs=0.01)
    later = lengths[20:]
    assert all(0.17 < length < 0.22 for length in later)
    assert 1 / (sum(later) / len(later)) == pytest.approx(5, abs=0.5)
    assert "It is 1 at step 1, 0.64 at step 2, 0.27 at step 10" in PLAIN


def test_the_shorter_memory_recovers_in_hundreds_of_steps() -> None:
    short, long = figures.flinches(0.98), figures.flinches(0.999)
    for sizes in (short, long):
        after = [sizes[step] for step in sizes if step > 100]
        assert min(after) == pytest.approx(0.12, abs=0.02)
    assert short[500] > 0.95
    assert long[1600] == pytest.approx(0.5, abs=0.03)
    assert "nearly back at 1 after 400 steps" in alt("adam_memory")
    assert "only half of it after 1500" in alt("adam_memory")


def test_the_root_of_v_has_not_forgotten_what_m_has() -> None:
    steps = [100.0 if step == 100 else 1.0 for step in range(1, 5001)]
    m, v, back = 0.0, 0.0, 0
    for step, gradient in enumerate(steps, 1):
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        mean, root = m / (1 - 0.9**step), math.sqrt(v / (1 - 0.999**step))
        if step == 100:
            assert round(mean / root, 2) == 1.06
            assert (round(mean, 1), round(root, 1)) == (10.9, 10.3)
            assert 90 < (1 - 0.999**step) / 0.001 < 100
            assert figures.flinches(0.98)[step] < 0.75, "no spike"
            assert figures.flinches(0.999)[step] == pytest.approx(mean / root)
        if step == 150:
            assert round(mean, 2) == 1.05
            assert root > 8
            short = mean / figures.flinches(0.98)[step]
            assert short > 8
        if step > 200 and not back and mean / root > 0.9:
            back = step
    assert back == pytest.approx(3900, abs=50)
    assert "is back at 1.05" in PLAIN
    assert "it is still above 8 in both cases" in PLAIN
    assert "until step 3900 or so to be back at nine tenths" in PLAIN
    assert "takes in a tenth of it and becomes 10.9" in PLAIN
    assert "the root is only 10.3, and the move 1.06 rates long" in PLAIN


def test_gradients_that_keep_growing_lead_beyond_a_rate() -> None:
    growing = torch.tensor([[1.05**n] for n in range(600)]).double()
    longest = figures.moves(growing).abs().max().item()
    assert round(longest, 2) == 1.65
    said = "grow by 5 percent at every step, the moves become 1.65 rates long"
    assert said in PLAIN


def test_a_warm_up_makes_the_first_rates_small() -> None:
    peak = by_roots(4000, 512, 4000)
    for step, part in ((1, 4000), (20, 200)):
        assert peak / by_roots(step, 512, 4000) == pytest.approx(part)
    assert "1/4000 of the peak at step 1, and 1/200 at step 20" in PLAIN


def test_the_memories_are_as_long_as_said() -> None:
    assert round(1 / (1 - 0.98)) == 50
    assert round(1 / (1 - 0.999)) == 1000
    assert round(2 / (1 - 0.98)) == 100
    defaults = torch.optim.Adam([torch.zeros(1)]).defaults
    assert defaults["betas"] == (0.9, 0.999)
    assert "about 50 for the paper's 0.98 and about 1000 for 0.999" in PLAIN


# --- the trial ---------------------------------------------------------------


def test_the_trial_is_recorded_as_the_page_describes_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record = json.loads((BOOK / "results/warmup.json").read_text("utf-8"))
    settings, runs = record["settings"], record["results"]
    names = "warmup_steps", "every", "limit", "goal", "sentences"
    assert [settings[name] for name in names] == [600, 100, 3000, 0.9, 200]
    cases = Counter((r["norm"], r["layers"], r["warmup"]) for r in runs)
    assert len(cases) == 8
    assert set(cases.values()) == {3}
    steps = Counter(
        (r["norm"], r["layers"], r["seed"], r["steps"]) for r in runs
    )
    assert set(steps.values()) == {2}, "a pair has equally many steps"
    monkeypatch.chdir(CHAPTER.path.parent)
    run_cells("def arm(run)")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 8
    assert max(map(len, lines)) <= 40, "fits on a phone"


def trial(norm: str, layers: int, warmup: bool) -> list[dict[str, Any]]:
    """Return the recorded runs of one case, a seed each."""
    record = json.loads((BOOK / "results/warmup.json").read_text("utf-8"))
    wanted = norm, layers, warmup
    return [
        run
        for run in record["results"]
        if (run["norm"], run["layers"], run["warmup"]) == wanted
    ]


def test_deep_post_norm_is_stuck_without_warm_up_and_learns_with_it() -> None:
    for run in trial("post", 6, warmup=False):
        losses = {step: loss for step, loss, _ in run["curve"]}
        assert run["exact_match"] == 0
        assert losses[1000] == pytest.approx(4.15, abs=0.05)
        assert losses[3000] == pytest.approx(4.05, abs=0.05)
    ends = []
    for run in trial("post", 6, warmup=True):
        losses = {step: loss for step, loss, _ in run["curve"]}
        assert losses[400] == pytest.approx(3.2, abs=0.2)
        assert losses[3000] == pytest.approx(1.0, abs=0.16)
        assert run["reached"] is None
        ends.append(run["exact_match"])
    right = [round(200 * end) for end in ends]
    assert f"{min(right)} to {max(right)} of the 200 sentences" in PLAIN


def test_where_the_trial_had_no_need_of_a_warm_up() -> None:
    def behind(norm: str, layers: int) -> list[float]:
        with_it, without = (trial(norm, layers, w) for w in (True, False))
        return sorted(
            100 * (a["exact_match"] - b["exact_match"])
            for a, b in zip(with_it, without, strict=True)
        )

    assert behind("post", 2) == pytest.approx([8, 11.5, 32.5])
    assert "trail by 8 to 33 points" in PLAIN
    assert behind("pre", 6) == pytest.approx([3, 5.5, 10])
    assert "six layers they trail by 3 to 10" in PLAIN
    ahead = {run["reached"] for run in trial("pre", 2, warmup=False)}
    assert ahead == {700, 800}
    assert {run["reached"] for run in trial("pre", 2, warmup=True)} == {1000}


# --- questions and quiz -----------------------------------------------------


def test_the_phrase_model_trains_as_the_answers_say() -> None:
    settings = Settings()
    assert settings.warmup_steps == 600
    assert settings.steps == 2200
    assert settings.max_tokens == 1000
    assert TransformerConfig.tiny(9, 9).d_model == 64
    assert round(600 / 2200, 2) == 0.27
    assert "after about a quarter of the training" in PLAIN
    assert 4000 / 100_000 == 0.04
    assert "comes after 4 percent" in PLAIN


def test_a_quarter_of_the_warm_up_doubles_the_peak() -> None:
    assert by_roots(1000, 512, 1000) == 2 * by_roots(4000, 512, 4000)
    assert by_roots(9, 2048, 4) == by_roots(9, 512, 4) / 2


def test_width_and_warm_up_explain_the_peak_of_the_phrase_model() -> None:
    wide, long = math.sqrt(512 / 64), math.sqrt(4000 / 600)
    assert (round(wide, 1), round(long, 1)) == (2.8, 2.6)
    base, phrases = by_roots(4000, 512, 4000), by_roots(600, 64, 600)
    assert phrases / base == pytest.approx(wide * long)
    assert "$\\sqrt{8}$, or 2.8, and its shorter warm-up" in PLAIN


def test_the_quiz_gives_the_right_marks() -> None:
    assert by_roots(16) == 0.125
    assert (1 / math.sqrt(16), 16 / 8, 16 / 8 / 2) == (0.25, 2, 1)
    far = 100_000
    assert by_roots(far, 512, 4000) == by_roots(far, 512, 8000)
    assert round(2**1.5, 2) == 2.83
    right = re.findall(r"^- \[x\] (.*)", TEXT, re.M)
    assert right[:2] == ["0.125", "Nothing"]


def test_the_chapter_goes_through_all_its_steps_in_order() -> None:
    steps = [
        "```{map} embedding",
        "the_learning_rate.valley",
        "## With numbers",
        "```{paper} 5.3",
        "(eq-lrate)",
        "the_learning_rate.crossing",
        "### Three settings",
        "```{exercise} schedule-transformer",
        "### Reading the solution",
        "## See it work, see it break",
        "\\theta &\\leftarrow",
        "### Without warm-up",
        "Paper, our code, today",
        ":::{faq}",
        ":::{quiz}",
        "[Training on the page](training-on-the-page.md)",
    ]
    places = [TEXT.index(step) for step in steps]
    assert places == sorted(places)
