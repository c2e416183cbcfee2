"""`multihead doctor`: what this machine would do, and what is missing."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from multihead import settings
from multihead.errors import MultiheadError
from multihead.tracking import facts
from multihead.tracking.store import Store
from multihead.training.hardware import choose_precision, resolve_accelerator

Line = tuple[bool, str, str]


@click.command("doctor")
def command() -> None:
    """Show versions, devices, precision and places; exit 1 if something does not answer."""
    lines = [*_versions(), *_devices(), *_places()]
    width = max(len(name) for _, name, _ in lines)
    for good, name, text in lines:
        click.echo(f"{'ok  ' if good else 'FAIL'}  {name:<{width}}  {text}")
    sys.exit(0 if all(good for good, _, _ in lines) else 1)


def _versions() -> Iterator[Line]:
    for name, version in facts.versions().items():
        yield version != "not installed", name, version


def _devices() -> Iterator[Line]:
    for name, value in facts.hardware().items():
        yield True, name, value
    device = resolve_accelerator("auto")
    precision, reason = choose_precision(device)
    yield True, "device", device
    yield True, "precision", f"{precision}: {reason}"
    if "16" in precision:
        text = "channels_last for convolutions: they are faster so in 16 bits"
    else:
        text = "contiguous: channels last brings nothing in float32"
    yield True, "memory format", text
    fused = device in ("cpu", "cuda")
    yield True, "optimizer", "fused, where it can be" if fused else "not fused on this device"


def _places() -> Iterator[Line]:
    for folder in settings.config_folders("experiments"):
        yield True, "experiments", str(folder)
    yield _data(settings.data_dir())
    try:
        store = Store()
        count = len(store.client.search_experiments())
        yield True, "runs", str(store.home)
        yield True, "store", f"{store.shown_uri} answers, {count} experiments"
    except MultiheadError as error:
        yield False, "store", str(error)


def _data(folder: Path) -> Line:
    known = {"MNIST": "MNIST/raw", "CIFAR-10": "cifar-10-batches-py"}
    found = [name for name, place in known.items() if (folder / place).is_dir()]
    text = f"has {', '.join(found)}" if found else "holds no dataset yet; digits needs none"
    return True, "data", f"{folder} {text}"
