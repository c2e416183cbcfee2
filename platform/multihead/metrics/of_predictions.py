"""Metrics that need all predictions of a split. Most are computed by torchmetrics.

Each metric is called with the predictions and labels of all samples:

- classification: probabilities float32 [N, K] and classes int64 [N];
- binary: probabilities of class 1 float64 [N] and classes int64 [N];
- multilabel: probabilities float64 [N, K] and labels float32 [N, K], NaN for an unknown tag;
- ranges and numbers: predicted values float64 [N] and true values float64 [N].
"""

import math
from typing import Any

from multihead.metrics.metric import Metric, Unit


def _macro_f1(probabilities: Any, labels: Any) -> float:
    from torchmetrics.functional.classification import multiclass_f1_score

    count = probabilities.shape[1]
    return float(multiclass_f1_score(probabilities, labels, count, average="macro"))


def _balanced_accuracy(probabilities: Any, labels: Any) -> float:
    from torchmetrics.functional.classification import multiclass_recall

    count = probabilities.shape[1]
    recall = multiclass_recall(probabilities, labels, count, average="none")
    # torchmetrics gives a recall of 0 to a class that does not occur.
    return float(recall[labels.unique()].mean())


def _mean_of_pairs(function: Any, probabilities: Any, labels: Any) -> float:
    """Return the mean of a binary metric over the classes or tags that have both labels."""
    pairs = _pairs(probabilities, labels)
    figures = [float(function(given, true)) for given, true in pairs if len(true.unique()) == 2]
    return sum(figures) / len(figures) if figures else math.nan


def _pairs(probabilities: Any, labels: Any) -> list[tuple[Any, Any]]:
    """Return (probabilities, labels) per class that occurs (one vs rest), or per tag."""
    if probabilities.ndim == 1:
        return [(probabilities, labels)]
    if labels.ndim == 1:
        occur = labels.unique().tolist()
        return [(probabilities[:, c], (labels == c).long()) for c in occur]
    told = [~column.isnan() for column in labels.T]
    return [
        (given[there], true[there].long())
        for given, true, there in zip(probabilities.T, labels.T, told, strict=True)
    ]


def _auroc(probabilities: Any, labels: Any) -> float:
    from torchmetrics.functional.classification import binary_auroc

    return _mean_of_pairs(binary_auroc, probabilities, labels)


def _average_precision(probabilities: Any, labels: Any) -> float:
    from torchmetrics.functional.classification import binary_average_precision

    return _mean_of_pairs(binary_average_precision, probabilities, labels)


def _spearman(values: Any, true: Any) -> float:
    from torchmetrics.functional.regression import spearman_corrcoef

    return float(spearman_corrcoef(values, true))


MACRO_F1 = Metric(
    name="macro_f1",
    title="mean F1 of the classes or tags",
    short="macro F1",
    column="macro_f1",
    higher_is_better=True,
    bounds=(0.0, 1.0),
    unit=Unit.SHARE,
    of_predictions=_macro_f1,
)
BALANCED_ACCURACY = Metric(
    name="balanced_acc",
    title="mean recall of the classes",
    short="balanced accuracy",
    column="balanced_accuracy",
    higher_is_better=True,
    bounds=(0.0, 1.0),
    unit=Unit.SHARE,
    of_predictions=_balanced_accuracy,
)
AUROC = Metric(
    name="auroc",
    title="area under the ROC curve",
    short="AUROC",
    column="auroc",
    higher_is_better=True,
    bounds=(0.0, 1.0),
    of_predictions=_auroc,
)
AVERAGE_PRECISION = Metric(
    name="average_precision",
    title="average precision",
    short="average precision",
    column="average_precision",
    higher_is_better=True,
    bounds=(0.0, 1.0),
    of_predictions=_average_precision,
)
SPEARMAN = Metric(
    name="spearman",
    title="Spearman's rank correlation",
    short="Spearman",
    column="spearman",
    higher_is_better=True,
    bounds=(-1.0, 1.0),
    of_predictions=_spearman,
)
