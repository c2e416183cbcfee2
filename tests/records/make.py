r"""Make `c843ad3.tar.xz` and `c843ad3.json`: records of a release, and what its code says of them.

    git worktree add /tmp/release c843ad3
    make -C /tmp/release setup
    OMP_NUM_THREADS=1 PYTHONPATH=/tmp/release/platform \
        /tmp/release/.venv/bin/python tests/records/make.py

The `multihead` that Python finds makes the records, and its commit names the files. They are a
folder as a user has one: `experiments/`, `studies/`, `data/` and `runs/`, of networks that are as
small as possible. `runs/` has a run that SIGTERM ended within an epoch, a finished and promoted
one, a study whose last trial was interrupted, and an ablation of two arms. Pictures and pages are
left out. An `eps` of 1e-3 keeps Adam from making much of gradients that are rounding errors.

The folder is packed before the release's own code goes on with it. What that comes to is what
later code must come to.
"""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import multihead

HERE = Path(__file__).parent
LAB = Path("/tmp/multihead-lab")  # recorded in the store and in configurations
DATA = LAB / "data" / "squares"
PLATFORM = Path(multihead.__file__).parents[1]
EPOCH = 8  # steps

EXPERIMENT = """\
# @package _global_
defaults:
  - override /data: vimh
  - override /model: generic_multihead
  - override /model/net: simple_cnn
  - override /model/scheduler: cosine
  - override /callbacks: score
  - override /trainer: cpu
seed: 3
optimized_metric: val/score_best
data:
  data_dir: ${paths.data_dir}/squares
  train_val_test_split: [32, 8, 16]
  batch_size: 4
  head_kinds: {size: regression}
model:
  optimizer: {lr: 0.01, eps: 1.0e-3}
  loss_weights: {corner: 1.0, grey: 0.5, size: 0.02}
  criteria: {grey: {_target_: multihead.ExpectedValueLoss, _partial_: true, distance: l1}}
  net: {conv1_channels: 2, conv2_channels: 1, fc_hidden: 4, dropout: 0.1}
trainer: {max_epochs: 4, precision: 32-true}
"""
STUDY = """\
experiment: squares
overrides: [trainer.max_epochs=2]
space:
  model.optimizer.lr: {low: 1.0e-3, high: 1.0e-1, log: true}
  loss_weights: {simplex: [corner, grey, size]}
objectives: val/score
sampler: {name: tpe, n_startup_trials: 2}
pruner: {name: median, n_startup_trials: 1, n_warmup_steps: 1}
n_trials: 5
keep: 1
"""
ABLATION = """\
experiment: squares
overrides: [trainer.max_epochs=2]
arms:
  uniform: {loss_weights: uniform}
  corner_first: {loss_weights: {grey: 0.25, size: 0.25}}
baseline: uniform
seeds: 2
"""
# Imported by every Python that starts. The record then names no machine, and the process that is
# told to stops (a study: its command) in the middle of a step.
SITE = """\
import os, platform, signal, sys, time
platform.node, platform.platform = lambda: "lab", lambda *_, **__: "Linux"
wanted, _, left = os.environ.get("STOP_AT", "").rpartition(" ")
if wanted and wanted in sys.orig_argv:
    from multihead.training.module import MultiheadLitModule
    plain, left = MultiheadLitModule.training_step, [int(left)]
    def training_step(self, *arguments):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid() if wanted == "train" else os.getppid(), signal.SIGTERM)
            time.sleep(2)  # until a command has told its worker
        return plain(self, *arguments)
    MultiheadLitModule.training_step = training_step
"""

DIFFERENCES = ["arm", "head", "metric", "n", "mean", "baseline_mean"]


def main() -> None:
    """Make the folder, pack it, and go on with it."""
    commit = git("rev-parse", "--short=7", "HEAD")
    shutil.rmtree(LAB, ignore_errors=True)
    write_folder()
    interrupted = train("name=interrupted", stop_at=f"train {2 * EPOCH + 2}")
    finished = train("name=finished")
    command("promote", finished, "--name", "squares", "--alias", "champion")
    # Two trials, one that is pruned after an epoch, and the second batch of the next.
    command("study", "squares", stop_at=f"multihead.studies.worker {5 * EPOCH + 2}")
    command("ablate", "squares")
    command("sync")  # a busy machine may have left something unsent
    tidy()
    with tarfile.open(HERE / f"{commit}.tar.xz", "w:xz", preset=9) as archive:
        archive.add(LAB, ".", filter=as_packed)
    expected = what_it_says(interrupted, finished)
    (HERE / f"{commit}.json").write_text(json.dumps(expected, indent=1) + "\n")
    shutil.rmtree(LAB)


