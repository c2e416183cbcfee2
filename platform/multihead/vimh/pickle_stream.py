"""Write a split as a pickle of protocol 4, without holding the split in memory.

The pickle is a dict, written opcode by opcode. The pixels come first; their number is filled in at
the end. Until then, labels and ranges are kept in scratch files.
"""

import shutil
import struct
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

# Both numpy 1 and numpy 2 load the name numpy.core.multiarray.
_ARRAY = (
    b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
    b"(K\x01"  # the state: a version, the shape, the dtype, not Fortran, the bytes
)
_END_OF_ARRAY = b"tb"


class PickleStream:
    """A pickle that is written in parts.

    Args:
        path: The file to write.
        scratch: A folder for temporary files.
        image_shape: Channels, height and width.
    """

    def __init__(self, path: Path, scratch: Path, image_shape: tuple[int, ...]) -> None:
        self.channels, self.height, self.width = image_shape
        self.pixels = self.channels * self.height * self.width
        self.count = 0
        self._path, self._scratch = path, scratch
        self._ranged = False

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        opened = [self._path, *(self._scratch / f"{self._path.name}.{i}" for i in range(2))]
        files: list[BinaryIO] = [self._stack.enter_context(p.open("w+b")) for p in opened]
        self._file, self._labels, self._ranges = files
        self._file.write(b"\x80\x04}(" + _text("data"))
        self._file.write(_array_start((0, self.pixels), "u1", "|"))
        self._after_data = self._file.tell()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def write(
        self,
        images: NDArray[np.uint8],
        pairs: NDArray[np.uint8],
        ranges: NDArray[np.float32] | None,
    ) -> None:
        """Append images uint8 [n, C, H, W], pairs uint8 [n, N, 2] and ranges float32 [n, 2]."""
        self.count += len(images)
        self._file.write(np.ascontiguousarray(images.transpose(0, 2, 3, 1)).data)
        self._labels.write(_label_rows(pairs))
        if ranges is not None:
            self._ranged = True
            self._ranges.write(np.ascontiguousarray(ranges, "<f4").data)

    def finish(self) -> None:
        """Append the labels and ranges, and fill in the number of samples."""
        out = self._file
        out.write(_END_OF_ARRAY + _text("vimh_labels") + b"](")
        _append(self._labels, out)
        out.write(b"e")
        sizes = {"height": self.height, "width": self.width, "channels": self.channels}
        for key, value in (sizes | {"num_samples": self.count}).items():
            out.write(_text(key) + b"J" + struct.pack("<i", value))
        if self._ranged:
            out.write(_text("scale_factors") + _array_start((self.count, 2), "f4", "<"))
            _append(self._ranges, out)
            out.write(_END_OF_ARRAY)
        out.write(b"u.")
        start = _array_start((self.count, self.pixels), "u1", "|")
        out.seek(self._after_data - len(start))
        out.write(start)


def _text(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


def _array_start(shape: tuple[int, int], code: str, order: str) -> bytes:
    """Return the opcodes of an array before its bytes; their length is the same for any shape."""
    size = shape[0] * shape[1] * np.dtype(code).itemsize
    sizes = b"".join(b"\x8a\x08" + struct.pack("<q", length) for length in shape)
    dtype = (
        b"cnumpy\ndtype\n"
        + _text(code)
        + b"\x89\x88\x87R(K\x03"
        + _text(order)
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    return _ARRAY + sizes + b"\x86" + dtype + b"\x89\x8e" + struct.pack("<Q", size)


def _label_rows(pairs: NDArray[np.uint8]) -> bytes:
    """Return lists `[N, id, value, ...]`, each number as BININT1."""
    count = pairs.shape[1]
    row = 2 * count + 1
    opcodes = np.zeros((len(pairs), 2 * row + 3), np.uint8)
    opcodes[:, :2] = np.frombuffer(b"](", np.uint8)
    opcodes[:, 2:-1:2] = ord("K")
    opcodes[:, 3] = count
    opcodes[:, 5:-1:2] = pairs.reshape(len(pairs), 2 * count)
    opcodes[:, -1] = ord("e")
    return opcodes.tobytes()


def _append(source: BinaryIO, out: BinaryIO) -> None:
    source.seek(0)
    shutil.copyfileobj(source, out, 1 << 20)
