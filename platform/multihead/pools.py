"""The cores of this process, and processes for work that keeps Python's lock, a core each."""

import os
import signal
import threading
import time
from typing import Any

_IDLE_SECONDS = 5


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def process_pool() -> Any:
    """Return a pool that is called with joblib's `delayed` calls and yields results in order.

    Its processes end with this one, and a few seconds after the last call.
    """
    from joblib import Parallel  # takes a moment to import, and most ask for cores alone

    return Parallel(
        n_jobs=-1,
        batch_size=1,
        return_as="generator",
        max_nbytes=None,  # what is passed goes through pipes and no file is unpickled
        inner_max_num_threads=1,
        idle_worker_timeout=_IDLE_SECONDS,
        initializer=_depend_on,
        initargs=(os.getpid(),),
    )


def _depend_on(parent: int) -> None:
    """End this process when its parent has ended, and leave Ctrl-C to the parent.

    joblib's processes would outlive a parent that was killed, waiting for the rest of a message.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
