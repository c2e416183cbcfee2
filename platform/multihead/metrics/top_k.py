"""The share of samples whose class is among the 5 most probable classes."""

from typing import Any

from multihead.metrics.metric import Metric, Unit

_K = 5


def _top_k(probabilities: Any, labels: Any) -> float:
    likeliest = probabilities.topk(min(_K, probabilities.shape[1]), 1).indices
    return float((likeliest == labels[:, None]).any(1).double().mean())


TOP_5 = Metric(
    name="top5_acc",
    title="share of samples whose class is among the 5 most probable",
    short="top-5 accuracy",
    column="top5_accuracy",
    higher_is_better=True,
    bounds=(0.0, 1.0),
    unit=Unit.SHARE,
    of_predictions=_top_k,
)
