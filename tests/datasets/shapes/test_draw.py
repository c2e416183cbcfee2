"""Pictures say what their labels say: measured in the pixels."""

import colorsys

import numpy as np
import pytest
from numpy.typing import NDArray

from multihead.datasets.shapes.draw import BACKGROUND, draw
from multihead.datasets.shapes.factors import Drawn, draw_factors
from multihead.datasets.shapes.outlines import OUTLINES
from multihead.datasets.shapes.plan import CLASSES, Plan

PLAN = Plan(count=200, test_count=40, scale=(0.15, 0.26))


def one(plan: Plan, **facts: float) -> NDArray[np.float64]:
    """Draw one picture, [C, H, W] from 0 to 1: a filled square in the middle, unless told."""
    usual = {"shape": 0, "scale": 0.25, "x": 0.5, "y": 0.5, "orientation": 0.0, "hue": 0.0}
    values = usual | {"filled": 1, "marked": 0} | facts
    whole = ("shape", "filled", "marked")
    arrays = {n: np.array([v], np.int64 if n in whole else np.float32) for n, v in values.items()}
    return draw(plan, "train", Drawn(**arrays))[0] / 255


def coverage(picture: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how much of each pixel is covered, by its brightest channel or its only one."""
    brightness = picture.max(0)
    return (brightness - brightness.min()) / (brightness.max() - brightness.min())


@pytest.mark.parametrize("name", OUTLINES)
def test_shapes_of_a_scale_have_the_area_of_its_square(name: str) -> None:
    """So that a shape is not told by its size, and area grows with scale."""
    for scale in (0.16, 0.2, 0.25):
        area = coverage(one(PLAN, shape=CLASSES.index(name), scale=scale, orientation=33)).sum()
        assert area == pytest.approx((scale * PLAN.size) ** 2, rel=0.03)


@pytest.mark.parametrize("name", OUTLINES)
@pytest.mark.parametrize("orientation", [0.0, 77.0, -120.0])
def test_the_centroid_is_at_x_and_y(name: str, orientation: float) -> None:
    shape = CLASSES.index(name)
    covered = coverage(one(PLAN, shape=shape, x=0.41, y=0.6, orientation=orientation))
    down, across = (np.mgrid[: PLAN.size, : PLAN.size] + 0.5) / PLAN.size
    middle = [(covered * place).sum() / covered.sum() for place in (across, down)]
    assert middle == pytest.approx([0.41, 0.6], abs=0.1 / PLAN.size)


@pytest.mark.parametrize("hue", [0, 40, 120, 200, 300, 355])
def test_the_hue_is_in_the_pixels(hue: float) -> None:
    red, green, blue = one(PLAN, hue=hue)[:, 32, 32]
    assert 360 * colorsys.rgb_to_hsv(red, green, blue)[0] == pytest.approx(hue, abs=0.5)


def test_an_orientation_is_clockwise_from_upright() -> None:
    """The tip of a triangle is up, and after a quarter turn to the right."""
    triangle = CLASSES.index("triangle")
    up, right = (
        coverage(one(PLAN, shape=triangle, scale=0.25, orientation=turn)) > 0.5
        for turn in (0.0, 90.0)
    )
    rows, columns = np.flatnonzero(up.any(1)), np.flatnonzero(right.any(0))
    assert up[rows[0]].sum() < up[rows[-1]].sum()
    assert right[:, columns[-1]].sum() < right[:, columns[0]].sum()


@pytest.mark.parametrize(("name", "turn"), [("square", 90), ("ellipse", 180)])
def test_symmetric_shapes_look_the_same_after_a_turn(name: str, turn: float) -> None:
    pictures = [one(PLAN, shape=CLASSES.index(name), orientation=o) for o in (20, 20 + turn)]
    np.testing.assert_allclose(*pictures, atol=2 / 255)


def test_an_outline_is_empty_and_a_mark_is_a_white_spot() -> None:
    centre = (slice(None), 32, 32)
    assert one(PLAN, filled=0)[centre] == pytest.approx([BACKGROUND] * 3, abs=1 / 255)
    assert coverage(one(PLAN, filled=0)).sum() < 0.7 * coverage(one(PLAN)).sum()
    assert one(PLAN, filled=0, marked=1)[centre].tolist() == [1, 1, 1]


def test_no_shape_leaves_the_picture() -> None:
    plan = Plan(count=400, test_count=1, scale=(0.26, 0.26))
    pictures = draw(plan, "train", draw_factors(plan, "train")) / 255
    border = np.ones(pictures.shape[2:], bool)
    border[1:-1, 1:-1] = False
    np.testing.assert_allclose(pictures[:, :, border], BACKGROUND, atol=1 / 255)


def test_edges_are_smooth_and_pictures_are_not_few_values() -> None:
    picture = one(Plan(size=64, colour=False), shape=1, orientation=25)
    assert len(np.unique(picture)) > 20


def test_a_picture_does_not_depend_on_those_beside_it() -> None:
    """Nor on how many are drawn at once, or in all; not its noise and clutter either."""
    plans = [
        Plan(count=count, test_count=10, size=16, clutter=4, pixel_noise=0.1) for count in (60, 90)
    ]
    small, large = ((plan, draw_factors(plan, "train")) for plan in plans)
    whole = draw(small[0], "train", small[1])
    np.testing.assert_array_equal(draw(large[0], "train", large[1])[:50], whole)
    parts = [draw(small[0], "train", small[1], slice(at, at + 7)) for at in range(0, 50, 7)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_nuisance_is_over_the_whole_picture() -> None:
    quiet = Plan(count=20, test_count=1, size=32)
    noisy = Plan(count=20, test_count=1, size=32, pixel_noise=0.05)
    drawn = draw_factors(quiet, "train")
    grain = draw(noisy, "train", drawn)[:, :, :2] / 255 - BACKGROUND
    assert grain.std() == pytest.approx(0.05, rel=0.15)
    spotted = draw(Plan(count=20, test_count=1, size=32, clutter=9), "train", drawn)
    assert (spotted != draw(quiet, "train", drawn)).any((1, 2, 3)).all()
