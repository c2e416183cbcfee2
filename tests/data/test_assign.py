"""Parts of a data set: disjoint, whole groups, equal shares of labels, fixed by the seed."""

import numpy as np
import pytest
from numpy.typing import NDArray

from multihead.data.assign import SplitRules, assign_parts, fold_numbers, part_sizes
from multihead.data.strata import label_numbers
from multihead.errors import ConfigError

DEFAULT = SplitRules()
SHARES = np.array([0.7, 0.15, 0.15])
RNG = np.random.default_rng(0)


def uneven(count: int, classes: int) -> NDArray[np.int64]:
    shares = 0.5 ** np.arange(classes)
    return RNG.choice(classes, count, p=shares / shares.sum()).astype(np.int64)


def counts(parts: NDArray[np.int8], codes: NDArray[np.int64], part: int) -> NDArray[np.int64]:
    return np.bincount(codes[parts == part], minlength=codes.max() + 1)


@pytest.mark.parametrize(
    ("sizes", "want"),
    [
        ((0.7, 0.15, 0.15), [700, 150, 150, 0]),
        ((600, 300, 100), [600, 300, 100, 0]),
        ((0.5, 100, 0.2), [500, 100, 200, 200]),
        ((1.0, 0, 0), [1000, 0, 0, 0]),
    ],
)
def test_sizes_are_shares_or_counts(sizes: tuple[float, float, float], want: list[int]) -> None:
    parts = assign_parts(1000, SplitRules(sizes))
    assert [int((parts == part).sum()) for part in (0, 1, 2, -1)] == want


@pytest.mark.parametrize("count", [3, 4, 5, 10, 11])
def test_no_part_is_empty_where_there_are_samples_for_each(count: int) -> None:
    assert min(np.bincount(assign_parts(count, DEFAULT), minlength=3)) >= 1


def test_shares_are_rounded_so_that_nothing_is_lost() -> None:
    for count in range(3, 200):
        sizes = part_sizes(count, DEFAULT.sizes)
        assert sizes[3] == 0
        assert (abs(sizes[:3] - SHARES * count) <= 1).all() or sizes[:3].min() == 1


@pytest.mark.parametrize("count", [40, 997, 5000])
@pytest.mark.parametrize("classes", [2, 7, 20])
def test_class_counts_are_the_exact_shares_rounded(count: int, classes: int) -> None:
    """Less than one sample away, which is what whole samples force; sizes stay exact."""
    codes = uneven(count, classes)
    codes[:3] = -1
    parts = assign_parts(count, DEFAULT, None, {"a": codes})
    sizes = np.bincount(parts, minlength=3)
    np.testing.assert_array_equal(sizes, part_sizes(count, DEFAULT.sizes)[:3])
    for part, size in enumerate(sizes):
        exact = np.bincount(codes + 1) * size / count
        assert (abs(counts(parts, codes + 1, part) - exact) < 1).all()


def test_several_heads_have_nearly_equal_shares() -> None:
    """At most 5 samples away for 24 heads; a draw without strata is 10 times as far."""
    columns = {f"h{i}": (RNG.random(4000) < (i + 1) / 30).astype(np.int64) for i in range(24)}
    parts = assign_parts(4000, DEFAULT, None, columns)
    for values in columns.values():
        for part in range(3):
            assert abs(counts(parts, values, part)[1] - values.sum() * SHARES[part]) <= 5


def test_tags_and_their_missing_rows_are_shared_equally() -> None:
    tags = (RNG.random((2000, 8)) < 0.1).astype(np.float32)
    tags[:200] = np.nan
    parts = assign_parts(2000, DEFAULT, None, {"tags": tags})
    for part in range(3):
        assert abs(np.isnan(tags[parts == part, 0]).sum() - 200 * SHARES[part]) <= 2
        off = np.nansum(tags[parts == part], axis=0) - np.nansum(tags, axis=0) * SHARES[part]
        assert abs(off).max() <= 4


def test_floats_are_stratified_by_their_quantiles() -> None:
    values = RNG.lognormal(size=500).astype(np.float32)
    values[:50] = np.nan
    parts = assign_parts(500, DEFAULT, None, {"a": values})
    for part in range(3):
        assert abs(np.isnan(values[parts == part]).sum() - 50 * SHARES[part]) < 1
        median = np.nanmedian(values[parts == part])
        assert 0.4 < (values[50:] < median).mean() < 0.6


