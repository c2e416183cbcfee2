"""Whether heads' gradients conflict: cosines and ratios of lengths, over a training."""

from functools import partial
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from tests.balancing.test_balancers import SMALL, StopAt

from multihead import Heads, MultiheadLitModule, SimpleCNN
from multihead.data.datamodule import MultiheadDataModule
from multihead.data.source import Source
from multihead.errors import ConfigError
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


def trained(look: GradientConflict, *others: pl.Callback, ckpt: str | None = None) -> pl.Trainer:
    torch.manual_seed(1)
    net = partial(SimpleCNN, **SMALL, dropout=0.0)
    module = MultiheadLitModule(net, partial(torch.optim.SGD, lr=0.01))
    trainer = pl.Trainer(
        max_epochs=2,
        accelerator="cpu",
        callbacks=[look, *others],
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


def test_each_child_of_the_backbone_has_its_own_and_all_make_the_whole() -> None:
    callback = GradientConflict(every=2, stages=True)
    trainer = trained(callback)
    children = trainer.lightning_module.net.backbone.named_children()
    stages = [name for name, child in children if [*child.parameters()]]
    assert set(callback.table()["stage"]) == {"backbone", *stages}


def test_a_training_that_goes_on_has_the_history_of_one_that_never_stopped(tmp_path: Path) -> None:
    whole, cut, resumed = (GradientConflict(every=1) for _ in range(3))
    trained(whole)
    path = str(tmp_path / "half.ckpt")
    trained(cut, StopAt(2, path))
    trained(resumed, ckpt=path)
    assert resumed.history == whole.history


def test_a_test_with_an_earlier_checkpoint_leaves_the_table_whole(tmp_path: Path) -> None:
    callback, path = GradientConflict(every=1), str(tmp_path / "early.ckpt")

    class Save(pl.Callback):
        def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
            if trainer.current_epoch == 0 and not trainer.sanity_checking:
                trainer.save_checkpoint(path)

    trainer = trained(callback, Save())
    trainer.test(trainer.model, trainer.datamodule, path, verbose=False, weights_only=True)
    assert set(callback.table()["epoch"]) == {0, 1}


def test_one_head_has_no_pair_and_a_frozen_backbone_nothing_to_share() -> None:
    class Frozen(pl.Callback):
        def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
            for parameter in module.net.backbone.parameters():
                parameter.requires_grad_(False)

    callback = GradientConflict(every=1)
    trained(callback, Frozen())
    assert callback.table().empty


def test_a_look_at_no_batch_is_refused() -> None:
    with pytest.raises(ConfigError, match="every is 0; give 1 or more"):
        GradientConflict(every=0)
