"""MNIST from its published IDX files, or from files of the same layout with other images.

Source: Y. LeCun, C. Cortes and C. Burges, The MNIST database of handwritten digits.
"""

import gzip
import math
import os
import shutil
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multihead.data.source import Source, Split
from multihead.datasets.download import Remote, fetch
from multihead.errors import DataError
from multihead.heads import Head, Heads

# Changes that turn a digit into another sign, or into none.
MIRRORED = frozenset(["hflip", "vflip"])
_PREFIXES = {"train": "train", "test": "t10k"}
_KINDS = ("images-idx3-ubyte", "labels-idx1-ubyte")
_ALL = [f"{prefix}-{kind}" for prefix in _PREFIXES.values() for kind in _KINDS]
# Limits against decompression bombs: a .gz may unpack to this many bytes, or to this many times
# its own size. Real images shrink to 1/4 or 1/5, a bomb to 1/1000.
_GZIP_FREE, _GZIP_RATIO = 64 << 20, 100


def mnist(data_dir: Path, split: Split, *, download: bool = True) -> Source:
    """Return one file of MNIST with the head `digit`; see `read_mnist` for the files."""
    images, labels = read_mnist(data_dir, split, download=download)
    return Source(
        name="mnist",
        images=images,
        labels={"digit": labels},
        heads=Heads([Head("digit", 10)]),
        mean=(0.1307,),
        std=(0.3081,),
        shipped_heads="handwritten_digit",
        breaks={"digit": MIRRORED},
    )


def read_mnist(
    data_dir: Path, split: Split, *, download: bool = True
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read images and digits of one split from `data_dir`/MNIST/raw.

    Args:
        data_dir: The folder that torchvision calls `root`. Each file may be plain or .gz.
        split: `train` or `test` (the files t10k-*).
        download: Whether missing files of this split are downloaded from torchvision's mirrors.

    Returns:
        Images uint8 [N, 1, H, W] (28 x 28 in the published files) and labels int64 [N], 0 to 9.

    Raises:
        DataError: If a file is missing and cannot be downloaded, or its magic number is wrong. Also
            if its size differs from its header, labels are not 0 to 9, or the numbers of labels
            and images differ.
    """
    if split not in _PREFIXES:
        raise DataError(f"MNIST has no split {split!r}; it has {' and '.join(_PREFIXES)}.")
    raw = data_dir / "MNIST" / "raw"
    names = [f"{_PREFIXES[split]}-{kind}" for kind in _KINDS]
    missing = [name for name in names if not os.path.isfile(_find(raw, name))]
    if missing:
        advice = (
            f"MNIST is missing: {raw} has no {', '.join(missing)}. "
            f"Put {', '.join(_ALL[:-1])} and {_ALL[-1]} there (plain or .gz)."
        )
        if not download:
            raise DataError(advice)
        fetch(_remotes(missing), raw, _unpack, advice, missing)
    images_path, labels_path = (_find(raw, name) for name in names)
    images, labels = _read_idx(images_path, 3), _read_idx(labels_path, 1)
    if len(images) != len(labels):
        raise DataError(
            f"{images_path} holds {len(images):,} images, but {labels_path} {len(labels):,} "
            f"labels. Take both from the same source."
        )
    if labels.max() > 9:
        first = int((labels > 9).argmax())
        raise DataError(
            f"{labels_path}: label {labels[first]} of image {first:,} is outside 0 to 9. "
            f"Fetch the file again."
        )
    return images[:, None], labels.astype(np.int64)


def _find(raw: Path, name: str) -> Path:
    """Return the plain file if it exists, else the .gz."""
    plain = raw / name
    return plain if os.path.isfile(plain) else raw / f"{name}.gz"


def _remotes(names: Sequence[str]) -> list[Remote]:
    from torchvision.datasets import MNIST  # slow to import

    md5 = dict(MNIST.resources)
    files = [f"{name}.gz" for name in names]
    return [Remote(f, tuple(f"{mirror}{f}" for mirror in MNIST.mirrors), md5[f]) for f in files]


def _unpack(archive: Path, folder: Path) -> None:
    with gzip.open(archive) as packed, (folder / archive.stem).open("wb") as plain:
        shutil.copyfileobj(packed, plain)


def _read_idx(path: Path, ndim: int) -> NDArray[np.uint8]:
    """Read an IDX file of bytes: a magic number, `ndim` sizes of 4 bytes, the values."""
    header = 4 + 4 * ndim
    try:
        on_disk = path.stat().st_size
        head, _ = _content(path, header)
        if len(head) < header:
            raise _wrong_size(path, f"at least {header}", f"{len(head):,}")
        if head[:4] != bytes([0, 0, 8, ndim]):
            raise DataError(
                f"{path} starts with the bytes {head[:4].hex(' ')}; an IDX file of {ndim} "
                f"dimensions starts with 00 00 08 {ndim:02}. Fetch the file again."
            )
        shape = struct.unpack(f">{ndim}I", head[4:])
        claim = f"{header + math.prod(shape):,} ({header} + {' x '.join(map(str, shape))})"
        expected = header + math.prod(shape)
        if expected == header:
            raise DataError(f"{path} holds nothing: its sizes are {' x '.join(map(str, shape))}.")
        if path.suffix != ".gz" and on_disk != expected:
            raise _wrong_size(path, claim, f"{on_disk:,}")
        if expected > max(_GZIP_FREE, _GZIP_RATIO * on_disk):
            raise DataError(
                f"{path} is refused: it claims {claim} bytes from {on_disk:,} packed ones, more "
                f"than {_GZIP_RATIO} times as many. Unpack it yourself if you trust it."
            )
        content, complete = _content(path, expected + 1)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    except zlib.error as error:
        raise DataError(f"{path} is damaged: {error}. Fetch the file again.") from None
    if len(content) != expected:
        more = "more" if len(content) > expected else f"{len(content):,}"
        raise _wrong_size(path, claim, more)
    if not complete:
        raise DataError(f"{path} is cut short after {on_disk:,} bytes. Fetch the file again.")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape).copy()


def _content(path: Path, limit: int) -> tuple[bytes, bool]:
    """Return at most `limit` unpacked bytes, and whether a .gz ended with its checksum."""
    if path.suffix != ".gz":
        with path.open("rb") as file:
            return file.read(limit), True
    unpacker = zlib.decompressobj(wbits=31)
    return unpacker.decompress(path.read_bytes(), limit), unpacker.eof


def _wrong_size(path: Path, expected: str, actual: str) -> DataError:
    unit = "unpacked bytes" if path.suffix == ".gz" else "bytes"
    return DataError(f"{path}: expected {expected} {unit}, found {actual}. Fetch the file again.")
