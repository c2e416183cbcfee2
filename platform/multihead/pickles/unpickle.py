"""Read plain data from untrusted pickles, without running code in them.

The standard library's Python unpickler runs the opcodes, with a table of only the opcodes that
plain data need. Opcodes that call a function, set a state, fill a dict or take much memory are
checked before they run. At the end the result is checked: it has no cycles, no more values than the
file has bytes, and no deep nesting.

The C unpickler, `pickle.Unpickler`, is not safe. It only lets a subclass choose what a name means.
The file controls the size of its memo, copies of arguments and hashes of keys; these can take
hours.
"""

import codecs
import pickle
import pickletools
import re
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from multihead.errors import DataError
from multihead.pickles.pickle_calls import Global, Pending, call, complete, find
from multihead.pickles.pickle_file import PickleFile
from multihead.text import one_line

_MAX_DEPTH = 100
_MAX_MARKS = 1000  # an ordinary file has a few open marks per level of nesting
_MAX_LONG = 255  # bytes; Python does not print longer integers, and data do not need them
_LEAVES = frozenset(
    {type(None), bool, int, float, complex, str, bytes, bytearray, set, frozenset, np.ndarray}
)
_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|[\\'\"nrt])")
_CODES = {opcode.name: ord(opcode.code) for opcode in pickletools.opcodes}
_NAMES = {code: name for name, code in _CODES.items()}
# For these opcodes the standard unpickler is safe.
_STANDARD = (
    "NONE NEWTRUE NEWFALSE INT LONG FLOAT BININT BININT1 BININT2 LONG1 BINFLOAT BINSTRING "
    "SHORT_BINSTRING SHORT_BINBYTES BINBYTES BINBYTES8 EMPTY_LIST LIST EMPTY_DICT EMPTY_SET "
    "EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 APPEND APPENDS POP POP_MARK PUT BINPUT LONG_BINPUT "
    "MEMOIZE GET BINGET LONG_BINGET GLOBAL STACK_GLOBAL"
)
_COSTS = {
    72: "TUPLE TUPLE1 TUPLE2 TUPLE3",
    88: "EMPTY_LIST LIST",
    104: "EMPTY_DICT DICT",
    232: "EMPTY_SET FROZENSET",
}
_UNSET = object()

_Load = Callable[["_Unpickler"], None]


def safe_load(path: Path) -> object:
    """Read a pickle file without running anything in it.

    Args:
        path: A regular file; it may be untrusted.

    Returns:
        Lists, tuples, dicts, sets, text, bytes, numbers, numpy arrays and scalars (numbers,
        booleans and text only), nested at most 100 deep. Arrays are writable and own their memory.

    Raises:
        DataError: If the file cannot be read, is cut short (with both sizes in bytes) or damaged,
            or would build or run other objects (with their name and the byte).
    """
    name = one_line(str(path))
    try:
        if not path.is_file():
            raise DataError(f"{name} is not a file. Check the path, or fetch the file.")
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror}.") from None
    except MemoryError:
        raise DataError(f"{name} does not fit into memory.") from None
    return safe_loads(data, name)


def safe_loads(data: bytes, name: str) -> object:
    """Read a pickle from memory without running anything in it.

    Args:
        data: The whole pickle, of any protocol from 0 to 5.
        name: A name for error messages, such as the path.

    Returns:
        As `safe_load`.

    Raises:
        DataError: As `safe_load`. No other exception leaves this function.
    """
    file = PickleFile(data, name)
    try:
        return _Unpickler(file).load()
    except MemoryError:
        raise DataError(f"{file.name} does not fit into memory.") from None
    except UnicodeError:
        raise file.damaged("text is not valid Unicode") from None
    except IndexError:
        raise file.damaged("a value or a mark is missing") from None
    except (ValueError, OverflowError):
        raise file.damaged("a number cannot be read") from None
    except (pickle.UnpicklingError, TypeError, AttributeError) as error:
        raise file.damaged(one_line(str(error), 200)) from None


class _Memo:
    """The memo of a file. It has at most as many slots as the file has bytes; 8 bytes each."""

    def __init__(self, file: PickleFile) -> None:
        self.file = file
        self.values: list[object] = []

    def __len__(self) -> int:
        return len(self.values)

    def __setitem__(self, index: int, value: object) -> None:
        if (
            not 0 <= index <= self.file.tell()
        ):  # files number slots from 0 or 1, in increasing order
            raise self.file.damaged("it cannot have a memo slot of this number")
        self.values += [_UNSET] * (index + 1 - len(self.values))
        self.values[index] = value

    def __getitem__(self, index: int) -> object:
        value = self.values[index] if 0 <= index < len(self.values) else _UNSET
        if value is _UNSET:
            raise self.file.damaged("this memo slot is empty")
        if type(value) is Pending and value.value is not None:
            return value.value
        return value


def _sized(width: int, make: Callable[[bytes], object]) -> _Load:
    """Return a loader of a value that follows its size; the size has `width` bytes."""

    def load(unpickler: "_Unpickler") -> None:
        unpickler.append(make(unpickler.file.read(unpickler.file.number(width))))

    return load


def _charged(load: _Load, cost: int) -> _Load:
    """Return a loader that first takes the memory of a new container from the budget."""

    def charged(unpickler: "_Unpickler") -> None:
        unpickler.file.spend(cost)
        load(unpickler)

    return charged


