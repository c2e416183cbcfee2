"""The look of an arm in every chart: a colour, a marker and a dash, to be readable without colour.

Colours are the CSS classes `k0` to `k6`, after Okabe and Ito (2008). Dashes are `m0` to `m6`. With
more than seven arms, the colours repeat with other markers and dashes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from multihead.report.charts.svg import element

_LOOKS = 7
# Paths around the origin, about 1 unit in radius.
_MARKERS = (
    "M-.9 0A.9 .9 0 1 1 .9 0A.9 .9 0 1 1-.9 0Z",  # circle
    "M-.8-.8H.8V.8H-.8Z",  # square
    "M0-1.1L1 .75H-1Z",  # triangle
    "M0-1.2L1.2 0L0 1.2L-1.2 0Z",  # diamond
    "M0 1.1L1-.75H-1Z",  # triangle, point down
    "M-.35-1.1H.35V-.35H1.1V.35H.35V1.1H-.35V.35H-1.1V-.35H-.35Z",  # plus
    "M-1.1-.3L-.5-1.1H.5L1.1-.3L0 1.1Z",  # pentagon, point down
)


@dataclass(frozen=True)
class Arm:
    """An arm of an ablation.

    Attributes:
        name: The user's name for it.
        place: Index from 0. The baseline is 0.
    """

    name: str
    place: int

    @property
    def look(self) -> str:
        """Its CSS classes."""
        return f"arm k{self.place % _LOOKS} m{self._marker}"

    @property
    def _marker(self) -> int:
        return (self.place + self.place // _LOOKS) % _LOOKS

    def mark(self, x: float, y: float, size: float = 4.0) -> Markup:
        """Return its marker at a position, in units of the chart."""
        at = f"translate({x:g} {y:g}) scale({size:g})"
        return element("path", d=_MARKERS[self._marker], transform=at, class_="mark")

    def key(self) -> Markup:
        """Return its line and marker, for a legend."""
        stroke = element("line", x1=1, y1=7, x2=31, y2=7, class_="line")
        inside = (stroke, self.mark(16, 7))
        return element(
            "svg", *inside, viewBox="0 0 32 14", class_=f"key {self.look}", aria_hidden="true"
        )


def arms_of(names: Sequence[str], baseline: str) -> dict[str, Arm]:
    """Return the arms by name: the baseline first, then in the order of the names."""
    order = dict.fromkeys([baseline, *names])
    return {name: Arm(name, place) for place, name in enumerate(order)}
