"""Read a binary split as a memory map of records.

A record has these little-endian fields:

1. height, width and channels, uint16 each;
2. spec_min and spec_max, float32 each, only in files with a header of 14 bytes;
3. N, uint8;
4. N pairs (parameter id, value), uint8 each;
5. the pixels, uint8 [C, H, W].

All records of a file have the same size, because all have the N of the first sample.
"""

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multihead.errors import DataError
from multihead.text import one_line
from multihead.vimh.dimensions import Dimensions, check_dimensions
from multihead.vimh.info import VIMHInfo
from multihead.vimh.labels import Fault, SampleError, Scheme

HEADERS = (6, 14)
_LOOK = 64  # samples at each end of a file that determine the size of the header


def record_dtype(header: int, pairs: int, shape: tuple[int, int, int]) -> np.dtype[Any]:
    """Return the layout of a record.

    Args:
        header: Bytes before N, 6 or 14.
        pairs: N, 0 to 255.
        shape: Channels, height and width.

    Raises:
        DataError: If a record has 2 GiB or more.
    """
    spec = [("spec_range", "<f4", (2,))] if header == 14 else []
    fields = [("dimensions", "<u2", (3,)), *spec, ("count", "u1"), ("pairs", "u1", (pairs, 2))]
    if np.prod(shape, dtype=object) + 1024 >= 2**31:
        raise DataError(f"a sample of {shape} (channels, height, width) is 2 GiB or more.")
    return np.dtype([*fields, ("pixels", "u1", shape)])


