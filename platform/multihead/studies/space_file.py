"""Read the search space from a study's file, by override path.

The kinds of entries are listed here. An entry of loss weights makes K - 1 parameters for K heads.

    model.optimizer.lr: {low: 1.0e-4, high: 1.0e-2, log: true}    # floats: a bound with a point
    data.batch_size: {low: 16, high: 128, log: true}              # ints: both bounds without one
    model/net: [simple_cnn, resnet18]                             # choices; config groups too
    model.net.dropout: {low: 0.0, high: 0.5, when: {model/net: simple_cnn}}
    model/balancer: {choices: [static, dwa], ranges: declared}    # with the methods' own ranges
    model.balancer.temperature:                                   # a range for each choice
      - {low: 0.5, high: 5.0, when: {model/balancer: dwa}}
      - {low: 1.0, high: 50.0, when: {model/balancer: uw_so}}
    loss_weights: {simplex: [digit, thickness, smoothness]}       # their sum stays
    loss_weights: {reference: digit, ratios: {thickness: [0.1, 10.0]}}
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic import Field, ValidationError

from multihead.errors import ConfigError, message_of
from multihead.studies.declared import BALANCER, declared, is_several
from multihead.studies.findings import wanted as allowed
from multihead.studies.findings import yaml_value
from multihead.studies.space import WEIGHTS_PATH, Parameter, Space, check_inside, lookup
from multihead.studies.space_weights import WEIGHTS, Entry, build_weights

Scalar = None | bool | int | float | str


class _Range(Entry):
    low: int | float
    high: int | float
    step: int | float | None = None
    log: bool = False


class _Choices(Entry):
    choices: list[Scalar] = Field(min_length=1)
    ranges: Literal["declared"] | None = None


def build_space(
    content: Mapping[str, Any], heads: Mapping[str, Any], base: Mapping[str, Any]
) -> Space:
    """Make the space of a study.

    Args:
        content: The entries of the file, by override path.
        heads: The heads of the base, by name.
        base: The composed base. The searched loss weights keep the sum of its loss weights.

    Raises:
        ConfigError: If an entry is wrong. The message names its path and the mistake.
    """
    parameters: list[Parameter] = []
    weights = None
    for path, spec in content.items():
        if path == WEIGHTS:
            when = spec.get("when") if isinstance(spec, dict) else None
            asked = when if isinstance(when, dict) else {}  # another form is refused just below
            conditions = _conditions(WEIGHTS, asked, parameters)
            given = lookup(base, WEIGHTS_PATH) or {}
            made, weights = build_weights(spec, list(heads), given, conditions)
            parameters += made
            continue
        parameters += _entry(path, spec, parameters)
        for choice, declared_path, entry in declared(path, spec, content):
            parameters.append(_parameter(declared_path, entry, parameters, of_choice=choice))
    if weights is not None and any(p.name.startswith(WEIGHTS_PATH) for p in parameters):
        raise ConfigError(f"the space has both {WEIGHTS} and {WEIGHTS_PATH}.*; choose one.")
    _check_names(parameters)
    return Space(tuple(parameters), weights)


def _entry(path: str, spec: Any, before: list[Parameter]) -> Iterator[Parameter]:
    """Yield the parameters of one path: a single one, or one for each of several choices."""
    if not is_several(spec):
        yield _parameter(path, spec, before)
        return
    for each in spec:
        when = each.get("when") if isinstance(each, dict) else None
        conditions = list(when.values()) if isinstance(when, dict) else []
        if len(conditions) != 1 or not isinstance(conditions[0], str):
            raise ConfigError(
                f"space.{path} has several ranges; give each range exactly one choice, such as "
                f"when: {{{BALANCER}: dwa}}."
            )
        yield _parameter(path, each, before, of_choice=conditions[0])


def _parameter(
    path: str, spec: Any, before: list[Parameter], of_choice: str | None = None
) -> Parameter:
    if isinstance(spec, list):
        spec = {"choices": spec}
    if not isinstance(spec, dict):
        raise ConfigError(f"space.{path} is {spec!r}; give choices [a, b], or {{low: , high: }}.")
    try:
        wanted: _Choices | _Range
        if "choices" in spec:
            wanted = _Choices.model_validate(spec)
            made: BaseDistribution = CategoricalDistribution(wanted.choices)
        else:
            wanted = _Range.model_validate(spec)
            made = _range(wanted)
    except ValidationError as error:
        errors = error.errors()
        first = errors[0]
        key = str(first["loc"][0])
        wanted_number = first["loc"][1:] in (("int",), ("float",))
        reason = "write a number" if wanted_number else allowed(errors)
        if first["type"] == "extra_forbidden":
            known = _Choices if "choices" in spec else _Range
            raise ConfigError(
                f"space.{path} has no key {key!r}; allowed: {', '.join(known.model_fields)}."
            ) from error
        given = f" is {yaml_value(spec[key])}" if key in spec else ""
        raise ConfigError(f"space.{path}: {key}{given}: {reason}.") from error
    except ValueError as error:
        reason = message_of(error).replace("`", "")
        raise ConfigError(f"space.{path} is not a valid range: {reason}") from error
    when = _conditions(path, wanted.when, before)
    if of_choice is None:
        return Parameter(path, made, when)
    package = next(iter(when)).replace("/", ".")
    name = f"{of_choice}.{path.removeprefix(f'{package}.')}"
    return Parameter(name, made, when, sets=path)


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
                f"space.{path} depends on {other!r}, which is not before it in the space; move "
                f"{other!r} above it."
            )
        for value in values:
            _check_condition(path, known[other], value)
        conditions[other] = values
    return conditions


def _check_condition(path: str, other: Parameter, value: Any) -> None:
    """Refuse a condition that is never true."""
    if not isinstance(other.distribution, CategoricalDistribution):
        check_inside(other, value)
    elif value not in other.distribution.choices:
        choices = ", ".join(map(str, other.distribution.choices))
        raise ConfigError(
            f"space.{path} is for {other.name} {value!r}, but space.{other.name} does not contain "
            f"{value!r}; its choices are {choices}."
        )


def _check_names(parameters: list[Parameter]) -> None:
    names = [parameter.name for parameter in parameters]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(
                f"the space has two parameters {name!r}; give each choice only one range of it."
            )
