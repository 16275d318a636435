"""Signatures: what may differ in how an object is called, and what not."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from laidout.attention import MultiHeadAttention, scaled_dot_product_attention
from laidout.tokenizer import BPETokenizer
from laidout.workshop.signatures import signature_problem


def function(parameters: str) -> Any:
    """Return a function with these parameters."""
    names: dict[str, Any] = {}
    exec(f"def scale({parameters}): pass", names)
    return names["scale"]


WANTED = function("x, factor, offset=0.0, mask=None")


@pytest.mark.parametrize(
    "parameters",
    [
        "x, factor, offset=0.0, mask=None",
        "x: int, factor: float, offset: float = 0, mask: str | None = None",
        "x, factor, offset=0.0, mask=None, more=3",
        "x, factor, offset=0.0, mask=None, *, more=3, other=None",
        "*args, **kwargs",
        "x, *rest",
        "**anything",
    ],
)
def test_what_can_be_called_in_the_same_way_is_fine(parameters: str) -> None:
    assert signature_problem(function(parameters), WANTED) is None


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        (
            "x",
            "scale takes (x); it must take "
            "(x, factor, offset=0.0, mask=None).",
        ),
        (
            "",
            "scale takes (); it must take (x, factor, offset=0.0, mask=None).",
        ),
        (
            "x, factor, mask=None, offset=0.0",
            "scale takes (x, factor, mask=None, offset=0.0); it must take "
            "(x, factor, offset=0.0, mask=None).",
        ),
        (
            "x, scale, offset=0.0, mask=None",
            "scale takes (x, scale, offset=0.0, mask=None); it must take "
            "(x, factor, offset=0.0, mask=None).",
        ),
        (
            "x, factor, offset, mask, more",
            "scale takes (x, factor, offset, mask, more); it must take "
            "(x, factor, offset=0.0, mask=None).",
        ),
        (
            "x, factor, offset=0.0, mask=None, *, more",
            "scale takes (x, factor, offset=0.0, mask=None, more); it must "
            "take (x, factor, offset=0.0, mask=None).",
        ),
        (
            "x, factor, offset, mask",
            "scale: offset needs the default 0.0.",
        ),
        (
            "x, factor, offset=1.5, mask=None",
            "scale: the default of offset is 1.5, must be 0.0.",
        ),
        (
            "x, factor, offset=0.0, mask=False",
            "scale: the default of mask is False, must be None.",
        ),
    ],
)
def test_what_is_called_in_another_way_is_told(
    parameters: str, problem: str
) -> None:
    assert signature_problem(function(parameters), WANTED) == problem


def test_a_parameter_may_have_a_default_where_none_is_wanted() -> None:
    given = function("x=1, factor=2, offset=0.0, mask=None")
    assert signature_problem(given, WANTED) is None


@pytest.mark.parametrize(
    ("mine", "problem"),
    [
        (None, "scale is NoneType, not a function."),
        (3, "scale is int, not a function."),
        (torch.ones(2), "scale is Tensor, not a function."),
        (int, "scale must be a function."),
    ],
)
def test_what_is_no_function_is_told(mine: Any, problem: str) -> None:
    assert signature_problem(mine, WANTED) == problem


def test_an_object_that_can_be_called_may_stand_for_a_function() -> None:
    class Scale:
        def __call__(
            self, x: int, factor: int, offset: float = 0.0, mask: Any = None
        ) -> None: ...

    assert signature_problem(Scale(), WANTED) is None


def test_what_is_written_in_c_is_not_looked_at() -> None:
    assert signature_problem(torch.softmax, WANTED) is None


# --- classes ----------------------------------------------------------------


class Module(nn.Module):
    unit = "cm"

    def __init__(self, size: int, dropout: float = 0.1) -> None:
        super().__init__()

    def forward(self, x: int, mask: Any = None) -> None: ...

    @classmethod
    def load(cls, path: str) -> None: ...

    @staticmethod
    def count(n: int) -> None: ...

    @property
    def device(self) -> str:
        return "cpu"

    def _private(self, n: int) -> None: ...


def changed(**methods: Any) -> type:
    """Return a class like `Module`, some of its methods exchanged."""
    kept = {
        name: value
        for name, value in vars(Module).items()
        if not name.startswith("__") or name == "__init__"
    }
    present = {k: v for k, v in (kept | methods).items() if v is not ...}
    return type("Module", (), present)


def test_the_private_parts_of_a_class_are_free() -> None:
    assert signature_problem(changed(_private=...), Module) is None
    assert signature_problem(changed(_private=lambda: 0), Module) is None
    assert signature_problem(changed(unit=..., device=...), Module) is None


@pytest.mark.parametrize("name", ["forward", "load", "count"])
def test_a_public_method_that_is_missing_is_named(name: str) -> None:
    problem = signature_problem(changed(**{name: ...}), Module)
    assert problem == f"Module.{name} is missing."


def test_a_class_without_init_takes_whatever_its_base_takes() -> None:
    assert signature_problem(changed(__init__=...), Module) is None


@pytest.mark.parametrize(
    ("name", "method", "problem"),
    [
        (
            "forward",
            lambda self, x: None,
            "Module.forward takes (self, x); it must take "
            "(self, x, mask=None).",
        ),
        (
            "__init__",
            lambda self, size, dropout=0.5: None,
            "Module.__init__: the default of dropout is 0.5, must be 0.1.",
        ),
        (
            "load",
            lambda cls, path: None,
            "Module.load takes (cls, path); it must take (path).",
        ),
        (
            "count",
            staticmethod(lambda m: None),
            "Module.count takes (m); it must take (n).",
        ),
    ],
)
def test_a_method_that_is_called_in_another_way_is_told(
    name: str, method: Any, problem: str
) -> None:
    assert signature_problem(changed(**{name: method}), Module) == problem


@pytest.mark.parametrize("mine", [function("x"), Module(3), None])
def test_what_is_no_class_is_told(mine: Any) -> None:
    assert signature_problem(mine, Module) == "Module must be a class."


# --- objects of the book ----------------------------------------------------


@pytest.mark.parametrize(
    "wanted", [scaled_dot_product_attention, MultiHeadAttention, BPETokenizer]
)
def test_an_object_fits_itself(wanted: Callable[..., Any]) -> None:
    assert signature_problem(wanted, wanted) is None


def test_a_forgotten_classmethod_is_told() -> None:
    forgotten = {"train": function("cls, texts, vocab_size")}
    mine = type("BPETokenizer", (BPETokenizer,), forgotten)
    assert signature_problem(mine, BPETokenizer) == (
        "BPETokenizer.train takes (cls, texts, vocab_size); it must take "
        "(texts, vocab_size)."
    )
