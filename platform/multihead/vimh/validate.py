"""Check every record of a folder and report every problem. Opening reports only the first one."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multihead.data.source import Split
from multihead.errors import DataError
from multihead.vimh.binary import BinaryFile
from multihead.vimh.info import VIMHInfo, read_info
from multihead.vimh.labels import Fault, SampleError, Scheme, value_offsets
from multihead.vimh.source import (
    SampleFile,
    check_count,
    open_file,
    present_forms,
    split_file,
)

_ROWS = 4096
SPLITS: tuple[Split, ...] = ("train", "test")


@dataclass(frozen=True)
class Problem:
    """One problem of a dataset.

    Attributes:
        file: The path of the file, or of the folder.
        sample: The sample's number, or None if the problem concerns the whole file.
        offset: The byte in the file, or None.
        message: A one-line description. It names the file if `sample` is None.
    """

    file: str
    sample: int | None
    offset: int | None
    message: str


def validate(
    path: str | Path, read: Callable[[str | Path], VIMHInfo] = read_info
) -> Iterator[Problem]:
    """Check metadata, dimensions, counts, and every sample of both forms of both splits.

    Args:
        path: The dataset's folder.
        read: Reads its metadata; another function reads those of a related format.

    Yields:
        Problems by file, in the order of the samples.
    """
    try:
        info = read(path)
    except DataError as error:
        yield Problem(str(path), None, None, str(error))
        return
    offsets: dict[str, int] | None = None
    present = [(split, form) for split in SPLITS for form in present_forms(info, split)]
    if not present:
        yield Problem(str(info.folder), None, None, "there is neither a train nor a test split.")
    for split, form in present:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a doubtful pixel order is not a fault
                file = open_file(info, split, form, "HWC", partial=True)
        except DataError as error:
            yield from _unreadable(error, split_file(info, split, form))
            continue
        if offsets is None:
            offsets = value_offsets(file.pairs(slice(_ROWS)), info.heads, info.ids)
        try:
            check_count(file, info, split)
        except DataError as error:
            yield Problem(str(file.path), None, None, str(error))
        yield from _samples(file, _scheme(info, offsets))


def _scheme(info: VIMHInfo, offsets: dict[str, int]) -> Scheme:
    return Scheme(tuple(p.name for p in info.parameters), info.heads, info.ids, offsets)


def _problem(error: SampleError) -> Problem:
    return Problem(error.file, error.sample, error.offset, f"{error.reason}.")


def _unreadable(error: DataError, file: Path) -> Iterator[Problem]:
    if isinstance(error, SampleError):
        yield from map(_problem, (error, *error.more))
    else:
        yield Problem(str(file), None, None, str(error))


def _samples(file: SampleFile, scheme: Scheme) -> Iterator[Problem]:
    for start in range(0, len(file), _ROWS):
        rows = slice(start, start + _ROWS)
        if isinstance(file, BinaryFile) and (broken := file.header_faults(rows)):
            # After a sample with another N the record array is misaligned.
            yield from _before(file, scheme, start, broken[0].row)
            yield from map(_problem, file.walk(scheme, start + broken[0].row))
            return
        yield from _before(file, scheme, start, min(_ROWS, len(file) - start))
    if isinstance(file, BinaryFile):
        yield from map(_problem, file.walk(scheme, len(file)))


def _before(file: SampleFile, scheme: Scheme, start: int, count: int) -> Iterator[Problem]:
    """Yield the problems of samples whose headers are correct."""
    rows = slice(start, start + count)
    found = [file.error(start + f.row, f) for f in scheme.read(file.pairs(rows))[1]]
    ranges = file.spec_range(rows)
    if ranges is not None:
        for fault in range_faults(ranges):
            row = start + fault.row
            found.append(SampleError(file.path, row, file.offset(row), fault.message))
    yield from map(_problem, sorted(found, key=lambda error: error.sample))


def range_faults(ranges: NDArray[np.float32]) -> list[Fault]:
    """Return a fault for each invalid pair (spec_min, spec_max) of [n, 2]."""
    bad = ~np.isfinite(ranges).all(1) | (ranges[:, 0] > ranges[:, 1])
    faults = []
    for row in np.flatnonzero(bad):
        low, high = ranges[row].tolist()
        message = f"spec_min is {low} and spec_max {high}; give finite numbers, min <= max"
        faults.append(Fault(int(row), None, message))
    return faults
