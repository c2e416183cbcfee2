"""Runs as a table: one row per run, the same columns whatever the runs logged."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

import pandas as pd

from multihead.errors import ConfigError
from multihead.tracking.conditions import Order, parse_order
from multihead.tracking.find import find_run
from multihead.tracking.newest import newest_runs
from multihead.tracking.page import COLUMNS, frame_of, wanted
from multihead.tracking.store import Store

_PAGE = 1000  # with half as many there would be twice the searches, each as slow as the reading
MAX_CELLS = 20_000_000  # 160 MB of numbers


def runs_table(
    store: Store | None = None,
    *,
    experiment: str | None = None,
    filter: str = "",
    sort: str = "started",
    limit: int = 1000,
    metrics: Sequence[str] | None = None,
    params: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return runs as a table, a row per run.

    The table always has all of these columns, in this order:

    | column | type | meaning |
    |---|---|---|
    | `run` | str | our id; empty for runs that others made |
    | `mlflow_id` | str | MLflow's id |
    | `experiment`, `name` | str | of the MLflow experiment and run |
    | `kind` | str | `run`, `evaluation`, ...: tag `multihead.kind` |
    | `study` | str | the study the run belongs to, or empty: tag `multihead.study` |
    | `status` | str | `RUNNING`, `FINISHED`, `FAILED`, `KILLED` or `SCHEDULED` |
    | `started` | datetime64[ms, UTC] | |
    | `minutes` | float64 | from start to end; NaN while it runs |
    | `tags` | str | the run's `tags`, separated by commas |
    | `metrics.<name>` | float64 | last value; NaN where the run has none |
    | `params.<name>` | str | value of the last attempt; NaN where the run has none |

    Columns of metrics and parameters come last, sorted by name.

    Args:
        store: The store; the default store if None.
        experiment: Only runs of this experiment.
        filter: A filter in MLflow's language, such as "metrics.`test/digit_acc` > 0.98".
        sort: A metric, `params.<name>`, name, started or status, optionally followed by `asc` or
            `desc`. By default the newest run, or the best value of a metric, comes first.
        limit: Largest number of rows, 1 or more.
        metrics: Patterns of the metrics to include, such as `["test/*_acc"]`; all if None.
        params: Patterns of the parameters to include; all if None.

    Raises:
        ConfigError: If the filter is not valid, the experiment does not exist, no run found has
            the metric to sort by, or the table is larger than `MAX_CELLS`.
        StoreError: If the store does not answer.
    """
    store, order = store or Store(), parse_order(sort)
    if limit < 1:
        raise ConfigError(f"limit is {limit}; give 1 or more.")
    # The table must include the metric to sort by, so that `_check_order` can look for it.
    if metrics is not None and order.kind == "metric":
        metrics = [*metrics, order.key]
    keep = wanted(metrics), wanted(params)
    if not filter and experiment is None and order == parse_order("started"):
        read = newest_runs(store, limit)
        if read is not None:
            newest = frame_of(*read, *keep)
            _check_size(len(newest), len(newest.columns))
            return _joined([newest])
    chosen = _experiments(store, experiment)
    frames, names = [], set[str]()
    with store.errors():
        for runs in _pages(store, list(chosen), filter, order, limit):
            frames.append(frame_of(runs, chosen, *keep))
            names |= set(frames[-1].columns)
            _check_size(sum(map(len, frames)), len(names))
    table = _joined(frames)
    _check_order(table, order)
    return table


def picked_runs(
    ids: Sequence[str], store: Store | None = None, *, metrics: Sequence[str] | None = None
) -> pd.DataFrame:
    """Return the runs with these ids (ours, MLflow's, or unique prefixes), in this order.

    Args:
        ids: The ids.
        store: The store; the default store if None.
        metrics: Patterns of the metrics to include; all if None.

    Raises:
        ConfigError: If an id fits no run, or several.
    """
    store = store or Store()
    runs = [find_run(store, wanted_id) for wanted_id in ids]
    names = _experiments(store, None)
    return _joined([frame_of(runs, names, wanted(metrics), wanted(None))])


def _pages(
    store: Store, experiments: list[str], condition: str, order: Order, limit: int
) -> Iterator[list[Any]]:
    seen: set[str] = set()
    token = None
    while len(seen) < limit:
        with _filter_errors(condition), _no_collection():
            found = store.client.search_runs(
                experiments,
                condition,
                max_results=min(_PAGE, limit - len(seen)),
                order_by=[order.clause],
                page_token=token,
            )
        # A run that starts between two requests shifts the pages, so a run may come twice.
        runs = [run for run in found if run.info.run_id not in seen]
        seen |= {run.info.run_id for run in runs}
        yield runs
        token = found.token
        if not token:
            return


@contextmanager
def _filter_errors(condition: str) -> Iterator[None]:
    """Turn MLflow's error about a filter into ours; the filter is the only input from the user.

    Raises:
        ConfigError: If MLflow refuses the filter; it quotes the filter and MLflow's reason.
    """
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if not condition or error.error_code != "INVALID_PARAMETER_VALUE":
            raise
        raise ConfigError(
            f"the filter {condition!r} is not valid: {str(error).splitlines()[0]}; an example is "
            f"metrics.`test/digit_acc` > 0.9 AND params.seed = '1'."
        ) from error


@contextmanager
def _no_collection() -> Iterator[None]:
    """Switch the garbage collector off while a page is read.

    MLflow makes an object for each metric, parameter and tag. The collector took two thirds of
    the time to visit them (measured: benchmarks/runs_query.py).
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _joined(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    table = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
    return table[[*COLUMNS, *sorted(set(table.columns) - set(COLUMNS))]]


def _experiments(store: Store, name: str | None) -> dict[str, str]:
    """Return the names of experiments by id: all that are not deleted, or only the named one.

    Raises:
        ConfigError: If no experiment has that name.
    """
    found: dict[str, str] = {}
    token = None
    with store.errors():
        while True:
            page = store.client.search_experiments(max_results=_PAGE, page_token=token)
            found |= {e.experiment_id: e.name for e in page}
            token = page.token
            if not token:
                break
    if name is None:
        return found
    chosen = {number: each for number, each in found.items() if each == name}
    if not chosen:
        near = get_close_matches(name, found.values(), n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        names = ", ".join(sorted(found.values())[:10])
        raise ConfigError(
            f"there is no experiment {name!r} in {store.shown_uri}{hint}; there are: {names}."
        )
    return chosen


def _check_size(rows: int, columns: int) -> None:
    if rows * columns > MAX_CELLS:
        raise ConfigError(
            f"the table would have more than {rows:,} rows of {columns:,} columns; give a lower "
            f"limit, or patterns of the metrics and parameters to include."
        )


def _check_order(table: pd.DataFrame, order: Order) -> None:
    column = f"metrics.{order.key}"
    missing = column not in table or table[column].isna().all()
    if order.kind == "metric" and len(table) and missing:
        names = [c.removeprefix("metrics.") for c in table if c.startswith("metrics.")]
        near = get_close_matches(order.key, names, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ConfigError(f"no run found has a value of the metric {order.key!r}{hint}.")
