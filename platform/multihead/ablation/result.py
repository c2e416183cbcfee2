"""What an ablation came to, in one object: all that a report says."""

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
    """One demand of a fair comparison.

    Attributes:
        name: The demand.
        met: Whether this ablation meets it.
        reason: Why, or why not.
    """

    name: str
    met: bool
    reason: str


@dataclass(frozen=True)
class Result:
    """An ablation and what it came to.

    Attributes:
        name: Of the ablation.
        definition: Its file as it was run, in YAML.
        values: As `collect.VALUES` says.
        runs: As `collect.RUNS` says.
        curves: As `collect.CURVES` says.
        comparison: With the baseline.
        redundancy: Normalised mutual information of heads, [T, T] by head name.
        functions: A sentence for each head that is a function of another.
        protocol: What a fair comparison demands, and whether it is met.
        commands: What makes all this again.
        baseline: The arm that the others are compared with.
        url: Of the ablation's run, or None.
        test_reads: As `ledger.COLUMNS` says.
        affinity: Which heads helped each other, if an arm has measured it.
        titles: What heads are called where people read, by name; a head that is not in it is
            called by its name.
        units: Of the heads' labels, by name, where they have one.
        gradients: As `gradients.COLUMNS` says; empty where no run looked at them.
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
        """What is compared: the test split, or validation if no run was tested."""
        return "test" if "test" in set(self.values["split"]) else "val"

    @property
    def single_task(self) -> frozenset[str]:
        """The arms of a network per head."""
        return frozenset(self.runs.loc[self.runs["head"].fillna("") != "", "arm"])

    @cached_property
    def ranking(self) -> Ranking | None:
        """How arms rank over seeds; None for fewer than three."""
        level, arms = self.comparison.level, list(dict.fromkeys(self.runs["arm"]))
        return ranking(self.compared, self.falling, level=level, arms=arms)

    @cached_property
    def front(self) -> Front | None:
        """Where arms lie between the heads; None for one head."""
        level = self.comparison.level
        return front(self.compared, self.falling, self.single_task, level=level)

    @property
    def compared(self) -> pd.DataFrame:
        """The values of the split that is compared."""
        return self.values[self.values["split"] == self.split]

    @property
    def falling(self) -> frozenset[str]:
        """The metrics of which less is better."""
        return falling_metrics(self.values["metric"].unique())

    def shown(self, head: str) -> str:
        """Return what a head is called where people read."""
        return self.titles.get(head) or head
