"""Compare images per second of an epoch of multihead_cnn_mnist in three ways.

    python benchmarks/train_throughput.py [--rounds 5] [--data-dir DIR] [--device cpu|cuda]

(a) multihead   the default: `execute` with logging to MLflow, checkpoints and progress
(b) hand-written a PyTorch loop with the same numerics (precision, memory format, fused Adam,
                batch size, split, weighted loss, validation)
(c) common      torchvision's dataset with transforms, a DataLoader, Lightning, float32,
                torchmetrics, `self.log`, as in tutorials

After a warm-up round, each round runs all three ways, in changing order, for one epoch of 55,000
images at batch size 64. Images/s is 55,000 divided by the time from the start of the first batch to
the end of the last one. So it excludes start-up, validation and test. The accuracy is that of the
digit on the 5,000 validation images after that epoch.

Needs MNIST in DIR/MNIST/raw (MULTIHEAD_DATA_DIR or ./data).
"""

import argparse
import io
import json
import logging
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import ClassVar

import lightning.pytorch as pl
import torch
import torchmetrics
import torchvision
from rich.console import Console
from torch import nn
from torch.nn import functional

from multihead import MNISTDataModule, SimpleCNN, settings
from multihead.data.labels import LabelMaps, shipped_heads
from multihead.heads import Head
from multihead.runs.config import compose_run
from multihead.runs.execute import execute
from multihead.training import progress
from multihead.training.hardware import choose_memory_format, choose_precision

WEIGHTS = {"digit": 1.0, "thickness": 0.5, "smoothness": 0.5}
HEADS = {"digit": 10, "thickness": 5, "smoothness": 3}
BATCH, LR = 64, 0.002


class Clock(pl.Callback):
    """Measures the time from the start of the first training batch to the end of the last."""

    seconds: ClassVar[float]

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if batch_idx == 0:
            _wait(trainer.strategy.root_device)
            self.began = time.perf_counter()

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.is_last_batch:
            _wait(trainer.strategy.root_device)
            type(self).seconds = time.perf_counter() - self.began


class TimedProgress(progress.TrainingProgress):
    """The default progress, which also measures time; another callback would add its own cost."""

    seconds: ClassVar[float]

    def on_train_epoch_start(self, trainer, pl_module):
        super().on_train_epoch_start(trainer, pl_module)
        _wait(trainer.strategy.root_device)
        self.began = time.perf_counter()

    def on_validation_start(self, trainer, pl_module):
        _wait(trainer.strategy.root_device)
        type(self).seconds = time.perf_counter() - self.began


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def multihead(data_dir: Path, device: str, seed: int, home: Path) -> tuple[float, float]:
    """(a) The default, from the start of the epoch to the start of its validation."""
    overrides = [
        "experiment=multihead_cnn_mnist",
        f"data.data_dir={data_dir}",
        f"paths.home={home}",
        f"trainer.accelerator={'gpu' if device == 'cuda' else device}",
        "trainer.max_epochs=1",
        "test=false",
        f"seed={seed}",
        "callbacks.progress._target_=train_throughput.TimedProgress",
    ]
    result = execute(compose_run(overrides))
    # Run as a script, this file is `__main__`, and Hydra has imported it a second time.
    return sys.modules["train_throughput"].TimedProgress.seconds, result.metrics["val/digit_acc"]


def hand_written(data_dir: Path, device: str, seed: int, home: Path) -> tuple[float, float]:
    """(b) The same arithmetic in a simple loop."""
    del home
    torch.manual_seed(seed)
    data = MNISTDataModule(
        data_dir, multihead=True, train_val_test_split=(55_000, 5_000, 10_000), seed=seed
    )
    source, where = data.train_source, torch.device(device)
    half = choose_precision(device).value == "bf16-mixed"
    net = SimpleCNN(heads_config=HEADS).to(where)
    if choose_memory_format(net, choose_precision(device).value, device).value == "channels_last":
        net = net.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), lr=LR, fused=device in ("cpu", "cuda"))
    images = torch.from_numpy(source.images).to(where)
    labels = {n: torch.from_numpy(v).to(where) for n, v in source.labels.items()}
    weights = torch.tensor(list(WEIGHTS.values()), device=where)
    scale, shift = 1 / (255 * 0.3081), 0.1307 / 0.3081
    train = torch.from_numpy(data.train_indices).to(where)
    order = train[torch.randperm(len(train), device=where)]
    net.train()
    _wait(where)
    began = time.perf_counter()
    for index in order.split(BATCH):
        x = images[index].float() * scale - shift
        with torch.autocast(where.type, torch.bfloat16, enabled=half):
            logits = net(x)
            losses = [functional.cross_entropy(logits[h].float(), labels[h][index]) for h in HEADS]
            loss = torch.stack(losses) @ weights
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    _wait(where)
    seconds = time.perf_counter() - began
    net.eval()
    val = torch.from_numpy(data.val_indices).to(where)
    with torch.no_grad(), torch.autocast(where.type, torch.bfloat16, enabled=half):
        digits = net(images[val].float() * scale - shift)["digit"].argmax(1)
    return seconds, float((digits == labels["digit"][val]).float().mean())


