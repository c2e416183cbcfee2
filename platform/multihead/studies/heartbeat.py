"""What keeps a worker's lease and presence alive, and ends the worker that lost its trial."""

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
    """Tell whoever reads the worker's log."""
    terminal.say(f"{time.strftime('%H:%M:%S')} worker {os.getpid()}: {text}", err=True)


class Heart(threading.Thread):
    """Keep lease and presence alive while the work moves, and obey a wish to interrupt it.

    Nothing in it may end it but `stop`: what the storage refuses now is tried again.

    Args:
        presence: The worker's entry.
        storage: The database.
        hung_after: Seconds without movement after which it falls silent.
        attached: Whether the worker ends with the process that started it.
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
        """Hear that something moved."""
        self._moved, self.note = time.monotonic(), note

    def run(self) -> None:
        """Beat until stopped."""
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
                if self.lease is lease:  # else it was decided meanwhile
                    lost(lease)
        if known(self.storage, self.presence.study).interrupt:
            os.kill(os.getpid(), signal.SIGTERM)
            self._over.wait(_BEAT_SECONDS * 5)

    def stop(self) -> None:
        """End the thread."""
        self._over.set()
        self.join(timeout=30)


def lost(lease: Lease) -> None:
    """End the process at once: all it could still write belongs to another worker now."""
    say(f"trial {lease.number} was given to another worker; ending")
    os._exit(EXIT_LOST)
