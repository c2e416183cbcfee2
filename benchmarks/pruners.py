"""Compare pruners on the same trials: saved epochs and regret.

    python benchmarks/pruners.py --configs 32 --epochs 8 --trials 16 --rounds 200

Learning rates and loss weights of the digits of scikit-learn are drawn at random, and each of them
is trained to the end once. Then the curves are replayed. In each round, every rule receives the
same trials in the same order, one after another, and decides when each one stops. The regret is the
distance of a rule's best complete trial from the best trial of all.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import optuna
import yaml
from optuna.trial import TrialState

from multihead.studies.best_after import BestAfter

STUDY = {
    "experiment": "multihead_cnn_digits",
    "space": {
        "model.optimizer.lr": {"low": 2e-4, "high": 5e-2, "log": True},
        "loss_weights": {"simplex": ["digit", "thickness", "smoothness"]},
    },
    "objectives": "val/score",
    "sampler": "random",
    "defaults": False,
    "workers": 2,
    "keep": 0,
}
Curve = Sequence[float]


def curves(configs: int, epochs: int) -> list[Curve]:
    """Train every configuration to the end and return its objective after each epoch."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        content = STUDY | {"n_trials": configs}
        (folder / "curves.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
        command = [sys.executable, "-m", "multihead", "study", "curves.yaml"]
        environment = os.environ | {"MULTIHEAD_HOME": str(folder / "home")}
        command.append(f"trainer.max_epochs={epochs}")
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
        storage = f"sqlite:///{folder / 'home' / 'studies.db'}"
        trials = optuna.load_study(study_name="curves", storage=storage).get_trials()
    done = [t for t in trials if t.state == TrialState.COMPLETE]
    return [[t.intermediate_values[e] for e in sorted(t.intermediate_values)] for t in done]


def replay(pruner: optuna.pruners.BasePruner, seen: Sequence[Curve]) -> tuple[list[int], int]:
    """Return the indexes of the complete trials, and the epochs of all trials."""
    study = optuna.create_study(
        direction="maximize", pruner=pruner, sampler=optuna.samplers.RandomSampler(seed=0)
    )
    complete, epochs = [], 0
    for place, curve in enumerate(seen):
        trial = study.ask()
        stopped = False
        for step, value in enumerate(curve, 1):
            epochs += 1
            trial.report(value, step)
            if step < len(curve) and trial.should_prune():
                stopped = True
                break
        if stopped:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, max(curve))
            complete.append(place)
    return complete, epochs


def after_first(rule: BestAfter, seen: Sequence[Curve]) -> tuple[list[int], int]:
    """Return the result of `replay` for `best_after`."""
    trials = []
    for place, curve in enumerate(seen):
        told = dict(enumerate(curve[: rule.epochs], 1))
        trial = optuna.trial.create_trial(state=TrialState.RUNNING, intermediate_values=told)
        trial.number = place
        trials.append(trial)
    best = sorted(rule.best(trials))
    return best, sum(len(c) if i in best else rule.epochs for i, c in enumerate(seen))


def rows(table: Sequence[Curve], trials: int, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Return the regret and the share of epochs in each round, by rule."""
    pruners = optuna.pruners
    epochs = len(table[0])
    found: dict[str, list[tuple[float, float]]] = {}
    for round_ in range(rounds):
        drawn = np.random.default_rng(round_).choice(len(table), trials, replace=False)
        seen = [table[i] for i in drawn]
        made = {
            "none": replay(pruners.NopPruner(), seen),
            "median": replay(pruners.MedianPruner(5, 1), seen),
            "hyperband": replay(pruners.HyperbandPruner(1, epochs), seen),
            "asha": replay(pruners.SuccessiveHalvingPruner(), seen),
            "best_after, a quarter": after_first(BestAfter(1, trials // 4, maximize=True), seen),
            "best_after, an eighth": after_first(BestAfter(1, trials // 8, maximize=True), seen),
        }
        best = max(max(curve) for curve in seen)
        for name, (complete, used) in made.items():
            reached = max((max(seen[i]) for i in complete), default=0.0)
            found.setdefault(name, []).append((best - reached, used / (epochs * trials)))
    return found


def main() -> None:
    """Read the command line; print one line per rule."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configs", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=200)
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    table = curves(given.configs, given.epochs)
    table = [curve for curve in table if len(curve) == given.epochs]
    bests = [max(curve) for curve in table]
    print(json.dumps({"configs": len(table), "best": max(bests), "worst": min(bests)}))
    for name, measured in rows(table, given.trials, given.rounds).items():
        regrets, shares = zip(*measured, strict=True)
        row = {
            "pruner": name,
            "epochs": round(statistics.mean(shares), 3),
            "regret": round(statistics.mean(regrets), 5),
            "regret_90%": round(float(np.quantile(regrets, 0.9)), 5),
            "best found": round(sum(r == 0 for r in regrets) / len(regrets), 3),
        }
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
