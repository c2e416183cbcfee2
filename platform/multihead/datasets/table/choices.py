"""The settings of columns: `data.columns.age={kind: regression, unit: years}`."""

import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from multihead.errors import ConfigError
from multihead.text import nearest, one_line

KindName = Literal["classification", "binary", "multilabel", "ordinal", "regression", "angle"]
IGNORE = "ignore"
_KINDS: tuple[str, ...] = get_args(KindName)
# Cells that need no quotes in Hydra's lists, nor in a shell.
_PLAIN = re.compile(r"[\w.+-]+", re.ASCII)
_OF_NUMBERS = ("range", "unit", "levels", "log")


class Choice(BaseModel):
    """The settings of one column. The others are inferred.

    Attributes:
        kind: Kind of the head.
        range: Smallest and largest value. Other values are refused.
        unit: Unit of a regression, an ordinal head or an angle.
        period: Period of angles, in the unit. The default is 360 degrees.
        levels: Labels are levels of the range, equally spaced, instead of numbers.
        log: Whether a regression learns the logarithm, or levels are spaced logarithmically.
        classes: Classes or tags in order. For a binary head, no comes first, then yes.
        missing: Further cells that stand for a missing label, as text or numbers. With `columns`,
            those of all its columns.
        breaks: Changes of pictures that make the label wrong. None means those of the kind.
        columns: Columns of 0 and 1, or patterns such as `attr_*`, that become one head.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: KindName | None = None
    range: tuple[float, float] | None = None
    unit: str = Field(default="", max_length=100)
    period: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    levels: int | None = Field(default=None, ge=2, le=65_536)
    log: bool = False
    classes: tuple[str | int | float | bool, ...] = ()
    missing: tuple[str | int | float | bool | None, ...] = ()
    breaks: tuple[str, ...] | None = None
    columns: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> "Choice":
        numeric = [name for name in _OF_NUMBERS if getattr(self, name)]
        of_kind = [name for name in numeric if not (self.kind == "angle" and name == "unit")]
        if of_kind and self.kind not in (None, "ordinal", "regression"):
            raise ValueError(f"{of_kind[0]} is for numbers, and kind is {self.kind}")
        if self.period is not None and self.kind != "angle":
            raise ValueError("period is of an angle, so it needs kind: angle")
        if self.classes and (numeric or self.kind in ("regression", "angle")):
            raise ValueError(f"classes and {numeric[0] if numeric else self.kind} contradict")
        if self.columns and (self.kind not in (None, "multilabel") or numeric or self.classes):
            raise ValueError("columns are tags of a multilabel head, and go with no other choice")
        if self.range is not None:
            low, high = self.range
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise ValueError("range must be two finite numbers, the second above the first")
            if self.log and low <= 0:
                raise ValueError("with log the range must be above 0")
        if len(set(self.class_texts)) != len(self.classes):
            raise ValueError("a class is named twice")
        return self

    @property
    def class_texts(self) -> tuple[str, ...]:
        """The classes as text, as cells of a table have them."""
        return tuple(_text(value) for value in self.classes)

    @property
    def missing_texts(self) -> frozenset[str]:
        """Cells that stand for a missing label, as text."""
        return frozenset("" if value is None else _text(value) for value in self.missing)

    @property
    def is_number(self) -> bool:
        """Whether the column must have numbers."""
        return self.kind in ("regression", "angle") or any(
            getattr(self, name) for name in _OF_NUMBERS
        )


Choices = Mapping[str, Choice | None]


def read_choices(given: Mapping[str, Any] | None) -> dict[str, Choice | None]:
    """Read `data.columns`. None stands for a column that is ignored.

    Raises:
        ConfigError: If a setting is wrong. The message names the column and what is allowed.
    """
    found: dict[str, Choice | None] = {}
    for name, said in (given or {}).items():
        where = f"data.columns.{name}"
        if said == IGNORE:
            found[str(name)] = None
            continue
        if isinstance(said, str) and said in _KINDS:
            said = {"kind": said}
        if not isinstance(said, Mapping):
            raise ConfigError(
                f"{where} is {said!r:.60}; it is ignore, a kind ({', '.join(_KINDS)}) or "
                f"{{kind: ..., and more}}."
            )
        try:
            found[str(name)] = Choice.model_validate(dict(said))
        except ValidationError as error:
            raise _explained(error, where) from None
    return found


def unknown_key(key: str, where: str) -> ConfigError:
    """Return the error of a key that columns do not have, with the nearest one."""
    known = list(Choice.model_fields)
    return ConfigError(
        f"there is no key {one_line(key, 60)!r}{nearest(key, known)} in {where}; allowed: "
        f"{', '.join(known)}."
    )


def _explained(error: ValidationError, where: str) -> ConfigError:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"] if isinstance(part, str))
    key = key.partition(".")[0]
    if first["type"] == "extra_forbidden":
        return unknown_key(key, where)
    message = first["msg"].removeprefix("Value error, ")
    value = f".{key} is {first['input']!r:.60}" if key else " cannot be"
    return ConfigError(f"{where}{value}: {message[0].lower()}{message[1:]}.")


def _text(value: object) -> str:
    """Return a YAML value as the text of a cell: `true`, `3`, `0.5`."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).strip()


def typed_list(key: str, texts: Sequence[str]) -> str:
    """Return an override that lists cells, as it can be typed in a shell.

    Args:
        key: The key, such as `data.columns.age.missing`.
        texts: The cells. At most 20 are written.
    """
    cells = [one_line(text, 60) for text in texts[:20]]
    plain = all(_PLAIN.fullmatch(cell) for cell in cells)
    shown = cells if plain else [json.dumps(cell, ensure_ascii=False) for cell in cells]
    override = f"{key}=[{', '.join(shown)}]"
    return override if plain else shlex.quote(override)
