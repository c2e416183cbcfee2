"""Compare the speed of reading JPEG files with torchvision, with equal numbers of workers.

    python benchmarks/own_data.py [--count 20000] [--workers N] [--epochs 3] [--json FILE]

Writes JPEGs of about 256x256 in ten folders, one per class, and reads them in two ways. Each way
has its own process, and the files are in the page cache:

multihead     `open_pictures` with its cache, and the loader that the memory budget selects. The
              first epoch checks and decodes all files and caches the pixels; later epochs read the
              cache. Once the dataset is within the budget, and once the budget is a tenth of it.
torchvision   `ImageFolder`, a `DataLoader` with as many workers as multihead has threads, and v2
              transforms: resize, crop to the size, to float, normalise.

The first epoch is timed from before the files are listed, and a later one from the request of its
first batch, to its last batch. `later` is the mean of the later epochs. `cpu` is the CPU time per
picture of the process and its workers, including ended ones; it is fairer on a busy machine. Memory
is the largest proportional set size of all of them (shared pages count once), minus that after the
imports. Another process measures it twice a second. The budget is 2 times, and 0.1 times, the size
of all pixels.

Then a ResNet-18 trains some steps with each way. The output has the share of time in which it waits
for a batch.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

CLASSES = 10
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
WAYS = ("multihead within", "multihead beyond", "torchvision")


def write_pictures(folder: Path, count: int) -> None:
    """Write JPEGs of smooth colours and some noise, 216 to 296 pixels a side, about 20 kB each."""

    def write(number: int) -> None:
        rng = np.random.default_rng(number)
        width, height = rng.integers(216, 297, 2).tolist()
        coarse = Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.int16)
        pixels = smooth + rng.integers(-8, 9, smooth.shape, dtype=np.int16)
        picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        picture.save(folder / f"{number % CLASSES}" / f"{number:06}.jpg", quality=90)

    for label in range(CLASSES):
        (folder / f"{label}").mkdir()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(write, range(count)))


def processor_seconds() -> float:
    """Return the CPU time of this process and its workers, including ended ones."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    total = sum(sum(resource.getrusage(one)[:2]) for one in whose)
    for worker in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            total += sum(worker.cpu_times()[:4])  # its own, and that of ended children
    return total


class Memory:
    """Measures the largest proportional set size of another process and its workers."""

    def __init__(self, process: int) -> None:
        self.process = psutil.Process(process)
        self.before = self.most = self._now()
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()

    def _now(self) -> int:
        total = 0
        for one in (self.process, *self.process.children(recursive=True)):
            with suppress(psutil.Error):
                total += one.memory_full_info().pss
        return total

    def _watch(self) -> None:
        while not self.done.wait(0.5):
            with suppress(psutil.Error):
                self.most = max(self.most, self._now())

    def megabytes(self) -> float:
        """Return the memory in MB, and stop measuring."""
        self.done.set()
        self.thread.join()
        return (self.most - self.before) / 1e6


Batches = Iterable[Any]


def multihead(folder: Path, options: argparse.Namespace, budget: float) -> Callable[[int], Batches]:
    """Return what gives the batches of an epoch."""
    import torch

    from multihead.data.loader import Loading, make_loader
    from multihead.data.ranks import Ranks
    from multihead.data.source import Source
    from multihead.datasets.picture_files import PictureOptions, open_pictures
    from multihead.heads import Heads

    device = torch.device(options.device)
    loader: Any = None

    def epoch(number: int) -> Batches:
        nonlocal loader
        if loader is None:
            paths = sorted(folder.glob("*/*.jpg"))
            wanted = PictureOptions(size=(options.side, options.side), resize="crop")
            found = open_pictures(paths, root=folder, rows=range(len(paths)), options=wanted)
            labels = {"label": np.array([int(path.parent.name) for path in paths])}
            heads = Heads.from_outputs({"label": CLASSES})
            source = Source("own", found.images, labels, heads, MEAN, STD)
            loading = Loading(
                batch_size=options.batch,
                seed=0,
                device=device,
                ranks=Ranks(),
                memory_budget_mb=budget * np.prod(source.images.shape) / 1e6,
                num_workers=0,
                pin_memory=device.type == "cuda",
                persistent_workers=False,
            )
            loader = make_loader(source, np.arange(len(paths)), loading)
        loader.batch_sampler.set_epoch(number)
        return ((images, labels["label"]) for images, labels in loader)

    return epoch


