"""What is written is whole or absent, equal for equal input, and can be read by others."""

import json
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.vimh_files import pictures

from multihead.errors import ConfigError, DataError
from multihead.heads import Head, Heads, Parameter
from multihead.vimh import VIMHWriter, read_info, vimh_source

HEADS = Heads(
    [
        Head("tonhöhe", 256, kind="ordinal", parameter=Parameter(0.1, 9, "log", "Hz", 0.5)),
        Head("drum", 4, ("a", "b", "c", "d"), first=3),
        Head("x", 256, kind="bounded_regression", parameter=Parameter(-1, 1)),
    ]
)
SHAPE = (2, 3, 4)


def codes(count: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {name: rng.integers(0, head.num_classes, count) for name, head in HEADS.items()}


def write(path: Path, *, parts: int = 1, spec: bool = True, **options: Any) -> Path:
    images, labels = pictures(12, 3, 4, 2), codes(12)
    ranges = np.linspace(-80, 0, 24, dtype=np.float32).reshape(12, 2) if spec else None
    with VIMHWriter(path, HEADS, SHAPE, **{"forms": ("binary", "pickle"), **options}) as writer:
        for split in ("train", "test"):
            for rows in np.array_split(np.arange(12), parts):
                part = {name: values[rows] for name, values in labels.items()}
                writer.write(split, images[rows], part, None if ranges is None else ranges[rows])
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_equal_input_makes_equal_bytes_in_any_number_of_parts(tmp_path: Path) -> None:
    one = contents(write(tmp_path / "a" / "d"))
    assert one == contents(write(tmp_path / "b" / "d", parts=5))
    assert sorted(one) == ["test", "test_batch", "train", "train_batch", "vimh_dataset_info.json"]


def test_others_load_the_pickle(tmp_path: Path) -> None:
    batch = pickle.loads((write(tmp_path / "d") / "train_batch").read_bytes())
    images = batch["data"].reshape(12, 3, 4, 2).transpose(0, 3, 1, 2)
    assert batch["data"].dtype == np.uint8
    assert np.array_equal(images, pictures(12, 3, 4, 2))
    expected = [
        [3, *(n for i, values in enumerate(codes(12).values()) for n in (i, int(values[row])))]
        for row in range(12)
    ]
    assert batch["vimh_labels"] == expected
    assert (batch["height"], batch["width"], batch["channels"]) == (3, 4, 2)
    assert batch["scale_factors"].shape == (12, 2)
    assert batch["scale_factors"].dtype == np.float32


@pytest.mark.parametrize("spec", [True, False])
def test_both_forms_read_as_what_was_written(tmp_path: Path, spec: bool) -> None:
    folder = write(tmp_path / "d", spec=spec)
    sources = [vimh_source(folder, "test")]
    (folder / "test").unlink()
    sources.append(vimh_source(folder, "test"))
    for source in sources:
        images, labels = source.take(np.arange(12))
        assert np.array_equal(images, pictures(12, 3, 4, 2))
        assert all(np.array_equal(labels[name], values) for name, values in codes(12).items())
        assert source.heads == HEADS
        assert (source.spec_range(np.arange(2)) is None) == (not spec)
    assert sources[0].digest() == sources[1].digest()


def test_the_metadata_hold_what_was_given(tmp_path: Path) -> None:
    more = {"sample_rate": 8000, "tags": ["a"]}
    folder = write(
        tmp_path / "d",
        dataset_name="Töne",
        fixed={"room": 2.5},
        descriptions={"drum": "which one"},
        metadata=more,
    )
    info = read_info(folder)
    assert (info.name, info.extra, info.fixed) == ("Töne", more, {"room": 2.5})
    assert info.descriptions == {"drum": "which one"}
    assert (info.header_bytes, info.pixel_order) == (14, "HWC")
    assert info.counts == {"train": 12, "test": 12}
    assert json.loads((folder / "vimh_dataset_info.json").read_text())["parameter_names"] == [
        *HEADS
    ]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"image_shape": (0, 3, 4)}, "image_shape is"),
        ({"image_shape": (3, 65536, 4)}, "image_shape is"),
        ({"forms": ()}, "forms are"),
        ({"forms": ("csv",)}, "forms are"),
        ({"metadata": {"height": 3}}, "metadata has 'height'"),
        ({"metadata": {"a": float("nan")}}, "cannot be written as JSON"),
        ({"metadata": {"a": object()}}, "cannot be written as JSON"),
        ({"fixed": {"drum": 1.0}}, "fixed has 'drum'"),
        ({"path": "vimh-4x3x2_x"}, "vimh-4x3x2_x says 4x3x2 .* the images are 3x4x2"),
        ({"names": {"x": "y z"}}, "names has 'x'"),
        ({"entries": {"x": {"min": 3}}}, "entries has 'x'"),
        ({"encoding": {"metadata_bytes": 6}}, "encoding has 'metadata_bytes'"),
        ({"descriptions": {"no": ""}}, "descriptions has 'no'"),
        ({"heads": Heads([Head("a", 257)])}, "257 classes"),
        (
            {"heads": Heads([Head("a", 9, kind="ordinal", parameter=Parameter(0, 1, levels=9))])},
            "9 levels",
        ),
        ({"heads": Heads([Head(f"a{i}", 2) for i in range(256)])}, "at most 255"),
    ],
)
def test_what_vimh_cannot_hold_is_refused(
    tmp_path: Path, options: dict[str, Any], reason: str
) -> None:
    arguments = {"path": "d", "heads": HEADS, "image_shape": SHAPE} | options
    arguments["path"] = tmp_path / arguments["path"]
    with pytest.raises(ConfigError, match=reason):
        VIMHWriter(**arguments)
    assert [*tmp_path.iterdir()] == []


