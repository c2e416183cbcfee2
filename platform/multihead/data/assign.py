"""Divide samples into training, validation and test: seeded, stratified, and by whole groups.

The parts depend only on the arguments, not on a dataset or a configuration.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multihead.data.grouped import grouped
from multihead.data.strata import label_numbers
from multihead.data.stratified import stratified
from multihead.errors import ConfigError

Size = float | int


@dataclass(frozen=True)
class SplitRules:
    """How samples are divided into training, validation and test.

    Attributes:
        sizes: Sizes of the three parts. An integer is a count, a float from 0 to 1 is a share.
            With folds, the first two sizes divide the samples that are not in the test part.
        folds: Number of folds, 2 or more. Each fold can be the test part. None means no folds.
        fold: The fold that is the test part, from 0.
        seed: Seed of the random draw, 0 or more.

    Raises:
        ConfigError: If a value breaks these rules.
    """

    sizes: tuple[Size, Size, Size] = (0.7, 0.15, 0.15)
    folds: int | None = None
    fold: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if len(self.sizes) != 3:
            raise ConfigError(
                f"the sizes of the parts are {list(self.sizes)}; give three sizes: training, "
                f"validation, test."
            )
        check_sizes_of_parts(self.sizes)
        if not self.sizes[0]:
            raise ConfigError("the training part has the size 0; give at least one sample.")
        check_fold(self.folds, self.fold)


def check_sizes_of_parts(sizes: Sequence[Size]) -> None:
    """Check that each size is a count or a share.

    Raises:
        ConfigError: If a size is neither. The message names it.
    """
    for size in sizes:
        most = 1 if isinstance(size, float) else np.inf
        if isinstance(size, bool) or not 0 <= size <= most:
            raise ConfigError(
                f"the size {size!r} of a part is not allowed; give a count, 0 or more, or a share "
                f"from 0.0 to 1.0."
            )


def check_fold(folds: int | None, fold: int | None) -> None:
    """Check that the fold is one of the folds.

    Raises:
        ConfigError: If it is not, or if only one of the two is given.
    """
    if (folds is None) != (fold is None):
        given, other = ("folds", "fold") if fold is None else ("fold", "folds")
        raise ConfigError(f"data.{given} is given without data.{other}; give both or neither.")
    if folds is None or fold is None:
        return
    if folds < 2:
        raise ConfigError(f"data.folds is {folds}; 2 or more folds are needed.")
    if not 0 <= fold < folds:
        raise ConfigError(f"data.fold is {fold}; with data.folds={folds} it is 0 to {folds - 1}.")


def assign_parts(
    count: int,
    rules: SplitRules,
    groups: NDArray[Any] | None = None,
    strata: Mapping[str, NDArray[Any]] | None = None,
) -> NDArray[np.int8]:
    """Divide samples into training, validation and test.

    Args:
        count: Number of samples, N.
        rules: Sizes or folds.
        groups: Group of each sample, [N], of any type. No group is in two parts.
        strata: Labels by name. Each part gets an equal share of them, as far as the counts allow.
            `strata.label_numbers` describes their types and how missing labels are marked.

    Returns:
        int8 [N]: 0 is training, 1 is validation, 2 is test. -1 is in no part, which occurs if the
        sizes leave samples out.

    Raises:
        ConfigError: If sizes exceed the data, or there are more parts or folds than groups.
    """
    labels = label_numbers(count, strata or {})
    if rules.folds is None:
        sizes = part_sizes(count, rules.sizes)
        drawn = _drawn(sizes, groups, labels, [rules.seed, count], "parts")
        return np.where(drawn == len(rules.sizes), -1, drawn).astype(np.int8)
    tested = fold_numbers(count, rules.folds, rules.seed, groups, strata) == rules.fold
    rest = np.flatnonzero(~tested)
    train, validation = (float(size) for size in rules.sizes[:2])
    sizes = part_sizes(len(rest), (train / (train + validation), validation / (train + validation)))
    own = None if groups is None else groups[rest]
    parts = np.full(count, 2, np.int8)
    parts[rest] = _drawn(sizes, own, labels[rest], [rules.seed, count, rules.fold or 0], "parts")
    return parts


def fold_numbers(
    count: int,
    folds: int,
    seed: int,
    groups: NDArray[Any] | None = None,
    strata: Mapping[str, NDArray[Any]] | None = None,
) -> NDArray[np.int8]:
    """Return the fold of each sample, int8 [N], 0 to folds - 1.

    `assign_parts` describes the arguments.

    Raises:
        ConfigError: If there are more folds than samples or groups.
    """
    sizes = np.full(folds, count // folds)
    sizes[: count % folds] += 1
    labels = label_numbers(count, strata or {})
    return np.asarray(_drawn(sizes, groups, labels, [seed, count, folds], "folds"), np.int8)


def part_sizes(count: int, sizes: tuple[Size, ...]) -> NDArray[np.int64]:
    """Return the count of each part, and last the count of samples in no part, int64 [P + 1].

    Shares are rounded so that their sum is right. A part with a share above 0 gets at least one
    sample if there are enough.

    Raises:
        ConfigError: If the sizes exceed the data.
    """
    exact = np.array([size * count if isinstance(size, float) else size for size in sizes])
    total = exact.sum()
    if total > count * (1 + 1e-9):
        what = " + ".join(f"{size:,}" for size in sizes)
        raise ConfigError(
            f"the parts {what} need {total:,.0f} samples, but there are {count:,}; choose smaller "
            f"sizes."
        )
    made = np.floor(exact + 1e-9).astype(np.int64)
    for part in np.argsort(made - exact, kind="stable")[: round(total) - made.sum()]:
        made[part] += 1
    for part in np.flatnonzero((made == 0) & (exact > 0)):
        if made.max() > 1:
            made[made.argmax()] -= 1
            made[part] = 1
    return np.append(made, count - made.sum())


def _drawn(
    sizes: NDArray[np.int64],
    groups: NDArray[Any] | None,
    labels: NDArray[np.int64],
    seed: list[int],
    what: str,
) -> NDArray[np.int64]:
    rng = np.random.default_rng(seed)
    parts = int(np.count_nonzero(sizes))
    if what == "folds" and len(labels) < len(sizes):
        raise ConfigError(
            f"data.folds is {len(sizes)}, but there are only {len(labels)} samples; "
            f"choose fewer folds."
        )
    if groups is None:
        return stratified(labels, sizes, rng)
    numbers = np.unique(groups, return_inverse=True)[1]
    found = int(numbers.max(initial=-1)) + 1
    if found < parts:
        raise ConfigError(
            f"{parts} {what} need as many groups, but there are only {found} groups. A group "
            f"cannot be divided; choose fewer {what}."
        )
    return grouped(numbers, labels, sizes, rng)
