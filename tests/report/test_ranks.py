"""Arms rank over data sets, each of which counts once whatever its seeds and heads."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.report.ablations import HOSTILE, ablation

from multihead.ablation.ranks_over_sets import ranks_over_sets
from multihead.ablation.result import Result
from multihead.cli.main import main
from multihead.errors import ConfigError
from multihead.report.ablation import write

ARMS = ("static", "pcgrad", "uw")


def of_set(name: str, arms: tuple[str, ...] = ARMS, order: tuple[str, ...] = ()) -> Result:
    """Return an ablation whose arms are in this order on all seeds and heads, best first."""
    made = ablation(arms, name=name)
    if order:
        made.values["value"] = [-float(order.index(arm)) for arm in made.values["arm"]]
    return made


def test_a_data_set_counts_once() -> None:
    sets = [of_set("a", order=("uw", "static", "pcgrad")), of_set("b", order=ARMS)]
    found = ranks_over_sets(sets)
    assert found.by_set.loc[list(ARMS)].to_numpy().tolist() == [[2, 1], [3, 2], [1, 3]]
    assert found.ranking.table.set_index("arm")["rank"].to_dict() == {
        "static": 1.5,
        "uw": 2.0,
        "pcgrad": 2.5,
    }
    assert found.ranking.sentence.startswith("inconclusive: 2 data sets that all arms have")


def test_arms_are_told_apart_where_the_data_sets_carry_it() -> None:
    """Seven sets: the least p of a pair is 2 / 2^7, times three pairs below 0.05."""
    found = ranks_over_sets([of_set(f"set{i}", order=ARMS) for i in range(7)])
    assert found.ranking.sentence.startswith("static ranks first and is told apart from pcgrad, uw")
    assert found.ranking.groups == ()
    np.testing.assert_allclose(found.ranking.pairs["p"], 2 / 2**7)


def test_arms_that_a_set_lacks_are_named_and_change_no_rank() -> None:
    more = of_set("a", (*ARMS, "mgda"), order=("mgda", *ARMS))
    found = ranks_over_sets([more, of_set("b", order=ARMS)])
    assert found.left_out == ("mgda",)
    assert found.by_set["a"].to_dict() == {"static": 1, "pcgrad": 2, "uw": 3}


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ([of_set("a"), of_set("a")], "'a' is named twice"),
        ([of_set("a"), of_set("b", ("static", "pcgrad", "rlw"))], "2 arms are in all of a, b"),
    ],
)
def test_what_cannot_be_ranked_is_refused(sets: list[Result], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ranks_over_sets(sets)


def test_the_command_ranks_reports_of_any_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arms = ("static", "pcgrad", HOSTILE)
    for name in ("a", "b"):
        write(replace(of_set(name, arms), url=None), tmp_path / name)
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as end:
        main(["report", str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(out)])
    assert end.value.code == 0
    assert capsys.readouterr().out.strip() == str(out / "ranks.html")
    assert HOSTILE not in (out / "ranks.html").read_text() + (out / "ranks.md").read_text()
    table = pd.read_csv(out / "ranks_by_set.csv")
    assert list(table.columns) == ["arm", "a", "b"]
    assert set(pd.read_parquet(out / "ranks.parquet")["arm"]) == set(arms)