def git(*arguments: str) -> str:
    """Ask git about the checkout of the package."""
    done = subprocess.run(["git", "-C", PLATFORM, *arguments], capture_output=True, text=True)
    return done.stdout.strip()


def write_folder() -> None:
    """Write the configurations and 56 pictures whose labels can be seen."""
    files = {
        "experiments/experiment/squares.yaml": EXPERIMENT,
        "studies/search/squares.yaml": STUDY,
        "studies/ablation/squares.yaml": ABLATION,
        "site/sitecustomize.py": SITE,
    }
    for name, text in files.items():
        (LAB / name).parent.mkdir(parents=True, exist_ok=True)
        (LAB / name).write_text(text)
    heads = multihead.Heads(
        [
            multihead.Head("corner", 4, ("nw", "ne", "sw", "se")),
            parameter("grey", multihead.Parameter(0.1, 10.0, "log", "cd")),
            parameter("size", multihead.Parameter(1.0, 4.0, "linear", "px", step=0.5)),
        ]
    )
    with multihead.VIMHWriter(DATA, heads, (1, 8, 8)) as writer:
        for seed, (split, count) in enumerate({"train": 40, "test": 16}.items()):
            writer.write(split, *squares(count, np.random.default_rng(seed)))


def parameter(name: str, of: multihead.Parameter) -> multihead.Head:
    """Return a head of 256 levels."""
    return multihead.Head(name, of.levels, kind="ordinal", parameter=of)


def squares(count: int, rng: np.random.Generator) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return pictures uint8 [N, 1, 8, 8] of a grey square in a corner, and their labels."""
    corner, grey, size = (rng.integers(0, n, count) for n in (4, 256, 256))
    images = rng.integers(0, 30, (count, 1, 8, 8)).astype(np.uint8)
    for image, where, level, share in zip(images, corner, grey, size, strict=True):
        side, row, column = 1 + round(3 * share / 255), 4 * (where // 2), 4 * (where % 2)
        image[0, row : row + side, column : column + side] = 60 + level // 2
    return images, {"corner": corner, "grey": grey, "size": size}


def command(*arguments: str, stop_at: str = "") -> None:
    """Run `multihead` in the folder; if it is to be stopped, see that it was."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MULTIHEAD", "MLFLOW"))}
    told = {"PYTHONPATH": f"{LAB / 'site'}:{PLATFORM}", "LOGNAME": "user", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "multihead", *arguments],
        cwd=LAB,
        env={**environment, **told, "STOP_AT": stop_at},
    )
    assert done.returncode == (128 + signal.SIGTERM if stop_at else 0), done


def train(*overrides: str, stop_at: str = "") -> str:
    """Train and return the new run's id."""
    before = set(LAB.glob("runs/*/spool.jsonl"))
    command("train", "experiment=squares", *overrides, stop_at=stop_at)
    (made,) = set(LAB.glob("runs/*/spool.jsonl")) - before
    return made.parent.name


def tidy() -> None:
    """Leave out what is of this script, and empty pages of databases."""
    shutil.rmtree(LAB / "site")
    for file in LAB.glob("runs/*.db"):
        with closing(sqlite3.connect(file)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            database.execute("VACUUM")


def as_packed(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out pictures and pages, which nothing reads, and the owner of a file."""
    if info.name.endswith((".png", ".html")):
        return None
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info


def what_it_says(interrupted: str, finished: str) -> dict[str, Any]:
    """Return ids of runs and what the release's code predicts, measures and lists."""
    os.chdir(LAB)
    assert torch.get_num_threads() == 1, "start this with OMP_NUM_THREADS=1"
    images = [image for image, _ in multihead.VIMHDataset(DATA, "test")]
    loaded = multihead.load_run(finished)
    predicted = loaded.predict((torch.stack(images) * 255).byte())
    table = multihead.runs_table().set_index("run")
    tested = [name for name in table if name.startswith("metrics.test/")]
    trials = table[(table["kind"] == "trial") & (table["status"] == "FINISHED")]
    command("report", "squares", "--out", "report")
    differences = pd.read_csv("report/statistics.csv")
    resumed = multihead.run([f"resume={interrupted}"])
    return {
        "lab": str(LAB),
        "interrupted": interrupted,
        "finished": finished,
        "runs": table[["experiment", "name", "kind", "status"]].T.to_dict(),
        "predicted": {name: values.tolist() for name, values in predicted.items()},
        "tested": table.loc[finished, tested].dropna().to_dict(),
        "trials": trials["metrics.val/score"].to_dict(),
        "differences": differences[DIFFERENCES].to_dict("records"),
        "resumed": resumed.metrics,
    }


if __name__ == "__main__":
    main()
