"""Measure the cost of tracking per training step, in four ways.

    python benchmarks/tracking_overhead.py [--rounds 5] [--steps 1000] [--json FILE]

off      nothing is recorded
sqlite   the default store, on this disk
server   a real MLflow server on loopback, started here
down     a server that does not answer

One process trains the CNN of multihead_cnn_mnist on synthetic images (batches of 64) and logs the
losses of every step: five points per step. Each round runs all four ways, each time in another
order. The results are the time of the median step and the mean time, which includes the sender's
work. The important results are the rounds' ratios to `off`.
"""

import argparse
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.nn import functional

from multihead import SimpleCNN
from multihead.tracking.run import TrackedRun
from multihead.tracking.store import Store

HEADS = {"digit": 10, "thickness": 5, "smoothness": 3}
WAYS = ("off", "sqlite", "server", "down")


def train(run: TrackedRun | None, steps: int) -> tuple[float, float]:
    """Return milliseconds per step: the median and the mean."""
    torch.manual_seed(0)
    net = SimpleCNN(heads_config=HEADS, input_channels=1, input_size=(28, 28))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)
    images = torch.randn(64, 1, 28, 28)
    labels = {name: torch.randint(0, count, (64,)) for name, count in HEADS.items()}
    taken = []
    for step in range(steps):
        began = time.perf_counter()
        logits = net(images)
        losses = {name: functional.cross_entropy(logits[name], labels[name]) for name in HEADS}
        total = sum(losses.values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        # All ways read the losses, so that reading from the device is not a cost of tracking.
        values = {f"step/{name}_loss": float(loss.detach()) for name, loss in losses.items()}
        values |= {"step/loss": float(total.detach()), "step/lr": 1e-3}
        if run is not None:
            run.log_metrics(values, step)
        taken.append(time.perf_counter() - began)
    taken = taken[10:]
    return 1e3 * statistics.median(taken), 1e3 * statistics.mean(taken)


def measure(uri: str | None, home: Path, steps: int) -> tuple[float, float]:
    """Train once, with or without a store."""
    if uri is None:
        return train(None, steps)
    run = TrackedRun.create(Store(uri, home), "overhead", {"logger": {"tracking_uri": uri}})
    run.pace()
    try:
        return train(run, steps)
    finally:
        run.finish("FINISHED")


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Start an MLflow server on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    places = ["--backend-store-uri", f"sqlite:///{folder}/server.db"]
    places += ["--artifacts-destination", str(folder / "artifacts"), "--workers", "1"]
    with subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", "--port", str(port), *places],
        env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.5)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    options = parser.parse_args()
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as scratch, server(Path(scratch)) as address:
        home = Path(scratch) / "home"
        uris = {
            "off": None,
            "sqlite": f"sqlite:///{home}/mlflow.db",
            "server": address,
            "down": "http://127.0.0.1:9",
        }
        for number in range(-1, options.rounds):
            for way in WAYS[number % 4 :] + WAYS[: number % 4]:
                figures = measure(uris[way], home, options.steps if number >= 0 else 30)
                if number >= 0:  # the first round is a warm-up
                    found[way].append(figures)
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}, {options.rounds} rounds of "
        f"{options.steps} steps, 5 points per step"
    )
    print(f"{'':<8} {'median step':>12} {'mean step':>11}   ratio to off, per round (median step)")
    for way, figures in found.items():
        ratios = [f[0] / off[0] for f, off in zip(figures, found["off"], strict=True)]
        means = [f[1] / off[1] for f, off in zip(figures, found["off"], strict=True)]
        print(
            f"{way:<8} {statistics.median(f[0] for f in figures):9.2f} ms "
            f"{statistics.median(f[1] for f in figures):8.2f} ms   "
            f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}), "
            f"mean step {statistics.median(means):.3f}"
        )
    if options.json:
        options.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
