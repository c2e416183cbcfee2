"""CIFAR-10 from its published Python batches, or from batches of the same layout.

Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
"""

import os
import tarfile
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multihead.data.source import Source, Split
from multihead.datasets.download import Remote, fetch
from multihead.errors import DataError
from multihead.heads import Head, Heads
from multihead.pickles.unpickle import safe_load

CIFAR10_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)

_FOLDER = "cifar-10-batches-py"
_FILES = {"train": tuple(f"data_batch_{i}" for i in range(1, 6)), "test": ("test_batch",)}
_PIXELS = 3 * 32 * 32


def cifar10(data_dir: Path, split: Split, *, download: bool = True) -> Source:
    """Return one part of CIFAR-10 with the head `class`; see `read_cifar10` for the files."""
    images, labels = read_cifar10(data_dir, split, download=download)
    return Source(
        name="cifar10",
        images=images,
        labels={"class": labels},
        heads=Heads([Head("class", 10, CIFAR10_CLASSES)]),
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2470, 0.2435, 0.2616),
        shipped_heads="cifar10_object",
    )


def read_cifar10(
    data_dir: Path, split: Split, *, download: bool = True
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read images and labels of one split from `data_dir`/cifar-10-batches-py.

    The batches may have any source and size. They are read without running code in them, and their
    MD5 sums are not compared with the published ones.

    Args:
        data_dir: The folder that torchvision calls `root`.
        split: `train` (data_batch_1 to 5) or `test` (test_batch).
        download: Whether the published archive is downloaded if this split lacks a file.

    Returns:
        Images uint8 [N, 3, 32, 32] and labels int64 [N], indices into `CIFAR10_CLASSES`.

    Raises:
        DataError: If a file is missing and cannot be downloaded, is cut short or unsafe, or does
            not have uint8 [n, 3072] and n labels from 0 to 9.
    """
    if split not in _FILES:
        raise DataError(f"CIFAR-10 has no split {split!r}; it has {' and '.join(_FILES)}.")
    folder = data_dir / _FOLDER
    paths = [folder / name for name in _FILES[split]]
    missing = [path.name for path in paths if not os.path.isfile(path)]
    if missing:
        advice = (
            f"CIFAR-10 is missing: {folder} has no {', '.join(missing)}. "
            f"Put {', '.join(_FILES['train'])} and test_batch there."
        )
        if not download:
            raise DataError(advice)
        fetch([_remote()], folder, partial(_unpack, missing=missing), advice, missing)
    batches = [_read_batch(path) for path in paths]
    images = np.concatenate([images for images, _ in batches])
    return images.reshape(-1, 3, 32, 32), np.concatenate([labels for _, labels in batches])


def _remote() -> Remote:
    from torchvision.datasets import CIFAR10  # slow to import

    return Remote(CIFAR10.filename, (CIFAR10.url,), CIFAR10.tgz_md5)


def _unpack(archive: Path, folder: Path, missing: list[str]) -> None:
    with tarfile.open(archive, "r:gz") as tar:
        for name in missing:
            try:
                member = tar.getmember(f"{_FOLDER}/{name}")
            except KeyError:
                raise DataError(f"The published archive {archive.name} has no {name}.") from None
            member.name = name
            tar.extract(member, folder, filter="data")


def _read_batch(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    batch = safe_load(path)
    if not isinstance(batch, dict):
        raise DataError(f"{path} holds a {type(batch).__name__}; a batch of CIFAR-10 is a dict.")
    images, labels = (batch.get(key, batch.get(key.encode())) for key in ("data", "labels"))
    if images is None or labels is None:
        raise DataError(
            f"{path} has the keys {ascii([*batch])[:200]}; a batch of CIFAR-10 has `data` and "
            f"`labels`. Fetch the file again."
        )
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
        found = images.dtype if isinstance(images, np.ndarray) else type(images).__name__
        raise DataError(f"{path}: `data` is {found}; it must be an array of uint8.")
    if images.ndim != 2 or images.shape[1] != _PIXELS or not len(images):
        raise DataError(
            f"{path}: `data` is of shape {list(images.shape)}; it must be [n, {_PIXELS}], n > 0."
        )
    return images, _check_labels(path, labels, len(images))


def _check_labels(path: Path, labels: object, count: int) -> NDArray[np.int64]:
    """Return the labels as an array, from a list or an array of integers."""
    if isinstance(labels, np.ndarray) and labels.ndim == 1 and labels.dtype.kind in "iu":
        labels = labels.tolist()
    if isinstance(labels, list):
        labels = [int(label) if isinstance(label, np.integer) else label for label in labels]
    if not isinstance(labels, list) or not {int}.issuperset(map(type, labels)):
        raise DataError(f"{path}: `labels` must be a list of integers.")
    if len(labels) != count:
        raise DataError(f"{path}: {count:,} images but {len(labels):,} labels.")
    for i, label in enumerate(labels):
        if not 0 <= label < len(CIFAR10_CLASSES):
            raise DataError(
                f"{path}: label {str(label)[:20]} of image {i:,} is outside 0 to "
                f"{len(CIFAR10_CLASSES) - 1}. Fetch the file again."
            )
    return np.array(labels, np.int64)
