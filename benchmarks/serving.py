"""Compare images per second and latency of `multihead serve` with the network in a loop.

    python benchmarks/serving.py RUN [--seconds 5] [--batch 32] [--clients 1 8 64]

Starts a server with the best checkpoint of RUN on a free port of loopback. `hey`
(https://github.com/rakyll/hey, Debian's package) sends requests from 1, 8 and 64 clients at once.
Each client repeats a batch of 32 images, as raw bytes and as JSON. Server and clients share the
machine's cores. Before and after, this process runs the network on the same batch in a loop: uint8
to float, normalisation, forward pass, softmax and argmax. The most important result is the ratio.

    python benchmarks/serving.py --load [RUN] [--quick]

uses 8 normal clients instead, first alone, then together with 200 slow connections and 20 clients
with large bodies (serving_load.py). It exits with 1 unless the normal clients keep half of their
requests/s and every answer is right. It does not need hey or a run: without RUN it trains one for a
second in a temporary home. `--quick` measures for 3 s instead of 10 s.
"""

import argparse
import csv
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from serving_load import measure

import multihead
from multihead import LoadedRun, load_run

_WARM_UP = 20


def main() -> None:
    """Measure and print a table."""
    options = _options()
    if options.load:
        _load(options.run, 3.0 if options.quick else 10.0)
        return
    if options.run is None:
        sys.exit("give a run's id.")
    hey = shutil.which("hey")
    if hey is None:
        sys.exit("this benchmark needs the load tool hey on the PATH (apt-get install hey).")
    loaded = load_run(options.run)
    channels, height, width = loaded.image_shape
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (options.batch, height, width, channels), np.uint8)
    before = bare(loaded, images, options.seconds)
    rows = []
    with tempfile.TemporaryDirectory() as scratch, server(options.run) as base:
        bodies = {
            "raw": ("application/octet-stream", images.tobytes()),
            "json": ("application/json", json.dumps({"inputs": images.tolist()}).encode()),
        }
        for form, (kind, body) in bodies.items():
            path = Path(scratch) / form
            path.write_bytes(body)
            for clients in options.clients:
                load = [hey, "-z", f"{options.seconds}s", "-c", str(clients), "-t", "60"]
                load += ["-m", "POST", "-T", kind, "-D", str(path), "-o", "csv"]
                rows.append((form, clients, *_asked([*load, f"{base}/invocations"])))
    after = bare(loaded, images, options.seconds)
    _report(options.batch, before, after, rows)


def _load(run: str | None, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as home:
        if run is None:
            os.environ["MULTIHEAD_HOME"] = home
            run = multihead.run(["experiment=multihead_cnn_digits", "trainer.max_epochs=2"]).run_id
        with server(str(run)) as base:
            good = measure(load_run(str(run)), base, seconds)
    if not good:
        sys.exit("the good clients lost more than half of their requests/s, or were told wrong.")


def bare(loaded: LoadedRun, images: np.ndarray, seconds: float) -> float:
    """Return the images/s of the network alone."""
    mean = torch.tensor(loaded.mean).view(1, -1, 1, 1)
    std = torch.tensor(loaded.std).view(1, -1, 1, 1)
    pixels = torch.from_numpy(images).movedim(-1, 1).contiguous()
    with torch.inference_mode():
        for turn in range(10**9):
            if turn == _WARM_UP:
                began = time.perf_counter()
            outputs = loaded.network((pixels.float() / 255 - mean) / std)
            for logits in outputs.values():
                logits.softmax(1).max(1)
            if turn >= _WARM_UP and time.perf_counter() - began > seconds:
                break
    return (turn - _WARM_UP + 1) * len(images) / (time.perf_counter() - began)


@contextmanager
def server(run: str) -> Iterator[str]:
    """Run a server in a separate process; yield its address."""
    command = [sys.executable, "-m", "multihead", "serve", run, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split(" on ")[1].split()[0].rstrip("/")
        finally:
            process.terminate()


def _asked(load: list[str]) -> tuple[float, float, float, int]:
    """Return requests/s, median and 99th percentile of the latency in ms, and failures."""
    subprocess.run([*load[:2], "1s", *load[3:]], capture_output=True, check=True)
    began = time.perf_counter()
    done = subprocess.run(load, capture_output=True, text=True, check=True)
    took = time.perf_counter() - began
    answers = list(csv.DictReader(done.stdout.splitlines()))
    good = sorted(float(a["response-time"]) for a in answers if a["status-code"] == "200")
    if not good:
        sys.exit(f"no request was answered: {done.stderr or done.stdout[:300]}")
    late = good[min(len(good) - 1, int(0.99 * len(good)))]
    return len(good) / took, 1000 * statistics.median(good), 1000 * late, len(answers) - len(good)


def _report(
    batch: int, before: float, after: float, rows: list[tuple[str, int, float, float, float, int]]
) -> None:
    loop = (before + after) / 2
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, torch", end=" ")
    print(f"{torch.__version__}, {torch.get_num_threads()} threads; load average", end=" ")
    print(f"{os.getloadavg()[0]:.1f}")
    print(f"bare network, batch {batch}: {before:,.0f} images/s before, {after:,.0f} after\n")
    print("| body | clients | images/s | of the bare loop | median ms | 99% ms | refused |")
    print("|---|---|---|---|---|---|---|")
    for form, clients, rate, median, late, failed in rows:
        speed = rate * batch
        print(
            f"| {form} | {clients} | {speed:,.0f} | {speed / loop:.2f} | {median:.1f} | "
            f"{late:.1f} | {failed} |"
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="?", help="a run's id")
    parser.add_argument("--load", action="store_true", help="beside slow and large clients")
    parser.add_argument("--quick", action="store_true", help="a shorter --load")
    parser.add_argument("--seconds", type=float, default=5.0, help="per measurement")
    parser.add_argument("--batch", type=int, default=32, help="pictures in a request")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    return parser.parse_args()


if __name__ == "__main__":
    main()
