"""Whether heads' gradients conflict: cosines and ratios of lengths, over a training."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest
import torch
from tests.balancing.test_balancers import SMALL

from multihead import Heads, MultiheadLitModule, SimpleCNN
from multihead.ablation.gradients import COLUMNS, gradient_rows
from multihead.balancing.gradients import HeadGradients
from multihead.data.datamodule import MultiheadDataModule
from multihead.data.source import Source
from multihead.models.network import MultiheadNetwork
from multihead.models.stages import stages_of
from multihead.models.timm_network import TimmNetwork
from multihead.runs.api import run
from multihead.tracking.store import Store
from multihead.training.conflict import GradientConflict


def planted(data_dir: Path, split: str) -> Source:
    """`same` has the labels of `one`, `opposed` the other ones; one picture in two lacks `some`."""
    del data_dir, split
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 64)
    images = np.repeat(labels[:, None, None, None] * 200, 64, 1).reshape(64, 1, 8, 8)
    some = np.where(np.arange(64) % 2 == 0, labels, -1)
    given = {"one": labels, "same": labels, "opposed": 1 - labels, "some": some}
    return Source(
        name="planted",
        images=images.astype(np.uint8),
        labels={name: values.astype(np.int64) for name, values in given.items()},
        heads=Heads.from_outputs(dict.fromkeys(given, 2)),
        mean=(0.4,),
        std=(0.4,),
        incomplete=frozenset(["some"]),
    )


def trained(
    *callbacks: pl.Callback,
    ckpt: str | None = None,
    net: Callable[..., MultiheadNetwork] | None = None,
    **further: object,
) -> pl.Trainer:
    torch.manual_seed(1)
    net = net or partial(SimpleCNN, **SMALL, dropout=0.0)
    module = MultiheadLitModule(net, partial(torch.optim.SGD, lr=0.01), **further)
    trainer = pl.Trainer(
        max_epochs=2,
        accelerator="cpu",
        callbacks=[*callbacks],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        logger=False,
    )
    data = MultiheadDataModule(source=planted, multihead=True, batch_size=16)
    trainer.fit(module, data, ckpt_path=ckpt, weights_only=True)
    return trainer


def equal_heads(module: MultiheadLitModule) -> None:
    """Give all heads the same weights, so that equal labels have equal gradients."""
    first, *others = module.net.heads.values()
    for other in others:
        other.load_state_dict(first.state_dict())


class EqualHeads(pl.Callback):
    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, *_: object):
        equal_heads(module)


def test_a_planted_conflict_shows() -> None:
    callback = GradientConflict(every=1)
    trained(callback, EqualHeads())
    table = callback.table().set_index(["epoch", "a", "b"])
    assert table.loc[(0, "one", "same"), "cosine"] == pytest.approx(1, abs=1e-4)
    assert table.loc[(0, "one", "same"), "ratio"] == pytest.approx(1, abs=1e-4)
    assert table.loc[(0, "one", "opposed"), "cosine"] < -0.5
    assert len(table) == 2 * 6


def test_each_stage_of_the_backbone_has_its_own() -> None:
    callback = GradientConflict(every=2, stages=True)
    trained(callback)
    stages = ["0_conv2d", "4_conv2d", "9_linear"]
    assert [*dict.fromkeys(callback.table()["stage"])] == ["backbone", *stages]


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("resnet18", ["conv1", "layer1", "layer2", "layer3", "layer4"]),
        ("convnext_atto", ["stem", *(f"stages_{k}" for k in range(4)), "head"]),
    ],
)
def test_stages_of_timm_are_those_of_its_papers(name: str, stages: list[str]) -> None:
    net = TimmNetwork(name, input_size=32)
    found = stages_of(net.backbone)
    assert [*found] == stages
    assert sum(map(len, found.values())) == len([*net.backbone.parameters()])


def test_a_timm_network_is_looked_at_by_stages() -> None:
    callback = GradientConflict(every=4, stages=True)
    trained(callback, net=partial(TimmNetwork, "resnet10t", input_size=8))
    table = callback.table().set_index(["stage", "epoch", "a", "b"])["cosine"]
    assert {"backbone", "layer1", "layer4"} <= set(table.index.get_level_values("stage"))
    assert table.between(-1.001, 1.001).all()


def test_without_the_callback_no_gradient_of_a_head_is_computed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With it, one set in each batch that is due."""
    made = []

    class Counted(HeadGradients):
        def __init__(self, *args: object, **options: object) -> None:
            made.append(self)
            super().__init__(*args, **options)

    for place in ("training.conflict", "training.module"):
        monkeypatch.setattr(f"multihead.{place}.HeadGradients", Counted)
    trained()
    assert not made
    trained(GradientConflict(every=3))
    assert len(made) == 3  # of batches 0 to 7


def table_of(run_id: str, store: Store) -> pd.DataFrame:
    table = pd.read_csv(store.home / run_id / "gradients.csv")
    return table[table["stage"] == "backbone"]


@pytest.mark.usefixtures("home")
def test_a_run_keeps_table_and_heat_maps_in_mlflow(store: Store) -> None:
    small = [f"model.net.{key}={value}" for key, value in SMALL.items()]
    words = ["callbacks=conflict", "callbacks.conflict.every=2", "callbacks.conflict.stages=true"]
    done = run(["experiment=multihead_cnn_digits", "trainer.max_epochs=2", *small, *words])
    there = {item.path for item in store.client.list_artifacts(done.mlflow_id)}
    assert {"gradients.csv", "gradients.png", "gradients_9_linear.png"} <= there
    pairs = [n for n in done.metrics if n.startswith("gradients/") and n.count("/") == 1]
    assert not pairs  # nobody should stop at the least conflict
    recorded = store.client.get_run(done.mlflow_id)
    rows = pd.DataFrame(gradient_rows(recorded, "arm", 1, store), columns=list(COLUMNS))
    kept = table_of(done.run_id, store)
    assert rows["epoch"].max() == 2
    np.testing.assert_allclose(np.sort(rows["cosine"]), np.sort(kept["cosine"]))
    logged = recorded.data.metrics
    assert -1 <= logged["gradients/digit_thickness_cosine"] <= 1


@pytest.mark.slow(minutes=0.5)
def test_a_compiled_network_is_looked_at_too() -> None:
    found = []
    for compiled in (False, True):
        callback = GradientConflict(every=4)
        trained(callback, compile=compiled)
        found.append(callback.table()["cosine"])
    np.testing.assert_allclose(*found, atol=1e-3)


def test_a_head_without_a_gradient_does_not_count() -> None:
    """Its length of 0 would decide the mean of the ratios."""
    callback = GradientConflict(every=1)
    module = trained().lightning_module
    images, labels = next(iter(module.trainer.datamodule.train_dataloader()))[:2]
    losses, *_ = module.losses((images, labels))
    factors = torch.tensor([1.0, 0.0, 1.0, 0.0])
    callback.look(module, losses * factors, module.balancer.everyone)
    rows = callback.rows(list(module.heads), 0)
    assert [(row["a"], row["b"]) for row in rows] == [("one", "opposed")]
    assert np.isfinite(rows[0]["ratio"])
