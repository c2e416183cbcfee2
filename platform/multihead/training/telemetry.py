"""How a training went besides its losses: gradient norm and images per second, once an epoch.

Nothing here runs on a batch but a counter in the optimizer's own hook: a Lightning callback with
a hook per batch would cost microseconds in each.
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

GRADIENT_NORM, IMAGES_PER_SECOND = "grad_norm", "system/images_per_second"


class Telemetry(Callback):
    """Log `grad_norm` and `system/images_per_second` once an epoch.

    The norm is the Euclidean one over all parameters, as the optimizer took the gradients (after
    clipping), averaged over the first step of the epoch and every `every` steps after it. It
    stays on the device until the epoch ends. It is left out in 16-mixed precision, where
    gradients are scaled, and under FSDP, where a device has but a part of them. Images per
    second are those of the training batches on all devices, without validation.

    Args:
        every: Steps from one look at the gradients to the next, 1 or more.
    """

    def __init__(self, every: int = 50) -> None:
        self.every = every
        self._steps = 0
        self._norms: list[Tensor] = []
        self._hook: Any = None
        self._began = self._paused = 0.0
        self._first_batch = 0

    # Written with each checkpoint, so that a resumed epoch has the mean of all its steps.
    def state_dict(self) -> dict[str, Any]:
        """Return the norms of the epoch so far."""
        return {"steps": self._steps, "norms": [float(norm) for norm in self._norms]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the norms that `state_dict` returned."""
        self._steps = int(state_dict["steps"])
        self._norms = [torch.tensor(float(norm)) for norm in state_dict["norms"]]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at the gradients after the optimizer's steps."""
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
        """Stop the clock."""
        self._paused -= time.perf_counter()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Go on with the clock."""
        self._paused += time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the epoch's figures and start again."""
        seconds = time.perf_counter() - self._began - self._paused
        found = {}
        images = self._images(trainer)
        if images:
            found[IMAGES_PER_SECOND] = images / seconds
        if self._norms:
            norms = [norm.to(pl_module.device, torch.float32) for norm in self._norms]
            found[GRADIENT_NORM] = float(torch.stack(norms).mean())
        self._steps, self._norms, self._first_batch = 0, [], 0
        # Past `self.log`: figures of the machine are no metrics to monitor, or to have a best of.
        if trainer.logger is not None:
            trainer.logger.log_metrics(found, trainer.global_step)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look no more."""
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
        """Return how many images all devices trained on in this epoch, since this process began."""
        loader = trainer.train_dataloader
        if not isinstance(loader, Resumable):
            return 0
        sampler = loader.batch_sampler
        done = trainer.fit_loop.epoch_loop.batch_progress.current.completed
        whole = sampler.count if done >= len(sampler) else done * sampler.batch_size
        return whole - self._first_batch * sampler.batch_size
