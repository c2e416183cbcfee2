"""Check a study before anything starts: its base, its space, its objectives and its methods."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from multihead.data.datamodule import MultiheadDataModule
from multihead.errors import ConfigError
from multihead.heads import Heads
from multihead.metrics.registry import is_known, judging, metric_of
from multihead.runs.build import build, build_data, logged_metrics
from multihead.studies.best_after import best_after_notes, check_epochs, make_best_after
from multihead.studies.check_space import check_paths, check_values
from multihead.studies.configs import TrialConfigs
from multihead.studies.definition import Definition, direction_of
from multihead.studies.points import point_notes
from multihead.studies.pruners import make_pruner
from multihead.studies.samplers import GRID, ONE_OBJECTIVE, grid, sampler_notes, sampler_of
from multihead.studies.space import Space
from multihead.studies.space_file import build_space
from multihead.studies.weight_notes import weight_notes
from multihead.text import nearest

_NOT_QUALITY = ("epoch", "step", "lr")


@dataclass(frozen=True)
class Plan:
    """A study whose base composes and whose data are read.

    Attributes:
        configs: Makes the configurations of its runs.
        space: What is searched.
        heads: The heads of the base.
        opened: The data of the base, already read.
        notes: Notes for the user before the study runs. Only `check` makes them.
    """

    configs: TrialConfigs
    space: Space
    heads: Heads
    opened: dict[str, MultiheadDataModule] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def prepare(definition: Definition, trust: Collection[str] | None = None) -> Plan:
    """Compose the base, read its data and make the space.

    Args:
        definition: The study.
        trust: Targets that it may name if it comes from a storage; see `TrialConfigs`.

    Raises:
        MultiheadError: If the base does not compose, or the space does not fit it.
    """
    configs, opened = TrialConfigs(definition, trust), dict[str, MultiheadDataModule]()
    data = build_data(configs.base.data, opened, test=configs.base.run.test)
    space = build_space(definition.space, data.heads, configs.base.composed)
    return Plan(configs, space, data.heads, opened)


def check(definition: Definition, trust: Collection[str] | None = None) -> Plan:
    """Check everything that can be checked without training.

    Args:
        definition: The study.
        trust: Targets that it may name if it comes from a storage; see `TrialConfigs`.

    Raises:
        MultiheadError: For the first mistake. The message says how to mend it.
    """
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    make_pruner(definition)
    if definition.sampler["name"] in ONE_OBJECTIVE and definition.several:
        raise ConfigError(
            f"sampler {definition.sampler['name']} takes one objective, but the study has "
            f"{len(definition.objectives)}; choose tpe, gp, nsga2, nsga3, qmc or random."
        )
    plan = prepare(definition, trust)
    sampler_of(definition, plan.space)
    check_paths(plan.configs, plan.space)
    base = plan.configs.base
    parts = build(base.composed, opened=plan.opened)
    names = logged_metrics(parts.module, parts.data, validates=base.trainer.validates)
    for metric in definition.objectives:
        _check_objective(metric, names, list(definition.space))
    if definition.sampler["name"] == GRID:
        _check_grid(definition, plan.space)
    check_values(plan.configs, plan.space, plan.opened)
    rule = make_best_after(definition)
    trainer = parts.trainer
    check_epochs(rule, trainer.max_epochs, trainer.check_val_every_n_epoch)
    notes = sampler_notes(definition, plan.space) + best_after_notes(rule, definition)
    notes += point_notes(definition, plan.space)
    notes += weight_notes(plan.configs, plan.space, plan.heads, plan.opened)
    return replace(plan, notes=tuple(notes))


def _check_grid(definition: Definition, space: Space) -> None:
    if definition.enqueue:
        raise ConfigError(
            "sampler grid trains the points of its space and no others, but the study has enqueue; "
            "remove it, or choose another sampler."
        )
    grid(space)


def check_directions(definition: Definition) -> None:
    """Check that no objective of a new study has the wrong direction.

    Args:
        definition: The study. `check` must run first, so that the user's own metrics are known.

    Raises:
        ConfigError: If one has. The message names the objective and the right direction.
    """
    for metric, direction in definition.objectives.items():
        if is_known(metric) and direction != (better := direction_of(metric)):
            way = "higher" if better == "maximize" else "lower"
            raise ConfigError(
                f"objectives has {metric}: {direction}, but {metric} is better when {way}; write "
                f"{metric}: {better}, or its name alone."
            )


def _check_objective(metric: str, names: Sequence[str], paths: Sequence[str]) -> None:
    """Check that an objective is logged, measures quality and does not depend on the space."""
    _, _, last = metric.partition("/")
    if metric.startswith("test/"):
        raise ConfigError(
            f"objective {metric} uses the test split, which trials never read; use val/{last}, "
            f"and confirm.seeds to test the best trial."
        )
    if metric in _NOT_QUALITY or metric not in names:
        offered = [n for n in names if n.startswith("val/") and n != "val/loss"]
        reason = "does not measure quality" if metric in _NOT_QUALITY else "will never be logged"
        raise ConfigError(
            f"objective {metric} {reason}{nearest(metric, offered)}; choose among: "
            f"{', '.join(offered)}."
        )
    if last in ("loss", "loss_best"):
        raise ConfigError(
            f"objective {metric} is the sum of the heads' losses times the loss weights, so it "
            f"depends on the weights (weights near 0 would win); use a head's own "
            f"metric, such as {_example(names)}, or the mean val/score."
        )
    if not metric.startswith("val/"):
        raise ConfigError(f"objective {metric} uses the training images; use val/{last}.")
    searched = any(path.startswith("model.eval_weights") for path in paths)
    if last in ("acc_weighted", "score_weighted") and searched:
        raise ConfigError(
            f"objective {metric} depends on model.eval_weights, which the space searches; choose "
            f"another objective, or remove model.eval_weights from the space."
        )
    head = last.removesuffix("_loss")
    measures = (f"model.criteria.{head}", "model.parameter_criterion", "model/criterion")
    measured = [path for path in paths if path.lstrip("+").startswith(measures)]
    if last.endswith("_loss") and measured:
        raise ConfigError(
            f"objective {metric} is measured by the criterion, which the space searches with "
            f"{measured[0]}; use another metric of {head}, such as {_example(names)}."
        )


def _example(names: Sequence[str]) -> str:
    heads = [n for n in names if n.startswith("val/") and "_" in n]
    return next((n for n in heads if judging([metric_of(n).name])), "val/score")