class BinaryFile:
    """The samples of a binary split.

    Args:
        path: The file, `train` or `test`.
        info: The dataset's metadata.
        partial: Ignore bytes after the last whole record instead of raising an error.

    Attributes:
        images: uint8 [n, C, H, W], a view of the file.
        header: Bytes before N, 6 or 14.

    Raises:
        DataError: If the dimensions disagree, or the file does not end with a whole sample.
    """

    def __init__(self, path: Path, info: VIMHInfo, *, partial: bool = False) -> None:
        self.path, self.info = path, info
        try:
            self.size = path.stat().st_size
            self._mapped = _map(path, self.size)
        except (OSError, ValueError) as error:
            raise DataError(one_line(f"{path} cannot be read: {error}.")) from None
        self.raw = np.frombuffer(self._mapped, np.uint8)
        check_dimensions(info.folder, info.dimensions, self._stated(), path.name, info.metadata)
        self.header = info.header_bytes or self._header()
        self.pairs_per_sample = self._count(self.header)
        if not len(info.heads) <= self.pairs_per_sample <= len(info.parameters):
            raise SampleError(
                path,
                0,
                0,
                f"it has N = {self.pairs_per_sample} parameters; {info.metadata} names "
                f"{len(info.parameters)}, of which {len(info.heads)} vary",
            )
        self.dtype = record_dtype(self.header, self.pairs_per_sample, info.image_shape)
        surplus = self.size % self.dtype.itemsize
        if surplus and not partial:
            raise next(self.walk(None))
        self._records = self.raw[: self.size - surplus].view(self.dtype)
        self.images: NDArray[np.uint8] = self._records["pixels"]

    def __len__(self) -> int:
        return len(self._records)

    def __getstate__(self) -> tuple[Path, VIMHInfo]:
        return self.path, self.info  # a worker opens the map again instead of copying it

    def __setstate__(self, state: tuple[Path, VIMHInfo]) -> None:
        self.__init__(*state)  # type: ignore[misc]

    def pairs(self, index: NDArray[np.int64] | slice) -> NDArray[np.uint8]:
        """Return ids and values uint8 [n, N, 2] of samples, without checking them.

        Raises:
            DataError: If the file became shorter after it was opened.
        """
        self._check_size()
        return np.ascontiguousarray(self._records["pairs"][index])

    def spec_range(self, index: NDArray[np.int64] | slice) -> NDArray[np.float32] | None:
        """Return spec_min and spec_max float32 [n, 2], or None if the file has none."""
        if self.header != 14:
            return None
        self._check_size()
        return np.ascontiguousarray(self._records["spec_range"][index])

    def header_faults(self, index: NDArray[np.int64] | slice) -> list[Fault]:
        """Return a fault for each sample whose size or N differs from the dataset's."""
        self._check_size()
        sizes, counts = self._records["dimensions"][index], self._records["count"][index]
        return header_faults(sizes, counts, self.info.dimensions, self.pairs_per_sample)

    def offset(self, sample: int) -> int:
        """Return the position of a sample's first byte."""
        return sample * self.dtype.itemsize

    def error(self, sample: int, fault: Fault) -> SampleError:
        """Return the error for a fault; it names the first byte of the sample or pair."""
        offset = self.offset(sample)
        if fault.pair is not None:
            offset += self.header + 1 + 2 * fault.pair
        return SampleError(self.path, sample, offset, fault.message)

    def walk(self, scheme: Scheme | None, sample: int = 0) -> Iterator[SampleError]:
        """Yield an error for each faulty sample, from `sample` on.

        Unlike the record array, this also reads samples with different N. It is used for damaged
        files only.

        Args:
            scheme: Checks the pairs; None does not check them.
            sample: The first sample to check. All samples before it must be intact.
        """
        offset = self.offset(sample)
        pixels = int(np.prod(self.info.image_shape, dtype=object))
        while offset < self.size:
            start = self.raw[offset : offset + self.header + 1]
            count = int(start[-1])
            size = self.header + 1 + 2 * count + pixels
            said = Dimensions(*np.frombuffer(start[:6].tobytes().ljust(6, b"\0"), "<u2").tolist())
            if len(start) > self.header and said != self.info.dimensions:
                yield SampleError(self.path, sample, offset, self._other_size(said))
                count, size = self.pairs_per_sample, self.dtype.itemsize
            elif len(start) > self.header and count != self.pairs_per_sample:
                yield SampleError(self.path, sample, offset, self._other_count(count))
            if len(start) <= self.header or offset + size > self.size:
                left = self.size - offset
                reason = f"it is cut short: {left:,} of {max(size, self.dtype.itemsize):,} bytes"
                yield SampleError(self.path, sample, offset, reason)
                return
            at = offset + self.header + 1
            pairs = self.raw[at : at + 2 * count].reshape(1, count, 2)
            right = said == self.info.dimensions and count == self.pairs_per_sample
            if scheme is not None and right:
                for fault in scheme.read(pairs)[1]:
                    place = offset if fault.pair is None else at + 2 * fault.pair
                    yield SampleError(self.path, sample, place, fault.message)
            offset, sample = offset + size, sample + 1

    def _check_size(self) -> None:
        # Reading a page beyond the end of the file would kill the process (SIGBUS).
        size = self.size if isinstance(self._mapped, bytes) else self._mapped.size()
        if size < self.size:
            raise DataError(
                one_line(
                    f"{self.path} was cut from {self.size:,} to {size:,} bytes while it was read. "
                    f"Write it again, and restart."
                )
            )

    def _stated(self) -> Dimensions | None:
        if self.size < 6:
            return None
        return Dimensions(*self.raw[:6].view("<u2").tolist())

    def _count(self, header: int) -> int:
        return int(self.raw[header]) if self.size > header else len(self.info.heads)

    def _header(self) -> int:
        """Find the size of the header from the samples if the metadata do not state it."""
        if not self.size:
            return HEADERS[0]
        for test in (self._whole, self._whole_with_ids, self._mostly, self._begins):
            fitting = [header for header in HEADERS if test(header)]
            if len(fitting) == 1:
                return fitting[0]
        found = "both 6 and 14" if fitting else "neither 6 nor 14"
        raise DataError(
            one_line(
                f"{self.path}: {self.info.metadata} does not say how long the header of a sample "
                f"is, and {found} bytes fit the {self.size:,} bytes of the file. Set "
                f"label_encoding.metadata_bytes there, or write the file again."
            )
        )

    def _ends(self, header: int) -> NDArray[Any] | None:
        """Return the first and last records, or None if the file does not end with a whole one."""
        dtype = record_dtype(header, self._count(header), self.info.image_shape)
        if self.size % dtype.itemsize:
            return None
        records = self.raw.view(dtype)
        return np.concatenate([records[:_LOOK], records[-_LOOK:]])

    def _share(self, header: int) -> float:
        """Return the share of samples at both ends of the file that have a correct header."""
        ends = self._ends(header)
        if ends is None:
            return 0.0
        right = (ends["dimensions"] == self.info.dimensions).all(1)
        return float((right & (ends["count"] == self._count(header))).mean())

    def _whole(self, header: int) -> bool:
        return self._share(header) == 1

    def _mostly(self, header: int) -> bool:
        return self._share(header) > 0.5

    def _whole_with_ids(self, header: int) -> bool:
        ends = self._ends(header) if self._whole(header) else None
        if ends is None:
            return False
        ids = ends["pairs"][..., 0]
        known = bool((ids < len(self.info.parameters)).all())
        return known and all((ids == i).any(1).all() for i in self.info.ids.values())

    def _begins(self, header: int) -> bool:
        """Return whether the first sample is readable and the second one follows it directly."""
        count = self._count(header)
        size = record_dtype(header, count, self.info.image_shape).itemsize
        ids = self.raw[header + 1 : header + 1 + 2 * count : 2]
        following = self.raw[size : size + 6]
        return bool(
            0 < count <= len(self.info.parameters)
            and (ids < len(self.info.parameters)).all()
            and (len(following) < 6 or (following.view("<u2") == self.info.dimensions).all())
        )

    def _other_size(self, said: Dimensions) -> str:
        return _other_size(said, self.info.dimensions)

    def _other_count(self, count: int) -> str:
        return _other_count(count, self.pairs_per_sample)


def header_faults(
    sizes: NDArray[np.uint16], counts: NDArray[np.uint8], dimensions: Dimensions, pairs: int
) -> list[Fault]:
    """Return a fault for each record whose header differs from the dataset's.

    Args:
        sizes: Height, width and channels of each record, [n, 3].
        counts: N of each record, [n].
        dimensions: The expected sizes.
        pairs: The expected N.
    """
    wrong = (sizes != dimensions).any(1)
    faults = []
    for row in np.flatnonzero(wrong | (counts != pairs)):
        if wrong[row]:
            message = _other_size(Dimensions(*sizes[row].tolist()), dimensions)
        else:
            message = _other_count(int(counts[row]), pairs)
        faults.append(Fault(int(row), None, message))
    return faults


def _other_size(said: Dimensions, dimensions: Dimensions) -> str:
    return f"its header says {said}, the dataset is {dimensions}"


def _other_count(count: int, pairs: int) -> str:
    return f"it has N = {count} parameters, the first sample has {pairs}"


def _map(path: Path, size: int) -> mmap.mmap | bytes:
    if not size:
        return b""  # an empty file cannot be mapped
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
