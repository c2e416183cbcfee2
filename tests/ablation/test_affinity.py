"""Affinity beside measured gain, and how well the one predicted the other."""

import json
from collections.abc import Callable, Mapping
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from tests.ablation.definitions import SMALL, ablate

from multihead.ablation.affinity import Affinity, grouping_table, matrix, pair_table
from multihead.ablation.agreement import agreement, sentences
from multihead.ablation.gains import Gains
from multihead.report.ablation_record import recorded
from multihead.tracking.store import Store

HEADS = ("a", "b", "c")
# Of each head alone, beside each other one, and with all, by seed: an error and two accuracies.
VALUES = {
    ("single", "a", "mae"): [2.0, 4.0],
    ("single", "b", "acc"): [0.5, 0.5],
    ("single", "c", "acc"): [0.8, 0.8],
    ("pair_a_b", "a", "mae"): [1.0, 3.0],
    ("pair_a_b", "b", "acc"): [0.6, 0.7],
    ("pair_b_c", "b", "acc"): [0.4, 0.5],
    ("pair_b_c", "c", "acc"): [0.8, 0.8],
    ("all", "a", "mae"): [3.0, 5.0],
    ("all", "b", "acc"): [0.5, 0.5],
    ("all", "c", "acc"): [0.4, 0.4],
}
ARMS = {
    **{frozenset(head): "single" for head in HEADS},
    frozenset("ab"): "pair_a_b",
    frozenset("bc"): "pair_b_c",
    frozenset("abc"): "all",
}
AFFINITY = {"ab": 0.3, "ba": 0.1, "ac": 0.5, "ca": 0.5, "bc": -0.2, "cb": -0.1}


@pytest.fixture
def gains(values: Callable[..., pd.DataFrame]) -> Gains:
    metrics = {"a": ("mae",), "b": ("acc",), "c": ("acc",)}
    return Gains(values(VALUES), ARMS, metrics, 0.95)


@pytest.fixture
def pairs(gains: Gains) -> pd.DataFrame:
    rows = [
        {"arm": "all", "seed": seed, "source": source, "target": target, "value": value + shift}
        for (source, target), value in AFFINITY.items()
        for seed, shift in ((1, -0.01), (2, 0.01))
    ]
    return pair_table(HEADS, pd.DataFrame(rows), gains)


def test_a_gain_is_the_relative_change_against_the_head_alone(gains: Gains) -> None:
    """Of an error less is a gain; seed by seed over the mean of the head alone."""
    assert gains.of_head("a", "ab").mean == pytest.approx(100 / 3)
    found = gains.of_head("b", "ab")
    assert (found.mean, found.seeds) == (pytest.approx(30), 2)
    assert 19.9 < found.low < found.high < 40.1
    assert gains.of_head("c", "abc").mean == pytest.approx(-50)
    assert np.isnan(gains.of_head("a", "ac").mean)


def test_pairs_have_affinity_and_gain_side_by_side(pairs: pd.DataFrame) -> None:
    table = pairs.set_index(["source", "target"])
    assert len(table) == 6
    assert table.loc[("b", "a"), "affinity"] == pytest.approx(0.1)
    assert table.loc[("b", "a"), "trainings"] == 2
    assert table.loc[("b", "a"), "gain"] == pytest.approx(100 / 3)
    assert table.loc[("c", "a"), "arm"] == ""
    assert matrix(pairs, "affinity").loc["a", "b"] == pytest.approx(0.3)


def test_groupings_are_chosen_by_affinity_and_measured_where_all_groups_were_trained(
    pairs: pd.DataFrame, gains: Gains
) -> None:
    table = grouping_table(HEADS, pairs, gains).set_index("networks")
    assert table.loc[1, "chosen"] == "a + b + c"
    assert table.loc[1, "gain"] == pytest.approx((-100 / 3 + 0 - 50) / 3)
    # a and c have most affinity, but nobody has trained them together.
    assert table.loc[2, "chosen"] == "a + c | b"
    assert table.loc[2, "needs"] == "heads: [a, c]"
    assert np.isnan(table.loc[2, "gain"])
    assert table.loc[2, "best_measured"] == "a + b | c"
    assert table.loc[2, "best_gain"] == pytest.approx((100 / 3 + 30 + 0) / 3)
    assert list(table.loc[2, ["measured", "possible"]]) == [2, 3]
    assert table.loc[3, "gain"] == 0


