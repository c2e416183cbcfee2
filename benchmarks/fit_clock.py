"""A callback that records the time in `fit`, to measure the rest of a run."""

import time
from pathlib import Path

import lightning.pytorch as pl


class FitClock(pl.Callback):
    """Append the seconds of each training of a process to a file, one line each."""

    def __init__(self, file: str) -> None:
        self.file = Path(file)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.began = time.perf_counter()

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        with self.file.open("a") as file:
            file.write(f"{time.perf_counter() - self.began}\n")
