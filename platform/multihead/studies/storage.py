"""The database of studies: Optuna's tables and our own, in SQLite or PostgreSQL.

SQLite runs in WAL mode, and every write begins by taking the write lock. So several processes wait
for each other instead of failing. docs/searching.md says why Optuna's journal file is not used.
"""

import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import optuna
import sqlalchemy as sa
from filelock import FileLock
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage

from multihead.errors import ConfigError, StoreError
from multihead.tracking.secrets import masked_uri

T = TypeVar("T")
PATIENCE_SECONDS = 900.0
_BUSY_SECONDS = 60
_POLL_SECONDS = 0.01
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.02, 2.0
_POSTGRES: dict[str, Any] = {
    "pool_size": 2,
    "max_overflow": 2,
    "pool_pre_ping": True,
    "pool_recycle": 1800,
    # A process that hangs within a transaction must not block the others without end.
    "connect_args": {
        "connect_timeout": 10,
        "options": "-c idle_in_transaction_session_timeout=60000",
        # A pooler between us and the server may give each transaction another connection.
        "prepare_threshold": None,
    },
}
_SQLITE: dict[str, Any] = {
    "connect_args": {"timeout": _BUSY_SECONDS, "isolation_level": "IMMEDIATE"}
}

metadata = sa.MetaData()


class StudyStorage:
    """A database of studies.

    Args:
        url: `sqlite:///FILE` or `postgresql+psycopg://...`.
        create: Make the tables that do not exist yet.

    Attributes:
        optuna: Optuna's storage for this database.
        engine: SQLAlchemy's engine for this database.

    Raises:
        ConfigError: For another kind of database.
        StoreError: If it does not answer.
    """

    def __init__(self, url: str, *, create: bool = False) -> None:
        self.url = url
        try:
            parts = sa.make_url(url)
        except sa.exc.ArgumentError as error:
            raise ConfigError(f"storage {masked_uri(url)!r} is not a URL of a database.") from error
        self.kind = parts.get_backend_name()
        if self.kind not in ("sqlite", "postgresql") or (
            self.kind == "sqlite" and not parts.database
        ):
            raise ConfigError(
                f"storage {masked_uri(url)!r} is not a kind of database that studies can use; give "
                f"sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE."
            )
        self._file = Path(parts.database or "")
        options = _SQLITE if self.kind == "sqlite" else _POSTGRES
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            if create:
                self._create(options)
            elif self.kind == "sqlite" and not self._file.is_file():
                raise ConfigError(f"there is no study storage {self._file} yet.")
            self.optuna = RDBStorage(url, engine_kwargs=options, skip_table_creation=True)
        except (sa.exc.SQLAlchemyError, StorageInternalError, ImportError, RuntimeError) as error:
            raise StoreError(
                f"the study storage {masked_uri(url)} does not answer: {_line(error)}"
            ) from error
        self.engine: sa.Engine = self.optuna.engine

    def _create(self, options: dict[str, Any]) -> None:
        """Make the tables once, even if another process does the same at this moment."""
        if self.kind == "sqlite":
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file_lock():
                with closing(sqlite3.connect(self._file, timeout=_BUSY_SECONDS)) as file:
                    file.execute("PRAGMA journal_mode=WAL")
                made = RDBStorage(self.url, engine_kwargs=options)
                _create_own(made.engine)
                made.engine.dispose()
            return
        first = sa.create_engine(self.url, **options)
        with _advisory_lock(first, "multihead"):
            made = RDBStorage(self.url, engine_kwargs=options)
            _create_own(made.engine)
            made.engine.dispose()
        first.dispose()

    @property
    def now(self) -> sa.ColumnElement[float]:
        """Seconds since 1970 by the database's clock, since the clocks of hosts may differ."""
        if self.kind == "sqlite":
            return sa.literal_column("(julianday('now') - 2440587.5) * 86400.0", sa.Float)
        return sa.literal_column("EXTRACT(EPOCH FROM clock_timestamp())", sa.Float)

    @contextmanager
    def lock(self, study: str) -> Iterator[None]:
        """Hold the study's lock. One process holds it at a time; it is free if that one dies."""
        if self.kind == "sqlite":
            with self._file_lock():
                yield
            return
        with _advisory_lock(self.engine, f"multihead:{study}"):
            yield

    def _file_lock(self) -> FileLock:
        path = self._file.with_name(f".{self._file.name}.lock")
        return FileLock(path, poll_interval=_POLL_SECONDS)

    def close(self) -> None:
        """Close all connections."""
        self.optuna.remove_session()
        self.engine.dispose()


def patiently(
    call: Callable[[], T],
    *,
    notice: Callable[[str], None] = lambda text: None,
    patience: float = PATIENCE_SECONDS,
) -> T:
    """Make a call, and repeat it while the storage does not answer.

    Args:
        call: The call. It must be safe to repeat.
        notice: Called with a message when the storage stops answering, and when it answers again.
        patience: Seconds after which the outage is an error.

    Raises:
        StoreError: If the storage does not answer for longer than `patience`.
    """
    began, pause, away = time.monotonic(), 0.2, False
    while True:
        try:
            result = call()
        except (StorageInternalError, sa.exc.SQLAlchemyError) as error:
            if not _is_outage(error):
                raise
            if time.monotonic() - began > patience:
                raise StoreError(
                    f"the study storage did not answer for {patience:.0f} s: {_line(error)}"
                ) from error
            if not away:
                notice(f"waiting, since the study storage does not answer: {_line(error)}")
            away = True
            time.sleep(pause)
            pause = min(5.0, pause * 2)
        else:
            if away:
                notice("the study storage answers again")
            return result


def _is_outage(error: BaseException) -> bool:
    # Optuna reuses a session after its connection broke. That session raises until it is rolled
    # back.
    away = (
        *(sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError),
        sa.exc.PendingRollbackError,
    )
    if isinstance(error, away) or isinstance(error.__cause__, away):
        return True
    cause = error if isinstance(error, sa.exc.DBAPIError) else error.__cause__
    return isinstance(cause, sa.exc.DBAPIError) and cause.connection_invalidated


def _create_own(engine: sa.Engine) -> None:
    """Make our own tables, and indexes that tables of an earlier version lack."""
    metadata.create_all(engine)
    for table in metadata.tables.values():
        for index in table.indexes:
            index.create(engine, checkfirst=True)


@contextmanager
def _advisory_lock(engine: sa.Engine, name: str) -> Iterator[None]:
    """Hold an advisory lock of PostgreSQL that ends with its transaction.

    A waiting process returns its connection between attempts. A pooler may have fewer connections
    than there are workers. If the waiting processes kept theirs, the process with the lock could
    not get the second connection that it needs.
    """
    query = sa.text("SELECT pg_try_advisory_xact_lock(hashtext(:name))").bindparams(name=name)
    pause = _FIRST_PAUSE_SECONDS
    while True:
        with engine.begin() as connection:
            if connection.execute(query).scalar_one():
                yield
                return
        time.sleep(random.uniform(0, pause))
        pause = min(_LONGEST_PAUSE_SECONDS, 2 * pause)


def _line(error: BaseException) -> str:
    text = str(error.__cause__ or error).splitlines()
    return text[0][:200] if text else type(error).__name__
