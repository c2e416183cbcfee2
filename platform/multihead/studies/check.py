"""Find out before anything starts what a study could not do, and why an objective is none."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from multihead.data.datamodule import MultiheadDataModule
from multihead.errors import ConfigError
from multihead.heads import Heads
from multihead.metrics.registry import judging, metric_of
from multihead.runs.build import build, build_data, logged_metrics
from multihead.runs.config import nearest
from multihead.runs.schema import check_config
from multihead.studies.configs import TrialConfigs
from multihead.studies.definition import Definition
from multihead.studies.pruners import make_pruner
from multihead.studies.samplers import GRID, ONE_OBJECTIVE, grid, make_sampler
from multihead.studies.space import WEIGHTS_PATH, Parameter, Space, lookup
from multihead.studies.space_file import WEIGHTS, build_space

_NOT_QUALITY = ("epoch", "step", "lr")
_NOT_SEARCHED = ("train", "test", "ckpt_path", "name", "tags", "seed", "optimized_metric")
_NOT_SEARCHED_IN = ("paths.", "logger.", "callbacks.model_checkpoint.")
_CHANGES_VALIDATION = (
    *("data.train_val_test_split", "data.seed", "data.data_dir", "data.heads"),
    *("data.stratify", "data.folds", "data.fold"),
)


@dataclass(frozen=True)
class Plan:
    """A study that fits its base.

    Attributes:
        configs: Makes the configurations of its runs.
        space: What is searched.
        heads: Those of the base.
        opened: The base's data, read.
    """

    configs: TrialConfigs
    space: Space
    heads: Heads
    opened: dict[str, MultiheadDataModule] = field(default_factory=dict)


def prepare(definition: Definition, trust: Collection[str] | None = None) -> Plan:
    """Compose the base, read its data and make the space.

    Args:
        definition: The study.
        trust: What it may name if it comes from a storage; see `TrialConfigs`.

    Raises:
        MultiheadError: In one line, for what does not compose or fit.
    """
    configs, opened = TrialConfigs(definition, trust), dict[str, MultiheadDataModule]()
    data = build_data(configs.base.data, opened, test=configs.base.run.test)
    space = build_space(definition.space, data.heads, configs.base.composed)
    return Plan(configs, space, data.heads, opened)


def check(definition: Definition, trust: Collection[str] | None = None) -> Plan:
    """Check everything that can be checked without training.

    Args:
        definition: The study.
        trust: What it may name if it comes from a storage; see `TrialConfigs`.

    Raises:
        MultiheadError: Naming what is wrong, what is allowed and how to mend it.
    """
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    make_pruner(definition)
    make_sampler(definition.sampler)
    if definition.sampler["name"] in ONE_OBJECTIVE and definition.several:
        raise ConfigError(
            f"sampler {definition.sampler['name']} takes one objective, but the study has "
            f"{len(definition.objectives)}; choose tpe, gp, nsga2, nsga3, qmc or random."
        )
    plan = prepare(definition, trust)
    for path in definition.space:
        _check_path(path, plan.configs)
    base = plan.configs.base
    parts = build(base.composed, opened=plan.opened)
    names = logged_metrics(parts.module, parts.data, validates=base.trainer.validates)
    for metric in definition.objectives:
        _check_objective(metric, names, list(definition.space))
    if definition.sampler["name"] == GRID:
        grid(plan.space)
    _check_values(plan)
    return plan


def _check_objective(metric: str, names: Sequence[str], paths: Sequence[str]) -> None:
    """Refuse what is no measure of quality, or changes with what is searched."""
    _, _, last = metric.partition("/")
    if metric.startswith("test/"):
        raise ConfigError(
            f"objective {metric} is of the test split, which trials never read; use val/{last}, "
            f"and confirm.seeds to test the best trial."
        )
    if metric in _NOT_QUALITY or metric not in names:
        offered = [n for n in names if n.startswith("val/") and n != "val/loss"]
        reason = "is no measure of quality" if metric in _NOT_QUALITY else "will never be logged"
        raise ConfigError(
            f"objective {metric} {reason}{nearest(metric, offered)}; choose among: "
            f"{', '.join(offered)}."
        )
    if last in ("loss", "loss_best"):
        raise ConfigError(
            f"objective {metric} is the sum of the heads' losses times the loss weights, so it "
            f"changes with the weights themselves (weights near 0 would win); use a head's own "
            f"metric, such as {_example(names)}, or the mean val/score."
        )
    if not metric.startswith("val/"):
        raise ConfigError(f"objective {metric} is of the training images; use val/{last}.")
    searched = any(path.startswith("model.eval_weights") for path in paths)
    if last in ("acc_weighted", "score_weighted") and searched:
        raise ConfigError(
            f"objective {metric} contains model.eval_weights, which the space searches; remove "
            f"one of them."
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


def _check_path(path: str, configs: TrialConfigs) -> None:
    """Refuse a path that the base does not have, or that a trial must not change."""
    if path == WEIGHTS:
        return
    plain = path.lstrip("+")
    if plain in _NOT_SEARCHED or plain.startswith(_NOT_SEARCHED_IN):
        how = "; set seeds for several seeds per trial" if plain == "seed" else ""
        raise ConfigError(f"space.{path} cannot be searched: it is no part of the training{how}.")
    if plain.startswith(_CHANGES_VALIDATION):
        raise ConfigError(
            f"space.{path} cannot be searched: it changes the images on which the trials are "
            f"compared."
        )
    if "/" in plain:
        if plain not in configs.groups:
            raise ConfigError(
                f"space has the config group {path!r}{nearest(plain, configs.groups)}; there are: "
                f"{', '.join(sorted(configs.groups))}."
            )
        return
    _check_key(path, plain, configs.base.composed)


def _check_key(path: str, plain: str, base: Mapping[str, Any]) -> None:
    parent, _, word = plain.rpartition(".")
    node = lookup(base, parent) if parent else base
    if plain.startswith(f"{WEIGHTS_PATH}.") or path.startswith("+"):
        return
    if not isinstance(node, Mapping) or word not in node:
        known = [k for k in node if not str(k).startswith("_")] if isinstance(node, Mapping) else []
        there = f"; {parent or 'the top'} has: {', '.join(map(str, known))}" if known else ""
        raise ConfigError(
            f"space.{path} names a key that the base does not have"
            f"{nearest(word, map(str, known))}{there}."
        )
    if isinstance(node[word], Mapping):
        raise ConfigError(f"space.{path} is a group of keys; name one: {', '.join(node[word])}.")


def _check_values(plan: Plan) -> None:
    """Compose the ends of every range and every choice, and check their types."""
    for parameter in plan.space.parameters:
        for value in _ends(parameter):
            if parameter.name.startswith(("simplex.", "ratio.")):
                continue
            try:
                check_config(plan.configs.config({parameter.name: value}))
            except ConfigError as error:
                raise ConfigError(f"space.{parameter.name}: with {value!r}, {error}") from error


def _ends(parameter: Parameter) -> Sequence[Any]:
    d = parameter.distribution
    if isinstance(d, CategoricalDistribution):
        return d.choices
    assert isinstance(d, FloatDistribution | IntDistribution)
    return (d.low, d.high)
