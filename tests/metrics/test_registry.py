import math

import pytest

from multihead.errors import ConfigError
from multihead.metrics.metric import Unit
from multihead.metrics.registry import METRICS, judging, metric_of


@pytest.mark.parametrize("name", METRICS)
def test_a_recorded_name_leads_to_its_metric(name: str) -> None:
    for recorded in (name, f"val/digit_{name}", f"best/val/a_loss_of_mine_{name}", f"test/{name}"):
        assert metric_of(recorded) is METRICS[name]


def test_what_is_made_of_a_metric_has_its_direction() -> None:
    for recorded in ("val/acc_best", "val/score_weighted", "val/score_best"):
        assert metric_of(recorded).higher_is_better


def test_a_name_that_ends_with_two_metrics_is_of_the_longer_one() -> None:
    assert metric_of("val/pitch_quantile_error").name == "quantile_error"


@pytest.mark.parametrize("name", ["epoch", "val/digit", "val/digit_speed", "lr", ""])
def test_a_name_of_no_metric_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(ConfigError, match="choose one of: acc, loss, macro_f1"):
        metric_of(name)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_bounds_fit_the_unit(metric: object) -> None:
    low, high = metric.bounds
    assert low < high
    if metric.unit is Unit.SHARE:
        assert (low, high) == (0, 1)
    if metric.unit is Unit.LABEL:
        assert math.isinf(high)


def test_a_parameter_is_judged_by_its_error_and_classes_by_their_accuracy() -> None:
    assert judging(["acc", "loss", "mae"]).name == "mae"
    assert judging(["acc", "loss"]).name == "acc"
    assert judging(["loss"]) is None


def test_an_error_is_shown_in_the_unit_of_the_labels() -> None:
    assert METRICS["mae"].shown(0.123456, "semitones") == "0.1235 semitones"
    assert METRICS["acc"].shown(0.987654, "semitones") == "0.9877"
