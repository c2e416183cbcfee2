"""Heads of every kind in one network, from made pictures and from VIMH folders, end to end."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tests.conftest import Run

from multihead import (
    Head,
    Heads,
    MultiheadLitModule,
    Parameter,
    SimpleCNN,
    SoftTargetCrossEntropy,
    Source,
    VIMHDataModule,
    VIMHWriter,
    load_run,
    run,
)
from multihead.errors import MultiheadError
from multihead.heads import Kind
from multihead.runs.build import build, logged_metrics
from multihead.runs.config import compose_run
from multihead.runs.execute import RunResult
from multihead.tracking.find import find_run
from multihead.tracking.store import Store
from multihead.training.checkpoints import read_checkpoint

LIGHT = Parameter(1.0, 100.0, scale="log", unit="lux")
PLACE = Parameter(-40.0, 40.0, unit="mm", step=5.0)
KINDS: dict[str, Kind] = {"way": "classification", "place": "ordinal", "light": "regression"}
PARAMETER_METRICS = ("acc", "acc_within", "loss", "mae", "r2", "rmse")


def bars(data_dir: Path, split: str, kinds: dict[str, Kind] | None = None) -> Source:
    """Draw 8x8 pictures of a bar: which way it lies, how bright it is, and where."""
    del data_dir
    count = 256 if split == "train" else 64
    rng = np.random.default_rng(split == "train")
    labels = {
        "way": rng.integers(0, 2, count),
        "place": rng.integers(0, 256, count),
        "light": rng.integers(0, 256, count),
    }
    at = labels["place"][:, None] / 255 * 7
    profile = np.exp(-((np.arange(8) - at) ** 2)) * (55 + labels["light"][:, None] * 200 / 255)
    images = np.broadcast_to(profile[:, None, :], (count, 8, 8))
    images = np.where(labels["way"][:, None, None] == 1, images.transpose(0, 2, 1), images)
    own = [
        Head("way", 2, ("down", "across")),
        Head("place", 256, parameter=PLACE),
        Head("light", 256, parameter=LIGHT),
    ]
    return Source(
        name="bars",
        images=images.astype(np.uint8)[:, None],
        labels=labels,
        heads=Heads(h.as_kind({**KINDS, **(kinds or {})}[h.name]) for h in own),
        mean=(0.2,),
        std=(0.3,),
    )


def source(**kinds: Kind) -> str:
    """The override that names the pictures, with other kinds of heads than the usual."""
    given = "{" + ", ".join(f"{name}: {kind}" for name, kind in kinds.items()) + "}"
    return f"+data.source={{_target_: {bars.__module__}.bars, _partial_: true, kinds: {given}}}"


BARS = [
    "data=digits",
    "data._target_=multihead.MultiheadDataModule",
    "data.multihead=true",
    "data.train_val_test_split=null",
    "model=vimh_cnn_64k",
    "callbacks=score",
    "optimized_metric=val/score",
    "trainer.accelerator=cpu",
]


@pytest.fixture
def mixed(home: Path) -> Run:
    """Train the bars with all three kinds, with further overrides."""

    def mixed(*overrides: str) -> RunResult:
        return run([*BARS, source(), "trainer.max_epochs=1", *overrides])

    return mixed


def test_three_kinds_of_heads_are_trained_recorded_and_loaded(mixed: Run, store: Store) -> None:
    result = mixed("trainer.max_epochs=2")
    for split in ("train", "val", "test"):
        got = {n.removeprefix(f"{split}/") for n in result.metrics if n.startswith(f"{split}/")}
        heads = {f"{h}_{kind}" for h in ("place", "light") for kind in PARAMETER_METRICS}
        own = {"val": {"acc_best", "score_best"}, "test": {"way_ece", "place_quantile_error"}}
        common = {"way_acc", "way_loss", "loss", "acc", "score"}
        assert got == heads | common | own.get(split, set())
    assert result.units == {"place": "mm", "light": "lux"}
    assert result.optimized_value == result.metrics["best/val/score"]
    loaded, test = load_run(result.run_id), bars(Path(), "test")
    predicted = loaded.predict(test.images)
    assert {n: v.dtype.name for n, v in predicted.items()} == {
        "way": "int64",
        "place": "float64",
        "light": "float64",
    }
    for name in ("place", "light"):
        error = np.abs(predicted[name] - test.heads[name].decode(test.labels[name])).mean()
        assert error == pytest.approx(result.metrics[f"test/{name}_mae"], rel=0.02)
    assert {n: p.shape for n, p in loaded.probabilities(test.images).items()} == {
        "way": (64, 2),
        "place": (64, 256),
    }
    files = {f.path for f in store.client.list_artifacts(result.mlflow_id, "test")}
    assert files == {
        "test/test.csv",
        *(f"test/{n}.{s}" for n in (
            "confusion_way", "predicted_place", "predicted_light", "reliability_way",
            "reliability_place", "worst_way", "worst_place", "worst_light",
        ) for s in ("csv", "png")),
    }  # fmt: skip
    folder = Path(store.client.download_artifacts(result.mlflow_id, "test"))
    table = pd.read_csv(folder / "test.csv", index_col="head")
    assert table.loc["light", ["kind", "unit"]].tolist() == ["regression", "lux"]
    assert table.loc["place", "mae"] == result.metrics["test/place_mae"]
    assert np.isnan(table.loc["way", "mae"])
    pairs = pd.read_csv(folder / "predicted_place.csv")
    assert pairs["count"].sum() == 64
    assert (pairs["label"] == pairs["predicted"]) @ pairs["count"] / 64 == pytest.approx(
        result.metrics["test/place_acc"]
    )


def test_the_metrics_that_a_mixed_run_promises_are_those_it_logs(mixed: Run) -> None:
    weights = "model.eval_weights={way: 2.0, place: 1.0}"
    config = compose_run([*BARS, source(), weights])
    parts = build(config)
    promised = set(logged_metrics(parts.module, parts.data)) - {"step", "epoch"}
    logged = mixed(weights, "test=false").metrics
    assert {name for name in logged if not name.startswith("best/")} == promised
    assert {"val/score_weighted", "val/acc_weighted"} <= promised


def test_without_a_classification_there_is_no_mean_accuracy(home: Path) -> None:
    alone = ["model.auto_configure_from_dataset=false", "+model.net.heads_config={place: 256}"]
    result = run([*BARS, source(), "trainer.max_epochs=1", "test=false", *alone])
    assert 0 <= result.metrics["val/score_best"] <= 1
    assert "val/place_r2" in result.metrics
    assert not {"val/acc", "val/acc_best"} & set(result.metrics)


def test_a_mixed_run_goes_on_to_the_same_curves_to_the_bit(mixed: Run, store: Store) -> None:
    half = mixed("model.scheduler=null", "test=false")
    run([f"resume={half.run_id}", "trainer.max_epochs=2"], trust=[f"{bars.__module__}.bars"])
    whole = mixed("model.scheduler=null", "test=false", "trainer.max_epochs=2")
    curves = []
    for result in (half, whole):
        found = find_run(store, result.run_id)
        curves.append(
            {
                key: [p.value for p in store.client.get_metric_history(found.info.run_id, key)]
                for key in found.data.metrics
                if key.startswith(("train/", "val/"))
            }
        )
    assert len(curves[0]["val/light_r2"]) == 2
    assert curves[0] == curves[1]


@pytest.mark.slow
def test_training_brings_the_errors_of_parameters_far_below_their_spread(mixed: Run) -> None:
    result = mixed("trainer.max_epochs=15", "test=false")
    assert result.metrics["best/val/place_r2"] > 0.8
    assert result.metrics["best/val/light_r2"] > 0.8


CRITERIA = ["expected_l1", "expected_l2", "expected_huber", "distance_weighted", "soft_targets"]


@pytest.mark.parametrize("name", [*CRITERIA, "cross_entropy"])
def test_a_criterion_of_all_parameters_is_a_choice(home: Path, name: str) -> None:
    overrides = [*BARS, source(light="ordinal"), f"model/criterion={name}"]
    module = build(compose_run(overrides)).module
    kinds = {n: type(c).__name__ for n, c in module.criteria.items()}
    assert kinds["way_head"] == "CrossEntropyLoss"
    assert kinds["place_head"] == kinds["light_head"] != "CrossEntropyLoss"


@pytest.mark.parametrize("name", ["regression_l1", "regression_l2", "regression_huber"])
def test_a_criterion_of_all_regressions_is_a_choice(home: Path, name: str) -> None:
    overrides = [*BARS, source(place="regression"), f"model/criterion={name}"]
    criterion = build(compose_run(overrides)).module.criteria["place_head"]
    assert criterion.distance == name.removeprefix("regression_")


def test_a_head_can_have_a_criterion_of_its_own(home: Path) -> None:
    own = "{_target_: multihead.SoftTargetCrossEntropy, _partial_: true, width: 2.5}"
    overrides = [*BARS, source(), f"model.criteria={{place: {own}}}"]
    assert build(compose_run(overrides)).module.criteria["place_head"].width == 2.5


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model/criterion=expected_l1", r"head 'light' is a regression"),
        ("model/criterion=regression_l1", r"head 'place' is of kind ordinal"),
        (
            "model.criteria={way: {_target_: multihead.ExpectedValueLoss, _partial_: true}}",
            r"unordered classes",
        ),
        (
            "model.criteria={place: {_target_: multihead.ExpectedValueLoss, _partial_: true, "
            "distance: l3}}",
            r"distance.* is 'l3'",
        ),
        ("model.loss_weights={plaice: 1.0}", r"names head 'plaice'"),
        ("model.eval_weights={way: 0.0}", r"eval_weights are all 0"),
        ("optimized_metric=val/way_mae", r"will not log"),
        ("+model.net.heads_config={way: 2, place: 256, light: 256}", r"but the data have"),
    ],
)
def test_what_does_not_suit_a_kind_is_refused_in_one_line(
    home: Path, override: str, message: str
) -> None:
    with pytest.raises(MultiheadError, match=message) as caught:
        run([*BARS, source(), override])
    assert "\n" not in str(caught.value)
    assert {p.name for p in home.iterdir()} <= {"mlflow.db", ".store.lock"}


def test_a_checkpoint_of_other_units_is_refused(mixed: Run, tmp_path: Path) -> None:
    """Its weights fit, but what it predicts means something else."""
    made = mixed("test=false")
    checkpoint = read_checkpoint(str(made.best_checkpoint))
    checkpoint["multihead"]["heads"][1]["parameter"]["maximum"] = 80.0
    torch.save(checkpoint, tmp_path / "other.ckpt")
    with pytest.raises(MultiheadError, match=r"another head 'place': its parameter is"):
        build(compose_run([*BARS, source(), f"ckpt_path={tmp_path}/other.ckpt"]))


@pytest.fixture
def vimh_folder(tmp_path: Path) -> Path:
    """A VIMH folder of the bars' pictures with place, light and a fixed parameter."""
    folder = tmp_path / "vimh-8x8x1_bars"
    train, test = bars(Path(), "train"), bars(Path(), "test")
    heads = Heads(train.heads[name] for name in ("place", "light"))
    with VIMHWriter(folder, heads, (1, 8, 8), fixed={"decay": 0.5}) as writer:
        for split, each in (("train", train), ("test", test)):
            writer.write(split, each.images, {name: each.labels[name] for name in heads})
    return folder


