"""The judge: what is right passes, and what is wrong gets its name."""

import re
import sys
from typing import Any

import pytest
import torch
from examiner import judge
from torch import Tensor

from laidout.workshop import judging
from laidout.workshop.capture import captured
from laidout.workshop.judging import raised_sentence
from laidout.workshop.observing import Raised, TimeUp

NAME = "masks-causal"


def right(size: int, device: Any = None) -> Tensor:
    if size < 0:
        raise ValueError("size")
    ones = torch.ones(1, 1, size, size, dtype=torch.bool, device=device)
    return ones.tril()


def test_what_is_right_passes_and_says_nothing() -> None:
    verdict = judge(NAME).verdict(right)
    assert verdict.passed
    assert (verdict.problem, verdict.mistake, verdict.probe) == (
        "",
        None,
        None,
    )


def test_a_wrong_signature_is_said_before_anything_is_run() -> None:
    def other(length: int) -> Tensor:
        raise AssertionError("nobody may call this")

    verdict = judge(NAME).verdict(other)
    assert verdict.problem.startswith("causal_mask takes (length)")
    assert verdict.probe is None


def test_a_known_mistake_is_named_with_its_evidence() -> None:
    def floats(size: int, device: Any = None) -> Tensor:
        return right(size, device).float()

    verdict = judge(NAME).verdict(floats)
    assert verdict.mistake is not None
    assert verdict.problem == verdict.mistake.says
    assert verdict.second is None
    assert verdict.probe in judge(NAME).probes
    assert verdict.difference is not None
    assert "bool" in verdict.difference.sentence


def test_of_two_mistakes_the_one_that_shows_first_is_named() -> None:
    examiner = judge(NAME)
    slugs = list(examiner.mistakes)
    pairs = [
        (one, other)
        for one in slugs
        for other in slugs
        if examiner.shows_at(one) < examiner.shows_at(other)
        and examiner.wrong((one, other)) is not None
    ]
    first, later = pairs[0]
    verdict = examiner.verdict(examiner.wrong((first, later)))
    assert verdict.mistake is not None
    assert verdict.mistake.slug == first


def test_what_nobody_knows_is_said_in_the_words_of_the_probe() -> None:
    def odd(size: int, device: Any = None) -> Tensor:
        mask = right(size, device)
        if size > 3:
            mask[..., 2, 3] = True
            mask[..., 3, 0] = False
        return mask

    verdict = judge(NAME).verdict(odd)
    assert verdict.mistake is None
    assert verdict.probe is not None
    assert verdict.problem == f"Not so here: {verdict.probe.says}"


def test_an_unknown_error_is_told_with_its_message() -> None:
    def fails(size: int, device: Any = None) -> Tensor:
        raise KeyError("nothing like it")

    verdict = judge(NAME).verdict(fails)
    assert verdict.mistake is None
    assert verdict.problem == (
        "causal_mask raised KeyError: 'nothing like it'"
    )
    assert verdict.raised is not None


def test_what_was_printed_is_that_of_the_probe_that_failed() -> None:
    calls: list[int] = []

    def loud(size: int, device: Any = None) -> Tensor:
        calls.append(size)
        print(f"call {len(calls)} for {size}")
        print("and a problem", file=sys.stderr)
        if size > 3:
            return right(size, device).float()
        return right(size, device)

    examiner = judge(NAME)
    verdict = examiner.verdict(loud)
    assert verdict.probe is not None
    before = examiner.probes.index(verdict.probe)
    lines = verdict.printed.splitlines()
    first = int(re.findall(r"call (\d+) ", lines[0])[0])
    assert lines[::2] == [
        f"call {first + n} for {calls[first + n - 1]}"
        for n in range(len(lines) // 2)
    ]
    assert set(lines[1::2]) == {"and a problem"}
    assert first > before


def test_what_is_right_is_not_quoted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def loud(size: int, device: Any = None) -> Tensor:
        print("spam")
        return right(size, device)

    assert judge(NAME).verdict(loud).printed == ""
    assert capsys.readouterr() == ("", "")


def test_what_was_printed_before_an_error_is_kept() -> None:
    def fails(size: int, device: Any = None) -> Tensor:
        print(f"size is {size}")
        raise KeyError(size)

    printed = judge(NAME).verdict(fails).printed
    assert re.fullmatch(r"size is \d+\n", printed)


def test_an_interrupt_tells_whoever_listens_what_was_printed() -> None:
    def slow(size: int, device: Any = None) -> Tensor:
        print("begin")
        raise TimeUp

    with captured() as heard, pytest.raises(TimeUp):
        judge(NAME).verdict(slow)
    assert heard.text() == "begin\n"


def test_what_is_not_written_is_no_mistake() -> None:
    def skeleton(size: int, device: Any = None) -> Tensor:
        raise NotImplementedError("causal_mask: not written yet")

    verdict = judge(NAME).verdict(skeleton)
    assert verdict.not_written
    assert verdict.mistake is None


def test_a_mistake_that_shows_earlier_cannot_be_the_one() -> None:
    # All the probes before went well; that mistake would have been seen.
    examiner = judge(NAME)
    place, slug = next(
        (place, slug)
        for place in reversed(range(len(examiner.probes)))
        for slug in examiner.mistakes
        if examiner.shows_at(slug) < place
        and not examiner._alike((slug,), place, examiner.wanted[place])
    )
    got = examiner.shown((slug,), place)
    assert got is not None
    named = examiner._recognise(right, place, got)
    assert slug not in [mistake.slug for mistake in named]


def test_pairs_are_looked_for_only_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(judging, "PATIENCE", -1.0)
    pairs = iter([("one", "other")])
    assert list(judging._for_a_while(pairs)) == []


@pytest.mark.parametrize(
    ("raised", "sentence"),
    [
        (Raised("RecursionError", "maximum"), "f calls itself without end."),
        (Raised("SystemExit", "3"), "f ends the program (sys.exit)."),
        (
            Raised("MemoryError", "x"),
            "f asks for more memory than it may have.",
        ),
        (
            Raised(
                "RuntimeError", "DefaultCPUAllocator: can't allocate memory"
            ),
            "f asks for more memory than it may have.",
        ),
        (Raised("ValueError", "one\ntwo"), "f raised ValueError: one"),
    ],
)
def test_an_error_is_one_sentence(raised: Raised, sentence: str) -> None:
    assert raised_sentence("f", raised) == sentence
