"""How far confidence is from accuracy.

Source: Naeini, Cooper & Hauskrecht, AAAI 2015; Guo et al., ICML 2017, arXiv:1706.04599.
"""

from multihead.metrics.metric import Metric

ECE = Metric(
    name="ece",
    title="expected calibration error",
    short="ECE",
    column="ece",
    higher_is_better=False,
    bounds=(0.0, 1.0),
)
