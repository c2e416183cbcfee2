"""Train an experiment in three ways, and measure the same steps of each.

shipped       the default: `execute` with logging to MLflow, checkpoints and progress
hand_written  a PyTorch loop with the same numerics (network, precision, memory format, fused Adam,
              batch size, split, weighted loss)
common        pictures as torchvision's data sets hold them, transforms, a DataLoader, Lightning,
              float32, torchmetrics, `self.log`, as in tutorials

`train_throughput.py`, `gpu.py` and `common_trial.py` use these.
"""

import io
import logging
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import lightning.pytorch as pl
import torch
import torchmetrics
import torchvision
from PIL import Image
from step_trace import MARKER
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Subset
from torchvision.transforms import Compose, Normalize, ToTensor

from multihead.data.datamodule import MultiheadDataModule
from multihead.data.labels import LabelMaps, shipped_heads
from multihead.heads import Head
from multihead.runs.build import build_data, start_module
from multihead.runs.config import compose_run
from multihead.runs.execute import execute
from multihead.runs.sections import RunConfig
from multihead.terminal.drawn import Screen
from multihead.training.hardware import choose_memory_format, choose_precision
from multihead.training.progress import TrainingProgress


class Window:
    """Measure some of the training steps, and optionally trace them with torch's profiler.

    Args:
        device: Device of the training. It is waited for at both ends.
        warm: Number of steps before the measured ones.
        steps: Number of measured steps; None means all steps up to the last one of the epoch.
        trace: File for the trace, `.json.gz`; None means no profiler.

    Attributes:
        seconds: Time of the measured steps; 0 until they have ended.
        images: Number of images in them.
    """

    def __init__(
        self, device: str, warm: int = 0, steps: int | None = None, trace: Path | None = None
    ) -> None:
        self.device, self.warm, self.steps, self.trace = device, warm, steps, trace
        self.seconds, self.images = 0.0, 0
        self._profiler: torch.profiler.profile | None = None

    @property
    def rate(self) -> float:
        """Images per second.

        Raises:
            RuntimeError: If the training ended before the measured steps had.
        """
        if not self.seconds:
            raise RuntimeError(f"the training has fewer than {self.warm} + {self.steps} steps.")
        return self.images / self.seconds

    def before(self, step: int) -> None:
        """Start to measure, if this is the first of the measured steps."""
        if step != self.warm:
            return
        if self.trace is not None:
            activities = [torch.profiler.ProfilerActivity.CPU]
            if self.device == "cuda":
                activities.append(torch.profiler.ProfilerActivity.CUDA)
            self._profiler = torch.profiler.profile(activities=activities)
            self._profiler.start()
        self._wait()
        self._range = torch.profiler.record_function(MARKER)
        self._range.__enter__()
        self._began = time.perf_counter()

    def after(self, step: int, images: int, *, last: bool) -> None:
        """Count the images of a step, and stop after the last of the measured steps."""
        if step < self.warm or self.seconds:
            return
        self.images += images
        if not last and (self.steps is None or step + 1 < self.warm + self.steps):
            return
        # The marker ends before the wait, so that the wait does not count as one of a step.
        self._range.__exit__(None, None, None)
        self._wait()
        self.seconds = time.perf_counter() - self._began
        profiler = self._profiler
        self.close()
        if profiler is not None:
            profiler.export_chrome_trace(str(self.trace))

    def close(self) -> None:
        """Stop the profiler, if a training ended before the measured steps did."""
        if self._profiler is not None:
            self._profiler.stop()
            self._profiler = None

    def _wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()


@dataclass(frozen=True)
class Case:
    """What is trained.

    Attributes:
        overrides: The configuration as overrides, with a seed and the data.
        label_maps: Name of the shipped maps from the data's label to the heads.
        backbone: Makes the network of the common way, from images to features.
        width: Number of these features.
        device: cpu or cuda.
        home: Folder for records.
        workers: Worker processes of the DataLoader of the common way.
    """

    overrides: tuple[str, ...]
    label_maps: str
    backbone: Callable[[], nn.Module]
    width: int
    device: str
    home: Path
    workers: int = 0

    def composed(self, *more: str) -> dict[str, Any]:
        """Return the configuration of a training of one epoch."""
        accelerator = "gpu" if self.device == "cuda" else self.device
        fixed = [f"paths.home={self.home}", f"trainer.accelerator={accelerator}"]
        return compose_run([*self.overrides, *fixed, "trainer.max_epochs=1", "test=false", *more])


