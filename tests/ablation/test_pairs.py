"""Which values are compared, and what is said of those that are not."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from multihead.ablation.pairs import MEAN, pairs, with_mean

Make = Callable[..., pd.DataFrame]


def test_only_seeds_of_both_arms_are_compared_and_the_others_named(values: Make) -> None:
    table = values(
        {
            ("single", "digit", "acc"): [0.1, 0.2, 0.3, None],
            ("both", "digit", "acc"): [0.5, None, 0.7, 0.8],
        }
    )
    (pair,) = pairs(table, "single")
    assert pair.ours.tolist() == [0.5, 0.7]
    assert pair.theirs.tolist() == [0.1, 0.3]
    assert pair.notes == ("without seeds 1, 3, which are not in both arms",)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_value_that_is_not_finite_is_none(values: Make, broken: float) -> None:
    table = values(
        {("single", "digit", "acc"): [0.1, 0.2], ("both", "digit", "acc"): [0.5, broken]}
    )
    (pair,) = pairs(table, "single")
    assert (pair.n, pair.notes) == (1, ("without seeds 1, which are not in both arms",))


def test_the_order_of_rows_does_not_mix_up_seeds(values: Make) -> None:
    table = values(
        {("single", "digit", "acc"): [0.1, 0.2, 0.3], ("both", "digit", "acc"): [0.4, 0.5, 0.6]}
    )
    (pair,) = pairs(table.sample(frac=1, random_state=1), "single")
    assert (pair.ours - pair.theirs).tolist() == pytest.approx([0.3, 0.3, 0.3])


def test_a_head_that_the_arm_left_out_is_left_out_and_has_no_mean(values: Make) -> None:
    one = [0.1, 0.2]
    heads = ["digit", "slant"]
    table = values({("all", h, "acc"): one for h in heads} | {("no_slant", "digit", "acc"): one})
    assert [(p.arm, p.head) for p in pairs(table, "all")] == [("no_slant", "digit")]


def test_a_metric_that_the_arm_lacks_is_an_empty_pair_that_says_so(values: Make) -> None:
    table = values(
        {
            ("single", "slant", "acc"): [0.1, 0.2],
            ("single", "slant", "mae"): [1.0, 2.0],
            ("both", "slant", "acc"): [0.1, 0.2],
        }
    )
    assert [(p.metric, p.n, p.notes) for p in pairs(table, "single")] == [
        ("acc", 2, ()),
        ("mae", 0, ("no seed has mae in both arms",)),
    ]


def test_the_mean_is_over_all_heads_of_an_arm_and_seed(values: Make) -> None:
    table = values({("a", "digit", "acc"): [0.1, 0.2], ("a", "slant", "acc"): [0.3, None]})
    mean = with_mean(table).query("head == @MEAN")
    assert mean[["arm", "seed", "metric", "split", "run"]].values.tolist() == [
        ["a", 0, "acc", "test", ""]
    ]
    assert mean["value"].tolist() == pytest.approx([0.2])


def test_means_are_made_anew(values: Make) -> None:
    table = values({("a", "digit", "acc"): [0.1, 0.2], ("a", "slant", "acc"): [0.3, 0.4]})
    once = with_mean(table)
    pd.testing.assert_frame_equal(with_mean(once), once)


def test_a_metric_that_not_all_heads_share_has_no_mean(values: Make) -> None:
    table = values({("a", "digit", "acc"): [0.1], ("a", "slant", "mae"): [0.3]})
    assert MEAN not in set(with_mean(table)["head"])


def test_a_mean_of_errors_in_different_units_says_so(values: Make) -> None:
    of = {(arm, h, "mae"): [0.1, 0.2] for arm in ("a", "b") for h in ("width", "slant")}
    (mean,) = (p for p in pairs(values(of), "a") if p.head == MEAN)
    assert mean.notes == ("a mean of errors in each head's own unit",)
