"""A folder of pictures with a CSV file of parameters, read batch by batch."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multihead.data.source import Split
from multihead.data.splits import split_indices
from multihead.datasets.parameter_table import ColumnRules, ParameterTable, read_table
from multihead.datasets.pictures import Shape, picture_shape, read_picture
from multihead.errors import ConfigError, DataError
from multihead.text import one_line

_BATCH_BYTES = 4 << 20


@dataclass(frozen=True)
class ImageFolder:
    """Pictures and their parameters.

    Attributes:
        folder: Where the pictures are; file names in the table are relative to it.
        table: File names and labels.
        size: Height and width that pictures are scaled to; without it all must be alike.
        test_fraction: Share of the samples in the test split, from 0 up to, not including, 1.
        seed: Fixes which samples are in it.

    Raises:
        ConfigError: For a fraction beyond these bounds.
        DataError: If the table names a file outside the folder, or one twice.
    """

    folder: Path
    table: ParameterTable
    size: tuple[int, int] | None = None
    test_fraction: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.test_fraction < 1:
            raise ConfigError(f"the test fraction is {self.test_fraction}; give 0 to below 1.")
        seen: dict[Path, int] = {}
        for row, path in enumerate(self._paths, start=1):
            if path in seen:
                raise DataError(
                    f"rows {seen[path]:,} and {row:,} both name {one_line(str(path))}; a picture "
                    f"has one row."
                )
            seen[path] = row

    @cached_property
    def image_shape(self) -> Shape:
        """Channels, height and width: of the first picture, scaled if asked."""
        channels, height, width = picture_shape(self._paths[0])
        return (channels, *(self.size or (height, width)))

    @cached_property
    def splits(self) -> dict[Split, NDArray[np.int64]]:
        """Rows of the table by split; no test split where it would be empty."""
        count = len(self.table.files)
        test = round(count * self.test_fraction)
        train_rows, test_rows = split_indices(count, [count - test, test], self.seed, "the table")
        splits: dict[Split, NDArray[np.int64]] = {"train": train_rows}
        return splits | {"test": test_rows} if test else splits

    def batches(
        self, split: Split
    ) -> Iterator[tuple[NDArray[np.uint8], dict[str, NDArray[np.int64]]]]:
        """Yield images uint8 [n, C, H, W] and labels [n] by head name, a few MB at a time.

        Raises:
            DataError: For a picture that cannot be read, or of another shape.
        """
        rows = self.splits[split]
        step = max(1, _BATCH_BYTES // int(np.prod(self.image_shape)))
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            images = [
                read_picture(self._paths[row], self.image_shape, resize=self.size is not None)
                for row in part
            ]
            yield np.stack(images), {name: c[part] for name, c in self.table.codes.items()}

    @cached_property
    def _paths(self) -> list[Path]:
        root = self.folder.resolve()
        return [_inside(root, file, row) for row, file in enumerate(self.table.files, start=1)]


def open_image_folder(
    folder: Path,
    *,
    table: Path | None = None,
    rules: ColumnRules,
    size: tuple[int, int] | None = None,
    test_fraction: float = 0.2,
    seed: int = 0,
) -> ImageFolder:
    """Read the table of an image folder: the one named, or the only CSV file in the folder.

    Raises:
        ConfigError: If there is no such table, or several; and as `ImageFolder`.
        DataError: As `read_table` and `ImageFolder`.
    """
    if table is None:
        found = sorted(folder.glob("*.csv"))
        if len(found) != 1:
            names = ", ".join(path.name for path in found) or "none"
            raise ConfigError(f"{folder} needs one CSV file, it has {names}; name it with --csv.")
        table = found[0]
    return ImageFolder(folder, read_table(table, rules), size, test_fraction, seed)


def _inside(root: Path, file: str, row: int) -> Path:
    """Return the path of a file in the folder, links followed; those outside are refused."""
    try:
        path = (root / file).resolve()
    except (OSError, ValueError, RuntimeError):
        path = root
    if path == root or not path.is_relative_to(root):
        raise DataError(
            f"row {row:,} names {one_line(file)!r}, which is not inside {one_line(str(root))}; "
            f"name pictures relative to the folder."
        )
    return path
