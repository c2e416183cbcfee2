"""All metrics by name, and the lookup of a metric by a logged name.

User-defined metrics are added when they are made, and when a run that has them is read.
"""

import json
import math
import re
from collections.abc import Collection, Iterable

from multihead.errors import ConfigError
from multihead.metrics.accuracy import ACCURACY
from multihead.metrics.ece import ECE
from multihead.metrics.loss import LOSS
from multihead.metrics.mae import MAE
from multihead.metrics.metric import Metric, Unit
from multihead.metrics.of_counts import EXACT_MATCH, F1, MICRO_F1
from multihead.metrics.of_predictions import (
    AUROC,
    AVERAGE_PRECISION,
    BALANCED_ACCURACY,
    MACRO_F1,
    SPEARMAN,
)
from multihead.metrics.quantile_error import QUANTILE_ERROR
from multihead.metrics.r2 import R2
from multihead.metrics.rmse import RMSE
from multihead.metrics.score import SCORE
from multihead.metrics.top_k import TOP_5
from multihead.metrics.within import WITHIN
from multihead.text import one_line

# In the order of the columns of tables.
METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        *(ACCURACY, LOSS, MACRO_F1, MICRO_F1, EXACT_MATCH, F1),
        *(BALANCED_ACCURACY, TOP_5, AUROC, AVERAGE_PRECISION),
        *(MAE, RMSE, R2, WITHIN, SPEARMAN, ECE, QUANTILE_ERROR, SCORE),
    )
}
_SHIPPED = frozenset(METRICS)
# If only one metric is shown, it is the first of these that the head has.
_JUDGING = (MAE, ACCURACY)
# Suffixes of values that are derived from a metric, such as `val/acc_best`.
_MADE_OF = ("_best", "_weighted")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}", re.ASCII)
_LONGEST_TITLE = 80


def metric_of(name: str) -> Metric:
    """Return the metric of a logged name.

    Args:
        name: A name such as `val/digit_acc`, `best/val/digit_mae`, `val/score_best` or `acc`.

    Raises:
        ConfigError: If the name does not end with the name of a metric.
    """
    last = name.rpartition("/")[2]
    for ending in _MADE_OF:
        last = last.removesuffix(ending)
    fitting = [m for m in METRICS.values() if last == m.name or last.endswith(f"_{m.name}")]
    if not fitting:
        raise ConfigError(f"{name} is not a metric; choose one of: {', '.join(METRICS)}.")
    return max(fitting, key=lambda metric: len(metric.name))


def is_known(name: str) -> bool:
    """Return whether a logged name, such as `val/digit_acc`, is of a known metric."""
    try:
        metric_of(name)
    except ConfigError:
        return False
    return True


def unit_of(name: str) -> Unit:
    """Return the unit of a metric by its own name; `NONE` if it is unknown."""
    return METRICS[name].unit if name in METRICS else Unit.NONE


def judging(names: Collection[str]) -> Metric | None:
    """Return the metric that represents a head if only one is shown, or None.

    Args:
        names: Names of the head's metrics, such as `acc`.
    """
    others = (m for m in METRICS.values() if m.name not in ("loss", "score"))
    return next((metric for metric in (*_JUDGING, *others) if metric.name in names), None)


def join(metrics: Iterable[Metric]) -> None:
    """Add user-defined metrics.

    Raises:
        ConfigError: If a metric has the name of a different built-in metric.
    """
    for metric in metrics:
        if metric.name in _SHIPPED and METRICS[metric.name] != metric:
            raise ConfigError(
                f"your metric {metric.name!r} has the name of a built-in metric; choose another "
                f"name."
            )
        if metric.name not in _SHIPPED:
            METRICS[metric.name] = metric


def to_record(metrics: Iterable[Metric]) -> str:
    """Return a record of the user-defined metrics for a run's tag; empty if there are none."""
    own = {
        m.name: {"title": m.title, "higher_is_better": m.higher_is_better, "unit": m.unit.value}
        for m in metrics
        if m.name not in _SHIPPED
    }
    return json.dumps(own) if own else ""


def learn(record: str) -> None:
    """Add the metrics of a run's tag. Known names and damaged records are ignored."""
    try:
        told = json.loads(record)
        for name, said in told.items():
            if name not in METRICS and _NAME.fullmatch(name):
                title = one_line(said["title"], _LONGEST_TITLE)
                better = said["higher_is_better"] is True
                bounds = (-math.inf, math.inf)
                unit = Unit(said["unit"])
                METRICS[name] = Metric(name, title, title, name, better, bounds, unit)
    except (ValueError, TypeError, KeyError, AttributeError):
        return