def image_folder(folder: Path, options: argparse.Namespace) -> Callable[[int], Batches]:
    """Return what gives the batches of an epoch."""
    import torch
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    device = torch.device(options.device)
    loader: Any = None

    def epoch(number: int) -> Iterator[Any]:
        nonlocal loader
        if loader is None:
            transform = v2.Compose(
                [
                    v2.Resize(options.side, antialias=True),
                    v2.CenterCrop(options.side),
                    v2.ToImage(),
                    v2.ToDtype(torch.float32, scale=True),
                    v2.Normalize(MEAN, STD),
                ]
            )
            loader = DataLoader(
                ImageFolder(folder, transform),
                options.batch,
                shuffle=True,
                num_workers=options.workers,
                pin_memory=device.type == "cuda",
                persistent_workers=True,
            )
        for images, labels in loader:
            yield images.to(device, non_blocking=True), labels.to(device, non_blocking=True)

    return epoch


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Read all epochs in one way, then train for a while."""
    import torch
    import torchvision.datasets
    import torchvision.transforms.v2  # noqa: F401 : imports are not measured

    from multihead.data import loader  # noqa: F401
    from multihead.datasets import picture_files  # noqa: F401

    torch.set_num_threads(options.workers)
    torch.zeros(1, device=options.device)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.workers])
    print("ready", flush=True)
    sys.stdin.readline()  # the baseline of memory was measured
    if options.way == "torchvision":
        epoch = image_folder(options.folder, options)
    else:
        budget = 2.0 if options.way == "multihead within" else 0.1
        epoch = multihead(options.folder, options, budget)
    seconds, busy = [], []
    for number in range(options.epochs):
        used, count = processor_seconds(), 0
        began = time.perf_counter()
        for images, _ in epoch(number):
            count += len(images)
        _wait(options.device)
        seconds.append(time.perf_counter() - began)
        busy.append(processor_seconds() - used)
        assert count == options.count, (count, options.count)
    print("read", flush=True)  # memory of the network is not measured
    waited = waiting_share(epoch(options.epochs), options) if options.steps else {}
    return {"seconds": seconds, "cpu": busy, **waited}


def waiting_share(batches: Batches, options: argparse.Namespace) -> dict[str, float]:
    """Train a ResNet-18; return the time per step, and the share of waiting for data."""
    import torch
    from torchvision.models import resnet18

    device = torch.device(options.device)
    network = resnet18(num_classes=CLASSES).to(device)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    waits, steps = 0.0, 0
    walk = iter(batches)
    began = time.perf_counter()
    for number in range(options.steps + 3):
        asked = time.perf_counter()
        images, labels = next(walk, (None, None))
        if images is None:
            break
        _wait(options.device)
        if number == 3:  # the first steps are a warm-up
            waits, steps, began = 0.0, 0, time.perf_counter()
        elif number > 3:
            waits += time.perf_counter() - asked
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            loss = torch.nn.functional.cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        _wait(options.device)
        steps += 1
    whole = time.perf_counter() - began
    return {"step_ms": 1000 * whole / max(1, steps), "waiting": waits / whole}


def _wait(device: str) -> None:
    if device == "cuda":
        import torch

        torch.cuda.synchronize()


def main() -> None:
    """Measure each way; print and optionally write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20, help="of the ResNet-18")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--folder", type=Path, help="pictures that were written before")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(measure(options)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        if options.folder is None:
            options.folder = Path(scratch) / "pictures"
            options.folder.mkdir()
            write_pictures(options.folder, options.count)
        sizes = [path.stat().st_size for path in options.folder.glob("*/*.jpg")]
        options.count = len(sizes)
        for path in options.folder.glob("*/*.jpg"):
            path.read_bytes()  # puts the files into the page cache
        found = {way: _in_process(way, options, Path(scratch)) for way in WAYS}
    show(found, options, sum(sizes))
    if options.json:
        facts = {"count": options.count, "workers": options.workers, "side": options.side}
        options.json.write_text(json.dumps({**facts, "ways": found}, indent=2))


def _in_process(way: str, options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    words = ["--way", way, "--folder", options.folder]
    for name in ("count", "side", "batch", "epochs", "steps", "workers", "device"):
        words += [f"--{name}", getattr(options, name)]
    with subprocess.Popen(
        [sys.executable, __file__, *map(str, words)],
        # Each way has a new home, so that caches of the previous one are not used.
        env=os.environ | {"MULTIHEAD_HOME": str(scratch / way.replace(" ", "-"))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        _wait_for("ready", process.stdout)
        memory = Memory(process.pid)
        process.stdin.write("\n")
        process.stdin.flush()
        try:
            _wait_for("read", process.stdout)
        finally:
            megabytes = memory.megabytes()
        figures: dict[str, Any] = json.loads(process.stdout.readlines()[-1])
    figures["megabytes"] = megabytes
    for name, values in (("", figures["seconds"]), ("cpu_", figures["cpu"])):
        first, later = values[0], sum(values[1:]) / len(values[1:])
        figures |= {f"{name}first": options.count / first, f"{name}later": options.count / later}
    return figures


def _wait_for(word: str, lines: Iterable[str]) -> None:
    if word not in (line.strip() for line in lines):
        raise SystemExit("a way of reading pictures failed, as said above.")


def show(found: dict[str, dict[str, Any]], options: argparse.Namespace, size: int) -> None:
    """Print one row per way, and the ratios."""
    import torch

    pixels = 3 * options.side**2 * options.count / 1e6
    print(
        f"{platform.processor() or platform.machine()}, {options.workers} of {os.cpu_count()} "
        f"cores, {options.device}, torch {torch.__version__}; {options.count:,} JPEGs of "
        f"{size / options.count / 1e3:.0f} kB to {options.side}x{options.side} ({pixels:,.0f} MB), "
        f"batches of {options.batch}"
    )
    print(f"{'':<17}{'pictures/s':^18}{'cpu ms/picture':^18}")
    print(
        f"{'':<17}{'first':>9}{'later':>9}{'first':>9}{'later':>9}{'MB':>8}{'step':>11}{'waits':>8}"
    )
    for way, figures in found.items():
        busy = (1000 / figures["cpu_first"], 1000 / figures["cpu_later"])
        step = f"{figures['step_ms']:8.1f} ms{figures['waiting']:8.1%}" if options.steps else ""
        print(
            f"{way:<17}{figures['first']:9,.0f}{figures['later']:9,.0f}{busy[0]:9.2f}{busy[1]:9.2f}"
            f"{figures['megabytes']:8,.0f}{step}"
        )
    other = found["torchvision"]
    for way in WAYS[:2]:
        ratio = {n: found[way][n] / other[n] for n in ("first", "later", "cpu_first", "cpu_later")}
        print(
            f"{way} / torchvision: first epoch {ratio['first']:.2f}, later {ratio['later']:.1f}; "
            f"by processors' time {ratio['cpu_first']:.2f} and {ratio['cpu_later']:.1f}"
        )


if __name__ == "__main__":
    main()
