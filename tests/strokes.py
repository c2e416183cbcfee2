"""Drawn strokes, as pictures and as files of MNIST's layout."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def line(
    degrees: float, half_width: float = 1.2, half_length: float = 9, side: int = 28
) -> Picture:
    """Draw a straight stroke, turned from the horizontal, into a picture [1, side, side]."""
    angle = np.deg2rad(degrees)
    y, x = np.mgrid[:side, :side] - side / 2 + 0.3
    along, across = x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)
    grey = np.clip(half_width - abs(across) + 0.5, 0, 1)
    return np.uint8(255 * grey * np.clip(half_length - abs(along) + 0.5, 0, 1))[None]


def ring(radius: float, half_width: float = 1.5, side: int = 48) -> Picture:
    """Draw a circle into a picture [1, side, side]."""
    y, x = np.mgrid[:side, :side] - side / 2 + 0.3
    return np.uint8(255 * np.clip(half_width - abs(np.hypot(x, y) - radius) + 0.5, 0, 1))[None]


def rings(count: int, seed: int = 0) -> Picture:
    """Draw circles of various sizes and widths into pictures [count, 28, 28]."""
    rng = np.random.default_rng(seed)
    sizes = zip(rng.uniform(4, 9, count), rng.uniform(0.8, 2.2, count), strict=True)
    return np.concatenate([ring(radius, width, side=28) for radius, width in sizes])


def write_rings(folder: Path, *, train: int = 60, test: int = 20) -> Path:
    """Lay out IDX files of rings with any digits."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for seed, (prefix, count) in enumerate((("train", train), ("t10k", test))):
        labels = (np.arange(count) % 10).astype(np.uint8)
        head = np.array([0x803, count, 28, 28], ">u4").tobytes()
        images = rings(count, seed).tobytes()
        (raw / f"{prefix}-images-idx3-ubyte").write_bytes(head + images)
        head = np.array([0x801, count], ">u4").tobytes()
        (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(head + labels.tobytes())
    return folder
