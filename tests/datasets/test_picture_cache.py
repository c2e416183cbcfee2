"""Prepared pictures are kept whole or not at all, and made again when anything changed."""

import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.hostile.memory import within
from tests.picture_kinds import noise, smooth, write

from multihead.data.loader import AheadLoader, Loading, make_loader
from multihead.data.ranks import Ranks
from multihead.data.source import Source
from multihead.datasets.picture_files import PictureOptions, Pictures, open_pictures
from multihead.errors import DataError
from multihead.heads import Heads

OPEN = """
import sys
from pathlib import Path
from multihead.datasets.picture_files import PictureOptions, open_pictures
root = Path(sys.argv[1])
paths = sorted(root.iterdir())
print("ready", flush=True)
found = open_pictures(paths, root=root, rows=range(len(paths)), options=PictureOptions())
print(int(found.images[:].sum()))
"""


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where prepared pictures are kept."""
    monkeypatch.setenv("MULTIHEAD_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "pictures"


def opened(paths: list[Path], **options: object) -> Pictures:
    rows = range(1, len(paths) + 1)
    return open_pictures(paths, root=paths[0].parent, rows=rows, options=PictureOptions(**options))


def files(kept: Path) -> list[Path]:
    return sorted(kept.glob("pictures-*.npy"))


def process(folder: Path, *limits: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", OPEN, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limits[0] if limits else None,
    )


def test_a_kept_file_opens_with_numpy_and_nothing_else_is_left(kept: Path, tmp_path: Path) -> None:
    found = opened(write(tmp_path / "a", "colour"))
    (file,) = files(kept)
    assert np.array_equal(np.load(file, mmap_mode="r"), found.images[:])
    assert sorted(path.suffix for path in kept.iterdir()) == [".json", ".npy"]


def test_pictures_are_decoded_once(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from multihead.datasets import picture_opening, preparation

    paths = write(tmp_path / "a", "jpeg")
    first = opened(paths).images[:]

    def fail(*_: object) -> None:
        raise AssertionError("it was opened again")

    for module in (picture_opening, preparation):
        monkeypatch.setattr(module, "open_picture", fail)
    assert np.array_equal(opened(paths).images[:], first)


def test_a_changed_file_is_noticed_though_size_and_time_are_as_before(
    kept: Path, tmp_path: Path
) -> None:
    """A copy that keeps times, such as rsync -a makes, is the usual way to get there."""
    paths = [tmp_path / "a" / f"{i}.bmp" for i in range(2)]
    paths[0].parent.mkdir()
    from PIL import Image

    for path in paths:
        Image.fromarray(noise(8, 8, 3)).save(path)
    before, facts = opened(paths).images[:], paths[1].stat()
    Image.fromarray(noise(8, 8, 3)).save(paths[1])
    os.utime(paths[1], ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert (paths[1].stat().st_size, paths[1].stat().st_mtime_ns) == (
        facts.st_size,
        facts.st_mtime_ns,
    )
    after = opened(paths).images[:]
    assert np.array_equal(after[0], before[0])
    assert not np.array_equal(after[1], before[1])
    assert len(files(kept)) == 2


def test_files_that_were_only_moved_are_not_decoded_again(kept: Path, tmp_path: Path) -> None:
    paths = write(tmp_path / "a", "colour")
    digest = opened(paths).images.digest()
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert opened(sorted((tmp_path / "b").iterdir())).images.digest() == digest
    assert len(files(kept)) == 1


def test_another_size_is_another_file_and_another_digest(kept: Path, tmp_path: Path) -> None:
    paths = write(tmp_path / "a", "colour")
    assert opened(paths).images.digest() != opened(paths, size=(8, 8)).images.digest()
    assert len(files(kept)) == 2
    assert opened(paths).images.digest() == opened(paths, cache=False).images.digest()


@pytest.mark.parametrize("fault", ["cut", "empty", "other"])
def test_a_kept_file_that_is_not_whole_is_made_again(
    fault: str, kept: Path, tmp_path: Path
) -> None:
    paths = write(tmp_path / "a", "colour")
    wanted = opened(paths).images[:]
    (file,) = files(kept)
    content = file.read_bytes()
    file.write_bytes({"cut": content[:-100], "empty": b"", "other": b"x" * len(content)}[fault])
    for survey in kept.glob("survey-*.json"):
        survey.write_text('[["a"]]')
    assert np.array_equal(opened(paths).images[:], wanted)


@pytest.mark.slow
def test_what_a_killed_process_left_is_never_taken_for_whole(kept: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    picture = smooth(700, 700)
    for i in range(300):
        picture.save(folder / f"{i:03}.jpg", quality=50 + i % 40)
    killed = process(folder)
    assert killed.stdout is not None
    killed.stdout.readline()
    until = time.monotonic() + 60
    while not list(kept.glob(".pictures-*.tmp")) and time.monotonic() < until:
        time.sleep(0.002)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert list(kept.glob(".pictures-*.tmp"))
    assert not files(kept)
    both = [process(folder), process(folder)]
    said = [one.communicate(timeout=120) for one in both]
    assert {out for out, _ in said} == {said[0][0]}, said
    assert said[0][0].startswith("ready\n")
    assert len(files(kept)) == 1
    assert not list(kept.glob(".pictures-*.tmp"))


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home on a file system of four megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    monkeypatch.setenv("MULTIHEAD_HOME", str(place))
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_that_is_too_small_is_one_line_beforehand(small_disk: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"take 0.0 GB, and .* data.cache=false"):
        opened(write(tmp_path / "a", "colour"))
    assert len(opened(write(tmp_path / "a", "colour"), cache=False).images) == 4


def test_a_disk_that_gets_full_is_one_line_and_leaves_nothing(kept: Path, tmp_path: Path) -> None:
    """A limit on a file's size is an error of writing as well, and needs no mount."""
    folder = tmp_path / "a"
    write(folder, "large", 8)

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    one = process(folder, limit)
    error = one.communicate(timeout=60)[1]
    assert one.returncode == 1
    assert "DataError: the prepared pictures cannot be kept in" in error
    assert "data.cache=false" in error
    assert not files(kept)
    assert not list(kept.glob(".*.tmp"))


