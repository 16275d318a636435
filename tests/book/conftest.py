"""Fixtures for the tests of the book's extension."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from book.tiny import TinyBook


@pytest.fixture
def book(tmp_path: Path) -> TinyBook:
    """Return a tiny book without pages."""
    return TinyBook(tmp_path)


@pytest.fixture(scope="session", autouse=True)
def kernels_without_settings(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[None]:
    """Keep the settings of whoever runs the tests out of the kernels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        yield
