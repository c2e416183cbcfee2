"""Show what a study would do: some trials that it would sample, and how long it would take."""

import time
from typing import Any

import optuna
import torch

from multihead.runs.build import Parts, build
from multihead.studies.check import Plan, check, check_directions
from multihead.studies.create_or_resume import first_points
from multihead.studies.definition import Definition
from multihead.studies.progress import span
from multihead.studies.pruners import make_pruner
from multihead.studies.samplers import sampler_of

_TIMED_BATCHES = 10
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
    """Time some batches of the base; return a line with the longest time the study may take."""
    parts = build(plan.configs.base.composed, opened=plan.opened)
    epoch = epoch_seconds(parts)
    epochs = int(parts.trainer.max_epochs or 1) * definition.seeds
    seconds = definition.n_trials * epochs * epoch / definition.workers
    return (
        f"{definition.n_trials} trials x {epochs} epochs of about {epoch:.1f} s on the CPU: "
        f"at most {span(seconds)} with {definition.workers} workers, and less with pruning"
    )


def epoch_seconds(parts: Parts) -> float:
    """Train some batches on the CPU; return the estimated seconds of an epoch."""
    loader, module = parts.data.train_dataloader(), parts.module
    optimizer = module.optimization.optimizer(module.parameters())
    batches = 0
    began = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16, enabled="bf16" in str(parts.trainer.precision)):
        for batch in loader:
            losses, counts, _, _ = module.losses(batch, "train")
            optimizer.zero_grad()
            total, _ = module.balanced(losses, module.present(counts))
            torch.autograd.backward(total)
            optimizer.step()
            batches += 1
            if batches == _TIMED_BATCHES:
                break
    return (time.perf_counter() - began) / batches * len(loader)
