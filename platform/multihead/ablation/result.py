"""The result of an ablation: one object with all content of a report."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from multihead.ablation.affinity import Affinity
from multihead.ablation.front import Front, front
from multihead.ablation.ranks import Ranking, ranking
from multihead.ablation.statistics import Comparison, falling_metrics


@dataclass(frozen=True)
class Check:
    """One rule of a fair comparison.

    Attributes:
        name: The rule.
        met: Whether this ablation meets it.
        reason: Why it is met, or why not.
    """

    name: str
    met: bool
    reason: str


@dataclass(frozen=True)
class Result:
    """An ablation and its results.

    Attributes:
        name: Name of the ablation.
        definition: Its file as it was run, in YAML; empty for runs that were picked by hand.
        values: Table with the columns `collect.VALUES`.
        runs: Table with the columns `collect.RUNS`.
        curves: Table with the columns `collect.CURVES`.
        comparison: The comparison with the baseline.
        redundancy: Normalised mutual information of heads, [T, T] by head name, from 0 to 1.
        functions: A sentence for each head that is a function of another.
        protocol: The rules of a fair comparison, and whether they are met.
        commands: Commands that reproduce the ablation and its trainings.
        baseline: The arm that the others are compared with.
        url: Address of the ablation's run, or None.
        test_reads: Table with the columns `ledger.COLUMNS`.
        affinity: Affinities and gains of heads; None if no arm measured affinity.
        titles: Display names of heads, by name. A head without one is displayed by its name.
        units: Units of the heads' labels, by name, for heads with a unit.
        gradients: Table with the columns `gradients.COLUMNS`; empty if no run measured them.
    """

    name: str
    definition: str
    values: pd.DataFrame
    runs: pd.DataFrame
    curves: pd.DataFrame
    comparison: Comparison
    redundancy: pd.DataFrame
    functions: tuple[str, ...]
    protocol: tuple[Check, ...]
    commands: tuple[str, ...]
    baseline: str
    url: str | None
    test_reads: pd.DataFrame = field(default_factory=pd.DataFrame)
    affinity: Affinity | None = None
    titles: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    gradients: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def split(self) -> str:
        """The compared split: the test split, or the validation split if no run was tested."""
        return "test" if "test" in set(self.values["split"]) else "val"

    @property
    def single_task(self) -> frozenset[str]:
        """The arms with a network per head."""
        return frozenset(self.runs.loc[self.runs["head"].fillna("") != "", "arm"])

    @cached_property
    def ranking(self) -> Ranking | None:
        """The ranks of the arms over seeds; None for fewer than three arms."""
        level, arms = self.comparison.level, list(dict.fromkeys(self.runs["arm"]))
        return ranking(self.compared, self.falling, level=level, arms=arms)

    @cached_property
    def front(self) -> Front | None:
        """The Pareto front of the arms; None for one head."""
        level = self.comparison.level
        return front(self.compared, self.falling, self.single_task, level=level)

    @property
    def compared(self) -> pd.DataFrame:
        """The values of the compared split."""
        return self.values[self.values["split"] == self.split]

    @property
    def falling(self) -> frozenset[str]:
        """The metrics of which a lower value is better."""
        return falling_metrics(self.values["metric"].unique())

    def shown(self, head: str) -> str:
        """Return the display name of a head."""
        return self.titles.get(head) or head
