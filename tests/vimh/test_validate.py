"""Every problem of a folder is told, with its place; opening tells the first."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from tests.vimh_files import (
    DECAY,
    NOTE,
    batch,
    metadata,
    pictures,
    record,
    write_folder,
    write_info,
)

from multihead.vimh import validate

SIZE = 6 + 1 + 4 + 60


def damage(folder: Path, *edits: tuple[int, int]) -> Path:
    raw = bytearray((folder / "train").read_bytes())
    for place, byte in edits:
        raw[place] = byte
    (folder / "train").write_bytes(raw)
    return folder


@pytest.mark.parametrize("form", ["binary", "pickle"])
@pytest.mark.parametrize("header", [6, 14])
def test_a_whole_folder_has_no_problems(tmp_path: Path, form: str, header: int) -> None:
    assert [*validate(write_folder(tmp_path, form=form, header=header))] == []


def test_every_damaged_sample_is_told_with_its_byte(tmp_path: Path) -> None:
    folder = damage(write_folder(tmp_path), (2 * SIZE + 7, 5), (9 * SIZE + 9, 0))
    found = [(p.sample, p.offset, p.message) for p in validate(folder)]
    assert found == [
        (2, 2 * SIZE + 7, "parameter id 5 is beyond the ids 0 to 1."),
        (9, 9 * SIZE + 9, "parameter id 0 occurs twice."),
    ]


def test_checks_go_on_after_a_wrong_header(tmp_path: Path) -> None:
    folder = damage(write_folder(tmp_path), (2 * SIZE, 9), (5 * SIZE, 8), (7 * SIZE + 7, 5))
    assert [(p.sample, p.offset) for p in validate(folder)] == [
        (2, 2 * SIZE),
        (5, 5 * SIZE),
        (7, 7 * SIZE + 7),
    ]


def test_samples_of_another_n_are_followed(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    write_info(folder, metadata((1, 2, 2), {"note": NOTE, "decay": DECAY}))
    image = pictures(1, 2, 2, 1)[0]
    good, short = record(image, [(0, 1), (1, 2)]), record(image, [(0, 1)])
    long, bad = record(image, [(0, 1), (1, 2), (1, 2)]), record(image, [(0, 1), (7, 2)])
    (folder / "train").write_bytes(b"".join([good, short, good, long, bad, good[:-2]]))
    found = [(p.sample, p.offset, p.message[:20]) for p in validate(folder)]
    assert found == [
        (1, 15, "it has N = 1 paramet"),
        (3, 43, "it has N = 3 paramet"),
        (4, 69, "parameter id 7 is be"),
        (5, 75, "it is cut short: 13 "),
    ]


def test_a_cut_between_samples_is_told_by_the_count(tmp_path: Path) -> None:
    (problem,) = validate(write_folder(tmp_path, train_samples=13))
    assert "holds 12 samples, but vimh_dataset_info.json says 13" in problem.message


def test_both_forms_of_both_splits_are_checked(tmp_path: Path) -> None:
    folder = write_folder(tmp_path)
    write_folder(tmp_path, form="pickle")
    for name in ("train_batch", "test_batch"):
        (folder / name).write_bytes(b"cos\nsystem\n.")
    (folder / "test").write_bytes(b"x")
    files = [Path(p.file).name for p in validate(folder)]
    assert files == ["train_batch", "test", "test_batch"]


def test_every_row_of_a_pickle_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    write_info(folder, metadata((1, 2, 2), {"note": NOTE, "decay": DECAY}))
    content = batch(pictures(4, 2, 2, 1), [[(0, 1), (1, 2)], [(0, 1)], [(0, 1), (1, 2)], []])
    (folder / "train_batch").write_bytes(pickle.dumps(content))
    assert [p.sample for p in validate(folder)] == [1, 3]


def test_ranges_that_make_no_sense_are_told(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, header=14)
    size = SIZE + 8
    raw = bytearray((folder / "train").read_bytes())
    raw[3 * size + 6 : 3 * size + 14] = np.array([np.nan, 0], "<f4").tobytes()
    raw[4 * size + 6 : 4 * size + 14] = np.array([1, 0], "<f4").tobytes()
    (folder / "train").write_bytes(raw)
    assert [(p.sample, p.offset) for p in validate(folder)] == [(3, 3 * size), (4, 4 * size)]


def test_metadata_and_missing_splits_are_problems(tmp_path: Path) -> None:
    folder = write_folder(tmp_path)
    for name in ("train", "test"):
        (folder / name).unlink()
    assert [p.message for p in validate(folder)] == ["there is neither a train nor a test split."]
    (folder / "vimh_dataset_info.json").write_text("{")
    (problem,) = validate(folder)
    assert "not valid JSON" in problem.message
