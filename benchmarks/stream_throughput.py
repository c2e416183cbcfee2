"""Compare epochs over a VIMH dataset in shards with the memory-mapped file.

    python benchmarks/stream_throughput.py [--rows 100000] [--rounds 5] [--cold] [--steps 200]

mapped      the binary file behind a memory map, as data=vimh reads beyond its memory budget
stream T    the same rows in shards, as data=vimh_stream reads them, with T threads

Each way reads a shuffled epoch of 32x32x3 with two parameters in batches of 256, normalised as for
training. The ways alternate in each round. A ratio is the median over the rounds of rows per second
relative to `mapped` in the same round, after a warm-up round. Warm: the files are in the page
cache. Cold: they are dropped from it before each epoch (posix_fadvise), so the disk is read. On a
busy machine, rows per second of CPU time are the most reliable. Then both ways feed training steps
of a small network. The pixels are noise with seed 0; the files are deleted.
"""

import argparse
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from multihead import Head, Heads, Parameter, SimpleCNN, VIMHDataModule, VIMHStreamDataModule
from multihead.data.loader import Resumable
from multihead.vimh import VIMHWriter
from multihead.vimh.shard_writer import ShardWriter

BATCH = 256


def write(folder: Path, rows: int) -> None:
    """Write noise with two parameters, as a file and in shards of 8 MiB."""
    rng = np.random.default_rng(0)
    heads = Heads(
        Head(name, 256, kind="ordinal", parameter=Parameter(0, 127))
        for name in ("note", "velocity")
    )
    with (
        VIMHWriter(folder / "file", heads, (3, 32, 32)) as file,
        ShardWriter(folder / "shards", heads, (3, 32, 32)) as shards,
    ):
        for start in range(0, rows, 4096):
            count = min(4096, rows - start)
            images = rng.integers(0, 256, (count, 3, 32, 32), np.uint8)
            codes = {name: rng.integers(0, 256, count) for name in heads}
            for writer in (file, shards):
                writer.write("train", images, codes)


def drop(folder: Path) -> None:
    """Drop the files of a folder from the page cache."""
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def loaders(folder: Path, rows: int, threads: list[int]) -> dict[str, tuple[Path, Iterable]]:
    """Return each way of reading, with its folder."""
    split = (rows, 0, 0)
    # Opened again for each epoch, because an open map keeps its pages in memory.
    ways = {
        "mapped": (
            folder / "file",
            lambda: VIMHDataModule(
                folder / "file", BATCH, train_val_test_split=split, memory_budget_mb=0
            ),
        )
    }
    for number in threads:
        ways[f"stream {number}"] = (
            folder / "shards",
            lambda number=number: VIMHStreamDataModule(
                folder / "shards", BATCH, num_workers=number, train_val_test_split=split
            ),
        )
    return ways


def epoch(batches: Resumable, number: int) -> tuple[float, float]:
    """Return wall time and CPU time of one epoch in seconds."""
    batches.batch_sampler.set_epoch(number)
    start, begun = time.perf_counter(), time.process_time()
    for _ in batches:
        pass
    return time.perf_counter() - start, time.process_time() - begun


def training(batches: Iterable, steps: int) -> float:
    """Return images per second of some training steps, after ten warm-up steps."""
    torch.manual_seed(0)
    net = SimpleCNN(input_channels=3, input_size=32, heads_config={"note": 256, "velocity": 256})
    optimizer = torch.optim.Adam(net.parameters())
    seen, start = 0, 0.0
    for number, (images, labels) in enumerate(islice(batches, steps + 10)):
        if number == 10:
            start = time.perf_counter()
        outputs = net(images)
        loss = sum(torch.nn.functional.cross_entropy(outputs[n], labels[n]) for n in labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen += len(images) if number >= 10 else 0
    return seen / (time.perf_counter() - start)


def main() -> None:
    """Measure every way in every round; print medians, spreads and ratios."""
    arguments = argparse.ArgumentParser(description="Shards against the memory-mapped file.")
    arguments.add_argument("--rows", type=int, default=100_000)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--threads", type=int, nargs="+", default=[0, 1, 2])
    arguments.add_argument("--cold", action="store_true")
    arguments.add_argument("--steps", type=int, default=100)
    arguments.add_argument("--folder", type=Path, help="Where to write; a temporary one if none.")
    given = arguments.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(dir=given.folder) as scratch:
        folder = Path(scratch)
        write(folder, given.rows)
        ways = loaders(folder, given.rows, given.threads)
        for cold in [False, True] if given.cold else [False]:
            rates: dict[str, list[float]] = {way: [] for way in ways}
            costs: dict[str, list[float]] = {way: [] for way in ways}
            for round_ in range(given.rounds + 1):
                for way, (place, make) in ways.items():
                    data = make()
                    batches = data.train_dataloader()
                    if cold:
                        drop(place)
                    seconds, busy = epoch(batches, round_)
                    rates[way].append(given.rows / seconds)
                    costs[way].append(given.rows / busy)
                    del batches, data
            report("cold" if cold else "warm", {way: r[1:] for way, r in rates.items()})
            report("  per second of processors", {way: r[1:] for way, r in costs.items()})
        if given.steps:
            rates = {way: [] for way in ways}
            for _ in range(given.rounds):
                for way, (_, make) in ways.items():
                    rates[way].append(training(make().train_dataloader(), given.steps))
            report(f"training, {torch.get_num_threads()} threads of torch", rates)


def report(what: str, rates: dict[str, list[float]]) -> None:
    """Print one line per way."""
    print(what)
    for way, found in rates.items():
        ratios = [rate / base for rate, base in zip(found, rates["mapped"], strict=True)]
        print(
            f"  {way:<10} {statistics.median(found):9,.0f} rows/s   ratio "
            f"{statistics.median(ratios):5.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        )


if __name__ == "__main__":
    main()
