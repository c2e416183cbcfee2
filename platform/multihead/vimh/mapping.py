"""Convert parameters of the metadata to heads, and heads to parameters.

- A continuous parameter has 256 ordered levels from min to max.
- A parameter of `type: classification` has one class per integer from min to max.
- A parameter with min equal to max is fixed and has no head.
"""

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from multihead.errors import ConfigError, DataError
from multihead.heads import KINDS, Head, Parameter
from multihead.heads.head import kind_to_record
from multihead.text import one_line

LEVELS = 256
_NOT_A_WORD = re.compile(r"\W")
_CONTINUOUS = ("continuous", "ordinal")
_OF_ONE_OUTPUT = ("regression", "bounded_regression")


@dataclass(frozen=True)
class VIMHParameter:
    """One parameter of a dataset.

    Attributes:
        name: Its name in the metadata.
        head: Its head, or None if the parameter is fixed.
        value: The value of a fixed parameter, else None.
        description: Free text; may be empty.
        notice: A warning for the user; may be empty.
        more: The other keys of its entry.
    """

    name: str
    head: Head | None
    value: float | None
    description: str
    notice: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)


def head_name(name: str) -> str:
    """Return a valid head name for a parameter's name.

    Characters that are not allowed become `_`. A name that does not begin with a letter gets the
    prefix `p_`.
    """
    word = _NOT_A_WORD.sub("_", unicodedata.normalize("NFC", name))
    return word if word[:1].isalpha() else f"p_{word}"


def read_parameter(name: str, record: object, where: str) -> VIMHParameter:
    """Make a parameter from its entry in `parameter_mappings`.

    Args:
        name: A name of `parameter_names`.
        record: The entry.
        where: The file's name for error messages.

    Raises:
        DataError: If the range, scale, type or step is invalid or does not fit into 8 bits.
    """
    where = one_line(f"{where}: parameter {name!r}")
    if not isinstance(record, dict):
        raise DataError(f"{where} is {_shown(record)}; it must be an object with min and max.")
    low, high = (_number(record, key, where) for key in ("min", "max"))
    description = _text(record, "description", where)
    if low == high:
        implied = {"min": record["min"], "max": record["max"], "scale": "linear"}
        more = {k: v for k, v in record.items() if k not in implied or v != implied[k]}
        return VIMHParameter(name, None, low, description, more=more)
    if low > high:
        raise DataError(f"{where} has min {low} above max {high}; swap them.")
    word = head_name(name)
    kind = _text(record, "type", where).strip().lower()
    notice = (
        ""
        if kind in ("", "classification", *_CONTINUOUS, *_OF_ONE_OUTPUT)
        else (f"{where} is of type {kind!r}; it is read as continuous, 256 levels from min to max.")
    )
    try:
        if kind == "classification":
            head = _classes(word, low, high, record)
        else:
            head = Head(
                word, LEVELS, kind=KINDS["ordinal"], parameter=_range(record, low, high, where)
            )
        if kind in _OF_ONE_OUTPUT:
            head = head.as_kind(kind)
    except ConfigError as error:
        raise DataError(f"{where}: {error}") from None
    said = {*write_parameter(head), "description"}
    more = {key: value for key, value in record.items() if key not in said}
    return VIMHParameter(name, head, None, description, notice, more)


def write_parameter(head: Head) -> dict[str, Any]:
    """Return the entry of `parameter_mappings` for a head.

    Raises:
        ConfigError: If its labels do not fit into 8 bits, or it has levels but not 256 of them.
    """
    if head.num_classes > LEVELS:
        raise ConfigError(
            f"head {head.name!r} has {head.num_classes} classes; VIMH stores at most {LEVELS}."
        )
    parameter = head.parameter
    if parameter is None:
        record: dict[str, Any] = {
            "min": head.first,
            "max": head.first + head.num_classes - 1,
            "scale": "linear",
            "type": "classification",
        }
        return record | ({"classes": list(head.classes)} if head.classes else {})
    if parameter.levels != LEVELS:
        raise ConfigError(
            f"head {head.name!r} has {parameter.levels} levels; VIMH stores {LEVELS} of each "
            f"continuous parameter."
        )
    ends = {"min": float(parameter.minimum), "max": float(parameter.maximum)}
    record = {**ends, "scale": parameter.scale}
    if parameter.unit:
        record["unit"] = parameter.unit
    if parameter.step is not None:
        record["step"] = float(parameter.step)
    kind = kind_to_record(head.kind)
    if kind in _OF_ONE_OUTPUT:
        record["type"] = kind
    return record


def _range(record: Mapping[str, Any], low: float, high: float, where: str) -> Parameter:
    scale = (_text(record, "scale", where) or "linear").strip().lower()
    if scale not in ("linear", "log"):
        raise DataError(f"{where} has the scale {scale!r}; give linear or log.")
    step = None if record.get("step") is None else _number(record, "step", where)
    unit = _text(record, "unit", where)
    return Parameter(low, high, "log" if scale == "log" else "linear", unit, step, LEVELS)


def _classes(word: str, low: float, high: float, record: Mapping[str, Any]) -> Head:
    if low % 1 or high % 1:
        raise ConfigError(f"classes run from {low} to {high}; both must be whole numbers.")
    count = int(high) - int(low) + 1
    if count > LEVELS:
        raise ConfigError(f"{count:,} classes do not fit into 8 bits; the most are {LEVELS}.")
    names = record.get("classes")
    if not isinstance(names, list) or len(names) != count:
        names = []
    unique = len({n for n in names if isinstance(n, str)}) == len(names)
    return Head(word, count, tuple(names) if unique else (), first=int(low))


def _number(record: Mapping[str, Any], key: str, where: str) -> float:
    value = record.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DataError(f"{where} has {key} {_shown(value)}; it must be a number.")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise DataError(f"{where} has {key} {_shown(value)}; it must be finite.")
    return number


def _text(record: Mapping[str, Any], key: str, where: str) -> str:
    value = record.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise DataError(f"{where} has {key} {_shown(value)}; it must be text.")
    return value


def _shown(value: object) -> str:
    return "missing" if value is None else one_line(repr(value)[:60])
