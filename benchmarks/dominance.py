"""Measure hypervolume and epochs of a search with and without pruning by dominance.

    python benchmarks/dominance.py --seeds 5 --trials 30 --epochs 8

Each seed searches loss weights and learning rate of three heads on the digits of scikit-learn,
with one objective per head, serially: once without a pruner and once with the default `dominance`.
The hypervolume is that of the complete trials, relative to the front of both studies together.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import optuna
import yaml
from optuna._hypervolume import compute_hypervolume

STUDY = {
    "experiment": "multihead_cnn_digits",
    "space": {
        "model.optimizer.lr": {"low": 2e-4, "high": 5e-2, "log": True},
        "loss_weights": {"simplex": ["digit", "thickness", "smoothness"]},
    },
    "objectives": ["val/digit_loss", "val/thickness_loss", "val/smoothness_loss"],
    "workers": 1,
    "keep": 0,
}


def search(
    folder: Path, pruner: str, seed: int, trials: int, epochs: int
) -> tuple[np.ndarray, int]:
    """Return the values of the complete trials [n, 3], and the epochs of all trials."""
    name = f"{pruner}_{seed}"
    content = STUDY | {
        "pruner": pruner,
        "n_trials": trials,
        "sampler": {"name": "tpe", "seed": seed},
    }
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(content))
    command = [sys.executable, "-m", "multihead", "study", f"{name}.yaml"]
    command += [f"trainer.max_epochs={epochs}", f"seed={seed}"]
    environment = os.environ | {"MULTIHEAD_HOME": str(folder / "home")}
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    storage = f"sqlite:///{folder / 'home' / 'studies.db'}"
    found = optuna.load_study(study_name=name, storage=storage).get_trials()
    values = [t.values for t in found if t.state.name == "COMPLETE"]
    return np.array(values), sum(len(t.user_attrs.get("steps", {})) for t in found)


def main() -> None:
    """Read the command line; print one line per seed, then the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=8)
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for seed in range(given.seeds):
            arguments = (seed, given.trials, given.epochs)
            plain, plain_epochs = search(Path(scratch), "none", *arguments)
            pruned, pruned_epochs = search(Path(scratch), "dominance", *arguments)
            reference = np.concatenate([plain, pruned]).max(0)
            whole = compute_hypervolume(np.concatenate([plain, pruned]), reference)
            row = {
                "seed": seed,
                "hypervolume without": compute_hypervolume(plain, reference) / whole,
                "hypervolume with": compute_hypervolume(pruned, reference) / whole,
                "epochs saved": 1 - pruned_epochs / plain_epochs,
            }
            rows.append(row)
            print(json.dumps(row), flush=True)
    for key in ("hypervolume without", "hypervolume with", "epochs saved"):
        print(f"median {key}: {statistics.median(row[key] for row in rows):.3f}")


if __name__ == "__main__":
    main()
