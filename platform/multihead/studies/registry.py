"""The database tables of studies and workers: definitions, live processes and requests to stop."""

import os
import platform
import secrets
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy as sa
from filelock import FileLock, Timeout

from multihead.errors import ConfigError
from multihead.files import inside
from multihead.studies.definition import Definition
from multihead.studies.lease import LEASE_SECONDS, release_owner
from multihead.studies.storage import StudyStorage, metadata

studies = sa.Table(
    "multihead_studies",
    metadata,
    sa.Column("study", sa.String(80), primary_key=True),
    sa.Column("definition", sa.Text, nullable=False),
    sa.Column("parent", sa.String(80)),  # our id of the parent run
    sa.Column("stop", sa.Text),  # why no further trial may start
    sa.Column("interrupt", sa.Boolean, nullable=False),  # whether running trials end now, too
)

workers = sa.Table(
    "multihead_workers",
    metadata,
    sa.Column("owner", sa.String(80), primary_key=True),
    sa.Column("study", sa.String(80), nullable=False, index=True),
    sa.Column("kind", sa.String(20), nullable=False),  # worker, or command that starts workers
    sa.Column("position", sa.Integer, nullable=False),  # how many of this kind came before
    sa.Column("place", sa.Text, nullable=False),  # host and process, for display
    sa.Column("seen", sa.Float, nullable=False),
    sa.Column("number", sa.Integer),  # its trial
    sa.Column("note", sa.Text, nullable=False),  # its current activity, for display
    sa.Column("ended", sa.Boolean, nullable=False),
)


@dataclass(frozen=True)
class Registered:
    """A study's row in the storage.

    Attributes:
        definition: The definition it was started with, overrides included.
        parent: Our id of its parent run, or None before there is one.
        stop: Why no further trial may start, or None.
        interrupt: Whether running trials end now, too.
    """

    definition: Definition
    parent: str | None
    stop: str | None
    interrupt: bool


def registered(storage: StudyStorage, name: str) -> Registered | None:
    """Return a study, or None if there is none of this name."""
    with storage.engine.connect() as connection:
        row = connection.execute(sa.select(studies).where(studies.c.study == name)).first()
    if row is None:
        return None
    definition = Definition.model_validate_json(row.definition)
    return Registered(definition, row.parent, row.stop, row.interrupt)


def known(storage: StudyStorage, name: str) -> Registered:
    """Return a study.

    Raises:
        ConfigError: If there is none of this name.
    """
    found = registered(storage, name)
    if found is None:
        with storage.engine.connect() as connection:
            names = list(connection.execute(sa.select(studies.c.study)).scalars())
        there = f"it has: {', '.join(sorted(names))}" if names else "it has none yet"
        raise ConfigError(f"the storage has no study {name!r}; {there}.")
    return found


def register(storage: StudyStorage, definition: Definition) -> optuna.Study:
    """Make the Optuna study if it does not exist."""
    study = optuna.create_study(
        study_name=definition.name,
        storage=storage.optuna,
        directions=list(definition.objectives.values()),
        load_if_exists=True,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names(list(definition.objectives))
    return study


def update(
    storage: StudyStorage,
    definition: Definition,
    *,
    parent: str | None,
    stop: str | None,
    interrupt: bool,
) -> None:
    """Insert or update a study's row in our own table."""
    values = {
        "definition": definition.model_dump_json(),
        "parent": parent,
        "stop": stop,
        "interrupt": interrupt,
    }
    with storage.engine.begin() as connection:
        mine = studies.c.study == definition.name
        if connection.execute(sa.update(studies).where(mine).values(**values)).rowcount == 0:
            connection.execute(sa.insert(studies).values(study=definition.name, **values))


def ask_to_stop(storage: StudyStorage, name: str, reason: str, *, interrupt: bool) -> None:
    """Let no further trial start. With `interrupt`, running trials also end, with a checkpoint."""
    change = sa.update(studies).where(studies.c.study == name)
    with storage.engine.begin() as connection:
        connection.execute(change.values(stop=reason, interrupt=interrupt))


class Presence:
    """A process's row in the table of workers, and a file lock that shows that it is alive.

    The operating system releases the lock when the process ends, even after a crash. Process ids
    would not do, since they differ between containers.

    The caller must hold the study's lock.

    Args:
        storage: The database.
        study: The study.
        folder: Where processes of this machine keep their locks.
        kind: `worker`, or `command` for a process that starts workers.
    """

    def __init__(self, storage: StudyStorage, study: str, folder: Path, kind: str) -> None:
        self.storage, self.study = storage, study
        self.owner = secrets.token_hex(8)
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(folder / f"{self.owner}.lock")
        self._lock.acquire()
        with storage.engine.begin() as connection:
            same = sa.and_(workers.c.study == study, workers.c.kind == kind)
            query = sa.select(sa.func.count()).where(same)
            self.position = int(connection.execute(query).scalar_one())
            connection.execute(
                sa.insert(workers).values(
                    owner=self.owner,
                    study=study,
                    kind=kind,
                    position=self.position,
                    place=place_of(os.getpid()),
                    seen=storage.now,
                    note="starts",
                    ended=False,
                )
            )

    def beat(self, number: int | None, note: str) -> None:
        """Record that the process is alive, and its trial and activity."""
        with self.storage.engine.begin() as connection:
            connection.execute(
                sa.update(workers)
                .where(workers.c.owner == self.owner)
                .values(seen=self.storage.now, number=number, note=note)
            )

    def end(self) -> None:
        """Mark the row as ended and release the lock."""
        with self.storage.engine.begin() as connection:
            connection.execute(
                sa.update(workers)
                .where(workers.c.owner == self.owner)
                .values(ended=True, number=None, note="ended")
            )
        self._lock.release()
        Path(self._lock.lock_file).unlink(missing_ok=True)


def place_of(pid: int) -> str:
    """Return host name and id of a process; the id alone is not unique across containers."""
    return f"{platform.node()} {pid}"


def present(storage: StudyStorage, study: str) -> Sequence[sa.Row[Any]]:
    """Return workers and commands not marked as ended; `age` is seconds since the last beat."""
    age = (storage.now - workers.c.seen).label("age")
    query = sa.select(workers, age).where(workers.c.study == study, workers.c.ended.is_(False))
    with storage.engine.connect() as connection:
        return connection.execute(query.order_by(workers.c.position)).all()


def alive(storage: StudyStorage, study: str, folder: Path) -> list[sa.Row[Any]]:
    """Return live workers and commands: by lock on this machine, else by their last beat."""
    return [
        worker
        for worker in present(storage, study)
        if not _died_here(folder, worker.owner) and worker.age < LEASE_SECONDS
    ]


def bury(storage: StudyStorage, study: str, folder: Path) -> list[str]:
    """Mark dead processes of this machine as ended, and free their trials at once.

    Returns:
        The ids of the dead workers and commands.
    """
    dead = [w.owner for w in present(storage, study) if _died_here(folder, w.owner)]
    for owner in dead:
        release_owner(storage, owner)
        with storage.engine.begin() as connection:
            mine = workers.c.owner == owner
            connection.execute(sa.update(workers).where(mine).values(ended=True, note="died"))
        _lock_of(folder, owner).unlink(missing_ok=True)
    return dead


def _died_here(folder: Path, owner: str) -> bool:
    """Return whether a process of this machine died and left its lock file behind."""
    path = _lock_of(folder, owner)
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return True
    except Timeout:
        return False


def _lock_of(folder: Path, owner: str) -> Path:
    return inside(folder, f"{owner}.lock", "a worker's lock")
