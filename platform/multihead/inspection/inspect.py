"""Read a dataset once, in chunks, and collect what is in it and what may be wrong with it.

Only the fingerprint (16 bytes) and the labels (1 or 2 bytes per head) of each sample are kept. So a
file larger than memory can be inspected. This module does not print or draw.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from multihead.data.source import DescribesColumns, Source
from multihead.errors import DataError
from multihead.heads import Head, Heads
from multihead.inspection.duplicates import Duplicates, copies_across, copies_within, fingerprints
from multihead.inspection.redundancy import THRESHOLD, Redundancy, redundancy

_CHUNK_BYTES = 4 << 20


@dataclass(frozen=True)
class SplitFacts:
    """The content of one split.

    Attributes:
        count: Number of samples, N.
        codes: Labels [N] by head name, in the smallest type that fits; see `Source` for missing
            labels.
        labelled: Number of samples that have a label, by head name.
        prints: Fingerprints [N] of the images.
        channels: One row per channel with `min`, `max`, `mean` and `std` of its bytes, 0 to 255.
    """

    count: int
    codes: Mapping[str, NDArray[Any]]
    labelled: Mapping[str, int]
    prints: NDArray[np.bytes_]
    channels: pd.DataFrame

    def known(self, head: Head) -> NDArray[Any]:
        """Return the labels of a head that are not missing."""
        codes = self.codes[head.name]
        known: NDArray[Any] = codes[~head.kind.is_missing(codes)]
        return known

    @property
    def constant_channels(self) -> dict[int, int]:
        """Channels with the same value in every pixel of every image, and that value."""
        flat = self.channels[self.channels["min"] == self.channels["max"]]
        return {int(channel): int(value) for channel, value in flat["min"].items()}


@dataclass(frozen=True)
class Samples:
    """A few samples for display.

    Attributes:
        split: The split that they come from.
        index: Sample numbers [k], ascending.
        images: uint8 [k, C, H, W].
        codes: Labels [k] by head name.
    """

    split: str
    index: NDArray[np.int64]
    images: NDArray[np.uint8]
    codes: Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Inspection:
    """The content of a dataset. All splits have the same heads and image shape.

    Attributes:
        name: The dataset's own name.
        image_shape: Channels, height and width.
        heads: The heads that the labels belong to.
        splits: The splits by name, in the given order.
        duplicates: Duplicates within each split, then across every two splits; empty results are
            left out.
        redundancy: Redundancy of heads over the samples of all splits.
        samples: Samples from the first split that has any.
        columns: One row per column of a table, with its use; None for other datasets.
        notes: Notes from the dataset itself.
    """

    name: str
    image_shape: tuple[int, int, int]
    heads: Heads
    splits: Mapping[str, SplitFacts]
    duplicates: tuple[Duplicates, ...]
    redundancy: Redundancy
    samples: Samples
    columns: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()

    @property
    def nmi(self) -> pd.DataFrame:
        """Normalised mutual information of heads, [T, T], by display name."""
        names = {name: head.shown for name, head in self.heads.items()}
        return self.redundancy.nmi.rename(index=names, columns=names)


def inspect_sources(
    sources: Mapping[str, Source], *, threshold: float = THRESHOLD, samples: int = 24
) -> Inspection:
    """Inspect the splits of a dataset.

    Args:
        sources: The source of each split, by name; at least one.
        threshold: Two heads are named if their normalised mutual information is at least this, 0
            to 1.
        samples: Number of samples to keep for display, drawn with a fixed seed.

    Raises:
        DataError: If a sample is damaged, or splits differ in heads or in image shape.
    """
    first = next(iter(sources.values()))
    for split, source in sources.items():
        if source.image_shape != first.image_shape or source.heads.levels != first.heads.levels:
            raise DataError(
                f"{source.name}: the split {split} has images {list(source.image_shape)} with the "
                f"heads {source.heads.levels}, but {next(iter(sources))} has "
                f"{list(first.image_shape)} with {first.heads.levels}; they must be alike."
            )
    splits = {split: _facts(source) for split, source in sources.items()}
    together = {
        name: np.concatenate([facts.codes[name] for facts in splits.values()])
        for name in first.heads
    }
    return Inspection(
        name=first.name,
        image_shape=first.image_shape,
        heads=first.heads,
        splits=splits,
        duplicates=tuple(d for d in _duplicates(splits, first.heads) if d.count),
        redundancy=redundancy(together, first.heads, threshold),
        samples=_samples(sources, samples),
        columns=first.described if isinstance(first, DescribesColumns) else None,
        notes=notes_of(first),
    )


def notes_of(source: Source) -> tuple[str, ...]:
    """Return the notes of a source and, for a table, those of its heads' kinds."""
    if not isinstance(source, DescribesColumns):
        return source.notes
    of_kinds = (head.kind.notes(head, source.labels[name]) for name, head in source.heads.items())
    return (*source.notes, *(note for notes in of_kinds for note in notes))