def _vimh(folder: Path, *overrides: str) -> list[str]:
    data = ["data._target_=multihead.VIMHDataModule", f"data.data_dir={folder}"]
    others = [o for o in BARS if not o.startswith("data._target_")]
    return [*others, *data, "trainer.max_epochs=1", *overrides]


def test_a_vimh_folder_configures_heads_criteria_and_metrics(home: Path, vimh_folder: Path) -> None:
    result = run(_vimh(vimh_folder))
    assert result.units == {"place": "mm", "light": "lux"}
    heads = load_run(result.run_id).heads
    assert heads["light"].parameter.scale == "log"
    for name in ("place", "light"):
        for metric in PARAMETER_METRICS:
            assert f"test/{name}_{metric}" in result.metrics
    assert 0 <= result.optimized_value <= 1


@pytest.mark.parametrize(
    "kind",
    [
        "classification",
        pytest.param("ordinal", marks=pytest.mark.slow),
        pytest.param("regression", marks=pytest.mark.slow),
    ],
)
def test_a_vimh_head_can_be_of_any_kind(home: Path, vimh_folder: Path, kind: Kind) -> None:
    result = run(_vimh(vimh_folder, f"+data.head_kinds={{light: {kind}}}", "test=false"))
    heads = load_run(result.run_id).heads
    assert heads["light"].kind.name == kind
    assert result.heads["light"] == (1 if kind == "regression" else 256)
    assert "val/light_mae" in result.metrics
    assert ("val/acc" in result.metrics) == (kind == "classification")


def test_vimh_weights_go_by_the_name_of_the_parameter(home: Path, vimh_folder: Path) -> None:
    weights = "model.loss_weights={place: 1.0, light: 0.25}"
    metrics = run(_vimh(vimh_folder, weights, "test=false")).metrics
    total = metrics["val/place_loss"] + 0.25 * metrics["val/light_loss"]
    assert metrics["val/loss"] == pytest.approx(total, rel=1e-5)


def test_a_vimh_network_built_by_hand_has_the_heads_of_its_data(vimh_folder: Path) -> None:
    """The criteria wait for the data to say what the levels stand for."""
    data = VIMHDataModule(vimh_folder, batch_size=32)
    net = SimpleCNN(input_channels=data.image_shape[0], heads_config=data.num_classes, input_size=8)
    module = MultiheadLitModule(net, torch.optim.Adam, criteria={"place": SoftTargetCrossEntropy})
    module.configure_from(data)
    assert isinstance(module.criteria["place_head"], SoftTargetCrossEntropy)
    assert module.heads == data.heads
