"""The charts of an ablation's page: intervals, pairs and curves per head and metric."""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd
from markupsafe import Markup

from multihead.ablation.pairs import MEAN, with_mean
from multihead.ablation.result import Result
from multihead.report.ablation_answers import Group
from multihead.report.charts.arms import Arm
from multihead.report.charts.curves import curve_chart
from multihead.report.charts.intervals import Difference, interval_chart
from multihead.report.charts.pairs import pair_chart

Card = tuple[str, Markup]


def interval_cards(
    result: Result, groups: Sequence[Group], arms: Mapping[str, Arm], split: str
) -> Iterator[Card]:
    """Yield a chart of differences per head and metric."""
    table = result.comparison.table
    for group in groups:
        rows = table[_of(table, group) & (table["arm"] != result.baseline)]
        pairs = _pairs(result, group, split)
        differences = [
            Difference(
                arm=arms[row["arm"]],
                delta=row["delta"],
                low=row["ci_low"],
                high=row["ci_high"],
                verdict=row["verdict"],
                seeds=_changes(pairs[row["arm"]]) if row["arm"] in pairs else {},
            )
            for row in rows.to_dict("records")
        ]
        yield (
            group.title,
            interval_chart(differences, quantity=group.title, lower_is_better=group.falling),
        )


def pair_cards(
    result: Result, groups: Sequence[Group], arms: Mapping[str, Arm], split: str
) -> Iterator[Card]:
    """Yield a chart of paired seeds per head and metric."""
    for group in groups:
        pairs = {arms[name]: frame for name, frame in _pairs(result, group, split).items()}
        if pairs:
            yield (
                group.title,
                pair_chart(
                    arms[result.baseline],
                    pairs,
                    quantity=f"{group.title} on {split}",
                    lower_is_better=group.falling,
                ),
            )


def curve_cards(result: Result, groups: Sequence[Group], arms: Mapping[str, Arm]) -> Iterator[Card]:
    """Yield validation curves for each head and metric that has some."""
    curves = result.curves[result.curves["split"] == "val"]
    for group in groups:
        chosen = curves[_of(curves, group) & curves["arm"].isin(arms)]
        if group.head == MEAN or chosen["value"].notna().sum() == 0:
            continue
        drawn = {
            arms[name]: part.pivot_table(index="epoch", columns="seed", values="value")
            for name, part in chosen.groupby("arm", sort=False)
        }
        ordered = dict(sorted(drawn.items(), key=lambda item: item[0].place))
        yield group.title, curve_chart(ordered, quantity=f"{group.title} on validation")


def _of(table: pd.DataFrame, group: Group) -> pd.Series:
    return (table["head"] == group.head) & (table["metric"] == group.metric)


def _pairs(result: Result, group: Group, split: str) -> dict[str, pd.DataFrame]:
    """Return, by arm, the values of each common seed: columns `baseline` and `arm`.

    Arms without a common seed are left out.
    """
    values = with_mean(result.values[result.values["split"] == split])
    chosen = values[_of(values, group)]
    table = chosen.pivot_table(index="seed", columns="arm", values="value", sort=True)
    if result.baseline not in table:
        return {}
    arms = [a for a in dict.fromkeys(values["arm"]) if a in table and a != result.baseline]
    both = {
        arm: pd.DataFrame({"baseline": table[result.baseline], "arm": table[arm]}).dropna()
        for arm in arms
    }
    return {arm: frame for arm, frame in both.items() if len(frame)}


def _changes(pairs: pd.DataFrame) -> dict[int | str, float]:
    changes: dict[int | str, float] = (pairs["arm"] - pairs["baseline"]).to_dict()
    return changes
