"""Measure the cost of `data/augment` per training step of multihead_cnn_cifar10.

    python benchmarks/augmentation.py [--augment light] [--rounds 40] [--steps 10] [--device cpu]

A step has a batch of 64 images of 3x32x32 from memory, network, losses, gradients and optimizer,
without Lightning. Each round runs some steps with `data/augment=none` and some with the choice, in
alternating order, and gives one ratio. The output has medians over rounds, because other processes
slow down single rounds. It also has the CPU time of all threads, which does not include other
processes. The images are random, because their content does not affect the time.
"""

import argparse
import logging
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from multihead.data.loader import Resumable
from multihead.data.source import Source, Split
from multihead.datasets.cifar import CIFAR10_CLASSES
from multihead.heads import Head, Heads
from multihead.runs.build import Parts, build
from multihead.runs.config import compose_run

IMAGES = 12_800


def random_images(data_dir: Path, split: Split) -> Source:
    """Return images of CIFAR-10's size and heads."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (IMAGES, 3, 32, 32), dtype=np.uint8)
    labels = {"class": rng.integers(0, 10, IMAGES)}
    heads = Heads([Head("class", 10, CIFAR10_CLASSES)])
    mean, std = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
    return Source("random", images, labels, heads, mean, std, shipped_heads="cifar10_object")


class Training:
    """A training that runs some steps per call."""

    def __init__(self, augment: str, device: str, home: Path) -> None:
        self.parts: Parts = build(
            compose_run(
                [
                    "experiment=multihead_cnn_cifar10",
                    "data.source._target_=augmentation.random_images",
                    f"data.train_val_test_split=[{IMAGES},0,0]",
                    f"data/augment={augment}",
                    f"paths.home={home}",
                    f"trainer.accelerator={'gpu' if device == 'cuda' else device}",
                    *("test=false", "callbacks=none", "optimized_metric=null"),
                    "model/scheduler=none",
                ]
            )
        )
        self.device = torch.device(device)
        self.module = self.parts.module.to(self.device)
        if self.module.used_memory_format(self.parts.trainer) == "channels_last":
            self.module.net.to(memory_format=torch.channels_last)
        self.optimizer = self.module.optimization.optimizer(self.module.parameters())
        self.batches = self._endless()

    def _endless(self) -> Iterator[Any]:
        self.parts.data.trainer = self.parts.trainer  # sets the device
        loader: Resumable = self.parts.data.train_dataloader()
        for epoch in range(10**9):
            loader.batch_sampler.set_epoch(epoch)
            yield from loader

    def seconds(self, steps: int) -> tuple[float, float]:
        """Train some steps; return wall time and CPU time per step."""
        half = "bf16" in str(self.parts.trainer.precision)
        _wait(self.device)
        began, used = time.perf_counter(), time.process_time()
        for _ in range(steps):
            batch = next(self.batches)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
                losses, counts, _, _ = self.module.losses(batch, "train")
                total, _ = self.module.balanced(losses, self.module.present(counts))
            self.optimizer.zero_grad()
            total.backward()
            self.optimizer.step()
        _wait(self.device)
        return (time.perf_counter() - began) / steps, (time.process_time() - used) / steps


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--augment", default="light")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    options = parser.parse_args()
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as home:
        ways = {
            name: Training(name, options.device, Path(home)) for name in ("none", options.augment)
        }
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for number in range(-2, options.rounds):
            for name in list(ways) if number % 2 else reversed(ways):
                seconds = ways[name].seconds(options.steps)
                if number >= 0:  # the first rounds are a warm-up
                    times[name].append(seconds)
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
        f"{torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}, {options.device}, "
        f"torch {torch.__version__}, {options.rounds} rounds of {options.steps} steps"
    )
    for place, what in enumerate(("by the clock", "of the processor")):
        plain, changed = ([each[place] for each in of_way] for of_way in times.values())
        ratios = [b / a for a, b in zip(plain, changed, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(
            f"{what:<16}  none {1000 * statistics.median(plain):.2f} ms, {options.augment} "
            f"{1000 * statistics.median(changed):.2f} ms a step; ratio: median {middle:.3f} of "
            f"rounds, {low:.3f} to {high:.3f} the middle half"
        )


if __name__ == "__main__":
    main()
