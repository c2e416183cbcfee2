"""The LeNet of the literature on MultiMNIST has its layers, sizes and limits."""

import pytest
import torch
from torch import nn

from multihead import MultiLeNet
from multihead.errors import ConfigError


def test_it_has_the_layers_of_the_literature() -> None:
    net = MultiLeNet()
    sizes = [tuple(p.shape) for p in net.parameters() if p.ndim > 1]
    assert sizes == [(10, 1, 5, 5), (20, 10, 5, 5), (50, 320), *[(50, 50), (10, 50)] * 2]
    assert sum(p.numel() for p in net.parameters()) == 27_450


def test_it_tells_left_and_right() -> None:
    outputs = MultiLeNet()(torch.zeros(3, 1, 28, 28))
    assert {name: tuple(values.shape) for name, values in outputs.items()} == {
        "left": (3, 10),
        "right": (3, 10),
    }


def test_dropout_takes_whole_channels_and_can_be_left_out() -> None:
    assert not [m for m in MultiLeNet(dropout=0.0).modules() if getattr(m, "p", 0) > 0]
    kinds = [type(m) for m in MultiLeNet().modules() if isinstance(m, nn.Dropout2d | nn.Dropout)]
    assert kinds == [nn.Dropout2d, nn.Dropout, nn.Dropout]


@pytest.mark.parametrize("size", [(16, 16), (32, 20)])
def test_it_takes_other_sizes(size: tuple[int, int]) -> None:
    net = MultiLeNet(3, {"kind": 4}, size)
    assert net(torch.zeros(2, 3, *size))["kind"].shape == (2, 4)


def test_images_that_nothing_is_left_of_are_refused() -> None:
    with pytest.raises(ConfigError, match="does not take images of 1 x 12 x 12"):
        MultiLeNet(input_size=12)
