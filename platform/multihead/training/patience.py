"""Let a resumed training use the patience that its configuration has."""

from collections.abc import Iterable

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback, EarlyStopping


class OwnPatience(Callback):
    """Set the patience of each `EarlyStopping` again after a checkpoint was loaded.

    A checkpoint holds the patience of the training that wrote it, and Lightning takes it over. A
    stopped training that is resumed with more patience would stop again.

    Args:
        callbacks: All callbacks of the configuration.
    """

    def __init__(self, callbacks: Iterable[Callback]) -> None:
        self._own = [(c, c.patience) for c in callbacks if isinstance(c, EarlyStopping)]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Set the configured values."""
        for callback, patience in self._own:
            callback.patience = patience