def test_texts_and_truth_values_are_classes() -> None:
    labels = label_numbers(3, {"a": np.array(["x", "y", "x"]), "b": np.array([True, False, True])})
    np.testing.assert_array_equal(labels, [[0, 3], [1, 2], [0, 3]])


@pytest.mark.parametrize("strata", [None, {"a": uneven(2000, 5)}])
def test_no_group_is_cut_and_parts_are_near_to_their_sizes(
    strata: dict[str, NDArray[np.int64]] | None,
) -> None:
    groups = RNG.integers(0, 150, 2000)
    parts = assign_parts(2000, DEFAULT, groups, strata)
    assert all(len(set(parts[groups == group])) == 1 for group in set(groups))
    assert (abs(np.bincount(parts, minlength=3) - SHARES * 2000) < 40).all()
    for values in (strata or {}).values():
        for part in range(3):
            exact = np.bincount(values) * SHARES[part]
            assert (abs(counts(parts, values, part) - exact) < 20).all()


def test_each_part_has_a_group_even_where_one_group_is_most_of_the_data() -> None:
    groups = np.array(["a"] * 50 + ["b"] + ["c"])
    for seed in range(5):
        assert set(assign_parts(52, SplitRules(seed=seed), groups)) == {0, 1, 2}


@pytest.mark.parametrize("groups", [None, RNG.integers(0, 40, 403)])
def test_folds_are_a_partition_and_each_is_the_test_part_once(
    groups: NDArray[np.int64] | None,
) -> None:
    codes = uneven(403, 4)
    tested = np.zeros(403, int)
    for fold in range(5):
        rules = SplitRules((0.8, 0.2, 0), folds=5, fold=fold)
        parts = assign_parts(403, rules, groups, {"a": codes})
        tested += parts == 2
        assert set(parts) == {0, 1, 2}
        if groups is None:
            assert abs(int((parts == 1).sum()) - 0.2 * (parts != 2).sum()) < 1
            assert (abs(counts(parts, codes, 2) - np.bincount(codes) / 5) < 1).all()
        else:
            assert all(len(set(parts[groups == group])) == 1 for group in set(groups))
    assert (tested == 1).all()


def test_the_parts_are_fixed_by_the_seed_and_change_with_it() -> None:
    codes, groups = uneven(300, 3), RNG.integers(0, 60, 300)
    for own in (None, groups):
        made = [assign_parts(300, SplitRules(seed=s), own, {"a": codes}) for s in (0, 0, 1)]
        np.testing.assert_array_equal(made[0], made[1])
        assert (made[0] != made[2]).any()


def test_the_names_of_groups_do_not_matter() -> None:
    groups = RNG.integers(0, 60, 300)
    a = assign_parts(300, DEFAULT, groups)
    np.testing.assert_array_equal(a, assign_parts(300, DEFAULT, groups * 7 + 3))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((0.7, 0.2, 0.2), "choose smaller sizes"),
        ((90, 20, 0), "90 \\+ 20 \\+ 0 need 110 samples, but there are 100"),
        ((1.2, 0, 0), "from 0.0 to 1.0"),
        ((-1, 0, 0), "a count, 0 or more"),
        ((0, 0.5, 0.5), "the training part has the size 0"),
    ],
)
def test_sizes_that_cannot_be_are_refused(sizes: tuple[float, float, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        assign_parts(100, SplitRules(sizes))


@pytest.mark.parametrize(
    ("folds", "fold", "message"),
    [
        (5, 5, "data.fold is 5; with data.folds=5 it is 0 to 4"),
        (5, -1, "it is 0 to 4"),
        (1, 0, "2 or more folds"),
        (5, None, "without data.fold"),
        (None, 1, "without data.folds"),
    ],
)
def test_a_fold_that_is_none_is_refused(folds: int | None, fold: int | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SplitRules(folds=folds, fold=fold)


def test_more_folds_or_parts_than_groups_are_refused() -> None:
    groups = np.array([0, 0, 1, 1])
    with pytest.raises(
        ConfigError, match="3 folds need as many groups, but there are only 2 groups"
    ):
        fold_numbers(4, 3, 0, groups)
    with pytest.raises(
        ConfigError, match="3 parts need as many groups, but there are only 2 groups"
    ):
        assign_parts(4, DEFAULT, groups)
    with pytest.raises(ConfigError, match="only 4 samples"):
        fold_numbers(4, 5, 0)
