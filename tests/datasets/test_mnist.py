"""IDX files are read exactly as their headers say, or refused with the reason."""

import contextlib
import gzip
import hashlib
import os
import socket
import struct
import threading
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.datasets import MNIST

from multihead.datasets.download import Remote, fetch
from multihead.datasets.mnist import read_mnist
from multihead.errors import DataError

IMAGES = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
LABELS = np.array([7, 0, 9], np.uint8)
ALL = [f"{p}-{k}" for p in ("train", "t10k") for k in ("images-idx3-ubyte", "labels-idx1-ubyte")]


def idx(values: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return head + values.tobytes()


def copy(archive: Path, folder: Path) -> None:
    (folder / archive.name).write_bytes(archive.read_bytes())


def write(data_dir: Path, name: str, content: bytes) -> Path:
    path = data_dir / "MNIST" / "raw" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


@pytest.fixture
def train(tmp_path: Path) -> Path:
    write(tmp_path, "train-images-idx3-ubyte", idx(IMAGES))
    write(tmp_path, "train-labels-idx1-ubyte", idx(LABELS))
    return tmp_path


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(("split", "prefix"), [("train", "train"), ("test", "t10k")])
def test_a_split_is_read_plain_or_packed_at_any_image_size(
    tmp_path: Path, split: str, prefix: str, suffix: str
) -> None:
    write(tmp_path, f"{prefix}-images-idx3-ubyte{suffix}", idx(IMAGES))
    write(tmp_path, f"{prefix}-labels-idx1-ubyte{suffix}", idx(LABELS))
    images, labels = read_mnist(tmp_path, split, download=False)
    assert (images.dtype, images.shape) == (np.uint8, (3, 1, 4, 5))
    assert images.flags.writeable
    assert np.array_equal(images[:, 0], IMAGES)
    assert (labels.dtype, labels.tolist()) == (np.int64, [7, 0, 9])


def test_the_plain_file_is_read_if_both_are_there(train: Path) -> None:
    write(train, "train-labels-idx1-ubyte.gz", idx(LABELS + 1))
    assert read_mnist(train, "train", download=False)[1].tolist() == [7, 0, 9]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("images-idx3", idx(IMAGES)[:50], "expected 76 (16 + 3 x 4 x 5) bytes, found 50"),
        ("images-idx3", idx(IMAGES) + b"x", "expected 76 (16 + 3 x 4 x 5) bytes, found 77"),
        ("images-idx3", idx(IMAGES)[:7], "expected at least 16 bytes, found 7"),
        ("images-idx3", b"", "expected at least 16 bytes, found 0"),
        ("images-idx3", idx(IMAGES[0]) + bytes(99), "starts with the bytes 00 00 08 02"),
        ("images-idx3", b"<!DOCTYPE html>......", "starts with the bytes 3c 21 44 4f"),
        ("images-idx3", idx(IMAGES[:0]), "holds nothing: its sizes are 0 x 4 x 5"),
        ("images-idx3", idx(IMAGES[:2]), "holds 2 images, but"),
        ("labels-idx1", idx(LABELS[:, None]), "starts with the bytes 00 00 08 02"),
        ("labels-idx1", idx(LABELS + 1), "label 10 of image 2 is outside 0 to 9"),
    ],
)
def test_a_wrong_file_is_refused_with_its_sizes(
    train: Path, name: str, content: bytes, reason: str
) -> None:
    path = write(train, f"train-{name}-ubyte", content)
    with pytest.raises(DataError) as error:
        read_mnist(train, "train")
    assert reason in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda packed: packed[:-4], "is cut short after"),
        (lambda packed: packed[:-20], "unpacked bytes, found"),
        (lambda packed: packed[:-8] + bytes(8), "is damaged"),
        (lambda packed: b"no gzip" + packed, "is damaged"),
    ],
)
def test_a_damaged_gz_is_refused(train: Path, change: object, reason: str) -> None:
    (train / "MNIST" / "raw" / "train-images-idx3-ubyte").unlink()
    path = write(train, "train-images-idx3-ubyte.gz", idx(IMAGES))
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match=reason):
        read_mnist(train, "train")


