"""Draw pictures of shapes with smooth edges, many at once.

The signed distance from the edge gives the share of a pixel that a shape covers. So areas and
centroids from sums over pixels are exact to a small fraction of a pixel.
"""

import numpy as np
from numpy.typing import NDArray

from multihead.data.source import Split
from multihead.datasets.shapes.factors import Drawn
from multihead.datasets.shapes.outlines import OUTLINES
from multihead.datasets.shapes.plan import CLASSES, SPLITS, Plan

Floats = NDArray[np.float32]

BACKGROUND = 0.12  # brightness, 0 to 1
_SATURATION, _BRIGHTNESS, _GREY = 0.8, 0.9, 0.6
_STROKE, _THINNEST = 0.16, 1.2  # width of an outline: share of the scale, and minimum in pixels
_MARK, _SMALLEST_MARK = 0.15, 1.2  # radius: share of the scale, and minimum in pixels
_SPOTS = (0.02, 0.06)  # radii of clutter, as shares of the picture's side
_NUISANCE = 3  # beside the purposes of `factors`
_BLOCK_PIXELS = 1 << 18


def draw(plan: Plan, split: Split, drawn: Drawn, rows: slice | None = None) -> NDArray[np.uint8]:
    """Draw the pictures of a split, uint8 [N, C, size, size].

    Args:
        plan: The settings of the pictures.
        split: The split.
        drawn: The factors of all pictures of the split.
        rows: The wanted pictures. Their bytes do not depend on the others. None means all.
    """
    wanted = np.arange(len(drawn))[rows or slice(None)]
    pictures = np.empty((len(wanted), plan.channels, plan.size, plan.size), np.uint8)
    step = max(1, _BLOCK_PIXELS // plan.size**2)
    for start in range(0, len(wanted), step):
        part = wanted[start : start + step]
        pictures[start : start + step] = _block(plan, split, drawn, part)
    return pictures


def _block(plan: Plan, split: Split, drawn: Drawn, part: NDArray[np.int64]) -> NDArray[np.uint8]:
    shape = (len(part), plan.channels, plan.size, plan.size)
    canvas = np.full(shape, BACKGROUND, np.float32)
    generators = [
        np.random.default_rng([plan.seed, SPLITS.index(split), _NUISANCE, number])
        for number in (part if plan.clutter or plan.pixel_noise else ())
    ]
    for picture, generator in zip(canvas, generators, strict=False):
        _add_clutter(picture, plan, generator)
    covered, mark = _coverage(plan, drawn, part)
    canvas += covered[:, None] * (_colours(plan, drawn.hue[part])[:, :, None, None] - canvas)
    canvas += mark[:, None] * (1 - canvas)
    if plan.pixel_noise:
        for picture, generator in zip(canvas, generators, strict=True):
            picture += plan.pixel_noise * generator.standard_normal(picture.shape, np.float32)
    return np.rint(255 * np.clip(canvas, 0, 1)).astype(np.uint8)


def _coverage(plan: Plan, drawn: Drawn, part: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return the share of each pixel that the shape and its mark cover, [n, size, size] each."""
    centres = np.arange(plan.size, dtype=np.float32) + np.float32(0.5)
    side = (drawn.scale[part] * plan.size)[:, None, None]
    right = (centres - (drawn.x[part] * plan.size)[:, None])[:, None, :] / side
    down = (centres - (drawn.y[part] * plan.size)[:, None])[:, :, None] / side
    turn = np.deg2rad(drawn.orientation[part])[:, None, None]
    cos, sin = np.cos(turn), np.sin(turn)
    u, v = right * cos + down * sin, down * cos - right * sin
    distance = np.empty_like(u)
    for number, name in enumerate(CLASSES):
        these = drawn.shape[part] == number
        distance[these] = OUTLINES[name](u[these], v[these])
    distance *= side
    covered = _inside(distance)
    stroke = np.maximum(_STROKE * side, _THINNEST)
    hollow = (drawn.filled[part] == 0)[:, None, None]
    covered -= hollow * _inside(distance + stroke)
    radius = np.maximum(_MARK * side, _SMALLEST_MARK)
    mark = _inside(np.hypot(right, down) * side - radius)
    return covered, mark * (drawn.marked[part] == 1)[:, None, None]


def _inside(distance: Floats) -> Floats:
    """Return the covered share of a pixel from the distance of its centre, in pixels."""
    return np.asarray(np.clip(np.float32(0.5) - distance, 0, 1))


def _colours(plan: Plan, hue: Floats) -> Floats:
    """Return the colours [n, C] of shapes of some hues, 0 to 1."""
    if not plan.colour:
        return np.full((len(hue), 1), _GREY, np.float32)
    sixth = (np.array([5, 3, 1], np.float32) + hue[:, None] / 60) % 6
    chroma = np.clip(np.minimum(sixth, 4 - sixth), 0, 1)
    return np.asarray(_BRIGHTNESS * (1 - _SATURATION * chroma), np.float32)


def _add_clutter(picture: Floats, plan: Plan, generator: np.random.Generator) -> None:
    """Paint spots of random brightness and hue over each other, in place."""
    channels, size, _ = picture.shape
    for x, y, share, *colour in generator.random((plan.clutter, 6), np.float32):
        radius = (_SPOTS[0] + share * (_SPOTS[1] - _SPOTS[0])) * size
        left, top = (max(0, int(place * size - radius - 1)) for place in (x, y))
        right, low = (int(place * size + radius + 2) for place in (x, y))
        down, across = np.ogrid[top : min(low, size), left : min(right, size)]
        away = np.hypot(across + 0.5 - x * size, down + 0.5 - y * size)
        part = picture[:, top : min(low, size), left : min(right, size)]
        part += _inside(away.astype(np.float32) - radius) * (
            np.array(colour[:channels], np.float32)[:, None, None] - part
        )
