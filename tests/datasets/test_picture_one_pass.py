"""Pictures are looked at and prepared in one reading, and become what two readings make of them."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.picture_kinds import SAVE, noise, write

from multihead.datasets import picture_one_pass, picture_survey
from multihead.datasets.picture_files import PictureOptions, Pictures, open_pictures
from multihead.datasets.picture_opening import read_content
from multihead.errors import DataError
from multihead.files import put_in_place

Reads = list[Path]


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where prepared pictures are kept; few pictures are enough."""
    monkeypatch.setenv("MULTIHEAD_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(picture_one_pass, "_LEAST", 1)
    monkeypatch.setattr(picture_one_pass, "_SAMPLE", 4)
    monkeypatch.setattr(picture_one_pass, "_FIRST_CHECK", 4)
    return tmp_path / "home" / "pictures"


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were made in one reading."""
    found: list[Path] = []

    def note(temporary: Path, path: Path) -> None:
        found.append(path)
        put_in_place(temporary, path)

    monkeypatch.setattr(picture_one_pass, "put_in_place", note)
    return found


def opened(paths: list[Path], **options: object) -> Pictures:
    rows = range(1, len(paths) + 1)
    return open_pictures(paths, root=paths[0].parent, rows=rows, options=PictureOptions(**options))


def alike(found: Pictures, wanted: Pictures) -> bool:
    return (
        found.images.digest() == wanted.images.digest()
        and np.array_equal(found.images[:], wanted.images[:])
        and np.array_equal(found.kept, wanted.kept)
        and found.notes == wanted.notes
        and found.preparation == wanted.preparation
    )


@pytest.mark.parametrize("kind", SAVE)
def test_one_reading_makes_what_decoding_makes(kind: str, kept: Path, tmp_path: Path) -> None:
    paths = write(tmp_path / "a", kind, 5) * 2
    assert alike(opened(paths), opened(paths, cache=False))
    assert sorted(path.suffix for path in kept.iterdir()) == [".json", ".json", ".npy"]


def test_each_file_is_read_once_beside_a_few(
    kept: Path, tmp_path: Path, put: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Path] = []

    def counted(path: Path) -> bytes:
        reads.append(path)
        return read_content(path)

    for module in (picture_one_pass, picture_survey):
        monkeypatch.setattr(module, "read_content", counted)
    paths = write(tmp_path / "a", "colour", 12)
    opened(paths)
    assert sorted(kept.glob("*.npy")) == put
    assert len(reads) == 12 + 4


def one_grey_picture_in_colour(path: Path) -> None:
    SAVE["colour"][1](path, 0)


def another_size(path: Path) -> None:
    from PIL import Image

    Image.fromarray(noise(20, 16)).save(path)


def sixteen_bits(path: Path) -> None:
    SAVE["twelve bits"][1](path, 0)


@pytest.mark.parametrize("odd", [one_grey_picture_in_colour, another_size, sixteen_bits])
@pytest.mark.parametrize("place", [1, 9])
def test_a_picture_that_the_sample_missed_changes_all(
    odd: Callable[[Path], None], place: int, kept: Path, tmp_path: Path, put: list[Path]
) -> None:
    paths = write(tmp_path / "a", "grey", 12)
    odd(paths[place])
    assert alike(opened(paths), opened(paths, cache=False))
    assert put == []
    assert len(list(kept.glob("*.npy"))) == 1
    assert not list(kept.glob(".*"))


def test_pictures_too_different_to_foresee_are_read_twice(
    kept: Path, tmp_path: Path, put: list[Path]
) -> None:
    paths = write(tmp_path / "a", "mixed sizes", 5) * 2
    assert alike(opened(paths), opened(paths, cache=False))
    assert put == []


def test_damaged_and_missing_pictures_are_listed_together(
    kept: Path, tmp_path: Path, put: list[Path]
) -> None:
    paths = write(tmp_path / "a", "jpeg", 12)
    paths[2].write_bytes(paths[2].read_bytes()[:-40])
    paths[5].write_bytes(b"no picture")
    paths[6].unlink()
    with pytest.raises(DataError) as error:
        opened(paths)
    for text in ("3 of 12 pictures", "row 3: 2.jpg is damaged", "row 7: 6.jpg is missing"):
        assert text in str(error.value)
    assert "row 6: 5.jpg is not a picture that can be read; row 7" in str(error.value)
    left_out = opened(paths, on_damaged="skip")
    assert left_out.kept.tolist() == [0, 1, 3, 4, 7, 8, 9, 10, 11]
    assert alike(left_out, opened(paths, on_damaged="skip", cache=False))
    assert len(put) == 1


def test_pictures_that_were_copied_are_only_looked_at(
    kept: Path, tmp_path: Path, put: list[Path]
) -> None:
    paths = write(tmp_path / "a", "jpeg", 12)
    opened(paths)
    (tmp_path / "b").mkdir()
    copies = [tmp_path / "b" / path.name for path in paths]
    for path, copy in zip(paths, copies, strict=True):
        copy.write_bytes(path.read_bytes())
    assert alike(opened(copies), opened(paths))
    assert len(put) == 1


def test_what_a_killed_process_left_is_removed(kept: Path, tmp_path: Path, put: list[Path]) -> None:
    paths = write(tmp_path / "a", "jpeg", 12)
    opened(paths)
    (survey,) = kept.glob("*.json")
    for path in kept.iterdir():
        path.unlink()
    (kept / f".pictures-{survey.stem}.npy.{os.getpid() + 1}.tmp").write_bytes(b"half")
    opened(paths)
    assert len(put) == 2
    assert not list(kept.glob(".*"))
