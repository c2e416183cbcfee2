"""Stop a training on SIGTERM or Ctrl-C between two batches, after writing a checkpoint.

Lightning would stop immediately, with exit code 1 for Ctrl-C and 0 for SIGTERM.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, cast

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from multihead.signals import handled_by
from multihead.training.checkpoints import RunCheckpoint
from multihead.training.gathering import Gathering


class RunInterrupted(BaseException):
    """The run was stopped by a signal.

    Attributes:
        exit_code: 128 plus the signal's number: 143 for SIGTERM, 130 for Ctrl-C.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(signum).name}")
        self.signum = signum
        self.exit_code = 128 + signum


class RunPaused(BaseException):
    """The caller stopped the run between two epochs and will resume it later."""

    exit_code = 0


class Interrupts:
    """Store a signal until the run can be stopped.

    Args:
        at_once_seconds: A second signal within this time is treated as the first one. A scheduler
            may signal every process of a job, and the parent process forwards its signal too.

    Attributes:
        received: The last signal received, or None.
        training: If true, wait for the end of a batch. A second signal stops the run immediately.
        held: If true, always wait, because the record is being written.
    """

    def __init__(self, at_once_seconds: float = 2.0) -> None:
        self.received: int | None = None
        self._since, self._at_once_seconds = 0.0, at_once_seconds
        self.training = False
        self.held = False

    def handle(self, signum: int, frame: FrameType | None) -> None:
        """Store the signal, and stop the run if that is allowed now.

        Raises:
            RunInterrupted: Outside a training, or at the second signal; never while held.
        """
        now = time.monotonic()
        again = self.received is not None and now - self._since > self._at_once_seconds
        if self.received is None:
            self._since = now
        self.received = signum
        if not self.held and (again or not self.training):
            raise RunInterrupted(signum)

    def release(self) -> None:
        """Allow signals to stop the run again.

        Raises:
            RunInterrupted: If a signal arrived while held.
        """
        self.held = False
        self.obey()

    def obey(self) -> None:
        """Stop the run if a signal was received.

        Raises:
            RunInterrupted: If a signal was received.
        """
        if self.received is not None:
            raise RunInterrupted(self.received)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Handle the signals inside the `with` block; restore the previous handlers afterwards.

        A signal may arrive so late that it stops nothing in this run. It is then raised again, so
        that a caller who starts several runs stops too.
        """
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread receives signals
            return
        obeyed = False
        try:
            with handled_by(self.handle):
                yield
        except RunInterrupted:
            obeyed = True
            raise
        finally:
            if self.received is not None and not obeyed:
                signal.raise_signal(self.received)


class StopOnSignal(Callback):
    """Write last.ckpt and stop the training after the batch in which a signal arrived.

    If gradients of several batches are accumulated, the training stops after the last of them,
    because a checkpoint holds no gradients. If the signal arrives during validation or in the last
    batch of an epoch, the training stops after the epoch's checkpoint.

    With several processes, the first one receives signals and sends them to the others with its
    outputs of a batch. So all processes stop after the same batch: the one in which the signal
    arrived, or the next.

    Args:
        interrupts: Stores the signals.
    """

    def __init__(self, interrupts: Interrupts) -> None:
        self.interrupts = interrupts

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Make signals wait for the end of a batch from now on."""
        self.interrupts.training = True
        cast(Gathering, pl_module.gathering).wish = lambda: self.interrupts.received or 0

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Write the checkpoint and stop, if a signal was received.

        Raises:
            RunInterrupted: If a signal was received.
        """
        if trainer.is_last_batch or (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        gathering = cast(Gathering, pl_module.gathering)
        received = self.interrupts.received if gathering.alone else gathering.wished
        if not received:
            return
        pl_module.check_finite()  # type: ignore[operator]
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, RunCheckpoint):
                callback.save_last(trainer)
        raise RunInterrupted(received)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop between two epochs, after the checkpoint of the last one is written.

        Raises:
            RunInterrupted: If a signal was received.
        """
        self.interrupts.obey()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Let signals stop the run immediately from now on.

        Raises:
            RunInterrupted: If a signal was received during the last epoch.
        """
        self.interrupts.training = False
        self.interrupts.obey()
