"""Measure training and studies on one GPU: a table per question, as JSON and Markdown.

    python benchmarks/gpu.py --out FOLDER [--data-dir DIR] [--only throughput profile workers]
    python benchmarks/gpu.py --quick --device cpu --networks mnist --variants contiguous

throughput  images/s of three networks as shipped, of a hand-written loop of the same numerics, and
            of the common way (`three_ways.py`); contiguous and channels_last, compiled or not
profile     host-device synchronisations per step, the share of the time in which a kernel runs, and
            the peak of the memory, of the same ways
workers     trials per GPU-hour of a study with 1 to 16 workers on one GPU, with and without MPS

The networks are those of `multihead_cnn_mnist` and `multihead_cnn_cifar10`, and ResNet-18 with the
three heads of CIFAR-10 on pictures of 128x128: timm's as shipped and in the hand-written loop,
torchvision's in the common way. The pictures of 128x128 are random. So are those of MNIST and
CIFAR-10, if DIR does not have their files; the pixels do not change the speed.

Images/s are those of steps after a warm-up, without start-up and validation. The ways alternate in
each round, and a ratio is the median of the ratios of each round. The DataLoader of the common way
has a worker per core. In `profile`, torch's profiler slows the host, so `busy` is a lower bound.
On a CPU, Adam asks for a value of each parameter tensor, which `item()` counts. In `workers`, time
runs from the start of the first trial to the end of the last one, with three trials per worker.

FOLDER gets gpu.json, gpu.md and the traces of the profiler. They are written after each
measurement. No measurement begins after --minutes. If one fails, the table has its error, the
others go on, and the command ends with 1.
"""

import argparse
import gc
import json
import logging
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from mps import CONTROL, has_mps, running_mps
from step_trace import read_trace
from study_throughput import run_study, trials_of
from three_ways import WAYS, Case, Window, mnist_cnn, quiet, ratios, resnet18, small_cnn
from torch import nn

from multihead import markdown, settings
from multihead.datasets.cifar import cifar10
from multihead.datasets.mnist import mnist
from multihead.errors import DataError
from multihead.pools import cores
from multihead.tracking import facts
from multihead.training.hardware import choose_memory_format, choose_precision

PARTS = {"throughput": 0.5, "profile": 0.2, "workers": 0.3}  # and their shares of the time
VARIANTS = {
    "channels_last": ("model.memory_format=channels_last", "model.compile=false"),
    "contiguous": ("model.memory_format=contiguous", "model.compile=false"),
    "channels_last+compile": ("model.memory_format=channels_last", "model.compile=true"),
    "contiguous+compile": ("model.memory_format=contiguous", "model.compile=true"),
}
DEFAULT_VARIANTS = ["channels_last", "contiguous", "channels_last+compile"]
UNMEASURED = "not measured"
LARGEST_TRACE = 16 << 20  # bytes


@dataclass(frozen=True)
class Network:
    """A network and its pictures.

    Attributes:
        title: Its name in the tables.
        experiment: The overrides that select it.
        label: Name of the data's label.
        label_maps: Name of the shipped maps from the label to the heads.
        shape: Channels and size of a picture.
        read: Reads the real pictures; None means that they are random in any case.
        backbone: Makes the network of the common way.
        width: Number of its features.
        batch: Batch size.
        quick_batch: Batch size with --quick.
        steps: Number of measured steps.
    """

    title: str
    experiment: tuple[str, ...]
    label: str
    label_maps: str
    shape: tuple[int, int]
    read: Callable[..., object] | None
    backbone: Callable[[], nn.Module]
    width: int
    batch: int = 64
    quick_batch: int = 64
    steps: int = 600


