"""Emulate the few functions that a pickle of plain data calls.

No name of the file is imported, and numpy never sets state from the file. An array is made from a
checked dtype, shape and bytes. Until its state arrives, the array is a `Pending`.
"""

import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from multihead.pickles.pickle_file import PickleFile
from multihead.text import one_line

_MAX_NDIM = 32
_DTYPE = re.compile(r"b1|[iu][1248]|f(?:2|4|8|16)|c(?:8|16|32)|[SU][1-9][0-9]{0,6}")
_OLD_NAMES = {
    "__builtin__": "builtins",
    "numpy.core.multiarray": "numpy._core.multiarray",
    "numpy.core.numeric": "numpy._core.numeric",
}
_NUMPY = ("_core.multiarray._reconstruct", "_core.multiarray.scalar", "_core.numeric._frombuffer")
_BUILTINS = ("bytearray", "bytes", "complex", "set", "frozenset")
_NAMES = {
    *(f"numpy.{name}" for name in (*_NUMPY, "ndarray", "dtype")),
    *(f"builtins.{name}" for name in _BUILTINS),
    *("_codecs.encode", "collections.OrderedDict"),
}


@dataclass(frozen=True, slots=True)
class Global:
    """A global name in the file. It is not a function, only a key for `call`."""

    name: str


@dataclass(slots=True)
class Pending:
    """An array, or a dtype with its code. `value` is the result once its state has arrived."""

    code: str | None
    value: NDArray[Any] | np.dtype[Any] | None = None


def find(file: PickleFile, module: str, name: str) -> Global:
    """Return the `Global` for a name that plain data need.

    Raises:
        DataError: For any other name.
    """
    full = f"{_OLD_NAMES.get(module, module)}.{name}"
    if full not in _NAMES:
        raise file.refused(f"it would run {one_line(f'{module}.{name}'[:100])}")
    return Global(full)


def call(file: PickleFile, function: object, args: object) -> object:
    """Return the result of calling a global with a tuple of arguments.

    Raises:
        DataError: If plain data have no such call.
    """
    if not isinstance(function, Global) or type(args) is not tuple:
        raise file.refused(f"it would call {type(function).__name__} as a function")
    make = _numpy if function.name.startswith("numpy.") else _plain
    built = make(file, function.name.rpartition(".")[2], args)
    if built is NotImplemented:
        raise file.refused(f"it would run {function.name} with unexpected arguments")
    return built


def complete(file: PickleFile, pending: object, state: object) -> object:
    """Set the state of a pending dtype or array, and return it.

    Raises:
        DataError: If the state is not that of a dtype or an array.
    """
    if not isinstance(pending, Pending):
        raise file.refused(f"it would set the state of {type(pending).__name__}, not of an array")
    match pending.code, state:
        case str() as code, (
            int(), str("<" | ">" | "=" | "|") as order, None, None, None, int(), int(), int()
        ):  # fmt: skip
            try:
                pending.value = np.dtype(code).newbyteorder(order)
            except TypeError:
                raise file.refused(f"this machine has no numbers of type {code}") from None
        case None, (int(), tuple() as shape, np.dtype() as dtype, int() as fortran, raw):
            pending.value = _array(file, shape, dtype, raw, "F" if fortran else "C")
        case _:
            raise file.refused("it would set an invalid state of an array")
    return pending.value


def _array(
    file: PickleFile,
    shape: tuple[Any, ...],
    dtype: np.dtype[Any],
    raw: object,
    order: Literal["C", "F"] = "C",
) -> NDArray[Any]:
    """Make an array with its own memory, after checks that numpy does not make."""
    if type(raw) is str:
        raw = _latin1(file, raw)  # Python 2's str
    if not isinstance(raw, bytes | bytearray):
        raise file.refused(f"an array holds a {type(raw).__name__}, not bytes")
    if len(shape) > _MAX_NDIM or any(type(size) is not int or size < 0 for size in shape):
        raise file.damaged("an array has an invalid shape")
    file.spend(16 * len(shape) + 200, copies=len(raw))
    try:
        array: NDArray[Any] = np.frombuffer(raw, dtype).reshape(shape, order=order).copy("K")
    except (ValueError, OverflowError):
        raise file.damaged(f"an array's shape does not fit its {len(raw):,} bytes") from None
    if dtype.kind == "b" and np.frombuffer(raw, np.uint8).max(initial=0) > 1:
        raise file.damaged("an array of booleans holds other values than 0 and 1")
    if dtype.kind == "U":
        points = np.frombuffer(raw, np.dtype("u4").newbyteorder(dtype.byteorder))
        if points.max(initial=0) > 0x10FFFF:
            raise file.damaged("an array of text is not valid Unicode")
    return array


def _latin1(file: PickleFile, text: str) -> bytes:
    file.spend(0, copies=len(text))
    return text.encode("latin-1")


def _numpy(file: PickleFile, name: str, args: tuple[object, ...]) -> object:
    match name, args:
        case "_reconstruct", (Global("numpy.ndarray"), (int(),), str() | bytes()):
            return Pending(None)
        case "dtype", (str() as code, int(), int()):
            if _DTYPE.fullmatch(code):
                return Pending(code)
            raise file.refused(f"it holds an array of type {one_line(code[:20])}")
        case "scalar", (np.dtype() as dtype, raw):
            return _array(file, (), dtype, raw)[()]
        case "_frombuffer", (raw, np.dtype() as dtype, tuple() as shape, str("C" | "F") as order):
            return _array(file, shape, dtype, raw, order)
        case "_frombuffer", (raw, np.dtype() as dtype, tuple() as shape, str(), tuple() as axes):
            if {*map(type, axes)} == {int} and sorted(axes) == [*range(len(shape))]:
                return _array(file, shape, dtype, raw).transpose(axes)
    return NotImplemented


def _plain(file: PickleFile, name: str, args: tuple[object, ...]) -> object:
    match name, args:
        case "encode", (str() as text, str("latin1" | "latin-1")):
            return _latin1(file, text)
        case "bytes", ():
            return b""
        case "bytearray", () | (bytes(),) | (str(), str()):
            raw: Any = args[0] if args else b""
            file.spend(0, copies=len(raw))
            return bytearray(_latin1(file, raw) if type(raw) is str else raw)
        case "complex", (float() as real, float() as imaginary):
            return complex(real, imaginary)
        case "set" | "frozenset" | "OrderedDict", () | (list(),):
            items: Any = args[0] if args else []
            file.spend(400)
            taken = items.copy()
            items.clear()  # otherwise a file could copy one memoised list a million times
            if name == "OrderedDict":  # as written by Python 2
                if any(type(item) not in (list, tuple) or len(item) != 2 for item in taken):
                    raise file.damaged("an OrderedDict is not made of pairs")
                return OrderedDict((file.key(key), value) for key, value in taken)
            return (set if name == "set" else frozenset)(map(file.key, taken))
    return NotImplemented
