"""A chart of differences from the baseline: every seed, the mean and its interval."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from multihead.report.charts.arms import Arm
from multihead.report.charts.svg import (
    WIDTH,
    Scale,
    chart,
    element,
    fitted,
    label,
    line,
    tip,
    x_axis,
)
from multihead.report.numbers import interval, places, signed

_ROW, _TOP, _LEFT, _RIGHT = 46, 24, 12, WIDTH - 12
_SIDE = 52


@dataclass(frozen=True)
class Difference:
    """The difference between an arm and the baseline on one metric of one head.

    Attributes:
        arm: The arm.
        delta: Mean difference, arm minus baseline; NaN without a common seed.
        low: Lower end of its interval; NaN without an interval.
        high: Upper end; NaN without an interval.
        verdict: The verdict, such as `better`.
        seeds: Difference by seed.
    """

    arm: Arm
    delta: float
    low: float
    high: float
    verdict: str
    seeds: Mapping[int | str, float]


def interval_chart(
    differences: Sequence[Difference], *, quantity: str, lower_is_better: bool
) -> Markup:
    """Draw a row per arm.

    Args:
        differences: One per arm, without the baseline.
        quantity: Name of the quantity, such as `digit, acc`.
        lower_is_better: Whether negative differences are better.
    """
    bottom = _TOP + _ROW * len(differences) + 4
    spread = [v for d in differences for v in (d.delta, d.low, d.high, *d.seeds.values())]
    scale = Scale.over([0.0, *spread], _LEFT, _RIGHT)
    decimals = places(d.high - d.low if math.isfinite(d.low) else d.delta for d in differences)
    better = ("better", "worse") if lower_is_better else ("worse", "better")
    zero, said = scale(0.0), f"difference in {quantity}"
    inside = [
        x_axis(scale, bottom, _TOP - 6),
        line(zero, _TOP - 6, zero, bottom, "zero"),
        *_sides(zero, *better),
        *(_row(d, scale, _TOP + _ROW * i, decimals) for i, d in enumerate(differences)),
        label(WIDTH / 2, bottom + 30, fitted(said, WIDTH), anchor="middle"),
    ]
    return chart(bottom + 38, f"Differences from the baseline in {quantity}, by arm", *inside)


def _sides(zero: float, left: str, right: str) -> Iterator[Markup]:
    """Yield the labels `better` and `worse` on either side of 0, if there is room."""
    if zero - _LEFT > _SIDE:
        yield label(zero - 6, 12, f"← {left}", class_="tick", anchor="end")
    if _RIGHT - zero > _SIDE:
        yield label(zero + 6, 12, f"{right} →", class_="tick")


def _row(found: Difference, scale: Scale, top: float, decimals: int) -> Markup:
    said = f"{signed(found.delta, decimals)} {interval(found.low, found.high, decimals)}"
    if not math.isfinite(found.low):
        said = f"{signed(found.delta, decimals)}, no interval"
    name = fitted(found.arm.name, _RIGHT - _LEFT - 6.6 * len(said) - 12)
    middle = top + 23
    parts = [
        label(_LEFT, top + 12, name),
        label(_RIGHT, top + 12, said, anchor="end"),
        # The whole row shows the tooltip, also between the marks.
        element("rect", x=0, y=top, width=WIDTH, height=_ROW, class_="hit"),
    ]
    parts += [
        element("circle", cx=scale(value), cy=middle + 7, r=2, class_="seed")
        for value in found.seeds.values()
        if math.isfinite(value)
    ]
    if math.isfinite(found.low) and math.isfinite(found.high):
        parts.append(line(scale(found.low), middle, scale(found.high), middle, "interval"))
    if math.isfinite(found.delta):
        parts.append(found.arm.mark(scale(found.delta), middle, 5))
    place = found.arm.place
    lines = [
        (place, f"{found.arm.name}: {said}"),
        (place, found.verdict),
        *((place, f"seed {s}: {signed(v, decimals + 1)}") for s, v in found.seeds.items()),
    ]
    return element("g", *parts, class_=found.arm.look, data_arm=place, data_tip=tip(lines))
