"""Parts of a data set with equal shares of labels, where each sample is free.

Samples whose labels all agree are interchangeable, so whole numbers of each such cell are given
out first. What is left is given out one by one to the part that lacks most of its labels, as in
iterative stratification (Sechidis, Tsoumakas & Vlahavas, ECML PKDD 2011). Theirs begins with the
rarest label; weighing each label by how rare it is comes nearer when there are many labels.
"""

import numpy as np
from numpy.typing import NDArray

from multihead.data.strata import cells_of


def stratified(
    labels: NDArray[np.int64], sizes: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the part of each sample, int64 [N], 0 to P - 1.

    Sizes are met exactly. With one stratum (S = 1) each part has its exact share of each label,
    rounded up or down; with several, nearly so.

    Args:
        labels: As `strata.label_numbers` gives them, [N, S].
        sizes: Of the parts, [P]; their sum is N.
        rng: Draws among equals.
    """
    cells = cells_of(labels)
    of_cell = np.bincount(cells)
    shares = np.outer(of_cell, sizes)  # in units of 1 / N samples, so that nothing is rounded
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
        rests: What rounding down takes from each entry, [C, P], in any unit; 0 stays so.
        whole: The table rounded down, [C, P].
        rows: Sums of the rows, [C]; those of the exact table.
        columns: Sums of the columns, [P]; those of the exact table.
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
    """Raise one more entry of a row along the shortest path of exchanges; there always is one."""
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
    """Give out the samples that are left, each to the part that lacks most of its labels."""
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
        # To lack a sample of a rare label is worse than to lack one of a common label.
        need = (1 / occurs[own]) @ wanted[own] if len(own) else room.astype(np.float64)
        need[room == 0] = -np.inf
        part = int(need.argmax())
        made[sample] = part
        room[part] -= 1
        wanted[own, part] -= 1
    return made
