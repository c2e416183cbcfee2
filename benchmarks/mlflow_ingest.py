"""Measure how fast an MLflow server stores runs, the speed of its UI meanwhile, and table sizes.

    python benchmarks/mlflow_ingest.py --out FOLDER
    python benchmarks/mlflow_ingest.py --clients 1 16 --points 50000
    python benchmarks/mlflow_ingest.py --clients 4 --runs 100000     # and the UI with so many runs
    python benchmarks/mlflow_ingest.py --clients 4 --runs 100000 --tag-index --partitions 16

It starts a real `mlflow server` with the settings of docker-compose.yml, and a new PostgreSQL
server with fsync. Each client is a process with one run. Each point goes to the run's spool, and
from there to the server through our sender, in batches of at most 1,000. Meanwhile the script makes
the UI's requests one after another. At the end every point must exist once with its value, else the
exit code is 1. FOLDER gets ingest.csv, ui.csv, growth.csv and ingest.svg.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import requests
import sqlalchemy as sa
from ingest_client import Task, work
from ingest_history import fill
from scale_plot import draw_ingest
from scale_watch import Watch
from together import start_together

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.ports import free_port  # noqa: E402
from tests.postgres import postgres  # noqa: E402

# As in docker-compose.yml.
_SETTINGS = {
    "MLFLOW_WORKERS": "2",
    "MLFLOW_SERVE_ARTIFACTS": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_ENABLE_AI_GATEWAY": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "5",
    "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": "5",
    "MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE": "1800",
}
_POLL_SECONDS = 0.05
_SIZES = sa.text(
    "SELECT relname, pg_table_size(oid) AS heap, pg_indexes_size(oid) AS indexes"
    " FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
)
_POINTS = sa.text(
    "SELECT count(*), count(DISTINCT (key, run_uuid, step)), count(*) FILTER (WHERE value <> step)"
    " FROM metrics WHERE run_uuid = ANY(:runs)"
)


TAG_INDEX = "CREATE INDEX multihead_run ON tags (value) WHERE key = 'multihead.run'"


def partition(url: str, count: int) -> None:
    """Replace MLflow's table of points by one that is partitioned by run."""
    key = "key, timestamp, step, run_uuid, value, is_nan"
    statements = [
        "ALTER TABLE metrics RENAME TO metrics_whole",
        "ALTER TABLE metrics_whole RENAME CONSTRAINT metric_pk TO metric_whole_pk",
        "ALTER INDEX index_metrics_run_uuid RENAME TO index_metrics_whole_run_uuid",
        "ALTER INDEX index_metrics_run_uuid_key_step RENAME TO index_metrics_whole_key_step",
        "CREATE TABLE metrics (LIKE metrics_whole INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
        " PARTITION BY HASH (run_uuid)",
        *(
            f"CREATE TABLE metrics_{i} PARTITION OF metrics"
            f" FOR VALUES WITH (MODULUS {count}, REMAINDER {i})"
            for i in range(count)
        ),
        f"ALTER TABLE metrics ADD CONSTRAINT metric_pk PRIMARY KEY ({key})",
        "ALTER TABLE metrics ADD FOREIGN KEY (run_uuid) REFERENCES runs (run_uuid)",
        "CREATE INDEX index_metrics_run_uuid ON metrics (run_uuid)",
        "CREATE INDEX index_metrics_run_uuid_key_step ON metrics (run_uuid, key, step)",
        "INSERT INTO metrics SELECT * FROM metrics_whole",
        "DROP TABLE metrics_whole",
    ]
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
    engine.dispose()


class Broken(Exception):
    """A point was lost, duplicated or changed."""


@contextmanager
def server(database: str, folder: Path, workers: int) -> Iterator[tuple[str, psutil.Process]]:
    """Start an MLflow server on loopback; yield its address and process."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
    settings = {"MLFLOW_BACKEND_STORE_URI": database, "MLFLOW_WORKERS": str(workers)}
    settings["MLFLOW_ARTIFACTS_DESTINATION"] = str(folder / "artifacts")
    with (
        (folder / "server.log").open("w") as log,
        subprocess.Popen(
            [*command, "--port", str(port)],
            env=os.environ | _SETTINGS | settings,
            stdout=log,
            stderr=log,
        ) as process,
    ):
        try:
            address = f"http://127.0.0.1:{port}"
            while not _answers(address):
                if process.poll() is not None:
                    raise SystemExit((folder / "server.log").read_text())
                time.sleep(0.5)
            yield address, psutil.Process(process.pid)
        finally:
            process.terminate()


def _answers(address: str) -> bool:
    try:
        found = requests.post(
            f"{address}/api/2.0/mlflow/experiments/search", json={"max_results": 1}, timeout=30
        )
    except requests.ConnectionError:
        return False
    return found.ok


def _experiment(address: str) -> str:
    """Make the experiment of the clients' runs; return its id."""
    made = requests.post(
        f"{address}/api/2.0/mlflow/experiments/create", json={"name": "ingest"}, timeout=30
    )
    return str(made.json()["experiment_id"])


