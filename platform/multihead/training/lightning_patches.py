"""Skip unneeded work of Lightning and torch in each training step.

With a few hundred thousand parameters, a step takes about ten milliseconds. Then even tenths of a
millisecond per step matter.
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
    """Let Lightning skip the per-step hooks that a callback does not override.

    Lightning calls every hook of every callback, also the empty inherited ones, and builds a
    profiler label each time. It skips hooks that are not callable. A `LambdaCallback` has its hooks
    as attributes of the object.
    """
    for callback in callbacks:
        for hook in _STEP_HOOKS:
            inherited = getattr(type(callback), hook) is getattr(Callback, hook)
            if inherited and hook not in vars(callback):
                setattr(callback, hook, None)


def stop_looking_for_gpus(device: str) -> None:
    """Avoid a query of the GPU driver in each optimizer step on the CPU.

    Adam calls `torch.cuda.is_available()`. Lightning sets an environment variable that makes torch
    open NVIDIA's library in each such call. Without this variable, torch caches the result.
    """
    if device == "cpu":
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"


def leave_signals_alone(trainer: pl.Trainer) -> None:
    """Turn off Lightning's signal handling in a training with several processes.

    Its handler communicates with the other processes as soon as the signal arrives, out of order
    with their own communication. It also adds a broadcast from rank 0 to each step. `StopOnSignal`
    handles signals at the end of a batch instead.
    """
    # Lightning has no public setting for this.
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]
