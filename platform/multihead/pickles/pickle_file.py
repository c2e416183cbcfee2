"""The bytes of an untrusted pickle, with limits on memory and time.

* A read beyond the end raises an error with both sizes, before memory is allocated.
* Memory is limited to a budget of 32 times the file's size + 16 MiB.
* Dictionary keys must be short, because equal hashes or long comparisons can take hours.
"""

import io

from multihead.errors import DataError
from multihead.text import one_line

Key = str | bytes | int | float | None

_MAX_LINE = 640  # bytes of a number or a name; Python does not print longer integers
_MAX_KEY = 1024
_MAX_NUMBER_KEYS = 10_000  # a file can choose numbers, but not texts, with equal hashes
_BUDGET_FLOOR, _BUDGET_PER_BYTE = 16 << 20, 32
_COPY_COST = 16  # so each byte of a file may be copied twice: text to bytes to array


class PickleFile(io.BytesIO):
    """The bytes of a file, the read position, and the remaining budgets.

    Args:
        data: The whole pickle.
        name: The file's name for error messages.
    """

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self.name, self.size = one_line(name), len(data)
        self._frame_end = self._number_keys = 0
        self._budget = _BUDGET_FLOOR + _BUDGET_PER_BYTE * len(data)

    def refused(self, what: str) -> DataError:
        """Return the error for a valid pickle that is not plain data."""
        return DataError(
            f"{self.name} is refused: {what} (at byte {self.tell():,}); "
            f"only arrays, lists, dicts, numbers and text are allowed."
        )

    def damaged(self, what: str) -> DataError:
        """Return the error for bytes that are not a valid pickle."""
        return DataError(
            f"{self.name} is damaged: {what} (at byte {self.tell():,}). Fetch or write it again."
        )

    def _cut(self, least: int) -> DataError:
        return DataError(
            f"{self.name} is cut short: {self.size:,} bytes, "
            f"at least {max(least, self._frame_end):,} expected. Fetch or write it again."
        )

    def read(self, size: int | None = 0, /) -> bytes:
        """Read exactly `size` bytes.

        Raises:
            DataError: If the file has fewer.
        """
        data = io.BytesIO.read(self, size)
        if len(data) != size:
            raise self._cut(self.size - len(data) + (size or 0) + 1)
        return data

    def readline(self, size: int | None = _MAX_LINE, /) -> bytes:
        """Read a line including its end; size -1 allows any length.

        Raises:
            DataError: If the line is too long or has no end.
        """
        line = super().readline(size)
        if line[-1:] == b"\n":
            return line
        raise self.damaged("a line is too long") if len(line) == size else self._cut(self.size + 2)

    def number(self, width: int) -> int:
        """Read an unsigned integer of `width` bytes."""
        return int.from_bytes(self.read(width), "little")

    def start_frame(self) -> None:
        """Read the size of a frame, and check that the file is large enough."""
        self._frame_end = self.number(8) + self.tell()
        if self._frame_end > self.size:
            raise self._cut(self._frame_end)

    def spend(self, cost: int, *, copies: int = 0) -> None:
        """Take memory from the budget before it is allocated.

        Args:
            cost: Bytes of memory.
            copies: Bytes of the file that are copied.

        Raises:
            DataError: If the budget is used up.
        """
        self._budget -= cost + _COPY_COST * copies
        if self._budget < 0:
            raise self.refused("it would need far more memory than its size justifies")

    def key(self, value: object) -> Key:
        """Return a key of a dict or member of a set.

        Raises:
            DataError: If it is long, of another type, or one of too many numbers.
        """
        if type(value) is str or type(value) is bytes:
            if len(value) > _MAX_KEY:
                raise self.refused(f"a key or set member is longer than {_MAX_KEY:,} characters")
            return value
        if value is None or type(value) is bool or type(value) is int or type(value) is float:
            self._number_keys += 1
            if self._number_keys > _MAX_NUMBER_KEYS:
                raise self.refused(f"more than {_MAX_NUMBER_KEYS:,} keys or members are numbers")
            return value
        raise self.refused(f"a key or set member is a {type(value).__name__}")
