"""Ranks of arms: against SciPy, and only where the seeds carry them."""

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from multihead.ablation.paired import holm
from multihead.ablation.rank_tests import cliques, friedman_p, paired_p, signed_rank_p
from multihead.ablation.ranks import ranking


def table(scores: np.ndarray, arms: str = "abcdefg", metric: str = "acc") -> pd.DataFrame:
    """Return the values [seeds, arms, heads] of one split."""
    rows = [
        {"arm": arms[a], "seed": s, "head": f"h{h}", "metric": metric, "value": scores[s, a, h]}
        for s, a, h in product(*map(range, scores.shape))
    ]
    return pd.DataFrame(rows)


def apart(seeds: int, gap: float = 1.0, heads: int = 1) -> np.ndarray:
    """Return values of three arms: c above b and a, which hardly differ."""
    noise = np.random.default_rng(3).normal(0, 0.1, (seeds, 3, heads))
    return noise + np.array([0.0, 0.0, gap])[None, :, None]


def test_with_one_head_ranks_and_tests_are_scipys() -> None:
    scores = apart(10)
    found = ranking(table(scores), ())
    assert found is not None
    arms = scores[:, :, 0]
    means = stats.rankdata(-arms, axis=1).mean(0)
    assert dict(zip(found.table["arm"], found.table["rank"], strict=True)) == pytest.approx(
        dict(zip("abc", means, strict=True))
    )
    assert found.p == pytest.approx(stats.friedmanchisquare(*arms.T).pvalue)
    p = {
        (a, b): stats.wilcoxon(arms[:, a], arms[:, b]).pvalue for a, b in combinations(range(3), 2)
    }
    corrected = dict(zip(p, holm(np.array([*p.values()])), strict=True))
    for row in found.pairs.itertuples():
        pair = tuple(sorted(("abc".index(row.arm), "abc".index(row.other))))
        assert row.p == pytest.approx(p[pair])
        assert row.p_holm == pytest.approx(corrected[pair])


def test_what_cannot_be_told_apart_is_a_group() -> None:
    found = ranking(table(apart(10)), ())
    assert found is not None
    assert [set(group) for group in found.groups] == [{"a", "b"}]
    assert found.table["arm"].iloc[0] == "c"
    assert list(found.table["groups"]) == ["", "a", "a"]
    assert found.sentence.startswith("c ranks first and is told apart from ")


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        (apart(5, gap=10), "5 seeds that all arms have are fewer than the 6"),
        (apart(8, gap=0), "Friedman's test does not tell the arms apart"),
        (np.ones((8, 3, 2)), "(p = 1)"),
        (
            apart(6, gap=10),
            "6 seeds can tell no two of 3 arms apart",
        ),
    ],
)
def test_where_the_statistics_do_not_carry_it_there_are_no_groups(
    scores: np.ndarray, reason: str
) -> None:
    found = ranking(table(scores), ())
    assert found is not None
    assert found.sentence.startswith("inconclusive: ")
    assert reason in found.sentence
    assert found.groups == ()
    assert found.pairs.empty


def test_folds_carry_no_groups() -> None:
    values = table(apart(10))
    found = ranking(values.assign(seed=[f"1 fold {seed}" for seed in values["seed"]]), ())
    assert found is not None
    assert "folds are not independent" in found.sentence


def test_a_seed_is_one_block_however_many_heads_it_has() -> None:
    """Ten heads that are copies say no more than one."""
    once, often = apart(8, gap=0.05), np.repeat(apart(8, gap=0.05), 10, axis=2)
    one, many = ranking(table(once), ()), ranking(table(often), ())
    assert one is not None
    assert many is not None
    assert many.seeds == 8
    assert many.p == pytest.approx(one.p)


def test_of_errors_the_smallest_ranks_first_and_units_do_not_matter() -> None:
    scores = apart(8, heads=2)
    up = ranking(table(scores), ())
    down = ranking(table(-1000 * scores, metric="mae"), ("mae",))
    assert up is not None
    assert down is not None
    pd.testing.assert_frame_equal(up.table, down.table)
    pd.testing.assert_frame_equal(up.pairs, down.pairs)


def test_another_arm_does_not_change_how_two_compare() -> None:
    """Benavoli et al. 2016: after mean ranks it could."""
    scores = np.random.default_rng(5).normal(size=(9, 4, 2)) + np.arange(4)[None, :, None]
    few, more = ranking(table(scores[:, :3]), ()), ranking(table(scores), ())
    assert few is not None
    assert more is not None
    p = more.pairs.set_index(["arm", "other"])["p"]
    for row in few.pairs.itertuples():
        assert p[row.arm, row.other] == row.p


def test_an_arm_without_all_heads_or_with_few_seeds_is_named_and_not_ranked() -> None:
    values = table(apart(8, heads=2))
    fourth = values[(values["arm"] == "a") & (values["head"] == "h0")].assign(arm="part")
    fifth = values[(values["arm"] == "a") & (values["seed"] < 2)].assign(arm="failed")
    found = ranking(pd.concat([values, fourth, fifth]), (), arms=["a", "lost"])
    assert found is not None
    assert set(found.table["arm"]) == {"a", "b", "c"}
    assert found.seeds == 8
    assert "Not ranked, for lack of heads or seeds: part, failed, lost." in found.sentence


def test_two_arms_are_not_ranked() -> None:
    assert ranking(table(apart(8)[:, :2]), ()) is None


def test_ties_and_zeros_are_tested_over_all_signs() -> None:
    """Of five seeds with a difference, all of one sign: 2 of 32, whatever the zeros."""
    ours = np.array([[1.0], [1.0], [2.0], [2.0], [3.0], [0.0], [0.0]])
    assert paired_p(ours, np.zeros_like(ours)) == pytest.approx(2 / 32)
    assert paired_p(ours, ours) == 1.0


@pytest.mark.parametrize("seeds", [6, 9])
def test_the_signed_rank_test_is_scipys(seeds: int) -> None:
    """With ties and zeros SciPy tries all signs; without them it knows the distribution."""
    rng = np.random.default_rng(seeds)
    plain, rounded = rng.normal(0.3, 1, seeds), rng.integers(-2, 4, seeds).astype(float)
    assert signed_rank_p(plain) == pytest.approx(stats.wilcoxon(plain, method="exact").pvalue)
    every = stats.PermutationMethod(n_resamples=2**seeds)
    with_ties = stats.wilcoxon(rounded, zero_method="pratt", method=every)
    assert signed_rank_p(rounded) == pytest.approx(with_ties.pvalue)


def test_friedman_of_equal_scores_is_one() -> None:
    assert friedman_p(np.ones((6, 3))) == 1.0


@pytest.mark.parametrize(
    ("told", "groups"),
    [
        (set(), [("a", "b", "c", "d")]),
        ({("a", "d")}, [("a", "b", "c"), ("b", "c", "d")]),
        ({("a", "b"), ("a", "c"), ("a", "d")}, [("b", "c", "d")]),
        ({("a", "b"), ("c", "b")}, [("a", "c", "d"), ("b", "d")]),
        (set(combinations("abcd", 2)), []),
    ],
)
def test_groups_are_the_largest_sets_of_arms_alike(
    told: set[tuple[str, str]], groups: list[tuple[str, ...]]
) -> None:
    assert cliques("abcd", told) == groups
