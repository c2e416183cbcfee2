"""A chart of arms over two heads: means with intervals, and the Pareto front."""

import math
from collections.abc import Sequence
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
    polyline,
    tip,
    x_axis,
    y_axis,
)
from multihead.report.numbers import number, places

_LEFT, _RIGHT, _TOP, _BOTTOM = 52, WIDTH - 10, 26, 250


@dataclass(frozen=True)
class Estimate:
    """The mean of a head over an arm's seeds.

    Attributes:
        mean: Mean over the seeds.
        low: Lower end of its interval; NaN without an interval.
        high: Upper end; NaN without an interval.
    """

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Spot:
    """The position of an arm.

    Attributes:
        arm: The arm.
        x: Estimate of the first head.
        y: Estimate of the second head.
        best: Whether no other arm is at least as good on both heads and better on one.
        single_task: Whether it has one network per head. It is drawn as a line per head.
    """

    arm: Arm
    x: Estimate
    y: Estimate
    best: bool
    single_task: bool


@dataclass(frozen=True)
class Axis:
    """The quantity of an axis.

    Attributes:
        quantity: Its name, such as `digit, acc`.
        falling: Whether lower values are better.
    """

    quantity: str
    falling: bool

    @property
    def title(self) -> str:
        """The quantity, and whether higher or lower is better."""
        return f"{self.quantity} ({'lower' if self.falling else 'higher'} is better)"


def front_chart(spots: Sequence[Spot], across: Axis, up: Axis) -> Markup:
    """Draw the arms as points with crosses, single-task networks as lines, the front as steps.

    Args:
        spots: One per arm that has both heads.
        across: The first head, on the horizontal axis.
        up: The second head, on the vertical axis.
    """
    x = Scale.over([v for s in spots for v in _all(s.x)], _LEFT + 4, _RIGHT - 4)
    y = Scale.over([v for s in spots for v in _all(s.y)], _BOTTOM - 4, _TOP + 4)
    alone = [spot for spot in spots if spot.single_task]
    shared = [spot for spot in spots if not spot.single_task]
    inside = [
        y_axis(y, _LEFT, _RIGHT),
        x_axis(x, _BOTTOM, _TOP, 3),
        label(_LEFT, 14, fitted(f"↑ {up.title}", WIDTH - _LEFT)),
        label(_RIGHT, _BOTTOM + 32, fitted(f"{across.title} →", WIDTH - 20), anchor="end"),
        polyline(_steps(shared, x, y, across, up), "front"),
        *(_lines(spot, x, y) for spot in alone),
        *(_point(spot, x, y) for spot in shared),
    ]
    described = f"{across.quantity} against {up.quantity}, by arm"
    return chart(_BOTTOM + 40, described, *inside)


def _all(found: Estimate) -> tuple[float, float, float]:
    return found.mean, found.low, found.high


def _steps(
    spots: Sequence[Spot], x: Scale, y: Scale, across: Axis, up: Axis
) -> list[tuple[float, float]]:
    """Return the corners of the area that the arms on the front dominate."""
    best = sorted({(x(s.x.mean), y(s.y.mean)) for s in spots if s.best}, reverse=across.falling)
    if not best:
        return []
    worst_x = _RIGHT if across.falling else _LEFT
    worst_y = _TOP if up.falling else _BOTTOM
    corners, before = [], float(worst_x)
    for at_x, at_y in best:  # ordered from the worst to the best on the first head
        corners += [(before, at_y), (at_x, at_y)]
        before = at_x
    return [*corners, (before, float(worst_y))]


def _lines(spot: Spot, x: Scale, y: Scale) -> Markup:
    at = (x(spot.x.mean), y(spot.y.mean))
    parts = (
        line(at[0], _TOP, at[0], _BOTTOM, "alone"),
        line(_LEFT, at[1], _RIGHT, at[1], "alone"),
        spot.arm.mark(at[0], _TOP, 4),
        spot.arm.mark(_RIGHT, at[1], 4),
    )
    return _group(spot, parts, "a network per head")


def _point(spot: Spot, x: Scale, y: Scale) -> Markup:
    at = (x(spot.x.mean), y(spot.y.mean))
    parts = [element("circle", cx=at[0], cy=at[1], r=10, class_="hit")]
    if math.isfinite(spot.x.low):
        parts.append(line(x(spot.x.low), at[1], x(spot.x.high), at[1], "cross"))
    if math.isfinite(spot.y.low):
        parts.append(line(at[0], y(spot.y.low), at[0], y(spot.y.high), "cross"))
    if spot.best:
        parts.append(element("circle", cx=at[0], cy=at[1], r=8.5, class_="seed"))
    said = "on the front" if spot.best else "another arm is at least as good on both heads"
    return _group(spot, (*parts, spot.arm.mark(*at, 5)), said)


def _group(spot: Spot, parts: Sequence[Markup], said: str) -> Markup:
    arm = spot.arm
    lines = [(arm.place, f"{arm.name}: {said}")]
    for sign, found in (("→", spot.x), ("↑", spot.y)):
        width = found.high - found.low
        decimals = places([width if math.isfinite(width) else found.mean])
        ends = (number(end, decimals) for end in (found.low, found.high))
        said = f"[{', '.join(ends)}]" if math.isfinite(width) else "no interval"
        lines.append((arm.place, f"{sign} {number(found.mean, decimals)} {said}"))
    return element("g", *parts, class_=arm.look, data_arm=arm.place, data_tip=tip(lines))
