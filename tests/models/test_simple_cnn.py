import pytest
import torch
from torch import nn

from multihead import SimpleCNN
from multihead.errors import ConfigError

HEADS = {"digit": 10, "thickness": 5, "smoothness": 3}


def test_the_mnist_network_has_exactly_422866_parameters() -> None:
    assert sum(p.numel() for p in SimpleCNN(1, 32, 64, 128, HEADS).parameters()) == 422_866


@pytest.mark.parametrize(
    ("channels", "size"), [(1, 28), (3, 32), (1, 8), (2, (5, 31)), (1, 1)], ids=str
)
def test_any_image_size_gives_logits_per_head(channels: int, size: int | tuple[int, int]) -> None:
    net = SimpleCNN(channels, 4, 8, 16, HEADS, input_size=size).eval()
    logits = net(torch.zeros(2, channels, *net.input_size))
    assert {name: values.shape for name, values in logits.items()} == {
        name: (2, classes) for name, classes in HEADS.items()
    }


def test_one_head_is_the_same_thing_with_one_entry() -> None:
    assert list(SimpleCNN(heads_config={"digit": 10})(torch.zeros(2, 1, 28, 28))) == ["digit"]


def test_pooling_before_relu_is_the_published_order() -> None:
    """Convolution, batch norm, ReLU, max-pool: what the README says the network is."""
    torch.manual_seed(0)
    net = SimpleCNN(1, 4, 8, 16, HEADS).eval()
    conv1, norm1, _, _, conv2, norm2, _, _, _, linear, _, _ = net.backbone
    x = torch.randn(3, 1, 28, 28)
    plain = nn.Sequential(
        *(conv1, norm1, nn.ReLU(), nn.MaxPool2d(2)),
        *(conv2, norm2, nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.AdaptiveAvgPool2d(7), nn.Flatten(), linear, nn.ReLU()),
    )
    torch.testing.assert_close(net.backbone(x), plain(x))


def test_a_head_can_have_a_hidden_layer() -> None:
    net = SimpleCNN(heads_config={"digit": 10}, head_hidden=7)
    assert net.heads["digit_head"][0].out_features == 7


@pytest.mark.parametrize("name", ["type", "train", "keys", "forward"])
def test_a_head_may_be_named_like_an_attribute_of_torch(name: str) -> None:
    assert list(SimpleCNN(heads_config={name: 2})(torch.zeros(2, 1, 28, 28))) == [name]


def test_images_of_another_size_are_refused_with_both_shapes() -> None:
    with pytest.raises(ConfigError, match=r"takes images of 1 x 28 x 28.*data have 3 x 32 x 32"):
        SimpleCNN().check_images(3, (32, 32))
