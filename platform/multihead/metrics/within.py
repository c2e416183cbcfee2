"""The share of samples whose error is within the parameter's tolerance."""

from multihead.metrics.metric import Metric, Unit

WITHIN = Metric(
    name="acc_within",
    title="accuracy within a step",
    short="within tolerance",
    column="accuracy_within",
    higher_is_better=True,
    bounds=(0.0, 1.0),
    unit=Unit.SHARE,
    of_means=lambda means: means["within"],
)