_CIFAR = "experiment=multihead_cnn_cifar10"
NETWORKS = {
    "mnist": Network(
        title="multihead_cnn_mnist",
        experiment=("experiment=multihead_cnn_mnist",),
        label="digit",
        label_maps="handwritten_digit",
        shape=(1, 28),
        read=mnist,
        backbone=mnist_cnn,
        width=128,
    ),
    "cifar10": Network(
        title="multihead_cnn_cifar10",
        experiment=(_CIFAR,),
        label="class",
        label_maps="cifar10_object",
        shape=(3, 32),
        read=cifar10,
        backbone=partial(small_cnn, 3, (64, 128, 256), 0.5),
        width=256,
    ),
    "resnet18": Network(
        title="ResNet-18, 128x128, 3 heads",
        experiment=(
            _CIFAR,
            "model=timm",
            "model.net.name=resnet18",
            "model.loss_weights={class: 1.0, domain: 0.5, medium: 0.5}",
        ),
        label="class",
        label_maps="cifar10_object",
        shape=(3, 128),
        read=None,
        backbone=resnet18,
        width=512,
        batch=128,
        quick_batch=8,
        steps=60,
    ),
}


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        warm: Steps before the measured ones, more than the DataLoaders read ahead.
        most: Largest number of measured steps.
        traced: Number of steps in a trace.
        images: Training images of a trial.
        epochs: Epochs of a trial.
        quick: Whether small batches are used where a network has them.
    """

    warm: int
    most: int
    traced: int
    images: int
    epochs: int
    quick: bool


FULL = Sizes(warm=50, most=600, traced=50, images=20_000, epochs=3, quick=False)
QUICK = Sizes(warm=3, most=5, traced=3, images=256, epochs=1, quick=True)


@dataclass
class Record:
    """The results, which are written after each measurement.

    Attributes:
        out: Folder for the files, or None.
        machine: What measured.
        pictures: By network, the source of its pictures.
        throughput: Images/s by network, variant and way, of each round.
        profile: Rows of that table.
        workers: Rows of that table.
        failed: Errors by measurement.
        left_out: Measurements for which there was no time.
    """

    out: Path | None
    machine: dict[str, Any]
    pictures: dict[str, str] = field(default_factory=dict)
    throughput: list[dict[str, Any]] = field(default_factory=list)
    profile: list[dict[str, Any]] = field(default_factory=list)
    workers: list[dict[str, Any]] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    @contextmanager
    def measuring(self, name: str) -> Iterator[None]:
        """Print what is measured; note an error, and go on; write the results."""
        began = time.monotonic()
        try:
            yield
            said = "done"
        except (Exception, SystemExit) as error:
            logging.exception("%s failed", name)
            lines = [line for line in str(error).splitlines() if line.strip()]
            said = f"{type(error).__name__}: {lines[0][:300] if lines else ''}"
            self.failed[name] = said
        print(f"{time.monotonic() - began:6.1f} s  {name}: {said}", flush=True)
        self.write()

    def leave_out(self, name: str) -> None:
        """Note a measurement for which there is no time."""
        if name not in self.left_out:
            self.left_out.append(name)
            print(f"          {name}: no time is left", flush=True)
            self.write()

    def write(self) -> None:
        """Write the files."""
        if self.out is not None:
            self.out.mkdir(parents=True, exist_ok=True)
            record = {name: value for name, value in vars(self).items() if name != "out"}
            (self.out / "gpu.json").write_text(json.dumps(record, indent=2) + "\n")
            (self.out / "gpu.md").write_text(as_markdown(self))


@dataclass(frozen=True)
class Bench:
    """What all parts need.

    Attributes:
        given: The command line.
        sizes: How much is measured.
        record: Where results go.
        scratch: Folder for records and studies.
    """

    given: argparse.Namespace
    sizes: Sizes
    record: Record
    scratch: Path

    def case(self, network: Network, variant: str, steps: int, seed: int = 1) -> Case:
        """Return a training whose epoch has the steps of the warm-up and these."""
        batch = self.batch(network)
        train = (self.sizes.warm + steps) * batch
        more = (
            *(f"seed={seed}", f"data.batch_size={batch}"),
            *self.pictures(network, train, batch),
            *VARIANTS[variant],
        )
        return Case(
            overrides=(*network.experiment, *more),
            label_maps=network.label_maps,
            backbone=network.backbone,
            width=network.width,
            device=self.given.device,
            home=self.scratch / "home",
            workers=cores(),
        )

    def pictures(self, network: Network, train: int, val: int) -> tuple[str, ...]:
        """Return the overrides that select the pictures, and note their source."""
        split = f"data.train_val_test_split=[{train},{val},0]"
        source = _source_of(network, self.given.data_dir)
        self.record.pictures[network.title] = source
        if not source.startswith("random"):
            return split, f"data.data_dir={self.given.data_dir.absolute()}"
        channels, size = network.shape
        return (
            split,
            "data.source._target_=random_pictures.pictures",
            *(f"+data.count={train + val}", f"+data.channels={channels}", f"+data.size={size}"),
            f"+data.label={network.label}",
        )

    def chosen(self) -> Iterator[tuple[Network, str, str]]:
        """Return networks, variants and ways; the common way has one variant."""
        for variant in self.given.variants:
            for name in self.given.networks:
                for way in WAYS:
                    if way != "common" or variant == self.given.variants[0]:
                        yield NETWORKS[name], variant, way

    def described(self, network: Network, variant: str, way: str) -> dict[str, Any]:
        """Return the columns that say what a row is about."""
        precision, compiled = choose_precision(self.given.device).value, variant.endswith("compile")
        format_ = variant.partition("+")[0]
        if way == "common":
            precision, format_, compiled = "32-true", "contiguous", False
        return {
            "network": network.title,
            "memory format": format_,
            "compile": "on" if compiled else "off",
            "card": self.record.machine["card"],
            "precision": precision,
            "batch": self.batch(network),
            "way": way,
        }

    def batch(self, network: Network) -> int:
        """Return the batch size of a network."""
        return network.quick_batch if self.sizes.quick else network.batch


@cache
def _source_of(network: Network, data_dir: Path) -> str:
    if network.read is None:
        return "random pictures"
    try:
        network.read(data_dir, "train", download=False)
    except DataError:
        return "random pictures of the same shape, because the files are not there"
    return "the published files"


def train(way: str, case: Case, window: Window) -> dict[str, Any]:
    """Train, and return images/s and the peak of the memory on the GPU, in MiB."""
    gc.collect()
    if case.device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    try:
        WAYS[way](case, window)
    finally:
        window.close()
        if "model.compile=true" in case.overrides:
            # Otherwise torch stops compiling after a few networks of the same class.
            torch.compiler.reset()
    peak = torch.cuda.max_memory_allocated() / 2**20 if case.device == "cuda" else None
    return {"images/s": window.rate, "MiB": peak}


def throughput(bench: Bench, ends: float) -> None:
    """Measure images/s, round by round, so that a limit of time leaves whole rounds."""
    rows: dict[str, dict[str, Any]] = {}
    for number in range(bench.given.rounds):
        chosen = list(bench.chosen())
        for network, variant, way in chosen if number % 2 == 0 else reversed(chosen):
            name = f"images/s of {network.title}, {way}, {variant}"
            if name in bench.record.failed:
                continue
            if time.monotonic() > ends:
                if name not in rows:
                    bench.record.leave_out(name)
                continue
            with bench.record.measuring(name):
                steps = min(bench.sizes.most, network.steps)
                case = bench.case(network, variant, steps, number + 1)
                found = train(way, case, Window(case.device, bench.sizes.warm, steps))
                if name not in rows:
                    rows[name] = bench.described(network, variant, way) | {"images/s": {}}
                    bench.record.throughput.append(rows[name])
                rows[name]["images/s"][number + 1] = found["images/s"]
                print(f"          {found['images/s']:,.0f} images/s", flush=True)


def profile(bench: Bench, ends: float) -> None:
    """Trace some steps of each way."""
    for network, variant, way in bench.chosen():
        name = f"profile of {network.title}, {way}, {variant}"
        if time.monotonic() > ends:
            bench.record.leave_out(name)
            continue
        with bench.record.measuring(name):
            case = bench.case(network, variant, bench.sizes.traced)
            title = f"{network.title.partition(',')[0]}-{way}-{variant.replace('+', '-')}"
            trace = (bench.given.out or bench.scratch) / f"{title}.json.gz"
            window = Window(case.device, bench.sizes.warm, bench.sizes.traced, trace)
            found = train(way, case, window)
            steps = read_trace(trace, bench.sizes.traced, gpu=case.device == "cuda")
            row = bench.described(network, variant, way)
            bench.record.profile.append(row | steps | {"MiB": found["MiB"]})
            if trace.stat().st_size > LARGEST_TRACE:
                trace.unlink()
                print(f"          {trace.name} was removed: above {LARGEST_TRACE >> 20} MiB")


def workers(bench: Bench, ends: float) -> None:
    """Run studies with more and more workers on one GPU, with and without MPS."""
    is_gpu = bench.given.device == "cuda"
    for count in bench.given.workers:
        for with_mps in (False, True):
            name = f"study of {count} workers{', MPS' if with_mps else ''}"
            row = {"workers": count, "MPS": "on" if with_mps else "off"}
            why_not = "" if is_gpu else "there is no GPU"
            if is_gpu and not has_mps():
                why_not = f"there is no {CONTROL}"
            if with_mps and why_not:
                bench.record.workers.append(row | {"note": f"{UNMEASURED}: {why_not}"})
            elif time.monotonic() > ends:
                bench.record.leave_out(name)
            else:
                with bench.record.measuring(name):
                    found = _study(bench, count, with_mps=with_mps)
                    bench.record.workers.append(row | found)
                    print(f"          {found['trials/h']:,.0f} trials/h", flush=True)
    bench.record.write()


def _study(bench: Bench, count: int, *, with_mps: bool) -> dict[str, Any]:
    """Run a study of three trials per worker, and return trials per hour."""
    network, given = NETWORKS["mnist"], bench.given
    name = f"workers_{count}{'_mps' if with_mps else ''}"
    is_gpu, trials = given.device == "cuda", max(4, 3 * count)
    content = {
        "experiment": "multihead_cnn_mnist",
        "overrides": [
            f"trainer.max_epochs={bench.sizes.epochs}",
            f"trainer.accelerator={'gpu' if is_gpu else 'cpu'}",
            *bench.pictures(network, bench.sizes.images, network.batch),
        ],
        "space": {"model.optimizer.lr": {"low": 2e-4, "high": 2e-2, "log": True}},
        "objectives": "val/digit_acc",
        "sampler": {"name": "random", "seed": 0},
        "n_trials": trials,
        "workers": count,
        "devices_per_worker": {"gpu": 1 / count if is_gpu else 0},
        "defaults": False,
        "keep": 1,
    }
    folder = bench.scratch / name
    folder.mkdir()
    seconds = max(30.0, bench.given.deadline - time.monotonic() + 20)
    if is_gpu:
        torch.cuda.empty_cache()
    with ExitStack() as stack:
        service = stack.enter_context(running_mps(folder / "mps")) if with_mps else None
        environment = {} if service is None else service.environment
        run_study(name, content, folder, environment, seconds)
        if service is not None and not service.is_used:
            raise RuntimeError("MPS had no server, so the workers did not use it.")
    ended, owners = trials_of(name, folder)
    done = [t for t in ended if t.state.name == "COMPLETE"]
    if len(done) < trials:
        cause = next((t.user_attrs["cause"] for t in ended if "cause" in t.user_attrs), "")
        raise RuntimeError(f"{trials - len(done)} of {trials} trials failed: {cause}")
    span = max(t.datetime_complete for t in done) - min(t.datetime_start for t in done)
    return {
        "card": bench.record.machine["card"],
        "batch": network.batch,
        "trials": len(done),
        "workers that trained": len(set(owners)),
        "seconds": span.total_seconds(),
        "trials/h": 3600 * len(done) / span.total_seconds(),
    }


def as_markdown(record: Record) -> str:
    """Return the tables."""
    machine = ", ".join(f"{name} {value}" for name, value in record.machine.items())
    pictures = [f"{name}: {source}." for name, source in record.pictures.items()]
    blocks = [markdown.line_by_line(markdown.escaped(machine), *map(markdown.escaped, pictures))]
    tables = {
        "Images per second": _throughput_table(record.throughput),
        "Synchronisations, busy share and memory, per step": _profile_table(record.profile),
        "Trials per GPU-hour of a study on MNIST": _workers_table(record.workers),
    }
    for title, rows in tables.items():
        if rows:
            blocks += [f"## {title}", markdown.table(pd.DataFrame(rows).fillna(UNMEASURED))]
    if record.failed:
        rows = [{"measurement": name, "error": error} for name, error in record.failed.items()]
        blocks += ["## Failed", markdown.table(pd.DataFrame(rows))]
    if record.left_out:
        rows = [{"measurement": name} for name in record.left_out]
        blocks += ["## Not measured: the time was over", markdown.table(pd.DataFrame(rows))]
    return "\n\n".join(blocks) + "\n"


def _throughput_table(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return a row per network and variant, with the three ways side by side."""
    of_common = {r["network"]: r["images/s"] for r in rows if r["way"] == "common"}
    columns = ("network", "memory format", "compile", "card", "precision", "batch")
    by_what: dict[tuple[Any, ...], dict[str, dict[int, float]]] = {}
    for row in rows:
        if row["way"] != "common":
            what = tuple(row[column] for column in columns)
            by_what.setdefault(what, {})[row["way"]] = row["images/s"]
    found = []
    for what, ways in by_what.items():
        ways = {**ways, "common": of_common.get(what[0], {})}
        shipped = ways.get("multihead", {})
        found.append(
            dict(zip(columns, map(str, what), strict=True))
            | {"multihead": _rate(shipped), "hand-written": _rate(ways.get("hand-written", {}))}
            | {"common, float32": _rate(ways["common"])}
            | {
                f"shipped / {w}": _ratio(shipped, ways.get(w, {}))
                for w in ("hand-written", "common")
            }
            | {"rounds": str(len(shipped))}
        )
    return found


