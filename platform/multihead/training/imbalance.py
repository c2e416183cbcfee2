"""Resolve `model.class_weights`, `model.pos_weight` and `model.label_smoothing` into numbers.

`balanced` weights are computed from the training labels. A class has n / (K n_c), as in
scikit-learn; the positive weight is (negative labels) / (positive labels).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multihead.data.datamodule import MultiheadDataModule
from multihead.errors import ConfigError
from multihead.heads import Head, Heads

BALANCED = "balanced"
Weights = str | float | Sequence[float]


@dataclass(frozen=True)
class Imbalance:
    """The configured values, by head name.

    Attributes:
        class_weights: `balanced`, or a weight per class.
        pos_weight: `balanced`, or the weight of a yes relative to a no: a number, or one per tag.
        label_smoothing: From 0 to 1; a single number applies to all heads of classes or tags.
    """

    class_weights: Mapping[str, Weights] = field(default_factory=dict)
    pos_weight: Mapping[str, Weights] = field(default_factory=dict)
    label_smoothing: Mapping[str, float] | float = field(default_factory=dict)

    @property
    def is_given(self) -> bool:
        """Whether any of the three is configured."""
        return any((self.class_weights, self.pos_weight, self.label_smoothing))

    def resolved(self, heads: Heads, data: MultiheadDataModule | None) -> "Resolved":
        """Return the numbers, with `balanced` replaced by weights.

        Args:
            heads: The heads of the network.
            data: The data whose training labels give the `balanced` weights.

        Raises:
            ConfigError: For an unknown head, for weights that do not fit its labels, or for
                `balanced` without data.
        """
        smoothing = self._smoothing(heads)
        for key, named in {**vars(self), "label_smoothing": smoothing}.items():
            for name in named:
                if name not in heads:
                    raise ConfigError(
                        f"model.{key} names head {name!r}, but the network has {list(heads)}; "
                        f"remove it."
                    )
        labels = _Labels(data)
        classes = {n: _class_weights(heads[n], w, labels) for n, w in self.class_weights.items()}
        yes = {n: _pos_weight(heads[n], w, labels) for n, w in self.pos_weight.items()}
        return Resolved(classes, yes, smoothing)

    def _smoothing(self, heads: Heads) -> dict[str, float]:
        given = self.label_smoothing
        if isinstance(given, Mapping):
            return dict(given)
        smoothed = {n: given for n, head in heads.items() if head.is_of_classes}
        if not smoothed:
            raise ConfigError(
                f"model.label_smoothing is {given}, but none of the heads {list(heads)} is one of "
                f"classes or tags; set it to null."
            )
        return smoothed


@dataclass(frozen=True)
class Resolved:
    """The resolved numbers, by head name.

    Attributes:
        class_weights: A weight per class, above 0.
        pos_weight: The weight of a yes for each output, above 0.
        label_smoothing: From 0 to 1.
    """

    class_weights: Mapping[str, list[float]] = field(default_factory=dict)
    pos_weight: Mapping[str, list[float]] = field(default_factory=dict)
    label_smoothing: Mapping[str, float] = field(default_factory=dict)

    def options(self, head: str) -> dict[str, Any]:
        """Return the arguments for the criterion of a head."""
        by_name = {"pos_weight": self.pos_weight, "label_smoothing": self.label_smoothing}
        return {option: given[head] for option, given in by_name.items() if head in given}

    def record(self) -> dict[str, str]:
        """Return the weights as logged parameters of a run, up to 100 per head."""
        return {
            f"{key}.{name}": " ".join(f"{weight:.6g}" for weight in weights[:100])
            for key, given in (
                ("class_weights", self.class_weights),
                ("pos_weight", self.pos_weight),
            )
            for name, weights in given.items()
        }


@dataclass(frozen=True)
class _Labels:
    """The training labels of a head that are not missing."""

    data: MultiheadDataModule | None

    def of(self, head: Head, key: str) -> NDArray[Any]:
        if self.data is None:
            raise ConfigError(
                f"model.{key}.{head.name} is balanced, which needs the training labels: train "
                f"with a MultiheadDataModule, or give numbers."
            )
        labels = self.data.train_source.take_labels(self.data.train_indices)[head.name]
        known: NDArray[Any] = labels[~head.kind.is_missing(labels)]
        return known


def balanced_classes(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return n / (K n_c) for counts n_c [C], K of them above 0; 1 for a class without a label."""
    there = counts > 0
    weights = counts.sum() / (max(int(there.sum()), 1) * np.maximum(counts, 1))
    return np.where(there, weights, 1.0)


def balanced_yes(yes: NDArray[np.int64], no: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return no / yes for counts [K]; 1 where one of the two is 0."""
    return np.where((yes > 0) & (no > 0), no / np.maximum(yes, 1), 1.0)


def _class_weights(head: Head, given: Weights, labels: _Labels) -> list[float]:
    if head.kind.class_counts(head, _no_rows(head)) is None:
        tags = head.kind.yes_counts(head, _no_rows(head)) is not None
        raise ConfigError(
            f"model.class_weights names head {head.name!r}, a {head.kind.name}, which has no "
            f"classes; {'use model.pos_weight' if tags else 'remove it'}."
        )
    if given == BALANCED:
        counts = head.kind.class_counts(head, labels.of(head, "class_weights"))
        assert counts is not None
        return [float(weight) for weight in balanced_classes(counts)]
    return _numbers(head, "class_weights", given, head.num_classes, "class")


def _pos_weight(head: Head, given: Weights, labels: _Labels) -> list[float]:
    if head.kind.yes_counts(head, _no_rows(head)) is None:
        raise ConfigError(
            f"model.pos_weight names head {head.name!r}, a {head.kind.name}, which has no yes/no "
            f"labels; remove it, or use model.class_weights."
        )
    if given == BALANCED:
        counts = head.kind.yes_counts(head, labels.of(head, "pos_weight"))
        assert counts is not None
        return [float(weight) for weight in balanced_yes(*counts)]
    return _numbers(head, "pos_weight", given, head.outputs, "tag")


def _no_rows(head: Head) -> NDArray[Any]:
    return np.zeros((0, *head.kind.label_shape(head)), head.kind.dtype)


def _numbers(head: Head, key: str, given: Weights, count: int, what: str) -> list[float]:
    single = isinstance(given, int | float) and not isinstance(given, bool)
    if single and key == "pos_weight":
        given = [given] * count  # type: ignore[list-item]
    numbers = [] if isinstance(given, str | int | float) else list(given)
    if len(numbers) != count or not all(_is_weight(number) for number in numbers):
        raise ConfigError(
            f"model.{key}.{head.name} is {given!r}; give {BALANCED}, or {count} numbers above 0, "
            f"one per {what}."
        )
    return [float(number) for number in numbers]


def _is_weight(number: object) -> bool:
    number_like = isinstance(number, int | float) and not isinstance(number, bool)
    return number_like and math.isfinite(number) and number > 0  # type: ignore[arg-type,operator]
