"""A backbone's weights from a run, a checkpoint or a file of timm's layout."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import timm
import torch
from safetensors.torch import save_file
from tests.conftest import DIGITS, Run
from tests.training.fits import built, fitted
from torch import Tensor

from multihead import SimpleCNN, TimmNetwork, run
from multihead.errors import CheckpointError, ConfigError
from multihead.models.transfer import adapted_normalisation, transfer
from multihead.runs.config import compose_run
from multihead.runs.fingerprint import config_hash
from multihead.runs.rerun import recorded_configs
from multihead.runs.trust import started
from multihead.tracking.find import find_run
from multihead.tracking.store import Store

VIT = {"depth": 1, "embed_dim": 12, "num_heads": 2, "patch_size": 8}
OTHER_HEADS = (
    "data.only_heads=[thickness]",
    "model.criteria=null",
    "model.loss_weights=null",
    "optimized_metric=val/acc",
)


def _timm(name: str, size: int | None = None, **options: Any) -> dict[str, Tensor]:
    """Weights of a whole network of timm's, with its classifier, as it publishes them."""
    given = {**options, **({"img_size": size} if size else {})}
    return dict(timm.create_model(name, num_classes=10, **given).state_dict())


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A checkpoint of three heads."""
    fitted(tmp_path / "first", [], 1)
    return tmp_path / "first" / "last.ckpt"


def test_a_backbone_is_taken_whatever_its_heads_were(trained: Path) -> None:
    parts = built(f"model.init_from={trained}", *OTHER_HEADS)
    before = torch.load(trained, weights_only=True)["state_dict"]
    backbone = {n: v for n, v in parts.module.state_dict().items() if n.startswith("net.backbone.")}
    assert len(backbone) == 16
    assert all(torch.equal(value, before[name]) for name, value in backbone.items())
    assert parts.start is not None
    assert "16 of 16 tensors fit" in parts.start.notes[0]


def test_images_are_normalised_as_those_of_the_weights(tmp_path: Path) -> None:
    own = "+data.normalize={mean: [0.1], std: [0.7]}"
    fitted(tmp_path, [own], 1)
    start = f"model.init_from={tmp_path}/last.ckpt"
    parts = built(start)
    assert parts.data.train_source.mean == parts.data.test_source.mean == (0.1,)
    assert parts.module.normalisation == ([0.1], [0.7])
    assert built(start, own.replace("0.1", "0.2")).module.normalisation == ([0.2], [0.7])


@pytest.mark.parametrize("name", ["resnet18", "convnext_atto", "swin_tiny_patch4_window7_224"])
def test_weights_of_timms_layout_fit_all_but_the_classifier(name: str) -> None:
    torch.manual_seed(1)
    weights = _timm(name)
    network = TimmNetwork(name, 3, {"digit": 10}, 224)
    fits = transfer(network, weights)
    assert {fit.what for fit in fits if not fit.name.startswith(("fc.", "head."))} == {"fitted"}
    assert all(torch.equal(v, weights[n]) for n, v in network.loaded_part.state_dict().items())


def test_colour_weights_see_grey_images_as_timm_has_them() -> None:
    weights = _timm("resnet18")
    network = TimmNetwork("resnet18", 1, {"digit": 10}, 28)
    fits = {fit.name: fit for fit in transfer(network, weights)}
    expected = timm.models.adapt_input_conv(1, weights["conv1.weight"])
    torch.testing.assert_close(network.loaded_part.conv1.weight, expected)
    assert fits["conv1.weight"].why == "3 channels made 1"


def test_position_embeddings_and_patches_are_resampled_as_timm_does() -> None:
    name = "vit_tiny_patch16_224"
    weights = _timm(name, 64, **VIT)
    network = TimmNetwork(name, 3, {"digit": 10}, 32, options={**VIT, "patch_size": 4})
    fits = {fit.name: fit for fit in transfer(network, weights)}
    expected = timm.layers.resample_abs_pos_embed(weights["pos_embed"], new_size=[8, 8])
    assert network.loaded_part.pos_embed.shape == weights["pos_embed"].shape == expected.shape
    other = TimmNetwork(name, 3, {"digit": 10}, 32, options=VIT)
    fits |= {f"other.{fit.name}": fit for fit in transfer(other, weights)}
    expected = timm.layers.resample_abs_pos_embed(weights["pos_embed"], new_size=[4, 4])
    torch.testing.assert_close(other.loaded_part.pos_embed, expected)
    assert "resampled from" in fits["patch_embed.proj.weight"].why
    assert "resampled from" in fits["other.pos_embed"].why


def test_our_own_network_takes_other_channels_and_sizes_and_says_what_does_not_fit() -> None:
    torch.manual_seed(1)
    colour = SimpleCNN(3, 8, 16, 32, input_size=32)
    grey = SimpleCNN(1, 8, 16, 24, input_size=8)
    fits = {fit.name: fit for fit in transfer(grey, colour.backbone.state_dict())}
    torch.testing.assert_close(grey.backbone[0].weight, colour.backbone[0].weight.sum(1, True))
    assert torch.equal(grey.backbone[4].weight, colour.backbone[4].weight)
    assert (fits["9.weight"].what, fits["9.weight"].why) == (
        "left as it was",
        "[32, 784] there, [24, 784] here",
    )


def test_a_file_of_timms_starts_a_training_with_its_normalisation(tmp_path: Path) -> None:
    save_file(_timm("resnet18"), tmp_path / "model.safetensors")
    parts = built("model/net=resnet18", f"model.init_from={tmp_path}/model.safetensors")
    assert parts.module.normalisation[0] == pytest.approx([(0.485 + 0.456 + 0.406) / 3])
    assert parts.start is not None
    said = " ".join(parts.start.notes)
    assert "3 channels made 1" in said
    assert "not used: fc.bias, fc.weight" in said


@pytest.mark.parametrize(
    ("mean", "channels", "expected"),
    [([0.1, 0.2, 0.6], 1, [0.3]), ([0.5], 3, [0.5] * 3), ([0.1, 0.2], 3, None), ([0.4], 1, [0.4])],
)
def test_normalisation_for_other_channels(
    mean: list[float], channels: int, expected: list[float] | None
) -> None:
    found = adapted_normalisation(mean, [1.0] * len(mean), channels)
    assert (None if found is None else pytest.approx(found[0])) == expected


def test_the_hash_is_of_the_content_and_not_of_the_name(trained: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.ckpt"
    copy.write_bytes(trained.read_bytes())
    fitted(tmp_path / "second", ["seed=7"], 1)
    of = [
        config_hash(compose_run([*DIGITS, f"model.init_from={file}"]))
        for file in (trained, copy, tmp_path / "second" / "last.ckpt")
    ]
    assert of[0] == of[1] != of[2]
    assert config_hash(compose_run(DIGITS)) not in of


@pytest.mark.slow
def test_a_run_starts_from_a_run_and_goes_on_without_it(
    train: Run, home: Path, store: Store
) -> None:
    first = train("test=false")
    second = train(f"model.init_from={str(first.run_id)[:-2]}", *OTHER_HEADS, "test=false")
    tags = find_run(store, second.run_id).data.tags
    assert (tags["init.from"], tags["init.fitted"]) == (first.run_id, "16")
    assert any(note.startswith("the backbone starts from") for note in second.notes)
    table = pd.read_csv(home / str(second.run_id) / "init_from.csv")
    assert set(table["what"]) == {"fitted"}
    for name in ("best.ckpt", "last.ckpt"):
        (home / str(first.run_id) / "checkpoints" / name).unlink()
    again = run([f"resume={second.run_id}", "trainer.max_epochs=2"])
    assert again.run_id == second.run_id
    assert find_run(store, second.run_id).data.tags["multihead.config_hash"] != ""


@pytest.mark.slow
def test_no_file_that_a_record_names_is_opened(train: Run, trained: Path, store: Store) -> None:
    made = train(f"model.init_from={trained}", "test=false")
    record = find_run(store, made.run_id)
    with pytest.raises(ConfigError, match="files that a record names are not opened"):
        recorded_configs(store, record, [])
    _, now = recorded_configs(store, record, [f"model.init_from={trained}"])
    assert now["model"]["init_digest"] is None
    with pytest.raises(ConfigError, match="are not opened"):
        started({"init_from": "/etc/x.safetensors"}, "the record", typed=False)


def _huge_header(file: Path) -> None:
    file.write_bytes((1 << 40).to_bytes(8, "little") + b"{}")


def _lying_shape(file: Path) -> None:
    entry = {"dtype": "F32", "shape": [1 << 30], "data_offsets": [0, 4]}
    header = json.dumps({"conv1.weight": entry}).encode()
    file.write_bytes(len(header).to_bytes(8, "little") + header + b"0000")


def _not_finite(file: Path) -> None:
    save_file({"0.weight": torch.full((16, 1, 3, 3), torch.nan)}, file)


def _of_another(file: Path) -> None:
    save_file({"layer.weight": torch.zeros(3)}, file)


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (_huge_header, "header claims"),
        (_lying_shape, "damaged"),
        (_not_finite, "not finite"),
        (_of_another, "none of the initial weights"),
    ],
)
def test_a_bad_file_is_refused_in_a_line(tmp_path: Path, write: Any, said: str) -> None:
    file = tmp_path / "x.safetensors"
    write(file)
    with pytest.raises((ConfigError, CheckpointError), match=said) as refused:
        built(f"model.init_from={file}")
    assert "\n" not in str(refused.value)


def test_a_pickle_is_not_run(tmp_path: Path) -> None:
    torch.save({"state_dict": {}, "run": Path}, tmp_path / "x.ckpt")
    with pytest.raises(CheckpointError, match="refused"):
        built(f"model.init_from={tmp_path}/x.ckpt")


@pytest.mark.parametrize(
    "wanted", ["missing.ckpt", "no/such", "http://x/y.safetensors", "''", "x.pth"]
)
def test_what_is_no_run_and_no_file_is_refused_in_a_line(home: Path, wanted: str) -> None:
    with pytest.raises(ConfigError, match="init_from"):
        built(f"model.init_from={wanted}")
