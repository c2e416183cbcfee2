"""The metrics of a run: their names, and how they are computed.

A head's kind defines its metrics and a score from 0 to 1. The mean of the scores combines heads of
different kinds.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from multihead.balancing.weights import complete_weights
from multihead.heads import Heads
from multihead.metrics.accuracy import ACCURACY
from multihead.training.head_metrics import HeadMetrics


def heads_in_mean_accuracy(heads: Heads) -> list[str]:
    """Return the names of the heads whose accuracies are averaged in `acc`."""
    return [name for name, head in heads.items() if head.kind.in_mean_accuracy]


def best_names(heads: Heads) -> list[str]:
    """Return the metrics whose best value so far is logged."""
    return [*(["val/acc"] if heads_in_mean_accuracy(heads) else []), "val/score"]


def metric_names(
    metrics: HeadMetrics,
    splits: Mapping[Any, Collection[str]],
    *,
    weighted: bool,
    balanced: bool = False,
) -> list[str]:
    """Return every metric that a run logs, so that a monitor can be checked before training.

    Args:
        metrics: The metrics of the network's heads.
        splits: For each split that will be run (train, val, test), the heads with labels in it.
        weighted: Whether evaluation weights are given.
        balanced: Whether the balancer changes the weights of the losses during training.
    """
    heads, names = metrics.heads, ["epoch", "lr", "step"]
    for split, labelled in splits.items():
        known = Heads(heads[name] for name in heads if name in labelled)
        means = ["acc", "score"] if heads_in_mean_accuracy(known) else ["score"]
        names += [f"{split}/{n}_{kind}" for n in known for kind in metrics.names(n, split)]
        names += [f"{split}/{name}" for name in ("loss", *means)]
        names += [f"{split}/{name}_weighted" for name in means] if weighted else []
    names += [f"train/{name}_weight" for name in heads] if balanced else []
    best = [f"{name}_best" for name in best_names(heads) if name in names]
    return names + best


def split_metrics(
    split: str,
    metrics: HeadMetrics,
    means: Mapping[str, Mapping[str, float]],
    loss_weights: Sequence[float],
    eval_weights: Mapping[str, float] | None,
    of_whole: Mapping[str, Mapping[str, float]] | None = None,
) -> dict[str, float]:
    """Return the metrics of one split and epoch, under the names of `metric_names`.

    A head without any label in the split has no metrics and is left out of the means.

    Args:
        split: train, val or test.
        metrics: The metrics of the T heads.
        means: The return value of `HeadSums.read`, by head name.
        loss_weights: Weight of each head in the summed loss, [T].
        eval_weights: By head name, for the weighted means. These are not computed if it is None.
        of_whole: The return value of `HeadMetrics.read`, by head name.

    Raises:
        ConfigError: If `eval_weights` does not fit the heads.
    """
    heads, found = metrics.heads, dict[str, float]()
    scores, accuracies = {}, {}
    total = 0.0
    for (name, head), weight in zip(heads.items(), loss_weights, strict=True):
        if not means[name]["count"]:
            continue
        scores[name] = head.kind.score(head, means[name])
        total += weight * means[name]["loss"]
        if head.kind.in_mean_accuracy:
            accuracies[name] = ACCURACY.of(means[name])
        values = {m.name: m.of(means[name]) for m in metrics.of_head[name] if m.of_means}
        values |= (of_whole or {}).get(name, {})
        found |= {f"{split}/{name}_{kind}": value for kind, value in values.items()}
    found[f"{split}/loss"] = total
    for mean, values in (("acc", accuracies), ("score", scores)):
        if not values:
            continue
        found[f"{split}/{mean}"] = float(np.mean(list(values.values())))
        if eval_weights is not None:
            weights = mean_weights(heads, eval_weights, values)
            found[f"{split}/{mean}_weighted"] = float(
                np.average(list(values.values()), weights=weights)
            )
    return found


def mean_weights(
    heads: Heads, eval_weights: Mapping[str, float], names: Sequence[str] | Mapping[str, float]
) -> list[float]:
    """Return the weights of the named heads in a weighted mean.

    Raises:
        ConfigError: For the reasons of `complete_weights`.
    """
    complete_weights(heads, eval_weights, "eval_weights")
    given = {name: weight for name, weight in eval_weights.items() if name in names}
    return complete_weights(Heads(heads[name] for name in names), given, "eval_weights")


def shortest(value: float | Tensor) -> float:
    """Round to the shortest decimal that is the same float32: 0.975, not 0.97500002."""
    return float(str(np.float32(float(value))))
