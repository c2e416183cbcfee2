"""Read the entry of loss weights in a study's space: K - 1 parameters for K heads."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from optuna.distributions import FloatDistribution
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from multihead.errors import ConfigError
from multihead.studies.space import Parameter
from multihead.studies.weights import Weights, check_heads

WEIGHTS = "loss_weights"


class Entry(BaseModel):
    """The key that every entry of a space may have."""

    model_config = ConfigDict(extra="forbid", strict=True)
    when: dict[str, Any] = Field(default_factory=dict)


class _Simplex(Entry):
    simplex: list[str]


class _Ratios(Entry):
    reference: str
    ratios: dict[str, Annotated[list[float], Field(min_length=2, max_length=2)]]


def build_weights(
    spec: Any, heads: Sequence[str], base: Mapping[str, float], when: Mapping[str, tuple[Any, ...]]
) -> tuple[list[Parameter], Weights]:
    """Return the parameters of loss weights, and the mapping from parameters to weights.

    Args:
        spec: The entry.
        heads: The heads of the base.
        base: The loss weights of the base, whose sum is kept.
        when: The conditions of the entry.

    Raises:
        ConfigError: If the entry has another form, or its heads or ranges are not valid.
    """
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
        made = [Parameter(f"simplex.{name}", FloatDistribution(0.0, 1.0), when) for name in names]
        return made, Weights(tuple(wanted.simplex), None, total)
    names = [wanted.reference, *wanted.ratios]
    check_heads(names, heads)
    total = sum(float(base.get(name, 1.0)) for name in names)
    made = []
    for name, (low, high) in wanted.ratios.items():
        try:
            made.append(Parameter(f"ratio.{name}", FloatDistribution(low, high, log=True), when))
        except ValueError as error:
            raise ConfigError(
                f"space.{WEIGHTS}.ratios.{name} is [{low}, {high}]: {error}"
            ) from error
    return made, Weights((), wanted.reference, total)
