"""Compute the cost of each arm of an ablation for one seed: networks, parameters and time."""

import pandas as pd

_NUMBERS = ("parameters", "train_seconds", "epochs", "steps")


def _whole(numbers: pd.Series) -> float:
    return float(numbers.sum(skipna=False))


# If some trainings have no recorded steps, their sum would be too small, so it is NaN.
_SUMS = dict.fromkeys(_NUMBERS, "sum") | {"steps": _whole, "run": "size"}


def cost_table(runs: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Return a row per arm, in the order of the runs.

    The cost of an arm with one network per head is their sum. Costs are medians over the seeds
    whose trainings all finished; NaN if there is no such seed.

    Args:
        runs: One row per training: arm, seed, state, parameters, train_seconds, epochs, steps, run.
        baseline: The arm that the ratios refer to.

    Returns:
        Columns arm, trainings, finished, networks, parameters, train_seconds, epochs,
        steps, parameters_ratio, train_seconds_ratio.
    """
    if "steps" not in runs:  # reports of earlier versions have no steps
        runs = runs.assign(steps=float("nan"))
    runs = runs.astype(dict.fromkeys(_NUMBERS, "float64"))
    done = runs["state"] == "FINISHED"
    whole = done.groupby([runs["arm"], runs["seed"]]).transform("all")
    per_seed = runs[whole].groupby(["arm", "seed"], sort=False).agg(_SUMS)
    cost = per_seed.groupby("arm", sort=False).median().rename(columns={"run": "networks"})
    counts = done.groupby(runs["arm"], sort=False).agg(["size", "sum"])
    table = counts.set_axis(["trainings", "finished"], axis=1).join(cost.astype("float64"))
    for column in ("parameters", "train_seconds"):
        table[f"{column}_ratio"] = table[column] / table[column].get(baseline, float("nan"))
    return table.rename_axis("arm").reset_index()
