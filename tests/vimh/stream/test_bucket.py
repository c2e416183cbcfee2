"""Sets in shards on S3: the server is a real one, and is killed."""

import json
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import s3fs
from click.testing import CliRunner
from tests.buckets import BUCKET, S3Server, s3_server
from tests.shards import all_rows, rows, write_file, write_shards

from multihead import VIMHStreamDataModule
from multihead.cli.data import command
from multihead.errors import ConfigError, DataError, DataUnreachableError
from multihead.vimh.stream.loader import StreamLoader
from multihead.vimh.streamed import streamed_source

SET = f"s3://{BUCKET}/sets/numbers"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    with s3_server(monkeypatch) as server:
        yield server


@pytest.mark.slow
def test_a_set_is_written_read_and_damaged_on_s3(server: S3Server, tmp_path: Path) -> None:
    """One server for all of it, because each start takes seconds."""
    folder = write_file(tmp_path / "file")
    arguments = ["shard", str(folder), SET, "--rows-per-shard", "8"]
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert "50 train in 7 shards, 7 test in 1 shards" in done.output
    with pytest.raises(ConfigError, match=f"{SET} already exists"):
        CliRunner().invoke(command, arguments, catch_exceptions=False)

    # It is the set that a folder would hold, and streams the same.
    there = write_shards(tmp_path / "set")
    local = VIMHStreamDataModule(there, 6, shuffle_rows=20)
    remote = VIMHStreamDataModule(SET, 6, shuffle_rows=20, num_workers=3)
    assert remote.train_source.digest() == local.train_source.digest()
    assert remote.heads == local.heads
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        assert all_rows(getattr(remote, loader)()) == all_rows(getattr(local, loader)())

    # Ranks share an epoch, and a loader goes on where another one ended.
    ranks = [_loader(rank=rank, world_size=3) for rank in range(3)]
    shares = list(chain(*chain(*(all_rows(loader) for loader in ranks))))
    assert len(shares) == len(set(shares)) == 48
    whole, begun, resumed = all_rows(_loader()), _loader(), _loader()
    batches = iter(begun)
    assert [rows(next(batches)), rows(next(batches))] == whole[:2]
    resumed.load_state_dict(begun.state_dict())
    assert all_rows(resumed) == whole[2:]

    assert "sound" in CliRunner().invoke(command, ["validate", SET]).output
    assert "50 train, 7 test" in CliRunner().invoke(command, ["inspect", SET]).output

    # A smaller set in its place leaves no shard behind.
    small = write_file(tmp_path / "small", train=5)
    arguments = ["shard", str(small), SET, "--overwrite"]
    CliRunner().invoke(command, arguments, catch_exceptions=False)
    files = s3fs.S3FileSystem()
    names = {Path(path).name for path in files.ls(SET, refresh=True)}
    assert names == {"train-00000", "test-00000", "vimh_shards.json"}

    files.rm(f"{SET}/train-00000")
    with pytest.raises(DataError, match=f"{SET}/train-00000 is missing"):
        streamed_source(SET, "train")
    with pytest.raises(DataError, match=r"no vimh_shards.json, so it is not a dataset in shards"):
        streamed_source(f"s3://{BUCKET}/nothing", "train")


@pytest.mark.slow
def test_a_server_that_went_away_is_one_line(server: S3Server) -> None:
    write_shards(SET)
    for threads in (0, 2):
        batches = iter(_loader(num_workers=threads))
        next(batches)
        if not threads:
            server.kill()
            message = rf"{SET}/train-0000\d cannot be read, after several tries: .* resume"
            with pytest.raises(DataUnreachableError, match=message) as caught:
                list(batches)
            assert len(str(caught.value).splitlines()) == 1
            server.start()
            server.make_bucket()
            write_shards(SET)
        else:
            assert len(list(batches)) == 8
    server.kill()
    with pytest.raises(DataUnreachableError, match=f"{SET} cannot be read"):
        streamed_source(SET, "train")


def test_without_s3fs_the_line_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(ConfigError, match=r"pip install 'multihead\[s3\]'"):
        streamed_source(SET, "train")


@pytest.mark.slow
def test_the_index_is_written_last(server: S3Server) -> None:
    """So that a set whose writer was killed is no set."""
    write_shards(SET)
    files = s3fs.S3FileSystem()
    found = files.ls(SET, detail=True, refresh=True)
    times = {Path(entry["name"]).name: entry["LastModified"] for entry in found}
    assert times["vimh_shards.json"] == max(times.values())
    assert json.loads(files.cat_file(f"{SET}/vimh_shards.json"))["format"] == "VIMH shards"


def _loader(**options: object) -> StreamLoader:
    source = streamed_source(SET, "train")
    given = {"batch_size": 6, "seed": 1, "shuffle_rows": 20, **options}
    return StreamLoader(source, np.arange(len(source)), **given)
