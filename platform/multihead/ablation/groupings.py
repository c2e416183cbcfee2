"""Which heads should share a network: every way to divide them, judged by pairwise affinity.

Each head is in exactly one group. Choices in which a head is trained in several groups and used
from one of them, as the paper allows, are not looked at.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

MOST_HEADS = 8  # 4,140 groupings
Group = tuple[str, ...]
Grouping = tuple[Group, ...]


def partitions(heads: Sequence[str]) -> Iterator[Grouping]:
    """Yield every way to divide heads into groups; heads and groups keep their order.

    Args:
        heads: At least one.
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

    Onto a head it is the mean over the others of its group, as in the paper (Fifty et al. 2021,
    section 4), and 0 for a head that is alone: nothing helps or harms it.

    Args:
        grouping: Of all heads.
        affinity: By head name, [T, T]; the row is the head that steps.

    Returns:
        nan if the affinity of two heads of a group is not known.
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
    """Return a grouping in words, such as `x + y | hue`."""
    return " | ".join(" + ".join(group) for group in grouping)
