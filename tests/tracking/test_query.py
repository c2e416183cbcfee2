"""Tables of runs, on real stores with runs made by hand."""

import re

import numpy as np
import pandas as pd
import pytest
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from tests.postgres import postgres, postgres_programs

from multihead.errors import ConfigError
from multihead.tracking import query
from multihead.tracking.query import COLUMNS, picked_runs, runs_table
from multihead.tracking.store import Store

NAN = float("nan")
ACCURACIES = [0.5, NAN, 0.9, None, 0.7]
FILTERS = [
    "",
    "metrics.`test/digit_acc` > 0.6",
    "metrics.`test/digit_acc` != 0.9",
    "metrics.`test/digit_acc` <= 0.5 AND params.lr = '0'",
    "params.lr != '1'",
    "params.odd IS NULL",
    "params.odd IS NOT NULL",
    "tags.colour LIKE '%d%'",
    "tags.colour ILIKE 'RE%'",
    "attributes.status = 'FAILED'",
    "attributes.run_name LIKE 'run-%'",
    "run_name = 'run-2'",
    "attributes.start_time > 1002 AND attributes.start_time < 1004",
    "datasets.name = 'd1'",
    "datasets.context = 'train' AND metrics.`test/digit_acc` > 0",
    "attributes.user_id = 'nobody'",
]
SORTS = ["started", "started asc", "name", "status desc", "test/digit_acc", "params.lr desc"]


def _fill(store: Store) -> list[str]:
    """Make five runs that differ in everything a search can ask for."""
    client, made = store.client, []
    experiment = store.experiment_id("first")
    for i, accuracy in enumerate(ACCURACIES):
        run = client.create_run(experiment, start_time=1000 + i, run_name=f"run-{i}")
        number = run.info.run_id
        points = [Metric("val/digit_loss", 1.0 - i / 10, 0, 0)]
        if accuracy is not None:
            points.append(Metric("test/digit_acc", accuracy, 0, 0))
        params = [Param("lr", str(i % 3)), *([Param("odd", "yes")] if i % 2 else [])]
        tags = [RunTag("colour", "red" if i % 2 else "blue"), RunTag("multihead.run", f"20-{i}")]
        client.log_batch(number, points, params, tags)
        data = Dataset(f"d{i % 2}", f"digest{i}", "local", "{}")
        used = DatasetInput(data, [InputTag("mlflow.data.context", "train" if i < 3 else "test")])
        client.log_inputs(number, [used])
        client.set_terminated(number, "FAILED" if i == 4 else "FINISHED", end_time=61_000 + i)
        made.append(number)
    return made


def _by_mlflow(store: Store, condition: str, order: str) -> list[str]:
    experiments = [e.experiment_id for e in store.client.search_experiments()]
    clause = query.parse_order(order).clause
    found = store.client.search_runs(experiments, condition, order_by=[clause])
    return [run.info.run_id for run in found]


def _agrees_with_mlflow(store: Store) -> None:
    for condition in FILTERS:
        expected = _by_mlflow(store, condition, "started")
        assert runs_table(store, filter=condition)["mlflow_id"].tolist() == expected, condition
    for order in SORTS:
        expected = _by_mlflow(store, "", order)
        assert runs_table(store, sort=order)["mlflow_id"].tolist() == expected, order


def test_filters_and_orders_mean_what_they_mean_to_mlflow(store: Store) -> None:
    _fill(store)
    _agrees_with_mlflow(store)


@pytest.mark.slow
@pytest.mark.skipif(postgres_programs() is None, reason="needs PostgreSQL, see CONTRIBUTING.md")
def test_on_postgresql_too(store: Store) -> None:
    with postgres() as server:
        other = Store(server.url, store.home)
        _fill(other)
        _agrees_with_mlflow(other)
        ours, theirs = runs_table(other, sort="name"), picked_runs(_fill_order(other), other)
        pd.testing.assert_frame_equal(ours, theirs)


def _fill_order(store: Store) -> list[str]:
    return runs_table(store, sort="name")["mlflow_id"].tolist()


def test_the_columns_and_their_types_are_the_same_with_runs_and_without(store: Store) -> None:
    empty = runs_table(store)
    assert tuple(empty.columns) == COLUMNS
    _fill(store)
    table = runs_table(store, sort="name")
    metrics = ["metrics.test/digit_acc", "metrics.val/digit_loss"]
    assert list(table.columns) == [*COLUMNS, *metrics, "params.lr", "params.odd"]
    pd.testing.assert_series_equal(empty.dtypes, table[list(COLUMNS)].dtypes)
    first = table.iloc[0]
    assert (first["run"], first["experiment"], first["status"]) == ("20-0", "first", "FINISHED")
    assert first["minutes"] == pytest.approx(1.0)
    assert first["started"] == pd.Timestamp(1, unit="s", tz="UTC")
    np.testing.assert_equal(table[metrics[0]].to_numpy(), [0.5, NAN, 0.9, NAN, 0.7])
    pd.testing.assert_frame_equal(table, picked_runs(table["mlflow_id"], store))


def test_many_pages_are_one_table(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from multihead.tracking import database

    _fill(store)
    whole = runs_table(store)
    monkeypatch.setattr(database, "_RUNS_PER_PAGE", 2)
    pd.testing.assert_frame_equal(runs_table(store), whole)


def test_patterns_choose_metrics_and_parameters(store: Store) -> None:
    _fill(store)
    table = runs_table(store, sort="val/digit_loss", metrics=["test/*_acc"], params=[])
    assert set(table.columns) - set(COLUMNS) == {"metrics.test/digit_acc", "metrics.val/digit_loss"}


def test_what_a_resume_changed_is_the_runs_parameter(store: Store) -> None:
    """MLflow itself keeps the first value for ever."""
    first, *_ = _fill(store)
    store.client.set_tag(first, "resumed.lr", "0.5")
    assert runs_table(store, sort="name")["params.lr"][0] == "0.5"


def test_the_best_of_a_loss_is_the_smallest_and_of_an_accuracy_the_largest(store: Store) -> None:
    _fill(store)
    assert runs_table(store, sort="val/digit_loss", limit=1)["name"].tolist() == ["run-4"]
    assert runs_table(store, sort="test/digit_acc", limit=1)["name"].tolist() == ["run-2"]
    assert runs_table(store, sort="test/digit_acc asc", limit=1)["name"].tolist() == ["run-0"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"experiment": "frist"}, "no experiment 'frist' in .*did you mean 'first'"),
        ({"filter": "metrics.x >"}, "filter 'metrics.x >' is wrong"),
        ({"filter": "metrics.x > 1 OR metrics.y > 1"}, "Invalid clause.* 'OR'"),
        ({"filter": "params.x > '1'"}, "Invalid comparator '>'"),
        ({"filter": "colour = 'red'"}, "Invalid attribute key 'colour'"),
        ({"sort": "test/digt_acc"}, "no run found has .* 'test/digt_acc' .did you mean 'test/dig"),
        ({"limit": 0}, "limit is 0"),
        ({"sort": " "}, "sort names nothing"),
    ],
    ids=lambda x: str(x),
)
def test_a_mistake_is_named(store: Store, options: dict[str, object], message: str) -> None:
    _fill(store)
    with pytest.raises(ConfigError, match=message):
        runs_table(store, **options)


def test_a_table_too_large_to_hold_is_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(store)
    monkeypatch.setattr(query, "MAX_CELLS", 50)
    with pytest.raises(ConfigError, match=re.escape("more than 5 rows of 14 columns")):
        runs_table(store)
