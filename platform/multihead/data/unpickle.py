"""Read pickles from strangers: plain data come out, and nothing in a file can run.

Python's own unpickler imports and calls what a file names and allocates what a file claims, and
a `find_class` guards only the first of the two. So this module has a small machine of its own,
in Python, for the opcodes that build plain data; every other opcode is refused.

* A global is looked up in the table `_CALLS` of this file, never imported.
* A length is compared with the bytes that are there before anything of that length is made.
* An array is made from a dtype, a shape and bytes that were checked; numpy's own state setters
  never see the file. An array in the making is a `_Pending` until its BUILD.
* What costs much memory for few bytes is charged to a budget of 32 times the file's size + 16 MiB.
* Dictionary keys are short, because equal hashes or long comparisons can stall for hours.
* The result is walked once: no cycles, no tuples that double, no depth to blow a recursion.
"""

import math
import pickletools
import re
import struct
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from multihead.errors import DataError

_MAX_DEPTH = 100
_MAX_MARKS = 1000  # a legitimate file opens a few for each level of nesting
_MAX_DIGITS = 640
_MAX_LONG = 255  # bytes: longer integers cannot be printed, and no data need them
_MAX_NDIM = 32
_MAX_KEY = 1024
_MAX_NUMBER_KEYS = 10_000  # hashes of numbers can be made to collide, those of text cannot
_BUDGET_FLOOR, _BUDGET_PER_BYTE = 16 << 20, 32
_COST: dict[type, int] = {
    **{list: 88, tuple: 72, dict: 104, set: 232, frozenset: 232, OrderedDict: 400}
}
_COPY_COST = 16  # so that each byte of a file may be copied twice: text to bytes to array
_DTYPE = re.compile(r"b1|[iu][1248]|f(?:2|4|8|16)|c(?:8|16|32)|[SU][1-9][0-9]{0,6}")
_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|.|\Z)", re.DOTALL)
_ESCAPED = {b"\\": b"\\", b"'": b"'", b'"': b'"', b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_ALIASES = {
    "__builtin__": "builtins",
    "numpy.core.multiarray": "numpy._core.multiarray",
    "numpy.core.numeric": "numpy._core.numeric",
}
_LEAVES = frozenset(
    {type(None), bool, int, float, complex, str, bytes, bytearray, set, frozenset, np.ndarray}
)
_UNSET = object()
_OPCODES = {ord(opcode.code): opcode.name for opcode in pickletools.opcodes}

_Key = str | bytes | int | float | None


def safe_load(path: Path) -> object:
    """Read a pickle file without running anything in it.

    Args:
        path: A regular file, from whatever source.

    Returns:
        Lists, tuples, dicts, sets, text, bytes, numbers, numpy arrays and scalars (numbers,
        booleans and text only), nested at most 100 deep. Arrays are writable and own their memory.

    Raises:
        DataError: If the file cannot be read, is cut short (with both sizes in bytes), damaged,
            or would build or run anything else (by name and byte).
    """
    try:
        if not path.is_file():
            raise DataError(f"{_line(str(path))} is no file. Check the path, or fetch the file.")
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{_line(str(path))} cannot be read: {error.strerror}.") from None
    except MemoryError:
        raise DataError(f"{_line(str(path))} does not fit into memory.") from None
    return safe_loads(data, str(path))


def safe_loads(data: bytes, name: str) -> object:
    """Read a pickle from memory without running anything in it.

    Args:
        data: The whole pickle, of any protocol from 0 to 5.
        name: What the messages call it, for instance its path.

    Returns:
        As `safe_load`.

    Raises:
        DataError: As `safe_load`. No other exception leaves this function.
    """
    try:
        return _Machine(data, _line(name)).run()
    except MemoryError:
        raise DataError(f"{_line(name)} does not fit into memory.") from None


def _line(text: str) -> str:
    """Keep a message on one line, whatever a file or a path holds."""
    return "".join(c if c.isprintable() else "?" for c in text)


@dataclass(frozen=True, slots=True)
class _Global:
    """A name that the file looked up: not a function, only a key of `_CALLS`."""

    name: str


@dataclass(slots=True)
class _Pending:
    """An array, or a dtype with its code, before the BUILD that brings its state."""

    code: str | None
    slot: int | None = None  # where the memo holds it, to be replaced as well


class _Machine:
    """The stack, the marks and the memo of one file."""

    def __init__(self, data: bytes, name: str) -> None:
        self.data, self.name = data, name
        self.at = self.here = 0  # the opcode's first byte, the next byte to read
        self.frame_end = 0
        self.stack: list[object] = []
        self.marks: list[int] = []
        self.memo: list[object] = []
        self.budget = _BUDGET_FLOOR + _BUDGET_PER_BYTE * len(data)
        self.number_keys = 0

    def run(self) -> object:
        end = len(self.data)
        while self.here < end:
            self.at = self.here
            self.here += 1
            step = _STEPS.get(self.data[self.at])
            if step is not None:
                step(self)
            elif _OPCODES.get(self.data[self.at]) == "STOP":
                return self.result()
            else:
                raise self.unknown()
        raise self.cut(end + 1)

    def result(self) -> object:
        if self.here != len(self.data):
            raise self.damaged(f"{len(self.data) - self.here:,} bytes follow its end")
        if len(self.stack) != 1 or self.marks:
            raise self.damaged("it ends inside a list, a dict or a tuple")
        self.check_plain()
        return self.stack[0]

    def check_plain(self) -> None:
        """Walk the result as a tree, level by level: cycles and doubling then cost the most."""
        left = max(len(self.data), 1000)
        level: list[Any] = [self.stack]
        for _ in range(_MAX_DEPTH + 1):
            below: list[Any] = []
            for node in level:
                left -= len(node)
                if left < 0:
                    raise self.refuse("it unfolds to more values than it has bytes")
                items = node.values() if isinstance(node, dict) else node
                if not _LEAVES.issuperset(map(type, items)):
                    below += filter(self.has_items, items)
            if not below:
                return
            level = below
        raise self.refuse(f"it nests deeper than {_MAX_DEPTH} levels, or within itself")

    def has_items(self, value: object) -> bool:
        kind = type(value)
        if kind in (list, tuple, dict, OrderedDict):
            return True
        if kind in _LEAVES or isinstance(value, np.generic | np.dtype):
            return False
        if isinstance(value, _Global):
            raise self.refuse(f"it keeps {value.name} itself")
        raise self.damaged("it uses an array or a dtype that it never completes")

    # Errors.

    def refuse(self, what: str) -> DataError:
        return DataError(
            f"{self.name} is refused: {what} (at byte {self.at:,}); "
            f"only arrays, lists, dicts, numbers and text are read."
        )

    def damaged(self, what: str) -> DataError:
        return DataError(
            f"{self.name} is damaged: {what} (at byte {self.at:,}). Fetch or write it again."
        )

    def cut(self, least: int) -> DataError:
        return DataError(
            f"{self.name} is cut short: {len(self.data):,} bytes, "
            f"at least {max(least, self.frame_end):,} expected. Fetch or write it again."
        )

    def unknown(self) -> DataError:
        code = self.data[self.at]
        if code in _OPCODES:
            return self.refuse(f"it uses the pickle opcode {_OPCODES[code]}")
        if self.at:
            return self.damaged(f"{code:#04x} is no pickle opcode")
        return DataError(f"{self.name} is no pickle: it starts with {self.data[:8]!r}.")

    # Bytes of the file.

    def take(self, count: int) -> bytes:
        start, self.here = self.here, self.here + count
        if self.here > len(self.data):
            raise self.cut(self.here + 1)
        return self.data[start : self.here]

    def number(self, width: int, *, signed: bool = False) -> int:
        return int.from_bytes(self.take(width), "little", signed=signed)

    def line(self) -> bytes:
        start, stop = self.here, self.data.find(b"\n", self.here)
        if stop < 0:
            raise self.cut(len(self.data) + 2)
        self.here = stop + 1
        return self.data[start:stop]

    def literal(self, make: Callable[[bytes], object], line: bytes) -> object:
        try:
            if len(line) <= _MAX_DIGITS:
                return make(line)
        except ValueError:
            pass
        raise self.damaged("a number cannot be read")

    def integer(self) -> object:
        """Read INT, which is also how protocols 0 and 1 write booleans."""
        line = self.line()
        return line == b"01" if line in (b"00", b"01") else self.literal(int, line)

    def index(self) -> int:
        index = self.literal(int, self.line())
        return index if isinstance(index, int) else -1

    def text(self, raw: bytes, encoding: str = "utf-8") -> str:
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
        return _ESCAPE.sub(self.unescape, raw[1:-1]).decode("latin-1")

    def unescape(self, match: re.Match[bytes]) -> bytes:
        code: bytes = match[1]
        if len(code) == 3:
            return bytes.fromhex(code[1:].decode())
        if code not in _ESCAPED:
            raise self.damaged("text has an unknown escape")
        return _ESCAPED[code]

    def long(self, width: int) -> int:
        count = self.number(width)
        if count > _MAX_LONG:
            raise self.refuse(f"it holds an integer of {count:,} bytes, {_MAX_LONG} are allowed")
        return self.number(count, signed=True)

    def proto(self) -> None:
        version = self.number(1)
        if version > 5:
            raise self.refuse(f"it is written in pickle protocol {version}, 0 to 5 are read")

    def frame(self) -> None:
        self.frame_end = self.number(8) + self.here
        if self.frame_end > len(self.data):
            raise self.cut(self.frame_end)

    # Stack, marks and memo.

    def spend(self, cost: int) -> None:
        self.budget -= cost
        if self.budget < 0:
            raise self.refuse("it would take far more memory than its size explains")

    def push(self, value: object) -> None:
        self.stack.append(value)

    def add(self, value: object) -> None:
        self.spend(_COST[type(value)])
        self.stack.append(value)

    def top(self) -> object:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise self.damaged("a value is missing")
        return self.stack[-1]

    def pop(self) -> object:
        self.top()
        return self.stack.pop()

    def drop(self) -> None:
        """Run POP, which also takes a mark away if that is what is on top."""
        if self.marks and self.marks[-1] == len(self.stack):
            self.marks.pop()
        else:
            self.pop()

    def mark(self) -> None:
        if len(self.marks) >= _MAX_MARKS:
            raise self.refuse(f"it nests deeper than {_MAX_MARKS:,} marks")
        self.marks.append(len(self.stack))

    def since_mark(self) -> list[object]:
        if not self.marks:
            raise self.damaged("a mark is missing")
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def last(self, count: int) -> tuple[object, ...]:
        return tuple(reversed([self.pop() for _ in range(count)]))

    def put(self, index: int) -> None:
        value = self.top()
        if not 0 <= index <= self.here:  # files count from 0 or 1, in bytes' order
            raise self.damaged(f"it has no memo slot {index}")
        if isinstance(value, _Pending):
            if value.slot is not None:
                raise self.damaged("an array is remembered twice")
            value.slot = index
        self.memo += [_UNSET] * (index + 1 - len(self.memo))
        self.memo[index] = value

    def get(self, index: int) -> None:
        if not 0 <= index < len(self.memo) or self.memo[index] is _UNSET:
            raise self.damaged(f"nothing is remembered in slot {index}")
        self.push(self.memo[index])

    # Containers.

    def key(self, value: object) -> _Key:
        if type(value) is str or type(value) is bytes:
            if len(value) <= _MAX_KEY:
                return value
            raise self.refuse(f"a key or set member is longer than {_MAX_KEY:,} characters")
        if value is None or type(value) is bool or type(value) is int or type(value) is float:
            self.number_keys += 1
            if self.number_keys > _MAX_NUMBER_KEYS:
                raise self.refuse(f"more than {_MAX_NUMBER_KEYS:,} keys or set members are numbers")
            return value
        raise self.refuse(f"a key or set member is a {type(value).__name__}")

    def extend(self, items: list[object]) -> None:
        target = self.top()
        if type(target) is not list:
            raise self.refuse(f"it would append to {type(target).__name__}, not to a list")
        target.extend(items)

    def update(self, items: list[object], target: object) -> object:
        if not isinstance(target, dict) or len(items) % 2:
            raise self.refuse(f"it would set items of {type(target).__name__}, not of a dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[self.key(key)] = value
        return target

    def include(self, items: list[object]) -> None:
        target = self.top()
        if type(target) is not set:
            raise self.refuse(f"it would add members to {type(target).__name__}, not to a set")
        target.update(map(self.key, items))

    # Calls and state.

    def find(self, module: str, name: str) -> _Global:
        full = f"{_ALIASES.get(module, module)}.{name}"
        if full not in _CALLS:
            shown = _line(f"{module}.{name}"[:100])
            raise self.refuse(f"it would run {shown}")
        return _Global(full)

    def find_line(self) -> _Global:
        return self.find(self.text(self.line()), self.text(self.line()))

    def find_stack(self) -> _Global:
        module, name = self.last(2)
        if type(module) is not str or type(name) is not str:
            raise self.damaged("the name of a function is not text")
        return self.find(module, name)

    def reduce(self) -> None:
        call, args = self.last(2)
        if not isinstance(call, _Global) or type(args) is not tuple:
            raise self.refuse(f"it would call {type(call).__name__} as a function")
        built = _CALLS[call.name](self, args)
        if built is NotImplemented:
            raise self.refuse(f"it would run {call.name} with other arguments than data have")
        self.spend(_COST.get(type(built), 0))
        self.push(built)

    def build(self) -> None:
        state, target = self.pop(), self.top()
        if not isinstance(target, _Pending):
            raise self.refuse(f"it would set the state of {type(target).__name__}, not of an array")
        built: object = NotImplemented
        match state:
            case (int(), str() as order, None, None, None, int(), int(), int()):
                if target.code is not None and order in ("<", ">", "=", "|"):
                    built = self.dtype(target.code, order)
            case (int(), tuple() as shape, np.dtype() as dtype, int() as fortran, raw):
                if target.code is None:
                    built = self.array(shape, dtype, raw, "F" if fortran else "C")
        if built is NotImplemented:
            raise self.refuse("it would set the state of an array to something else than numbers")
        self.stack[-1] = built
        if target.slot is not None and self.memo[target.slot] is target:
            self.memo[target.slot] = built

    def dtype(self, code: str, order: str) -> np.dtype[Any]:
        try:
            dtype = np.dtype(code)
        except TypeError:
            raise self.refuse(f"this machine has no numbers of type {code}") from None
        match order:
            case "<" | ">":
                return dtype.newbyteorder(order)
        return dtype

    def array(
        self, shape: tuple[object, ...], dtype: np.dtype[Any], raw: object, order: Literal["C", "F"]
    ) -> NDArray[Any]:
        """Make an array of its own memory, after all that numpy would take on trust is checked."""
        if type(raw) is str:
            raw = self.encode(raw)  # Python 2's str, read as latin-1
        if not isinstance(raw, bytes | bytearray):
            raise self.refuse(f"an array holds a {type(raw).__name__}, not bytes")
        sizes = [size for size in shape if type(size) is int and size >= 0]
        if len(sizes) != len(shape) or len(shape) > _MAX_NDIM:
            raise self.damaged("an array's shape is not a few sizes")
        if math.prod(sizes) * dtype.itemsize != len(raw):
            raise self.damaged(f"an array's shape does not fit its {len(raw):,} bytes")
        self.spend(_COPY_COST * len(raw) + 16 * len(shape) + 200)
        try:
            array: NDArray[Any] = np.ndarray(tuple(sizes), dtype, raw, order=order).copy("K")
        except (ValueError, OverflowError):  # (0, 2**62, 2**62), for one
            raise self.damaged("an array's shape is too large") from None
        if dtype.kind == "b" and np.frombuffer(raw, np.uint8).max(initial=0) > 1:
            raise self.damaged("an array of booleans holds something else than 0 and 1")
        if dtype.kind == "U":
            points = np.ndarray(len(raw) // 4, np.dtype("u4").newbyteorder(dtype.byteorder), raw)
            if points.max(initial=0) > 0x10FFFF:
                raise self.damaged("an array of text is not valid Unicode")
        return array

    def encode(self, text: str) -> bytes:
        self.spend(_COPY_COST * len(text))
        try:
            return text.encode("latin-1")
        except UnicodeError:
            raise self.damaged("bytes hold characters beyond 255") from None

    def pairs(self, items: list[Any]) -> OrderedDict[_Key, object]:
        """Read Python 2's OrderedDict, a list of [key, value]."""
        ordered: OrderedDict[_Key, object] = OrderedDict()
        for item in items:
            if type(item) not in (list, tuple) or len(item) != 2:
                raise self.damaged("an OrderedDict is not made of pairs")
            ordered[self.key(item[0])] = item[1]
        return ordered


# What a global stands for. Each returns NotImplemented for arguments that no data have.


def _reconstruct(_: _Machine, args: tuple[object, ...]) -> object:
    match args:
        case (_Global(name="numpy.ndarray"), (int(),), str() | bytes()):
            return _Pending(None)
    return NotImplemented


def _dtype(machine: _Machine, args: tuple[object, ...]) -> object:
    match args:
        case (str() as code, int(), int()):
            if _DTYPE.fullmatch(code):
                return _Pending(code)
            raise machine.refuse(f"it holds an array of type {_line(code[:20])}")
    return NotImplemented


def _scalar(machine: _Machine, args: tuple[object, ...]) -> object:
    match args:
        case (np.dtype() as dtype, raw):
            return machine.array((), dtype, raw, "C")[()]
    return NotImplemented


def _frombuffer(machine: _Machine, args: tuple[object, ...]) -> object:
    match args:
        case (raw, np.dtype() as dtype, tuple() as shape, str() as order):
            if order in ("C", "F"):
                return machine.array(shape, dtype, raw, "F" if order == "F" else "C")
        case (raw, np.dtype() as dtype, tuple() as shape, str(), tuple() as axes):
            if {*map(type, axes)} == {int} and sorted(axes) == [*range(len(shape))]:
                return machine.array(shape, dtype, raw, "C").transpose(axes)
    return NotImplemented


def _encode(machine: _Machine, args: tuple[object, ...]) -> object:
    match args:
        case (str() as text, str() as encoding) if encoding in ("latin1", "latin-1"):
            return machine.encode(text)
    return NotImplemented


def _bytearray(machine: _Machine, args: tuple[object, ...]) -> object:
    match args:
        case ():
            return bytearray()
        case (bytes() as raw,):
            machine.spend(_COPY_COST * len(raw))
            return bytearray(raw)
        case (str() as text, str()):
            return bytearray(machine.encode(text))
    return NotImplemented


def _complex(_: _Machine, args: tuple[object, ...]) -> object:
    match args:
        case (float() as real, float() as imaginary):
            return complex(real, imaginary)
    return NotImplemented


def _collect(make: Callable[[_Machine, list[object]], object]) -> Callable[..., object]:
    def call(machine: _Machine, args: tuple[object, ...]) -> object:
        match args:
            case ():
                return make(machine, [])
            case (list() as items,):
                # Emptied, because a file could copy one remembered list a million times.
                taken = items.copy()
                items.clear()
                return make(machine, taken)
        return NotImplemented

    return call


_CALLS: dict[str, Callable[[_Machine, tuple[object, ...]], object]] = {
    "numpy._core.multiarray._reconstruct": _reconstruct,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy._core.numeric._frombuffer": _frombuffer,
    "numpy.dtype": _dtype,
    "numpy.ndarray": lambda m, args: NotImplemented,
    "_codecs.encode": _encode,
    "builtins.bytearray": _bytearray,
    "builtins.bytes": lambda m, args: NotImplemented if args else b"",
    "builtins.complex": _complex,
    "builtins.set": _collect(lambda m, items: set(map(m.key, items))),
    "builtins.frozenset": _collect(lambda m, items: frozenset(map(m.key, items))),
    "collections.OrderedDict": _collect(_Machine.pairs),
}

_BY_NAME: dict[str, Callable[[_Machine], object]] = {
    "PROTO": _Machine.proto,
    "FRAME": _Machine.frame,
    "NONE": lambda m: m.push(None),
    "NEWTRUE": lambda m: m.push(True),
    "NEWFALSE": lambda m: m.push(False),
    "INT": lambda m: m.push(m.integer()),
    "LONG": lambda m: m.push(m.literal(int, m.line().removesuffix(b"L"))),
    "BININT": lambda m: m.push(m.number(4, signed=True)),
    "BININT1": lambda m: m.push(m.number(1)),
    "BININT2": lambda m: m.push(m.number(2)),
    "LONG1": lambda m: m.push(m.long(1)),
    "LONG4": lambda m: m.push(m.long(4)),
    "FLOAT": lambda m: m.push(m.literal(float, m.line())),
    "BINFLOAT": lambda m: m.push(struct.unpack(">d", m.take(8))[0]),
    "STRING": lambda m: m.push(m.quoted()),
    "BINSTRING": lambda m: m.push(m.text(m.take(m.number(4)), "latin-1")),
    "SHORT_BINSTRING": lambda m: m.push(m.text(m.take(m.number(1)), "latin-1")),
    "UNICODE": lambda m: m.push(m.text(m.line(), "raw-unicode-escape")),
    "SHORT_BINUNICODE": lambda m: m.push(m.text(m.take(m.number(1)))),
    "BINUNICODE": lambda m: m.push(m.text(m.take(m.number(4)))),
    "BINUNICODE8": lambda m: m.push(m.text(m.take(m.number(8)))),
    "SHORT_BINBYTES": lambda m: m.push(m.take(m.number(1))),
    "BINBYTES": lambda m: m.push(m.take(m.number(4))),
    "BINBYTES8": lambda m: m.push(m.take(m.number(8))),
    "BYTEARRAY8": lambda m: m.push(bytearray(m.take(m.number(8)))),
    "EMPTY_LIST": lambda m: m.add([]),
    "EMPTY_TUPLE": lambda m: m.push(()),
    "EMPTY_DICT": lambda m: m.add({}),
    "EMPTY_SET": lambda m: m.add(set()),
    "LIST": lambda m: m.add(m.since_mark()),
    "TUPLE": lambda m: m.add(tuple(m.since_mark())),
    "TUPLE1": lambda m: m.add(m.last(1)),
    "TUPLE2": lambda m: m.add(m.last(2)),
    "TUPLE3": lambda m: m.add(m.last(3)),
    "DICT": lambda m: m.add(m.update(m.since_mark(), {})),
    "FROZENSET": lambda m: m.add(frozenset(map(m.key, m.since_mark()))),
    "APPEND": lambda m: m.extend([m.pop()]),
    "APPENDS": lambda m: m.extend(m.since_mark()),
    "SETITEM": lambda m: m.update([*m.last(2)], m.top()),
    "SETITEMS": lambda m: m.update(m.since_mark(), m.top()),
    "ADDITEMS": lambda m: m.include(m.since_mark()),
    "MARK": _Machine.mark,
    "POP": _Machine.drop,
    "POP_MARK": _Machine.since_mark,
    "PUT": lambda m: m.put(m.index()),
    "BINPUT": lambda m: m.put(m.number(1)),
    "LONG_BINPUT": lambda m: m.put(m.number(4)),
    "MEMOIZE": lambda m: m.put(len(m.memo)),
    "GET": lambda m: m.get(m.index()),
    "BINGET": lambda m: m.get(m.number(1)),
    "LONG_BINGET": lambda m: m.get(m.number(4)),
    "GLOBAL": lambda m: m.push(m.find_line()),
    "STACK_GLOBAL": lambda m: m.push(m.find_stack()),
    "INST": _Machine.find_line,
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
}
_STEPS = {code: _BY_NAME[name] for code, name in _OPCODES.items() if name in _BY_NAME}
