"""Sets in shards: what is written, what is refused, and that nothing half-written stays."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.shards import HEADS, write_file, write_shards
from tests.vimh_files import DRUM, NOTE, write_folder

from multihead.datasets.convert import dataset_content, shard, sources_content
from multihead.datasets.formats import open_dataset, read_sources
from multihead.errors import ConfigError, DataError
from multihead.vimh import VIMHSource, vimh_source
from multihead.vimh.shard_validate import validate_shards
from multihead.vimh.shard_writer import ShardWriter
from multihead.vimh.streamed import streamed_source, streamed_sources

INDEX = "vimh_shards.json"


def test_shards_one_after_the_other_are_the_binary_file(tmp_path: Path) -> None:
    file, shards = write_file(tmp_path / "file"), write_shards(tmp_path / "set")
    for split, count in (("train", 7), ("test", 1)):
        parts = [shards / f"{split}-{number:05}" for number in range(count)]
        assert b"".join(p.read_bytes() for p in parts) == (file / split).read_bytes()
    names = {f"train-{n:05}" for n in range(7)} | {"test-00000", INDEX}
    assert {path.name for path in shards.iterdir()} == names


@pytest.mark.parametrize("header", [6, 14])
def test_any_dataset_is_sharded_with_all_that_it_says(tmp_path: Path, header: int) -> None:
    folder = write_folder(
        tmp_path,
        header=header,
        counts=(30, 5),
        mappings={"a note": NOTE, "flag": {"min": 0, "max": 255, "type": "classification"}},
        origin="a bell",
    )
    with pytest.warns(UserWarning, match="'a note' is a_note"):
        content = dataset_content(open_dataset(folder))
    shard(content, str(tmp_path / "set"), 4)
    for split, source in streamed_sources(tmp_path / "set").items():
        with pytest.warns(UserWarning, match="'a note' is a_note"):
            file = vimh_source(folder, split)
        assert isinstance(file, VIMHSource)
        assert source.digest() == file.digest() == super(type(source), source).digest()
        assert source.heads == file.heads
        everything = np.arange(len(file))
        np.testing.assert_equal(source.spec_range(everything), file.spec_range(everything))
        assert source.file.info.extra == {"origin": "a bell"}
        assert source.name == file.name


def test_classes_stored_as_values_are_counted_from_the_least_in_shards(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, counts=(6, 2), mappings={"drum": DRUM})
    for split, count in (("train", 6), ("test", 2)):
        raw = np.fromfile(folder / split, np.uint8).reshape(count, -1)
        raw[:, 8] = 3 + np.arange(count) % 4  # the value itself
        raw.tofile(folder / split)
    with pytest.warns(UserWarning, match="store the value itself"):
        sources = read_sources(str(folder))
    shard(sources_content(sources), str(tmp_path / "set"), 4)
    assert streamed_source(tmp_path / "set", "train").labels["drum"].tolist() == [0, 1, 2, 3, 0, 1]


def test_shards_go_back_to_a_file_and_to_other_shards(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "set")
    again = shard(sources_content(read_sources(str(folder))), str(tmp_path / "other"), 30)
    assert [s.rows for s in again.splits["train"].shards] == [30, 20]
    digests = {streamed_source(tmp_path / n, "train").digest() for n in ("set", "other")}
    assert len(digests) == 1


def test_equal_input_makes_equal_bytes_in_any_parts(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 1, 2, 2)).astype(np.uint8)
    codes = {"low": np.arange(20), "high": np.arange(20)}
    for name, cuts in (("one", [0, 20]), ("many", [0, 3, 4, 19, 20])):
        with ShardWriter(
            tmp_path / name, HEADS, (1, 2, 2), rows_per_shard=6, dataset_name="x"
        ) as writer:
            for a, b in pairwise(cuts):
                writer.write("train", images[a:b], {n: c[a:b] for n, c in codes.items()})
    one, many = (
        {f.name: f.read_bytes() for f in (tmp_path / n).iterdir()} for n in ("one", "many")
    )
    assert one == many


def test_a_place_that_is_taken_stays_unless_it_is_to_be_replaced(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "set")
    with pytest.raises(ConfigError, match="already exists"):
        write_shards(folder, train=5)
    assert len(streamed_source(folder, "train")) == 50
    content = sources_content(read_sources(str(write_file(tmp_path / "file", train=5))))
    shard(content, str(folder), 2, overwrite=True)
    assert len(streamed_source(folder, "train")) == 5
    (tmp_path / "mine").mkdir()
    with pytest.raises(ConfigError, match=f"has no {INDEX}"):
        shard(content, str(tmp_path / "mine"), 2, overwrite=True)


_KILLED = """
import os, signal, sys
import numpy as np
from tests.shards import HEADS
from multihead.vimh.shard_writer import ShardWriter
with ShardWriter(sys.argv[1], HEADS, (1, 2, 2), rows_per_shard=2) as writer:
    for _ in range(9):
        writer.write("train", np.zeros((3, 1, 2, 2), np.uint8), {"low": [0] * 3, "high": [0] * 3})
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_writer_leaves_no_set_and_the_next_clears_up(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    path = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, str(tmp_path / "set")],
        env=os.environ | {"PYTHONPATH": path},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "set").exists()
    write_shards(tmp_path / "set")
    assert [p.name for p in tmp_path.iterdir()] == ["set"]


