import logging
from pathlib import Path

import pytest

from multihead.errors import CheckpointError
from multihead.files import sha256
from multihead.training.hashes import HASHES, first_whole, read_hashes, recorded_hashes

NAMES = ("last.ckpt", "previous.ckpt")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / name).write_text(name)
    with recorded_hashes(tmp_path, {n: frozenset({sha256(tmp_path / n)}) for n in NAMES}):
        pass
    return tmp_path


def test_the_first_of_the_whole_files_is_used(folder: Path) -> None:
    assert first_whole(folder, NAMES) == folder / "last.ckpt"


def test_a_damaged_file_is_named_and_put_aside_for_the_next(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "last.ckpt").write_text("last.ckpX")
    with caplog.at_level(logging.WARNING):
        assert first_whole(folder, NAMES) == folder / "previous.ckpt"
    assert "last.ckpt is damaged" in caplog.text
    assert "previous.ckpt is used" in caplog.text
    assert not (folder / "last.ckpt").exists()


def test_no_whole_file_is_an_error_and_no_file_is_none(folder: Path, tmp_path: Path) -> None:
    for name in NAMES:
        (folder / name).write_text("x")
    with pytest.raises(CheckpointError, match=r"every checkpoint in .* is damaged"):
        first_whole(folder, NAMES)
    assert first_whole(folder, NAMES) is None


def test_a_crash_while_files_are_replaced_leaves_good_ones(folder: Path) -> None:
    """Old and new content are both as recorded until the replacement is over."""
    (folder / "new").write_text("new")
    change = recorded_hashes(folder, {"last.ckpt": frozenset({sha256(folder / "new")})})
    change.__enter__()
    assert len(read_hashes(folder)["last.ckpt"]) == 2
    assert first_whole(folder, NAMES) == folder / "last.ckpt"
    (folder / "new").replace(folder / "last.ckpt")
    assert first_whole(folder, NAMES) == folder / "last.ckpt"
    assert (folder / HASHES).read_text().count("last.ckpt") == 2
