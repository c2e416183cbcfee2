"""What an ablation came to, wherever its runs were made: tables, no objects of a library."""

from dataclasses import dataclass

import pandas as pd

from multihead.ablation.statistics import Comparison


@dataclass(frozen=True)
class Check:
    """One rule of a fair comparison.

    Attributes:
        name: The rule.
        met: Whether it is met.
        reason: What shows it, or what is amiss.
    """

    name: str
    met: bool
    reason: str


@dataclass(frozen=True)
class Result:
    """An ablation and all that its report shows.

    Attributes:
        name: Of the ablation.
        definition: The text of its file; empty if there is none.
        values: Columns arm, seed, head, metric, split, value, run.
        runs: Columns arm, seed, head, run, mlflow_id, state, reason, config_hash, data_digest,
            parameters, train_seconds, epochs, host, url.
        curves: Columns arm, seed, head, metric, split, epoch, value.
        comparison: The statistics.
        redundancy: Normalised mutual information of every two heads, [T, T] by name.
        functions: Lines such as "B is a function of A".
        protocol: The rules of a fair comparison.
        commands: What to type to make it again.
        baseline: The arm that the others are compared with.
        url: Of its record; empty if there is none.
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
    url: str
