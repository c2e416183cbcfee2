"""How far confidence is from accuracy.

Source: Naeini, Cooper & Hauskrecht, AAAI 2015; Guo et al., ICML 2017, arXiv:1706.04599.
"""

from typing import Any

from multihead.metrics.metric import Metric

BINS = 15


def _ece(probabilities: Any, labels: Any) -> float:
    """Return the mean distance, weighted by samples, over equal bins of probability."""
    if probabilities.ndim == 1:
        promised, came_true = probabilities, labels
    else:
        promised, said = probabilities.max(1)
        came_true = said == labels
    bins = bins_of(promised)
    distance = (promised - came_true.to(promised.dtype)).double()
    of_bin = distance.new_zeros(BINS).index_add(0, bins, distance)
    return float(of_bin.abs().sum() / max(len(promised), 1))


def bins_of(promised: Any) -> Any:
    """Return the bin of each probability; one holds its upper edge, so that 1 is in the last."""
    return ((promised * BINS).ceil() - 1).long().clamp(0, BINS - 1)


ECE = Metric(
    name="ece",
    title="expected calibration error",
    short="ECE",
    column="ece",
    higher_is_better=False,
    bounds=(0.0, 1.0),
    of_predictions=_ece,
)
