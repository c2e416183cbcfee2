"""Processes for work that keeps Python's lock, a core each."""

import os
import signal
import threading
import time
from typing import Any

from joblib import Parallel

_IDLE_SECONDS = 5


def process_pool() -> Any:
    """Return a pool that is called with joblib's `delayed` calls and yields results in order.

    Its processes end with this one, and a few seconds after the last call.
    """
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
