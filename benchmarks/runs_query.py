"""Measure time and memory of a filtered, sorted table of runs, on a large store.

    python benchmarks/runs_query.py [--runs 10000] [--metrics 50] [--rounds 5] [--postgres]

Fills an SQLite store in a temporary folder with synthetic runs. Each has the metrics, and as many
parameters and tags as a real run. With `--postgres` the store is a new PostgreSQL server (`apt-get
install postgresql`, extra `postgres`). Each query runs in a new process, once to connect and then
`rounds` times. The times are wall time and CPU time of `runs_table`. The memory is the peak of the
process minus its memory before the query.

The script fills MLflow's tables directly, because MLflow would need many minutes.
"""

import argparse
import os
import platform
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.postgres import postgres  # noqa: E402

from multihead.tracking.query import runs_table  # noqa: E402
from multihead.tracking.store import Store  # noqa: E402

PARAMS, TAGS = 60, 40
HEADS = ("digit", "thickness", "smoothness")
QUESTIONS: dict[str, dict[str, Any]] = {
    "newest 20": {"limit": 20},
    "best 20 of a filter": {
        "filter": "metrics.`test/digit_acc` > 0.5 AND params.p01 = '1'",
        "sort": "best/val/digit_acc",
        "limit": 20,
    },
    "best 1,000 of a filter": {
        "filter": "metrics.`test/digit_acc` > 0.5",
        "sort": "best/val/digit_acc",
        "limit": 1000,
    },
    "half of all, sorted": {
        "filter": "metrics.`test/digit_acc` > 0.5",
        "sort": "best/val/digit_acc",
        "limit": 1_000_000,
    },
    "all": {"limit": 1_000_000},
}


def metric_names(count: int) -> list[str]:
    """Return metric names of a run, such as `test/digit_acc` and `best/val/digit_acc`."""
    kinds = [f"{split}/{h}_{k}" for split in ("test", "best/val") for h in HEADS for k in _KINDS]
    return (kinds + [f"train/m{i:02d}" for i in range(count)])[:count]


_KINDS = ("acc", "loss")


def fill(uri: str, runs: int, metrics: int) -> None:
    """Write synthetic runs into MLflow's tables with bulk inserts."""
    if uri.startswith("sqlite"):
        with closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as database, database:
            for table, columns, rows in _tables(runs, metrics):
                marks = ", ".join("?" for _ in columns.split(","))
                database.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)
        return
    import psycopg

    with psycopg.connect(uri.replace("+psycopg", "")) as connection:
        cursor = connection.cursor()
        for table, columns, rows in _tables(runs, metrics):
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as out:
                for row in rows:
                    out.write_row(row)
        connection.commit()
        connection.autocommit = True
        cursor.execute("ANALYZE")


def _tables(runs: int, metrics: int) -> Iterator[tuple[str, str, Iterator[tuple[Any, ...]]]]:
    """Yield names of tables, their columns, and rows."""
    rng = np.random.default_rng(0)
    names = metric_names(metrics)
    now = int(time.time() * 1000)
    ids = [f"{i:032x}" for i in range(runs)]
    yield (
        "runs",
        "run_uuid, name, status, start_time, end_time, lifecycle_stage, artifact_uri,"
        " experiment_id, user_id",
        (
            (run, f"r{i}", "FINISHED", now + i, now + i + 60_000, "active", "/tmp", 0, "me")
            for i, run in enumerate(ids)
        ),
    )
    for table in ("latest_metrics", "metrics"):
        yield (
            table,
            "key, value, timestamp, step, is_nan, run_uuid",
            (
                (name, float(value), now, 100, False, run)
                for run in ids
                for name, value in zip(names, rng.random(metrics), strict=True)
            ),
        )
    params = (
        (f"p{k:02d}", str((i + k) % 7), run) for i, run in enumerate(ids) for k in range(PARAMS)
    )
    yield "params", "key, value, run_uuid", params
    yield "tags", "key, value, run_uuid", _tags(ids)


def _tags(ids: list[str]) -> Iterator[tuple[str, str, str]]:
    for i, run in enumerate(ids):
        yield "multihead.run", f"20261122-{i:06d}-abcdef", run
        yield "mlflow.runName", f"r{i}", run
        yield "multihead.kind", "run", run
        for k in range(TAGS - 3):
            yield f"t{k:02d}", f"value {k} of a tag", run


def ask(uri: str, question: str, rounds: int) -> str:
    """Run one query; return rows, columns, wall time, CPU time and megabytes as a line."""
    options = QUESTIONS[question]
    store = Store(uri)
    runs_table(store, limit=1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds, processor = [], []
    for _ in range(rounds):
        began, used = time.perf_counter(), time.process_time()
        table = runs_table(store, **options)
        seconds.append(time.perf_counter() - began)
        processor.append(time.process_time() - used)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (
        f"{question:<24} {len(table):7,} x {len(table.columns):<4} "
        f"{statistics.median(seconds):6.2f} {max(seconds):6.2f} "
        f"{statistics.median(processor):6.2f} {(peak - before) / 1024:9.0f} {peak / 1024:6.0f}"
    )


def main() -> None:
    """Fill a database, run each query in a new process, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--metrics", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL, not SQLite")
    parser.add_argument("--uri", help=argparse.SUPPRESS)
    parser.add_argument("--ask", choices=list(QUESTIONS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ask:
        print(ask(options.uri, options.ask, options.rounds))
        return
    with ExitStack() as stack, tempfile.TemporaryDirectory() as home:
        os.environ["MULTIHEAD_HOME"] = home
        store = Store(stack.enter_context(postgres()).url if options.postgres else None)
        uri, _ = store.uri, store.client
        began = time.perf_counter()
        fill(uri, options.runs, options.metrics)
        print(
            f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores; "
            f"{options.runs:,} runs, each with {options.metrics} metrics, {PARAMS} parameters and "
            f"{TAGS} tags, filled in {time.perf_counter() - began:.0f} s"
        )
        titles = f"{'median':>6} {'max s':>6} {'CPU s':>6} {'MB above':>9} MB"
        print(f"{'':<24} {'rows x columns':<14} {titles}")
        for question in QUESTIONS:
            asked = [sys.executable, __file__, "--uri", uri, "--rounds", str(options.rounds)]
            subprocess.run([*asked, "--ask", question], check=True)


if __name__ == "__main__":
    main()
