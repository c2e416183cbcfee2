"""Measure images per second of a training with one or more processes of one thread each.

    python benchmarks/devices.py [--devices 2] [--batch-size 256] [--rounds 3] [--epochs 3]

Trains the CNN of multihead_cnn_mnist on MNIST (MULTIHEAD_DATA_DIR) with the same global batches
on the CPU. Each round trains with one process, then with several. A result is the median over
rounds of the last epoch's `system/images_per_second`, which counts all processes.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from multihead.tracking.find import find_run
from multihead.tracking.store import Store


def images_per_second(devices: int, batch_size: int, epochs: int, home: Path) -> float:
    """Train, and return images per second of the last epoch."""
    several = ["trainer=ddp", f"trainer.devices={devices}"] if devices > 1 else []
    before = {path.parent.name for path in home.glob("*/spool.jsonl")}
    subprocess.run(
        [
            *(sys.executable, "-m", "multihead", "train", "experiment=multihead_cnn_mnist"),
            *several,
            *("trainer.accelerator=cpu", f"data.batch_size={batch_size}", "test=false"),
            *(f"trainer.max_epochs={epochs}", f"paths.home={home}"),
        ],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    (run_id,) = {path.parent.name for path in home.glob("*/spool.jsonl")} - before
    return float(find_run(Store(home=home), run_id).data.metrics["system/images_per_second"])


def main() -> None:
    """Measure, and print one line per number of processes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    given = parser.parse_args()
    found: dict[int, list[float]] = {1: [], given.devices: []}
    with tempfile.TemporaryDirectory() as home:
        for _ in range(given.rounds):
            for devices, figures in found.items():
                figures.append(
                    images_per_second(devices, given.batch_size, given.epochs, Path(home))
                )
    alone = statistics.median(found[1])
    for devices, figures in found.items():
        median = statistics.median(figures)
        listed = ", ".join(f"{figure:,.0f}" for figure in figures)
        print(f"{devices} processes: {median:,.0f} images/s, {median / alone:.2f} x ({listed})")


if __name__ == "__main__":
    main()
