"""Seeded splits. The chosen samples depend only on (count, sizes, seed)."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from multihead.errors import ConfigError


def split_indices(
    count: int, sizes: Sequence[int], seed: int, what: str
) -> list[NDArray[np.int64]]:
    """Draw disjoint random subsets of `range(count)`.

    Args:
        count: Number of samples.
        sizes: Number of samples in each part. Samples beyond their sum are not used.
        seed: Seed of the random draw.
        what: Name of the samples in error messages, such as "the training file of mnist".

    Returns:
        Sorted int64 indices [sizes[i]] of each part.

    Raises:
        ConfigError: If a size is negative or the sizes exceed the count.
    """
    check_sizes(count, sizes, what)
    order = np.random.default_rng([seed, count]).permutation(count)
    ends = np.cumsum([0, *sizes])
    return [np.sort(order[a:b]) for a, b in pairwise(ends)]


def check_sizes(count: int, sizes: Sequence[int], what: str) -> None:
    """Check that parts of these sizes can be drawn; see `split_indices` for the arguments.

    Raises:
        ConfigError: If a size is negative or the sizes exceed the count.
    """
    if min(sizes) < 0:
        raise ConfigError(
            f"data.train_val_test_split has the size {min(sizes)}; sizes are 0 or more."
        )
    if sum(sizes) > count:
        total = " + ".join(f"{size:,}" for size in sizes)
        raise ConfigError(
            f"data.train_val_test_split asks for {total} samples of {what}, which has {count:,}; "
            f"choose smaller sizes."
        )


def split_groups(
    groups: NDArray[np.int64], sizes: Sequence[int], seed: int, what: str
) -> list[NDArray[np.int64]]:
    """Draw random subsets that share neither samples nor groups.

    Args:
        groups: Group of each sample, [N], 0 or more.
        sizes: Number of samples in each part. If a part ends within a group, the rest of that
            group is not used.
        seed: Seed of the random draw.
        what: Name of the samples in error messages.

    Returns:
        Sorted int64 indices [sizes[i]] of each part.

    Raises:
        ConfigError: If a size is negative, or the sizes exceed the samples that groups leave.
    """
    count = len(groups)
    check_sizes(count, sizes, what)
    rank = np.random.default_rng([seed, count]).permutation(int(groups.max()) + 1)[groups]
    order = np.argsort(rank, kind="stable")
    parts, start = [], 0
    for size in sizes:
        end = start + size
        if end > count:
            raise ConfigError(
                f"data.train_val_test_split asks for {' + '.join(map(str, sizes))} samples of "
                f"{what}. Its {count:,} samples are in groups that must stay within one part, so "
                f"some are not used; choose smaller sizes."
            )
        parts.append(np.sort(order[start:end]))
        if size:
            start = int(np.searchsorted(rank[order], rank[order[end - 1]], side="right"))
    return parts
