"""Turn one page of MLflow runs into the columns of a table."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import pandas as pd

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
_RESUMED = "resumed."
Wanted = Callable[[str], bool]


def wanted(patterns: Sequence[str] | None) -> Wanted:
    """Return a test whether a name fits one of the patterns (`test/*_acc`); always true if None."""
    if patterns is None:
        return lambda name: True
    return cache(lambda name: any(fnmatchcase(name, pattern) for pattern in patterns))


def frame_of(
    runs: Sequence[Any], experiments: Mapping[str, str], metrics: Wanted, params: Wanted
) -> pd.DataFrame:
    """Return the columns of `COLUMNS`, then `metrics.*` and `params.*`, one row per run.

    Args:
        runs: Runs of MLflow.
        experiments: Names by MLflow's id.
        metrics: Which metrics to keep.
        params: Which parameters to keep.
    """
    infos, tags = [run.info for run in runs], [run.data.tags for run in runs]
    started = pd.array([info.start_time for info in infos], "Int64")
    ends = [(info.start_time, info.end_time) for info in infos]
    minutes = [None if end is None else (end - start) / 60_000 for start, end in ends]
    fixed = {
        "run": _texts(each.get(RUN_TAG) for each in tags),
        "mlflow_id": _texts(info.run_id for info in infos),
        "experiment": _texts(experiments.get(info.experiment_id) for info in infos),
        "name": _texts(info.run_name for info in infos),
        "kind": _texts(each.get(KIND_TAG) for each in tags),
        "study": _texts(each.get(STUDY_TAG) for each in tags),
        "status": _texts(info.status for info in infos),
        "started": pd.to_datetime(started, unit="ms", utc=True).as_unit("ms"),
        "minutes": pd.Series(minutes, dtype="float64"),
        "tags": _texts(each.get(TAGS_TAG) for each in tags),
    }
    numbers = [_kept("metrics.", run.data.metrics, metrics) for run in runs]
    texts = [_kept("params.", _params(run.data), params) for run in runs]
    parts = [pd.DataFrame(numbers, dtype="float64"), pd.DataFrame(texts, dtype="str")]
    return pd.concat([pd.DataFrame(fixed), *parts], axis=1)


def _texts(values: Iterable[str | None]) -> Any:
    return pd.array([value or "" for value in values], dtype="str")


def _kept(prefix: str, values: Mapping[str, Any], keeps: Wanted) -> dict[str, Any]:
    return {f"{prefix}{name}": value for name, value in values.items() if keeps(name)}


def _params(data: Any) -> dict[str, str]:
    # MLflow keeps the first value of a parameter; the tags have values changed by later attempts.
    changed = {
        key.removeprefix(_RESUMED): value
        for key, value in data.tags.items()
        if key.startswith(_RESUMED)
    }
    return {**data.params, **changed}
