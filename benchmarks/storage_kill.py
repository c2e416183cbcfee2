"""Test which storages without a server survive kill -9, for docs/searching.md.

    python benchmarks/storage_kill.py --seconds 60 --processes 4 --kills 30

Processes run trials with only Optuna: ask, twenty reports, tell. One of them is killed with -9 at
random times and replaced. The results are trials per second, the longest time in which no trial
ended, errors other than the kills, and whether a new process can read the storage at the end. Trial
numbers must have no gaps and no duplicates.
"""

import argparse
import multiprocessing
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from multihead.studies.storage import StudyStorage

KINDS = ("sqlite-default", "sqlite-wal", "journal")


def storage_of(kind: str, folder: str, *, create: bool = False) -> BaseStorage:
    """Open a storage of the given kind."""
    path = Path(folder) / kind
    if kind == "journal":
        return JournalStorage(JournalFileBackend(str(path)))
    if kind == "sqlite-wal":
        return StudyStorage(f"sqlite:///{path}", create=create).optuna
    return RDBStorage(f"sqlite:///{path}", skip_table_creation=not create)


def work(kind: str, folder: str, errors: Any, ended: Any) -> None:
    """Run trials until killed, or until none is left."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = None
    while True:
        try:
            if study is None:
                study = optuna.load_study(
                    study_name="kill",
                    storage=storage_of(kind, folder),
                    sampler=optuna.samplers.RandomSampler(),
                )
            trial = study.ask()
            value = trial.suggest_float("x", 0, 1)
            for step in range(20):
                trial.report(value, step)
            study.tell(trial, value)
            ended.put(time.monotonic())
        except Exception as error:  # noqa: BLE001 - what goes wrong is what is counted
            errors.put(f"{type(error).__name__}: {str(error)[:80]}")


def measure(kind: str, seconds: float, processes: int, kills: int) -> str:
    """Kill and replace processes for some time; return the results as a line."""
    context = multiprocessing.get_context("spawn")
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        storage = storage_of(kind, folder, create=True)
        optuna.create_study(study_name="kill", storage=storage)
        # A process that is killed while it writes to a queue would break the queue for all, so
        # each has queues of its own.
        queues = []

        def start() -> Any:
            queues.append((context.SimpleQueue(), context.SimpleQueue()))
            process = context.Process(target=work, args=(kind, folder, *queues[-1]), daemon=True)
            process.start()
            return process

        alive = [start() for _ in range(processes)]
        time.sleep(8)
        began, times, said = time.monotonic(), [], []
        next_kill = began
        while time.monotonic() - began < seconds:
            if time.monotonic() > next_kill:
                victim = rng.randrange(processes)
                alive[victim].kill()
                alive[victim] = start()
                next_kill += seconds / kills * rng.uniform(0.5, 1.5)
            for broken, done in queues:
                while not done.empty():
                    times.append(done.get())
                while not broken.empty():
                    said.append(broken.get())
            time.sleep(0.02)
        for process in alive:
            process.kill()
            process.join()
        times = sorted(t for t in times if t > began)
        gaps = [b - a for a, b in zip([began, *times], [*times, time.monotonic()], strict=True)]
        try:
            found = optuna.load_study(study_name="kill", storage=storage_of(kind, folder))
            numbers = [t.number for t in found.get_trials()]
            whole = "whole" if numbers == list(range(len(numbers))) else "DAMAGED NUMBERS"
        except Exception as error:  # noqa: BLE001 - see above
            whole = f"UNREADABLE ({type(error).__name__})"
    first = f", first: {said[0]}" if said else ""
    return (
        f"{kind:14s}  {len(times) / seconds:6.1f} trials/s  longest pause {max(gaps):5.1f} s  "
        f"{len(said)} errors{first}  {whole}"
    )


def main() -> None:
    """Read the command line and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for kind in given.kinds:
        print(measure(kind, given.seconds, given.processes, given.kills), flush=True)


if __name__ == "__main__":
    main()