class CommonModule(pl.LightningModule):
    """A module for three heads as in tutorials."""

    def __init__(self) -> None:
        super().__init__()
        self.net = _common_net()
        self.heads = nn.ModuleDict({n: nn.Linear(128, k) for n, k in HEADS.items()})
        self.accuracy = nn.ModuleDict(
            {
                f"{split}_{n}": torchmetrics.Accuracy("multiclass", num_classes=k)
                for split in ("train", "val")
                for n, k in HEADS.items()
            }
        )

    def _step(self, batch, split: str):
        images, digit = batch
        labels = {name: self.maps[name][digit] for name in HEADS}
        features = self.net(images)
        loss = 0.0
        for name, head in self.heads.items():
            logits = head(features)
            each = functional.cross_entropy(logits, labels[name])
            self.accuracy[f"{split}_{name}"](logits, labels[name])
            self.log(f"{split}/{name}_loss", each, on_step=False, on_epoch=True)
            self.log(f"{split}/{name}_acc", self.accuracy[f"{split}_{name}"], on_epoch=True)
            loss = loss + WEIGHTS[name] * each
        self.log(f"{split}/loss", loss, on_step=False, on_epoch=True, prog_bar=True)
        return loss

    def setup(self, stage):
        maps = LabelMaps(Head("digit", 10), shipped_heads("handwritten_digit"))
        tables = maps(torch.arange(10).numpy())
        self.maps = {n: torch.from_numpy(t).to(self.device) for n, t in tables.items()}

    def training_step(self, batch, batch_idx):
        return self._step(batch, "train")

    def validation_step(self, batch, batch_idx):
        self._step(batch, "val")

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=LR)


def _common_net() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(64 * 49, 128), nn.ReLU()),
        nn.Dropout(0.25),
    )


def common(data_dir: Path, device: str, seed: int, home: Path) -> tuple[float, float]:
    """(c) torchvision, DataLoader, Lightning, float32."""
    pl.seed_everything(seed, verbose=False)
    transform = torchvision.transforms.Compose(
        [
            torchvision.transforms.ToTensor(),
            torchvision.transforms.Normalize((0.1307,), (0.3081,)),
        ]
    )
    whole = torchvision.datasets.MNIST(data_dir, train=True, transform=transform)
    train, val = torch.utils.data.random_split(whole, [55_000, 5_000])
    clock = Clock()
    trainer = pl.Trainer(
        max_epochs=1,
        accelerator="gpu" if device == "cuda" else device,
        devices=1,
        callbacks=[clock],
        default_root_dir=home,
        enable_model_summary=False,
        logger=pl.loggers.CSVLogger(home),
    )
    loaders = [torch.utils.data.DataLoader(d, BATCH, shuffle=d is train) for d in (train, val)]
    module = CommonModule()
    trainer.fit(module, *loaders)
    return clock.seconds, float(trainer.callback_metrics["val/digit_acc"])


WAYS = {"multihead": multihead, "hand-written": hand_written, "common": common}


def main() -> None:
    """Measure, print and optionally write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data-dir", type=Path, default=settings.data_dir())
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    options = parser.parse_args()
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # Progress is on as in a terminal, but its output is discarded.
    sink = Console(file=io.StringIO(), force_terminal=True)
    progress.Console = lambda **_: sink  # type: ignore[misc,assignment]
    rates: dict[str, list[float]] = {name: [] for name in WAYS}
    accuracies: dict[str, list[float]] = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory() as scratch:
        names = list(WAYS)
        for number in range(-1, options.rounds):
            for name in names[number % 3 :] + names[: number % 3]:
                seconds, accuracy = WAYS[name](
                    options.data_dir, options.device, number + 1, Path(scratch)
                )
                if number < 0:  # the first round is a warm-up
                    continue
                rates[name].append(55_000 / seconds)
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
        pairs = [a / b for a, b in zip(rates["multihead"], rates[other], strict=True)]
        print(
            f"multihead / {other}: median {statistics.median(pairs):.3f} "
            f"({min(pairs):.3f} to {max(pairs):.3f})"
        )


if __name__ == "__main__":
    main()
