"""A search space: the parameters that Optuna suggests, and the overrides that they set.

A parameter has the name of the override path that it sets. Parameters of loss weights are named
`simplex.HEAD` or `ratio.HEAD`. If a path has one range for each choice of a config group, its
parameters are named `CHOICE.argument`.

Optuna suggests parameters in the order of the study's file, which `space_file` reads.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from multihead.errors import ConfigError
from multihead.studies.weights import Weights, simplex_coordinates

WEIGHTS_PATH = "model.loss_weights"


@dataclass(frozen=True)
class Parameter:
    """One number or choice that is searched.

    Attributes:
        name: Its name in Optuna.
        distribution: Its range or choices.
        when: Its conditions. It is suggested only if each named parameter has one of these values.
        sets: The override path that it sets, if that differs from the name.
    """

    name: str
    distribution: BaseDistribution
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    sets: str | None = None

    @property
    def path(self) -> str:
        """The override path that it sets."""
        return self.name if self.sets is None else self.sets

    @property
    def choices(self) -> tuple[Any, ...]:
        """The values to choose from; empty for a range."""
        found = self.distribution
        return found.choices if isinstance(found, CategoricalDistribution) else ()

    @property
    def is_group(self) -> bool:
        """Whether it selects an option of a config group."""
        return "/" in self.path

    @property
    def of_weights(self) -> bool:
        """Whether it is part of the loss weights, so that it sets no path on its own."""
        return self.name.startswith(("simplex.", "ratio."))

    def applies(self, chosen: Mapping[str, Any]) -> bool:
        """Return whether it is suggested, given the parameters chosen before."""
        return all(n in chosen and chosen[n] in values for n, values in self.when.items())

    def suggest(self, trial: optuna.Trial) -> Any:
        """Return the trial's suggested value."""
        match self.distribution:
            case FloatDistribution(low=low, high=high, step=step, log=log):
                return trial.suggest_float(self.name, low, high, step=step, log=log)
            case IntDistribution(low=low, high=high, step=step, log=log):
                return trial.suggest_int(self.name, low, high, step=step, log=log)
            case CategoricalDistribution(choices=choices):
                return trial.suggest_categorical(self.name, choices)
        raise TypeError(f"{self.name} has a {type(self.distribution).__name__}")


@dataclass(frozen=True)
class Space:
    """What a study searches.

    Attributes:
        parameters: In the order of the file.
        weights: How parameters become loss weights; None if no weights are searched.
    """

    parameters: tuple[Parameter, ...]
    weights: Weights | None = None

    @property
    def is_conditional(self) -> bool:
        """Whether some parameters have conditions."""
        return any(parameter.when for parameter in self.parameters)

    def suggest(self, trial: optuna.Trial) -> dict[str, Any]:
        """Suggest every parameter that applies; return the values by name."""
        chosen: dict[str, Any] = {}
        for parameter in self.parameters:
            if parameter.applies(chosen):
                chosen[parameter.name] = parameter.suggest(trial)
        return chosen

    def values(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the overrides that a trial's parameters set, by path.

        Raises:
            ConfigError: If a choice is not in the space. The parameters come from the storage,
                which others may have written to.
        """
        values = {}
        for parameter in self.parameters:
            if parameter.name in params and not parameter.of_weights and parameter.applies(params):
                values[parameter.path] = params[parameter.name]
                if isinstance(parameter.distribution, CategoricalDistribution):
                    check_inside(parameter, params[parameter.name])
        if self.weights is not None and self._weighs(params):
            values[WEIGHTS_PATH] = self.weights.of(params)
        return values

    def _weighs(self, params: Mapping[str, Any]) -> bool:
        """Return whether loss weights are searched, given the parameters chosen."""
        return all(p.applies(params) for p in self.parameters if p.of_weights)

    def contexts(self, parameter: Parameter) -> Iterator[dict[str, Any]]:
        """Yield every set of overrides under which a parameter applies, by path."""
        known = {each.name: each for each in self.parameters}
        found: list[dict[str, Any]] = [{}]
        for name, values in parameter.when.items():
            above = known[name]
            found = [
                {**before, **further, above.path: value}
                for before in found
                for further in self.contexts(above)
                for value in values
            ]
        yield from found

    def params_of(self, base: Mapping[str, Any], groups: Mapping[str, str]) -> dict[str, Any]:
        """Return the parameters that reproduce a configuration; those without a value are left out.

        Args:
            base: A composed configuration.
            groups: Its choice of each config group.

        Raises:
            ConfigError: If a value is outside its range.
        """
        found: dict[str, Any] = {}
        for parameter in self.parameters:
            if parameter.of_weights or not parameter.applies(found):
                continue
            path = parameter.path.lstrip("+")
            value = groups.get(path, lookup(base, path))
            if value is None and not isinstance(parameter.distribution, CategoricalDistribution):
                continue
            check_inside(parameter, value)
            found[parameter.name] = value
        return found | (self._weight_params(base) if self._weighs(found) else {})

    def _weight_params(self, base: Mapping[str, Any]) -> dict[str, float]:
        if self.weights is None:
            return {}
        given = lookup(base, WEIGHTS_PATH) or {}
        if self.weights.reference is None:
            heads = self.weights.simplex
            cube = simplex_coordinates([float(given.get(name, 1.0)) for name in heads])
            return {f"simplex.{n}": u for n, u in zip(heads[:-1], cube, strict=True)}
        unit = float(given.get(self.weights.reference, 1.0))
        found = {}
        for parameter in self.parameters:
            if parameter.name.startswith("ratio."):
                head = parameter.name.removeprefix("ratio.")
                found[parameter.name] = float(given.get(head, 1.0)) / unit if unit else 1.0
                check_inside(parameter, found[parameter.name])
        return found


def check_inside(parameter: Parameter, value: Any) -> None:
    """Check that a value is in a parameter's range or choices.

    Raises:
        ConfigError: If it is not. The message names the range.
    """
    try:
        inside = parameter.distribution._contains(parameter.distribution.to_internal_repr(value))
    except (ValueError, TypeError):
        inside = False
    if not inside:
        raise ConfigError(
            f"space.{parameter.name} does not contain {value!r}, which the base or an enqueued "
            f"trial has: {parameter.distribution}. Widen it, change the base, or set "
            f"defaults=false."
        )


def lookup(config: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path, or None if the configuration has no such path."""
    node: Any = config
    for part in path.split("."):
        if not isinstance(node, Mapping) or part not in node:
            return None
        node = node[part]
    return node
