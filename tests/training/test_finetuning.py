"""Which weights train when: frozen ones to the bit, thawed ones also in a training that goes on."""

from pathlib import Path

import pytest
import timm
import torch
from tests.training.fits import built, fitted, last_of
from timm.optim import param_groups_layer_decay
from torch import nn

from multihead import SimpleCNN, StagedCNN, TimmNetwork
from multihead.errors import ConfigError
from multihead.models.stages import count_layers, layer_numbers
from multihead.training.finetuning import SCALE, Finetuning

TINY = {"options": {"depth": 2, "embed_dim": 12, "num_heads": 2, "patch_size": 8}}
ADAMW = ("model.optimizer._target_=torch.optim.AdamW", "model.optimizer.weight_decay=0.1")
EPOCH_1 = ("model/finetune=gradual", "model.finetune.unfreeze=[1,2]", *ADAMW)
_KEYS = (
    "net.backbone.0.weight",
    "net.backbone.1.running_mean",
    "net.backbone.1.num_batches_tracked",
)


@pytest.mark.parametrize("balancer", ["static", "uw", "imtl_g", "pcgrad"])
def test_a_frozen_backbone_is_the_same_to_the_bit(tmp_path: Path, balancer: str) -> None:
    """Its batch norm, too, whatever weighs the losses and whatever weight decay there is."""
    chosen = ["model/finetune=head_only", f"model/balancer={balancer}", *ADAMW]
    before = built(*chosen).module.state_dict()
    after = fitted(tmp_path, chosen, 1).module.state_dict()
    for name, value in before.items():
        same = torch.equal(value, after[name])
        assert same == (not name.startswith("net.heads.")) or name.startswith("balancer."), name


@pytest.mark.parametrize("balancer", ["static", "mgda"])
def test_a_training_that_goes_on_in_the_middle_of_thawing_is_the_whole(
    tmp_path: Path, balancer: str
) -> None:
    chosen = [*EPOCH_1, f"model/balancer={balancer}", "model.finetune.layer_decay=0.5"]
    fitted(tmp_path / "whole", chosen, 3)
    fitted(tmp_path / "parts", chosen, 2)
    middle = last_of(tmp_path / "parts")["state_dict"]
    fitted(tmp_path / "parts", chosen, 3, resume=True)
    one, other = (last_of(tmp_path / n)["state_dict"] for n in ("whole", "parts"))
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    first = built(*chosen).module.state_dict()
    for name in _KEYS:  # frozen for two epochs, trained in the third
        assert torch.equal(first[name], middle[name]), name
        assert not torch.equal(one[name], middle[name]), name


def test_averaged_weights_go_with_thawing(tmp_path: Path) -> None:
    ema = "+callbacks.ema={_target_: lightning.pytorch.callbacks.EMAWeightAveraging, decay: 0.8}"
    first = built(*EPOCH_1).module.state_dict()
    fitted(tmp_path, [*EPOCH_1, ema], 2)
    kept = last_of(tmp_path)["state_dict"]
    # The average of equal numbers is these but for the last bit.
    torch.testing.assert_close(first["net.backbone.0.weight"], kept["net.backbone.0.weight"])
    assert torch.equal(first[_KEYS[0]], last_of(tmp_path)["current_model_state"][_KEYS[0]])
    assert not torch.equal(first["net.backbone.9.weight"], kept["net.backbone.9.weight"])


