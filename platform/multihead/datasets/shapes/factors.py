"""Draw the random factors of each picture, and make their labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from multihead.data.source import Split
from multihead.datasets.shapes.heads import heads_of
from multihead.datasets.shapes.outlines import SYMMETRY
from multihead.datasets.shapes.plan import CLASSES, FACTORS, SPLITS, Plan

Values = Mapping[str, NDArray[Any]]
# Purposes of random numbers. An option of one purpose does not change the numbers of others.
_FACTORS, _NOISE, _MISSING = range(3)
_TINY = 1e-12


@dataclass(frozen=True)
class Drawn:
    """The exact factors of some pictures.

    Attributes:
        shape: Index in `CLASSES`, int64 [N].
        scale: Side of a square of the same area, as a share of the picture's side, [N].
        x: Position of the centroid, from 0 at the left edge to 1 at the right one, [N].
        y: Position of the centroid, from 0 at the upper edge to 1 at the lower one, [N].
        orientation: Degrees clockwise from upright, -180 to 180, [N].
        hue: Degrees of the colour circle, 0 to 360, [N].
        filled: 1, or 0 for an outline, int64 [N].
        marked: 1 with a white spot on the centroid, int64 [N].
    """

    shape: NDArray[np.int64]
    scale: NDArray[np.float32]
    x: NDArray[np.float32]
    y: NDArray[np.float32]
    orientation: NDArray[np.float32]
    hue: NDArray[np.float32]
    filled: NDArray[np.int64]
    marked: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.shape)


def draw_factors(plan: Plan, split: Split) -> Drawn:
    """Draw the factors of the pictures of a split."""
    uniform = _uniform(plan, split, _FACTORS)
    first, second = (FACTORS.index(name) for name in plan.correlated)
    if plan.correlation:
        uniform[:, second] = _follow(uniform[:, first], uniform[:, second], plan.correlation)
    return Drawn(**{n: _value(plan, n, uniform[:, i]) for i, n in enumerate(FACTORS)})


def labels_of(plan: Plan, split: Split, drawn: Drawn) -> dict[str, NDArray[Any]]:
    """Return the labels of a split by head. Missing labels are marked as their kinds define.

    Training labels have the noise and the gaps of the plan. Test labels are exact, and missing only
    if the orientation of a shape is ambiguous.
    """
    labels = {name: getattr(drawn, name).copy() for name in plan.heads}
    if split == "train":
        _spoil(plan, labels)
    if "orientation" in labels:
        labels["orientation"] %= plan.period
        symmetry = np.array([SYMMETRY[name] for name in CLASSES])[drawn.shape]
        kind = heads_of(plan)["orientation"].kind
        labels["orientation"][symmetry < plan.period] = kind.missing_number
    if split == "train":
        _remove(plan, labels)
    return labels


def _spoil(plan: Plan, labels: Values) -> None:
    """Replace a share of the labels of each head by wrong ones, in place."""
    for name, share in plan.label_noise.items():
        chosen, other = _uniform(plan, "train", _NOISE, name, columns=2).T
        wrong, values = chosen < share, labels[name]
        if values.dtype.kind == "f":
            values[wrong] = _value(plan, name, other)[wrong]
        else:
            classes = len(CLASSES) if name == "shape" else 2
            step = 1 + (other * (classes - 1)).astype(np.int64)
            values[wrong] = ((values + step) % classes)[wrong]


def _remove(plan: Plan, labels: Values) -> None:
    heads = heads_of(plan)
    for name, share in plan.missing.items():
        gone = _uniform(plan, "train", _MISSING, name, columns=1)[:, 0] < share
        labels[name][gone] = heads[name].kind.missing_number


def _uniform(
    plan: Plan, split: Split, purpose: int, head: str = "", columns: int = len(FACTORS)
) -> NDArray[np.float64]:
    number = FACTORS.index(head) if head else 0
    generator = np.random.default_rng([plan.seed, SPLITS.index(split), purpose, number])
    return generator.random((plan.counts[split], columns))


def _follow(
    leading: NDArray[np.float64], own: NDArray[np.float64], correlation: float
) -> NDArray[np.float64]:
    """Return uniform numbers that correlate with others through normal variables."""
    a, b = (ndtri(np.clip(each, _TINY, 1 - _TINY)) for each in (leading, own))
    mixed = ndtr(correlation * a + np.sqrt(1 - correlation**2) * b)
    return np.asarray(np.clip(mixed, 0, 1 - _TINY))


def _value(plan: Plan, name: str, uniform: NDArray[np.float64]) -> NDArray[Any]:
    """Return the values of a factor for uniform numbers in [0, 1)."""
    if name == "shape":
        steps = np.cumsum(plan.share_of_classes())[:-1]
        return np.searchsorted(steps, uniform, side="right").astype(np.int64)
    if name in ("filled", "marked"):
        return (uniform < 0.5).astype(np.int64)
    low, high = {
        "scale": (plan.scale[0], plan.scale[1]),
        "x": plan.room,
        "y": plan.room,
        "orientation": (-plan.turn / 2, plan.turn / 2),
        "hue": (0.0, 360.0),
    }[name]
    return (low + uniform * (high - low)).astype(np.float32)
