"""Batches of CIFAR-10 are read from any source, and only if they are what they claim."""

import contextlib
import hashlib
import io
import os
import pickle
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import CIFAR10

from multihead.datasets.cifar import CIFAR10_CLASSES, read_cifar10
from multihead.errors import DataError

TRAIN = [f"data_batch_{i}" for i in range(1, 6)]
DATA = np.arange(2 * 3072).astype(np.uint8).reshape(2, 3072)


def write(data_dir: Path, name: str, batch: object, protocol: int = 4) -> Path:
    path = data_dir / "cifar-10-batches-py" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(batch, protocol))
    return path


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    for i, name in enumerate([*TRAIN, "test_batch"]):
        write(tmp_path, name, {"data": DATA + np.uint8(i), "labels": [i, 9]}, protocol=i)
    return tmp_path


def test_the_five_batches_follow_each_other(data_dir: Path) -> None:
    images, labels = read_cifar10(data_dir, "train", download=False)
    assert (images.dtype, images.shape) == (np.uint8, (10, 3, 32, 32))
    assert (labels.dtype, labels.tolist()) == (np.int64, [0, 9, 1, 9, 2, 9, 3, 9, 4, 9])
    assert images[:, 0, 0, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert images[0].ravel().tolist() == DATA[0].tolist()


def test_keys_may_be_bytes_and_labels_an_array(tmp_path: Path) -> None:
    """Batches that were read with encoding="bytes" and written again look so."""
    write(tmp_path, "test_batch", {b"data": DATA, b"labels": np.array([3, 4], np.uint8)})
    images, labels = read_cifar10(tmp_path, "test", download=False)
    assert images.shape == (2, 3, 32, 32)
    assert (labels.dtype, labels.tolist()) == (np.int64, [3, 4])


def test_the_classes_are_the_published_ones_in_order() -> None:
    assert len(CIFAR10_CLASSES) == 10
    assert (CIFAR10_CLASSES[0], CIFAR10_CLASSES[9]) == ("airplane", "truck")


@pytest.mark.parametrize(
    ("batch", "reason"),
    [
        ([DATA, [0, 1]], "holds a list; a batch of CIFAR-10 is a dict"),
        ({"data": DATA, "fine_labels": [0, 1]}, "has the keys ['data', 'fine_labels']"),
        ({"a\nb": 1}, "has the keys ['a\\nb']"),
        ({"data": DATA.tolist(), "labels": [0, 1]}, "`data` is list; it must be an array of uint8"),
        ({"data": DATA / 255, "labels": [0, 1]}, "`data` is float64"),
        ({"data": DATA.reshape(2, 3, 32, 32), "labels": [0, 1]}, "of shape [2, 3, 32, 32]"),
        ({"data": DATA[:, :784], "labels": [0, 1]}, "of shape [2, 784]; it must be [n, 3072]"),
        ({"data": DATA[:0], "labels": []}, "of shape [0, 3072]"),
        ({"data": DATA, "labels": [0]}, "2 images but 1 labels"),
        ({"data": DATA, "labels": [0, 10]}, "label 10 of image 1 is outside 0 to 9"),
        ({"data": DATA, "labels": [-1, 1]}, "label -1 of image 0 is outside"),
        ({"data": DATA, "labels": [2**2000, 1]}, "of image 0 is outside"),
        ({"data": DATA, "labels": [0, 1.0]}, "`labels` must be a list of integers"),
        ({"data": DATA, "labels": [0, True]}, "`labels` must be a list of integers"),
        ({"data": DATA, "labels": DATA[:1]}, "`labels` must be a list of integers"),
        ({"data": DATA, "labels": None}, "a batch of CIFAR-10 has `data` and `labels`"),
    ],
)
def test_a_batch_of_another_kind_is_refused(tmp_path: Path, batch: object, reason: str) -> None:
    path = write(tmp_path, "test_batch", batch)
    with pytest.raises(DataError) as error:
        read_cifar10(tmp_path, "test")
    assert reason in str(error.value)
    assert str(path) in str(error.value)
    assert str(error.value).isprintable()


def test_a_batch_that_would_run_something_is_refused(data_dir: Path) -> None:
    path = data_dir / "cifar-10-batches-py" / "data_batch_3"
    path.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(DataError, match=r"data_batch_3 is refused: it would run os\.system"):
        read_cifar10(data_dir, "train")


def test_a_cut_batch_says_both_sizes(data_dir: Path) -> None:
    path = data_dir / "cifar-10-batches-py" / "test_batch"
    whole = path.read_bytes()
    path.write_bytes(whole[:1000])
    with pytest.raises(DataError, match=r"test_batch is cut short: 1,000 bytes, at least 6,\d\d\d"):
        read_cifar10(data_dir, "test")


def test_an_unknown_split_is_a_data_error(data_dir: Path) -> None:
    with pytest.raises(DataError, match="no split 'val'; it has train and test"):
        read_cifar10(data_dir, "val")


# Downloads, from an archive on this machine.


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Keep the test's output clean."""


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder over HTTP on this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def publish(
    monkeypatch: pytest.MonkeyPatch, folder: Path, members: dict[str, bytes | None]
) -> Iterator[None]:
    """Make an archive of files, or of a link where the content is None, the published one."""
    folder.mkdir()
    archive = folder / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content or b"")
            if content is None:
                member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(member, io.BytesIO(content or b""))
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    with serve(folder) as url:
        monkeypatch.setattr(CIFAR10, "url", url + archive.name)
        yield


