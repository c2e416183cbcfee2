"""What is converted reads back equal, in bytes that depend on the content alone."""

import json
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.vimh_files import pictures, record, write_folder

from multihead import Head, Heads
from multihead.datasets.convert import Batch, convert, dataset_content, refuse_same_place
from multihead.datasets.formats import open_dataset
from multihead.errors import ConfigError, DataError
from multihead.heads import Parameter
from multihead.vimh import VIMHWriter, read_info, vimh_source

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (20, 3, 4, 5)).astype(np.uint8)
NOTE = Head("note", 256, kind="ordinal", parameter=Parameter(1, 90, "log", "Hz", step=2))
CODES = {"note": RNG.integers(0, 256, 20), "kind": RNG.integers(0, 3, 20)}


@pytest.fixture
def vimh(tmp_path: Path) -> Path:
    with VIMHWriter(
        tmp_path / "vimh-4x5x3_a",
        Heads([NOTE, Head("kind", 3, ("a", "ß", "c"))]),
        (3, 4, 5),
        dataset_name="née",
        fixed={"gain": 1.5},
        descriptions={"note": "how high"},
        metadata={"generator": {"seed": 3, "by": ["me"]}},
    ) as writer:
        spec = RNG.normal(size=(20, 2)).astype(np.float32)
        writer.write("train", IMAGES, CODES, spec)
        writer.write(
            "test", IMAGES[:0], {name: codes[:0] for name, codes in CODES.items()}, spec[:0]
        )
    return tmp_path / "vimh-4x5x3_a"


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_binary_to_pickle_and_back_gives_the_same_bytes(vimh: Path, tmp_path: Path) -> None:
    there, back = tmp_path / "vimh-4x5x3_b", tmp_path / "vimh-4x5x3_c"
    assert convert(dataset_content(open_dataset(vimh)), there, ["pickle"]) == {
        "train": 20,
        "test": 0,
    }
    assert sorted(files(there)) == ["test_batch", "train_batch", "vimh_dataset_info.json"]
    convert(dataset_content(open_dataset(there)), back, ["binary"])
    assert files(back) == files(vimh)


def test_converting_twice_gives_the_same_bytes(vimh: Path, tmp_path: Path) -> None:
    content = dataset_content(open_dataset(vimh))
    for name in ("b", "c"):
        convert(content, tmp_path / name, ["binary", "pickle"])
    assert files(tmp_path / "b") == files(tmp_path / "c")


def test_metadata_that_nobody_knows_are_kept(vimh: Path, tmp_path: Path) -> None:
    convert(dataset_content(open_dataset(vimh)), tmp_path / "b", ["pickle"])
    info = read_info(tmp_path / "b")
    assert info.extra == {"generator": {"seed": 3, "by": ["me"]}}
    assert (info.name, info.fixed, info.descriptions) == (
        "née",
        {"gain": 1.5},
        {"note": "how high"},
    )
    assert info.heads["note"] == NOTE


def test_what_strangers_say_of_parameters_is_kept(tmp_path: Path) -> None:
    """Names that cannot be heads, keys of entries, fixed parameters and entries without an id."""
    mappings = {
        "größe der Saite": {"min": 1, "max": 2, "curve": [1, "s"], "type": "continuous"},
        "kind": {"min": 1, "max": 2, "type": "classification", "labels": {"1": "a"}},
        "gain": {"min": 3, "max": 3, "unit": "dB", "description": "loudness"},
        "größe_der_Saite": {"min": 4, "max": 4, "scale": "linear"},
        "unused": {"min": 0, "max": 1, "note": None},
    }
    folder = write_folder(
        tmp_path,
        counts=(3, 0),
        mappings=mappings,
        parameter_names=[*mappings][:2],
        label_encoding={"metadata_bytes": 6, "values": "uint8"},
    )
    pairs = [[(0, i), (1, i % 2)] for i in range(3)]
    rows = zip(pictures(3, 4, 5, 3), pairs, strict=True)
    (folder / "train").write_bytes(b"".join(record(*row) for row in rows))
    with pytest.warns(UserWarning, match="head names have letters"):
        convert(dataset_content(open_dataset(folder)), tmp_path / "b", ["binary"])
    written = json.loads((tmp_path / "b" / "vimh_dataset_info.json").read_text())
    assert written["parameter_names"] == [*mappings][:2]
    assert {**written["label_encoding"], "values": "uint8"} == written["label_encoding"]
    for name, entry in mappings.items():
        default = {} if name == "unused" else {"scale": "linear"}
        assert written["parameter_mappings"][name] == entry | default
    with pytest.warns(UserWarning, match="head names have letters"):
        convert(dataset_content(open_dataset(tmp_path / "b")), tmp_path / "c", ["binary"])
    assert files(tmp_path / "c") == files(tmp_path / "b")


