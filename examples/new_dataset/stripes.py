"""A new dataset: one function that returns a Source, and one YAML file that names it.

Each image has stripes. One head is their direction, the other is their number.
"""

from pathlib import Path

import numpy as np

from multihead import Head, Heads, Source


def stripes(data_dir: Path, split: str) -> Source:
    """Return 2,000 training or 500 test images of 1x16x16; `data_dir` is not used."""
    del data_dir
    count = 2_000 if split == "train" else 500
    rng = np.random.default_rng(0 if split == "train" else 1)
    direction, number = rng.integers(0, 2, count), rng.integers(0, 4, count)
    phase = rng.uniform(0, 2 * np.pi, (count, 1))
    wave = np.sin(np.arange(16) / 16 * 2 * np.pi * (number[:, None] + 1) + phase)
    images = np.broadcast_to(wave[:, None, :], (count, 16, 16))
    images = np.where(direction[:, None, None] == 1, images.transpose(0, 2, 1), images)
    noisy = 127 + 60 * images + rng.normal(0, 25, images.shape)
    return Source(
        name="stripes",
        images=noisy.clip(0, 255).astype(np.uint8)[:, None],
        labels={"direction": direction, "number": number},
        heads=Heads([Head("direction", 2, ("across", "down")), Head("number", 4)]),
        mean=(0.5,),
        std=(0.2,),
    )
