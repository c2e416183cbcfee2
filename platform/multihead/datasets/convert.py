"""Convert a dataset to VIMH, then read both datasets again and compare them."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multihead.data.source import Source, Split
from multihead.datasets.formats import Dataset
from multihead.errors import ConfigError, DataError
from multihead.heads import Heads
from multihead.inspection.inspect import chunks
from multihead.vimh import VIMHSource, VIMHWriter, read_info
from multihead.vimh.info import PixelOrder, VIMHInfo
from multihead.vimh.shard_index import ShardIndex, open_index
from multihead.vimh.shard_place import withdraw
from multihead.vimh.shard_validate import validate_shards
from multihead.vimh.shard_writer import ShardWriter
from multihead.vimh.source import Form, open_file

Batch = tuple[NDArray[np.uint8], Mapping[str, NDArray[np.int64]], NDArray[np.float32] | None]


@dataclass(frozen=True)
class Content:
    """The content of a dataset that is written.

    Attributes:
        name: The dataset's name.
        heads: Heads of the labels.
        image_shape: Channels, height and width.
        splits: The splits of the dataset. A split may have no samples.
        batches: Yields batches of a split: images uint8 [n, C, H, W], labels [n] by head name, and
            spec_range float32 [n, 2] or None. It yields at least one batch, and the same ones
            in each call.
        fixed: Values of parameters that do not vary, by name.
        descriptions: Free text by name.
        names: The parameter's own name by head name, if the two differ.
        entries: Further metadata of each parameter, by its own name.
        encoding: Further metadata about how labels are stored.
        metadata: All other metadata, unchanged.
    """

    name: str
    heads: Heads
    image_shape: tuple[int, int, int]
    splits: tuple[Split, ...]
    batches: Callable[[Split], Iterator[Batch]]
    fixed: Mapping[str, float] = field(default_factory=dict)
    descriptions: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    entries: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    encoding: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def described(self) -> dict[str, Any]:
        """Return what a writer needs besides heads and image shape."""
        return {
            "dataset_name": self.name,
            "fixed": self.fixed,
            "descriptions": self.descriptions,
            "names": self.names,
            "entries": self.entries,
            "encoding": self.encoding,
            "metadata": self.metadata,
        }


def dataset_content(dataset: Dataset, pixel_order: PixelOrder | None = None) -> Content:
    """Return the content of a dataset of any known format, with all its metadata.

    Args:
        dataset: The dataset.
        pixel_order: Pixel order of pickles whose metadata do not give it.

    Raises:
        DataError: If it is damaged or unsafe.
    """
    return sources_content({s: dataset.read(s, pixel_order) for s in dataset.splits})


def sources_content(sources: Mapping[Split, Source]) -> Content:
    """Return the content of one or more splits of a dataset, with all their metadata."""
    first = next(iter(sources.values()))

    def batches(split: Split) -> Iterator[Batch]:
        return _source_batches(sources[split])

    if not isinstance(first, VIMHSource):
        return Content(first.name, first.heads, first.image_shape, tuple(sources), batches)
    info = first.labels.file.info
    return Content(
        info.name,
        info.heads,
        info.image_shape,
        tuple(sources),
        batches,
        info.fixed,
        info.descriptions,
        info.names,
        info.entries,
        info.encoding,
        info.extra,
    )


def convert(
    content: Content, path: Path, forms: Sequence[Form], *, overwrite: bool = False
) -> dict[Split, int]:
    """Write a folder in one or more forms, and compare each form with the content.

    Args:
        content: What to write.
        path: The folder to create.
        forms: `binary`, `pickle`, or both.
        overwrite: Whether to replace an existing dataset.

    Returns:
        Number of samples by split.

    Raises:
        ConfigError: If VIMH cannot hold the content, or the folder exists.
        DataError: If one of the two cannot be read, or they differ. Then no folder remains.
    """
    with VIMHWriter(
        path,
        content.heads,
        content.image_shape,
        forms=forms,
        overwrite=overwrite,
        **content.described,
    ) as writer:
        counts = {split: _write(writer, content, split) for split in content.splits}
    try:
        for form in forms:
            _compare(content, path, form, counts)
    except DataError:
        shutil.rmtree(path)
        raise
    return counts


def shard(
    content: Content, where: str, rows_per_shard: int | None, *, overwrite: bool = False
) -> ShardIndex:
    """Write a set in shards, then read it again and compare it with the content.

    Args:
        content: What to write.
        where: A folder to create, `file:///PATH` or `s3://BUCKET/PREFIX`.
        rows_per_shard: See `ShardWriter`.
        overwrite: Whether to replace an existing set.

    Returns:
        The index of the set.

    Raises:
        ConfigError: If VIMH cannot hold the content, or the set exists.
        DataError: If one of the two cannot be read or written, or they differ. Then no set remains.
    """
    with ShardWriter(
        where,
        content.heads,
        content.image_shape,
        rows_per_shard=rows_per_shard,
        overwrite=overwrite,
        **content.described,
    ) as writer:
        for split in content.splits:
            _write(writer, content, split)
    for problem in validate_shards(where):
        withdraw(where)
        raise DataError(f"what was written reads back damaged: {problem.file}: {problem.message}")
    return open_index(where)[1]


def refuse_same_place(source: Path, target: Path) -> None:
    """Check that a dataset is not written over its source.

    Raises:
        ConfigError: If both are the same folder, or the target is inside the source.
    """
    if target.resolve().is_relative_to(source.resolve()):
        raise ConfigError(f"{target} is inside {source}, which is read; name another folder.")


def _write(writer: VIMHWriter, content: Content, split: Split) -> int:
    count = 0
    for images, codes, spec_range in content.batches(split):
        writer.write(split, images, codes, spec_range)
        count += len(images)
    return count


def _compare(content: Content, path: Path, form: Form, counts: Mapping[Split, int]) -> None:
    info = read_info(path)
    if _metadata(info) != (
        content.name,
        content.image_shape,
        content.heads.to_record(),
        dict(content.fixed),
        dict(content.descriptions),
        dict(content.names),
        dict(content.entries),
        dict(content.encoding),
        dict(content.metadata),
    ):
        raise DataError(f"{path} reads back with other metadata than were written.")
    for split, count in counts.items():
        written = VIMHSource.over(open_file(info, split, form, "HWC"), info, {})
        if len(written) != count:
            raise DataError(f"{path}: {len(written):,} of {count:,} samples of {split} are there.")
        start = 0
        for images, codes, spec_range in content.batches(split):
            index = np.arange(start, start + len(images))
            read, labels = written.take(index)
            same = np.array_equal(read, images) and all(
                np.array_equal(labels[name], codes[name]) for name in content.heads
            )
            ranges = written.spec_range(index)
            if not same or not _equal(ranges, spec_range):
                last = start + len(images) - 1
                raise DataError(
                    f"{path}: samples {start:,} to {last:,} of {split} read back as {form} are not "
                    f"those that were written."
                )
            start += len(images)


def _metadata(info: VIMHInfo) -> tuple[object, ...]:
    return (
        info.name,
        info.image_shape,
        info.heads.to_record(),
        dict(info.fixed),
        dict(info.descriptions),
        dict(info.names),
        dict(info.entries),
        dict(info.encoding),
        dict(info.extra),
    )


def _equal(a: NDArray[np.float32] | None, b: NDArray[np.float32] | None) -> bool:
    return (a is None and b is None) or (a is not None and b is not None and np.array_equal(a, b))


def _source_batches(source: Source) -> Iterator[Batch]:
    # An empty split is a batch of no samples, so that it is written too.
    for index in chunks(source) if len(source) else [np.empty(0, np.int64)]:
        images, codes = source.take(index)
        ranges = source.spec_range(index) if isinstance(source, VIMHSource) else None
        yield images, codes, ranges
