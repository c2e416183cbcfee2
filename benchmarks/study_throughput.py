"""Compare four ways of a search on MNIST: trials per hour, and time to the best trial.

    python benchmarks/study_throughput.py --rounds 3 --trials 8 --epochs 3 --images 10000
    python benchmarks/study_throughput.py --ways common pruned --trials 12 --epochs 6

study     this platform, one worker per core, no pruning
serial    the same in one process with all threads
common    a fresh Lightning process per trial: torchvision data, DataLoader, float32, CSV logger
          and checkpoints, as in tutorials
pruned    as `study`, with ASHA, and `--more` times as many trials

The ways alternate in each round. All train the same trials on the same images, and validate them on
the same 5,000 other images. Learning rate and loss weights come from Optuna's default sampler with
the round's number as seed; `pruned` samples more after them. Time starts with the command, so it
includes start-up. The time to the best ends when a trial is at least as good as the best one of
`common` in that round. Noise decides between good trials, so the time for the same trials is
printed too. The study's timeline gives the pause between two trials of a worker. The timeline of
`serial` gives the part of a trial outside `Trainer.fit`: study, tracking and building the network.
Needs MNIST in MULTIHEAD_DATA_DIR.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import yaml

from multihead import MNISTDataModule, settings
from multihead.studies.lease import rows_of
from multihead.studies.storage import StudyStorage
from multihead.studies.weights import simplex_weights

HERE = Path(__file__).resolve().parent
METRIC, VALIDATION, DATA_SEED = "val/digit_acc", 5000, 12345
HEADS, TOTAL = ("digit", "thickness", "smoothness"), 2.0  # the sum of the default weights
SPACE = {
    "model.optimizer.lr": {"low": 2e-4, "high": 2e-2, "log": True},
    "loss_weights": {"simplex": list(HEADS)},
}
WAYS = ("study", "serial", "common", "pruned")
_STOP_SECONDS = 30.0


@dataclass
class Search:
    """The result of one way of searching.

    Attributes:
        seconds: Time from the start of the command to its end.
        ends: By trial, seconds from the start to its end, and its value; -inf if pruned.
        pauses: Seconds between two trials of a worker.
        beside: Seconds per trial outside training, and their share of the trial.
    """

    seconds: float
    ends: list[tuple[float, float]]
    pauses: tuple[float, ...] = ()
    beside: tuple[float, float] | None = None

    @property
    def best(self) -> float:
        """The best value."""
        return max(value for _, value in self.ends)

    def through(self, count: int) -> float:
        """Return the seconds until a number of trials had ended in any state."""
        return max(end for end, _ in self.ends[:count])

    def reached(self, target: float) -> float:
        """Return the seconds until a trial reached a value, or infinity."""
        return min((end for end, value in self.ends if value >= target), default=math.inf)


def draw(seed: int, count: int) -> list[dict]:
    """Return suggestions of Optuna's default sampler without any results."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    found = []
    for _ in range(count):
        trial = study.ask()
        lr = trial.suggest_float("lr", 2e-4, 2e-2, log=True)
        cube = [trial.suggest_float(name, 0, 1) for name in HEADS[:-1]]
        weights = dict(zip(HEADS, simplex_weights(cube, TOTAL), strict=True))
        found.append({"model.optimizer.lr": lr, "loss_weights": weights})
    return found


def platform(way: str, folder: Path, given: argparse.Namespace, seed: int) -> Search:
    """Search with `multihead study`."""
    name = f"{way}_{seed}"
    pruned = way == "pruned"
    content = {
        "experiment": "multihead_cnn_mnist",
        "overrides": [
            f"trainer.max_epochs={given.epochs}",
            f"data.train_val_test_split=[{given.images},{VALIDATION},0]",
            "trainer.accelerator=cpu",
            f"callbacks.model_checkpoint.monitor={METRIC}",
            f"+callbacks.clock={{_target_: fit_clock.FitClock, file: {folder / name}.seconds}}",
        ],
        "space": SPACE,
        "objectives": METRIC,
        "sampler": {"name": "tpe", "seed": seed},
        "pruner": {"name": "asha", "min_resource": 1, "reduction_factor": 3} if pruned else "none",
        "n_trials": given.trials * (given.more if pruned else 1),
        "workers": 1 if way == "serial" else len(os.sched_getaffinity(0)),
        "defaults": False,
        "enqueue": draw(seed, given.trials),
        "keep": 1,
    }
    began, clock = datetime.now(), time.perf_counter()
    run_study(name, content, folder)
    return read(name, folder, began, time.perf_counter() - clock, serial=way == "serial")


