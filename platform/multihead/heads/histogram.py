"""How often labels occur, in bars that people can read."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

# Levels of a parameter are judged in bins: one level alone has too few samples.
BINS = 16
Counts = dict[str, NDArray[np.int64]]


class Labelled(Protocol):
    """What is asked of a head."""

    @property
    def num_classes(self) -> int:
        """Number of classes or levels; 0 where labels are neither."""

    @property
    def has_range(self) -> bool:
        """Whether labels are quantities."""

    def text(self, code: Any) -> str:
        """Return what a label says."""


def histogram_of(head: Labelled, labels: Mapping[str, NDArray[Any]]) -> tuple[list[str], Counts]:
    """Count labels [N, ...] by split.

    Returns:
        A text per bar, and its count by split: each class of a classification, or `BINS` bins of
        equally many levels (or one less) of a parameter, or equally wide bins of numbers, named by
        where they begin.
    """
    if not head.num_classes:
        return histogram_of_numbers(head, labels)
    counts = {s: np.bincount(part, minlength=head.num_classes) for s, part in labels.items()}
    if not head.has_range or head.num_classes <= BINS:
        return [head.text(code) for code in range(head.num_classes)], counts
    starts = np.linspace(0, head.num_classes, BINS + 1).astype(int)[:-1]
    names = [head.text(code) for code in starts]
    return names, {split: np.add.reduceat(part, starts) for split, part in counts.items()}


def histogram_of_numbers(
    head: Labelled, labels: Mapping[str, NDArray[Any]], *, log: bool = False
) -> tuple[list[str], Counts]:
    """Count numbers in bins of equal width, or of equal ratio on a log scale."""
    parts = {split: part.ravel().astype(np.float64) for split, part in labels.items()}
    parts = {split: np.log(part) if log else part for split, part in parts.items()}
    values = np.concatenate(list(parts.values()))
    edges = np.histogram_bin_edges(values, BINS) if len(values) else np.linspace(0, 1, BINS + 1)
    names = [head.text(np.exp(edge) if log else edge) for edge in edges[:-1]]
    return names, {split: np.histogram(part, edges)[0] for split, part in parts.items()}