class Visitor(threading.Thread):
    """Makes the UI's requests one after another, and measures their times.

    Args:
        address: The server's address.
        listed: The experiment whose runs are listed.
        trained: The experiment whose runs have curves.
    """

    def __init__(self, address: str, listed: str, trained: str) -> None:
        super().__init__(daemon=True)
        self._base = f"{address}/ajax-api/2.0/mlflow"
        self._session = requests.Session()
        self._listed, self._trained = listed, trained
        self._over = threading.Event()
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.failed: Counter[str] = Counter()

    def run(self) -> None:
        """Make requests until stopped."""
        while not self._over.wait(_POLL_SECONDS):
            self.look()

    def look(self) -> None:
        """Make each request once: experiments, runs, sorted runs, a run by its tag, a curve."""
        self._post("experiments", "experiments/search", {"max_results": 25})
        runs = {"experiment_ids": [self._listed], "max_results": 100}
        self._post("newest 100 runs", "runs/search", runs)
        self._post("best 100 runs", "runs/search", runs | {"order_by": ["metrics.`val/m1` DESC"]})
        one = {"filter": "tags.`multihead.run` = '00000001-abcdef'"}
        self._post("a run by our id", "runs/search", runs | one)
        curves = {"experiment_ids": [self._trained], "max_results": 10}
        found = self._post("newest 10 with curves", "runs/search", curves).get("runs", [])
        if shown := [run["info"]["run_id"] for run in found]:
            query = {"run_ids": shown, "metric_key": "train/m00", "max_results": 320}
            self._get("curve of 10 runs", "metrics/get-history-bulk-interval", query)
            self._get("one run", "runs/get", {"run_id": shown[0]})

    def stop(self) -> None:
        """Stop the requests."""
        self._over.set()
        self.join()

    def _post(self, name: str, path: str, body: dict[str, Any]) -> Any:
        return self._timed(name, "POST", path, json=body)

    def _get(self, name: str, path: str, query: dict[str, Any]) -> Any:
        return self._timed(name, "GET", path, params=query)

    def _timed(self, name: str, method: str, path: str, **given: Any) -> Any:
        began = time.perf_counter()
        answer = self._session.request(method, f"{self._base}/{path}", timeout=300, **given)
        self.seconds[name].append(time.perf_counter() - began)
        if not answer.ok:  # the server waited 30 s for one of its connections to the database
            self.failed[name] += 1
            return {}
        return answer.json()

    def rows(self, clients: int, runs: int) -> list[dict[str, Any]]:
        """Return the results of each request."""
        found = []
        for name, taken in self.seconds.items():
            p50, p95, p99 = 1e3 * np.quantile(taken, [0.5, 0.95, 0.99])
            row = {"clients": clients, "runs": runs, "request": name, "count": len(taken)}
            row["failed"] = self.failed[name]
            found.append(row | {"ms_p50": p50, "ms_p95": p95, "ms_p99": p99})
        return found


def measure(
    address: str, mlflow: psutil.Process, url: str, tasks: list[Task], visitor: Visitor
) -> dict[str, Any]:
    """Let clients log runs, and return the results.

    Raises:
        Broken: If a point was lost, duplicated or changed.
    """
    processes, begin = start_together(work, tasks, ["ingest_client", "mlflow"])
    before = _processor(mlflow)
    with Watch(url, local=True) as watch:
        visitor.start()
        began = time.monotonic()
        begin()
        for process in processes:
            process.join()
        visitor.stop()
    results = [json.loads((task.folder / f"{task.place}.json").read_text()) for task in tasks]
    points = sum(task.steps * task.metrics for task in tasks)
    check(url, [result["mlflow_id"] for result in results], points)
    seconds = max(result["sent"] for result in results) - began
    return {
        "clients": len(tasks),
        "points": points,
        "seconds": seconds,
        "points_per_s": points / seconds,
        "spooled_after_s": max(result["spooled"] for result in results) - began,
        "sent_again": sum(result["again"] for result in results),
        "connections": watch.connections,
        "server_cpu_s": _processor(mlflow) - before,
        "database_cpu_s": watch.database,
        "clients_cpu_s": sum(result["cpu"] for result in results),
        "machine_busy": watch.busy,
        "row_locks": watch.row,
    }


