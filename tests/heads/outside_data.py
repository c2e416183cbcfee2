"""A data set as a person writes it, in a file of their own: clock hands, with labels missing."""

from pathlib import Path

import numpy as np
from tests.heads.outside_kinds import Angle

from multihead import Head, Heads, Source

HEADS = Heads([Head("angle", kind=Angle()), Head("side", 2, ("up", "down"))])


def hands(data_dir: Path, split: str) -> Source:
    """Return pictures of 8x8 that are bright on one side of a hand, with two heads."""
    rng = np.random.default_rng(0 if split == "train" else 1)
    count = 240 if split == "train" else 100
    angle = rng.uniform(0, 360, count).astype(np.float32)
    y, x = np.mgrid[-4:4, -4:4] + 0.5
    turn = np.deg2rad(angle)[:, None, None]
    bright = x * np.cos(turn) + y * np.sin(turn) > 0
    side = (angle > 180).astype(np.int64)
    angle[rng.random(count) < 0.3] = np.nan
    side[rng.random(count) < 0.5] = -1
    return Source(
        name="hands",
        images=np.where(bright, 200, 30).astype(np.uint8)[:, None],
        labels={"angle": angle, "side": side},
        heads=HEADS,
        mean=(0.5,),
        std=(0.4,),
        incomplete=frozenset(HEADS),
    )
