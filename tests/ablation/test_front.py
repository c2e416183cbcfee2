"""Where arms lie between the heads, recomputed by hand."""

import math

import pytest

from multihead.ablation.front import WHOLE, front

SCORES = {  # by arm and head, over two seeds
    ("a", "x", "acc"): [0.8, 1.0],
    ("a", "y", "mae"): [4.0, 4.0],
    ("b", "x", "acc"): [0.5, 0.7],
    ("b", "y", "mae"): [2.0, 2.0],
    ("c", "x", "acc"): [0.4, 0.6],
    ("c", "y", "mae"): [3.0, 3.0],
    ("alone", "x", "acc"): [0.9, 0.9],
    ("alone", "y", "mae"): [1.0, 2.0],
}


def test_points_front_and_volumes_are_those_by_hand(values) -> None:
    """The reference is the worst value in any arm and seed, the ideal the best one."""
    found = front(values(SCORES), ("mae",), ["alone"])
    assert found is not None
    points = found.points.set_index(["arm", "head"])
    assert points.loc[("a", "x"), "mean"] == pytest.approx(0.9)
    assert tuple(points.loc[("b", "x"), ["reference", "ideal"]]) == (0.4, 1.0)
    assert tuple(points.loc[("b", "y"), ["reference", "ideal"]]) == (4.0, 1.0)
    table = found.table.set_index("arm")
    assert {arm for arm in "abc" if table.loc[arm, "front"]} == {"a", "b"}
    assert not table.loc["alone", "front"]  # it is no single network
    assert table.loc["alone", "networks"] == "a network per head"
    x, y = (0.6 - 0.4) / 0.6, (4 - 2) / 3
    assert table.loc["b", "hypervolume"] == pytest.approx(x * y)
    assert table.loc["b", "hypervolume_seeds"] == pytest.approx((0.7 - 0.4) / 0.6 * y)
    assert table.loc["a", "hypervolume"] == 0  # at the reference in y
    assert table.loc[WHOLE, "hypervolume"] == pytest.approx(x * y)
    assert table.loc[WHOLE, "seeds"] == 6


def test_an_arm_without_all_heads_is_a_point_but_not_in_the_table(values) -> None:
    found = front(values({**SCORES, ("half", "x", "acc"): [1.0, 1.0]}), ("mae",), ["alone"])
    assert found is not None
    assert "half" in set(found.points["arm"])
    assert "half" not in set(found.table["arm"])


def test_one_head_has_no_front(values) -> None:
    assert front(values({("a", "x", "acc"): [1.0], ("b", "x", "acc"): [0.5]}), ()) is None


def test_heads_that_are_constant_are_no_error(values) -> None:
    heads = {(arm, f"h{i}", "acc"): [0.5, 0.5] for arm in "ab" for i in range(6)}
    found = front(values(heads), ())
    assert found is not None
    assert list(found.table["hypervolume"]) == [0.0, 0.0, 0.0]


def test_a_head_is_judged_by_one_metric_though_an_arm_has_no_value_of_it(values) -> None:
    """The first row of the table must not decide."""
    given = {("a", "x", "auc"): [math.nan, math.nan], ("a", "x", "loss"): [3.0, 3.0]}
    found = front(values({**given, ("b", "x", "auc"): [0.7, 0.9], **SCORES}), ("mae", "loss"))
    assert found is not None
    of_x = found.points[found.points["head"] == "x"]
    assert [*zip(of_x["arm"], of_x["metric"], strict=True)] == [("b", "auc")]
