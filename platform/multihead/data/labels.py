"""Heads made from a dataset's own label by label maps.

A map gives every label of the dataset a class of the new head, such as the stroke thickness
of a digit. A mapped head is a function of the label. So it adds no information about the image,
and its accuracy follows the accuracy of the label.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from multihead import settings
from multihead.data.source import Source
from multihead.errors import ConfigError, DataError
from multihead.heads import Head, Heads

HeadsConfig = Mapping[str, Mapping[str, Any] | None]
_SPEC_KEYS = {"map", "num_classes", "classes"}


def shipped_heads(name: str) -> HeadsConfig:
    """Return the heads of `experiments/data/heads/<name>.yaml` as shipped with the package."""
    text = (settings.packaged("experiments") / "data" / "heads" / f"{name}.yaml").read_text()
    heads: HeadsConfig = yaml.safe_load(text)
    return heads


class LabelMaps:
    """Turn labels of one head into labels of several.

    Args:
        base: The dataset's own head.
        config: By head name, `{}` or None for the label itself, or `{map: ...}`. A map is
            `{label: class}`, or a list with one class per label. Optional further keys are
            `num_classes` (default: the largest class plus one) and `classes` (their names).

    Raises:
        ConfigError: If a map misses a label, names one that does not exist, or gives a class
            outside the head's classes.
    """

    def __init__(self, base: Head, config: HeadsConfig) -> None:
        tables, heads = {}, []
        for name, spec in config.items():
            head, table = _mapped_head(base, str(name), {} if spec is None else spec)
            heads.append(head)
            tables[head.name] = table
        self.heads = Heads(heads)
        self._tables = tables

    def __call__(self, labels: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
        """Map labels [N] to labels [N] by head name. A missing label, -1, stays missing."""
        missing = labels < 0
        return {n: np.where(missing, -1, table[labels]) for n, table in self._tables.items()}

    def apply(self, source: Source) -> Source:
        """Return the source with these heads instead of its own single head."""
        ((base, labels),) = source.labels.items()
        incomplete = frozenset(self.heads) if source.incomplete else frozenset()
        # A change that makes the label wrong also makes the mapped labels wrong.
        breaks = dict.fromkeys(self.heads, source.breaks.get(base, frozenset()))
        return replace(
            source, labels=self(labels), heads=self.heads, incomplete=incomplete, breaks=breaks
        )


class MultiheadDataset(Dataset[tuple[Any, dict[str, int]]]):
    """Wrap any `(image, label)` dataset so that it yields `(image, {head: label})`.

    Args:
        base_dataset: A map-style dataset of pairs of an image and an integer label.
        heads: As in `LabelMaps`. None means digit, thickness and smoothness of handwritten digits.
        num_classes: Number of classes of the dataset's own label.

    Raises:
        ConfigError: If a map does not cover the label's classes.
        DataError: On access, if a sample's label is outside the classes.
    """

    def __init__(
        self,
        base_dataset: Any,
        heads: HeadsConfig | None = None,
        num_classes: int = 10,
    ) -> None:
        config = shipped_heads("handwritten_digit") if heads is None else heads
        self.base_dataset = base_dataset
        self._maps = LabelMaps(Head("label", num_classes), config)
        self.heads = self._maps.heads
        self._labels = [
            {
                name: int(values[label])
                for name, values in self._maps(np.arange(num_classes)).items()
            }
            for label in range(num_classes)
        ]

    def __len__(self) -> int:
        return len(self.base_dataset)

    def __getitem__(self, index: int) -> tuple[Any, dict[str, int]]:
        """Return one image as the base dataset gives it, with its label for every head."""
        image, label = self.base_dataset[index]
        number = int(label.item() if isinstance(label, Tensor) else label)
        if not 0 <= number < len(self._labels):
            raise DataError(
                f"sample {index} has label {number}, outside the classes 0 to "
                f"{len(self._labels) - 1}; pass num_classes to MultiheadDataset."
            )
        return image, dict(self._labels[number])

    def __iter__(self) -> Iterator[tuple[Any, dict[str, int]]]:
        return (self[index] for index in range(len(self)))


def _mapped_head(base: Head, name: str, spec: Mapping[str, Any]) -> tuple[Head, NDArray[np.int64]]:
    if not isinstance(spec, Mapping):
        raise ConfigError(
            f"data.heads.{name} is {spec!r}; give {{}} for the dataset's own label, or "
            f"{{map: ...}}."
        )
    unknown = sorted(set(spec) - _SPEC_KEYS)
    if unknown:
        raise ConfigError(
            f"data.heads.{name} has the key {unknown[0]!r}; allowed are {sorted(_SPEC_KEYS)}."
        )
    if spec.get("map") is None:
        table = np.arange(base.num_classes, dtype=np.int64)
    else:
        table = _table(base, name, spec["map"])
    count = spec.get("num_classes")
    if count is None:
        count = int(table.max()) + 1
    elif isinstance(count, bool) or not isinstance(count, int):
        raise ConfigError(f"data.heads.{name}.num_classes is {count!r}; give a whole number.")
    outside = table[(table < 0) | (table >= count)]
    if len(outside):
        raise ConfigError(
            f"data.heads.{name}.map gives class {int(outside[0])}, outside the classes 0 to "
            f"{count - 1}; change the map or set data.heads.{name}.num_classes."
        )
    names = spec.get("classes")
    if names is None:
        names = base.classes if spec.get("map") is None and count == base.num_classes else ()
    return Head(name, count, tuple(map(str, names))), table


def _table(base: Head, name: str, mapping: Mapping[Any, Any] | Sequence[Any]) -> NDArray[np.int64]:
    if isinstance(mapping, str) or not isinstance(mapping, Mapping | Sequence):
        raise ConfigError(
            f"data.heads.{name}.map is {mapping!r}; give {{label: class}}, or a list with one "
            f"class per label."
        )
    pairs = mapping.items() if isinstance(mapping, Mapping) else enumerate(mapping)
    table: dict[int, int] = {}
    for label, value in pairs:
        if isinstance(value, bool) or not isinstance(value, int) or not _is_integer(label):
            raise ConfigError(
                f"data.heads.{name}.map has {label!r}: {value!r}; labels and classes are integers."
            )
        if not 0 <= int(label) < base.num_classes:
            raise ConfigError(
                f"data.heads.{name}.map names label {label}, but the dataset has the labels 0 to "
                f"{base.num_classes - 1}; remove it."
            )
        table[int(label)] = value
    missing = [label for label in range(base.num_classes) if label not in table]
    if missing:
        raise ConfigError(
            f"data.heads.{name}.map does not cover label {missing[0]}; give each of the labels "
            f"0 to {base.num_classes - 1} a class."
        )
    return np.array([table[label] for label in range(base.num_classes)], dtype=np.int64)


def _is_integer(label: Any) -> bool:
    return isinstance(label, int) or (isinstance(label, str) and label.isdecimal())
