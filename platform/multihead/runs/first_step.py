"""The store is told of a new run after its first step, because importing MLflow takes seconds.

The record in the run's folder begins before it, so whatever ends the run is on record.
"""

from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from multihead.tracking.run import TrackedRun


class SendAfterFirstStep(Callback):
    """Have a run told to its store from the first step on, and end it if the store refuses.

    Attributes:
        run: None if nothing is recorded, or the store was told already.
        known: Called once, when the store knows the run, or is known not to answer.
    """

    def __init__(self) -> None:
        self.run: TrackedRun | None = None
        self.known: Callable[[], None] = lambda: None

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Start after the first step; look what came of it after later ones.

        Raises:
            StoreError: If the store refuses the run.
        """
        if self.run is None:
            return
        self.run.send()
        if self.run.is_settled:
            self.settle()

    def settle(self) -> None:
        """Wait a bounded time for the store's answer, once.

        Raises:
            StoreError: If the store refuses the run.
        """
        run, self.run = self.run, None
        if run is not None:
            run.settle()
            self.known()
            run.pace()
