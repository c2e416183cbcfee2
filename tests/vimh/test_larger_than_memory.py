"""A dataset larger than the memory a process may have trains like any other."""

import os
import resource
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from tests.vimh_files import NOTE, metadata, value, write_info

LIMIT = 5 << 28  # bytes of heap and other memory that is no file's; torch alone takes 1 GiB
SIDE, COUNT = 128, 90_000

TRAIN = """
import sys
import numpy as np
import torch
from multihead import SimpleCNN, VIMHDataModule

torch.set_num_threads(1)
data = VIMHDataModule(sys.argv[1], 64, 0, [90_000, 0, 0], memory_budget_mb=10)
try:
    np.fromfile(sys.argv[1] + "/train", np.uint8)
except MemoryError:
    print("the file does not fit into memory")
pool, net = torch.nn.AvgPool2d(16), SimpleCNN(heads_config=data.num_classes, input_size=8)
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
steps = 0
for images, labels in data.train_dataloader():
    loss = torch.nn.functional.cross_entropy(net(pool(images))["note"], labels["note"])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    steps += 1
print("steps", steps)
"""


def write_sparse(folder: Path) -> None:
    """Write headers and labels; the pixels between them are holes, which read as zeros."""
    write_info(folder, metadata((1, SIDE, SIDE), {"note": NOTE}, train_samples=COUNT))
    for split, count in (("train", COUNT), ("test", 10)):
        size = 9 + SIDE * SIDE
        with (folder / split).open("wb") as file:
            for i in range(count):
                file.seek(i * size)
                file.write(struct.pack("<HHHBBB", SIDE, SIDE, 1, 1, 0, value(i, 0)))
            file.truncate(count * size)


def limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))


@pytest.mark.slow
def test_a_file_larger_than_the_memory_limit_trains(tmp_path: Path) -> None:
    folder = tmp_path / f"vimh-{SIDE}x{SIDE}x1_large"
    write_sparse(folder)
    assert (folder / "train").stat().st_size > LIMIT
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, str(folder)],
        preexec_fn=limit_memory,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "the file does not fit into memory\n" in done.stdout
    assert f"steps {-(-90_000 // 64)}\n" in done.stdout
