"""Numbers as people read them: as many digits as the spread supports, a real minus sign."""

import math
from collections.abc import Iterable
from statistics import median

MISSING = "–"
_MINUS = "\u2212"
_MOST_PLACES = 6


def places(spreads: Iterable[float]) -> int:
    """Return how many decimals to print: two digits of the median spread.

    Args:
        spreads: Standard deviations, differences or widths of what is printed together.
    """
    sizes = [abs(s) for s in spreads if math.isfinite(s) and s != 0]
    if not sizes:
        return 4
    return min(max(1 - math.floor(math.log10(median(sizes))), 0), _MOST_PLACES)


def number(value: float, decimals: int) -> str:
    """Return a number with so many decimals; a dash for none."""
    if not math.isfinite(value):
        return MISSING
    # Adding 0.0 keeps what rounds to zero from a sign of its own.
    return f"{round(value, decimals) + 0.0:,.{decimals}f}".replace("-", _MINUS)


def signed(value: float, decimals: int) -> str:
    """Return a difference, with its sign also where it is positive."""
    text = number(value, decimals)
    return f"+{text}" if math.isfinite(value) and round(value, decimals) > 0 else text


def interval(low: float, high: float, decimals: int) -> str:
    """Return `[low, high]`; a dash where there is no interval."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return MISSING
    return f"[{signed(low, decimals)}, {signed(high, decimals)}]"


def probability(value: float) -> str:
    """Return a p-value or a probability with three decimals, `<0.001` below them."""
    if not math.isfinite(value):
        return MISSING
    return "<0.001" if 0 < value < 0.0005 else f"{value:.3f}"


def duration(seconds: float) -> str:
    """Return a time as `8.1 s`, `12.4 min` or `3.1 h`."""
    if not math.isfinite(seconds):
        return MISSING
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
