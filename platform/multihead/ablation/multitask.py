"""Summarise an arm in one row: Delta-m, its worst head, its mean rank.

This summary does not replace the differences of each head. Delta-m hides a head that got worse, and
its value changes if error replaces accuracy.
"""

from collections.abc import Collection

import numpy as np
import pandas as pd

from multihead.ablation.pairs import MEAN, Planned

CONVENTION = (
    "Delta-m = 100/K * sum_k (-1)^l_k * (M_k - B_k) / B_k over K heads, M the arm's and B the "
    "baseline's metric, l_k = 1 where lower is better; positive means that the arm is better"
)


def summarise(
    table: pd.DataFrame,
    values: pd.DataFrame,
    baseline: str,
    lower_is_better: Collection[str],
    planned: Planned | None = None,
) -> pd.DataFrame:
    """Return a row per arm, including the baseline.

    Args:
        table: The table of a `Comparison`.
        values: The values of the table, of one split.
        baseline: Name of the baseline arm.
        lower_is_better: Metrics of which a lower value is better.
        planned: (arm, head, metric) of all planned values; if None, the measured ones.

    Returns:
        Columns arm, delta_m (percent), delta_m_note, worst_head, worst_delta, mean_rank, n_heads.
    """
    ranks = mean_ranks(values, lower_is_better)
    heads = table[(table["head"] != MEAN) & (table["n"] > 0)]
    heads = heads.assign(change=relative_change(heads, lower_is_better))
    found = [*zip(values["arm"], values["head"], strict=True)]
    wanted = [*((arm, head) for arm, head, _ in planned or ()), *found]
    of_baseline = list(dict.fromkeys(head for arm, head in wanted if arm == baseline))
    rows = []
    for arm in dict.fromkeys(arm for arm, _ in wanted):
        row: dict[str, object] = {"arm": arm, "mean_rank": ranks.get(arm, np.nan)}
        if arm == baseline:
            row |= {"delta_m": 0.0, "delta_m_note": "the baseline", "worst_head": ""}
            row |= {"worst_delta": np.nan, "n_heads": len(of_baseline)}
        else:
            row |= _against_baseline(heads[heads["arm"] == arm], of_baseline, lower_is_better)
        rows.append(row)
    columns = ["arm", "delta_m", "delta_m_note", "worst_head", "worst_delta", "mean_rank"]
    return pd.DataFrame(rows, columns=[*columns, "n_heads"])


def relative_change(rows: pd.DataFrame, lower_is_better: Collection[str]) -> pd.Series:
    """Return (-1)^l (M - B) / B of rows of the table; nan where B is 0 or negative.

    B can be negative, for example R². Then the quotient would have the wrong sign.
    """
    sign = np.where(rows["metric"].isin(lower_is_better), -1.0, 1.0)
    base = rows["baseline_mean"].where(rows["baseline_mean"] > 0)
    return sign * (rows["mean"] - base) / base


def mean_ranks(values: pd.DataFrame, lower_is_better: Collection[str]) -> pd.Series:
    """Return the mean rank of each arm over its heads. 1 is best; equal arms share their ranks.

    For each metric of a head, arms are ranked by their mean over the seeds that all arms with this
    head have. The ranks of the metrics are averaged within the head first. The mean rank is nan
    without such seeds.
    """
    arms = list(dict.fromkeys(values["arm"]))
    finite = values[np.isfinite(values["value"])]
    ranks: dict[str, list[pd.Series]] = {}
    for (head, metric), rows in finite.groupby(["head", "metric"]):
        wide = rows.pivot(index="arm", columns="seed", values="value").dropna(axis="columns")
        rank = wide.mean(axis="columns").rank(ascending=metric in lower_is_better)
        ranks.setdefault(head, []).append(rank.reindex(arms))
    of_heads = {head: pd.DataFrame(found).mean() for head, found in ranks.items()}
    return pd.DataFrame(of_heads, index=arms).mean(axis="columns")


def _against_baseline(
    rows: pd.DataFrame, of_baseline: list[str], lower_is_better: Collection[str]
) -> dict[str, object]:
    """Return the columns of the summary for an arm, from its rows of the table."""
    changes = rows.groupby("head", sort=False)["change"].agg(lambda c: c.mean(skipna=False))
    undefined = rows[rows["change"].isna()]
    worst = _worst(rows.drop_duplicates("head"), lower_is_better)
    return {
        "delta_m": np.nan if changes.empty else 100 * changes.mean(skipna=False),
        "delta_m_note": _note(changes, undefined, of_baseline),
        "worst_head": "" if worst is None else worst["head"],
        "worst_delta": np.nan if worst is None else worst["delta"],
        "n_heads": len(changes),
    }


def _worst(rows: pd.DataFrame, lower_is_better: Collection[str]) -> pd.Series | None:
    """Return the row of the head with the worst result on its first metric.

    Heads are compared by the difference if all heads have the same metric, else by the relative
    change.
    """
    if rows["metric"].nunique() == 1:
        sign = -1 if rows["metric"].iloc[0] in lower_is_better else 1
        return rows.loc[(sign * rows["delta"]).idxmin()]
    known = rows.dropna(subset="change")
    return None if known.empty else known.loc[known["change"].idxmin()]


def _note(changes: pd.Series, undefined: pd.DataFrame, of_baseline: list[str]) -> str:
    missing = [head for head in of_baseline if head not in changes.index]
    over = f"over {len(changes)} of {len(of_baseline)} heads"
    over += f", without {', '.join(missing)}" if missing else ""
    if undefined.empty:
        return f"positive is better; {over}"
    row = undefined.iloc[0]
    return (
        f"undefined: the baseline's {row['metric']} of {row['head']} is "
        f"{row['baseline_mean']:.4g}, not above 0; see the differences per head; {over}"
    )
