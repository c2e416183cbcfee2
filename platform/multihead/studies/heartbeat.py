"""Renew a worker's lease and presence in a thread, and end a worker that has lost its trial."""

import os
import signal
import threading
import time

from multihead.studies.lease import Lease, LeaseLost
from multihead.studies.registry import Presence, known
from multihead.studies.storage import StudyStorage, patiently
from multihead.terminal import lines as terminal
from multihead.workers import EXIT_LOST

_BEAT_SECONDS = 2.0


def say(text: str) -> None:
    """Print a line to the worker's log."""
    terminal.say(f"{time.strftime('%H:%M:%S')} worker {os.getpid()}: {text}", err=True)


class Heart(threading.Thread):
    """A thread that renews the lease and the presence while the worker makes progress.

    It also interrupts the worker when the study is asked to stop. If the storage does not answer,
    the thread retries without limit. Only `stop` ends it.

    Args:
        presence: The worker's row in the table of workers.
        storage: The database.
        hung_after: The thread stops renewing after this many seconds without a `tick`.
        attached: Whether the worker ends when the process that started it ends.
    """

    def __init__(
        self, presence: Presence, storage: StudyStorage, hung_after: float, *, attached: bool
    ) -> None:
        super().__init__(name="heart", daemon=True)
        self.presence, self.storage, self.hung_after = presence, storage, hung_after
        self.lease: Lease | None = None
        self.note = "starts"
        self._moved = time.monotonic()
        self._parent = os.getppid() if attached else None
        self._over = threading.Event()

    def tick(self, note: str) -> None:
        """Note that the worker made progress, and its current activity."""
        self._moved, self.note = time.monotonic(), note

    def run(self) -> None:
        """Renew at every interval until stopped."""
        while not self._over.wait(_BEAT_SECONDS):
            if self._parent is not None and os.getppid() != self._parent:
                self._parent = None
                os.kill(os.getpid(), signal.SIGTERM)
            if time.monotonic() - self._moved < self.hung_after:
                patiently(self._beat, patience=float("inf"))

    def _beat(self) -> None:
        lease = self.lease
        self.presence.beat(None if lease is None else lease.number, self.note)
        if lease is not None and self.lease is lease:
            try:
                lease.renew(self.storage)
            except LeaseLost:
                if self.lease is lease:  # otherwise the worker has decided the trial meanwhile
                    lost(lease)
        if known(self.storage, self.presence.study).interrupt:
            os.kill(os.getpid(), signal.SIGTERM)
            self._over.wait(_BEAT_SECONDS * 5)

    def stop(self) -> None:
        """End the thread."""
        self._over.set()
        self.join(timeout=30)


def lost(lease: Lease) -> None:
    """End the process at once, since another worker now writes the files of the trial."""
    say(f"trial {lease.number} was given to another worker; ending")
    os._exit(EXIT_LOST)
