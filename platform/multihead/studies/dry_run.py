"""Show what a study would do: some trials that it would sample, and how long it would take."""

from typing import Any

import optuna

from multihead.runs.build import build
from multihead.studies.check import Plan, check, check_directions
from multihead.studies.create_or_resume import first_points
from multihead.studies.definition import Definition
from multihead.studies.like_trainings import NO_ESTIMATE, LikeTrainings
from multihead.studies.progress import span
from multihead.studies.pruners import make_pruner
from multihead.studies.samplers import sampler_of
from multihead.tracking.store import Store

Sampled = tuple[dict[str, Any], dict[str, Any]]


def sampled(definition: Definition, count: int) -> tuple[Plan, list[Sampled]]:
    """Check a study and sample its first trials.

    Returns:
        The plan, and for each trial its parameters and the overrides that they set.

    Raises:
        MultiheadError: If the study or one of these trials cannot run.
    """
    plan = check(definition)
    check_directions(definition)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        directions=list(definition.objectives.values()),
        sampler=sampler_of(definition, plan.space),
        pruner=make_pruner(definition),
    )
    for point in first_points(definition, plan)[:count]:
        study.enqueue_trial(point)
    found = []
    for _ in range(count):
        params = plan.space.suggest(study.ask())
        values = plan.space.values(params)
        build(plan.configs.config(values), opened=plan.opened)
        found.append((params, values))
    return plan, found


def estimate(definition: Definition, plan: Plan) -> str:
    """Return what the study would take, in a line, by trainings on record that are like its base.

    Raises:
        StoreError: If the store does not answer.
    """
    base = plan.configs.base.composed
    epochs, times = base["trainer"]["max_epochs"], definition.n_trials * definition.seeds
    seeds = f" x {definition.seeds} seeds" if definition.seeds > 1 else ""
    cost = f"{definition.n_trials} trials{seeds} x {epochs} epochs"
    found = LikeTrainings(Store()).estimate(base)
    if found is None:
        return f"{cost}: {NO_ESTIMATE}"
    whole = span(times * found.seconds / definition.workers)
    return f"{cost}: about {whole} with {definition.workers} workers, less what is pruned; {found}"
