"""The table of statistics: what is in a row, and what no table is made of."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from multihead.ablation.rows import COLUMNS, verdict
from multihead.ablation.statistics import Comparison, compare, falling_metrics
from multihead.errors import ConfigError, DataError

Make = Callable[..., pd.DataFrame]
RNG = np.random.default_rng(7)
HEADS = ("digit", "thickness", "slant")
# Accuracies of 8 seeds: the arm gains a point on the digit, and nothing elsewhere.
DRAWN = {
    (arm, head, "acc"): (
        RNG.normal(0.9 + 0.02 * (arm == "both" and head == "digit"), 0.004, 8).round(4).tolist()
    )
    for arm in ("single", "both")
    for head in HEADS
}


@pytest.fixture
def comparison(values: Make) -> Comparison:
    """Return the comparison of the drawn values."""
    return compare(values(DRAWN), "single", lower_is_better=())


def row(comparison: Comparison, head: str, arm: str = "both") -> pd.Series:
    table = comparison.table
    return table[(table["arm"] == arm) & (table["head"] == head)].iloc[0]


def one_head(values: Make, ours: list[float], theirs: list[float], **options: object) -> pd.Series:
    of = {("single", "digit", "acc"): theirs, ("both", "digit", "acc"): ours}
    options = {"lower_is_better": (), **options}
    return row(compare(values(of), "single", **options), "digit")  # type: ignore[arg-type]


def test_a_row_per_head_and_one_for_their_mean(comparison: Comparison) -> None:
    assert tuple(comparison.table.columns) == COLUMNS
    assert comparison.table["head"].tolist() == [*HEADS, "mean"]
    assert len(comparison.sentences) == 4


@pytest.mark.parametrize("head", HEADS)
def test_the_descriptive_columns_are_those_of_the_values(comparison: Comparison, head: str) -> None:
    ours, theirs = (np.array(DRAWN[arm, head, "acc"]) for arm in ("both", "single"))
    found = row(comparison, head)
    assert found["n"] == 8
    assert found["mean"] == pytest.approx(ours.mean())
    assert found["sd"] == pytest.approx(ours.std(ddof=1))
    assert found["baseline_sd"] == pytest.approx(theirs.std(ddof=1))
    assert found["delta"] == pytest.approx((ours - theirs).mean())
    assert found["delta"] == pytest.approx(found["mean"] - found["baseline_mean"])
    assert found["ci_low"] < found["delta"] < found["ci_high"]
    assert found["p_smallest"] == 2 / 2**8


def test_the_mean_pairs_the_mean_over_heads_of_each_seed(comparison: Comparison) -> None:
    of_seeds = {
        arm: np.mean([DRAWN[arm, head, "acc"] for head in HEADS], axis=0)
        for arm in ("single", "both")
    }
    deltas = of_seeds["both"] - of_seeds["single"]
    found = row(comparison, "mean")
    assert found["delta"] == pytest.approx(deltas.mean())
    assert found["sd"] == pytest.approx(of_seeds["both"].std(ddof=1))


def test_the_drawn_gain_is_found_and_only_that(comparison: Comparison) -> None:
    verdicts = comparison.table.set_index("head")["verdict"]
    assert verdicts["digit"] == "better"
    assert set(verdicts[["thickness", "slant"]]) == {"inconclusive"}


def test_holm_is_across_the_heads_and_the_mean_is_not_one_of_them(
    comparison: Comparison,
) -> None:
    table = comparison.table.set_index("head")
    raw = table.loc[list(HEADS), "p"].sort_values()
    expected = np.minimum(np.maximum.accumulate(raw * [3, 2, 1]), 1)
    assert table.loc[raw.index, "p_holm"].tolist() == pytest.approx(expected.tolist())
    assert table.loc["mean", "p_holm"] == table.loc["mean", "p"]


def test_heads_of_different_metrics_are_one_family(values: Make) -> None:
    """An ablation of an accuracy and an error asks two questions, not one twice."""
    of = {("single", h, m): np.arange(6.0) for h, m in (("digit", "acc"), ("slant", "mae"))}
    of |= {("both", h, m): v + np.arange(1, 7) for (_, h, m), v in of.items()}
    table = compare(values(of), "single", lower_is_better={"mae"}).table
    assert table["p"].tolist() == [2 / 2**6] * 2
    assert table["p_holm"].tolist() == [4 / 2**6] * 2


def test_second_metrics_are_another_family(values: Make) -> None:
    of = {("single", h, m): np.arange(6.0) for h in ("a", "b") for m in ("acc", "r2")}
    of |= {("both", h, m): v + np.arange(1, 7) for (_, h, m), v in of.items()}
    table = compare(values(of), "single", lower_is_better=()).table
    heads = table[table["head"] != "mean"]
    assert heads["p_holm"].tolist() == [4 / 2**6] * 4
    assert heads[["head", "metric"]].values.tolist() == [
        [head, metric] for head in ("a", "b") for metric in ("acc", "r2")
    ]


def test_of_an_error_less_is_better_and_the_difference_keeps_its_sign(values: Make) -> None:
    of = {("single", "slant", "mae"): [2.0] * 8, ("both", "slant", "mae"): 1 + np.arange(8) / 10}
    comparison = compare(values(of), "single", lower_is_better=falling_metrics(["mae"]))
    found = row(comparison, "slant")
    assert found["delta"] < 0
    assert (found["improvement"], found["verdict"]) == (1.0, "better")
    turned = row(compare(values(of), "both", lower_is_better={"mae"}), "slant", arm="single")
    assert (turned["delta"], turned["verdict"]) == (-found["delta"], "worse")
    assert turned["ci_low"] == pytest.approx(-found["ci_high"], abs=1e-3)
    assert turned["p"] == found["p"]


@pytest.mark.parametrize(
    ("low", "high", "p_holm", "expected"),
    [
        (0.1, 0.3, 0.04, "better"),
        (-0.3, -0.1, 0.04, "worse"),
        (0.1, 0.3, 0.06, "inconclusive"),
        (-0.1, 0.3, 0.04, "inconclusive"),
        (0.0, 0.3, 0.04, "inconclusive"),
        (np.nan, np.nan, 1.0, "inconclusive"),
    ],
)
def test_a_verdict_takes_an_interval_without_zero_and_a_small_p(
    low: float, high: float, p_holm: float, expected: str
) -> None:
    assert verdict(low, high, p_holm, 0.05, falling=False) == expected
    mirrored = {"better": "worse", "worse": "better"}.get(expected, expected)
    assert verdict(low, high, p_holm, 0.05, falling=True) == mirrored


def test_five_seeds_are_always_inconclusive_and_more_than_five_needed(values: Make) -> None:
    ours = [0.9, 0.91, 0.92, 0.93, 0.94]
    found = one_head(values, ours, [v - 0.1 - 0.01 * i for i, v in enumerate(ours)])
    assert found["ci_low"] > 0
    assert (found["p"], found["verdict"], found["seeds_needed"]) == (2 / 2**5, "inconclusive", 6)


def test_where_seeds_did_not_suffice_more_are_needed(values: Make) -> None:
    """One seed of the other sign spoils the test of six, although a t test would pass."""
    found = one_head(values, [0.95, 0.951, 0.95, 0.951, 0.95, 0.919], [0.92] * 6)
    assert found["verdict"] == "inconclusive"
    assert found["seeds_needed"] > 6


def test_one_seed_has_a_difference_and_nothing_more(values: Make) -> None:
    found = one_head(values, [0.9], [0.8])
    assert (found["n"], found["delta"], found["p"]) == (1, pytest.approx(0.1), 1.0)
    assert found[["sd", "ci_low", "ci_high", "seeds_needed"]].isna().all()
    assert (found["verdict"], found["note"]) == (
        "inconclusive",
        "one seed: no interval, and no p below 1",
    )


def test_constant_metrics_are_inconclusive(values: Make) -> None:
    found = one_head(values, [1.0] * 8, [1.0] * 8)
    assert found[["delta", "ci_low", "ci_high", "p"]].tolist() == [0, 0, 0, 1]
    assert (found["improvement"], found["verdict"]) == (0.5, "inconclusive")
    assert found["note"] == "all differences are 0"
    assert pd.isna(found["seeds_needed"])


def test_a_constant_difference_is_its_own_interval(values: Make) -> None:
    found = one_head(values, [0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [0.8, 0.7, 0.6, 0.5, 0.4, 0.3])
    assert found[["ci_low", "ci_high"]].tolist() == pytest.approx([0.1, 0.1])
    assert (found["verdict"], found["seeds_needed"]) == ("better", 6)
    assert found["note"] == "all differences are equal: the interval is that number"


def test_no_seed_in_common_is_a_row_that_says_so(values: Make) -> None:
    found = one_head(values, [0.9, None, 0.8, None], [None, 0.9, None, 0.8])
    assert (found["n"], found["verdict"]) == (0, "inconclusive")
    assert found["note"] == "no seed has acc in both arms"
    assert found[["mean", "delta", "p", "p_holm", "improvement"]].isna().all()


def test_an_arm_that_lost_all_its_runs_has_empty_rows(values: Make) -> None:
    planned = [*DRAWN, *(("lost", head, "acc") for head in HEADS)]
    comparison = compare(values(DRAWN), "single", lower_is_better=(), planned=planned)
    lost = comparison.table[comparison.table["arm"] == "lost"]
    assert lost["head"].tolist() == [*HEADS, "mean"]
    assert set(lost["n"]) == {0}
    assert set(lost["verdict"]) == {"inconclusive"}
    assert set(lost["note"]) == {"no seed has acc in both arms"}
    assert lost[["delta", "p", "p_holm"]].isna().all(axis=None)
    assert comparison.summary["arm"].tolist() == ["single", "both", "lost"]
    assert comparison.summary["n_heads"].tolist() == [3, 3, 0]
    said = "lost, digit: inconclusive against single: no seed has acc in both arms."
    assert said in comparison.sentences


@pytest.mark.parametrize("arm", ["single", "both"])
def test_a_lost_head_counts_in_the_correction_of_the_others(values: Make, arm: str) -> None:
    left = {key: of for key, of in DRAWN.items() if key != (arm, "slant", "acc")}
    comparison = compare(values(left), "single", lower_is_better=(), planned=[*DRAWN])
    table = comparison.table.set_index("head")
    assert table.index.tolist() == [*HEADS, "mean"]
    assert table["n"].tolist() == [8, 8, 0, 0]
    raw = table.loc[["digit", "thickness"], "p"].sort_values()
    expected = np.minimum(np.maximum.accumulate(raw * [3, 2]), 1)
    assert table.loc[raw.index, "p_holm"].tolist() == pytest.approx(expected.tolist())


def test_where_nothing_is_lost_the_plan_changes_nothing(values: Make) -> None:
    """Arms without a head, and metrics that some arms lack, among them."""
    of = DRAWN | {("rest", head, "acc"): DRAWN["both", head, "acc"] for head in HEADS[1:]}
    of |= {("both", "slant", "mae"): [1.0] * 8}
    alone = compare(values(of), "single", lower_is_better={"mae"})
    planned = compare(values(of), "single", lower_is_better={"mae"}, planned=[*of])
    pd.testing.assert_frame_equal(planned.table, alone.table)
    pd.testing.assert_frame_equal(planned.summary, alone.summary)
    assert planned.sentences == alone.sentences


def test_a_row_does_not_depend_on_the_other_arms(values: Make) -> None:
    more = DRAWN | {("third", h, "acc"): RNG.normal(0.9, 0.1, 8).tolist() for h in HEADS}
    alone = compare(values(DRAWN), "single", lower_is_better=()).table
    among = compare(values(more), "single", lower_is_better=()).table
    pd.testing.assert_frame_equal(among[among["arm"] == "both"].reset_index(drop=True), alone)


def test_only_the_split_that_is_asked_for_is_compared(values: Make) -> None:
    worse = {key: [v / 2 for v in of] for key, of in DRAWN.items() if key[0] == "both"}
    both = pd.concat([values(DRAWN), values(DRAWN | worse, split="val")])
    test = compare(both, "single", lower_is_better=()).table
    val = compare(both, "single", lower_is_better=(), split="val").table
    assert set(val["verdict"]) == {"worse"}
    assert "worse" not in set(test["verdict"])


def test_many_seeds_flip_signs_at_random_and_say_so(values: Make) -> None:
    ours = RNG.normal(0.9, 0.01, 17).tolist()
    found = one_head(values, ours, [0.88] * 17)
    assert found["note"] == "p from 65,536 random sign flips"
    assert found["p"] < 0.001


def test_an_unknown_baseline_names_the_arms(values: Make) -> None:
    with pytest.raises(ConfigError, match=r"baseline 'none' has no values .* single, both"):
        compare(values(DRAWN), "none", lower_is_better=())


def test_two_runs_of_one_seed_are_refused(values: Make) -> None:
    table = values(DRAWN)
    with pytest.raises(DataError, match=r"arm 'single' has acc of head 'digit' twice for seed 0"):
        compare(pd.concat([table, table]), "single", lower_is_better=())


def test_an_arm_without_any_metric_of_the_baseline_is_refused(values: Make) -> None:
    of = {("single", "digit", "acc"): [0.5, 0.6], ("other", "digit", "mae"): [1.0, 2.0]}
    with pytest.raises(ConfigError, match=r"'other' has none of the metrics .*\(acc\) but mae"):
        compare(values(of), "single", lower_is_better=())


def test_the_direction_of_a_metric_is_known_by_its_name() -> None:
    metrics = ["acc", "acc_within", "r2", "score", "loss", "mae", "rmse"]
    assert falling_metrics(metrics) == {"loss", "mae", "rmse"}
    with pytest.raises(ConfigError, match="speed is not a metric"):
        falling_metrics(["speed"])
