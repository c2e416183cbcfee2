"""Read a pickled split, a dict with pixels and labels, with the restricted unpickler."""

from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multihead.errors import DataError
from multihead.pickles.unpickle import safe_load
from multihead.text import one_line
from multihead.vimh.dimensions import Dimensions, check_dimensions
from multihead.vimh.info import PixelOrder, VIMHInfo
from multihead.vimh.labels import Fault, SampleError
from multihead.vimh.pickled_rows import bytes_row, check_total, read_pairs
from multihead.vimh.pixels import arrange

LABEL_KEYS = ("vimh_labels", "cifar100mh_labels", "labels")


class PickledFile:
    """The samples of a pickled split, in memory.

    Args:
        path: The file, `train_batch` or `test_batch`.
        info: The dataset's metadata.
        pixel_order: The order of the pixels if the metadata do not state it.

    Attributes:
        images: uint8 [n, C, H, W].

    Raises:
        DataError: If the file is hostile or damaged, or contradicts the metadata.
    """

    def __init__(self, path: Path, info: VIMHInfo, pixel_order: PixelOrder) -> None:
        self.path, self.info = path, info
        batch = read_batch(path)
        check_dimensions(
            info.folder, info.dimensions, _stated(path, batch), path.name, info.metadata
        )
        data, labels = _item(batch, "data"), _item(batch, *LABEL_KEYS)
        if data is None or labels is None:
            raise self._wrong(
                f"it has the keys {ascii([*batch])[:200]}; a batch has `data` and `{LABEL_KEYS[0]}`"
            )
        self._pairs = read_pairs(path, labels)
        self.images = arrange(path, info, self._read_pixels(data), pixel_order)
        self._spec = self._read_spec(_item(batch, "scale_factors"))
        said = _item(batch, "num_samples")
        if isinstance(said, int) and said != len(self):
            raise self._wrong(f"num_samples is {said:,}, but there are {len(self):,} samples")

    def __len__(self) -> int:
        return len(self._pairs)

    def pairs(self, index: NDArray[np.int64] | slice) -> NDArray[np.uint8]:
        """Return ids and values uint8 [n, N, 2] of samples, without checking them."""
        return self._pairs[index]

    def spec_range(self, index: NDArray[np.int64] | slice) -> NDArray[np.float32] | None:
        """Return spec_min and spec_max float32 [n, 2], or None if the file has none."""
        return None if self._spec is None else self._spec[index]

    def header_faults(self, index: NDArray[np.int64] | slice) -> list[Fault]:
        """Return an empty list, because samples of a pickle have no headers."""
        del index
        return []

    def offset(self, sample: int) -> None:
        """Return None, because a sample of a pickle has no single position."""
        del sample

    def error(self, sample: int, fault: Fault) -> SampleError:
        """Return the error for a fault."""
        return SampleError(self.path, sample, None, fault.message)

    def _wrong(self, what: str) -> DataError:
        return DataError(one_line(f"{self.path}: {what}."))

    def _read_pixels(self, data: object) -> NDArray[np.uint8]:
        """Return uint8 [n, H*W*C] or a 4-d array, from an array or a list of samples."""
        size = int(np.prod(self.info.image_shape, dtype=object))
        if isinstance(data, list):
            data = self._stack(data, size)
        if not isinstance(data, np.ndarray) or data.dtype != np.uint8:
            found = data.dtype if isinstance(data, np.ndarray) else type(data).__name__
            raise self._wrong(f"`data` is {found}; it must be uint8 [n, {size}]")
        if data.ndim not in (2, 4) or data[:1].size != min(len(data), 1) * size:
            raise self._wrong(f"`data` is of shape {list(data.shape)}; it must be [n, {size}]")
        if len(data) != len(self._pairs):
            raise self._wrong(f"{len(data):,} images, but labels of {len(self._pairs):,}")
        return data

    def _stack(self, rows: list[Any], size: int) -> NDArray[np.uint8]:
        kinds = (np.ndarray, list, tuple, bytes, bytearray)
        for number, row in enumerate(rows):
            length = np.size(row) if isinstance(row, np.ndarray) else 0
            length = len(row) if isinstance(row, kinds[1:]) else length
            if length != size:
                reason = f"it has {length:,} pixels; it must have {size:,}"
                raise SampleError(self.path, number, None, reason)
        check_total(self.path, len(rows) * size)
        stacked = np.empty((len(rows), size), np.uint8)
        for number, row in enumerate(rows):
            if isinstance(row, np.ndarray) and row.dtype == np.uint8:
                stacked[number] = row.reshape(-1)
            elif isinstance(row, bytes | bytearray):
                stacked[number] = np.frombuffer(row, np.uint8)
            else:
                stacked[number] = bytes_row(self.path, row, number, "pixels")
        return stacked

    def _read_spec(self, factors: object) -> NDArray[np.float32] | None:
        if factors is None:
            return None
        if isinstance(factors, list):
            rows = [[*r] if isinstance(r, np.ndarray) and r.shape == (2,) else r for r in factors]
            pairs = [r for r in rows if isinstance(r, list | tuple) and len(r) == 2]
            numbers = [*chain.from_iterable(pairs)]
            if len(pairs) == len(factors) and all(_is_number(v) for v in numbers):
                factors = np.array(numbers, np.float64).reshape(-1, 2)
        if not isinstance(factors, np.ndarray) or factors.dtype.kind not in "fiu":
            raise self._wrong("scale_factors must be numbers [n, 2]")
        if factors.shape != (len(self), 2):
            raise self._wrong(
                f"scale_factors are of shape {list(factors.shape)}; they must be [{len(self)}, 2]"
            )
        with np.errstate(over="ignore"):
            return factors.astype(np.float32)


def stored_pairs(path: Path) -> NDArray[np.uint8]:
    """Return ids and values uint8 [n, N, 2] of a pickled split, without checking its pixels.

    Raises:
        DataError: If it is hostile or damaged, or its labels are not rows `[N, id, value, ...]`.
    """
    return read_pairs(path, _item(read_batch(path), *LABEL_KEYS))


def read_batch(path: Path) -> Mapping[Any, Any]:
    """Read a pickle that holds a dict.

    Raises:
        DataError: If it holds another type, or is hostile or damaged.
    """
    batch = safe_load(path)
    if not isinstance(batch, dict):
        raise DataError(one_line(f"{path} holds a {type(batch).__name__}; it must be a dict."))
    return batch


def _stated(path: Path, batch: Mapping[Any, Any]) -> Dimensions | None:
    """Return the sizes that a batch states; a missing size is None."""
    sizes: list[int | None] = []
    for key in ("height", "width", "channels"):
        size = _item(batch, key)
        if isinstance(size, bool) or not isinstance(size, int | np.integer | None):
            raise DataError(one_line(f"{path}: {key} is {size!r:.60}; it must be an integer."))
        sizes.append(None if size is None else int(size))
    return None if sizes == [None] * 3 else Dimensions(*sizes)


def _item(batch: Mapping[Any, Any], *keys: str) -> object:
    for key in keys:
        for spelt in (key, key.encode()):
            if batch.get(spelt) is not None:
                return batch[spelt]
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, float | int | np.number) and not isinstance(value, bool | complex)
