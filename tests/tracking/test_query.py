"""Tables of runs, on real stores with runs made by hand."""

import gc
import re
import sqlite3
from contextlib import closing
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from tests.postgres import postgres, postgres_programs

from multihead.errors import ConfigError
from multihead.tracking import query
from multihead.tracking.newest import MOST, newest_runs, runs_with
from multihead.tracking.query import COLUMNS, picked_runs, runs_table
from multihead.tracking.store import Store

NAN = float("nan")
ACCURACIES = [0.5, NAN, 0.9, None, 0.7]
# Runs by number, the newest first.
FOUND = {
    "": "43210",
    "metrics.`test/digit_acc` > 0.6": "42",
    "metrics.`test/digit_acc` != 0.9": "410",
    "metrics.`test/digit_acc` <= 0.5 AND params.lr = '0'": "0",
    "params.lr != '1'": "320",
    "params.odd IS NULL": "420",
    "params.odd IS NOT NULL": "31",
    "tags.colour LIKE '%d%'": "31",
    "tags.colour ILIKE 'RE%'": "31",
    "attributes.status = 'FAILED'": "4",
    "attributes.run_name LIKE 'run-%'": "43210",
    "run_name = 'run-2'": "2",
    "attributes.start_time > 1002 AND attributes.start_time < 1004": "3",
    "datasets.name = 'd1'": "31",
    "datasets.context = 'train' AND metrics.`test/digit_acc` > 0": "20",
    "attributes.user_id = 'nobody'": "",
}
SORTED = {
    "started": "43210",
    "started asc": "01234",
    "name": "01234",
    "status desc": "32104",
    "test/digit_acc": "24013",
    "test/digit_acc asc": "04213",
    "val/digit_loss": "43210",
    "params.lr desc": "24130",
    "params.odd": "31420",
}


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


def _finds_and_sorts(store: Store) -> None:
    """Check every filter and order; what has NaN comes late, what has no value last."""
    _fill(store)
    for condition, expected in FOUND.items():
        assert _numbers(runs_table(store, filter=condition)) == expected, condition
    for order, expected in SORTED.items():
        assert _numbers(runs_table(store, sort=order)) == expected, order


def _numbers(table: pd.DataFrame) -> str:
    return "".join(name.removeprefix("run-") for name in table["name"])


def test_runs_are_found_and_sorted(store: Store) -> None:
    _finds_and_sorts(store)


def test_the_newest_runs_are_the_same_read_without_mlflow(store: Store) -> None:
    made = _fill(store)
    store.client.set_tag(made[1], "resumed.lr", "5")
    store.client.delete_run(made[3])
    store.client.create_run(store.experiment_id("second"), start_time=1002, run_name="run-5")
    store.client.create_run(store.experiment_id("gone"), run_name="run-6")
    store.client.delete_experiment(store.experiment_id("gone"))
    for limit in (2, MOST):
        assert newest_runs(store, limit) is not None
        whole = runs_table(store, filter="attributes.start_time > 0", limit=limit)
        pd.testing.assert_frame_equal(runs_table(store, limit=limit), whole)
    assert set(whole["experiment"]) == {"first", "second"}


def test_runs_with_tags_are_the_same_read_without_mlflow(store: Store) -> None:
    made = _fill(store)
    tags = {"a": "it's", "b": "1"}
    for run, chosen in zip(made, (tags, {"a": "it's"}, tags, tags), strict=False):
        for name, value in chosen.items():
            store.client.set_tag(run, name, value)
    store.client.delete_run(made[3])
    found = runs_with(store, tags)
    assert found is not None
    searched = {run.info.run_id: run for run in map(store.client.get_run, (made[0], made[2]))}
    assert {run.info.run_id for run in found} == set(searched)
    for run in found:
        same = searched[run.info.run_id]
        assert run.info.artifact_uri == same.info.artifact_uri
        assert (run.data.tags, run.data.metrics) == (same.data.tags, same.data.metrics)
    assert [run.info.start_time for run in found] == sorted(run.info.start_time for run in found)
    assert runs_with(store, {"a": "none has it"}) == []


def test_a_database_of_an_unknown_schema_is_left_to_mlflow(store: Store) -> None:
    _fill(store)
    with closing(sqlite3.connect(store.home / "mlflow.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'of the future'")
    assert newest_runs(store, 1) is None
    assert runs_with(store, {}) is None


@pytest.mark.slow
@pytest.mark.skipif(postgres_programs() is None, reason="needs PostgreSQL, see CONTRIBUTING.md")
def test_on_postgresql_too(store: Store) -> None:
    with postgres() as server:
        _finds_and_sorts(Store(server.url, store.home))


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
    _fill(store)
    whole = runs_table(store)
    monkeypatch.setattr(query, "_PAGE", 2)
    pd.testing.assert_frame_equal(runs_table(store), whole)
    pd.testing.assert_frame_equal(runs_table(store, limit=3), runs_table(store).head(3))


def test_a_run_that_starts_between_two_pages_shows_none_twice(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(store)
    search = store.client.search_runs

    def search_and_start(*args: Any, **options: Any) -> Any:
        found = search(*args, **options)
        store.client.create_run("0", start_time=2000)
        return found

    monkeypatch.setattr(store.client, "search_runs", search_and_start)
    monkeypatch.setattr(query, "_PAGE", 2)
    assert _numbers(runs_table(store)) == "43210"


def test_the_garbage_collector_is_as_it_was(store: Store) -> None:
    with pytest.raises(ConfigError):
        runs_table(store, filter="x")
    assert gc.isenabled()


def test_patterns_choose_metrics_and_parameters(store: Store) -> None:
    _fill(store)
    table = runs_table(store, sort="val/digit_loss", metrics=["test/*_acc"], params=[])
    assert set(table.columns) - set(COLUMNS) == {"metrics.test/digit_acc", "metrics.val/digit_loss"}


def test_what_a_resume_changed_is_the_runs_parameter(store: Store) -> None:
    """MLflow itself keeps the first value for ever."""
    first, *_ = _fill(store)
    store.client.set_tag(first, "resumed.lr", "0.5")
    assert runs_table(store, sort="name")["params.lr"][0] == "0.5"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"experiment": "frist"}, "no experiment 'frist' in .*did you mean 'first'"),
        ({"filter": "metrics.x >"}, "filter 'metrics.x >' is not valid"),
        ({"filter": "metrics.x > 1 OR metrics.y > 1"}, "Invalid clause.* 'OR'"),
        ({"filter": "params.x > '1'"}, "Invalid comparator '>'"),
        ({"filter": "colour = 'red'"}, "Invalid attribute key 'colour'"),
        ({"sort": "test/digt_acc"}, "no run found has .* 'test/digt_acc' .did you mean 'test/dig"),
        ({"limit": 0}, "limit is 0"),
        ({"sort": " "}, "sort is empty"),
        ({"sort": 'a"b'}, "'a\"b' is not the name of a metric"),
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
