"""The ranges that the choices of a config group declare, as entries of a study's space."""

from collections.abc import Iterator, Mapping
from typing import Any

from multihead.errors import ConfigError

BALANCER = "model/balancer"
_Ranges = Mapping[str, Mapping[str, dict[str, Any]]]  # by choice and argument


def is_several(spec: Any) -> bool:
    """Return whether an entry is a list of ranges, each for one choice, and not of choices."""
    return isinstance(spec, list) and any(isinstance(each, dict) for each in spec)


def declared(
    group: str, spec: Any, content: Mapping[str, Any]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Return choice, path and entry of what the choices of a group declare, if that is asked for.

    A range that the file itself gives takes the place of the declared one.

    Args:
        group: Path of the entry.
        spec: The entry.
        content: The whole space.

    Raises:
        ConfigError: If nothing is declared for the group or for one of the choices.
    """
    if not isinstance(spec, dict) or spec.get("ranges") is None:
        return
    by_group = _by_group()
    if group not in by_group:
        raise ConfigError(
            f"space.{group} has ranges: declared, but only the choices of {', '.join(by_group)} "
            f"declare any; write them with when: {{{group}: ...}}."
        )
    package = group.replace("/", ".")
    for choice in spec["choices"]:
        if choice not in by_group[group]:
            raise ConfigError(
                f"{group} {choice!r} declares no ranges; leave out ranges: declared, and write "
                f"the ranges with when: {{{group}: ...}}."
            )
        for argument, entry in by_group[group][choice].items():
            path = f"{package}.{argument}"
            if not _is_given(content.get(path), group, choice):
                yield choice, path, {**entry, "when": {group: choice}}


def _by_group() -> Mapping[str, _Ranges]:
    """Return the groups whose choices declare what a search may vary of them."""
    from multihead.balancing.ranges import RANGES  # torch takes seconds to import

    return {BALANCER: RANGES}


def _is_given(spec: Any, group: str, choice: str) -> bool:
    """Return whether the file itself says what is searched at a path with this choice."""
    if spec is None:
        return False
    for each in spec if is_several(spec) else [spec]:
        when = each.get("when") if isinstance(each, dict) else None
        wanted = when.get(group) if isinstance(when, dict) else None
        if wanted is None or choice in (wanted if isinstance(wanted, list) else [wanted]):
            return True
    return False
