"""Format numbers for readers: digits that suit the spread, and a real minus sign."""

import math
from collections.abc import Iterable
from statistics import median

MISSING = "–"
_MINUS = "\u2212"
_MOST_PLACES = 6


def places(spreads: Iterable[float]) -> int:
    """Return the number of decimals to print, so that the median spread shows two digits.

    Args:
        spreads: Standard deviations, differences or widths of the numbers that are printed
            together.
    """
    sizes = [abs(s) for s in spreads if math.isfinite(s) and s != 0]
    if not sizes:
        return 4
    return min(max(1 - math.floor(math.log10(median(sizes))), 0), _MOST_PLACES)


def number(value: float, decimals: int) -> str:
    """Return a number with so many decimals; a dash if it is not finite."""
    if not math.isfinite(value):
        return MISSING
    # Adding 0.0 turns -0.0 into 0.0.
    return f"{round(value, decimals) + 0.0:,.{decimals}f}".replace("-", _MINUS)


def signed(value: float, decimals: int) -> str:
    """Return a difference with its sign, also if it is positive."""
    text = number(value, decimals)
    return f"+{text}" if math.isfinite(value) and round(value, decimals) > 0 else text


def interval(low: float, high: float, decimals: int) -> str:
    """Return `[low, high]`; a dash if there is no interval."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return MISSING
    return f"[{signed(low, decimals)}, {signed(high, decimals)}]"


def probability(value: float) -> str:
    """Return a p-value or a probability with three decimals, `<0.001` below them."""
    if not math.isfinite(value):
        return MISSING
    return "<0.001" if 0 < value < 0.0005 else f"{value:.3f}"


def duration(seconds: float) -> str:
    """Return a duration in seconds as `8.1 s`, `12.4 min` or `3.1 h`."""
    if not math.isfinite(seconds):
        return MISSING
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
