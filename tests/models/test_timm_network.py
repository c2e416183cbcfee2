from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from tests.training.fits import built

from multihead import SimpleCNN, TimmNetwork
from multihead.errors import ConfigError
from multihead.runs.build import make_network

HEADS = {"digit": 10, "thickness": 5}
BACKBONES = [
    "resnet18",
    "convnext_atto",
    "efficientnet_b0",
    "vit_tiny_patch16_224",
    "mobilenetv3_small_050",
    "swin_tiny_patch4_window7_224",
]


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 32)])
def test_a_backbone_takes_small_images(name: str, channels: int, size: int) -> None:
    net = TimmNetwork(name, channels, HEADS, size).eval()
    with torch.no_grad():
        logits = net(torch.zeros(2, channels, size, size))
    assert {n: v.shape for n, v in logits.items()} == {n: (2, k) for n, k in HEADS.items()}


def test_images_are_padded_on_all_sides_to_what_the_backbone_takes() -> None:
    pad = TimmNetwork("resnet18", 1, HEADS, 28).backbone[0]
    padded = pad(torch.ones(1, 1, 28, 28))
    assert padded.shape == (1, 1, 32, 32)
    assert padded[0, 0, 2:30, 2:30].sum() == padded.sum() == 28 * 28


def test_a_vit_is_built_for_the_size_of_the_images() -> None:
    net = TimmNetwork("vit_tiny_patch16_224", 1, HEADS, 28, options={"patch_size": 4})
    assert net.backbone[0].size == (28, 28)
    assert net.backbone[1].patch_embed.num_patches == 49


def test_building_draws_no_more_random_numbers_than_the_network_itself() -> None:
    """The probe for the stride must not change the initial weights."""
    torch.manual_seed(1)
    first = TimmNetwork("resnet18", 1, HEADS, 32)
    torch.manual_seed(1)
    import timm

    plain = timm.create_model("resnet18", in_chans=1, num_classes=0)
    torch.testing.assert_close(first.backbone[1].conv1.weight, plain.conv1.weight)


@pytest.mark.parametrize("name", ["resnt18", "hf-hub:someone/model", ""])
def test_a_name_timm_does_not_know_is_refused(name: str) -> None:
    """A name with a scheme would make timm fetch from a hub."""
    with pytest.raises(ConfigError, match="timm does not know"):
        TimmNetwork(name)


def test_options_a_backbone_does_not_take_are_refused_in_one_line() -> None:
    with pytest.raises(ConfigError, match=r"nonsense.*is not allowed"):
        TimmNetwork("resnet18", options={"nonsense": 1})


@pytest.mark.parametrize(
    "options",
    [
        {"pretrained_cfg": {"url": "http://127.0.0.1:9/a"}},
        {"pretrained_cfg_overlay": {"file": "a"}},
        {"checkpoint_path": "a"},
        {"cache_dir": "a"},
        {"features_only": True},
        {"num_classes": 3},
        {"act_layer": "os.system"},
        {"act_layer": {"_target_": "os.system"}},
        {"norm_layer": ["/etc/passwd"]},
    ],
)
def test_options_only_shape_the_network(options: dict) -> None:
    """They are recorded, and a record may be anybody's: none reads, writes or downloads."""
    with pytest.raises(ConfigError, match=r"model\.net\.options"):
        TimmNetwork("resnet18", options=options)


class Fetching(SimpleCNN):
    """Would fetch weights, where there is no network."""

    initial_weights = ("pretrained",)

    def __init__(self, pretrained: bool = False, **arguments: Any) -> None:
        if pretrained:
            raise OSError("no network")
        super().__init__(**arguments)


def test_a_network_whose_weights_follow_fetches_none() -> None:
    assert TimmNetwork.initial_weights == Fetching.initial_weights
    node = {"_target_": f"{__name__}.Fetching", "pretrained": True}
    with pytest.raises(ConfigError, match="no network"):
        make_network(node, {"heads_config": HEADS})
    made = make_network(node, {"heads_config": HEADS}, from_checkpoint=True)
    assert made.heads_config == HEADS


def test_weights_that_cannot_be_had_say_at_once_where_to_put_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    said = "models--timm--resnet18.a1_in1k .* or name the file: .*model.init_from="
    with pytest.raises(ConfigError, match=said):
        TimmNetwork("resnet18", 3, HEADS, 32, pretrained=True)


@pytest.mark.parametrize("name", ["resnet18", "convnext_atto"])
def test_drop_path_reaches_the_blocks_of_timm(name: str) -> None:
    net = TimmNetwork(name, 3, HEADS, 32, drop_path_rate=0.2)
    found = [part.drop_prob for part in net.modules() if isinstance(part, timm.layers.DropPath)]
    assert max(found) == pytest.approx(0.2)
    assert len(set(found)) > 2
    with pytest.raises(ConfigError, match=r"drop_path_rate is 1.0; give 0 to below 1"):
        TimmNetwork(name, 3, HEADS, 32, drop_path_rate=1.0)


def test_drop_path_is_a_setting() -> None:
    parts = built("model=timm", "+model.net.drop_path_rate=0.1")
    found = [p.drop_prob for p in parts.module.modules() if isinstance(p, timm.layers.DropPath)]
    assert max(found) == pytest.approx(0.1)
