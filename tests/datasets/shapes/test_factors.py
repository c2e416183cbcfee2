"""What is planted in labels is there, as strong as asked."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from multihead.datasets.shapes.factors import Drawn, draw_factors, labels_of
from multihead.datasets.shapes.plan import CLASSES, FACTORS, Plan
from multihead.errors import ConfigError

COUNT = 20_000


def made(**knobs: Any) -> tuple[Plan, Drawn, dict[str, Any]]:
    plan = Plan(count=COUNT + 2000, test_count=2000, **knobs)
    drawn = draw_factors(plan, "train")
    return plan, drawn, labels_of(plan, "train", drawn)


def test_labels_are_the_truth_without_knobs() -> None:
    _, drawn, labels = made()
    assert tuple(labels) == FACTORS
    for name in ("shape", "scale", "x", "y", "hue", "filled", "marked"):
        np.testing.assert_array_equal(labels[name], getattr(drawn, name))
    told = labels["orientation"]
    known = ~np.isnan(told)
    assert ((told[known] - drawn.orientation[known]) % 360 == 0).all()


@pytest.mark.parametrize(
    ("period", "without"),
    [(360, {"square", "ellipse"}), (180, {"square"}), (90, set())],
)
def test_an_orientation_that_cannot_be_told_is_missing(period: float, without: set[str]) -> None:
    for split in ("train", "test"):
        plan = Plan(count=2000, period=period)
        drawn = draw_factors(plan, split)
        labels = labels_of(plan, split, drawn)["orientation"]
        gone = np.isnan(labels)
        assert {CLASSES[i] for i in np.unique(drawn.shape[gone])} == without
        assert {CLASSES[i] for i in np.unique(drawn.shape[~gone])} == set(CLASSES) - without
        assert (labels[~gone] >= 0).all()
        assert (labels[~gone] < period).all()


@pytest.mark.parametrize("correlation", [-0.8, 0.0, 0.5, 1.0])
def test_two_factors_correlate_as_asked(correlation: float) -> None:
    _, drawn, _ = made(correlated=["x", "scale"], correlation=correlation)
    of_normals = 2 * np.sin(np.pi / 6 * spearmanr(drawn.x, drawn.scale).statistic)
    assert of_normals == pytest.approx(correlation, abs=0.03)
    assert spearmanr(drawn.x, drawn.y).statistic == pytest.approx(0, abs=0.03)


def test_classes_correlate_too_and_stay_as_frequent() -> None:
    _, drawn, _ = made(correlated=["hue", "filled"], correlation=0.9)
    assert abs(spearmanr(drawn.hue, drawn.filled).statistic) > 0.6
    assert drawn.filled.mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("name", ["shape", "filled", "x", "hue"])
def test_as_many_labels_are_wrong_as_asked(name: str, share: float) -> None:
    _, drawn, labels = made(label_noise={name: share})
    wrong = labels[name] != getattr(drawn, name)
    assert wrong.mean() == pytest.approx(share, abs=0.015)
    for other in set(labels) - {name, "orientation"}:
        np.testing.assert_array_equal(labels[other], getattr(drawn, other))
    if name == "shape":
        errors = (labels[name] - drawn.shape)[wrong] % len(CLASSES)
        assert np.bincount(errors)[1:] / len(errors) == pytest.approx(1 / 3, abs=0.04)


@pytest.mark.parametrize(("name", "share"), [("shape", 0.9), ("x", 0.3), ("marked", 0.5)])
def test_as_many_labels_are_missing_as_asked(name: str, share: float) -> None:
    plan, drawn, labels = made(missing={name: share})
    values = labels[name]
    gone = np.isnan(values) if values.dtype.kind == "f" else values == -1
    assert gone.mean() == pytest.approx(share, abs=0.015)
    np.testing.assert_array_equal(values[~gone], getattr(drawn, name)[~gone])
    tested = labels_of(plan, "test", draw_factors(plan, "test"))
    assert not (np.isnan(tested[name]) | (tested[name] == -1)).any()


def test_the_first_class_is_as_many_times_as_frequent_as_asked() -> None:
    _, drawn, _ = made(imbalance=8.0)
    counts = np.bincount(drawn.shape)
    assert counts[:-1] / counts[1:] == pytest.approx(2, rel=0.1)


def test_seeds_fix_everything_and_knobs_leave_the_rest_alone() -> None:
    _, first, labels = made(missing={"shape": 0.5}, label_noise={"shape": 0.5})
    _, again, same = made(missing={"shape": 0.5}, label_noise={"shape": 0.5})
    _, plain, _ = made()
    _, other, _ = made(seed=1)
    for name in FACTORS:
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
        np.testing.assert_array_equal(getattr(first, name), getattr(plain, name))
        np.testing.assert_array_equal(labels[name], same[name])
        assert (getattr(first, name) != getattr(other, name)).any()


def test_training_and_test_pictures_differ() -> None:
    plan = Plan(count=100, test_count=50)
    train, test = (draw_factors(plan, split) for split in ("train", "test"))
    assert not set(train.hue) & set(test.hue)


@pytest.mark.parametrize(
    ("knobs", "heads"),
    [
        ({"colour": False}, {"hue"}),
        ({"spread": 0}, {"x", "y"}),
        ({"turn": 0}, {"orientation"}),
        ({"scale": (0.2, 0.2)}, {"scale"}),
    ],
)
def test_what_does_not_vary_is_no_head(knobs: dict[str, Any], heads: set[str]) -> None:
    assert set(FACTORS) - set(Plan(count=10, **knobs).heads) == heads


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"count": 1}, "count is 1; it must be a whole number, 2 to"),
        ({"count": 10, "test_count": 10}, "test_count is 10; it must be a whole number, 1 to 9"),
        ({"size": 7}, "size is 7; it must be a whole number, 8 to 512"),
        ({"count": 10_000_000, "size": 512}, "more than 4 GB; lower count or size"),
        ({"scale": (0.3, 0.2)}, r"scale is \[0.3, 0.2\]; give the least and the greatest"),
        ({"scale": (0.1, float("nan"))}, "scale is"),
        ({"spread": 1.5}, "spread is 1.5; it must be 0 to 1"),
        ({"period": 120}, "period is 120; it must be 90, 180 or 360 degrees"),
        ({"correlation": float("nan")}, "correlation is nan; it must be -1 to 1"),
        ({"correlation": 0.5, "colour": False}, "correlation is 0.5, but 'hue' of correlated"),
        ({"correlated": ["x", "x"]}, r"correlated is \['x', 'x'\]; name two of shape,"),
        ({"imbalance": 0.5}, "imbalance is 0.5; it must be 1 to 1000"),
        ({"label_noise": {"shape": 2}}, "label_noise.shape is 2; it must be 0 to 1"),
        ({"missing": {"shape": 1}}, "missing.shape is 1; it must be 0 to"),
        ({"missing": {"colour": 0.1}}, "missing names head 'colour'; choose from shape, "),
        ({"colour": False, "missing": {"hue": 0.1}}, "missing names head 'hue'; choose from"),
        ({"seed": -1}, "seed is -1"),
        ({"clutter": True}, "clutter is True"),
    ],
)
def test_odd_knobs_are_refused_in_a_line(knobs: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        Plan(**knobs)
    assert "\n" not in str(error.value)
