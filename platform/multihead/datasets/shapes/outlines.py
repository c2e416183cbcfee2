"""Signed distances from the outlines of shapes of unit area whose centroid is the origin.

With u to the right and v down, a distance is below 0 inside a shape and above 0 outside. It is
exact near the edges, as anti-aliasing and outlines need.
The shapes follow dSprites (Matthey et al. 2017), which has squares, ellipses and hearts.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Outline = Callable[[Floats, Floats], Floats]

_ELLIPSE = 1.8  # ratio of length to width
_TRIANGLE = 1.5  # ratio of height to base


def square(u: Floats, v: Floats) -> Floats:
    """Return the distances [...] from a square."""
    return _box(u, v, 0.5)


def ellipse(u: Floats, v: Floats) -> Floats:
    """Return the distances [...] from a horizontal ellipse, to first order."""
    wide, high = math.sqrt(_ELLIPSE / math.pi), math.sqrt(1 / (_ELLIPSE * math.pi))
    p, q = u / wide, v / high
    level = np.hypot(p, q)
    slope = np.hypot(p / wide, q / high)
    return np.asarray(level * (level - 1) / np.maximum(slope, 1e-6))


def heart(u: Floats, v: Floats) -> Floats:
    """Return the distances [...] from a heart: a square on its corner with two half discs."""
    half = 0.5 / math.sqrt(1 + math.pi / 4)
    # From a corner of the square, where the half discs meet, to the centroid.
    lift = half * math.sqrt(2) * (math.pi / 2 + 2 / 3) / (4 + math.pi)
    v = v - np.float32(lift)
    s, t = (u + v) / math.sqrt(2), (v - u) / math.sqrt(2)
    discs = np.minimum(np.hypot(s, t + half), np.hypot(s + half, t)) - half
    return np.asarray(np.minimum(_box(s, t, half), discs))


def triangle(u: Floats, v: Floats) -> Floats:
    """Return the distances [...] from a triangle with two equal sides and the tip up."""
    base = math.sqrt(2 / _TRIANGLE)
    height = _TRIANGLE * base
    side = math.hypot(height, base / 2)
    sides = (np.abs(u) * height - (v + 2 * height / 3) * (base / 2)) / side
    return np.asarray(np.maximum(sides, v - height / 3))


def _box(u: Floats, v: Floats, half: float) -> Floats:
    p, q = np.abs(u) - half, np.abs(v) - half
    outside = np.hypot(np.maximum(p, 0), np.maximum(q, 0))
    return np.asarray(outside + np.minimum(np.maximum(p, q), 0))


OUTLINES: dict[str, Outline] = {
    "square": square,
    "ellipse": ellipse,
    "heart": heart,
    "triangle": triangle,
}
# Smallest rotation in degrees after which each shape looks the same.
SYMMETRY: dict[str, float] = {"square": 90, "ellipse": 180, "heart": 360, "triangle": 360}
# No point of a shape of unit area is farther from its centroid.
REACH = 2 / 3 * _TRIANGLE * math.sqrt(2 / _TRIANGLE)
