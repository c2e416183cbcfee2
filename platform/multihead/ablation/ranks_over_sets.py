"""Rank arms over several data sets, from an ablation of each data set."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from multihead.ablation.ranks import Ranking, ranked, ranking
from multihead.ablation.result import Result
from multihead.errors import ConfigError


@dataclass(frozen=True)
class OverSets:
    """The ranks of arms over data sets.

    Attributes:
        ranking: The ranking with data sets as blocks. `seeds` is the number of data sets.
        by_set: Average rank of each arm in each data set: a row per arm (the best first) and a
            column per ablation.
        left_out: Arms that some ablation lacks or cannot rank.
    """

    ranking: Ranking
    by_set: pd.DataFrame
    left_out: tuple[str, ...]


def ranks_over_sets(results: Sequence[Result], level: float = 0.95) -> OverSets:
    """Rank the arms that all ablations have, with a data set as a block.

    In each ablation, an arm has its average rank over seeds and heads among the arms that all
    ablations have; see `multihead.ablation.ranks`. The blocks are data sets, as in Demsar (JMLR 7,
    2006), because seeds of one data set give no information about other data sets.

    Args:
        results: Ablations of different data sets, two or more.
        level: Confidence level between 0 and 1; `1 - level` is the significance level.

    Raises:
        ConfigError: If an ablation is named twice, or fewer than three arms are in all of them.
    """
    names = [result.name for result in results]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ConfigError(f"the ablation {twice[0]!r} is named twice; name each one once.")
    everyone = [set(result.runs["arm"]) for result in results]
    first = dict.fromkeys(arm for result in results for arm in result.runs["arm"])
    common = [arm for arm in first if all(arm in each for each in everyone)]
    _check(common, names)
    tables = {result.name: _ranks(result, common) for result in results}
    arms = [arm for arm in common if all(arm in table.index for table in tables.values())]
    _check(arms, names)
    if len(arms) < len(common):
        tables = {result.name: _ranks(result, arms) for result in results}
    by_set = pd.DataFrame(tables).loc[arms]
    found = -by_set.to_numpy(np.float64).T[:, :, None]
    made = ranked(found, arms, 1 - level, blocks="data sets")
    left_out = tuple(arm for arm in first if arm not in arms)
    return OverSets(made, by_set.loc[made.table["arm"]], left_out)


def _check(arms: Sequence[str], names: Sequence[str]) -> None:
    if len(arms) < 3:
        raise ConfigError(
            f"{len(arms)} arms are in all of {', '.join(names)}; ranks need three or more."
        )


def _ranks(result: Result, arms: Sequence[str]) -> pd.Series:
    """Return the average ranks of the arms that an ablation can rank, by name."""
    chosen = result.compared[result.compared["arm"].isin(arms)]
    found = ranking(chosen, result.falling, level=result.comparison.level)
    return pd.Series(dtype=float) if found is None else found.table.set_index("arm")["rank"]
