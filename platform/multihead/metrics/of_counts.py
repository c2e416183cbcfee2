"""Metrics of yes-or-no predictions, computed from means over samples.

These are the means:

- `hit`: the share of true positives;
- `positive`: the share of samples whose label is positive;
- `predicted`: the share of samples that are predicted positive;
- `told`: the share of samples whose label of a tag is known.

Each tag has its own means, with its number: `hit_0`, `told_0` and so on.
"""

from collections.abc import Mapping
from dataclasses import replace

from multihead.metrics.metric import Metric, Unit
from multihead.metrics.of_predictions import BALANCED_ACCURACY, MACRO_F1

OF_TAGS = ("hit", "positive", "predicted", "told")


def _f1(hit: float, positive: float, predicted: float) -> float:
    """Return F1. It is 0 without positive labels and predictions, as in scikit-learn."""
    return 2 * hit / (positive + predicted) if positive + predicted else 0.0


def _f1_of_class_1(means: Mapping[str, float]) -> float:
    return _f1(means["hit"], means["positive"], means["predicted"])


def _balanced_accuracy(means: Mapping[str, float]) -> float:
    """Return the mean recall of the classes that occur."""
    positive, predicted, hit = means["positive"], means["predicted"], means["hit"]
    negative, false = 1 - positive, predicted - hit
    recalls = [hit / positive] if positive else []
    recalls += [1 - false / negative] if negative else []
    return sum(recalls) / len(recalls)


def of_tags(means: Mapping[str, float]) -> list[dict[str, float]]:
    """Return the means of `OF_TAGS` for each tag, in the order of the tags."""
    count = sum(name.startswith("told_") for name in means)
    return [{name: means[f"{name}_{tag}"] for name in OF_TAGS} for tag in range(count)]


def _macro_f1(means: Mapping[str, float]) -> float:
    """Return the mean over the tags with at least one known label."""
    found = [_f1_of_class_1(tag) for tag in of_tags(means) if tag["told"]]
    return sum(found) / max(len(found), 1)


def _micro_f1(means: Mapping[str, float]) -> float:
    tags = of_tags(means)
    return _f1(*(sum(tag[name] for tag in tags) for name in OF_TAGS[:3]))


F1 = Metric(
    name="f1",
    title="F1 of class 1",
    short="F1",
    column="f1",
    higher_is_better=True,
    bounds=(0.0, 1.0),
    unit=Unit.SHARE,
    of_means=_f1_of_class_1,
)
MICRO_F1 = Metric(
    name="micro_f1",
    title="F1 of all tags together",
    short="micro F1",
    column="micro_f1",
    higher_is_better=True,
    bounds=(0.0, 1.0),
    unit=Unit.SHARE,
    of_means=_micro_f1,
)
EXACT_MATCH = Metric(
    name="exact_match",
    title="share of samples with all tags right",
    short="exact match",
    column="exact_match",
    higher_is_better=True,
    bounds=(0.0, 1.0),
    unit=Unit.SHARE,
    of_means=lambda means: means["exact"],
)
BINARY_BALANCED_ACCURACY = replace(
    BALANCED_ACCURACY, of_means=_balanced_accuracy, of_predictions=None
)
TAGS_MACRO_F1 = replace(MACRO_F1, of_means=_macro_f1, of_predictions=None)
