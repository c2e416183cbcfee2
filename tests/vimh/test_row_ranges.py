from itertools import chain

import numpy as np
import pytest

from multihead.errors import ConfigError
from multihead.vimh.row_ranges import (
    clipped,
    ranges_of,
    rows_of,
    share_of,
    shuffled,
    split_shards,
)

STARTS = np.array([0, 8, 16, 24, 29])


def test_ranges_are_the_runs_of_rows_cut_where_a_shard_ends() -> None:
    rows = np.array([0, 1, 2, 6, 7, 8, 9, 28])
    assert ranges_of(rows, STARTS).tolist() == [[0, 3], [6, 8], [8, 10], [28, 29]]
    assert ranges_of(np.empty(0, np.int64), STARTS).tolist() == []


def test_ranges_say_the_rows_that_they_are_made_of() -> None:
    rng = np.random.default_rng(0)
    for size in range(30):
        rows = np.sort(rng.choice(29, size=min(size, 29), replace=False))
        assert rows_of(ranges_of(rows, STARTS)).tolist() == rows.tolist()


def test_a_clip_is_the_same_places_of_the_rows() -> None:
    ranges = np.array([[8, 12], [0, 5], [20, 21]])
    rows = rows_of(ranges)
    for first in range(11):
        for last in range(first, 11):
            assert rows_of(clipped(ranges, first, last)).tolist() == rows[first:last].tolist()


def test_a_shuffle_moves_whole_shards_by_seed_and_epoch() -> None:
    ranges = ranges_of(np.arange(29), STARTS)
    orders = [shuffled(ranges, STARTS, 1, epoch).tolist() for epoch in range(8)]
    assert all(sorted(order) == ranges.tolist() for order in orders)
    assert orders[0] != orders[1]
    assert orders[0] == shuffled(ranges, STARTS, 1, 0).tolist()
    assert any(order != shuffled(ranges, STARTS, 2, 0).tolist() for order in orders[:1])


@pytest.mark.parametrize("even", [True, False])
def test_shares_are_disjoint_and_even_to_one(even: bool) -> None:
    for count in range(20):
        shares = [range(*share_of(count, rank, 3, even=even)) for rank in range(3)]
        there = list(chain(*shares))
        sizes = {len(share) for share in shares}
        assert there == list(range(count - count % 3 if even else count))
        assert max(sizes) - min(sizes) <= (0 if even else 1)


@pytest.mark.parametrize("sizes", [(20, 9), (20, 3), (1, 28), (0, 29), (29, 0), (3, 0)])
def test_parts_are_disjoint_of_the_sizes_asked_for_and_from_every_shard(
    sizes: tuple[int, int],
) -> None:
    train, val = split_shards(STARTS, sizes, 3, "it")
    assert (len(train), len(val)) == sizes
    assert len(set(train) | set(val)) == sum(sizes)
    assert set(train) | set(val) <= set(range(29))
    for part, size in ((train, sizes[0]), (val, sizes[1])):
        found = np.histogram(part, STARTS)[0]
        share = size * np.diff(STARTS) / 29
        assert (abs(found - share) < 2).all()


def test_a_part_is_two_ranges_of_a_shard_at_most() -> None:
    """Each range is a request to the storage."""
    for part in split_shards(STARTS, (20, 5), 0, "it"):
        shard = np.searchsorted(STARTS, ranges_of(part, STARTS)[:, 0], side="right")
        assert np.bincount(shard).max() <= 2


def test_parts_depend_on_the_seed_alone() -> None:
    one, again, other = (split_shards(STARTS, (20, 9), s, "it")[1].tolist() for s in (1, 1, 2))
    assert one == again != other


@pytest.mark.parametrize("sizes", [(-1, 5), (20, 10)])
def test_sizes_that_exceed_the_rows_are_refused(sizes: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="train_val_test_split"):
        split_shards(STARTS, sizes, 0, "it")
