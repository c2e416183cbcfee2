from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pandas as pd
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger
from tests.conftest import Run
from torch.utils.data import DataLoader

from multihead.tracking.find import find_run
from multihead.tracking.store import Store
from multihead.training.telemetry import GRADIENT_NORM, Telemetry


class Slope(pl.LightningModule):
    """A batch of one number s has a gradient of norm 5 s, over two parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = (torch.nn.Parameter(torch.zeros(n)) for n in (2, 1))

    def training_step(self, batch: torch.Tensor, number: int) -> torch.Tensor:
        return batch * (3 * self.one[0] + 4 * self.other[0])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class States(Callback):
    """Keeps what a checkpoint after each batch would hold of a callback."""

    def __init__(self, of: Callback) -> None:
        self.of, self.seen = of, []

    def on_train_batch_end(self, *_: Any) -> None:
        self.seen.append(self.of.state_dict())


def logged_norm(folder: Path, batches: list[float], *callbacks: Callback) -> float:
    """Train for one epoch and return the norm that was logged."""
    logger = CSVLogger(folder)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=logger,
        log_every_n_steps=1,
        callbacks=list(callbacks),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Slope(), DataLoader(torch.tensor(batches), batch_size=None))
    return pd.read_csv(Path(logger.log_dir) / "metrics.csv")[GRADIENT_NORM].item()


def test_the_gradient_norm_is_the_mean_of_every_few_steps_also_of_a_resumed_epoch(
    tmp_path: Path,
) -> None:
    telemetry = Telemetry(every=2)
    states = States(telemetry)
    assert logged_norm(tmp_path, [1.0, 100.0, 2.0], telemetry, states) == pytest.approx(7.5)
    resumed = Telemetry(every=2)
    resumed.load_state_dict(states.seen[1])
    assert logged_norm(tmp_path, [2.0], resumed) == pytest.approx(7.5)


def test_norm_and_speed_are_logged_once_an_epoch_and_have_no_best(train: Run, store: Store) -> None:
    result = train("trainer.max_epochs=2", "data.batch_size=32", "test=false")
    found = find_run(store, result.run_id)
    for name in ("grad_norm", "system/images_per_second"):
        points = store.client.get_metric_history(found.info.run_id, name)
        assert [point.step for point in points] == [4, 8]
        assert all(0 < point.value < 1e7 for point in points)
        assert f"best/{name}" not in found.data.metrics
    assert "system/memory_percent" in found.data.metrics
