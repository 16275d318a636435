"""Hearing what the reader's code prints, and no more of it than fits."""

import re
import sys
import threading

import pytest

from laidout.workshop.capture import ENOUGH, Capped, captured


def fail(text: str, error: type[BaseException]) -> None:
    """Print something and raise an error."""
    print(text)
    raise error


def test_both_streams_are_heard_in_their_order(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print("before")
    with captured() as heard:
        print("one")
        print("two", file=sys.stderr)
        sys.stdout.write("three")
    print("after")
    assert heard.text() == "one\ntwo\nthree"
    assert capsys.readouterr() == ("before\nafter\n", "")


def test_what_is_silent_is_heard_as_nothing() -> None:
    with captured() as heard:
        print("", end="")
    assert heard.text() == ""


def test_what_was_heard_can_be_read_meanwhile() -> None:
    with captured() as heard:
        print("one")
        assert heard.text() == "one\n"
        print("two")
    assert heard.text() == "one\ntwo\n"


def test_the_streams_are_put_back_even_after_an_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = sys.stdout, sys.stderr
    with pytest.raises(KeyError), captured():
        raise KeyError
    assert (sys.stdout, sys.stderr) == before
    with captured():
        sys.stdout = sys.stderr
    assert (sys.stdout, sys.stderr) == before


# --- one inside another -----------------------------------------------------


def test_the_inner_one_hears_and_the_outer_one_does_not() -> None:
    with captured() as outer:
        print("a")
        with captured() as inner:
            print("b")
        print("c")
    assert inner.text() == "b\n"
    assert outer.text() == "a\nc\n"


@pytest.mark.parametrize(
    "error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit]
)
def test_of_an_error_whoever_listens_around_it_hears_too(
    error: type[BaseException],
) -> None:
    with captured() as outer:
        print("a")
        with pytest.raises(error), captured(), captured() as inner:
            fail("b", error)
        print("c")
    assert inner.text() == "b\n"
    assert outer.text() == "a\nb\nc\n"


def test_an_error_that_is_caught_inside_is_none() -> None:
    with captured() as outer, captured() as inner:
        print("a")
        with pytest.raises(KeyError):
            raise KeyError
    assert (outer.text(), inner.text()) == ("", "a\n")


def test_without_one_around_it_an_error_reaches_no_screen(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(KeyError), captured() as heard:
        fail("secret", KeyError)
    assert heard.text() == "secret\n"
    assert capsys.readouterr() == ("", "")


# --- how much is kept -------------------------------------------------------


def test_of_a_flood_the_beginning_is_kept_and_the_rest_counted() -> None:
    with captured() as heard:
        for n in range(100_000):
            print(n)
    kept, _, rest = heard.text().rpartition("\n")
    assert len(kept) == ENOUGH
    assert "".join(f"{n}\n" for n in range(100_000)).startswith(kept)
    count = re.fullmatch(r"\.\.\. and ([\d,]+) characters more", rest)
    assert count is not None
    assert int(count[1].replace(",", "")) + ENOUGH == 588_890


def test_a_capped_stream_says_how_much_it_has_left_out() -> None:
    stream = Capped()
    print("x" * (ENOUGH - 2), file=stream)
    assert stream.text() == "x" * (ENOUGH - 2) + "\n"
    print("yz" * 700, file=stream)
    kept = "x" * (ENOUGH - 2) + "\ny"
    assert stream.text() == f"{kept}\n... and 1,400 characters more"


def test_what_fits_exactly_is_kept_whole() -> None:
    stream = Capped()
    assert stream.write("x" * ENOUGH) == ENOUGH
    assert stream.text() == "x" * ENOUGH
    # A stream always says that it took all of it.
    assert stream.write("abc") == 3
    assert stream.text().endswith("x\n... and 3 characters more")


def test_a_capped_stream_is_a_stream_like_any_other() -> None:
    stream = Capped()
    stream.writelines(["a", "b\n"])
    stream.flush()
    print("é", "漢", sep="-", file=stream)
    assert stream.text() == "ab\né-漢\n"
    assert not stream.isatty()
    assert not stream.closed


def test_a_thread_that_prints_is_heard() -> None:
    with captured() as heard:
        thread = threading.Thread(target=lambda: print("from a thread"))
        thread.start()
        thread.join()
    assert heard.text() == "from a thread\n"
