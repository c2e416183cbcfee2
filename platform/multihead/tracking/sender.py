"""A thread that delivers a run while it trains, with a small share of the processor's time.

The training only appends to the spool. Only this thread notices a store that hangs or does not
answer. Records that it cannot deliver wait in the folder for `multihead sync`.
"""

import logging
import threading
import time

from multihead.errors import RecordLostError, StoreError, StoreUnreachableError
from multihead.tracking.delivery import Delivery
from multihead.tracking.spool import Spool

# Python runs one thread at a time, so the sender's work takes time from the training.
_SHARE = 0.01
_INTERVAL = 1.0  # seconds between two reads of the spool
_FIRST_RETRY, _LONGEST_RETRY = 0.5, 15.0
_UPLOAD_RATE = 1_000_000  # bytes per second: the slowest upload that is waited for
_LOG = logging.getLogger("multihead.tracking")


class Sender(threading.Thread):
    """Deliver a spool in the background.

    Args:
        spool: The spool. It is flushed before each delivery, so that the store never has more
            than the disk.
        delivery: Sends the records to the store.

    Attributes:
        settled: Set when the store knows the run, has refused it, or has failed to answer.
        refusal: Why the store refuses, or None.
        beginning: Whether a refusal can still end the run. The run then reports it, and the
            sender logs no warning.
    """

    def __init__(self, spool: Spool, delivery: Delivery) -> None:
        super().__init__(name=f"sender-{delivery.folder.run_id}", daemon=True)
        self._spool, self.delivery = spool, delivery
        self.settled = threading.Event()
        self.refusal: StoreError | None = None
        self.beginning = True
        self._paced = False
        self._closing, self._abandoned = threading.Event(), threading.Event()
        self._failures = 0
        self._announced = False
        self._progress = time.monotonic()

    def pace(self) -> None:
        """Limit the sender's share of the processor from now on."""
        self._paced = True

    def close(self, patience: float) -> None:
        """Deliver the rest, as long as there is progress.

        Args:
            patience: Seconds without any progress after which the rest is left to `sync`.
        """
        began = time.monotonic()
        self._closing.set()
        while self.is_alive():
            self.join(0.05)
            waited = time.monotonic() - max(began, self._progress)
            if waited > patience + self.delivery.artifacts.uploading / _UPLOAD_RATE:
                self._abandoned.set()
                break

    def run(self) -> None:
        """Deliver until the sender is closed and has sent all or failed, or is abandoned."""
        wait = 0.0
        with self.delivery.folder.sending:
            while not self._abandoned.is_set():
                self._closing.wait(wait)
                closing = self._closing.is_set()
                began = time.thread_time()
                try:
                    worked = self._step()
                except RecordLostError:
                    return  # the run itself reports it
                except StoreError as error:
                    self._failed(error)
                    if closing:
                        return
                    wait = min(_LONGEST_RETRY, _FIRST_RETRY * 2 ** (self._failures - 1))
                    continue
                self._succeeded()
                if closing and not worked:
                    return
                wait = self._rest(worked, time.thread_time() - began)

    def _step(self) -> bool:
        """Deliver a batch or a file; return whether there was anything to send.

        Raises:
            RecordLostError: If the spool was deleted, moved or changed.
            StoreError: If the store refuses or does not answer, or the disk fails.
        """
        self._spool.check()
        self._spool.flush()
        try:
            return self.delivery.step()
        except OSError as error:
            self._spool.check()
            raise StoreError(
                f"{error.filename or self.delivery.folder.path} cannot be read or written to "
                f"({error.strerror})."
            ) from error

    def _rest(self, worked: bool, seconds: float) -> float:
        if not worked:
            return _INTERVAL
        return max(_INTERVAL, seconds / _SHARE) if self._paced else 0.0

    def _failed(self, error: StoreError) -> None:
        self._failures += 1
        self.refusal = None if isinstance(error, StoreUnreachableError) else error
        self.settled.set()
        if self.beginning and self.refusal is not None:
            return
        # A single failure may be an idle connection that the server has closed.
        if not self._announced and (self._failures > 1 or self.refusal is not None):
            self._announced = True
            kept = self.delivery.folder.path
            _LOG.warning("%s The run goes on; its record is kept in %s.", error, kept)

    def _succeeded(self) -> None:
        self._progress = time.monotonic()
        if self.delivery.cursor.mlflow_id is not None:
            self.settled.set()
        if self._announced:
            _LOG.warning("the tracking store %s is back.", self.delivery.store.shown_uri)
        self._failures, self._announced, self.refusal = 0, False, None