def run_study(
    name: str,
    content: dict[str, Any],
    folder: Path,
    environment: Mapping[str, str] | None = None,
    seconds: float | None = None,
) -> None:
    """Run `multihead study` with the home FOLDER/home, and wait for its end.

    Args:
        name: Name of the study.
        content: What its file has.
        folder: The folder for file and home.
        environment: Further environment variables.
        seconds: The study is stopped after this time; None means no limit.

    Raises:
        RuntimeError: If the study fails or is stopped.
    """
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(content))
    path = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    own = {"MULTIHEAD_HOME": str(folder / "home"), "PYTHONPATH": path}
    command = subprocess.Popen(
        [sys.executable, "-m", "multihead", "study", f"{name}.yaml"],
        cwd=folder,
        env={**os.environ, **own, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said, _ = command.communicate(timeout=seconds)
        why = f"multihead study ended with {command.returncode}" if command.returncode else ""
    except subprocess.TimeoutExpired:
        said, why = _stop(command), f"the study did not end within {seconds:.0f} s"
    if why:
        logs = [log.read_text() for log in (folder / "home").rglob(f"{name}.log")]  # of its workers
        raise RuntimeError("\n".join([why, *(text[-3000:] for text in (said, *logs))]))


def _stop(command: subprocess.Popen[str]) -> str:
    """Stop a study, which stops its workers, and return what it has printed."""
    command.terminate()
    try:
        return command.communicate(timeout=_STOP_SECONDS)[0]
    except subprocess.TimeoutExpired:
        command.kill()
        return command.communicate()[0]


def trials_of(name: str, folder: Path) -> tuple[list[optuna.trial.FrozenTrial], list[str]]:
    """Return the trials of a study, and the worker of each."""
    storage = StudyStorage(f"sqlite:///{folder / 'home' / 'studies.db'}")
    trials = optuna.load_study(study_name=name, storage=storage.optuna).get_trials()
    owners = {row.number: row.owner for row in rows_of(storage, name)}
    storage.close()
    return trials, [owners[trial.number] for trial in trials]


def read(name: str, folder: Path, began: datetime, seconds: float, *, serial: bool) -> Search:
    """Return a study's timeline."""
    trials, owners = trials_of(name, folder)
    by_worker: dict[str, list[optuna.trial.FrozenTrial]] = {}
    for trial, owner in zip(trials, owners, strict=True):
        by_worker.setdefault(owner, []).append(trial)
    lanes = [sorted(lane, key=lambda t: t.datetime_start) for lane in by_worker.values()]
    pauses = tuple(
        (after.datetime_start - before.datetime_complete).total_seconds()
        for lane in lanes
        for before, after in pairwise(lane)
    )
    ends = [
        (
            (t.datetime_complete - began).total_seconds(),
            t.value if t.state.name == "COMPLETE" else -math.inf,
        )
        for t in trials
    ]
    beside = None
    if serial:
        training = [float(line) for line in (folder / f"{name}.seconds").read_text().split()]
        whole = sum(t.duration.total_seconds() for t in trials) + sum(pauses)
        beside = (whole - sum(training)) / len(trials), 1 - sum(training) / whole
    return Search(seconds, ends, pauses, beside)


def common(folder: Path, given: argparse.Namespace, seed: int) -> Search:
    """Search with a new process per trial."""
    split = folder / "split.npz"
    if not split.exists():
        data = MNISTDataModule(
            settings.data_dir(),
            multihead=True,
            train_val_test_split=(given.images, VALIDATION, 0),
            seed=DATA_SEED,
        )
        np.savez(split, train=data.train_indices, val=data.val_indices)
    ends = []
    began = time.perf_counter()
    for params in draw(seed, given.trials):
        arguments = {
            "data": str(Path(settings.data_dir()).absolute()),
            "split": str(split),
            "lr": params["model.optimizer.lr"],
            "weights": params["loss_weights"],
            "epochs": given.epochs,
        }
        command = [sys.executable, str(HERE / "common_trial.py"), json.dumps(arguments)]
        done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
        ends.append((time.perf_counter() - began, float(done.stdout.split()[-1])))
    return Search(time.perf_counter() - began, ends)


def show(found: dict[str, list[Search]], count: int) -> None:
    """Print medians over the rounds."""

    def against(way: str, of: Callable[[Search, Search], float]) -> str:
        pairs = zip(found[way], found["common"], strict=True)
        each = [of(mine, common) for mine, common in pairs]
        return f"{statistics.median(each):5.2f} ({min(each):.2f} to {max(each):.2f})"

    print("\nmedians over the rounds, against common")
    for way in [way for way in found if way != "common"]:
        same = against(way, lambda a, b: b.seconds / a.through(count))
        best = against(way, lambda a, b: b.reached(b.best) / a.reached(b.best))
        print(f"{way:8s} {same} x less time for the same {count} trials, {best} x to its best")
    for way, searches in found.items():
        rate = statistics.median(3600 * len(s.ends) / s.seconds for s in searches)
        print(f"{way:8s} {rate:7.1f} trials/h")
    pauses = [pause for searches in found.values() for s in searches for pause in s.pauses]
    if pauses:
        longest = max(pauses)
        print(
            f"pause of a worker: median {statistics.median(pauses):.3f} s, longest {longest:.3f} s"
        )
    beside = [s.beside for s in found.get("serial", []) if s.beside is not None]
    if beside:
        seconds, share = (statistics.median(column) for column in zip(*beside, strict=True))
        print(f"beside training, one trial after another: {seconds:.3f} s per trial, {share:.1%}")


def main() -> None:
    """Read the command line, search, and print one line per search and the medians."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--more", type=int, default=3, help="times the trials, for `pruned`")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    given = parser.parse_args()
    if "common" not in given.ways:
        parser.error("the others are compared with common; add it to --ways")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    found: dict[str, list[Search]] = {way: [] for way in given.ways}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for index in range(given.rounds):
            first = index % len(given.ways)
            for way in given.ways[first:] + given.ways[:first]:
                search = (
                    common(folder, given, index)
                    if way == "common"
                    else platform(way, folder, given, index)
                )
                found[way].append(search)
                print(
                    f"round {index + 1}  {way:8s} {len(search.ends):3d} trials in "
                    f"{search.seconds:6.1f} s, best {search.best:.4f} after "
                    f"{search.reached(search.best):6.1f} s",
                    flush=True,
                )
    show(found, given.trials)


if __name__ == "__main__":
    main()