def test_a_home_that_cannot_be_written_to_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home/pictures").write_text("a file in the folder's place")
    monkeypatch.setenv("MULTIHEAD_HOME", str(tmp_path / "home"))
    with pytest.raises(DataError, match=r"cannot be kept in .* or set data.cache=false"):
        opened(write(tmp_path / "a", "colour"))


def source(found: Pictures) -> Source:
    count, channels = len(found.images), found.images.shape[1]
    labels = {"kind": np.arange(count) % 2}
    heads = Heads.from_outputs({"kind": 2})
    half = (0.5,) * channels
    record = found.preparation.record()
    return Source("made", found.images, labels, heads, half, half, preparation=record)


def batches(source: Source, budget: float, epoch: int = 0) -> list[tuple[np.ndarray, list[int]]]:
    import torch

    index = np.arange(len(source))
    loading = Loading(5, 3, torch.device("cpu"), Ranks(), budget, 0, False, False)
    loader = make_loader(source, index, loading)
    assert isinstance(loader, AheadLoader) == (budget == 0)
    loader.batch_sampler.set_epoch(epoch)
    return [(images.numpy(), labels["kind"].tolist()) for images, labels in loader]


@pytest.mark.parametrize("kind", ["mixed sizes", "transparent"])
def test_batches_are_the_same_from_memory_from_the_file_and_decoded_anew(
    kind: str, kept: Path, tmp_path: Path
) -> None:
    paths = write(tmp_path / "a", kind, 5) * 4
    cached, anew = source(opened(paths)), source(opened(paths, cache=False))
    assert cached.digest() == anew.digest()
    for epoch in (0, 1):
        wanted = batches(cached, 100, epoch)
        for found in (
            batches(anew, 100, epoch),
            batches(cached, 0, epoch),
            batches(anew, 0, epoch),
        ):
            for (a, a_labels), (b, b_labels) in zip(wanted, found, strict=True):
                assert np.array_equal(a, b)
                assert a_labels == b_labels


@pytest.mark.parametrize("cache", [True, False])
def test_a_part_is_read_without_the_rest_and_goes_to_other_processes(
    cache: bool, kept: Path, tmp_path: Path
) -> None:
    found = opened(write(tmp_path / "a", "jpeg", 6), cache=cache)
    part = found.part(np.array([4, 1]))
    assert np.array_equal(part[:], found.images[np.array([4, 1])])
    assert np.array_equal(pickle.loads(pickle.dumps(part))[1], found.images[1])
    assert np.array_equal(part[0, 2], found.images[4][2])
    assert np.array_equal(part[[True, False]], found.images[4:5])
    assert part.digest() != found.images.digest()
    with pytest.raises(IndexError):
        part[2]


@pytest.mark.parametrize("cache", [True, False])
def test_an_epoch_takes_no_more_memory_than_its_batches(
    cache: bool, kept: Path, tmp_path: Path
) -> None:
    """All of it together would be 90 MB."""
    paths = write(tmp_path / "a", "jpeg", 4) * 150
    made = source(opened(paths, cache=cache, size=(224, 224)))
    batches(source(opened(paths[:10], cache=cache, size=(224, 224))), 0)
    import torch

    loading = Loading(16, 3, torch.device("cpu"), Ranks(), 10, 0, False, False)
    loader = make_loader(made, np.arange(len(made)), loading)
    with within(60):
        assert sum(len(images) for images, _ in loader) == 600


def test_an_epoch_that_is_left_early_leaves_no_thread_behind(kept: Path, tmp_path: Path) -> None:
    import threading

    import torch

    made = source(opened(write(tmp_path / "a", "jpeg", 4) * 50, cache=False))
    before = threading.active_count()
    loading = Loading(4, 3, torch.device("cpu"), Ranks(), 0, 0, False, False)
    walk = iter(make_loader(made, np.arange(200), loading))
    next(walk)
    walk.close()
    assert threading.active_count() == before
