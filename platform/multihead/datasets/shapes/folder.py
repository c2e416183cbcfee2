"""Write shapes as a folder of pictures and a table, like a user's own data."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from multihead.data.source import Split
from multihead.datasets.shapes.draw import draw
from multihead.datasets.shapes.factors import draw_factors, labels_of
from multihead.datasets.shapes.plan import CLASSES, SPLITS, Plan
from multihead.errors import DataError
from multihead.spreadsheet import write_csv
from multihead.vimh.publish import Publication

TABLE, PICTURES = "metadata.csv", "images"
_BLOCK = 256
_NAMES = {"shape": CLASSES, "filled": ("no", "yes"), "marked": ("no", "yes")}


def write_folder(
    plan: Plan,
    path: Path,
    *,
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write pictures as PNG and `metadata.csv`. The folder appears only when it is complete.

    The columns are `file_name`, `split` (`train` or `test`) and one column per head. A missing
    label is an empty cell.

    Args:
        plan: The settings of the pictures.
        path: The folder.
        overwrite: Whether to replace an existing folder of shapes.
        progress: Called with the number of added pictures.

    Raises:
        ConfigError: If the folder exists and `overwrite` is false.
        DataError: If the folder is not writable.
    """
    publication = Publication(path, TABLE, overwrite=overwrite)
    try:
        tables = [_write_split(plan, s, publication.folder, progress) for s in SPLITS]
        write_csv(pd.concat(tables), publication.folder / TABLE)
        publication.publish()
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        publication.close()


def _write_split(
    plan: Plan, split: Split, folder: Path, progress: Callable[[int], None] | None
) -> pd.DataFrame:
    (folder / PICTURES).mkdir(exist_ok=True)
    drawn = draw_factors(plan, split)
    files = [f"{PICTURES}/{split}-{number:06}.png" for number in range(len(drawn))]
    for start in range(0, len(files), _BLOCK):
        names = files[start : start + _BLOCK]
        pictures = draw(plan, split, drawn, slice(start, start + _BLOCK))
        for name, picture in zip(names, pictures, strict=True):
            _write_picture(folder / name, picture)
        if progress is not None:
            progress(len(names))
    labels = labels_of(plan, split, drawn)
    columns = {name: _cells(name, values) for name, values in labels.items()}
    return pd.DataFrame({"file_name": files, "split": split, **columns})


def _write_picture(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write a picture [C, H, W]."""
    pixels = picture[0] if len(picture) == 1 else picture.transpose(1, 2, 0)
    Image.fromarray(np.ascontiguousarray(pixels)).save(path, compress_level=1)


def _cells(name: str, labels: NDArray[Any]) -> NDArray[Any]:
    """Return the cells for labels [N]: names of classes, numbers, or None if missing."""
    if name not in _NAMES:
        return labels
    return np.asarray(np.array([*_NAMES[name], None], object)[labels])
