"""Measure a study's PostgreSQL storage with many workers, in three ways. Trials only wait.

    python benchmarks/study_scale.py --out FOLDER                      # an hour; see --help
    python benchmarks/study_scale.py --workers 1 8 64 --seconds 0 1 --ways multihead grpc
    python benchmarks/study_scale.py --workers 1 --seconds 0 --history 0 1000 10000 --sampler tpe
    python benchmarks/study_scale.py --beats 500                       # cost of heartbeats
    python benchmarks/study_scale.py --running 100 1000                # reading running trials
    python benchmarks/study_scale.py --quick                           # a few seconds, one kill

multihead  the same as `multihead study`, without training: leases, heartbeats, budget, decisions
optuna     `ask` and `tell` with Optuna's RDBStorage, which does not notice dead workers
grpc       the same through Optuna's gRPC proxy; only the proxy is connected to the database

Each worker is a process. A trial is claimed, samples two numbers, waits, reports once, and is told.
At the end exactly the requested trials must exist, each once and COMPLETE, in Optuna's tables, in
the leases and in the workers' records, else the exit code is 1. The script starts PostgreSQL with
fsync, unless `--storage` names a server. `--history` first adds ended trials to the study. FOLDER
gets scale.csv and scale.svg.
"""

import argparse
import json
import math
import multiprocessing
import os
import platform
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import psutil
import sqlalchemy as sa
from scale_history import fill
from scale_watch import Watch
from scale_worker import OPERATIONS, SAMPLERS, Task, serve, work
from together import start_together

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.ports import free_port  # noqa: E402
from tests.postgres import postgres  # noqa: E402

from multihead.studies.budget import Budget, Limits  # noqa: E402
from multihead.studies.definition import Definition  # noqa: E402
from multihead.studies.heartbeat import Heart  # noqa: E402
from multihead.studies.lease import Lease, leases  # noqa: E402
from multihead.studies.registry import Presence, bury, register, update, workers  # noqa: E402
from multihead.studies.storage import StudyStorage  # noqa: E402

WAYS = ("multihead", "optuna", "grpc")
_CONNECTIONS = 400
_READS = 10
_LOOK_SECONDS = 0.5  # as often as `multihead study` looks for dead workers
_AIM_SECONDS = 0.02  # trials may be short


@dataclass(frozen=True)
class Setting:
    """One measurement: way, number of workers, length of trials, number of earlier trials."""

    way: str
    workers: int
    seconds: float
    sampler: str
    history: int
    trials: int
    kills: int


class Broken(Exception):
    """A trial was lost or duplicated."""


