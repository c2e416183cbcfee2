"""What the globals that a pickle names stand for, and arrays and dtypes from checked state.

* A global is looked up in the table `_CALLS` of this file, never imported.
* An array is made from a dtype, a shape and bytes that were checked; numpy's own state setters
  never see the file. An array in the making is a `Pending` until its BUILD.

This module knows no opcodes, stack or memo: it is handed arguments and returns values, and has
the file only for its messages and allowances.
"""

import math
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from multihead.pickles.pickle_file import Key, PickleFile, one_line

_MAX_NDIM = 32
_DTYPE = re.compile(r"b1|[iu][1248]|f(?:2|4|8|16)|c(?:8|16|32)|[SU][1-9][0-9]{0,6}")
_ALIASES = {
    "__builtin__": "builtins",
    "numpy.core.multiarray": "numpy._core.multiarray",
    "numpy.core.numeric": "numpy._core.numeric",
}

_Call = Callable[[PickleFile, tuple[object, ...]], object]


@dataclass(frozen=True, slots=True)
class _Global:
    """A name that the file looked up: not a function, only a key of `_CALLS`."""

    name: str


@dataclass(slots=True)
class Pending:
    """An array, or a dtype with its code, before the BUILD that brings its state."""

    code: str | None
    slot: int | None = None  # where the memo holds it, to be replaced as well


def find(file: PickleFile, module: str, name: str) -> object:
    """Return what stands for a global of the table; any other is refused by name."""
    full = f"{_ALIASES.get(module, module)}.{name}"
    if full not in _CALLS:
        shown = one_line(f"{module}.{name}"[:100])
        raise file.refused(f"it would run {shown}")
    return _Global(full)


def name_of(found: object) -> str:
    """Return the full name of what `find` returned."""
    assert isinstance(found, _Global)
    return found.name


def call(file: PickleFile, function: object, args: object) -> object:
    """Return what a global makes of a tuple of arguments, if data have such arguments."""
    if not isinstance(function, _Global) or type(args) is not tuple:
        raise file.refused(f"it would call {type(function).__name__} as a function")
    built = _CALLS[function.name](file, args)
    if built is NotImplemented:
        raise file.refused(f"it would run {function.name} with other arguments than data have")
    return built


def complete(file: PickleFile, pending: Pending, state: object) -> object:
    """Return the dtype or the array that was waiting for this state."""
    match state:
        case (int(), str("<" | ">" | "=" | "|") as order, None, None, None, int(), int(), int()):
            if pending.code is not None:
                try:
                    return np.dtype(pending.code).newbyteorder(order)
                except TypeError:
                    raise file.refused(
                        f"this machine has no numbers of type {pending.code}"
                    ) from None
        case (int(), tuple() as shape, np.dtype() as dtype, int() as fortran, raw):
            if pending.code is None:
                return _array(file, shape, dtype, raw, "F" if fortran else "C")
    raise file.refused("it would set the state of an array to something else than numbers")


def check_finished(file: PickleFile, value: object) -> None:
    """Refuse a global, or an array in the making, where only a scalar or a dtype may be."""
    if isinstance(value, _Global):
        raise file.refused(f"it keeps {value.name} itself")
    if not isinstance(value, np.generic | np.dtype):
        raise file.damaged("it uses an array or a dtype that it never completes")


