"""What an ablation came to, in one object: all that a report says."""

from dataclasses import dataclass, field

import pandas as pd

from multihead.ablation.statistics import Comparison


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
    gradients: pd.DataFrame = field(default_factory=pd.DataFrame)
