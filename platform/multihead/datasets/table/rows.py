"""Some rows of pictures that stay where they are."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Rows:
    """Some of the pictures of an array that is not in memory, read when they are asked for.

    Args:
        images: uint8 [N, C, H, W], a memory map or what decodes when it is indexed.
        rows: Which of them, [n].
    """

    def __init__(self, images: Any, rows: NDArray[np.int64]) -> None:
        self.images, self.rows = images, rows
        self.shape = (len(rows), *images.shape[1:])
        self.ndim, self.dtype = 4, images.dtype

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> NDArray[np.uint8]:
        found: NDArray[np.uint8] = self.images[self.rows[index]]
        return found

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self.images[self.rows], dtype)


def some_rows(images: Any, rows: NDArray[np.int64]) -> Any:
    """Return some pictures: a copy of those in memory, else what reads them on demand."""
    if isinstance(images, np.ndarray) and not isinstance(images, np.memmap):
        return images[rows]
    return Rows(images, rows)