def test_cifar100mh_becomes_vimh(tmp_path: Path) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    pixels = RNG.integers(0, 256, (6, 3072)).astype(np.uint8)
    labels = [[2, 0, 10 * i, 1, i % 2] for i in range(6)]
    record = {
        "parameter_names": ["angle", "side"],
        "parameter_mappings": {
            "angle": {"min": 0, "max": 90},
            "side": {"min": 0, "max": 1, "type": "classification"},
        },
        "train_samples": 6,
        "made_by": "a friend",
    }
    (folder / "cifar100mh_dataset_info.json").write_text(json.dumps(record))
    batch = {"data": pixels, "cifar100mh_labels": labels}
    (folder / "train_batch").write_bytes(pickle.dumps(batch))
    target = tmp_path / "vimh-32x32x3_new"
    convert(dataset_content(open_dataset(folder)), target, ["binary"])
    images, codes = vimh_source(target, "train").take(np.arange(6))
    assert (images == pixels.reshape(6, 3, 32, 32)).all()
    assert codes["angle"].tolist() == [0, 10, 20, 30, 40, 50]
    assert codes["side"].tolist() == [0, 1, 0, 1, 0, 1]
    assert read_info(target).extra == {"made_by": "a friend"}


def test_a_source_that_changes_meanwhile_leaves_no_folder(vimh: Path, tmp_path: Path) -> None:
    """The second reading must find what the first has found."""
    content = dataset_content(open_dataset(vimh))
    readings: list[str] = []

    def changing(split: str) -> Iterator[Batch]:
        readings.append(split)
        for images, codes, spec in content.batches(split):  # type: ignore[arg-type]
            yield images ^ np.uint8(len(readings) > 2), codes, spec

    with pytest.raises(DataError, match="samples 0 to 19 of train read back as binary are not"):
        convert(replace(content, batches=changing), tmp_path / "b", ["binary"])
    assert not (tmp_path / "b").exists()


def test_a_damaged_source_leaves_no_folder(vimh: Path, tmp_path: Path) -> None:
    size = (vimh / "train").stat().st_size // 20
    with (vimh / "train").open("r+b") as file:
        file.seek(size + 14)
        file.write(b"\x09")
    content = dataset_content(open_dataset(vimh))
    with pytest.raises(DataError, match="sample 1 "):
        convert(content, tmp_path / "b", ["binary"])
    assert sorted(p.name for p in tmp_path.iterdir()) == [vimh.name]


def test_a_folder_that_is_there_is_kept_unless_told(vimh: Path, tmp_path: Path) -> None:
    content = dataset_content(open_dataset(vimh))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError, match="already exists"):
        convert(content, tmp_path / "b", ["binary"])
    with pytest.raises(ConfigError, match="cannot be replaced"):
        convert(content, tmp_path / "b", ["binary"], overwrite=True)
    assert files(tmp_path / "b") == {"thesis.tex": b"years of work"}


def test_a_dataset_is_not_written_into_itself(vimh: Path) -> None:
    for target in (vimh, vimh / "b", vimh.parent / "." / vimh.name):
        with pytest.raises(ConfigError, match="which is read; name another folder"):
            refuse_same_place(vimh, target)
