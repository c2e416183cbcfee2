"""`multihead doctor`: check this machine and the installation."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from multihead import settings
from multihead.cli.help import examples
from multihead.errors import MultiheadError
from multihead.terminal.lines import say
from multihead.tracking import facts
from multihead.tracking.store import Store
from multihead.training.hardware import choose_precision, resolve_accelerator

# Whether the check passed (None: a warning), its name, and a text.
Line = tuple[bool | None, str, str]
_MARKS = {True: "ok  ", None: "warn", False: "FAIL"}

# With older versions, other hosts on the same network can reach ports published on 127.0.0.1:
# https://docs.docker.com/engine/network/port-publishing/. docker/engine.sh refuses older ones.
_SAFE_DOCKER = "28.0.0"
DOCKER_SECONDS = 10  # time limit for a response of the engine


@click.command("doctor", epilog=examples("multihead doctor"))
def command() -> None:
    """Check the installation: versions, devices, precision, folders and the MLflow store.

    Each line begins with ok, warn or FAIL. The exit code is 1 if a line begins with FAIL.
    """
    lines = [*_versions(), *_devices(), *_places(), docker()]
    width = max(len(name) for _, name, _ in lines)
    for good, name, text in lines:
        say(f"{_MARKS[good]}  {name:<{width}}  {text}")
    sys.exit(1 if any(good is False for good, _, _ in lines) else 0)


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
        text = "channels_last for convolutions, which makes them faster in 16 bits"
    else:
        text = "contiguous: channels_last is not faster in float32"
    yield True, "memory format", text
    fused = device in ("cpu", "cuda")
    yield True, "optimizer", "fused, where possible" if fused else "not fused on this device"


def _places() -> Iterator[Line]:
    for folder in settings.config_folders("experiments"):
        yield True, "experiments", str(folder)
    try:
        yield _data(settings.data_dir())
    except MultiheadError as error:
        yield False, "data", str(error)
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


def docker() -> Line:
    """Check that the container engine hides ports published on loopback from the network."""
    if shutil.which("docker") is None:
        return True, "docker", "not installed; only the containers need it"
    command = ["docker", "version", "--format", "{{.Server.Version}} {{.Server.Platform.Name}}"]
    try:
        said = subprocess.run(
            command, capture_output=True, text=True, timeout=DOCKER_SECONDS, check=True
        ).stdout.strip()
    except subprocess.CalledProcessError as error:
        reason = error.stderr.strip().partition("\n")[0] or f"exit code {error.returncode}"
        return None, "docker", f"does not answer: {reason}"
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, "docker", f"does not answer: {error}"
    version, _, platform = said.partition(" ")
    if "Docker Desktop" in platform or _major(version) >= _major(_SAFE_DOCKER):
        return True, "docker", version
    text = (
        f"{version} is older than {_SAFE_DOCKER}: other hosts on the same network can reach what "
        "containers publish on 127.0.0.1. Upgrade it"
    )
    return None, "docker", text


def _major(version: str) -> int:
    """Return the first number of a version, or 0 if it has none."""
    first = version.partition(".")[0]
    return int(first) if first.isdecimal() else 0
