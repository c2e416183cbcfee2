"""Dominance and volumes against cases by hand and against counting random points."""

import numpy as np
import pytest

from multihead.ablation.hypervolume import hypervolume, non_dominated


@pytest.mark.parametrize(
    ("points", "volume"),
    [
        ([[0.5, 0.5]], 0.25),
        ([[1.0, 0.5], [0.5, 1.0]], 0.75),
        ([[1.0, 0.5], [0.5, 1.0], [0.5, 0.5]], 0.75),  # the last one adds nothing
        ([[0.5, 0.5], [0.5, 0.5]], 0.25),
        ([[1.0, 0.0]], 0.0),
        ([[1.0, -3.0]], 0.0),
        ([[1.0, 0.5, 0.5], [0.5, 1.0, 0.5], [0.5, 0.5, 1.0]], 0.5),
        ([[1.0, 1.0, 0.25], [0.5, 0.5, 1.0]], 0.4375),
        ([[1.0], [0.3]], 1.0),
    ],
)
def test_a_volume_by_hand(points: list[list[float]], volume: float) -> None:
    assert hypervolume(np.array(points)) == pytest.approx(volume)


def test_no_point_is_no_volume() -> None:
    assert hypervolume(np.empty((0, 2))) == 0.0


@pytest.mark.parametrize("axes", [2, 3, 4])
def test_the_volume_is_the_share_of_random_points_that_are_dominated(axes: int) -> None:
    """Of 200,000 points; four standard errors are 0.0045."""
    rng = np.random.default_rng(axes)
    points = rng.random((12, axes))
    thrown = rng.random((200_000, axes))
    inside = np.zeros(len(thrown), dtype=bool)
    for point in points:
        inside |= (thrown <= point).all(axis=1)
    assert hypervolume(points) == pytest.approx(inside.mean(), abs=0.0045)


def test_the_order_of_points_does_not_matter() -> None:
    points = np.random.default_rng(0).random((9, 3))
    assert hypervolume(points[::-1]) == pytest.approx(hypervolume(points))


def test_more_than_can_be_computed_is_not_a_number() -> None:
    assert np.isnan(hypervolume(1 + np.random.default_rng(0).random((200, 8))))


def test_equal_points_do_not_dominate_each_other() -> None:
    points = np.array([[1.0, 0.0], [0.5, 0.5], [0.5, 0.5], [0.4, 0.5], [1.0, -1.0]])
    assert list(non_dominated(points)) == [0, 1, 2]
