"""The whitened first layer, and how a training starts with it."""

import pytest
import torch
from tests.conftest import Run
from tests.training.fits import built
from torch.nn import functional

from multihead import WhitenedCNN, load_run
from multihead.errors import ConfigError
from multihead.models.whitened_cnn import Whitening


def _smooth_images(count: int, channels: int, side: int) -> torch.Tensor:
    """Noise whose neighbouring pixels and channels are correlated."""
    torch.manual_seed(0)
    noise = functional.avg_pool2d(torch.randn(count, channels, side + 2, side + 2), 3, stride=1)
    return noise + noise.mean(1, keepdim=True)


def test_whitened_patches_are_uncorrelated_with_variance_one_and_come_with_their_negatives() -> (
    None
):
    images = _smooth_images(300, 2, 9)
    layer = Whitening(2)
    layer.fit(images, least=0.0)
    patches = layer(images).transpose(0, 1).flatten(1)
    torch.testing.assert_close(patches[8:], -patches[:8])
    moments = patches[:8] @ patches[:8].T / patches.shape[1]
    torch.testing.assert_close(moments, torch.eye(8), atol=1e-4, rtol=0)


def test_filters_do_not_depend_on_the_number_of_images_taken_at_a_time() -> None:
    images, whole, parts = _smooth_images(301, 3, 4), Whitening(3), torch.zeros(12, 12).double()
    whole.fit(images)
    for image in images:
        patches = functional.unfold(image[None].double(), 2)[0]
        parts += patches @ patches.T
    rows = whole.weight[:12].flatten(1).double()
    variances = (rows @ (parts / (301 * 9)) @ rows.T).diagonal()
    assert bool((variances < 1).all())  # `least` is added before the root
    assert bool((variances > 0.9).all())


def test_the_weights_of_the_first_layer_are_not_trained() -> None:
    net = WhitenedCNN(3, [4], {"a": 3}, 8)
    trained = [name for name, _ in net.backbone.named_parameters()]
    assert trained[0] == "0.bias"
    assert "0.weight" not in trained
    assert "0.weight" in net.backbone.state_dict()


def test_the_number_of_parameters_is_the_documented_one() -> None:
    count = sum(p.numel() for p in WhitenedCNN().backbone.parameters())
    assert round(count / 1e6, 2) == 1.97


def test_convolutions_start_as_the_identity() -> None:
    net = WhitenedCNN(1, [8], {"a": 3}, 9)
    images = torch.rand(2, 8, 4, 4)
    torch.testing.assert_close(net.backbone[2].layers[0](images), images)
    torch.testing.assert_close(net.backbone[2].layers[4](images), images)


def test_a_training_starts_with_filters_of_its_images_and_does_not_change_them(
    train: Run,
) -> None:
    small = ("model/net=whitened_cnn", "model.net.widths=[4]")
    trained = load_run(train(*small).run_id).network
    start = built(*small)
    layer = Whitening(1)
    layer.fit(start.data.training_images(1000))
    assert torch.equal(start.module.net.backbone[0].weight, layer.weight)
    assert torch.equal(trained.backbone[0].weight, layer.weight)


@pytest.mark.parametrize(("widths", "size"), [([8, 8], 4), ([8, 8, 8], 8)])
def test_images_that_the_stages_would_halve_to_nothing_are_refused(
    widths: list[int], size: int
) -> None:
    with pytest.raises(ConfigError, match=f"has {len(widths)} stages, each of which halves"):
        WhitenedCNN(3, widths, {"a": 2}, size)
