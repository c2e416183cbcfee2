"""Small folders of pictures with a table, as people have them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from multihead.data.source import Split
from multihead.datasets.table.source import TableSource, table


def write_pictures(folder: Path, names: Sequence[str], size: int = 4) -> Path:
    """Write grey pictures, no two alike."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((size, size), number % 251, np.uint8)
        pixels[0, 0] = number // 251
        Image.fromarray(pixels).save(path, format="PNG")
    return folder


def write_table(
    folder: Path,
    columns: dict[str, Sequence[object]],
    *,
    file: str = "labels.csv",
    delimiter: str = ",",
    encoding: str = "utf-8",
    pictures: bool = True,
) -> Path:
    """Write a table whose column `file` names pictures, and the pictures; return the folder."""
    count = len(next(iter(columns.values())))
    names = [f"{i}.png" for i in range(count)]
    if pictures:
        write_pictures(folder, names)
    folder.mkdir(parents=True, exist_ok=True)
    every = columns if "file" in columns or not pictures else {"file": names, **columns}
    lines = [delimiter.join(every)]
    lines += [delimiter.join(map(str, row)) for row in zip(*every.values(), strict=True)]
    (folder / file).write_bytes(("\n".join(lines) + "\n").encode(encoding))
    return folder


def opened(place: Path, split: Split = "train", **options: Any) -> TableSource:
    """Open a table, all rows for training but the least that other parts need."""
    source = table(Path(), split, table=str(place), **options)
    assert isinstance(source, TableSource)
    return source


def becomes(place: Path, **options: Any) -> dict[str, str]:
    """Return what each column of a table becomes."""
    found = opened(place, **options).described
    return dict(zip(found["column"], found["becomes"], strict=True))
