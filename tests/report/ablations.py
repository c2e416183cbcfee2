"""Ablations made up for the report: of any number of arms, seeds and heads."""

from itertools import combinations

import numpy as np
import pandas as pd

from multihead.ablation.gradients import COLUMNS
from multihead.ablation.result import Check, Result
from multihead.ablation.statistics import compare, falling_metrics

HOSTILE = "<script>alert('pwned')</script>"


def ablation(
    arms: tuple[str, ...] = ("single", "uniform"),
    heads: tuple[str, ...] = ("digit", "thickness"),
    seeds: int = 6,
    *,
    metric: str = "acc",
    epochs: int = 12,
    failed: tuple[tuple[str, int], ...] = (),
    functions: tuple[str, ...] = (),
    name: str = "digits_single_vs_multitask",
    gradients: bool = False,
) -> Result:
    """Return an ablation with drawn figures, whose first arm has a network for each head.

    Args:
        arms: The first is the baseline.
        heads: Names.
        seeds: How many, from 1.
        metric: Of every head.
        epochs: Of every training.
        failed: Arms and seeds without values.
        functions: What is said of the heads.
        name: Of the ablation.
        gradients: Whether the trainings of all heads looked at the heads' gradients.
    """
    rng = np.random.default_rng(0)
    values, runs, curves = [], [], []
    for place, arm in enumerate(arms):
        for seed in range(1, seeds + 1):
            lost = (arm, seed) in failed
            for part in heads if place == 0 else ("",):
                runs.append(_run(arm, seed, part, failed=lost))
            for number, head in enumerate(heads):
                if lost:
                    continue
                level = 0.96 - 0.02 * number + 0.004 * place * (1 - number) + 0.002 * (seed % 3)
                level += rng.normal(0, 0.0012)
                run = runs[-1]["run"]
                values += [
                    (arm, seed, head, metric, split, level - shift, run)
                    for split, shift in (("val", 0), ("test", 0.003))
                ]
                curves += [
                    (arm, seed, head, metric, "val", e, level - 0.8 * np.exp(-e) / (place + 1))
                    for e in range(epochs)
                ]
    columns = ["arm", "seed", "head", "metric", "split"]
    table = pd.DataFrame(values, columns=[*columns, "value", "run"])
    nmi = pd.DataFrame(np.eye(len(heads)), index=list(heads), columns=list(heads))
    return Result(
        name=name,
        definition=f"name: {name}\nseeds: {seeds}\n",
        values=table,
        runs=pd.DataFrame(runs),
        curves=pd.DataFrame(curves, columns=[*columns, "epoch", "value"]),
        comparison=compare(table, arms[0], lower_is_better=falling_metrics([metric])),
        redundancy=nmi.mask(nmi == 0, 0.37),
        functions=functions,
        protocol=(
            Check("the same seeds in every arm", not failed, f"seeds 1 to {seeds}"),
            Check("the test split is read once", True, "per arm and seed, after selection"),
        ),
        commands=(f"multihead ablate {name}", f"multihead report {name}"),
        baseline=arms[0],
        url="http://127.0.0.1:5000/#/experiments/1/runs/0",
        gradients=_gradients(arms[1:], heads, seeds, epochs) if gradients else pd.DataFrame(),
    )


def _gradients(
    arms: tuple[str, ...], heads: tuple[str, ...], seeds: int, epochs: int
) -> pd.DataFrame:
    """Return cosines that fall from 0.5 to -0.5."""
    rows = [
        (arm, seed, a, b, epoch, 0.5 - (epoch - 1) / max(epochs - 1, 1))
        for arm in arms
        for seed in range(1, seeds + 1)
        for a, b in combinations(heads, 2)
        for epoch in range(1, epochs + 1)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _run(arm: str, seed: int, head: str, *, failed: bool) -> dict[str, object]:
    return {
        "arm": arm,
        "seed": seed,
        "head": head,
        "run": f"20261101-1200{seed:02}-{abs(hash((arm, head))) % 0xFFFFFF:06x}",
        "mlflow_id": "0123456789abcdef",
        "state": "FAILED" if failed else "FINISHED",
        "reason": "DivergenceError: the loss is nan at step 41" if failed else "",
        "config_hash": "c0ffee" * 6,
        "data_digest": "da7a" * 10,
        "parameters": 422_000 if head else 431_000,
        "train_seconds": 41.5 + seed,
        "epochs": 12,
        "steps": 240,
        "host": "node-1",
        "url": "http://127.0.0.1:5000/#/experiments/1/runs/0123456789abcdef",
    }
