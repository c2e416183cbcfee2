"""Read the bytes of a pickle: each argument within bounds, each cost against an allowance.

* A length is compared with the bytes that are there before anything of that length is made.
* What costs much memory for few bytes is charged to a budget of 32 times the file's size + 16 MiB.
* Dictionary keys are short, because equal hashes or long comparisons can stall for hours.

This module knows how an opcode's argument is written, not what the opcode does with it: no
stack, no memo, no globals, no arrays.
"""

import pickletools
import re
import struct
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from multihead.errors import DataError

Key = str | bytes | int | float | None
_T = TypeVar("_T")

_MAX_DIGITS = 640
_MAX_LONG = 255  # bytes: longer integers cannot be printed, and no data need them
_MAX_KEY = 1024
_MAX_NUMBER_KEYS = 10_000  # hashes of numbers can be made to collide, those of text cannot
_BUDGET_FLOOR, _BUDGET_PER_BYTE = 16 << 20, 32
_COST: dict[type, int] = {
    list: 88,
    tuple: 72,
    dict: 104,
    set: 232,
    frozenset: 232,
    OrderedDict: 400,
}
_COPY_COST = 16  # so that each byte of a file may be copied twice: text to bytes to array
_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|.|\Z)", re.DOTALL)
_ESCAPED = {b"\\": b"\\", b"'": b"'", b'"': b'"', b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_OPCODES = {ord(opcode.code): opcode.name for opcode in pickletools.opcodes}


def one_line(text: str) -> str:
    """Keep a message on one line, whatever a file or a path holds."""
    return "".join(c if c.isprintable() else "?" for c in text)


class PickleFile:
    """One file's bytes, the place in them, and what is left of its allowances.

    Args:
        data: The whole pickle.
        name: What the messages call it.

    Attributes:
        at: The first byte of the opcode that is being run; messages tell it.
        here: The next byte to read.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self.data, self.name = data, one_line(name)
        self.at = self.here = 0
        self._frame_end = 0
        self._budget = _BUDGET_FLOOR + _BUDGET_PER_BYTE * len(data)
        self._number_keys = 0

    # Errors.

    def refused(self, what: str) -> DataError:
        """Make the error for what is well-formed but no plain data."""
        return DataError(
            f"{self.name} is refused: {what} (at byte {self.at:,}); "
            f"only arrays, lists, dicts, numbers and text are read."
        )

    def damaged(self, what: str) -> DataError:
        """Make the error for what no pickler writes."""
        return DataError(
            f"{self.name} is damaged: {what} (at byte {self.at:,}). Fetch or write it again."
        )

    def _cut(self, least: int) -> DataError:
        return DataError(
            f"{self.name} is cut short: {len(self.data):,} bytes, "
            f"at least {max(least, self._frame_end):,} expected. Fetch or write it again."
        )

    # Allowances.

    def spend(self, cost: int) -> None:
        """Charge bytes of memory to the budget, before they are taken."""
        self._budget -= cost
        if self._budget < 0:
            raise self.refused("it would take far more memory than its size explains")

    def spend_for(self, value: object) -> None:
        """Charge what a new container takes; other values cost nothing here."""
        self.spend(_COST.get(type(value), 0))

    def spend_for_copy(self, size: int) -> None:
        """Charge a copy of so many bytes or characters of the file."""
        self.spend(_COPY_COST * size)

    def key(self, value: object) -> Key:
        """Return a key of a dict or member of a set, if it cannot stall one."""
        if type(value) is str or type(value) is bytes:
            if len(value) <= _MAX_KEY:
                return value
            raise self.refused(f"a key or set member is longer than {_MAX_KEY:,} characters")
        if value is None or type(value) is bool or type(value) is int or type(value) is float:
            self._number_keys += 1
            if self._number_keys > _MAX_NUMBER_KEYS:
                raise self.refused(
                    f"more than {_MAX_NUMBER_KEYS:,} keys or set members are numbers"
                )
            return value
        raise self.refused(f"a key or set member is a {type(value).__name__}")

    # Opcodes and their arguments.

    def opcode(self) -> str:
        """Step to the next opcode and return its name."""
        if self.here >= len(self.data):
            raise self._cut(len(self.data) + 1)
        self.at, self.here = self.here, self.here + 1
        code = self.data[self.at]
        if code in _OPCODES:
            return _OPCODES[code]
        if self.at:
            raise self.damaged(f"{code:#04x} is no pickle opcode")
        raise DataError(f"{self.name} is no pickle: it starts with {self.data[:8]!r}.")

    def take(self, count: int) -> bytes:
        """Read so many bytes."""
        start, self.here = self.here, self.here + count
        if self.here > len(self.data):
            raise self._cut(self.here + 1)
        return self.data[start : self.here]

    def number(self, width: int, *, signed: bool = False) -> int:
        """Read an integer of so many bytes."""
        return int.from_bytes(self.take(width), "little", signed=signed)

    def long(self, width: int) -> int:
        """Read an integer whose size in bytes precedes it, itself in `width` bytes."""
        count = self.number(width)
        if count > _MAX_LONG:
            raise self.refused(f"it holds an integer of {count:,} bytes, {_MAX_LONG} are allowed")
        return self.number(count, signed=True)

    def line(self) -> bytes:
        """Read to the end of the line, which is left out."""
        start, stop = self.here, self.data.find(b"\n", self.here)
        if stop < 0:
            raise self._cut(len(self.data) + 2)
        self.here = stop + 1
        return self.data[start:stop]

    def literal(self, make: Callable[[bytes], _T], line: bytes) -> _T:
        """Make a number of its digits, of which there may be 640."""
        try:
            if len(line) <= _MAX_DIGITS:
                return make(line)
        except ValueError:
            pass
        raise self.damaged("a number cannot be read")

    def index(self) -> int:
        """Read a line that is an integer."""
        return self.literal(int, self.line())

    def integer(self) -> int:
        """Read INT, which is also how protocols 0 and 1 write booleans."""
        line = self.line()
        return line == b"01" if line in (b"00", b"01") else self.literal(int, line)

    def text(self, raw: bytes, encoding: str = "utf-8") -> str:
        """Decode text that can be printed."""
        try:
            text = raw.decode(encoding)
            if encoding == "raw-unicode-escape" and not text.isascii():
                text.encode()  # refuses lone surrogates, which cannot be printed
        except UnicodeError:
            raise self.damaged("text is not valid Unicode") from None
        return text

    def quoted(self) -> str:
        """Read Python 2's `repr` of a str, without `eval`."""
        raw = self.line().strip()
        if len(raw) < 2 or raw[:1] not in (b"'", b'"') or raw[-1:] != raw[:1]:
            raise self.damaged("text has no quotes")
        return _ESCAPE.sub(self._unescape, raw[1:-1]).decode("latin-1")

    def _unescape(self, match: re.Match[bytes]) -> bytes:
        code: bytes = match[1]
        if len(code) == 3:
            return bytes.fromhex(code[1:].decode())
        if code not in _ESCAPED:
            raise self.damaged("text has an unknown escape")
        return _ESCAPED[code]

    def protocol(self) -> None:
        """Read PROTO."""
        version = self.number(1)
        if version > 5:
            raise self.refused(f"it is written in pickle protocol {version}, 0 to 5 are read")

    def frame(self) -> None:
        """Read FRAME, whose end tells the least size of the file."""
        self._frame_end = self.number(8) + self.here
        if self._frame_end > len(self.data):
            raise self._cut(self._frame_end)


# The opcodes that only bring a value, and how it is read.
VALUES: dict[str, Callable[[PickleFile], object]] = {
    "NONE": lambda f: None,
    "NEWTRUE": lambda f: True,
    "NEWFALSE": lambda f: False,
    "INT": PickleFile.integer,
    "LONG": lambda f: f.literal(int, f.line().removesuffix(b"L")),
    "BININT": lambda f: f.number(4, signed=True),
    "BININT1": lambda f: f.number(1),
    "BININT2": lambda f: f.number(2),
    "LONG1": lambda f: f.long(1),
    "LONG4": lambda f: f.long(4),
    "FLOAT": lambda f: f.literal(float, f.line()),
    "BINFLOAT": lambda f: struct.unpack(">d", f.take(8))[0],
    "STRING": PickleFile.quoted,
    "BINSTRING": lambda f: f.text(f.take(f.number(4)), "latin-1"),
    "SHORT_BINSTRING": lambda f: f.text(f.take(f.number(1)), "latin-1"),
    "UNICODE": lambda f: f.text(f.line(), "raw-unicode-escape"),
    "SHORT_BINUNICODE": lambda f: f.text(f.take(f.number(1))),
    "BINUNICODE": lambda f: f.text(f.take(f.number(4))),
    "BINUNICODE8": lambda f: f.text(f.take(f.number(8))),
    "SHORT_BINBYTES": lambda f: f.take(f.number(1)),
    "BINBYTES": lambda f: f.take(f.number(4)),
    "BINBYTES8": lambda f: f.take(f.number(8)),
    "BYTEARRAY8": lambda f: bytearray(f.take(f.number(8))),
    "EMPTY_TUPLE": lambda f: (),
}
