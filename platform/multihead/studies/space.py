"""A search space: what Optuna is asked for, and what the answers set of a configuration.

Parameters have the name of their path, those of loss weights `simplex.HEAD` and `ratio.HEAD`. Where
a path has a range for each choice, as arguments of different methods of one name do, they have the
name `CHOICE.argument`. They are asked for in the order of the study's file; `space_file` reads it.
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
        name: Of the parameter in Optuna.
        distribution: Its range.
        when: The parameters it depends on: it is asked for if each has one of these values.
        sets: The override path that it sets, if that is another than the name.
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
        """The values that there are to choose from; none of a range."""
        found = self.distribution
        return found.choices if isinstance(found, CategoricalDistribution) else ()

    @property
    def is_group(self) -> bool:
        """Whether it chooses the file of a config group."""
        return "/" in self.path

    @property
    def of_weights(self) -> bool:
        """Whether it is one of those that loss weights are made of, and sets no path itself."""
        return self.name.startswith(("simplex.", "ratio."))

    def applies(self, chosen: Mapping[str, Any]) -> bool:
        """Return whether it is asked for, given what was chosen before."""
        return all(n in chosen and chosen[n] in values for n, values in self.when.items())

    def suggest(self, trial: optuna.Trial) -> Any:
        """Ask a trial for a value."""
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
        weights: How loss weights are made of parameters, or None.
    """

    parameters: tuple[Parameter, ...]
    weights: Weights | None = None

    @property
    def is_conditional(self) -> bool:
        """Whether some parameters are asked for only after some answers."""
        return any(parameter.when for parameter in self.parameters)

    def suggest(self, trial: optuna.Trial) -> dict[str, Any]:
        """Ask for every parameter that applies, and return those by name."""
        chosen: dict[str, Any] = {}
        for parameter in self.parameters:
            if parameter.applies(chosen):
                chosen[parameter.name] = parameter.suggest(trial)
        return chosen

    def values(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a trial's parameters set, by override path.

        Raises:
            ConfigError: For a choice that the space does not have: the storage says what a trial
                had, and only the study says what it may have.
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
        """Return whether loss weights are searched, given what was chosen."""
        return all(p.applies(params) for p in self.parameters if p.of_weights)

    def contexts(self, parameter: Parameter) -> Iterator[dict[str, Any]]:
        """Return what has to be set for a parameter to apply, by path, in every way there is."""
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
        """Return the parameters that stand for a configuration, as far as it has values.

        Args:
            base: A composed configuration.
            groups: Its choices of config groups.

        Raises:
            ConfigError: For a value outside its range.
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
    """Check that a value is one that the parameter can take.

    Raises:
        ConfigError: Naming the range.
    """
    try:
        inside = parameter.distribution._contains(parameter.distribution.to_internal_repr(value))
    except (ValueError, TypeError):
        inside = False
    if not inside:
        raise ConfigError(
            f"space.{parameter.name} does not hold {value!r}, which the base or an enqueued trial "
            f"has: {parameter.distribution}. Widen it, change the base, or set defaults=false."
        )


def lookup(config: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path, or None where the path leaves the configuration."""
    node: Any = config
    for part in path.split("."):
        if not isinstance(node, Mapping) or part not in node:
            return None
        node = node[part]
    return node
