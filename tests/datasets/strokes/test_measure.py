"""Strokes are measured as Morpho-MNIST does, and smoothness is the radius that it claims to be."""

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.morphology import medial_axis
from skimage.transform import pyramid_expand
from tests.strokes import line, ring

from multihead import measure_strokes
from multihead.datasets.mnist import read_mnist
from multihead.datasets.strokes.skeleton import medial_axes
from multihead.datasets.strokes.smoothness import STRAIGHT
from multihead.errors import DataError

COLUMNS = ["thickness", "length", "slant", "width", "height", "smoothness"]


def by_the_letter(image: NDArray[np.uint8]) -> tuple[float, ...]:
    """Measure one picture as the paper's method reads, pixel by pixel."""
    enlarged = (255.0 * pyramid_expand(image, upscale=4, order=3)).astype(np.uint8)
    low, high = float(enlarged.min()), float(enlarged.max())
    inside = enlarged >= low + 0.5 * (high - low)
    axis, distance = medial_axis(inside, return_distance=True, rng=0)
    height, width = axis.shape
    links = 0.0
    for y, x in np.argwhere(axis):
        for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
            there = y + dy < height and 0 <= x + dx < width and axis[y + dy, x + dx]
            links += np.hypot(dy, dx) if there else 0.0
    y, x = np.mgrid[:height, :width].astype(float)
    grey = enlarged / enlarged.astype(float).sum()
    dx, dy = x - (x * grey).sum(), y - (y * grey).sum()
    shear = (dx * dy * grey).sum() / (dy**2 * grey).sum()
    left_of = [grey[x + 0.5 < t + shear * dy].sum() for t in range(width)]
    above = [grey[y < t].sum() for t in range(height)]
    left, right = np.interp([0.01, 0.99], left_of, range(width))
    top, bottom = np.interp([0.01, 0.99], above, range(height))
    thick = 2 * distance[axis].mean() / 4
    return thick, links / 4, np.arctan(-shear), (right - left) / 4, (bottom - top) / 4


def test_measures_are_those_of_the_published_method() -> None:
    images = np.concatenate([line(20), line(70, 2.5), ring(8, side=28), ring(5, 2, side=28)])
    found = measure_strokes(images)
    assert list(found.columns) == COLUMNS
    expected = [by_the_letter(image) for image in images]
    np.testing.assert_allclose(found[COLUMNS[:5]], expected, rtol=0, atol=1e-9)


@pytest.mark.skipif("MULTIHEAD_DATA_DIR" not in os.environ, reason="MULTIHEAD_DATA_DIR is not set")
def test_real_digits_are_measured_as_published() -> None:
    """Also against the authors' own table, whose first row is the first training digit."""
    images, _ = read_mnist(Path(os.environ["MULTIHEAD_DATA_DIR"]), "train", download=False)
    found = measure_strokes(images[:20, 0])[COLUMNS[:5]]
    expected = [by_the_letter(image) for image in images[:20, 0]]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    released = [2.4607, 50.2665, 0.2311, 14.5396, 19.8490]
    np.testing.assert_allclose(found.iloc[0], released, rtol=0.06)


def test_thickness_length_and_slant_of_a_stroke_of_known_size() -> None:
    """The method rounds ends off and counts the enlarged pixels' centres, so not exactly."""
    upright = measure_strokes(line(90, half_width=2, half_length=10)).iloc[0]
    assert upright.thickness == pytest.approx(4, abs=0.6)
    assert upright.length == pytest.approx(20, abs=3)
    assert abs(upright.slant) < 0.01
    leaning = measure_strokes(line(70, half_width=0.7, half_length=12)).iloc[0]
    assert leaning.slant == pytest.approx(np.deg2rad(20), abs=0.03)


@pytest.mark.parametrize("radius", [4, 8, 16])
def test_the_smoothness_of_a_circle_is_its_radius(radius: int) -> None:
    found = measure_strokes(ring(radius)).smoothness[0]
    assert found == pytest.approx(radius, rel=0.06)


