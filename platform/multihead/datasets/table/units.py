"""Read units after or before numbers: `12 mm`, `5%`, `$3.50`."""

import re
from collections.abc import Sequence

# Letters that may also mean thousands or millions (k, M) are not units.
UNITS = frozenset(
    [
        *("%", "‰", "°", "°C", "°F", "dB"),
        *("mm", "cm", "dm", "m", "km", "µm", "\u03bcm", "um", "nm", "in", "inch", "ft", "mm²"),
        *("cm²", "m²", "km²", "mm2", "cm2", "m2", "km2"),
        *("g", "kg", "mg", "µg", "\u03bcg", "ug", "t", "lb", "lbs", "oz", "l", "L", "ml", "mL"),
        *("dl", "µl"),
        *("s", "sec", "ms", "µs", "min", "h", "hr", "hrs", "d", "day", "days", "week", "weeks"),
        *("month", "months", "y", "yr", "yrs", "year", "years", "Jahre", "Tage"),
        *("Hz", "kHz", "MHz", "GHz", "V", "mV", "A", "mA", "W", "kW", "Pa", "hPa", "kPa", "MPa"),
        *("bar", "mbar", "mmHg", "bpm"),
        *("px", "pixels", "mg/dl", "mmol/l", "g/l", "km/h", "m/s"),
        *("€", "$", "£", "¥", "EUR", "USD", "GBP", "CHF"),
    ]
)
_CURRENCIES = "€$£¥"
_WITH_UNIT = re.compile(r"([+-]?[\d.][\d.,'\u2019eE+-]*)\s*(\D{1,8})")
_LONGEST = 100  # characters of a number with its unit


def one_micro(unit: str) -> str:
    """Return a unit with the micro sign for the Greek letter mu, which looks the same."""
    return unit.replace("\u03bc", "\u00b5")


def without_units(cells: Sequence[str]) -> tuple[list[str], list[str]] | None:
    """Return numbers as text and their sorted units, or None if a cell has no unit.

    Args:
        cells: Distinct cells, one or more.
    """
    numbers, units = [], set()
    for cell in cells:
        if cell[:1] and cell[0] in _CURRENCIES:
            number, unit = cell[1:].strip(), cell[0]
        else:
            found = _WITH_UNIT.fullmatch(cell) if len(cell) <= _LONGEST else None
            if found is None:
                return None
            number, unit = found[1], one_micro(found[2].strip())
        if unit not in UNITS:
            return None
        numbers.append(number)
        units.add(unit)
    return numbers, sorted(units)
