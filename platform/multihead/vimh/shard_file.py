"""Read and check the rows of a split in shards."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from multihead.data.source import Split
from multihead.vimh.binary import header_faults
from multihead.vimh.labels import Fault, SampleError, Scheme
from multihead.vimh.row_ranges import Ranges, ranges_of
from multihead.vimh.shard_index import ShardIndex
from multihead.vimh.storage import Storage

Records = NDArray[np.void]
_BLOCK = 8 << 20  # bytes of records in memory while only labels are read


class ShardFile:
    """The records of one split.

    Args:
        storage: The storage of the shards.
        index: The index; the files' sizes were already compared with it.
        split: `train` or `test`.

    Attributes:
        starts: The first row of each of the k shards, then the number of rows; int64 [k + 1].
    """

    def __init__(self, storage: Storage, index: ShardIndex, split: Split) -> None:
        self.storage, self.info, self.dtype = storage, index.info, index.dtype
        self.path = index.place
        self.shards = index.split(split)
        self.starts = self.shards.starts

    def __len__(self) -> int:
        return int(self.starts[-1])

    @property
    def images(self) -> "ShardImages":
        """The pixels, uint8 [N, C, H, W]; indexing reads them."""
        return ShardImages(self)

    def read(self, start: int, out: Records) -> None:
        """Fill `out` [n] with rows of one shard from `start` on, without checking them.

        Raises:
            DataError: If the shard cannot be read or is cut short.
        """
        shard = self._shard(start)
        place = (start - int(self.starts[shard])) * self.dtype.itemsize
        self.storage.read_into(self.shards.shards[shard].file, place, out.view(np.uint8).data)

    def records(self, index: NDArray[np.int64]) -> Records:
        """Return rows [n] in any order, without checking them; each row is read once."""
        rows, back = np.unique(index, return_inverse=True)
        records = np.empty(len(rows), self.dtype)
        self.fill(ranges_of(rows, self.starts), records)
        return records if np.array_equal(rows, index) else records[back]

    def fill(self, ranges: Ranges, out: Records) -> None:
        """Fill `out` with the rows of ranges, without checking them."""
        at = 0
        for start, stop in ranges.tolist():
            self.read(start, out[at : at + stop - start])
            at += stop - start

    def decode(
        self, records: Records, rows: NDArray[np.int64], scheme: Scheme
    ) -> dict[str, NDArray[np.int64]]:
        """Check the records except their pixels, and return codes [n] by head name.

        Args:
            records: The records [n].
            rows: Their row numbers [n], for error messages.
            scheme: Converts pairs to codes.

        Raises:
            SampleError: If a record has a wrong size, N, id or value; names the first one.
        """
        codes, faults = self.faults(records, scheme)
        if faults:
            first = min(faults, key=lambda fault: fault.row)
            raise self.error(int(rows[first.row]), first)
        return codes

    def faults(
        self, records: Records, scheme: Scheme
    ) -> tuple[dict[str, NDArray[np.int64]], list[Fault]]:
        """Return codes [n] by head name, and the faults of the records. Pixels are not checked."""
        codes, faults = scheme.read(np.ascontiguousarray(records["pairs"]))
        pairs = self.dtype["pairs"].shape[0]
        sizes, counts = records["dimensions"], records["count"]
        return codes, [*header_faults(sizes, counts, self.info.dimensions, pairs), *faults]

    def codes(
        self, index: NDArray[np.int64], scheme: Scheme, names: list[str]
    ) -> dict[str, NDArray[np.int64]]:
        """Read and check labels [n] of some heads as `decode` does, 8 MiB of records at a time."""
        labels = {name: np.empty(len(index), np.int64) for name in names}
        step = max(1, _BLOCK // self.dtype.itemsize)
        for start in range(0, len(index), step):
            rows = index[start : start + step]
            codes = self.decode(self.records(rows), rows, scheme)
            for name, out in labels.items():
                out[start : start + step] = codes[name]
        return labels

    def spec_range(self, index: NDArray[np.int64]) -> NDArray[np.float32] | None:
        """Return spec_min and spec_max float32 [n, 2], or None if the dataset has none."""
        if "spec_range" not in (self.dtype.names or ()):
            return None
        return np.ascontiguousarray(self.records(index)["spec_range"])

    def error(self, row: int, fault: Fault) -> SampleError:
        """Return the error for a fault; it names the shard, the row and the byte in the shard."""
        shard = self._shard(row)
        within = row - int(self.starts[shard])
        offset = within * self.dtype.itemsize
        if fault.pair is not None:
            offset += self.dtype.fields["pairs"][1] + 2 * fault.pair  # type: ignore[index]
        file = f"{self.path}/{self.shards.shards[shard].file}"
        return SampleError(file, within, offset, fault.message)

    def _shard(self, row: int) -> int:
        return int(np.searchsorted(self.starts, row, side="right")) - 1


class ShardImages:
    """An array of pixels; indexing reads them from the shards.

    Attributes:
        shape: N, C, H and W.
    """

    def __init__(self, file: ShardFile) -> None:
        self.file = file
        self.shape = (len(file), *file.info.image_shape)

    def __len__(self) -> int:
        return len(self.file)

    def __getitem__(self, index: NDArray[np.int64]) -> NDArray[Any]:
        """Return uint8 [n, C, H, W] of some rows."""
        return np.ascontiguousarray(self.file.records(index)["pixels"])
