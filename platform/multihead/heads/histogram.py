"""Histograms of labels."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

# Levels of a parameter are counted in bins, because one level has too few samples.
BINS = 16
Counts = dict[str, NDArray[np.int64]]


class Labelled(Protocol):
    """The part of a head that histograms use."""

    @property
    def num_classes(self) -> int:
        """Number of classes or levels; 0 if labels are neither."""

    @property
    def has_range(self) -> bool:
        """Whether labels are quantities."""

    def text(self, code: Any) -> str:
        """Return a label as text."""


def histogram_of(head: Labelled, labels: Mapping[str, NDArray[Any]]) -> tuple[list[str], Counts]:
    """Count labels [N, ...] by split.

    Returns:
        A text per bar, and the counts of the bars by split. Each class has a bar. A parameter has
        up to `BINS` bars with equal numbers of levels (or one less). Numbers have `BINS` bars of
        equal width. The text of a bin is its lower end.
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
