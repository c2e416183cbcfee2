"""The search space as a study's file has it, by override path.

The sorts of entries, of which those of loss weights make K - 1 parameters for K heads:

    model.optimizer.lr: {low: 1.0e-4, high: 1.0e-2, log: true}    # floats: a bound with a point
    data.batch_size: {low: 16, high: 128, log: true}              # ints: both bounds without one
    model/net: [simple_cnn, resnet18]                             # choices; config groups too
    model.net.dropout: {low: 0.0, high: 0.5, when: {model/net: simple_cnn}}
    loss_weights: {simplex: [digit, thickness, smoothness]}       # their sum stays
    loss_weights: {reference: digit, ratios: {thickness: [0.1, 10.0]}}
"""

from collections.abc import Mapping
from typing import Annotated, Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from multihead.errors import ConfigError, message_of
from multihead.studies.space import WEIGHTS_PATH, Parameter, Space, check_inside, lookup
from multihead.studies.weights import Weights, check_heads

WEIGHTS = "loss_weights"
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
        reason = message_of(error).replace("`", "")
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
