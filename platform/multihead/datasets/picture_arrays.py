"""Prepared pictures as an array uint8 [N, C, H, W] that is read from disk when it is indexed."""

import os
import weakref
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from multihead.datasets.picture_opening import PictureError
from multihead.datasets.picture_paths import PictureFile
from multihead.datasets.picture_workers import in_threads
from multihead.datasets.preparation import Preparation
from multihead.errors import DataError


class PreparedPictures(ABC):
    """Pictures that are read when they are indexed. Several threads may read at once.

    Indexing is as in NumPy: an integer gives uint8 [C, H, W], integers or a slice give
    uint8 [n, C, H, W].

    Args:
        rows: Positions [N] of the pictures among all files.
        preparation: How they were prepared.
        digests: Digest of the content of every file.

    Attributes:
        reads_ahead: Tells loaders to read batches in advance, in a thread.
    """

    reads_ahead: Literal[True] = True
    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(
        self, rows: NDArray[np.int64], preparation: Preparation, digests: Sequence[str]
    ) -> None:
        self.rows, self.preparation, self.digests = rows, preparation, digests

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Number of pictures, channels, height and width."""
        return (len(self.rows), *self.preparation.shape)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> NDArray[np.uint8]:
        first, rest = (index[0], index[1:]) if isinstance(index, tuple) else (index, ())
        rows = np.asarray(self.rows[first])
        pixels = np.empty((rows.size, *self.shape[1:]), np.uint8)
        self._fill(rows.reshape(-1), pixels)
        shaped = pixels.reshape(*rows.shape, *self.shape[1:])
        return shaped[(slice(None),) * rows.ndim + rest] if rest else shaped

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:].astype(self.dtype if dtype is None else dtype, copy=False)

    def digest(self) -> bytes:
        """Return a digest of the files' content and of the preparation."""
        whole = sha256(repr(sorted(self.preparation.record().items())).encode())
        for row in self.rows.tolist():
            whole.update(self.digests[row].encode())
        return whole.digest()

    @abstractmethod
    def part(self, chosen: NDArray[np.int64]) -> "PreparedPictures":
        """Return some of the pictures, by index, without reading them."""

    @abstractmethod
    def _fill(self, rows: NDArray[np.int64], out: NDArray[np.uint8]) -> None:
        """Write the pictures at some positions [n] to `out` [n, C, H, W]."""


class StoredPictures(PreparedPictures):
    """Pictures in one file, as consecutive uint8 pixels.

    Args:
        path: The file; it may be deleted afterwards.
        start: Number of bytes before the pixels.
        rows: See `PreparedPictures`.
        preparation: See `PreparedPictures`.
        digests: See `PreparedPictures`.

    Raises:
        DataError: If the file cannot be read.
    """

    def __init__(
        self,
        path: Path,
        start: int,
        rows: NDArray[np.int64],
        preparation: Preparation,
        digests: Sequence[str],
    ) -> None:
        super().__init__(rows, preparation, digests)
        self.path, self.start = path, start
        self._open()

    def _open(self) -> None:
        try:
            self._file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise DataError(f"{self.path} cannot be read ({error.strerror or error}).") from error
        weakref.finalize(self, os.close, self._file)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_file"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._open()

    def part(self, chosen: NDArray[np.int64]) -> "StoredPictures":
        """Return some of the pictures, by index, without reading them."""
        rows = self.rows[chosen]
        return StoredPictures(self.path, self.start, rows, self.preparation, self.digests)

    def _fill(self, rows: NDArray[np.int64], out: NDArray[np.uint8]) -> None:
        size = int(np.prod(self.shape[1:]))
        # Neighbouring pictures are read with one call.
        ends = np.flatnonzero(np.diff(rows) != 1) + 1
        for first, last in zip([0, *ends.tolist()], [*ends.tolist(), len(rows)], strict=True):
            if first < last:
                at = self.start + int(rows[first]) * size
                self._read(out[first:last].data.cast("B"), at)

    def _read(self, out: memoryview, at: int) -> None:
        while out:
            done = os.preadv(self._file, [out], at)
            if not done:
                raise DataError(f"{self.path} was cut after it was opened; start again.")
            out, at = out[done:], at + done


class DecodedPictures(PreparedPictures):
    """Pictures that are decoded each time they are indexed, in threads.

    Args:
        files: All files.
        rows: See `PreparedPictures`.
        preparation: See `PreparedPictures`.
        digests: See `PreparedPictures`.
    """

    def __init__(
        self,
        files: Sequence[PictureFile],
        rows: NDArray[np.int64],
        preparation: Preparation,
        digests: Sequence[str],
    ) -> None:
        super().__init__(rows, preparation, digests)
        self.files = files

    def part(self, chosen: NDArray[np.int64]) -> "DecodedPictures":
        """Return some of the pictures, by index, without reading them."""
        return DecodedPictures(self.files, self.rows[chosen], self.preparation, self.digests)

    def _fill(self, rows: NDArray[np.int64], out: NDArray[np.uint8]) -> None:
        places = list(enumerate(rows.tolist()))
        for _ in in_threads(partial(self._decode, out), places, "decoding pictures"):
            pass

    def _decode(self, out: NDArray[np.uint8], place: tuple[int, int]) -> None:
        file = self.files[place[1]]
        try:
            out[place[0]] = self.preparation.read(file.path)
        except PictureError as error:
            raise DataError(f"row {file.row:,}: {file.name} {error} any more.") from None
