"""Choose how the heads of a source are predicted."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from multihead.data.source import Source
from multihead.errors import ConfigError
from multihead.heads import Head, Heads

HeadKind = Literal["classification", "ordinal", "regression", "bounded_regression"]
HeadKinds = HeadKind | Mapping[str, HeadKind] | None
HEAD_KINDS: tuple[HeadKind, ...] = (
    "classification",
    "ordinal",
    "regression",
    "bounded_regression",
)


def with_kinds(source: Source, kinds: HeadKinds) -> Source:
    """Return the source with heads of other kinds; its labels stay as they are.

    Args:
        source: A source.
        kinds: One for every head that has a parameter, or by head name; none changes nothing.

    Raises:
        ConfigError: For a head or kind that does not exist, and a kind that a head without a
            parameter cannot be of.
    """
    if kinds is None:
        return source
    if isinstance(kinds, str):
        chosen = {name: kinds for name, head in source.heads.items() if head.parameter is not None}
        _check_kind("data.head_kinds", kinds)
    else:
        chosen = dict(kinds)
    for name, kind in chosen.items():
        if name not in source.heads:
            raise ConfigError(
                f"data.head_kinds names head {name!r}, but {source.name} has the heads "
                f"{list(source.heads)}; remove it."
            )
        _check_kind(f"data.head_kinds.{name}", kind)
    heads = [
        _as_kind(head, chosen[name]) if name in chosen else head
        for name, head in source.heads.items()
    ]
    return replace(source, heads=Heads(heads))


def _check_kind(key: str, kind: object) -> None:
    if kind not in HEAD_KINDS:
        raise ConfigError(f"{key} is {kind!r}; choose one of {list(HEAD_KINDS)}.")


def _as_kind(head: Head, kind: HeadKind) -> Head:
    if kind == "bounded_regression":
        return head.as_kind("regression", bounded=True)
    return head.as_kind(kind)
