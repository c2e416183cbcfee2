"""Runs whose process is gone: killed with -9, or with the machine.

Nobody wrote their status, so whoever looks next does.
"""

import logging
from pathlib import Path

from multihead.tracking.folder import History, RunFolder
from multihead.tracking.spool import Spool

GONE = "the process ended without a word: its folder was no longer locked"
_LOG = logging.getLogger("multihead.tracking")


def reap(home: Path) -> list[RunFolder]:
    """Record that runs whose process is gone were KILLED; return those.

    Only the folders are touched; `sync` tells the store.

    Args:
        home: The folder of the runs.
    """
    reaped = []
    for marker in sorted(home.glob(f"*/{RunFolder.MARKER}")):
        folder = RunFolder(marker.parent)
        with folder.if_dead() as dead:
            if dead and folder.spool.is_file():
                close_dead_attempt(folder)
                reaped.append(folder)
    return reaped


def close_dead_attempt(folder: RunFolder, from_step: int = 0) -> History:
    """Record that the last attempt ended, if nobody did; cut off a line that it left half-written.

    Args:
        folder: A run whose lock this process holds.
        from_step: As for `RunFolder.history`.

    Returns:
        What the spool holds then.
    """
    history = folder.history(from_step)
    if history.torn:
        _LOG.warning(
            "run %s: the last line of %s was cut (%d bytes) and is dropped.",
            *(folder.run_id, folder.spool.name, history.torn),
        )
    if history.torn or history.status == "RUNNING":
        spool = Spool(folder.spool, history.end)
        if history.status == "RUNNING":
            when = int(folder.spool.stat().st_mtime * 1000)
            spool.append(
                {"what": "status", "time": when, "status": "KILLED", "reason": GONE, "exit": None}
            )
            history.status = "KILLED"
        spool.close()
        history.end, history.torn = folder.spool.stat().st_size, 0
    folder.marker.unlink(missing_ok=True)
    return history
