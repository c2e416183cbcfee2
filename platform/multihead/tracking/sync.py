"""Send the store what runs could not deliver themselves; a repeated call sends nothing twice."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from multihead.errors import ConfigError, MultiheadError, PathError
from multihead.files import inside
from multihead.tracking.cursor import Cursor
from multihead.tracking.delivery import Delivery
from multihead.tracking.find import folder_of
from multihead.tracking.folder import RunFolder
from multihead.tracking.reap import close_dead_attempt, reap, running_here
from multihead.tracking.store import Store
from multihead.yaml_file import read_yaml

_LOCK_SECONDS = 600.0


@dataclass(frozen=True)
class Synced:
    """The result of sending one run.

    Attributes:
        run_id: Our id.
        sent: How many batches and files were delivered now.
        problem: Why something is still unsent, or None.
    """

    run_id: str
    sent: int = 0
    problem: str | None = None


def sync(home: Path, run_id: str | None = None) -> Iterator[Synced]:
    """Deliver the unsent records of the runs in a folder; yield the runs that had any.

    A run that is being trained sends by itself and is skipped. Two calls at once take turns.

    Args:
        home: The folder of the runs.
        run_id: Only this run; its artifacts are then also compared with those in the store.

    Raises:
        ConfigError: If there is no such run.
    """
    if run_id is None:
        yield from send(home, sorted(p.parent.name for p in home.glob("*/spool.jsonl")))
        return
    folder = RunFolder(inside(home, run_id, "the run"))
    if not folder.spool.is_file():
        raise ConfigError(f"there is no run {run_id!r} in {home}; `multihead runs` lists them.")
    done = _sync_one(folder, named=True)
    if done is not None:
        yield done


def send(home: Path, run_ids: Iterable[str]) -> Iterator[Synced]:
    """Deliver the unsent records of some runs; yield the runs that had any.

    Args:
        home: The folder of the runs; runs that are not in it are skipped.
        run_ids: Our ids.
    """
    for run_id in run_ids:
        try:
            folder = RunFolder(inside(home, run_id, "a run"))
        except PathError as error:
            yield Synced(run_id, problem=str(error))
            continue
        done = _sync_one(folder, named=False) if folder.spool.is_file() else None
        if done is not None:
            yield done


def reap_and_tell(home: Path) -> list[Synced]:
    """Mark runs whose process is gone as KILLED, in their folders and in the store."""
    return [done for folder in reap(home) for done in sync(home, folder.run_id)]


def tell_ended(store: Store) -> Iterator[Synced]:
    """Deliver runs that ended here while the store did not answer, so it shows them as RUNNING.

    Args:
        store: The store to look through; its home has the folders.

    Raises:
        StoreError: If the store refuses or does not answer.
    """
    for run in running_here(store):
        folder = RunFolder(folder_of(store, run))
        if folder.spool.is_file():
            with folder.if_dead() as dead:
                pass
            if dead:
                yield from sync(store.home, folder.run_id)


def _sync_one(folder: RunFolder, *, named: bool) -> Synced | None:
    try:
        return _sync_locked(folder, named=named)
    except OSError as error:  # no lock can be taken in this folder
        return Synced(folder.run_id, problem=str(error))


def _sync_locked(folder: RunFolder, *, named: bool) -> Synced | None:
    with folder.if_dead() as dead:
        if not dead:
            return Synced(
                folder.run_id, problem="it is being trained, and sends its records itself"
            )
        try:
            if folder.marker.exists() or named or _is_torn(folder):
                close_dead_attempt(folder)
            store = store_of(folder)
            if not named and _is_sent(folder, store):
                return None
            return Synced(folder.run_id, _deliver(folder, store, verify=named))
        except Timeout:
            return Synced(folder.run_id, problem="another process is sending it")
        except (MultiheadError, OSError) as error:
            return Synced(folder.run_id, problem=str(error))


def store_of(folder: RunFolder) -> Store:
    """Return the store that a run's configuration names, or the default one.

    Raises:
        ConfigError: If the configuration is damaged.
    """
    try:
        uri = read_yaml(folder.config)["logger"]["tracking_uri"]
    except (KeyError, TypeError) as error:
        raise ConfigError(f"{folder.config} is damaged: it has no logger.tracking_uri.") from error
    return Store(uri, folder.path.parent)


def _is_torn(folder: RunFolder) -> bool:
    with folder.spool.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 1))
        return file.read(1) != b"\n"


def _is_sent(folder: RunFolder, store: Store) -> bool:
    """Return whether all is sent, by the cursor alone, which is fast for thousands of runs."""
    cursor = Cursor.load(folder.delivery, store.identity)
    return cursor.offset == folder.spool.stat().st_size and cursor.sent.items() >= (
        cursor.wanted.items()
    )


def _deliver(folder: RunFolder, store: Store, *, verify: bool) -> int:
    with folder.sending.acquire(timeout=_LOCK_SECONDS):
        delivery = Delivery(folder, store)
        if verify:
            delivery.verify()
        count = 0
        while delivery.step():
            count += 1
        return count
