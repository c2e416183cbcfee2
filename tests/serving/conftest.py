"""One trained run for all tests of a module, and servers that answer with it."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.conftest import DIGITS

from multihead import load_run, run
from multihead.hosts import KnownHosts
from multihead.runs.execute import RunResult
from multihead.serving.app import Limits, make_app
from multihead.serving.model import ServedModel, find_model
from multihead.tracking.store import Store


@pytest.fixture(scope="package")
def trained_home(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[Path]:
    """`MULTIHEAD_HOME` of the run `trained`."""
    home = tmp_path_factory.mktemp("trained") / "home"
    home.mkdir()
    shutil.copy(empty_store, home / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MULTIHEAD_HOME", str(home))
        patch.chdir(home.parent)
        yield home


@pytest.fixture(scope="package")
def trained(trained_home: Path) -> RunResult:
    """Three heads on digits, after three small epochs; tests leave it as it is."""
    return run([*DIGITS, "trainer.max_epochs=3", "trainer.accelerator=cpu"])


@pytest.fixture(scope="package")
def served(trained: RunResult, trained_home: Path) -> ServedModel:
    """The model of `trained`."""
    return find_model(str(trained.run_id), Store(home=trained_home))


@pytest.fixture
def client(served: ServedModel) -> Iterator[TestClient]:
    """A client of a server with small limits."""
    limits = Limits(max_batch=16, max_bytes=20_000, timeout=20)
    app = make_app(served, limits, KnownHosts(["testserver"]))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@contextmanager
def serving(model: str, home: Path, *options: str) -> Iterator[str]:
    """Run `multihead serve` in a process of its own; yields its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "multihead", "serve", model, "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"MULTIHEAD_HOME": str(home)},
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert " on http://127.0.0.1:" in line, (line, process.stderr and process.stderr.read())
        yield line.split(" on ")[1].split()[0].rstrip("/")
    finally:
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert "nanobind" not in err, err


@pytest.fixture
def examples(trained: RunResult, trained_home: Path) -> "tuple":
    """Images uint8 [B, H, W, C] and what the run's checkpoint predicts of them."""
    from multihead.datasets.digits import digits

    images = digits(Path(), "test").images[:12]
    predicted = load_run(str(trained.run_id), Store(home=trained_home)).predict(images)
    return images.transpose(0, 2, 3, 1).copy(), predicted