@pytest.mark.parametrize("rows", [-1, 10**9])
def test_shards_that_cannot_be_are_refused(tmp_path: Path, rows: int) -> None:
    with pytest.raises(ConfigError, match="rows_per_shard is"):
        ShardWriter(tmp_path / "set", HEADS, (1, 2, 2), rows_per_shard=rows)


def _shard(record: dict[str, Any]) -> dict[str, Any]:
    return record["splits"]["train"]["shards"][1]


def _set(key: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda record: _shard(record).__setitem__(key, value)


HOSTILE: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "another format": (lambda r: r.update(format="x"), "has the format 'x', version 1"),
    "a later version": (lambda r: r.update(version=2), "version 2; it must be VIMH shards 1"),
    "no metadata": (lambda r: r.pop("info"), "info must be an object"),
    "no header": (lambda r: r["info"].pop("label_encoding"), "metadata_bytes is missing"),
    "no splits": (lambda r: r.update(splits={}), "splits must be an object with train"),
    "an unknown split": (lambda r: r["splits"].update(more={}), "splits must be an object"),
    "no shards": (lambda r: r["splits"]["train"].pop("shards"), "with a list of shards"),
    "a file above": (_set("file", "../train"), "it must be 'train-00001'"),
    "a file elsewhere": (_set("file", "/etc/passwd"), "it must be 'train-00001'"),
    "a file twice": (_set("file", "train-00000"), "it must be 'train-00001'"),
    "no rows": (_set("rows", 0), r"rows is 0; it must be a whole number, 1 or more"),
    "rows below 0": (_set("rows", -8), "rows is -8"),
    "too many rows": (_set("rows", 10**30), "rows is 1000"),
    "rows that are true": (_set("rows", True), "rows is True"),
    "other bytes": (_set("bytes", 7), "bytes is 7; it must be 120, 15 a row"),
    "no hash": (_set("sha256", "ABC"), "sha256 is 'ABC'; it must be 64"),
    "a hash too few": (
        lambda r: r["splits"]["train"]["labels_sha256"].pop("low"),
        "must have a hash for each of",
    ),
    "other counts": (lambda r: r["info"].update(train_samples=9), "50 rows, but .* is 9"),
    "larger images": (
        lambda r: r["info"].update(height=3, image_size="3x2x1"),
        "it must be 136, 17 a row",
    ),
    "images of 4 GB": (
        lambda r: r["info"].update(height=65535, width=65535, image_size="65535x65535x1"),
        "2 GiB or more",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_an_index_that_makes_no_sense_is_one_line(tmp_path: Path, name: str) -> None:
    change, message = HOSTILE[name]
    folder = write_shards(tmp_path / "set")
    record = json.loads((folder / INDEX).read_text())
    change(record)
    (folder / INDEX).write_text(json.dumps(record))
    with pytest.raises(DataError, match=message) as caught:
        streamed_source(folder, "train")
    assert len(str(caught.value).splitlines()) == 1
    assert len(list(validate_shards(folder))) == 1


def test_rows_that_no_file_has_cost_no_memory(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "set")
    record = json.loads((folder / INDEX).read_text())
    _shard(record).update(rows=2**39, bytes=2**39 * 15)
    del record["info"]["train_samples"]
    (folder / INDEX).write_text(json.dumps(record))
    with pytest.raises(
        DataError, match=r"train-00001 has 120 bytes, but .* says 8,246,337,208,320"
    ):
        streamed_source(folder, "train")


def _cut(folder: Path) -> None:
    os.truncate(folder / "train-00001", 100)


def _lose(folder: Path) -> None:
    (folder / "train-00001").unlink()


def _pipe(folder: Path) -> None:
    (folder / "train-00001").unlink()
    os.mkfifo(folder / "train-00001")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_cut, "train-00001 has 100 bytes, but .* 120. Fetch it again, or write the dataset again"),
        (_lose, "train-00001 is missing. Fetch it again"),
        (_pipe, "train-00001 is missing"),
        (lambda folder: (folder / INDEX).unlink(), f"no {INDEX}, so it is not a dataset in shards"),
        (lambda folder: (folder / INDEX).write_text("[]"), "must have an object"),
    ],
)
def test_files_that_are_not_whole_are_told_before_anything_is_read(
    tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    folder = write_shards(tmp_path / "set")
    damage(folder)
    with pytest.raises(DataError, match=message):
        streamed_source(folder, "train")
    assert list(validate_shards(folder))


def test_every_problem_is_found_and_a_sound_set_has_none(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "set")
    assert list(validate_shards(folder)) == []
    with (folder / "train-00001").open("r+b") as file:
        file.seek(15 + 7 + 2)
        file.write(b"\x07")  # an unknown parameter
    with (folder / "train-00002").open("r+b") as file:
        file.seek(14)
        file.write(b"\xff")  # a pixel
    (folder / "train-00003").unlink()
    found = [
        (Path(p.file).name, p.sample, p.message.split(";")[0]) for p in validate_shards(folder)
    ]
    assert [(name, sample) for name, sample, _ in found] == [
        ("train-00001", 1),
        ("train-00001", None),
        ("train-00002", None),
        ("train-00003", None),
    ]
    assert "parameter id 7" in found[0][2]
    assert "its SHA-256 is" in found[1][2]
    assert "is missing" in found[3][2]


def test_a_digest_that_is_not_the_rows_is_found(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "set")
    record = json.loads((folder / INDEX).read_text())
    record["splits"]["train"]["labels_sha256"]["low"] = "0" * 64
    (folder / INDEX).write_text(json.dumps(record))
    (problem,) = validate_shards(folder)
    assert "labels_sha256.low is 0000" in problem.message
