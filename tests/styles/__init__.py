"""Other people's code: right and wrong solutions in styles of their own.

Each module holds solutions that were written without looking at the
package's source. The right ones must be accepted, the wrong ones must be
rejected and their mistake named.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

Solution = TypeVar("Solution", bound=Callable[..., Any])

RIGHT: list[tuple[str, Any]] = []
"""Exercise and solution."""
WRONG: list[tuple[str, str, Any]] = []
"""Exercise, mistake and solution."""


def right(exercise: str) -> Callable[[Solution], Solution]:
    """Register a solution that must be accepted."""

    def register(solution: Solution) -> Solution:
        RIGHT.append((exercise, solution))
        return solution

    return register


def wrong(exercise: str, slug: str) -> Callable[[Solution], Solution]:
    """Register a solution whose mistake must be named."""

    def register(solution: Solution) -> Solution:
        WRONG.append((exercise, slug, solution))
        return solution

    return register


def load() -> None:
    """Import every module of solutions."""
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem != "__init__":
            import_module(f"styles.{path.stem}")
