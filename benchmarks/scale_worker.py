"""One process of study_scale.py: run trials that only wait, in three ways, without torch.

It measures every operation on the storage. It writes a line for each trial that it ended, so that
the trials of a killed process are known too.
"""

import contextlib
import json
import random
import resource
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna

from multihead.studies.budget import Budget, Limits, tell
from multihead.studies.heartbeat import Heart
from multihead.studies.lease import Lease, Outcome
from multihead.studies.registry import Presence, known
from multihead.studies.storage import StudyStorage, patiently

OPERATIONS = ("claim", "sample", "report", "tell")
SAMPLERS: dict[str, Callable[[int], optuna.samplers.BaseSampler]] = {
    "random": lambda seed: optuna.samplers.RandomSampler(seed),
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed),
}
IDLE_SECONDS = 1.0  # as a worker waits while others run the last trials


@dataclass(frozen=True)
class Task:
    """The task of a process.

    Attributes:
        way: `multihead`, `optuna` or `grpc`.
        url: URL of the database; for `grpc`, the port of the proxy.
        study: The study's name.
        trials: Number of trials of the whole study (`multihead`), or of this process (the other
            ways, which do not distribute trials).
        seconds: Mean duration of a trial; each takes 0.5 to 1.5 times that.
        sampler: `random` or `tpe`.
        folder: The folder for results.
        place: The process's number.
    """

    way: str
    url: str
    study: str
    trials: int
    seconds: float
    sampler: str
    folder: Path
    place: int


class Log:
    """Times by operation, and the numbers of the trials that this process ended."""

    def __init__(self, task: Task) -> None:
        self.times: dict[str, list[float]] = defaultdict(list)
        self.last = 0.0
        self._file = task.folder / str(task.place)
        self._ended = self._file.with_suffix(".ended").open("w", buffering=1)
        self._cpu = 0.0

    def begin(self) -> None:
        """Start counting."""
        self._cpu = _cpu()

    @contextmanager
    def __call__(self, operation: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.times[operation].append(time.perf_counter() - began)

    def ended(self, number: int) -> None:
        """Write the number of an ended trial to a file."""
        self._ended.write(f"{number}\n")
        self.last = time.monotonic()

    def save(self) -> None:
        """Write the results."""
        figures = {"times": self.times, "last": self.last, "cpu": _cpu() - self._cpu}
        self._file.with_suffix(".json").write_text(json.dumps(figures))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def work(task: Task, ready: Any, go: Any) -> None:
    """Run trials until none is left, or until killed."""
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    log = Log(task)

    def begin() -> None:
        ready.release()
        go.wait()
        log.begin()

    (_ours if task.way == "multihead" else _optunas)(task, log, begin)
    log.save()


def _ours(task: Task, log: Log, begin: Callable[[], None]) -> None:
    """Do the same as multihead.studies.worker, without training and runs."""
    storage = StudyStorage(task.url)
    with storage.lock(task.study):
        presence = Presence(storage, task.study, task.folder / "locks", "worker")
    study = _study(task, storage.optuna)
    budget = Budget(storage, study, Limits(task.trials, 3, None))
    heart = Heart(presence, storage, 600, attached=False)
    pause = _pauses(task)
    begin()
    heart.start()
    while True:
        began = time.perf_counter()
        found = patiently(lambda: _next(budget, presence.owner))
        if found == "done":
            break
        if not isinstance(found, Lease):
            time.sleep(IDLE_SECONDS)
            continue
        log.times["claim"].append(time.perf_counter() - began)
        lease = heart.lease = found
        with log("sample"):
            trial = optuna.Trial(study, lease.trial_id)
            value = trial.suggest_float("x", 0, 1) + trial.suggest_float("y", 0, 1)
        time.sleep(next(pause))
        with log("report"):
            lease.renew(storage)
            trial.report(value, 1)
            trial.should_prune()
        heart.lease = None
        outcome = Outcome("COMPLETE", (value,))
        with log("tell"):
            lease.decide(storage, outcome)
            tell(study, lease.number, outcome)
        log.ended(lease.number)
    heart.stop()
    presence.end()
    storage.close()


def _next(budget: Budget, owner: str) -> Lease | str:
    stop = known(budget.storage, budget.name).stop
    return "done" if stop is not None else budget.claim(owner)


def _optunas(task: Task, log: Log, begin: Callable[[], None]) -> None:
    """Use Optuna's ask and tell, without lease and heartbeat; each process has a fixed share."""
    if task.way == "grpc":
        proxy = optuna.storages.GrpcStorageProxy(host="127.0.0.1", port=int(task.url))
        storage: optuna.storages.BaseStorage = proxy
    else:
        storage = optuna.storages.RDBStorage(task.url, skip_table_creation=True)
    study = _study(task, storage)
    pause = _pauses(task)
    begin()
    for _ in range(task.trials):
        with log("claim"):
            trial = study.ask()
        with log("sample"):
            value = trial.suggest_float("x", 0, 1) + trial.suggest_float("y", 0, 1)
        time.sleep(next(pause))
        with log("report"):
            trial.report(value, 1)
            trial.should_prune()
        with log("tell"):
            study.tell(trial, value)
        log.ended(trial.number)
    storage.remove_session()


def _study(task: Task, storage: optuna.storages.BaseStorage) -> optuna.Study:
    sampler, pruner = SAMPLERS[task.sampler](task.place), optuna.pruners.NopPruner()
    return optuna.load_study(study_name=task.study, storage=storage, sampler=sampler, pruner=pruner)


def _pauses(task: Task) -> Iterator[float]:
    rng = random.Random(task.place)
    while True:
        yield task.seconds * rng.uniform(0.5, 1.5)


def serve(url: str, port: int) -> None:
    """Run Optuna's gRPC proxy for a database, until killed."""
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    storage = optuna.storages.get_storage(url)
    with contextlib.suppress(KeyboardInterrupt):
        optuna.storages.run_grpc_proxy_server(storage, host="127.0.0.1", port=port)