def trials_of(workers: int, seconds: float, *, last: float, most: int) -> int:
    """Return a number of trials that keeps the workers busy; at least two per worker."""
    each = max(2, round(last / (seconds + 0.05)))
    return workers * max(2, min(each, most // workers))


def measure(setting: Setting, url: str, *, local: bool) -> dict[str, Any]:
    """Run a study and return the results.

    Raises:
        Broken: If a trial was lost or duplicated.
    """
    name = f"scale-{time.time_ns()}"
    content = {"name": name, "space": {"x": [0]}, "objectives": "val/acc"}
    total = setting.history + setting.trials
    definition = Definition.model_validate({**content, "n_trials": total})
    storage = StudyStorage(url, create=True)
    register(storage, definition)
    update(storage, definition, parent=None, stop=None, interrupt=False)
    fill(storage, name, setting.history)
    storage.close()
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        folder = Path(scratch)
        proxy = stack.enter_context(_proxy(url)) if setting.way == "grpc" else None
        place = url if proxy is None else str(proxy[0])
        trials = total if setting.way == "multihead" else setting.trials // setting.workers
        tasks = [
            Task(setting.way, place, name, trials, setting.seconds, setting.sampler, folder, i)
            for i in range(setting.workers)
        ]
        used = None if proxy is None else psutil.Process(proxy[1])
        before = 0.0 if used is None else sum(used.cpu_times()[:2])
        watch = Watch(url, local=local)
        began = _run(tasks, setting.kills, url, name, folder, watch)
        after = 0.0 if used is None else sum(used.cpu_times()[:2])
        check(setting, url, name, folder)
        return _figures(setting, folder, began, watch, after - before)


@contextmanager
def _proxy(url: str) -> Iterator[tuple[int, int]]:
    """Start Optuna's proxy on loopback; yield its port and process id."""
    port = free_port()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(url, port))
    server.start()
    try:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield port, int(server.pid or 0)
    finally:
        server.kill()
        server.join()


def _run(tasks: list[Task], kills: int, url: str, name: str, folder: Path, watch: Watch) -> float:
    """Start the workers together, kill some, wait for all; return the start time."""
    processes, begin = start_together(work, tasks, ["scale_worker"])
    ours = StudyStorage(url) if tasks[0].way == "multihead" else None
    with watch:
        began = time.monotonic()
        begin()
        while any(process.is_alive() for process in processes):
            time.sleep(_AIM_SECONDS if kills else _LOOK_SECONDS)
            if ours is None:
                continue
            if kills and _one_killed_at_work(ours, name):
                kills -= 1
            bury(ours, name, folder / "locks")
    if kills:
        raise Broken(f"{kills} workers could not be killed in time; give more trials")
    if ours is not None:
        ours.close()
    return began


def _one_killed_at_work(storage: StudyStorage, name: str) -> bool:
    """Kill a worker that has a trial; return whether there was one."""
    held = (leases.c.study == name, leases.c.outcome.is_(None))
    query = sa.select(workers.c.owner, workers.c.place).where(
        workers.c.study == name,
        workers.c.ended.is_(False),
        workers.c.owner.in_(sa.select(leases.c.owner).where(*held)),
    )
    with storage.engine.connect() as connection:
        for found in connection.execute(query).all():
            pid = int(found.place.split()[-1])
            os.kill(pid, signal.SIGSTOP)
            still = sa.select(leases.c.number).where(*held, leases.c.owner == found.owner)
            if connection.execute(still).first() is not None:
                os.kill(pid, signal.SIGKILL)
                return True
            os.kill(pid, signal.SIGCONT)
    return False


def check(setting: Setting, url: str, name: str, folder: Path) -> None:
    """Check that every trial exists once, in the tables, the leases and the records.

    Raises:
        Broken: If one does not.
    """
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        told = connection.execute(
            sa.text(
                "SELECT t.number, CAST(t.state AS TEXT) AS state, v.value FROM trials t"
                " JOIN studies s ON s.study_id = t.study_id"
                " LEFT JOIN trial_values v ON v.trial_id = t.trial_id"
                " WHERE s.study_name = :name ORDER BY t.number"
            ),
            {"name": name},
        ).all()
        mine = leases.c.study == name
        leased = connection.execute(sa.select(leases).where(mine).order_by(leases.c.number)).all()
    engine.dispose()
    wanted = list(range(setting.history + setting.trials))
    if [row.number for row in told] != wanted:
        raise Broken(f"{name}: {len(wanted)} trials were asked for, Optuna has {len(told)}")
    if any(row.state != "COMPLETE" for row in told):
        raise Broken(f"{name}: {Counter(row.state for row in told)}, and not all COMPLETE")
    said = Counter(
        int(line) for file in folder.glob("*.ended") for line in file.read_text().split()
    )
    silent = set(wanted[setting.history :]) - set(said)
    if any(count > 1 for count in said.values()) or len(silent) > setting.kills:
        raise Broken(f"{name}: workers ended {len(said)} trials, {said.most_common(1)} the most")
    if setting.way != "multihead":
        return
    if [row.number for row in leased] != wanted:
        raise Broken(f"{name}: {len(wanted)} trials were asked for, {len(leased)} have a lease")
    decided = [json.loads(row.outcome or "{}").get("values") for row in leased]
    if decided != [[row.value] for row in told]:
        raise Broken(f"{name}: a lease and Optuna tell two results of the same trial")
    if sum(row.attempt - 1 for row in leased) != setting.kills:
        raise Broken(f"{name}: {setting.kills} workers were killed, other trials changed hands")


def _figures(
    setting: Setting, folder: Path, began: float, watch: Watch, proxy: float
) -> dict[str, Any]:
    results = [json.loads(file.read_text()) for file in folder.glob("*.json")]
    wall = max(result["last"] for result in results) - began
    times = {o: np.concatenate([r["times"].get(o, []) for r in results]) for o in OPERATIONS}
    workers = sum(result["cpu"] for result in results)
    rate = setting.trials / wall
    ideal = setting.workers / setting.seconds if setting.seconds else math.nan
    known = workers + proxy + (0 if math.isnan(watch.database) else watch.database)
    figures: dict[str, Any] = asdict(setting) | {
        "wall_s": wall,
        "trials_per_s": rate,
        "efficiency": rate / ideal,
        "storage_ms_p50": 1e3 * sum(float(np.median(t)) for t in times.values()),
        "storage_ms_p95": 1e3 * sum(float(np.quantile(t, 0.95)) for t in times.values()),
        "connections": watch.connections,
        # Mean number of workers that wait for their turn or have it.
        "claiming": float(times["claim"].sum()) / wall,
        "waiting_for_rows": watch.row,
        "idle_in_transaction": watch.idle,
        "transactions_per_trial": watch.commits / setting.trials,
        "database_ms_per_trial": 1e3 * watch.database / setting.trials,
        "worker_ms_per_trial": 1e3 * workers / setting.trials,
        "proxy_ms_per_trial": 1e3 * proxy / setting.trials,
        "machine_busy": watch.busy,
        "others_busy": max(0.0, watch.busy - known / watch.cores),
    }
    for operation, taken in times.items():
        figures[f"{operation}_ms_p50"] = 1e3 * float(np.median(taken))
        figures[f"{operation}_ms_p95"] = 1e3 * float(np.quantile(taken, 0.95))
        figures[f"{operation}_ms_max"] = 1e3 * float(np.max(taken))
    return figures


def beats(url: str, count: int, *, local: bool) -> str:
    """Send heartbeats as fast as possible in one process; return the cost of each, as a line."""
    name = f"beats-{time.time_ns()}"
    storage = StudyStorage(url, create=True)
    content = {"name": name, "space": {"x": [0]}, "objectives": "val/acc", "n_trials": 1}
    definition = Definition.model_validate(content)
    study = register(storage, definition)
    update(storage, definition, parent=None, stop=None, interrupt=False)
    with tempfile.TemporaryDirectory() as folder:
        with storage.lock(name):
            presence = Presence(storage, name, Path(folder), "worker")
        heart = Heart(presence, storage, 600, attached=False)
        lease = Budget(storage, study, Limits(1, 0, None)).claim(presence.owner)
        assert isinstance(lease, Lease)
        heart.lease = lease
        watch, began, used = Watch(url, local=local), time.perf_counter(), time.process_time()
        with watch:
            for _ in range(count):
                heart._beat()
        wall, used = time.perf_counter() - began, time.process_time() - used
        presence.end()
    storage.close()
    return (
        f"{count} beats: {1e3 * wall / count:.2f} ms each, {watch.commits / count:.1f} "
        f"transactions, processor {1e3 * watch.database / count:.2f} ms of the database and "
        f"{1e3 * used / count:.2f} ms of the worker; the machine was {watch.busy:.0%} busy"
    )


def reads(url: str, count: int, *, local: bool) -> str:
    """Read a study with running trials, as samplers and pruners do; return the cost, as a line."""
    name = f"reads-{time.time_ns()}"
    storage = StudyStorage(url, create=True)
    content = {"name": name, "space": {"x": [0]}, "objectives": "val/acc", "n_trials": count}
    register(storage, Definition.model_validate(content))
    fill(storage, name, count)
    with storage.engine.begin() as connection:
        connection.execute(
            sa.text(
                "UPDATE trials SET state = 'RUNNING' FROM studies s"
                " WHERE s.study_id = trials.study_id AND s.study_name = :name"
            ),
            {"name": name},
        )
    study = optuna.load_study(study_name=name, storage=storage.optuna)
    study.get_trials(deepcopy=False)
    watch, used = Watch(url, local=local), time.process_time()
    with watch:
        for _ in range(_READS):
            study.get_trials(deepcopy=False)
    used = time.process_time() - used
    storage.close()
    return (
        f"{count} running trials: one reading of them takes {1e3 * used / _READS:.1f} ms of the "
        f"worker's processor and {1e3 * watch.database / _READS:.1f} ms of the database's"
    )


def size(url: str) -> str:
    """Return the size of a trial in the tables, as a line."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        count = connection.execute(sa.text("SELECT count(*) FROM trials")).scalar_one()
        found = connection.execute(
            sa.text(
                "SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r'"
                " AND relnamespace = 'public'::regnamespace ORDER BY 2 DESC"
            )
        ).all()
    engine.dispose()
    each = ", ".join(f"{name} {bytes_ / count:.0f}" for name, bytes_ in found[:7])
    total = sum(bytes_ for _, bytes_ in found) / count
    return f"{count:,} trials take {total:.0f} bytes each: {each}"


_SHOWN = {
    "way": "way", "workers": "workers", "seconds": "trial s", "sampler": "sampler",
    "history": "before", "trials": "trials", "trials_per_s": "trials/s", "efficiency": "of ideal",
    "storage_ms_p50": "storage ms", "storage_ms_p95": "p95", "claim_ms_p50": "claim",
    "sample_ms_p50": "sample", "report_ms_p50": "report", "tell_ms_p50": "tell",
    "connections": "conn.", "claiming": "at claims", "waiting_for_rows": "wait rows",
    "transactions_per_trial": "tx/trial", "database_ms_per_trial": "db cpu ms",
    "worker_ms_per_trial": "worker cpu ms", "proxy_ms_per_trial": "proxy cpu ms",
    "machine_busy": "cpu", "others_busy": "others",
}  # fmt: skip


def show(table: pd.DataFrame) -> str:
    """Return the table to print; times are medians, except p95."""
    shown = table[list(_SHOWN)].rename(columns=_SHOWN)
    whole = {"cpu", "others", "of ideal"}
    formats = {
        name: "{:.0%}".format if name in whole else "{:.1f}".format for name in shown.columns[6:]
    }
    return str(shown.to_string(index=False, formatters=formats, na_rep="-"))


def bends(table: pd.DataFrame) -> Iterator[str]:
    """Yield the numbers of workers from which more do not help, and what they wait for."""
    for (way, seconds), part in table.groupby(["way", "seconds"], sort=False):
        if part.workers.nunique() < 2:
            continue
        best = part.loc[part.trials_per_s.idxmax()]
        yield (
            f"{way}, trials of {seconds:g} s: most with {best.workers} workers, "
            f"{best.trials_per_s:.1f} trials/s; there the processors are {best.machine_busy:.0%} "
            f"busy, {best.claiming:.1f} workers are at claims and {best.waiting_for_rows:.1f} wait "
            f"for a row's lock"
        )


def main() -> None:
    """Measure and check every setting; print and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64])
    parser.add_argument("--seconds", type=float, nargs="+", default=[0, 0.1, 1, 5])
    parser.add_argument("--sampler", choices=SAMPLERS, default="random")
    parser.add_argument("--history", type=int, nargs="+", default=[0], help="ended trials before")
    parser.add_argument("--last", type=float, default=10, help="seconds of an ideal measurement")
    parser.add_argument("--most", type=int, default=400, help="trials of one; two per worker least")
    parser.add_argument("--kills", type=int, default=0, help="workers killed in each of multihead")
    parser.add_argument("--beats", type=int, help="measure this many beats of a heart alone")
    parser.add_argument("--running", type=int, nargs="+", help="measure reading so many instead")
    parser.add_argument("--storage", help="URL of a PostgreSQL; one is started here if none")
    parser.add_argument("--out", type=Path, help="folder for scale.csv and scale.svg")
    parser.add_argument("--quick", action="store_true", help="8 workers, short trials, one killed")
    given = parser.parse_args()
    if given.quick:
        given.workers, given.seconds, given.kills, given.most = [8], [0.05], 1, 48
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, Optuna {optuna.__version__}"
    )
    rows: list[dict[str, Any]] = []
    with ExitStack() as stack:
        settings = ("fsync=on", f"max_connections={_CONNECTIONS}")
        url = given.storage or stack.enter_context(postgres(*settings)).url
        if given.beats:
            print(beats(url, given.beats, local=given.storage is None))
            return
        for count in given.running or []:
            print(reads(url, count, local=given.storage is None), flush=True)
        if given.running:
            return
        for way, seconds, history, count in product(
            given.ways, given.seconds, given.history, given.workers
        ):
            trials = trials_of(count, seconds, last=given.last, most=given.most)
            kills = given.kills if way == "multihead" else 0
            setting = Setting(way, count, seconds, given.sampler, history, trials, kills)
            rows.append(measure(setting, url, local=given.storage is None))
            print(show(pd.DataFrame(rows[-1:])), flush=True)
            if given.out:
                given.out.mkdir(parents=True, exist_ok=True)
                pd.DataFrame(rows).to_csv(given.out / "scale.csv", index=False)
        weight = size(url)
    table = pd.DataFrame(rows)
    print(f"\n{show(table)}\n", *bends(table), sep="\n")
    print(weight)
    print("nothing was lost or doubled")
    if given.out and table.workers.nunique() > 1:
        from scale_plot import draw

        draw(table, given.out / "scale.svg")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # also stops the server
    try:
        main()
    except Broken as broken:
        sys.exit(f"LOST OR DOUBLED: {broken}")
