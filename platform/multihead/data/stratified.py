"""Divide ungrouped samples into parts with equal shares of labels.

Samples with the same labels form a cell. First each part gets its share of each cell, rounded
down. The remaining samples go one by one to the part that most lacks their labels, as in iterative
stratification (Sechidis, Tsoumakas & Vlahavas, ECML PKDD 2011). The paper starts with the rarest
label. This code weights each label by its rarity instead, which is more exact for many labels.
"""

import numpy as np
from numpy.typing import NDArray

from multihead.data.strata import cells_of


def stratified(
    labels: NDArray[np.int64], sizes: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the part of each sample, int64 [N], 0 to P - 1.

    Sizes are exact. With one stratum (S = 1) the share of each label in each part is exact up to
    rounding. With several strata it is nearly exact.

    Args:
        labels: Label numbers from `strata.label_numbers`, [N, S].
        sizes: Sizes of the parts, [P]; their sum is N.
        rng: Breaks ties at random.
    """
    cells = cells_of(labels)
    of_cell = np.bincount(cells)
    shares = np.outer(of_cell, sizes)  # in units of 1 / N samples, to avoid rounding
    whole = shares // max(len(labels), 1)
    if labels.shape[1] < 2:
        whole = rounded(shares - whole * len(labels), whole, of_cell, sizes)
    order = rng.permutation(len(labels))
    order = order[np.argsort(cells[order], kind="stable")]
    starts = np.cumsum(of_cell) - of_cell
    ranks = np.empty(len(labels), np.int64)
    ranks[order] = np.arange(len(labels)) - np.repeat(starts, of_cell)
    parts: NDArray[np.int64] = np.zeros(len(labels), np.int64)
    for end in np.cumsum(whole, axis=1).T:
        parts += ranks >= end[cells]
    left = np.flatnonzero(parts == len(sizes))
    if len(left):
        parts[left] = -1
        parts[left] = _one_by_one(labels, sizes, parts, rng.permutation(left))[left]
    return parts


def rounded(
    rests: NDArray[np.int64],
    whole: NDArray[np.int64],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Round a table up or down so that the sums of its rows and columns are exact.

    Args:
        rests: What rounding down removes from each entry, [C, P], in any unit. An entry with 0
            is not rounded up.
        whole: The table rounded down, [C, P].
        rows: Sums of the rows of the exact table, [C].
        columns: Sums of the columns of the exact table, [P].
    """
    made = whole.copy()
    need, room = rows - whole.sum(axis=1), columns - whole.sum(axis=0)
    raised = np.zeros(rests.shape, bool)
    for row in range(len(rows)):
        for column in np.argsort(-rests[row], kind="stable"):
            if need[row] and room[column] and rests[row, column]:
                raised[row, column] = True
                need[row] -= 1
                room[column] -= 1
    for short in np.flatnonzero(need):
        for _ in range(need[short]):
            _make_room(int(short), raised, rests > 0, room)
    return made + raised


def _make_room(
    row: int, raised: NDArray[np.bool_], free: NDArray[np.bool_], room: NDArray[np.int64]
) -> None:
    """Round up one more entry of a row, by the shortest path of exchanges. One always exists."""
    came_from: dict[int, tuple[int, int]] = {}  # column: the row that takes it, its old column
    waiting = [(row, -1)]
    for taker, old in waiting:
        for column in np.flatnonzero(free[taker] & ~raised[taker]):
            if int(column) in came_from:
                continue
            came_from[int(column)] = (taker, old)
            if room[column]:
                room[column] -= 1
                step = int(column)
                while step >= 0:
                    who, before = came_from[step]
                    raised[who, step] = True
                    if before >= 0:
                        raised[who, before] = False
                    step = before
                return
            waiting += [(int(other), int(column)) for other in np.flatnonzero(raised[:, column])]


def _one_by_one(
    labels: NDArray[np.int64],
    sizes: NDArray[np.int64],
    parts: NDArray[np.int64],
    left: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Give each remaining sample to the part that most lacks its labels."""
    number = int(labels.max()) + 1
    occurs = np.bincount(labels[labels >= 0], minlength=number)
    wanted = np.outer(occurs, sizes / len(labels))
    for column in labels.T:
        given = (column >= 0) & (parts >= 0)
        np.subtract.at(wanted, (column[given], parts[given]), 1)
    room = sizes - np.bincount(parts[parts >= 0], minlength=len(sizes))
    made = parts.copy()
    for sample in left:
        own = labels[sample]
        own = own[own >= 0]
        # A missing sample of a rare label counts more than one of a common label.
        need = (1 / occurs[own]) @ wanted[own] if len(own) else room.astype(np.float64)
        need[room == 0] = -np.inf
        part = int(need.argmax())
        made[sample] = part
        room[part] -= 1
        wanted[own, part] -= 1
    return made
