"""All metrics by name, and the one that a recorded name means.

Metrics of a person's own join them where they are made, and where a run that has some is read.
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

# In the order of columns.
METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        *(ACCURACY, LOSS, MACRO_F1, MICRO_F1, EXACT_MATCH, F1),
        *(BALANCED_ACCURACY, TOP_5, AUROC, AVERAGE_PRECISION),
        *(MAE, RMSE, R2, WITHIN, SPEARMAN, ECE, QUANTILE_ERROR, SCORE),
    )
}
_SHIPPED = frozenset(METRICS)
# By the first of these that a head has, it is judged where one figure has to do.
_JUDGING = (MAE, ACCURACY)
# Ends of the names of values that are made of a metric, such as `val/acc_best`.
_MADE_OF = ("_best", "_weighted")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}", re.ASCII)
_LONGEST_TITLE = 80


def metric_of(name: str) -> Metric:
    """Return the metric that a recorded name is of.

    Args:
        name: Such as `val/digit_acc`, `best/val/digit_mae`, `val/score_best` or `acc`.

    Raises:
        ConfigError: If it ends like no metric.
    """
    last = name.rpartition("/")[2]
    for ending in _MADE_OF:
        last = last.removesuffix(ending)
    fitting = [m for m in METRICS.values() if last == m.name or last.endswith(f"_{m.name}")]
    if not fitting:
        raise ConfigError(f"{name} is of no metric; there are: {', '.join(METRICS)}.")
    return max(fitting, key=lambda metric: len(metric.name))


def unit_of(name: str) -> Unit:
    """Return what the numbers of a metric count, by its own name; `NONE` for one unknown here."""
    return METRICS[name].unit if name in METRICS else Unit.NONE


def judging(names: Collection[str]) -> Metric | None:
    """Return the metric that a head is judged by where one figure has to do.

    Args:
        names: Of the metrics that the head has, such as `acc`.
    """
    others = (m for m in METRICS.values() if m.name not in ("loss", "score"))
    return next((metric for metric in (*_JUDGING, *others) if metric.name in names), None)


def join(metrics: Iterable[Metric]) -> None:
    """Add metrics of a person's own.

    Raises:
        ConfigError: For another metric of a shipped one's name.
    """
    for metric in metrics:
        if metric.name in _SHIPPED and METRICS[metric.name] != metric:
            raise ConfigError(
                f"a metric of yours is named {metric.name!r}, as one that is shipped; give it "
                f"another name."
            )
        if metric.name not in _SHIPPED:
            METRICS[metric.name] = metric


def to_record(metrics: Iterable[Metric]) -> str:
    """Return those metrics that are not shipped, for a run's tag; empty if there are none."""
    own = {
        m.name: {"title": m.title, "higher_is_better": m.higher_is_better, "unit": m.unit.value}
        for m in metrics
        if m.name not in _SHIPPED
    }
    return json.dumps(own) if own else ""


def learn(record: str) -> None:
    """Add the metrics that a run's tag tells; what is known already, or is damaged, is left."""
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
