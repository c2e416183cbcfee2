"""Pictures of a table, decoded; a stand-in that reads all of them into memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from multihead.datasets.pictures import picture_shape, read_picture
from multihead.errors import DataError


@dataclass(frozen=True)
class PictureOptions:
    """How pictures are read."""

    size: tuple[int, int] | None = None
    resize: Literal["pad", "crop", "stretch"] | None = None
    on_damaged: Literal["refuse", "skip"] = "refuse"
    cache: bool = True
    follow_links: bool = False
    colour: Literal["auto", "grey", "rgb", "rgba"] = "auto"


@dataclass(frozen=True)
class Pictures:
    """Pictures that are there.

    Attributes:
        images: uint8 [n, C, H, W].
        kept: Positions in the paths, int64 [n].
        notes: What a person should know.
    """

    images: Any
    kept: NDArray[np.int64]
    notes: tuple[str, ...]


def open_pictures(
    paths: Sequence[Path], *, root: Path, rows: Sequence[int], options: PictureOptions
) -> Pictures:
    """Read all pictures in the shape of the first.

    Raises:
        DataError: For the first that cannot be read.
    """
    inside = root.resolve()
    for path, row in zip(paths, rows, strict=True):
        if not path.resolve().is_relative_to(inside) and not options.follow_links:
            raise DataError(f"row {row:,} names {path}, which is not inside {root}.")
    channels, height, width = picture_shape(paths[0])
    height, width = options.size or (height, width)
    images, kept = [], []
    for place, path in enumerate(paths):
        try:
            shape = (channels, height, width)
            images.append(read_picture(path, shape, resize=options.size is not None))
        except DataError:
            if options.on_damaged == "refuse":
                raise
            continue
        kept.append(place)
    return Pictures(np.stack(images), np.array(kept, np.int64), ())
