"""What all processes of a study share beside its trials: its file, its workers, a wish to stop."""

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
    sa.Column("interrupt", sa.Boolean, nullable=False),  # whether running ones end now, too
)

workers = sa.Table(
    "multihead_workers",
    metadata,
    sa.Column("owner", sa.String(80), primary_key=True),
    sa.Column("study", sa.String(80), nullable=False, index=True),
    sa.Column("kind", sa.String(20), nullable=False),  # worker, or command that starts them
    sa.Column("position", sa.Integer, nullable=False),  # how many of its kind came before
    sa.Column("place", sa.Text, nullable=False),  # host and process, for people only
    sa.Column("seen", sa.Float, nullable=False),
    sa.Column("number", sa.Integer),  # its trial
    sa.Column("note", sa.Text, nullable=False),  # what it does, for people only
    sa.Column("ended", sa.Boolean, nullable=False),
)


@dataclass(frozen=True)
class Registered:
    """A study as the storage has it.

    Attributes:
        definition: With the overrides it was started with.
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
    """Make Optuna's part of a study, if it is not there."""
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
    """Write our part of a study, new or again."""
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
    """Let no further trial start; with `interrupt`, running ones end with a checkpoint, too."""
    change = sa.update(studies).where(studies.c.study == name)
    with storage.engine.begin() as connection:
        connection.execute(change.values(stop=reason, interrupt=interrupt))


class Presence:
    """A process's entry among the workers of a study, and the lock that says it is alive.

    The lock is on a file, so it ends with the process, however that ends; process numbers say
    nothing across containers.

    The caller holds the study's lock.

    Args:
        storage: The database.
        study: The study.
        folder: Where processes of this machine keep their locks.
        kind: `worker`, or `command` for one that starts them.
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
        """Say that the process is alive and what it does."""
        with self.storage.engine.begin() as connection:
            connection.execute(
                sa.update(workers)
                .where(workers.c.owner == self.owner)
                .values(seen=self.storage.now, number=number, note=note)
            )

    def end(self) -> None:
        """Leave."""
        with self.storage.engine.begin() as connection:
            connection.execute(
                sa.update(workers)
                .where(workers.c.owner == self.owner)
                .values(ended=True, number=None, note="ended")
            )
        self._lock.release()
        Path(self._lock.lock_file).unlink(missing_ok=True)


def place_of(pid: int) -> str:
    """Return host and number of a process here; containers use the same numbers."""
    return f"{platform.node()} {pid}"


def present(storage: StudyStorage, study: str) -> Sequence[sa.Row[Any]]:
    """Return workers and commands that have not ended; `age` is seconds since their last word."""
    age = (storage.now - workers.c.seen).label("age")
    query = sa.select(workers, age).where(workers.c.study == study, workers.c.ended.is_(False))
    with storage.engine.connect() as connection:
        return connection.execute(query.order_by(workers.c.position)).all()


def alive(storage: StudyStorage, study: str, folder: Path) -> list[sa.Row[Any]]:
    """Return workers and commands that are alive: by their lock here, else by their last word."""
    return [
        worker
        for worker in present(storage, study)
        if not _died_here(folder, worker.owner) and worker.age < LEASE_SECONDS
    ]


def bury(storage: StudyStorage, study: str, folder: Path) -> list[str]:
    """End the processes of this machine that died, so that their trials go on at once.

    Returns:
        Their owners' ids.
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
    """Return whether a process of this machine left its lock behind."""
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
