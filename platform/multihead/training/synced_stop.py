"""One decision for all ranks: rank 0 says whether the training stops after an epoch."""

from typing import cast

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from multihead.training.gathering import Gathering


class StopTogether(Callback):
    """Let the other ranks stop where rank 0 does, as when a study prunes its trial.

    It must come after every callback that may stop a training.
    """

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take over rank 0's decision, and whether it holds before the least number of epochs."""
        agreed, loop = cast(Gathering, pl_module.gathering).of_rank_0, trainer.fit_loop
        trainer.should_stop = bool(agreed(trainer.should_stop))
        loop.min_epochs = agreed(loop.min_epochs or 0)
