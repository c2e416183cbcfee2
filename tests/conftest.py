"""A home of its own for every test, on a real SQLite store that is made once."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from multihead import Heads, run
from multihead.garbage import collect_all_rarely
from multihead.heads import Head
from multihead.runs.collector import few_collections
from multihead.runs.execute import RunResult
from multihead.tracking.store import Store

ROOT = Path(__file__).parents[1]
DIGITS = ("experiment=multihead_cnn_digits", "data.train_val_test_split=[128,64,64]")
Run = Callable[..., RunResult]


def pytest_configure() -> None:
    """Forget the user's own store and home: tests write to theirs alone."""
    kept = "MULTIHEAD_DATA_DIR"
    for name in [n for n in os.environ if n.startswith(("MULTIHEAD_", "MLFLOW_")) and n != kept]:
        del os.environ[name]
    collect_all_rarely()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest: processes that test then end together.

    How long a test takes on two fast cores, roughly, its mark says: `slow(minutes=2)`.
    """
    minutes: dict[Path, float] = {}
    for item in items:
        mark = item.get_closest_marker("slow") or item.get_closest_marker("compose")
        taken = 0 if mark is None else mark.kwargs.get("minutes", 0)
        minutes[item.path] = minutes.get(item.path, 0) + taken
    items.sort(key=lambda item: -minutes[item.path])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Start no slow test after `SLOW_TESTS_UNTIL`, in seconds since 1970, if that is set.

    Continuous integration has a time limit, and some machines are three times slower than others.
    A test that is left out is listed as skipped.
    """
    until = os.environ.get("SLOW_TESTS_UNTIL")
    is_slow = item.get_closest_marker("slow") or item.get_closest_marker("compose")
    if until and is_slow and time.time() > float(until):
        pytest.skip("NOT RUN: the time for slow tests is over (SLOW_TESTS_UNTIL)")


@pytest.fixture(scope="session", autouse=True)
def few_walks() -> Iterator[None]:
    """Keep thousands of tests, and all libraries, out of every search for garbage.

    Each training in this process would walk all of them otherwise.
    """
    with few_collections():
        yield


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new MLflow database: making one takes seconds, copying it does not."""
    home = tmp_path_factory.mktemp("store")
    _ = Store(home=home).client
    return home / "mlflow.db"


@pytest.fixture
def home(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`MULTIHEAD_HOME` with an empty store, and an empty current folder."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(empty_store, home / "mlflow.db")
    monkeypatch.setenv("MULTIHEAD_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    return home


@pytest.fixture
def store(home: Path) -> Store:
    """The store in the home."""
    return Store(home=home)


@pytest.fixture
def train(home: Path) -> Run:
    """Train the digits for one small epoch, with further overrides."""

    def train(*overrides: str) -> RunResult:
        return run([*DIGITS, "trainer.max_epochs=1", "trainer.accelerator=cpu", *overrides])

    return train


@pytest.fixture
def heads() -> Heads:
    """Two heads of 3 and 2 classes."""
    return Heads([Head("shape", 3), Head("colour", 2)])


def multihead(
    arguments: Sequence[str], *, folder: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, with no terminal."""
    return subprocess.run(
        [sys.executable, "-m", "multihead", *arguments],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def write_mnist(folder: Path, *, train: int = 120, test: int = 40, seed: int = 0) -> Path:
    """Lay out IDX files of 28x28 pictures in which a bright row tells the digit."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for prefix, count in (("train", train), ("t10k", test)):
        labels = rng.permutation(np.arange(count) % 10).astype(np.uint8)
        images = rng.integers(0, 60, (count, 28, 28)).astype(np.uint8)
        images[np.arange(count), 2 * labels + 3] = 255
        head = np.array([0x803, count, 28, 28], ">u4").tobytes()
        (raw / f"{prefix}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        head = np.array([0x801, count], ">u4").tobytes()
        (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(head + labels.tobytes())
    return folder


@pytest.fixture
def mnist_dir(tmp_path: Path) -> Path:
    """A folder with MNIST's files, of 120 and 40 made pictures."""
    return write_mnist(tmp_path / "data")