@pytest.mark.parametrize(
    ("count", "zeros", "reason"),
    [
        (1, 30_000_000, "expected 800 (16 + 1 x 28 x 28) unpacked bytes, found more"),
        (2**32 - 1, 30_000_000, "is refused: it claims"),
        (100_000, 78_400_000, "is refused: it claims"),
    ],
    ids=["more than it claims", "claims terabytes", "packed a thousandfold"],
)
def test_a_gzip_bomb_is_refused_before_it_unfolds(
    train: Path, count: int, zeros: int, reason: str
) -> None:
    (train / "MNIST" / "raw" / "train-images-idx3-ubyte").unlink()
    head = b"\0\0\x08\x03" + struct.pack(">3I", count, 28, 28)
    write(train, "train-images-idx3-ubyte.gz", head + bytes(zeros))
    tracemalloc.start()
    with pytest.raises(DataError) as error:
        read_mnist(train, "train")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert reason in str(error.value)
    assert peak < 1_000_000


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([idx(IMAGES), gzip.compress(idx(IMAGES))]),
    st.integers(0, 80),
    st.binary(max_size=8),
    st.sampled_from(["", ".gz"]),
)
def test_changed_bytes_load_or_are_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, at: int, put: bytes, suffix: str
) -> None:
    """Any other exception would be a way to crash the platform with a file."""
    data_dir = tmp_path_factory.mktemp("fuzz")
    write(data_dir, "train-labels-idx1-ubyte", idx(LABELS))
    path = write(data_dir, f"train-images-idx3-ubyte{suffix}", b"")
    path.write_bytes(content[:at] + put + content[at + len(put) :])
    with contextlib.suppress(DataError):
        read_mnist(data_dir, "train")


def test_an_unknown_split_is_a_data_error(train: Path) -> None:
    with pytest.raises(DataError, match="no split 'val'; it has train and test"):
        read_mnist(train, "val")


# Downloads, from mirrors on this machine.


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


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Publish small files under the names and with the checks of the real ones."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    contents = [idx(IMAGES), idx(LABELS), idx(IMAGES[:2]), idx(LABELS[:2])]
    resources = []
    for name, content in zip(ALL, contents, strict=True):
        packed = gzip.compress(content)
        (folder / f"{name}.gz").write_bytes(packed)
        resources.append((f"{name}.gz", hashlib.md5(packed).hexdigest()))
    monkeypatch.setattr(MNIST, "resources", resources)
    with serve(folder) as url:
        monkeypatch.setattr(MNIST, "mirrors", [url])
        yield folder


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Listen, but never answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_missing_split_is_fetched_and_nothing_else(mirror: Path, tmp_path: Path) -> None:
    data_dir = tmp_path / "new" / "data"
    assert read_mnist(data_dir, "test")[1].tolist() == [7, 0]
    assert sorted(path.name for path in data_dir.rglob("*ubyte*")) == sorted(ALL[2:])
    assert sorted(path.name for path in tmp_path.rglob("*") if "download" in path.name) == []


def test_a_file_that_exists_is_kept(mirror: Path, tmp_path: Path) -> None:
    kept = write(tmp_path, ALL[1], idx(LABELS - LABELS))
    assert read_mnist(tmp_path, "train")[1].tolist() == [0, 0, 0]
    assert kept.read_bytes() == idx(LABELS - LABELS)


@pytest.mark.parametrize("allowed", [True, False])
def test_without_a_network_one_line_says_what_to_put_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: bool
) -> None:
    monkeypatch.setattr(MNIST, "mirrors", ["http://127.0.0.1:9/", "http://nowhere.invalid/"])
    began = time.monotonic()
    with pytest.raises(DataError) as error:
        read_mnist(tmp_path / "new" / "data", "train", download=allowed)
    assert time.monotonic() - began < 30
    message = str(error.value)
    assert "\n" not in message
    assert all(name in message for name in ALL)
    assert str(tmp_path / "new" / "data" / "MNIST" / "raw") in message
    assert ("The download failed: 127.0.0.1:9: " in message) == allowed
    assert list(tmp_path.iterdir()) == []


