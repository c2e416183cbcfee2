"""Runs as a table: one row per run, the same columns whatever the runs logged.

`runs_table` returns the columns of `COLUMNS`, in this order and always all of them:

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
| `params.<name>` | str | as of the last attempt; NaN where the run has none |

Metrics and parameters are sorted by name and come after.
"""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from glob import escape
from typing import Any

import pandas as pd

from multihead.errors import ConfigError
from multihead.tracking.conditions import Order, check_filter, parse_order
from multihead.tracking.find import find_run
from multihead.tracking.page import COLUMNS, Page, Wanted, wanted
from multihead.tracking.store import Store

_PAGE = 1000
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
    """Return runs as a table; the columns are described above.

    Args:
        store: The default store if none.
        experiment: Only runs of this experiment.
        filter: In MLflow's filter language, such as "metrics.`test/digit_acc` > 0.98".
        sort: A metric, `params.<name>`, or name, started or status, then perhaps `asc` or
            `desc`; by default the newest run, or the best value of a metric, comes first.
        limit: Largest number of rows, 1 or more.
        metrics: Patterns of the metrics to have, such as `["test/*_acc"]`; all if none.
        params: Patterns of the parameters to have; all if none.

    Raises:
        ConfigError: For a filter that is none, an experiment that is not there, a metric to sort
            by that no run found has, or a table too large to hold (`MAX_CELLS`).
        StoreError: If the store does not answer.
    """
    store, order = store or Store(), parse_order(sort)
    if limit < 1:
        raise ConfigError(f"limit is {limit}; give 1 or more.")
    check_filter(filter)
    chosen = _experiments(store, experiment)
    # What is sorted by must be in the table, to see whether any run has it.
    own = [*(metrics or []), escape(order.key)] if order.kind == "metric" else metrics
    patterns = metrics if metrics is None else own
    keep = wanted(patterns), wanted(params)
    frames, names = [], set[str]()
    with store.errors():
        for page in _pages(store, chosen, filter, order, limit, *keep):
            frame = page.frame()
            frames.append(frame)
            names |= set(frame.columns)
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
        store: The default store if none.
        metrics: Patterns of the metrics to have; all if none.

    Raises:
        ConfigError: If an id fits no run, or several.
    """
    store = store or Store()
    runs = [find_run(store, wanted_id) for wanted_id in ids]
    names = _experiments(store, None)
    return _joined([_page_of(runs, names, wanted(metrics), wanted(None)).frame()])


def _pages(
    store: Store,
    experiments: Mapping[str, str],
    condition: str,
    order: Order,
    limit: int,
    metrics: Wanted,
    params: Wanted,
) -> Iterator[Page]:
    if not experiments:
        return
    if not store.is_server:
        from multihead.tracking.database import read_pages

        yield from read_pages(store, experiments, condition, order, limit, metrics, params)
        return
    token, left = None, limit
    while left > 0:
        runs = store.client.search_runs(
            list(experiments),
            condition,
            max_results=min(_PAGE, left),
            order_by=[order.clause],
            page_token=token,
        )
        yield _page_of(runs, experiments, metrics, params)
        left, token = left - len(runs), runs.token
        if not token:
            return


def _page_of(
    runs: Sequence[Any], experiments: Mapping[str, str], metrics: Wanted, params: Wanted
) -> Page:
    page = Page(len(runs), metrics, params)
    for row, run in enumerate(runs):
        page.set_info(row, experiments.get(run.info.experiment_id, ""), run.info)
        page.set_tags(row, run.data.tags.items())
        page.set_params(row, run.data.params.items())
        page.set_metrics(row, run.data.metrics.items())
    return page


def _joined(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    if not frames:
        return Page(0, wanted([]), wanted([])).frame()
    table = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
    return table[[*COLUMNS, *sorted(set(table.columns) - set(COLUMNS))]]


def _experiments(store: Store, name: str | None) -> dict[str, str]:
    """Return the names of experiments by id: of all that are not deleted, or of one.

    Raises:
        ConfigError: If there is none of that name.
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
            f"limit, or patterns of the metrics and parameters to have."
        )


def _check_order(table: pd.DataFrame, order: Order) -> None:
    column = f"metrics.{order.key}"
    missing = column not in table or table[column].isna().all()
    if order.kind == "metric" and len(table) and missing:
        names = [c.removeprefix("metrics.") for c in table if c.startswith("metrics.")]
        near = get_close_matches(order.key, names, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ConfigError(f"no run found has a value of the metric {order.key!r}{hint}.")
