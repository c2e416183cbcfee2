"""Spare a training step what Lightning and torch do in it for nothing.

On a network of a few hundred thousand parameters a step takes ten milliseconds, so what costs
tenths of one is a share of the whole training.
"""

import os
from collections.abc import Iterable

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

_STEP_HOOKS = (
    "on_train_batch_start",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_train_batch_end",
    "on_validation_batch_start",
    "on_validation_batch_end",
)


def skip_idle_hooks(callbacks: Iterable[Callback]) -> None:
    """Let Lightning skip the hooks of each step that a callback does not have.

    Lightning calls every hook of every callback, those inherited empty too, and makes a label for
    its profiler each time; what is not callable it passes over.
    """
    for callback in callbacks:
        for hook in _STEP_HOOKS:
            if getattr(type(callback), hook) is getattr(Callback, hook):
                setattr(callback, hook, None)


def stop_looking_for_gpus(device: str) -> None:
    """Keep an optimizer on the CPU from asking the driver for GPUs at each step.

    Adam asks `torch.cuda.is_available()`, and Lightning has set the variable that makes torch
    answer by opening NVIDIA's library anew each time. Without it, torch remembers the answer.
    """
    if device == "cpu":
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"


def leave_signals_alone(trainer: pl.Trainer) -> None:
    """Keep Lightning from handling signals in a training of several processes.

    Its handler would exchange tensors wherever the signal came, out of the order in which the
    other processes exchange theirs, and each step would ask rank 0 whether there was one.
    `StopOnSignal` does that at the end of a batch.
    """
    # Only these private names do it.
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]