def test_a_corner_is_less_smooth_than_a_bend_and_a_bend_than_a_line() -> None:
    y, x = np.mgrid[:48, :48]
    down, across = (abs(x - 10) < 2) & (y > 8), (abs(y - 10) < 2) & (x > 8)
    corner = np.uint8(255 * ((down | across) & (x < 40) & (y < 40)))
    bend = ring(20) * np.uint8((x > 24) & (y > 24))
    values = measure_strokes(np.concatenate([corner[None], bend, line(30, side=48)])).smoothness
    assert list(values.rank()) == [1, 2, 3]


@pytest.mark.parametrize("degrees", [0, 10, 30, 45, 60, 90])
def test_a_straight_stroke_is_smoother_than_a_picture_is_wide(degrees: int) -> None:
    """Up to what the steps of the pixels add, and whatever the medial axis does at its ends."""
    assert 28 < measure_strokes(line(degrees)).smoothness[0] <= STRAIGHT


def test_a_picture_is_measured_alike_in_any_company() -> None:
    """Otherwise labels would depend on how the pictures were divided among processes."""
    images = np.concatenate([line(a, w) for a in (10, 40, 80) for w in (0.8, 2)])
    together = measure_strokes(images)
    for index in range(len(images)):
        alone = measure_strokes(images[index : index + 1])
        np.testing.assert_array_equal(alone.iloc[0], together.iloc[index])


def test_stacked_axes_are_those_that_scikit_image_finds_alone() -> None:
    """Shapes at the edge of the picture too, where nothing lies beyond."""
    rng = np.random.default_rng(0)
    shapes = rng.random((12, 10, 9)).repeat(3, axis=1).repeat(3, axis=2) < 0.6
    shapes[:6, [0, -1]] = shapes[:6, :, [0, -1]] = False
    axes, distances = medial_axes(shapes)
    for shape, axis, distance in zip(shapes, axes, distances, strict=True):
        expected = medial_axis(shape, return_distance=True, rng=0)
        np.testing.assert_array_equal(axis, expected[0])
        np.testing.assert_array_equal(distance, expected[1])


@pytest.mark.parametrize("value", [0, 7, 255])
def test_a_picture_of_one_grey_has_no_measures(value: int) -> None:
    found = measure_strokes(np.concatenate([np.full((1, 28, 28), value, np.uint8), line(30)]))
    assert found.iloc[0].isna().all()
    assert found.iloc[1].notna().all()


def odd_pictures() -> dict[str, NDArray[np.uint8]]:
    noise = np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8)
    dot, faint = np.zeros((2, 1, 28, 28), np.uint8)
    dot[0, 14, 14], faint[0, 5, 5] = 255, 3
    thin = np.zeros((1, 28, 28), np.uint8)
    thin[0, 3:25, 9] = 255
    return {
        "noise": noise,
        "a dot": dot,
        "a faint dot": faint,
        "one pixel wide": thin,
        "negative": 255 - ring(8, side=28),
        "to the edge": np.pad(thin[:, 3:25, 8:11], 0),
        "two pixels": np.array([[[0, 255]]], np.uint8),
        "one column": thin[:, :, 9:10],
        "wide": line(0, side=64)[:, 20:44],
    }


@pytest.mark.parametrize("name", odd_pictures())
def test_odd_pictures_have_finite_measures_or_none(name: str) -> None:
    found = measure_strokes(odd_pictures()[name])
    assert (np.isfinite(found).all(axis=1) | found.isna().all(axis=1)).all()
    present = found.dropna()
    assert (present.smoothness > 0).all()
    assert (present[["thickness", "length", "width", "height"]] >= 0).all().all()


def test_no_pictures_have_no_rows() -> None:
    found = measure_strokes(np.zeros((0, 28, 28), np.uint8))
    assert found.shape == (0, 6)
    assert list(found.columns) == COLUMNS


@pytest.mark.parametrize(
    "images",
    [np.zeros((2, 28, 28)), np.zeros((28, 28), np.uint8), np.zeros((2, 1, 28, 28), np.uint8)],
)
def test_what_is_no_stack_of_pictures_is_refused(images: NDArray) -> None:
    with pytest.raises(DataError, match=r"they must be uint8 \[N, H, W\]"):
        measure_strokes(images)