class WindowedProgress(TrainingProgress):
    """The default progress, which also measures; another callback would add its own cost.

    The progress is drawn as in a terminal, but its output is discarded.
    """

    window: ClassVar[Window]

    def __init__(self) -> None:
        super().__init__()
        self.screen = Screen(file=io.StringIO(), force_terminal=True)

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.window.before(batch_idx)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        self.window.after(batch_idx, len(batch[0]), last=trainer.is_last_batch)


def shipped(case: Case, window: Window) -> float:
    """Train as shipped, and return the validation accuracy of the first head."""
    WindowedProgress.window = window
    config = case.composed("callbacks.progress._target_=three_ways.WindowedProgress")
    result = execute(config)
    return result.metrics[f"val/{next(iter(result.heads))}_acc"]


def hand_written(case: Case, window: Window) -> float:
    """Train with the same arithmetic in a simple loop, and return the same accuracy."""
    config = RunConfig.checked(case.composed())
    torch.manual_seed(config.run.seed)
    data, where = build_data(config.data), torch.device(case.device)
    net = start_module(config.model, data, from_checkpoint=False)[0].net.to(where)
    precision, format_ = _numerics(config, net, case.device)
    if format_ == "channels_last":
        net.to(memory_format=torch.channels_last)
    if config.model.node["compile"]:
        net.compile()
    lr, half = config.model.learning_rate, precision == "bf16-mixed"
    optimizer = torch.optim.Adam(net.parameters(), lr=lr, fused=case.device in ("cpu", "cuda"))
    source, names = data.train_source, list(data.heads)
    images = torch.from_numpy(source.images).to(where)
    labels = {n: torch.from_numpy(v).to(where) for n, v in source.labels.items()}
    weights = torch.tensor([config.model.node["loss_weights"][n] for n in names], device=where)
    mean, std = (torch.tensor(v, device=where).view(1, -1, 1, 1) for v in (source.mean, source.std))
    scale, shift = 1 / (255 * std), mean / std
    train = torch.from_numpy(data.train_indices).to(where)
    order = train[torch.randperm(len(train), device=where)]
    batches = order.split(data.batch_size)
    net.train()
    for step, index in enumerate(batches):
        window.before(step)
        x = images[index].float() * scale - shift
        with torch.autocast(where.type, torch.bfloat16, enabled=half):
            logits = net(x)
            losses = [functional.cross_entropy(logits[h].float(), labels[h][index]) for h in names]
            loss = torch.stack(losses) @ weights
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        window.after(step, len(index), last=step + 1 == len(batches))
    net.eval()
    val = torch.from_numpy(data.val_indices).to(where)
    with torch.no_grad(), torch.autocast(where.type, torch.bfloat16, enabled=half):
        # `forward` is not compiled, which would take longer than this one batch.
        classes = net.forward(images[val].float() * scale - shift)[names[0]].argmax(1)
    return float((classes == labels[names[0]][val]).float().mean())


def _numerics(config: RunConfig, net: nn.Module, device: str) -> tuple[str, str]:
    """Return precision and memory format of a configuration on a device."""
    precision = str(config.trainer.precision or choose_precision(device).value)
    format_ = config.model.node["memory_format"]
    if format_ == "auto":
        format_ = choose_memory_format(net, precision, device).value
    return precision, format_


class CommonModule(pl.LightningModule):
    """A module for three heads as in tutorials.

    Args:
        backbone: Network from images to features.
        width: Number of features.
        label_maps: Name of the shipped maps from the label to the heads.
        label: Name of the label, which has ten classes.
        weights: Weight of each head's loss.
        lr: Learning rate.
    """

    def __init__(
        self,
        backbone: nn.Module,
        width: int,
        label_maps: str,
        label: str,
        weights: Mapping[str, float],
        lr: float,
    ) -> None:
        super().__init__()
        self.net, self.weights, self.lr = backbone, weights, lr
        tables = LabelMaps(Head(label, 10), shipped_heads(label_maps))(torch.arange(10).numpy())
        self.tables = {name: torch.from_numpy(table) for name, table in tables.items()}
        heads = {name: int(table.max()) + 1 for name, table in self.tables.items()}
        self.heads = nn.ModuleDict({n: nn.Linear(width, k) for n, k in heads.items()})
        self.accuracy = nn.ModuleDict(
            {
                f"{split}_{n}": torchmetrics.Accuracy("multiclass", num_classes=k)
                for split in ("train", "val")
                for n, k in heads.items()
            }
        )

    def _step(self, batch, split: str):
        images, label = batch
        features = self.net(images)
        loss = 0.0
        for name, head in self.heads.items():
            labels = self.maps[name][label]
            logits = head(features)
            each = functional.cross_entropy(logits, labels)
            self.accuracy[f"{split}_{name}"](logits, labels)
            self.log(f"{split}/{name}_loss", each, on_step=False, on_epoch=True)
            self.log(f"{split}/{name}_acc", self.accuracy[f"{split}_{name}"], on_epoch=True)
            loss = loss + self.weights[name] * each
        self.log(f"{split}/loss", loss, on_step=False, on_epoch=True, prog_bar=True)
        return loss

    def setup(self, stage):
        self.maps = {name: table.to(self.device) for name, table in self.tables.items()}

    def training_step(self, batch, batch_idx):
        return self._step(batch, "train")

    def validation_step(self, batch, batch_idx):
        self._step(batch, "val")

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)


