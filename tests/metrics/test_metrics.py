"""What every metric promises: those that ship, and one written outside the package."""

import math

import pytest
import torch

from multihead.metrics import Metric, Unit, own
from multihead.metrics.registry import METRICS, metric_of, to_record


def errors(probabilities: torch.Tensor, labels: torch.Tensor) -> float:
    return float((probabilities.argmax(1) != labels).double().mean())


OUTSIDE = own(errors, higher_is_better=False, title="share of errors", unit="share")
SHIPPED = [name for name in METRICS if to_record([METRICS[name]]) == ""]
_MEANS = {"loss": 1.0, "correct": 0.5, "absolute": 1.0, "squared": 2.0, "within": 0.5}
_COUNTS = {"hit": 0.3, "positive": 0.5, "predicted": 0.4, "told": 1.0}
_MEANS |= _COUNTS | {f"{name}_0": value for name, value in _COUNTS.items()} | {"exact": 0.5}


@pytest.fixture(params=[*SHIPPED, "outside"])
def metric(request: pytest.FixtureRequest) -> Metric:
    return OUTSIDE if request.param == "outside" else METRICS[request.param]


def test_a_recorded_name_leads_back_to_it(metric: Metric, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METRICS, metric.name, metric)
    for name in (metric.name, f"val/head_{metric.name}", f"best/val/a_b_{metric.name}"):
        assert metric_of(name) == metric


def test_it_comes_in_one_way_only(metric: Metric) -> None:
    assert not (metric.of_means and metric.of_predictions)


def test_its_best_value_is_within_its_bounds_and_in_its_direction(metric: Metric) -> None:
    low, high = metric.bounds
    assert low < high
    if metric.of_means is not None:
        means = {**_MEANS, "label": 1.0, "label_squared": 3.0}
        assert low <= metric.of(means) <= high
        worse = {"loss": 2.0, "correct": 0.1, "absolute": 9.0, "squared": 99.0, "within": 0.0}
        worse |= {"hit": 0.1, "hit_0": 0.1, "exact": 0.0}
        change = metric.of({**means, **worse}) - metric.of(means)
        assert (change < 0) == metric.higher_is_better
    if metric.of_predictions is not None and metric.name != "spearman":
        labels = torch.arange(20) % 10
        right = torch.eye(10)[labels] * 0.8 + 0.02
        wrong = torch.eye(10)[(labels + 1) % 10] * 0.8 + 0.02 * (1 - torch.eye(10)[labels])
        change = metric.of_predictions(wrong, labels) - metric.of_predictions(right, labels)
        assert (change < 0) == metric.higher_is_better


def test_a_person_can_read_it(metric: Metric) -> None:
    assert metric.title
    assert metric.short
    assert metric.column.isidentifier()
    shown = metric.shown(0.25, "mm")
    assert shown.endswith("mm") == (metric.unit is Unit.LABEL)
    assert math.isclose(float(shown.split()[0]), 0.25)
