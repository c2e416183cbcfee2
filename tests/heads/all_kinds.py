"""A data set with a head of each kind, whose labels can be seen in its pictures and are missing."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multihead import Head, Heads, Parameter, Source
from multihead.heads.kinds.float_regression import FloatRegression
from multihead.heads.kinds.multilabel import Multilabel

HEADS = Heads(
    [
        Head("shape", 3, ("dot", "bar", "box")),
        Head("note", 16, kind="ordinal", parameter=Parameter(0.0, 15.0, levels=16)),
        Head("level", 16, kind="regression", parameter=Parameter(0.0, 15.0, levels=16)),
        Head("bright", 2, ("no", "yes"), kind="binary"),
        Head("marks", kind=Multilabel(("left one", "right", "top"))),
        Head("age", kind=FloatRegression("years")),
        Head("mass", kind=FloatRegression("kg", log=True)),
    ]
)


def everything(data_dir: Path, split: str) -> Source:
    """Return pictures of 8x8 with seven heads; a fifth of each head's labels is missing."""
    rng = np.random.default_rng(0 if split == "train" else 1)
    count = 240 if split == "train" else 100
    level = rng.integers(0, 16, count)
    marks = rng.integers(0, 2, (count, 3))
    images = rng.integers(0, 10, (count, 1, 8, 8)) + 8 * level[:, None, None, None]
    images[:, 0, :, :2] += 100 * marks[:, :1, None]
    images[:, 0, 6:, 2:] += 100 * marks[:, 1:2, None]
    images[:, 0, :2, 2:] += 100 * marks[:, 2:, None]
    labels: dict[str, NDArray[np.generic]] = {
        "shape": level // 6,
        "note": np.clip(level + rng.integers(-1, 2, count), 0, 15),
        "level": level,
        "bright": (level > 9).astype(np.int64),
        "marks": marks.astype(np.float32),
        "age": (20 + 3 * level + rng.normal(0, 1, count)).astype(np.float32),
        "mass": np.exp(level * 1.3 - 10).astype(np.float32),
    }
    labels["marks"][rng.random((count, 3)) < 0.1] = np.nan
    for name, head in HEADS.items():
        missing = rng.random(count) < 0.2
        labels[name][missing] = head.kind.absent(head, int(missing.sum()))
    return Source(
        name="everything",
        images=images.astype(np.uint8),
        labels=labels,
        heads=HEADS,
        mean=(0.4,),
        std=(0.3,),
        incomplete=frozenset(HEADS),
    )
