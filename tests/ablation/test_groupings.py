"""Every way to divide heads into groups, and which of them affinity chooses."""

import numpy as np
import pandas as pd
import pytest

from multihead.ablation.groupings import affinity_of_grouping, partitions, shown


@pytest.mark.parametrize(
    ("heads", "count"), [(1, 1), (2, 2), (3, 5), (4, 15), (5, 52), (6, 203), (7, 877), (8, 4140)]
)
def test_partitions_are_as_many_as_bell_counts_and_each_head_is_in_one_group(
    heads: int, count: int
) -> None:
    names = [f"h{i}" for i in range(heads)]
    found = list(partitions(names))
    assert len({frozenset(map(frozenset, grouping)) for grouping in found}) == len(found) == count
    assert all(sorted(sum(grouping, ())) == names for grouping in found)


def test_three_heads_are_divided_in_five_ways() -> None:
    assert {shown(grouping) for grouping in partitions("abc")} == {
        "a + b + c",
        "a + b | c",
        "a + c | b",
        "a | b + c",
        "a | b | c",
    }


def test_a_grouping_has_the_mean_affinity_onto_its_heads() -> None:
    values = [[np.nan, 0.4, 0.1], [0.2, np.nan, -0.3], [0.0, -0.5, np.nan]]
    affinity = pd.DataFrame(values, index=list("abc"), columns=list("abc"))
    whole = [(0.2 + 0.0) / 2, (0.4 - 0.5) / 2, (0.1 - 0.3) / 2]
    assert affinity_of_grouping((("a", "b", "c"),), affinity) == pytest.approx(sum(whole) / 3)
    assert affinity_of_grouping((("a", "b"), ("c",)), affinity) == pytest.approx(0.6 / 3)
    assert affinity_of_grouping((("a",), ("b",), ("c",)), affinity) == 0
    unknown = affinity.mask(affinity == 0.4)
    assert np.isnan(affinity_of_grouping((("a", "b"), ("c",)), unknown))
