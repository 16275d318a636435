"""The numbers that the probes work with."""

import torch
from torch import Tensor, nn

from laidout.workshop.probes import Shape
from laidout.workshop.tensors import (
    count,
    fill,
    filled,
    gradients,
    make,
    make_mask,
    shapes,
    unused,
)


def assert_same(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_numbers_depend_on_name_and_shape_alone() -> None:
    before = make("x", 2, 3)
    torch.manual_seed(5)
    assert_same(make("x", 2, 3), before)
    assert before.dtype == torch.float64
    assert not torch.equal(make("y", 2, 3), before)
    assert not torch.equal(make("x", 3, 2).view(2, 3), before)
    assert make("x").shape == ()


def test_a_mask_hides_something_but_no_whole_row() -> None:
    mask = make_mask("mask", 2, 5, 7)
    assert mask.dtype == torch.bool
    assert mask.any(-1).all()
    assert not mask.all()


class Attention(nn.Module):
    """Parts whose names the book fixes."""

    def __init__(self) -> None:
        super().__init__()
        self.w_q = nn.Linear(3, 3)
        self.w_k = nn.Linear(3, 3)


class Twice(nn.Module):
    """Parts of free names, in some order, one of them hidden in a list."""

    def __init__(self, names: tuple[str, str], norm: type) -> None:
        super().__init__()
        for name in names:
            self.add_module(name, Attention())
        self.any_name = norm(3)


class OwnNorm(nn.Module):
    """A norm whose factor has another name than torch's."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(size))
        self.bias = nn.Parameter(torch.zeros(size))


def test_what_a_part_gets_does_not_depend_on_free_names() -> None:
    one = filled(Twice(("first", "second"), nn.LayerNorm))
    other = filled(Twice(("second", "other"), OwnNorm))
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert_same(a, b)


def test_parts_of_fixed_names_differ_and_parts_of_one_kind_do_not() -> None:
    module = filled(Twice(("first", "second"), nn.LayerNorm))
    first = module.first
    assert not torch.equal(first.w_q.weight, first.w_k.weight)
    assert not torch.equal(first.w_q.bias, first.w_k.bias)
    assert_same(first.w_q.weight, module.second.w_q.weight)
    assert module.any_name.weight.mean() > 0.3


def test_filled_means_float64_and_evaluation_mode() -> None:
    module = filled(nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)))
    assert not module.training
    assert {p.dtype for p in module.parameters()} == {torch.float64}


def test_a_shared_matrix_goes_by_the_name_that_is_fixed() -> None:
    class Tied(nn.Module):
        def __init__(self, first: bool) -> None:
            super().__init__()
            table = nn.Parameter(torch.empty(5, 3))
            if first:
                self.table = table
            self.output_projection = nn.Linear(3, 5, bias=False)
            self.output_projection.weight = table
            self.other = nn.Embedding(5, 3)
            self.other.weight = table

    one, other = filled(Tied(True)), filled(Tied(False))
    assert_same(one.other.weight, other.other.weight)
    plain = filled(nn.Embedding(5, 3)).weight
    assert not torch.equal(one.other.weight, plain)


def test_a_single_number_and_what_lies_on_no_device_can_be_filled() -> None:
    module = nn.Module()
    module.scale = nn.Parameter(torch.zeros(()))
    module.there = nn.Parameter(torch.zeros(3, device="meta"))
    fill(module)
    assert module.scale != 0


def test_gradients_are_those_of_a_fixed_sum() -> None:
    x = make("x", 3).requires_grad_()
    idle = make("idle", 2).requires_grad_()
    of_x, of_idle = gradients(2 * x, x, idle)
    assert of_idle is None
    assert of_x is not None
    assert_same(of_x, 2 * make("cotangent", 3))


def test_a_module_is_counted() -> None:
    module = filled(Twice(("first", "second"), OwnNorm))
    assert count(module) == 4 * 12 + 6
    x = make("x", 2, 3)
    assert unused(module, module.first.w_q(x)) == 10 - 2


def test_shapes_of_whatever_comes_back() -> None:
    x = torch.zeros(2, 3)
    assert shapes(x) == (2, 3)
    assert shapes((x, [x, None])) == ((2, 3), [(2, 3), None])
    assert shapes(torch.zeros(3).max(0)) == ((), ())
    assert shapes(7) == 7


def test_a_shape_is_told_from_other_numbers_in_brackets() -> None:
    x = torch.zeros(2, 3)
    assert type(shapes(x)) is Shape
    both = shapes((x, [x]))
    assert [type(each) for each in (both, both[0], both[1], both[1][0])] == [
        *(tuple, Shape, list, Shape)
    ]
    # Who returns a shape returns no tensor.
    assert type(shapes(x.shape)) is tuple
    assert type(shapes((2, 3))) is tuple
