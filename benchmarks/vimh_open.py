"""Compare three ways of opening and reading a VIMH split.

    python benchmarks/vimh_open.py [--samples 60000] [--rounds 5]

(a) multihead    memory-mapped records, as VIMHDataModule reads them
(b) parser       the binary file parsed sample by sample with struct and numpy
(c) unpickling   the same samples as a pickle, by pickle.load

Each way has its own process. It opens the training split of 32x32x3 with two parameters, and reads
one shuffled epoch in batches of 256, with images and labels as arrays. Memory is the growth of the
process until the end of the epoch, without pages of files. The files are in the page cache. The
results are medians over the rounds, after a warm-up round. The pixels are noise with seed 0.
"""

import argparse
import json
import pickle
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from multihead.heads import Head, Heads, Parameter
from multihead.vimh import VIMHWriter, vimh_source

BATCH = 256


def multihead(folder: Path) -> tuple[float, float, int]:
    """(a) Return seconds to open and seconds of an epoch."""
    start = time.perf_counter()
    source = vimh_source(folder, "train")
    opened = time.perf_counter()
    for index in batches(len(source)):
        source.take(index)
    return opened - start, time.perf_counter() - opened, anonymous()


def parser(folder: Path) -> tuple[float, float, int]:
    """(b) The same by a loop over samples."""
    start = time.perf_counter()
    raw = (folder / "train").read_bytes()
    images, labels, place = [], [], 0
    while place < len(raw):
        height, width, channels, count = struct.unpack_from("<HHHB", raw, place)
        place += 7
        labels.append(dict(struct.iter_unpack("<BB", raw[place : place + 2 * count])))
        place += 2 * count
        size = height * width * channels
        pixels = np.frombuffer(raw, np.uint8, size, place)
        images.append(pixels.reshape(channels, height, width).copy())
        place += size
    opened = time.perf_counter()
    for index in batches(len(images)):
        np.stack([images[i] for i in index])
        for number in (0, 1):
            np.array([labels[i][number] for i in index])
    return opened - start, time.perf_counter() - opened, anonymous()


def unpickling(folder: Path) -> tuple[float, float, int]:
    """(c) The same from one pickle."""
    start = time.perf_counter()
    with (folder / "train_batch").open("rb") as file:
        content = pickle.load(file)
    data, labels = content["data"], content["vimh_labels"]
    opened = time.perf_counter()
    for index in batches(len(data)):
        data[index].reshape(-1, 32, 32, 3).transpose(0, 3, 1, 2).copy()
        rows = [labels[i] for i in index]
        for number in (0, 1):
            np.array([row[2 * number + 2] for row in rows])
    return opened - start, time.perf_counter() - opened, anonymous()


WAYS = {"multihead": multihead, "parser": parser, "unpickling": unpickling}


def batches(count: int) -> list[np.ndarray]:
    """Return the shuffled sample numbers of an epoch."""
    order = np.random.default_rng(0).permutation(count)
    return np.array_split(order, -(-count // BATCH))


def write(folder: Path, samples: int) -> None:
    """Write noise with two parameters, in both forms."""
    rng = np.random.default_rng(0)
    heads = Heads(
        Head(name, 256, kind="ordinal", parameter=Parameter(0, 127))
        for name in ("note", "velocity")
    )
    with VIMHWriter(folder, heads, (3, 32, 32), forms=("binary", "pickle")) as writer:
        for start in range(0, samples, 4096):
            count = min(4096, samples - start)
            images = rng.integers(0, 256, (count, 3, 32, 32), np.uint8)
            writer.write("train", images, {n: rng.integers(0, 256, count) for n in heads})


def anonymous() -> int:
    """Return kilobytes of resident memory without pages of files."""
    status = Path("/proc/self/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return int(fields["RssAnon"].split()[0])


def measure(way: str, folder: Path) -> dict[str, float]:
    """Measure one way in this process."""
    before = anonymous()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        opening, epoch, after = WAYS[way](folder)
    return {"open": opening, "epoch": epoch, "mb": (after - before) / 1000}


def main() -> None:
    """Run every way in every round; print medians and ratios."""
    arguments = argparse.ArgumentParser(description="Opening and reading a VIMH split three ways.")
    arguments.add_argument("--samples", type=int, default=60_000)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    arguments.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.way:
        print(json.dumps(measure(given.way, given.folder)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "vimh-32x32x3_noise"
        write(folder, given.samples)
        found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
        for _ in range(given.rounds + 1):
            for way, results in found.items():
                command = [sys.executable, __file__, "--way", way, "--folder", str(folder)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                results.append(json.loads(done.stdout))
    medians = {
        way: {key: statistics.median(r[key] for r in results[1:]) for key in results[0]}
        for way, results in found.items()
    }
    print(f"{given.samples:,} samples of 32x32x3, {given.rounds} rounds after one uncounted")
    ours = medians["multihead"]
    for way, m in medians.items():
        print(
            f"{way:<11} open {m['open'] * 1e3:9.2f} ms ({m['open'] / ours['open']:7.1f}x)   "
            f"epoch {m['epoch'] * 1e3:7.0f} ms ({m['epoch'] / ours['epoch']:4.1f}x)   "
            f"memory {m['mb']:6.1f} MB"
        )


if __name__ == "__main__":
    main()
