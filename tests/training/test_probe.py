"""What holds for everything that looks at a training now and then."""

from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch
from tests.balancing.test_balancers import StopAt
from tests.training.test_affinity import trained

from multihead.errors import ConfigError
from multihead.training.affinity import TaskAffinity
from multihead.training.conflict import GradientConflict

Kind = type[GradientConflict] | type[TaskAffinity]
each = pytest.mark.parametrize("kind", [GradientConflict, TaskAffinity], ids=lambda k: k.name)


@each
def test_a_training_that_goes_on_has_the_history_of_one_that_never_stopped(
    kind: Kind, tmp_path: Path
) -> None:
    whole, cut, resumed = (kind(every=2) for _ in range(3))
    straight = trained(whole)
    path = str(tmp_path / "half.ckpt")
    trained(cut, StopAt(5, path))
    after = trained(resumed, ckpt=path)
    assert resumed.history == whole.history
    states = (t.lightning_module.state_dict() for t in (after, straight))
    torch.testing.assert_close(*states, rtol=0, atol=0)


@each
def test_a_test_with_an_earlier_checkpoint_leaves_the_table_whole(
    kind: Kind, tmp_path: Path
) -> None:
    callback, path = kind(every=1), str(tmp_path / "early.ckpt")

    class Save(pl.Callback):
        def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
            if trainer.current_epoch == 0 and not trainer.sanity_checking:
                trainer.save_checkpoint(path)

    trainer = trained(callback, Save())
    trainer.test(trainer.model, trainer.datamodule, path, verbose=False, weights_only=True)
    assert set(callback.table()["epoch"]) == {0, 1}


@each
def test_a_frozen_backbone_has_nothing_to_share(kind: Kind) -> None:
    class Frozen(pl.Callback):
        def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
            for parameter in module.net.backbone.parameters():
                parameter.requires_grad_(False)

    callback = kind(every=1)
    trained(callback, Frozen())
    assert callback.table().empty


@each
def test_a_look_at_no_batch_is_refused(kind: Kind) -> None:
    with pytest.raises(ConfigError, match="every is 0; give 1 or more"):
        kind(every=0)
