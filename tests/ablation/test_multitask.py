"""An arm in one line."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from multihead.ablation.multitask import CONVENTION, mean_ranks
from multihead.ablation.statistics import compare

Make = Callable[..., pd.DataFrame]

# Vandenhende et al., Multi-Task Learning for Dense Prediction Tasks: A Survey, 2021, NYUD-v2:
# mean IoU of the segmentation (percent), RMSE of the depth (m), and Delta-m as printed.
SINGLE = (43.9, 0.585)
PUBLISHED = {
    "MTL baseline": (44.4, 0.587, 0.41),
    "MTAN": (45.0, 0.584, 1.32),
    "Cross-stitch": (44.2, 0.570, 1.61),
    "NDDR-CNN": (44.2, 0.573, 1.38),
    "PAD-Net": (50.2, 0.582, 7.43),
}


def summary(table: pd.DataFrame, baseline: str = "single") -> pd.DataFrame:
    lower = {"mae", "rmse", "loss"}
    return compare(table, baseline, lower_is_better=lower).summary.set_index("arm")


@pytest.mark.parametrize("method", PUBLISHED)
def test_delta_m_is_that_of_a_published_table(values: Make, method: str) -> None:
    """The table's metrics are rounded, which moves Delta-m by a few hundredths."""
    iou, rmse, delta_m = PUBLISHED[method]
    table = values(
        {
            ("single", "seg", "miou"): [SINGLE[0]] * 2,
            ("single", "depth", "rmse"): [SINGLE[1]] * 2,
            (method, "seg", "miou"): [iou] * 2,
            (method, "depth", "rmse"): [rmse] * 2,
        }
    )
    assert summary(table).loc[method, "delta_m"] == pytest.approx(delta_m, abs=0.025)


def test_metrics_are_averaged_within_a_head_first(values: Make) -> None:
    """Else a head with many metrics would outweigh the others: (10 + (10 - 20) / 2) / 2 = 2.5."""
    of = {
        ("single", "digit", "acc"): [0.5, 0.5],
        ("single", "slant", "acc"): [0.5, 0.5],
        ("single", "slant", "mae"): [10.0, 10.0],
        ("both", "digit", "acc"): [0.55, 0.55],
        ("both", "slant", "acc"): [0.55, 0.55],
        ("both", "slant", "mae"): [12.0, 12.0],
    }
    found = summary(values(of)).loc["both"]
    assert found["delta_m"] == pytest.approx(2.5)
    assert found["n_heads"] == 2


@pytest.mark.parametrize("zero", [0.0, -0.2])
def test_a_baseline_of_zero_leaves_delta_m_undefined_and_the_differences(
    values: Make, zero: float
) -> None:
    of = {
        ("single", "digit", "acc"): [0.5, 0.5],
        ("single", "slant", "r2"): [zero, zero],
        ("both", "digit", "acc"): [0.4, 0.4],
        ("both", "slant", "r2"): [0.5, 0.5],
    }
    comparison = compare(values(of), "single", lower_is_better=())
    found = comparison.summary.set_index("arm").loc["both"]
    assert np.isnan(found["delta_m"])
    assert f"the baseline's r2 of slant is {zero:.4g}, not above 0" in found["delta_m_note"]
    assert comparison.table["delta"].tolist() == pytest.approx([-0.1, 0.5 - zero])
    assert (found["worst_head"], found["worst_delta"]) == ("digit", pytest.approx(-0.1))


def test_the_worst_head_is_found_in_the_direction_of_its_metric(values: Make) -> None:
    heads = {"width": (2.0, 2.5), "slant": (2.0, 1.5), "length": (2.0, 2.1)}
    of = {("single", head, "mae"): [old, old] for head, (old, _) in heads.items()}
    of |= {("both", head, "mae"): [new, new] for head, (_, new) in heads.items()}
    found = summary(values(of)).loc["both"]
    assert (found["worst_head"], found["worst_delta"]) == ("width", pytest.approx(0.5))


def test_heads_of_different_units_are_compared_by_the_relative_change(values: Make) -> None:
    """Two percent of a hundred pixels are less than ten percent of an accuracy."""
    of = {
        ("single", "digit", "acc"): [0.8, 0.8],
        ("single", "width", "mae"): [100.0, 100.0],
        ("both", "digit", "acc"): [0.72, 0.72],
        ("both", "width", "mae"): [102.0, 102.0],
    }
    assert summary(values(of)).loc["both", "worst_head"] == "digit"


def test_the_mean_rank_is_over_heads_and_ties_share(values: Make) -> None:
    of = {
        ("single", "digit", "acc"): [0.7, 0.9],
        ("both", "digit", "acc"): [0.8, 0.8],
        ("best", "digit", "acc"): [0.9, 0.9],
        ("single", "slant", "mae"): [1.0, 1.0],
        ("both", "slant", "mae"): [2.0, 2.0],
        ("best", "slant", "mae"): [3.0, 3.0],
    }
    found = mean_ranks(values(of), {"mae"})
    assert found.to_dict() == {"single": 1.75, "both": 2.25, "best": 2.0}


def test_arms_are_ranked_on_the_seeds_that_all_of_them_have(values: Make) -> None:
    """The one hard seed must not decide which arm looks best."""
    of = {
        ("single", "digit", "acc"): [0.9, 0.8, 0.1],
        ("both", "digit", "acc"): [0.7, 0.6, None],
    }
    assert mean_ranks(values(of), ()).to_dict() == {"single": 1.0, "both": 2.0}


def test_a_head_that_is_left_out_is_named(values: Make) -> None:
    same = [0.5, 0.6]
    of = {("all", head, "acc"): same for head in ("digit", "slant")}
    of |= {("no_slant", "digit", "acc"): same}
    found = summary(values(of), "all").loc["no_slant"]
    assert found["delta_m_note"] == "positive is better; over 1 of 2 heads, without slant"
    assert found["n_heads"] == 1


def test_the_convention_is_told() -> None:
    assert "positive means that the arm is better" in CONVENTION


def test_an_arm_without_any_finite_value_has_no_rank(values: Make) -> None:
    of = {("single", "digit", "acc"): [0.5, 0.6], ("broken", "digit", "acc"): [np.nan, np.inf]}
    found = summary(values(of))
    assert np.isnan(found.loc["broken", ["delta_m", "mean_rank", "worst_delta"]].tolist()).all()
    assert found.loc["single", "mean_rank"] == 1
