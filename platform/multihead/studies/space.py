"""A search space by override paths, and what Optuna is asked for it.

    model.optimizer.lr: {low: 1.0e-4, high: 1.0e-2, log: true}    # floats: a bound with a point
    data.batch_size: {low: 16, high: 128, log: true}              # ints: both bounds without one
    model/net: [simple_cnn, resnet18]                             # choices; config groups too
    model.net.dropout: {low: 0.0, high: 0.5, when: {model/net: simple_cnn}}
    loss_weights: {simplex: [digit, thickness, smoothness]}       # K heads, K - 1 parameters
    loss_weights: {reference: digit, ratios: {thickness: [0.1, 10.0]}}

Parameters have the name of their path, those of weights `simplex.HEAD` and `ratio.HEAD`. They are
asked for in the order of the file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from multihead.errors import ConfigError
from multihead.studies.weights import (
    check_heads,
    ratio_weights,
    simplex_coordinates,
    simplex_weights,
)

WEIGHTS, WEIGHTS_PATH = "loss_weights", "model.loss_weights"
Scalar = None | bool | int | float | str


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Range(_Strict):
    low: int | float
    high: int | float
    step: int | float | None = None
    log: bool = False
    when: dict[str, Any] = Field(default_factory=dict)


class _Choices(_Strict):
    choices: list[Scalar] = Field(min_length=1)
    when: dict[str, Any] = Field(default_factory=dict)


class _Simplex(_Strict):
    simplex: list[str]


class _Ratios(_Strict):
    reference: str
    ratios: dict[str, Annotated[list[float], Field(min_length=2, max_length=2)]]


@dataclass(frozen=True)
class Parameter:
    """One number or choice that is searched.

    Attributes:
        name: Of the parameter in Optuna.
        distribution: Its range.
        when: The parameters it depends on: it is asked for if each has one of these values.
    """

    name: str
    distribution: BaseDistribution
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

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
class Weights:
    """How loss weights are searched: exactly one of the two forms.

    Attributes:
        simplex: Heads whose weights have a fixed sum, or ().
        reference: The head that the ratios refer to, or None.
        total: The sum of the weights.
    """

    simplex: tuple[str, ...]
    reference: str | None
    total: float

    def of(self, params: Mapping[str, Any]) -> dict[str, float]:
        """Return the weight of each head for a trial's parameters."""
        if self.reference is None:
            cube = [params[f"simplex.{name}"] for name in self.simplex[:-1]]
            return dict(zip(self.simplex, simplex_weights(cube, self.total), strict=True))
        ratios = {n.removeprefix("ratio."): v for n, v in params.items() if n.startswith("ratio.")}
        return ratio_weights(self.reference, ratios, self.total)


