"""What a check is asked, and what it has found.

Plain data that can be sent from one process to another, shown or written
down. Nothing here needs PyTorch.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from laidout.workshop.catalogue import Exercise

__all__ = ["Evidence", "Grid", "Result", "Status", "Task"]

Status = Literal["passed", "failed", "not started", "error"]

Grid = list[list[tuple[str, bool]]]
"""Numbers as texts, each with whether it is right."""


@dataclass(frozen=True)
class Task:
    """What is to be examined: an exercise in the reader's folder.

    `passed` are the exercises that the reader has solved; where this one
    builds on one of them, it must work with the reader's object too.
    """

    folder: Path
    exercise: str
    passed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """What a sentence rests on, for the reader to see it again.

    `says` is the property that broke, `call` the call that showed it,
    `difference` where the results first differ. The grids are the part of
    two tensors around that place, `window` says which part. `lines` are
    places in the reader's code.
    """

    says: str = ""
    call: str = ""
    difference: str = ""
    window: str = ""
    got: str = ""
    wanted: str = ""
    got_grid: Grid | None = None
    wanted_grid: Grid | None = None
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """What the check of one exercise has found.

    `message` says in one sentence what is wrong; `mistake` is its slug, if
    it is a known one, `nudge` a question that leads on, `second` a sentence
    on another mistake behind the first. `printed` is what the reader's code
    wrote meanwhile.
    """

    name: str
    object: str
    status: Status
    message: str = ""
    mistake: str | None = None
    nudge: str = ""
    second: str = ""
    evidence: Evidence = field(default_factory=Evidence)
    printed: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether the exercise is solved."""
        return self.status == "passed"

    @property
    def hint(self) -> str:
        """The command that helps."""
        return f"laidout hint {self.name}"

    @classmethod
    def of(
        cls, exercise: Exercise, status: Status, message: str = "", **more: Any
    ) -> Self:
        """Make the result of an exercise."""
        return cls(exercise.name, exercise.object, status, message, **more)

    def as_json(self) -> dict[str, Any]:
        """Return what `laidout check --json` prints of it."""
        found = asdict(self)
        hint = "" if self.passed else self.hint
        return {**found, "hint": hint, "seconds": round(self.seconds, 3)}
