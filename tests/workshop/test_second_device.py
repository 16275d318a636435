"""The pretended device: where tensors are, and that places don't mix."""

import pytest
import torch
from torch import Tensor, nn

from laidout.workshop.second_device import SecondDevice


def place(tensor: Tensor) -> str:
    return tensor.device.type


def test_what_is_computed_from_a_tensor_is_where_the_tensor_is() -> None:
    far, near = torch.ones(2, 3), torch.ones(2, 3)
    with SecondDevice(far):
        assert place(far) == place(far @ far.T) == "meta"
        assert place(far.view(3, 2)[0]) == place(torch.stack([far])) == "meta"
        assert place(torch.softmax(far, -1).max(-1).values) == "meta"
        assert place(far.clone().masked_fill_(far > 0, 2.0)) == "meta"
        assert [place(row) for row in far] == ["meta", "meta"]
        assert place(near @ near.T) == "cpu"
    assert place(far) == "cpu"


def test_what_is_made_there_is_there() -> None:
    with SecondDevice() as _:
        for device in ("meta", torch.device("meta")):
            assert place(torch.ones(2, device=device)) == "meta"
            assert place(torch.tensor([1, 2], device=device)) == "meta"
            assert place(torch.arange(3, device=device).float()) == "meta"
            near = torch.ones(2, 2)
            assert place(near.tril().to(device)) == "meta"
            assert place(near.to(device)) == "meta"
            assert place(near) == "cpu"
        with torch.device("meta"):
            assert place(torch.zeros(2)) == "meta"
        assert place(torch.zeros(2)) == "cpu"


def test_a_tensor_moves_to_the_device_of_another() -> None:
    far, near = torch.ones(2), torch.ones(2)
    with SecondDevice(far):
        assert place(near.to(far)) == place(near.to(far.device)) == "meta"
        assert place(far.cpu()) == place(far.to("cpu")) == "cpu"
        assert place(torch.zeros_like(far)) == place(far.new_ones(3)) == "meta"
        assert place(far) == "meta"
        assert place(near) == "cpu"


def test_tensors_of_two_places_do_not_mix() -> None:
    far, near = torch.ones(2), torch.ones(2)
    with SecondDevice(far):
        for attempt in (
            lambda: far + near,
            lambda: torch.cat([near, far]),
            lambda: near.masked_fill(far > 0, 0.0),
        ):
            with pytest.raises(RuntimeError, match="the same device"):
                attempt()
        assert place(far * torch.tensor(3.0)) == "meta"
        assert place(far[torch.tensor([0, 1])]) == "meta"


def test_a_module_is_there_with_its_parameters_and_its_buffers() -> None:
    layer, x = nn.Linear(2, 3), torch.ones(1, 2)
    norm = nn.BatchNorm1d(2).eval()
    with SecondDevice(layer, norm, x):
        assert place(layer(norm(x))) == "meta"
        with pytest.raises(RuntimeError, match="the same device"):
            layer(torch.ones(1, 2))
    assert place(layer(x)) == "cpu"


def test_the_numbers_are_those_of_the_cpu_and_so_are_gradients() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with SecondDevice(x):
        y = (x * x).sum()
        y.backward()
    assert y.item() == 5.0
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 4.0]
