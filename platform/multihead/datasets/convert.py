"""Write a dataset anew as VIMH, and read both sides again to see that they are equal."""

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
    """What is to be written.

    Attributes:
        name: The dataset's name.
        heads: What the labels are.
        image_shape: Channels, height and width.
        splits: Those there are; may be empty.
        batches: Yields images uint8 [n, C, H, W], labels [n] by head name and spec_range
            float32 [n, 2] (for all samples, or None) of a split, equal each time it is called,
            and at least once.
        fixed: Values of parameters that do not vary, by name.
        descriptions: Free text by name.
        names: The parameter's own name by head name, where it is another.
        entries: What else is said of a parameter, by its own name.
        encoding: What else is said of how labels are stored.
        metadata: What else the metadata hold, kept as it is.
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
        """What a writer is told beside heads and image shape."""
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
    """Return what a dataset of any known format holds, with all its metadata.

    Args:
        dataset: Where it is.
        pixel_order: Of pickles whose metadata do not say.

    Raises:
        DataError: If it is damaged or hostile.
    """
    return sources_content({s: dataset.read(s, pixel_order) for s in dataset.splits})


def sources_content(sources: Mapping[Split, Source]) -> Content:
    """Return what the splits of a dataset hold, at least one, with all their metadata."""
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
    """Write a folder, and compare each form of it with what was to be written.

    Args:
        content: What to write.
        path: The folder to make.
        forms: `binary`, `pickle`, or both.
        overwrite: Replace a dataset that is there.

    Returns:
        Samples by split.

    Raises:
        ConfigError: If VIMH cannot hold the content, or the folder is there already.
        DataError: If either side cannot be read, or they differ; no folder is then left.
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
    """Write a set in shards, and read it again to see that it is what was to be written.

    Args:
        content: What to write.
        where: A folder to make, `file:///PATH` or `s3://BUCKET/PREFIX`.
        rows_per_shard: As in `ShardWriter`.
        overwrite: Replace a set that is there.

    Returns:
        The index of the set.

    Raises:
        ConfigError: If VIMH cannot hold the content, or the place is taken.
        DataError: If either side cannot be read or written, or they differ; no set is then left.
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
    """Refuse to write a dataset over the one it is read from.

    Raises:
        ConfigError: If both are one folder, or the target lies in the source.
    """
    if target.resolve().is_relative_to(source.resolve()):
        raise ConfigError(f"{target} lies in {source}, which is read; name another folder.")


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
