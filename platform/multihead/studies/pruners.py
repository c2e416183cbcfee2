"""Pruners by name: Optuna's and best_after for one objective, dominance for several."""

from collections.abc import Callable
from typing import Any

import optuna
from optuna.pruners import BasePruner

from multihead.errors import ConfigError
from multihead.studies.best_after import BEST_AFTER, make_best_after
from multihead.studies.by_name import check_name, make
from multihead.studies.definition import Definition
from multihead.studies.dominance import DominancePruner

DOMINANCE = "dominance"
_MAKERS: dict[str, Callable[..., BasePruner]] = {
    "none": optuna.pruners.NopPruner,
    "hyperband": optuna.pruners.HyperbandPruner,
    "asha": optuna.pruners.SuccessiveHalvingPruner,
    "median": optuna.pruners.MedianPruner,
    "percentile": optuna.pruners.PercentilePruner,
    "threshold": optuna.pruners.ThresholdPruner,
    "wilcoxon": optuna.pruners.WilcoxonPruner,
}
_DEFAULTS: dict[str, dict[str, Any]] = {"percentile": {"percentile": 25.0}}
PRUNERS = (*_MAKERS, BEST_AFTER, DOMINANCE)


def make_pruner(definition: Definition) -> BasePruner:
    """Make the Optuna pruner of a study. For our own pruners, it is one that never prunes.

    Raises:
        ConfigError: If the name or an argument is unknown, or the pruner does not fit the
            objectives or seeds.
    """
    arguments = {**definition.pruner}
    name = arguments.pop("name")
    check_name("pruner", name, PRUNERS)
    if name == DOMINANCE:
        make_dominance(definition)
        return optuna.pruners.NopPruner()
    if make_best_after(definition) is not None:
        return optuna.pruners.NopPruner()
    if name != "none" and definition.several:
        raise ConfigError(
            f"pruner {name} compares one objective, but the study has "
            f"{len(definition.objectives)}; choose dominance or none."
        )
    if name == "wilcoxon" and definition.seeds < 2:
        raise ConfigError(
            "pruner wilcoxon compares trials by seed, but the study has seeds=1; "
            "set seeds to 2 or more, or choose another pruner."
        )
    return make("pruner", name, _MAKERS[name], **_DEFAULTS.get(name, {}) | arguments)


def make_dominance(definition: Definition) -> DominancePruner | None:
    """Make the pruner by dominance, or return None if the study has another pruner.

    Raises:
        ConfigError: If the study has one objective, or the arguments are wrong.
    """
    arguments = {**definition.pruner}
    if arguments.pop("name") != DOMINANCE:
        return None
    if not definition.several:
        raise ConfigError(
            "pruner dominance compares several objectives, but the study has one; choose median, "
            "hyperband, asha, percentile, threshold or none."
        )
    directions = list(definition.objectives.values())
    return make("pruner", DOMINANCE, DominancePruner, directions=directions, **arguments)
