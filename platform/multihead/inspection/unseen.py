"""Say which classes and tags never occur in a part of the data."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multihead.data.source import Source
from multihead.heads import Head

_SHOWN = 5
_FIRST = 10_000  # training samples, which mostly have all labels, so that the others need no count

Parts = Mapping[str, tuple[Source, NDArray[np.int64]]]


def never_occur(head: Head, names: Sequence[str], empty: Sequence[int], split: str) -> str:
    """Return the start of a sentence on labels that never occur in a split.

    Args:
        head: The head, which has classes, tags or levels.
        names: Name of each class or tag, or of each bin of levels; see `Kind.histogram`.
        empty: Places in `names` of those that never occur; at least one.
        split: The split.
    """
    binned, has_tags = head.num_classes > len(names), bool(head.kind.label_shape(head))
    what = "bins of levels" if binned else "tags" if has_tags else "labels"
    some = ", ".join(names[i] for i in empty[:_SHOWN]) + (", ..." if len(empty) > _SHOWN else "")
    return f"{head.shown}: {len(empty)} of {len(names)} {what} never occur in {split} ({some})"


def unseen_labels(parts: Parts) -> list[str]:
    """Return a sentence per head with labels that other parts have, but the training has not.

    Numbers, and levels without names, are left out: a network learns those from their neighbours.

    Args:
        parts: For each part by name, its source and the indices [n] of its samples in the source.
            The first is the training.

    Returns:
        The sentences. Empty if labels are read from files at each access, or the heads differ.
    """
    sources = [source for source, _ in parts.values()]
    heads = sources[0].heads
    if any(not isinstance(s.labels, dict) or s.heads.levels != heads.levels for s in sources):
        return []
    told = [_unseen(head, parts) for head in heads.values() if _has_classes(head)]
    return [sentence for sentence in told if sentence]


def _has_classes(head: Head) -> bool:
    return bool(head.kind.class_names(head) or (head.num_classes and not head.has_range))


def _unseen(head: Head, parts: Parts) -> str:
    train, *others = parts
    source, index = parts[train]
    few = {train: _known(head, source, index[:_FIRST])}
    if head.kind.histogram(head, few)[1][train].all():
        return ""
    known = {name: _known(head, *part) for name, part in parts.items()}
    names, counts = head.kind.histogram(head, known)
    absent = counts[train] == 0
    having = [name for name in others if (counts[name][absent] > 0).any()]
    if not having:
        return ""
    there = np.sum([counts[name] for name in having], 0) > 0
    empty = np.flatnonzero(absent & there).tolist()
    where = " and ".join(having)
    return (
        f"{never_occur(head, names, empty, train)}, but in {where}: they cannot be learned, and "
        f"{where} results count them as errors"
    )


def _known(head: Head, source: Source, index: NDArray[np.int64]) -> NDArray[Any]:
    labels = source.labels[head.name][index]
    known: NDArray[Any] = labels[~head.kind.is_missing(labels)]
    return known
