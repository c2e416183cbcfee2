"""Choose training, validation and test samples as the `data` settings say.

If a dataset has its own test file, folds divide only its training file. Each fold can be the
validation part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multihead.data.assign import SplitRules, assign_parts, check_fold, fold_numbers, part_sizes
from multihead.data.loader import LoadsItself
from multihead.data.source import Source
from multihead.errors import ConfigError, DataError
from multihead.heads import Head


@dataclass(frozen=True)
class Partition:
    """How a dataset is divided.

    Attributes:
        sizes: Sizes of training, validation and test. Integers are counts, floats from 0 to 1 are
            shares of the file. None means that a tenth of the training file validates and the
            whole test file tests.
        stratify: Names of heads. Each part gets an equal share of their labels.
        folds: Number of folds of the training file. None means no folds.
        fold: The fold that validates, from 0.
        seed: Seed of the random draw.
        folded: Whether the source function divides the data into folds itself.

    Raises:
        ConfigError: If a value breaks these rules.
    """

    sizes: Sequence[float] | None
    stratify: Sequence[str] | None
    folds: int | None
    fold: int | None
    seed: int
    folded: bool = False

    def __post_init__(self) -> None:
        if self.sizes is not None and len(self.sizes) != 3:
            raise ConfigError(
                f"data.train_val_test_split is {list(self.sizes)}; give three sizes: "
                f"training, validation, test."
            )
        for size in self.sizes or ():
            if not isinstance(size, int) and not 0 <= size <= 1:
                raise ConfigError(
                    f"data.train_val_test_split has {size!r}; give counts, or shares from 0.0 to "
                    f"1.0."
                )
        if isinstance(self.stratify, str):
            raise ConfigError(f"data.stratify is {self.stratify!r}; give a list of heads.")
        check_fold(self.folds, self.fold)

    def train_val(self, source: Source) -> list[NDArray[np.int64]]:
        """Return the sorted indices of training samples and of validation samples, int64 each.

        Args:
            source: The training file with all its heads. So the parts do not depend on which heads
                are used.

        Raises:
            ConfigError: If sizes exceed the data, there are more folds than groups, or a head of
                `stratify` does not exist.
            DataError: If there are no samples.
        """
        if not len(source):
            raise DataError(
                f"the training file of {source.name} has no samples; there is nothing to train on."
            )
        given = source.validation
        if self.folds is not None and not self.folded:
            folds = self._folds(source, self.folds)
            return [np.flatnonzero(folds != self.fold), np.flatnonzero(folds == self.fold)]
        if given is not None and self.sizes is None:
            return [np.flatnonzero(~given), np.flatnonzero(given)]
        sizes = self._counts(source)
        if sizes[0] == 0:
            raise ConfigError("data.train_val_test_split has no training images; give at least 1.")
        what = f"the training file of {source.name}"
        if not self.stratify:
            return source.parts(sizes, self.seed, what)
        strata = self._strata(source)
        rules = SplitRules((sizes[0], sizes[1], 0), seed=self.seed)
        parts = assign_parts(len(source), rules, source.groups, strata)
        return [np.flatnonzero(parts == part) for part in (0, 1)]

    def test(self, source: Source) -> NDArray[np.int64]:
        """Return the sorted indices of the test samples in the test file, int64.

        Raises:
            ConfigError: If the size exceeds the data.
        """
        size: float = 1.0 if self.sizes is None else self.sizes[2]
        count = size if isinstance(size, int) else int(part_sizes(len(source), (size,))[0])
        return source.parts([count], self.seed, f"the test file of {source.name}")[0]

    def _folds(self, source: Source, count: int) -> NDArray[np.integer[Any]]:
        strata = self._strata(source)
        if not isinstance(source, LoadsItself) or source.groups is not None:
            return fold_numbers(len(source), count, self.seed, source.groups, strata)
        sizes = [len(part) for part in np.array_split(np.arange(len(source)), count)]
        if not min(sizes):
            raise ConfigError(
                f"data.folds is {count}, but there are only {len(source)} samples; choose fewer "
                f"folds."
            )
        folds = np.empty(len(source), np.int64)
        # Neighbouring rows stay together, so that few requests read a fold.
        what = f"the training file of {source.name}"
        for number, rows in enumerate(source.parts(sizes, self.seed, what)):
            folds[rows] = number
        return folds

    def _counts(self, source: Source) -> list[int]:
        count = len(source)
        if self.sizes is None:
            return [count - count // 10, count // 10]
        first, second = self.sizes[:2]
        if isinstance(first, int) and isinstance(second, int):
            return [first, second]
        return [int(size) for size in part_sizes(count, (first, second))[:2]]

    def _strata(self, source: Source) -> Mapping[str, NDArray[Any]]:
        for name in self.stratify or ():
            if name not in source.heads:
                raise ConfigError(
                    f"data.stratify names head {name!r}, but {source.name} has the heads "
                    f"{list(source.heads)}; name some of them."
                )
        if not self.stratify:
            return {}
        if isinstance(source, LoadsItself):
            raise ConfigError(
                f"data.stratify needs all labels before training, but {source.name} is read "
                f"during training; remove it. Every part gets the same share of each file."
            )
        labels = source.take_labels(np.arange(len(source)))
        return {name: strata_of(source.heads[name], labels[name]) for name in self.stratify}


def strata_of(head: Head, labels: NDArray[Any]) -> NDArray[Any]:
    """Return labels [N, ...] for `assign_parts`: levels of a range become floats."""
    if not head.has_range or labels.dtype.kind == "f":
        return labels
    numbers = labels.astype(np.float64)
    numbers[head.kind.is_missing(labels)] = np.nan
    return numbers
