"""The bytes of a pickle from a stranger, and what reading them may cost.

* A read beyond the end is an error that tells both sizes; no memory of that size is taken.
* What takes much memory for few bytes is charged to a budget of 32 times the file's size + 16 MiB.
* Dictionary keys are short, because equal hashes or long comparisons can stall for hours.
"""

import io

from multihead.errors import DataError
from multihead.text import one_line

Key = str | bytes | int | float | None

_MAX_LINE = 640  # of a number or a name; longer numbers cannot be printed
_MAX_KEY = 1024
_MAX_NUMBER_KEYS = 10_000  # hashes of numbers can be made to collide, those of text cannot
_BUDGET_FLOOR, _BUDGET_PER_BYTE = 16 << 20, 32
_COPY_COST = 16  # so that each byte of a file may be copied twice: text to bytes to array


class PickleFile(io.BytesIO):
    """One file's bytes, the place in them, and what is left of its allowances.

    Args:
        data: The whole pickle.
        name: What the messages call it.
    """

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self.name, self.size = one_line(name), len(data)
        self._frame_end = self._number_keys = 0
        self._budget = _BUDGET_FLOOR + _BUDGET_PER_BYTE * len(data)

    def refused(self, what: str) -> DataError:
        """Make the error for what is well-formed but no plain data."""
        return DataError(
            f"{self.name} is refused: {what} (at byte {self.tell():,}); "
            f"only arrays, lists, dicts, numbers and text are read."
        )

    def damaged(self, what: str) -> DataError:
        """Make the error for what no pickler writes."""
        return DataError(
            f"{self.name} is damaged: {what} (at byte {self.tell():,}). Fetch or write it again."
        )

    def _cut(self, least: int) -> DataError:
        return DataError(
            f"{self.name} is cut short: {self.size:,} bytes, "
            f"at least {max(least, self._frame_end):,} expected. Fetch or write it again."
        )

    def read(self, size: int | None = 0, /) -> bytes:
        """Read exactly so many bytes."""
        data = io.BytesIO.read(self, size)
        if len(data) != size:
            raise self._cut(self.size - len(data) + (size or 0) + 1)
        return data

    def readline(self, size: int | None = _MAX_LINE, /) -> bytes:
        """Read a line with its end, of any length if the size is -1."""
        line = super().readline(size)
        if line[-1:] == b"\n":
            return line
        raise self.damaged("a line is too long") if len(line) == size else self._cut(self.size + 2)

    def number(self, width: int) -> int:
        """Read an unsigned integer of so many bytes."""
        return int.from_bytes(self.read(width), "little")

    def start_frame(self) -> None:
        """Read the size of a frame, which tells the least size of the file."""
        self._frame_end = self.number(8) + self.tell()
        if self._frame_end > self.size:
            raise self._cut(self._frame_end)

    def spend(self, cost: int, *, copies: int = 0) -> None:
        """Charge bytes of memory, and bytes of the file that are copied, before this happens."""
        self._budget -= cost + _COPY_COST * copies
        if self._budget < 0:
            raise self.refused("it would take far more memory than its size explains")

    def key(self, value: object) -> Key:
        """Return a key of a dict or member of a set, if it cannot stall one."""
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