def _processor(process: psutil.Process) -> float:
    return sum(sum(p.cpu_times()[:2]) for p in [process, *process.children(recursive=True)])


def check(url: str, runs: list[str], points: int) -> None:
    """Check that every point exists once with its value.

    Raises:
        Broken: If one does not.
    """
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        count, distinct, changed = connection.execute(_POINTS, {"runs": runs}).one()
    engine.dispose()
    if (count, distinct, changed) != (points, points, 0):
        raise Broken(
            f"{points} points were recorded; there are {count}, {distinct} of them different, "
            f"{changed} with another value"
        )


def sizes(url: str) -> pd.DataFrame:
    """Return the bytes of each table and of its indexes."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        found = pd.DataFrame(connection.execute(_SIZES).all()).set_index("relname")
    engine.dispose()
    return found


def growth(before: pd.DataFrame, after: pd.DataFrame, count: int, what: str) -> pd.DataFrame:
    """Return megabytes per million points or runs, for tables that grew."""
    grown = (after - before).loc[lambda table: table.sum(axis=1) > 0] / count
    grown["all"] = grown.sum(axis=1)
    grown = grown.sort_values("all", ascending=False)
    grown.loc["sum"] = grown.sum()
    return grown.rename_axis(f"MB per million {what}").reset_index()


def main() -> None:
    """Measure and check each number of clients; print and write the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--points", type=int, default=256_000, help="of all clients together")
    parser.add_argument("--metrics", type=int, default=20, help="points of a step")
    parser.add_argument("--workers", type=int, default=2, help="processes of the server")
    parser.add_argument("--runs", type=int, default=0, help="ended runs in the database before")
    parser.add_argument("--tag-index", action="store_true", help="find runs by our id at once")
    parser.add_argument("--partitions", type=int, help="of the table of points, by run")
    parser.add_argument("--looks", type=int, default=20, help="at the UI while nothing is sent")
    parser.add_argument("--out", type=Path, help="folder for the tables and the picture")
    given = parser.parse_args()
    os.environ.update(_SETTINGS)
    rows, ui = [], []
    with ExitStack() as stack:
        url = stack.enter_context(postgres("fsync=on", "max_connections=300")).url
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        address, mlflow = stack.enter_context(server(url, scratch, given.workers))
        trained = _experiment(address)
        empty = sizes(url)
        experiment = fill(url, given.runs) if given.runs else trained
        if given.tag_index:
            with sa.create_engine(url).begin() as connection:
                connection.execute(sa.text(TAG_INDEX))
        if given.partitions:
            partition(url, given.partitions)
        before, sent = sizes(url), 0
        quiet = Visitor(address, experiment, trained)
        for _ in range(given.looks):
            quiet.look()
        ui += quiet.rows(0, given.runs)
        for count in given.clients:
            steps = max(1, given.points // count // given.metrics)
            folder = scratch / str(count)
            folder.mkdir()
            tasks = [Task(address, steps, given.metrics, folder, place) for place in range(count)]
            visitor = Visitor(address, experiment, trained)
            rows.append(measure(address, mlflow, url, tasks, visitor))
            sent += rows[-1]["points"]
            ui += visitor.rows(count, given.runs)
            print(pd.DataFrame(rows[-1:]).round(2).to_string(index=False), flush=True)
        grown = growth(before, sizes(url), sent, "points")
    tables = {"ingest": pd.DataFrame(rows), "ui": pd.DataFrame(ui), "growth": grown}
    if given.runs:
        tables["runs"] = growth(empty, before, given.runs, "runs")
    print(
        f"\n{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
        f"{given.workers} processes of the server, {given.runs:,} runs before"
    )
    for table in tables.values():
        print(f"\n{table.round(1).to_string(index=False)}")
    print("every point is there once")
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            table.to_csv(given.out / f"{name}.csv", index=False)
        draw_ingest(tables["ingest"], tables["ui"], given.out / "ingest.svg")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # also stops the server
    try:
        main()
    except Broken as broken:
        sys.exit(f"LOST, DOUBLED OR CHANGED: {broken}")
