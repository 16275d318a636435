"""Tests of switching between training mode and evaluation mode."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from laidout.modes import evaluating


class Half(nn.Module):
    """A model with a part that is always in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.learns = nn.Sequential(nn.Dropout(0.5), nn.Linear(3, 3))
        self.frozen = nn.Dropout(0.5).eval()


class Wrapper(nn.Module):
    """A model around another one, which has a mode of its own."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner


def modes(model: nn.Module) -> dict[str, bool]:
    """Name the mode of a model and of all its parts."""
    return {name: part.training for name, part in model.named_modules()}


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_comes_back(training: bool) -> None:
    model = nn.Sequential(nn.Dropout(0.5)).train(training)
    with evaluating(model):
        assert modes(model) == {"": False, "0": False}
    assert modes(model) == {"": training, "0": training}


def test_dropout_is_off_inside_and_on_again_after_it() -> None:
    model, ones = nn.Dropout(0.5), torch.ones(97)
    with evaluating(model):
        assert model(ones).tolist() == ones.tolist()
    assert 0 in model(ones).tolist()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_the_mode_comes_back_after_an_error_which_goes_on(
    error: type[BaseException],
) -> None:
    model = nn.Sequential(nn.Dropout(0.5))
    inside = []

    def fail() -> None:
        with evaluating(model):
            inside.append(model.training)
            raise error("oh no")

    with pytest.raises(error, match="oh no"):
        fail()
    assert inside == [False]
    assert modes(model) == {"": True, "0": True}


@pytest.mark.parametrize("prepare", [nn.Module.train, nn.Module.eval])
def test_every_part_gets_its_own_mode_back(
    prepare: Callable[[nn.Module], nn.Module],
) -> None:
    model = Half()
    prepare(model)
    model.frozen.eval()
    model.learns[0].train()
    before = modes(model)
    assert set(before.values()) == {True, False}
    with evaluating(model):
        assert set(modes(model).values()) == {False}
    assert modes(model) == before


def test_a_model_inside_another_keeps_its_mode() -> None:
    inner = nn.Dropout(0.5).eval()
    wrapper = Wrapper(inner).train()
    inner.eval()
    with evaluating(wrapper):
        assert not wrapper.training
    assert wrapper.training
    assert not inner.training


def test_one_may_stand_inside_another() -> None:
    model = nn.Dropout(0.5)
    with evaluating(model):
        with evaluating(model):
            assert not model.training
        assert not model.training
    assert model.training


def test_what_is_switched_on_inside_does_not_stay() -> None:
    model = nn.Dropout(0.5).eval()
    with evaluating(model):
        model.train()
    assert not model.training


def test_gradients_are_not_the_mode_s_business() -> None:
    with evaluating(nn.Dropout(0.5)):
        assert torch.is_grad_enabled()