BATCH = pickle.dumps({"data": DATA, "labels": [1, 2]}, 2)


def test_a_missing_batch_is_fetched_and_nothing_else(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is there may be better than the published one; it is not ours to replace."""
    names = [f"cifar-10-batches-py/{name}" for name in [*TRAIN, "test_batch", "../../out"]]
    (data_dir / "cifar-10-batches-py" / "data_batch_2").unlink()
    with publish(monkeypatch, tmp_path / "mirror", dict.fromkeys(names, BATCH)):
        before = {path for path in tmp_path.rglob("*") if path.is_file()}
        assert read_cifar10(data_dir, "train")[1].tolist() == [0, 9, 1, 2, 2, 9, 3, 9, 4, 9]
    after = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert {path.name for path in after - before} == {"data_batch_2"}


@pytest.mark.parametrize(
    "members",
    [{}, {"cifar-10-batches-py/test_batch": None}, {"../test_batch": BATCH}],
    ids=["empty", "link", "outside"],
)
def test_an_archive_of_another_layout_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, members: dict[str, bytes | None]
) -> None:
    with publish(monkeypatch, tmp_path / "mirror", members), pytest.raises(DataError):
        read_cifar10(tmp_path / "data", "test")
    assert [path.name for path in tmp_path.iterdir()] == ["mirror"]


@pytest.mark.parametrize("allowed", [True, False])
def test_without_a_network_one_line_says_what_to_put_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: bool
) -> None:
    monkeypatch.setattr(CIFAR10, "url", "http://127.0.0.1:9/cifar-10-python.tar.gz")
    with pytest.raises(DataError) as error:
        read_cifar10(tmp_path / "data", "test", download=allowed)
    message = str(error.value)
    assert "\n" not in message
    assert all(name in message for name in [*TRAIN, "test_batch"])
    assert str(tmp_path / "data" / "cifar-10-batches-py") in message
    assert ("The download failed: 127.0.0.1:9: " in message) == allowed
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif("MULTIHEAD_DATA_DIR" not in os.environ, reason="MULTIHEAD_DATA_DIR is not set")
def test_the_real_batches_are_read() -> None:
    data_dir = Path(os.environ["MULTIHEAD_DATA_DIR"])
    if not (data_dir / "cifar-10-batches-py").is_dir():
        pytest.skip(f"{data_dir / 'cifar-10-batches-py'} does not exist")
    images, labels = read_cifar10(data_dir, "test", download=False)
    assert images.shape == (10_000, 3, 32, 32)
    assert np.bincount(labels).tolist() == [1000] * 10
