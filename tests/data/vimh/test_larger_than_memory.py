"""A dataset larger than the memory a process may have, trained from one command to its record."""

import os
import resource
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from tests.vimh_files import NOTE, metadata, value, write_info

LIMIT = 5 << 28  # bytes of data, heap and anonymous memory; maps of files do not count
SIDE, COUNT = 256, 22_000

TRAIN = """
import sys
import numpy as np
from multihead import run

try:
    np.fromfile(sys.argv[1] + "/train", np.uint8)
except MemoryError:
    print("the file does not fit into memory")
result = run([
    "experiment=generic_multihead", f"data.data_dir={sys.argv[1]}", "data.memory_budget_mb=100",
    "data.normalize=stats", "trainer.max_epochs=1", "trainer.accelerator=cpu",
    "model.net.conv1_channels=1", "model.net.conv2_channels=1", "model.net.fc_hidden=8",
    "data.batch_size=64",
])
print("trained", result.metrics["train/note_loss"])
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
def test_a_file_larger_than_the_memory_limit_trains(home: Path, tmp_path: Path) -> None:
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
    assert "trained" in done.stdout
