"""A split of a VIMH folder as a Source. It reads and checks samples only when they are used."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from multihead.data.source import Source, Split
from multihead.errors import DataError
from multihead.heads import Heads
from multihead.text import one_line
from multihead.vimh.binary import BinaryFile
from multihead.vimh.info import PixelOrder, VIMHInfo, read_info
from multihead.vimh.labels import Scheme, value_offsets
from multihead.vimh.pickled import PickledFile

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FORMS = {"binary": "{}", "pickle": "{}_batch"}
Form = Literal["binary", "pickle"]
SampleFile = BinaryFile | PickledFile
_ROWS = 1 << 16  # samples whose labels are checked together
_LOOK = 4096  # samples that show how classes are stored


class LazyLabels(Mapping[str, NDArray[np.int64]]):
    """Labels int64 [N] by head name, read from the file at each access."""

    def __init__(self, file: SampleFile, scheme: Scheme) -> None:
        self.file, self.scheme = file, scheme

    def __getitem__(self, name: str) -> NDArray[np.int64]:
        return self.take(np.arange(len(self.file)), [name])[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.scheme.heads)

    def __len__(self) -> int:
        return len(self.scheme.heads)

    def take(
        self, index: NDArray[np.int64], names: list[str] | None = None
    ) -> dict[str, NDArray[np.int64]]:
        """Read the labels [n] of some samples, after checking their headers and all their pairs.

        Args:
            index: Sample numbers [n].
            names: Heads; all if None.

        Raises:
            SampleError: If a sample has a wrong size, N, id or value.
        """
        wanted = [*self] if names is None else names
        labels = {name: np.empty(len(index), np.int64) for name in wanted}
        for start in range(0, len(index), _ROWS):
            rows = index[start : start + _ROWS]
            codes, faults = self.scheme.read(self.file.pairs(rows))
            if faults := [*self.file.header_faults(rows), *faults]:
                first = min(faults, key=lambda fault: fault.row)
                raise self.file.error(int(rows[first.row]), first)
            for name, out in labels.items():
                out[start : start + _ROWS] = codes[name]
        return labels


@dataclass(frozen=True)
class VIMHSource(Source):
    """One split of a VIMH dataset.

    Samples are checked when they are read. So the time to open a split does not depend on its size.
    """

    labels: LazyLabels

    def __post_init__(self) -> None:
        self._check_channels()

    @classmethod
    def over(cls, file: SampleFile, info: VIMHInfo, offsets: Mapping[str, int]) -> "VIMHSource":
        """Return the source of an opened file, with the default normalisation."""
        names = tuple(p.name for p in info.parameters)
        scheme = Scheme(names, info.heads, info.ids, offsets)
        mean, std = cls.default_normalisation(info)
        return cls(info.name, file.images, LazyLabels(file, scheme), info.heads, mean, std)

    @staticmethod
    def default_normalisation(info: VIMHInfo) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return mean and deviation per channel: 0.5, or ImageNet's for three channels."""
        channels = info.image_shape[0]
        if channels == 3:
            return IMAGENET_MEAN, IMAGENET_STD
        return (0.5,) * channels, (0.5,) * channels

    def __reduce__(self) -> tuple[object, ...]:
        # A worker process that is not forked gets the file's path, not a copy of the pixels.
        return _rebuild, (type(self), self.name, self.labels, self.heads, self.mean, self.std)

    def take_labels(self, index: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
        """Read the labels of some samples; see `Source.take_labels`."""
        labels = self.labels.take(index, list(self.heads))
        return {name: labels[name] for name in self.heads}

    def take(
        self, index: NDArray[np.int64]
    ) -> tuple[NDArray[np.uint8], dict[str, NDArray[np.int64]]]:
        """Read some samples; see `Source.take`.

        Raises:
            SampleError: If a sample is damaged. It names the sample, and the byte of a binary file.
        """
        labels = self.take_labels(index)
        return np.ascontiguousarray(self.images[index]), labels

    def select(self, names: Sequence[str]) -> "VIMHSource":
        """Return the source with only some heads; labels of the others are still checked."""
        return replace(self, heads=Heads(self.heads[name] for name in names))

    def spec_range(self, index: NDArray[np.int64]) -> NDArray[np.float32] | None:
        """Return spec_min and spec_max float32 [n, 2] of some samples, or None."""
        return self.labels.file.spec_range(index)


def vimh_source(path: str | Path, split: Split, pixel_order: PixelOrder | None = None) -> Source:
    """Open one split of a VIMH folder, in the binary form if both forms exist.

    Args:
        path: The folder.
        split: `train` or `test`.
        pixel_order: The pixel order of a pickle if its metadata do not state it; HWC if None.

    Raises:
        DataError: If a file is missing, damaged or hostile, or the files contradict each other.

    Warns:
        UserWarning: If a parameter has an unusual name or type, classes are stored as values, or
            the pixel order is doubtful or contradicts the metadata.
    """
    info = read_info(path)
    for notice in info.notices:
        warnings.warn(notice, stacklevel=2)
    if pixel_order is not None and info.pixel_order not in (None, pixel_order):
        warnings.warn(
            one_line(
                f"{info.folder}: its metadata state the pixel order {info.pixel_order}, "
                f"so {pixel_order} is not used."
            ),
            stacklevel=2,
        )
    return open_source(info, split, pixel_order or "HWC")


def open_source(info: VIMHInfo, split: Split, pixel_order: PixelOrder) -> VIMHSource:
    """Open a split of a folder whose metadata are known; see `vimh_source`."""
    form = find_form(info, split)
    file = open_file(info, split, form, pixel_order)
    check_count(file, info, split)
    offsets = _offsets(info, split, file, pixel_order)
    return VIMHSource.over(file, info, offsets)


def find_form(info: VIMHInfo, split: str) -> Form:
    """Return the form in which a split is read.

    Raises:
        DataError: If the folder has no file of this split. It names both possible files.
    """
    if split not in ("train", "test"):
        raise DataError(one_line(f"there is no split {split!r:.60}; there are train and test."))
    for form in present_forms(info, split):
        return form
    raise DataError(
        one_line(
            f"{info.folder} has no {split} split: there is neither a binary `{split}` nor a "
            f"pickle `{split}_batch`. Put one there, or make a dataset with "
            f"`multihead data generate resonator`."
        )
    )


def present_forms(info: VIMHInfo, split: str) -> list[Form]:
    """Return the forms in which a split exists, the preferred one first."""
    forms: tuple[Form, ...] = ("binary", "pickle")
    return [form for form in forms if split_file(info, split, form).is_file()]


def split_file(info: VIMHInfo, split: str, form: Form) -> Path:
    """Return the path of a split in one form."""
    return info.folder / FORMS[form].format(split)


def open_file(
    info: VIMHInfo, split: Split, form: Form, pixel_order: PixelOrder, *, partial: bool = False
) -> SampleFile:
    """Open one file of a dataset.

    Args:
        info: The dataset.
        split: `train` or `test`.
        form: `binary` or `pickle`.
        pixel_order: The pixel order of a pickle if its metadata do not state it.
        partial: Open a damaged binary file too, up to its last whole record.

    Raises:
        DataError: If the file is damaged or hostile, or contradicts the metadata.
    """
    path = split_file(info, split, form)
    if form == "binary":
        return BinaryFile(path, info, partial=partial)
    return PickledFile(path, info, pixel_order)


def check_count(file: SampleFile, info: VIMHInfo, split: Split) -> None:
    """Compare the number of samples with the number in the metadata, if there is one.

    Raises:
        DataError: If they differ. It names both numbers.
    """
    said = info.counts.get(split)
    if said is not None and said != len(file):
        raise DataError(
            one_line(
                f"{file.path} holds {len(file):,} samples, but {info.metadata} says {said:,}. The "
                f"file is cut short or belongs to another dataset. Write it again or correct "
                f"{split}_samples."
            )
        )


def _offsets(
    info: VIMHInfo, split: Split, file: SampleFile, pixel_order: PixelOrder
) -> dict[str, int]:
    """Find how classes are stored, from the training samples for both splits."""
    if not any(h.numbered_from > 0 for h in info.heads.values()):
        return {}
    if split != "train" and (forms := present_forms(info, "train")):
        file = open_file(info, "train", forms[0], pixel_order)
    offsets = value_offsets(file.pairs(slice(_LOOK)), info.heads, info.ids)
    if offsets and split == "train":
        warnings.warn(
            one_line(
                f"{info.folder}: {', '.join(offsets)} store the value itself, not value - min. "
                f"So min is subtracted."
            ),
            stacklevel=3,
        )
    return offsets


def _rebuild(
    kind: type[VIMHSource],
    name: str,
    labels: LazyLabels,
    heads: Heads,
    mean: tuple[float, ...],
    std: tuple[float, ...],
) -> VIMHSource:
    return kind(name, labels.file.images, labels, heads, mean, std)
