"""Check a space against its base: every path, every choice and both ends of every range."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NoReturn

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from multihead.data.datamodule import MultiheadDataModule
from multihead.errors import ConfigError, MultiheadError
from multihead.runs.build import build
from multihead.runs.schema import check_config
from multihead.studies.configs import TrialConfigs
from multihead.studies.space import WEIGHTS_PATH, Parameter, Space, lookup
from multihead.text import nearest

_NOT_SEARCHED = ("train", "test", "ckpt_path", "name", "tags", "seed", "optimized_metric")
_NOT_SEARCHED_IN = ("paths.", "logger.", "callbacks.model_checkpoint.")
_CHANGES_VALIDATION = (
    *("data.train_val_test_split", "data.seed", "data.data_dir", "data.heads", "data/heads"),
    *("data.stratify", "data.folds", "data.fold"),
    *("data.table", "data.columns", "data.split_column", "data.group_column", "data.duplicates"),
    *("data.sizes", "data.split_seed", "data.pairing_seed", "data.picture_seed", "data.count"),
    *("data.missing", "data.label_noise", "data.quantiles"),
)
Context = Mapping[str, Any]


def check_paths(configs: TrialConfigs, space: Space) -> None:
    """Check that the base has every path, and that a trial may change it.

    Raises:
        ConfigError: If not. The message names the path and the nearest one in the base.
    """
    for parameter in space.parameters:
        if not parameter.of_weights:
            _check_allowed(parameter.path)
            if parameter.is_group:
                _check_group(parameter.path, configs)
            else:
                _check_key(parameter, configs, space)


def check_values(
    configs: TrialConfigs, space: Space, opened: dict[str, MultiheadDataModule]
) -> None:
    """Compose the base with every choice and both ends of every range; build it if classes change.

    Raises:
        ConfigError: If a value does not fit. The message names the parameter and the value.
    """
    for parameter in space.parameters:
        if parameter.of_weights:
            continue
        for context, value in product(_contexts(parameter, space), _ends(parameter)):
            try:
                config = configs.config({**context, parameter.path: value})
                check_config(config)
                if parameter.is_group or context:  # the base's class is replaced by another
                    build(config, opened=opened)
            except MultiheadError as error:
                raise type(error)(f"space.{parameter.name}: with {value!r}, {error}") from error


def _check_allowed(path: str) -> None:
    plain = path.lstrip("+")
    if plain in _NOT_SEARCHED or plain.startswith(_NOT_SEARCHED_IN):
        how = "; set seeds for several seeds per trial" if plain == "seed" else ""
        raise ConfigError(
            f"space.{path} cannot be searched: it is no setting of the training{how}."
        )
    if plain.startswith(_CHANGES_VALIDATION):
        raise ConfigError(
            f"space.{path} cannot be searched: it changes the images on which the trials are "
            f"compared."
        )


def _check_group(path: str, configs: TrialConfigs) -> None:
    plain = path.lstrip("+")
    if plain not in configs.groups:
        raise ConfigError(
            f"space has the unknown config group {path!r}{nearest(plain, configs.groups)}; choose "
            f"one of: {', '.join(sorted(configs.groups))}."
        )


def _contexts(parameter: Parameter, space: Space) -> list[Context]:
    """Return the choices under which a parameter may be suggested, if they decide on its key."""
    found: list[Context] = list(space.contexts(parameter))
    for group in (each for each in space.parameters if each.is_group):
        package = group.path.replace("/", ".") + "."
        if parameter.path.startswith(package) and group.name not in parameter.when:
            choices = [
                {**outer, group.path: choice}
                for outer in space.contexts(group)
                for choice in _ends(group)
            ]
            found = [{**context, **choice} for context in found for choice in choices]
    return found


def _check_key(parameter: Parameter, configs: TrialConfigs, space: Space) -> None:
    if parameter.path.startswith((f"{WEIGHTS_PATH}.", "+")):
        return
    contexts = _contexts(parameter, space)
    without = [c for c in contexts if not _has(configs, c, parameter)]
    if not without:
        return
    config = configs.config(without[0])
    if not without[0]:
        _refuse_key(parameter.path, config, "the base")
    group, choice = list(without[0].items())[-1]
    having = [c[group] for c in contexts if c not in without]
    if group not in parameter.when and having:
        raise ConfigError(
            f"space.{parameter.path} is not a key of {group} {choice}; name the choices that have "
            f"it: "
            f"when: {{{group}: [{', '.join(map(str, dict.fromkeys(having)))}]}}."
        )
    _refuse_key(parameter.path, config, f"{group} {choice}")


def _has(configs: TrialConfigs, context: Context, parameter: Parameter) -> bool:
    """Return whether the configuration has a key, or the chosen class takes it as an argument."""
    parent, _, word = parameter.path.rpartition(".")
    config = configs.config(context)
    node = lookup(config, parent) if parent else config
    if isinstance(node, Mapping) and word in node:
        return not isinstance(node[word], Mapping)
    if not context or not isinstance(node, Mapping):
        return False
    try:
        check_config(configs.config({**context, parameter.path: _ends(parameter)[0]}))
    except ConfigError:
        return False
    return True


def _refuse_key(path: str, config: Mapping[str, Any], owner: str) -> NoReturn:
    parent, _, word = path.rpartition(".")
    node = lookup(config, parent) if parent else config
    if isinstance(node, Mapping) and word in node:
        raise ConfigError(
            f"space.{path} is a group of keys; name one of them: {', '.join(node[word])}."
        )
    known = [k for k in node if not str(k).startswith("_")] if isinstance(node, Mapping) else []
    there = f"; {parent or 'the top'} has: {', '.join(map(str, known))}" if known else ""
    raise ConfigError(
        f"space.{path} names a key that {owner} does not have"
        f"{nearest(word, map(str, known))}{there}."
    )


def _ends(parameter: Parameter) -> Sequence[Any]:
    d = parameter.distribution
    if isinstance(d, CategoricalDistribution):
        return d.choices
    assert isinstance(d, FloatDistribution | IntDistribution)
    return (d.low, d.high)
