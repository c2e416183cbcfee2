"""End runs whose process or folder is gone, for example after SIGKILL or a power cut.

The process could not record a status, so a later command records it.
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

GONE = "the process ended without recording a status: its folder was no longer locked"
LOST = "the run's folder was deleted or moved before the run ended"
_PAGE = 1000
_LOG = logging.getLogger("multihead.tracking")


def reap(home: Path) -> list[RunFolder]:
    """Record that runs whose process is gone were KILLED.

    This changes only the folders; `sync` sends the change to the store.

    Args:
        home: The folder of the runs.

    Returns:
        The folders of these runs.
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
    """Record the end of the last attempt if that is missing; remove an incomplete last line.

    Args:
        folder: A run whose lock this process holds.
        from_step: As for `RunFolder.history`.

    Returns:
        The history of the spool after the change.
    """
    history = folder.history(from_step)
    if history.torn:
        _LOG.warning(
            "run %s: the last line of %s is incomplete (%d bytes) and is removed.",
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
    """Mark runs as FAILED if they are RUNNING in the store and their folder is missing.

    Only runs of the store's own home are checked. Runs of other homes have their folders there.

    Args:
        store: The store to look through; the folders should be in its home.

    Yields:
        Our id of each run that was marked.

    Raises:
        StoreError: If the store refuses or does not answer.
    """
    for run in running_here(store):
        if _has_lost(store, run):
            _fail(store, run)
            yield run.data.tags[RUN_TAG]


def running_here(store: Store) -> list[Any]:
    """Return the runs of the store's home that are RUNNING in the store.

    Raises:
        StoreError: If the store refuses or does not answer.
    """
    home = store.home_id()
    # An earlier version did not tag runs with their home; a database in the home has only its own.
    unsaid = home if store.is_local else None
    ours = [run for run in _running(store) if run.data.tags.get(HOME_TAG, unsaid) == home]
    return [run for run in ours if _names_folder(store, run)]


def _names_folder(store: Store, run: Any) -> bool:
    """Return whether a run's tag names a folder of the home; any user may have written the tag."""
    try:
        folder_of(store, run)
    except PathError as error:
        _LOG.warning("%s", error)
        return False
    return True


def fail_named(store: Store, wanted: str) -> str:
    """Mark a run as FAILED that has no folder in this home, on whatever machine it ran.

    Args:
        store: The store of the run.
        wanted: An id as `find_run` takes it.

    Returns:
        Our id of the run.

    Raises:
        ConfigError: If there is no such run, it is not RUNNING, or its folder is in this home.
        StoreError: If the store refuses or does not answer.
    """
    run = find_run(store, wanted)
    if run.info.status != "RUNNING":
        raise ConfigError(f"run {wanted} is {run.info.status}; only a RUNNING one can be reaped.")
    if not _has_lost(store, run):
        raise ConfigError(
            f"run {wanted} has its folder in {store.home}; `multihead reap` without a run checks "
            f"whether its process is gone."
        )
    _fail(store, run)
    return str(run.data.tags.get(RUN_TAG, run.info.run_id))


def _has_lost(store: Store, run: Any) -> bool:
    """Return whether a run has neither a spool in the home nor a process on this machine."""
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
