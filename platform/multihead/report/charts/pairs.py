"""A chart of paired seeds: the value of the baseline and of an arm, joined by a line."""

from collections.abc import Mapping

import pandas as pd
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
    y_axis,
)
from multihead.report.numbers import number, places, signed

_LEFT, _RIGHT, _TOP, _BOTTOM = 52, WIDTH - 6, 10, 180


def pair_chart(
    baseline: Arm, pairs: Mapping[Arm, pd.DataFrame], *, quantity: str, lower_is_better: bool
) -> Markup:
    """Draw a panel per arm with a line per seed. A line is dashed if the arm is worse.

    Args:
        baseline: The baseline, on the left of every panel.
        pairs: For each arm, a table with a row per seed and columns `baseline` and `arm`, no NaN.
        quantity: Name of the quantity, such as `digit, acc on test`.
        lower_is_better: Whether lower values are better.
    """
    values = [float(v) for frame in pairs.values() for v in frame.to_numpy().ravel()]
    y = Scale.over(values, _BOTTOM, _TOP)
    width = (_RIGHT - _LEFT) / len(pairs)
    inside = [y_axis(y, _LEFT, _RIGHT)]
    for i, (arm, frame) in enumerate(pairs.items()):
        left = _LEFT + i * width
        ends = (left + 0.22 * width, left + 0.78 * width)
        inside.append(_panel(baseline, arm, frame, y, ends, lower_is_better=lower_is_better))
        name = fitted(arm.name, width - 4)
        under = label(left + width / 2, _BOTTOM + 32, name, class_="tick", anchor="middle")
        inside.append(element("g", under, data_arm=arm.place))
    return chart(_BOTTOM + 40, f"{quantity}: each seed under the baseline and an arm", *inside)


def _panel(
    baseline: Arm,
    arm: Arm,
    frame: pd.DataFrame,
    y: Scale,
    ends: tuple[float, float],
    *,
    lower_is_better: bool,
) -> Markup:
    left, right = ends
    feet = _BOTTOM + 12
    parts = [
        element("g", baseline.mark(left, feet), class_=baseline.look),
        element("g", arm.mark(right, feet), class_=arm.look),
        line(left, _BOTTOM, right, _BOTTOM, "grid"),
    ]
    change = frame["arm"] - frame["baseline"]
    decimals = places([*change, *frame.std(ddof=0)])
    for seed, was, now in zip(frame.index, frame["baseline"], frame["arm"], strict=True):
        worse = now > was if lower_is_better else now < was
        said = [
            (arm.place, f"seed {seed}: {number(was, decimals)} → {number(now, decimals)}"),
            (arm.place, f"{arm.name}: {signed(now - was, decimals)}"),
        ]
        marks = (
            line(left, y(was), right, y(now), "wide hit"),
            line(left, y(was), right, y(now), "pair worse" if worse else "pair"),
            element("g", baseline.mark(left, y(was), 3), class_=baseline.look),
            arm.mark(right, y(now), 3),
        )
        parts.append(element("g", *marks, class_=arm.look, data_tip=tip(said)))
    return element("g", *parts, data_arm=arm.place)