@dataclass(frozen=True)
class Space:
    """What a study searches.

    Attributes:
        parameters: In the order of the file.
        weights: How loss weights are made of parameters, or None.
    """

    parameters: tuple[Parameter, ...]
    weights: Weights | None = None

    def suggest(self, trial: optuna.Trial) -> dict[str, Any]:
        """Ask for every parameter that applies, and return those by name."""
        chosen: dict[str, Any] = {}
        for parameter in self.parameters:
            if parameter.applies(chosen):
                chosen[parameter.name] = parameter.suggest(trial)
        return chosen

    def values(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a trial's parameters set, by override path."""
        values = {n: v for n, v in params.items() if not n.startswith(("simplex.", "ratio."))}
        if self.weights is not None:
            values[WEIGHTS_PATH] = self.weights.of(params)
        return values

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
            if not parameter.applies(found):
                continue
            if parameter.name.startswith(("simplex.", "ratio.")):
                continue
            value = groups.get(parameter.name, lookup(base, parameter.name))
            if value is None and not isinstance(parameter.distribution, CategoricalDistribution):
                continue
            check_inside(parameter, value)
            found[parameter.name] = value
        return found | self._weight_params(base)

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


def build_space(
    content: Mapping[str, Any], heads: Mapping[str, Any], base: Mapping[str, Any]
) -> Space:
    """Make the space of a study.

    Args:
        content: As in the file, by override path.
        heads: Those of the base, by name.
        base: The composed base, whose weights give the sum.

    Raises:
        ConfigError: Naming path and mistake.
    """
    parameters: list[Parameter] = []
    weights = None
    for path, spec in content.items():
        if path == WEIGHTS:
            made, weights = _weights(spec, list(heads), lookup(base, WEIGHTS_PATH) or {})
            parameters += made
        else:
            parameters.append(_parameter(path, spec, parameters))
    if weights is not None and any(p.name.startswith(WEIGHTS_PATH) for p in parameters):
        raise ConfigError(f"the space has both {WEIGHTS} and {WEIGHTS_PATH}.*; choose one.")
    return Space(tuple(parameters), weights)


def lookup(config: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path, or None where the path leaves the configuration."""
    node: Any = config
    for part in path.split("."):
        if not isinstance(node, Mapping) or part not in node:
            return None
        node = node[part]
    return node


def _parameter(path: str, spec: Any, before: list[Parameter]) -> Parameter:
    if isinstance(spec, list):
        spec = {"choices": spec}
    if not isinstance(spec, dict):
        raise ConfigError(f"space.{path} is {spec!r}; give choices [a, b], or {{low: , high: }}.")
    try:
        if "choices" in spec:
            choice = _Choices.model_validate(spec)
            made: BaseDistribution = CategoricalDistribution(choice.choices)
            return Parameter(path, made, _conditions(path, choice.when, before))
        wanted = _Range.model_validate(spec)
        return Parameter(path, _range(wanted), _conditions(path, wanted.when, before))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise ConfigError(f"space.{path}: {key}: {first['msg'].lower()}.") from error
    except ValueError as error:
        reason = " ".join(str(error).split()).replace("`", "")
        raise ConfigError(f"space.{path} is no range: {reason}") from error


def _range(spec: _Range) -> BaseDistribution:
    bounds = (spec.low, spec.high)
    if all(isinstance(b, int) for b in bounds) and isinstance(spec.step, int | None):
        return IntDistribution(int(spec.low), int(spec.high), log=spec.log, step=spec.step or 1)
    return FloatDistribution(float(spec.low), float(spec.high), log=spec.log, step=spec.step)


def _conditions(
    path: str, when: Mapping[str, Any], before: list[Parameter]
) -> dict[str, tuple[Any, ...]]:
    known = {p.name: p for p in before}
    conditions: dict[str, tuple[Any, ...]] = {}
    for other, wanted in when.items():
        values = tuple(wanted) if isinstance(wanted, list) else (wanted,)
        if other not in known:
            raise ConfigError(
                f"space.{path} depends on {other!r}, which does not stand before it in the space."
            )
        for value in values:
            check_inside(known[other], value)
        conditions[other] = values
    return conditions


def _weights(
    spec: Any, heads: list[str], base: Mapping[str, float]
) -> tuple[list[Parameter], Weights]:
    form = _Ratios if isinstance(spec, dict) and "ratios" in spec else _Simplex
    try:
        wanted = form.model_validate(spec)
    except ValidationError as error:
        raise ConfigError(
            f"space.{WEIGHTS} is {spec!r}; write {{simplex: [head, head, ...]}} or "
            f"{{reference: head, ratios: {{head: [0.1, 10.0]}}}}."
        ) from error
    if isinstance(wanted, _Simplex):
        check_heads(wanted.simplex, heads)
        total = sum(float(base.get(name, 1.0)) for name in wanted.simplex)
        names = wanted.simplex[:-1]
        made = [Parameter(f"simplex.{name}", FloatDistribution(0.0, 1.0)) for name in names]
        return made, Weights(tuple(wanted.simplex), None, total)
    names = [wanted.reference, *wanted.ratios]
    check_heads(names, heads)
    total = sum(float(base.get(name, 1.0)) for name in names)
    made = []
    for name, (low, high) in wanted.ratios.items():
        try:
            made.append(Parameter(f"ratio.{name}", FloatDistribution(low, high, log=True)))
        except ValueError as error:
            raise ConfigError(
                f"space.{WEIGHTS}.ratios.{name} is [{low}, {high}]: {error}"
            ) from error
    return made, Weights((), wanted.reference, total)
