"""Any module from images to features is a network."""

from pathlib import Path

import pytest
import torch
from tests.conftest import Run
from tests.training.fits import built, fitted, last_of

from multihead import load_run
from multihead.errors import ConfigError
from multihead.runs.build import make_network
from multihead.runs.evaluation import evaluation_config
from multihead.tracking.store import Store

OUTSIDE = "tests.models.outside_backbone"
SMALL = f"{OUTSIDE}.Small"


@pytest.fixture
def chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A file of a user's folder that names the class."""
    folder = tmp_path / "experiments" / "model" / "net"
    folder.mkdir(parents=True)
    (folder / "small.yaml").write_text(f"_target_: {SMALL}\nwidth: 9\n")
    (folder / "maps.yaml").write_text(f"_target_: {SMALL.replace('Small', 'Maps')}\n")
    for name in ("make_small", "make_nothing", "make_mistake"):
        (folder / f"{name}.yaml").write_text(f"_target_: {OUTSIDE}.{name}\nwidth: 9\n")
    (folder / "shuffle.yaml").write_text(
        "_target_: torchvision.models.shufflenet_v2_x0_5\nnum_classes: 7\n"
    )
    monkeypatch.chdir(tmp_path)
    return ["model/net=small"]


def test_its_width_is_found_with_a_blank_image(chosen: list[str]) -> None:
    heads = built(*chosen).module.state_dict()
    assert heads["net.heads.digit_head.weight"].shape == (10, 9)


def test_a_function_may_make_it(chosen: list[str], tmp_path: Path) -> None:
    fitted(tmp_path, ["model/net=make_small"], 1)
    made = last_of(tmp_path)["state_dict"]
    assert made["net.heads.digit_head.weight"].shape == (10, 9)
    assert made["net.backbone.stem.weight"].shape == (9, 1, 3, 3)


def test_a_function_of_torchvision_may_make_it(chosen: list[str]) -> None:
    node = {"_target_": "torchvision.models.convnext_tiny", "num_classes": 7}
    derived = {"input_channels": 3, "input_size": (32, 32), "heads_config": {"side": 4}}
    net = make_network({**node, "stochastic_depth_prob": 0.3}, derived)
    assert net(torch.zeros(2, 3, 32, 32))["side"].shape == (2, 4)
    assert net.backbone.features[-1][-1].stochastic_depth.p == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("make_nothing", "makes a int; it must make a torch module"),
        ("make_mistake", "model.net cannot be built"),
        ("shuffle", "channels"),
    ],
)
def test_a_function_that_makes_no_network_is_refused_in_a_line(
    chosen: list[str], name: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        built(f"model/net={name}")
    assert "\n" not in str(caught.value)


def test_it_starts_from_weights_and_freezes_by_its_layers(
    chosen: list[str], tmp_path: Path
) -> None:
    fitted(tmp_path / "a", chosen, 1)
    start = [*chosen, f"model.init_from={tmp_path}/a/last.ckpt", "model/finetune=head_only"]
    before = built(*start).module.state_dict()
    after = fitted(tmp_path / "b", start, 1).module.state_dict()
    names = [name for name in before if name.startswith("net.backbone.")]
    assert len(names) == 7
    assert all(torch.equal(before[name], after[name]) for name in names)


def test_maps_in_place_of_features_are_refused_in_a_line(chosen: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"makes \[1, 1, 8, 8\] from an image"):
        built("model/net=maps")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "target"), [("small", "Small"), ("make_small", "make_small")])
def test_a_record_of_it_is_loaded_only_when_it_is_trusted(
    home: Path, train: Run, chosen: list[str], store: Store, name: str, target: str
) -> None:
    result = train(f"model/net={name}")
    with pytest.raises(ConfigError, match="a record may not name"):
        load_run(str(result.run_id), store)
    with pytest.raises(ConfigError, match="a record may not name"):
        evaluation_config(str(result.run_id), [])
    loaded = load_run(str(result.run_id), store, trust=[f"{OUTSIDE}.{target}"])
    assert loaded.network.heads["digit_head"].in_features == 9
