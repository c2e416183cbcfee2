"""Runs as a table: one row per run, the same columns whatever the runs logged."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from multihead.tracking.run import RUN_TAG, find_run
from multihead.tracking.store import Store

COLUMNS = ("run", "mlflow_id", "experiment", "name", "status", "started", "minutes", "tags")
_PAGE = 1000


def runs_table(
    store: Store | None = None,
    *,
    experiment: str | None = None,
    filter: str = "",
    limit: int = 1000,
) -> pd.DataFrame:
    """Return the newest runs first.

    Args:
        store: The default store if none.
        experiment: Only runs of this experiment.
        filter: In MLflow's filter language, such as "metrics.`test/digit_acc` > 0.98".
        limit: Largest number of rows.

    Returns:
        The columns of `COLUMNS`, then `metrics.*` and `params.*`, sorted by name.
    """
    store = store or Store()
    with store.errors():
        experiments = {
            e.experiment_id: e.name
            for e in store.client.search_experiments()
            if experiment in (None, e.name)
        }
        rows: list[dict[str, Any]] = []
        token = None
        while experiments and len(rows) < limit:
            page = store.client.search_runs(
                list(experiments),
                filter,
                max_results=min(_PAGE, limit - len(rows)),
                order_by=["attributes.start_time DESC"],
                page_token=token,
            )
            rows += [_row(run, experiments) for run in page]
            token = page.token
            if not token:
                break
    return _table(rows)


def picked_runs(ids: Sequence[str], store: Store | None = None) -> pd.DataFrame:
    """Return the runs with these ids (ours, MLflow's, or unique prefixes), in this order.

    Raises:
        ConfigError: If an id fits no run, or several.
    """
    store = store or Store()
    runs = [find_run(store, wanted) for wanted in ids]
    with store.errors():
        experiments = {e.experiment_id: e.name for e in store.client.search_experiments()}
    return _table([_row(run, experiments) for run in runs])


def _row(run: Any, experiments: dict[str, str]) -> dict[str, Any]:
    info, data = run.info, run.data
    started = pd.Timestamp(info.start_time, unit="ms", tz="UTC")
    minutes = None if info.end_time is None else (info.end_time - info.start_time) / 60_000
    row = {
        "run": data.tags.get(RUN_TAG, ""),
        "mlflow_id": info.run_id,
        "experiment": experiments[info.experiment_id],
        "name": info.run_name,
        "status": info.status,
        "started": started,
        "minutes": minutes,
        "tags": data.tags.get("multihead.tags", ""),
    }
    row |= {f"metrics.{key}": value for key, value in data.metrics.items()}
    row |= {f"params.{key}": value for key, value in data.params.items()}
    return row


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=list(COLUMNS) if not rows else None)
    extra = sorted(set(table.columns) - set(COLUMNS))
    return table[[*COLUMNS, *extra]]
