"""A run's folder: where its files are, who may write to it, and what its spool tells.

A run is alive while the lock on its folder is held: the system frees it however a process ends.
Process numbers and host names say nothing, since containers reuse them.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from filelock import FileLock, Timeout

from multihead.errors import ConfigError, PathError, StoreError
from multihead.files import inside
from multihead.tracking import spool

CONFIG_FILE = "config.yaml"
# As `new_run_id` makes them, or MLflow's own.
_RUN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}|[0-9a-f]{32}", re.ASCII)
_LOCK_SECONDS = 1.0  # a command that looks whether the run is alive holds the lock for an instant


def run_path(home: Path, run_id: object, what: str) -> Path:
    """Return the folder of a run whose id comes from a record; it need not be there.

    Whatever is written to, or deleted, by the id of a record goes through here. The home holds
    more than runs, so that a name alone would not do.

    Args:
        home: The folder of the runs.
        run_id: Our id, or MLflow's.
        what: Says in an error which value this is.

    Raises:
        PathError: If it is no such id, or the folder is a link out of the home.
    """
    path = inside(home, run_id, what)
    if not _RUN_ID.fullmatch(str(run_id)):
        raise PathError(
            f"{what} is {run_id!r:.80}, which is no id of a run such as 20261122-214501-3f9ac2."
        )
    return path


@dataclass
class History:
    """What a spool tells of a run up to now.

    Attributes:
        end: Where the last whole record ends.
        torn: Bytes after it, from a record that was cut.
        attempts: How many processes have tried.
        status: The last one.
        params: Names of the recorded parameters.
        points: (metric, step) of the recorded points, from the step asked for on.
    """

    end: int = 0
    torn: int = 0
    attempts: int = 0
    status: str = "RUNNING"
    params: set[str] = field(default_factory=set)
    points: set[tuple[str, int]] = field(default_factory=set)


class RunFolder:
    """The folder of one run.

    Args:
        path: The folder; its name is the run's id.
    """

    MARKER: ClassVar[str] = "running.json"

    def __init__(self, path: Path) -> None:
        self.path, self.run_id = path, path.name
        self.spool, self.config = path / "spool.jsonl", path / CONFIG_FILE
        self.delivery, self.manifest = path / "delivery.json", path / "manifest.json"
        self.marker = path / self.MARKER
        self.lock = FileLock(path / "run.lock")
        self.sending = FileLock(path / "send.lock")

    def acquire(self) -> None:
        """Take the run for this process.

        Raises:
            StoreError: If another process has it.
        """
        try:
            self.lock.acquire(timeout=_LOCK_SECONDS)
        except Timeout as error:
            raise StoreError(
                f"run {self.run_id} is being trained by another process{self._by()}; wait for its "
                f"end, or stop it with SIGTERM."
            ) from error

    def check_free(self) -> None:
        """See that no other process has the run.

        Raises:
            StoreError: If one has.
        """
        self.acquire()
        self.lock.release()

    @contextmanager
    def if_dead(self) -> Iterator[bool]:
        """Take the run if no process has it; yield whether that is so."""
        if self.lock.is_locked:
            yield False
            return
        try:
            self.lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            self.lock.release()

    def history(self, from_step: int = 0) -> History:
        """Read the whole spool.

        Args:
            from_step: Earlier points are not remembered.

        Raises:
            ConfigError: If there is none.
        """
        found = History()
        try:
            size = self.spool.stat().st_size
            for entry in spool.read(self.spool):
                if entry.record is not spool.DAMAGED:
                    found.end = entry.end
                    _learn(found, entry.record, from_step)
        except FileNotFoundError as error:
            raise ConfigError(f"{self.path} holds no {self.spool.name}, so no run.") from error
        found.torn = max(0, size - found.end)
        return found

    def _by(self) -> str:
        try:
            mark = json.loads(self.marker.read_text())
            return f" (number {mark['pid']} on {mark['host']})"
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return ""


def _learn(found: History, record: dict[str, Any], from_step: int) -> None:
    match record["what"]:
        case "attempt":
            found.attempts, found.status = record["number"], "RUNNING"
        case "status":
            found.status = record["status"]
        case "params":
            found.params |= set(record["values"])
        case "metrics" if record["step"] >= from_step:
            found.points |= {(key, record["step"]) for key in record["values"]}
