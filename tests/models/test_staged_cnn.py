"""Stages of two convolutions: sizes, widths, and what they refuse."""

import pytest
import torch

from multihead import StagedCNN
from multihead.errors import ConfigError


def test_features_are_the_width_of_the_last_stage() -> None:
    net = StagedCNN(1, (4, 6), {"a": 3, "b": 1}, (17, 30)).eval()
    images = torch.zeros(2, 1, 17, 30)
    assert net.features(images).shape == (2, 6)
    assert {name: values.shape[1] for name, values in net(images).items()} == {"a": 3, "b": 1}


def test_the_number_of_parameters_is_the_documented_one() -> None:
    assert sum(p.numel() for p in StagedCNN().backbone.parameters()) == 1_146_304


def test_a_mirrored_network_gives_an_image_and_its_mirror_image_the_same_logits() -> None:
    images = torch.rand(2, 3, 8, 8)
    net = StagedCNN(3, [4], {"a": 3}, 8, mirrored=True)
    trained, mirrored = net(images)["a"], net(images.flip(3))["a"]
    assert not torch.allclose(trained, mirrored)
    net.eval()
    assert torch.allclose(net(images)["a"], net(images.flip(3))["a"])


@pytest.mark.parametrize(
    ("widths", "size", "message"),
    [
        ([], 32, r"widths is \[\]"),
        ([8, 0], 32, r"widths is \[8, 0\]"),
        ([8, 8, 8], 7, "has 3 stages, each of which halves"),
    ],
)
def test_impossible_stages_are_refused(widths: list[int], size: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        StagedCNN(3, widths, {"a": 2}, size)
