"""Two heads that are judged in opposite directions, one of them of another script."""

from pathlib import Path

import numpy as np

from multihead import Head, Heads, Source
from multihead.heads.kinds.float_regression import FloatRegression

HEADS = Heads([Head("größe", kind=FloatRegression("cm")), Head("side", 2)])


def measured_rows(data_dir: Path, split: str) -> Source:
    """Return pictures of 8x8 whose bright rows are a size, and whose noisier half is a side."""
    rng = np.random.default_rng(0 if split == "train" else 1)
    count = 192 if split == "train" else 64
    rows, side = rng.integers(1, 8, count), rng.integers(0, 2, count)
    images = rng.integers(0, 60, (count, 1, 8, 8))
    images += 120 * (np.arange(8)[None, :, None] < rows[:, None, None])[:, None]
    images[:, 0, :, 4:] += 12 * side[:, None, None]
    return Source(
        name="measured rows",
        images=images.astype(np.uint8),
        labels={"größe": (10.0 * rows).astype(np.float32), "side": side},
        heads=HEADS,
        mean=(0.4,),
        std=(0.3,),
    )
