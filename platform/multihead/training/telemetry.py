"""Log the gradient norm and the images per second once an epoch.

Only a counter in the optimizer's hook runs in every step. A Lightning callback with a hook per
batch would cost microseconds in each batch.
"""

import time
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.strategies import FSDPStrategy
from torch import Tensor
from torch.optim import Optimizer

from multihead.data.loader import Resumable
from multihead.errors import ConfigError

GRADIENT_NORM, IMAGES_PER_SECOND = "grad_norm", "system/images_per_second"


class Telemetry(Callback):
    """Log `grad_norm` and `system/images_per_second` once an epoch.

    The norm is the Euclidean norm of the gradient of all parameters, after clipping. It is measured
    at the first step of an epoch and at every `every`-th step after it, and averaged over these. It
    stays on the device until the epoch ends. It is not logged in 16-mixed precision, where
    gradients are scaled, nor under FSDP, where a device has only a part of them. Images per second
    counts the training images of all devices, without validation.

    Args:
        every: Steps from one measurement of the norm to the next, 1 or more.

    Raises:
        ConfigError: If `every` is below 1.
    """

    def __init__(self, every: int = 50) -> None:
        if every < 1:
            raise ConfigError(f"callbacks.telemetry.every is {every}; give 1 or more steps.")
        self.every = every
        self._steps = 0
        self._norms: list[Tensor] = []
        self._hook: Any = None
        self._began = self._paused = 0.0
        self._first_batch = 0

    # Saved with each checkpoint, so that a resumed epoch has the mean over all its steps.
    def state_dict(self) -> dict[str, Any]:
        """Return the norms of the epoch so far."""
        return {"steps": self._steps, "norms": [float(norm) for norm in self._norms]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the norms that `state_dict` returned."""
        self._steps = int(state_dict["steps"])
        self._norms = [torch.tensor(float(norm)) for norm in state_dict["norms"]]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Register the hook that measures the gradient norm, and start the clock."""
        done = trainer.fit_loop.epoch_loop.batch_progress.current.completed
        self._first_batch = done % int(trainer.num_training_batches)
        self._start_clock()
        sharded = isinstance(trainer.strategy, FSDPStrategy)
        if trainer.precision != "16-mixed" and not sharded:
            self._hook = trainer.optimizers[0].register_step_post_hook(self._after_step)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._start_clock()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Pause the clock."""
        self._paused -= time.perf_counter()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Resume the clock."""
        self._paused += time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the epoch's values and reset them."""
        seconds = time.perf_counter() - self._began - self._paused
        found = {}
        images = self._images(trainer)
        if images:
            found[IMAGES_PER_SECOND] = images / seconds
        if self._norms:
            norms = [norm.to(pl_module.device, torch.float32) for norm in self._norms]
            found[GRADIENT_NORM] = float(torch.stack(norms).mean())
        self._steps, self._norms, self._first_batch = 0, [], 0
        # Not `self.log`: these values should not be monitored, nor decide about a best epoch.
        if trainer.logger is not None:
            trainer.logger.log_metrics(found, trainer.global_step)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remove the hook."""
        if self._hook is not None:
            self._hook.remove()
            self._hook = None

    def _start_clock(self) -> None:
        self._began, self._paused = time.perf_counter(), 0.0

    def _after_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if self._steps % self.every == 0:
            groups = optimizer.param_groups
            grads = [p.grad for group in groups for p in group["params"] if p.grad is not None]
            self._norms.append(torch.nn.utils.get_total_norm(grads))
        self._steps += 1

    def _images(self, trainer: pl.Trainer) -> int:
        """Return the images that all devices trained on in this epoch and this process."""
        loader = trainer.train_dataloader
        if not isinstance(loader, Resumable):
            return 0
        sampler = loader.batch_sampler
        done = trainer.fit_loop.epoch_loop.batch_progress.current.completed
        whole = sampler.count if done >= len(sampler) else done * sampler.batch_size
        return whole - self._first_batch * sampler.batch_size
