"""A storage as others would write it: outside the package."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from multihead.studies.storage import StudyStorage


class OutsideStorage(StudyStorage):
    """SQLite with the system's own locks, a file for each study, and another clock."""

    @property
    def now(self) -> sa.ColumnElement[float]:
        text = "strftime('%s', 'now') + substr(strftime('%f', 'now'), 3)"
        return sa.literal_column(f"({text})", sa.Float)

    @contextmanager
    def lock(self, study: str) -> Iterator[None]:
        with Path(f"{self._file}.{study}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
