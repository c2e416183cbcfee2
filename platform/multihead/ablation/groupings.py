"""Divide heads into groups that share a network, and score each grouping by pairwise affinity.

Each head is in exactly one group. The paper also allows a head that is trained in several groups
and used from one of them; such choices are not considered.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

MOST_HEADS = 8  # 4,140 groupings
Group = tuple[str, ...]
Grouping = tuple[Group, ...]


def partitions(heads: Sequence[str]) -> Iterator[Grouping]:
    """Yield every way to divide heads into groups. Heads and groups keep their order.

    Args:
        heads: Names of the heads, at least one.
    """
    if not heads:
        yield ()
        return
    *others, last = heads
    for groups in partitions(others):
        for place, group in enumerate(groups):
            yield (*groups[:place], (*group, last), *groups[place + 1 :])
        yield (*groups, (last,))


def affinity_of_grouping(grouping: Grouping, affinity: pd.DataFrame) -> float:
    """Return the mean over heads of the affinity that their group has onto them.

    The affinity onto a head is the mean over the other heads of its group, as in the paper (Fifty
    et al. 2021, section 4). For a head that is alone it is 0.

    Args:
        grouping: A grouping of all heads.
        affinity: Affinities by head name, [T, T]. The row is the head whose loss makes the step.

    Returns:
        The mean; nan if the affinity of two heads in a group is unknown.
    """
    onto = [
        float(np.mean([affinity.loc[other, head] for other in group if other != head]))
        if len(group) > 1
        else 0.0
        for group in grouping
        for head in group
    ]
    return float(np.mean(onto))


def shown(grouping: Grouping) -> str:
    """Return a grouping as text, such as `x + y | hue`."""
    return " | ".join(" + ".join(group) for group in grouping)
