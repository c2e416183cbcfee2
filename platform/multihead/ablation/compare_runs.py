"""Compare runs that the user picks. Runs that differ only in the seed form an arm."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from multihead.ablation.collect import steps_of
from multihead.ablation.compare_runs_protocol import checks, data_of
from multihead.ablation.epochs import Epochs
from multihead.ablation.gradients import COLUMNS, gradient_rows
from multihead.ablation.result import Result
from multihead.ablation.short_names import TARGET, short_value
from multihead.ablation.statistics import compare, falling_metrics
from multihead.errors import ConfigError
from multihead.metrics import registry
from multihead.metrics.registry import judging
from multihead.runs.fingerprint import HASH_TAG
from multihead.tracking.compare import OVERALL, compare_runs
from multihead.tracking.query import picked_runs
from multihead.tracking.store import Store
from multihead.tracking.tags import ERROR_TAG, METRICS_TAG, NOTES_TAG, RUN_TAG

# Prefix of the metrics by split: at the epoch of best.ckpt, and on the test split.
_PREFIXES = {"val": "best/val", "test": "test"}
_SEEDS = ("seed", "data.seed")
_WITHOUT_EFFECT = ("logger.", "optimized_metric", "num_parameters", "data.num_workers")
_LONGEST_NAME = 60


def compare_by_hand(ids: Sequence[str], store: Store | None = None) -> Result:
    """Compare runs. The arm of the first run is the baseline.

    Runs whose configurations differ only in the seed form one arm. Its name shows how its
    configuration differs from the others. Heads that the baseline lacks are left out. The test
    split is compared, or the validation split if no run was tested.

    Args:
        ids: Ids of runs (of multihead or MLflow), or unique prefixes of them.
        store: The store with the runs; the default store if None.

    Raises:
        ConfigError: If there is no second arm, a run has no recorded seed, a run is named twice, or
            arms have no metric of a head in common.
        DataError: If two runs have the same arm and seed.
    """
    store = store or Store()
    table = picked_runs(ids, store)
    _check(table)
    with store.errors():
        runs = [store.client.get_run(mlflow_id) for mlflow_id in table["mlflow_id"]]
    for run in runs:
        registry.learn(run.data.tags.get(METRICS_TAG, ""))
    compared = compare_runs(table)
    config = _differing(compared.config)
    arms = _arms(config)
    baseline = arms[0]
    judged = _judged(compared.metrics, [arm == baseline for arm in arms])
    keys = list(zip(arms, table["params.seed"].astype(int), runs, strict=True))
    values = _values(keys, judged)
    curves = pd.DataFrame(
        [row for arm, seed, run in keys for row in _curves(arm, seed, run, judged, store)],
        columns=["arm", "seed", "head", "metric", "split", "epoch", "value"],
    )
    looks = [row for arm, seed, run in keys for row in gradient_rows(run, arm, seed, store)]
    listed = pd.DataFrame([_run(arm, seed, run, store) for arm, seed, run in keys])
    split = "test" if "test" in set(values["split"]) else "val"
    names = [str(run.data.tags.get(RUN_TAG, run.info.run_id)) for run in runs]
    functions = _functions(runs)
    falling = falling_metrics(set(judged.values()))
    comparison = compare(values, baseline, lower_is_better=falling, split=split)
    return Result(
        name=f"{len(runs)} runs, picked by hand",
        definition="",
        values=values,
        runs=listed,
        curves=curves,
        comparison=comparison,
        redundancy=pd.DataFrame(),
        functions=functions,
        protocol=checks(
            listed,
            [run.data.tags for run in runs],
            [data_of(run) for run in runs],
            list(config.index),
            heads=len(judged),
            level=comparison.level,
        ),
        commands=(*(f"multihead rerun {name}" for name in names), _command(names)),
        baseline=baseline,
        url=None,
        gradients=pd.DataFrame(looks, columns=list(COLUMNS)),
    )


def _check(table: pd.DataFrame) -> None:
    twice = table.loc[table["mlflow_id"].duplicated(), "run"]
    if len(twice):
        raise ConfigError(f"run {twice.iloc[0]} is named twice; name each run once.")
    seeds = table.get("params.seed", pd.Series(dtype="str")).reindex(table.index)
    without = table.loc[~seeds.fillna("").str.fullmatch(r"\d+"), "mlflow_id"]
    if len(without):
        raise ConfigError(
            f"run {without.iloc[0]} has no recorded seed, so it cannot be paired with "
            f"other runs; compare runs of multihead."
        )


def _differing(config: pd.DataFrame) -> pd.DataFrame:
    """Return the parameters, [P, N] of N runs, that distinguish arms."""
    keys = [str(key) for key in config.index]
    config = config[[k not in _SEEDS and not k.startswith(_WITHOUT_EFFECT) for k in keys]]
    if config.empty:
        raise ConfigError(
            "the runs differ only in their seeds; name runs of at least two configurations."
        )
    return config


def _arms(config: pd.DataFrame) -> list[str]:
    """Return the arm of each run, from the parameters [P, N] in which the N runs differ."""
    config = _without_arguments(config.fillna(""))
    keys = [str(key).removesuffix(f".{TARGET}") for key in config.index]
    last = [key.rpartition(".")[2] for key in keys]
    short = [n if last.count(n) == 1 else key for n, key in zip(last, keys, strict=True)]
    names: dict[tuple[str, ...], str] = {}
    arms = []
    for _, column in config.items():
        values = tuple(map(str, column))
        if values not in names:
            shown = [short_value(str(k), v) for k, v in zip(config.index, values, strict=True)]
            names[values] = _name(short, shown, number=len(names) + 1)
        arms.append(names[values])
    return arms


def _without_arguments(config: pd.DataFrame) -> pd.DataFrame:
    """Leave out the arguments of classes that differ, if the classes alone distinguish the arms."""
    owners = tuple(str(k).removesuffix(TARGET) for k in config.index if str(k).endswith(TARGET))
    if not owners:
        return config
    kept = config[[str(k).endswith(TARGET) or not str(k).startswith(owners) for k in config.index]]
    same = len(kept.T.drop_duplicates()) == len(config.T.drop_duplicates())
    return kept if same else config


def _name(keys: Sequence[str], values: Sequence[str], number: int) -> str:
    """Return an arm's name from its parameters. A parameter with an empty value is left out."""
    named = [f"{key}={value}" for key, value in zip(keys, values, strict=True) if value]
    name = ", ".join(named) or f"without {', '.join(keys)}"
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 5]}… ({number})"