def test_a_silent_mirror_is_not_waited_for(mirror: Path, tmp_path: Path, silent_port: int) -> None:
    """A firewall that drops packets must not hold a training up for minutes."""
    folder, (name, md5) = tmp_path / "data", MNIST.resources[1]
    silent, answering = f"http://127.0.0.1:{silent_port}/", MNIST.mirrors[0] + name
    with pytest.raises(DataError, match=r"127.0.0.1:\d+: "):
        fetch([Remote(name, (silent,), md5)], folder, copy, "", answer_seconds=0.5)
    assert not folder.exists()
    fetch([Remote(name, (silent, answering), md5)], folder, copy, "", answer_seconds=0.5)
    assert [path.name for path in folder.iterdir()] == [name]


def _slow_lookup(*args: object, **kwargs: object) -> None:
    time.sleep(6)
    raise OSError("no such name")


def test_a_slow_name_server_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No socket timeout bounds the lookup of a name, which takes 20 seconds behind a firewall."""
    monkeypatch.setattr(socket, "getaddrinfo", _slow_lookup)
    remote = Remote("a", ("http://slow.invalid/a",), "0" * 32)
    began = time.monotonic()
    with pytest.raises(DataError, match=r"no answer in 0\.2 seconds"):
        fetch([remote], tmp_path, copy, "a is missing.", answer_seconds=0.2)
    assert time.monotonic() - began < 5


def test_a_file_that_came_meanwhile_is_kept(mirror: Path, tmp_path: Path) -> None:
    """Two processes may start on one empty data folder."""

    def unpack(archive: Path, folder: Path) -> None:
        write(tmp_path, "a", b"theirs")
        (folder / "a").write_bytes(b"ours")

    name, md5 = MNIST.resources[1]
    remote = Remote(name, (MNIST.mirrors[0] + name,), md5)
    fetch([remote], tmp_path / "MNIST" / "raw", unpack, "a is missing.")
    assert (tmp_path / "MNIST" / "raw" / "a").read_bytes() == b"theirs"


def test_of_several_processes_that_miss_a_file_one_downloads_it(
    mirror: Path, tmp_path: Path
) -> None:
    """As the workers of a node do that start on an empty data folder."""
    unpacked: list[str] = []

    def unpack(archive: Path, folder: Path) -> None:
        unpacked.append(archive.name)
        time.sleep(0.2)  # the others are waiting by now
        (folder / "a").write_bytes(b"ours")

    name, md5 = MNIST.resources[1]
    remote = Remote(name, (MNIST.mirrors[0] + name,), md5)
    made = tmp_path / "MNIST" / "raw"
    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            pool.submit(fetch, [remote], made, unpack, "a is missing.", ["a"])
    assert unpacked == [name]
    assert [path.name for path in made.iterdir()] == ["a"]


def test_a_download_that_breaks_leaves_nothing_behind(mirror: Path, tmp_path: Path) -> None:
    """Half a file would be taken for a whole one by the next run."""
    (mirror / f"{ALL[1]}.gz").write_bytes(b"not what was published")
    (tmp_path / "data").mkdir()
    with pytest.raises(DataError, match=r"The download failed: .*corrupted"):
        read_mnist(tmp_path / "data", "train")
    assert list((tmp_path / "data").iterdir()) == []
    assert socket.getdefaulttimeout() is None


@pytest.mark.skipif("MULTIHEAD_DATA_DIR" not in os.environ, reason="MULTIHEAD_DATA_DIR is not set")
def test_the_real_files_are_read() -> None:
    data_dir = Path(os.environ["MULTIHEAD_DATA_DIR"])
    if not (data_dir / "MNIST").is_dir():
        pytest.skip(f"{data_dir / 'MNIST'} does not exist")
    images, labels = read_mnist(data_dir, "test", download=False)
    assert images.shape == (10_000, 1, 28, 28)
    assert labels[:5].tolist() == [7, 2, 1, 0, 4]
