"""Some runs as columns: what a table of runs is made of, page by page."""

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from multihead.tracking.tags import KIND_TAG, RUN_TAG, STUDY_TAG, TAGS_TAG

COLUMNS = (
    "run",
    "mlflow_id",
    "experiment",
    "name",
    "kind",
    "study",
    "status",
    "started",
    "minutes",
    "tags",
)
RESUMED = "resumed."
_COLUMN_OF_TAG = {RUN_TAG: "run", KIND_TAG: "kind", STUDY_TAG: "study", TAGS_TAG: "tags"}
TAGS = tuple(_COLUMN_OF_TAG)
Wanted = Callable[[str], bool]


def wanted(patterns: Sequence[str] | None) -> Wanted:
    """Return whether a name fits one of the patterns (`test/*_acc`); every name does if none."""
    if patterns is None:
        return lambda name: True
    return cache(lambda name: any(fnmatchcase(name, pattern) for pattern in patterns))


class Page:
    """The columns of some runs, filled value by value.

    Args:
        size: How many runs, n.
        metrics: Which metrics are kept.
        params: Which parameters are kept.
    """

    def __init__(self, size: int, metrics: Wanted, params: Wanted) -> None:
        self.size, self._keeps_metric, self._keeps_param = size, metrics, params
        self._fixed: dict[str, list[Any]] = {name: [None] * size for name in COLUMNS}
        self._metrics: dict[str, NDArray[np.float64]] = {}
        self._params: dict[str, list[str | None]] = {}
        self._changed: list[tuple[int, str, str]] = []

    def set_info(self, row: int, experiment: str, info: Any) -> None:
        """Set what MLflow itself knows of a run: `info` has the attributes of its RunInfo."""
        fixed = self._fixed
        fixed["mlflow_id"][row] = info.run_id
        fixed["experiment"][row] = experiment
        fixed["name"][row] = info.run_name
        fixed["status"][row] = info.status
        fixed["started"][row] = info.start_time
        if info.end_time is not None:
            fixed["minutes"][row] = (info.end_time - info.start_time) / 60_000

    def set_tags(self, row: int, tags: Iterable[tuple[str, str]]) -> None:
        """Take note of those tags that a table shows."""
        for key, value in tags:
            if key in _COLUMN_OF_TAG:
                self._fixed[_COLUMN_OF_TAG[key]][row] = value
            elif key.startswith(RESUMED):
                self._changed.append((row, key.removeprefix(RESUMED), value))

    def set_metrics(self, row: int, metrics: Iterable[tuple[str, float | None]]) -> None:
        """Set last values of metrics; None is NaN."""
        columns = self._metrics
        for key, value in metrics:
            if key not in columns:
                if not self._keeps_metric(key):
                    continue
                columns[key] = np.full(self.size, np.nan)
            if value is not None:
                columns[key][row] = value

    def set_params(self, row: int, params: Iterable[tuple[str, str]]) -> None:
        """Set parameters."""
        columns = self._params
        for key, value in params:
            if key not in columns:
                if not self._keeps_param(key):
                    continue
                columns[key] = [None] * self.size
            columns[key][row] = value

    def frame(self) -> pd.DataFrame:
        """Return the columns of `COLUMNS`, then `metrics.*` and `params.*`."""
        # MLflow keeps the first value of a parameter; what a later attempt changed is in tags.
        for row, key, value in self._changed:
            self.set_params(row, [(key, value)])
        fixed: dict[str, Any] = {
            name: pd.array([v or "" for v in values], dtype="str")
            for name, values in self._fixed.items()
            if name not in ("started", "minutes")
        }
        started = pd.to_datetime(pd.array(self._fixed["started"], "Int64"), unit="ms", utc=True)
        fixed["started"] = started.as_unit("ms")
        fixed["minutes"] = np.array(self._fixed["minutes"], np.float64)
        columns = {name: fixed[name] for name in COLUMNS}
        columns |= {f"metrics.{name}": values for name, values in self._metrics.items()}
        columns |= {
            f"params.{name}": pd.array(values, dtype="str") for name, values in self._params.items()
        }
        return pd.DataFrame(columns)
