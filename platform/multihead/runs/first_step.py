"""Send a new run to its store after the first step, because importing MLflow takes seconds.

The record in the run's folder is started before. So it has the reason for every end of the run.
"""

from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from multihead.tracking.run import TrackedRun


class SendAfterFirstStep(Callback):
    """Send a run to its store after the first step, and stop it if the store refuses it.

    Attributes:
        run: The run to send; None if nothing is recorded, or after it was sent.
        known: Called once, when the store has the run or does not answer.
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
        """Start sending after the first step, and check for the answer after later ones.

        Raises:
            StoreError: If the store refuses the run.
        """
        if self.run is None:
            return
        self.run.send()
        if self.run.is_settled:
            self.settle()

    def settle(self) -> None:
        """Wait once, for a limited time, for the store's answer.

        Raises:
            StoreError: If the store refuses the run.
        """
        run, self.run = self.run, None
        if run is not None:
            run.settle()
            self.known()
            run.pace()
