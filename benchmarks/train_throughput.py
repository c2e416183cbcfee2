"""Compare images per second of an epoch of multihead_cnn_mnist in three ways.

    python benchmarks/train_throughput.py [--rounds 5] [--data-dir DIR] [--device cpu|cuda]

`three_ways.py` describes the ways: multihead as shipped, a hand-written loop of the same numerics,
and the common way of tutorials.

After a warm-up round, each round runs all three ways, in changing order, for one epoch of 55,000
images at batch size 64. Images/s is 55,000 divided by the time from the start of the first batch to
the end of the last one. So it excludes start-up, validation and test. The accuracy is that of the
digit on the 5,000 validation images after that epoch.

Needs MNIST in DIR/MNIST/raw (MULTIHEAD_DATA_DIR or ./data).
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
from pathlib import Path

import torch
from three_ways import WAYS, Case, Window, mnist_cnn, quiet, ratios

from multihead import settings
from multihead.training.hardware import choose_precision


def mnist(data_dir: Path, device: str, seed: int, home: Path) -> Case:
    """Return one epoch of `multihead_cnn_mnist`."""
    overrides = ("experiment=multihead_cnn_mnist", f"data.data_dir={data_dir}", f"seed={seed}")
    return Case(overrides, "handwritten_digit", mnist_cnn, 128, device, home)


def main() -> None:
    """Measure, print and optionally write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data-dir", type=Path, default=settings.data_dir())
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    options = parser.parse_args()
    quiet()
    rates: dict[str, list[float]] = {name: [] for name in WAYS}
    accuracies: dict[str, list[float]] = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory() as scratch:
        names = list(WAYS)
        for number in range(-1, options.rounds):
            for name in names[number % 3 :] + names[: number % 3]:
                window = Window(options.device)
                case = mnist(options.data_dir, options.device, number + 1, Path(scratch))
                accuracy = WAYS[name](case, window)
                if number < 0:  # the first round is a warm-up
                    continue
                rates[name].append(window.rate)
                accuracies[name].append(accuracy)
                print(
                    f"round {number + 1}  {name:<13} {rates[name][-1]:8,.0f} images/s", flush=True
                )
    show(rates, accuracies, options.device)
    if options.json:
        options.json.write_text(json.dumps({"images/s": rates, "accuracy": accuracies}, indent=2))


def show(rates: dict[str, list[float]], accuracies: dict[str, list[float]], device: str) -> None:
    """Print medians, spread and the ratios of each round."""
    print(
        f"\n{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {device}, "
        f"torch {torch.__version__}, {choose_precision(device).value}"
    )
    print(f"{'':<13} {'median':>9} {'min':>8} {'max':>8}  images/s   digit accuracy (mean)")
    for name, values in rates.items():
        print(
            f"{name:<13} {statistics.median(values):9,.0f} {min(values):8,.0f} {max(values):8,.0f}"
            f"{'':>13}{statistics.mean(accuracies[name]):.4f}"
        )
    for other in ("hand-written", "common"):
        median, least, most = ratios(rates["multihead"], rates[other])
        print(f"multihead / {other}: median {median:.3f} ({least:.3f} to {most:.3f})")


if __name__ == "__main__":
    main()
