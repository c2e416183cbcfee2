"""What every network promises: those that ship, and one written outside the package."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from multihead import MultiheadNetwork, MultiLeNet, SimpleCNN, StagedCNN, TimmNetwork, WhitenedCNN

HEADS = {"digit": 10, "size": 1}
Build = Callable[..., MultiheadNetwork]


class OutsideNetwork(MultiheadNetwork):
    """A subclass builds its backbone and hands it over."""

    def __init__(self, heads_config: dict[str, int], input_channels: int, input_size: int) -> None:
        pixels = input_channels * input_size**2
        backbone = nn.Sequential(nn.Flatten(), nn.Linear(pixels, 7), nn.ReLU())
        size = {"input_channels": input_channels, "input_size": input_size}
        super().__init__(backbone, 7, heads_config, **size)


NETWORKS: dict[str, Build] = {
    "simple_cnn": SimpleCNN,
    "multi_lenet": MultiLeNet,
    "staged_cnn": StagedCNN,
    "whitened_cnn": WhitenedCNN,
    "timm": lambda **given: TimmNetwork("resnet10t", **given),
    "outside": OutsideNetwork,
}


@pytest.fixture(params=NETWORKS)
def build(request: pytest.FixtureRequest) -> Build:
    made = NETWORKS[request.param]

    def built(**changed: object) -> MultiheadNetwork:
        torch.manual_seed(0)
        given = {"heads_config": HEADS, "input_channels": 1, "input_size": 32}
        return made(**given | changed).eval()

    return built


def test_every_head_has_its_outputs_in_the_order_of_the_heads(build: Build) -> None:
    outputs = build()(torch.randn(3, 1, 32, 32))
    assert {name: tuple(values.shape) for name, values in outputs.items()} == {
        "digit": (3, 10),
        "size": (3, 1),
    }
    assert list(outputs) == list(HEADS)


def test_the_outputs_are_those_of_the_shared_features(build: Build) -> None:
    """Balancers take the gradient there."""
    network, images = build(), torch.randn(2, 1, 32, 32)
    features = network.features(images)
    again = network.from_features(features)
    assert features.ndim == 2
    for name, values in network(images).items():
        torch.testing.assert_close(again[name], values)


def test_a_head_starts_from_the_same_weights_whatever_others_there_are(build: Build) -> None:
    """Else arms of a comparison would differ in more than their heads."""
    both, alone = build(), build(heads_config={"size": 1})
    for one, other in zip(
        both.heads["size_head"].parameters(), alone.heads["size_head"].parameters(), strict=True
    ):
        assert torch.equal(one, other)


def test_one_seed_is_one_network(build: Build) -> None:
    one, other = build().state_dict(), build().state_dict()
    assert all(torch.equal(values, other[name]) for name, values in one.items())


def test_colour_images_are_taken_where_it_is_built_for_them(build: Build) -> None:
    assert build(input_channels=3)(torch.randn(1, 3, 32, 32))["digit"].shape == (1, 10)
