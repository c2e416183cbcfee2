"""What a network predicts: a head is one prediction, heads are an ordered collection.

Everything per head (losses, weights, metrics, tables) follows the order of `Heads`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from multihead.errors import ConfigError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Head:
    """One classification of the image.

    Attributes:
        name: Letters, digits and underscores; part of metric names such as `val/digit_acc`.
        num_classes: 2 or more; labels are 0 to num_classes - 1.
        classes: A name per class, or empty where the classes have only numbers.

    Raises:
        ConfigError: For a name, number of classes or class names that break these rules.
    """

    name: str
    num_classes: int
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigError(
                f"head name {self.name!r} is not allowed; use a letter, then letters, digits or _."
            )
        if self.num_classes < 2:
            raise ConfigError(
                f"head {self.name!r} has {self.num_classes} classes; at least 2 are needed."
            )
        if self.classes and len(self.classes) != self.num_classes:
            raise ConfigError(
                f"head {self.name!r} has {self.num_classes} classes but {len(self.classes)} class "
                f"names; give one name per class or none."
            )
        if len(set(self.classes)) != len(self.classes):
            raise ConfigError(f"head {self.name!r} has class names twice: {list(self.classes)}.")


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
        if not ordered:
            raise ConfigError("there are no heads; a network needs at least one.")

    @classmethod
    def from_num_classes(cls, num_classes: Mapping[str, int]) -> "Heads":
        """Make heads from `{name: number of classes}`, as `heads_config` states them."""
        return cls(Head(name, int(count)) for name, count in num_classes.items())

    @classmethod
    def from_record(cls, record: Iterable[Mapping[str, Any]]) -> "Heads":
        """Make heads from what `to_record` returned."""
        return cls(
            Head(str(r["name"]), int(r["num_classes"]), tuple(map(str, r["classes"])))
            for r in record
        )

    def to_record(self) -> list[dict[str, Any]]:
        """Return plain lists, dicts, strings and integers, for configs and checkpoints."""
        return [
            {"name": h.name, "num_classes": h.num_classes, "classes": list(h.classes)}
            for h in self.values()
        ]

    @property
    def num_classes(self) -> dict[str, int]:
        """Number of classes by head name."""
        return {name: head.num_classes for name, head in self._heads.items()}

    def __getitem__(self, name: str) -> Head:
        return self._heads[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._heads)

    def __len__(self) -> int:
        return len(self._heads)

    def __repr__(self) -> str:
        return f"Heads({self.num_classes})"
