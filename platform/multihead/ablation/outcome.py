"""Collect the results of an ablation from the store into a `Result`."""

import shlex
from collections.abc import Mapping

import numpy as np

from multihead.ablation.arms import base_overrides
from multihead.ablation.collect import collect
from multihead.ablation.ledger import early_reads, ledger
from multihead.ablation.measured_affinity import affinity_of
from multihead.ablation.plan import Plan
from multihead.ablation.protocol import checks
from multihead.ablation.record import definition_text, selected
from multihead.ablation.records import parents_of
from multihead.ablation.result import Result
from multihead.ablation.statistics import compare, falling_metrics
from multihead.ablation.worker import Work
from multihead.inspection.redundancy import Redundancy, redundancy
from multihead.tracking.store import Store


def outcome(plan: Plan, store: Store, works: Mapping[str, Work]) -> Result:
    """Return the results of an ablation so far.

    Args:
        plan: Plan of the ablation.
        store: The store with its runs.
        works: The states of cells on this machine, by name.

    Raises:
        MultiheadError: If there is nothing to compare yet, or the store does not respond.
    """
    definition = plan.definition
    found = collect(plan, store, works)
    reads = ledger(store, (cell.test_digest for cell in plan.cells))
    early = early_reads(reads, plan, selected(store, definition.name))
    heads = head_redundancy(plan)
    functions = tuple(f"{b} is a function of {a}" for b, a in heads.functions)
    parents = parents_of(store, definition.name)
    info = parents[0].info if parents else None
    metrics = {metric for names in plan.metrics.values() for metric in names}
    return Result(
        name=definition.name,
        definition=definition_text(definition),
        values=found.values,
        runs=found.runs,
        curves=found.curves,
        comparison=compare(
            found.values,
            definition.baseline,
            lower_is_better=falling_metrics(metrics),
            level=definition.level,
            planned=plan.measured,
            folds=definition.folds,
        ),
        redundancy=heads.nmi,
        functions=functions,
        protocol=checks(plan, found.runs, reads, early, functions),
        commands=commands(plan),
        baseline=definition.baseline,
        url=None if info is None else store.run_url(info.experiment_id, info.run_id),
        test_reads=reads,
        affinity=affinity_of(plan, found.affinities, found.values),
        titles={name: head.title for name, head in plan.data.heads.items() if head.title},
        units={name: head.unit for name, head in plan.data.heads.items() if head.unit},
        gradients=found.gradients,
    )


def head_redundancy(plan: Plan) -> Redundancy:
    """Return the redundancy of every two heads, from the labels of the training images."""
    labels = plan.data.train_source.take_labels(np.asarray(plan.data.train_indices))
    return redundancy(labels, plan.data.heads)


def commands(plan: Plan) -> tuple[str, ...]:
    """Return the commands that repeat the ablation from its file, and train each network alone."""
    definition = plan.definition
    seeds = ",".join(map(str, definition.seeds))
    trainings = []
    for part in (part for part in plan.parts if part.name not in plan.lost):
        result = plan.tuned.get(part.name)
        chosen = () if result is None else result.overrides
        overrides = [*base_overrides(definition), *part.overrides, *chosen, f"seed={seeds}"]
        if definition.folds is not None:
            each = ",".join(map(str, range(definition.folds)))
            overrides += [f"data.folds={definition.folds}", f"data.fold={each}"]
        trainings.append(shlex.join(["multihead", "train", "-m", *overrides]))
    return (f"multihead ablate {definition.name}.yaml", *trainings)
