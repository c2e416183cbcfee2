"""Make heads of numbers from columns, as numbers or as levels of a range."""

import numpy as np
from numpy.typing import NDArray

from multihead.datasets.table.classes import places
from multihead.datasets.table.inference import MOST_CLASSES
from multihead.datasets.table.made import Made, WantedHead, listed
from multihead.errors import ConfigError, DataError
from multihead.heads import KINDS, Head, Parameter
from multihead.heads.kinds.angle import Angle
from multihead.heads.kinds.float_regression import FloatRegression

LEVELS = 256


def regression(wanted: WantedHead) -> Made:
    """Make a head of numbers, or of levels if the user gives their number."""
    choice = wanted.choice
    if choice.levels is not None:
        return _of_levels(wanted, choice.levels)
    values = _numbers(wanted)
    if choice.log and (values <= 0).any():
        why = "of which there is no logarithm"
        raise wanted.refuse(np.flatnonzero(values <= 0).tolist(), why, "leave log out")
    kind = FloatRegression(unit=choice.unit or wanted.known.numbers.unit, log=choice.log)
    return wanted.with_labels(
        Head(wanted.name, kind=kind, title=wanted.title), _as_float32(wanted, values)
    )


def angle(wanted: WantedHead) -> Made:
    """Make a head of angles. Angles may exceed one period."""
    choice = wanted.choice
    kind = Angle(choice.period or 360.0, choice.unit or wanted.known.numbers.unit or "degrees")
    labels = _as_float32(wanted, _numbers(wanted))
    return wanted.with_labels(Head(wanted.name, kind=kind, title=wanted.title), labels)


def ordinal(wanted: WantedHead) -> Made:
    """Make levels: classes in order, one level per integer, or a given number of levels."""
    choice, numbers = wanted.choice, wanted.known.numbers
    names = choice.class_texts
    if names:
        wanted.check_count(len(names))
        parameter = Parameter(0.0, len(names) - 1.0, levels=len(names))
        kind = KINDS["ordinal"]
        head = Head(wanted.name, len(names), names, kind, parameter, title=wanted.title)
        return wanted.with_labels(head, places(wanted, names))
    if not numbers.are_numbers.any():
        override = f"data.columns.{wanted.name}={{kind: ordinal, classes: [low, high]}}"
        raise DataError(
            f"{wanted.where} is ordinal, but its values are text, {listed(wanted.known.texts)}; "
            f"give their order: '{override}'."
        )
    low, high = _range(wanted, _numbers(wanted))
    span = high - low + 1
    each = numbers.whole and span == round(span) <= MOST_CLASSES and not choice.log
    return _of_levels(wanted, choice.levels or (round(span) if each else LEVELS))


def _of_levels(wanted: WantedHead, levels: int) -> Made:
    choice, values = wanted.choice, _numbers(wanted)
    low, high = _range(wanted, values)
    scale = "log" if choice.log else "linear"
    try:
        unit = choice.unit or wanted.known.numbers.unit
        parameter = Parameter(low, high, scale, unit, levels=levels)  # type: ignore[arg-type]
    except ConfigError as error:
        raise DataError(f"{wanted.where}: {error}") from None
    kind = KINDS["regression" if choice.kind == "regression" else "ordinal"]
    head = Head(wanted.name, levels, (), kind, parameter, title=wanted.title)
    return wanted.with_labels(head, parameter.encode(values))


def _as_float32(wanted: WantedHead, values: NDArray[np.float64]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        labels = values.astype(np.float32)
    if not np.isfinite(labels).all():
        why = "which {IS} too large for a float32"
        raise wanted.refuse(np.flatnonzero(~np.isfinite(labels)).tolist(), why, "divide the column")
    return labels


def _range(wanted: WantedHead, values: NDArray[np.float64]) -> tuple[float, float]:
    return wanted.choice.range or (float(values.min()), float(values.max()))


def _numbers(wanted: WantedHead) -> NDArray[np.float64]:
    """Return the labels as numbers, [V], after checking the user's range."""
    numbers = wanted.known.numbers
    if numbers.problem:
        raise DataError(f"{wanted.where}: {numbers.problem}.")
    if not numbers.are_numbers.all():
        raise wanted.refuse(
            np.flatnonzero(~numbers.are_numbers).tolist(),
            "which {IS} no number",
            "correct the cell",
        )
    low, high = wanted.choice.range or (-np.inf, np.inf)
    outside = (numbers.values < low) | (numbers.values > high)
    if outside.any():
        raise wanted.refuse(
            np.flatnonzero(outside).tolist(), f"outside {low:g} to {high:g}", "widen the range"
        )
    return numbers.values
