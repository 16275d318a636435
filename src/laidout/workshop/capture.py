"""Hear what the reader's code prints."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

__all__ = ["Capped", "captured"]

ENOUGH = 4_000
"""Characters that are kept."""


@contextmanager
def captured() -> Iterator["Capped"]:
    """Keep what is printed meanwhile, or the beginning of it.

    If it ends in an error, whoever listens around it hears it too.
    """
    heard = Capped()
    try:
        with redirect_stdout(heard), redirect_stderr(heard):
            yield heard
    except BaseException:
        if isinstance(sys.stdout, Capped):
            sys.stdout.write(heard.text())
        raise


class Capped(io.TextIOBase):
    """A text stream that keeps the beginning of what is written to it."""

    def __init__(self) -> None:
        self._kept = ""
        self._written = 0

    def write(self, text: str) -> int:
        """Keep a text as long as there is room."""
        self._written += len(text)
        self._kept += text[: ENOUGH - len(self._kept)]
        return len(text)

    def text(self) -> str:
        """Return what was kept, and how much was not."""
        left_out = self._written - len(self._kept)
        more = f"\n... and {left_out:,} characters more" if left_out else ""
        return self._kept + more
