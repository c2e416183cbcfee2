"""Measure the load of a PostgreSQL server and the machine during another measurement."""

import threading
from types import TracebackType

import psutil
import sqlalchemy as sa

_EVERY_SECONDS = 0.2
_SNAPSHOT = sa.text(
    "SELECT count(*), count(*) FILTER (WHERE wait_event_type = 'Lock'),"
    " count(*) FILTER (WHERE state LIKE 'idle in transaction%')"
    " FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
)
_COMMITS = sa.text("SELECT sum(xact_commit) FROM pg_stat_database")
_BACKEND = sa.text("SELECT pg_backend_pid()")


class Watch:
    """Queries the server five times a second, within a `with` block.

    Args:
        url: URL of a database of the server.
        local: Whether the server runs on this machine, so that its CPU time is known.

    Attributes:
        connections: Largest number of clients' connections.
        row: Mean number of connections that waited for a lock.
        idle: Mean number of connections that were idle in a transaction.
        database: CPU time of the server in seconds; NaN if it is not local.
        busy: The share of this machine's CPU time that was used, 0 to 1.
        cores: CPU time of all cores of this machine, in seconds.
        commits: Number of transactions.
    """

    def __init__(self, url: str, *, local: bool) -> None:
        self._engine = sa.create_engine(
            url,
            poolclass=sa.pool.StaticPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"prepare_threshold": None},  # a connection pooler may be in use
        )
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._server = None
        if local:
            self._server = psutil.Process(int(self._ask(_BACKEND)[0])).parent()
        self.connections, self._looks = 0, 0
        self.row = self.idle = 0.0
        self.database, self.busy, self.cores, self.commits = float("nan"), 0.0, 0.0, 0

    def __enter__(self) -> "Watch":
        self._before = (self._processor(), psutil.cpu_times(), self._ask(_COMMITS)[0])
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        database, machine, commits = self._before
        self.database = self._processor() - database
        now = psutil.cpu_times()
        self.cores = sum(now[:8]) - sum(machine[:8])
        self.busy = 1 - (now.idle + now.iowait - machine.idle - machine.iowait) / self.cores
        for name in ("row", "idle"):
            setattr(self, name, getattr(self, name) / max(1, self._looks))
        self.commits = int(self._ask(_COMMITS)[0] - commits)
        self._engine.dispose()

    def _ask(self, question: sa.TextClause) -> sa.Row:
        with self._engine.connect() as connection:
            return connection.execute(question).one()

    def _look(self) -> None:
        while not self._over.wait(_EVERY_SECONDS):
            connections, row, idle = self._ask(_SNAPSHOT)
            self.connections = max(self.connections, connections)
            self.row, self.idle = self.row + row, self.idle + idle
            self._looks += 1

    def _processor(self) -> float:
        """Return the CPU time in seconds of the server's processes, including ended ones."""
        if self._server is None:
            return float("nan")
        times = self._server.cpu_times()
        total = times.user + times.system + times.children_user + times.children_system
        for child in self._server.children(recursive=True):
            try:
                used = child.cpu_times()
            except psutil.NoSuchProcess:
                continue  # its time is counted in its parent
            total += used.user + used.system
        return float(total)
