"""Data of four times the memory that a process may have beyond its libraries stream through it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from multihead import Head, Heads
from multihead.vimh.shard_writer import ShardWriter

LIMIT = 64 << 20  # bytes of memory that is no file's, beyond what there is after a first batch
ROWS, SIDE = 16_384, 128  # 256 MiB of pixels

_STREAM = f"""
import resource, sys, threading
import numpy as np, torch
from pathlib import Path
from multihead import VIMHStreamDataModule

torch.set_num_threads(1)
threading.stack_size(1 << 20)  # a stack counts as a whole, whatever of it is used
folder, way = Path(sys.argv[1]), sys.argv[2]

def loader(shuffle_rows):
    data = VIMHStreamDataModule(folder, 64, shuffle_rows, 2, [{ROWS}, 0, 0])
    return data.train_dataloader()

next(iter(loader(64)))  # what is loaded, and made for each thread, when it is first needed
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
used = int(status["VmData"].split()[0]) << 10
resource.setrlimit(resource.RLIMIT_DATA, (used + {LIMIT},) * 2)
try:
    if way == "all":
        whole = [np.fromfile(path, np.uint8) for path in sorted(folder.glob("train-*"))]
        print(sum(map(len, whole)), "bytes at once")
    else:
        print(sum(len(images) for images, _ in loader(512)), "rows")
except MemoryError:
    print("no memory")
"""


def _run(folder: Path, way: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _STREAM, str(folder), way],
        # Else the C library keeps what was freed, and counts threads' arenas as used.
        env=os.environ
        | {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "131072"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.slow
def test_four_times_the_memory_limit_streams_and_does_not_fit(tmp_path: Path) -> None:
    with ShardWriter(tmp_path / "set", Heads([Head("low", 256)]), (1, SIDE, SIDE)) as writer:
        images = np.zeros((1024, 1, SIDE, SIDE), np.uint8)
        for start in range(0, ROWS, 1024):
            codes = np.arange(start, start + 1024) % 256
            writer.write("train", images, {"low": codes})
    assert sum(p.stat().st_size for p in (tmp_path / "set").glob("train-*")) > 4 * LIMIT
    assert _run(tmp_path / "set", "stream") == f"{ROWS} rows\n"
    assert _run(tmp_path / "set", "all") == "no memory\n"
