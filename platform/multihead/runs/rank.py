"""A further process of a training: `python -m multihead.runs.rank`, started by rank 0.

It trains and tests together with rank 0. It records and writes nothing, and ends with rank 0.
"""

import json
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from multihead.errors import MultiheadError, message_of
from multihead.garbage import collect_all_rarely
from multihead.signals import SIGNALS
from multihead.terminal.lines import say
from multihead.terminal.streams import keep_log

_LOOK_SECONDS = 0.5
_END_SECONDS = 120


def end_with(parent: int, place: str) -> None:
    """Kill this process and its children as soon as the process `parent` has ended.

    Args:
        parent: The process id of rank 0.
        place: Rank 0's folder for the processes of the training; it is deleted, too.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        shutil.rmtree(place, ignore_errors=True)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def follow(task: dict[str, Any]) -> None:
    """Build the same objects as rank 0, report that to it, then train and test.

    Args:
        task: The task from rank 0; see `runs.group`.

    Raises:
        MultiheadError: If the run is not possible in this process.
    """
    import torch

    from multihead.runs.build import build
    from multihead.runs.collector import few_collections
    from multihead.runs.group import READY, connected
    from multihead.runs.log_filters import quiet_libraries
    from multihead.runs.per_head import follow_tests
    from multihead.runs.profile import profile_into

    torch.set_num_threads(task["threads"])
    with quiet_libraries():
        parts = build(task["config"], rank=task["rank"])
        if parts.checkpoint is not None and task["checkpoints"] is not None:
            parts.checkpoint.dirpath = Path(task["checkpoints"])
        if task["checkpoints"] is not None:
            profile_into(parts.trainer, Path(task["checkpoints"]).parent)
        _say(READY)
        with connected(parts, Path(task["place"])):
            if parts.settings.train:
                with few_collections():
                    parts.trainer.fit(parts.module, parts.data, ckpt_path=parts.settings.ckpt_path)
            if parts.settings.test:
                chosen = parts.trainer.strategy.broadcast(None)
                parts.trainer.test(parts.module, parts.data, ckpt_path=chosen, verbose=False)
                follow_tests(parts)


def _say(line: str) -> None:
    """Write a line to rank 0, then send all later output, also that of libraries, to the log."""
    os.write(1, line.encode())
    os.dup2(2, 1)


def main() -> int:
    """Return the exit code."""
    for signum in SIGNALS:
        signal.signal(signum, signal.SIG_IGN)  # rank 0 decides
    task = json.load(sys.stdin)
    end_with(task["parent"], task["place"])
    sys.path[:] = task["path"]
    from multihead.runs.group import is_lost_connection
    from multihead.training.interrupts import RunInterrupted

    try:
        follow(task)
    except MultiheadError as error:
        say(message_of(error), err=True)
        return 2
    except RunInterrupted as stop:
        return stop.exit_code
    except RuntimeError as error:
        if not is_lost_connection(error):
            raise
        # Another process failed, and rank 0 reports it. Wait until rank 0 kills this process.
        time.sleep(_END_SECONDS)
        return 1
    return 0


if __name__ == "__main__":
    collect_all_rarely()
    keep_log()
    code = main()
    sys.stderr.flush()
    os._exit(code)  # skip the cleanup: nothing needs it, and libraries' threads may fail in it