def test_the_sentences_say_what_was_not_measured(pairs: pd.DataFrame, gains: Gains) -> None:
    found = Affinity(pairs, grouping_table(HEADS, pairs, gains))
    text = " ".join(sentences(found, 0.95))
    assert "Affinity would choose the grouping a + c | b" in text
    assert "It was not measured; this would need these arms: heads: [a, c]" in text
    assert "The best of the 4 of 5 groupings measured is a + b | c with +21.1%" in text
    assert "4 pairs are few" in text


def test_more_than_eight_heads_are_not_divided(pairs: pd.DataFrame, gains: Gains) -> None:
    assert grouping_table([f"h{i}" for i in range(9)], pairs, gains).empty


def ordered(gain: Callable[[float], float], heads: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        (*pair, value) for pair in permutations(range(heads), 2) for value in rng.normal(size=1)
    ]
    table = pd.DataFrame(rows, columns=["source", "target", "affinity"])
    return table.assign(gain=table["affinity"].map(gain))


@pytest.mark.parametrize(("gain", "rho"), [(np.exp, 1.0), (np.negative, -1.0)])
def test_the_correlation_is_of_ranks(gain: Callable[[float], float], rho: float) -> None:
    found = agreement(ordered(gain), 0.95)
    assert (found.rho, found.low, found.high, found.pairs) == pytest.approx((rho, rho, rho, 12))
    assert found.chance == pytest.approx(0.576, abs=1e-3)  # tables of r with 10 degrees of freedom


def test_the_correlation_is_that_of_scipy_and_its_interval_is_wide_for_few_pairs() -> None:
    from scipy.stats import spearmanr

    table = ordered(lambda x: x**2)
    found = agreement(table, 0.95)
    assert found.rho == pytest.approx(spearmanr(table["affinity"], table["gain"]).statistic)
    assert found.low < found.rho < found.high
    assert found.high - found.low > 0.5
    assert agreement(table, 0.95) == found


@pytest.mark.parametrize("table", [ordered(np.exp, heads=2), ordered(lambda _: 1.0)])
def test_too_few_pairs_or_equal_gains_have_no_correlation(table: pd.DataFrame) -> None:
    found = agreement(table, 0.95)
    assert np.isnan([found.rho, found.low]).all()


@pytest.mark.slow(minutes=1)
def test_a_small_ablation_ends_with_the_section(home: Path, store: Store, tmp_path: Path) -> None:
    """From singles, pairs and all heads; affinity is measured in the arm of all."""
    path = tmp_path / "which.yaml"
    target = "{_target_: multihead.training.affinity.TaskAffinity, every: 1}"
    content: Mapping[str, object] = {
        "experiment": "multihead_cnn_digits",
        "overrides": list(SMALL),
        "arms": {
            "single": {"single_task": "all"},
            "pair": {"pairs": "all"},
            "together": {"overrides": [f"+callbacks.affinity={target}"]},
        },
        **{"baseline": "single", "seeds": 2, "workers": 2},
    }
    path.write_text(yaml.safe_dump(content))
    done = ablate(str(path))
    assert done.exit_code == 0, done.stderr
    assert "Spearman's correlation" in done.stdout
    result = recorded("which", store)
    assert result.affinity is not None
    pairs = result.affinity.pairs
    assert len(pairs) == 6
    assert (pairs["trainings"] == 2).all()
    assert pairs[["affinity", "gain"]].notna().all(axis=None)
    assert pairs["arm"].nunique() == 3
    assert list(result.affinity.groupings["measured"]) == [1, 3, 1]
    matrices = [json.loads(p.read_text()) for p in store.home.glob("*/affinity.json")]
    assert len(matrices) == 2
    means = np.mean([m["affinity"][0][1] for m in matrices])
    first = pairs.set_index(["source", "target"])["affinity"]["digit", "thickness"]
    assert means == pytest.approx(first)