def _rate(by_round: Mapping[int, float]) -> str:
    if not by_round:
        return UNMEASURED
    median = statistics.median(by_round.values())
    return f"{median:,.0f}" if median >= 100 else f"{median:.1f}"


def _ratio(mine: Mapping[int, float], others: Mapping[int, float]) -> str:
    """Return the median of the ratios of the rounds that both have, and their range."""
    both = [number for number in mine if number in others]
    if not both:
        return UNMEASURED
    median, least, most = ratios([mine[n] for n in both], [others[n] for n in both])
    return f"{median:.3f} ({least:.3f} to {most:.3f})"


def _profile_table(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    titles = {
        "waits": "waits for the GPU",
        "to_host": "copies to the host",
        "to_device": "copies to the GPU",
        "items": "item()",
        "kernel_ms": "kernel ms",
        "busy": "busy",
        "MiB": "peak MiB",
    }
    return [
        {key: str(value) for key, value in row.items() if key not in titles}
        | {title: UNMEASURED if row[k] is None else f"{row[k]:.4g}" for k, title in titles.items()}
        for row in rows
    ]


def _workers_table(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    columns = ("card", "batch", "trials", "workers that trained", "seconds", "trials/h")
    one = next((r["trials/h"] for r in rows if r["workers"] == 1 and "trials/h" in r), None)
    found = []
    for row in rows:
        cells = {"workers": str(row["workers"]), "MPS": row["MPS"]}
        for column in columns:
            value = row.get(column, UNMEASURED)
            cells[column] = f"{value:.1f}" if isinstance(value, float) else str(value)
        rate = row.get("trials/h")
        cells["of one worker"] = UNMEASURED if one is None or rate is None else f"{rate / one:.2f}"
        found.append(cells | {"note": row.get("note", "")})
    return found


def describe(device: str, sizes: Sizes) -> dict[str, Any]:
    """Return what measures, and how."""
    is_gpu = device == "cuda"
    precision = choose_precision(device).value
    return {
        "card": torch.cuda.get_device_name() if is_gpu else facts.hardware()["cpu"],
        "as shipped": f"{precision}, {_shipped_format(device)}, not compiled",
        "settings": "quick, with too few steps for figures" if sizes.quick else "full",
        "cores": cores(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "lightning", "torchvision", "timm")},
        "cuda": torch.version.cuda if is_gpu else "not used",
    }


def _shipped_format(device: str) -> str:
    return choose_memory_format(nn.Conv2d(1, 1, 1), choose_precision(device).value, device).value


def read_options() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument(
        "--variants", nargs="+", choices=list(VARIANTS), default=list(DEFAULT_VARIANTS)
    )
    parser.add_argument("--workers", nargs="+", type=int, help="1 2 4 8 16; with --quick 1 2")
    parser.add_argument("--rounds", type=int, help="3; with --quick 1")
    parser.add_argument("--minutes", type=float, help="8.5; with --quick 2.5")
    parser.add_argument("--quick", action="store_true", help="few steps, to try the command")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--data-dir", type=Path, default=settings.data_dir())
    parser.add_argument("--out", type=Path, help="folder for gpu.json, gpu.md and the traces")
    given = parser.parse_args()
    if given.device == "cuda" and not torch.cuda.is_available():
        parser.error("there is no GPU; give --device cpu to measure the processor")
    given.workers = given.workers or ([1, 2] if given.quick else [1, 2, 4, 8, 16])
    given.rounds = given.rounds or (1 if given.quick else 3)
    given.minutes = given.minutes or (2.5 if given.quick else 8.5)
    return given


def main() -> int:
    """Measure each part, and print the tables."""
    began, given = time.monotonic(), read_options()
    given.deadline = began + 60 * given.minutes
    quiet()
    sizes = QUICK if given.quick else FULL
    record = Record(given.out, describe(given.device, sizes))
    if given.out is not None:
        given.out.mkdir(parents=True, exist_ok=True)
    run = {"throughput": throughput, "profile": profile, "workers": workers}
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(given, sizes, record, Path(scratch))
        if "throughput" in given.only or "profile" in given.only:
            warm_up(bench)
        chosen = [name for name in PARTS if name in given.only]
        for place, name in enumerate(chosen):
            # A part that ends early leaves its time to the next ones.
            left = given.deadline - time.monotonic()
            share = PARTS[name] / sum(PARTS[other] for other in chosen[place:])
            run[name](bench, time.monotonic() + share * left)
    print(f"\n{as_markdown(record)}")
    return 1 if record.failed else 0


def warm_up(bench: Bench) -> None:
    """Train once, so that the store exists and the libraries are loaded."""
    network = NETWORKS[bench.given.networks[0]]
    with bench.record.measuring("warm-up"):
        steps = QUICK.most
        case = bench.case(network, "contiguous", steps)
        train("multihead", case, Window(case.device, bench.sizes.warm, steps))


if __name__ == "__main__":
    raise SystemExit(main())
