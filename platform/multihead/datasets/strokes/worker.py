"""A process that measures pictures for another: `python -m multihead.datasets.strokes.worker H W`.

It reads a count of 8 bytes and so many pictures of H x W bytes, writes their measures, and begins
again. It ends when its input does, so it never outlives whoever started it, however that ended.
"""

import signal
import struct
import sys
from typing import BinaryIO

import numpy as np

from multihead.datasets.strokes.measure import measure_strokes

COUNT = struct.Struct("<q")


def serve(source: BinaryIO, sink: BinaryIO, height: int, width: int) -> None:
    """Measure what is read until there is no more, or the rest is cut short."""
    while len(head := source.read(COUNT.size)) == COUNT.size:
        (count,) = COUNT.unpack(head)
        pixels = source.read(count * height * width)
        if len(pixels) < count * height * width:
            return
        images = np.frombuffer(pixels, np.uint8).reshape(count, height, width)
        sink.write(measure_strokes(images).to_numpy("<f8").tobytes())
        sink.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started it
    serve(sys.stdin.buffer, sys.stdout.buffer, int(sys.argv[1]), int(sys.argv[2]))
