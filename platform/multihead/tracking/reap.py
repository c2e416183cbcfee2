"""Runs whose process or folder is gone: killed with -9, or with the machine, or deleted.

Nobody wrote their status, so whoever looks next does.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from multihead.errors import ConfigError, MultiheadError, PathError
from multihead.tracking.find import find_run, folder_of
from multihead.tracking.folder import History, RunFolder
from multihead.tracking.spool import Spool
from multihead.tracking.store import Store
from multihead.tracking.tags import ERROR_TAG, HOME_TAG, RUN_TAG

GONE = "the process ended without a word: its folder was no longer locked"
LOST = "the run's folder was deleted or moved before the run ended"
_PAGE = 1000
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
        try:
            with folder.if_dead() as dead:
                if dead and folder.spool.is_file():
                    close_dead_attempt(folder)
                    reaped.append(folder)
        except (MultiheadError, OSError) as error:
            _LOG.warning("run %s cannot be reaped: %s", folder.run_id, error)
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


def fail_lost(store: Store) -> Iterator[str]:
    """Mark runs as FAILED that are RUNNING in the store and have no folder any more.

    Only runs of the store's own home are looked at: those of others have their folders elsewhere.

    Args:
        store: Which to look through; its home is where the folders should be.

    Yields:
        Our id of each.

    Raises:
        StoreError: If the store refuses or does not answer.
    """
    for run in running_here(store):
        if _has_lost(store, run):
            _fail(store, run)
            yield run.data.tags[RUN_TAG]


def running_here(store: Store) -> list[Any]:
    """Return the runs of the store's home that are RUNNING as far as the store knows.

    Raises:
        StoreError: If the store refuses or does not answer.
    """
    home = store.home_id()
    # A database in the home has runs of an earlier version, which did not say whose they are.
    unsaid = home if store.is_local else None
    ours = [run for run in _running(store) if run.data.tags.get(HOME_TAG, unsaid) == home]
    return [run for run in ours if _names_folder(store, run)]


def _names_folder(store: Store, run: Any) -> bool:
    """Return whether a run's tag, which anybody may have written, names a folder of the home."""
    try:
        folder_of(store, run)
    except PathError as error:
        _LOG.warning("%s", error)
        return False
    return True


def fail_named(store: Store, wanted: str) -> str:
    """Mark a run as FAILED whose folder is gone, on whatever machine it ran.

    Args:
        store: Where it is.
        wanted: As `find_run` takes it.

    Returns:
        Our id.

    Raises:
        ConfigError: If there is no such run, it is not RUNNING, or its folder is here.
        StoreError: If the store refuses or does not answer.
    """
    run = find_run(store, wanted)
    if run.info.status != "RUNNING":
        raise ConfigError(f"run {wanted} is {run.info.status}; only a RUNNING one can be reaped.")
    if not _has_lost(store, run):
        raise ConfigError(
            f"run {wanted} has its folder in {store.home}; `multihead reap` without a run looks "
            f"whether its process is gone."
        )
    _fail(store, run)
    return str(run.data.tags.get(RUN_TAG, run.info.run_id))


def _has_lost(store: Store, run: Any) -> bool:
    """Return whether a run's folder is not in the home, nor any process of it here."""
    folder = RunFolder(folder_of(store, run))
    if folder.spool.is_file():
        return False
    if not folder.path.is_dir():
        return True
    with folder.if_dead() as dead:
        return dead


def _fail(store: Store, run: Any) -> None:
    with store.errors():
        store.client.set_tag(run.info.run_id, ERROR_TAG, LOST)
        store.client.set_terminated(run.info.run_id, "FAILED")


def _running(store: Store) -> Iterator[Any]:
    wanted = f"attributes.status = 'RUNNING' AND tags.`{RUN_TAG}` LIKE '%'"
    with store.errors():
        experiments = [e.experiment_id for e in store.client.search_experiments()]
        token = None
        while True:
            page = store.client.search_runs(
                experiments, wanted, max_results=_PAGE, page_token=token
            )
            yield from page
            token = page.token
            if not token:
                return