def _judged(metrics: pd.DataFrame, of_baseline: Sequence[bool]) -> dict[str, str]:
    """Return the metric that judges each head of the baseline, by head."""
    there = metrics.loc[:, list(of_baseline)].notna().any(axis=1)
    names = {name for _, name in metrics.index[there]}
    heads = [head for head in dict.fromkeys(metrics.index.get_level_values(0)) if head != OVERALL]
    found = {}
    for head in heads:
        starts = [f"{prefix}/{head}_" for prefix in _PREFIXES.values()]
        metric = judging([n.removeprefix(s) for n in names for s in starts if n.startswith(s)])
        if metric is not None:
            found[head] = metric.name
    if not found:
        raise ConfigError(
            "the first run has no metric that can judge a head; put a run first that was trained "
            "to its end."
        )
    return found


def _values(keys: Sequence[tuple[str, int, Any]], judged: Mapping[str, str]) -> pd.DataFrame:
    rows = []
    for arm, seed, run in keys:
        for head, metric in judged.items():
            for split, prefix in _PREFIXES.items():
                value = run.data.metrics.get(f"{prefix}/{head}_{metric}")
                if value is not None:
                    name = run.data.tags.get(RUN_TAG, "")
                    rows.append((arm, seed, head, metric, split, value, name))
    columns = ["arm", "seed", "head", "metric", "split", "value", "run"]
    return pd.DataFrame(rows, columns=columns)


def _curves(
    arm: str, seed: int, run: Any, judged: Mapping[str, str], store: Store
) -> Iterator[tuple[str, int, str, str, str, int, float]]:
    epochs = Epochs(run, store)
    for head, metric in judged.items():
        for epoch, value in epochs.values(f"val/{head}_{metric}"):
            yield arm, seed, head, metric, "val", epoch, value


def _run(arm: str, seed: int, run: Any, store: Store) -> dict[str, Any]:
    info, tags = run.info, run.data.tags
    epoch = run.data.metrics.get("epoch")
    return {
        "arm": arm,
        "seed": seed,
        "head": "",
        "run": tags.get(RUN_TAG, ""),
        "mlflow_id": info.run_id,
        "state": info.status,
        "reason": tags.get(ERROR_TAG, ""),
        "config_hash": tags.get(HASH_TAG, ""),
        "data_digest": tags.get("data.test_digest", ""),
        "parameters": float(tags.get("parameters", "nan")),
        "train_seconds": float("nan")
        if info.end_time is None
        else (info.end_time - info.start_time) / 1000,
        "epochs": float("nan") if epoch is None else epoch + 1,
        "steps": steps_of(run, store),
        "host": tags.get("hardware.host", ""),
        "url": store.run_url(info.experiment_id, info.run_id),
    }


def _functions(runs: Sequence[Any]) -> tuple[str, ...]:
    """Return the notes of the runs about heads that are functions of other heads."""
    notes = [n for run in runs for n in run.data.tags.get(NOTES_TAG, "").split("; ")]
    return tuple(dict.fromkeys(note for note in notes if " function" in note))


def _command(names: Sequence[str]) -> str:
    return f"multihead compare {' '.join(names)}"
