"""Trials per hour of a study on MNIST, three ways, alternating, in one run.

    python benchmarks/study_throughput.py --rounds 3 --trials 8 --epochs 3 --images 10000

(a) study     this platform, one worker per core; with `--pruned` once more with ASHA
(b) serial    the same trials one after another in one process with all threads
(c) common    a fresh Lightning run per trial: torchvision data, DataLoader, float32, CSV logger,
              in one process after another: what a tutorial teaches

All three train the same trials: learning rate and loss weights of a random sampler with the same
seed. Time is from the start of the command to its end, so start-up counts for all.
Reported are trials per hour and the best value; with `--pruned` also the time until the best value
of (c) was reached. Needs MNIST in MULTIHEAD_DATA_DIR.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import optuna
import yaml

SPACE = {
    "model.optimizer.lr": {"low": 2e-4, "high": 2e-2, "log": True},
    "loss_weights": {"simplex": ["digit", "thickness", "smoothness"]},
}
COMMON = """
import sys, json, pathlib, tempfile
sys.path.insert(0, {here!r})
import train_throughput as t
import torch, torchvision, lightning.pytorch as pl
lr, images, epochs, seed = json.loads(sys.argv[1])
t.LR = lr
pl.seed_everything(seed, verbose=False)
transform = torchvision.transforms.Compose([torchvision.transforms.ToTensor(),
    torchvision.transforms.Normalize((0.1307,), (0.3081,))])
whole = torchvision.datasets.MNIST({data!r}, train=True, transform=transform)
rest = len(whole) - images - 5000
train, val, _ = torch.utils.data.random_split(whole, [images, 5000, rest])
with tempfile.TemporaryDirectory() as home:
    trainer = pl.Trainer(max_epochs=epochs, accelerator="cpu", default_root_dir=home,
        enable_model_summary=False, enable_progress_bar=False, logger=pl.loggers.CSVLogger(home))
    loaders = [torch.utils.data.DataLoader(d, t.BATCH, shuffle=d is train) for d in (train, val)]
    trainer.fit(t.CommonModule(), *loaders)
    print("value", float(trainer.callback_metrics["val/digit_acc"]))
"""


def study(
    folder: Path, given: argparse.Namespace, *, workers: int, pruner: str
) -> tuple[float, float]:
    """Return the seconds and the best value of a study of the platform."""
    name = f"{pruner}_{workers}_{time.time_ns()}"
    content = {
        "experiment": "multihead_cnn_mnist",
        "overrides": [
            f"trainer.max_epochs={given.epochs}",
            f"data.train_val_test_split=[{given.images},5000,0]",
            "trainer.accelerator=cpu",
        ],
        "space": SPACE,
        "objectives": "val/digit_acc",
        "sampler": {"name": "random", "seed": 0},
        "pruner": pruner,
        "n_trials": given.trials,
        "workers": workers,
        "defaults": False,
        "keep": 1,
    }
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(content))
    environment = os.environ | {"MULTIHEAD_HOME": str(folder / "home")}
    began = time.perf_counter()
    command = [sys.executable, "-m", "multihead", "study", f"{name}.yaml"]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    seconds = time.perf_counter() - began
    storage = f"sqlite:///{folder / 'home' / 'studies.db'}"
    return seconds, optuna.load_study(study_name=name, storage=storage).best_value


def common(folder: Path, given: argparse.Namespace) -> tuple[float, float]:
    """Return the seconds and the best value of the common way."""
    here, data = str(Path(__file__).parent), os.environ.get("MULTIHEAD_DATA_DIR", "data")
    code = COMMON.format(here=here, data=str(Path(data).absolute()))
    sampler = optuna.samplers.RandomSampler(seed=0)
    found = optuna.create_study(direction="maximize", sampler=sampler)

    def objective(trial: optuna.Trial) -> float:
        lr = trial.suggest_float("lr", 2e-4, 2e-2, log=True)
        arguments = json.dumps([lr, given.images, given.epochs, trial.number])
        command = [sys.executable, "-c", code, arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder)
        return float(done.stdout.rsplit("value", 1)[1])

    began = time.perf_counter()
    found.optimize(objective, n_trials=given.trials)
    return time.perf_counter() - began, found.best_value


def main() -> None:
    """Read the command line and print trials per hour, per round and as medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--pruned", action="store_true", help="also with ASHA")
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    cores = len(os.sched_getaffinity(0))
    ways = {
        "study": lambda f: study(f, given, workers=cores, pruner="none"),
        "serial": lambda f: study(f, given, workers=1, pruner="none"),
        "common": lambda f: common(f, given),
    }
    if given.pruned:
        ways["pruned"] = lambda f: study(f, given, workers=cores, pruner="asha")
    rates: dict[str, list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as scratch:
        for index in range(given.rounds):
            order = list(ways)
            for way in order[index % len(order) :] + order[: index % len(order)]:
                seconds, best = ways[way](Path(scratch))
                rates[way].append(3600 * given.trials / seconds)
                print(
                    f"round {index} {way:8s} {rates[way][-1]:7.1f} trials/h  best {best:.4f}",
                    flush=True,
                )
    base = statistics.median(rates["common"])
    for way, values in rates.items():
        median = statistics.median(values)
        print(f"{way:8s} {median:7.1f} trials/h  {median / base:5.2f} x common")


if __name__ == "__main__":
    main()
