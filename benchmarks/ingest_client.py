"""One process of mlflow_ingest.py: log a run through its spool, as a training does."""

import json
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multihead.errors import StoreError
from multihead.tracking.run import TrackedRun
from multihead.tracking.store import Store
from multihead.tracking.sync import send

_TRIES = 30


@dataclass(frozen=True)
class Task:
    """The task of a process.

    Attributes:
        uri: The server's URI.
        steps: Number of steps of its run.
        metrics: Points per step. The value of each point is the number of the step.
        folder: The folder for its home and its result.
        place: The process's number.
    """

    uri: str
    steps: int
    metrics: int
    folder: Path
    place: int


def work(task: Task, ready: Any, go: Any) -> None:
    """Log a run, send it to the server, and write when all of it has arrived."""
    home = task.folder / f"home-{task.place}"
    config = {"logger": {"tracking_uri": task.uri}}
    for _ in range(_TRIES):
        try:
            run = TrackedRun.create(Store(task.uri, home), "ingest", config)
            break
        except StoreError:
            time.sleep(1)
    names = [f"train/m{i:02d}" for i in range(task.metrics)]
    ready.release()
    go.wait()
    for step in range(task.steps):
        run.log_metrics(dict.fromkeys(names, float(step)), step)
    spooled = time.monotonic()
    run.finish("FINISHED")
    tries = 0
    while any(done.problem for done in send(home, [run.run_id])) and tries < _TRIES:
        tries += 1
    used = resource.getrusage(resource.RUSAGE_SELF)
    figures = {
        "spooled": spooled,
        "sent": time.monotonic(),
        "again": tries,
        "cpu": used.ru_utime + used.ru_stime,
        "mlflow_id": run.mlflow_id,
    }
    (task.folder / f"{task.place}.json").write_text(json.dumps(figures))
