"""Read the affinities that an ablation's trainings measured from their runs."""

from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from multihead.ablation.affinity import Affinity, grouping_table, pair_table
from multihead.ablation.arms import Part
from multihead.ablation.gains import Gains
from multihead.ablation.plan import Cell, Plan
from multihead.runs.affinity import mean_affinity_metric

# `value` is the mean affinity of source onto target over a training.
MEASURED = ("arm", "seed", "source", "target", "value")


def affinities(cell: Cell, run: Any) -> Iterator[dict[str, Any]]:
    """Yield a row for each ordered pair of heads whose affinity a run measured."""
    for source in cell.part.heads:
        for target in cell.part.heads:
            value = run.data.metrics.get(mean_affinity_metric(source, target))
            if source != target and value is not None:
                pair = {"source": source, "target": target, "value": value}
                yield {"arm": cell.part.arm, "seed": cell.block, **pair}


def affinity_of(plan: Plan, measured: pd.DataFrame, values: pd.DataFrame) -> Affinity | None:
    """Return affinities and gains, or None if no arm with all heads measured affinity.

    Args:
        plan: Plan of the ablation.
        measured: Table with the columns `MEASURED`.
        values: Table with the columns `collect.VALUES`, of all splits.
    """
    heads, definition = list(plan.data.heads), plan.definition
    whole = [part.arm for part in plan.parts if set(part.heads) == set(heads)]
    arm = next((arm for arm in whole if arm in set(measured["arm"])), None)
    if arm is None or len(heads) < 2:
        return None
    gains = Gains(
        values[values["split"] == "test"],
        arms_by_group(plan.parts, arm),
        plan.metrics,
        definition.level,
        definition.folds,
    )
    pairs = pair_table(heads, measured[measured["arm"] == arm], gains)
    return Affinity(pairs, grouping_table(heads, pairs, gains))


def arms_by_group(parts: Iterable[Part], first: str) -> dict[frozenset[str], str]:
    """Return the arm that trained each group of heads.

    Args:
        parts: The parts of all arms, in the order of the file. If several arms train a group, the
            first one is used.
        first: An arm that has priority over all others.
    """
    found: dict[frozenset[str], str] = {}
    for part in sorted(parts, key=lambda part: part.arm != first):
        found.setdefault(frozenset(part.heads), part.arm)
    return found
