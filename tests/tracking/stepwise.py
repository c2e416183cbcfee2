"""`multihead train`, but with a point per step, and a list of every point that was recorded.

    python stepwise.py LIST [overrides]

A line `metric step value` is added to LIST after each point is in the run's record.
"""

import os
import sys
from typing import Any

from multihead.cli.main import main
from multihead.tracking.run import TrackedRun
from multihead.training.interrupts import StopOnSignal

produced = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
plain_log, plain_end = TrackedRun.log_metrics, StopOnSignal.on_train_batch_end


def log_metrics(self: TrackedRun, metrics: dict[str, float], step: int) -> None:
    plain_log(self, metrics, step)
    lines = "".join(f"{name} {step} {value!r}\n" for name, value in metrics.items())
    os.write(produced, lines.encode())


def on_train_batch_end(
    self: StopOnSignal, trainer: Any, module: Any, outputs: Any, *rest: Any
) -> None:
    values = {"step/loss": float(outputs["loss"]), "step/odd": float("nan")}
    trainer.logger.log_metrics(values, step=trainer.global_step)
    plain_end(self, trainer, module, outputs, *rest)


TrackedRun.log_metrics = log_metrics  # type: ignore[method-assign]
StopOnSignal.on_train_batch_end = on_train_batch_end  # type: ignore[method-assign]
main(["train", *sys.argv[2:]])
