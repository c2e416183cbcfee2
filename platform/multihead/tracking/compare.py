"""Runs side by side: where their configurations differ, then every head's metrics."""

from dataclasses import dataclass

import pandas as pd

# Parameters that say where a run ran, not what it did.
_PLACES = (
    "params.paths.",
    "params.ckpt_path",
    "params.name",
    "params.tags",
    "params.data.data_dir",
)
_LOSS = "_loss"
OVERALL = "all heads"


@dataclass(frozen=True)
class Comparison:
    """Two or more runs, compared.

    Attributes:
        config: One row per parameter in which the runs differ, one column per run; text, and
            NaN where a run lacks the parameter.
        metrics: One row per (head, metric), one column per run; NaN where a run lacks it.
            Metrics of no single head come last, under `all heads`.
    """

    config: pd.DataFrame
    metrics: pd.DataFrame

    @property
    def deltas(self) -> pd.DataFrame:
        """The difference of each further run from the first, for every metric."""
        return self.metrics.iloc[:, 1:].sub(self.metrics.iloc[:, 0], axis=0)


def compare_runs(table: pd.DataFrame) -> Comparison:
    """Compare the runs of a table from `runs_table` or `picked_runs`.

    Args:
        table: One row per run; the others are compared with the first.
    """
    turned = table.set_index(table["run"].where(table["run"] != "", table["mlflow_id"])).T
    params = turned[[name.startswith("params.") for name in turned.index]]
    params = params[[not name.startswith(_PLACES) for name in params.index]]
    differs = params.fillna("").nunique(axis=1) > 1
    config = params[differs].rename(index=lambda name: name.removeprefix("params."))
    metrics = turned[[name.startswith("metrics.") for name in turned.index]].astype("float64")
    metrics = metrics.rename(index=lambda name: name.removeprefix("metrics."))
    metrics = metrics[["/" in n and not n.startswith("system/") for n in metrics.index]]
    return Comparison(config.sort_index(), _by_head(metrics))


def _by_head(metrics: pd.DataFrame) -> pd.DataFrame:
    heads = sorted(
        {name.rpartition("/")[2].removesuffix(_LOSS) for name in metrics.index if _LOSS in name},
        key=len,
        reverse=True,
    )
    pairs = [(_head_of(name, heads), name) for name in metrics.index]
    metrics.index = pd.MultiIndex.from_tuples(pairs, names=["head", "metric"])
    order = sorted(pairs, key=lambda pair: (pair[0] == OVERALL, pair[0], *_place(pair[1])))
    return metrics.loc[order]


def _head_of(metric: str, heads: list[str]) -> str:
    last = metric.rpartition("/")[2]
    return next((head for head in heads if last.startswith(f"{head}_")), OVERALL)


def _place(metric: str) -> tuple[int, str]:
    splits = ("test/", "best/val/", "val/")
    return next((i for i, s in enumerate(splits) if metric.startswith(s)), len(splits)), metric
