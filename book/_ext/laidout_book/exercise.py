"""`{exercise} name`: task, skeleton, hints and solution of the catalogue."""

from pathlib import Path
from typing import Any, cast

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

from laidout.workshop.catalogue import (
    EXERCISES,
    CatalogueError,
    Exercise,
    find_exercise,
)
from laidout_book.drawn import draw
from laidout_book.errors import stop
from laidout_book.nodes import block, make_toggle


def exercises_drawn(env: BuildEnvironment) -> dict[str, list[tuple[str, str]]]:
    """Return (exercise, place) of what each page draws."""
    if not hasattr(env, "laidout_exercises"):
        env.laidout_exercises = {}  # type: ignore[attr-defined]
    return cast(
        dict[str, list[tuple[str, str]]],
        env.laidout_exercises,  # type: ignore[attr-defined]
    )


class ExerciseDirective(SphinxDirective):
    """Draw one exercise; the body, if there is one, says how to check it."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Build the exercise's box."""
        exercise = self._find()
        env = self.env
        self._depend_on_catalogue()
        path, line = self.get_source_info()
        exercises_drawn(env).setdefault(env.docname, []).append(
            (exercise.name, f"{path}:{line}")
        )
        node_id = nodes.make_id(f"exercise-{exercise.name}")
        box = block("", classes=["exercise"], ids=[node_id], tag="section")
        self.set_source_info(box)
        box["name"] = exercise.name
        box += self._head(exercise, node_id)
        box += self._markdown(exercise.task)
        box += self._links(exercise)
        box += nodes.literal_block(
            exercise.skeleton,
            exercise.skeleton,
            language="python",
            classes=["skeleton"],
        )
        box += self._markdown(
            f"Check it in your workspace: `laidout check {exercise.name}`."
        )
        box += self.parse_content_to_nodes()
        box += self._hints(exercise, node_id)
        box += self._solution(exercise, node_id)
        return [box]

    def _find(self) -> Exercise:
        try:
            return find_exercise(self.arguments[0].strip())
        except CatalogueError as error:
            raise stop(self, str(error)) from None

    def _depend_on_catalogue(self) -> None:
        for path in EXERCISES.glob("*.toml"):
            self.env.note_dependency(str(path))

    def _head(self, exercise: Exercise, node_id: str) -> list[nodes.Node]:
        title = nodes.paragraph("", "", classes=["box-title"])
        title += nodes.inline("", "Exercise", classes=["box-kind"])
        title += nodes.Text(f" {exercise.title}")
        minutes = f"about {exercise.minutes} minutes"
        title += nodes.inline("", minutes, classes=["box-note"])
        return [title]

    def _markdown(self, text: str) -> list[nodes.Node]:
        """Parse Markdown of the catalogue as if it stood on this page."""
        place, _ = self.get_source_info()
        lines = StringList(text.strip().splitlines(), source=place)
        holder = nodes.Element()
        self.state.nested_parse(lines, self.content_offset, holder)
        return list(holder.children)

    def _links(self, exercise: Exercise) -> list[nodes.Node]:
        """List the pages of PyTorch's documentation that help."""
        rows = [f"- {{py:obj}}`{k.object}`: {k.why}" for k in exercise.links]
        lead = nodes.paragraph("", "From PyTorch you need:")
        return [lead, *self._markdown("\n".join(rows))]

    def _hints(self, exercise: Exercise, node_id: str) -> list[nodes.Node]:
        count = len(exercise.hints)
        return [
            make_toggle(
                [nodes.Text(f"Hint {number} of {count}")],
                self._markdown(hint),
                ["hint"],
                [f"{node_id}-hint-{number}"],
            )
            for number, hint in enumerate(exercise.hints, start=1)
        ]

    def _solution(self, exercise: Exercise, node_id: str) -> nodes.Node:
        """Draw the object; of one that is several exercises, the methods."""
        if exercise.elsewhere:
            drawn: list[nodes.Node] = [
                nodes.literal_block(
                    exercise.answer, exercise.answer, language="python"
                )
            ]
        else:
            path = Path(exercise.source.path)
            drawn = draw(self, path, exercise.source.name)
        return make_toggle(
            [nodes.Text("Solution: the tested source")],
            drawn,
            ["solution"],
            [f"{node_id}-solution"],
        )


def _purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    exercises_drawn(env).pop(docname, None)


def _merge(
    app: Sphinx, env: BuildEnvironment, docnames: set[str], other: Any
) -> None:
    found = exercises_drawn(other).items()
    exercises_drawn(env).update({p: e for p, e in found if p in docnames})


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("exercise", ExerciseDirective)
    app.connect("env-purge-doc", _purge)
    app.connect("env-merge-info", _merge)