@pytest.mark.parametrize("name", ["resnet18", "convnext_atto", "vit_tiny_patch16_224"])
def test_learning_rates_by_layer_are_timms(name: str) -> None:
    """Of its own whole network with a head."""
    options = TINY["options"] if name.startswith("vit") else {}
    ours = TimmNetwork(name, 3, {"digit": 10}, 32, options=options)
    theirs = timm.create_model(
        name, num_classes=10, **options, **({"img_size": 32} if options else {})
    )
    expected = {}
    names = {id(p): n for n, p in theirs.named_parameters()}
    decayless = theirs.no_weight_decay() if options else ()
    for group in param_groups_layer_decay(theirs, 0.1, decayless, layer_decay=0.7):
        for parameter in group["params"]:
            expected[names[id(parameter)]] = (group["lr_scale"], group["weight_decay"] > 0)
    found = {}
    names = {id(p): n.removeprefix("backbone.1.") for n, p in ours.named_parameters()}
    finetuning = Finetuning(layer_decay=0.7, decay_norms_and_biases=False)
    for group in finetuning.groups(ours, ours, ()):
        for parameter in group["params"]:
            found[names[id(parameter)]] = (group.get(SCALE, 1.0), "weight_decay" not in group)
    shared = {n: v for n, v in expected.items() if n in found}
    assert len(shared) >= len(expected) - 2
    assert {n: v for n, v in found.items() if n in shared} == {
        n: (pytest.approx(scale), decays) for n, (scale, decays) in shared.items()
    }
    assert found["heads.digit_head.weight"] == (1.0, True)


def test_heads_have_a_rate_of_their_own_that_schedules_start_from() -> None:
    parts = built(
        "model.finetune.head_lr=0.1", "model.finetune.layer_decay=0.5", "model.optimizer.lr=0.01"
    )
    groups = parts.module.optimization.made(parts.module.parameter_groups()).param_groups
    assert [group["lr"] for group in groups] == pytest.approx([0.1, 0.005, 0.0025, 0.00125])


def test_biases_of_the_backbone_have_a_multiple_of_the_rate() -> None:
    net = StagedCNN(1, [4], {"digit": 10}, 8)
    groups = Finetuning(bias_lr_scale=64.0).groups(net, net, ())
    scales = {id(p): group.get(SCALE, 1.0) for group in groups for p in group["params"]}
    fast = [name for name, p in net.named_parameters() if scales[id(p)] == 64]
    assert fast == ["backbone.0.layers.2.bias", "backbone.0.layers.5.bias"]
    assert sorted(scales.values()) == [1.0] * (len(scales) - 2) + [64.0] * 2


@pytest.mark.parametrize(("name", "stages"), [("resnet18", 5), ("vit_tiny_patch16_224", 3)])
def test_stages_of_timms_networks_are_timms(name: str, stages: int) -> None:
    options = TINY["options"] if name.startswith("vit") else {}
    net = TimmNetwork(name, 3, {"digit": 10}, 32, options=options)
    assert count_layers(layer_numbers(net.backbone, coarse=True)) == stages


def test_layers_of_our_network_are_its_convolutions_and_hidden_layer() -> None:
    numbers = layer_numbers(SimpleCNN().backbone, coarse=True)
    assert numbers["0.weight"] == numbers["1.running_mean"] == 0
    assert (numbers["4.bias"], numbers["9.weight"]) == (1, 2)


def test_frozen_norms_of_timm_stay_in_evaluation_mode() -> None:
    net = TimmNetwork("resnet18", 3, {"digit": 10}, 32)
    finetuning = Finetuning(unfreeze=[1, 3])
    finetuning.apply(net.train(), 1)
    norms = {
        n: m.training for n, m in net.backbone.named_modules() if isinstance(m, nn.BatchNorm2d)
    }
    assert {n for n, training in norms.items() if training} == {n for n in norms if "layer4" in n}


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["model/finetune=gradual", "model.finetune.unfreeze=[1,2,3,4]"], "has 3 stages"),
        (["model.finetune.unfreeze=[2,1]"], "rising list of epochs"),
        (["model.finetune.unfreeze=some"], "all, none or a rising"),
        (["model.finetune.layer_decay=0"], "above 0"),
        (["model.finetune.head_lr=-1.0"], "above 0"),
        (["model.finetune.bias_lr_scale=0"], "above 0"),
        (
            [
                "model.finetune.layer_decay=0.5",
                "model.optimizer._target_=torch.optim.LBFGS",
                "~model.optimizer.weight_decay",
            ],
            "groups",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(overrides: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        built(*overrides)