def small_cnn(channels: int, widths: tuple[int, int, int], dropout: float) -> nn.Module:
    """Return the backbone of `SimpleCNN`, as a tutorial writes it."""
    first, second, hidden = widths
    return nn.Sequential(
        *(nn.Conv2d(channels, first, 3, padding=1), nn.BatchNorm2d(first), nn.ReLU()),
        nn.MaxPool2d(2),
        *(nn.Conv2d(first, second, 3, padding=1), nn.BatchNorm2d(second), nn.ReLU()),
        nn.MaxPool2d(2),
        *(nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(second * 49, hidden), nn.ReLU()),
        nn.Dropout(dropout),
    )


def mnist_cnn() -> nn.Module:
    """Return the backbone of `multihead_cnn_mnist`, with 128 features."""
    return small_cnn(1, (32, 64, 128), 0.25)


class Pictures(torch.utils.data.Dataset):
    """Pictures and labels as torchvision's MNIST and CIFAR10 return them, from the same memory."""

    def __init__(self, data: MultiheadDataModule) -> None:
        source = data.train_source
        images = source.images.transpose(0, 2, 3, 1)  # [N, H, W, C]
        self.images = images[..., 0] if images.shape[-1] == 1 else images
        self.labels = next(iter(source.labels.values()))
        self.transform = Compose([ToTensor(), Normalize(source.mean, source.std)])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index):
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


class Clock(pl.Callback):
    """Measures the common way."""

    def __init__(self, window: Window) -> None:
        self.window = window

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.window.before(batch_idx)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.window.after(batch_idx, len(batch[0]), last=trainer.is_last_batch)


def common(case: Case, window: Window) -> float:
    """Train as tutorials do, and return the same accuracy."""
    config = RunConfig.checked(case.composed())
    pl.seed_everything(config.run.seed, verbose=False)
    data = build_data(config.data)
    weights, lr = config.model.node["loss_weights"], config.model.learning_rate
    label = next(iter(data.heads))
    module = CommonModule(case.backbone(), case.width, case.label_maps, label, weights, lr)
    several = {"multiprocessing_context": "fork", "persistent_workers": True}
    pictures = Pictures(data)
    loaders = [
        DataLoader(
            Subset(pictures, indices.tolist()),
            data.batch_size,
            shuffle=indices is data.train_indices,
            num_workers=case.workers,
            pin_memory=case.device == "cuda",
            **(several if case.workers else {}),
        )
        for indices in (data.train_indices, data.val_indices)
    ]
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):  # the progress bar
        trainer = pl.Trainer(
            max_epochs=1,
            accelerator="gpu" if case.device == "cuda" else case.device,
            devices=1,
            callbacks=[Clock(window)],
            default_root_dir=case.home,
            enable_model_summary=False,
            logger=pl.loggers.CSVLogger(case.home),
        )
        trainer.fit(module, *loaders)
    return float(trainer.callback_metrics[f"val/{label}_acc"])


WAYS: dict[str, Callable[[Case, Window], float]] = {
    "multihead": shipped,
    "hand-written": hand_written,
    "common": common,
}


def resnet18() -> nn.Module:
    """Return torchvision's ResNet-18 without its last layer, with 512 features."""
    net = torchvision.models.resnet18()
    net.fc = nn.Identity()
    return net


def quiet() -> None:
    """Leave out what Lightning says about itself."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)


def ratios(mine: Sequence[float], others: Sequence[float]) -> tuple[float, float, float]:
    """Return median, smallest and largest of the ratios of two ways in the same rounds."""
    each = [a / b for a, b in zip(mine, others, strict=True)]
    return statistics.median(each), min(each), max(each)
