"""A chart of learning curves: mean over seeds and their range, by epoch and arm."""

import math
from collections.abc import Mapping

import pandas as pd
from markupsafe import Markup

from multihead.report.charts.arms import Arm
from multihead.report.charts.svg import (
    WIDTH,
    Scale,
    chart,
    element,
    label,
    line,
    polygon,
    polyline,
    tip,
    x_axis,
    y_axis,
)
from multihead.report.numbers import number, places

_LEFT, _RIGHT, _TOP, _BOTTOM = 48, WIDTH - 10, 10, 200
_MOST_TIPS = 60
_MARKS = 5


def curve_chart(curves: Mapping[Arm, pd.DataFrame], *, quantity: str) -> Markup:
    """Draw a line with a band per arm.

    Args:
        curves: For each arm, a table with a row per epoch and a column per seed; NaN where a seed
            has no point.
        quantity: Name of the quantity, such as `digit, acc on val`.
    """
    drawn = {arm: _summary(frame) for arm, frame in curves.items()}
    epochs = sorted({int(e) for found in drawn.values() for e in found.index})
    x = Scale(epochs[0], max(epochs[-1], epochs[0] + 1), _LEFT + 6, _RIGHT - 6, whole=True)
    y = Scale.over(_shown(drawn, epochs), _BOTTOM, _TOP)
    decimals = places([(y.high - y.low) / 10])
    frame = {"x": _LEFT, "y": _TOP, "width": _RIGHT - _LEFT, "height": _BOTTOM - _TOP}
    inside = [
        y_axis(y, _LEFT, _RIGHT),
        x_axis(x, _BOTTOM, _BOTTOM),
        label((_LEFT + _RIGHT) / 2, _BOTTOM + 30, "epoch", anchor="middle"),
        # A nested svg clips lines that begin outside of the axes.
        element(
            "svg",
            *(_arm(arm, found, x, y) for arm, found in drawn.items()),
            viewBox=" ".join(map(str, frame.values())),
            **frame,
        ),
        *_strips(drawn, epochs, x, decimals),
    ]
    return chart(_BOTTOM + 38, f"Learning curves: {quantity}, by epoch and arm", *inside)


def _summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Return mean, smallest, largest and number of seeds by epoch."""
    found = frame.agg(["mean", "min", "max", "count"], axis=1)
    return found[found["count"] > 0]


def _shown(drawn: Mapping[Arm, pd.DataFrame], epochs: list[int]) -> list[float]:
    """Return the values for the y axis, without the first epochs if they would dwarf the rest."""
    whole = pd.concat(list(drawn.values()))[["min", "max"]]
    late = whole[whole.index > epochs[len(epochs) // 4]]
    values = [float(v) for v in whole.to_numpy().ravel()]
    kept = [float(v) for v in late.to_numpy().ravel()]
    if kept and 0 < max(kept) - min(kept) < (max(values) - min(values)) / 3:
        return kept
    return values


def _arm(arm: Arm, found: pd.DataFrame, x: Scale, y: Scale) -> Markup:
    at = [x(float(epoch)) for epoch in found.index]
    middle = list(zip(at, map(y, found["mean"]), strict=True))
    upper = list(zip(at, map(y, found["max"]), strict=True))
    lower = list(zip(at, map(y, found["min"]), strict=True))
    step = max(1, math.ceil(len(middle) / _MARKS))
    marks = [arm.mark(*point, 3.4) for i, point in enumerate(middle) if (i + arm.place) % step == 0]
    parts = [polyline(middle, "line"), *marks]
    if (found["count"] > 1).any():
        parts.insert(0, polygon([*upper, *reversed(lower)], "band"))
    return element("g", *parts, class_=arm.look, data_arm=arm.place)


def _strips(
    drawn: Mapping[Arm, pd.DataFrame], epochs: list[int], x: Scale, decimals: int
) -> list[Markup]:
    """Return invisible strips, each with a tooltip of the values of all arms at an epoch."""
    shown = epochs[:: math.ceil(len(epochs) / _MOST_TIPS)]
    half = (x(shown[-1]) - x(shown[0])) / max(2 * (len(shown) - 1), 1) or 10.0
    tall = {"y": _TOP, "height": _BOTTOM - _TOP}
    strips = []
    for epoch in shown:
        lines: list[tuple[int | None, str]] = [(None, f"epoch {epoch}")]
        for arm, found in drawn.items():
            if epoch in found.index:
                row = found.loc[epoch]
                mean, low, high = (number(row[k], decimals) for k in ("mean", "min", "max"))
                seeds = int(row["count"])
                span = f" ({low} to {high}, {seeds} seeds)" if seeds > 1 else " (1 seed)"
                lines.append((arm.place, f"{arm.name}: {mean}{span}"))
        at = x(epoch)
        strips.append(
            element(
                "g",
                element("rect", x=at - half, width=2 * half, class_="hit", **tall),
                line(at, _TOP, at, _BOTTOM, "cursor"),
                data_tip=tip(lines),
            )
        )
    return strips