def _array(
    file: PickleFile,
    shape: tuple[object, ...],
    dtype: np.dtype[Any],
    raw: object,
    order: Literal["C", "F"],
) -> NDArray[Any]:
    """Make an array of its own memory, after all that numpy would take on trust is checked."""
    if type(raw) is str:
        raw = _latin1(file, raw)  # Python 2's str
    if not isinstance(raw, bytes | bytearray):
        raise file.refused(f"an array holds a {type(raw).__name__}, not bytes")
    sizes = [size for size in shape if type(size) is int and size >= 0]
    if len(sizes) != len(shape) or len(shape) > _MAX_NDIM:
        raise file.damaged("an array's shape is not a few sizes")
    if math.prod(sizes) * dtype.itemsize != len(raw):
        raise file.damaged(f"an array's shape does not fit its {len(raw):,} bytes")
    file.spend_for_copy(len(raw))
    file.spend(16 * len(shape) + 200)
    try:
        array: NDArray[Any] = np.ndarray(tuple(sizes), dtype, raw, order=order).copy("K")
    except (ValueError, OverflowError):  # (0, 2**62, 2**62), for one
        raise file.damaged("an array's shape is too large") from None
    if dtype.kind == "b" and np.frombuffer(raw, np.uint8).max(initial=0) > 1:
        raise file.damaged("an array of booleans holds something else than 0 and 1")
    if dtype.kind == "U":
        points = np.ndarray(len(raw) // 4, np.dtype("u4").newbyteorder(dtype.byteorder), raw)
        if points.max(initial=0) > 0x10FFFF:
            raise file.damaged("an array of text is not valid Unicode")
    return array


def _latin1(file: PickleFile, text: str) -> bytes:
    file.spend_for_copy(len(text))
    try:
        return text.encode("latin-1")
    except UnicodeError:
        raise file.damaged("bytes hold characters beyond 255") from None


# The functions of the table. Each returns NotImplemented for arguments that no data have.


def _reconstruct(_: PickleFile, args: tuple[object, ...]) -> object:
    match args:
        case (_Global(name="numpy.ndarray"), (int(),), str() | bytes()):
            return Pending(None)
    return NotImplemented


def _dtype(file: PickleFile, args: tuple[object, ...]) -> object:
    match args:
        case (str() as code, int(), int()):
            if _DTYPE.fullmatch(code):
                return Pending(code)
            raise file.refused(f"it holds an array of type {one_line(code[:20])}")
    return NotImplemented


def _scalar(file: PickleFile, args: tuple[object, ...]) -> object:
    match args:
        case (np.dtype() as dtype, raw):
            return _array(file, (), dtype, raw, "C")[()]
    return NotImplemented


def _frombuffer(file: PickleFile, args: tuple[object, ...]) -> object:
    match args:
        case (raw, np.dtype() as dtype, tuple() as shape, str("C" | "F") as order):
            return _array(file, shape, dtype, raw, order)
        case (raw, np.dtype() as dtype, tuple() as shape, str(), tuple() as axes):
            if {*map(type, axes)} == {int} and sorted(axes) == [*range(len(shape))]:
                return _array(file, shape, dtype, raw, "C").transpose(axes)
    return NotImplemented


def _encode(file: PickleFile, args: tuple[object, ...]) -> object:
    match args:
        case (str() as text, str("latin1" | "latin-1")):
            return _latin1(file, text)
    return NotImplemented


def _bytearray(file: PickleFile, args: tuple[object, ...]) -> object:
    match args:
        case ():
            return bytearray()
        case (bytes() as raw,):
            file.spend_for_copy(len(raw))
            return bytearray(raw)
        case (str() as text, str()):
            return bytearray(_latin1(file, text))
    return NotImplemented


def _complex(_: PickleFile, args: tuple[object, ...]) -> object:
    match args:
        case (float() as real, float() as imaginary):
            return complex(real, imaginary)
    return NotImplemented


def _collect(make: Callable[[PickleFile, list[object]], object]) -> _Call:
    def collect(file: PickleFile, args: tuple[object, ...]) -> object:
        match args:
            case ():
                return make(file, [])
            case (list() as items,):
                # Emptied, because a file could copy one remembered list a million times.
                taken = items.copy()
                items.clear()
                return make(file, taken)
        return NotImplemented

    return collect


def _pairs(file: PickleFile, items: list[Any]) -> OrderedDict[Key, object]:
    """Read Python 2's OrderedDict, a list of [key, value]."""
    ordered: OrderedDict[Key, object] = OrderedDict()
    for item in items:
        if type(item) not in (list, tuple) or len(item) != 2:
            raise file.damaged("an OrderedDict is not made of pairs")
        ordered[file.key(item[0])] = item[1]
    return ordered


_CALLS: dict[str, _Call] = {
    "numpy._core.multiarray._reconstruct": _reconstruct,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy._core.numeric._frombuffer": _frombuffer,
    "numpy.dtype": _dtype,
    "numpy.ndarray": lambda f, args: NotImplemented,  # only ever an argument of _reconstruct
    "_codecs.encode": _encode,
    "builtins.bytearray": _bytearray,
    "builtins.bytes": lambda f, args: NotImplemented if args else b"",
    "builtins.complex": _complex,
    "builtins.set": _collect(lambda f, items: set(map(f.key, items))),
    "builtins.frozenset": _collect(lambda f, items: frozenset(map(f.key, items))),
    "collections.OrderedDict": _collect(_pairs),
}
