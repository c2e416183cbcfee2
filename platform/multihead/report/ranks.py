"""The report on several ablations: the ranks of arms over their data sets."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from multihead.ablation.ranks_over_sets import OverSets, ranks_over_sets
from multihead.ablation.result import Result
from multihead.markdown import escaped, table
from multihead.report.ablation_overall import ranks
from multihead.report.charts.arms import arms_of
from multihead.report.files import write_files
from multihead.report.numbers import number
from multihead.report.page import render

PAGE, TEXT = "ranks.html", "ranks.md"


def write_ranks(results: Sequence[Result], folder: Path) -> Path:
    """Write the ranking of the arms of several ablations: a page, Markdown and tables.

    The tables are `ranks` (arm, rank, data_sets, groups), `rank_pairs` (every two arms) and
    `ranks_by_set` (a row per arm, a column per ablation), as CSV and Parquet.

    Args:
        results: Ablations of different data sets, two or more.
        folder: The folder. It is made if it does not exist; files of these names are replaced.

    Returns:
        The path of the page.

    Raises:
        ConfigError: If fewer than three arms are in all ablations, or the folder cannot be
            written to.
    """
    found = ranks_over_sets(results)
    texts = {TEXT: _markdown(found), PAGE: _page(found, results[0].baseline)}
    write_files(_tables(found), texts, folder)
    return folder / PAGE


def _tables(found: OverSets) -> dict[str, pd.DataFrame]:
    return {
        "ranks": found.ranking.table.rename(columns={"seeds": "data_sets"}),
        "rank_pairs": found.ranking.pairs,
        "ranks_by_set": found.by_set.rename_axis("arm").reset_index(),
    }


def _page(found: OverSets, baseline: str) -> str:
    arms = arms_of(list(found.by_set.index), baseline)
    shown = ranks(found.ranking, arms)
    assert shown is not None
    return render(
        "ranks",
        title="Ranks over data sets",
        lead=_lead(found),
        ranks=shown,
        sets=list(found.by_set.columns),
        rows=[
            (*row, [number(each, 2) for each in found.by_set.loc[row[0].name]])
            for row in shown.rows
        ],
        left_out=found.left_out,
    )


def _lead(found: OverSets) -> str:
    sets = list(found.by_set.columns)
    return f"{len(found.by_set)} arms on {len(sets)} data sets: {', '.join(sets)}."


def _markdown(found: OverSets) -> str:
    parts = ["# Ranks over data sets", escaped(_lead(found)), escaped(found.ranking.sentence)]
    titles = {"ranks": "Ranks", "rank_pairs": "Every two arms", "ranks_by_set": "By data set"}
    for name, frame in _tables(found).items():
        if not frame.empty:
            parts += [f"## {titles[name]}", table(frame)]
    if found.left_out:
        parts.append(escaped(f"Not ranked: {', '.join(found.left_out)}."))
    return "\n\n".join(parts) + "\n"
