"""The share of samples whose predicted class or level is correct."""

from multihead.metrics.metric import Metric, Unit

ACCURACY = Metric(
    name="acc",
    title="accuracy",
    short="accuracy",
    column="accuracy",
    higher_is_better=True,
    bounds=(0.0, 1.0),
    unit=Unit.SHARE,
    of_means=lambda means: means["correct"],
)
