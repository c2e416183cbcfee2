"""A chart of average ranks of arms on a line, with bars that join arms that cannot be told apart.

Source: Demsar, JMLR 7, 2006, figure 1.
"""

from collections.abc import Sequence

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
)
from multihead.report.numbers import number

_LEFT, _RIGHT, _AXIS = 118, WIDTH - 118, 30
_BAR, _ROW = 9, 19


def rank_chart(ranks: Sequence[tuple[Arm, float]], groups: Sequence[Sequence[Arm]]) -> Markup:
    """Draw the better half of the arms on the left and the other half on the right.

    Args:
        ranks: Arms and their average ranks, best first; rank 1 is best.
        groups: Groups of arms that cannot be told apart; empty if unknown.
    """
    x = Scale(1, len(ranks), _LEFT, _RIGHT, whole=True)
    at = {arm: x(rank) for arm, rank in ranks}
    top = _AXIS + 12 + _BAR * len(groups)
    half = (len(ranks) + 1) // 2
    left, right = ranks[:half], ranks[half:][::-1]
    inside = [
        line(_LEFT, _AXIS, _RIGHT, _AXIS, "axis"),
        label(_LEFT, 12, "← better", class_="tick"),
        *(_tick(x(value), text) for value, text in x.ticks(5)),
        *(_arm(arm, rank, at[arm], top + _ROW * i, _LEFT) for i, (arm, rank) in enumerate(left)),
        *(_arm(arm, rank, at[arm], top + _ROW * i, _RIGHT) for i, (arm, rank) in enumerate(right)),
        *(_bar(group, at, _AXIS + 9 + _BAR * i) for i, group in enumerate(groups)),
    ]
    return chart(top + _ROW * half, "Average ranks of the arms, and groups of them", *inside)


def _tick(x: float, text: str) -> Markup:
    mark = line(x, _AXIS - 4, x, _AXIS, "axis")
    return mark + label(x, _AXIS - 7, text, class_="tick", anchor="middle")


def _arm(arm: Arm, rank: float, x: float, y: float, side: float) -> Markup:
    """Return a stem from the axis down to the arm's name at one side."""
    outwards = -1 if side == _LEFT else 1
    said = f"{fitted(arm.name, 84)} {number(rank, 2)}"
    parts = (
        polyline([(x, _AXIS), (x, y), (side, y)], "stem"),
        arm.mark(x, _AXIS, 3.4),
        arm.mark(side + 6 * outwards, y, 3.4),
        label(side + 14 * outwards, y + 4, said, anchor="end" if outwards < 0 else "start"),
    )
    lines = [(arm.place, f"{arm.name}: average rank {number(rank, 2)}")]
    return element("g", *parts, class_=arm.look, data_arm=arm.place, data_tip=tip(lines))


def _bar(group: Sequence[Arm], at: dict[Arm, float], y: float) -> Markup:
    """Return a bar over the ranks of a group, with a point at each of its arms."""
    places = [at[arm] for arm in group]
    names = ", ".join(arm.name for arm in group)
    parts = (
        line(min(places), y, max(places), y, "together"),
        *(element("circle", cx=place, cy=y, r=3, class_="member") for place in places),
    )
    return element("g", *parts, data_tip=tip([(None, f"not told apart: {names}")]))
