"""Expected calibration error: the mean distance between confidence and accuracy.

Source: Naeini, Cooper & Hauskrecht, AAAI 2015; Guo et al., ICML 2017, arXiv:1706.04599.
"""

from typing import Any

from multihead.metrics.metric import Metric

BINS = 15


def _ece(probabilities: Any, labels: Any) -> float:
    """Return the mean distance over 15 equal bins of probability, weighted by samples."""
    if labels.ndim == 2:  # tags, all together
        told = ~labels.isnan()
        promised, came_true = probabilities[told], labels[told]
    elif probabilities.ndim == 1:
        promised, came_true = probabilities, labels
    else:
        promised, said = probabilities.max(1)
        came_true = said == labels
    bins = bins_of(promised)
    distance = (promised - came_true.to(promised.dtype)).double()
    of_bin = distance.new_zeros(BINS).index_add(0, bins, distance)
    return float(of_bin.abs().sum() / max(len(promised), 1))


def bins_of(promised: Any) -> Any:
    """Return the bin of each probability. A bin includes its upper edge; 1 is in the last bin."""
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
