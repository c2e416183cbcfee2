"""Make all ranks follow rank 0's decision whether the training stops after an epoch."""

from typing import cast

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from multihead.training.gathering import Gathering


class StopTogether(Callback):
    """Stop the other ranks when rank 0 stops, for example when a study prunes its trial.

    This callback must come after every callback that may stop a training.
    """

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take over `should_stop` and `min_epochs` from rank 0."""
        agreed, loop = cast(Gathering, pl_module.gathering).of_rank_0, trainer.fit_loop
        trainer.should_stop = bool(agreed(trainer.should_stop))
        loop.min_epochs = agreed(loop.min_epochs or 0)
