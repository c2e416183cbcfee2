"""VIMH folders as others write them: sample by sample with struct and pickle, no code of ours."""

import json
import pickle
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

NOTE = {"min": 40.0, "max": 90.0, "scale": "linear", "unit": "semitones", "description": "pitch"}
DECAY = {"min": 0.1, "max": 10.0, "scale": "log", "unit": "s"}
DRUM = {"min": 3, "max": 6, "type": "classification"}


def pictures(count: int, height: int, width: int, channels: int, seed: int = 0) -> np.ndarray:
    """Noise uint8 [n, C, H, W]."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, channels, height, width)).astype(np.uint8)


def record(
    image: np.ndarray, pairs: Sequence[tuple[int, int]], spec: tuple[float, float] | None = None
) -> bytes:
    """One binary sample of an image [C, H, W]."""
    channels, height, width = image.shape
    out = struct.pack("<HHH", height, width, channels)
    if spec is not None:
        out += struct.pack("<ff", *spec)
    out += struct.pack("<B", len(pairs))
    for number, value in pairs:
        out += struct.pack("<BB", number, value)
    return out + image.tobytes("C")


def batch(
    images: np.ndarray, labels: Sequence[Sequence[tuple[int, int]]], order: str = "HWC", **more: Any
) -> dict[str, Any]:
    """The dict of a pickle."""
    count, channels, height, width = images.shape
    data = images.transpose(0, 2, 3, 1) if order == "HWC" else images
    return {
        "data": np.ascontiguousarray(data).reshape(count, -1),
        "vimh_labels": [[len(row), *(n for pair in row for n in pair)] for row in labels],
        "height": height,
        "width": width,
        "channels": channels,
        **more,
    }


def metadata(image_shape: tuple[int, int, int], mappings: dict[str, Any], **more: Any) -> dict:
    """Metadata with the required keys, and further ones."""
    channels, height, width = image_shape
    required = {
        "format": "VIMH",
        "height": height,
        "width": width,
        "channels": channels,
        "parameter_names": list(mappings),
        "parameter_mappings": mappings,
    }
    return {k: v for k, v in (required | more).items() if v is not None}


def write_info(folder: Path, info: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(info, ensure_ascii=False)
    (folder / "vimh_dataset_info.json").write_text(text, encoding="utf-8")


def write_folder(
    parent: Path,
    *,
    size: tuple[int, int, int] = (4, 5, 3),
    counts: tuple[int, int] = (12, 5),
    header: int = 6,
    form: str = "binary",
    name: str | None = None,
    mappings: dict[str, Any] | None = None,
    protocol: int = 4,
    seed: int = 0,
    **info: Any,
) -> Path:
    """Write a folder of noise of `size` (height, width, channels) with a note and a decay.

    Sample i of a split has the value (7 * i + 50 * id) % 256 of parameter id.
    """
    height, width, channels = size
    mappings = {"note": NOTE, "decay": DECAY} if mappings is None else mappings
    folder = parent / (name or f"vimh-{height}x{width}x{channels}_test")
    encoding = {"metadata_bytes": header} if form == "binary" else None
    write_info(
        folder,
        metadata((channels, height, width), mappings, **{"label_encoding": encoding, **info}),
    )
    for split, count in zip(("train", "test"), counts, strict=True):
        images = pictures(count, height, width, channels, seed)
        labels = [[(i, value(n, i)) for i in range(len(mappings))] for n in range(count)]
        spec = (-80.0, 0.0) if header == 14 else None
        if form == "binary":
            samples = [record(*pair, spec) for pair in zip(images, labels, strict=True)]
            (folder / split).write_bytes(b"".join(samples))
        else:
            (folder / f"{split}_batch").write_bytes(pickle.dumps(batch(images, labels), protocol))
    return folder


def value(sample: int, number: int) -> int:
    """The stored byte of a parameter of a sample that `write_folder` writes."""
    return (7 * sample + 50 * number) % 256
