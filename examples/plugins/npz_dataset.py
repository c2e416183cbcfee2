"""A dataset: pictures and labels of one .npz file, such as those of MedMNIST.

MedMNIST's files (Yang et al., Scientific Data 2023, arXiv:2110.14795) hold the arrays
`train_images`, `train_labels`, `val_images` and so on. Here each other array is a head. The
head's name is the part after `train_`. So a file may have several heads.

python npz_dataset.py cells.npz     writes an example file
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multihead import Head, Heads, Source
from multihead.errors import DataError


def npz(data_dir: Path, split: str, file: str) -> Source:
    """Read one split of an .npz file.

    Images are uint8 [N, H, W] or [N, H, W, C]. Integers [N] or [N, 1] are classes, rows of 0 and 1
    [N, K] are tags, and floats [N] are numbers. A NaN is a missing label.

    Args:
        data_dir: The folder of the file.
        split: `train` or `test`. `train` also reads the `val_` arrays as the validation part.
        file: The path of the file, relative to `data_dir`: the key `data.file`.

    Raises:
        DataError: If there is no such file, or an array is missing.
    """
    path = Path(data_dir) / file
    if not path.is_file():
        raise DataError(f"{path} does not exist; set data.data_dir and data.file to an .npz file.")
    with np.load(path, allow_pickle=False) as arrays:
        names = [n.removeprefix("train_") for n in arrays.files if n.startswith("train_")]
        splits = ("train", "val", "test")
        missing = [f"{s}_{n}" for s in splits for n in names if f"{s}_{n}" not in arrays.files]
        if "images" not in names or missing:
            raise DataError(f"{path} has no array {(missing or ['train_images'])[0]!r}.")
        parts = ("train", "val") if split == "train" else ("test",)
        images = np.concatenate([arrays[f"{part}_images"] for part in parts])
        every = {n: [arrays[f"{s}_{n}"] for s in splits] for n in names if n != "images"}
    images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    kept = slice(0, 2) if split == "train" else slice(2, 3)
    heads = Heads([_head(name, np.concatenate(labels)) for name, labels in every.items()])
    labels = {name: _labels(np.concatenate(found[kept])) for name, found in every.items()}
    sizes = [len(part) for part in next(iter(every.values()))]
    return Source(
        name=path.stem,
        images=images,
        labels=labels,
        heads=heads,
        mean=(0.5,) * images.shape[1],
        std=(0.25,) * images.shape[1],
        incomplete=frozenset(n for n, head in heads.items() if head.kind.dtype is np.float32),
        validation=np.arange(len(images)) >= sizes[0] if split == "train" else None,
    )


def _head(name: str, labels: NDArray[Any]) -> Head:
    """Return the head for the labels of all splits."""
    if labels.ndim == 2 and labels.shape[1] > 1:
        return Head(name, labels.shape[1], kind="multilabel")
    if labels.dtype.kind == "f":
        return Head(name, kind="regression")
    classes = int(labels.max()) + 1
    return Head(name, classes, kind="binary" if classes == 2 else "classification")


def _labels(labels: NDArray[Any]) -> NDArray[Any]:
    """Return labels in the type of their head's kind: float32 for numbers and tags, else int64."""
    if labels.ndim == 2 and labels.shape[1] > 1:
        return labels.astype(np.float32)
    return labels.reshape(-1).astype(np.float32 if labels.dtype.kind == "f" else np.int64)


def write_cells(path: Path, seed: int = 0) -> None:
    """Draw images of cells with two heads: the number of cells, and their stage.

    A third of the training images have no count. Cells grow from stage 0 to 4.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:28, :28]
    arrays: dict[str, NDArray[Any]] = {}
    for split, size in (("train", 800), ("val", 200), ("test", 300)):
        count, stage = rng.poisson(3.0, size), rng.integers(0, 5, size)
        images = np.zeros((size, 28, 28))
        for image, cells, radius in zip(images, count, 1.5 + 0.6 * stage, strict=True):
            for row, column in rng.uniform(3, 25, (cells, 2)):
                distance = np.hypot(y - row, x - column)
                np.maximum(image, 1 / (1 + np.exp(3 * (distance - radius))), out=image)
        pixels = 40 + 170 * images + rng.normal(0, 5, images.shape)
        arrays[f"{split}_images"] = pixels.clip(0, 255).astype(np.uint8)
        known = count.astype(np.float32)
        if split == "train":
            known[rng.random(size) < 1 / 3] = np.nan
        arrays[f"{split}_count"], arrays[f"{split}_stage"] = known, stage.astype(np.uint8)[:, None]
    np.savez_compressed(path, **arrays)


if __name__ == "__main__":
    write_cells(Path(sys.argv[1]))
    print(f"wrote {sys.argv[1]}: 1,300 pictures of cells with heads count and stage")
