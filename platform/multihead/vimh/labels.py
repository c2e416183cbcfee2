"""Convert the pairs (parameter id, value) of samples to codes by head, and find faults.

Pairs are uint8 [n, N, 2]. The order of the ids may differ between samples.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from multihead.errors import DataError
from multihead.heads import Heads
from multihead.text import one_line


class Fault(NamedTuple):
    """An error in a sample.

    Attributes:
        row: The index of the sample among the checked rows.
        pair: The index of the wrong pair, or None if the error is not in one pair.
        message: A description of the error.
    """

    row: int
    pair: int | None
    message: str


class SampleError(DataError):
    """A sample of a file is damaged.

    Attributes:
        file: The file's path.
        sample: The sample's number.
        offset: The byte in the file, or None for a pickle.
        reason: A description of the error.
        more: Errors of other samples that were found at the same time.
    """

    more: tuple["SampleError", ...] = ()

    def __init__(self, file: object, sample: int, offset: int | None, reason: str) -> None:
        place = "" if offset is None else f" (byte {offset:,})"
        super().__init__(one_line(f"{file}: sample {sample:,}{place}: {reason}."))
        self.file, self.sample, self.offset, self.reason = str(file), sample, offset, reason

    def __reduce__(self) -> tuple[type["SampleError"], tuple[str, int, int | None, str]]:
        # Workers of a loader send their errors as pickles.
        return SampleError, (self.file, self.sample, self.offset, self.reason)


@dataclass(frozen=True)
class Scheme:
    """Converts pairs to codes.

    Attributes:
        names: Parameter names; the index is the id.
        heads: The heads whose codes are returned and checked.
        ids: Parameter ids by head name.
        offsets: Numbers to subtract from the stored byte, by head name; 0 if missing.
    """

    names: tuple[str, ...]
    heads: Heads
    ids: Mapping[str, int]
    offsets: Mapping[str, int]

    def read(self, pairs: NDArray[np.uint8]) -> tuple[dict[str, NDArray[np.int64]], list[Fault]]:
        """Return codes int64 [n] by head name, and the first fault of each faulty sample."""
        known = len(self.names)
        ids = pairs[..., 0].astype(np.intp)
        beyond = ids >= known
        table = np.full((len(pairs), known + 1), -1, np.int16)
        rows = np.arange(len(pairs))[:, None]
        table[rows, np.where(beyond, known, ids)] = pairs[..., 1]
        values = table[:, :known]
        faulty = beyond.any(1) | ((values >= 0).sum(1) < ids.shape[1])
        codes = {}
        for name, head in self.heads.items():
            stored = values[:, self.ids[name]]
            code = stored.astype(np.int64) - self.offsets.get(name, 0)
            faulty |= (stored < 0) | (code < 0) | (code >= head.num_classes)
            codes[name] = code
        return codes, [self._fault(int(row), pairs[row]) for row in np.flatnonzero(faulty)]

    def _fault(self, row: int, pairs: NDArray[np.uint8]) -> Fault:
        ids = pairs[:, 0].tolist()
        for place, number in enumerate(ids):
            if number >= len(self.names):
                last = len(self.names) - 1
                return Fault(row, place, f"parameter id {number} is beyond the ids 0 to {last}")
            if number in ids[:place]:
                return Fault(row, place, f"parameter id {number} occurs twice")
        for name, head in self.heads.items():
            number = self.ids[name]
            if number not in ids:
                known = self.names[number]
                return Fault(row, None, f"parameter id {number} ({known!r}) is missing")
            place = ids.index(number)
            offset = self.offsets.get(name, 0)
            value = int(pairs[place, 1])
            if not offset <= value < offset + head.num_classes:
                return Fault(
                    row,
                    place,
                    f"value {value} of {self.names[number]!r} is outside {offset} to "
                    f"{offset + head.num_classes - 1}",
                )
        raise AssertionError("a faulty sample has a fault")


def value_offsets(pairs: NDArray[np.uint8], heads: Heads, ids: Mapping[str, int]) -> dict[str, int]:
    """Find the classification heads whose bytes store the value instead of value - min.

    A stored byte is usually value - min, with min from the mapping. Some generators store the value
    itself: a byte exceeds max - min, and all bytes are from min to max.

    Args:
        pairs: uint8 [n, N, 2] of some samples. They may be damaged.
        heads: All heads.
        ids: Parameter ids by head name.

    Returns:
        The min by head name, only for these heads.
    """
    found = {}
    for name, head in heads.items():
        if head.numbered_from > 0:
            values = pairs[..., 1][pairs[..., 0] == ids[name]]
            last = head.first + head.num_classes - 1
            beyond = len(values) > 0 and values.max() >= head.num_classes
            if beyond and head.first <= values.min() and values.max() <= last:
                found[name] = head.first
    return found
