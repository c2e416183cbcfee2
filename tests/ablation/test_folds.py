"""Arms paired over folds: each fold is a pair, and the statistics know that folds overlap."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from multihead.ablation.definition import checked
from multihead.ablation.paired import bca_interval, corrected_t
from multihead.ablation.plan import _blocks
from multihead.ablation.statistics import Comparison, compare
from multihead.errors import ConfigError

DELTAS = np.array([0.02, 0.01, 0.03, 0.015, 0.005])
ARMS = {"single": {}, "uniform": {"loss_weights": "uniform"}}


def definition(**keys: Any) -> Any:
    return checked({"name": "n", "arms": ARMS, "baseline": "single", "seeds": 1, **keys}, "n.yaml")


def compared(folds: int | None) -> Comparison:
    rows = [
        {
            "arm": arm,
            "seed": f"1 fold {fold}",
            "head": "digit",
            "metric": "acc",
            "split": "test",
            "value": 0.9 + (delta if arm == "ours" else 0.0),
        }
        for arm in ("base", "ours")
        for fold, delta in enumerate(DELTAS)
    ]
    return compare(pd.DataFrame(rows), "base", lower_is_better=(), folds=folds)


def test_the_corrected_t_is_its_formula() -> None:
    """Nadeau & Bengio 2003, equation 9, with n_test / n_train = 1 / 4."""
    from scipy import stats

    error = np.sqrt((1 / 5 + 1 / 4) * DELTAS.var(ddof=1))
    p, (low, high) = corrected_t(DELTAS, 0.95, 5)
    assert p == pytest.approx(2 * stats.t.sf(DELTAS.mean() / error, 4))
    assert (high - low) / 2 == pytest.approx(stats.t.ppf(0.975, 4) * error)
    assert high - low > np.subtract(*bca_interval(DELTAS, 0.95, 0)[::-1])


def test_the_verdict_over_folds_says_that_they_are_not_independent() -> None:
    row = compared(5).table.iloc[0]
    assert row["n"] == 5
    assert row["p"] == pytest.approx(corrected_t(DELTAS, 0.95, 5)[0])
    assert pd.isna(row["seeds_needed"])
    assert "folds are not independent" in row["note"]
    assert "corrected for folds, which are not independent" in compared(5).sentences[0]
    assert "folds" not in compared(None).sentences[0]


def test_each_seed_and_fold_is_a_pair() -> None:
    blocks = _blocks(definition(seeds=2, folds=3))
    assert blocks == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]
    assert _blocks(definition(seeds=2)) == [(1, None), (2, None)]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "two or more different seeds"),
        ({"folds": 1}, "folds"),
        (
            {"folds": 5, "tuning": {"trials": 2, "space": {"model.optimizer.lr": {}}}},
            "a search would see images that folds test",
        ),
    ],
)
def test_what_cannot_be_paired_is_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        definition(**keys)