class _Unpickler(pickle._Unpickler):
    """The standard unpickler with a restricted table of opcodes."""

    stack: list[Any]
    metastack: list[list[Any]]
    append: Callable[[object], None]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, file: PickleFile) -> None:
        super().__init__(file, encoding="latin-1")
        self.file = file
        self.memo = _Memo(file)

    def find_class(self, module: str, name: str) -> Global:
        return find(self.file, module, name)

    # Each `load_` method handles the opcode of that name.

    # Decoding is strict, because unpaired surrogates cannot be printed.
    load_short_binunicode = _sized(1, bytes.decode)
    load_binunicode = _sized(4, bytes.decode)
    load_binunicode8 = _sized(8, bytes.decode)
    load_bytearray8 = _sized(8, bytearray)

    def load_unicode(self) -> None:
        text = self.file.readline(-1)[:-1].decode("raw-unicode-escape")
        self.append(text.encode().decode())

    def load_string(self) -> None:
        line = self.file.readline(-1).strip()
        if len(line) < 2 or line[:1] not in (b"'", b'"') or line[-1:] != line[:1]:
            raise self.file.damaged("text has no quotes")
        if b"\\" in _ESCAPE.sub(b"", line[1:-1]):
            raise self.file.damaged("text has an unknown escape")
        self.append(codecs.escape_decode(line[1:-1])[0].decode("latin-1"))

    def load_long4(self) -> None:
        count = self.file.number(4)
        if count > _MAX_LONG:
            raise self.file.refused(f"it holds an integer of {count:,} bytes")
        self.append(int.from_bytes(self.file.read(count), "little", signed=True))

    def load_proto(self) -> None:
        version = self.file.number(1)
        if version > 5:
            raise self.file.refused(f"it has pickle protocol {version}; 0 to 5 are supported")

    def load_frame(self) -> None:
        self.file.start_frame()

    def load_mark(self) -> None:
        if len(self.metastack) >= _MAX_MARKS:
            raise self.file.refused(f"it nests deeper than {_MAX_MARKS:,} marks")
        pickle._Unpickler.dispatch[_CODES["MARK"]](self)  # type: ignore[arg-type]

    def load_dict(self) -> None:
        items = self.pop_mark()
        self.append({})
        self.set_items(items)

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.set_items([key, value])

    def load_setitems(self) -> None:
        self.set_items(self.pop_mark())

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise self.file.refused(f"it would set items of {type(target).__name__}, not of a dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[self.file.key(key)] = value

    def load_additems(self) -> None:
        members, target = self.pop_mark(), self.stack[-1]
        if type(target) is not set:
            raise self.file.refused(f"it would add members to {type(target).__name__}, not a set")
        target.update(map(self.file.key, members))

    def load_frozenset(self) -> None:
        members = self.pop_mark()
        self.append(frozenset(map(self.file.key, members)))

    def load_inst(self) -> None:
        module, name = (self.file.readline()[:-1].decode() for _ in range(2))
        found = self.find_class(module, name)
        raise self.file.refused(f"it would make an instance of {found.name}")

    def load_reduce(self) -> None:
        args = self.stack.pop()
        self.stack[-1] = call(self.file, self.stack[-1], args)

    def load_build(self) -> None:
        state = self.stack.pop()
        self.stack[-1] = complete(self.file, self.stack[-1], state)

    def load_stop(self) -> None:
        if surplus := self.file.size - self.file.tell():
            raise self.file.damaged(f"{surplus:,} bytes follow its end")
        if len(self.stack) != 1 or self.metastack:
            raise self.file.damaged("it ends inside a list, a dict or a tuple")
        _check_plain(self.file, self.stack)
        pickle._Unpickler.dispatch[_CODES["STOP"]](self)  # type: ignore[arg-type]


class _Table(dict[int, Any]):
    """The handlers of opcodes. An opcode without a handler is refused by name."""

    def __missing__(self, code: int) -> _Load:
        def refuse(unpickler: _Unpickler) -> NoReturn:
            file = unpickler.file
            if code in _NAMES:
                raise file.refused(f"it uses the pickle opcode {_NAMES[code]}")
            if file.tell() > 1:
                raise file.damaged(f"{code:#04x} is not a pickle opcode")
            raise DataError(f"{file.name} is not a pickle: it starts with {file.getvalue()[:8]!r}.")

        return refuse

    @classmethod
    def of_plain_data(cls) -> "_Table":
        table = cls({_CODES[n]: pickle._Unpickler.dispatch[_CODES[n]] for n in _STANDARD.split()})
        for name, load in vars(_Unpickler).items():
            if name.startswith("load_"):
                table[_CODES[name.removeprefix("load_").upper()]] = load
        for cost, names in _COSTS.items():
            for name in names.split():
                table[_CODES[name]] = _charged(table[_CODES[name]], cost)
        return table


_Unpickler.dispatch = _Table.of_plain_data()


def _check_plain(file: PickleFile, stack: list[Any]) -> None:
    """Check the result level by level, as a tree. Cycles and repeated tuples exceed the limits."""
    left = max(file.size, 1000)
    level: list[Any] = [stack]
    for _ in range(_MAX_DEPTH + 1):
        below: list[Any] = []
        for node in level:
            left -= len(node)
            if left < 0:
                raise file.refused("it expands to more values than it has bytes")
            items = node.values() if isinstance(node, dict) else node
            if not _LEAVES.issuperset(map(type, items)):
                below += (item for item in items if _has_items(file, item))
        if not below:
            return
        level = below
    raise file.refused(f"it nests deeper than {_MAX_DEPTH} levels, or within itself")


def _has_items(file: PickleFile, value: object) -> bool:
    if type(value) in (list, tuple, dict, OrderedDict):
        return True
    if type(value) not in _LEAVES and not isinstance(value, np.generic | np.dtype):
        kept = value.name if isinstance(value, Global) else "an unfinished array or dtype"
        raise file.refused(f"it contains {kept} itself")
    return False
