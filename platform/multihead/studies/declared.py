"""Turn the ranges that options of a config group declare into entries of a study's space."""

from collections.abc import Iterator, Mapping
from typing import Any

from multihead.errors import ConfigError

BALANCER = "model/balancer"
_Ranges = Mapping[str, Mapping[str, dict[str, Any]]]  # by choice and argument


def is_several(spec: Any) -> bool:
    """Return whether an entry is a list of ranges, one per choice, rather than of choices."""
    return isinstance(spec, list) and any(isinstance(each, dict) for each in spec)


def declared(
    group: str, spec: Any, content: Mapping[str, Any]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield choice, path and entry of each declared range, if the entry has `ranges: declared`.

    A range in the study's file replaces the declared one.

    Args:
        group: Path of the entry, which is a config group.
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
            f"declare ranges; write the ranges with when: {{{group}: ...}}."
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
    """Return the declared ranges by config group."""
    from multihead.balancing.ranges import RANGES  # torch takes seconds to import

    return {BALANCER: RANGES}


def _is_given(spec: Any, group: str, choice: str) -> bool:
    """Return whether the study's file gives a range at this path for this choice."""
    if spec is None:
        return False
    for each in spec if is_several(spec) else [spec]:
        when = each.get("when") if isinstance(each, dict) else None
        wanted = when.get(group) if isinstance(when, dict) else None
        if wanted is None or choice in (wanted if isinstance(wanted, list) else [wanted]):
            return True
    return False
