"""The sentences that lead a report."""

import pandas as pd

from multihead.ablation.rows import COLUMNS
from multihead.ablation.verdict_text import rounded_rows, sentence

ROW = {
    "arm": "both",
    "head": "digit",
    "metric": "acc",
    "n": 8,
    "delta": 0.0042,
    "ci_low": 0.0021,
    "ci_high": 0.0061,
    "p_holm": 0.0234375,
    "p_smallest": 0.0078125,
    "verdict": "better",
    "seeds_needed": 8,
    "note": "",
}


def told(**changed: object) -> str:
    return sentence({**ROW, **changed}, "single", 0.95)


def test_a_verdict_comes_with_its_figures_in_percentage_points() -> None:
    assert told() == (
        "both, digit: better than single: +0.42 percentage points of acc at n = 8, "
        "95% interval +0.21 to +0.61, p = 0.023 after Holm."
    )


def test_an_error_keeps_its_unit_and_the_mean_its_own_p() -> None:
    assert told(head="mean", metric="mae", verdict="worse") == (
        "both, mean: worse than single: +0.0042 of mae at n = 8, "
        "95% interval +0.0021 to +0.0061, p = 0.023."
    )


def test_inconclusive_tells_the_seeds_that_would_be_needed() -> None:
    assert told(verdict="inconclusive", ci_low=-0.001, p_holm=0.2, seeds_needed=21) == (
        "both, digit: inconclusive against single: +0.42 percentage points of acc at n = 8, "
        "95% interval -0.1 to +0.61, p = 0.2 after Holm; "
        "about 21 seeds would be needed to see this difference."
    )


def test_too_few_seeds_for_any_verdict_say_so() -> None:
    found = told(verdict="inconclusive", n=5, p_holm=0.1875, p_smallest=0.0625)
    assert "p = 0.19 after Holm (5 seeds cannot give a p below 0.062); about 8 seeds" in found


def test_differences_beyond_reach_and_none_at_all() -> None:
    assert "more than 1,000 seeds" in told(verdict="inconclusive", seeds_needed=None)
    assert "there is no difference" in told(verdict="inconclusive", delta=0.0)


def test_one_seed_and_none() -> None:
    one = told(n=1, verdict="inconclusive", note="one seed: no interval")
    assert one == (
        "both, digit: inconclusive against single: +0.42 percentage points of acc at n = 1; "
        "one seed has no spread."
    )
    none = told(n=0, verdict="inconclusive", note="no seed has acc in both arms")
    assert none == "both, digit: inconclusive against single: no seed has acc in both arms."


def test_figures_beside_each_other_have_the_same_precision() -> None:
    """An end of an interval that is nearly 0 was shown as -1.67e-06."""
    assert "95% interval +0 to +0.61," in told(ci_low=-1.67e-8)
    assert ": +1234 of mae" in told(metric="mae", delta=1234.5, ci_low=-0.2, ci_high=2000.0)
    rows = pd.DataFrame([dict.fromkeys(COLUMNS, float("nan")) | ROW | {"ci_low": -1.67e-6}])
    figures = {"mean": 0.95, "sd": 0.01, "baseline_mean": 0.9458, "baseline_sd": 0.02}
    shown = rounded_rows(rows.assign(**figures, p=1e-6)).iloc[0]
    assert (shown["mean"], shown["delta"], shown["ci_low"]) == ("0.9500", "0.0042", "0.0000")
    assert (shown["p"], shown["p_holm"], shown["improvement"]) == ("0.0000", "0.0234", "")
