"""Count the cores of this process, and make pools of processes with one core each."""

import os
import signal
import threading
import time
from typing import Any

_IDLE_SECONDS = 5


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def process_pool() -> Any:
    """Return a pool of processes that runs joblib's `delayed` calls and yields results in order.

    Use it for work that holds Python's global lock. The processes end with this one, or 5 seconds
    after the last call.
    """
    from joblib import Parallel  # slow to import, and most callers only need `cores`

    return Parallel(
        n_jobs=-1,
        batch_size=1,
        return_as="generator",
        max_nbytes=None,  # arguments go through pipes, and no file is unpickled
        inner_max_num_threads=1,
        idle_worker_timeout=_IDLE_SECONDS,
        initializer=_depend_on,
        initargs=(os.getpid(),),
    )


def _depend_on(parent: int) -> None:
    """End this process when its parent has ended, and ignore Ctrl-C, which the parent handles.

    Otherwise joblib's processes would wait for the rest of a message after the parent was killed.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
