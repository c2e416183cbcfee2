"""A set of pictures as a source of data, for trainings in other processes."""

from pathlib import Path

import numpy as np

from multihead.data.source import Source, Split
from multihead.datasets.picture_files import PictureOptions, open_pictures
from multihead.heads import Heads


def pictures(data_dir: Path, split: Split, size: tuple[int, int] | None = None) -> Source:
    """Every picture of a folder, with a label of two kinds."""
    paths = sorted(path for path in data_dir.iterdir() if path.suffix in (".png", ".jpg"))
    options = PictureOptions(size=size, cache=False)
    found = open_pictures(paths, root=data_dir, rows=range(1, len(paths) + 1), options=options)
    count, half = len(found.images), (0.5,) * found.images.shape[1]
    labels = {"kind": np.arange(count) % 2}
    heads = Heads.from_outputs({"kind": 2})
    record = found.preparation.record()
    return Source("pictured", found.images, labels, heads, half, half, preparation=record)
