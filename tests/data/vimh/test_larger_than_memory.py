"""A dataset larger than the memory a process may have trains like any other."""

import os
import resource
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from tests.vimh_files import NOTE, metadata, value, write_info

LIMIT = 1 << 30  # bytes of data, heap and anonymous memory; maps of files do not count
SIDE, COUNT = 128, 70_000

TRAIN = """
import sys
import lightning.pytorch as pl
import numpy as np
import torch
from multihead import MultiheadLitModule, SimpleCNN, VIMHDataModule

torch.set_num_threads(1)
data = VIMHDataModule(sys.argv[1], 64, memory_budget_mb=10)
try:
    np.fromfile(sys.argv[1] + "/train", np.uint8)
except MemoryError:
    print("the file does not fit into memory")
net = SimpleCNN(1, data.num_classes, data.image_shape[1:], 1, 1, 8)
module = MultiheadLitModule(net, lambda parameters: torch.optim.SGD(parameters, lr=0.01))
trainer = pl.Trainer(
    accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False,
    enable_progress_bar=False, enable_model_summary=False,
)
trainer.fit(module, data)
print("steps", trainer.global_step)
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
    assert f"steps {-(-63_000 // 64)}\n" in done.stdout
