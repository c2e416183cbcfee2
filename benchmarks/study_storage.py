"""Measure trials per second of a study's storage, with empty trials from many processes.

    python benchmarks/study_storage.py --trials 1000 --processes 16 \
        --storage postgresql+psycopg://postgres@127.0.0.1:5432/postgres
    python benchmarks/study_storage.py --growth 1 2 4 8 16 32 64 --trials 200

Each process does the same as a worker: it claims a trial, samples two numbers at random, reports
once, decides and tells. At the end exactly the requested trials must exist, each COMPLETE and once.
"""

import argparse
import multiprocessing
import tempfile
import time

import optuna

from multihead.studies.budget import Budget, Limits, tell
from multihead.studies.definition import Definition
from multihead.studies.lease import Lease, Outcome
from multihead.studies.registry import register
from multihead.studies.storage import StudyStorage, patiently


def definition(name: str, trials: int) -> Definition:
    """Return a study that is never trained."""
    content = {"name": name, "space": {"x": [0]}, "objectives": "val/acc", "n_trials": trials}
    return Definition.model_validate(content)


def work(url: str, name: str, trials: int, owner: str, ready: object, go: object) -> None:
    """Run trials until killed, or until none is left."""
    storage = StudyStorage(url)
    sampler = optuna.samplers.RandomSampler()
    study = optuna.load_study(study_name=name, storage=storage.optuna, sampler=sampler)
    budget = Budget(storage, study, Limits(trials, 3, None))
    ready.release()  # type: ignore[attr-defined]
    go.wait()  # type: ignore[attr-defined]
    while (lease := patiently(lambda: budget.claim(owner))) != "done":
        if not isinstance(lease, Lease):
            time.sleep(0.05)
            continue
        trial = optuna.Trial(study, lease.trial_id)
        value = trial.suggest_float("x", 0, 1) + trial.suggest_float("y", 0, 1)
        lease.renew(storage)
        trial.report(value, 1)
        outcome = Outcome("COMPLETE", (value,))
        lease.decide(storage, outcome)
        tell(study, lease.number, outcome)
    storage.close()


def measure(url: str, trials: int, processes: int) -> float:
    """Return trials per second, after checking that none is lost or duplicated."""
    name = f"noop-{processes}-{time.time_ns()}"
    storage = StudyStorage(url, create=True)
    register(storage, definition(name, trials))
    context = multiprocessing.get_context("spawn")
    ready, go = context.Semaphore(0), context.Event()
    workers = [
        context.Process(target=work, args=(url, name, trials, str(i), ready, go))
        for i in range(processes)
    ]
    for worker in workers:
        worker.start()
    for _ in workers:
        ready.acquire()
    began = time.perf_counter()
    go.set()
    for worker in workers:
        worker.join()
    seconds = time.perf_counter() - began
    found = optuna.load_study(study_name=name, storage=storage.optuna).get_trials()
    assert [t.number for t in found] == list(range(trials))
    assert all(t.state.name == "COMPLETE" for t in found)
    storage.close()
    return trials / seconds


def main() -> None:
    """Read the command line and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--storage", help="URL; SQLite in a temporary folder if none")
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=16)
    parser.add_argument("--growth", type=int, nargs="+", help="several numbers of processes")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = given.storage or f"sqlite:///{folder}/studies.db"
        kind = url.partition(":")[0]
        for processes in given.growth or [given.processes]:
            rate = measure(url, given.trials, processes)
            print(f"{kind}: {given.trials} trials, {processes:2d} processes: {rate:6.1f} trials/s")


if __name__ == "__main__":
    main()
