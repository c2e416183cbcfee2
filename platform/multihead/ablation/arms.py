"""Translate an ablation's arms into the overrides that train them.

A part is one training setup. An arm has one part; an arm of single-task networks has one per head.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from multihead.ablation.definition import UNIFORM, Arm, Chosen, Definition
from multihead.balancing.ranges import RANGES
from multihead.errors import ConfigError
from multihead.runs.config import Base
from multihead.runs.heads_left import without_other_heads
from multihead.text import nearest


@dataclass(frozen=True)
class Part:
    """One training setup of an arm.

    Attributes:
        arm: Name of the arm.
        head: The head of a single-task network; empty otherwise.
        heads: The heads of the network.
        overrides: Overrides of the ablation's base, in Hydra's grammar.
        definition: The arm in the file.
        method: The choice of `model/balancer` that the arm is named after; empty otherwise.
        ranges: The search space of its method, in the form of a study's space.
    """

    arm: str
    head: str
    heads: tuple[str, ...]
    overrides: tuple[str, ...]
    definition: Arm
    method: str = ""
    ranges: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the arm, followed by that of the head if there is one."""
        return f"{self.arm}-{self.head}" if self.head else self.arm


def base_overrides(definition: Definition) -> list[str]:
    """Return the overrides that compose an ablation's base."""
    chosen = [] if definition.experiment is None else [f"experiment={definition.experiment}"]
    # An arm may lack the head of optimized_metric, and ablations do not use this metric.
    own = [f"logger.experiment_name={definition.name}", "optimized_metric=null"]
    return [*chosen, *own, *definition.overrides]


def parts_of(definition: Definition, base: Mapping[str, Any], heads: Sequence[str]) -> list[Part]:
    """Return the parts of every arm.

    Args:
        definition: The ablation.
        base: Its composed base.
        heads: The heads of the base's data.

    Raises:
        ConfigError: If the data lack a head, an arm has too few heads, or two arms have the same
            name.
    """
    parts = [p for name, arm in definition.arms.items() for p in _parts(name, arm, base, heads)]
    for part in parts:
        same = [o for o in parts if o.arm == part.arm]
        # Only the networks of a single-task arm may share the name of their arm.
        if any(o.definition is not part.definition or (o != part and not o.head) for o in same):
            raise ConfigError(f"two arms would have the name {part.arm!r}; rename one of them.")
    return parts


def _parts(name: str, arm: Arm, base: Mapping[str, Any], heads: Sequence[str]) -> list[Part]:
    everything = tuple(heads)
    if arm.single_task is not None:
        return [
            Part(name, head, (head,), (*keep(base, [head]), *arm.overrides), arm)
            for head in _named(name, arm.single_task, heads)
        ]
    if arm.leave_one_head_out is not None:
        left_out = _named(name, arm.leave_one_head_out, heads)
        rests = {head: [other for other in heads if other != head] for head in left_out}
        if len(heads) < 2:
            raise ConfigError(f"arm {name!r} leaves a head out, but the only head is {heads[0]!r}.")
        return [
            Part(f"{name}_{head}", "", tuple(rest), (*keep(base, rest), *arm.overrides), arm)
            for head, rest in rests.items()
        ]
    if arm.pairs is not None:
        named = _named(name, arm.pairs, heads)
        if len(set(named)) < 2:
            raise ConfigError(f"arm {name!r} has pairs of heads, but only the head {named[0]!r}.")
        return [
            Part(f"{name}_{a}_{b}", "", (a, b), (*keep(base, [a, b]), *arm.overrides), arm)
            for a, b in combinations(dict.fromkeys(named), 2)
        ]
    if arm.balancers is not None:
        return _methods(name, arm, heads)
    if arm.heads is not None:
        kept = _named(name, arm.heads, heads)
        return [Part(name, "", tuple(kept), (*keep(base, kept), *arm.overrides), arm)]
    weights = [] if arm.loss_weights is None else [_weights(name, arm.loss_weights, heads)]
    return [Part(name, "", everything, (*weights, *arm.overrides), arm)]


def _methods(name: str, arm: Arm, heads: Sequence[str]) -> list[Part]:
    if len(heads) < 2:
        raise ConfigError(
            f"arm {name!r} has balancers, which weigh heads against each other, but the only head "
            f"is {heads[0]!r}."
        )
    return [
        Part(
            arm=method,
            head="",
            heads=tuple(heads),
            overrides=(*chosen_method(method), *arm.overrides),
            definition=arm,
            method=method,
            ranges=ranges_of(method, heads),
        )
        for method in arm.methods
    ]


def chosen_method(method: str) -> list[str]:
    """Return the overrides that train with a method. `uniform` means static weights of 1."""
    if method == UNIFORM:
        return ["model/balancer=static", "model.loss_weights=null"]
    return [f"model/balancer={method}"]


def ranges_of(method: str, heads: Sequence[str]) -> dict[str, Any]:
    """Return the search space of a method, in the form of a study's space.

    It is empty for a method that is not shipped.
    """
    if method == "static":
        return {"loss_weights": {"simplex": list(heads)}}
    return {f"model.balancer.{path}": spec for path, spec in RANGES.get(method, {}).items()}


def keep(base: Mapping[str, Any], heads: Sequence[str]) -> list[str]:
    """Return the overrides that keep some heads of a base. A single head has no loss weight."""
    only = override("data.only_heads", list(heads), "++")
    return [only, *without_other_heads(base["model"], heads)]


def _named(arm: str, chosen: Chosen, heads: Sequence[str]) -> Sequence[str]:
    if chosen == "all":
        return heads
    for name in chosen:
        _check_head(arm, name, heads)
    return chosen


def _weights(arm: str, weights: Any, heads: Sequence[str]) -> str:
    if weights == "uniform":
        return "model.loss_weights=null"
    for name in weights:
        _check_head(arm, name, heads)
    return override("model.loss_weights", {name: weights.get(name, 1.0) for name in heads}, "++")


def _check_head(arm: str, name: str, heads: Sequence[str]) -> None:
    if name not in heads:
        raise ConfigError(
            f"arm {arm!r} names head {name!r}{nearest(name, heads)}, but the data have "
            f"{', '.join(heads)}."
        )


def override(path: str, value: Any, prefix: str = "") -> str:
    """Return an override in Hydra's grammar that sets a path to a value of plain types."""
    return f"{prefix}{path}={_text(value)}"


def _text(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case Mapping():
            return "{" + ",".join(f"{k}:{_text(v)}" for k, v in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(map(_text, value)) + "]"
    # In Hydra's quoted text, a backslash is an ordinary character unless a quote follows.
    quoted = re.sub(r"(\\+)(?='|$)", r"\1\1", str(value)).replace("'", r"\'")
    return f"'{quoted}'"


def compose(definition: Definition, overrides: Sequence[str] = ()) -> Base:
    """Compose the base of an ablation, or one of its parts.

    Raises:
        ConfigError: If it cannot be composed. The message has one line.
    """
    return Base([*base_overrides(definition), *overrides], Definition.model_fields)
