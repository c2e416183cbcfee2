"""From the pairs (parameter id, value) of samples to codes by head, with every fault found.

Pairs are uint8 [n, N, 2]. Ids may come in any order, and in another in each sample.
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
    """What is wrong with a sample.

    Attributes:
        row: Its place among the rows that were looked at.
        pair: Which of its pairs is wrong, or None if that cannot be told.
        message: What is wrong.
    """

    row: int
    pair: int | None
    message: str


class SampleError(DataError):
    """A sample of a file is damaged.

    Attributes:
        file: The file's path.
        sample: The sample's number.
        offset: The byte of the file, or None where a file has no such place.
        reason: What is wrong with the sample.
        more: Errors of further samples that were found at the same time.
    """

    more: tuple["SampleError", ...] = ()

    def __init__(self, file: object, sample: int, offset: int | None, reason: str) -> None:
        place = "" if offset is None else f" (byte {offset:,})"
        super().__init__(one_line(f"{file}: sample {sample:,}{place}: {reason}."))
        self.file, self.sample, self.offset, self.reason = str(file), sample, offset, reason

    def __reduce__(self) -> tuple[type["SampleError"], tuple[str, int, int | None, str]]:
        # Workers of a loader send their errors by pickle.
        return SampleError, (self.file, self.sample, self.offset, self.reason)


@dataclass(frozen=True)
class Scheme:
    """How pairs become codes.

    Attributes:
        names: Parameter names by id.
        heads: Those whose codes are wanted or checked.
        ids: Parameter id by head name.
        offsets: What is subtracted from the stored byte, by head name; 0 where it is missing.
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
    """Tell which classification heads have their values stored instead of counted from min.

    A stored byte counts from the mapping's min. Some generators store the value itself, which
    shows where a byte is beyond max - min and all are from min to max.

    Args:
        pairs: uint8 [n, N, 2] of some samples, which may be damaged.
        heads: All heads.
        ids: Parameter id by head name.

    Returns:
        The min by head name, for those heads alone.
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
