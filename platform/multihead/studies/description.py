"""The description of a study, which the page of its run in MLflow begins with."""

from collections.abc import Iterator, Sequence

import pandas as pd
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial

from multihead.markdown import code, escaped, line_by_line
from multihead.markdown import table as markdown_table
from multihead.studies.create_or_resume import OpenStudy
from multihead.studies.definition import Definition
from multihead.studies.samplers import settled
from multihead.studies.table import best_of_ranked, counted, ranked
from multihead.studies.trial_names import MLFLOW_RUNS, WEIGHTS
from multihead.tracking.run import TrackedRun
from multihead.tracking.secrets import typed_command

_SHOWN = 4  # things that are searched, in the opening


def description(opened: OpenStudy, run: TrackedRun, page: str | None) -> str:
    """Return the study's best trial and its space as Markdown.

    The first lines stand for themselves: MLflow's page shows five lines until somebody opens it.

    Args:
        opened: The study.
        run: The study's own.
        page: The artifact that is the study's page, if it is written already.
    """
    trials = opened.trials()
    order = ranked(opened.definition, trials)
    sampler, _ = settled(opened.definition, opened.plan.space)
    goals = ", ".join(
        f"{direction} {code(metric)}" for metric, direction in opened.definition.objectives.items()
    )
    states = f"{len(trials)} trials: {counted(t.state.name for t in trials)}"
    opening = [
        f"**Study {escaped(opened.name)}**: {goals}; sampler {escaped(str(sampler['name']))}",
        f"{states if trials else 'no trial yet'}; {_best(opened.definition, order, run)}",
        f"Searched: {_searched(opened)}",
        _links(run, page),
    ]
    lines = [line_by_line(*opening), "", markdown_table(_space(opened, order)), ""]
    return "\n".join(lines)


def _best(definition: Definition, order: Sequence[FrozenTrial], run: TrackedRun) -> str:
    text = escaped(best_of_ranked(definition, order))
    if not order:
        return text
    there = next(iter(order[0].user_attrs.get(MLFLOW_RUNS, {}).values()), None)
    address = None if there is None else run.route(str(there))
    return f"**{text}**" + ("" if address is None else f", [its run]({address})")


def _searched(opened: OpenStudy) -> str:
    """Return the first things that are searched, each with its range."""
    found = [
        f"{code(p.name)} {escaped(_range(p.distribution))}"
        for p in opened.plan.space.parameters
        if not p.of_weights
    ]
    if opened.plan.space.weights is not None:
        found.append("the loss weights")
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN]) + more


def _links(run: TrackedRun, page: str | None) -> str:
    address = None if page is None else run.route(artifact=page)
    shown = [] if address is None else [f"[Plots of all trials]({address})"]
    return "; ".join([*shown, f"{code(typed_command())} continues the study"])


def _space(opened: OpenStudy, order: Sequence[FrozenTrial]) -> pd.DataFrame:
    """Return a row for each thing that is searched: where, and what the best trial has."""
    best = order[0] if order else None
    rows = [
        (p.name, _range(p.distribution), None if best is None else best.params.get(p.name))
        for p in opened.plan.space.parameters
        if not p.of_weights
    ]
    rows += list(_weights(opened, best))
    columns = ["searched", "range", "best trial"]
    return pd.DataFrame(
        [(name, span, "" if value is None else _text(value)) for name, span, value in rows],
        columns=columns,
        dtype="str",
    )


def _weights(
    opened: OpenStudy, best: FrozenTrial | None
) -> Iterator[tuple[str, str, float | None]]:
    weights = opened.plan.space.weights
    if weights is None:
        return
    found = {} if best is None else best.user_attrs.get(WEIGHTS, {})
    ratios = [p.name.removeprefix("ratio.") for p in opened.plan.space.parameters if p.of_weights]
    for head in weights.simplex or (str(weights.reference), *ratios):
        span = f"their sum is {weights.total:.4g}"
        yield f"model.loss_weights.{head}", span, found.get(head)


def _range(distribution: BaseDistribution) -> str:
    match distribution:
        case CategoricalDistribution(choices=choices):
            return ", ".join(map(str, choices))
        case (
            FloatDistribution(low=low, high=high, log=log)
            | IntDistribution(low=low, high=high, log=log)
        ):
            return f"{low:.4g} to {high:.4g}" + (", on a log scale" if log else "")
    return str(distribution)


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