def chunks(source: Source) -> Iterator[NDArray[np.int64]]:
    """Yield the sample numbers of a source in order, in chunks of a few megabytes of pixels."""
    size = max(1, _CHUNK_BYTES // int(np.prod(source.image_shape)))
    for start in range(0, len(source), size):
        yield np.arange(start, min(start + size, len(source)))


def _facts(source: Source) -> SplitFacts:
    codes = {}
    for name, head in source.heads.items():
        shape = (len(source), *head.kind.label_shape(head))
        codes[name] = np.empty(shape, _smallest(head, incomplete=name in source.incomplete))
    prints = np.empty(len(source), "S16")
    channels = _ChannelSums(source.image_shape[0])
    for index in chunks(source):
        images, labels = source.take(index)
        place = slice(index[0], index[-1] + 1)
        prints[place] = fingerprints(images)
        for name, values in labels.items():
            codes[name][place] = values
        channels.add(images)
    labelled = {
        name: len(source) - int(source.heads[name].kind.is_missing(values).sum())
        for name, values in codes.items()
    }
    return SplitFacts(len(source), codes, labelled, prints, channels.table())


def _smallest(head: Head, *, incomplete: bool) -> np.dtype[Any]:
    """Return the smallest type for the labels of a head, including -1 if some may be missing."""
    if np.dtype(head.kind.dtype).kind == "f":
        return np.dtype(head.kind.dtype)
    smallest = np.min_scalar_type(head.num_classes - 1)
    return np.promote_types(smallest, np.int8) if incomplete else smallest


class _ChannelSums:
    """Computes exact minimum, maximum, mean and standard deviation of each channel, over chunks."""

    def __init__(self, channels: int) -> None:
        self.low, self.high = np.full(channels, 255), np.zeros(channels, np.int64)
        self.count = 0
        self.total, self.squares = np.zeros(channels, np.int64), np.zeros(channels, np.int64)

    def add(self, images: NDArray[np.uint8]) -> None:
        axes = (0, 2, 3)
        self.low = np.minimum(self.low, images.min(axis=axes))
        self.high = np.maximum(self.high, images.max(axis=axes))
        self.count += images.shape[0] * images.shape[2] * images.shape[3]
        self.total += images.sum(axis=axes, dtype=np.int64)
        self.squares += np.square(images, dtype=np.uint16).sum(axis=axes, dtype=np.int64)

    def table(self) -> pd.DataFrame:
        if not self.count:
            return pd.DataFrame({"min": [], "max": [], "mean": [], "std": []})
        mean = self.total / self.count
        std = np.sqrt(np.maximum(self.squares / self.count - mean**2, 0))
        return pd.DataFrame({"min": self.low, "max": self.high, "mean": mean, "std": std})


def _duplicates(splits: Mapping[str, SplitFacts], heads: Heads) -> Iterator[Duplicates]:
    for split, facts in splits.items():
        yield copies_within(split, facts.prints, facts.codes, heads)
    for (first, a), (second, b) in combinations(splits.items(), 2):
        yield copies_across(first, second, (a.prints, b.prints), (a.codes, b.codes), heads)


def _samples(sources: Mapping[str, Source], count: int) -> Samples:
    split = next((name for name, source in sources.items() if len(source)), next(iter(sources)))
    source = sources[split]
    index = np.sort(
        np.random.default_rng(0).choice(len(source), min(count, len(source)), replace=False)
        if len(source)
        else np.empty(0, np.int64)
    )
    images, codes = source.take(index)
    return Samples(split, index, images, codes)
