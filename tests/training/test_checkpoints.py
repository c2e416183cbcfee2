import os
from pathlib import Path

import pytest
import torch

from multihead.errors import CheckpointError
from multihead.files import write_atomically
from multihead.training.checkpoints import AtomicCheckpointIO, RunCheckpoint, read_checkpoint


class Hostile:
    """Pickles to a call of os.system."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    path.write_bytes(b"old")

    def break_off(temporary: Path) -> None:
        temporary.write_bytes(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, break_off)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_checkpoint_comes_back_as_it_was_written(tmp_path: Path) -> None:
    io, path = AtomicCheckpointIO(), tmp_path / "a" / "last.ckpt"
    io.save_checkpoint({"state_dict": {"w": torch.arange(3)}, "epoch": 2}, path)
    assert io.load_checkpoint(path)["state_dict"]["w"].tolist() == [0, 1, 2]


def test_folders_are_made_but_for_those_of_a_run_that_was_deleted(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "run").mkdir(parents=True)
    io = AtomicCheckpointIO(home)
    for path in (home / "run/checkpoints/a.ckpt", tmp_path / "a/b/c.ckpt"):
        io.save_checkpoint({"state_dict": {}}, path)
    with pytest.raises(CheckpointError, match="cannot be written into"):
        io.save_checkpoint({"state_dict": {}}, home / "gone/checkpoints/a.ckpt")


def test_a_hostile_checkpoint_is_refused_by_name_and_runs_nothing(tmp_path: Path) -> None:
    mark, path = tmp_path / "mark", tmp_path / "bad.ckpt"
    torch.save({"state_dict": Hostile(f"touch {mark}")}, path)
    with pytest.raises(
        CheckpointError, match=r"bad\.ckpt is refused: loading it would run .*system"
    ):
        AtomicCheckpointIO().load_checkpoint(path, weights_only=False)
    assert not mark.exists()


@pytest.mark.parametrize("size", [0, 1, 100, 2000])
def test_a_cut_checkpoint_is_called_damaged(tmp_path: Path, size: int) -> None:
    path = tmp_path / "cut.ckpt"
    torch.save({"state_dict": {"w": torch.zeros(1000)}}, path)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(CheckpointError, match=r"cut\.ckpt"):
        read_checkpoint(path)


@pytest.mark.parametrize("where", ["https://example.org/a.ckpt", "s3://bucket/a.ckpt"])
def test_an_address_is_refused(where: str) -> None:
    with pytest.raises(CheckpointError, match="is a URL"):
        read_checkpoint(where)


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        read_checkpoint(tmp_path / "none.ckpt")


def test_something_else_than_a_checkpoint_is_refused(tmp_path: Path) -> None:
    torch.save(torch.zeros(3), tmp_path / "tensor.ckpt")
    with pytest.raises(CheckpointError, match="no state_dict"):
        read_checkpoint(tmp_path / "tensor.ckpt")


def test_a_best_checkpoint_that_was_deleted_is_named_instead_of_testing_other_weights(
    tmp_path: Path,
) -> None:
    checkpoint = RunCheckpoint(dirpath=tmp_path)
    checkpoint.check_best()  # there is none yet
    checkpoint.best_epoch = 3
    with pytest.raises(CheckpointError, match=r"best\.ckpt was deleted .* best epoch, 3, are lost"):
        checkpoint.check_best()
    (tmp_path / "best.ckpt").touch()
    checkpoint.check_best()
