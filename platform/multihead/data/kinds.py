"""Choose how the heads of a source are predicted."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from multihead.data.source import Source
from multihead.errors import ConfigError
from multihead.heads import KINDS, Heads, Kind

# The name of a shipped kind, or a `Kind` that Hydra makes from a `_target_`.
HeadKinds = str | Kind | Mapping[str, str | Kind] | None


def with_kinds(source: Source, kinds: HeadKinds) -> Source:
    """Return the source with heads of other kinds and the same labels.

    Args:
        source: A source.
        kinds: One kind for every head that has a range, or kinds by head name. None changes
            nothing.

    Raises:
        ConfigError: If a head or kind does not exist, or the kind does not fit the head.
    """
    if kinds is None:
        return source
    if isinstance(kinds, str | Kind):
        _check_kind("data.head_kinds", kinds)
        chosen = {name: kinds for name, head in source.heads.items() if head.has_range}
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
        head.as_kind(chosen[name]) if name in chosen else head
        for name, head in source.heads.items()
    ]
    return replace(source, heads=Heads(heads))


def fitted_to(source: Source, index: NDArray[np.int64]) -> Source:
    """Return the source with kinds fitted to its training labels.

    Args:
        source: The training file.
        index: Indices of the training samples, int64 [n].
    """
    labels = source.take_labels(index)
    heads = [
        head.as_kind(head.kind.fitted(head, labels[name]))
        if head.kind.is_fitted_to_labels
        else head
        for name, head in source.heads.items()
    ]
    return replace(source, heads=Heads(heads))


def with_fits(source: Source, heads: Heads) -> Source:
    """Return the source with the fits of `heads`, where the kinds are of the same class."""
    taken = {
        name: heads[name].kind
        for name, head in source.heads.items()
        if head.kind.is_fitted_to_labels
        and name in heads
        and type(heads[name].kind) is type(head.kind)
    }
    return with_kinds(source, taken) if taken else source


def _check_kind(key: str, kind: object) -> None:
    if not isinstance(kind, Kind) and kind not in KINDS:
        raise ConfigError(
            f"{key} is {kind!r}; choose one of {list(KINDS)}, or the _target_ of a "
            f"multihead.heads.Kind."
        )
