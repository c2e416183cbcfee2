"""Read pickles from strangers: plain data come out, and nothing in a file can run.

Python's own unpickler imports and calls what a file names and allocates what a file claims, and
a `find_class` guards only the first of the two. So this module has a small machine of its own,
in Python, for the opcodes that build plain data; every other opcode is refused. The result is
walked once: no cycles, no tuples that double, no depth to blow a recursion.

The machine knows neither how an argument is written and what it may cost (`pickle_file`) nor
what a global makes of its arguments (`pickle_calls`).
"""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from multihead.errors import DataError
from multihead.pickles.pickle_calls import Pending, call, check_finished, complete, find, name_of
from multihead.pickles.pickle_file import VALUES, PickleFile, one_line

_MAX_DEPTH = 100
_MAX_MARKS = 1000  # a legitimate file opens a few for each level of nesting
_LEAVES = frozenset(
    {type(None), bool, int, float, complex, str, bytes, bytearray, set, frozenset, np.ndarray}
)
_UNSET = object()


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
    name = one_line(str(path))
    try:
        if not path.is_file():
            raise DataError(f"{name} is no file. Check the path, or fetch the file.")
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
        name: What the messages call it, for instance its path.

    Returns:
        As `safe_load`.

    Raises:
        DataError: As `safe_load`. No other exception leaves this function.
    """
    try:
        return _Machine(PickleFile(data, name)).run()
    except MemoryError:
        raise DataError(f"{one_line(name)} does not fit into memory.") from None


class _Machine:
    """The stack, the marks and the memo of one file."""

    def __init__(self, file: PickleFile) -> None:
        self.file = file
        self.stack: list[object] = []
        self.marks: list[int] = []
        self.memo: list[object] = []

    def run(self) -> object:
        while (opcode := self.file.opcode()) != "STOP":
            if opcode in VALUES:
                self.push(VALUES[opcode](self.file))
            elif opcode in _STEPS:
                _STEPS[opcode](self)
            else:
                raise self.file.refused(f"it uses the pickle opcode {opcode}")
        if surplus := len(self.file.data) - self.file.here:
            raise self.file.damaged(f"{surplus:,} bytes follow its end")
        if len(self.stack) != 1 or self.marks:
            raise self.file.damaged("it ends inside a list, a dict or a tuple")
        self.check_plain()
        return self.stack[0]

    def check_plain(self) -> None:
        """Walk the result as a tree, level by level: cycles and doubling then cost the most."""
        left = max(len(self.file.data), 1000)
        level: list[Any] = [self.stack]
        for _ in range(_MAX_DEPTH + 1):
            below: list[Any] = []
            for node in level:
                left -= len(node)
                if left < 0:
                    raise self.file.refused("it unfolds to more values than it has bytes")
                items = node.values() if isinstance(node, dict) else node
                if not _LEAVES.issuperset(map(type, items)):
                    below += filter(self.has_items, items)
            if not below:
                return
            level = below
        raise self.file.refused(f"it nests deeper than {_MAX_DEPTH} levels, or within itself")

    def has_items(self, value: object) -> bool:
        if type(value) in (list, tuple, dict, OrderedDict):
            return True
        if type(value) not in _LEAVES:
            check_finished(self.file, value)
        return False

    # Stack, marks and memo.

    def push(self, value: object) -> None:
        self.stack.append(value)

    def add(self, value: object) -> None:
        self.file.spend_for(value)
        self.push(value)

    def top(self) -> object:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise self.file.damaged("a value is missing")
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
            raise self.file.refused(f"it nests deeper than {_MAX_MARKS:,} marks")
        self.marks.append(len(self.stack))

    def since_mark(self) -> list[object]:
        if not self.marks:
            raise self.file.damaged("a mark is missing")
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def last(self, count: int) -> tuple[object, ...]:
        return tuple(reversed([self.pop() for _ in range(count)]))

    def put(self, index: int) -> None:
        value = self.top()
        if not 0 <= index <= self.file.here:  # files count from 0 or 1, in bytes' order
            raise self.file.damaged(f"it has no memo slot {index}")
        if isinstance(value, Pending):
            if value.slot is not None:
                raise self.file.damaged("an array is remembered twice")
            value.slot = index
        self.memo += [_UNSET] * (index + 1 - len(self.memo))
        self.memo[index] = value

    def get(self, index: int) -> None:
        if not 0 <= index < len(self.memo) or self.memo[index] is _UNSET:
            raise self.file.damaged(f"nothing is remembered in slot {index}")
        self.push(self.memo[index])

    # Containers.

    def extend(self, items: list[object]) -> None:
        target = self.top()
        if type(target) is not list:
            raise self.file.refused(f"it would append to {type(target).__name__}, not to a list")
        target.extend(items)

    def update(self, items: list[object], target: object) -> object:
        if not isinstance(target, dict) or len(items) % 2:
            raise self.file.refused(f"it would set items of {type(target).__name__}, not of a dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[self.file.key(key)] = value
        return target

    def include(self, items: list[object]) -> None:
        target = self.top()
        if type(target) is not set:
            raise self.file.refused(
                f"it would add members to {type(target).__name__}, not to a set"
            )
        target.update(map(self.file.key, items))

    # Calls and state.

    def find_line(self) -> object:
        module, name = self.file.text(self.file.line()), self.file.text(self.file.line())
        return find(self.file, module, name)

    def instance(self) -> None:
        """Refuse INST by name: no data are written with it."""
        found = self.find_line()
        raise self.file.refused(f"it would make an instance of {name_of(found)}")

    def find_stack(self) -> object:
        module, name = self.last(2)
        if type(module) is not str or type(name) is not str:
            raise self.file.damaged("the name of a function is not text")
        return find(self.file, module, name)

    def reduce(self) -> None:
        function, args = self.last(2)
        self.add(call(self.file, function, args))

    def build(self) -> None:
        state, target = self.pop(), self.top()
        if not isinstance(target, Pending):
            kind = type(target).__name__
            raise self.file.refused(f"it would set the state of {kind}, not of an array")
        self.stack[-1] = complete(self.file, target, state)
        if target.slot is not None and self.memo[target.slot] is target:
            self.memo[target.slot] = self.stack[-1]


_STEPS: dict[str, Callable[[_Machine], object]] = {
    "PROTO": lambda m: m.file.protocol(),
    "FRAME": lambda m: m.file.frame(),
    "EMPTY_LIST": lambda m: m.add([]),
    "EMPTY_DICT": lambda m: m.add({}),
    "EMPTY_SET": lambda m: m.add(set()),
    "LIST": lambda m: m.add(m.since_mark()),
    "TUPLE": lambda m: m.add(tuple(m.since_mark())),
    "TUPLE1": lambda m: m.add(m.last(1)),
    "TUPLE2": lambda m: m.add(m.last(2)),
    "TUPLE3": lambda m: m.add(m.last(3)),
    "DICT": lambda m: m.add(m.update(m.since_mark(), {})),
    "FROZENSET": lambda m: m.add(frozenset(map(m.file.key, m.since_mark()))),
    "APPEND": lambda m: m.extend([m.pop()]),
    "APPENDS": lambda m: m.extend(m.since_mark()),
    "SETITEM": lambda m: m.update([*m.last(2)], m.top()),
    "SETITEMS": lambda m: m.update(m.since_mark(), m.top()),
    "ADDITEMS": lambda m: m.include(m.since_mark()),
    "MARK": _Machine.mark,
    "POP": _Machine.drop,
    "POP_MARK": _Machine.since_mark,
    "PUT": lambda m: m.put(m.file.index()),
    "BINPUT": lambda m: m.put(m.file.number(1)),
    "LONG_BINPUT": lambda m: m.put(m.file.number(4)),
    "MEMOIZE": lambda m: m.put(len(m.memo)),
    "GET": lambda m: m.get(m.file.index()),
    "BINGET": lambda m: m.get(m.file.number(1)),
    "LONG_BINGET": lambda m: m.get(m.file.number(4)),
    "GLOBAL": lambda m: m.push(m.find_line()),
    "STACK_GLOBAL": lambda m: m.push(m.find_stack()),
    "INST": _Machine.instance,
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
}
