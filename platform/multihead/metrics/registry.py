"""All metrics by name, and the one that a recorded name means."""

from collections.abc import Collection

from multihead.errors import ConfigError
from multihead.metrics.accuracy import ACCURACY
from multihead.metrics.ece import ECE
from multihead.metrics.loss import LOSS
from multihead.metrics.mae import MAE
from multihead.metrics.metric import Metric, Unit
from multihead.metrics.quantile_error import QUANTILE_ERROR
from multihead.metrics.r2 import R2
from multihead.metrics.rmse import RMSE
from multihead.metrics.score import SCORE
from multihead.metrics.within import WITHIN

# In the order of columns.
METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (ACCURACY, LOSS, MAE, RMSE, R2, WITHIN, ECE, QUANTILE_ERROR, SCORE)
}
# By the first of these that a head has, it is judged where one figure has to do.
_JUDGING = (MAE, ACCURACY)
# Ends of the names of values that are made of a metric, such as `val/acc_best`.
_MADE_OF = ("_best", "_weighted")


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
    return next((metric for metric in _JUDGING if metric.name in names), None)
