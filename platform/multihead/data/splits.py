"""Seeded splits: which samples train and which validate depends on (count, sizes, seed) alone."""

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
        count: Number of samples there are.
        sizes: Number of samples in each part; what they leave is not used.
        seed: Fixes the draw.
        what: Names the samples in an error, such as "the training file of mnist".

    Returns:
        Sorted int64 indices [sizes[i]] of each part.

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
    order = np.random.default_rng([seed, count]).permutation(count)
    ends = np.cumsum([0, *sizes])
    return [np.sort(order[a:b]) for a, b in pairwise(ends)]
