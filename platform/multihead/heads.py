"""What a network predicts: a head is one prediction, heads are an ordered collection.

Everything per head (losses, weights, metrics, tables) follows the order of `Heads`.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from multihead.errors import ConfigError
from multihead.text import is_whole

Kind = Literal["classification", "ordinal", "regression"]
KINDS: tuple[Kind, ...] = ("classification", "ordinal", "regression")
Spacing = Literal["linear", "log"]

# A letter of any script first, so that names are names in Python, YAML and metric names alike.
_NAME = re.compile(r"[^\W\d_]\w*")
_LONGEST_NAME = 100  # bytes: names are parts of the names of files
# Of all heads together. A head makes tables of its levels, and a record may claim any number.
_MOST_CLASSES = 1_000_000
_LARGEST_FIRST = 1 << 53  # whole numbers that a float holds


@dataclass(frozen=True)
class Parameter:
    """A continuous quantity whose labels are levels 0 to levels - 1 of its range.

    Level q stands for `minimum + q / (levels - 1) * (maximum - minimum)`, or, spaced
    logarithmically, for `minimum * (maximum / minimum) ** (q / (levels - 1))`.

    Attributes:
        minimum: What level 0 stands for, in `unit`.
        maximum: What the last level stands for, in `unit`; above the minimum.
        scale: `linear`, or `log` for a range above 0.
        unit: Such as `semitones`; empty where there is none.
        step: What counts as near enough for `{split}/{head}_acc_within`, in `unit`; above 0, or
            None for the width of one level at the middle of the range.
        levels: 2 or more.

    Raises:
        ConfigError: For values that break these rules.
    """

    minimum: float
    maximum: float
    scale: Spacing = "linear"
    unit: str = ""
    step: float | None = None
    levels: int = 256

    def __post_init__(self) -> None:
        low, high = self.minimum, self.maximum
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ConfigError(f"a parameter's range is {low} to {high}; it must be finite, rising.")
        if not math.isfinite(high - low):
            raise ConfigError(f"a parameter's range, {low} to {high}, is too wide for a float.")
        if self.scale not in ("linear", "log"):
            raise ConfigError(f"a parameter's scale is {self.scale!r}; it is linear or log.")
        if self.scale == "log" and low <= 0:
            raise ConfigError(
                f"a parameter from {low} to {high} cannot be log: it must be above 0."
            )
        if self.step is not None and not (math.isfinite(self.step) and self.step > 0):
            raise ConfigError(f"a parameter's step is {self.step}; it must be above 0.")
        if self.levels < 2:
            raise ConfigError(f"a parameter has {self.levels} levels; at least 2 are needed.")

    @property
    def tolerance(self) -> float:
        """What counts as near enough, in `unit`: the step, or the width of a middle level."""
        if self.step is not None:
            return self.step
        middle = self.decode(np.array([(self.levels - 2) / 2, self.levels / 2]))
        return float(middle[1] - middle[0])

    def decode(self, levels: ArrayLike) -> NDArray[np.float64]:
        """Return what levels (whole or between) stand for, in `unit`; any shape to the same."""
        share = np.asarray(levels, np.float64) / (self.levels - 1)
        if self.scale == "log":
            return np.asarray(self.minimum * (self.maximum / self.minimum) ** share)
        return np.asarray(self.minimum + share * (self.maximum - self.minimum))

    def encode(self, values: ArrayLike) -> NDArray[np.int64]:
        """Return the nearest level of values in `unit`; those outside the range get its end."""
        given = np.clip(np.asarray(values, np.float64), self.minimum, self.maximum)
        if self.scale == "log":
            share = np.log(given / self.minimum) / math.log(self.maximum / self.minimum)
        else:
            share = (given - self.minimum) / (self.maximum - self.minimum)
        nearest = np.floor(share * (self.levels - 1) + 0.5)
        return np.clip(nearest, 0, self.levels - 1).astype(np.int64)


@dataclass(frozen=True)
class Head:
    """One prediction of the network.

    Attributes:
        name: A letter, then letters, digits and underscores; part of metric names such as
            `val/digit_acc`.
        num_classes: 2 or more classes or levels; labels are 0 to num_classes - 1.
        classes: A name per class, or empty where the classes have only numbers.
        kind: `classification` (unordered classes), `ordinal` (levels of a parameter, predicted as
            a distribution over them) or `regression` (a parameter, predicted as one number).
        parameter: What the levels stand for; needed unless the kind is classification.
        first: What class 0 stands for where there is no parameter.
        bounded: Whether a regression is held within the parameter's range by a sigmoid.

    Raises:
        ConfigError: For values that break these rules.
    """

    name: str
    num_classes: int
    classes: tuple[str, ...] = ()
    kind: Kind = "classification"
    parameter: Parameter | None = None
    first: int = 0
    bounded: bool = False

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigError(
                f"head name {self.name!r} is not allowed; use a letter, then letters, digits or _."
            )
        if len(self.name.encode()) > _LONGEST_NAME:
            raise ConfigError(
                f"head name {self.name[:40]!r}... is longer than {_LONGEST_NAME} bytes."
            )
        if type(self.first) is not int or abs(self.first) > _LARGEST_FIRST:
            raise ConfigError(f"head {self.name!r} begins at {self.first!r:.40}, no whole number.")
        if self.num_classes < 2:
            raise ConfigError(
                f"head {self.name!r} has {self.num_classes} classes; at least 2 are needed."
            )
        if self.classes and len(self.classes) != self.num_classes:
            raise ConfigError(
                f"head {self.name!r} has {self.num_classes} classes but {len(self.classes)} class "
                f"names; give one name per class or none."
            )
        if not is_whole("".join((*self.classes, self.unit))):
            raise ConfigError(
                f"head {self.name!r} has half of a surrogate pair in a class name or its unit, "
                f"which no file can hold; remove it."
            )
        if len(set(self.classes)) != len(self.classes):
            raise ConfigError(f"head {self.name!r} has class names twice: {list(self.classes)}.")
        self._check_kind()

    def _check_kind(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(
                f"head {self.name!r} is of kind {self.kind!r}; choose one of {list(KINDS)}."
            )
        if self.parameter is None and self.kind != "classification":
            raise ConfigError(
                f"head {self.name!r} has classes without an order, so it cannot be {self.kind}; "
                f"only parameters with a range can."
            )
        if self.parameter is not None and self.parameter.levels != self.num_classes:
            raise ConfigError(
                f"head {self.name!r} has {self.num_classes} classes, but its parameter has "
                f"{self.parameter.levels} levels; they must be equal."
            )

    @property
    def outputs(self) -> int:
        """How many numbers the network returns for this head: one per class, or a single one."""
        return 1 if self.kind == "regression" else self.num_classes

    @property
    def unit(self) -> str:
        """The unit of `decode`; empty where there is none."""
        return "" if self.parameter is None else self.parameter.unit

    def decode(self, codes: ArrayLike) -> NDArray[np.float64]:
        """Return what labels stand for, in the parameter's unit; any shape to the same shape."""
        if self.parameter is not None:
            return self.parameter.decode(codes)
        return np.asarray(codes, np.float64) + self.first

    def encode(self, values: ArrayLike) -> NDArray[np.int64]:
        """Return the nearest label of values in the parameter's unit."""
        if self.parameter is not None:
            return self.parameter.encode(values)
        nearest = np.round(np.asarray(values, np.float64)) - self.first
        return np.clip(nearest, 0, self.num_classes - 1).astype(np.int64)

    def as_kind(self, kind: Kind, *, bounded: bool = False) -> "Head":
        """Return this head predicted in another way.

        Raises:
            ConfigError: If the kind needs a parameter and there is none.
        """
        return replace(self, kind=kind, bounded=bounded)


