"""Elements, scales and axes of a chart. All text is escaped here."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from multihead.text import one_line

WIDTH = 400
# Width of the widest letters of a system font at the size of the labels, in units.
_LETTER = 6.6

# Lines of a tooltip: the `place` of the line's arm, or None, and the text.
Tip = Sequence[tuple[int | None, str]]


def element(tag: str, *inside: str, **attributes: object) -> Markup:
    """Return an SVG element.

    In attribute names, `class_` becomes class and underscores become hyphens. An attribute with
    value None is left out.
    """
    words = [
        Markup(' {}="{}"').format(name.rstrip("_").replace("_", "-"), _text(value))
        for name, value in attributes.items()
        if value is not None
    ]
    content = Markup("").join(map(_content, inside))
    return Markup("<{0}{1}>{2}</{0}>").format(tag, Markup("").join(words), content)


def tip(lines: Tip) -> str:
    """Return a tooltip as JSON for the attribute `data-tip`, which the page's script shows."""
    shown = [(place, one_line(text)) for place, text in lines]
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":"))


def chart(height: float, description: str, *inside: str) -> Markup:
    """Return a chart that is `WIDTH` units wide, can be focused and has a description."""
    return element(
        "svg",
        *inside,
        viewBox=f"0 0 {WIDTH} {height:g}",
        role="img",
        tabindex=0,
        class_="chart",
        aria_label=description,
    )


def label(x: float, y: float, text: str, *, class_: str = "", anchor: str = "start") -> Markup:
    """Return text at a position."""
    return element("text", text, x=x, y=y, class_=class_ or None, text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """Return a straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def fitted(text: str, width: float) -> str:
    """Return a text shortened to a width in units, with an ellipsis if it was cut."""
    room = max(int(width / _LETTER), 1)
    return text if len(text) <= room else text[: room - 1] + "…"


@dataclass(frozen=True)
class Scale:
    """A linear scale from values to units of the chart.

    Attributes:
        low: Smallest value.
        high: Largest value.
        start: Position of the smallest value, in units.
        end: Position of the largest value, in units.
        whole: Whether values are integers.
    """

    low: float
    high: float
    start: float
    end: float
    whole: bool = False

    @classmethod
    def over(cls, values: Iterable[float], start: float, end: float) -> "Scale":
        """Return a scale over the finite values, with a margin."""
        finite = [v for v in values if math.isfinite(v)] or [0.0]
        low, high = min(finite), max(finite)
        margin = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
        return cls(low - margin, high + margin, start, end)

    def __call__(self, value: float) -> float:
        """Return the position of a value, rounded to a tenth of a unit."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, count: int) -> list[tuple[float, str]]:
        """Return round values in the range and their texts: about `count` to twice as many."""
        rough = (self.high - self.low) / count
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * m for m in (5, 2, 1) if power * m <= rough * 1.01)
        step = max(step, 1.0) if self.whole else step
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        values = [i * step for i in range(first, last + 1)]
        return [(v, f"{v + 0.0:.{decimals}f}".replace("-", "\u2212")) for v in values]


def x_axis(scale: Scale, y: float, top: float, count: int = 4) -> Markup:
    """Return ticks with numbers below `y`, and grid lines up to `top`."""
    return Markup("").join(
        line(scale(v), top, scale(v), y, "grid")
        + label(scale(v), y + 14, text, class_="tick", anchor="middle")
        for v, text in scale.ticks(count)
    )


def y_axis(scale: Scale, x: float, right: float, count: int = 3) -> Markup:
    """Return ticks with numbers left of `x`, and grid lines to `right`."""
    return Markup("").join(
        line(x, scale(v), right, scale(v), "grid")
        + label(x - 5, scale(v) + 4, text, class_="tick", anchor="end")
        for v, text in scale.ticks(count)
    )


def polyline(points: Iterable[tuple[float, float]], class_: str) -> Markup:
    """Return a line through points."""
    return element("polyline", points=_points(points), class_=class_)


def polygon(points: Iterable[tuple[float, float]], class_: str) -> Markup:
    """Return the area within points."""
    return element("polygon", points=_points(points), class_=class_)


def _points(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)


def _content(part: str) -> Markup:
    return part if isinstance(part, Markup) else escape(one_line(part))


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else one_line(str(value))
