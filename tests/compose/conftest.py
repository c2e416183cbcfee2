"""What the tests of the containers share: the images, and a stack that outlives each test."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from tests.compose.stack import FILES, Stack, docker, real_data

MNIST = ("experiment=multihead_cnn_mnist", "data.train_val_test_split=[4000,500,500]")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the containers said beside what the test did."""
    report = yield
    made = next((v for v in getattr(item, "funcargs", {}).values() if isinstance(v, Stack)), None)
    if report.failed and made is not None:
        said = made.compose("--profile", "cpu", "logs", "--tail", "15", check=False)
        report.sections.append(("the last lines of each container", said))
    return report


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> None:
    """All images, built once, however many processes test.

    Built by another process meanwhile they are other images, even of the same layers, and the next
    `up` of a stack starts all of it anew.
    """
    docker("version")  # what is asked for here is an engine, so without one this fails
    folder = tmp_path_factory.getbasetemp()
    folder = folder if worker_id == "master" else folder.parent
    built = folder / "images-built"
    with FileLock(folder / "images.lock"):
        if not built.exists():
            Stack("multihead-images", FILES).compose("--profile", "cpu", "build", "-q")
            built.touch()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, images: None) -> Iterator[Stack]:
    """The stack as `docker compose up -d` makes it, with real data mounted read-only."""
    data = tmp_path_factory.mktemp("shared") / "data"
    with_mnist = real_data(data)
    made = Stack(
        f"multihead-test-{os.getpid()}",
        DATA_DIR=str(data),
        DATA_MODE="ro",
        WITH_MNIST="yes" if with_mnist else "",
    )
    try:
        made.up()
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="session")
def trained(stack: Stack) -> str:
    """The id of a run that was trained in a container: of MNIST, if that is here."""
    small = MNIST if stack.environment["WITH_MNIST"] else ("experiment=multihead_cnn_digits",)
    said = stack.train(*small, "trainer.max_epochs=2", "tags=[compose]")
    return next(line.split()[1] for line in said.splitlines() if line.startswith("run "))


@pytest.fixture
def backup_file(tmp_path: Path) -> Path:
    """Where a backup goes."""
    return tmp_path / "backups" / "all.tar"
