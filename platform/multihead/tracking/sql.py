"""A search for runs as SQL on MLflow's tables.

A filter means what it means to MLflow's own search; a test compares the two.
"""

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from mlflow.store.tracking.dbmodels import models
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT, MLFLOW_RUN_NAME
from mlflow.utils.search_utils import SearchUtils
from sqlalchemy.orm import aliased

from multihead.tracking.conditions import Order

_VALUES: dict[str, Any] = {
    "metric": models.SqlLatestMetric,
    "parameter": models.SqlParam,
    "param": models.SqlParam,
    "tag": models.SqlTag,
}
_RUN: Any = models.SqlRun
_METRIC: Any = models.SqlLatestMetric


def search(condition: str, order: Order, dialect: str) -> sa.Select[Any]:
    """Return the query for the runs that meet a condition.

    Args:
        condition: In MLflow's filter language, checked.
        order: What to sort by; the newest first among equals.
        dialect: `sqlite`, `postgresql`, `mysql` or `mssql`.

    Returns:
        A query of the columns run_id, run_name, experiment_id, status, start_time and end_time.
    """
    run = _RUN
    clauses = [_clause(part, dialect) for part in SearchUtils.parse_search_filter(condition)]
    found: sa.Select[Any] = sa.select(
        run.run_uuid.label("run_id"),
        run.name.label("run_name"),
        run.experiment_id,
        run.status,
        run.start_time,
        run.end_time,
    ).where(run.lifecycle_stage == "active", *clauses)
    return _sorted(found, order).order_by(run.start_time.desc(), run.run_uuid)


def _sorted(search: sa.Select[Any], order: Order) -> sa.Select[Any]:
    """Sort by a column; runs without a value come last, those with NaN just before them."""
    run = _RUN
    if order.kind == "attribute":
        value: Any = getattr(run, run.get_attribute_name(order.key))
        rank = sa.case((value.is_(None), 1), else_=0)
    else:
        entity = aliased(_VALUES[order.kind])
        joined = sa.and_(entity.run_uuid == run.run_uuid, entity.key == order.key)
        search, value = search.outerjoin(entity, joined), entity.value
        rank = sa.case((value.is_(None), 2), else_=0)
        if order.kind == "metric":
            rank = sa.case((entity.is_nan == sa.true(), 1), (value.is_(None), 2), else_=0)
    return search.order_by(rank, value if order.ascending else value.desc())


def _clause(part: Mapping[str, Any], dialect: str) -> Any:
    """Return one comparison of a parsed filter as a condition on `runs`."""
    kind, key = part["type"], str(SearchUtils.translate_key_alias(part["key"]))
    comparator, value = part["comparator"].upper(), part["value"]
    if kind == "attribute" and key == "run_name":  # older runs have their name in a tag alone
        kind, key = "tag", MLFLOW_RUN_NAME
    compare = _comparison(comparator, dialect)
    if kind == "dataset":
        return _dataset_clause(key, compare, value)
    if kind == "attribute":
        return compare(getattr(_RUN, _RUN.get_attribute_name(key)), value)
    entity = _VALUES[kind]
    there = [entity.run_uuid == _RUN.run_uuid, _comparison("=", dialect)(entity.key, key)]
    if comparator == "IS NULL":
        return ~sa.exists().where(*there)
    if comparator == "IS NOT NULL":
        return sa.exists().where(*there)
    if kind == "metric":  # a NaN is stored as 0 and a mark; it differs from every number
        is_nan, holds = _METRIC.is_nan == sa.true(), compare(entity.value, float(value))
        fits = sa.or_(holds, is_nan) if comparator == "!=" else sa.and_(holds, ~is_nan)
    else:
        fits = compare(entity.value, value)
    return sa.exists().where(*there, fits)


def _comparison(comparator: str, dialect: str) -> Callable[[Any, Any], Any]:
    found: Callable[[Any, Any], Any] = SearchUtils.get_sql_comparison_func(comparator, dialect)
    return found


def _dataset_clause(key: str, compare: Callable[[Any, Any], Any], value: Any) -> Any:
    used: Any = models.SqlInput
    of_run = used.destination_id == _RUN.run_uuid
    if key == "context":
        tag: Any = models.SqlInputTag
        named = tag.name == MLFLOW_DATASET_CONTEXT
        return sa.exists().where(
            of_run, tag.input_uuid == used.input_uuid, named, compare(tag.value, value)
        )
    data: Any = models.SqlDataset
    same = used.source_id == data.dataset_uuid
    return sa.exists().where(of_run, same, compare(getattr(data, key), value))
