"""The metrics of a run: their names, and what they are made of.

A head that is a parameter, of whatever kind, is judged in the parameter's unit; one of unordered
classes by its accuracy. Each has a score from 0 to 1, so that heads of all kinds can be averaged:
the accuracy, or 1 - RMSE / sigma, with sigma the standard deviation of the split's labels.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from multihead.balancing.weights import complete_weights
from multihead.heads import Head, Heads
from multihead.metrics.accuracy import ACCURACY
from multihead.metrics.loss import LOSS
from multihead.metrics.mae import MAE
from multihead.metrics.metric import Metric
from multihead.metrics.r2 import R2, unexplained
from multihead.metrics.rmse import RMSE
from multihead.metrics.score import SCORE
from multihead.metrics.within import WITHIN
from multihead.training.accumulators import COLUMNS

_OF_CLASSES = (ACCURACY, LOSS)
_OF_PARAMETERS = (*_OF_CLASSES, MAE, RMSE, R2, WITHIN)


def classification_heads(heads: Heads) -> list[str]:
    """Return the names of the heads of kind classification, whose accuracies make `acc`."""
    return [name for name, head in heads.items() if head.kind == "classification"]


def metrics_of(head: Head) -> tuple[Metric, ...]:
    """Return the metrics of a head that come from means over the samples."""
    return _OF_CLASSES if head.parameter is None else _OF_PARAMETERS


def head_metric_names(head: Head) -> tuple[str, ...]:
    """Return what is logged of a head, as in `{split}/{head}_acc`."""
    return tuple(metric.name for metric in metrics_of(head))


def best_names(heads: Heads) -> list[str]:
    """Return the metrics of which the best so far is logged."""
    return [*(["val/acc"] if classification_heads(heads) else []), "val/score"]


def metric_names(
    heads: Heads, splits: Sequence[str], *, weighted: bool, balanced: bool = False
) -> list[str]:
    """Return every metric that a run logs, so that a monitor can be checked before training.

    Args:
        heads: The heads of the network.
        splits: Those of train, val and test that will be run.
        weighted: Whether evaluation weights are given.
        balanced: Whether the weights of the losses change while training.
    """
    means = ["acc", "score"] if classification_heads(heads) else ["score"]
    names = ["epoch", "lr", "step"]
    for split in splits:
        names += [f"{split}/{n}_{kind}" for n, h in heads.items() for kind in head_metric_names(h)]
        names += [f"{split}/{name}" for name in ("loss", *means)]
        names += [f"{split}/{name}_weighted" for name in means] if weighted else []
    names += [f"train/{name}_weight" for name in heads] if balanced else []
    return names + ([f"{name}_best" for name in best_names(heads)] if "val" in splits else [])


def split_metrics(
    split: str,
    heads: Heads,
    means: Tensor,
    loss_weights: Sequence[float],
    eval_weights: Mapping[str, float] | None,
) -> dict[str, float]:
    """Return the metrics of one split and epoch, under the names of `metric_names`.

    Args:
        split: train, val or test.
        heads: The T heads.
        means: What `HeadSums.read` returned, [T, columns].
        loss_weights: Weight of each head in the summed loss, [T].
        eval_weights: By head name, for the weighted means; not among the metrics if none.
    """
    metrics: dict[str, float] = {}
    scores, accuracies, losses = {}, {}, []
    for (name, head), row in zip(heads.items(), means.tolist(), strict=True):
        of_head = head_metrics(head, dict(zip(COLUMNS, row, strict=True)))
        scores[name] = of_head.pop("score")
        losses.append(of_head["loss"])
        if head.kind == "classification":
            accuracies[name] = of_head["acc"]
        metrics |= {f"{split}/{name}_{kind}": value for kind, value in of_head.items()}
    metrics[f"{split}/loss"] = float(np.dot(loss_weights, losses))
    for mean, values in (("acc", accuracies), ("score", scores)):
        if not values:
            continue
        metrics[f"{split}/{mean}"] = float(np.mean(list(values.values())))
        if eval_weights is not None:
            weights = mean_weights(heads, eval_weights, values)
            metrics[f"{split}/{mean}_weighted"] = float(
                np.average(list(values.values()), weights=weights)
            )
    return metrics


def mean_weights(
    heads: Heads, eval_weights: Mapping[str, float], names: Sequence[str] | Mapping[str, float]
) -> list[float]:
    """Return the weights of some heads in a weighted mean.

    Raises:
        ConfigError: As `complete_weights` says, of those heads alone.
    """
    complete_weights(heads, eval_weights, "eval_weights")
    given = {name: weight for name, weight in eval_weights.items() if name in names}
    return complete_weights(Heads(heads[name] for name in names), given, "eval_weights")


def head_metrics(head: Head, means: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics of a head and its score from the means over the images.

    Args:
        head: A parameter, or unordered classes.
        means: By the names of `COLUMNS`; of errors and labels in the parameter's unit.
    """
    found = {m.name: m.of_means(means) for m in metrics_of(head) if m.of_means is not None}
    if head.parameter is None:
        score = means["correct"]
    else:
        score = max(0.0, 1 - math.sqrt(unexplained(means)))
    return found | {SCORE.name: score}


def shortest(value: float | Tensor) -> float:
    """Return the shortest decimal that stands for the same float32: 0.975, not 0.97500002."""
    return float(str(np.float32(float(value))))