def write_calls(path: Path, *calls: dict[str, Any]) -> None:
    with VIMHWriter(path, HEADS, SHAPE) as writer:
        for call in calls:
            writer.write(**call)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"split": "val"}, "no split 'val'"),
        ({"images": np.zeros((1, 3, 4, 2), np.uint8)}, "images are uint8"),
        ({"images": np.zeros((1, 2, 3, 4), np.float32)}, "images are float32"),
        ({"codes": {"drum": [0]}}, "codes are for"),
        ({"codes": {"drum": [4], "tonhöhe": [0], "x": [0]}}, "code 4 of 'drum'"),
        ({"codes": {"drum": [-1], "tonhöhe": [0], "x": [0]}}, "code -1 of 'drum'"),
        ({"codes": {"drum": [0.0], "tonhöhe": [0], "x": [0]}}, "must be integers"),
        ({"codes": {"drum": [float("nan")], "tonhöhe": [0], "x": [0]}}, "must be integers"),
        ({"codes": {"drum": [0, 1], "tonhöhe": [0], "x": [0]}}, r"must be \[1\]"),
        ({"spec_range": np.array([[0, np.nan]], np.float32)}, "spec_range"),
        ({"spec_range": np.zeros((2, 2), np.float32)}, "spec_range"),
        ({"spec_range": np.zeros((1, 2), np.float32)}, "in all calls of write, or in none"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_remains(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    good = {
        "split": "train",
        "images": np.zeros((1, *SHAPE), np.uint8),
        "codes": {"drum": [0], "tonhöhe": [0], "x": [0]},
    }
    with pytest.raises(ConfigError, match=reason):
        write_calls(tmp_path / "d", good, good | change)
    assert [*tmp_path.iterdir()] == []


def test_nothing_written_is_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing was written"):
        write_calls(tmp_path / "d")
    assert [*tmp_path.iterdir()] == []


def test_a_folder_is_replaced_only_if_asked_and_if_it_is_a_dataset(tmp_path: Path) -> None:
    folder = write(tmp_path / "d", spec=False)
    with pytest.raises(ConfigError, match="already exists"):
        write(folder)
    write(folder, overwrite=True)
    assert read_info(folder).header_bytes == 14
    other = tmp_path / "photos"
    other.mkdir()
    with pytest.raises(ConfigError, match="cannot be replaced"):
        write(other, overwrite=True)


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written: "):
        write(tmp_path / "file" / "d")


KILLED = """
import os, signal, sys
from tests.vimh.test_writer import HEADS, SHAPE, codes, pictures
from multihead import VIMHWriter
with VIMHWriter(sys.argv[1], HEADS, SHAPE, forms=("binary", "pickle")) as writer:
    writer.write("train", pictures(12, 3, 4, 2), codes(12))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_writer_leaves_no_dataset_and_the_next_one_clears_up(tmp_path: Path) -> None:
    path, root = tmp_path / "d", Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), *filter(None, sys.path)])}
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".d.writing-")
    write(path)
    assert [p.name for p in tmp_path.iterdir()] == ["d"]


def test_writers_side_by_side_leave_each_other_alone(tmp_path: Path) -> None:
    with VIMHWriter(tmp_path / "d", HEADS, SHAPE) as one:
        one.write("train", pictures(12, 3, 4, 2), codes(12))
        with pytest.raises(ZeroDivisionError), VIMHWriter(tmp_path / "d", HEADS, SHAPE):
            _ = 1 / 0
    assert len(vimh_source(tmp_path / "d", "train")) == 12
