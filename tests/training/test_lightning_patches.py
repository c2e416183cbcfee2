from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback, LambdaCallback
from torch.utils.data import DataLoader, TensorDataset

from multihead.training.lightning_patches import skip_idle_hooks, stop_looking_for_gpus


class Counting(Callback):
    def __init__(self) -> None:
        self.ends = 0

    @property
    def state_key(self) -> str:
        """Asked for each hook that Lightning calls."""
        self.asked = getattr(self, "asked", 0) + 1
        return "counting"

    def on_train_batch_end(self, *args: Any, **kwargs: Any) -> None:
        self.ends += 1


class OneWeight(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        loss: torch.Tensor = self.layer(batch[0]).sum()
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def _fit(callback: Callback) -> None:
    trainer = pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(OneWeight(), DataLoader(TensorDataset(torch.ones(8, 1))))


def test_a_callback_s_own_hooks_are_called_and_its_idle_ones_are_not() -> None:
    lean, full = Counting(), Counting()
    skip_idle_hooks([lean])
    _fit(lean)
    _fit(full)
    assert lean.ends == full.ends == 8
    assert full.asked - lean.asked == 5 * 8


def test_hooks_of_a_lambda_callback_are_called() -> None:
    """Such a callback has its hooks as attributes, not as methods of its class."""
    batches: list[int] = []
    callback = LambdaCallback(on_train_batch_end=lambda *given: batches.append(given[-1]))
    skip_idle_hooks([callback])
    _fit(callback)
    assert batches == list(range(8))


def test_only_training_on_the_cpu_stops_looking_for_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    stop_looking_for_gpus("cuda")
    assert torch.cuda._nvml_based_avail()
    stop_looking_for_gpus("cpu")
    assert not torch.cuda._nvml_based_avail()
