"""SIGTERM and Ctrl-C end a training between two batches, with a checkpoint to go on from.

Lightning would turn Ctrl-C into exit code 1 and SIGTERM into 0, in the middle of anything.
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
    """A signal asked the run to end.

    Attributes:
        exit_code: 128 plus the signal's number: 143 for SIGTERM, 130 for Ctrl-C.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(signum).name}")
        self.signum = signum
        self.exit_code = 128 + signum


class RunPaused(BaseException):
    """Whoever started the run stopped it between two epochs, to go on with it later."""

    exit_code = 0


class Interrupts:
    """Remember a signal until it can be obeyed.

    Args:
        at_once_seconds: A second signal that comes so soon is the first one again: a scheduler
            may signal every process of a job, and who started this one passes it on.

    Attributes:
        received: The signal that came last, or None.
        training: Wait for the end of a batch; a second signal, unless at once, does not wait.
        held: Wait whatever comes, because the record is being written.
    """

    def __init__(self, at_once_seconds: float = 2.0) -> None:
        self.received: int | None = None
        self._since, self._at_once_seconds = 0.0, at_once_seconds
        self.training = False
        self.held = False

    def handle(self, signum: int, frame: FrameType | None) -> None:
        """Take note, or raise where nothing is half-done.

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
        """Obey signals again.

        Raises:
            RunInterrupted: If one came while held.
        """
        self.held = False
        self.obey()

    def obey(self) -> None:
        """End, if a signal came and did not.

        Raises:
            RunInterrupted: If one came.
        """
        if self.received is not None:
            raise RunInterrupted(self.received)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Handle the signals here, and as before afterwards.

        A signal that nothing obeyed here, because it came while the record was written, is sent
        again: who starts one run after the other must hear of it.
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
    """Stop the training after the batch in which a signal came, with last.ckpt written.

    Where gradients of several batches are accumulated, the last of these is waited for: a
    checkpoint holds no gradients.

    Within validation, and at the last batch of an epoch, the epoch is ended first: its
    checkpoint then needs no half validation.

    Of several processes the first one receives signals, and tells the others with its outputs of a
    batch, so that all stop after the same one: that in which the signal came, or the next.

    Args:
        interrupts: Where signals are noted.
    """

    def __init__(self, interrupts: Interrupts) -> None:
        self.interrupts = interrupts

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """From now on signals wait for the end of a batch."""
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
        """Write the checkpoint and stop.

        Raises:
            RunInterrupted: If a signal came.
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
        """Stop between two epochs, when the last one has its checkpoint.

        Raises:
            RunInterrupted: If a signal came.
        """
        self.interrupts.obey()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """From now on signals end the run at once.

        Raises:
            RunInterrupted: If a signal came during the last epoch.
        """
        self.interrupts.training = False
        self.interrupts.obey()
