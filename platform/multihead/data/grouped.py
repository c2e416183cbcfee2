"""Divide a data set into parts that share no group.

Sizes and label shares are met as closely as the groups allow. First each whole group, from the
largest on, goes to the part that needs its labels most. Then single groups move to other parts
while that reduces the error.
"""

import numpy as np
from numpy.typing import NDArray

_MOST_ROUNDS = 5


def grouped(
    groups: NDArray[np.int64],
    labels: NDArray[np.int64],
    sizes: NDArray[np.int64],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Return the part of each sample, int64 [N], 0 to P - 1. A group is in one part.

    No part is empty if its size is above 0 and there are as many groups as such parts.

    Args:
        groups: Group of each sample, [N], 0 to G - 1. Each number must occur.
        labels: Label numbers from `strata.label_numbers`, [N, S].
        sizes: Wanted sizes of the parts, [P]; their sum is N.
        rng: Breaks ties at random.
    """
    of_group = _counts(groups, labels)
    wanted = np.outer(of_group.sum(axis=0), sizes / sizes.sum())
    # Errors are relative to how often a label occurs. The size weighs as much as one label.
    scale = 1 / np.maximum(of_group.sum(axis=0), 1) ** 2
    order = rng.permutation(len(of_group))
    order = order[np.argsort(-of_group[order, 0], kind="stable")]
    chosen = np.full(len(of_group), -1)
    missing = wanted.copy()  # [L, P]
    for group in order:
        own = of_group[group]
        part = _neediest(own, missing, sizes, scale, rng)
        chosen[group] = part
        missing[:, part] -= own
    _improve(chosen, of_group, missing, scale, order, sizes)
    _fill(chosen, of_group[:, 0], sizes)
    return np.asarray(chosen[groups])


def _counts(groups: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return each group's number of samples, then how often it has each label, [G, 1 + L]."""
    width = int(labels.max(initial=-1)) + 2
    counts = np.zeros((int(groups.max()) + 1, width))
    counts[:, 0] = np.bincount(groups)
    for column in labels.T:
        has = column >= 0
        np.add.at(counts, (groups[has], column[has] + 1), 1)
    return counts


def _neediest(
    own: NDArray[np.float64],
    missing: NDArray[np.float64],
    sizes: NDArray[np.int64],
    scale: NDArray[np.float64],
    rng: np.random.Generator,
) -> int:
    """Return the part that has room for the group and most lacks its labels, for its size."""
    fits = missing[0] >= own[0]
    if not fits.any():
        fits = missing[0] == missing[0].max()
    need = (scale * own) @ missing / np.maximum(sizes, 1)
    need[~fits | (sizes == 0)] = -np.inf
    best = np.flatnonzero(need >= need.max() - 1e-12 * abs(need.max()))
    return int(rng.choice(best, p=sizes[best] / sizes[best].sum()))


def _improve(
    chosen: NDArray[np.int64],
    of_group: NDArray[np.float64],
    missing: NDArray[np.float64],
    scale: NDArray[np.float64],
    order: NDArray[np.int64],
    sizes: NDArray[np.int64],
) -> None:
    """Move single groups while that reduces the squared error of sizes and shares."""
    for _ in range(_MOST_ROUNDS):
        moved = 0
        for group in order:
            own, old = of_group[group], chosen[group]
            # Adding `own` to a part changes its squared error by own^2 - 2 * own * missing.
            gain = 2 * (scale * own) @ missing
            gain = gain - gain[old] - 2 * scale @ own**2
            gain[old], gain[sizes == 0] = 0, -np.inf
            new = int(gain.argmax())
            if gain[new] > 1e-12:
                chosen[group] = new
                missing[:, old] += own
                missing[:, new] -= own
                moved += 1
        if not moved:
            return


def _fill(chosen: NDArray[np.int64], counts: NDArray[np.float64], sizes: NDArray[np.int64]) -> None:
    """Give each empty part the smallest group of the part with the most groups."""
    for part in np.flatnonzero(sizes):
        if not (chosen == part).any():
            richest = np.bincount(chosen, minlength=len(sizes)).argmax()
            groups = np.flatnonzero(chosen == richest)
            if len(groups) > 1:
                chosen[groups[counts[groups].argmin()]] = part
