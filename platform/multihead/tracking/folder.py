"""A run's folder: its files, its locks, and the history in its spool.

A run is alive while a process holds the lock on its folder. The system frees the lock however the
process ends. Process numbers and host names are no evidence, because containers reuse them.
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
_LOCK_SECONDS = 1.0  # a command that checks whether the run is alive holds the lock briefly


def run_path(home: Path, run_id: object, what: str) -> Path:
    """Return the folder of a run whose id comes from a record; it need not exist.

    All code that writes to or deletes such a folder uses this function. The home also holds other
    folders, so any name in it is not enough: it must be a run id.

    Args:
        home: The folder of the runs.
        run_id: Our id, or MLflow's.
        what: What the value is, for the error message.

    Raises:
        PathError: If it is not a run id, or the folder is a link out of the home.
    """
    path = inside(home, run_id, what)
    if not _RUN_ID.fullmatch(str(run_id)):
        raise PathError(
            f"{what} is {run_id!r:.80}, which is not a run id such as 20261122-214501-3f9ac2."
        )
    return path


@dataclass
class History:
    """The history of a run, as its spool records it.

    Attributes:
        end: Where the last complete record ends, in bytes.
        torn: Bytes after it, from an incomplete record.
        attempts: How many attempts were begun.
        status: The last status.
        params: Names of the recorded parameters.
        points: (metric, step) of the recorded points at or after the requested step.
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
                f"run {self.run_id} is being trained by another process{self._by()}; wait until "
                f"it ends, or stop it with SIGTERM."
            ) from error

    def check_free(self) -> None:
        """Check that no other process has the run.

        Raises:
            StoreError: If another process has it.
        """
        self.acquire()
        self.lock.release()

    @contextmanager
    def if_dead(self) -> Iterator[bool]:
        """Lock the run if no process has it; yield whether it could be locked."""
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
            from_step: The history leaves out points before this step.

        Raises:
            ConfigError: If the folder has no spool.
        """
        found = History()
        try:
            size = self.spool.stat().st_size
            for entry in spool.read(self.spool):
                if entry.record is not spool.DAMAGED:
                    found.end = entry.end
                    _learn(found, entry.record, from_step)
        except FileNotFoundError as error:
            raise ConfigError(
                f"{self.path} is not a run's folder: it has no {self.spool.name}."
            ) from error
        found.torn = max(0, size - found.end)
        return found

    def _by(self) -> str:
        try:
            mark = json.loads(self.marker.read_text())
            return f" (process {mark['pid']} on {mark['host']})"
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
