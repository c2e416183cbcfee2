"""The ordered collection of a network's heads. All results per head have this order."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from multihead.errors import ConfigError
from multihead.heads.head import Head, kind_named
from multihead.heads.parameter import Parameter

# Limit for all heads together. Heads make tables of levels, and a record may state any number.
_MOST_CLASSES = 1_000_000


class Heads(Mapping[str, Head]):
    """An ordered, immutable collection of heads by name.

    Raises:
        ConfigError: If names are not unique, or there are no heads or too many classes.
    """

    def __init__(self, heads: Iterable[Head]) -> None:
        ordered = tuple(heads)
        self._heads = {head.name: head for head in ordered}
        if len(self._heads) != len(ordered):
            names = [head.name for head in ordered]
            raise ConfigError(f"head names must be unique, but they are {names}.")
        if sum(max(head.num_classes, head.outputs) for head in ordered) > _MOST_CLASSES:
            raise ConfigError(
                f"the heads have more than {_MOST_CLASSES:,} classes or levels in all; use fewer."
            )
        if not ordered:
            raise ConfigError("there are no heads; a network needs at least one.")

    @classmethod
    def from_outputs(cls, outputs: Mapping[str, int]) -> "Heads":
        """Make heads from `{name: outputs}`, the form of a network's `heads_config`.

        A head with one output is a regression with the range 0 to 1.
        """
        regression = kind_named("regression")
        return cls(
            Head(name, 256, kind=regression, parameter=Parameter(0.0, 1.0))
            if int(count) == 1
            else Head(name, int(count))
            for name, count in outputs.items()
        )

    @classmethod
    def from_record(cls, record: Iterable[Mapping[str, Any]]) -> "Heads":
        """Make heads from a record of `to_record`.

        Raises:
            ConfigError: If it is not such a record.
        """
        try:
            return cls(Head.of_record(r) for r in record)
        except (TypeError, KeyError, ValueError, AttributeError, OverflowError) as error:
            raise ConfigError(f"the record of the heads is damaged: {error}.") from error

    def to_record(self) -> list[dict[str, Any]]:
        """Return a record of lists, dicts, strings and numbers for configs and checkpoints."""
        return [head.to_record() for head in self.values()]

    @property
    def outputs(self) -> dict[str, int]:
        """The number of outputs of the network by head name."""
        return {name: head.outputs for name, head in self._heads.items()}

    @property
    def levels(self) -> dict[str, int]:
        """The number of classes or levels by head name; 0 if labels are neither."""
        return {name: head.num_classes for name, head in self._heads.items()}

    def __getitem__(self, name: str) -> Head:
        return self._heads[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._heads)

    def __len__(self) -> int:
        return len(self._heads)

    def __repr__(self) -> str:
        return f"Heads({self.outputs})"
