"""Read runs of the database in the home without MLflow, whose import takes seconds.

Only a database with a known schema is read in this way. MLflow answers searches with a filter, and
all searches of other stores. So a new schema makes a list of runs slower, but never wrong.
"""

import json
import math
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from multihead.tracking.store import Store

SCHEMAS = frozenset({"dc11669786a5"})  # of MLflow 3.17, in its table alembic_version
MOST = 1000  # runs; MLflow reads more than these, page by page
_LOCKED_SECONDS = 1
_RUNS = """
    SELECT run_uuid, CAST(runs.experiment_id AS TEXT), runs.name, status, start_time, end_time,
           artifact_uri, experiments.name
    FROM runs JOIN experiments USING (experiment_id)
    WHERE runs.lifecycle_stage = 'active' AND experiments.lifecycle_stage = 'active'
"""
_NEWEST = f"{_RUNS} ORDER BY start_time IS NULL, start_time DESC, run_uuid LIMIT ?"
_WITH_TAG = " AND run_uuid IN (SELECT run_uuid FROM tags WHERE key = ? AND value = ?)"
_OLDEST = " ORDER BY start_time, run_uuid"
_VALUES = {
    "metrics": "SELECT run_uuid, key, value, is_nan FROM latest_metrics",
    "params": "SELECT run_uuid, key, value, 0 FROM params",
    "tags": "SELECT run_uuid, key, value, 0 FROM tags",
}


@dataclass(frozen=True)
class Info:
    """The fields of a run that MLflow calls its info; times in milliseconds since 1970."""

    run_id: str
    experiment_id: str
    run_name: str | None
    status: str
    start_time: int | None
    end_time: int | None
    artifact_uri: str | None


@dataclass(frozen=True)
class Data:
    """The last values of a run's metrics, its parameters and its tags."""

    metrics: dict[str, float] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """A run with the same attribute names as MLflow's."""

    info: Info
    data: Data


def newest_runs(store: Store, limit: int) -> tuple[list[Run], dict[str, str]] | None:
    """Return the newest runs that are not deleted, and the names of their experiments by id.

    Args:
        store: The store.
        limit: How many runs.

    Returns:
        None if MLflow must answer: the limit is above `MOST`, the store is not the database in the
        home, its schema is not known, or it cannot be read now.
    """
    return _read(store, _NEWEST, (limit,)) if limit <= MOST else None


def runs_with(store: Store, tags: Mapping[str, str]) -> list[Run] | None:
    """Return the runs that are not deleted and have these tags, the oldest first.

    Args:
        store: The store.
        tags: Values by name.

    Returns:
        The runs, or None if MLflow must answer, as for `newest_runs`.
    """
    values = [text for pair in tags.items() for text in pair]
    read = _read(store, f"{_RUNS}{_WITH_TAG * len(tags)}{_OLDEST}", values)
    return None if read is None else read[0]


def _read(
    store: Store, query: str, values: Sequence[str | int]
) -> tuple[list[Run], dict[str, str]] | None:
    """Return the runs that a query finds, and their experiments' names; None as above."""
    file = store.database
    if file is None or not file.is_file():
        return None
    address = f"file:{quote(str(file))}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=_LOCKED_SECONDS)) as database:
            database.execute("BEGIN")  # so that all queries see the same state
            if {row[0] for row in database.execute("SELECT * FROM alembic_version")} - SCHEMAS:
                return None
            rows = database.execute(query, values).fetchall()
            return _made(database, rows), {row[1]: row[-1] for row in rows}
    except sqlite3.Error:
        return None


def _made(database: sqlite3.Connection, rows: Sequence[Sequence[Any]]) -> list[Run]:
    runs = {row[0]: Run(Info(*row[:-1]), Data()) for row in rows}
    chosen = json.dumps(list(runs))
    for kind, query in _VALUES.items():
        wanted = f"{query} WHERE run_uuid IN (SELECT value FROM json_each(?))"
        for run_id, key, value, is_nan in database.execute(wanted, (chosen,)):
            getattr(runs[run_id].data, kind)[key] = math.nan if is_nan else value
    return list(runs.values())