class Heads(Mapping[str, Head]):
    """An ordered, immutable collection of heads by name.

    Raises:
        ConfigError: If two heads share a name or there are none.
    """

    def __init__(self, heads: Iterable[Head]) -> None:
        ordered = tuple(heads)
        self._heads = {head.name: head for head in ordered}
        if len(self._heads) != len(ordered):
            names = [head.name for head in ordered]
            raise ConfigError(f"head names must be unique, but they are {names}.")
        if sum(head.num_classes for head in ordered) > _MOST_CLASSES:
            raise ConfigError(
                f"the heads have more than {_MOST_CLASSES:,} classes or levels in all; fewer are "
                f"possible."
            )
        if not ordered:
            raise ConfigError("there are no heads; a network needs at least one.")

    @classmethod
    def from_outputs(cls, outputs: Mapping[str, int]) -> "Heads":
        """Make heads from `{name: outputs}`, as a network's `heads_config` states them.

        One output is a regression on the range 0 to 1.
        """
        return cls(
            Head(name, 256, kind="regression", parameter=Parameter(0.0, 1.0))
            if int(count) == 1
            else Head(name, int(count))
            for name, count in outputs.items()
        )

    @classmethod
    def from_record(cls, record: Iterable[Mapping[str, Any]]) -> "Heads":
        """Make heads from what `to_record` returned.

        Raises:
            ConfigError: If it is no such record.
        """
        try:
            return cls(_head_of_record(r) for r in record)
        except (TypeError, KeyError, ValueError, AttributeError, OverflowError) as error:
            raise ConfigError(f"the record of the heads is damaged: {error}.") from error

    def to_record(self) -> list[dict[str, Any]]:
        """Return plain lists, dicts, strings and numbers, for configs and checkpoints."""
        return [{**asdict(head), "classes": list(head.classes)} for head in self.values()]

    @property
    def outputs(self) -> dict[str, int]:
        """How many numbers the network returns, by head name."""
        return {name: head.outputs for name, head in self._heads.items()}

    @property
    def levels(self) -> dict[str, int]:
        """How many values a label may have, by head name."""
        return {name: head.num_classes for name, head in self._heads.items()}

    def __getitem__(self, name: str) -> Head:
        return self._heads[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._heads)

    def __len__(self) -> int:
        return len(self._heads)

    def __repr__(self) -> str:
        return f"Heads({self.outputs})"


def _head_of_record(record: Mapping[str, Any]) -> Head:
    fields = dict(record)
    parameter = fields.pop("parameter", None)
    return Head(
        name=str(fields.pop("name")),
        num_classes=int(fields.pop("num_classes")),
        classes=tuple(map(str, fields.pop("classes"))),
        parameter=None if parameter is None else Parameter(**parameter),
        **fields,
    )
