"""CIFAR-100-MH: the older form of VIMH, pickles of 32x32x3 with optional metadata.

The pixels are planar (C, H, W), as in CIFAR-100, unless the metadata or an argument say HWC.
"""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from multihead.checked_json import read_json_object
from multihead.data.source import Source, Split
from multihead.errors import DataError
from multihead.heads import Head
from multihead.text import one_line
from multihead.vimh.dataset import SourceDataset
from multihead.vimh.dimensions import Dimensions
from multihead.vimh.info import (
    PixelOrder,
    VIMHInfo,
    check_names,
    kept,
    name_heads,
    read_counts,
    read_parameters,
    read_pixel_order,
)
from multihead.vimh.mapping import VIMHParameter, head_name
from multihead.vimh.pickled import stored_pairs
from multihead.vimh.source import open_source

INFO_FILE = "cifar100mh_dataset_info.json"
DIMENSIONS = Dimensions(32, 32, 3)


def cifar100mh(path: str | Path, split: Split, pixel_order: PixelOrder | None = None) -> Source:
    """Open one split of a CIFAR-100-MH folder.

    Args:
        path: The folder with `train_batch` and `test_batch`.
        split: `train` or `test`.
        pixel_order: Pixel order if the metadata do not give it. None means CHW.

    Raises:
        DataError: If files are missing, damaged or unsafe, or do not fit each other.

    Warns:
        UserWarning: If metadata are missing and are completed from the data.
    """
    info = read_cifar100mh_info(path)
    for notice in info.notices:
        warnings.warn(notice, stacklevel=2)
    return open_source(info, split, pixel_order or "CHW")


def read_cifar100mh_info(path: str | Path) -> VIMHInfo:
    """Read the metadata. Missing names and ranges are taken from the batches.

    A parameter without a range has the classes 0 to the largest value of both batches. Parameters
    without names are called `param_0`, `param_1` and so on.

    Raises:
        DataError: If there is no such folder, or its files are damaged.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise DataError(
            f"{one_line(str(folder))} is no folder; put the batches of CIFAR-100-MH there."
        )
    file = folder / INFO_FILE
    where = one_line(str(file))
    record = read_json_object(file) if file.is_file() else {}
    names, mappings = record.get("parameter_names"), record.get("parameter_mappings")
    if names is None and mappings is not None:
        names = [*mappings] if isinstance(mappings, dict) else []
    notices: tuple[str, ...] = ()
    if names is not None and mappings is not None:
        parameters = read_parameters(names, mappings, where)
    else:
        parameters = _from_data(folder, names, where)
        heads = [p.head for p in parameters if p.head is not None]
        said = ", ".join(f"{head.name} {head.num_classes}" for head in heads)
        missing = "its parameter_mappings" if record else INFO_FILE
        notices = (
            one_line(f"{folder}: without {missing}, the classes are those of the data: {said}."),
        )
    more, made = name_heads(parameters, where)
    return VIMHInfo(
        folder=folder,
        name="cifar100mh",
        dimensions=_dimensions(record, where),
        parameters=parameters,
        heads=made,
        pixel_order=read_pixel_order(record, where),
        counts=read_counts(record, where),
        notices=(*notices, *more),
        metadata=INFO_FILE,
        **kept(record, parameters, where),
    )


def _dimensions(record: Mapping[str, Any], where: str) -> Dimensions:
    for key, size in zip(("height", "width", "channels"), DIMENSIONS, strict=True):
        if record.get(key, size) != size:
            raise DataError(
                one_line(f"{where}: {key} is {record[key]!r:.60}; CIFAR-100-MH is {DIMENSIONS}.")
            )
    return DIMENSIONS


def _from_data(folder: Path, names: object, where: str) -> tuple[VIMHParameter, ...]:
    batches = [p for p in (folder / "train_batch", folder / "test_batch") if p.is_file()]
    if not batches:
        raise DataError(
            one_line(f"{folder} has neither {INFO_FILE} nor train_batch nor test_batch.")
        )
    words = check_names(names, where) if names is not None else None
    pairs = [found for path in batches if len(found := stored_pairs(path))]
    if not pairs:
        raise DataError(one_line(f"{folder}: the batches have no samples, so no classes either."))
    ids = np.unique(np.concatenate([found[..., 0].ravel() for found in pairs]))
    parameters = []
    for number, word in enumerate(words or [f"param_{i}" for i in range(int(ids.max()) + 1)]):
        values = [found[..., 1][found[..., 0] == number] for found in pairs]
        largest = max((int(v.max()) for v in values if len(v)), default=0)
        head = Head(head_name(word), max(2, largest + 1))
        parameters.append(VIMHParameter(word, head, None, "", ""))
    return tuple(parameters)


class CIFAR100MHDataset(SourceDataset):
    """One split of a CIFAR-100-MH folder.

    Args:
        path: The folder.
        split: `train` or `test`.
        transform: Applied to each image, float32 [3, 32, 32] from 0 to 1.
        pixel_order: CHW (default) or HWC, if the metadata do not give it.

    Raises:
        DataError: If files are missing, damaged or unsafe, or do not fit each other.
    """

    def __init__(
        self,
        path: str | Path,
        split: Split = "train",
        transform: Callable[[Tensor], Tensor] | None = None,
        pixel_order: PixelOrder | None = None,
    ) -> None:
        super().__init__(cifar100mh(path, split, pixel_order), transform)
